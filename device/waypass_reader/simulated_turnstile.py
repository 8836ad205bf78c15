"""A turnstile that is not there, on gpiozero's mock pins: its relay's contacts, its rotation, its faults, its people.

It stands beside the real `GpioTurnstile`, which drives the same pins and does not know. For tests, dry runs
(`simulated` in the configuration) and demonstrations.

1. A pulse of the relay lets one person through. They walk `walk_seconds` after it began, if anybody does, and the
   sensor is on for `turn_seconds` while they turn it.
2. `relay_sense` follows the relay as a second pair of contacts would.
3. A flaw can be put in and taken out at any time: `Flaw` has them.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from gpiozero.pins.mock import MockFactory, MockPin

from waypass_reader.inputs import Level


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


class _RelayPin(MockPin):  # type: ignore[misc]  # gpiozero has no types
    """An output that tells its changes, as `MockConnectedPin` does to another pin."""

    def __init__(self, factory: MockFactory, info: Any, changed: Callable[[bool], None]) -> None:
        self._changed: Callable[[bool], None] = lambda _pulled: None
        super().__init__(factory, info)
        self._changed = changed

    def _change_state(self, value: bool) -> bool:
        changed = bool(super()._change_state(value))
        if changed:
            self._changed(bool(value))
        return changed


class SimulatedTurnstile:
    """The mechanics behind some mock pins; made before what drives them."""

    def __init__(self, mechanics: Mechanics, *, factory: MockFactory) -> None:
        self.flaw = mechanics.flaw
        self._mechanics = mechanics
        self._lock = threading.Lock()
        self._walks: list[threading.Timer] = []
        self._sensor = None if mechanics.sensor is None else factory.pin(mechanics.sensor)
        self._sense = None if mechanics.relay_sense is None else factory.pin(mechanics.relay_sense)
        for pin in (self._sensor, self._sense):
            self._put(pin, closed=False)
        factory.pin(mechanics.relay, pin_class=_RelayPin, changed=self._relay_changed)

    def mend(self) -> None:
        """Take the flaw out: what it held is let go."""
        self.flaw = Flaw.NONE
        self._put(self._sensor, closed=False)
        self._put(self._sense, closed=False)

    def turn(self) -> None:
        """Somebody begins to walk through, whoever let them."""
        if self.flaw is not Flaw.SENSOR_SILENT:
            self._put(self._sensor, closed=True)

    def end_turn(self) -> None:
        """They are through."""
        if self.flaw is not Flaw.SENSOR_STUCK:
            self._put(self._sensor, closed=False)

    def close(self) -> None:
        """Nobody walks any more."""
        with self._lock:
            for walk in self._walks:
                walk.cancel()

    def _relay_changed(self, pulled: bool) -> None:
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
