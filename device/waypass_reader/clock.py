"""The time, and whether the system vouches for it.

The kernel keeps the answer: `adjtimex(2)` returns TIME_ERROR while nobody disciplines the clock (NTP, PTP, chrony and
systemd-timesyncd all clear it). Where the call is not to be had, the file that systemd-timesyncd leaves after its first
synchronisation decides; where that is missing too, the clock is not synchronised.

A container or a machine without such a service can't tell. There the configuration may say `assume-synchronised`: then
whoever set the reader up vouches for the clock. The rule about the newest head (`StatusStore.clock_trusted`) holds all
the same.
"""

import ctypes
import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

TIME_ERROR = 5
TIMESYNC_MARK = Path("/run/systemd/timesync/synchronized")
# struct timex has 208 bytes on 64-bit Linux; its first member, `modes`, is 0 for "only read".
_TIMEX_BYTES = 512

Adjtimex = Callable[[], int]


class Clock(Protocol):
    """What the reader asks of time."""

    def now(self) -> float:
        """UNIX seconds."""

    def monotonic_ns(self) -> int:
        """Nanoseconds that never go backwards; only differences mean something."""

    def synchronised(self) -> bool:
        """Whether the system says that `now` is right."""


class SystemClock:
    """The machine's clock; `synchronised` answers for it."""

    def __init__(self, *, synchronised: Callable[[], bool]) -> None:
        self._synchronised = synchronised

    def now(self) -> float:
        """UNIX seconds."""
        return time.time()

    def monotonic_ns(self) -> int:
        """Nanoseconds since some moment."""
        return time.monotonic_ns()

    def synchronised(self) -> bool:
        """What the function that was given says."""
        return self._synchronised()


class ManualClock:
    """A clock that stands still until it is moved: for tests and dry runs."""

    def __init__(self, now: float, *, synchronised: bool = True) -> None:
        self._now = now
        self._monotonic_ns = 10**9
        self._synchronised = synchronised

    def now(self) -> float:
        """UNIX seconds."""
        return self._now

    def monotonic_ns(self) -> int:
        """Nanoseconds."""
        return self._monotonic_ns

    def synchronised(self) -> bool:
        """As it was set."""
        return self._synchronised

    def advance(self, seconds: float) -> None:
        """Time passes."""
        self._now += seconds
        self._monotonic_ns += int(seconds * 1e9)

    def step(self, now: float, *, synchronised: bool = True) -> None:
        """Somebody sets the clock; no time passes."""
        self._now, self._synchronised = now, synchronised


def kernel_synchronised(adjtimex: Adjtimex | None = None, *, mark: Path = TIMESYNC_MARK) -> bool:
    """Whether this machine says that its clock is synchronised, as the module's docstring tells."""
    state = (adjtimex or read_adjtimex)()
    return mark.exists() if state < 0 else state != TIME_ERROR


def read_adjtimex() -> int:
    """The clock state that `adjtimex(2)` returns, or -1 where it can't be asked."""
    function = _adjtimex()
    return -1 if function is None else int(function(ctypes.create_string_buffer(_TIMEX_BYTES)))


@functools.cache  # looked up once: it is asked for every frame
def _adjtimex() -> Callable[[object], int] | None:
    try:
        function: Callable[[object], int] = ctypes.CDLL(None).adjtimex
    except (OSError, AttributeError):
        return None
    return function
