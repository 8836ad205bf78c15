"""A scanner as a lane's source: bytes of a device in, whole texts out.

1. what the device sends is read in small pieces and never kept beyond one text: a text has at most one character more
   than a Waypass text may have, enough to be refused for its length; the rest of its line is passed over
2. a text that stops in the middle, because a cable moved, is dropped: after `GAP_NS` of silence a new one begins
3. what is no text, such as line noise, is an unreadable frame (`SourceError`), which a lane passes over
4. a scanner says a text once. What it says while nobody asks, because somebody walks through, is dropped, like
   the frames of a camera then: whoever stands there shows the code again
5. a device that is gone is `SourceLost`, this time and every time after

No text is in any message.
"""

from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Final, Protocol, Self

from waypass_protocol.passes import MAX_TEXT
from waypass_reader.errors import SourceError, SourceLost
from waypass_reader.frames.base import Scan

GAP_NS: Final = 10**9
ASKED_NS: Final = 5 * 10**8
PIECE_BYTES: Final = 4096
# As many as one piece can hold at most are decided anyway; a scanner does not read more codes at once.
WAITING: Final = 8


class Line(Protocol):
    """A scanner's device that has been opened."""

    def read(self, timeout_seconds: float) -> bytes:
        """Some bytes, at most `PIECE_BYTES`; none when none came in time. Raises `SourceLost`."""

    def close(self) -> None:
        """Gives the device back."""


class Reading(Protocol):
    """Turns the bytes of a kind of device into texts."""

    def take(self, piece: bytes) -> list[str | None]:
        """The texts that this piece completes, `None` for each that was no text."""

    def drop(self) -> None:
        """What was begun will not be completed."""


class TextBuilder:
    """One text, as long as it may be (rule 1)."""

    def __init__(self) -> None:
        self._letters: list[str] = []
        self._bad = False

    def add(self, letters: str) -> None:
        """More of it."""
        self._letters.extend(letters[: MAX_TEXT + 1 - len(self._letters)])

    def spoil(self) -> None:
        """Something came that is in no text."""
        self._bad = True

    def end(self) -> list[str | None]:
        """It is complete: the text, `None` for what is none, and nothing for an empty line."""
        text, bad = "".join(self._letters), self._bad
        self.drop()
        if bad:
            return [None]
        return [text] if text else []

    def drop(self) -> None:
        """Begin a new one."""
        self._letters.clear()
        self._bad = False


class TextSource:
    """A source of scans; see the module's docstring. `name` stands for the device in messages."""

    def __init__(self, line: Line, reading: Reading, *, name: str, clock_ns: Callable[[], int]) -> None:
        self._line = line
        self._reading = reading
        self._name = name
        self._clock_ns = clock_ns
        self._waiting: deque[str | None] = deque(maxlen=WAITING)
        self._lost: SourceLost | None = None
        self._closed = False
        self._number = 0
        self._heard_ns = self._asked_ns = clock_ns()

    @property
    def ended(self) -> bool:
        """A scanner ends only by being closed."""
        return self._closed

    def next_frame(self, timeout_seconds: float) -> Scan | None:
        """The next text. Raises `SourceError` for what is none, and `SourceLost`."""
        if self._closed:
            return None
        if self._lost is not None:
            raise self._lost
        try:
            if self._clock_ns() - self._asked_ns >= ASKED_NS:
                self._drop_what_came_meanwhile()
            if not self._waiting:
                self._read(timeout_seconds)
        except SourceLost as error:
            self._lost = error
            raise
        finally:
            self._asked_ns = self._clock_ns()
        return self._give()

    def close(self) -> None:
        """Gives the device back."""
        if not self._closed:
            self._closed = True
            self._waiting.clear()
            self._line.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _give(self) -> Scan | None:
        if not self._waiting:
            return None
        text = self._waiting.popleft()
        if text is None:
            raise SourceError(f"{self._name}: sent something that is no text; check its baud rate and its layout (US)")
        scan = Scan(text=text, at_ns=self._heard_ns, number=self._number)
        self._number += 1
        return scan

    def _read(self, timeout_seconds: float) -> None:
        piece = self._line.read(timeout_seconds)
        now_ns = self._clock_ns()
        if piece:
            if now_ns - self._heard_ns >= GAP_NS:
                self._reading.drop()  # rule 2
            self._heard_ns = now_ns
            self._waiting.extend(self._reading.take(piece))

    def _drop_what_came_meanwhile(self) -> None:
        """Rule 4. A device that never stops sending is not waited for."""
        self._waiting.clear()
        self._reading.drop()
        for _ in range(WAITING):
            if not self._line.read(0):
                break
