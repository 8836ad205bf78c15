"""Where a frame is as a code is: fine, strong light and dark in every direction at once.

Print has that too, barcodes and edges have not. The measure is the smaller of the structure tensor's two values, over
the light that falls there, so that a shadow does not hide a code. It costs a few milliseconds, and finds codes that
are too blurred for any single pattern in them to be recognised.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from waypass_reader.frames.base import Pixels
from waypass_reader.seeing.pose import Plane

_SHRINK: Final = 4
_SPREAD_PX: Final = 7.0
_DARK: Final = 10.0
# Codes that can be read give 0.18 and more, noise in good light less than this.
_LEAST: Final = 0.12
_THRESHOLDS: Final = (1.0, 0.7, 1.3)
_LEAST_AREA: Final = 250
_MOST: Final = 6
_SAME: Final = 0.06


def texture_of(picture: Pixels) -> Plane:
    """The measure, on a picture a quarter as wide and high."""
    soft = cv2.GaussianBlur(picture.astype(np.float32), (0, 0), 1.0)
    x, y = (np.asarray(cv2.Sobel(soft, cv2.CV_32F, *way, ksize=3), np.float32) for way in ((1, 0), (0, 1)))
    xx, yy, xy, light = (_around(values) for values in (x * x, y * y, x * y, np.asarray(soft, np.float32)))
    half, tilt = (xx + yy) / 2, (xx - yy) / 2
    return np.asarray(np.sqrt(np.maximum(half - np.sqrt(tilt * tilt + xy * xy), 0)) / (light + _DARK), np.float32)


def _around(values: NDArray[np.float32]) -> Plane:
    small = cv2.resize(values, None, fx=1 / _SHRINK, fy=1 / _SHRINK, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(small, (0, 0), _SPREAD_PX / _SHRINK), np.float32)


def textured_quadrangles(picture: Pixels) -> list[NDArray[np.float32]]:
    """Four corners each, clockwise, of the areas that may be codes; the largest first. Not exact to a module."""
    if min(picture.shape) < 16 * _SHRINK:
        return []
    measure = texture_of(picture)
    top = float(np.percentile(measure, 99))
    if top < _LEAST:
        return []
    grey = np.clip(measure * (255 / top), 0, 255).astype(np.uint8)
    threshold, _ = cv2.threshold(grey, 0, 255, cv2.THRESH_OTSU)
    found: list[tuple[float, NDArray[np.float32]]] = []
    for factor in _THRESHOLDS:
        areas = (grey > max(threshold * factor, _LEAST / top * 255)).astype(np.uint8)
        areas = cv2.morphologyEx(areas, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
        areas = cv2.morphologyEx(areas, cv2.MORPH_OPEN, np.ones((9, 9), np.uint8)).astype(np.uint8)
        contours, _ = cv2.findContours(areas, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        for contour in contours:
            hull = np.asarray(cv2.convexHull(contour), np.int32)
            area = cv2.contourArea(hull)
            if area >= _LEAST_AREA and cv2.contourArea(contour) >= 0.65 * area:
                found += [(area, corners) for corners in _four_corners(hull)]
    found.sort(key=lambda each: -each[0])
    return [(corners + 0.5) * _SHRINK for corners in _different([corners for _, corners in found])[:_MOST]]


def _different(found: list[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """Without those that are as good as the same as one before: at another threshold most areas are found again."""
    kept: list[NDArray[np.float32]] = []
    for corners in found:
        near = _SAME * float(np.ptp(corners, axis=0).max())
        if not any(np.abs(_in_order(corners) - _in_order(other)).max() < near for other in kept):
            kept.append(corners)
    return kept


def _in_order(corners: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same corners, from the one nearest to the upper left on."""
    return np.roll(corners, -int(np.argmin(corners.sum(axis=1))), axis=0)


def _four_corners(hull: NDArray[np.int32]) -> list[NDArray[np.float32]]:
    round_about = cv2.arcLength(hull, True)
    for tolerance in (0.03, 0.05, 0.08, 0.12):
        outline = cv2.approxPolyDP(hull, tolerance * round_about, True)
        if len(outline) == 4:
            return [outline[:, 0].astype(np.float32)]
    return [np.asarray(cv2.boxPoints(cv2.minAreaRect(hull)), np.float32)]
