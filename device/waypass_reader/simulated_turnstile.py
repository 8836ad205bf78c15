"""A turnstile that is not there, on gpiozero's mock pins: its relay's contacts, its rotation, its faults, its people.

It stands beside the real `GpioTurnstile`, which drives the same pins and does not know. For tests, dry runs
(`simulated` in the configuration) and demonstrations.

1. A pulse of the relay lets one person through. They walk `walk_seconds` after it began, if anybody does, and the
   sensor is on for `turn_seconds` while they turn it.
2. `relay_sense` follows the relay as a second pair of contacts would.
3. With `record`, each change of the relay is a line of JSON in that file: `at_ns` of the machine's monotonic clock, and
   whether it was `pulled`. So another process can tell when the barrier was let go.
4. A flaw can be put in and taken out at any time: `Flaw` has them.
"""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from gpiozero.pins.mock import MockFactory, MockPin, MockPWMPin

from waypass_reader.display import Writer
from waypass_reader.errors import ReaderError
from waypass_reader.inputs import Level
from waypass_reader.mock_pins import Forgetting


class Flaw(StrEnum):
    """What is wrong with it."""

    NONE = "none"
    NOBODY_WALKS = "nobody-walks"
    RELAY_DEAD = "relay-dead"
    RELAY_STUCK = "relay-stuck"
    SENSOR_STUCK = "sensor-stuck"
    SENSOR_SILENT = "sensor-silent"


@dataclass(frozen=True, kw_only=True, slots=True)
class Mechanics:
    """Pins as the reader knows them, and how its people move."""

    relay: int
    sensor: int | None = None
    relay_sense: int | None = None
    active: Level = Level.LOW
    walk_seconds: float = 0.5
    turn_seconds: float = 0.1
    flaw: Flaw = Flaw.NONE
    record: Path | None = None


class _Telling:
    """An output that tells its changes, as `MockConnectedPin` does to another pin."""

    def __init__(self, factory: MockFactory, info: Any, changed: Callable[[bool], None]) -> None:
        self._changed: Callable[[bool], None] = lambda _pulled: None
        super().__init__(factory, info)  # type: ignore[call-arg]  # of the pin that it is mixed into
        self._changed = changed

    def _change_state(self, value: bool) -> bool:
        changed = bool(super()._change_state(value))  # type: ignore[misc]  # the same
        if changed:
            self._changed(bool(value))
        return changed


class _RelayPin(_Telling, Forgetting, MockPin):  # type: ignore[misc]  # gpiozero has no types
    """Of a factory that has no tones."""


class _RelayPWMPin(_Telling, Forgetting, MockPWMPin):  # type: ignore[misc]
    """Of a factory whose pins can sound a tone: it takes no others."""


class _Record:
    """The relay's changes in a file, written by a thread of its own: the lane does not wait for the disk."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = path.open("a", encoding="utf-8")
        except OSError as error:
            raise ReaderError(f"record {path}: can't be written: {error.strerror}") from error
        self._writer = Writer(self._file)

    def note(self, at_ns: int, *, pulled: bool) -> None:
        """A change."""
        self._writer.write(json.dumps({"at_ns": at_ns, "pulled": pulled}))

    def close(self) -> None:
        """Write what waits."""
        self._writer.close()
        self._file.close()


class SimulatedTurnstile:
    """The mechanics behind some mock pins; made before what drives them."""

    def __init__(self, mechanics: Mechanics, *, factory: MockFactory) -> None:
        """Raises `ReaderError` when the record can't be written."""
        self.flaw = mechanics.flaw
        self._record = None if mechanics.record is None else _Record(mechanics.record)
        self._mechanics = mechanics
        self._lock = threading.Lock()
        # As on a board, a change of the sensor is heard before the next one comes, whoever moves.
        self._moving = threading.RLock()
        self._walks: list[threading.Timer] = []
        self._sensor = None if mechanics.sensor is None else factory.pin(mechanics.sensor)
        self._sense = None if mechanics.relay_sense is None else factory.pin(mechanics.relay_sense)
        for pin in (self._sensor, self._sense):
            self._put(pin, closed=False)
        relay = _RelayPWMPin if issubclass(factory.pin_class, MockPWMPin) else _RelayPin
        factory.pin(mechanics.relay, pin_class=relay, changed=self._relay_changed)

    def mend(self) -> None:
        """Take the flaw out: what it held is let go."""
        self.flaw = Flaw.NONE
        with self._moving:
            self._put(self._sensor, closed=False)
        self._put(self._sense, closed=False)

    def turn(self) -> None:
        """Somebody begins to walk through, whoever let them."""
        with self._moving:
            if self.flaw is not Flaw.SENSOR_SILENT:
                self._put(self._sensor, closed=True)

    def end_turn(self) -> None:
        """They are through."""
        with self._moving:
            if self.flaw is not Flaw.SENSOR_STUCK:
                self._put(self._sensor, closed=False)

    def close(self) -> None:
        """Nobody walks any more."""
        with self._lock:
            for walk in self._walks:
                walk.cancel()
        if self._record is not None:
            self._record.close()

    def _relay_changed(self, pulled: bool) -> None:
        if self._record is not None:
            self._record.note(time.monotonic_ns(), pulled=pulled)
        if pulled and self.flaw is not Flaw.RELAY_DEAD:
            self._put(self._sense, closed=True)
            if self.flaw is not Flaw.NOBODY_WALKS and self._sensor is not None:
                self._later(self._mechanics.walk_seconds, self._walk)
        elif not pulled and self.flaw is not Flaw.RELAY_STUCK:
            self._put(self._sense, closed=False)

    def _walk(self) -> None:
        self.turn()
        self._later(self._mechanics.turn_seconds, self.end_turn)

    def _later(self, seconds: float, what: Callable[[], None]) -> None:
        timer = threading.Timer(seconds, what)
        timer.daemon = True
        with self._lock:
            self._walks = [each for each in self._walks if each.is_alive()]
            self._walks.append(timer)
            timer.start()

    def _put(self, pin: Any, *, closed: bool) -> None:
        if pin is None or pin.function != "input":
            return
        if closed is (self._mechanics.active is Level.HIGH):
            pin.drive_high()
        else:
            pin.drive_low()
