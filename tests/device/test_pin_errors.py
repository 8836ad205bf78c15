"""What drivers of pins raise is known, also what gpiozero lets through."""

import sys
from types import ModuleType

import gpiozero
import pytest

from waypass_reader.mock_pins import DriverError
from waypass_reader.pin_errors import pin_errors


class LgpioError(Exception):
    """As lgpio 0.2.2.0 has it: of no family but its own."""


@pytest.mark.parametrize("error", [gpiozero.PinSetInput("input"), OSError("gone"), DriverError("GPIO busy")])
def test_what_is_known(error: Exception) -> None:
    assert isinstance(error, pin_errors())


def test_what_nobody_raises_for_a_pin_is_no_pin_error() -> None:
    assert not isinstance(ZeroDivisionError("a bug"), pin_errors())


def test_lgpio_s_own_error_is_known_once_it_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not isinstance(LgpioError("GPIO busy"), pin_errors())
    lgpio = ModuleType("lgpio")
    monkeypatch.setattr(lgpio, "error", LgpioError, raising=False)
    monkeypatch.setitem(sys.modules, "lgpio", lgpio)
    assert isinstance(LgpioError("GPIO busy"), pin_errors())
