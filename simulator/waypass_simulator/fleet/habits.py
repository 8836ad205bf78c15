"""What goes wrong with a reader of the fleet, drawn from a seed.

Each reader has one habit; two of the habits are of things that meet. `steps_of` gives what happens to a reader, in the
order of time, each with when it is over again; nothing of it lasts past the end that it is given, so that a fleet comes
to rest.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Habit(StrEnum):
    """How a reader behaves."""

    STEADY = "steady"
    LATE = "late"
    """Joins when the others have been there for long."""
    SLEEPER = "sleeper"
    """Says goodbye, is away for a while, and comes back."""
    FLAPPING = "flapping"
    """Its link breaks, again and again, without a goodbye."""
    REBOOTING = "rebooting"
    """Loses its memory without a goodbye, and begins with what its disk kept."""
    CLOCK = "clock"
    """Somebody sets its clock an hour ahead or back, and later right again."""
    DISK = "disk"
    """Its disk is full for a while; then it writes what it could not."""
    FULL_REBOOTING = "full-rebooting"
    """Its disk is full, and then it loses its memory and its link, and begins without a link with what the disk kept.
    Later there is room, and the link."""
    BROKEN_REBOOTING = "broken-rebooting"
    """The same with a disk that takes nothing at all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """Something that happens `at` seconds after the fleet's start, and is over `lasts` seconds later. `amount`: by how
    many seconds a clock is wrong."""

    at: float
    habit: Habit
    lasts: float
    amount: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class _Manner:
    """Between which lengths, in shares of the pace, it is well and not well."""

    well: tuple[float, float]
    ill: tuple[float, float]


_MANNERS = {
    Habit.SLEEPER: _Manner(well=(0.5, 2.0), ill=(0.5, 2.0)),
    Habit.FLAPPING: _Manner(well=(0.05, 0.5), ill=(0.005, 0.1)),
    Habit.REBOOTING: _Manner(well=(0.5, 2.0), ill=(0.05, 0.3)),
    Habit.CLOCK: _Manner(well=(0.5, 2.0), ill=(0.2, 1.0)),
    Habit.DISK: _Manner(well=(0.5, 2.0), ill=(0.2, 1.0)),
    Habit.FULL_REBOOTING: _Manner(well=(0.5, 2.0), ill=(0.5, 1.5)),
    Habit.BROKEN_REBOOTING: _Manner(well=(0.5, 2.0), ill=(0.5, 1.5)),
}
CLOCK_ERROR = 3600.0


def joins_at(habit: Habit, rng: random.Random, until: float) -> float:
    """When a reader connects first, in seconds after the fleet's start."""
    return rng.uniform(0.3, 0.7) * until if habit is Habit.LATE else 0.0


def steps_of(habit: Habit, rng: random.Random, *, pace: float, until: float) -> Iterator[Step]:
    """What happens to one reader before `until`; `pace` is about how many seconds lie between two things."""
    manner = _MANNERS.get(habit)
    if manner is None:
        return
    at = rng.uniform(*manner.well) * pace
    while True:
        lasts = rng.uniform(*manner.ill) * pace
        if at + lasts > until:
            return
        amount = rng.choice((-CLOCK_ERROR, CLOCK_ERROR)) if habit is Habit.CLOCK else 0.0
        yield Step(at=at, habit=habit, lasts=lasts, amount=amount)
        at += lasts + rng.uniform(*manner.well) * pace
