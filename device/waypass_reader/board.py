"""What each lane's screen shows now, for pages that follow it.

A lane puts its latest state here; whoever follows a lane is given that one, and then the latest whenever it changed. A
follower that is slow misses what was in between: a screen shows the present. Putting waits for nobody, and followers
hold the board no longer than it takes to look.

No reason, text, index, key or hint is on the board: what a screen shows is an aspect.
"""

import json
import threading
from collections.abc import Iterable
from dataclasses import dataclass

from waypass_protocol.messages import LaneState
from waypass_protocol.reasons import Outcome, Shown
from waypass_reader.display import Showing


@dataclass(frozen=True, kw_only=True, slots=True)
class Screen:
    """What one lane's screen shows. There is an aspect while the lane is open or somebody waits, and none besides."""

    state: LaneState
    aspect: Shown | None = None

    def __post_init__(self) -> None:
        if (self.aspect is not None) is not (self.state in {LaneState.OPEN, LaneState.WAIT}):
            raise ValueError(f"screen: expected an aspect for open and wait alone, got {self.aspect} for {self.state}")
        if (self.aspect is Shown.GREEN) is not (self.state is LaneState.OPEN):
            raise ValueError(f"screen: expected green for an open lane alone, got {self.aspect} for {self.state}")

    def as_json(self) -> str:
        """The screen as an event's data."""
        return json.dumps({"state": self.state.value, "aspect": None if self.aspect is None else self.aspect.value})


class Board:
    """The screens of all lanes of one reader. Used from any thread."""

    def __init__(self, lanes: Iterable[str]) -> None:
        self._changed = threading.Condition()
        self._screens: dict[str, tuple[int, Screen]] = {
            lane: (1, Screen(state=LaneState.OUT_OF_ORDER)) for lane in lanes
        }

    @property
    def lanes(self) -> list[str]:
        """The lanes' names, in their order."""
        return list(self._screens)

    def put(self, lane: str, screen: Screen) -> None:
        """A lane shows something else now."""
        with self._changed:
            number, _ = self._screens[lane]
            self._screens[lane] = (number + 1, screen)
            self._changed.notify_all()

    def newest(self, lane: str, *, after: int = 0, timeout_seconds: float = 0) -> tuple[int, Screen] | None:
        """What a lane shows and the number of that change, if it is later than `after`, waited for a while."""
        with self._changed:
            self._changed.wait_for(lambda: self._screens[lane][0] > after, timeout_seconds)
            number, screen = self._screens[lane]
            return (number, screen) if number > after else None

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
        self._seen, screen = found
        return screen.as_json()

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

    def idle(self, lane: str) -> None:  # noqa: ARG002 - the interface's shape
        """Who comes next is asked for a code."""
        self._board.put(self._lane, Screen(state=LaneState.IDLE))

    def out_of_order(self, lane: str) -> None:  # noqa: ARG002 - the interface's shape
        """Nobody should queue here."""
        self._board.put(self._lane, Screen(state=LaneState.OUT_OF_ORDER))

    def close(self) -> None:
        """The lane has ended: it lets nobody through."""
        self._board.put(self._lane, Screen(state=LaneState.OUT_OF_ORDER))
