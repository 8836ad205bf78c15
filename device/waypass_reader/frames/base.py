"""What a frame is, what a scanner's text is, and what every source of either can do.

A source is opened when it is made, and closed by `close()` or at the end of a `with` block; closing twice does
nothing. `next_frame` is called from one thread. It waits, at most `timeout_seconds`, and then either gives a frame
or `None`. `ended` tells "none yet" from "none will ever come": a video is over, a folder was read to its end. A
camera never ends; one that stops giving frames raises `SourceLost`.

A camera gives frames. A scanner has read the code already and gives its text, as a `Scan`. A lane takes either.

Whatever the source, a frame's pixels are 8-bit grey, two-dimensional, rows first, contiguous: decoders need no more.
"""

from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

Pixels: TypeAlias = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """One picture. `at_ns` is `time.monotonic_ns()` when it was grabbed; `number` counts this source's frames from 0.

    A camera's numbers have gaps: they count the frames that it took, and only the newest is given out."""

    pixels: Pixels
    at_ns: int
    number: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Scan:
    """What a scanner read, once. `at_ns` is `time.monotonic_ns()` when it was complete; `number` counts from 0.

    The text is never empty, and at most one character longer than a Waypass text may be."""

    text: str
    at_ns: int
    number: int


class Source(Protocol):
    """Where frames or scans come from."""

    @property
    def ended(self) -> bool:
        """Whether nothing further will ever come."""

    def next_frame(self, timeout_seconds: float) -> Frame | Scan | None:
        """What comes next, or `None` when nothing came in time. Raises `SourceError`, or `SourceLost` of a device."""

    def close(self) -> None:
        """Gives the device back. A source that was closed has ended."""

    def __enter__(self) -> Self:
        """The source itself."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the source."""


class FrameSource(Protocol):
    """Where frames come from, and nothing else."""

    @property
    def ended(self) -> bool:
        """Whether no further frame will ever come."""

    def next_frame(self, timeout_seconds: float) -> Frame | None:
        """The next frame, or `None` when none came in time. Raises `SourceError`, or `SourceLost` of a camera."""

    def close(self) -> None:
        """Gives the device back. A source that was closed has ended."""

    def __enter__(self) -> Self:
        """The source itself."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the source."""
