"""Which lists' snapshots a reader is subscribed to: those that it needs, and no longer than that.

A list that is not held, or whose age is unknown, is asked for at once. One that is held and merely seems to have a gap,
or an old base, is asked for only when that has lasted a second: the missing delta is mostly on its way already.
"""

from waypass_protocol.assembly import StatusStore
from waypass_protocol.errors import Malformed
from waypass_protocol.names import list_name

PATIENCE_NS = 10**9


class SnapshotWanted:
    """The wanted snapshots of one store. One thread at a time; `now_ns` is monotonic."""

    def __init__(self, store: StatusStore, *, patience_ns: int = PATIENCE_NS) -> None:
        self._store = store
        self._patience_ns = patience_ns
        self._behind_since: dict[str, int] = {}
        self._asked: set[str] = set()

    def forget_asked(self) -> None:
        """The connection is a new one: nothing is subscribed."""
        self._asked.clear()

    def changes(self, now_ns: int) -> tuple[list[str], list[str]]:
        """The names of the lists to subscribe and to unsubscribe now; they count as done."""
        wanted = {name for uri in self._store.known_lists() if (name := self._name_if_due(uri, now_ns)) is not None}
        subscribe, unsubscribe = sorted(wanted - self._asked), sorted(self._asked - wanted)
        self._asked = wanted
        return subscribe, unsubscribe

    def _name_if_due(self, uri: str, now_ns: int) -> str | None:
        if not self._store.needs_snapshot(uri):
            self._behind_since.pop(uri, None)
            return None
        try:
            name = list_name(uri)
        except Malformed:
            return None  # a list that no topic can carry; its rows in the head say nothing here
        held = self._store.view.get(uri)
        if held is None or held.renewed is None or name in self._asked:
            return name
        since = self._behind_since.setdefault(uri, now_ns)
        return name if now_ns - since >= self._patience_ns else None
