"""The turnstile and its two lamps.

What others notice knows only *go* and *please wait for staff*: there is no lamp, tone or wire for red.

- `open` gives the relay one pulse and lights the go lamp; the barrier's own mechanics close it.
- `wait` lights the other lamp, `idle` turns both off.

Pins are BCM numbers. `gpio` drives them through lgpio, Raspberry Pi OS's own library; `mock` are gpiozero's pins that
are not there, used only when the configuration says so. There is no falling back from one to the other: a gate
that believes it has opened is worse than one that says what is missing. Each turnstile's devices get their pin factory
as an argument; gpiozero's global one is never made.
"""

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

import gpiozero
from gpiozero.pins.mock import MockFactory

from waypass_reader.errors import MissingLibrary, ReaderError


class TurnstileError(ReaderError):
    """The pins can't be driven; the lane is out of order."""


class Pins(StrEnum):
    """What stands behind the pin numbers."""

    GPIO = "gpio"
    MOCK = "mock"


@dataclass(frozen=True, kw_only=True, slots=True)
class Wiring:
    """BCM numbers of the three outputs, and how long the relay is pulled, in seconds."""

    relay: int
    lamp_go: int
    lamp_wait: int
    pulse_seconds: float = 0.5


class Turnstile(Protocol):
    """What a lane does to its barrier; none of it waits. Raises `TurnstileError`."""

    def open(self) -> None:
        """Let one person through, and light *go*; also while it is open already."""

    def wait(self) -> None:
        """Light *please wait*."""

    def idle(self) -> None:
        """Both lamps off."""

    def close(self) -> None:
        """Give the pins back."""


class GpioTurnstile:
    """Three outputs of a board, or of gpiozero's mock."""

    def __init__(self, wiring: Wiring, *, factory: Any) -> None:
        """`factory` is a gpiozero pin factory. Raises `TurnstileError` when a pin can't be had."""
        self._pulse_seconds = wiring.pulse_seconds
        self._lock = threading.Lock()  # between the pulse's end and whoever opens
        self._pulse: threading.Timer | None = None
        devices: list[Any] = []
        try:
            for number in (wiring.relay, wiring.lamp_go, wiring.lamp_wait):
                devices.append(gpiozero.DigitalOutputDevice(number, pin_factory=factory))
        except (gpiozero.GPIOZeroError, OSError) as error:
            for device in devices:
                device.close()
            raise TurnstileError(f"turnstile: pin {number} can't be used: {error}") from error
        self._relay, self._lamp_go, self._lamp_wait = devices

    def open(self) -> None:
        """Pull the relay now, so that a failure is the caller's; a timer lets it go.

        A relay that is still pulled stays so for a whole pulse from now: the barrier takes both for one.
        """
        with self._lock:
            self._drive(self._relay.on)
            if self._pulse is not None:
                self._pulse.cancel()
            self._pulse = pulse = threading.Timer(self._pulse_seconds, lambda: self._let_go(pulse))
            pulse.daemon = True
            pulse.start()
        self._drive(self._lamp_wait.off)
        self._drive(self._lamp_go.on)

    def wait(self) -> None:
        """Light *please wait*."""
        self._check_relay()
        self._drive(self._lamp_go.off)
        self._drive(self._lamp_wait.on)

    def idle(self) -> None:
        """Both lamps off."""
        self._check_relay()
        self._drive(self._lamp_go.off)
        self._drive(self._lamp_wait.off)

    def close(self) -> None:
        """Everything off, pins given back."""
        with self._lock:
            if self._pulse is not None:
                self._pulse.cancel()
            self._pulse = None
            for device in (self._relay, self._lamp_go, self._lamp_wait):
                device.close()

    def _let_go(self, pulse: threading.Timer) -> None:
        """The end of a pulse, unless another has begun. A failure here is found by the next `_check_relay`."""
        with self._lock:
            if pulse is self._pulse:
                with contextlib.suppress(gpiozero.GPIOZeroError, OSError):
                    self._relay.off()

    def _check_relay(self) -> None:
        """A relay that could not be let go would hold the barrier open: try again, and tell."""
        with self._lock:
            if self._pulse is not None and not self._pulse.is_alive():
                self._drive(self._relay.off)

    @staticmethod
    def _drive(action: Callable[[], object]) -> None:
        try:
            action()
        except (gpiozero.GPIOZeroError, OSError) as error:
            raise TurnstileError(f"turnstile: {error}") from error


class RecordingTurnstile:
    """A turnstile without a barrier: remembers what it was told. For tests, demonstrations and dry runs."""

    def __init__(self) -> None:
        self.told: list[str] = []

    @property
    def opened(self) -> int:
        """How often it opened."""
        return self.told.count("open")

    def open(self) -> None:
        """Remember it."""
        self.told.append("open")

    def wait(self) -> None:
        """Remember it."""
        self.told.append("wait")

    def idle(self) -> None:
        """Remember it."""
        self.told.append("idle")

    def close(self) -> None:
        """Remember it."""
        self.told.append("close")


def make_pin_factory(pins: Pins) -> Any:
    """The pin factory that the configuration names. Raises `MissingLibrary` or `TurnstileError`."""
    if pins is Pins.MOCK:
        return MockFactory()
    try:
        from gpiozero.pins.lgpio import LGPIOFactory
    except ImportError as error:
        raise MissingLibrary(
            f'pins = "gpio" needs lgpio ({error}): apt-get install python3-lgpio, or the Python package lgpio'
        ) from error
    try:
        return LGPIOFactory()
    except (gpiozero.GPIOZeroError, OSError) as error:
        raise TurnstileError(f"turnstile: this machine's pins can't be used: {error}") from error
