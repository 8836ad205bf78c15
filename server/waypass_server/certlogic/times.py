"""Dates and times of CertLogic: from texts only, in UTC where no offset is said, to the millisecond.

`Moment` also knows whether it came from the clock, so that an evaluation can say when its value may change:

- a moment that moves is compared with one that stands: until they meet nothing changes, and after that never again
- after adding months or years to the clock the meeting is known to a few days: days are skipped or repeated then, at
  midnight. The look is early, and repeated
"""

import calendar
import math
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta, timezone
from enum import StrEnum

from waypass_server.certlogic.errors import NotADate

LATE_BY = 4 * 86_400
"""Seconds by which a meeting may be off once months or years are added."""

_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?", re.ASCII)
_TIME = re.compile(
    r"(\d{4}-\d{2}-\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,18}))?(?:Z|([+-])(\d{1,2}):?(\d{2})?)?", re.ASCII
)
_LONGEST = 60
_FURTHEST = 10_000 * 366 * 24


class Unit(StrEnum):
    """What can be added to a date-time."""

    YEAR = "year"
    MONTH = "month"
    DAY = "day"
    HOUR = "hour"


class ClockText(str):
    """The time of now, as a text in the data that whoever evaluates puts there. What is made of it moves."""

    __slots__ = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """A date-time. `moves`: it was made of the clock; `exact`: by adding days and hours only."""

    at: datetime
    moves: bool = False
    exact: bool = True

    def text(self) -> str:
        """As JSON shows it."""
        return f"{self.at:%Y-%m-%dT%H:%M:%S}.{self.at.microsecond // 1000:03}Z".rjust(24, "0")


def read_time(text: str) -> Moment:
    """A date, a date-time, or a year or a month, which mean their last day. Raises `NotADate`."""
    found = _TIME.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None:
        return read_date(text)
    day, hour, minute, second, fraction, sign, hours, minutes = found.groups()
    millis = int((fraction or "").ljust(3, "0")[:3])
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0)) * (-1 if sign == "-" else 1)
    try:
        if int(minutes or 0) > 59:
            raise ValueError
        start = datetime.fromisoformat(day)
        local = start.replace(hour=int(hour), minute=int(minute), second=int(second), microsecond=millis * 1000)
        at = local.replace(tzinfo=timezone(offset)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise NotADate("expected a time that there is, such as 2021-06-01T12:00:00Z, got another") from None
    return Moment(at=at, moves=isinstance(text, ClockText))


def read_date(text: str) -> Moment:
    """A date, or a year or a month, which mean their last day. Raises `NotADate`."""
    found = _DATE.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None:
        raise NotADate("expected a date or a date-time such as 2021-06-01T12:00:00Z, got another text")
    year, month, day = (None if part is None else int(part) for part in found.groups())
    assert year is not None
    month = 12 if month is None else month
    try:
        last = calendar.monthrange(year, month)[1] if year else 0
        at = datetime(year, month, last if day is None else day, tzinfo=UTC)
    except (ValueError, OverflowError):  # `calendar` has an error of its own, which is a ValueError
        raise NotADate("expected a date that there is, such as 2021-06-01, got another") from None
    return Moment(at=at, moves=isinstance(text, ClockText))


def add(moment: Moment, amount: int, unit: Unit) -> Moment:
    """Later, or earlier, by so many units. Raises `NotADate` outside of the years 1 to 9999."""
    if abs(amount) > _FURTHEST:
        raise NotADate(f"expected at most {_FURTHEST} units to add, got {abs(amount)}")
    try:
        match unit:
            case Unit.HOUR:
                return replace(moment, at=moment.at + timedelta(hours=amount))
            case Unit.DAY:
                return replace(moment, at=moment.at + timedelta(days=amount))
            case Unit.MONTH | Unit.YEAR:
                at = _add_months(moment.at, amount * (12 if unit is Unit.YEAR else 1))
                return replace(moment, at=at, exact=moment.exact and (amount == 0 or not moment.moves))
    except (ValueError, OverflowError):
        raise NotADate("expected a date of the years 1 to 9999, got one outside") from None


def seconds_to_change(one: Moment, other: Moment) -> int | None:
    """In how many seconds a comparison of the two may come out otherwise; None for never."""
    if one.moves is other.moves:
        inexact = [each for each in (one, other) if not each.exact]
        return _to_midnight(inexact[0]) if inexact else None
    moving, standing = (one, other) if one.moves else (other, one)
    gap = (standing.at - moving.at).total_seconds()
    if gap < (0 if moving.exact else -LATE_BY):
        return None
    if moving.exact or 0 <= gap < _to_midnight(moving):
        return max(1, math.ceil(gap))
    return _to_midnight(moving) if gap <= LATE_BY else math.ceil(gap) - LATE_BY


def _to_midnight(moment: Moment) -> int:
    """Until the clock's midnight: adding months and years keeps the time of day, and skips or repeats whole days."""
    midnight = datetime.combine(moment.at.date(), time.max, tzinfo=UTC)
    return max(1, math.ceil((midnight - moment.at).total_seconds()))


def _add_months(at: datetime, months: int) -> datetime:
    years, month = divmod(at.year * 12 + at.month - 1 + months, 12)
    last = calendar.monthrange(years, month + 1)[1] if 1 <= years <= 9999 else 0
    return at.replace(year=years, month=month + 1, day=min(at.day, last))
