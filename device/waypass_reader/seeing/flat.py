"""Looking for a symbol's corners in a quadrangle that has the texture of a code.

The quadrangle is laid flat, with some room around it: what is a code in it is then nearly square and upright, so that a
finder pattern looks as it is drawn. It is looked for near all four corners, at many sizes; the three corners that
resemble it most at the same size are the symbol's. Which one is missing tells how the symbol is turned.
"""

import functools
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from waypass_reader.frames.base import Pixels
from waypass_reader.seeing.pose import Plane, level_light

_SIDE: Final = 256
_ROOM: Final = 0.16
_NEAR_CORNER: Final = 0.42
_KEPT: Final = 4


class CornerFinding(NamedTuple):
    """How much three corners resemble finders, their middles in the frame and a fourth place that completes them
    (upper left, upper right, lower left, lower right), and the modules a side that their size and distance make."""

    likeness: float
    corners: NDArray[np.float64]
    modules: float


@functools.cache
def _finders() -> tuple[tuple[float, Plane], ...]:
    """Widths of a module, and a finder pattern with its rim at each."""
    rings = np.maximum(*np.abs(np.mgrid[:9, :9] - 4))
    large = np.kron(((rings == 2) | (rings == 4)).astype(np.float32), np.ones((8, 8), np.float32))
    soft = cv2.GaussianBlur(large, (0, 0), 3.6)
    module, found = 1.75, []
    while module < 9:
        side = max(5, round(9 * module))
        found.append((module, np.asarray(cv2.resize(soft, (side, side), interpolation=cv2.INTER_AREA), np.float32)))
        module *= 1.09
    return tuple(found)


def corners_in(picture: Pixels, quadrangle: NDArray[np.float32]) -> list[CornerFinding]:
    """The findings for one quadrangle, the likeliest first."""
    low, high = _SIDE * _ROOM, _SIDE * (1 - _ROOM)
    square = np.array([[low, low], [high, low], [high, high], [low, high]], np.float32)
    matrix = cv2.getPerspectiveTransform(square, quadrangle)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    flat = cv2.warpPerspective(picture, matrix, (_SIDE, _SIDE), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    levelled = level_light(cv2.GaussianBlur(flat, (0, 0), 0.6), 31)
    found: list[CornerFinding] = []
    for module, finder in _finders():
        if len(finder) > _SIDE * _NEAR_CORNER - 4:
            break
        found += _three_of_four(_best_near_corners(levelled, finder), module)
    found.sort(key=lambda each: -each.likeness)
    return [
        each._replace(corners=cv2.perspectiveTransform(each.corners[None], matrix)[0].astype(np.float64))
        for each in found[:_KEPT]
    ]


def _best_near_corners(levelled: Plane, finder: Plane) -> list[tuple[float, float, float]]:
    """Likeness and place of what resembles the finder most near each corner, clockwise from the upper left."""
    likeness = cv2.matchTemplate(levelled, finder, cv2.TM_CCOEFF_NORMED)
    half = len(finder) / 2
    reach = int(_SIDE * _NEAR_CORNER - half)
    far = len(likeness) - reach
    found = []
    for top, left in ((0, 0), (0, far), (far, far), (far, 0)):
        _, best, _, (x, y) = cv2.minMaxLoc(likeness[top : top + reach, left : left + reach])
        found.append((float(best), left + x + half - 0.5, top + y + half - 0.5))
    return found


def _three_of_four(near: list[tuple[float, float, float]], module: float) -> list[CornerFinding]:
    found = []
    for missing in range(4):
        three = [near[(missing + turn) % 4] for turn in (2, 3, 1)]
        likeness = min(each[0] for each in three) + sum(each[0] for each in three) / 3
        p, q, r = (np.array(each[1:]) for each in three)
        distance = (np.hypot(*(q - p)) + np.hypot(*(r - p))) / 2
        found.append(CornerFinding(likeness, np.stack([p, q, r, q + r - p]), float(distance / module + 7)))
    return found
