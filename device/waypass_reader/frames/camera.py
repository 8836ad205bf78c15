"""USB and other V4L2 cameras, through OpenCV.

What can be wrong is told apart before and after opening, because the remedy differs: no such device (the message lists
those that are there), no permission (group `video`), in use or no camera, and a camera that was there and is gone
(`SourceLost`). Size, rate and pixel format are asked for; a camera that has other ones gives what it has.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from waypass_reader.errors import SourceError, SourceLost
from waypass_reader.frames.base import Pixels
from waypass_reader.frames.configuration import CameraConfig
from waypass_reader.frames.exposure import ExposingGrabber, V4l2Exposure
from waypass_reader.frames.newest import Grabber, NewestFrames
from waypass_reader.frames.pictures import to_grey


class Capture(Protocol):
    """What is used of `cv2.VideoCapture`, once it is open."""

    def read(self) -> tuple[bool, NDArray[np.generic]]:
        """Waits for a frame; false when the device gave none."""

    def release(self) -> None:
        """Closes the device."""


class CaptureGrabber:
    """Frames of an OpenCV capture, in grey."""

    def __init__(self, capture: Capture, *, name: str) -> None:
        self._capture = capture
        self._name = name

    def grab(self) -> Pixels:
        """The next frame; raises `SourceLost` when OpenCV gets none, or none that is a picture."""
        try:
            taken, image = self._capture.read()
            if taken:
                return to_grey(image)
        except (cv2.error, ValueError) as error:
            raise SourceLost(f"{self._name}: gives frames that can't be used ({error})") from error
        raise SourceLost(f"{self._name}: gives no more frames; check its cable and its power")

    def release(self) -> None:
        """Closes the device."""
        self._capture.release()


def open_camera(config: CameraConfig, *, clock_ns: Callable[[], int]) -> NewestFrames:
    """Opens the camera that the configuration names; raises `SourceError`."""
    path = device_path(config.device)
    name = f"camera {path}"
    capture = _open_capture(path, config, name=name)
    grabber: Grabber = CaptureGrabber(capture, name=name)
    if config.exposure_for_codes:
        grabber = ExposingGrabber(grabber, V4l2Exposure(capture))
    return NewestFrames(
        grabber,
        name=name,
        stall_seconds=config.stall_seconds,
        frozen_seconds=config.frozen_seconds,
        clock_ns=clock_ns,
    )


def device_path(device: str) -> Path:
    """`/dev/videoN` for a number, otherwise the path itself (one under `/dev/v4l/by-id` survives replugging)."""
    return Path(f"/dev/video{int(device)}") if device.isdecimal() else Path(device)


def _open_capture(path: Path, config: CameraConfig, *, name: str) -> cv2.VideoCapture:
    if not path.exists():
        found = ", ".join(str(other) for other in sorted(Path("/dev").glob("video*"))) or "none"
        raise SourceError(
            f"{name}: there is no such device (video devices here: {found}); check the cable, or set `device`"
        )
    if not os.access(path, os.R_OK | os.W_OK):
        raise SourceError(f"{name}: no permission; add the reader's user to the group `video` and log in again")
    capture = cv2.VideoCapture(str(path), cv2.CAP_V4L2)
    if not capture.isOpened():
        raise SourceError(f"{name}: can't be opened as a camera; another program may be using it, or it is no camera")
    # The format comes first: a driver offers sizes and rates for the format that is set.
    capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*config.pixel_format))
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, config.width)
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, config.height)
    capture.set(cv2.CAP_PROP_FPS, config.frames_per_second)
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    return capture
