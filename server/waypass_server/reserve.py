"""Places that are used in the database and wait in this process for a pass: drawn by hundreds, given out by a batch.

To draw places one batch at a time, a database has to write nearly as many blocks as the batch has passes. So whoever
draws takes more than are needed, and twice as many each time, up to `MOST`.

1. what is here was committed as used: it is put here after its transaction's commit, and not after a rollback
2. what is given out never comes back, whatever becomes of the transaction that asked: nobody knows whether a commit
   that was cut off happened. Such an index is then never a pass's, like those that are here when a process ends
3. one list at a time for each network and kind of pass: what is left of another is let go
"""

import threading
from collections import deque
from collections.abc import Sequence

from sqlalchemy import event
from sqlalchemy.orm import Session

from waypass_server.models.status import PassKind

MOST = 8192

Whose = tuple[int, PassKind]
"""A network, by its id, and the kind of pass that the places are for."""


class Reserve:
    """The reserve of one process, for all its threads."""

    def __init__(self, *, most: int = MOST) -> None:
        """With `most` 0 nothing is drawn ahead."""
        self._most = most
        self._lock = threading.Lock()
        self._held: dict[Whose, tuple[int, deque[int]]] = {}
        self._next: dict[Whose, int] = {}

    def take(self, whose: Whose, count: int) -> tuple[int, Sequence[int]] | None:
        """A list's id and `count` places of it, or None where there are not so many."""
        with self._lock:
            list_id, held = self._held.get(whose, (0, deque[int]()))
            if len(held) < count:
                return None
            return list_id, [held.popleft() for _ in range(count)]

    def let_go(self, whose: Whose, list_id: int) -> None:
        """Nothing more is given out of this list."""
        with self._lock:
            if whose in self._held and self._held[whose][0] == list_id:
                del self._held[whose]

    def ahead(self, whose: Whose, count: int) -> int:
        """How many places whoever needs `count` draws beside them."""
        with self._lock:
            drawn = min(self._next.get(whose, count), self._most)
            self._next[whose] = min(2 * (drawn + count), self._most)
            return drawn

    def put_after_commit(self, session: Session, whose: Whose, list_id: int, places: Sequence[int]) -> None:
        """Rule 1. The places are in no order."""
        if not places:
            return

        def put(ended: Session) -> None:
            if not ended.in_nested_transaction():  # a savepoint's end is no commit
                self._put(whose, list_id, places)

        event.listen(session, "after_commit", put)

    def _put(self, whose: Whose, list_id: int, places: Sequence[int]) -> None:
        with self._lock:
            held = self._held.get(whose)
            if held is None or held[0] < list_id:
                self._held[whose] = list_id, deque(places)
            elif held[0] == list_id:
                held[1].extend(places)
