"""The lane loop, with frames, a clock and a turnstile that are made by hand."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import pytest
from tests.support.issuing import NOW, SCOPE, IssuedList, Issuer, make_issuer
from tests.support.pictures import picture_of
from tests.support.publishing import wait_for

from waypass_protocol.admission import Gate
from waypass_protocol.assembly import Kind, MemoryKeeper, StatusStore
from waypass_protocol.messages import LaneState, LiveMessage, MinuteCounts
from waypass_protocol.passes import Aspect
from waypass_protocol.policy import Policy
from waypass_protocol.reasons import Decision, Outcome, OverrideReason, Reason
from waypass_protocol.reentry import ReentryMemory
from waypass_reader.clock import ManualClock
from waypass_reader.counts import Counts
from waypass_reader.deciding import Desk
from waypass_reader.display import RecordingDisplay
from waypass_reader.errors import SourceError, SourceLost
from waypass_reader.frames import Frame, FrameSource, Source
from waypass_reader.lane import Lane, LaneParts
from waypass_reader.lane_machine import DOUBTED, Timing
from waypass_reader.log import RecordingLog
from waypass_reader.scanners.serial_line import LineReading
from waypass_reader.scanners.texts import TextSource
from waypass_reader.turnstile import RecordingTurnstile, TurnstileError

Step = tuple[str, ...] | SourceError | Callable[[], object]


class ScriptedSource:
    """A camera with a script: a tuple is a frame with these texts, an error is raised, a function is called."""

    def __init__(self, clock: ManualClock, steps: list[Step]) -> None:
        self._clock = clock
        self._steps = steps
        self._number = 0

    @property
    def ended(self) -> bool:
        return not self._steps

    def next_frame(self, timeout_seconds: float) -> Frame | None:  # noqa: ARG002 - the interface's shape
        step = self._steps.pop(0)
        if isinstance(step, SourceError):
            raise step
        if not isinstance(step, tuple):
            step()
            return None
        self._number += 1
        return Frame(pixels=picture_of(*step), at_ns=self._clock.monotonic_ns(), number=self._number)

    def close(self) -> None:
        self._steps.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


class ListeningOutlet:
    """Remembers what lanes say."""

    def __init__(self) -> None:
        self.heard: list[LiveMessage] = []

    def say_live(self, message: LiveMessage) -> None:
        self.heard.append(message)


class BrokenTurnstile(RecordingTurnstile):
    """A relay that does not move, for a while."""

    broken = True

    def open(self) -> None:
        if self.broken:
            raise TurnstileError("turnstile: the relay does not move")
        super().open()

    def wait(self) -> None:
        if self.broken:
            raise TurnstileError("turnstile: the lamp is out")
        super().wait()


@dataclass(kw_only=True, slots=True)
class Station:
    """A reader's parts for lanes that run in the test's own thread."""

    issuer: Issuer = field(default_factory=make_issuer)
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW))
    turnstile: RecordingTurnstile = field(default_factory=RecordingTurnstile)
    display: RecordingDisplay = field(default_factory=RecordingDisplay)
    outlet: ListeningOutlet = field(default_factory=ListeningOutlet)
    counts: Counts = field(default_factory=Counts)
    log: RecordingLog = field(default_factory=RecordingLog)
    keeper: MemoryKeeper = field(default_factory=MemoryKeeper)
    issued: IssuedList = field(init=False)
    store: StatusStore = field(init=False)
    desk: Desk = field(init=False)
    sequence: int = 0

    def __post_init__(self) -> None:
        self.issued = self.issuer.status_list()
        self.store = StatusStore(trust=self.issuer.trust, keeper=self.keeper)
        policy = Policy(identity_check_paper=False)
        self.desk = Desk(
            gate=Gate(trust=self.issuer.trust, scope=SCOPE, policy=policy),
            store=self.store,
            memory=ReentryMemory(reentry=policy.reentry, new_key=lambda: bytes(32), now=NOW),
            clock=self.clock,
            log=self.log,
        )
        self.store.receive(Kind.SNAPSHOT, self.issued.snapshot(), now=NOW)
        self.renew()

    def renew(self) -> None:
        """A new head arrives."""
        self.sequence += 1
        head = self.issuer.head(self.issued, sequence=self.sequence, iat=int(self.clock.now()))
        self.store.receive(Kind.HEAD, head, now=int(self.clock.now()))

    def withdraw(self, idx: int) -> None:
        """A pass is withdrawn, and the gate learns it."""
        delta = self.issued.change(idx, iat=int(self.clock.now()))
        self.store.receive(Kind.DELTA, delta, now=int(self.clock.now()))
        self.renew()

    def lane(
        self, open_source: Callable[[], Source], name: str = "north", *, open_seconds: float = 0.0, sensor: bool = False
    ) -> Lane:
        parts = LaneParts(
            open_source=open_source,
            turnstile=self.turnstile,
            display=self.display,
            desk=self.desk,
            counts=self.counts,
            outlet=self.outlet,
            clock=self.clock,
            log=self.log,
        )
        return Lane(name, parts, timing=Timing(open_ns=int(open_seconds * 1e9), sensor=sensor))

    def play(self, *steps: Step) -> list[Reason]:
        """Run a lane over a script; the reasons that its display showed."""
        source = ScriptedSource(self.clock, list(steps))
        self.lane(lambda: source).run()
        return [showing.reason for showing in self.display.shown]

    def wait(self, seconds: float) -> Callable[[], object]:
        """A step of a script: time passes without a frame."""
        return lambda: self.clock.advance(seconds)


@pytest.fixture
def station() -> Station:
    return Station()


def test_green_opens_once_and_closes_again(station: Station) -> None:
    assert station.play((station.issuer.presentation(),)) == [Reason.GREEN]
    assert station.turnstile.told == ["open", "idle", "close"]
    assert station.display.told == ["idle north", "green", "idle north", "close"]
    assert [message.state for message in station.outlet.heard] == [LaneState.OPEN, LaneState.IDLE]


def test_whoever_may_not_pass_waits_for_staff_until_nobody_is_there(station: Station) -> None:
    red = station.issuer.paper(aspects={SCOPE: Aspect.RED})
    assert station.play((red,), station.wait(1.9), (), station.wait(0.2)) == [Reason.RED]
    assert station.turnstile.told == ["wait", "idle", "close"]
    heard = station.outlet.heard[0]
    assert (heard.state, heard.reason, heard.aspect) == (LaneState.WAIT, Reason.RED, "red")


def test_a_code_that_no_rule_foresaw_neither_opens_nor_stalls_the_gate(station: Station) -> None:
    def broken(text: str, **_: object) -> Decision:
        raise ZeroDivisionError(f"about {text}")

    memory = ReentryMemory(reentry=120, new_key=lambda: bytes(32), now=NOW)
    gate = Gate(trust=station.issuer.trust, scope=SCOPE, policy=Policy())
    desk = Desk(gate=gate, store=station.store, memory=memory, clock=station.clock, log=station.log, rule=broken)
    decision = desk.judge(["WP1:SECRET"]).decision
    assert (decision.outcome, decision.reason) == (Outcome.REFUSE, Reason.MALFORMED)
    assert station.log.lines[-1] == ("a code could not be judged", {"error": "ZeroDivisionError"})


def test_a_frame_without_a_code_is_nothing(station: Station) -> None:
    assert station.play((), ()) == []
    assert station.counts.take_all() == []


def test_a_code_in_view_is_decided_once(station: Station) -> None:
    yellow = station.issuer.paper(aspects={SCOPE: Aspect.YELLOW})
    frames: list[Step] = [step for _ in range(5) for step in ((yellow,), station.wait(1.9))]
    assert station.play(*frames) == [Reason.YELLOW]


def test_a_code_that_was_away_is_decided_again(station: Station) -> None:
    yellow = station.issuer.paper(aspects={SCOPE: Aspect.YELLOW})
    assert station.play((yellow,), station.wait(2.0), (yellow,)) == [Reason.YELLOW] * 2


def test_a_code_in_view_is_decided_again_when_the_lists_changed(station: Station) -> None:
    old = station.issuer.paper(aspects={SCOPE: Aspect.YELLOW}, idx=9)
    reasons = station.play((old,), lambda: station.withdraw(9), (old,), (old,))
    assert reasons == [Reason.YELLOW, Reason.SUPERSEDED]


def test_a_code_in_view_is_decided_again_when_the_clock_is_trusted(station: Station) -> None:
    paper = station.issuer.paper()
    station.clock.step(NOW - 61)
    assert station.play((paper,), lambda: station.clock.step(NOW), (paper,)) == [Reason.CLOCK_UNTRUSTED, Reason.GREEN]


def test_a_code_that_opened_is_not_asked_again_while_it_stays_in_view(station: Station) -> None:
    paper = station.issuer.paper()
    assert station.play((paper,), station.wait(1.5), station.renew, (paper,), station.wait(1.5), (paper,)) == [
        Reason.GREEN
    ]


def test_a_code_that_comes_back_opens_no_second_time(station: Station) -> None:
    paper = station.issuer.paper()
    assert station.play((paper,), station.wait(3), (paper,), station.wait(120), (paper,)) == [
        Reason.GREEN,
        Reason.SEEN_ALREADY,
        Reason.GREEN,
    ]


def test_a_new_presentation_of_a_pass_that_opened_is_seen_already(station: Station) -> None:
    first, second = station.issuer.presentation(), station.issuer.presentation(t=NOW + 10)
    assert station.play((first,), station.wait(10), (second,)) == [Reason.GREEN, Reason.SEEN_ALREADY]


def test_two_people_in_one_frame_open_one_after_the_other(station: Station) -> None:
    mine, yours = station.issuer.paper(idx=1), station.issuer.paper(idx=2)
    assert station.play((mine, yours), (mine, yours), (mine, yours)) == [Reason.GREEN, Reason.GREEN]
    assert station.turnstile.told == ["open", "idle", "open", "idle", "close"]


def test_one_frame_opens_once_whoever_is_in_it(station: Station) -> None:
    assert station.play(tuple(station.issuer.paper(idx=idx) for idx in (1, 2, 3))) == [Reason.GREEN]
    assert station.turnstile.opened == 1


def test_whoever_waits_behind_one_that_opened_is_answered_then(station: Station) -> None:
    green, red = station.issuer.paper(idx=1), station.issuer.paper(idx=2, aspects={SCOPE: Aspect.RED})
    assert station.play((red, green), (red, green)) == [Reason.GREEN, Reason.RED]


def test_the_one_that_opens_counts_among_several(station: Station) -> None:
    red, green = station.issuer.paper(idx=1, aspects={SCOPE: Aspect.RED}), station.issuer.paper(idx=2)
    assert station.play((red, green)) == [Reason.GREEN]


def test_a_poster_beside_a_pass_is_passed_over(station: Station) -> None:
    poster, paper = "https://example.org", station.issuer.paper()
    assert station.play((poster, paper), (poster, paper)) == [Reason.GREEN]


def test_a_poster_alone_does_not_hold_the_lane(station: Station) -> None:
    steps: list[Step] = [step for _ in range(3) for step in (("https://example.org",), station.wait(1.0))]
    assert station.play(*steps) == [Reason.NOT_WAYPASS]
    assert station.turnstile.told == ["wait", "idle", "close"]


def test_one_pass_at_two_lanes_opens_one(station: Station) -> None:
    paper = station.issuer.paper()
    start = threading.Barrier(2)

    def steps() -> list[Step]:
        return [lambda: start.wait(10), (paper,)]

    lanes = [
        station.lane(lambda script=script: ScriptedSource(station.clock, script), name)  # type: ignore[misc]  # bound now
        for name, script in (("north", steps()), ("south", steps()))
    ]
    threads = [threading.Thread(target=lane.run) for lane in lanes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(showing.reason for showing in station.display.shown) == [Reason.GREEN, Reason.SEEN_ALREADY]


def test_a_frame_that_can_not_be_read_is_passed_over(station: Station) -> None:
    assert station.play(SourceError("picture 1: broken"), (station.issuer.paper(),)) == [Reason.GREEN]
    assert station.log.lines == [("a frame can't be read", {"lane": "north", "cause": "picture 1: broken"})]


def test_a_disk_that_hangs_in_the_middle_of_a_swap_holds_no_lane() -> None:
    hangs, goes_on = threading.Event(), threading.Event()

    class HangingKeeper(MemoryKeeper):
        def keep_message(self, uri: str, kind: Kind, version: int, data: bytes) -> None:
            if kind is Kind.DELTA:
                hangs.set()
                assert goes_on.wait(20)
            super().keep_message(uri, kind, version, data)

    station = Station(keeper=HangingKeeper())
    inbox = threading.Thread(target=station.withdraw, args=(5,))
    inbox.start()
    assert hangs.wait(10)
    assert station.play((station.issuer.paper(idx=5),)) == [Reason.GREEN]  # the old list, whole
    goes_on.set()
    inbox.join(10)
    assert station.play((station.issuer.paper(idx=5),))[1:] == [Reason.SUPERSEDED]


def test_a_text_is_forgotten_once_it_is_out_of_view(station: Station) -> None:
    source = ScriptedSource(station.clock, [(station.issuer.paper(),), station.wait(1.0), station.wait(1.0)])
    lane = station.lane(lambda: source)
    lane.run()
    assert "WP1:" not in repr({name: getattr(lane, name) for name in vars(lane)})


def test_a_lost_camera_makes_the_lane_out_of_order_until_it_is_back(station: Station) -> None:
    scripts: Iterator[list[Step]] = iter(
        [[("https://example.org",), SourceLost("camera: the cable is out")], [(station.issuer.paper(),)]]
    )
    lane = station.lane(lambda: ScriptedSource(station.clock, next(scripts)))
    lane.run()
    assert station.display.told == [
        "idle north",
        "not-waypass",
        "out-of-order north",
        "idle north",
        "green",
        "idle north",
        "close",
    ]
    assert ("the lane is out of order", {"lane": "north", "cause": "camera: the cable is out"}) in station.log.lines
    assert LaneState.OUT_OF_ORDER in [message.state for message in station.outlet.heard]


def test_a_camera_that_is_not_there_leaves_the_other_lane_alone(station: Station) -> None:
    said = threading.Event()

    def no_camera() -> FrameSource:
        said.set()
        raise SourceError("camera /dev/video9: there is no such device")

    broken = station.lane(no_camera, "broken")
    thread = threading.Thread(target=broken.run)
    thread.start()
    assert said.wait(10)
    assert station.play((station.issuer.paper(),)) == [Reason.GREEN]
    broken.stop()
    thread.join(10)
    assert not thread.is_alive()
    assert broken.state is LaneState.OUT_OF_ORDER


def test_trouble_that_nobody_foresaw_is_one_lane_s_own_and_passes(station: Station) -> None:
    tries: list[int] = []

    def flaky() -> FrameSource:
        tries.append(1)
        if len(tries) == 1:
            raise ZeroDivisionError("a driver's bug")
        return ScriptedSource(station.clock, [(station.issuer.paper(),)])

    station.lane(flaky).run()
    assert ("the lane is out of order", {"lane": "north", "cause": "unforeseen ZeroDivisionError"}) in station.log.lines
    assert station.turnstile.opened == 1


def test_a_turnstile_that_fails_makes_the_lane_out_of_order_and_shows_no_green(station: Station) -> None:
    turnstile = BrokenTurnstile()
    station.turnstile = turnstile

    def mend() -> None:
        turnstile.broken = False

    reasons = station.play((station.issuer.paper(idx=1),), mend, (station.issuer.paper(idx=2),))
    assert reasons == [Reason.GREEN]
    assert turnstile.opened == 1
    assert station.display.told[:4] == ["idle north", "out-of-order north", "idle north", "green"]


def test_decisions_are_counted_without_anything_of_the_pass(station: Station) -> None:
    station.play((station.issuer.paper(),), ("https://example.org",))
    minute, hour = station.counts.take_all()
    assert getattr(minute, "outcomes", None) == {"open": 1, "refuse": 1, "opened": 1}
    assert getattr(hour, "fewer", None) == 2


def test_durations_are_those_of_the_frame(station: Station) -> None:
    station.play((station.issuer.paper(),))
    (showing,) = station.display.shown
    assert (showing.frame_to_decision_ms, showing.decode_ms, showing.at) == (0.0, 0.0, NOW)


def test_staff_open_a_lane_whose_camera_driver_hangs(station: Station) -> None:
    hangs, goes_on = threading.Event(), threading.Event()

    def hanging() -> FrameSource:
        hangs.set()
        assert goes_on.wait(30)
        raise SourceError("camera: no such device")

    lane = station.lane(hanging)
    thread = threading.Thread(target=lane.run)
    thread.start()
    try:
        assert hangs.wait(10)
        lane.override(OverrideReason.GATE_FAULT)
        wait_for(lambda: lane.state is LaneState.IDLE, "the lane is closed again")
        assert station.turnstile.told == ["open", "idle"]
        assert station.display.told == ["idle north", "let-through north", "idle north"]
    finally:
        lane.stop()
        goes_on.set()
        thread.join(20)
    assert not thread.is_alive()


def test_staff_open_a_lane_that_waits_between_two_tries_of_its_camera(station: Station) -> None:
    def no_camera() -> FrameSource:
        raise SourceError("camera /dev/video9: there is no such device")

    lane = station.lane(no_camera)
    thread = threading.Thread(target=lane.run)
    thread.start()
    try:
        wait_for(lambda: lane.state is LaneState.OUT_OF_ORDER, "out of order")
        lane.override(OverrideReason.GATE_FAULT)
        wait_for(lambda: lane.state is LaneState.OUT_OF_ORDER, "out of order again")
        assert station.turnstile.told == ["idle", "open", "idle"]
        assert (lane.in_order, lane.camera) == (False, "camera /dev/video9: there is no such device")
    finally:
        lane.stop()
        thread.join(20)


def test_whoever_waits_is_let_through_by_staff_and_not_asked_again(station: Station) -> None:
    yellow = station.issuer.paper(aspects={SCOPE: Aspect.YELLOW})
    lanes: list[Lane] = []
    steps: list[Step] = [(yellow,), lambda: lanes[0].override(OverrideReason.CHECKED_BY_HAND), (yellow,)]
    source = ScriptedSource(station.clock, steps)
    lanes.append(station.lane(lambda: source))
    lanes[0].run()
    assert station.display.told == ["idle north", "yellow", "let-through north", "idle north", "close"]
    (minute,) = [each for each in station.counts.take_all() if isinstance(each, MinuteCounts)]
    assert minute.outcomes == {"assist": 1, "override": 1, "opened": 1}


def test_no_frame_is_looked_at_while_staff_let_somebody_through(station: Station) -> None:
    seen: list[LaneState] = []
    lanes: list[Lane] = []

    def opened() -> None:
        lanes[0].override(OverrideReason.NEEDS_HELP)
        seen.append(lanes[0].state)

    def look() -> None:
        seen.append(lanes[0].state)

    source = ScriptedSource(station.clock, [opened, look, (station.issuer.paper(),)])
    lanes.append(station.lane(lambda: source, open_seconds=0.2))
    lanes[0].run()
    assert seen == [LaneState.OPEN, LaneState.IDLE]
    assert station.display.told == ["idle north", "let-through north", "idle north", "green", "idle north", "close"]


def test_a_camera_says_what_is_wrong_until_a_frame_comes(station: Station) -> None:
    lanes: list[Lane] = []
    said: list[str] = []

    def ask() -> None:
        said.append(lanes[0].camera)

    scripts: Iterator[list[Step]] = iter([[(), ask, SourceLost("camera: the cable is out")], [ask, (), ask]])
    lanes.append(station.lane(lambda: ScriptedSource(station.clock, next(scripts))))
    lanes[0].run()
    assert said == ["ok", "camera: the cable is out", "ok"]


def test_whoever_did_not_walk_through_may_try_again_with_the_code_that_is_still_in_view(station: Station) -> None:
    paper = station.issuer.paper()
    source = ScriptedSource(station.clock, [step for _ in range(3) for step in ((paper,), station.wait(1.5))])
    station.lane(lambda: source, sensor=True).run()
    assert [showing.reason for showing in station.display.shown] == [Reason.GREEN] * 3
    assert counted(station) == {"open": 3, "annulled": 3}


def test_a_code_that_is_left_before_the_eye_opens_no_lane_for_ever(station: Station) -> None:
    paper = station.issuer.paper()
    source = ScriptedSource(station.clock, [(paper,) for _ in range(2 * DOUBTED)])
    station.lane(lambda: source, sensor=True).run()
    assert counted(station) == {"open": DOUBTED, "annulled": DOUBTED}


class Turning(RecordingTurnstile):
    """Somebody walks through each time that it opens, as soon as the lane hears its sensor."""

    def __init__(self) -> None:
        super().__init__()
        self.lane: Lane | None = None
        self.people: list[threading.Thread] = []

    def open(self) -> None:
        super().open()
        self.people.append(threading.Thread(target=self._walk))
        self.people[-1].start()

    def _walk(self) -> None:
        assert self.lane is not None
        self.lane.sensed(True)
        self.lane.sensed(False)


def test_a_code_in_view_opens_once_for_whoever_walked_through(station: Station) -> None:
    station.turnstile = turnstile = Turning()
    paper = station.issuer.paper()
    source = ScriptedSource(station.clock, [step for _ in range(4) for step in ((paper,), station.wait(1.5))])
    turnstile.lane = station.lane(lambda: source, sensor=True, open_seconds=600)
    turnstile.lane.run()
    for each in turnstile.people:
        each.join(20)
    assert counted(station) == {"open": 1, "passed": 1}


@pytest.mark.parametrize("aspect", [Aspect.GREEN, Aspect.YELLOW])
def test_a_code_that_is_still_in_view_is_answered_when_a_barrier_that_failed_works_again(
    station: Station, aspect: Aspect
) -> None:
    station.turnstile = turnstile = BrokenTurnstile()
    paper = station.issuer.paper(aspects={SCOPE: aspect})

    def mend() -> None:
        turnstile.broken = False

    assert station.play((paper,), mend, (paper,), (paper,)) == [Reason[aspect.name]]
    assert turnstile.told[:3] == ["idle", "idle", "open" if aspect is Aspect.GREEN else "wait"]


class ScriptedLine:
    """A scanner's device with a script: bytes are read, a function is called and nothing is read."""

    def __init__(self, steps: list[bytes | Callable[[], object]]) -> None:
        self._steps = steps

    def read(self, timeout_seconds: float) -> bytes:  # noqa: ARG002 - the interface's shape
        step = self._steps.pop(0)
        if isinstance(step, bytes):
            return step
        step()
        return b""

    def close(self) -> None:
        self._steps.clear()


class Ailing(RecordingTurnstile):
    """A barrier that has a trouble at times."""

    def __init__(self) -> None:
        super().__init__()
        self.trouble = ""

    def idle(self) -> None:
        super().idle()
        self.check()

    def check(self) -> None:
        if self.trouble:
            raise TurnstileError(self.trouble)


def test_a_lane_with_a_scanner_finds_what_is_wrong_and_that_it_is_over_though_nobody_scans(station: Station) -> None:
    station.turnstile = turnstile = Ailing()
    lanes: list[Lane] = []
    seen: list[tuple[LaneState, str]] = []

    def note() -> None:
        seen.append((lanes[0].state, lanes[0].trouble))

    def stop() -> None:
        lanes[0].stop()

    def ail(trouble: str) -> Callable[[], None]:
        def ail() -> None:
            turnstile.trouble = trouble

        return ail

    line = ScriptedLine(
        [
            ail("turnstile: stiff"),
            station.wait(0.9),  # 0.9 s after it was tried: not yet
            note,
            station.wait(0.1),
            note,
            ail(""),
            station.wait(0.9),
            note,
            station.wait(0.1),
            note,
            stop,
        ]
    )
    source = TextSource(line, LineReading(), name="scanner", clock_ns=station.clock.monotonic_ns)
    lanes.append(station.lane(lambda: source))
    lanes[0].run()
    assert seen == [
        (LaneState.IDLE, "ok"),
        (LaneState.OUT_OF_ORDER, "turnstile: stiff"),
        (LaneState.OUT_OF_ORDER, "turnstile: stiff"),
        (LaneState.IDLE, "ok"),
    ]
    assert station.display.told == ["idle north", "out-of-order north", "idle north", "close"]


def test_a_lane_with_a_scanner_is_mended_after_a_fault_of_its_own_program(station: Station) -> None:
    """Its thread fell over; the source is opened anew and says nothing."""
    station.turnstile = turnstile = Ailing()
    lanes: list[Lane] = []

    def fall_over() -> None:
        turnstile.trouble = "turnstile: stiff"
        raise ZeroDivisionError("a driver's bug")

    def ease() -> None:
        turnstile.trouble = ""

    def stop() -> None:
        lanes[0].stop()

    lines = iter([ScriptedLine([fall_over]), ScriptedLine([ease, station.wait(1.0), stop])])

    def open_source() -> TextSource:
        line = next(lines)
        return TextSource(line, LineReading(), name="scanner", clock_ns=station.clock.monotonic_ns)

    lanes.append(station.lane(open_source))
    lanes[0].run()
    assert station.display.told == ["idle north", "out-of-order north", "idle north", "close"]


def counted(station: Station) -> dict[str, int]:
    """What the minutes say."""
    return {
        name: number
        for each in station.counts.take_all()
        if isinstance(each, MinuteCounts)
        for name, number in each.outcomes.items()
    }
