"""What each lane's screen shows now, for pages that follow it.

A lane puts its latest state here; whoever follows a lane is given that one, and then the latest whenever it changed. A
follower that is slow misses what was in between: a screen shows the present. Putting waits for nobody, and followers
hold the board no longer than it takes to look.

No reason, text, index, key or hint of a pass is on the board: what a screen shows is an aspect, what somebody can do
so that their code is read, and what the gate knows about itself.
"""

import json
import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace

from waypass_protocol.messages import LaneState
from waypass_protocol.reasons import Outcome, Shown
from waypass_reader.condition import Condition
from waypass_reader.display import Showing
from waypass_reader.hints import Hint
from waypass_reader.words import FreeWay


@dataclass(frozen=True, kw_only=True, slots=True)
class Screen:
    """What one lane's screen shows. There is an aspect while the lane is open or somebody waits, and none besides; a
    hint only while it is idle; `free` only while it is open, for everybody."""

    state: LaneState
    aspect: Shown | None = None
    hint: Hint | None = None
    free: FreeWay | None = None

    def __post_init__(self) -> None:
        if (self.aspect is not None) is not (self.state in {LaneState.OPEN, LaneState.WAIT}):
            raise ValueError(f"screen: expected an aspect for open and wait alone, got {self.aspect} for {self.state}")
        if (self.aspect is Shown.GREEN) is not (self.state is LaneState.OPEN):
            raise ValueError(f"screen: expected green for an open lane alone, got {self.aspect} for {self.state}")

        if self.hint is not None and self.state is not LaneState.IDLE:
            raise ValueError(f"screen: expected a hint for an idle lane alone, got {self.hint} for {self.state}")
        if self.free is not None and self.state is not LaneState.OPEN:
            raise ValueError(f"screen: expected a free way for an open lane alone, got {self.free} for {self.state}")

    def as_json(self, condition: Condition | None = None) -> str:
        """The screen as an event's data; what there is nothing of has no member, but for the aspect."""
        members: dict[str, object] = {
            "state": self.state.value,
            "aspect": None if self.aspect is None else self.aspect.value,
        }
        if self.hint is not None:
            members["hint"] = self.hint.value
        if self.free is not None:
            members["free"] = self.free.value
        if condition is not None:
            members["gate"] = condition.as_members()
        return json.dumps(members)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Place:
    """One lane's place on the board; `number` counts its changes."""

    number: int
    screen: Screen
    condition: Condition | None = None


class Board:
    """The screens of all lanes of one reader. Used from any thread."""

    def __init__(self, lanes: Iterable[str]) -> None:
        self._changed = threading.Condition()
        self._places = {lane: _Place(number=1, screen=Screen(state=LaneState.OUT_OF_ORDER)) for lane in lanes}

    @property
    def lanes(self) -> list[str]:
        """The lanes' names, in their order."""
        return list(self._places)

    def put(self, lane: str, screen: Screen) -> None:
        """A lane shows something else now."""
        with self._changed:
            place = self._places[lane]
            self._places[lane] = replace(place, number=place.number + 1, screen=screen)
            self._changed.notify_all()

    def know(self, lane: str, condition: Condition) -> None:
        """What the gate knows about itself; whoever follows is told when it is something else than before."""
        with self._changed:
            place = self._places[lane]
            if place.condition != condition:
                self._places[lane] = replace(place, number=place.number + 1, condition=condition)
                self._changed.notify_all()

    def newest(self, lane: str, *, after: int = 0, timeout_seconds: float = 0) -> tuple[int, str] | None:
        """What a lane shows, as an event's data, and the number of that change, if it is later than `after`, waited for
        a while."""
        with self._changed:
            self._changed.wait_for(lambda: self._places[lane].number > after, timeout_seconds)
            place = self._places[lane]
        return (place.number, place.screen.as_json(place.condition)) if place.number > after else None

    def follow(self, lane: str) -> "LaneFeed":
        """A lane's screen as a stream of events: the present one first."""
        return LaneFeed(self, lane)


class LaneFeed:
    """One follower of one lane."""

    def __init__(self, board: Board, lane: str) -> None:
        self._board = board
        self._lane = lane
        self._seen = 0

    def next(self, timeout_seconds: float) -> str | None:
        """The screen as JSON, when it changed in time."""
        found = self._board.newest(self._lane, after=self._seen, timeout_seconds=timeout_seconds)
        if found is None:
            return None
        self._seen, data = found
        return data

    def close(self) -> None:
        """Nothing is held for a follower."""


class BoardDisplay:
    """A lane's display that puts what is shown on the board."""

    def __init__(self, board: Board, lane: str) -> None:
        self._board = board
        self._lane = lane

    def show(self, showing: Showing) -> None:
        """Its aspect, and not its reason."""
        state = LaneState.OPEN if showing.outcome is Outcome.OPEN else LaneState.WAIT
        self._board.put(self._lane, Screen(state=state, aspect=showing.aspect))

    def let_through(self, lane: str) -> None:  # noqa: ARG002 - the interface's shape
        """Green, as for any opening."""
        self._board.put(self._lane, Screen(state=LaneState.OPEN, aspect=Shown.GREEN))

    def free(self, lane: str, why: FreeWay) -> None:  # noqa: ARG002 - the interface's shape
        """Green, with words of its own."""
        self._board.put(self._lane, Screen(state=LaneState.OPEN, aspect=Shown.GREEN, free=why))

    def release(self, lane: str, pressed: bool) -> None:
        """Told as a free way."""

    def hint(self, lane: str, hint: Hint) -> None:  # noqa: ARG002 - the interface's shape
        """Nothing was decided: the lane is idle, and says what to do."""
        self._board.put(self._lane, Screen(state=LaneState.IDLE, hint=hint))

    def idle(self, lane: str) -> None:  # noqa: ARG002 - the interface's shape
        """Who comes next is asked for a code."""
        self._board.put(self._lane, Screen(state=LaneState.IDLE))

    def out_of_order(self, lane: str) -> None:  # noqa: ARG002 - the interface's shape
        """Nobody should queue here."""
        self._board.put(self._lane, Screen(state=LaneState.OUT_OF_ORDER))

    def close(self) -> None:
        """The lane has ended: it lets nobody through."""
        self._board.put(self._lane, Screen(state=LaneState.OUT_OF_ORDER))
