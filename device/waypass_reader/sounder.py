"""The tone at a gate: *go*, or *please wait for staff*, and nothing else.

Whoever hears it and does not see the lamp must not take one for the other, and a hall must not learn more than that:

- *go* is short, high and rises: two quick notes, over in a fifth of a second
- *wait* is long, low and falls: two slow notes with a pause between them
- a buzzer that has one pitch only still differs by its rhythm: one short, or two long
- there is no tone for red, for no pass and for no reason; a lane that is idle or out of order is silent

A tone is played by a thread of its own and never holds up a lane. The newest wins: it ends the one that sounds. A
sounder that fails is reported once and stays silent; the gate goes on, since lamp and screen say the same.

A passive buzzer (`tonal`) needs a pin with PWM; an active one (`buzzer`) any output. Pins are BCM numbers, and their
factory is given, as the turnstile's is.
"""

import contextlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

import gpiozero
from gpiozero.tones import Tone as Pitch

from waypass_protocol.reasons import Outcome
from waypass_reader.display import NoDisplay, Showing
from waypass_reader.errors import ReaderError
from waypass_reader.log import Log
from waypass_reader.pin_errors import pin_errors
from waypass_reader.words import FreeWay


class SounderError(ReaderError):
    """The pin can't be had."""


class Tone(StrEnum):
    """All that is ever heard."""

    GO = "go"
    WAIT = "wait"


@dataclass(frozen=True, kw_only=True, slots=True)
class Note:
    """`hertz` of 0 is a pause; a buzzer of one pitch hears only whether there is one."""

    hertz: float
    seconds: float


# Small buzzers are loud around this pitch; a tonal one reaches an octave up and down from it, 440 to 1,760 Hz.
MIDDLE = Pitch(880.0)
MELODIES: Mapping[Tone, Sequence[Note]] = {
    Tone.GO: (Note(hertz=1175, seconds=0.09), Note(hertz=1568, seconds=0.11)),
    Tone.WAIT: (Note(hertz=587, seconds=0.4), Note(hertz=0, seconds=0.2), Note(hertz=494, seconds=0.5)),
}
RHYTHMS: Mapping[Tone, Sequence[Note]] = {
    Tone.GO: (Note(hertz=1, seconds=0.12),),
    Tone.WAIT: (Note(hertz=1, seconds=0.5), Note(hertz=0, seconds=0.25), Note(hertz=1, seconds=0.5)),
}


class Sounder(Protocol):
    """What a lane sounds; none of it waits or raises."""

    def sound(self, tone: Tone) -> None:
        """Sound it now, instead of what sounds."""

    def quiet(self) -> None:
        """End what sounds."""

    def close(self) -> None:
        """Give the pin back."""


class Kind(StrEnum):
    """What is on the pin."""

    TONAL = "tonal"
    BUZZER = "buzzer"


class GpioSounder:
    """A buzzer on a pin of a board, or of gpiozero's mock."""

    def __init__(self, kind: Kind, pin: int, *, factory: Any, log: Log, lane: str) -> None:
        """`factory` is a gpiozero pin factory. Raises `SounderError` when the pin can't be had."""
        try:
            self._device: Any = (
                gpiozero.TonalBuzzer(pin, mid_tone=MIDDLE, pin_factory=factory)
                if kind is Kind.TONAL
                else gpiozero.Buzzer(pin, pin_factory=factory)
            )
        except pin_errors() as error:
            cause = str(error) or type(error).__name__  # some of them say nothing
            raise SounderError(f"sounder: pin {pin} can't be used as {kind}: {cause}") from error
        self._notes = MELODIES if kind is Kind.TONAL else RHYTHMS
        self._tonal = kind is Kind.TONAL
        self._log = log
        self._lane = lane
        self._changed = threading.Condition()
        self._wanted: Sequence[Note] | None = None
        self._number = 0
        self._ended = False
        self._thread = threading.Thread(target=self._run, name=f"sounder {lane}", daemon=True)
        self._thread.start()

    def sound(self, tone: Tone) -> None:
        """Wake the thread."""
        self._want(self._notes[tone])

    def quiet(self) -> None:
        """Wake the thread."""
        self._want(())

    def close(self) -> None:
        """End the thread, and what sounds."""
        with self._changed:
            self._ended = True
            self._want(())
        self._thread.join()
        with contextlib.suppress(*pin_errors()):
            self._device.close()

    def _want(self, notes: Sequence[Note]) -> None:
        with self._changed:
            self._wanted = notes
            self._number += 1
            self._changed.notify_all()

    def _run(self) -> None:
        played = 0
        while True:
            with self._changed:
                self._changed.wait_for(lambda seen=played: self._number != seen)  # type: ignore[misc]  # bound now
                if self._ended:
                    return
                played, notes = self._number, self._wanted or ()
            try:
                self._play(notes, played)
            except pin_errors(ValueError) as error:
                self._log.warning("the sounder fails; the gate is silent", lane=self._lane, cause=str(error))
                return

    def _play(self, notes: Sequence[Note], number: int) -> None:
        """Every note, unless something else is wanted meanwhile; silent at the end."""
        for note in notes:
            self._begin(note)
            with self._changed:
                if self._changed.wait_for(lambda: self._number != number, note.seconds):
                    break
        self._begin(Note(hertz=0, seconds=0))

    def _begin(self, note: Note) -> None:
        if note.hertz == 0:
            self._device.stop() if self._tonal else self._device.off()
        elif self._tonal:
            self._device.play(Pitch(note.hertz))
        else:
            self._device.on()


class RecordingSounder:
    """A sounder that nobody hears: remembers what it was told. For tests, demonstrations and dry runs."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def sound(self, tone: Tone) -> None:
        """Remember it."""
        self.told.append(tone.value)

    def quiet(self) -> None:
        """Remember it."""
        self.told.append("quiet")

    def close(self) -> None:
        """Remember it."""
        self.told.append("close")


class SoundingDisplay(NoDisplay):
    """A lane's display for the ear: what is shown, as one of two tones.

    In an emergency it is silent: the building's own alarm is what people should hear."""

    def __init__(self, sounder: Sounder) -> None:
        self._sounder = sounder

    def show(self, showing: Showing) -> None:
        """By the outcome alone: red sounds like any other wait."""
        self._sounder.sound(Tone.GO if showing.outcome is Outcome.OPEN else Tone.WAIT)

    def let_through(self, lane: str) -> None:  # noqa: ARG002 - the interface's shape
        """As for any opening."""
        self._sounder.sound(Tone.GO)

    def free(self, lane: str, why: FreeWay) -> None:  # noqa: ARG002 - the interface's shape
        """Once, when the lane begins to let everybody through."""
        if why is FreeWay.EMERGENCY:
            self._sounder.quiet()
        else:
            self._sounder.sound(Tone.GO)

    def out_of_order(self, lane: str) -> None:  # noqa: ARG002 - the interface's shape
        """Nothing that began before goes on."""
        self._sounder.quiet()

    def close(self) -> None:
        """Give the pin back."""
        self._sounder.close()
