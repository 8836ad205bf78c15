"""What a gate knows about itself, from its lists, its clock and its camera."""

import pytest

from waypass_protocol.messages import HeldRow
from waypass_protocol.policy import Policy, WhenStale
from waypass_reader.condition import in_steps, judge_condition

POLICY = Policy(fresh=900, stale=86_400)
STRICT = Policy(fresh=900, stale=86_400, when_stale=WhenStale.ASSIST)


def row(age: int | None) -> HeldRow:
    return HeldRow(uri="https://lists.example/1", version=1, digest="00" * 32, age=age, since=0.0)


@pytest.mark.parametrize(
    ("name", "ages", "policy", "age", "well", "by_hand"),
    [
        ("fresh", [0, 59], POLICY, 0, True, False),
        ("the oldest counts", [60, 899], POLICY, 840, True, False),
        ("fresh to the second", [900], POLICY, 900, True, False),
        ("past it, and still opening", [901], POLICY, 900, False, False),
        ("past it, where the policy opens nothing then", [901], STRICT, 900, False, True),
        ("stale to the second", [86_400], POLICY, 86_400, False, False),
        ("stale", [86_401], POLICY, 86_400, False, True),
        ("one of unknown age", [0, None], POLICY, None, False, True),
        ("none", [], POLICY, None, False, True),
    ],
)
def test_lists(name: str, ages: list[int | None], policy: Policy, age: int | None, well: bool, by_hand: bool) -> None:
    rows = [row(each) for each in ages]
    got = judge_condition(rows, policy=policy, clock_trusted=True, camera_well=True)
    assert (got.lists, got.age, got.lists_well, got.by_hand) == (len(ages), age, well, by_hand), name


def test_a_clock_that_is_not_trusted_leaves_the_checks_to_staff_and_a_camera_does_not() -> None:
    clock = judge_condition([row(0)], policy=POLICY, clock_trusted=False, camera_well=True)
    assert (clock.clock_well, clock.camera_well, clock.by_hand) == (False, True, True)
    camera = judge_condition([row(0)], policy=POLICY, clock_trusted=True, camera_well=False)
    assert (camera.clock_well, camera.camera_well, camera.by_hand) == (True, False, False)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, 0), (59, 0), (60, 60), (3599, 3540), (3600, 3600), (7199, 3600), (172_799, 169_200), (172_800, 172_800)],
)
def test_ages_are_told_in_steps(seconds: int, told: int) -> None:
    assert in_steps(seconds) == told
    assert in_steps(told) == told
