"""A symbol that was found in one frame, found again in another.

1. The part of the frame that holds it is compared, a quarter as large, with the other frame near the same place.
2. Places near the best one are tried pixel by pixel, and the best is refined by the symbol's patterns.
3. When most modules are believed to be known, each part of the symbol is compared with them: that fits the pose all
   over, not only where the patterns are.
"""

from typing import Final

import cv2
import numpy as np

from waypass_reader.frames.base import Pixels
from waypass_reader.seeing.finding import level_for_scores
from waypass_reader.seeing.modules import Beliefs
from waypass_reader.seeing.pose import FINE, Matrix, Pose, fit_homography, level_light, match_near, rectify, scores
from waypass_reader.seeing.pose import refine as refine_pose
from waypass_reader.seeing.symbol import side_of

_SHRINK: Final = 4
_REACH_PX: Final = 64
_NEAR_PX: Final = 8
_PART: Final = 9
_PARTS: Final = 7


def follow(frame: Pixels, pose: Pose, other: Pixels) -> Pose | None:
    """Steps 1 and 2: the pose in the other frame; None when the symbol is not within the frame that it was found in."""
    height, width = frame.shape
    low, high = np.floor(pose.corners.min(axis=0)).astype(int), np.ceil(pose.corners.max(axis=0)).astype(int)
    left, top = int(max(low[0], 0)), int(max(low[1], 0))
    right, bottom = int(min(high[0], width)), int(min(high[1], height))
    if min(right - left, bottom - top) < 8 * _SHRINK or frame.shape != other.shape:
        return None
    from_left, from_top = max(left - _REACH_PX, 0), max(top - _REACH_PX, 0)
    part = _small(frame[top:bottom, left:right])
    field = _small(other[from_top : bottom + _REACH_PX, from_left : right + _REACH_PX])
    _, _, _, (column, row) = cv2.minMaxLoc(cv2.matchTemplate(field, part, cv2.TM_CCOEFF_NORMED))
    right_by, down_by = from_left + column * _SHRINK - left, from_top + row * _SHRINK - top
    steps = np.arange(-_NEAR_PX, _NEAR_PX + 1.0)
    moves = np.tile(np.eye(3), (len(steps) ** 2, 1, 1))
    moves[:, 0, 2] = right_by + np.repeat(steps, len(steps))
    moves[:, 1, 2] = down_by + np.tile(steps, len(steps))
    levelled = level_for_scores(other)
    matrices = moves @ pose.matrix
    values = scores(levelled, matrices, pose.version)
    best = int(np.argmax(values))
    start = Pose(version=pose.version, matrix=matrices[best], score=float(values[best]))
    return refine_pose(other, levelled, start)


def _small(picture: Pixels) -> Pixels:
    size = (max(1, picture.shape[1] // _SHRINK), max(1, picture.shape[0] // _SHRINK))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def fit_to_modules(picture: Pixels, matrix: Matrix, version: int, beliefs: Beliefs) -> Matrix:
    """Step 3."""
    side = side_of(version)
    aims = np.tanh(beliefs / 2)
    sure = np.where(np.abs(aims) > 0.5, aims, 0).astype(np.float32)
    large = np.asarray(np.kron(sure, np.ones((FINE, FINE))), np.float32)
    drawn = cv2.GaussianBlur(large, (0, 0), FINE / 2)
    seen = level_light(rectify(picture, matrix, version), 9 * FINE)
    expected, found = [], []
    half = _PART * FINE // 2
    for y in np.linspace(5, side - 5, _PARTS):
        for x in np.linspace(5, side - 5, _PARTS):
            column, row = round(x * FINE), round(y * FINE)
            part = np.ascontiguousarray(drawn[row - half : row + half, column - half : column + half], np.float32)
            if part.shape != (2 * half, 2 * half) or part.std() < 0.2:
                continue
            match = match_near(seen, part, (column / FINE, row / FINE), 1.0)
            if match is not None and match.score > 0.35 and max(abs(match.x), abs(match.y)) < 0.9:
                expected.append((column / FINE, row / FINE))
                found.append((column / FINE + match.x, row / FINE + match.y))
    correction = fit_homography(expected, found) if len(expected) >= 8 else None
    if correction is None:
        return matrix
    moved = matrix @ correction
    return np.asarray(moved / moved[2, 2])
