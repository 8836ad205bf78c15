"""Raspberry Pi camera modules, through picamera2.

picamera2 comes with Raspberry Pi OS (`apt-get install python3-picamera2`) and is imported only when this kind of source
is chosen. Frames are taken as YUV420, whose first plane is the grey picture that is wanted; the rest is cut away, as
is the padding at the end of each row.

Outside of a Raspberry Pi this module has only ever run on the library's double in `waypass_reader.frames.doubles`.
"""

import contextlib
import importlib
from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from waypass_reader.errors import MissingLibrary, SourceError, SourceLost
from waypass_reader.frames.base import Pixels
from waypass_reader.frames.configuration import PicameraConfig
from waypass_reader.frames.exposure import ExposingGrabber, PicameraExposure
from waypass_reader.frames.newest import Grabber, NewestFrames


class PicameraDevice(Protocol):
    """What is used of a `picamera2.Picamera2` object."""

    def create_video_configuration(self, **settings: Any) -> dict[str, Any]:
        """A configuration with these settings."""

    def configure(self, configuration: Mapping[str, Any]) -> object:
        """Applies a configuration."""

    def start(self) -> None:
        """Starts the flow of frames."""

    def capture_array(self, name: str) -> NDArray[np.uint8]:
        """Waits for a frame of a stream: for YUV420 an array of (height * 3 / 2, row length in bytes)."""

    def set_controls(self, controls: dict[str, float], /) -> object:
        """Sets controls from the next frame on; RuntimeError for one that the camera does not have."""

    def stop(self) -> None:
        """Stops the flow of frames."""

    def close(self) -> None:
        """Gives the device back."""


class PicameraLibrary(Protocol):
    """What is used of the module `picamera2`: its one class, called with the camera's number."""

    def Picamera2(self, camera_num: int) -> PicameraDevice:  # noqa: N802  the library's own spelling
        """Opens a camera; raises IndexError when there is none of that number, RuntimeError when it is in use."""


class PicameraGrabber:
    """The grey planes of a camera module's frames."""

    def __init__(self, device: PicameraDevice, *, width: int, height: int, name: str) -> None:
        self._device = device
        self._width = width
        self._height = height
        self._name = name

    def grab(self) -> Pixels:
        """The next frame; raises `SourceLost` when the library reports an error."""
        try:
            planes = self._device.capture_array("main")
        except (RuntimeError, OSError) as error:
            raise SourceLost(f"{self._name}: gives no more frames ({error}); check its ribbon cable") from error
        return np.ascontiguousarray(planes[: self._height, : self._width])

    def release(self) -> None:
        """Stops and closes the camera. One that cannot be stopped is closed all the same: otherwise it could not be
        opened again before this program ends."""
        for end in (self._device.stop, self._device.close):
            with contextlib.suppress(RuntimeError, OSError):
                end()


def import_picamera2() -> PicameraLibrary:
    """The library; raises `MissingLibrary` where it is not installed."""
    try:
        return cast("PicameraLibrary", importlib.import_module("picamera2"))
    except ImportError as error:
        raise MissingLibrary(
            f"picamera2 can't be loaded ({error}): on Raspberry Pi OS, apt-get install python3-picamera2 and make "
            "the virtual environment with --system-site-packages; for other cameras, set kind to camera"
        ) from error


def open_picamera(
    config: PicameraConfig,
    *,
    clock_ns: Callable[[], int],
    library: Callable[[], PicameraLibrary] = import_picamera2,
) -> NewestFrames:
    """Opens and starts a camera module; raises `MissingLibrary` or `SourceError`."""
    name = f"Raspberry Pi camera {config.number}"
    try:
        device = library().Picamera2(config.number)
    except (IndexError, RuntimeError) as error:
        raise SourceError(
            f"{name}: can't be opened ({error}); check its ribbon cable with `rpicam-hello --list-cameras`, "
            "and that no other program uses it"
        ) from error
    try:
        device.configure(
            device.create_video_configuration(
                main={"size": (config.width, config.height), "format": "YUV420"},
                controls={"FrameRate": config.frames_per_second},
                queue=False,  # the next frame to come, not one that lay in a buffer
            )
        )
        device.start()
    except RuntimeError as error:
        device.close()
        raise SourceError(f"{name}: can't be started ({error}); try another width, height or rate") from error
    grabber: Grabber = PicameraGrabber(device, width=config.width, height=config.height, name=name)
    if config.exposure_for_codes:
        grabber = ExposingGrabber(grabber, PicameraExposure(device))
    return NewestFrames(
        grabber,
        name=name,
        stall_seconds=config.stall_seconds,
        frozen_seconds=config.frozen_seconds,
        clock_ns=clock_ns,
    )
