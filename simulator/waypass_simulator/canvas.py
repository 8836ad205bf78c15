"""A flat thing that is held before a camera, painted in millimetres.

A canvas has four layers of equal size: what it reflects of the light that falls on it, what it shines by itself, how
much it covers of what is behind it, and how much it mirrors. Things are painted one over the other, with soft edges.
The point (0, 0) is the middle of the canvas, x goes right and y down.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Plane: TypeAlias = NDArray[np.float32]
"""Values of a layer, or of a picture in linear light: rows x columns."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Region:
    """A part of a canvas: its rows and columns, and the coordinates of their middles in millimetres."""

    window: tuple[slice, slice]
    x: Plane
    y: Plane


class Canvas:
    """See the module's docstring. `scale` is pixels a millimetre."""

    def __init__(self, *, width_mm: float, height_mm: float, scale: float) -> None:
        rows, columns = round(height_mm * scale), round(width_mm * scale)
        self.scale = scale
        self.reflected: Plane = np.zeros((rows, columns), np.float32)
        self.emitted: Plane = np.zeros((rows, columns), np.float32)
        self.cover: Plane = np.zeros((rows, columns), np.float32)
        self.mirror: Plane = np.zeros((rows, columns), np.float32)

    @property
    def middle(self) -> tuple[float, float]:
        """The pixel (x, y) of the point (0, 0)."""
        rows, columns = self.cover.shape
        return columns / 2, rows / 2

    def region(self, left: float, top: float, right: float, bottom: float) -> Region:
        """The part between these millimetres, as far as it is on the canvas."""
        rows, columns = self.cover.shape
        middle_x, middle_y = self.middle
        first_x, last_x = _span(left, right, self.scale, middle_x, columns)
        first_y, last_y = _span(top, bottom, self.scale, middle_y, rows)
        x = (np.arange(first_x, last_x, dtype=np.float32) + 0.5 - middle_x) / self.scale
        y = (np.arange(first_y, last_y, dtype=np.float32) + 0.5 - middle_y) / self.scale
        grid_x, grid_y = np.meshgrid(x, y)
        return Region(window=(slice(first_y, last_y), slice(first_x, last_x)), x=grid_x, y=grid_y)

    def paint(
        self,
        region: Region,
        mask: Plane,
        *,
        reflected: float | Plane,
        emitted: float | Plane = 0.0,
        mirror: float = 0.0,
    ) -> None:
        """Lays a thing over the region where `mask` (0 to 1) says so."""
        keep = 1 - mask
        for layer, value in (
            (self.reflected, reflected),
            (self.emitted, emitted),
            (self.mirror, mirror),
            (self.cover, 1.0),
        ):
            layer[region.window] = layer[region.window] * keep + np.asarray(value, np.float32) * mask

    def box(self, left: float, top: float, right: float, bottom: float, *, radius: float = 0.0) -> tuple[Region, Plane]:
        """A rectangle with round corners, as a region and its mask."""
        region = self.region(left - 1, top - 1, right + 1, bottom + 1)
        away_x = np.abs(region.x - (left + right) / 2) - (right - left) / 2 + radius
        away_y = np.abs(region.y - (top + bottom) / 2) - (bottom - top) / 2 + radius
        outside = np.hypot(np.maximum(away_x, 0), np.maximum(away_y, 0)) + np.minimum(np.maximum(away_x, away_y), 0)
        return region, self.soft(outside - radius)

    def capsule(
        self, start: tuple[float, float], end: tuple[float, float], radius: float
    ) -> tuple[Region, Plane, Plane]:
        """A finger or an arm: a region, its mask, and its height over the plane (0 at the rim to 1)."""
        (x0, y0), (x1, y1) = start, end
        room = radius + 1
        region = self.region(min(x0, x1) - room, min(y0, y1) - room, max(x0, x1) + room, max(y0, y1) + room)
        length2 = max((x1 - x0) ** 2 + (y1 - y0) ** 2, 1e-6)
        along = np.clip(((region.x - x0) * (x1 - x0) + (region.y - y0) * (y1 - y0)) / length2, 0, 1)
        away = np.hypot(region.x - x0 - along * (x1 - x0), region.y - y0 - along * (y1 - y0))
        height = np.sqrt(np.clip(1 - (away / radius) ** 2, 0, 1)).astype(np.float32)
        return region, self.soft(away - radius), height

    def soft(self, outside_mm: NDArray[np.floating[Any]]) -> Plane:
        """A mask from a distance to an edge (negative inside), soft over one pixel."""
        return np.asarray(np.clip(0.5 - outside_mm * self.scale, 0, 1), np.float32)

    def text(self, words: str, *, left: float, base: float, height_mm: float) -> tuple[Region, Plane]:
        """A line of print whose first letter stands at (left, base)."""
        size = max(height_mm * self.scale / 22, 0.2)  # the font is about 22 pixels high at size 1
        stroke = max(1, round(1.6 * size))
        (wide, _), _ = cv2.getTextSize(words, cv2.FONT_HERSHEY_SIMPLEX, size, stroke)
        room = 1.2 * height_mm
        region = self.region(left, base - room, left + wide / self.scale + 1, base + 0.4 * height_mm)
        ink = np.zeros(region.x.shape, np.uint8)
        origin = (0, round(room * self.scale))
        cv2.putText(ink, words, origin, cv2.FONT_HERSHEY_SIMPLEX, size, 255, stroke, cv2.LINE_AA)
        return region, (ink / np.float32(255)).astype(np.float32)


def _span(first_mm: float, last_mm: float, scale: float, middle: float, count: int) -> tuple[int, int]:
    first = min(max(int(np.floor(first_mm * scale + middle)), 0), count)
    last = min(max(int(np.ceil(last_mm * scale + middle)), first), count)
    return first, last
