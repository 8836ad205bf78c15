"""`waypass-reader station`: the box of a station's staff, until it is told to stop.

It needs the station's own broker and no other network. A fault in the configuration, a key file that can't be used or a
port that is taken ends it with exit code 2. Then one line on standard error, `station`, has the address of its page; a
broker that is not there is reported, on the page too, and tried again.

SIGTERM and SIGINT end it with exit code 0. The log is JSON lines on standard error; standard output stays empty.
"""

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer


def station(
    config: Annotated[Path, typer.Option("--config", metavar="FILE", help="The station box's configuration (TOML).")],
) -> None:
    """Serve the page of a station's staff."""
    # Only now: the other commands need neither a broker's client nor pages.
    from waypass_reader.clock import SystemClock, kernel_synchronised
    from waypass_reader.log import make_log
    from waypass_reader.station.box import StationBox
    from waypass_reader.station.config import load_station

    table, key = load_station(config)
    log = make_log(sys.stderr, station=table.station)
    clock = SystemClock(synchronised=kernel_synchronised)
    box = StationBox(table, key=key, clock=clock, log=log)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: box.stop())
    box.run()
