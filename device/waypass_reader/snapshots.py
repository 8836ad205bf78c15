"""Which lists' snapshots a reader is subscribed to: those that it needs, and no longer than that; and gaps that last.

A list that is not held, or whose age is unknown, is asked for at once. One that is held and merely seems to have a gap,
or an old base, is asked for only when that has lasted a second: the missing delta is mostly on its way already.
"""

from waypass_protocol.assembly import StatusStore
from waypass_protocol.errors import Malformed
from waypass_protocol.names import list_name

PATIENCE_NS = 10**9
FIRST_GAP_NS = 5 * 10**9
LAST_GAP_NS = 320 * 10**9


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


class GapWatch:
    """Whether a delta seems to be lost for good, so that everything must be asked for again.

    A list that is behind the newest head, or behind a delta that is kept, mostly catches up by itself. When it was
    behind for 5 s, it is time; while it stays behind, again after twice as long each time, at most every 320 s. A list
    that is not held yet waits while others like it still come: on a thin link the first load of many lists takes its
    time, and asking anew would take more. One thread at a time; `now_ns` is monotonic.
    """

    def __init__(self, store: StatusStore) -> None:
        self._store = store
        self._due: dict[str, tuple[int, int]] = {}
        self._held = 0

    def forget(self) -> None:
        """The connection is a new one: everything is asked for anyway."""
        self._due.clear()

    def due(self, now_ns: int) -> bool:
        """Whether it is time; that counts as asked."""
        view = self._store.view
        behind = {uri for uri in self._store.known_lists() if self._store.is_behind(uri)}
        loading, self._held = len(view) > self._held, len(view)
        self._due = {
            uri: times for uri, times in self._due.items() if uri in behind and not (loading and uri not in view)
        }
        for uri in behind - self._due.keys():
            self._due[uri] = now_ns + FIRST_GAP_NS, FIRST_GAP_NS
        if all(now_ns < at for at, _ in self._due.values()):
            return False
        for uri, (_, pause) in self._due.items():
            longer = min(2 * pause, LAST_GAP_NS)
            self._due[uri] = now_ns + longer, longer
        return True
