"""The reader's log: one JSON object a line, on standard error.

No pass, index, key or person stands in it, at any level: what is logged is what became of a part of the reader, and a
reason code. The same refusal is logged at most once a minute (`ReportLimiter`), and always counted.
"""

import threading
from collections import Counter
from typing import Protocol, TextIO

import structlog

QUIET_NS = 60 * 10**9


class Log(Protocol):
    """What the parts of the reader say things to."""

    def info(self, event: str, **values: object) -> object:
        """Something happened, as it should."""

    def warning(self, event: str, **values: object) -> object:
        """Something happened that somebody should look at."""


def make_log(stream: TextIO, **context: object) -> Log:
    """A log of JSON lines; `context` stands in every line."""
    log = structlog.wrap_logger(
        structlog.WriteLogger(stream),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
    )
    bound: Log = log.bind(**context)
    return bound


class RecordingLog:
    """A log that remembers its lines: for tests and dry runs. Written from any thread."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, object]]] = []

    def info(self, event: str, **values: object) -> None:
        """Remember it."""
        self.lines.append((event, values))

    def warning(self, event: str, **values: object) -> None:
        """Remember it."""
        self.lines.append((event, values))

    @property
    def events(self) -> list[str]:
        """The events, in their order."""
        return [event for event, _ in self.lines]


class ReportLimiter:
    """Counts reasons, and says which of them to log: each at most once a minute. Used from any thread."""

    def __init__(self, *, quiet_ns: int = QUIET_NS) -> None:
        self._quiet_ns = quiet_ns
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._logged_ns: dict[str, int] = {}

    def note(self, reason: str, *, now_ns: int) -> bool:
        """Count one; whether it should be logged. `now_ns` is monotonic."""
        with self._lock:
            self._counts[reason] += 1
            last = self._logged_ns.get(reason)
            if last is not None and now_ns - last < self._quiet_ns:
                return False
            self._logged_ns[reason] = now_ns
            return True

    def counts(self) -> dict[str, int]:
        """How often each reason came since start."""
        with self._lock:
            return dict(self._counts)
