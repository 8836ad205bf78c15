"""The one place of a reader where texts become a decision.

All lanes of a reader share it, and decide one after the other under one lock, so that one pass shown at two lanes at the
same time opens one of them. What the status inbox does is read without a lock: `StatusStore.view` is one reference to
frozen lists.

Several texts in one frame give one decision:

1. where a Waypass text is among them, the others (posters, tickets) are passed over
2. the first text that opens, in the decoder's order, opens the lane; it alone is remembered, so two people's codes in
   one frame open once, and the second opens when the lane has closed again
3. where none opens, the first one's reason is what is shown
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from waypass_protocol.admission import Gate, decide
from waypass_protocol.assembly import HeldList, StatusStore
from waypass_protocol.passes import PASS_PREFIX
from waypass_protocol.presentation import PRESENTATION_PREFIX
from waypass_protocol.reasons import Decision, Outcome
from waypass_protocol.reentry import ReentryMemory
from waypass_reader.clock import Clock


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Footing:
    """What decisions stand on now. While it is the same, the same text in view has the same answer."""

    lists: Mapping[str, HeldList]
    clock_trusted: bool

    def same_as(self, other: "Footing") -> bool:
        """Whether nothing changed: a swap and a head each make a new view of the lists."""
        return self.lists is other.lists and self.clock_trusted == other.clock_trusted


class Desk:
    """Decides for all lanes of one reader."""

    def __init__(self, *, gate: Gate, store: StatusStore, memory: ReentryMemory, clock: Clock) -> None:
        self._gate = gate
        self._store = store
        self._memory = memory
        self._clock = clock
        self._lock = threading.Lock()

    def clock_trusted(self) -> bool:
        """Whether the clock may be decided by now."""
        return self._store.clock_trusted(int(self._clock.now()), synchronised=self._clock.synchronised())

    def footing(self) -> Footing:
        """What decisions stand on now."""
        return Footing(lists=self._store.view, clock_trusted=self.clock_trusted())

    def judge(self, texts: Sequence[str]) -> Decision:
        """One decision for the texts of one frame (at least one). What opens is remembered, and its place left out."""
        ours = [text for text in texts if text.startswith((PASS_PREFIX, PRESENTATION_PREFIX))]
        with self._lock:
            now = int(self._clock.now())
            decisions = [self._decide(text, now) for text in ours or texts[:1]]
            decision = next((each for each in decisions if each.outcome is Outcome.OPEN), decisions[0])
            if decision.place is None:
                return decision
            self._memory.remember(decision.place, now)
            return replace(decision, place=None)

    def _decide(self, text: str, now: int) -> Decision:
        return decide(
            text,
            now=now,
            clock_trusted=self._store.clock_trusted(now, synchronised=self._clock.synchronised()),
            gate=self._gate,
            lists=self._store.view,
            reentry=self._memory,
        )
