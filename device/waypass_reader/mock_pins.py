"""Pins of a simulated turnstile. gpiozero's mock pins remember each of their changes for as long as they live; a reader
runs for months.
"""

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
