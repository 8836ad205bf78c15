"""Another program is the camera: its frames come through a named pipe, as YUV4MPEG2.

That is what ffmpeg and GStreamer write (`-f yuv4mpegpipe`), so whatever they can open can be a gate's camera; and how a
test or a measurement shows a reader frames at the very moment at which a camera would deliver them.

1. The path is a named pipe (`mkfifo`), otherwise `SourceError`. Nobody has to be writing yet.
2. The stream begins with a header of at most 256 bytes that names width and height, 16 to 8192, and perhaps the colour
   space: `Cmono`, or one of 8 bits of which the grey plane comes first (`C420` and its kinds, `C422`, `C444`).
3. Each frame is a line that begins with `FRAME`, and its planes. Only the grey one is used.
4. Anything else, and a writer that ends, is `SourceLost`: the pipe is opened anew, for a stream from its beginning.

Frames come at the writer's pace. It is a live camera like others: only the newest is given (`NewestFrames`).
"""

import contextlib
import fcntl
import os
import select
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from waypass_reader.errors import SourceError, SourceLost
from waypass_reader.frames.base import Pixels
from waypass_reader.frames.configuration import PipeConfig
from waypass_reader.frames.newest import NewestFrames

_LONGEST_LINE: Final = 256
_MAGIC: Final = b"YUV4MPEG2"
_LEAST_SIDE, _MOST_SIDE = 16, 8192
_SPACES: Final = {"mono": (0, 0), "420": (2, 2), "420jpeg": (2, 2), "420mpeg2": (2, 2), "420paldv": (2, 2),
                  "422": (2, 1), "444": (1, 1)}  # fmt: skip
"""By how much each of the two colour planes is narrower and lower than the grey one; 0: there is none."""
# The kernel's own limit for a pipe of somebody without privileges: a frame of 1280x720 in one go.
_PIPE_BYTES: Final = 1 << 20
_WAIT_MS: Final = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """What a stream's header says of each frame."""

    width: int
    height: int
    frame_bytes: int


def read_stream_header(line: bytes) -> Layout:
    """The header, without its line end. Raises `SourceError`."""
    magic, *tags = line.split(b" ")
    if magic != _MAGIC:
        raise SourceError(f"expected a stream that begins with {_MAGIC.decode()}, got {magic[:16]!r}")
    # Every tag is one letter and its value; those that say nothing of a frame's bytes are passed over.
    found = {tag[:1]: tag[1:] for tag in tags}
    width, height = (_side(found.get(letter, b""), what) for letter, what in ((b"W", "width"), (b"H", "height")))
    space = found.get(b"C", b"420").decode("ascii", "replace")
    if space not in _SPACES:
        raise SourceError(f"expected a colour space among {', '.join(_SPACES)}, got {space[:16]!r}")
    narrower, lower = _SPACES[space]
    colour = 2 * -(-width // narrower) * -(-height // lower) if narrower else 0
    return Layout(width=width, height=height, frame_bytes=width * height + colour)


def _side(digits: bytes, what: str) -> int:
    if not (digits.isdigit() and len(digits) <= 4 and _LEAST_SIDE <= int(digits) <= _MOST_SIDE):
        raise SourceError(f"expected a {what} of {_LEAST_SIDE} to {_MOST_SIDE} pixels, got {digits[:16]!r}")
    return int(digits)


class PipeGrabber:
    """The reading end of the pipe, open. A frame that has come in part is kept for the next call."""

    def __init__(self, descriptor: int, *, name: str) -> None:
        self._descriptor = descriptor
        self._name = name
        self._ready = select.poll()
        self._ready.register(descriptor, select.POLLIN)
        self._layout: Layout | None = None
        self._line = bytearray()
        self._frame: Pixels | None = None
        self._filled = 0

    def grab(self) -> Pixels | None:
        """The next frame's grey plane. `None`: it is not whole yet."""
        try:
            return self._grab()
        except SourceLost:
            raise
        except SourceError as error:
            raise SourceLost(f"{self._name}: {error}") from error

    def release(self) -> None:
        """Closes the reading end: the writer is told by a broken pipe."""
        os.close(self._descriptor)

    def _grab(self) -> Pixels | None:
        if self._layout is None:
            header = self._take_line()
            if header is None:
                return None
            self._layout = read_stream_header(header)
        if self._frame is None:
            line = self._take_line()
            if line is None:
                return None
            if line.split(b" ")[0] != b"FRAME":
                raise SourceError(f"expected a line that begins with FRAME, got {line[:16]!r}")
            self._frame, self._filled = np.empty(self._layout.frame_bytes, np.uint8), 0
        if not self._fill(self._frame):
            return None
        frame, self._frame = self._frame, None
        return frame[: self._layout.width * self._layout.height].reshape(self._layout.height, self._layout.width)

    def _take_line(self) -> bytes | None:
        """Byte by byte: what follows the line end belongs to the frame."""
        while not self._line.endswith(b"\n"):
            if len(self._line) >= _LONGEST_LINE:
                raise SourceError(f"expected a line of at most {_LONGEST_LINE} bytes")
            if not self._ready.poll(_WAIT_MS):
                return None
            got = os.read(self._descriptor, 1)
            self._check_alive(len(got))
            self._line += got
        line = bytes(self._line[:-1])
        self._line.clear()
        return line

    def _fill(self, frame: Pixels) -> bool:
        whole = frame.data
        while self._filled < len(whole):
            if not self._ready.poll(_WAIT_MS):
                return False
            got = os.readv(self._descriptor, [whole[self._filled :]])
            self._check_alive(got)
            self._filled += got
        return True

    def _check_alive(self, got: int) -> None:
        if not got:
            raise SourceLost(f"{self._name}: the program that writes it has ended; start it anew")


def check_pipe(path: Path) -> None:
    """That it is there, and a named pipe; nothing is opened. Raises `SourceError`."""
    try:
        is_pipe = stat.S_ISFIFO(path.stat().st_mode)
    except OSError as error:
        raise _not_opened(path, error) from error
    if not is_pipe:
        raise SourceError(f"pipe {path}: is no named pipe; make one with mkfifo, or set `path`")


def _not_opened(path: Path, error: OSError) -> SourceError:
    return SourceError(f"pipe {path}: can't be opened: {error.strerror}; make it with mkfifo, or set `path`")


def open_pipe(config: PipeConfig, *, clock_ns: Callable[[], int]) -> NewestFrames:
    """Opens the pipe that the configuration names; raises `SourceError`."""
    name = f"pipe {config.path}"
    check_pipe(config.path)
    try:
        # Not to wait for a writer here: the lane says that there is none.
        descriptor = os.open(config.path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        raise _not_opened(config.path, error) from error
    os.set_blocking(descriptor, True)
    with contextlib.suppress(OSError):  # a smaller pipe works as well, in more steps
        fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    return NewestFrames(
        PipeGrabber(descriptor, name=name),
        name=name,
        stall_seconds=config.stall_seconds,
        frozen_seconds=config.frozen_seconds,
        clock_ns=clock_ns,
    )
