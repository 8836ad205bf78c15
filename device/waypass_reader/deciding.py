"""The one place of a reader where texts become a decision.

All lanes of a reader share it, and decide one after the other under one lock, so that one pass shown at two lanes at
once opens one of them. What the status inbox does is read without a lock: `StatusStore.view` is one reference to
frozen lists.

Several texts in one frame give one decision:

1. where a Waypass text is among them, the others (posters, tickets) are passed over
2. the first text that opens, in the decoder's order, opens the lane; it alone is remembered, so two people's codes in
   one frame open once, and the second opens when the lane has closed again
3. where none opens, the first one's reason is what is shown

What opened is remembered, and told to the station's other readers once the lane is open; when nobody walked through, it
is taken back. The memo by which that is done has marks in it and no place.

`decide` raises for no text that anybody knows of. Should one be found all the same, that text is malformed, the log
names the kind of error and nothing of the text, and the lanes go on: no code can open or stall a gate by raising.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from waypass_protocol.admission import Gate, decide
from waypass_protocol.assembly import HeldList, StatusStore
from waypass_protocol.passes import PASS_PREFIX, Place
from waypass_protocol.presentation import PRESENTATION_PREFIX
from waypass_protocol.reasons import DECISIONS, Decision, Outcome, Reason
from waypass_protocol.reentry import Memo, ReentryMemory, ReentryView, StationMark
from waypass_reader.clock import Clock
from waypass_reader.log import Log


def is_waypass(text: str) -> bool:
    """Whether a text says of itself that it is a Waypass text."""
    return text.startswith((PASS_PREFIX, PRESENTATION_PREFIX))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Footing:
    """What decisions stand on now. While it is the same, the same text in view has the same answer."""

    lists: Mapping[str, HeldList]
    clock_trusted: bool

    def same_as(self, other: "Footing") -> bool:
        """Whether nothing changed: a swap and a head each make a new view of the lists."""
        return self.lists is other.lists and self.clock_trusted == other.clock_trusted


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgement:
    """The decision that counts for a frame, and the text in it that was decided so; the text is for the lane alone.
    One that opens has a memo, by which the opening is told to others or taken back."""

    text: str
    decision: Decision
    memo: Memo | None = None


class Others(Protocol):
    """What the other readers of a station remember; none of it waits."""

    def opened_within(self, place: Place, seconds: int, now: int) -> bool:
        """Whether one of them opened a lane for this place."""

    def marks(self, place: Place) -> tuple[StationMark, ...]:
        """What they will know it by."""

    def tell(self, memo: Memo, *, opened: bool) -> None:
        """It opened a lane, or nobody walked through."""

    def forget(self) -> None:
        """Drop what is past its time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Station:
    """The view that decisions ask: this reader's own memory, and the others'."""

    own: ReentryMemory
    others: Others

    def opened_within(self, place: Place, seconds: int, now: int) -> bool:
        """Whether any of them opened a lane for it."""
        return self.own.opened_within(place, seconds, now) or self.others.opened_within(place, seconds, now)


class Desk:
    """Decides for all lanes of one reader."""

    def __init__(
        self,
        *,
        gate: Gate,
        store: StatusStore,
        memory: ReentryMemory,
        clock: Clock,
        log: Log,
        rule: Callable[..., Decision] = decide,
        others: Others | None = None,
    ) -> None:
        """Without `others` this reader remembers alone."""
        self._log = log
        self._rule = rule
        self._gate = gate
        self._store = store
        self._memory = memory
        self._others = others
        self._reentry: ReentryView = memory if others is None else _Station(own=memory, others=others)
        self._clock = clock
        self._lock = threading.Lock()

    def clock_trusted(self) -> bool:
        """Whether the clock may be decided by now."""
        return self._store.clock_trusted(int(self._clock.now()), synchronised=self._clock.synchronised())

    def footing(self) -> Footing:
        """What decisions stand on now."""
        return Footing(lists=self._store.view, clock_trusted=self.clock_trusted())

    def judge(self, texts: Sequence[str]) -> Judgement:
        """One decision for the texts of one frame (at least one). What opens is remembered, and its place left out."""
        ours = [text for text in texts if is_waypass(text)]
        with self._lock:
            now = int(self._clock.now())
            judged = [Judgement(text=text, decision=self._decide(text, now)) for text in ours or texts[:1]]
            chosen = next((each for each in judged if each.decision.outcome is Outcome.OPEN), judged[0])
            if chosen.decision.place is None:
                return chosen
            memo = self._memory.remember(chosen.decision.place, now)
            if self._others is not None:
                memo = replace(memo, shared=self._others.marks(chosen.decision.place))
            return replace(chosen, decision=replace(chosen.decision, place=None), memo=memo)

    def opened(self, memo: Memo) -> None:
        """The lane is open: the others are told."""
        if self._others is not None:
            self._others.tell(memo, opened=True)

    def take_back(self, memo: Memo) -> None:
        """Nobody walked through, so the same pass may open a lane."""
        with self._lock:
            self._memory.take_back(memo)
        if self._others is not None:
            self._others.tell(memo, opened=False)

    def forget(self) -> None:
        """Drop what is past the re-entry time, on a station where nobody comes."""
        with self._lock:
            self._memory.forget(int(self._clock.now()))
        if self._others is not None:
            self._others.forget()

    def _decide(self, text: str, now: int) -> Decision:
        try:
            return self._rule(
                text,
                now=now,
                clock_trusted=self._store.clock_trusted(now, synchronised=self._clock.synchronised()),
                gate=self._gate,
                lists=self._store.view,
                reentry=self._reentry,
            )
        except Exception as error:  # noqa: BLE001 - the module's docstring says why
            self._log.warning("a code could not be judged", error=type(error).__name__)
            return DECISIONS[Reason.MALFORMED]
