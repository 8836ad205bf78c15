"""Limits on how many people may be worsened, as the public may see them: how near, alarms, and who changed one.

1. how many people count is told in fives (`few.in_fives`), and that a limit is passed only where five or more do
2. alarms are public, with what they are about; of fewer than five people they give no number
3. who changed a limit is said by role and authority, never by name
4. a basis is named as it is, or last was, in force; one that never was is not shown
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from waypass_server import worsening
from waypass_server.few import FEW, few, in_fives
from waypass_server.models.lists_of_people import Basis, BasisVersion, VersionState
from waypass_server.models.network import Authority, Staff
from waypass_server.models.worsening import Alarm, Level, LimitChange, Window, WorsenedSum
from waypass_server.worsening import Standing, Subject

DAYS = 30
NEWEST = 50
_DAY = 86_400


@dataclass(frozen=True, kw_only=True, slots=True)
class Name:
    """What a limit counts over: the basis's title or the authority; `detail` is the authority of a basis."""

    name: str | None
    detail: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sum:
    """How near one limit is. `people` is rounded down to fives; None: 1 to 4."""

    limit: int
    people: int | None
    passed: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class LimitRow:
    """The two limits of one subject."""

    level: Level
    name: Name
    day: Sum
    month: Sum


@dataclass(frozen=True, kw_only=True, slots=True)
class Day:
    """How many people were worsened on a day (UTC), rounded down to fives; None: 1 to 4."""

    starts: int
    people: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class AlarmRow:
    """A limit that was passed. `people` None: 1 to 4."""

    at: int
    level: Level
    name: Name
    window: Window
    people: int | None
    limit: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """Somebody proposed a change of a limit or agreed to it: as what, for whom, when."""

    at: int
    roles: tuple[str, ...]
    authority: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """A change of a limit, with everybody who had a part in it; `state` is that of `worsening.state_of`."""

    level: Level
    name: Name
    window: Window
    before: int
    value: int
    state: str
    steps: tuple[Step, ...]
    in_force_at: int | None
    withdrawn_at: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """All of it. `days` are the network's last 30, beside its limit of 24 hours."""

    rows: tuple[LimitRow, ...]
    days: tuple[Day, ...]
    day_limit: int
    alarms: tuple[AlarmRow, ...]
    changes: tuple[Change, ...]

    @property
    def highest(self) -> int:
        """What the plot's height stands for."""
        return max(self.day_limit, *(day.people or 0 for day in self.days))


def look(session: Session, network_id: int, now: int) -> Limits:
    """The limits now."""
    names = _names(session, network_id)
    network = Subject(network_id=network_id, level=Level.NETWORK)
    return Limits(
        rows=tuple(_rows(session, network_id, names, now)),
        days=tuple(_days(session, network_id, now)),
        day_limit=worsening.limit_of(session, network, Window.DAY, now),
        alarms=tuple(_alarms(session, network_id, names)),
        changes=tuple(_changes(session, network_id, names, now)),
    )


def _names(session: Session, network_id: int) -> dict[tuple[Level, int], Name]:
    """The network, its authorities, its bases (rule 4)."""
    authorities = select(Authority.id, Authority.name).where(Authority.network_id == network_id)
    bases = (
        select(Basis.id, BasisVersion.title, Authority.name)
        .join(BasisVersion, BasisVersion.basis_id == Basis.id)
        .join(Authority, Authority.id == Basis.authority_id)
        .where(Basis.network_id == network_id)
        .where(BasisVersion.state.in_([VersionState.IN_FORCE, VersionState.REPLACED]))
        .order_by(Basis.id, BasisVersion.number)
    )
    found = {(Level.NETWORK, 0): Name(name=None)}
    for number, name in session.execute(authorities.order_by(Authority.name)):
        found[Level.AUTHORITY, number] = Name(name=name)
    for number, title, name in session.execute(bases):
        found[Level.BASIS, number] = Name(name=title, detail=name)
    return found


def _rows(session: Session, network_id: int, names: Mapping[tuple[Level, int], Name], now: int) -> Iterator[LimitRow]:
    for (level, number), name in names.items():
        subject = Subject(network_id=network_id, level=level, id=number)
        sums = {one.window: _sum(one) for one in worsening.standings(session, [subject], now)}
        yield LimitRow(level=level, name=name, day=sums[Window.DAY], month=sums[Window.MONTH])


def _sum(one: Standing) -> Sum:
    """Rule 1."""
    return Sum(limit=one.limit, people=in_fives(one.people), passed=one.people > one.limit and one.people >= FEW)


def _days(session: Session, network_id: int, now: int) -> Iterator[Day]:
    """The last 30 days of the network; the present one is not over yet."""
    today = now - now % _DAY
    first = today - (DAYS - 1) * _DAY
    query = select(WorsenedSum.bucket, WorsenedSum.people).where(
        WorsenedSum.network_id == network_id, WorsenedSum.level == Level.NETWORK, WorsenedSum.bucket >= first
    )
    found: Counter[int] = Counter()
    for bucket, people in session.execute(query):
        found[bucket - bucket % _DAY] += people
    for starts in range(first, today + 1, _DAY):
        yield Day(starts=starts, people=in_fives(found[starts]))


def _alarms(session: Session, network_id: int, names: Mapping[tuple[Level, int], Name]) -> Iterator[AlarmRow]:
    """The newest first (rule 2)."""
    query = select(Alarm).where(Alarm.network_id == network_id).order_by(Alarm.id.desc()).limit(NEWEST)
    for row in session.scalars(query):
        yield AlarmRow(
            at=row.at,
            level=row.level,
            name=_name(names, row.level, row.subject_id),
            window=row.window,
            people=few(row.people),
            limit=row.limit,
        )


def _changes(session: Session, network_id: int, names: Mapping[tuple[Level, int], Name], now: int) -> Iterator[Change]:
    """The newest first (rule 3)."""
    query = select(LimitChange).where(LimitChange.network_id == network_id).order_by(LimitChange.id.desc())
    for row in session.scalars(query.limit(NEWEST)):
        yield Change(
            level=row.level,
            name=_name(names, row.level, row.subject_id),
            window=row.window,
            before=row.before,
            value=row.value,
            state=worsening.state_of(row, now),
            steps=tuple(_steps(session, row)),
            in_force_at=row.in_force_at,
            withdrawn_at=row.withdrawn_at,
        )


def _steps(session: Session, row: LimitChange) -> Iterator[Step]:
    taken = ((row.proposed_by, row.proposed_at), (row.second_by, row.second_at), (row.third_by, row.third_at))
    for staff_id, at in taken:
        if staff_id is None or at is None:
            continue
        one = session.get_one(Staff, staff_id)
        authority = None if one.authority_id is None else session.get_one(Authority, one.authority_id).name
        yield Step(at=at, roles=tuple(one.roles), authority=authority)


def _name(names: Mapping[tuple[Level, int], Name], level: Level, number: int) -> Name:
    """By its number, if it has no name that may be shown."""
    return names.get((level, number), Name(name=str(number)))
