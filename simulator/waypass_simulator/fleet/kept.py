"""The disk of a simulated reader: what outlives its reboots, in this process's memory.

A `Keeper` as the protocol asks for one. While it is `full` nothing is written; what waits is written in its order when
there is room again, and is lost when the reader reboots before that, as with a real one.
"""

from collections.abc import Callable

from waypass_protocol.assembly import Kind, StatusStore
from waypass_protocol.floors import Floors


class Kept:
    """See the module's docstring."""

    def __init__(self) -> None:
        self.floors = Floors()
        self.head: bytes | None = None
        self._parts: dict[str, dict[tuple[Kind, int], bytes]] = {}
        self._waiting: list[Callable[[], None]] = []
        self._full = False

    def keep_message(self, uri: str, kind: Kind, version: int, data: bytes) -> None:
        """Keep a message that is part of the state."""
        self._write(lambda: self._write_message(uri, kind, version, data))

    def keep_floors(self, floors: Floors) -> None:
        """Keep the floors."""
        self._write(lambda: self._write_floors(floors))

    @property
    def health(self) -> str:
        """ "ok", or what is wrong with the disk."""
        return "full" if self._full else "ok"

    def fill(self) -> None:
        """No more room."""
        self._full = True

    def make_room(self) -> None:
        """Room again: what waits is written."""
        self._full = False
        for write in self._waiting:
            write()
        self._waiting.clear()

    def lose_waiting(self) -> None:
        """The reader has lost its memory."""
        self._waiting.clear()

    def forget_unneeded(self, store: StatusStore, uri: str) -> None:
        """Drop what does not rebuild the list any more."""
        if self._full:
            return
        parts = self._parts.get(uri, {})
        base, deltas = store.kept_versions(uri)
        needed = {(Kind.SNAPSHOT, base), *((Kind.DELTA, version) for version in deltas)}
        for name in [each for each in parts if each not in needed]:
            del parts[name]

    def restore(self, store: StatusStore, *, now: int) -> None:
        """Offer everything to a new store: deltas, then snapshots, then the head."""
        for kind in (Kind.DELTA, Kind.SNAPSHOT):
            for parts in self._parts.values():
                for (each, _), data in sorted(parts.items(), key=lambda item: item[0][1]):
                    if each is kind:
                        store.restore(kind, data, now=now)
        if self.head is not None:
            store.restore(Kind.HEAD, self.head, now=now)

    def _write(self, write: Callable[[], None]) -> None:
        if self._full:
            self._waiting.append(write)
        else:
            write()

    def _write_message(self, uri: str, kind: Kind, version: int, data: bytes) -> None:
        if kind is Kind.HEAD:
            self.head = data
        else:
            self._parts.setdefault(uri, {})[kind, version] = data

    def _write_floors(self, floors: Floors) -> None:
        self.floors = floors
