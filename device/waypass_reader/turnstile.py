"""The turnstile and its two lamps.

What others notice knows only *go* and *please wait for staff*: there is no lamp, tone or wire for red.

- `open` gives the relay one pulse and lights the go lamp; the barrier's own mechanics close it.
- `wait` lights the other lamp, `idle` turns both off, whatever is wrong with the relay.
- `check` tells what is wrong with the relay: that it could not be let go, and, where a second pair of its contacts is
  wired to an input (`relay_sense`), that it did not move when it was told to. One that did not pull is believed to
  work again when it pulls; one that sticks, when it has let go.
- What is found at the end of a pulse, when nobody asks, is told to whoever watches; they ask `check`.

Pins are BCM numbers. `gpio` drives them through lgpio, Raspberry Pi OS's own library; `mock` are gpiozero's pins that
are not there, used only when the configuration says so. There is no falling back from one to the other: a gate
that believes it has opened is worse than one that says what is missing. Each turnstile's devices get their pin factory
as an argument; gpiozero's global one is never made.
"""

import contextlib
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

import gpiozero

from waypass_reader.errors import MissingLibrary, ReaderError
from waypass_reader.mock_pins import make_factory
from waypass_reader.pin_errors import pin_errors

CONTACT_SECONDS = 0.1
_DEAD = "the relay does not pull when it is told to; look at its supply"
_STUCK = "the relay is stuck and holds the barrier open; replace it"
_UNREAD = "the relay's contacts can't be read"


class TurnstileError(ReaderError):
    """The pins can't be driven; the lane is out of order."""


class StayedShut(TurnstileError):
    """The relay was told to pull and did not: nobody could walk through."""


class Pins(StrEnum):
    """What stands behind the pin numbers."""

    GPIO = "gpio"
    MOCK = "mock"


@dataclass(frozen=True, kw_only=True, slots=True)
class Wiring:
    """BCM numbers of the three outputs and of the relay's contacts, and for how many seconds the relay is pulled."""

    relay: int
    lamp_go: int
    lamp_wait: int
    pulse_seconds: float = 0.5
    relay_sense: int | None = None
    sense_active_low: bool = True


class Turnstile(Protocol):
    """What a lane does to its barrier; none of it waits. Raises `TurnstileError`."""

    def open(self) -> None:
        """Let one person through, and light *go*; also while it is open already."""

    def wait(self) -> None:
        """Light *please wait*."""

    def idle(self) -> None:
        """Both lamps off."""

    def check(self) -> None:
        """Raise what is wrong with it; nothing moves but a relay that should have been let go. Raises `StayedShut`
        when it did not open at the last pulse that is over."""

    def watch(self, tell: Callable[[], None]) -> None:
        """`tell` is called, from a thread of the turnstile's own, when `check` would raise and did not before."""

    def close(self) -> None:
        """Give the pins back."""


class GpioTurnstile:
    """Three outputs and perhaps one input of a board, or of gpiozero's mock."""

    def __init__(self, wiring: Wiring, *, factory: Any) -> None:
        """`factory` is a gpiozero pin factory. Raises `TurnstileError` when a pin can't be had."""
        self._pulse_seconds = wiring.pulse_seconds
        self._lock = threading.Lock()  # between the pulse's end and whoever opens
        self._pulse: threading.Timer | None = None
        self._look: threading.Timer | None = None
        self._sense: Any = None
        self._trouble = self._held = ""
        self._tell: Callable[[], None] = lambda: None
        self._was_idle = True
        self._in_gap = False
        devices: list[Any] = []
        try:
            for number in (wiring.relay, wiring.lamp_go, wiring.lamp_wait):
                devices.append(gpiozero.DigitalOutputDevice(number, pin_factory=factory))
            if wiring.relay_sense is not None:
                number = wiring.relay_sense
                pull_up = wiring.sense_active_low
                self._sense = gpiozero.DigitalInputDevice(number, pull_up=pull_up, pin_factory=factory)
        except pin_errors() as error:
            _give_back(devices)
            raise TurnstileError(f"turnstile: pin {number} can't be used: {error}") from error
        self._relay, self._lamp_go, self._lamp_wait = devices

    def watch(self, tell: Callable[[], None]) -> None:
        """Before it is opened for the first time."""
        self._tell = tell

    def open(self) -> None:
        """Pull the relay now, so that a failure is the caller's; a timer lets it go.

        A relay that is still pulled stays so for a whole pulse from now: the barrier takes both for one. But when the
        lane was idle since, somebody has passed and this is another opening: the relay is let go and then pulled.
        """
        with self._lock:
            another = self._was_idle and self._pulse is not None
            self._was_idle = False
            if not self._in_gap:  # it will be pulled in a moment
                self._drive(self._relay.off if another else self._relay.on)
                for timer in (self._pulse, self._look):
                    if timer is not None:
                        timer.cancel()
                self._look = None
                if another:
                    self._begin_gap()
                else:
                    self._begin_pulse()
        self._drive(self._lamp_wait.off)
        self._drive(self._lamp_go.on)

    def wait(self) -> None:
        """Light *please wait*."""
        self._drive(self._lamp_go.off)
        self.check()
        self._drive(self._lamp_wait.on)

    def idle(self) -> None:
        """Both lamps off, also where the relay, or one of them, is out of order."""
        self._was_idle = True
        try:
            self._drive(self._lamp_go.off)
        finally:
            self._drive(self._lamp_wait.off)
        self.check()

    def close(self) -> None:
        """Everything off, pins given back."""
        with self._lock:
            for timer in (self._pulse, self._look):
                if timer is not None:
                    timer.cancel()
            self._pulse = self._look = None
            _give_back(each for each in (self._relay, self._lamp_go, self._lamp_wait, self._sense) if each is not None)

    def _begin_gap(self) -> None:
        self._pulse = None
        gap = threading.Timer(CONTACT_SECONDS, lambda: self._pull_again(gap))
        gap.daemon = True
        gap.start()
        self._pulse, self._in_gap = gap, True

    def _begin_pulse(self) -> None:
        """Should its timer not begin, the next `check` lets the relay go."""
        self._pulse = None
        pulse = threading.Timer(self._pulse_seconds, lambda: self._let_go(pulse))
        pulse.daemon = True
        pulse.start()
        self._pulse = pulse

    def _pull_again(self, gap: threading.Timer) -> None:
        """The contacts had their time to fall back."""
        with self._lock:
            if gap is not self._pulse:
                return
            self._in_gap = False
            try:
                self._relay.on()
            except pin_errors():
                self._pulse, self._trouble = None, _DEAD
            else:
                self._begin_pulse()
        self._tell_trouble()

    def _let_go(self, pulse: threading.Timer) -> None:
        """The end of a pulse, unless another has begun."""
        with self._lock:
            if pulse is not self._pulse:
                return
            self._pulse = None
            try:
                self._trouble = "" if self._sense is None or self._sense.is_active else _DEAD
            except pin_errors():
                self._trouble = _UNREAD
            finally:
                self._let_relay_go()
            if self._sense is not None and not self._trouble:
                self._look = look = threading.Timer(CONTACT_SECONDS, lambda: self._look_let_go(look))
                look.daemon = True
                look.start()
        self._tell_trouble()

    def _look_let_go(self, look: threading.Timer) -> None:
        """The contacts had their time to fall back."""
        with self._lock:
            if look is not self._look:
                return
            self._look = None
            try:
                if self._sense.is_active:
                    self._trouble = _STUCK
            except pin_errors():
                self._trouble = _UNREAD
        self._tell_trouble()

    def _let_relay_go(self) -> None:
        try:
            self._relay.off()
        except pin_errors() as error:
            self._held = f"the relay can't be let go: {error}"
        else:
            self._held = ""

    def _tell_trouble(self) -> None:
        """With no lock held: whoever is told asks back."""
        if self._trouble or self._held:
            self._tell()

    def check(self) -> None:
        """A relay that could not be let go would hold the barrier open: try again, and tell.

        While it is pulled nothing is known yet of how it pulls.
        """
        with self._lock:
            if self._pulse is not None:
                return
            self._let_relay_go()
            if self._held:
                raise TurnstileError(f"turnstile: {self._held}")
            if self._trouble in {_STUCK, _UNREAD} and self._is_let_go():
                self._trouble = ""
            if self._trouble:
                kind = StayedShut if self._trouble == _DEAD else TurnstileError
                raise kind(f"turnstile: {self._trouble}")

    def _is_let_go(self) -> bool:
        try:
            return not self._sense.is_active
        except pin_errors():
            self._trouble = _UNREAD
            return False

    @staticmethod
    def _drive(action: Callable[[], object]) -> None:
        try:
            action()
        except pin_errors() as error:
            raise TurnstileError(f"turnstile: {error}") from error


def _give_back(devices: Iterable[Any]) -> None:
    """One that can't be given back keeps none of the others."""
    for device in devices:
        with contextlib.suppress(*pin_errors()):
            device.close()


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

    def check(self) -> None:
        """Nothing is wrong with what is not there."""

    def watch(self, tell: Callable[[], None]) -> None:
        """Nothing turns out to be."""

    def close(self) -> None:
        """Remember it."""
        self.told.append("close")


def make_pin_factory(pins: Pins) -> Any:
    """The pin factory that the configuration names. Raises `MissingLibrary` or `TurnstileError`."""
    if pins is Pins.MOCK:
        return make_factory()
    try:
        from gpiozero.pins.lgpio import LGPIOFactory

        return LGPIOFactory()
    except ImportError as error:
        raise MissingLibrary(
            f'pins = "gpio" needs lgpio ({error}): apt-get install python3-lgpio, or the Python package lgpio'
        ) from error
    except pin_errors() as error:  # lgpio makes a pipe in the working folder while it is imported
        raise TurnstileError(f"turnstile: this machine's pins can't be used: {error}") from error
