"""From a configuration record to an open source of frames or scans."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import overload

from waypass_reader.errors import SourceError
from waypass_reader.frames.base import FrameSource, Source
from waypass_reader.frames.camera import open_camera
from waypass_reader.frames.configuration import (
    CameraConfig,
    FolderConfig,
    FrameConfig,
    PicameraConfig,
    PipeConfig,
    SerialConfig,
    SourceConfig,
    VideoConfig,
    WedgeConfig,
)
from waypass_reader.frames.folder import FolderSource
from waypass_reader.frames.newest import NewestFrames
from waypass_reader.frames.picamera import open_picamera
from waypass_reader.frames.pipe import open_pipe
from waypass_reader.frames.video import VideoSource

PATIENCE_SECONDS = 5.0
_REMEDY = "pull its cable, or restart the machine"


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
        case PipeConfig():
            return open_pipe(config, clock_ns=clock_ns)
        # Imported here: scanners need this package's records, whichever of the two is asked for first.
        case SerialConfig():
            from waypass_reader.scanners.serial_line import open_serial

            return open_serial(config, clock_ns=clock_ns)
        case WedgeConfig():
            from waypass_reader.scanners.wedge import open_wedge

            return open_wedge(config, clock_ns=clock_ns)


class SourceOpener:
    """Opens one lane's source, again and again, as long as the driver comes back.

    A driver that hangs holds its thread for ever, so it is a thread that nobody waits for; and there is one of them at
    most: a device is not opened once more before the last try, and the last source's thread, are back."""

    def __init__(self, open_one: Callable[[], Source], *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._open_one = open_one
        self._patience_seconds = patience_seconds
        self._last: Source | None = None
        self._trying: Future[Source] | None = None

    def __call__(self) -> Source:
        """The source, open. Raises `SourceError`, and whatever opening raised."""
        if isinstance(self._last, NewestFrames) and self._last.hangs:
            raise SourceError(f"{self._last.name}: its driver hangs; {_REMEDY}")
        self._last = None
        if self._trying is None:
            self._trying = Future()
            threading.Thread(target=self._try, args=(self._trying,), name="opening a source", daemon=True).start()
        try:
            self._last = self._trying.result(self._patience_seconds)
        except TimeoutError as error:
            if not self._trying.done():
                raise SourceError(f"the source can't be opened, its driver hangs; {_REMEDY}") from error
            self._trying = None
            raise
        except BaseException:
            self._trying = None
            raise
        self._trying = None
        return self._last

    def _try(self, trying: "Future[Source]") -> None:
        try:
            trying.set_result(self._open_one())
        except BaseException as error:  # noqa: BLE001 - raised in the thread that waits for it
            trying.set_exception(error)
