"""From several views of one symbol to beliefs about its modules.

A view is one frame's picture of the symbol, laid flat by its pose. In this order, again and again:

1. Each view's light is made even: what a place's surroundings in the symbol have as mean and spread is taken out, and
   what a lamp outshines is left out.
2. For each view, an equaliser is trained: the weighted sum of the picture around a module that comes closest to what is
   known of the modules (at first the patterns that every symbol has; then also what is believed of the others). It
   undoes what blurs this view, in whatever direction.
3. Each view says of each module what its equaliser gives, weighted by how well it is right thereabouts: a place that is
   covered, or blurred more than the rest, counts less. The sum of these is what is believed.
4. Once beliefs are there, one equaliser is trained over all views together: what one loses, another may have.
5. What the error correction makes of the beliefs (`waypass_reader.seeing.modules`) is certain in the next round.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from waypass_reader.frames.base import Pixels
from waypass_reader.seeing.modules import CERTAIN, Beliefs, known_beliefs
from waypass_reader.seeing.pose import MARGIN, Matrix, Plane
from waypass_reader.seeing.symbol import side_of

_REACH: Final = 5
"""Half modules around a module's middle that an equaliser takes in."""
_WINDOW: Final = 23
"""Half modules over which light is made even."""
_GAMMA: Final = 1.5
_GLARE: Final = 250
_FIRST_RIDGE: Final = 0.02
_LATER_RIDGE: Final = 0.003
_LEAST_ERROR: Final = 0.02
_NEAR: Final = (9, 9)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class View:
    """What one frame shows around each module (modules x samples), and how far glare leaves it (0 to 1)."""

    samples: Plane
    clear: Plane


def view_of(picture: Pixels, matrix: Matrix, version: int) -> View:
    """Step 1: a frame's samples under a pose, half a module apart."""
    side = side_of(version)
    wide = 2 * (side + 2 * MARGIN) + 1
    to_modules = np.array([[0.5, 0, -MARGIN], [0, 0.5, -MARGIN], [0, 0, 1]])
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    flat = cv2.warpPerspective(picture, matrix @ to_modules, (wide, wide), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    glare = (flat >= _GLARE).astype(np.float32)
    light = 255 * np.power(flat.astype(np.float32) / 255, _GAMMA)
    counts = np.zeros_like(light)
    counts[2 * MARGIN : -2 * MARGIN, 2 * MARGIN : -2 * MARGIN] = 1
    counts *= 1 - glare
    share, mean, square = (
        cv2.blur(values, (_WINDOW, _WINDOW)) for values in (counts, light * counts, light**2 * counts)
    )
    share = share + 1e-3
    mean = mean / share
    spread = np.sqrt(np.maximum(square / share - mean * mean, 4.0))
    level = np.clip((light - mean) / spread, -3, 3).astype(np.float32)
    first, last = 1 + 2 * MARGIN, 2 * side + 2 * MARGIN
    around = range(-_REACH, _REACH + 1)
    samples = [
        level[first + down : last + down : 2, first + right : last + right : 2].ravel()
        for down in around
        for right in around
        if down * down + right * right <= _REACH * _REACH + 1
    ]
    covered = cv2.blur(glare, (3, 3))[first:last:2, first:last:2]
    return View(samples=np.stack(samples, axis=1).astype(np.float32), clear=(1 - covered).ravel().astype(np.float32))


def first_beliefs(views: list[View], version: int) -> Beliefs:
    """Steps 2 and 3, from the patterns that every symbol has alone."""
    known = known_beliefs(version).ravel()
    total = np.zeros(len(known), np.float32)
    for view in views:
        weights = (known != 0) * np.exp(-3 * (1 - view.clear))
        values = _equalised(view.samples, np.sign(known), weights, _FIRST_RIDGE)
        error = 1.3 * float((weights * (values - np.sign(known)) ** 2).sum() / weights.sum())
        total += 2 * values / max(error, _LEAST_ERROR) * view.clear
    return _as_beliefs(total, version)


def next_beliefs(views: list[View], beliefs: Beliefs, version: int, *, together: bool) -> Beliefs:
    """Steps 2 and 3, or 4, from what was believed before, what is certain included."""
    side = side_of(version)
    aims = np.tanh(beliefs.ravel() / 2)
    if together:
        samples = np.concatenate([view.samples * view.clear[:, None] for view in views], axis=1)
        views = [View(samples=samples, clear=np.max([view.clear for view in views], axis=0))]
    total = np.zeros(len(aims), np.float32)
    for view in views:
        weights = (aims * aims * 0.999 + 0.001) * np.exp(-3 * (1 - view.clear))
        values = _equalised(view.samples, aims, weights, _LATER_RIDGE)
        errors = (weights * (values - aims) ** 2).reshape(side, side).astype(np.float32)
        shares = weights.reshape(side, side).astype(np.float32)
        mean = float(errors.sum() / shares.sum())
        near = (cv2.blur(errors, _NEAR) + 0.1 * mean) / (cv2.blur(shares, _NEAR) + 0.1)
        total += 2 * values / np.maximum(near.ravel(), max(0.3 * mean, _LEAST_ERROR)) * view.clear
    return _as_beliefs(total, version)


def _equalised(samples: Plane, aims: NDArray[np.floating], weights: NDArray[np.floating], ridge: float) -> Plane:
    """What the best weighted sum of the samples gives for each module: ridge regression."""
    full = np.concatenate([samples, np.ones((len(samples), 1), np.float32)], axis=1)
    weighted = full * weights.astype(np.float32)[:, None]
    square = full.T @ weighted
    square[np.diag_indices_from(square)] += ridge * float(weights.sum())
    return np.asarray(full @ np.linalg.solve(square, weighted.T @ aims.astype(np.float32)), np.float32)


def _as_beliefs(total: Plane, version: int) -> Beliefs:
    """Clipped, and with what is known of every symbol."""
    side = side_of(version)
    known = known_beliefs(version)
    return np.where(known != 0, known, np.clip(total.reshape(side, side), -0.6 * CERTAIN, 0.6 * CERTAIN)).astype(
        np.float32
    )
