"""The fleet of a chaos run: `waypass fleet`, with readers that keep their lists as a gate does, each in a folder of its
own beside the configuration. So a full or broken disk and a reboot torment the code that runs in a gate.
"""

import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.support.gate_disk import GateDisk

from waypass_simulator.errors import UsageError
from waypass_simulator.fleet.command import read_settings, run
from waypass_simulator.fleet.reader import FleetReader


def main(configuration: Path) -> None:
    """Run this fleet until it is told to end. Raises `UsageError`."""
    with tempfile.TemporaryDirectory(prefix="disks-", dir=configuration.parent) as folder:
        run(read_settings(configuration, {}), partial(make_reader, Path(folder)))


def make_reader(folder: Path, *, name: str, **members: Any) -> FleetReader:
    """A reader with a disk of its own."""
    return FleetReader(name=name, **members, kept=GateDisk(folder / name))


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except UsageError as error:
        sys.exit(str(error))
