"""Where a hand holds its code while it walks up to a gate, and where that lands in a picture.

The camera is a pinhole with a field of view of about 58 degrees across, looking along z; x goes right, y down, and
lengths are millimetres. A hand arrives with some speed that dies away, keeps trembling, and turns a little as it does.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from waypass_simulator.difficulty import Difficulty

FOCAL_SHARE: Final = 0.9
"""Focal length as a share of the frame's width."""

_SETTLE_SECONDS: Final = 0.15
_TREMOR_HZ: Final = (3.1, 5.3, 8.7)


@dataclass(frozen=True, kw_only=True, slots=True)
class Hand:
    """A hand's way. `hold` is where it comes to rest (x, y, z); angles are radians (pitch, yaw, roll)."""

    hold: NDArray[np.float64]
    angles: NDArray[np.float64]
    velocity: NDArray[np.float64]
    tremor_mm: float
    phases: NDArray[np.float64]

    def position(self, seconds: float) -> NDArray[np.float64]:
        """Where the code's middle is; at time 0 the hand still moves, later it only trembles."""
        still_to_go = self.velocity * _SETTLE_SECONDS * np.exp(-seconds / _SETTLE_SECONDS)
        return np.asarray(self.hold - still_to_go + self.tremor_mm * self._sway(seconds, 0))

    def turned(self, seconds: float) -> NDArray[np.float64]:
        """The angles at that time: a tremor of one millimetre goes with about half a degree."""
        return np.asarray(self.angles + np.radians(0.5) * self.tremor_mm * self._sway(seconds, 1))

    def homography(self, seconds: float, *, width: int, height: int) -> NDArray[np.float64]:
        """From millimetres on the carrier (code's middle at 0, 0) to pixels of the frame."""
        focal = FOCAL_SHARE * width
        lens = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
        rotation = _rotation(self.turned(seconds))
        return lens @ np.column_stack((rotation[:, 0], rotation[:, 1], self.position(seconds)))

    def _sway(self, seconds: float, which: int) -> NDArray[np.float64]:
        """Three values, each a sum of waves, about 1 high."""
        waves = np.sin(2 * np.pi * np.array(_TREMOR_HZ) * seconds + self.phases[which])
        return np.asarray(waves @ np.array([0.6, 0.3, 0.2]))


def draw_hand(rng: np.random.Generator, difficulty: Difficulty, *, code_mm: float, width: int, height: int) -> Hand:
    """A hand for one walk-up: it comes to rest with the whole code in the picture."""
    distance = rng.uniform(*difficulty.distance_mm)
    tilt, direction = np.radians(rng.uniform(*difficulty.tilt_degrees)), rng.uniform(0, 2 * np.pi)
    roll = np.radians(rng.uniform(*difficulty.roll_degrees))
    # Half the picture at that distance, less half the code as it is turned: so far may the middle be off.
    half = code_mm / 2 * (abs(np.cos(roll)) + abs(np.sin(roll)))
    room_x = max(distance / FOCAL_SHARE / 2 - half, 0)
    room_y = max(distance / FOCAL_SHARE * height / width / 2 - half, 0)
    hold = np.array([0.8 * room_x * rng.uniform(-1, 1), 0.8 * room_y * rng.uniform(-1, 1), distance])
    towards = rng.standard_normal(3) * (1.0, 1.0, 0.5)
    return Hand(
        hold=hold,
        angles=np.array([tilt * np.cos(direction), tilt * np.sin(direction), roll]),
        velocity=rng.uniform(*difficulty.speed_mm_s) * towards / np.linalg.norm(towards),
        tremor_mm=rng.uniform(*difficulty.tremor_mm),
        phases=rng.uniform(0, 2 * np.pi, (2, 3, 3)),
    )


def _rotation(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turned in its own plane first, then tilted."""
    (sin_p, sin_y, sin_r), (cos_p, cos_y, cos_r) = np.sin(angles), np.cos(angles)
    pitch = np.array([[1, 0, 0], [0, cos_p, -sin_p], [0, sin_p, cos_p]])
    yaw = np.array([[cos_y, 0, sin_y], [0, 1, 0], [-sin_y, 0, cos_y]])
    roll = np.array([[cos_r, -sin_r, 0], [sin_r, cos_r, 0], [0, 0, 1]])
    return np.asarray(pitch @ yaw @ roll)
