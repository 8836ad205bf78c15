"""Looking for a symbol's corners in a whole picture, whatever is in it.

The picture is compared with a finder pattern that is averaged over all rotations, at several sizes. Three places that
resemble it and could be the corners of one symbol are an answer, if the modules that belong to finders fit. This finds
codes on ground that is as fine as they are, and takes longer than looking into quadrangles.
"""

import functools
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from waypass_reader.frames.base import Pixels
from waypass_reader.seeing.flat import CornerFinding
from waypass_reader.seeing.pose import Plane, from_corners, scores
from waypass_reader.seeing.symbol import side_of

_TEMPLATE_MODULE: Final = 2.4
_MODULES: Final = (2.4, 3.0, 3.7, 4.6, 5.7)
_CANDIDATES: Final = 60
_TRIPLES: Final = 3000
_KEPT: Final = 12
_LEAST_LIKENESS: Final = 0.3


class Candidate(NamedTuple):
    """A place that looks like a finder pattern: likeness, middle, and width of a module, in pixels."""

    likeness: float
    x: float
    y: float
    module: float


@functools.cache
def _finder_template() -> Plane:
    """A finder pattern averaged over all rotations, at the smallest size."""
    reach = int(np.ceil(4.6 * _TEMPLATE_MODULE))
    fine = 4
    y, x = np.mgrid[-reach * fine : reach * fine + 1, -reach * fine : reach * fine + 1] / (fine * _TEMPLATE_MODULE)
    total = np.zeros(x.shape, np.float32)
    for angle in np.radians(np.arange(0, 90, 7.5)):
        ring = np.maximum(abs(np.cos(angle) * x + np.sin(angle) * y), abs(np.cos(angle) * y - np.sin(angle) * x))
        total += np.select([ring < 1.5, ring < 2.5, ring < 3.5], [0.0, 1.0, 0.0], 1.0).astype(np.float32)
    soft = cv2.GaussianBlur(total, (0, 0), 0.35 * _TEMPLATE_MODULE * fine)
    return np.asarray(cv2.resize(soft, (2 * reach + 1, 2 * reach + 1), interpolation=cv2.INTER_AREA), np.float32)


def finder_candidates(picture: Pixels) -> list[Candidate]:
    """Places that look like a finder pattern, the likeliest first."""
    template = _finder_template()
    half = template.shape[0] // 2
    found: list[Candidate] = []
    for module in _MODULES:
        shrink = _TEMPLATE_MODULE / module
        small = cv2.resize(picture, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA) if shrink < 1 else picture
        if min(small.shape) <= template.shape[0]:
            continue
        likeness = cv2.matchTemplate(small.astype(np.float32), template, cv2.TM_CCOEFF_NORMED)
        peaks = (likeness == cv2.dilate(likeness, np.ones((11, 11), np.uint8))) & (likeness > _LEAST_LIKENESS)
        for row, column in np.argwhere(peaks):
            x, y = ((value + half + 0.5) / shrink - 0.5 for value in (column, row))
            found.append(Candidate(float(likeness[row, column]), float(x), float(y), module))
    found.sort(reverse=True)
    kept: list[Candidate] = []
    for one in found:
        if all(_are_apart(one, other) for other in kept):
            kept.append(one)
            if len(kept) == _CANDIDATES:
                break
    return kept


def _are_apart(one: Candidate, other: Candidate) -> bool:
    near = 2.5 * max(one.module, other.module)
    return (one.x - other.x) ** 2 + (one.y - other.y) ** 2 > near * near or not 0.75 < one.module / other.module < 1.35


def corners_anywhere(picture: Pixels, levelled: Plane, versions: range) -> list[CornerFinding]:
    """The findings in a picture and its levelled form, the likeliest first."""
    candidates = finder_candidates(picture)
    if len(candidates) < 3:
        return []
    triples, modules = _triples(candidates, versions)
    places = np.array(candidates)[:, 1:3][triples]
    corners = np.concatenate([places, (places[:, 1] + places[:, 2] - places[:, 0])[:, None]], axis=1)
    found: list[CornerFinding] = []
    for version in versions:
        fitting = np.nonzero(np.abs(np.log(side_of(version) / modules)) < 0.22)[0]
        if len(fitting):
            values = scores(levelled, from_corners(corners[fitting], version), version, finders_alone=True)
            found += [
                CornerFinding(float(values[at]), corners[fitting[at]], float(side_of(version)))
                for at in np.argsort(-values)[:_KEPT]
            ]
    found.sort(key=lambda each: -each.likeness)
    return found[:_KEPT]


def _triples(candidates: list[Candidate], versions: range) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Candidates that may be the upper left, upper right and lower left corner, the likeliest first; modules a side,
    about."""
    likeness, x, y, module = np.array(candidates).T
    dx, dy = x[None, :] - x[:, None], y[None, :] - y[:, None]
    length = np.hypot(dx, dy) + 1e-9
    modules = length / np.sqrt(module[None, :] * module[:, None]) + 7
    low, high = side_of(versions[0]) * 0.7, side_of(versions[-1]) * 1.2
    fits = (np.abs(np.log(module[None, :] / module[:, None])) < 0.5) & (modules > low) & (modules < high)
    a, b, c = np.nonzero(fits[:, :, None] & fits[:, None, :])
    cross = dx[a, b] * dy[a, c] - dy[a, b] * dx[a, c]
    sine = cross / (length[a, b] * length[a, c])
    ratio = np.abs(np.log(length[a, b] / length[a, c]))
    right = (sine > 0.6) & (ratio < 0.7)
    a, b, c, sine, ratio = a[right], b[right], c[right], sine[right], ratio[right]
    promise = likeness[a] + likeness[b] + likeness[c] - 0.2 * ratio - 0.3 * (1 - sine)
    best = np.argsort(-promise)[:_TRIPLES]
    a, b, c = a[best], b[best], c[best]
    return np.stack([a, b, c], axis=1), (modules[a, b] + modules[a, c]) / 2
