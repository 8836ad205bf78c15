"""Who walks up to the gate of `gate.py`: their pictures, and which of them is the first that anybody can read.

A walk-up is `SLOT_FRAMES` long: the hand comes up, rests, is gone, and the next one comes. The code is in the picture
from the first frame, at first while the hand moves.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from waypass_reader.frames.base import Pixels
from waypass_reader.seeing.stages import decode_frame, read_zbar, read_zxing, text_of
from waypass_simulator.camera import FRAMES_PER_SECOND, FrameSize, walk_up_slowly, watch_hall
from waypass_simulator.canvas import Plane
from waypass_simulator.carriers import Carrier, code_modules
from waypass_simulator.difficulty import EASY, LEVELS, Level
from waypass_simulator.scenery import paint_hall

COMING_FRAMES: Final = 12
RESTING_FRAMES: Final = 10
GONE_FRAMES: Final = 6
HELD_FRAMES: Final = COMING_FRAMES + RESTING_FRAMES
SLOT_FRAMES: Final = HELD_FRAMES + GONE_FRAMES
PERIOD_NS: Final = int(1e9 / FRAMES_PER_SECOND)


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """Somebody with a code, before they have walked up."""

    text: str
    seed: tuple[int, ...]
    level: Level
    carrier: Carrier
    size: FrameSize


@dataclass(frozen=True, kw_only=True, slots=True)
class WalkUp:
    """Their frames while a hand is in view. `first` is the first one that any decoder can read by itself, and `by`
    which can read that one."""

    person: Person
    frames: Sequence[Pixels]
    first: int | None
    by: tuple[str, ...]


def walk_up_of(person: Person) -> WalkUp:
    """Render it and look at it, frame after frame, with every decoder. Runs in a process of its own."""
    cv2.setNumThreads(1)
    rng = np.random.default_rng(person.seed)
    moments = [(number - COMING_FRAMES) / FRAMES_PER_SECOND for number in range(HELD_FRAMES)]
    rendered = walk_up_slowly(
        code_modules(person.text, person.carrier),
        rng,
        difficulty=LEVELS[person.level],
        moments=moments,
        hall=_hall(person.seed[0], person.size),
        carrier=person.carrier,
    )
    frames = list(rendered)
    decoders = _decoders()
    for number, frame in enumerate(frames):
        by = tuple(name for name, read in decoders.items() if person.text in read(frame))
        if by:
            return WalkUp(person=person, frames=frames, first=number, by=by)
    return WalkUp(person=person, frames=frames, first=None, by=())


def empty_hall(seed: int, size: FrameSize, *, count: int) -> list[Pixels]:
    """The same hall while nobody is near."""
    moments = [number / FRAMES_PER_SECOND for number in range(count)]
    return list(watch_hall(np.random.default_rng([seed, 1]), difficulty=EASY, moments=moments, hall=_hall(seed, size)))


def read_with_zxing(frame: Pixels) -> list[str]:
    """zxing-cpp alone."""
    return [text_of(code) for code in read_zxing(frame, light_on_dark=True)]


@functools.cache
def _hall(seed: int, size: FrameSize) -> Plane:
    return paint_hall(np.random.default_rng([seed, 0]), width=size.width, height=size.height)


@functools.cache
def _decoders() -> dict[str, Callable[[Pixels], list[str]]]:
    detector = cv2.QRCodeDetectorAruco()

    def read_with_opencv(frame: Pixels) -> list[str]:
        try:
            return [text for text in detector.detectAndDecodeMulti(frame)[1] if text]
        except (cv2.error, UnicodeDecodeError):  # the latter for texts that are not UTF-8
            return []

    return {
        "zxing": read_with_zxing,
        "zbar": read_zbar,
        "opencv": read_with_opencv,
        "pipeline": lambda frame: [sighting.text for sighting in decode_frame(frame)],
    }
