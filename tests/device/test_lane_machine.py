"""The lane's machine: every state and every event in one table, its times, and what may never happen."""

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from waypass_protocol.messages import PassageEnd
from waypass_reader.lane_machine import (
    DOUBTED,
    Do,
    Effect,
    Ended,
    Event,
    Fault,
    LaneNow,
    Opening,
    Phase,
    Source,
    Step,
    Timing,
    step,
)

BLIND = Timing(open_ns=100)
SEEING = Timing(open_ns=100, sensor=True, stuck_ns=1000)
WIDE = Timing(open_ns=100, sensor=True, quiet_ns=30, stuck_ns=1000)
BY_PASS = Opening(ticket=0, source=Source.PASS)

# One lane in each state, as it is in the middle of it.
LANES: dict[Phase, LaneNow] = {
    Phase.IDLE: LaneNow(),
    Phase.SEEN: LaneNow(phase=Phase.SEEN),
    Phase.DECIDED: LaneNow(phase=Phase.DECIDED, wish=Source.PASS),
    Phase.OPEN: LaneNow(phase=Phase.OPEN, owed=(BY_PASS,), tickets=1, closes_ns=100),
    Phase.PASSED: LaneNow(phase=Phase.PASSED, tickets=1, closes_ns=100, sensor_on_ns=5),
    Phase.ANNULLED: LaneNow(phase=Phase.ANNULLED, tickets=1),
    Phase.WAITING: LaneNow(phase=Phase.WAITING),
    Phase.OUT_OF_ORDER: LaneNow(phase=Phase.OUT_OF_ORDER, faults=frozenset({Fault.CAMERA})),
}

PASSED = Ended(ticket=0, how=PassageEnd.PASSED)
UNASKED = Ended(ticket=None, how=PassageEnd.UNASKED)
ANNULLED = Ended(ticket=0, how=PassageEnd.ANNULLED, take_back=True)
BROKEN = (Phase.OUT_OF_ORDER, Do.CLOSE, Do.SHOW_OUT_OF_ORDER)
ASKS_TO_OPEN = dict.fromkeys(set(Phase) - {Phase.OPEN, Phase.PASSED}, (Phase.DECIDED, Do.OPEN)) | {
    Phase.OPEN: (Phase.OPEN, Do.OPEN),
    Phase.PASSED: (Phase.PASSED, Do.OPEN),
}

# What follows, where something does: the next state and what is to be done. At 50, which is before any time is over.
FOLLOWS: dict[Event, dict[Phase, tuple[Phase | Effect, ...]]] = {
    Event.SAW: {Phase.IDLE: (Phase.SEEN,), Phase.WAITING: (Phase.SEEN,)},
    Event.DECIDED_OPEN: {
        phase: then for phase, then in ASKS_TO_OPEN.items() if phase not in {Phase.DECIDED, Phase.ANNULLED, BROKEN[0]}
    },
    Event.DECIDED_WAIT: dict.fromkeys((Phase.IDLE, Phase.SEEN, Phase.WAITING), (Phase.DECIDED, Do.WAIT)),
    Event.STAFF: dict(ASKS_TO_OPEN),
    Event.KEY_ON: dict(ASKS_TO_OPEN),
    Event.OBEYED: {Phase.DECIDED: (Phase.OPEN,)},
    Event.CLOSED: dict.fromkeys((Phase.SEEN, Phase.PASSED, Phase.ANNULLED, Phase.WAITING), (Phase.IDLE, Do.SHOW_IDLE)),
    Event.SENSOR_ON: {
        Phase.OPEN: (Phase.PASSED, PASSED),
        **{
            phase: (phase, UNASKED)
            for phase in (Phase.IDLE, Phase.SEEN, Phase.DECIDED, Phase.WAITING, Phase.OUT_OF_ORDER)
        },
    },
    Event.SENSOR_OFF: {Phase.PASSED: (Phase.PASSED, Do.CLOSE)},
    Event.TIME: {},
    Event.LEFT: {Phase.SEEN: (Phase.SEEN, Do.CLOSE), Phase.WAITING: (Phase.WAITING, Do.CLOSE)},
    Event.CAMERA_LOST: dict.fromkeys((Phase.IDLE, Phase.SEEN, Phase.WAITING), BROKEN),
    Event.BARRIER_FAILED: dict.fromkeys((Phase.IDLE, Phase.SEEN, Phase.DECIDED, Phase.WAITING), BROKEN),
    Event.STAYED_SHUT: dict.fromkeys((Phase.IDLE, Phase.SEEN, Phase.DECIDED, Phase.WAITING), BROKEN)
    | {Phase.OPEN: (Phase.ANNULLED, ANNULLED, Do.CLOSE)},
    Event.MENDED: dict.fromkeys((Phase.DECIDED, Phase.OUT_OF_ORDER), (Phase.IDLE, Do.SHOW_IDLE)),
    Event.KEY_OFF: {},
    Event.RELEASE_ON: {},
    Event.RELEASE_OFF: {},
}
MATRIX = [(phase, event, FOLLOWS[event].get(phase, (phase,))) for phase in Phase for event in Event]


def outcome(taken: Step) -> tuple[Phase | Effect, ...]:
    return (taken.lane.phase, *taken.effects)


@pytest.mark.parametrize(("phase", "event", "then"), MATRIX, ids=[f"{event} in {phase}" for phase, event, _ in MATRIX])
def test_what_follows(phase: Phase, event: Event, then: tuple[Phase | Effect, ...]) -> None:
    assert outcome(step(LANES[phase], event, at_ns=50, timing=SEEING)) == then


def play(
    *events: tuple[int, Event], timing: Timing = SEEING, lane: LaneNow | None = None
) -> tuple[LaneNow, list[Effect]]:
    """A lane after these events, and all that was to be done; every barrier obeys and closes at once."""
    lane = lane or LaneNow()
    done: list[Effect] = []
    for at_ns, event in events:
        waiting = [event]
        while waiting:
            taken = step(lane, waiting.pop(0), at_ns=at_ns, timing=timing)
            lane = taken.lane
            done += taken.effects
            waiting += [Event.OBEYED for each in taken.effects if each in (Do.OPEN, Do.WAIT)]
            waiting += [Event.CLOSED for each in taken.effects if each is Do.CLOSE]
    return lane, done


E = Event
STORIES: list[tuple[str, Timing, list[tuple[int, Event]], Phase, list[PassageEnd]]] = [
    (
        "somebody walks through",
        SEEING,
        [(0, E.DECIDED_OPEN), (9, E.SENSOR_ON), (12, E.SENSOR_OFF)],
        Phase.IDLE,
        [PassageEnd.PASSED],
    ),
    (
        "they are still in it",
        SEEING,
        [(0, E.DECIDED_OPEN), (9, E.SENSOR_ON), (999, E.TIME)],
        Phase.PASSED,
        [PassageEnd.PASSED],
    ),
    ("nobody walks through", SEEING, [(0, E.DECIDED_OPEN), (100, E.TIME)], Phase.IDLE, [PassageEnd.ANNULLED]),
    ("not yet", SEEING, [(0, E.DECIDED_OPEN), (99, E.TIME)], Phase.OPEN, []),
    ("nothing can tell", BLIND, [(0, E.DECIDED_OPEN), (100, E.TIME)], Phase.IDLE, [PassageEnd.OPENED]),
    (
        "two openings, two people",
        SEEING,
        [(0, E.DECIDED_OPEN), (5, E.STAFF), (6, E.SENSOR_ON), (7, E.SENSOR_OFF), (8, E.SENSOR_ON), (9, E.SENSOR_OFF)],
        Phase.IDLE,
        [PassageEnd.PASSED] * 2,
    ),
    (
        "two openings, one person",
        SEEING,
        [(0, E.DECIDED_OPEN), (5, E.STAFF), (6, E.SENSOR_ON), (7, E.SENSOR_OFF), (105, E.TIME)],
        Phase.IDLE,
        [PassageEnd.PASSED, PassageEnd.ANNULLED],
    ),
    (
        "the second one follows on",
        SEEING,
        [(0, E.DECIDED_OPEN), (6, E.SENSOR_ON), (7, E.SENSOR_OFF), (8, E.SENSOR_ON)],
        Phase.IDLE,
        [PassageEnd.PASSED, PassageEnd.UNASKED],
    ),
    (
        "wide: luggage follows",
        WIDE,
        [(0, E.DECIDED_OPEN), (6, E.SENSOR_ON), (7, E.SENSOR_OFF), (20, E.SENSOR_ON), (40, E.SENSOR_OFF)],
        Phase.PASSED,
        [PassageEnd.PASSED],
    ),
    (
        "wide: closed when it was quiet",
        WIDE,
        [
            (0, E.DECIDED_OPEN),
            (6, E.SENSOR_ON),
            (7, E.SENSOR_OFF),
            (20, E.SENSOR_ON),
            (40, E.SENSOR_OFF),
            (69, E.TIME),
            (70, E.TIME),
        ],
        Phase.IDLE,
        [PassageEnd.PASSED],
    ),
    (
        "wide: not quiet for long enough",
        WIDE,
        [(0, E.DECIDED_OPEN), (6, E.SENSOR_ON), (7, E.SENSOR_OFF), (36, E.TIME)],
        Phase.PASSED,
        [PassageEnd.PASSED],
    ),
    ("an emergency: people leave", SEEING, [(0, E.RELEASE_ON), (5, E.SENSOR_ON), (6, E.SENSOR_OFF)], Phase.IDLE, []),
    (
        "an emergency: a pass opens as ever",
        SEEING,
        [(0, E.RELEASE_ON), (5, E.DECIDED_OPEN), (6, E.SENSOR_ON)],
        Phase.PASSED,
        [PassageEnd.PASSED],
    ),
    (
        "after it somebody is unasked again",
        SEEING,
        [(0, E.RELEASE_ON), (1, E.RELEASE_OFF), (5, E.SENSOR_ON)],
        Phase.IDLE,
        [PassageEnd.UNASKED],
    ),
    (
        "a crowd",
        SEEING,
        [
            (0, E.KEY_ON),
            *((at, event) for turn in (10, 20, 30) for at, event in ((turn, E.SENSOR_ON), (turn + 1, E.SENSOR_OFF))),
        ],
        Phase.OPEN,
        [PassageEnd.PASSED] * 3,
    ),
    ("a crowd that does not come", SEEING, [(0, E.KEY_ON), (100, E.TIME), (200, E.TIME)], Phase.OPEN, []),
    ("a crowd without a sensor", BLIND, [(0, E.KEY_ON), (100, E.TIME)], Phase.OPEN, []),
    ("the key is turned back", SEEING, [(0, E.KEY_ON), (50, E.KEY_OFF)], Phase.IDLE, []),
    (
        "the key is turned back while a pass is owed",
        SEEING,
        [(0, E.DECIDED_OPEN), (1, E.KEY_ON), (50, E.KEY_OFF)],
        Phase.OPEN,
        [],
    ),
    (
        "the key is turned back while somebody is in the sensor",
        SEEING,
        [(0, E.DECIDED_OPEN), (1, E.KEY_ON), (2, E.SENSOR_ON), (3, E.KEY_OFF)],
        Phase.PASSED,
        [PassageEnd.PASSED],
    ),
    (
        "and when they are through",
        SEEING,
        [(0, E.DECIDED_OPEN), (1, E.KEY_ON), (2, E.SENSOR_ON), (3, E.KEY_OFF), (4, E.SENSOR_OFF)],
        Phase.IDLE,
        [PassageEnd.PASSED],
    ),
    (
        "the key is turned back and the sensor is stuck",
        SEEING,
        [(0, E.SENSOR_ON), (1000, E.TIME), (1001, E.KEY_ON), (1002, E.KEY_OFF)],
        Phase.OUT_OF_ORDER,
        [PassageEnd.UNASKED],
    ),
    (
        "the key is turned back and they stay in the sensor",
        SEEING,
        [(0, E.DECIDED_OPEN), (1, E.KEY_ON), (2, E.SENSOR_ON), (3, E.KEY_OFF), (1002, E.TIME)],
        Phase.OUT_OF_ORDER,
        [PassageEnd.PASSED],
    ),
    (
        "wide: the key is turned back while luggage may follow",
        WIDE,
        [(0, E.DECIDED_OPEN), (1, E.KEY_ON), (2, E.SENSOR_ON), (3, E.SENSOR_OFF), (32, E.KEY_OFF)],
        Phase.PASSED,
        [PassageEnd.PASSED],
    ),
    (
        "wide: and when it was quiet",
        WIDE,
        [(0, E.DECIDED_OPEN), (1, E.KEY_ON), (2, E.SENSOR_ON), (3, E.SENSOR_OFF), (32, E.KEY_OFF), (33, E.TIME)],
        Phase.IDLE,
        [PassageEnd.PASSED],
    ),
    (
        "it stayed shut",
        SEEING,
        [(0, E.DECIDED_OPEN), (5, E.STAFF), (6, E.STAYED_SHUT)],
        Phase.OUT_OF_ORDER,
        [PassageEnd.ANNULLED] * 2,
    ),
    (
        "it stayed shut, where no sensor can tell",
        BLIND,
        [(0, E.STAFF), (6, E.STAYED_SHUT)],
        Phase.OUT_OF_ORDER,
        [PassageEnd.ANNULLED],
    ),
    ("it stayed shut for a crowd", SEEING, [(0, E.KEY_ON), (6, E.STAYED_SHUT)], Phase.OUT_OF_ORDER, []),
    (
        "it stayed shut for the second, and the first is still in it",
        SEEING,
        [(0, E.DECIDED_OPEN), (5, E.STAFF), (6, E.SENSOR_ON), (7, E.STAYED_SHUT)],
        Phase.PASSED,
        [PassageEnd.PASSED, PassageEnd.ANNULLED],
    ),
    (
        "and when they are through it is out of order",
        SEEING,
        [(0, E.DECIDED_OPEN), (5, E.STAFF), (6, E.SENSOR_ON), (7, E.STAYED_SHUT), (8, E.SENSOR_OFF)],
        Phase.OUT_OF_ORDER,
        [PassageEnd.PASSED, PassageEnd.ANNULLED],
    ),
    (
        "it stayed shut, says what saw nobody walk through",
        SEEING,
        [(0, E.DECIDED_OPEN), (5, E.SENSOR_ON), (6, E.STAYED_SHUT), (7, E.SENSOR_OFF)],
        Phase.OUT_OF_ORDER,
        [PassageEnd.PASSED],
    ),
    ("the crowd after somebody waited", SEEING, [(0, E.DECIDED_WAIT), (1, E.KEY_ON), (2, E.KEY_OFF)], Phase.IDLE, []),
    ("the crowd, also out of order", SEEING, [(0, E.CAMERA_LOST), (1, E.KEY_ON)], Phase.OPEN, []),
    (
        "and out of order afterwards",
        SEEING,
        [(0, E.CAMERA_LOST), (1, E.KEY_ON), (2, E.KEY_OFF)],
        Phase.OUT_OF_ORDER,
        [],
    ),
    (
        "staff, also out of order",
        SEEING,
        [(0, E.CAMERA_LOST), (1, E.STAFF), (2, E.SENSOR_ON), (3, E.SENSOR_OFF)],
        Phase.OUT_OF_ORDER,
        [PassageEnd.PASSED],
    ),
    (
        "mended while open",
        SEEING,
        [(0, E.CAMERA_LOST), (1, E.STAFF), (2, E.MENDED), (101, E.TIME)],
        Phase.IDLE,
        [PassageEnd.ANNULLED],
    ),
    (
        "a camera lost while somebody walks",
        SEEING,
        [(0, E.DECIDED_OPEN), (1, E.CAMERA_LOST), (2, E.SENSOR_ON), (3, E.SENSOR_OFF)],
        Phase.OUT_OF_ORDER,
        [PassageEnd.PASSED],
    ),
    ("a stuck sensor", SEEING, [(0, E.SENSOR_ON), (1000, E.TIME)], Phase.OUT_OF_ORDER, [PassageEnd.UNASKED]),
    ("not stuck yet", SEEING, [(0, E.SENSOR_ON), (999, E.TIME)], Phase.IDLE, [PassageEnd.UNASKED]),
    (
        "stuck behind somebody",
        SEEING,
        [(0, E.DECIDED_OPEN), (5, E.SENSOR_ON), (1005, E.TIME)],
        Phase.OUT_OF_ORDER,
        [PassageEnd.PASSED],
    ),
    (
        "no longer stuck, not mended",
        SEEING,
        [(0, E.SENSOR_ON), (1000, E.TIME), (1001, E.SENSOR_OFF)],
        Phase.OUT_OF_ORDER,
        [PassageEnd.UNASKED],
    ),
    (
        "no longer stuck, and mended",
        SEEING,
        [(0, E.SENSOR_ON), (1000, E.TIME), (1001, E.SENSOR_OFF), (1002, E.MENDED)],
        Phase.IDLE,
        [PassageEnd.UNASKED],
    ),
    (
        "stuck still, and camera mended",
        SEEING,
        [(0, E.SENSOR_ON), (1000, E.TIME), (1002, E.MENDED)],
        Phase.OUT_OF_ORDER,
        [PassageEnd.UNASKED],
    ),
    (
        "staff at a stuck sensor: nothing can tell",
        SEEING,
        [(0, E.SENSOR_ON), (1000, E.TIME), (1001, E.STAFF), (1101, E.TIME)],
        Phase.OUT_OF_ORDER,
        [PassageEnd.UNASKED, PassageEnd.OPENED],
    ),
    (
        "the sensor is on when the time is over",
        SEEING,
        [(0, E.SENSOR_ON), (1, E.DECIDED_OPEN), (101, E.TIME)],
        Phase.OPEN,
        [PassageEnd.UNASKED],
    ),
    (
        "and off after it",
        SEEING,
        [(0, E.SENSOR_ON), (1, E.DECIDED_OPEN), (101, E.TIME), (102, E.SENSOR_OFF)],
        Phase.IDLE,
        [PassageEnd.UNASKED, PassageEnd.ANNULLED],
    ),
]


@pytest.mark.parametrize(("name", "timing", "events", "phase", "ends"), STORIES, ids=[story[0] for story in STORIES])
def test_stories(
    name: str, timing: Timing, events: list[tuple[int, Event]], phase: Phase, ends: list[PassageEnd]
) -> None:
    lane, done = play(*events, timing=timing)
    assert lane.phase is phase
    assert [each.how for each in done if isinstance(each, Ended) and each.how is not None] == ends


def test_waiting_is_decided_too_and_ends_when_nobody_is_there() -> None:
    lane, done = play((0, E.SAW), (1, E.DECIDED_WAIT))
    assert (lane.phase, done) == (Phase.WAITING, [Do.WAIT])
    lane, done = play((2, E.LEFT), lane=lane)
    assert (lane.phase, done) == (Phase.IDLE, [Do.CLOSE, Do.SHOW_IDLE])


def test_a_barrier_that_fails_gives_up_what_was_wanted() -> None:
    wanted = step(LaneNow(), E.DECIDED_OPEN, at_ns=0, timing=SEEING).lane
    failed = step(wanted, E.BARRIER_FAILED, at_ns=0, timing=SEEING).lane
    late = step(failed, E.OBEYED, at_ns=0, timing=SEEING)
    assert (late.lane.phase, late.lane.owed, late.effects) == (Phase.OUT_OF_ORDER, (), ())


def test_a_barrier_that_failed_is_not_opened_by_the_crowds_key_until_it_is_mended() -> None:
    lane, _ = play((0, E.KEY_ON))
    lane = step(lane, E.BARRIER_FAILED, at_ns=1, timing=SEEING).lane
    lane, done = play((100, E.TIME), lane=lane)
    assert (lane.phase, done[-1]) == (Phase.OUT_OF_ORDER, Do.SHOW_OUT_OF_ORDER)
    lane, done = play((101, E.MENDED), lane=lane)
    assert (lane.phase, done) == (Phase.OPEN, [Do.OPEN])


def test_what_an_annulled_pass_left_is_taken_back_until_the_sensor_is_doubted() -> None:
    lane = LaneNow()
    backs: list[bool] = []
    for turn in range(DOUBTED + 2):
        lane, done = play((turn * 200, E.DECIDED_OPEN), (turn * 200 + 100, E.TIME), lane=lane)
        backs += [each.take_back for each in done if isinstance(each, Ended)]
    assert backs == [True] * (DOUBTED - 1) + [False] * 3
    assert lane.sensor_doubted
    lane, _ = play((9000, E.DECIDED_OPEN), (9001, E.SENSOR_ON), (9002, E.SENSOR_OFF), lane=lane)
    assert not lane.sensor_doubted


def test_a_barrier_that_stayed_shut_is_taken_back_and_says_nothing_of_the_sensor() -> None:
    lane = LaneNow()
    for turn in range(DOUBTED + 2):
        lane, done = play((turn, E.DECIDED_OPEN), (turn, E.STAYED_SHUT), (turn, E.MENDED), lane=lane)
        assert [each.take_back for each in done if isinstance(each, Ended)] == [True]
        assert lane.phase is Phase.IDLE
    assert not lane.sensor_doubted


@pytest.mark.parametrize("event", [E.CAMERA_LOST, E.BARRIER_FAILED, E.STAYED_SHUT, E.TIME])
def test_no_lamp_stays_lit_in_a_lane_that_is_out_of_order(event: Event) -> None:
    waiting = LaneNow(phase=Phase.WAITING, sensor_on_ns=0)
    lane, done = play((1000, event), lane=waiting)
    assert (lane.phase, done) == (Phase.OUT_OF_ORDER, [Do.CLOSE, Do.SHOW_OUT_OF_ORDER])


def test_what_is_mended_half_way_stays_out_of_order_for_what_is_not() -> None:
    half_way = LaneNow(phase=Phase.DECIDED, wish=Source.PASS, faults=frozenset({Fault.CAMERA, Fault.SENSOR}))
    lane, done = play((1, E.MENDED), lane=half_way)
    assert (lane.phase, lane.wish, done) == (Phase.OUT_OF_ORDER, None, [Do.SHOW_OUT_OF_ORDER])
    crowd = replace(half_way, faults=frozenset({Fault.CAMERA}), crowd=True)
    lane, done = play((1, E.MENDED), lane=crowd)
    assert (lane.phase, done) == (Phase.OPEN, [Do.OPEN])


DUE: list[tuple[str, Timing, list[tuple[int, Event]], int | None]] = [
    ("idle", SEEING, [], None),
    ("open", SEEING, [(7, E.DECIDED_OPEN)], 107),
    ("opened again", SEEING, [(7, E.DECIDED_OPEN), (50, E.STAFF)], 150),
    ("somebody is in the sensor", SEEING, [(7, E.DECIDED_OPEN), (9, E.SENSOR_ON)], 1009),
    ("luggage may follow", WIDE, [(7, E.DECIDED_OPEN), (9, E.SENSOR_ON), (11, E.SENSOR_OFF)], 41),
    ("stuck, and known to be", SEEING, [(0, E.SENSOR_ON), (1000, E.TIME)], None),
    ("waiting", SEEING, [(0, E.DECIDED_WAIT)], None),
]


@pytest.mark.parametrize(("name", "timing", "events", "due"), DUE, ids=[case[0] for case in DUE])
def test_when_it_has_to_be_told_the_time(
    name: str, timing: Timing, events: list[tuple[int, Event]], due: int | None
) -> None:
    lane, _ = play(*events, timing=timing)
    assert lane.due_ns(timing) == due


@dataclass
class Account:
    """What a lane was given, and what it said of it."""

    asked: int = 0
    opened: int = 0
    ended: list[int] = field(default_factory=list)
    passed: int = 0


class AnyLane(RuleBasedStateMachine):
    """Any events in any order, answers of a barrier that was told nothing too, with barriers that obey or fail."""

    timing = WIDE

    def __init__(self) -> None:
        super().__init__()
        self.lane = LaneNow()
        self.account = Account()
        self.now = 0
        self.obeys = True
        self.closed_on_somebody = False

    def happen(self, event: Event) -> None:
        waiting = [event]
        while waiting:
            event = waiting.pop(0)
            before = self.lane
            taken = step(before, event, at_ns=self.now, timing=self.timing)
            self.lane = taken.lane
            was_open = before.phase in {Phase.OPEN, Phase.PASSED}
            in_sensor = self.lane.sensor_on_ns is not None and Fault.SENSOR not in self.lane.faults
            self.closed_on_somebody |= was_open and in_sensor and Do.CLOSE in taken.effects
            new = [each for each in self.lane.owed if each not in before.owed]
            assert not new or event is Event.OBEYED, f"{event} made an opening"
            self.account.opened += len(new)
            for each in taken.effects:
                if isinstance(each, Ended) and each.ticket is not None:
                    self.account.ended.append(each.ticket)
                    self.account.passed += each.how is PassageEnd.PASSED
                elif each in (Do.OPEN, Do.WAIT):
                    self.account.asked += each is Do.OPEN
                    waiting.append(Event.OBEYED if self.obeys else Event.BARRIER_FAILED)
                elif each is Do.CLOSE:
                    waiting += [Event.CLOSED] if self.obeys else [Event.BARRIER_FAILED, Event.CLOSED]

    @rule(event=st.sampled_from(list(Event)))
    def anything_happens(self, event: Event) -> None:
        self.happen(event)

    @rule(event=st.sampled_from([Event.SENSOR_ON, Event.SENSOR_OFF, Event.DECIDED_OPEN]))
    def somebody_moves(self, event: Event) -> None:
        self.happen(event)

    @rule(passed=st.integers(0, 1200))
    def time_goes_by(self, passed: int) -> None:
        self.now += passed
        self.happen(Event.TIME)

    @rule(obeys=st.booleans())
    def the_barrier_is(self, obeys: bool) -> None:
        self.obeys = obeys

    @precondition(lambda self: self.lane.due_ns(self.timing) is not None)
    @rule()
    def it_is_told_when_it_asked(self) -> None:
        due = self.lane.due_ns(self.timing)
        assert due is not None
        self.now = max(self.now, due)
        self.happen(Event.TIME)
        later = self.lane.due_ns(self.timing)
        assert later is None or later > self.now, "it would be told the time for ever"

    @invariant()
    def it_does_not_close_on_whoever_is_in_the_sensor(self) -> None:
        assert not self.closed_on_somebody

    @invariant()
    def open_is_owed_to_somebody(self) -> None:
        assert (self.lane.phase is Phase.OPEN) is bool(self.lane.owed)

    @invariant()
    def it_never_opens_more_often_than_it_was_asked_to(self) -> None:
        assert self.account.opened <= self.account.asked

    @invariant()
    def an_opening_ends_once_and_none_is_lost(self) -> None:
        assert len(set(self.account.ended)) == len(self.account.ended)
        assert len(self.account.ended) + len(self.lane.owed) == self.account.opened

    @invariant()
    def there_are_never_two_passages_for_one_opening(self) -> None:
        assert self.account.passed <= self.account.opened

    @invariant()
    def nothing_is_left_half_done(self) -> None:
        assert self.lane.phase not in {Phase.DECIDED, Phase.ANNULLED}

    @invariant()
    def idle_is_well_and_out_of_order_is_not_said_for_nothing(self) -> None:
        assert not (self.lane.phase in {Phase.IDLE, Phase.SEEN} and self.lane.faults)


class BlindLane(AnyLane):
    """The same without a sensor, which is then never heard."""

    timing = BLIND

    def happen(self, event: Event) -> None:
        if event not in {Event.SENSOR_ON, Event.SENSOR_OFF}:
            super().happen(event)


TestAnyLane = AnyLane.TestCase
TestAnyLane.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
TestBlindLane = BlindLane.TestCase
TestBlindLane.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


def opens_only_by(event: Event) -> bool:
    """Whether an idle lane whose barrier obeys is open after this."""
    lane, _ = play((0, event), lane=replace(LaneNow(), phase=Phase.SEEN))
    return lane.phase is Phase.OPEN


def test_only_a_decision_staff_and_the_crowds_key_open() -> None:
    assert {event for event in Event if opens_only_by(event)} == {E.DECIDED_OPEN, E.STAFF, E.KEY_ON}
