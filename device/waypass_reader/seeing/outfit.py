"""What the eyes of a reader's lanes have besides frames: stages that not every gate has, and who is told of faults."""

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from waypass_reader.clock import Clock
from waypass_reader.log import Log, ReportLimiter
from waypass_reader.seeing.joining import Joiner
from waypass_reader.seeing.wechat import ReadFrame

MINUTE = 60


def _no_stage(_lane: str) -> ReadFrame | None:
    return None


def _nobody(_lane: str, _error: Exception) -> None:
    """Nobody is told."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outfit:
    """`open_wechat` is asked once by each eye, by the name of its lane, and raises nothing; None leaves the stage out.
    `joining_failed` is told, from the joining's thread, of an error that nobody foresaw. `make_joiner` makes what
    joins."""

    open_wechat: Callable[[str], ReadFrame | None] = field(default=_no_stage)
    joining_failed: Callable[[str, Exception], None] = field(default=_nobody)
    make_joiner: Callable[[], Joiner] = Joiner


class JoiningFaults:
    """Errors that nobody foresaw in joining frames: logged by their kind, at most once a minute each, and counted.

    The counts move when a minute is over, as all of the reader's do: frames are joined when somebody stands there."""

    def __init__(self, *, clock: Clock, log: Log) -> None:
        self._clock = clock
        self._log = log
        self._reports = ReportLimiter()
        self._lock = threading.Lock()
        self._told: Counter[str] = Counter()
        self._fresh: Counter[str] = Counter()
        self._minute = 0

    def note(self, lane: str, error: Exception) -> None:
        """One more. From any thread."""
        kind = type(error).__name__
        with self._lock:
            self._turn_minute()
            self._fresh[lane] += 1
        if self._reports.note(f"{lane}: {kind}", now_ns=self._clock.monotonic_ns()):
            self._log.warning("an unforeseen error in joining frames; they are dropped", lane=lane, kind=kind)

    def totals(self) -> Mapping[str, int]:
        """By lane, since start, up to the last whole minute."""
        with self._lock:
            self._turn_minute()
            return dict(self._told)

    def _turn_minute(self) -> None:
        minute = int(self._clock.now()) // MINUTE
        if minute != self._minute:
            self._minute = minute
            self._told += self._fresh
            self._fresh.clear()
