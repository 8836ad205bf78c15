"""From a configuration record to an open frame source."""

import time
from collections.abc import Callable

from waypass_reader.frames.base import FrameSource
from waypass_reader.frames.camera import open_camera
from waypass_reader.frames.configuration import (
    CameraConfig,
    FolderConfig,
    PicameraConfig,
    SourceConfig,
    VideoConfig,
)
from waypass_reader.frames.folder import FolderSource
from waypass_reader.frames.picamera import open_picamera
from waypass_reader.frames.video import VideoSource


def open_source(config: SourceConfig, *, clock_ns: Callable[[], int] = time.monotonic_ns) -> FrameSource:
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
