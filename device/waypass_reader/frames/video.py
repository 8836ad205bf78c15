"""A video file in the place of a camera: every frame once, in order.

Paced, a frame is given no sooner than one frame time after the one before, however fast it is asked for; frames are not
skipped when they are asked for slowly. Unpaced, a frame is there as soon as it is decoded. Looping starts over at the
end. A file that is no video, holds no frame, or tells no frame rate while pacing needs one, is a `SourceError`.
"""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

import cv2

from waypass_reader.errors import SourceError
from waypass_reader.frames.base import Frame
from waypass_reader.frames.configuration import VideoConfig
from waypass_reader.frames.pictures import to_grey


class VideoSource:
    """A frame source over a video file; see the module's docstring."""

    def __init__(self, config: VideoConfig, *, clock_ns: Callable[[], int]) -> None:
        self._config = config
        self._name = f"video {config.path}"
        self._clock_ns = clock_ns
        self._capture = self._open()
        self._period_ns = int(1e9 / self._rate()) if config.paced else 0
        self._due_ns = clock_ns()
        self._number = 0
        self._closed = threading.Event()
        self._over = False

    @property
    def ended(self) -> bool:
        """Whether the end of the video was met, or the source was closed."""
        return self._over or self._closed.is_set()

    def next_frame(self, timeout_seconds: float) -> Frame | None:
        """The next frame once its time has come. `None`: not yet, or the video is over (`ended`)."""
        if not self._is_due(timeout_seconds) or self.ended:
            return None
        taken, image = self._capture.read()
        if not taken and self._config.loop:
            self._capture.release()
            self._capture = self._open()
            taken, image = self._capture.read()
        if not taken:
            self._over = True
            if self._number == 0:
                raise SourceError(f"{self._name}: holds no frame")
            return None
        now = self._clock_ns()
        frame = Frame(pixels=to_grey(image), at_ns=now, number=self._number)
        self._number += 1
        self._due_ns = now + self._period_ns
        return frame

    def close(self) -> None:
        """Closes the file."""
        self._closed.set()
        self._capture.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _is_due(self, timeout_seconds: float) -> bool:
        """Waits until the next frame's time has come, the source is closed, or the timeout is over."""
        deadline = self._clock_ns() + int(timeout_seconds * 1e9)
        while not self.ended and (now := self._clock_ns()) < self._due_ns:
            if now >= deadline:
                return False
            self._closed.wait((min(self._due_ns, deadline) - now) / 1e9)
        return True

    def _open(self) -> cv2.VideoCapture:
        if not self._config.path.is_file():
            raise SourceError(f"{self._name}: there is no such file")
        # One named backend: others take a name with digits for a series of pictures.
        capture = cv2.VideoCapture(str(self._config.path), cv2.CAP_FFMPEG)
        if not capture.isOpened():
            raise SourceError(f"{self._name}: not a video that can be read; expected for example AVI or MP4")
        return capture

    def _rate(self) -> float:
        rate = self._config.frames_per_second or self._capture.get(cv2.CAP_PROP_FPS)
        if not 0 < rate <= 1000:
            self._capture.release()
            raise SourceError(
                f"{self._name}: tells no usable frame rate ({rate:g}); set `frames_per_second`, or `paced` to false"
            )
        return rate
