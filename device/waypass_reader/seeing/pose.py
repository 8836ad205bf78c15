"""Where a symbol lies in a frame, and how well that fits what is known of every symbol.

A pose is a version and a homography from modules (x to the right, y down, the middle of a module at one half) to the
frame's pixels. Its score is the correlation between the frame, freed of light and shade, and the modules that every
symbol has alike: 1 is perfect, and what is no symbol is mostly below 0.35.

`refine` finds each finder and alignment pattern near where the pose expects it, and fits the pose to where they are.
"""

import functools
from dataclasses import dataclass
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from waypass_reader.frames.base import Pixels
from waypass_reader.seeing.symbol import alignment_middles, known_modules, side_of, version_modules

Plane = NDArray[np.float32]
Matrix = NDArray[np.float64]

# Pixels for each module in a rectified symbol, and modules around it.
FINE: Final = 4
MARGIN: Final = 6
_CLIP: Final = 2.5
# A pose that scores less after its first round does not become one.
_HOPELESS: Final = 0.3
# Homographies that are scored at once: what they need stays in the processor's cache.
_AT_ONCE: Final = 48


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Pose:
    """A symbol of that version, laid into the frame by that matrix, and how well it fits."""

    version: int
    matrix: Matrix
    score: float

    @property
    def module_px(self) -> float:
        """Width of a module in the symbol's middle, in pixels of the frame: the narrower way."""
        return float(np.linalg.svd(self.slope, compute_uv=False)[-1])

    @property
    def slope(self) -> Matrix:
        """How a step of one module in the symbol's middle moves in the frame."""
        middle = side_of(self.version) / 2
        x, y, w = self.matrix @ (middle, middle, 1.0)
        away = np.array([[x / w], [y / w]])
        return np.asarray((self.matrix[:2, :2] - away * self.matrix[2, :2]) / w)

    @property
    def corners(self) -> NDArray[np.float32]:
        """The symbol's corners in the frame, clockwise from its upper left one."""
        side = float(side_of(self.version))
        square = np.array([[[0, 0], [side, 0], [side, side], [0, side]]], np.float32)
        return np.asarray(cv2.perspectiveTransform(square, self.matrix)[0], np.float32)


class _Known(NamedTuple):
    """Modules that are known, quiet zone included: middles (3 x count, homogeneous), and values less their mean."""

    points: Plane
    values: Plane
    norm: float


@functools.cache
def _known(version: int, finders_alone: bool, coarsely: bool) -> _Known:
    """With the quiet zone's innermost modules, which are the rims of the finders too."""
    grid = known_modules(version).copy()
    rows, columns, values = version_modules(version)
    grid[rows, columns] = values
    grid = np.pad(grid, 1, constant_values=1.0)
    if finders_alone:
        side = len(grid)
        far = np.maximum(*np.mgrid[:side, :side]) > side - 10
        near = np.minimum(*np.mgrid[:side, :side]) > 8
        both = np.add(*np.mgrid[:side, :side]) > side + 9
        grid[near | both | (~far & (np.maximum(*np.mgrid[:side, :side]) > 8))] = np.nan
    rows, columns = np.nonzero(~np.isnan(grid))
    if coarsely:  # not simply every other one: in a timing pattern these are all alike
        chosen = np.sort(np.random.default_rng(version).permutation(len(rows))[::2])
        rows, columns = rows[chosen], columns[chosen]
    values = grid[rows, columns]
    values = values - values.mean()
    points = np.stack([columns - 0.5, rows - 0.5, np.ones(len(rows))]).astype(np.float32)
    return _Known(points=points, values=values, norm=float(np.linalg.norm(values)))


def level_light(picture: NDArray[np.generic], window: int) -> Plane:
    """The picture less its surroundings' mean, over their spread: free of light and shade, clipped."""
    values = picture.astype(np.float32)
    size = (window | 1, window | 1)
    mean = cv2.blur(values, size)
    spread = np.sqrt(np.maximum(cv2.blur(values * values, size) - mean * mean, 4.0))
    return np.asarray(np.clip((values - mean) / spread, -_CLIP, _CLIP), np.float32)


def scores(
    levelled: Plane, matrices: Matrix, version: int, *, finders_alone: bool = False, coarsely: bool = False
) -> Plane:
    """The score of each of many homographies (count x 3 x 3), on a frame that `level_light` has freed of shade.

    `coarsely` compares every other module only."""
    known = _known(version, finders_alone, coarsely)
    found = np.empty(len(matrices), np.float32)
    for first in range(0, len(matrices), _AT_ONCE):
        part = matrices[first : first + _AT_ONCE].astype(np.float32)
        placed = part.transpose(1, 0, 2).reshape(-1, 3) @ known.points
        x, y, depth = placed.reshape(3, len(part), -1)
        depth = np.maximum(depth, np.float32(1e-6))
        places = cv2.divide(x, depth), cv2.divide(y, depth)
        seen = cv2.remap(levelled, *places, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
        norm = np.sqrt(np.einsum("ij,ij->i", seen, seen)) * known.norm
        found[first : first + _AT_ONCE] = (seen @ known.values) / (norm + 1e-6)
    return found


def rectify(picture: Pixels, matrix: Matrix, version: int, *, scale: int = FINE, margin: int = MARGIN) -> Pixels:
    """The symbol as seen from straight above, with that many pixels for a module and that many modules around it."""
    side = (side_of(version) + 2 * margin) * scale
    to_modules = np.array([[1 / scale, 0, 0.5 / scale - margin], [0, 1 / scale, 0.5 / scale - margin], [0, 0, 1]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpPerspective(picture, matrix @ to_modules, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE),
        np.uint8,
    )


@functools.cache
def _pattern(modules: int) -> Plane:
    """A finder with its rim (9 modules) or an alignment pattern (5), as a rectified symbol shows it."""
    rings = np.maximum(*np.abs(np.mgrid[:modules, :modules] - modules // 2))
    light = (rings == 2) | (rings == 4) if modules == 9 else rings == 1
    large = np.kron(light, np.ones((FINE, FINE))).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(large, (0, 0), FINE * 0.35), np.float32)


def from_corners(corners: NDArray[np.float64], version: int) -> Matrix:
    """Homographies (count x 3 x 3) that lay the middles of the finders, and of a fourth one that is not there, at
    these places (count x 4 x 2: upper left, upper right, lower left, lower right)."""
    p, q, r, s = (corners[:, number] for number in range(4))
    # Of the unit square, in closed form.
    total = p - q - r + s
    d1, d2 = q - s, r - s
    under = d1[:, 0] * d2[:, 1] - d1[:, 1] * d2[:, 0]
    under = np.where(np.abs(under) < 1e-9, 1e-9, under)
    g = (total[:, 0] * d2[:, 1] - total[:, 1] * d2[:, 0]) / under
    h = (d1[:, 0] * total[:, 1] - d1[:, 1] * total[:, 0]) / under
    unit = np.empty((len(corners), 3, 3))
    unit[:, :2, 0] = q - p + g[:, None] * q
    unit[:, :2, 1] = r - p + h[:, None] * r
    unit[:, :2, 2] = p
    unit[:, 2, 0], unit[:, 2, 1], unit[:, 2, 2] = g, h, 1.0
    span = side_of(version) - 7
    return np.asarray(unit @ np.array([[1 / span, 0, -3.5 / span], [0, 1 / span, -3.5 / span], [0, 0, 1]]))


class Match(NamedTuple):
    """Where a pattern was found: offset from where it was expected, in modules, and how well it fits."""

    x: float
    y: float
    score: float


def match_near(rectified: Plane, pattern: Plane, at: tuple[float, float], reach: float) -> Match | None:
    """The pattern near a place of a rectified symbol (its middle, in modules); None when that is outside."""
    half = pattern.shape[0] / 2
    left, top = (round((value + MARGIN) * FINE - half - reach * FINE) for value in at)
    wide = pattern.shape[0] + 2 * round(reach * FINE)
    if left < 0 or top < 0 or left + wide > rectified.shape[1] or top + wide > rectified.shape[0]:
        return None
    fit = cv2.matchTemplate(rectified[top : top + wide, left : left + wide], pattern, cv2.TM_CCOEFF_NORMED)
    _, score, _, (column, row) = cv2.minMaxLoc(fit)
    x = (left + column + _peak(fit[row, :], column) + half) / FINE - MARGIN - at[0]
    y = (top + row + _peak(fit[:, column], row) + half) / FINE - MARGIN - at[1]
    return Match(x, y, float(score))


def _peak(values: NDArray[np.generic], at: int) -> float:
    """Where between the samples the highest one's peak is, from the parabola through its neighbours."""
    if not 0 < at < len(values) - 1:
        return 0.0
    before, here, after = (float(value) for value in values[at - 1 : at + 2])
    bend = before - 2 * here + after
    return 0.5 * (before - after) / bend if bend < 0 else 0.0


def refine(picture: Pixels, levelled: Plane, pose: Pose, *, reach: float = 2.5, rounds: int = 3) -> Pose:
    """The pose fitted to the patterns that are found near where it expects them; never one that scores less."""
    best, matrix, version = pose, pose.matrix, pose.version
    side = side_of(version)
    places = [(x, y, 9) for x, y in ((3.5, 3.5), (side - 3.5, 3.5), (3.5, side - 3.5))]
    places += [(column + 0.5, row + 0.5, 5) for row, column in alignment_middles(version)]
    for _ in range(rounds):
        rectified = level_light(rectify(picture, matrix, version), 9 * FINE)
        expected, found = [], []
        for x, y, modules in places:
            match = match_near(rectified, _pattern(modules), (x, y), reach)
            if match is not None and match.score >= (0.45 if modules == 9 else 0.5):
                expected.append((x, y))
                found.append((x + match.x, y + match.y))
        correction = fit_homography(expected, found)
        if correction is None:
            break
        matrix = matrix @ correction
        matrix = matrix / matrix[2, 2]
        score = float(scores(levelled, matrix[None], version)[0])
        if score > best.score:
            best = Pose(version=version, matrix=matrix, score=score)
        if best.score < _HOPELESS:
            break
        reach = max(1.2, reach * 0.6)
    return best


def fit_homography(expected: list[tuple[float, float]], found: list[tuple[float, float]]) -> Matrix | None:
    """What moves the expected places to where they were found, without those that disagree; None for too few."""
    if len(expected) < 4:
        return None
    method = cv2.RANSAC if len(expected) > 4 else 0
    matrix, _ = cv2.findHomography(np.array(expected, np.float32), np.array(found, np.float32), method, 0.6)
    if matrix is None or not np.isfinite(matrix).all() or abs(np.linalg.det(matrix)) < 0.1:
        return None
    return np.asarray(matrix, np.float64)
