"""Counts of what the lanes decided: by outcome each minute, by reason each hour, with a histogram of latency.

Minutes and hours begin at whole minutes and hours of the reader's clock. A period is given out when another has begun
(also an earlier one, when the clock was set back), and only if anything was counted in it. Reasons under 5 are merged
before they leave. Nothing else about a decision is kept.

A lane that staff opened counts too, as an outcome and by the reason that they gave; the latency is that of decisions.
"""

import threading
from bisect import bisect_left
from collections import Counter

from waypass_protocol.messages import LATENCY_BOUNDS_MS, OVERRIDE, HourCounts, MinuteCounts, merge_small
from waypass_protocol.reasons import Outcome, OverrideReason, Reason

MINUTE = 60
HOUR = 3600


class Counts:
    """The counts of one reader's lanes. Used from any thread; `now` is UNIX seconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._done: list[MinuteCounts | HourCounts] = []
        self._minute = self._hour = 0
        self._outcomes: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._latency = [0] * (len(LATENCY_BOUNDS_MS) + 1)

    def note(self, outcome: Outcome, reason: Reason, *, milliseconds: float, now: float) -> None:
        """Count one decision; `milliseconds` from frame to decision."""
        with self._lock:
            self._turn(now)
            self._outcomes[outcome.value] += 1
            self._reasons[reason.value] += 1
            self._latency[bisect_left(LATENCY_BOUNDS_MS, milliseconds)] += 1

    def note_override(self, reason: OverrideReason, *, now: float) -> None:
        """Count one opening by staff."""
        with self._lock:
            self._turn(now)
            self._outcomes[OVERRIDE] += 1
            self._reasons[f"{OVERRIDE}-{reason.value}"] += 1

    def take_finished(self, now: float) -> list[MinuteCounts | HourCounts]:
        """The periods that ended since this was last asked; each is given out once."""
        with self._lock:
            self._turn(now)
            done, self._done = self._done, []
            return done

    def take_all(self) -> list[MinuteCounts | HourCounts]:
        """The same, and the periods under way too: for the end of a run."""
        with self._lock:
            self._end_minute()
            self._end_hour()
            done, self._done = self._done, []
            return done

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
            self._outcomes.clear()

    def _end_hour(self) -> None:
        if self._reasons:
            reasons, fewer = merge_small(self._reasons)
            hour = HourCounts(start=self._hour, reasons=reasons, fewer=fewer, latency=tuple(self._latency))
            self._done.append(hour)
            self._reasons.clear()
            self._latency = [0] * len(self._latency)
