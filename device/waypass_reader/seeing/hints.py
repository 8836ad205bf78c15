"""What a person could do when a code is seen but not read.

The first that holds, in this order:

1. `brighter`: the lightest of the symbol is dark for the camera.
2. `tilt`: a lamp is mirrored in it, or it is turned away from the camera so far that its modules are narrow.
3. `hold-still`: it moves by more than a module while the shutter may be open.
4. `closer`: its modules are too few pixels wide.

Where none holds there is no hint: a wrong one costs more time than none.
"""

import math
from typing import Final

import cv2
import numpy as np

from waypass_reader.frames.base import Pixels
from waypass_reader.hints import Hint
from waypass_reader.seeing.pose import Pose
from waypass_reader.seeing.symbol import side_of

_DARK: Final = 70
_GLARE: Final = 250
_GLARE_SHARE: Final = 0.02
_GLARE_IN_CODE: Final = 0.25
_NARROW: Final = 0.62
_MODULES_A_SECOND: Final = 60.0
_FEW_PX: Final = 2.4


def hint_for(pixels: Pixels, pose: Pose, *, earlier: Pose | None, seconds: float, scale: float = 1.0) -> Hint | None:
    """The hint for a symbol in a picture that is `scale` times as large as the frame; `earlier` is its pose in a
    frame that many seconds before."""
    inside = np.zeros(pixels.shape, np.uint8)
    cv2.fillConvexPoly(inside, pose.corners.round().astype(np.int32), 1)
    values = pixels[inside > 0]
    if not len(values):
        return None
    if np.percentile(values, 95) < _DARK:
        return Hint.BRIGHTER
    widths = np.linalg.svd(pose.slope, compute_uv=False)
    glare = float((values >= _GLARE).mean())
    # An overexposed page is light all over; a mirrored lamp is not.
    if _GLARE_SHARE < glare < _GLARE_IN_CODE or widths[-1] < _NARROW * widths[0]:
        return Hint.TILT
    if earlier is not None and seconds > 0 and _way(pose, earlier) / seconds > _MODULES_A_SECOND:
        return Hint.HOLD_STILL
    if widths[-1] / scale < _FEW_PX:
        return Hint.CLOSER
    return None


def _way(pose: Pose, earlier: Pose) -> float:
    """How far the symbol's middle moved, in its own modules."""
    middles = []
    for each in (pose, earlier):
        middle = side_of(each.version) / 2
        x, y, w = each.matrix @ (middle, middle, 1.0)
        middles.append((x / w, y / w))
    (x, y), (from_x, from_y) = middles
    return math.hypot(x - from_x, y - from_y) / max(pose.module_px, 1e-6)
