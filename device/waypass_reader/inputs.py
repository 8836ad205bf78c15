"""What a lane and a reader hear from wires: passage sensor, staff's button and key, crowd's key, emergency release.

1. An input is a contact. `low`: it joins the pin to ground, and the board's own resistor pulls the pin up; `high`: it
   joins the pin to 3.3 V, and the board's own resistor pulls it down. Contacts that bounce are smoothed by the pins.
2. An input that is on when the reader starts is on, and is told so at once; but a button or a key switch that is on
   then opens nothing: it takes a press.
3. A press of the button, or a turn of the key switch, is one opening by staff, with the reason that the configuration
   gives to it. It asks nothing of the network and nothing of the pages.
4. The crowd's key holds all lanes of the reader open for as long as it is turned.
5. The emergency release is hardware, and opens without this program. Here it is reported, and gates nothing.
6. What goes wrong while a change is told is logged by its kind: the pins' thread has to go on.
"""

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any, Protocol

import gpiozero

from waypass_protocol.reasons import OverrideReason
from waypass_reader.clock import Clock
from waypass_reader.counts import Counts
from waypass_reader.log import Log
from waypass_reader.passage import NotOpened
from waypass_reader.pin_errors import pin_errors
from waypass_reader.turnstile import TurnstileError

BOUNCE_SECONDS = 0.01
WELL = "ok"


class Level(StrEnum):
    """Which level of a pin means that its contact is closed."""

    LOW = "low"
    HIGH = "high"


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneContacts:
    """BCM numbers of one lane's inputs, and what staff mean by two of them."""

    sensor: int | None = None
    button: int | None = None
    key: int | None = None
    button_reason: OverrideReason = OverrideReason.NEEDS_HELP
    key_reason: OverrideReason = OverrideReason.CHECKED_BY_HAND
    active: Level = Level.LOW


@dataclass(frozen=True, kw_only=True, slots=True)
class ReaderContacts:
    """BCM numbers of the inputs that all lanes of a reader share."""

    crowd_key: int | None = None
    release: int | None = None
    active: Level = Level.LOW


class Wired(Protocol):
    """A lane, as far as wires tell it something. Called from the pins' own thread."""

    def sensed(self, active: bool) -> None:
        """The sensor went on or off."""

    def override(self, reason: OverrideReason) -> None:
        """Open once. Raises `NotOpened`."""

    def crowd(self, turned: bool) -> None:
        """The crowd's key was turned, or turned back."""

    def release(self, pressed: bool) -> None:
        """The emergency release was pressed, or is over."""


class Contact:
    """One input: tells each change of it. `factory` is a gpiozero pin factory."""

    def __init__(self, number: int, *, active: Level, factory: Any, log: Log, tell: Callable[[bool], None]) -> None:
        """Raises `TurnstileError` when the pin can't be had."""
        self._log = log
        self._tell = tell
        try:
            self._device = gpiozero.DigitalInputDevice(
                number, pull_up=active is Level.LOW, bounce_time=BOUNCE_SECONDS, pin_factory=factory
            )
        except pin_errors() as error:
            raise TurnstileError(f"inputs: pin {number} can't be used: {error}") from error
        self._number = number
        self._device.when_activated = partial(self._change, True)
        self._device.when_deactivated = partial(self._change, False)

    @property
    def active(self) -> bool:
        """Whether the contact is closed now. Raises `TurnstileError`."""
        try:
            return bool(self._device.is_active)
        except pin_errors() as error:
            raise TurnstileError(f"inputs: pin {self._number} can't be read: {error}") from error

    def tell_if_active(self) -> None:
        """Rule 2. Raises `TurnstileError`."""
        if self.active:
            self._change(True)

    def close(self) -> None:
        """Give the pin back."""
        with contextlib.suppress(*pin_errors()):
            self._device.close()

    def _change(self, active: bool) -> None:
        """Rule 6."""
        try:
            self._tell(active)
        except NotOpened as error:
            self._log.warning("a lane could not be opened by its button or key switch", cause=str(error))
        except Exception as error:  # noqa: BLE001 - rule 6 says why
            self._log.warning("an unforeseen error at an input", kind=type(error).__name__)


def connect_lane(contacts: LaneContacts, lane: Wired, *, factory: Any, log: Log) -> list[Contact]:
    """A lane's inputs. Raises `TurnstileError` with all pins given back."""
    made: list[Contact] = []
    try:
        if contacts.sensor is not None:
            made.append(Contact(contacts.sensor, active=contacts.active, factory=factory, log=log, tell=lane.sensed))
            made[-1].tell_if_active()
        for number, reason in ((contacts.button, contacts.button_reason), (contacts.key, contacts.key_reason)):
            if number is not None:
                tell = partial(_press, lane, reason)
                made.append(Contact(number, active=contacts.active, factory=factory, log=log, tell=tell))
    except TurnstileError:
        close_all(made)
        raise
    return made


def _press(lane: Wired, reason: OverrideReason, active: bool) -> None:
    """Rule 3."""
    if active:
        lane.override(reason)


def close_all(contacts: Iterable[Contact]) -> None:
    """Give their pins back."""
    for each in contacts:
        each.close()


class SharedInputs:
    """Rules 4 and 5: what all lanes of a reader hear. `changed` is called after each change."""

    def __init__(
        self, lanes: Iterable[Wired], *, counts: Counts, clock: Clock, log: Log, changed: Callable[[], None]
    ) -> None:
        self._lanes = list(lanes)
        self._counts = counts
        self._clock = clock
        self._log = log
        self._changed = changed
        self._contacts: list[Contact] = []
        self._health: dict[str, str] = {}

    def connect(self, contacts: ReaderContacts, *, factory: Any) -> None:
        """Take the pins. Raises `TurnstileError`."""
        for number, part, tell in (
            (contacts.crowd_key, "crowd key", self._crowd),
            (contacts.release, "emergency release", self._release),
        ):
            if number is not None:
                self._health[part] = WELL
                contact = Contact(number, active=contacts.active, factory=factory, log=self._log, tell=tell)
                self._contacts.append(contact)
                contact.tell_if_active()

    def health(self) -> dict[str, str]:
        """What they say now, for those that are there."""
        return dict(self._health)

    def close(self) -> None:
        """Give the pins back."""
        close_all(self._contacts)

    def _crowd(self, turned: bool) -> None:
        self._health["crowd key"] = "turned: all lanes are held open" if turned else WELL
        if turned:
            self._counts.note_crowd(now=self._clock.now())
        self._log.warning("the crowd's key is turned" if turned else "the crowd's key is turned back")
        self._tell_each(lambda lane: lane.crowd(turned))

    def _release(self, pressed: bool) -> None:
        self._health["emergency release"] = "pressed: the way out is open" if pressed else WELL
        if pressed:
            self._counts.note_release(now=self._clock.now())
        self._log.warning("the emergency release is pressed" if pressed else "the emergency release is over")
        self._tell_each(lambda lane: lane.release(pressed))

    def _tell_each(self, tell: Callable[[Wired], None]) -> None:
        """One lane's trouble is its own: the others are told all the same."""
        for lane in self._lanes:
            try:
                tell(lane)
            except Exception as error:  # noqa: BLE001 - rule 6
                self._log.warning("an unforeseen error at an input", kind=type(error).__name__)
        self._changed()
