"""From a configuration record to an open source of frames or scans."""

import time
from collections.abc import Callable
from typing import overload

from waypass_reader.errors import SourceError
from waypass_reader.frames.base import FrameSource, Source
from waypass_reader.frames.camera import open_camera
from waypass_reader.frames.configuration import (
    CameraConfig,
    FolderConfig,
    FrameConfig,
    PicameraConfig,
    SerialConfig,
    SourceConfig,
    VideoConfig,
    WedgeConfig,
)
from waypass_reader.frames.folder import FolderSource
from waypass_reader.frames.newest import NewestFrames
from waypass_reader.frames.picamera import open_picamera
from waypass_reader.frames.video import VideoSource
from waypass_reader.scanners.serial_line import open_serial
from waypass_reader.scanners.wedge import open_wedge


@overload
def open_source(config: FrameConfig, *, clock_ns: Callable[[], int] = time.monotonic_ns) -> FrameSource: ...
@overload
def open_source(config: SourceConfig, *, clock_ns: Callable[[], int] = time.monotonic_ns) -> Source: ...
def open_source(config: SourceConfig, *, clock_ns: Callable[[], int] = time.monotonic_ns) -> Source:
    """Opens what the record names. Raises `SourceError`, or `MissingLibrary` for a Raspberry Pi camera's library.

    After a `SourceLost`, close the source and call this again until it succeeds."""
    match config:
        case CameraConfig():
            return open_camera(config, clock_ns=clock_ns)
        case PicameraConfig():
            return open_picamera(config, clock_ns=clock_ns)
        case VideoConfig():
            return VideoSource(config, clock_ns=clock_ns)
        case FolderConfig():
            return FolderSource(config, clock_ns=clock_ns)
        case SerialConfig():
            return open_serial(config, clock_ns=clock_ns)
        case WedgeConfig():
            return open_wedge(config, clock_ns=clock_ns)


class SourceOpener:
    """Opens one lane's source, again and again, as long as the driver lets go of the one before.

    The thread of a camera whose driver hangs can't be ended. Opening the device once more every second would leave one
    more of them each time, so it is not opened before that thread is back."""

    def __init__(self, open_one: Callable[[], Source]) -> None:
        self._open_one = open_one
        self._last: Source | None = None

    def __call__(self) -> Source:
        """The source, open. Raises `SourceError`."""
        if isinstance(self._last, NewestFrames) and self._last.hangs:
            raise SourceError(f"{self._last.name}: its driver hangs; pull its cable, or restart the machine")
        self._last = None  # a source that was opened before is no one's when this fails
        self._last = self._open_one()
        return self._last
