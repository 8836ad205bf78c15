"""Drawing shapes into a picture in linear light. Coordinates are pixels of that picture, fractions allowed.

A shape is made first, as a mask of the part of the picture that it touches, and then filled with a tone or with shading
that is worked out for that part alone: a frame has many small shapes, and most of it is touched by none.
"""

from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from waypass_simulator.canvas import Plane

Point: TypeAlias = tuple[float, float]

_FAR = 2**20  # in sixteenths of a pixel; OpenCV's own arithmetic ends not far beyond


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """A part of a picture, how much of each of its pixels is covered (0 to 1), and their columns and rows."""

    window: tuple[slice, slice]
    mask: Plane
    x: Plane
    y: Plane


def polygon(light: Plane, points: list[Point]) -> Shape:
    """A filled polygon with smooth edges."""
    corners = np.array(points)
    window, left, top = _window(light, corners.min(axis=0), corners.max(axis=0))
    mask = _blank(window)
    fixed = np.clip((corners - (left, top)) * 16, -_FAR, _FAR).astype(np.int32)
    cv2.fillPoly(mask, [fixed], 255, cv2.LINE_AA, shift=4)
    return _shape(window, mask)


def ellipse(light: Plane, middle: Point, radii: Point) -> Shape:
    """A filled ellipse that stands upright."""
    centre, reach = np.array(middle), np.array(radii)
    window, left, top = _window(light, centre - reach, centre + reach)
    mask = _blank(window)
    x, y = (round(float(value) * 16) for value in centre - (left, top))
    cv2.ellipse(mask, (x, y), (round(radii[0] * 16), round(radii[1] * 16)), 0, 0, 360, 255, -1, cv2.LINE_AA, shift=4)
    return _shape(window, mask)


def stroke(light: Plane, start: Point, end: Point, thickness: float) -> Shape:
    """A straight line."""
    along = np.array(end) - np.array(start)
    across = np.array([-along[1], along[0]]) / max(float(np.hypot(*along)), 1e-6) * max(thickness, 1.0) / 2
    corners = [np.array(start) + across, np.array(end) + across, np.array(end) - across, np.array(start) - across]
    return polygon(light, [(float(x), float(y)) for x, y in corners])


def lettering(light: Plane, words: str, base: Point, height: float) -> Shape:
    """A line of print whose first letter stands at `base`."""
    size = height / 22  # the font is about 22 pixels high at size 1
    weight = max(1, round(2.5 * size))
    (wide, _), _ = cv2.getTextSize(words, cv2.FONT_HERSHEY_SIMPLEX, size, weight)
    low = np.array([base[0], base[1] - 1.3 * height])
    window, left, top = _window(light, low, low + np.array([wide, 1.8 * height]))
    mask = _blank(window)
    origin = (round(base[0] - left), round(base[1] - top))
    cv2.putText(mask, words, origin, cv2.FONT_HERSHEY_SIMPLEX, size, 255, weight, cv2.LINE_AA)
    return _shape(window, mask)


def fill(light: Plane, shape: Shape, tone: float | Plane) -> None:
    """Lays a tone over the picture where the shape is."""
    part = light[shape.window]
    part += shape.mask * (np.asarray(tone, np.float32) - part)


def dim(light: Plane, shape: Shape, factor: float) -> None:
    """Leaves only that share of the light where the shape is."""
    light[shape.window] *= 1 - shape.mask * (1 - factor)


def _window(light: Plane, low: NDArray[np.float64], high: NDArray[np.float64]) -> tuple[tuple[slice, slice], int, int]:
    """The part of the picture between two corners, with a pixel to spare, and its own corner (column, row)."""
    rows, columns = light.shape
    left, top = (int(np.clip(value, 0, limit)) for value, limit in zip(np.floor(low) - 1, (columns, rows), strict=True))
    right, bottom = (
        int(np.clip(value, least, limit))
        for value, least, limit in zip(np.ceil(high) + 2, (left, top), (columns, rows), strict=True)
    )
    return (slice(top, bottom), slice(left, right)), left, top


def _blank(window: tuple[slice, slice]) -> NDArray[np.uint8]:
    rows, columns = window
    # At least one pixel, because OpenCV draws into nothing smaller; `_shape` cuts it off again.
    return np.zeros((max(rows.stop - rows.start, 1), max(columns.stop - columns.start, 1)), np.uint8)


def _shape(window: tuple[slice, slice], mask: NDArray[np.uint8]) -> Shape:
    rows, columns = window
    share = mask[: rows.stop - rows.start, : columns.stop - columns.start].astype(np.float32) / np.float32(255)
    x = np.arange(columns.start, columns.stop, dtype=np.float32)[None, :]
    y = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None]
    return Shape(window=window, mask=share, x=x, y=y)
