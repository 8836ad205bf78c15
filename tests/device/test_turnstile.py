"""The turnstile on gpiozero's mock pins, and its double."""

import importlib.util
import threading
import time
from collections.abc import Callable

import gpiozero
import pytest
from gpiozero.pins.mock import MockFactory

from waypass_reader.errors import MissingLibrary
from waypass_reader.mock_pins import Balk, BalkingFactory
from waypass_reader.turnstile import (
    GpioTurnstile,
    Pins,
    RecordingTurnstile,
    StayedShut,
    Turnstile,
    TurnstileError,
    Wiring,
    make_pin_factory,
)

WIRING = Wiring(relay=17, lamp_go=27, lamp_wait=22, pulse_seconds=0.01)


def wait_for(true: Callable[[], bool], *, seconds: float = 10.0) -> None:
    """Until it is true, or the deadline has passed."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        threading.Event().wait(0.005)


def states(factory: MockFactory) -> tuple[int, int, int]:
    """The levels of relay, go and wait."""
    return tuple(factory.pin(number).state for number in (17, 27, 22))


def pulses(factory: MockFactory) -> list[bool]:
    """What the relay's pin went through since it was an output."""
    return [bool(state.state) for state in factory.pin(17).states]


def test_open_gives_the_relay_one_pulse_and_lights_go() -> None:
    factory = MockFactory()
    turnstile = GpioTurnstile(WIRING, factory=factory)
    turnstile.open()
    wait_for(lambda: pulses(factory) == [False, True, False])
    assert pulses(factory) == [False, True, False]
    assert states(factory) == (0, 1, 0)


def test_wait_lights_the_other_lamp_and_moves_nothing() -> None:
    factory = MockFactory()
    turnstile = GpioTurnstile(WIRING, factory=factory)
    turnstile.wait()
    assert states(factory) == (0, 0, 1)
    assert pulses(factory) == [False]
    turnstile.idle()
    assert states(factory) == (0, 0, 0)


def test_an_opening_while_the_relay_is_pulled_lengthens_the_pulse() -> None:
    factory = MockFactory()
    turnstile = GpioTurnstile(Wiring(relay=17, lamp_go=27, lamp_wait=22, pulse_seconds=1.5), factory=factory)
    for _ in range(5):
        turnstile.open()
    wait_for(lambda: states(factory)[0] == 0)
    assert pulses(factory) == [False, True, False]


def test_an_opening_after_somebody_passed_is_another_pulse_however_soon_it_comes() -> None:
    factory = MockFactory()
    turnstile = GpioTurnstile(Wiring(relay=17, lamp_go=27, lamp_wait=22, pulse_seconds=0.5), factory=factory)
    for _ in range(2):
        turnstile.open()
        turnstile.idle()
    wait_for(lambda: pulses(factory) == [False, True, False, True, False])


def test_openings_one_after_the_other_do_not_keep_the_relay_from_being_pulled() -> None:
    factory = MockFactory()
    turnstile = GpioTurnstile(WIRING, factory=factory)

    def open_again() -> bool:
        turnstile.open()
        turnstile.idle()
        return sum(pulses(factory)) > 3

    wait_for(open_again)


def test_an_opening_after_a_pulse_is_another_one() -> None:
    factory = MockFactory()
    turnstile = GpioTurnstile(WIRING, factory=factory)
    for number in (1, 2, 3):
        turnstile.open()
        wait_for(lambda number=number: pulses(factory) == [False, *[True, False] * number])  # type: ignore[misc]  # bound now


def test_go_and_wait_are_never_lit_together() -> None:
    factory = MockFactory()
    turnstile = GpioTurnstile(WIRING, factory=factory)
    for act in (turnstile.wait, turnstile.open, turnstile.wait, turnstile.idle):
        act()
        assert states(factory)[1:] != (1, 1)


def test_close_turns_everything_off_and_gives_the_pins_back() -> None:
    factory = MockFactory()
    turnstile = GpioTurnstile(WIRING, factory=factory)
    turnstile.wait()
    turnstile.close()
    GpioTurnstile(WIRING, factory=factory).idle()


def test_a_closed_turnstile_fails_as_its_own_error() -> None:
    turnstile = GpioTurnstile(WIRING, factory=MockFactory())
    turnstile.close()
    with pytest.raises(TurnstileError, match="turnstile: "):
        turnstile.open()


def test_a_pin_in_use_is_named_and_the_others_are_given_back() -> None:
    factory = MockFactory()
    first = GpioTurnstile(WIRING, factory=factory)
    other = Wiring(relay=5, lamp_go=6, lamp_wait=22)
    with pytest.raises(TurnstileError, match="turnstile: pin 22 can't be used"):
        GpioTurnstile(other, factory=factory)
    GpioTurnstile(Wiring(relay=5, lamp_go=6, lamp_wait=7), factory=factory)
    first.close()
    GpioTurnstile(other, factory=factory)


def test_mock_pins_come_only_when_asked_for_and_no_global_factory_is_made() -> None:
    before = gpiozero.Device.pin_factory
    GpioTurnstile(WIRING, factory=make_pin_factory(Pins.MOCK)).idle()
    assert gpiozero.Device.pin_factory is before


def test_a_board_that_is_not_there_is_an_error_and_no_mock() -> None:
    if importlib.util.find_spec("lgpio") is not None:
        pytest.skip("lgpio is installed here: this may be a Raspberry Pi")
    with pytest.raises(MissingLibrary, match="apt-get install python3-lgpio"):
        make_pin_factory(Pins.GPIO)


def test_a_relay_that_could_not_be_let_go_is_told() -> None:
    factory = MockFactory()
    turnstile = GpioTurnstile(WIRING, factory=factory)
    turnstile.open()
    wait_for(lambda: pulses(factory) == [False, True, False])
    factory.pin(17).function = "input"  # somebody else took the pin: it can't be driven any more
    with pytest.raises(TurnstileError, match="turnstile: "):
        turnstile.idle()


SENSE = 26
SENSING = Wiring(relay=17, lamp_go=27, lamp_wait=22, pulse_seconds=0.01, relay_sense=SENSE)


def watched(turnstile: GpioTurnstile) -> threading.Event:
    """Set when it tells that something is wrong."""
    told = threading.Event()
    turnstile.watch(told.set)
    return told


@pytest.mark.parametrize(
    ("name", "number", "balk"),
    [("an output", 22, Balk.CLAIM), ("the relay's contacts", SENSE, Balk.CLAIM), ("the relay", 17, Balk.OFF)],
)
def test_a_pin_whose_driver_fails_is_named_and_the_others_are_given_back(name: str, number: int, balk: Balk) -> None:
    factory = BalkingFactory()
    factory.balks = frozenset({(number, balk)})
    with pytest.raises(TurnstileError, match=f"turnstile: pin {number} can't be used: GPIO busy"):
        GpioTurnstile(SENSING, factory=factory)
    factory.balks = frozenset()
    GpioTurnstile(SENSING, factory=factory).close()
    assert name


def test_a_relay_whose_driver_fails_opens_nothing() -> None:
    factory = BalkingFactory()
    turnstile = GpioTurnstile(WIRING, factory=factory)
    factory.balks = frozenset({(17, Balk.ON)})
    with pytest.raises(TurnstileError, match="turnstile: GPIO busy"):
        turnstile.open()
    assert states(factory) == (0, 0, 0)
    factory.balks = frozenset()
    turnstile.open()
    assert states(factory)[1] == 1


def test_a_relay_that_can_not_be_let_go_is_told_and_let_go_when_it_can_be_and_no_lamp_stays_lit() -> None:
    factory = BalkingFactory()
    turnstile = GpioTurnstile(WIRING, factory=factory)
    told = watched(turnstile)
    factory.balks = frozenset({(17, Balk.OFF)})
    turnstile.open()
    assert told.wait(10)
    with pytest.raises(TurnstileError, match="turnstile: the relay can't be let go: GPIO busy"):
        turnstile.idle()
    assert states(factory) == (1, 0, 0)
    factory.balks = frozenset()
    turnstile.check()
    assert states(factory) == (0, 0, 0)


def test_contacts_that_can_not_be_read_keep_no_relay_pulled() -> None:
    factory = BalkingFactory()
    turnstile = GpioTurnstile(SENSING, factory=factory)
    told = watched(turnstile)
    factory.balks = frozenset({(SENSE, Balk.READ)})
    turnstile.open()
    assert told.wait(10)
    assert states(factory)[0] == 0
    with pytest.raises(TurnstileError, match="turnstile: the relay's contacts can't be read"):
        turnstile.check()
    factory.balks = frozenset()
    turnstile.check()


def test_a_relay_that_did_not_pull_is_told_by_itself_and_no_lamp_stays_lit() -> None:
    factory = MockFactory()  # its contacts do not follow
    turnstile = GpioTurnstile(SENSING, factory=factory)
    told = watched(turnstile)
    turnstile.open()
    assert told.wait(10)
    for act in (turnstile.check, turnstile.wait, turnstile.idle):
        with pytest.raises(StayedShut, match="turnstile: the relay does not pull when it is told to"):
            act()
    assert states(factory) == (0, 0, 0)


def test_what_is_not_known_yet_of_a_pulse_is_not_said() -> None:
    wiring = Wiring(relay=17, lamp_go=27, lamp_wait=22, pulse_seconds=600, relay_sense=SENSE)
    factory = MockFactory()
    turnstile = GpioTurnstile(wiring, factory=factory)
    turnstile.open()
    turnstile.check()
    assert states(factory) == (1, 1, 0)
    turnstile.close()


def test_a_lamp_that_fails_keeps_the_other_one_from_nothing() -> None:
    factory = BalkingFactory()
    turnstile = GpioTurnstile(WIRING, factory=factory)
    turnstile.wait()
    factory.balks = frozenset({(27, Balk.OFF)})
    with pytest.raises(TurnstileError, match="turnstile: GPIO busy"):
        turnstile.idle()
    assert states(factory)[2] == 0


def test_a_pin_that_can_not_be_given_back_keeps_none_of_the_others() -> None:
    factory = BalkingFactory()
    turnstile = GpioTurnstile(WIRING, factory=factory)
    factory.balks = frozenset({(17, Balk.GIVE_BACK)})
    turnstile.close()
    factory.balks = frozenset()
    GpioTurnstile(Wiring(relay=5, lamp_go=27, lamp_wait=22), factory=factory).close()


def test_the_double_remembers() -> None:
    double = RecordingTurnstile()
    turnstile: Turnstile = double
    turnstile.open()
    turnstile.wait()
    turnstile.idle()
    turnstile.close()
    assert (double.told, double.opened) == (["open", "wait", "idle", "close"], 1)
