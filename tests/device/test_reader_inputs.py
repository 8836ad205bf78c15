"""A whole reader with two lanes, its wires in the test's hand: what they do to the lanes and what its state says."""

import io
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from gpiozero.pins.mock import MockFactory
from tests.support.issuing import SCOPE, make_issuer, write_trust
from tests.support.publishing import wait_for

from waypass_protocol.messages import LaneState, StateMessage
from waypass_reader.clock import SystemClock
from waypass_reader.config import load_config
from waypass_reader.errors import ReaderError
from waypass_reader.log import RecordingLog
from waypass_reader.mock_pins import Balk, BalkingFactory
from waypass_reader.reader import Reader

CROWD, RELEASE, BUTTON = 25, 24, 5
RELAYS = (17, 10)
CONFIG = f"""
reader = "gate-1"
network = "metro"
keys = "trust.json"
state = "state"
scope = {SCOPE}

[inputs]
pins = "mock"
crowd_key = {CROWD}
release = {RELEASE}

[[lane]]
name = "north"
display = "none"
source = {{ kind = "folder", path = "frames", follow = true }}
turnstile = {{ pins = "mock", open_seconds = 60, sensor = 23, button = {BUTTON} }}

[[lane]]
name = "south"
display = "none"
source = {{ kind = "folder", path = "frames", follow = true }}
[lane.turnstile]
pins = "mock"
relay = 10
lamp_go = 9
lamp_wait = 11
open_seconds = 60
sensor = 12
relay_sense = 13
pulse_seconds = 0.01
simulated = {{ walk_seconds = 0.01, turn_seconds = 0.01, flaw = "sensor-stuck" }}
stuck_seconds = 0.05
"""


@dataclass
class Running:
    """The reader, its pins and its log."""

    reader: Reader
    pins: MockFactory
    log: RecordingLog = field(default_factory=RecordingLog)

    def turn(self, number: int, *, on: bool) -> None:
        pin = self.pins.pin(number)
        (pin.drive_low if on else pin.drive_high)()

    def state(self) -> StateMessage:
        return self.reader.state()

    def pulls(self, relay: int) -> int:
        """How often a relay was pulled."""
        return sum(bool(each.state) for each in self.pins.pin(relay).states)


def make_reader(folder: Path, pins: MockFactory, log: RecordingLog) -> Reader:
    write_trust(make_issuer(nbf=int(time.time()) - 86_400), folder)
    (folder / "frames").mkdir()
    (folder / "reader.toml").write_text(CONFIG, encoding="utf-8")
    table, trust = load_config(folder / "reader.toml")
    clock = SystemClock(synchronised=lambda: True)
    return Reader(table, trust=trust, clock=clock, log=log, stdout=io.StringIO(), make_pins=lambda _kind: pins)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    pins, log = MockFactory(), RecordingLog()
    reader = make_reader(tmp_path, pins, log)
    thread = threading.Thread(target=reader.run)
    thread.start()
    try:
        wait_for(lambda: "ready" in log.events, "it is ready")
        yield Running(reader, pins, log)
    finally:
        reader.stop()
        thread.join(30)
        assert not thread.is_alive()


def test_the_crowds_key_opens_all_lanes_and_the_state_says_so(running: Running) -> None:
    assert running.state().health["crowd key"] == "ok"
    running.turn(CROWD, on=True)
    health = running.state().health
    assert health["crowd key"] == "turned: all lanes are held open"
    assert health["lane north"] == "held open for a crowd by its key"
    assert all(running.pulls(relay) >= 1 for relay in RELAYS)
    running.turn(CROWD, on=False)
    assert running.state().health["crowd key"] == running.state().health["lane north"] == "ok"


def test_the_emergency_release_is_in_the_state_and_moves_nothing(running: Running) -> None:
    running.turn(RELEASE, on=True)
    assert running.state().health["emergency release"] == "pressed: the way out is open"
    assert [running.pulls(relay) for relay in RELAYS] == [0, 0]
    running.turn(RELEASE, on=False)
    assert running.state().health["emergency release"] == "ok"


def test_a_lane_whose_sensor_sticks_says_so_and_the_other_goes_on(running: Running) -> None:
    running.turn(CROWD, on=True)
    running.turn(CROWD, on=False)
    wait_for(lambda: running.state().lanes["south"] is LaneState.OUT_OF_ORDER, "the stuck sensor is found")
    assert running.state().health["lane south"] == "sensor: it has been on for 0.05 s; look for what holds it"
    assert (running.state().lanes["north"], running.state().health["lane north"]) == (LaneState.IDLE, "ok")
    pulls = running.pulls(RELAYS[0])
    running.turn(BUTTON, on=True)
    wait_for(lambda: running.pulls(RELAYS[0]) == pulls + 1, "staff's button opens it")


@pytest.mark.parametrize(
    ("name", "number", "says"),
    [
        ("a lamp", 9, "turnstile: pin 9 can't be used: GPIO busy"),
        ("a sensor", 23, "inputs: pin 23 can't be used: GPIO busy"),
        ("what all lanes share", RELEASE, "inputs: pin 24 can't be used: GPIO busy"),
    ],
)
def test_a_pin_that_another_program_has_is_one_line_for_whoever_starts_it(
    tmp_path: Path, name: str, number: int, says: str
) -> None:
    config = tmp_path / name
    config.mkdir()
    pins = BalkingFactory()
    pins.balks = frozenset({(number, Balk.CLAIM)})
    with pytest.raises(ReaderError, match=says):
        make_reader(config, pins, RecordingLog())
