"""Pins of a simulated turnstile. gpiozero's mock pins remember each of their changes for as long as they live; a reader
runs for months.

`BalkingFactory` has pins that fail as a board's do: with an error that gpiozero does not know.
"""

from enum import StrEnum
from typing import Any

from gpiozero.pins.mock import MockFactory, MockPWMPin

KEPT = 64
"""Changes."""


class Forgetting:
    """A mock pin that remembers its last changes, `KEPT` to twice as many."""

    def _change_state(self, value: Any) -> bool:
        changed = bool(super()._change_state(value))  # type: ignore[misc]  # of the pin that it is mixed into
        states: list[Any] = self.states  # type: ignore[attr-defined]  # the same
        if len(states) > 2 * KEPT:
            del states[:-KEPT]
        return changed


class SimulatedPin(Forgetting, MockPWMPin):  # type: ignore[misc]  # gpiozero has no types
    """It can sound a tone, too."""


def make_factory() -> MockFactory:
    """Simulated pins."""
    return MockFactory(pin_class=SimulatedPin)


class DriverError(Exception):
    """What the driver of a pin that balks raises. Like `lgpio.error` it is of no family that anybody catches."""


class Balk(StrEnum):
    """At what a pin balks."""

    CLAIM = "claim"
    LISTEN = "listen"
    READ = "read"
    ON = "on"
    OFF = "off"
    GIVE_BACK = "give-back"


class BalkingPin(SimulatedPin):
    """A pin that another process has taken, or whose chip is gone."""

    _given_back = False

    def close(self) -> None:
        self._balk(Balk.GIVE_BACK)
        self._given_back = True
        super().close()
        self._given_back = False

    def _balk(self, at: Balk) -> None:
        if (self._number, at) in self.factory.balks:
            raise DriverError("GPIO busy")

    def _set_function(self, value: str) -> None:
        if not self._given_back:
            self._balk(Balk.CLAIM)
        super()._set_function(value)

    def _enable_event_detect(self) -> None:
        self._balk(Balk.LISTEN)
        super()._enable_event_detect()

    def _get_state(self) -> Any:
        self._balk(Balk.READ)
        return super()._get_state()

    def _set_state(self, value: Any) -> None:
        self._balk(Balk.ON if value else Balk.OFF)
        super()._set_state(value)


class BalkingFactory(MockFactory):  # type: ignore[misc]  # gpiozero has no types
    """Simulated pins. Those in `balks`, by number, fail where it says so; it may change at any time."""

    def __init__(self) -> None:
        super().__init__(pin_class=BalkingPin)
        self.balks: frozenset[tuple[int, Balk]] = frozenset()
