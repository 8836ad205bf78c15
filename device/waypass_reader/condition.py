"""What a gate knows about itself, for the corner of its screens: its lists, its clock, a lane's camera.

1. the age of the lists is that of the oldest; one of unknown age makes it unknown, none at all is said as none
2. lists are well up to the policy's `fresh`
3. a gate that knows enough to open for nobody by itself says that staff check by hand: its clock is not trusted, it
   has no list, or the lists' age is one at which its policy opens nothing

Ages are told in steps that a person would tell them in, so that a screen does not change every second. Nothing here is
about a pass or a person, and nothing here decides: `decide()` does, for each pass by its own list.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from waypass_protocol.messages import HeldRow
from waypass_protocol.policy import Policy, WhenStale

MINUTE, HOUR, DAY = 60, 3600, 86_400


@dataclass(frozen=True, kw_only=True, slots=True)
class Condition:
    """`age` is in seconds, rounded down to minutes, hours or days; None when there is none or it is not known."""

    lists: int
    age: int | None
    lists_well: bool
    clock_well: bool
    camera_well: bool
    by_hand: bool

    def as_members(self) -> dict[str, object]:
        """As a screen's event has it."""
        return {
            "lists": {"count": self.lists, "age": self.age, "well": self.lists_well},
            "clock": {"well": self.clock_well},
            "camera": {"well": self.camera_well},
            "by_hand": self.by_hand,
        }


def judge_condition(rows: Sequence[HeldRow], *, policy: Policy, clock_trusted: bool, camera_well: bool) -> Condition:
    """What is known of a gate now."""
    ages = [row.age for row in rows if row.age is not None]
    age = max(ages) if ages and len(ages) == len(rows) else None
    oldest_that_opens = policy.stale if policy.when_stale is WhenStale.OPEN else min(policy.fresh, policy.stale)
    return Condition(
        lists=len(rows),
        age=None if age is None else in_steps(age),
        lists_well=age is not None and age <= policy.fresh,
        clock_well=clock_trusted,
        camera_well=camera_well,
        by_hand=not clock_trusted or age is None or age > oldest_that_opens,
    )


def in_steps(seconds: int) -> int:
    """Whole minutes below an hour, whole hours below two days, then whole days."""
    step = MINUTE if seconds < HOUR else HOUR if seconds < 2 * DAY else DAY
    return max(0, seconds) // step * step
