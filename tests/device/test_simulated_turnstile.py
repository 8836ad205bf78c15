"""A lane's end on mock pins, driven by the real driver, with simulated people, sensor and faults behind them."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from gpiozero.pins.mock import MockFactory
from tests.support.publishing import wait_for

from waypass_protocol.messages import LaneState, LiveMessage, MinuteCounts, PassageEnd
from waypass_protocol.reasons import DECISIONS, OverrideReason, Reason
from waypass_protocol.reentry import Memo
from waypass_reader.clock import Clock, SystemClock
from waypass_reader.counts import Counts
from waypass_reader.display import RecordingDisplay
from waypass_reader.errors import ReaderError
from waypass_reader.inputs import Contact, LaneContacts, Level, ReaderContacts, SharedInputs, close_all, connect_lane
from waypass_reader.lane_machine import Phase, Timing
from waypass_reader.log import RecordingLog
from waypass_reader.mock_pins import Balk, BalkingFactory
from waypass_reader.passage import NotOpened, Passage, PassageParts
from waypass_reader.simulated_turnstile import Flaw, Mechanics, SimulatedTurnstile
from waypass_reader.turnstile import GpioTurnstile, Pins, TurnstileError, Wiring, make_pin_factory

LONG, SOON = 600.0, 0.05
SENSOR, SENSE, BUTTON, KEY, CROWD, RELEASE = 23, 26, 5, 6, 25, 24
WIRING = Wiring(relay=17, lamp_go=27, lamp_wait=22, pulse_seconds=0.01, relay_sense=SENSE)
MEMO = Memo(mark=b"m", at=0)


def trusted_clock() -> Clock:
    return SystemClock(synchronised=lambda: True)


class Outlet:
    """Remembers what the lane says."""

    def __init__(self) -> None:
        self.heard: list[LiveMessage] = []

    def say_live(self, message: LiveMessage) -> None:
        self.heard.append(message)


class Remembering:
    """A memory that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def opened(self, memo: Memo) -> None:
        assert memo == MEMO
        self.told.append("opened")

    def take_back(self, memo: Memo) -> None:
        assert memo == MEMO
        self.told.append("taken back")


@dataclass(kw_only=True)
class Gate:
    """A lane's end with everything wired."""

    timing: Timing
    mechanics: Mechanics
    factory: MockFactory = field(default_factory=MockFactory)
    display: RecordingDisplay = field(default_factory=RecordingDisplay)
    counts: Counts = field(default_factory=Counts)
    outlet: Outlet = field(default_factory=Outlet)
    log: RecordingLog = field(default_factory=RecordingLog)
    memory: Remembering = field(default_factory=Remembering)
    barrier: SimulatedTurnstile = field(init=False)
    passage: Passage = field(init=False)
    contacts: list[Contact] = field(init=False)
    shared: SharedInputs = field(init=False)
    changes: list[dict[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.barrier = SimulatedTurnstile(self.mechanics, factory=self.factory)
        parts = PassageParts(
            turnstile=GpioTurnstile(WIRING, factory=self.factory),
            display=self.display,
            counts=self.counts,
            outlet=self.outlet,
            clock=trusted_clock(),
            log=self.log,
            memory=self.memory,
        )
        self.passage = Passage("north", parts, timing=self.timing)
        self.passage.begin()
        contacts = LaneContacts(sensor=SENSOR, button=BUTTON, key=KEY, button_reason=OverrideReason.CROWDING)
        self.contacts = connect_lane(contacts, self.passage, factory=self.factory, log=self.log)
        self.shared = SharedInputs(
            [self.passage],
            counts=self.counts,
            clock=trusted_clock(),
            log=self.log,
            changed=lambda: self.changes.append(self.shared.health()),
        )
        self.shared.connect(ReaderContacts(crowd_key=CROWD, release=RELEASE), factory=self.factory)

    def decide(self, reason: Reason = Reason.GREEN) -> None:
        memo = MEMO if reason is Reason.GREEN else None
        self.passage.decide(DECISIONS[reason], frame_to_decision_ms=1.0, decode_ms=1.0, memo=memo)

    def lamps(self) -> tuple[int, int]:
        """The levels of go and wait."""
        return self.factory.pin(WIRING.lamp_go).state, self.factory.pin(WIRING.lamp_wait).state

    def turn(self, number: int, *, on: bool) -> None:
        """Close or open a contact by hand; `low` is on."""
        pin = self.factory.pin(number)
        (pin.drive_low if on else pin.drive_high)()

    def wait_phase(self, phase: Phase) -> None:
        wait_for(lambda: self.passage.phase is phase, f"the lane is {phase}")
        self.passage.wake()  # what follows from that is done, too: it was, under the lane's lock

    def counted(self) -> dict[str, int]:
        return {
            name: number
            for each in self.counts.take_all()
            if isinstance(each, MinuteCounts)
            for name, number in each.outcomes.items()
        }

    def close(self) -> None:
        self.shared.close()
        close_all(self.contacts)
        self.barrier.close()
        self.passage.close()


Make = Callable[..., Gate]


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[Gate] = []

    def make(
        *, open_seconds: float = LONG, flaw: Flaw = Flaw.NOBODY_WALKS, quiet: float = 0.0, stuck: float = LONG
    ) -> Gate:
        timing = Timing(
            open_ns=int(open_seconds * 1e9), sensor=True, quiet_ns=int(quiet * 1e9), stuck_ns=int(stuck * 1e9)
        )
        mechanics = Mechanics(
            relay=17, sensor=SENSOR, relay_sense=SENSE, walk_seconds=0.02, turn_seconds=0.01, flaw=flaw
        )
        made.append(Gate(timing=timing, mechanics=mechanics))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_it_stands_behind_any_mock_pins_that_a_reader_has() -> None:
    factory = make_pin_factory(Pins.MOCK)
    barrier = SimulatedTurnstile(Mechanics(relay=17, relay_sense=SENSE), factory=factory)
    turnstile = GpioTurnstile(WIRING, factory=factory)
    turnstile.open()
    assert factory.pin(SENSE).state == 0
    turnstile.close()
    barrier.close()


def test_a_person_walks_through_and_the_lane_closes_behind_them(make: Make) -> None:
    gate = make(flaw=Flaw.NONE)
    gate.decide()
    gate.wait_phase(Phase.IDLE)
    assert gate.counted() == {"open": 1, "passed": 1}
    assert gate.memory.told == ["opened"]
    assert [message.state for message in gate.outlet.heard] == [LaneState.OPEN, LaneState.IDLE]
    assert gate.display.told == ["idle north", "green", "idle north"]


def test_nobody_walks_through_and_may_try_again(make: Make) -> None:
    gate = make(open_seconds=SOON)
    gate.decide()
    gate.wait_phase(Phase.IDLE)
    assert gate.counted() == {"open": 1, "annulled": 1}
    assert gate.memory.told == ["opened", "taken back"]


def test_it_is_passed_until_nobody_is_in_it(make: Make) -> None:
    gate = make()
    gate.decide()
    gate.barrier.turn()
    assert (gate.passage.phase, gate.passage.state) == (Phase.PASSED, LaneState.OPEN)
    gate.barrier.end_turn()
    assert (gate.passage.phase, gate.passage.state) == (Phase.IDLE, LaneState.IDLE)


def test_a_wide_lane_waits_for_luggage(make: Make) -> None:
    gate = make(quiet=LONG)
    gate.decide()
    for _ in range(3):
        gate.barrier.turn()
        gate.barrier.end_turn()
    assert gate.passage.phase is Phase.PASSED
    assert gate.counted() == {"open": 1, "passed": 1}


def test_a_wide_lane_closes_after_it_was_quiet(make: Make) -> None:
    gate = make(quiet=SOON)
    gate.decide()
    gate.barrier.turn()
    gate.barrier.end_turn()
    gate.wait_phase(Phase.IDLE)


@pytest.mark.parametrize("state", ["idle", "waiting", "out of order"])
def test_whoever_passes_unasked_is_counted_and_told_to_staff_alone(make: Make, state: str) -> None:
    gate = make()
    if state == "waiting":
        gate.decide(Reason.YELLOW)
    elif state == "out of order":
        gate.passage.fail("camera: the cable is out")
    shown, said = list(gate.display.told), gate.outlet.heard[-1:]
    gate.barrier.turn()
    gate.barrier.end_turn()
    assert gate.counted().get("unasked") == 1
    assert gate.outlet.heard[-1].passage is PassageEnd.UNASKED
    if said:
        assert gate.outlet.heard[-1].reason is said[0].reason
        assert gate.outlet.heard[-1].state is said[0].state
    assert gate.display.told == shown


def test_a_turnstile_that_can_not_be_driven_takes_the_memory_back(make: Make) -> None:
    gate = make()
    gate.factory.pin(17).function = "input"  # somebody else took the pin
    gate.decide()
    assert gate.memory.told == ["taken back"]
    assert gate.counted() == {}
    assert gate.passage.phase is Phase.OUT_OF_ORDER


def test_a_relay_that_does_not_pull_is_found_and_works_again_when_it_pulls(make: Make) -> None:
    gate = make(flaw=Flaw.RELAY_DEAD)
    gate.decide()
    gate.wait_phase(Phase.OUT_OF_ORDER)  # and not when it has been open for long enough
    assert gate.lamps() == (0, 0)
    assert gate.display.told == ["idle north", "green", "out-of-order north"]
    assert gate.memory.told == ["opened", "taken back"]
    assert gate.counted() == {"open": 1, "annulled": 1}
    assert gate.log.lines[-1] == (
        "the lane is out of order",
        {"lane": "north", "cause": "turnstile: the relay does not pull when it is told to; look at its supply"},
    )
    assert not gate.passage.mend()
    assert gate.lamps() == (0, 0)
    gate.barrier.flaw = Flaw.NONE
    gate.passage.override(OverrideReason.GATE_FAULT)
    wait_for(lambda: gate.passage.phase is Phase.OUT_OF_ORDER and gate.passage.mend(), "the lane works again")
    assert gate.passage.trouble == "ok"
    assert gate.counted() == {"override": 1, "passed": 1}


def test_a_relay_that_sticks_is_found_while_nobody_is_there_and_others_go_on(make: Make) -> None:
    gate, other = make(flaw=Flaw.RELAY_STUCK), make(flaw=Flaw.NONE)
    gate.decide()
    gate.barrier.turn()
    gate.barrier.end_turn()

    def found() -> bool:
        gate.passage.check()
        return gate.passage.phase is Phase.OUT_OF_ORDER

    wait_for(found, "the relay is known to be stuck")
    assert gate.lamps() == (0, 0)
    assert not gate.passage.mend()
    assert gate.lamps() == (0, 0)
    assert gate.passage.trouble == "turnstile: the relay is stuck and holds the barrier open; replace it"
    assert gate.outlet.heard[-1].state is LaneState.OUT_OF_ORDER
    other.decide()
    other.wait_phase(Phase.IDLE)
    assert other.counted() == {"open": 1, "passed": 1}
    gate.barrier.mend()
    assert gate.passage.mend()
    assert gate.passage.phase is Phase.IDLE


def test_a_relay_that_sticks_is_found_by_itself_and_takes_nothing_back(make: Make) -> None:
    gate = make(flaw=Flaw.RELAY_STUCK)
    gate.decide()
    gate.wait_phase(Phase.OUT_OF_ORDER)  # somebody walked through, and nobody asked the turnstile since
    assert gate.display.told[-1] == "out-of-order north"
    assert gate.lamps() == (0, 0)
    assert gate.memory.told == ["opened"]
    assert gate.counted() == {"open": 1, "passed": 1}


@pytest.mark.parametrize("fault", ["camera", "sensor"])
def test_whoever_waits_sees_no_lamp_of_a_lane_that_goes_out_of_order(make: Make, fault: str) -> None:
    gate = make(stuck=SOON)
    gate.decide(Reason.YELLOW)
    assert gate.lamps() == (0, 1)
    if fault == "camera":
        gate.passage.fail("camera: the cable is out")
    else:
        gate.barrier.turn()
    gate.wait_phase(Phase.OUT_OF_ORDER)
    assert gate.display.told[-1] == "out-of-order north"
    assert gate.lamps() == (0, 0)


def test_a_sensor_that_sticks_is_found_and_mended(make: Make) -> None:
    gate = make(flaw=Flaw.SENSOR_STUCK, stuck=SOON)
    gate.decide()
    gate.wait_phase(Phase.OUT_OF_ORDER)
    assert gate.passage.trouble == "sensor: it has been on for 0.05 s; look for what holds it"
    assert not gate.passage.mend()
    gate.barrier.mend()
    assert gate.passage.mend()
    assert gate.counted() == {"open": 1, "passed": 1}


def test_what_is_still_wrong_is_said_when_the_first_trouble_is_over(make: Make) -> None:
    gate = make(stuck=SOON)
    gate.passage.fail("camera: the cable is out")
    gate.barrier.turn()

    def mended_but_stuck() -> bool:
        gate.passage.mend()
        return gate.passage.trouble.startswith("sensor: it has been on for 0.05 s")

    wait_for(mended_but_stuck, "the sensor is named, and the camera no more")
    assert gate.passage.phase is Phase.OUT_OF_ORDER


def test_a_sensor_that_sees_nobody_is_doubted_and_opens_no_way_in_for_one_code(make: Make) -> None:
    gate = make(open_seconds=0.001, flaw=Flaw.SENSOR_SILENT)
    for _ in range(6):
        gate.decide()
        gate.wait_phase(Phase.IDLE)
    assert gate.passage.trouble == "its sensor has seen nobody for some openings"
    assert gate.passage.in_order
    assert gate.memory.told.count("taken back") == 4


def test_button_and_key_switch_open_once_each_with_their_reasons(make: Make) -> None:
    gate = make()
    for number in (BUTTON, KEY):
        gate.turn(number, on=True)
        gate.turn(number, on=False)
    assert gate.passage.phase is Phase.OPEN
    assert gate.counted() == {"override": 2}
    assert [line for line in gate.log.lines if line[0] == "staff opened a lane"] == [
        ("staff opened a lane", {"reason": "crowding"}),
        ("staff opened a lane", {"reason": "checked-by-hand"}),
    ]


def test_a_button_of_a_lane_that_has_ended_is_logged(make: Make) -> None:
    gate = make()
    gate.passage.close()
    gate.turn(BUTTON, on=True)
    assert gate.log.lines[-1] == (
        "a lane could not be opened by its button or key switch",
        {"cause": "the lane has ended"},
    )


def test_the_crowds_key_holds_the_lane_open_and_everybody_is_counted(make: Make) -> None:
    gate = make()
    gate.turn(CROWD, on=True)
    for _ in range(3):
        gate.barrier.turn()
        gate.barrier.end_turn()
        assert (gate.passage.phase, gate.passage.state) == (Phase.OPEN, LaneState.OPEN)
    assert gate.passage.trouble == "held open for a crowd by its key"
    assert gate.changes == [
        {"crowd key": "turned: all lanes are held open", "emergency release": "ok"},
    ]
    gate.turn(CROWD, on=False)
    assert (gate.passage.phase, gate.passage.trouble) == (Phase.IDLE, "ok")
    assert gate.changes[-1] == {"crowd key": "ok", "emergency release": "ok"}
    assert gate.counted() == {"crowd": 1, "passed": 3}
    assert gate.display.told == ["idle north", "free north crowd", "idle north"]


def test_a_crowd_that_does_not_come_finds_it_open_all_the_same(make: Make) -> None:
    gate = make(open_seconds=0.001)
    gate.turn(CROWD, on=True)
    relay = gate.factory.pin(17)
    wait_for(lambda: len(relay.states) > 6, "it opens again and again")
    assert gate.passage.state is LaneState.OPEN
    gate.turn(CROWD, on=False)
    gate.wait_phase(Phase.IDLE)
    assert gate.counted() == {"crowd": 1}


def test_the_crowds_key_opens_a_lane_that_is_mended_meanwhile(make: Make) -> None:
    gate = make()
    relay = gate.factory.pin(17)
    relay.function = "input"
    gate.turn(CROWD, on=True)
    assert (gate.passage.phase, gate.passage.state) == (Phase.OUT_OF_ORDER, LaneState.OUT_OF_ORDER)
    relay.function = "output"
    assert gate.passage.mend()
    assert (gate.passage.phase, gate.passage.state) == (Phase.OPEN, LaneState.OPEN)


def test_the_emergency_release_is_reported_and_gates_nothing(make: Make) -> None:
    gate = make()
    gate.decide(Reason.YELLOW)
    gate.turn(RELEASE, on=True)
    assert gate.changes == [{"crowd key": "ok", "emergency release": "pressed: the way out is open"}]
    assert gate.passage.state is LaneState.WAIT
    assert len(gate.factory.pin(17).states) == 1, "the relay did not move"
    gate.barrier.turn()
    gate.barrier.end_turn()
    gate.decide()
    assert gate.passage.phase is Phase.OPEN
    gate.turn(RELEASE, on=False)
    assert gate.changes[-1]["emergency release"] == "ok"
    assert gate.counted() == {"assist": 1, "open": 1, "release": 1}
    assert [event for event in gate.log.events if "emergency" in event] == [
        "the emergency release is pressed",
        "the emergency release is over",
    ]


class Deaf:
    """A lane that hears nothing well."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def sensed(self, active: bool) -> None:
        self.heard.append(f"sensed {active}")
        raise ZeroDivisionError("a driver's bug")

    def override(self, reason: OverrideReason) -> None:
        raise NotOpened(f"not for {reason}")

    def crowd(self, turned: bool) -> None:
        self.heard.append(f"crowd {turned}")

    def release(self, pressed: bool) -> None:
        self.heard.append(f"release {pressed}")


def test_what_goes_wrong_at_an_input_is_logged_by_its_kind_and_the_next_change_is_told() -> None:
    factory, log, lane = MockFactory(), RecordingLog(), Deaf()
    contacts = connect_lane(LaneContacts(sensor=SENSOR, active=Level.HIGH), lane, factory=factory, log=log)
    factory.pin(SENSOR).drive_high()
    factory.pin(SENSOR).drive_low()
    assert lane.heard == ["sensed True", "sensed False"]
    assert log.lines == [("an unforeseen error at an input", {"kind": "ZeroDivisionError"})] * 2
    close_all(contacts)


class Slow(Deaf):
    """A lane that takes its time to hear that somebody is in the sensor."""

    def __init__(self) -> None:
        super().__init__()
        self.hears, self.goes_on = threading.Event(), threading.Event()

    def sensed(self, active: bool) -> None:
        if active:
            self.hears.set()
            assert self.goes_on.wait(20)
        self.heard.append(f"sensed {active}")


def test_whoever_leaves_the_sensor_is_heard_after_whoever_stepped_in() -> None:
    factory, lane = MockFactory(), Slow()
    barrier = SimulatedTurnstile(Mechanics(relay=17, sensor=SENSOR), factory=factory)
    contacts = connect_lane(LaneContacts(sensor=SENSOR), lane, factory=factory, log=RecordingLog())
    steps_in, leaves = threading.Thread(target=barrier.turn), threading.Thread(target=barrier.end_turn)
    steps_in.start()
    assert lane.hears.wait(20)
    leaves.start()
    leaves.join(0.2)  # it would be heard by now
    lane.goes_on.set()
    for each in (steps_in, leaves):
        each.join(20)
    assert lane.heard == ["sensed True", "sensed False"]
    close_all(contacts)
    barrier.close()


class Broken(Deaf):
    """A lane whose driver has a bug."""

    def crowd(self, turned: bool) -> None:
        super().crowd(turned)
        raise ZeroDivisionError("a driver's bug")


def test_the_crowds_key_opens_the_other_lanes_when_one_fails() -> None:
    factory, log, lanes = MockFactory(), RecordingLog(), [Broken(), Deaf()]
    changes: list[bool] = []
    shared = SharedInputs(lanes, counts=Counts(), clock=trusted_clock(), log=log, changed=lambda: changes.append(True))
    shared.connect(ReaderContacts(crowd_key=CROWD), factory=factory)
    factory.pin(CROWD).drive_low()
    assert [lane.heard for lane in lanes] == [["crowd True"], ["crowd True"]]
    assert log.lines[-1] == ("an unforeseen error at an input", {"kind": "ZeroDivisionError"})
    assert changes == [True]
    shared.close()


def test_a_contact_that_is_on_when_asked_is_told_again() -> None:
    factory, told = MockFactory(), list[bool]()
    contact = Contact(SENSOR, active=Level.HIGH, factory=factory, log=RecordingLog(), tell=told.append)
    contact.tell_if_active()
    assert told == []
    factory.pin(SENSOR).drive_high()
    contact.tell_if_active()
    assert told == [True, True]
    contact.close()


def test_inputs_that_are_not_wired_say_nothing() -> None:
    shared = SharedInputs([Deaf()], counts=Counts(), clock=trusted_clock(), log=RecordingLog(), changed=lambda: None)
    shared.connect(ReaderContacts(), factory=MockFactory())
    assert shared.health() == {}


def test_a_pin_in_use_is_named_and_the_others_are_given_back() -> None:
    factory, log, lane = MockFactory(), RecordingLog(), Deaf()
    first = connect_lane(LaneContacts(button=BUTTON), lane, factory=factory, log=log)
    with pytest.raises(TurnstileError, match="inputs: pin 5 can't be used"):
        connect_lane(LaneContacts(sensor=SENSOR, button=BUTTON), lane, factory=factory, log=log)
    close_all(first)
    close_all(connect_lane(LaneContacts(sensor=SENSOR, button=BUTTON), lane, factory=factory, log=log))


def test_a_pin_whose_driver_fails_is_named() -> None:
    factory, log, lane = BalkingFactory(), RecordingLog(), Deaf()
    for number, balk in ((BUTTON, Balk.CLAIM), (BUTTON, Balk.LISTEN), (BUTTON, Balk.READ)):
        factory.balks = frozenset({(number, balk)})
        with pytest.raises(TurnstileError, match="inputs: pin 5 can't be used: GPIO busy"):
            connect_lane(LaneContacts(sensor=SENSOR, button=BUTTON), lane, factory=factory, log=log)
    factory.balks = frozenset()
    contacts = connect_lane(LaneContacts(sensor=SENSOR, button=BUTTON), lane, factory=factory, log=log)
    factory.balks = frozenset({(BUTTON, Balk.READ), (SENSOR, Balk.GIVE_BACK)})
    with pytest.raises(TurnstileError, match="inputs: pin 5 can't be read: GPIO busy"):
        contacts[1].tell_if_active()
    close_all(contacts)
    factory.balks = frozenset()
    assert lane.heard == []


def test_sensor_and_decisions_at_once_lose_no_opening(make: Make) -> None:
    gate = make(open_seconds=0.001)

    def people() -> None:
        for _ in range(100):
            gate.barrier.turn()
            gate.barrier.end_turn()

    walking = threading.Thread(target=people)
    walking.start()
    for _ in range(100):
        gate.decide()
    walking.join(30)
    gate.wait_phase(Phase.IDLE)
    counted = gate.counted()
    assert counted["open"] == 100
    assert counted.get("passed", 0) + counted.get("annulled", 0) == 100
    assert counted.get("passed", 0) + counted.get("unasked", 0) == 100


def test_the_relay_s_changes_are_recorded_with_their_times(tmp_path: Path) -> None:
    record = tmp_path / "record"
    factory = make_pin_factory(Pins.MOCK)
    simulated = SimulatedTurnstile(Mechanics(relay=17, record=record), factory=factory)
    relay = factory.pin(17)
    relay.function = "output"
    before = time.monotonic_ns()
    for state in (True, True, False):
        relay.state = state
    simulated.close()
    rows = [json.loads(line) for line in record.read_text().splitlines()]
    assert [row["pulled"] for row in rows] == [True, False]
    assert before <= rows[0]["at_ns"] <= rows[1]["at_ns"] <= time.monotonic_ns()


def test_a_record_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(ReaderError, match=r"record .*gone/record: can't be written: No such file"):
        SimulatedTurnstile(
            Mechanics(relay=17, record=tmp_path / "gone" / "record"), factory=make_pin_factory(Pins.MOCK)
        )
