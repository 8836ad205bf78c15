"""The end of a lane: staff open it in every state that it can be in, and what is shown fits what the barrier does."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from tests.support.publishing import wait_for

from waypass_protocol.messages import HourCounts, LaneState, LiveMessage, MinuteCounts
from waypass_protocol.reasons import DECISIONS, OverrideReason, Reason
from waypass_protocol.reentry import Memo
from waypass_reader.clock import ManualClock
from waypass_reader.counts import Counts
from waypass_reader.display import RecordingDisplay
from waypass_reader.hints import Hint
from waypass_reader.lane_machine import Phase, Timing
from waypass_reader.log import RecordingLog
from waypass_reader.passage import NotOpened, Passage, PassageParts
from waypass_reader.turnstile import RecordingTurnstile, StayedShut, TurnstileError

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


class BuggyTurnstile(StiffTurnstile):
    """A barrier whose driver has a bug where `bugs` says so, and may find out by itself that it stayed shut."""

    def __init__(self, *bugs: str) -> None:
        super().__init__()
        self.bugs = set(bugs)
        self.shut = False
        self._tell: Callable[[], None] = lambda: None

    def watch(self, tell: Callable[[], None]) -> None:
        self._tell = tell

    def open(self) -> None:
        self._run_into("open")
        self.shut = False
        super().open()

    def wait(self) -> None:
        self._run_into("wait")
        super().wait()

    def idle(self) -> None:
        self._run_into("idle")
        super().idle()

    def check(self) -> None:
        self._run_into("check")
        if self.shut:
            raise StayedShut("turnstile: the relay does not pull")

    def find_shut(self) -> None:
        """It was told to open and did not."""
        self.shut = True
        self._tell()

    def _run_into(self, bug: str) -> None:
        if bug in self.bugs:
            raise ZeroDivisionError("a driver's bug")


class BuggyDisplay(RecordingDisplay):
    """A screen that cannot show that a lane is idle."""

    def idle(self, lane: str) -> None:
        raise ZeroDivisionError(f"a bug of the screen of {lane}")


class Remembering:
    """A memory that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def opened(self, memo: Memo) -> None:
        self.told.append(f"opened {memo.at}")

    def take_back(self, memo: Memo) -> None:
        self.told.append(f"taken back {memo.at}")


@dataclass(kw_only=True)
class Made:
    """A passage and all that it tells."""

    open_seconds: float
    sensor: bool = False
    stuck_seconds: float = LONG
    turnstile: StiffTurnstile = field(default_factory=StiffTurnstile)
    display: RecordingDisplay = field(default_factory=RecordingDisplay)
    memory: Remembering = field(default_factory=Remembering)
    counts: Counts = field(default_factory=Counts)
    outlet: Outlet = field(default_factory=Outlet)
    log: RecordingLog = field(default_factory=RecordingLog)
    passage: Passage = field(init=False)

    def __post_init__(self) -> None:
        self.passage = Passage(
            "north",
            PassageParts(
                turnstile=self.turnstile,
                display=self.display,
                counts=self.counts,
                outlet=self.outlet,
                clock=ManualClock(1_800_000_000),
                log=self.log,
                memory=self.memory,
            ),
            timing=Timing(
                open_ns=int(self.open_seconds * 1e9), sensor=self.sensor, stuck_ns=int(self.stuck_seconds * 1e9)
            ),
        )

    def decide(self, reason: Reason, *, memo: Memo | None = None) -> bool:
        return self.passage.decide(DECISIONS[reason], frame_to_decision_ms=1.0, decode_ms=1.0, memo=memo)

    def states(self) -> list[str]:
        return [message.state.value for message in self.outlet.heard]

    def wait_closed(self) -> None:
        self.passage.wait_closed(threading.Event(), seconds=20)

    def counted(self) -> dict[str, int]:
        (minute,) = [each for each in self.counts.take_all() if isinstance(each, MinuteCounts)]
        return dict(minute.outcomes)


@pytest.fixture
def make() -> Iterator[Callable[[float], Made]]:
    made: list[Made] = []

    def make(open_seconds: float) -> Made:
        made.append(Made(open_seconds=open_seconds))
        made[-1].passage.begin()
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
    assert made.log.lines[-1] == ("staff opened a lane", {"reason": "needs-help"})


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
    assert made.turnstile.told == ["idle", "open"]
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


BUG = "unforeseen ZeroDivisionError"


@pytest.mark.parametrize(("bug", "reason"), [("open", Reason.GREEN), ("wait", Reason.YELLOW)])
def test_what_nobody_foresaw_in_a_barrier_is_a_barrier_that_failed_and_passes(bug: str, reason: Reason) -> None:
    turnstile = BuggyTurnstile(bug)
    made = Made(open_seconds=LONG, turnstile=turnstile)
    made.passage.see()
    assert not made.decide(reason)
    assert (made.passage.phase, made.passage.state) == (Phase.OUT_OF_ORDER, LaneState.OUT_OF_ORDER)
    assert (made.passage.in_order, made.passage.trouble) == (False, BUG)
    assert made.display.told == ["out-of-order north"]
    turnstile.bugs.clear()
    assert made.passage.mend()
    assert made.decide(reason)
    assert made.turnstile.told[-1] == bug
    assert made.counted() == {DECISIONS[reason].outcome.value: 1}


def test_what_nobody_foresaw_in_a_barrier_is_told_to_staff() -> None:
    made = Made(open_seconds=LONG, turnstile=BuggyTurnstile("open"))
    with pytest.raises(NotOpened, match=BUG):
        made.passage.override(HELP)
    assert made.passage.phase is Phase.OUT_OF_ORDER


def test_what_nobody_foresaw_in_a_check_or_at_mending_leaves_it_out_of_order_until_it_is_over() -> None:
    turnstile = BuggyTurnstile("check", "idle")
    made = Made(open_seconds=LONG, turnstile=turnstile)
    made.passage.check()
    assert made.passage.trouble == BUG
    assert not made.passage.mend()
    turnstile.bugs.clear()
    assert made.passage.mend()
    assert made.passage.phase is Phase.IDLE


@pytest.mark.parametrize("name", ["by its time", "behind somebody"])
def test_what_nobody_foresaw_at_closing_does_not_leave_the_lane_open_for_ever(name: str) -> None:
    sensor = name == "behind somebody"
    made = Made(open_seconds=LONG if sensor else SOON, sensor=sensor, turnstile=BuggyTurnstile("idle"))
    made.decide(Reason.GREEN)
    if sensor:
        made.passage.sensed(True)
        made.passage.sensed(False)
    made.wait_closed()
    assert made.passage.state is LaneState.OUT_OF_ORDER
    assert made.display.told[-1] == "out-of-order north"
    assert made.log.lines == [("the lane is out of order", {"lane": "north", "cause": BUG})]


@pytest.mark.parametrize("name", ["by its time", "behind somebody"])
def test_what_nobody_foresaw_elsewhere_leaves_no_lane_half_way(name: str) -> None:
    sensor = name == "behind somebody"
    made = Made(open_seconds=LONG if sensor else SOON, sensor=sensor, display=BuggyDisplay())
    made.decide(Reason.GREEN)
    if sensor:
        made.passage.sensed(True)
        made.passage.sensed(False)
    made.wait_closed()
    assert (made.passage.phase, made.passage.state) == (Phase.OUT_OF_ORDER, LaneState.OUT_OF_ORDER)
    assert made.turnstile.told[-1] == "idle"
    assert made.display.told[-1] == "out-of-order north"
    assert made.states() == ["open", "out-of-order"]
    assert made.passage.trouble == BUG
    assert not made.passage.mend()


def test_a_lane_whose_fault_is_over_and_not_mended_calls_itself_no_healthy_one() -> None:
    made = Made(open_seconds=LONG, sensor=True, stuck_seconds=SOON)
    made.passage.sensed(True)
    wait_for(lambda: made.passage.phase is Phase.OUT_OF_ORDER, "its sensor is stuck")
    made.passage.sensed(False)
    assert (made.passage.in_order, made.passage.state) == (False, LaneState.OUT_OF_ORDER)
    assert made.passage.trouble.startswith("sensor: it has been on for")
    assert made.passage.mend()
    assert (made.passage.in_order, made.passage.trouble) == (True, "ok")


MEMO = Memo(mark=b"m", at=7)


@pytest.mark.parametrize("sensor", [False, True])
def test_a_barrier_that_stayed_shut_ends_the_opening_at_once_and_the_same_person_may_try_elsewhere(
    sensor: bool,
) -> None:
    turnstile = BuggyTurnstile()
    made = Made(open_seconds=LONG, sensor=sensor, turnstile=turnstile)
    made.decide(Reason.GREEN, memo=MEMO)
    turnstile.find_shut()
    assert made.passage.phase is Phase.OUT_OF_ORDER
    assert made.passage.trouble == "turnstile: the relay does not pull"
    assert made.turnstile.told == ["open", "idle"]
    assert made.display.told == ["green", "out-of-order north"]
    assert made.memory.told == ["opened 7", "taken back 7"]
    assert made.counted() == {"open": 1, "annulled": 1}


def test_staff_who_open_a_lane_that_is_known_to_stay_shut_see_no_green_for_long() -> None:
    turnstile = BuggyTurnstile()
    made = Made(open_seconds=LONG, turnstile=turnstile)
    turnstile.find_shut()
    phases = [made.passage.phase]
    made.passage.override(OverrideReason.GATE_FAULT)
    made.passage.check()  # whoever asks in the meantime hears nothing of the pulse before
    phases.append(made.passage.phase)
    turnstile.find_shut()
    phases.append(made.passage.phase)
    assert phases == [Phase.OUT_OF_ORDER, Phase.OPEN, Phase.OUT_OF_ORDER]
    assert made.counted() == {"override": 1, "annulled": 1}


def test_a_barrier_that_fails_otherwise_while_it_is_open_lets_somebody_through() -> None:
    turnstile = BuggyTurnstile()
    made = Made(open_seconds=LONG, turnstile=turnstile)
    made.decide(Reason.GREEN, memo=MEMO)
    turnstile.bugs.add("check")
    made.passage.check()
    assert (made.passage.phase, made.passage.in_order) == (Phase.OPEN, False)
    assert made.memory.told == ["opened 7"]
    turnstile.bugs.clear()
    made.passage.close()


def test_what_turns_out_after_a_lane_has_ended_moves_nothing() -> None:
    turnstile = BuggyTurnstile()
    made = Made(open_seconds=LONG, turnstile=turnstile)
    made.passage.close()
    told = list(made.display.told)
    turnstile.find_shut()
    assert made.display.told == told


@pytest.mark.parametrize("state", ["idle", "waiting"])
def test_no_lamp_stays_lit_when_it_goes_out_of_order(make: Make, state: str) -> None:
    made = make(LONG)
    bring(made, state)
    made.passage.fail("camera: the cable is out")
    assert made.turnstile.told[-1] == "idle"
    assert made.display.told[-1] == "out-of-order north"


def test_whoever_waits_for_it_to_close_is_let_go_when_the_lane_stops(make: Make) -> None:
    made = make(LONG)
    made.decide(Reason.GREEN)
    stopping = threading.Event()
    waiting = threading.Thread(target=made.passage.wait_closed, args=[stopping], kwargs={"seconds": 20})
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
    assert made.counted() == {"override": 300, "open": 100, "assist": 100, "opened": 400}


def test_a_hint_changes_the_screen_of_an_idle_lane_and_nothing_else(make: Make) -> None:
    made = make(LONG)
    turned = list(made.turnstile.told)
    for hint in (Hint.CLOSER, Hint.CLOSER, Hint.TILT, None, None):
        made.passage.hint(hint)
    assert made.display.told == ["idle north", "hint north closer", "hint north tilt", "idle north"]
    assert (made.turnstile.told, made.outlet.heard, made.counts.take_all()) == (turned, [], [])


@pytest.mark.parametrize("state", ["waiting", "open by a pass", "open by staff", "out of order"])
def test_a_hint_is_for_an_idle_lane_alone(make: Make, state: str) -> None:
    made = make(LONG)
    bring(made, state)
    told = list(made.display.told)
    made.passage.hint(Hint.CLOSER)
    made.passage.hint(None)
    assert made.display.told == told


def test_a_hint_that_another_face_covered_is_shown_again(make: Make) -> None:
    made = make(LONG)
    made.passage.hint(Hint.CLOSER)
    made.decide(Reason.YELLOW)
    made.passage.rest()
    made.passage.hint(Hint.CLOSER)
    assert made.display.told == ["idle north", "hint north closer", "yellow", "idle north", "hint north closer"]


def test_the_crowds_key_says_that_no_code_is_needed(make: Make) -> None:
    made = make(LONG)
    made.passage.crowd(True)
    made.passage.crowd(False)
    assert made.display.told == ["idle north", "free north crowd", "idle north"]


@pytest.mark.parametrize("state", ["idle", "waiting", "open by a pass", "out of order"])
def test_the_emergency_release_is_told_to_the_screens_and_moves_nothing(make: Make, state: str) -> None:
    made = make(LONG)
    bring(made, state)
    turned, heard = list(made.turnstile.told), list(made.outlet.heard)
    made.passage.release(True)
    made.passage.release(False)
    assert made.display.told[-2:] == ["release north pressed", "release north over"]
    assert (made.turnstile.told, made.outlet.heard) == (turned, heard)
