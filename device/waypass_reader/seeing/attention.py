"""Where in a frame a code may be, so that the costlier stages look there and nowhere else.

1. Where one was a moment ago: the last sighting's place, with room for a hand that moves.
2. Else where something moved that has the texture of a code. Movement is what differs from the frame before by more
   than the camera's noise, on a picture an eighth as wide and high.

Something that has the texture of a code and does not move, such as a poster, is tried once and then left alone until it
moves.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from waypass_reader.frames.base import Pixels
from waypass_reader.seeing.texture import textured_quadrangles

_SHRINK: Final = 8
_WIDE: Final = 800
_REMEMBER_NS: Final = 10**9
_ROOM: Final = 0.25
_LEAST_SIDE: Final = 40
_MOVED_SHARE: Final = 0.04


@dataclass(frozen=True, kw_only=True, slots=True)
class Region:
    """A part of a frame: pixels from `left`, `top` up to but without `right`, `bottom`."""

    left: int
    top: int
    right: int
    bottom: int

    def of(self, frame: NDArray[np.uint8]) -> Pixels:
        """That part, as an array of its own."""
        return np.ascontiguousarray(frame[self.top : self.bottom, self.left : self.right])

    def meets(self, other: "Region") -> bool:
        """Whether both have a part in common."""
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


def region_around(points: NDArray[np.generic], shape: tuple[int, ...], *, room: float = _ROOM) -> Region:
    """The upright part of a frame of that shape that holds these points (count x 2) with some room."""
    low, high = points.min(axis=0).astype(float), points.max(axis=0).astype(float)
    more = room * float((high - low).max())
    return Region(
        left=int(np.clip(low[0] - more, 0, shape[1] - 1)),
        top=int(np.clip(low[1] - more, 0, shape[0] - 1)),
        right=int(np.clip(high[0] + more + 1, 1, shape[1])),
        bottom=int(np.clip(high[1] + more + 1, 1, shape[0])),
    )


class Attention:
    """What a lane remembers of where to look. Frames of another size start it anew."""

    def __init__(self) -> None:
        self._small: Pixels | None = None
        self._moved: NDArray[np.bool_] | None = None
        self._last: tuple[int, Region] | None = None

    def saw(self, points: NDArray[np.generic], shape: tuple[int, ...], *, at_ns: int) -> None:
        """A code was seen there, read or not."""
        self._last = (at_ns, region_around(points, shape))

    def watch(self, frame: Pixels) -> None:
        """Compares a frame with the one before."""
        size = (max(1, frame.shape[1] // _SHRINK), max(1, frame.shape[0] // _SHRINK))
        small = np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)
        if self._small is None or self._small.shape != small.shape:
            self._moved = np.ones(small.shape, np.bool_)
            self._last = None
        else:
            differs = cv2.absdiff(small, self._small)
            self._moved = np.asarray(differs > max(6.0, 4.0 * float(np.median(differs))))
        self._small = small

    def moved_in(self, region: Region) -> bool:
        """Whether something moved there between the last two frames that were watched."""
        if self._moved is None:
            return True
        part = self._moved[
            region.top // _SHRINK : -(-region.bottom // _SHRINK), region.left // _SHRINK : -(-region.right // _SHRINK)
        ]
        return bool(part.size) and float(part.mean()) > _MOVED_SHARE

    def seen_lately(self, at_ns: int) -> Region | None:
        """Rule 1."""
        if self._last is not None and 0 <= at_ns - self._last[0] < _REMEMBER_NS:
            return self._last[1]
        return None

    def suspects(self, frame: Pixels) -> list[Region]:
        """Rule 2, moving or not: the largest first."""
        shrink = 2 if max(frame.shape) > _WIDE else 1
        picture = frame
        if shrink > 1:
            size = (frame.shape[1] // shrink, frame.shape[0] // shrink)
            picture = np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)
        found: list[Region] = []
        for corners in textured_quadrangles(picture):
            sides = np.hypot(*(corners - np.roll(corners, 1, axis=0)).T)
            if sides.min() >= _LEAST_SIDE and sides.max() < 2.5 * sides.min():
                region = region_around(corners * shrink, frame.shape, room=0.15)
                if not any(region.meets(other) for other in found):
                    found.append(region)
        return found
