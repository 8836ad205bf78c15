"""What a lens and a sensor do to light, in the order in which they do it.

Light is linear, 1.0 fills a pixel. The lens blurs and darkens the corners; the brightest parts spill over; the sensor
counts electrons, which is where noise comes from; the camera's own processor bends the tones, sharpens, and compresses
to JPEG, as USB cameras do.
"""

from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from waypass_simulator.canvas import Plane

Picture: TypeAlias = NDArray[np.uint8]
"""A picture as a camera gives it: 8-bit grey, rows x columns."""


def defocus(light: Plane, radius: float) -> Plane:
    """Spreads every point over a disc of that radius, in pixels."""
    if radius < 0.3:
        return light
    reach = int(np.ceil(radius)) + 1
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1).astype(np.float32)
    return cv2.filter2D(light, -1, disc / disc.sum(), borderType=cv2.BORDER_REPLICATE).astype(np.float32)


def soften(light: Plane, sigma: float) -> Plane:
    """A Gaussian blur."""
    return cv2.GaussianBlur(light, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE).astype(np.float32)


def spill(light: Plane, *, sigma: float) -> Plane:
    """What is brighter than a full pixel brightens its surroundings."""
    excess = np.clip(light - 1, 0, 3)
    return light + 0.35 * soften(excess, sigma) if excess.any() else light


def darken_corners(light: Plane, *, depth: float = 0.25) -> Plane:
    """A lens gives less light to the corners."""
    rows, columns = light.shape
    y = np.linspace(-1, 1, rows, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, columns, dtype=np.float32)[None, :]
    return (light * (1 - depth * (x * x + y * y) / 2)).astype(np.float32)


def develop(light: Plane, rng: np.random.Generator, *, electrons: float, jpeg_quality: float) -> Picture:
    """From light to the picture that leaves the camera: 8-bit grey."""
    rows, columns = light.shape
    noise = rng.standard_normal((rows, columns), dtype=np.float32)
    per_row = rng.standard_normal((rows, 1), dtype=np.float32)
    full = np.clip(light, 0, 4)
    counted = full + np.sqrt(full / electrons + (6 / electrons) ** 2) * noise + (1.5 / electrons) * per_row
    toned = np.power(np.clip(counted, 0, 1), 1 / 2.2).astype(np.float32)
    sharp = toned + 0.4 * (toned - soften(toned, 1.2))
    picture = np.clip(sharp * 255 + 0.5, 0, 255).astype(np.uint8)
    stored, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, round(jpeg_quality)])
    if not stored:
        raise ValueError(f"expected a picture that JPEG can hold, got {columns}x{rows}")
    return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)
