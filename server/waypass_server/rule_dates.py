"""The dates that rules wait for: none that no shadow run sees.

A shadow run looks `shadow.AHEAD` seconds ahead, and whom rules turn later by a date of their own is counted nowhere. So
a rule that compares with the clock and gives something is refused when it is proposed, if it

1. names a date from which `plusTime` or `dccDateOfBirth` may make a time, and that date with the two largest amounts of
   `plusTime` is not within `AHEAD`. A comparison is of two times, each with one amount, so by then it is decided; a
   month is 31 days here and a year 366
2. compares two times of the clock, and adds months or years: how many days those are changes on dates of the calendar
   that nobody wrote down
3. adds more than `MOST_YEARS`: at some date the clock is then past the last year that there is, and the rule fails

What a rule makes of a fact's own date is as it is meant: a certificate grows old, whenever it was issued. Which texts
become times is seen from the form alone: those below the first operand of `plusTime` or `dccDateOfBirth`; with
`reduce`, which hands values on by name, all of them.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from waypass_server.certlogic import CertLogicError
from waypass_server.certlogic.times import read_time
from waypass_server.errors import ServerError
from waypass_server.shadow import AHEAD

CLOCK = "validationClock"
MOST_YEARS = 1000
_SECONDS = {"hour": 3600, "day": 86_400, "month": 31 * 86_400, "year": 366 * 86_400}
_COMPARISONS = ("before", "after", "not-after", "not-before")
_SEPARATORS = re.compile("[/#:]")
"""At which `extractFromUVCI` takes a text apart."""


class HiddenDate(ServerError):
    """A rule may wait for a date that no shadow run sees."""


def check_dates(logic: Any, now: int) -> None:
    """`logic` is an expression whose form was checked. Raises `HiddenDate` by the module's rules."""
    if not any(_is_clock(path) for path in _paths(logic)):
        return
    folds = any(_operands(logic, "reduce"))
    latest = max((date for text in _texts(logic, folds=folds) for date in _dates_in(text)), default=None)
    added = [(abs(int(operands[1])), str(operands[2])) for operands in _operands(logic, "plusTime")]
    amounts = sorted(amount * _SECONDS[unit] for amount, unit in added)
    if amounts and amounts[-1] > MOST_YEARS * _SECONDS["year"]:
        raise HiddenDate(f"expected at most {MOST_YEARS} years to add in a rule with the clock, got more")
    if latest is not None and latest + sum(amounts[-2:]) >= now + AHEAD:
        raise HiddenDate(
            f"expected a date that comes before {_day(now + AHEAD)} with the two largest amounts of plusTime, so that "
            f"a shadow run can count whom it turns, got {_day(latest)} with {-(-sum(amounts[-2:]) // 86_400)} days; "
            f"propose it within {AHEAD // 86_400} days of that"
        )
    calendar = any(amount and unit in ("month", "year") for amount, unit in added)
    compared = [operands for name in _COMPARISONS for operands in _operands(logic, name)]
    if calendar and any(_clocks(operands, folds=folds) > 1 for operands in compared):
        raise HiddenDate(
            "expected days or hours where times of the clock are compared with each other, got months or years, whose "
            "length changes by the calendar"
        )


def _operands(logic: Any, name: str) -> list[list[Any]]:
    """Of each operation of this name, in whatever it stands."""
    return [part[name] for part in _parts(logic) if isinstance(part, dict) and name in part]


def _parts(logic: Any) -> Iterator[Any]:
    waiting = [logic]
    while waiting:
        part = waiting.pop()
        yield part
        if isinstance(part, dict):
            waiting += [operands for name, operands in part.items() if name != "var"]
        elif isinstance(part, list):
            waiting += part


def _paths(logic: Any) -> Iterator[str]:
    return (part["var"] for part in _parts(logic) if isinstance(part, dict) and "var" in part)


def _is_clock(path: str) -> bool:
    """Nothing but `var` takes something out of an object, so whatever sees the clock names it last."""
    return path.rpartition(".")[2] == CLOCK


def _texts(logic: Any, *, folds: bool) -> Iterator[str]:
    """Those that may become times."""
    made = [*_operands(logic, "plusTime"), *_operands(logic, "dccDateOfBirth")]
    sources = [logic] if folds else [operands[0] for operands in made]
    return (part for source in sources for part in _parts(source) if isinstance(part, str))


def _dates_in(text: str) -> Iterator[float]:
    for part in {text, *_SEPARATORS.split(text)}:
        try:
            yield read_time(part).at.timestamp()
        except CertLogicError:
            continue


def _clocks(operands: list[Any], *, folds: bool) -> int:
    """How many of these may be the clock's."""
    return sum(any(_is_clock(path) or (folds and _is_folded(path)) for path in _paths(operand)) for operand in operands)


def _is_folded(path: str) -> bool:
    """What `reduce` hands on, or a part of an array: an object of these is from the data, and its parts have names."""
    last = path.rpartition(".")[2]
    return last in ("", "current", "accumulator") or last.isdecimal()


def _day(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}"
