"""The station hall behind a gate, and the people in it, in linear light.

Seen from a gate at the height of a hand: floor and ceiling run to a vanishing point, with lamps, columns, signs,
posters and other gates. Posters and coats hold squares within squares, bars and checks, which is what tempts a code reader.
Nothing here is a code.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from waypass_simulator.canvas import Plane
from waypass_simulator.optics import soften

Point: TypeAlias = tuple[float, float]

_SIGNS: Final = (
    "EXIT",
    "LINE 4",
    "PLATFORM 2",
    "TICKETS",
    "ZONE A",
    "17",
    "CENTRAL",
    "<- 3   5 ->",
    "NO ENTRY",
    "TRAMS",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """Somebody in the hall. Lengths are shares of the frame's height; `x` is of its width, at time 0."""

    x: float
    feet: float
    height: float
    speed: float
    coat: float
    trousers: float
    skin: float
    hair: float
    pattern: int


def draw_person(rng: np.random.Generator, *, near: bool) -> Person:
    """Somebody at random: `near` for one who stands before the gate and fills much of the frame."""
    return Person(
        x=rng.uniform(0.3, 0.7) if near else rng.uniform(-0.1, 1.1),
        feet=rng.uniform(2.2, 2.8) if near else rng.uniform(0.75, 1.15),
        height=rng.uniform(2.2, 2.7) if near else rng.uniform(0.5, 0.9),
        speed=0.0 if near else float(rng.choice((-1, 1)) * rng.uniform(0.1, 0.9)),
        coat=rng.uniform(0.02, 0.7) ** 1.5,
        trousers=rng.uniform(0.02, 0.4),
        skin=rng.uniform(0.1, 0.55),
        hair=rng.uniform(0.01, 0.25),
        pattern=int(rng.integers(0, 4)),
    )


def paint_hall(rng: np.random.Generator, *, width: int, height: int) -> Plane:
    """An empty hall; its brightest lamps are near 1.0, its walls around 0.3."""
    light = np.zeros((height, width), np.float32)
    vanishing = (width * rng.uniform(0.3, 0.7), height * rng.uniform(0.3, 0.5))
    _paint_shell(light, vanishing, rng)
    _paint_floor_joints(light, vanishing, rng)
    _paint_lamps(light, vanishing, rng)
    for _ in range(int(rng.integers(2, 6))):
        _paint_column(light, vanishing, rng)
    for _ in range(int(rng.integers(3, 8))):
        _paint_poster(light, rng)
    for _ in range(int(rng.integers(1, 4))):
        _paint_gate(light, vanishing, rng)
    unit = height / 480
    rough = rng.standard_normal((height // 6, width // 6)).astype(np.float32)
    light *= 1 + 0.05 * cv2.resize(rough, (width, height), interpolation=cv2.INTER_CUBIC)
    return soften(np.clip(light, 0, None), rng.uniform(0.6, 2.5) * unit)


def paint_person(light: Plane, person: Person, *, at_seconds: float) -> None:
    """Paints somebody over the hall, where he or she is at that time."""
    rows, columns = light.shape
    tall = person.height * rows
    x = person.x * columns + person.speed * rows * at_seconds
    top = person.feet * rows - tall
    swing = 0.09 * np.sin(at_seconds * 6 + person.x * 20) * (person.speed != 0)

    def place(points: list[Point]) -> list[Point]:
        """From shares of the person's height, counted from the top of the head, to pixels."""
        return [(x + across * tall, top + down * tall) for across, down in points]

    for leg in (-1, 1):
        hip, foot = leg * 0.045, leg * 0.05 + leg * swing
        quad = place([(hip - 0.05, 0.5), (hip + 0.05, 0.5), (foot + 0.035, 1.0), (foot - 0.035, 1.0)])
        _blend(light, _polygon(light, quad), person.trousers)
    cloth = _cloth(light, person, x, 0.17 * tall)
    coat = [(-0.12, 0.2), (-0.04, 0.17), (0.04, 0.17), (0.12, 0.2), (0.12, 0.57), (-0.12, 0.57)]
    _blend(light, _polygon(light, place(coat)), cloth)
    for arm in (-1, 1):
        hand = arm * (0.17 - swing)
        sleeve = [(arm * 0.09, 0.19), (arm * 0.14, 0.215), (hand + arm * 0.02, 0.5), (hand - arm * 0.03, 0.5)]
        _blend(light, _polygon(light, place(sleeve)), 0.8 * cloth)
    neck = [(-0.026, 0.12), (0.026, 0.12), (0.034, 0.185), (-0.034, 0.185)]
    _blend(light, _polygon(light, place(neck)), 0.6 * person.skin)
    _paint_head(light, person, middle=(x, top + 0.075 * tall), tall=tall)


def _paint_head(light: Plane, person: Person, *, middle: Point, tall: float) -> None:
    """Hair, and a face that is lit from above: darker below the brow, the nose and the lip."""
    x, y = middle
    _blend(light, _ellipse(light, middle, (0.055 * tall, 0.072 * tall)), person.hair)
    face = (x, y + 0.016 * tall)
    rows, columns = light.shape
    across = (np.arange(columns, dtype=np.float32)[None, :] - x) / (0.05 * tall)
    down = (np.arange(rows, dtype=np.float32)[:, None] - face[1]) / (0.06 * tall)
    shading = 0.55 + 0.45 * np.sqrt(np.clip(1 - 0.8 * across**2 - 0.3 * (down + 0.3) ** 2, 0, 1))
    for place, width, depth in ((-0.15, 0.75, 0.45), (0.3, 0.3, 0.25), (0.55, 0.45, 0.3)):
        shading *= 1 - depth * np.exp(-(((down - place) / 0.1) ** 2) - (across / width) ** 2)
    tone = (person.skin * shading).astype(np.float32)
    _blend(light, _ellipse(light, face, (0.046 * tall, 0.058 * tall)), tone)


def _paint_shell(light: Plane, vanishing: Point, rng: np.random.Generator) -> None:
    """Ceiling, end wall and floor, each brighter towards the lamps."""
    rows, columns = light.shape
    y = np.arange(rows, dtype=np.float32)[:, None]
    x = np.arange(columns, dtype=np.float32)[None, :]
    depth = np.abs(y - vanishing[1]) / rows
    ceiling, floor = rng.uniform(0.1, 0.5), rng.uniform(0.08, 0.4)
    light[:] = np.where(y < vanishing[1], ceiling * (0.5 + depth), floor * (0.5 + depth))
    wall = np.maximum(np.abs(x - vanishing[0]) / columns * 2.2, depth * 4)
    light[:] = np.where(wall < 0.5, rng.uniform(0.1, 0.45), light)
    light *= 1 + rng.uniform(-0.4, 0.4) * (x / columns - 0.5)


def _paint_floor_joints(light: Plane, vanishing: Point, rng: np.random.Generator) -> None:
    rows, columns = light.shape
    tone = rng.uniform(0.5, 0.85)
    for slope in np.linspace(-4, 4, int(rng.integers(9, 22))):
        start = (vanishing[0] + slope * 0.12 * rows, vanishing[1] + 0.12 * rows)
        end = (vanishing[0] + slope * 1.2 * rows, vanishing[1] + 1.2 * rows)
        _dim(light, _line(light, start, end, 2.0 * rows / 480), tone)
    for step in range(1, 12):
        y = vanishing[1] + rows * 0.9 / step
        if y - vanishing[1] > 0.13 * rows:
            _dim(light, _line(light, (0, y), (columns, y), 2.0 * rows / 480), tone)


def _paint_lamps(light: Plane, vanishing: Point, rng: np.random.Generator) -> None:
    """Rows of lamps that run to the vanishing point."""
    rows = light.shape[0]
    bright = rng.uniform(0.8, 2.5)
    for row in rng.uniform(-1.6, 1.6, int(rng.integers(1, 4))):
        for step in range(1, 6):
            near, far = 0.95 / step, 0.95 / (step + 0.45)
            corners = [(row - 0.09, near), (row + 0.09, near), (row + 0.09, far), (row - 0.09, far)]
            quad = [(vanishing[0] + across * deep * rows, vanishing[1] - deep * rows) for across, deep in corners]
            _blend(light, _polygon(light, quad), bright / np.sqrt(step))


def _paint_column(light: Plane, vanishing: Point, rng: np.random.Generator) -> None:
    rows, columns = light.shape
    x, half = rng.uniform(0, columns), rng.uniform(0.01, 0.06) * columns
    reach = half / columns * 14 * rows
    tone = rng.uniform(0.05, 0.6)
    across = np.arange(columns, dtype=np.float32)[None, :]
    round_ = tone * (0.5 + 0.5 * np.sqrt(np.clip(1 - ((across - x + half * 0.3) / (1.4 * half)) ** 2, 0, 1)))
    quad = [(x - half, vanishing[1] - reach), (x + half, vanishing[1] - reach)]
    quad += [(x + half, vanishing[1] + reach), (x - half, vanishing[1] + reach)]
    _blend(light, _polygon(light, quad), np.broadcast_to(round_, light.shape).astype(np.float32))


def _paint_poster(light: Plane, rng: np.random.Generator) -> None:
    """A sign or a poster, with words, bars, checks or squares within squares."""
    rows, columns = light.shape
    w, h = rng.uniform(0.08, 0.3) * columns, rng.uniform(0.06, 0.3) * rows
    x, y = rng.uniform(-0.05, 0.95) * columns, rng.uniform(0, 0.6) * rows
    paper, ink = rng.uniform(0.2, 0.9), rng.uniform(0.02, 0.15)
    if rng.random() < 0.4:
        paper, ink = ink, paper
    _blend(light, _polygon(light, [(x, y), (x + w, y), (x + w, y + h), (x, y + h)]), paper)
    kind = rng.integers(0, 4)
    if kind == 0:
        mask = np.zeros(light.shape, np.uint8)
        size = h / 60
        words = str(rng.choice(_SIGNS))
        cv2.putText(mask, words, (int(x + 0.06 * w), int(y + 0.7 * h)), cv2.FONT_HERSHEY_SIMPLEX, size, 255,
                    max(1, int(2.5 * size)), cv2.LINE_AA)  # fmt: skip
        _blend(light, (mask / np.float32(255)).astype(np.float32), ink)
    elif kind == 1:
        for left in np.cumsum(rng.uniform(0.01, 0.05, 30)):
            if left < 0.93:
                bar = left + rng.uniform(0.005, 0.025)
                quad = [(x + left * w, y + 0.15 * h), (x + bar * w, y + 0.15 * h)]
                _blend(light, _polygon(light, [*quad, (x + bar * w, y + 0.8 * h), (x + left * w, y + 0.8 * h)]), ink)
    elif kind == 2:
        for _ in range(3):
            _paint_nested_squares(light, rng, (x + rng.uniform(0, w), y + rng.uniform(0, h)), paper, ink)
    else:
        checks = (np.add.outer(np.arange(6), np.arange(8)) % 2).astype(np.float32)
        tile = cv2.resize(checks, (max(int(w * 0.8), 8), max(int(h * 0.8), 8)), interpolation=cv2.INTER_NEAREST)
        _paste(light, tile * (paper - ink) + ink, (int(x + 0.1 * w), int(y + 0.1 * h)))


def _paint_nested_squares(light: Plane, rng: np.random.Generator, at: Point, paper: float, ink: float) -> None:
    """Three squares one in the other, in the proportions of a code's corner: the reader's bait."""
    module = rng.uniform(1.5, 6) * light.shape[0] / 480
    for size, tone in ((7, ink), (5, paper), (3, ink)):
        half = size * module / 2
        corners = [(-half, -half), (half, -half), (half, half), (-half, half)]
        _blend(light, _polygon(light, [(at[0] + dx, at[1] + dy) for dx, dy in corners]), tone)


def _paint_gate(light: Plane, vanishing: Point, rng: np.random.Generator) -> None:
    """Another gate's cabinet, with a lamp on it."""
    rows, columns = light.shape
    x, size = rng.uniform(0, columns), rng.uniform(0.08, 0.25) * rows
    ground = vanishing[1] + 2.2 * size
    tone = rng.uniform(0.15, 0.6)
    front = [(x, ground - 1.3 * size), (x + 0.45 * size, ground - 1.3 * size), (x + 0.45 * size, ground), (x, ground)]
    lid = [(x, ground - 1.3 * size), (x + 0.45 * size, ground - 1.3 * size)]
    lid += [(x + 0.3 * size, ground - 1.45 * size), (x + 0.05 * size, ground - 1.45 * size)]
    _blend(light, _polygon(light, front), tone)
    _blend(light, _polygon(light, lid), 1.4 * tone)
    _blend(light, _ellipse(light, (x + 0.22 * size, ground - 1.1 * size), (0.07 * size, 0.07 * size)), 1.5)


def _cloth(light: Plane, person: Person, x: float, half: float) -> Plane:
    """A coat's light: rounder than flat, and plain, striped, checked or with a zip."""
    rows, columns = light.shape
    across = (np.arange(columns, dtype=np.float32)[None, :] - x) / half
    down = np.arange(rows, dtype=np.float32)[:, None] / half
    tone = person.coat * (0.55 + 0.45 * np.sqrt(np.clip(1 - across**2, 0, 1))) + 0 * down
    if person.pattern == 1:
        tone *= np.where(np.sin(down * 18) > 0, 1.0, 0.5)
    elif person.pattern == 2:
        tone *= np.where((np.sin(down * 14) > 0) ^ (np.sin(across * 14) > 0), 1.0, 0.6)
    elif person.pattern == 3:
        tone *= np.where(np.abs(across) < 0.03, 1.8, 1.0)
    return np.asarray(tone, np.float32)


def _polygon(light: Plane, points: list[Point]) -> Plane:
    """A filled polygon as a mask with smooth edges. Sixteenths of a pixel count."""
    mask = np.zeros(light.shape, np.uint8)
    fixed = np.clip(np.array(points) * 16, -(2**20), 2**20).astype(np.int32)
    cv2.fillPoly(mask, [fixed], 255, cv2.LINE_AA, shift=4)
    return _share(mask)


def _ellipse(light: Plane, middle: Point, radii: Point) -> Plane:
    mask = np.zeros(light.shape, np.uint8)
    centre, axes = (round(middle[0] * 16), round(middle[1] * 16)), (round(radii[0] * 16), round(radii[1] * 16))
    cv2.ellipse(mask, centre, axes, 0, 0, 360, 255, -1, cv2.LINE_AA, shift=4)
    return _share(mask)


def _line(light: Plane, start: Point, end: Point, thickness: float) -> Plane:
    mask = np.zeros(light.shape, np.uint8)
    first, last = (round(start[0]), round(start[1])), (round(end[0]), round(end[1]))
    cv2.line(mask, first, last, 255, max(1, round(thickness)), cv2.LINE_AA)
    return _share(mask)


def _share(mask: NDArray[np.uint8]) -> Plane:
    return mask.astype(np.float32) / np.float32(255)


def _blend(light: Plane, mask: Plane, tone: float | Plane) -> None:
    light += mask * (np.asarray(tone, np.float32) - light)


def _dim(light: Plane, mask: Plane, factor: float) -> None:
    light *= 1 - mask * (1 - factor)


def _paste(light: Plane, tile: Plane, corner: tuple[int, int]) -> None:
    """Lays a tile over the picture, as far as it is inside."""
    rows, columns = light.shape
    x, y = corner
    first_x, first_y = max(x, 0), max(y, 0)
    last_x, last_y = min(x + tile.shape[1], columns), min(y + tile.shape[0], rows)
    if first_x < last_x and first_y < last_y:
        light[first_y:last_y, first_x:last_x] = tile[first_y - y : last_y - y, first_x - x : last_x - x]
