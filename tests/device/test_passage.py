"""The end of a lane: staff open it in every state that it can be in, and what is shown fits what the barrier does."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from tests.support.publishing import wait_for

from waypass_protocol.messages import HourCounts, LaneState, LiveMessage, MinuteCounts
from waypass_protocol.reasons import DECISIONS, OverrideReason, Reason
from waypass_reader.clock import ManualClock
from waypass_reader.counts import Counts
from waypass_reader.display import RecordingDisplay
from waypass_reader.log import RecordingLog
from waypass_reader.passage import NotOpened, Passage
from waypass_reader.turnstile import RecordingTurnstile, TurnstileError

LONG = 600.0
SOON = 0.05
HELP = OverrideReason.NEEDS_HELP


class Outlet:
    """Remembers what the lane says."""

    def __init__(self) -> None:
        self.heard: list[LiveMessage] = []

    def say_live(self, message: LiveMessage) -> None:
        self.heard.append(message)


class StiffTurnstile(RecordingTurnstile):
    """A barrier that does not move while it is stiff."""

    def __init__(self) -> None:
        super().__init__()
        self.stiff = False

    def open(self) -> None:
        self._move()
        super().open()

    def idle(self) -> None:
        self._move()
        super().idle()

    def _move(self) -> None:
        if self.stiff:
            raise TurnstileError("turnstile: the relay does not move")


@dataclass(kw_only=True)
class Made:
    """A passage and all that it tells."""

    open_seconds: float
    turnstile: StiffTurnstile = field(default_factory=StiffTurnstile)
    display: RecordingDisplay = field(default_factory=RecordingDisplay)
    counts: Counts = field(default_factory=Counts)
    outlet: Outlet = field(default_factory=Outlet)
    log: RecordingLog = field(default_factory=RecordingLog)
    passage: Passage = field(init=False)

    def __post_init__(self) -> None:
        self.passage = Passage(
            "north",
            turnstile=self.turnstile,
            display=self.display,
            counts=self.counts,
            outlet=self.outlet,
            clock=ManualClock(1_800_000_000),
            log=self.log,
            open_seconds=self.open_seconds,
        )
        self.passage.begin()

    def decide(self, reason: Reason) -> None:
        self.passage.decide(DECISIONS[reason], frame_to_decision_ms=1.0, decode_ms=1.0)

    def states(self) -> list[str]:
        return [message.state.value for message in self.outlet.heard]

    def wait_closed(self) -> None:
        self.passage.wait_closed(threading.Event())

    def counted(self) -> dict[str, int]:
        (minute,) = [each for each in self.counts.take_all() if isinstance(each, MinuteCounts)]
        return dict(minute.outcomes)


@pytest.fixture
def make() -> Iterator[Callable[[float], Made]]:
    made: list[Made] = []

    def make(open_seconds: float) -> Made:
        made.append(Made(open_seconds=open_seconds))
        return made[-1]

    yield make
    for each in made:
        each.passage.close()


Make = Callable[[float], Made]


def bring(made: Made, state: str) -> None:
    """Put a passage into a state."""
    match state:
        case "waiting":
            made.decide(Reason.RED)
        case "open by a pass":
            made.decide(Reason.GREEN)
        case "open by staff":
            made.passage.override(OverrideReason.CROWDING)
        case "out of order":
            made.passage.fail("camera: the cable is out")


@pytest.mark.parametrize("state", ["idle", "waiting", "open by a pass", "open by staff", "out of order"])
def test_staff_open_it_whatever_it_is_doing(make: Make, state: str) -> None:
    made = make(LONG)
    bring(made, state)
    opened = made.turnstile.opened
    made.passage.override(HELP)
    assert made.turnstile.opened == opened + 1
    assert made.turnstile.told[-1] == "open"
    assert made.display.told[-1] == "let-through north"
    last = made.outlet.heard[-1]
    assert (last.state, last.outcome, last.reason, last.aspect) == (LaneState.OPEN, None, None, None)
    assert made.log.lines[-1] == ("staff opened the lane", {"lane": "north", "reason": "needs-help"})


@pytest.mark.parametrize(
    ("state", "after", "screen"),
    [
        ("idle", LaneState.IDLE, "idle north"),
        ("waiting", LaneState.IDLE, "idle north"),
        ("open by a pass", LaneState.IDLE, "idle north"),
        ("open by staff", LaneState.IDLE, "idle north"),
        ("out of order", LaneState.OUT_OF_ORDER, "out-of-order north"),
    ],
)
def test_afterwards_it_closes_by_itself(make: Make, state: str, after: LaneState, screen: str) -> None:
    made = make(SOON)
    bring(made, state)
    made.passage.override(HELP)
    made.wait_closed()
    assert made.passage.state is after
    assert made.turnstile.told[-1] == "idle"
    assert made.display.told[-1] == screen
    assert made.outlet.heard[-1].state is after


def test_an_opening_while_it_is_open_makes_the_time_begin_anew(make: Make) -> None:
    made = make(SOON)
    made.decide(Reason.GREEN)
    for _ in range(4):
        made.passage.override(HELP)
    made.wait_closed()
    assert made.turnstile.told == ["open"] * 5 + ["idle"]
    assert made.states() == ["open"] * 5 + ["idle"]


def test_a_decision_from_before_closes_nothing_and_is_counted(make: Make) -> None:
    """A frame was being looked at while staff opened."""
    made = make(LONG)
    made.passage.override(HELP)
    made.decide(Reason.YELLOW)
    assert made.turnstile.told == ["open"]
    assert made.display.told == ["idle north", "let-through north"]
    assert made.states() == ["open"]
    assert made.counted() == {"override": 1, "assist": 1}


def test_a_pass_from_before_that_opens_opens(make: Make) -> None:
    made = make(LONG)
    made.passage.override(HELP)
    made.decide(Reason.GREEN)
    assert made.turnstile.told == ["open", "open"]
    assert made.display.told[-1] == "green"


def test_openings_by_staff_are_counted_by_reason_and_nothing_else(make: Make) -> None:
    made = make(LONG)
    for _ in range(5):
        made.passage.override(HELP)
    made.passage.override(OverrideReason.CROWDING)
    minute, hour = made.counts.take_all()
    assert isinstance(minute, MinuteCounts)
    assert isinstance(hour, HourCounts)
    assert minute.outcomes == {"override": 6}
    assert (hour.reasons, hour.fewer, sum(hour.latency)) == ({"override-needs-help": 5}, 1, 0)


def test_a_turnstile_that_fails_is_told_to_staff_and_nothing_is_shown_as_open(make: Make) -> None:
    made = make(LONG)
    made.turnstile.stiff = True
    with pytest.raises(NotOpened, match="turnstile: the relay does not move"):
        made.passage.override(HELP)
    assert made.display.told == ["idle north", "out-of-order north"]
    assert made.states() == ["out-of-order"]
    assert made.counts.take_all() == []
    assert not made.passage.in_order


def test_a_lane_that_has_ended_is_not_opened(make: Make) -> None:
    made = make(LONG)
    made.passage.close()
    with pytest.raises(NotOpened, match="the lane has ended"):
        made.passage.override(HELP)
    assert made.turnstile.opened == 0


def test_a_lane_that_ends_while_it_is_open_is_closed(make: Make) -> None:
    made = make(LONG)
    made.passage.override(HELP)
    made.passage.close()
    assert made.turnstile.told == ["open", "idle", "close"]
    assert made.display.told[-2:] == ["idle north", "close"]


def test_a_camera_that_fails_while_somebody_walks_through_is_said_afterwards(make: Make) -> None:
    made = make(LONG)
    made.passage.override(HELP)
    made.passage.fail("camera: the cable is out")
    assert made.display.told[-1] == "let-through north"
    assert not made.passage.in_order
    made.passage.close()
    assert made.states() == ["open", "out-of-order"]


def test_a_lane_that_is_mended_while_somebody_walks_through_is_idle_afterwards(make: Make) -> None:
    made = make(LONG)
    made.passage.fail("camera: the cable is out")
    made.passage.override(HELP)
    assert made.passage.mend()
    assert made.turnstile.told == ["open"]
    made.passage.close()
    assert made.states() == ["out-of-order", "open", "idle"]


def test_a_turnstile_that_does_not_close_makes_the_lane_out_of_order(make: Make) -> None:
    made = make(SOON)
    made.decide(Reason.GREEN)
    made.turnstile.stiff = True
    made.wait_closed()
    assert made.passage.state is LaneState.OUT_OF_ORDER
    assert made.display.told[-1] == "out-of-order north"
    assert not made.passage.mend()
    made.turnstile.stiff = False
    assert made.passage.mend()
    assert made.display.told[-1] == "idle north"
    assert made.log.events == ["the lane is out of order"]


def test_what_nobody_foresaw_at_closing_does_not_leave_the_lane_open_for_ever(make: Make) -> None:
    made = make(SOON)

    class Broken(StiffTurnstile):
        def idle(self) -> None:
            raise ZeroDivisionError("a driver's bug")

    broken = Made(open_seconds=SOON, turnstile=Broken())
    broken.decide(Reason.GREEN)
    broken.wait_closed()
    assert broken.passage.state is LaneState.OUT_OF_ORDER
    assert broken.log.lines == [
        ("the lane is out of order", {"lane": "north", "cause": "unforeseen ZeroDivisionError"})
    ]
    assert made.passage.in_order


def test_whoever_waits_for_it_to_close_is_let_go_when_the_lane_stops(make: Make) -> None:
    made = make(LONG)
    made.decide(Reason.GREEN)
    stopping = threading.Event()
    waiting = threading.Thread(target=made.passage.wait_closed, args=[stopping])
    waiting.start()
    stopping.set()
    made.passage.wake()
    waiting.join(20)
    assert not waiting.is_alive()


def test_staff_and_passes_at_once_leave_it_closed_and_all_counted(make: Make) -> None:
    made = make(0.001)

    def staff() -> None:
        for _ in range(100):
            made.passage.override(HELP)

    threads = [threading.Thread(target=staff) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(100):
        made.decide(Reason.YELLOW)
        made.decide(Reason.GREEN)
        made.passage.rest()
    for thread in threads:
        thread.join(30)
    wait_for(lambda: made.passage.state is LaneState.IDLE, "the lane is closed")
    assert made.turnstile.opened == 400
    assert made.turnstile.told[-1] == "idle"
    assert made.display.told[-1] == "idle north"
    assert made.counted() == {"override": 300, "open": 100, "assist": 100}
