"""Live cameras: always the newest frame, never a queue of old ones.

A camera fills its buffers whether anybody reads or not, so a reader that takes them one by one falls behind and
decides on what was there a second ago. Here a thread of the source takes every frame as it comes and keeps the
last; `next_frame` gives that one, once, and otherwise waits for the next.

A camera that reports an error, or gives no frame for `stall_seconds`, is lost: `next_frame` raises `SourceLost`, this
time and every time after. Whoever wants it back closes this source and opens another.

So is one that is frozen: no two frames of a real sensor are the same to the last bit, so one picture for
`frozen_seconds` is a camera that hangs or is covered, whatever it says. Before two of its frames differed, a camera has
given no sign of life, and none is given out: a frozen one that is opened again stays lost until it lives. 0 turns this
off.
"""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

import numpy as np

from waypass_reader.errors import SourceLost
from waypass_reader.frames.base import Frame, Pixels

_JOIN_SECONDS = 2.0


class Grabber(Protocol):
    """A camera that has been opened. Only the thread of one `NewestFrames` calls it."""

    def grab(self) -> Pixels | None:
        """Waits for a frame. `None`: none came in a while, ask again. Raises `SourceLost`."""

    def release(self) -> None:
        """Gives the device back."""


class NewestFrames:
    """A frame source over a live camera; see the module's docstring. `name` stands for it in messages."""

    def __init__(
        self,
        grabber: Grabber,
        *,
        name: str,
        stall_seconds: float,
        clock_ns: Callable[[], int],
        frozen_seconds: float = 0,
    ) -> None:
        self._grabber = grabber
        self.name = name
        self._frozen_ns = int(frozen_seconds * 1e9)
        self._stall_ns = int(stall_seconds * 1e9)
        self._clock_ns = clock_ns
        self._changed = threading.Condition()
        self._newest: Frame | None = None
        self._given: Frame | None = None
        self._lost: SourceLost | None = None
        self._closed = False
        self._heard_ns = clock_ns()
        # A daemon: a driver that hangs must not keep the program from ending.
        self._thread = threading.Thread(target=self._grab_frames, name=f"frames of {name}", daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        """A camera ends only by being closed."""
        return self._closed

    def next_frame(self, timeout_seconds: float) -> Frame | None:
        """The newest frame, if it was not given yet, or the next one. Raises `SourceLost`."""
        deadline = self._clock_ns() + int(timeout_seconds * 1e9)
        with self._changed:
            while True:
                if self._newest is not None and self._newest is not self._given:
                    self._given = self._newest
                    return self._given
                if self._closed:
                    return None
                self._raise_if_lost()
                left = min(deadline, self._heard_ns + self._stall_ns) - self._clock_ns()
                if deadline <= self._clock_ns():
                    return None
                self._changed.wait(max(left, 0) / 1e9)

    @property
    def hangs(self) -> bool:
        """Whether it was closed and its thread is still inside the driver, which has the device."""
        return self._closed and self._thread.is_alive()

    def close(self) -> None:
        """Stops the thread, which then gives the device back."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(_JOIN_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _raise_if_lost(self) -> None:
        if self._lost is None and self._clock_ns() - self._heard_ns >= self._stall_ns:
            self._lost = SourceLost(
                f"{self.name}: no frame for {self._stall_ns / 1e9:g} s; check its cable and its power"
            )
        if self._lost is not None:
            raise self._lost

    def _grab_frames(self) -> None:
        """The thread: keeps the newest frame until the source is closed or the camera is lost."""
        number = 0
        lives = LifeSign(frozen_ns=self._frozen_ns, name=self.name)
        try:
            while not self._closed:
                pixels = self._grabber.grab()
                if pixels is None:
                    continue
                now = self._clock_ns()
                shown = lives.look(pixels, now)
                with self._changed:
                    self._heard_ns = now
                    if shown:
                        self._newest = Frame(pixels=pixels, at_ns=now, number=number)
                    self._changed.notify_all()
                number += 1
        except SourceLost as error:
            with self._changed:
                self._lost = error
                self._changed.notify_all()
        finally:
            # Released here and nowhere else: a device must not be closed under a thread that reads from it.
            self._grabber.release()


class LifeSign:
    """Whether a camera's frames change, by so little as noise."""

    def __init__(self, *, frozen_ns: int, name: str) -> None:
        self._frozen_ns = frozen_ns
        self._name = name
        self._last: Pixels | None = None
        self._changed_ns = 0
        self._lives = frozen_ns == 0

    def look(self, pixels: Pixels, now_ns: int) -> bool:
        """Whether this frame may be given out. Raises `SourceLost` for a camera that is frozen."""
        if self._frozen_ns == 0:
            return True
        if self._last is None:
            self._changed_ns = now_ns
        elif not np.array_equal(pixels, self._last):
            self._changed_ns = now_ns
            self._lives = True
        elif now_ns - self._changed_ns >= self._frozen_ns:
            raise SourceLost(
                f"{self._name}: one and the same picture for {self._frozen_ns / 1e9:g} s; "
                "it hangs or is covered: look at its lens, then pull its cable and plug it in again"
            )
        self._last = pixels
        return self._lives
