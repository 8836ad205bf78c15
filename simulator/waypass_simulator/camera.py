"""What a gate's camera sees: people walking up with a code in the hand, and the hall when nobody does.

A frame is rendered in linear light, from the back to the front:

1. the hall, with somebody standing close who is out of focus;
2. the carrier, a telephone or a sheet in a hand, painted flat in millimetres and laid into the picture by the lens's
   perspective; its light is what it shines and what it reflects of the hall's;
3. what its surface mirrors: a veil over everything and, at times, a lamp;
4. motion: while the shutter is open, the carrier is laid in at several moments, each a part of a pixel beside the
   other, which also smooths the edges;
5. lens and sensor (`waypass_simulator.optics`).

Every value is drawn from the generator that the caller passes, so a seed gives the same pictures again. The reader is
not known here: whether it reads the pictures is for others to find out.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from waypass_simulator.canvas import Canvas, Plane
from waypass_simulator.carriers import CANVAS_MM, Carrier, code_modules, paint_paper, paint_phone
from waypass_simulator.difficulty import Difficulty
from waypass_simulator.optics import Picture, darken_corners, defocus, develop, soften, spill
from waypass_simulator.people import Person, draw_person, paint_person
from waypass_simulator.poses import FOCAL_SHARE, Hand, draw_hand
from waypass_simulator.scenery import paint_hall

FRAMES_PER_SECOND: Final = 30.0
_CODE_MM: Final = 62.0
_MOMENTS: Final = 9


@dataclass(frozen=True, kw_only=True, slots=True)
class FrameSize:
    """Width and height of a frame in pixels."""

    width: int
    height: int


VGA: Final = FrameSize(width=640, height=480)
HD: Final = FrameSize(width=1280, height=720)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Light:
    """What one walk-up drew from its level's ranges, once for all its frames."""

    white: float
    ambient: float
    veil: float
    exposure: float
    defocus: float
    moire: float
    moire_wave: tuple[float, float]
    flicker: float
    flicker_rows: float
    electrons: float
    jpeg_quality: float
    lamp: tuple[float, float, float, float] | None
    """A mirrored lamp: place on the carrier (x, y) and radii, in millimetres."""


def walk_up(
    text: str,
    rng: np.random.Generator,
    *,
    difficulty: Difficulty,
    carrier: Carrier = Carrier.PHONE,
    size: FrameSize = VGA,
    frames: int = 5,
) -> list[Picture]:
    """Somebody shows the code of a text: consecutive frames of one hand, 30 a second, from when it comes to rest.

    Raises ValueError when the text is too long for a QR code."""
    modules = code_modules(text, carrier)
    moments = [number / FRAMES_PER_SECOND for number in range(frames)]
    return list(_show(modules, rng, difficulty=difficulty, carrier=carrier, size=size, moments=moments))


def walk_up_slowly(
    modules: Plane,
    rng: np.random.Generator,
    *,
    difficulty: Difficulty,
    moments: Sequence[float],
    hall: Plane,
    carrier: Carrier = Carrier.PHONE,
) -> Iterator[Picture]:
    """The same for a code as modules (`carriers.code_modules`, or what stands on some screen), one frame for each
    moment, as it is asked for.

    Moments are seconds from when the hand comes to rest; before it (negative) it is on its way up. The `hall` behind
    it (`scenery.paint_hall`) is given, so that a camera goes on seeing the same one; its size is the frames'."""
    size = FrameSize(width=hall.shape[1], height=hall.shape[0])
    return _show(modules, rng, difficulty=difficulty, carrier=carrier, size=size, moments=moments, hall=hall)


def empty_frames(
    rng: np.random.Generator, *, difficulty: Difficulty, size: FrameSize = VGA, frames: int = 5
) -> list[Picture]:
    """Frames without a code: people pass through the hall, and now and then a hand with something else in it."""
    if rng.random() < 0.35:
        carrier = Carrier.PHONE if rng.random() < 0.5 else Carrier.PAPER
        moments = [number / FRAMES_PER_SECOND for number in range(frames)]
        return list(_show(None, rng, difficulty=difficulty, carrier=carrier, size=size, moments=moments))
    light = _draw_light(rng, difficulty, carrier=Carrier.PAPER)
    hall = paint_hall(rng, width=size.width, height=size.height)
    people = [draw_person(rng, near=False) for _ in range(int(rng.integers(0, 5)))]
    if rng.random() < 0.3:
        people.append(draw_person(rng, near=True))
    moments = [number / FRAMES_PER_SECOND for number in range(frames)]
    return list(_pass_by(hall, people, rng, light=light, brightness=2, moments=moments))


def watch_hall(
    rng: np.random.Generator, *, difficulty: Difficulty, moments: Sequence[float], hall: Plane
) -> Iterator[Picture]:
    """The hall between two walk-ups, in the same light: a few people pass in the distance. As `walk_up_slowly`."""
    light = _draw_light(rng, difficulty, carrier=Carrier.PHONE)
    people = [draw_person(rng, near=False) for _ in range(int(rng.integers(1, 4)))]
    return _pass_by(hall, people, rng, light=light, brightness=1, moments=moments)


def _pass_by(
    hall: Plane,
    people: Sequence[Person],
    rng: np.random.Generator,
    *,
    light: _Light,
    brightness: float,
    moments: Sequence[float],
) -> Iterator[Picture]:
    rows, columns = hall.shape
    size = FrameSize(width=columns, height=rows)
    focus = rng.uniform(1.0, 4.0) * columns / 640
    for moment in moments:
        seen = hall.copy()
        for person in people:
            paint_person(seen, person, at_seconds=moment)
        yield _develop(soften(seen, focus) * light.white * light.ambient * brightness, light, rng, size)


def _show(
    modules: Plane | None,
    rng: np.random.Generator,
    *,
    difficulty: Difficulty,
    carrier: Carrier,
    size: FrameSize,
    moments: Sequence[float],
    hall: Plane | None = None,
) -> Iterator[Picture]:
    hand = draw_hand(rng, difficulty, code_mm=_CODE_MM, width=size.width, height=size.height)
    light = _draw_light(rng, difficulty, carrier=carrier)
    canvas = _blank(hand, size)
    if carrier is Carrier.PHONE:
        paint_phone(canvas, modules, rng, grip_mm=rng.uniform(*difficulty.grip_mm))
    else:
        paint_paper(canvas, modules, rng)
    layers = _lit_layers(canvas, light, rng, shadow=rng.uniform(*difficulty.shadow), carrier=carrier)
    hall = paint_hall(rng, width=size.width, height=size.height) if hall is None else hall.copy()
    paint_person(hall, draw_person(rng, near=True), at_seconds=0)
    hall = soften(hall, rng.uniform(2, 5) * size.width / 640) * light.white * light.ambient
    for start in moments:
        carried = _expose(layers, canvas, hand, start=start, light=light, size=size)
        reflected, emitted, cover, mirror = (carried[:, :, layer] for layer in range(4))
        seen = hall * (1 - cover) + reflected + emitted * _interference(light, rng, size)
        seen += mirror * _mirrored(light, hand, at=start, size=size)
        yield _develop(seen.astype(np.float32), light, rng, size)


def _blank(hand: Hand, size: FrameSize) -> Canvas:
    """A canvas as large as what the camera may see of it, and a little finer than the picture.

    The moments of the exposure smooth what is left to smooth."""
    distance = float(hand.hold[2])
    reach = 1.75 * distance
    return Canvas(
        width_mm=min(CANVAS_MM[0], reach),
        height_mm=min(CANVAS_MM[1], reach),
        scale=1.1 * FOCAL_SHARE * size.width / distance,
    )


def _draw_light(rng: np.random.Generator, level: Difficulty, *, carrier: Carrier) -> _Light:
    wave = rng.uniform(0.3, 1.2)
    turn = rng.uniform(0, math.pi)
    radius = rng.uniform(*level.glare_mm)
    lamp = (rng.uniform(-34, 34), rng.uniform(-34, 34), radius, radius * rng.uniform(0.5, 1.6))
    mirrors = rng.random() < level.glare_chance * (1.0 if carrier is Carrier.PHONE else 0.4)
    return _Light(
        white=rng.uniform(*level.white),
        ambient=rng.uniform(*level.ambient),
        veil=rng.uniform(*level.veil),
        exposure=rng.uniform(*level.exposure_ms) / 1000,
        defocus=rng.uniform(*level.defocus_px),
        moire=rng.uniform(*level.moire),
        moire_wave=(wave * math.cos(turn), wave * math.sin(turn)),
        flicker=rng.uniform(*level.flicker),
        flicker_rows=rng.uniform(40, 160),
        electrons=rng.uniform(*level.electrons),
        jpeg_quality=rng.uniform(*level.jpeg_quality),
        lamp=lamp if mirrors else None,
    )


def _lit_layers(
    canvas: Canvas, light: _Light, rng: np.random.Generator, *, shadow: float, carrier: Carrier
) -> NDArray[np.float32]:
    """What the camera takes of the carrier: light reflected, light shone, share covered, share mirrored.

    All are times the coverage, so that they can be averaged."""
    falling = light.white * (light.ambient if carrier is Carrier.PHONE else 1.0)
    rows, columns = canvas.cover.shape
    y = np.linspace(-1, 1, rows, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, columns, dtype=np.float32)[None, :]
    angle, edge = rng.uniform(0, 2 * math.pi), rng.uniform(-0.3, 0.3)
    side = (x * math.cos(angle) + y * math.sin(angle) - edge) * rng.uniform(3, 25)
    shade = 1 - shadow / (1 + np.exp(-side))
    # A screen shines through a shadow; what it reflects does not.
    reflected, emitted = canvas.reflected * falling * shade, canvas.emitted * light.white
    cover = canvas.cover
    return cv2.merge((reflected * cover, emitted * cover, cover, canvas.mirror * cover)).astype(np.float32, copy=False)


def _expose(
    layers: NDArray[np.float32], canvas: Canvas, hand: Hand, *, start: float, light: _Light, size: FrameSize
) -> NDArray[np.float32]:
    """The carrier's layers in the picture, averaged over the time that the shutter is open."""
    middle_x, middle_y = canvas.middle
    to_mm = np.array([[1 / canvas.scale, 0, -middle_x / canvas.scale], [0, 1 / canvas.scale, -middle_y / canvas.scale],
                      [0, 0, 1]])  # fmt: skip
    total = np.zeros((size.height, size.width, 4), np.float32)
    for moment in range(_MOMENTS):
        seconds = start + light.exposure * (moment + 0.5) / _MOMENTS
        within = np.array([[1, 0, (moment % 3 - 1) / 3], [0, 1, (moment * 2 // 3 % 3 - 1) / 3], [0, 0, 1]])
        matrix = within @ hand.homography(seconds, width=size.width, height=size.height) @ to_mm
        total += cv2.warpPerspective(layers, matrix, (size.width, size.height), flags=cv2.INTER_LINEAR)
    return total / np.float32(_MOMENTS)


def _mirrored(light: _Light, hand: Hand, *, at: float, size: FrameSize) -> Plane:
    """What a mirror in the carrier's place shows: an even veil, and perhaps a lamp that slides as the hand moves."""
    seen = np.full((size.height, size.width), light.veil * light.white, np.float32)
    if light.lamp is None:
        return seen
    x_mm, y_mm, radius_x, radius_y = light.lamp
    matrix = hand.homography(at, width=size.width, height=size.height)
    x, y, depth = matrix @ np.array([x_mm, y_mm, 1.0])
    focal = FOCAL_SHARE * size.width / depth
    slide = (hand.position(at) - hand.hold) * focal
    columns = (np.arange(size.width, dtype=np.float32)[None, :] - x / depth - slide[0]) / (radius_x * focal)
    rows = (np.arange(size.height, dtype=np.float32)[:, None] - y / depth - slide[1]) / (radius_y * focal)
    away = np.hypot(columns, rows)
    disc = 1 / (1 + np.exp(np.minimum((away - 1) * 12, 50)))
    return np.asarray(seen + 2.5 * disc + 0.25 * np.exp(-away), np.float32)


def _interference(light: _Light, rng: np.random.Generator, size: FrameSize) -> Plane:
    """Moiré between two grids of pixels, and the bands of a dimmed screen, as a factor on its light."""
    y = np.arange(size.height, dtype=np.float32)[:, None]
    x = np.arange(size.width, dtype=np.float32)[None, :]
    waves = np.sin(light.moire_wave[0] * x + light.moire_wave[1] * y + rng.uniform(0, 2 * np.pi))
    bands = 0.5 + 0.5 * np.sin(2 * np.pi * y / light.flicker_rows + rng.uniform(0, 2 * np.pi))
    return np.asarray((1 + light.moire * waves) * (1 - light.flicker * bands), np.float32)


def _develop(seen: Plane, light: _Light, rng: np.random.Generator, size: FrameSize) -> Picture:
    """Lens and sensor."""
    unit = size.width / 640
    blurred = soften(defocus(seen, light.defocus * unit), 0.5)
    spilled = spill(blurred, sigma=4 * unit)
    return develop(darken_corners(spilled), rng, electrons=light.electrons, jpeg_quality=light.jpeg_quality)
