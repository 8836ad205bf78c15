"""The station hall behind a gate, in linear light.

Seen from a gate at the height of a hand: floor and ceiling run to a vanishing point, with lamps, columns, signs,
posters and other gates. Posters hold squares within squares, bars and checks, which is what tempts a code reader.
Nothing here is a code.
"""

import math
from typing import Final

import cv2
import numpy as np

from waypass_simulator.canvas import Plane
from waypass_simulator.optics import soften
from waypass_simulator.sketch import Point, dim, ellipse, fill, lettering, polygon, stroke

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
        dim(light, stroke(light, start, end, 2.0 * rows / 480), tone)
    for step in range(1, 12):
        y = vanishing[1] + rows * 0.9 / step
        if y - vanishing[1] > 0.13 * rows:
            dim(light, stroke(light, (0, y), (columns, y), 2.0 * rows / 480), tone)


def _paint_lamps(light: Plane, vanishing: Point, rng: np.random.Generator) -> None:
    """Rows of lamps that run to the vanishing point."""
    rows = light.shape[0]
    bright = rng.uniform(0.8, 2.5)
    for row in rng.uniform(-1.6, 1.6, int(rng.integers(1, 4))):
        for step in range(1, 6):
            near, far = 0.95 / step, 0.95 / (step + 0.45)
            corners = [(row - 0.09, near), (row + 0.09, near), (row + 0.09, far), (row - 0.09, far)]
            quad = [(vanishing[0] + across * deep * rows, vanishing[1] - deep * rows) for across, deep in corners]
            fill(light, polygon(light, quad), bright / math.sqrt(step))


def _paint_column(light: Plane, vanishing: Point, rng: np.random.Generator) -> None:
    rows, columns = light.shape
    x, half = rng.uniform(0, columns), rng.uniform(0.01, 0.06) * columns
    reach = half / columns * 14 * rows
    tone = rng.uniform(0.05, 0.6)
    quad = [(x - half, vanishing[1] - reach), (x + half, vanishing[1] - reach)]
    quad += [(x + half, vanishing[1] + reach), (x - half, vanishing[1] + reach)]
    column = polygon(light, quad)
    across = (column.x - x + half * 0.3) / (1.4 * half)
    fill(light, column, np.asarray(tone * (0.5 + 0.5 * np.sqrt(np.clip(1 - across**2, 0, 1))), np.float32))


def _paint_poster(light: Plane, rng: np.random.Generator) -> None:
    """A sign or a poster, with words, bars, checks or squares within squares."""
    rows, columns = light.shape
    w, h = rng.uniform(0.08, 0.3) * columns, rng.uniform(0.06, 0.3) * rows
    x, y = rng.uniform(-0.05, 0.95) * columns, rng.uniform(0, 0.6) * rows
    paper, ink = rng.uniform(0.2, 0.9), rng.uniform(0.02, 0.15)
    if rng.random() < 0.4:
        paper, ink = ink, paper
    fill(light, polygon(light, [(x, y), (x + w, y), (x + w, y + h), (x, y + h)]), paper)
    kind = rng.integers(0, 4)
    if kind == 0:
        fill(light, lettering(light, str(rng.choice(_SIGNS)), (x + 0.06 * w, y + 0.7 * h), 0.4 * h), ink)
    elif kind == 1:
        for left in np.cumsum(rng.uniform(0.01, 0.05, 30)):
            if left < 0.93:
                bar = left + rng.uniform(0.005, 0.025)
                quad = [(x + left * w, y + 0.15 * h), (x + bar * w, y + 0.15 * h)]
                fill(light, polygon(light, [*quad, (x + bar * w, y + 0.8 * h), (x + left * w, y + 0.8 * h)]), ink)
    elif kind == 2:
        for _ in range(3):
            _paint_nested_squares(light, rng, (x + rng.uniform(0, w), y + rng.uniform(0, h)), paper, ink)
    else:
        for row in range(6):
            for column in range(row % 2, 8, 2):
                left, top = x + (0.1 + 0.1 * column) * w, y + (0.1 + 0.13 * row) * h
                corners = [(left, top), (left + 0.1 * w, top), (left + 0.1 * w, top + 0.13 * h), (left, top + 0.13 * h)]
                fill(light, polygon(light, corners), ink)


def _paint_nested_squares(light: Plane, rng: np.random.Generator, at: Point, paper: float, ink: float) -> None:
    """Three squares one in the other, in the proportions of a code's corner: the reader's bait."""
    module = rng.uniform(1.5, 6) * light.shape[0] / 480
    for size, tone in ((7, ink), (5, paper), (3, ink)):
        half = size * module / 2
        corners = [(-half, -half), (half, -half), (half, half), (-half, half)]
        fill(light, polygon(light, [(at[0] + dx, at[1] + dy) for dx, dy in corners]), tone)


def _paint_gate(light: Plane, vanishing: Point, rng: np.random.Generator) -> None:
    """Another gate's cabinet, with a lamp on it."""
    rows, columns = light.shape
    x, size = rng.uniform(0, columns), rng.uniform(0.08, 0.25) * rows
    ground = vanishing[1] + 2.2 * size
    tone = rng.uniform(0.15, 0.6)
    front = [(x, ground - 1.3 * size), (x + 0.45 * size, ground - 1.3 * size), (x + 0.45 * size, ground), (x, ground)]
    lid = [(x, ground - 1.3 * size), (x + 0.45 * size, ground - 1.3 * size)]
    lid += [(x + 0.3 * size, ground - 1.45 * size), (x + 0.05 * size, ground - 1.45 * size)]
    fill(light, polygon(light, front), tone)
    fill(light, polygon(light, lid), 1.4 * tone)
    fill(light, ellipse(light, (x + 0.22 * size, ground - 1.1 * size), (0.07 * size, 0.07 * size)), 1.5)
