"""Finding symbols that no decoder finds: blurred, noisy, in shade; dark on light, and light on dark.

1. Each quadrangle that has the texture of a code is searched for finder patterns near its corners.
2. Where that does not lead to a good pose, the whole picture is searched for three of them.
3. For what was found the versions that its size allows are compared, and fourth corners, coarsely, for the symbol may
   be tilted.
4. What looks best is compared finely and refined, and the best of these is the answer if it scores enough.

Most pictures that are searched hold no code, so each step leaves to the next only what may still become one.
"""

from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from waypass_reader.frames.base import Pixels
from waypass_reader.seeing.flat import CornerFinding, corners_in
from waypass_reader.seeing.pose import Plane, Pose, from_corners, level_light, refine, scores
from waypass_reader.seeing.symbol import side_of
from waypass_reader.seeing.texture import textured_quadrangles
from waypass_reader.seeing.triples import corners_anywhere

GOOD: Final = 0.75
"""A pose that scores more is taken without trying others."""
LEAST: Final = 0.45
"""A pose that scores less is none."""

VERSIONS: Final = range(1, 26)
_TRIES: Final = 6
# Modules from one fourth corner to the next.
_STEP_MODULES: Final = 2.0
_LEAST_SIDE: Final = 64
# Of the starts that led to a pose, one in fifty scored less with its finders alone, and none did coarsely.
_LEAST_ALONE: Final = 0.15
_LEAST_COARSE: Final = 0.3
# A coarse score like this is refined at once; of the others the best, when all are known.
_PROMISING: Final = 0.4
_LATER: Final = 6


class Found(NamedTuple):
    """A symbol; for one that is light on dark, as it lies in the inverted picture."""

    pose: Pose
    light_on_dark: bool


class _Start(NamedTuple):
    """A pose to begin with: its corners' middles, and how it scores."""

    score: float
    version: int
    corners: NDArray[np.float64]


class _Side(NamedTuple):
    """A picture and its levelled form, as it is or inverted."""

    picture: Pixels
    levelled: Plane


def level_for_scores(picture: Pixels) -> Plane:
    """The picture as `scores` wants it."""
    return level_light(cv2.GaussianBlur(picture, (0, 0), 0.8), 27)


def find_symbol(picture: Pixels, *, thorough: bool = True, either_way: bool = True) -> Found | None:
    """The symbol in a picture that is seen best, or None. The picture is a frame or the part of it that matters.

    Not `thorough`: without step 2. Not `either_way`: dark on light only."""
    if min(picture.shape) < _LEAST_SIDE:
        return None
    levelled = level_for_scores(picture)
    sides = [_Side(picture, levelled)] + ([_Side(255 - picture, -levelled)] if either_way else [])
    found = [each for quadrangle in textured_quadrangles(picture) for each in corners_in(picture, quadrangle)]
    found = sorted((each for each in found if each.light_on_dark < len(sides)), key=lambda each: -each.likeness)
    best = _best_pose(sides, found)
    for number, side in enumerate(sides if thorough else []):
        if best is not None and best.pose.score > GOOD:
            break
        anywhere = corners_anywhere(*side, VERSIONS)
        other = _best_pose(sides, [each._replace(light_on_dark=bool(number)) for each in anywhere])
        if other is not None and (best is None or other.pose.score > best.pose.score):
            best = other
    return best if best is not None and best.pose.score >= LEAST else None


def _best_pose(sides: list[_Side], found: list[CornerFinding]) -> Found | None:
    """Steps 3 and 4 on the likeliest findings."""
    best: Found | None = None
    later: list[tuple[_Start, bool]] = []
    for finding in found[:_TRIES]:
        side = sides[finding.light_on_dark]
        about = (finding.modules - 17) / 4
        versions = range(max(VERSIONS[0], round(about * 0.94 - 1)), round(about * 1.06 + 1) + 1)
        likely = [each for each in versions if each in VERSIONS and _alone(side.levelled, finding, each) > _LEAST_ALONE]
        starts = [_coarsely(side.levelled, finding, version) for version in likely]
        starts = sorted((each for each in starts if each.score > _LEAST_COARSE), key=lambda each: -each.score)[:3]
        if starts and starts[0].score >= _PROMISING:
            best = _refined(sides, [(start, finding.light_on_dark) for start in starts], best)
            if best is not None and best.pose.score > GOOD:
                return best
        else:
            later += [(start, finding.light_on_dark) for start in starts]
    if best is not None and best.pose.score >= LEAST:
        return best
    return _refined(sides, sorted(later, key=lambda each: -each[0].score)[:_LATER], best)


def _refined(sides: list[_Side], starts: list[tuple[_Start, bool]], best: Found | None) -> Found | None:
    """Step 4: the best of these, and of what is there."""
    for start, light_on_dark in starts:
        side = sides[light_on_dark]
        pose = refine(*side, _finely(side.levelled, start))
        if best is None or pose.score > best.pose.score:
            best = Found(pose, light_on_dark)
    return best


def _alone(levelled: Plane, finding: CornerFinding, version: int) -> float:
    """How well the finders fit, which depends little on the fourth corner."""
    return float(scores(levelled, from_corners(finding.corners[None], version), version, finders_alone=True)[0])


def _coarsely(levelled: Plane, finding: CornerFinding, version: int) -> _Start:
    """The fourth corner that scores best, up to a quarter of the side away from the parallelogram's."""
    start = _Start(-1.0, version, finding.corners)
    return _moved(levelled, start, reach=0.24 * (side_of(version) - 7), step=_STEP_MODULES, coarsely=True)


def _finely(levelled: Plane, start: _Start) -> Pose:
    """The pose with the fourth corner as exactly as scores tell it."""
    start = start._replace(score=-1.0)
    for reach, step in ((_STEP_MODULES, _STEP_MODULES / 3), (_STEP_MODULES / 3, _STEP_MODULES / 9)):
        start = _moved(levelled, start, reach=reach, step=step, coarsely=False)
    return Pose(version=start.version, matrix=from_corners(start.corners[None], start.version)[0], score=start.score)


def _moved(levelled: Plane, start: _Start, *, reach: float, step: float, coarsely: bool) -> _Start:
    """The start with its fourth corner moved by up to `reach` modules each way to where it scores best."""
    p, q, r, _ = start.corners
    span = side_of(start.version) - 7
    along, down = (q - p) / span, (r - p) / span
    offsets = np.arange(-reach, reach + 0.01, step)
    corners = np.repeat(start.corners[None], len(offsets) ** 2, axis=0)
    corners[:, 3] += (offsets[:, None, None] * along + offsets[None, :, None] * down).reshape(-1, 2)
    values = scores(levelled, from_corners(corners, start.version), start.version, coarsely=coarsely)
    top = int(np.argmax(values))
    return _Start(float(values[top]), start.version, corners[top]) if values[top] > start.score else start
