"""`waypass-reader run`: a gate, until it is told to stop.

At start, in this order, each with one line on standard error:

1. a missing library: the needed ones end the command with exit code 2, the optional ones are a warning
2. a fault in the configuration, the trust set, the state folder or the pins, and a state folder that another reader
   has: exit code 2
3. `ready`, when the lanes look at frames; a broker that is not there, or a camera, is reported and tried again

SIGTERM and SIGINT end it with exit code 0, with its presence published as offline; so does the end of every source.
Whoever supervises it (systemd, by NOTIFY_SOCKET) is told that it is ready and lives: `waypass_reader.supervision`.
The log is JSON lines on standard error. Standard output has what the displays write.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from waypass_reader.errors import MissingLibrary
from waypass_reader.libraries import missing_libraries


def run(
    config: Annotated[Path, typer.Option("--config", metavar="FILE", help="The reader's configuration (TOML).")],
) -> None:
    """Run a gate."""
    missing = missing_libraries()
    needed = [str(one) for one in missing if one.library.needed]
    if needed:
        raise MissingLibrary("; ".join(needed))
    # Only now: these load the libraries that were looked for.
    from waypass_reader.clock import SystemClock, kernel_synchronised
    from waypass_reader.config import load_config
    from waypass_reader.log import make_log
    from waypass_reader.reader import Reader
    from waypass_reader.state_lock import hold_state
    from waypass_reader.supervision import notifier_of

    table, trust = load_config(config)
    log = make_log(sys.stderr, station=table.station)
    for one in missing:
        log.warning("a library is missing", what=str(one))
    clock = SystemClock(synchronised=_always if table.clock == "assume-synchronised" else kernel_synchronised)
    # Whoever computes in Python gives way to a lane that waits for its frame after 1 ms, and not after the usual 5.
    sys.setswitchinterval(0.001)
    with hold_state(table.state):
        reader = Reader(table, trust=trust, clock=clock, log=log, stdout=sys.stdout, notifier=notifier_of(os.environ))
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: reader.stop())
        reader.run()


def _always() -> bool:
    """Whoever set the reader up vouches for the clock."""
    return True
