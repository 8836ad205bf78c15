"""People in the hall: those who pass in the distance, and whoever stands close before the gate."""

import math
from dataclasses import dataclass

import numpy as np

from waypass_simulator.canvas import Plane
from waypass_simulator.sketch import Point, Shape, ellipse, fill, polygon


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


def paint_person(light: Plane, person: Person, *, at_seconds: float) -> None:
    """Paints somebody over the hall, where he or she is at that time."""
    rows, columns = light.shape
    tall = person.height * rows
    x = person.x * columns + person.speed * rows * at_seconds
    top = person.feet * rows - tall
    swing = 0.09 * math.sin(at_seconds * 6 + person.x * 20) if person.speed else 0.0

    def place(points: list[Point]) -> list[Point]:
        """From shares of the person's height, counted from the top of the head, to pixels."""
        return [(x + across * tall, top + down * tall) for across, down in points]

    for leg in (-1, 1):
        hip, foot = leg * 0.045, leg * 0.05 + leg * swing
        quad = place([(hip - 0.05, 0.5), (hip + 0.05, 0.5), (foot + 0.035, 1.0), (foot - 0.035, 1.0)])
        fill(light, polygon(light, quad), person.trousers)
    coat = polygon(light, place([(-0.12, 0.2), (-0.04, 0.17), (0.04, 0.17), (0.12, 0.2), (0.12, 0.57), (-0.12, 0.57)]))
    fill(light, coat, _cloth(person, coat, x=x, top=top, half=0.17 * tall))
    for arm in (-1, 1):
        hand = arm * (0.17 - swing)
        along = [(arm * 0.09, 0.19), (arm * 0.14, 0.215), (hand + arm * 0.02, 0.5), (hand - arm * 0.03, 0.5)]
        sleeve = polygon(light, place(along))
        fill(light, sleeve, 0.8 * _cloth(person, sleeve, x=x, top=top, half=0.17 * tall))
    neck = [(-0.026, 0.12), (0.026, 0.12), (0.034, 0.185), (-0.034, 0.185)]
    fill(light, polygon(light, place(neck)), 0.6 * person.skin)
    _paint_head(light, person, middle=(x, top + 0.075 * tall), tall=tall)


def _paint_head(light: Plane, person: Person, *, middle: Point, tall: float) -> None:
    """Hair, and a face that is lit from above: darker below the brow, the nose and the lip."""
    x, y = middle
    fill(light, ellipse(light, middle, (0.055 * tall, 0.072 * tall)), person.hair)
    face = ellipse(light, (x, y + 0.016 * tall), (0.046 * tall, 0.058 * tall))
    across = (face.x - x) / (0.05 * tall)
    down = (face.y - y - 0.016 * tall) / (0.06 * tall)
    shading = 0.55 + 0.45 * np.sqrt(np.clip(1 - 0.8 * across**2 - 0.3 * (down + 0.3) ** 2, 0, 1))
    for height, width, depth in ((-0.15, 0.75, 0.45), (0.3, 0.3, 0.25), (0.55, 0.45, 0.3)):
        shading *= 1 - depth * np.exp(-(((down - height) / 0.1) ** 2) - (across / width) ** 2)
    fill(light, face, (person.skin * shading).astype(np.float32))


def _cloth(person: Person, shape: Shape, *, x: float, top: float, half: float) -> Plane:
    """A coat's light: rounder than flat, and plain, striped, checked or with a zip."""
    across = (shape.x - x) / half
    down = (shape.y - top) / half
    tone = person.coat * (0.55 + 0.45 * np.sqrt(np.clip(1 - across**2, 0, 1))) + 0 * down
    if person.pattern == 1:
        tone *= np.where(np.sin(down * 18) > 0, 1.0, 0.5)
    elif person.pattern == 2:
        tone *= np.where((np.sin(down * 14) > 0) ^ (np.sin(across * 14) > 0), 1.0, 0.6)
    elif person.pattern == 3:
        tone *= np.where(np.abs(across) < 0.03, 1.8, 1.0)
    return np.asarray(tone, np.float32)
