"""The camera of `gate.py`: frames at 30 a second into the named pipe that a reader takes for its camera."""

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from gate_people import PERIOD_NS
from waypass_reader.frames.base import Pixels
from waypass_simulator.camera import FrameSize

_PIPE_BYTES = 1 << 20
_IDLE_SECONDS = 0.5


class PipeCamera:
    """The writing end. `open` waits for a reader."""

    def __init__(self, path: Path, size: FrameSize) -> None:
        os.mkfifo(path)
        self._path = path
        self._header = f"YUV4MPEG2 W{size.width} H{size.height} F30:1 Cmono\n".encode()
        self._descriptor = -1

    def open(self) -> None:
        """Begin the stream."""
        self._descriptor = os.open(self._path, os.O_WRONLY)
        with contextlib.suppress(OSError):
            fcntl.fcntl(self._descriptor, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self._write(self._header)

    def play(self, frames: Sequence[Pixels], *, start_ns: int) -> list[int]:
        """Each frame when it is due, `PERIOD_NS` after the last. By how much each was late."""
        late = []
        for number, frame in enumerate(frames):
            due_ns = start_ns + number * PERIOD_NS
            left_ns = due_ns - time.monotonic_ns()
            if left_ns > 0:
                time.sleep(left_ns / 1e9)
            late.append(time.monotonic_ns() - due_ns)
            self.show(frame)
        return late

    def show(self, frame: Pixels) -> None:
        """One frame, now."""
        self._write(b"FRAME\n" + frame.tobytes())

    def close(self) -> None:
        """End the stream."""
        if self._descriptor >= 0:
            os.close(self._descriptor)

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[os.write(self._descriptor, left) :]


class Idling:
    """While others are being made ready, the camera sees the empty hall, slowly, so that it is not taken for lost."""

    def __init__(self, cameras: Sequence[PipeCamera], hall: Sequence[Pixels]) -> None:
        self._cameras = cameras
        self._hall = hall
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._show, name="idling", daemon=True)

    def __enter__(self) -> "Idling":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _show(self) -> None:
        number = 0
        while not self._over.wait(_IDLE_SECONDS):
            for camera in self._cameras:
                camera.show(self._hall[number % len(self._hall)])
            number += 1
