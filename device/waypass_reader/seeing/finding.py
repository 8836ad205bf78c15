"""Finding symbols that no decoder finds: blurred, noisy, in shade.

1. Each quadrangle that has the texture of a code is searched for finder patterns near its corners.
2. Where that does not lead to a good pose, the whole picture is searched for three of them.
3. For what was found the versions that its size allows are compared, and fourth corners, coarsely and then finely,
   for the symbol may be tilted.
4. The best are refined, and the best of these is the answer if it scores enough.
"""

from typing import Final

import cv2
import numpy as np

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
_LEAST_SIDE: Final = 64
# What is no code gives up to 1.3, what is one hardly ever less than this.
_LIKELY: Final = 1.0


def level_for_scores(picture: Pixels) -> Plane:
    """The picture as `scores` wants it."""
    return level_light(cv2.GaussianBlur(picture, (0, 0), 0.8), 27)


def find_symbol(picture: Pixels, *, thorough: bool = True) -> Pose | None:
    """The symbol in a picture that is seen best, or None. The picture is a frame or the part of it that matters.

    Not `thorough`: without step 2."""
    if min(picture.shape) < _LEAST_SIDE:
        return None
    levelled = level_for_scores(picture)
    found = [each for quadrangle in textured_quadrangles(picture) for each in corners_in(picture, quadrangle)]
    found = [each for each in found if each.likeness >= _LIKELY]
    found.sort(key=lambda each: -each.likeness)
    best = _best_pose(picture, levelled, found)
    if thorough and (best is None or best.score <= GOOD):
        other = _best_pose(picture, levelled, corners_anywhere(picture, levelled, VERSIONS))
        if other is not None and (best is None or other.score > best.score):
            best = other
    return best if best is not None and best.score >= LEAST else None


def _best_pose(picture: Pixels, levelled: Plane, found: list[CornerFinding]) -> Pose | None:
    """Steps 3 and 4 on the likeliest findings."""
    best: Pose | None = None
    for finding in found[:_TRIES]:
        about = (finding.modules - 17) / 4
        starts = [
            _with_fourth_corner(levelled, finding, version)
            for version in range(max(VERSIONS[0], round(about * 0.94 - 1)), round(about * 1.06 + 1) + 1)
            if version in VERSIONS
        ]
        starts.sort(key=lambda pose: -pose.score)
        for start in starts[:3]:
            pose = refine(picture, levelled, start)
            if best is None or pose.score > best.score:
                best = pose
        if best is not None and best.score > GOOD:
            break
    return best


def _with_fourth_corner(levelled: Plane, finding: CornerFinding, version: int) -> Pose:
    """The pose with the fourth corner that scores best, up to a quarter of the side away from the parallelogram's."""
    p, q, r, _ = finding.corners
    span = side_of(version) - 7
    along, down = (q - p) / span, (r - p) / span
    best_score, best = -1.0, finding.corners
    reach, step = 0.24 * span, 2.0
    for _ in range(3):
        offsets = np.arange(-reach, reach + 0.01, step)
        moved = (offsets[:, None, None] * along + offsets[None, :, None] * down).reshape(-1, 2)
        corners = np.repeat(best[None], len(moved), axis=0)
        corners[:, 3] += moved
        values = scores(levelled, from_corners(corners, version), version)
        top = int(np.argmax(values))
        if values[top] > best_score:
            best_score, best = float(values[top]), corners[top]
        reach, step = step, step / 3
    return Pose(version=version, matrix=from_corners(best[None], version)[0], score=best_score)
