"""The disk of a simulated reader: what outlives its reboots.

`Kept` is one in this process's memory: a `Keeper` as the protocol asks for one. It does what a gate's does. While it is
full, messages wait and are written when there is room again, and floors, which a gate writes in place, are written all
the same; while it is broken, floors wait too. What waits is lost when the reader reboots before that.

Another one may stand in its place (`ReaderDisk`): the chaos run's readers have that of a gate.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Protocol

from waypass_protocol.assembly import Keeper, Kind, StatusStore
from waypass_protocol.floors import Floors


class DiskState(StrEnum):
    """How a disk is."""

    OK = "ok"
    FULL = "full"
    """There is no room. What is there can be overwritten."""
    BROKEN = "broken"
    """It takes nothing."""


class ReaderDisk(Keeper, Protocol):
    """What a fleet's reader keeps its lists on."""

    @property
    def floors(self) -> Floors:
        """As they were written last."""
        ...

    @property
    def state(self) -> DiskState:
        """How it is made to be."""
        ...

    @property
    def health(self) -> str:
        """ "ok", or what is wrong, as a reader says it."""
        ...

    def become(self, state: DiskState) -> None:
        """Be like this from now on; what waits for room is written where there is some."""
        ...

    def lose_waiting(self) -> None:
        """The reader has lost its memory."""
        ...

    def lacking(self, uris: Iterable[str]) -> frozenset[str]:
        """Those of these lists of which something waits to be written."""
        ...

    def forget_unneeded(self, store: StatusStore, uri: str) -> None:
        """Drop what does not rebuild the list any more."""
        ...

    def restore(self, store: StatusStore, *, now: int) -> None:
        """Offer everything to a new store: deltas, then snapshots, then the head."""
        ...


class Kept:
    """See the module's docstring."""

    def __init__(self) -> None:
        self.state = DiskState.OK
        self.floors = Floors()
        self.head: bytes | None = None
        self._parts: dict[str, dict[tuple[Kind, int], bytes]] = {}
        self._waiting: dict[tuple[str, Kind, int], bytes] = {}
        self._floors_waiting: Floors | None = None

    def keep_message(self, uri: str, kind: Kind, version: int, data: bytes) -> None:
        """Keep a message that is part of the state."""
        if self.state is DiskState.OK:
            self._write(uri, kind, version, data)
        else:
            self._waiting[uri, kind, 0 if kind is Kind.HEAD else version] = data

    def keep_floors(self, floors: Floors) -> None:
        """Keep the floors."""
        if self.state is DiskState.BROKEN:
            self._floors_waiting = floors
        else:
            self.floors, self._floors_waiting = floors, None

    @property
    def health(self) -> str:
        """ "ok", or what is wrong with the disk."""
        return self.state.value

    def become(self, state: DiskState) -> None:
        """Be like this; what waits and has room is written."""
        self.state = state
        if self._floors_waiting is not None:
            self.keep_floors(self._floors_waiting)
        if state is DiskState.OK:
            for (uri, kind, version), data in self._waiting.items():
                self._write(uri, kind, version, data)
            self._waiting.clear()

    def lose_waiting(self) -> None:
        """The reader has lost its memory."""
        self._waiting.clear()
        self._floors_waiting = None

    def lacking(self, uris: Iterable[str]) -> frozenset[str]:
        """Those of these lists of which something waits to be written."""
        return frozenset(uris) & {uri for uri, _, _ in self._waiting}

    def forget_unneeded(self, store: StatusStore, uri: str) -> None:
        """Drop what does not rebuild the list any more, once all that does is written."""
        base, deltas = store.kept_versions(uri)
        needed = {(Kind.SNAPSHOT, base), *((Kind.DELTA, version) for version in deltas)}
        for name in [each for each in self._waiting if each[0] == uri and each[1:] not in needed]:
            del self._waiting[name]
        if self.lacking([uri]):
            return
        parts = self._parts.get(uri, {})
        for part in [each for each in parts if each not in needed]:
            del parts[part]

    def restore(self, store: StatusStore, *, now: int) -> None:
        """Offer everything to a new store: deltas, then snapshots, then the head."""
        for kind in (Kind.DELTA, Kind.SNAPSHOT):
            for parts in list(self._parts.values()):
                for (each, _), data in sorted(parts.items(), key=lambda item: item[0][1]):
                    if each is kind:
                        store.restore(kind, data, now=now)
        if self.head is not None:
            store.restore(Kind.HEAD, self.head, now=now)

    def _write(self, uri: str, kind: Kind, version: int, data: bytes) -> None:
        if kind is Kind.HEAD:
            self.head = data
        else:
            self._parts.setdefault(uri, {})[kind, version] = data
