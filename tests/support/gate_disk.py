"""A fleet's readers keep their lists as a gate does: `waypass_reader.store_files` over a folder of each, for the chaos
run and tests of the fleet. Packages of the simulator may not import the reader's; this is beside both.
"""

import errno
import os
from collections.abc import Iterable
from pathlib import Path

from waypass_protocol.assembly import Kind, StatusStore
from waypass_protocol.floors import Floors
from waypass_reader.log import RecordingLog
from waypass_reader.store_files import DiskKeeper
from waypass_simulator.fleet.kept import DiskState


class PoorDisk:
    """A folder of this machine that is full or broken when it is told to be. Nothing is synced: who reboots here is a
    simulated reader, not the machine."""

    def __init__(self) -> None:
        self.state = DiskState.OK

    def write(self, path: Path, data: bytes) -> None:
        """Written; or half of it, and ENOSPC or EIO."""
        room = path.stat().st_size if path.exists() else 0
        if self.state is DiskState.BROKEN or (self.state is DiskState.FULL and len(data) > room):
            path.write_bytes(data[: len(data) // 2])
            number = errno.EIO if self.state is DiskState.BROKEN else errno.ENOSPC
            raise OSError(number, os.strerror(number))
        path.write_bytes(data)

    def rename(self, path: Path, new: Path) -> None:
        """In one step."""
        path.replace(new)

    def remove(self, path: Path) -> None:
        """Gone."""
        path.unlink(missing_ok=True)

    def sync_folder(self, folder: Path) -> None:
        """Nothing is done."""


class GateDisk:
    """A `ReaderDisk` that is a gate's own keeper."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._disk = PoorDisk()
        self._keeper = self._open()

    def _open(self) -> DiskKeeper:
        return DiskKeeper(self._folder, log=RecordingLog(), disk=self._disk)

    @property
    def floors(self) -> Floors:
        """As they were written last."""
        return self._keeper.floors

    @property
    def state(self) -> DiskState:
        """How it is made to be."""
        return self._disk.state

    @property
    def health(self) -> str:
        """What a gate says of it."""
        return self._keeper.health

    def keep_message(self, uri: str, kind: Kind, version: int, data: bytes) -> None:
        """Kept as a gate does."""
        self._keeper.keep_message(uri, kind, version, data)

    def keep_floors(self, floors: Floors) -> None:
        """Kept as a gate does."""
        self._keeper.keep_floors(floors)

    def become(self, state: DiskState) -> None:
        """Be like this, and write what waits: a gate tries once a second."""
        self._disk.state = state
        self._keeper.write_waiting()

    def lose_waiting(self) -> None:
        """The keeper of the next run begins with what is in the folder."""
        self._keeper = self._open()

    def lacking(self, uris: Iterable[str]) -> frozenset[str]:
        """As a gate asks it."""
        return self._keeper.lacking(uris)

    def forget_unneeded(self, store: StatusStore, uri: str) -> None:
        """As a gate does."""
        self._keeper.forget_unneeded(store, uri)

    def restore(self, store: StatusStore, *, now: int) -> None:
        """As a gate does at its start."""
        self._keeper.restore(store, now=now)
