"""Counts: what leaves a reader about the people who came."""

import pytest

from waypass_protocol.messages import LATENCY_BOUNDS_MS, HourCounts, MinuteCounts
from waypass_protocol.reasons import Outcome, OverrideReason, Reason
from waypass_reader.counts import Counts

MINUTE = 1_800_000_000 // 60 * 60
HOUR = 1_800_000_000 // 3600 * 3600


def note(counts: Counts, reason: Reason, outcome: Outcome, *, now: float, ms: float = 1.0, times: int = 1) -> None:
    for _ in range(times):
        counts.note(outcome, reason, milliseconds=ms, now=now)


def test_a_minute_is_given_out_once_when_it_is_over() -> None:
    counts = Counts()
    note(counts, Reason.GREEN, Outcome.OPEN, now=MINUTE + 1, times=2)
    note(counts, Reason.RED, Outcome.REFUSE, now=MINUTE + 59.9)
    assert counts.take_finished(MINUTE + 59.9) == []
    expected = [MinuteCounts(start=MINUTE, outcomes={"open": 2, "refuse": 1})]
    assert counts.take_finished(MINUTE + 60) == expected
    assert counts.take_finished(MINUTE + 120) == []


def test_an_hour_has_reasons_with_the_small_ones_merged() -> None:
    counts = Counts()
    note(counts, Reason.GREEN, Outcome.OPEN, now=HOUR, times=5)
    note(counts, Reason.RED, Outcome.REFUSE, now=HOUR, times=4)
    note(counts, Reason.YELLOW, Outcome.ASSIST, now=HOUR, times=1)
    (hour,) = [each for each in counts.take_finished(HOUR + 3600) if isinstance(each, HourCounts)]
    assert (hour.start, hour.reasons, hour.fewer) == (HOUR, {"green": 5}, 5)
    assert sum(hour.latency) == 10


@pytest.mark.parametrize(
    ("milliseconds", "bucket"), [(0.0, 0), (5.0, 0), (5.1, 1), (500.0, len(LATENCY_BOUNDS_MS) - 1), (501.0, -1)]
)
def test_latency_falls_into_its_bucket(milliseconds: float, bucket: int) -> None:
    counts = Counts()
    note(counts, Reason.GREEN, Outcome.OPEN, now=HOUR, ms=milliseconds)
    (hour,) = [each for each in counts.take_all() if isinstance(each, HourCounts)]
    assert hour.latency[bucket] == sum(hour.latency) == 1


def test_a_clock_that_is_set_back_ends_the_minute() -> None:
    counts = Counts()
    note(counts, Reason.GREEN, Outcome.OPEN, now=MINUTE)
    note(counts, Reason.GREEN, Outcome.OPEN, now=MINUTE - 600)
    starts = [each.start for each in counts.take_all() if isinstance(each, MinuteCounts)]
    assert starts == [MINUTE, MINUTE - 600]


@pytest.mark.parametrize("reason", list(OverrideReason))
def test_an_opening_by_staff_counts_as_an_outcome_and_by_its_reason(reason: OverrideReason) -> None:
    counts = Counts()
    for _ in range(5):
        counts.note_override(reason, now=HOUR)
    minute, hour = counts.take_all()
    assert minute == MinuteCounts(start=HOUR, outcomes={"override": 5})
    assert getattr(hour, "reasons", None) == {f"override-{reason.value}": 5}
    assert sum(getattr(hour, "latency", [1])) == 0


def test_few_openings_by_staff_are_merged_with_other_small_numbers() -> None:
    counts = Counts()
    counts.note_override(OverrideReason.CROWDING, now=HOUR)
    note(counts, Reason.RED, Outcome.REFUSE, now=HOUR)
    (hour,) = [each for each in counts.take_all() if isinstance(each, HourCounts)]
    assert (hour.reasons, hour.fewer) == ({}, 2)
