"""Exposure for codes, not for halls: a bright telephone in the dark, a sheet in the sun.

A camera's own automatic looks at the whole picture. In a dark hall it opens up until a telephone's screen is one white
patch, and against a window it closes until a sheet of paper is grey on grey. A grabber that is wrapped in
`ExposingGrabber` looks at each tenth frame and asks its camera for more or less light:

1. A fair share of the picture is outshone: less light.
2. Hardly anything in it is light at all: more light.
3. Neither for a while: back towards the camera's own, step by step.

Corrections are in stops (a factor of two of light), at most two either way. A camera that refuses is not asked again;
it goes on as it does by itself. These rules and the doubles have been run; real cameras have not.
"""

from collections.abc import Callable
from typing import Final, Protocol

import cv2
import numpy as np

from waypass_reader.frames.base import Pixels
from waypass_reader.frames.newest import Grabber

STEP_STOPS: Final = 0.5
MOST_STOPS: Final = 2.0

_EVERY: Final = 10
_FULL: Final = 250
_OUTSHONE: Final = 0.06
_LIGHT: Final = 70
_CALM_LOOKS: Final = 6


class ExposureControl(Protocol):
    """What a camera lets others say about its exposure."""

    def correct(self, stops: float) -> bool:
        """So many stops more light than the camera's own automatic takes; False when the camera does not do it."""


class CaptureSettings(Protocol):
    """What is used of an open `cv2.VideoCapture`."""

    def get(self, setting: int, /) -> float:
        """A setting's value; 0 where the driver has none."""

    def set(self, setting: int, value: float, /) -> bool:
        """Sets it; False when the driver refuses."""


class V4l2Exposure:
    """A V4L2 camera through OpenCV: exposure by hand, from what the automatic had when it was first corrected.

    It begins with the automatic: a program that was killed left the camera as it was, and what was set by hand then
    would be taken for the camera's own."""

    _BY_HAND: Final = 1.0
    _AUTOMATIC: Final = 3.0

    def __init__(self, capture: CaptureSettings) -> None:
        self._capture = capture
        self._own: float | None = None
        self.correct(0)

    def correct(self, stops: float) -> bool:
        """Sets the exposure time, or gives it back to the automatic for 0 stops."""
        if stops == 0:
            self._own = None
            return self._capture.set(cv2.CAP_PROP_AUTO_EXPOSURE, self._AUTOMATIC)
        if self._own is None:
            own = self._capture.get(cv2.CAP_PROP_EXPOSURE)
            if own <= 0 or not self._capture.set(cv2.CAP_PROP_AUTO_EXPOSURE, self._BY_HAND):
                return False
            self._own = own
        return self._capture.set(cv2.CAP_PROP_EXPOSURE, max(1.0, round(self._own * 2**stops)))


class PicameraControls(Protocol):
    """What is used of a started `picamera2.Picamera2`."""

    def set_controls(self, controls: dict[str, float], /) -> object:
        """Sets controls from the next frame on; RuntimeError for one that the camera does not have."""


class PicameraExposure:
    """A Raspberry Pi camera module: its automatic goes on, with a correction (`ExposureValue`)."""

    def __init__(self, device: PicameraControls) -> None:
        self._device = device

    def correct(self, stops: float) -> bool:
        """Sets the correction."""
        try:
            self._device.set_controls({"ExposureValue": stops})
        except RuntimeError:
            return False
        return True


class RecordingExposure:
    """A camera that remembers what was asked of it; with `obeys` off it refuses."""

    def __init__(self, *, obeys: bool = True) -> None:
        self._obeys = obeys
        self.asked: list[float] = []

    def correct(self, stops: float) -> bool:
        """Remembers the stops."""
        self.asked.append(stops)
        return self._obeys


class ExposingGrabber:
    """A grabber whose camera is told how much light to take. `control` is asked from the grabber's thread."""

    def __init__(self, grabber: Grabber, control: ExposureControl) -> None:
        self._grabber = grabber
        self._control: ExposureControl | None = control
        self._stops = 0.0
        self._frames = 0
        self._calm = 0

    def grab(self) -> Pixels | None:
        """The grabber's next frame, looked at if it is its turn."""
        frame = self._grabber.grab()
        if frame is not None and self._control is not None:
            self._frames += 1
            if self._frames % _EVERY == 0:
                self._look(frame, self._control.correct)
        return frame

    def release(self) -> None:
        """Gives the device back, with its own automatic."""
        try:
            if self._control is not None and self._stops != 0:
                self._control.correct(0.0)
        finally:
            self._grabber.release()

    def _look(self, frame: Pixels, correct: Callable[[float], bool]) -> None:
        """The rules of the module's docstring."""
        few = frame[::8, ::8]
        wanted = self._stops
        if float(np.mean(few >= _FULL)) > _OUTSHONE:
            wanted = max(self._stops - STEP_STOPS, -MOST_STOPS)
        elif float(np.percentile(few, 98)) < _LIGHT:
            wanted = min(self._stops + STEP_STOPS, MOST_STOPS)
        elif self._stops != 0:
            self._calm += 1
            if self._calm < _CALM_LOOKS:
                return
            wanted = self._stops - STEP_STOPS if self._stops > 0 else self._stops + STEP_STOPS
        self._calm = 0
        if wanted == self._stops:
            return
        if correct(wanted):
            self._stops = wanted
        else:
            self._control = None
