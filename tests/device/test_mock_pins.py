"""Simulated pins keep their last changes and no more, driven or read, with a tone or without."""

import pytest
from gpiozero.pins.mock import MockFactory, MockPin

from waypass_reader.mock_pins import KEPT, Balk, BalkingFactory, DriverError, Forgetting, make_factory
from waypass_reader.simulated_turnstile import Mechanics, SimulatedTurnstile


class Plain(Forgetting, MockPin):  # type: ignore[misc]  # gpiozero has no types
    """As in a factory that has no tones."""


@pytest.mark.parametrize("factory", [make_factory(), MockFactory(pin_class=Plain)], ids=["tone", "no tone"])
def test_a_pin_of_months_remembers_what_one_of_a_minute_does(factory: MockFactory) -> None:
    pin = factory.pin(17)
    pin.function = "output"
    for turn in range(1000):
        pin.state = turn % 2 == 0
        assert len(pin.states) <= 2 * KEPT
    assert [bool(each.state) for each in pin.states[-4:]] == [True, False, True, False]


def test_the_pins_of_a_simulated_turnstile_too() -> None:
    factory = make_factory()
    mechanics = Mechanics(relay=17, sensor=23)
    turnstile = SimulatedTurnstile(mechanics, factory=factory)
    try:
        relay, sensor = factory.pin(17), factory.pin(23)
        relay.function = "output"
        for _ in range(3 * KEPT):
            relay.state = not relay.state
            sensor.drive_high()
            sensor.drive_low()
        assert len(relay.states) <= 2 * KEPT
        assert len(sensor.states) <= 2 * KEPT
    finally:
        turnstile.close()


def test_a_pin_balks_where_it_is_told_to_and_works_again() -> None:
    factory = BalkingFactory()
    pin = factory.pin(17)
    pin.function = "output"
    factory.balks = frozenset({(17, Balk.ON)})
    pin.state = False
    factory.pin(18).function = "output"
    factory.pin(18).state = True
    with pytest.raises(DriverError, match="GPIO busy"):
        pin.state = True
    factory.balks = frozenset()
    pin.state = True
    assert pin.state == 1
