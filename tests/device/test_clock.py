"""The clock, and whether it may be believed."""

import time
from pathlib import Path

import pytest

from waypass_reader.clock import TIME_ERROR, ManualClock, SystemClock, kernel_synchronised, read_adjtimex


@pytest.mark.parametrize(("state", "synchronised"), [(0, True), (1, True), (4, True), (TIME_ERROR, False)])
def test_the_kernel_knows(tmp_path: Path, state: int, synchronised: bool) -> None:
    assert kernel_synchronised(lambda: state, mark=tmp_path / "none") is synchronised


def test_without_the_kernel_the_mark_of_timesyncd_counts(tmp_path: Path) -> None:
    mark = tmp_path / "synchronized"
    assert not kernel_synchronised(lambda: -1, mark=mark)
    mark.touch()
    assert kernel_synchronised(lambda: -1, mark=mark)
    assert not kernel_synchronised(lambda: TIME_ERROR, mark=mark)


def test_this_machine_answers() -> None:
    assert read_adjtimex() in range(-1, TIME_ERROR + 1)


def test_the_system_clock_is_the_systems() -> None:
    clock = SystemClock(synchronised=lambda: True)
    before, before_ns = time.time(), time.monotonic_ns()
    now, now_ns = clock.now(), clock.monotonic_ns()
    assert before <= now <= time.time()
    assert before_ns <= now_ns <= time.monotonic_ns()
    assert clock.synchronised()


def test_a_manual_clock_moves_when_it_is_moved() -> None:
    clock = ManualClock(100.0, synchronised=False)
    started = clock.monotonic_ns()
    clock.advance(1.5)
    assert (clock.now(), clock.monotonic_ns() - started) == (101.5, 1_500_000_000)
    clock.step(50.0)
    assert (clock.now(), clock.synchronised()) == (50.0, True)
    assert clock.monotonic_ns() - started == 1_500_000_000
