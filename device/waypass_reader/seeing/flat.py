"""Looking for a symbol's corners in a quadrangle that has the texture of a code.

The quadrangle is laid flat, with some room around it: what is a code in it is then nearly square and upright, so that a
finder pattern looks as it is drawn. It is looked for near all four corners, at many sizes; the three corners that
resemble it most at the same size are the symbol's. Which one is missing tells how the symbol is turned. What resembles
it least, by the same measure, is a finder pattern that is light on dark.

Finders that are large are looked for on a picture that is a half or a quarter as large.
"""

import functools
import math
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
_LEAST_MODULE: Final = 1.75
_STEP: Final = 1.09
_BEST_SIZES: Final = 2
_SAME_PX: Final = 3.0
_SAME_SIZE: Final = 0.05

# What is no code gives up to 1.3, what is one hardly ever less than this.
LIKELY: Final = 1.0
# No three corners of which one is less like a finder than this can be likely: the others are 1 at most.
_LEAST_THIRD: Final = 0.25


class CornerFinding(NamedTuple):
    """How much three corners resemble finders, their middles in the frame and a fourth place that completes them
    (upper left, upper right, lower left, lower right), and the modules a side that their size and distance make."""

    likeness: float
    corners: NDArray[np.float64]
    modules: float
    light_on_dark: bool = False


class _Finder(NamedTuple):
    """A finder pattern with its rim, at one width of a module, for the picture that is `shrunk` times smaller."""

    module: float
    shrunk: int
    picture: Plane


class _Near(NamedTuple):
    """What resembles a finder most near one corner: how much, and where."""

    likeness: float
    x: float
    y: float


@functools.cache
def _finders() -> tuple[_Finder, ...]:
    rings = np.maximum(*np.abs(np.mgrid[:9, :9] - 4))
    large = np.kron(((rings == 2) | (rings == 4)).astype(np.float32), np.ones((8, 8), np.float32))
    soft = cv2.GaussianBlur(large, (0, 0), 3.6)
    module, found = _LEAST_MODULE, []
    while module < _SIDE * (_NEAR_CORNER - 0.02) / 9:
        shrunk = 1
        while module / shrunk >= 2 * _LEAST_MODULE:
            shrunk *= 2
        side = max(5, round(9 * module / shrunk))
        picture = cv2.resize(soft, (side, side), interpolation=cv2.INTER_AREA)
        found.append(_Finder(module, shrunk, np.asarray(picture, np.float32)))
        module *= _STEP
    return tuple(found)


def corners_in(picture: Pixels, quadrangle: NDArray[np.float32]) -> list[CornerFinding]:
    """The findings for one quadrangle, the likeliest first; dark on light and light on dark."""
    low, high = _SIDE * _ROOM, _SIDE * (1 - _ROOM)
    square = np.array([[low, low], [high, low], [high, high], [low, high]], np.float32)
    matrix = cv2.getPerspectiveTransform(square, quadrangle)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    flat = cv2.warpPerspective(picture, matrix, (_SIDE, _SIDE), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    levelled = {1: level_light(cv2.GaussianBlur(flat, (0, 0), 0.6), 31)}
    for shrunk in (2, 4):
        scaled = cv2.resize(levelled[1], None, fx=1 / shrunk, fy=1 / shrunk, interpolation=cv2.INTER_AREA)
        levelled[shrunk] = np.asarray(scaled, np.float32)
    # Every other size first, and the others only beside the best of those: likeness changes slowly.
    sizes = _finders()
    by_size = {size: _at_size(levelled, sizes[size]) for size in range(0, len(sizes), 2)}
    likeliest = sorted(by_size, key=lambda size: -max((each.likeness for each in by_size[size]), default=0.0))
    for size in {size + side for size in likeliest[:_BEST_SIZES] if by_size[size] for side in (-1, 1)}:
        if 0 <= size < len(sizes):
            by_size[size] = _at_size(levelled, sizes[size])
    found = [each for at_size in by_size.values() for each in at_size]
    found.sort(key=lambda each: -each.likeness)
    return [
        each._replace(corners=cv2.perspectiveTransform(each.corners[None], matrix)[0].astype(np.float64))
        for each in _different(found)
    ]


def _at_size(levelled: dict[int, Plane], finder: _Finder) -> list[CornerFinding]:
    dark, light = _best_near_corners(levelled[finder.shrunk], finder)
    return [
        *_three_of_four(dark, finder.module, light_on_dark=False),
        *_three_of_four(light, finder.module, light_on_dark=True),
    ]


def _best_near_corners(levelled: Plane, finder: _Finder) -> tuple[list[_Near], list[_Near]]:
    """Near each corner, clockwise from the upper left: what is most like the finder, and most like it inverted."""
    likeness = cv2.matchTemplate(levelled, finder.picture, cv2.TM_CCOEFF_NORMED)
    half = len(finder.picture) / 2
    reach = int(len(levelled) * _NEAR_CORNER - half)
    far = len(likeness) - reach
    dark, light = [], []
    for top, left in ((0, 0), (0, far), (far, far), (far, 0)):
        least, best, (least_x, least_y), (x, y) = cv2.minMaxLoc(likeness[top : top + reach, left : left + reach])
        dark.append(_near(best, left + x + half, top + y + half, finder.shrunk))
        light.append(_near(-least, left + least_x + half, top + least_y + half, finder.shrunk))
    return dark, light


def _near(likeness: float, x: float, y: float, shrunk: int) -> _Near:
    return _Near(float(likeness), x * shrunk - 0.5, y * shrunk - 0.5)


def _three_of_four(near: list[_Near], module: float, *, light_on_dark: bool) -> list[CornerFinding]:
    found: list[CornerFinding] = []
    third = sorted(each.likeness for each in near)[1]
    if third < _LEAST_THIRD:
        return found
    for missing in range(4):
        three = [near[(missing + turn) % 4] for turn in (2, 3, 1)]
        likeness = min(each.likeness for each in three) + sum(each.likeness for each in three) / 3
        if likeness < LIKELY:
            continue
        p, q, r = (np.array((each.x, each.y)) for each in three)
        distance = (math.dist(p, q) + math.dist(p, r)) / 2
        corners = np.stack([p, q, r, q + r - p])
        found.append(CornerFinding(likeness, corners, float(distance / module + 7), light_on_dark))
    return found


def _different(found: list[CornerFinding]) -> list[CornerFinding]:
    """The first of those that are as good as the same."""
    kept: list[CornerFinding] = []
    for one in found:
        if len(kept) == _KEPT:
            break
        if not any(
            one.light_on_dark == other.light_on_dark
            and np.abs(one.corners[:3] - other.corners[:3]).max() < _SAME_PX
            and abs(math.log(one.modules / other.modules)) < _SAME_SIZE
            for other in kept
        ):
            kept.append(one)
    return kept
