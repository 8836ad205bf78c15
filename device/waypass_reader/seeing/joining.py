"""Several frames of the same code, put together: what defeats one frame does not defeat five.

Frames are given one after the other, with their times. For each, the symbol's pose is found: by following it from a
frame where it was found well, or by looking for it. All frames that show the same symbol are its views, and what they
say together about its modules is read (`waypass_reader.seeing.equaliser`, `waypass_reader.seeing.modules`).

- At most `_FRAMES` frames are kept, none older than `_KEEP_NS`, and none after a text was read.
- A frame wider than `_WIDE` pixels is shrunk by a whole number first, and looked at as it is only where that finds
  nothing and it is not wider than `_WIDEST`.
- Frames from before the symbol was found are kept, if they are as large, and searched for what was found later.
- Light on dark is looked for together with dark on light, until one of them is found.
- Nothing is read unless every block of the symbol passes its error correction, and zxing-cpp reads the result again.
- The rounds end when they read no more blocks, or when what is seen has no format word.
- A pose that scores less than `_READABLE` is no symbol, or too poor to be tried.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from waypass_reader.frames.base import Pixels
from waypass_reader.seeing.equaliser import first_beliefs, next_beliefs, view_of
from waypass_reader.seeing.finding import Found, find_symbol
from waypass_reader.seeing.following import fit_to_modules, follow
from waypass_reader.seeing.modules import read_modules
from waypass_reader.seeing.pose import Pose

_FRAMES: Final = 6
_KEEP_NS: Final = 10**9
_WIDE: Final = 800
_WIDEST: Final = 1600
_ROUNDS: Final = 6
_FITTED_ROUNDS: Final = 3
_FOLLOWED_WELL: Final = 0.6
_A_VIEW: Final = 0.35
_READABLE: Final = 0.45
# What was read at last had 0.9 and more when it was first tried, what is no symbol seldom this.
_AGREED: Final = 0.6
# Rounds without another block read after which none will come.
_PATIENCE: Final = 2


@dataclass(kw_only=True, slots=True, eq=False)
class _Kept:
    """A frame as it is used (shrunk or turned to dark on light), and the symbol's pose in it."""

    pixels: Pixels
    at_ns: int
    pose: Pose | None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Placed:
    """Where the symbol is in the newest frame.

    `pose` is in the pixels of `pixels`: the frame as it is used, which may be shrunk, and light for dark."""

    pose: Pose | None
    pixels: Pixels
    earlier: Pose | None
    """The pose in the frame before."""


class Joiner:
    """The frames of one lane that could not be read one by one. Not for several threads."""

    def __init__(self) -> None:
        self._kept: list[_Kept] = []
        self._shrunk = True
        self._inverted = False
        self._vain = False
        """Whether these very frames were read already, without a text."""

    def __len__(self) -> int:
        return len(self._kept)

    def forget(self) -> None:
        """Drops all frames."""
        self._kept = []

    @property
    def newest_ns(self) -> int:
        """When the newest frame was taken; 0 without one."""
        return self._kept[-1].at_ns if self._kept else 0

    def add(self, pixels: Pixels, *, at_ns: int, thorough: bool = False) -> Placed:
        """Takes a frame and finds the symbol in it; `thorough` looks longer."""
        self._kept = [each for each in self._kept if 0 <= at_ns - each.at_ns < _KEEP_NS][1 - _FRAMES :]
        kept = self._place(pixels, at_ns, thorough)
        earlier = self._kept[-1].pose if self._kept else None
        self._kept.append(kept)
        self._vain = False
        return Placed(pose=kept.pose, pixels=kept.pixels, earlier=earlier)

    def read(self, *, thorough: bool = False) -> str | None:
        """What all frames say together, or None. After a text all frames are dropped.

        `thorough`: where no frame showed a symbol, the newest one is searched for longer first."""
        if self._vain and not (thorough and self._best() is None):
            return None
        best = self._best()
        if best is None and thorough and self._kept:
            newest = self._kept[-1]
            found = find_symbol(newest.pixels)
            if found is not None:
                self._kept[-1] = self._take(newest.pixels, newest.at_ns, found)
                best = self._best()
        text = None if best is None else self._read(best)
        self._vain = True
        if text is not None:
            self.forget()
        return text

    def _best(self) -> _Kept | None:
        found = [each for each in self._kept if each.pose is not None]
        return max(found, key=lambda each: each.pose.score if each.pose else 0.0, default=None)

    def _place(self, pixels: Pixels, at_ns: int, thorough: bool) -> _Kept:
        """Finds the symbol in a new frame."""
        used = self._prepare(pixels)
        best = self._best()
        if best is not None and best.pose is not None:
            pose = follow(best.pixels, best.pose, used)
            if pose is not None and pose.score >= _FOLLOWED_WELL:
                return _Kept(pixels=used, at_ns=at_ns, pose=pose)
            # A symbol that is found anew, better than it could be followed, counts; in the same kind of picture.
            other = find_symbol(used, thorough=False, either_way=False)
            if other is not None and (pose is None or other.pose.score > pose.score):
                pose = other.pose
            return _Kept(pixels=used, at_ns=at_ns, pose=pose)
        return self._search(pixels, at_ns, thorough)

    def _prepare(self, pixels: Pixels) -> Pixels:
        turned = 255 - pixels if self._inverted else pixels
        if not self._shrunk or max(pixels.shape) <= _WIDE:
            return turned
        by = -(-max(pixels.shape) // _WIDE)
        size = (max(1, pixels.shape[1] // by), max(1, pixels.shape[0] // by))
        return np.asarray(cv2.resize(turned, size, interpolation=cv2.INTER_AREA), np.uint8)

    def _search(self, pixels: Pixels, at_ns: int, thorough: bool) -> _Kept:
        """Looks for a symbol as if for the first time, in each kind of picture, until one has it."""
        self._inverted = False
        for self._shrunk in (True, False) if _WIDE < max(pixels.shape) <= _WIDEST else (True,):
            used = self._prepare(pixels)
            found = find_symbol(used, thorough=thorough)
            if found is not None:
                return self._take(used, at_ns, found)
        self._shrunk = True
        return _Kept(pixels=self._prepare(pixels), at_ns=at_ns, pose=None)

    def _take(self, pixels: Pixels, at_ns: int, found: Found) -> _Kept:
        """The first frame that shows the symbol. Earlier ones of its kind may show it too, where it is known what to
        look for."""
        self._kept = [each for each in self._kept if each.pixels.shape == pixels.shape]
        if found.light_on_dark:
            self._inverted = True
            for each in self._kept:
                each.pixels = 255 - each.pixels
            pixels = 255 - pixels
        return _Kept(pixels=pixels, at_ns=at_ns, pose=found.pose)

    def _read(self, best: _Kept) -> str | None:
        """What all views of the best frame's symbol say together."""
        pose = best.pose
        if pose is None or pose.score < _READABLE:
            return None
        self._follow_backwards(best, pose)
        version = pose.version
        used = [
            (each.pixels, each.pose.matrix)
            for each in self._kept
            if each.pose is not None and each.pose.version == version and each.pose.score > _A_VIEW
        ]
        views = [view_of(pixels, matrix, version) for pixels, matrix in used]
        beliefs = first_beliefs(views, version)
        read: list[int] = []
        for number in range(_ROUNDS):
            reading = read_modules(beliefs, version)
            if reading.text is not None:
                return reading.text
            read.append(reading.blocks_read)
            if reading.agreement < _AGREED or (number >= _PATIENCE and read[-1] <= read[-1 - _PATIENCE]):
                return None
            beliefs = np.where(reading.certain != 0, reading.certain, beliefs)
            if number < _FITTED_ROUNDS:
                used = [(pixels, fit_to_modules(pixels, matrix, version, beliefs)) for pixels, matrix in used]
                views = [view_of(pixels, matrix, version) for pixels, matrix in used]
            beliefs = next_beliefs(views, beliefs, version, together=number > 0)
        return None

    def _follow_backwards(self, best: _Kept, pose: Pose) -> None:
        """Frames that were placed before the symbol was seen well are placed again."""
        for each in self._kept:
            if each is best or each.pixels.shape != best.pixels.shape:
                continue
            if each.pose is None or each.pose.version != pose.version or each.pose.score < _FOLLOWED_WELL:
                again = follow(best.pixels, pose, each.pixels)
                known = each.pose.score if each.pose is not None and each.pose.version == pose.version else -1.0
                if again is not None and again.score > known:
                    each.pose = again
