"""How hard a gate camera's pictures are to read: ranges from which each walk-up draws its own values.

A level describes hands, light and a lens, not a success rate; how many walk-ups a decoder reads at a level is measured,
never set. Lengths are millimetres at the hand, times are milliseconds, and light is linear with 1.0 where the sensor is
full. Lengths in pixels hold for a frame 640 pixels wide and grow with it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

Range: TypeAlias = tuple[float, float]
"""From and to, drawn evenly between."""


class Level(StrEnum):
    """The three levels that have a name."""

    EASY = "easy"
    MEDIUM = "medium"
    HARD = "hard"


@dataclass(frozen=True, kw_only=True, slots=True)
class Difficulty:
    """One level. Every walk-up draws one value from each range; chances are between 0 and 1."""

    distance_mm: Range
    """From the lens to the code. It sets how many pixels a module has."""
    tilt_degrees: Range
    """How far the code is turned away from the camera, in whatever direction."""
    roll_degrees: Range
    """How far it is turned in its own plane."""
    speed_mm_s: Range
    """Of the hand at the first frame; it dies away as the hand comes to rest."""
    tremor_mm: Range
    """Amplitude of the shake that stays."""
    grip_mm: Range
    """How far fingertips reach over a telephone's edge; from about 7 mm they cover a part of the code."""
    exposure_ms: Range
    """While the shutter is open, what moves is smeared."""
    defocus_px: Range
    """Radius of the disc that a point becomes."""
    white: Range
    """Light of the page: a bright screen is near or over 1.0."""
    ambient: Range
    """Light of the hall, as a share of the page's."""
    veil: Range
    """Light that the glass or the sheet reflects over everything, as a share of the page's."""
    glare_chance: float
    """How often a lamp is mirrored in the page."""
    glare_mm: Range
    """Radius of the mirrored lamp."""
    moire: Range
    """Depth of the pattern between the screen's pixels and the camera's."""
    flicker: Range
    """Depth of the bands of a dimmed screen."""
    shadow: Range
    """Depth of a shadow that falls across the page."""
    electrons: Range
    """At which a pixel is full: fewer mean more noise."""
    jpeg_quality: Range
    """Of the camera's own compression."""


EASY: Final = Difficulty(
    distance_mm=(100, 130),
    tilt_degrees=(0, 12),
    roll_degrees=(-12, 12),
    speed_mm_s=(0, 25),
    tremor_mm=(0.05, 0.2),
    grip_mm=(3, 5.5),
    exposure_ms=(2, 5),
    defocus_px=(0.0, 0.5),
    white=(0.6, 1.05),
    ambient=(0.15, 0.5),
    veil=(0.0, 0.04),
    glare_chance=0.15,
    glare_mm=(2, 3),
    moire=(0.0, 0.03),
    flicker=(0.0, 0.03),
    shadow=(0.0, 0.25),
    electrons=(5000, 10000),
    jpeg_quality=(88, 96),
)

MEDIUM: Final = Difficulty(
    distance_mm=(135, 190),
    tilt_degrees=(0, 32),
    roll_degrees=(-40, 40),
    speed_mm_s=(30, 150),
    tremor_mm=(0.2, 0.6),
    grip_mm=(3, 7),
    exposure_ms=(4, 12),
    defocus_px=(0.5, 1.8),
    white=(0.2, 1.2),
    ambient=(0.15, 0.9),
    veil=(0.01, 0.15),
    glare_chance=0.4,
    glare_mm=(3, 6),
    moire=(0.0, 0.08),
    flicker=(0.0, 0.12),
    shadow=(0.1, 0.5),
    electrons=(1000, 4000),
    jpeg_quality=(70, 90),
)

HARD: Final = Difficulty(
    distance_mm=(135, 205),
    tilt_degrees=(10, 45),
    roll_degrees=(-180, 180),
    speed_mm_s=(80, 260),
    tremor_mm=(0.3, 1.0),
    grip_mm=(4, 9),
    exposure_ms=(6, 16),
    defocus_px=(0.8, 2.2),
    white=(0.08, 1.3),
    ambient=(0.2, 1.5),
    veil=(0.05, 0.4),
    glare_chance=0.7,
    glare_mm=(4, 9),
    moire=(0.02, 0.15),
    flicker=(0.0, 0.25),
    shadow=(0.3, 0.8),
    electrons=(400, 2000),
    jpeg_quality=(60, 85),
)

LEVELS: Final[Mapping[Level, Difficulty]] = {Level.EASY: EASY, Level.MEDIUM: MEDIUM, Level.HARD: HARD}
