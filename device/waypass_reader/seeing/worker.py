"""Joining off the fast path: a thread for each lane that takes frames when it is free.

- `offer` never waits. At most `_WAITING` frames wait; an older one makes room for a newer one.
- After a search that found no symbol the thread rests as long as it worked, so that a lively hall does not cost a core.
- Where the symbol is, and a hint, are told before its modules are read, which takes longer: a hint that is a second
  old is none.
- `forget` drops all frames, and what comes of those that are being worked on.
- Without a new frame for a second, everything is dropped.
- An error that nobody foresaw costs the frames that were joined, and whoever made the worker is told of it. Were it to
  end the thread, the lane would go on without joining and without hints, and nobody would know.
- The thread runs at a lower priority than the lane's, where the system lets it.
"""

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from waypass_reader.frames.base import Pixels
from waypass_reader.hints import Hint
from waypass_reader.seeing.hints import hint_for
from waypass_reader.seeing.joining import Joiner

_WAITING: Final = 5
_KEEP_SECONDS: Final = 1.0
_LONGEST_REST: Final = 0.5
_THOROUGH_AFTER: Final = 3
_NICENESS: Final = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What came of frames, the newest of which was taken at `at_ns`: a text, or where the symbol is and a hint."""

    at_ns: int
    text: str | None
    hint: Hint | None
    corners: tuple[tuple[float, float], ...]
    """In the frame's pixels; empty when no symbol was found."""


class JoiningWorker:
    """One lane's thread, which starts with the first frame. Its methods are for the lane's own thread."""

    def __init__(
        self,
        *,
        name: str,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        make_joiner: Callable[[], Joiner] = Joiner,
        failed: Callable[[Exception], None] = lambda _error: None,
    ) -> None:
        """`failed` is called from the worker's thread."""
        self._clock_ns = clock_ns
        self._make_joiner = make_joiner
        self._failed = failed
        self._changed = threading.Condition()
        self._waiting: deque[tuple[Pixels, int]] = deque(maxlen=_WAITING)
        self._outcome: Outcome | None = None
        self._generation = 0
        self._closed = False
        self._thread = threading.Thread(target=self._work, name=f"joining of {name}", daemon=True)
        self._started = False

    def offer(self, pixels: Pixels, *, at_ns: int) -> None:
        """A frame that was not read by itself."""
        with self._changed:
            self._waiting.append((np.array(pixels), at_ns))
            self._changed.notify()
        if not self._started and not self._closed:
            self._started = True
            self._thread.start()

    def take(self) -> Outcome | None:
        """What came of the frames so far, once."""
        with self._changed:
            outcome, self._outcome = self._outcome, None
            return outcome

    def forget(self) -> None:
        """Drops everything: what was in view was read, or has left."""
        with self._changed:
            self._waiting.clear()
            self._outcome = None
            self._generation += 1
            self._changed.notify()

    def close(self) -> None:
        """Ends the thread, and waits for it."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify()
        if self._started:
            self._thread.join()

    def _work(self) -> None:
        with contextlib.suppress(OSError):  # where priorities are not ours to change, the thread runs like others
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
        joiner = self._make_joiner()
        generation, fruitless = 0, 0
        while True:
            with self._changed:
                if not self._waiting and not self._closed and generation == self._generation:
                    fresh = self._changed.wait(_KEEP_SECONDS)
                    if not fresh:
                        joiner.forget()
                if self._closed:
                    return
                if generation != self._generation:
                    joiner.forget()
                    generation, fruitless = self._generation, 0
                frames = list(self._waiting)
                self._waiting.clear()
            if not frames:
                continue
            started = time.perf_counter()
            try:
                found = self._join(joiner, frames, generation, thorough=fruitless >= _THOROUGH_AFTER)
            except Exception as error:  # noqa: BLE001 - the module's docstring says why
                self._failed(error)
                joiner, found = self._make_joiner(), False
            fruitless = 0 if found or fruitless >= _THOROUGH_AFTER else fruitless + 1
            if not found:
                self._rest(min(time.perf_counter() - started, _LONGEST_REST))

    def _join(self, joiner: Joiner, frames: list[tuple[Pixels, int]], generation: int, *, thorough: bool) -> bool:
        """Whether a symbol was found."""
        placed = self._place(joiner, frames, thorough=thorough)
        self._tell(placed, generation)
        text = joiner.read()
        if text is not None:
            self._tell(Outcome(at_ns=placed.at_ns, text=text, hint=None, corners=()), generation)
        return bool(placed.corners) or text is not None

    def _tell(self, outcome: Outcome, generation: int) -> None:
        with self._changed:
            if generation == self._generation:
                self._outcome = outcome

    def _rest(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        with self._changed:
            while not self._closed and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(left)

    def _place(self, joiner: Joiner, frames: list[tuple[Pixels, int]], *, thorough: bool) -> Outcome:
        """Where the symbol is, and a hint."""
        earlier_ns = joiner.newest_ns if len(joiner) else frames[0][1]
        for pixels, at_ns in frames[:-1]:
            joiner.add(pixels, at_ns=at_ns)
            earlier_ns = at_ns
        pixels, at_ns = frames[-1]
        joined = joiner.add(pixels, at_ns=at_ns, thorough=thorough)
        if joined.pose is None:
            return Outcome(at_ns=at_ns, text=None, hint=None, corners=())
        scale = joined.pixels.shape[1] / pixels.shape[1]
        seconds = (at_ns - earlier_ns) / 1e9
        hint = hint_for(joined.pixels, joined.pose, earlier=joined.earlier, seconds=seconds, scale=scale)
        corners = tuple((float(x) / scale, float(y) / scale) for x, y in joined.pose.corners)
        return Outcome(at_ns=at_ns, text=None, hint=hint, corners=corners)
