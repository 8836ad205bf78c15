"""Counts of what the lanes decided: by outcome each minute, by reason each hour, with a histogram of latency.

Minutes and hours begin at whole minutes and hours of the reader's clock. A period is given out when another has begun
(also an earlier one, when the clock was set back), and only if anything was counted in it. Reasons under 5 are merged
before they leave. Nothing else about a decision is kept.

The totals since start are made of the periods that ended, in the same way: nobody who asks often learns more by it.

A lane that staff opened counts too, as an outcome and by the reason that they gave; the latency is that of decisions.
How openings ended is counted beside them in minutes (`passed`, `annulled`, `opened`, `unasked`), and so is each time
that the crowd's key was turned (`crowd`) or the emergency release was pressed (`release`).
"""

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from waypass_protocol.messages import (
    CROWD,
    LATENCY_BOUNDS_MS,
    OVERRIDE,
    RELEASE,
    HourCounts,
    MinuteCounts,
    PassageEnd,
    merge_small,
)
from waypass_protocol.reasons import Outcome, OverrideReason, Reason

MINUTE = 60
HOUR = 3600


@dataclass(frozen=True, kw_only=True, slots=True)
class Totals:
    """What the periods that ended since start come to: outcomes and latency by minutes, reasons by hours."""

    outcomes: Mapping[str, int]
    reasons: Mapping[str, int]
    fewer: int
    latency: tuple[int, ...]
    latency_sum_ms: float


class Counts:
    """The counts of one reader's lanes. Used from any thread; `now` is UNIX seconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._done: list[MinuteCounts | HourCounts] = []
        self._minute = self._hour = 0
        self._outcomes: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._latency = [0] * (len(LATENCY_BOUNDS_MS) + 1)
        self._totals = _Running()

    def note(self, outcome: Outcome, reason: Reason, *, milliseconds: float, now: float) -> None:
        """Count one decision; `milliseconds` from frame to decision."""
        with self._lock:
            self._turn(now)
            self._outcomes[outcome.value] += 1
            self._reasons[reason.value] += 1
            bucket = bisect_left(LATENCY_BOUNDS_MS, milliseconds)
            self._latency[bucket] += 1
            self._totals.note_latency(bucket, milliseconds)

    def note_override(self, reason: OverrideReason, *, now: float) -> None:
        """Count one opening by staff."""
        with self._lock:
            self._turn(now)
            self._outcomes[OVERRIDE] += 1
            self._reasons[f"{OVERRIDE}-{reason.value}"] += 1

    def note_passage(self, how: PassageEnd, *, now: float) -> None:
        """Count how one opening ended, or that somebody walked through without one."""
        self._note(how.value, now)

    def note_crowd(self, *, now: float) -> None:
        """Count one turn of the crowd's key."""
        self._note(CROWD, now)

    def note_release(self, *, now: float) -> None:
        """Count one emergency."""
        self._note(RELEASE, now)

    def take_finished(self, now: float) -> list[MinuteCounts | HourCounts]:
        """The periods that ended since this was last asked; each is given out once."""
        with self._lock:
            self._turn(now)
            done, self._done = self._done, []
            return done

    def totals(self, now: float) -> Totals:
        """What all periods that ended come to."""
        with self._lock:
            self._turn(now)
            return self._totals.ended()

    def take_all(self) -> list[MinuteCounts | HourCounts]:
        """The same, and the periods under way too: for the end of a run."""
        with self._lock:
            self._end_minute()
            self._end_hour()
            done, self._done = self._done, []
            return done

    def _note(self, what: str, now: float) -> None:
        with self._lock:
            self._turn(now)
            self._outcomes[what] += 1

    def _turn(self, now: float) -> None:
        """Begin the minute and hour of `now`, if others are under way."""
        minute, hour = int(now) // MINUTE * MINUTE, int(now) // HOUR * HOUR
        if minute != self._minute:
            self._end_minute()
            self._minute = minute
        if hour != self._hour:
            self._end_hour()
            self._hour = hour

    def _end_minute(self) -> None:
        if self._outcomes:
            self._done.append(MinuteCounts(start=self._minute, outcomes=dict(self._outcomes)))
            self._totals.end_minute(self._outcomes)
            self._outcomes.clear()

    def _end_hour(self) -> None:
        if self._reasons:
            reasons, fewer = merge_small(self._reasons)
            hour = HourCounts(start=self._hour, reasons=reasons, fewer=fewer, latency=tuple(self._latency))
            self._done.append(hour)
            self._totals.end_hour(reasons, fewer)
            self._reasons.clear()
            self._latency = [0] * len(self._latency)


class _Running:
    """The totals, and the latency of the minute under way."""

    def __init__(self) -> None:
        buckets = len(LATENCY_BOUNDS_MS) + 1
        self._outcomes: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._fewer = 0
        self._latency, self._minute_latency = [0] * buckets, [0] * buckets
        self._sum_ms = self._minute_sum_ms = 0.0

    def note_latency(self, bucket: int, milliseconds: float) -> None:
        self._minute_latency[bucket] += 1
        self._minute_sum_ms += milliseconds

    def end_minute(self, outcomes: Mapping[str, int]) -> None:
        self._outcomes.update(outcomes)
        self._latency = [total + one for total, one in zip(self._latency, self._minute_latency, strict=True)]
        self._minute_latency = [0] * len(self._latency)
        self._sum_ms += self._minute_sum_ms
        self._minute_sum_ms = 0.0

    def end_hour(self, reasons: Mapping[str, int], fewer: int) -> None:
        self._reasons.update(reasons)
        self._fewer += fewer

    def ended(self) -> Totals:
        return Totals(
            outcomes=dict(self._outcomes),
            reasons=dict(self._reasons),
            fewer=self._fewer,
            latency=tuple(self._latency),
            latency_sum_ms=self._sum_ms,
        )
