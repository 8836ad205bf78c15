"""The network's figures, as the public may see them.

1. nothing is told of fewer than `FEW` people or cases: such numbers of a table are added up in one row, with the
   smallest of the others where that is still under `FEW`; so no sum tells a small number by what is missing in it. A
   table that has fewer than `FEW` in all says that alone
2. nothing is said of a person, a place, a pass or a member of staff
3. months are calendar months in UTC; the present one is not over yet. Their numbers are rounded down to fives, and how
   many people are listed is not told where a table beside it is withheld: its small number could be worked out
4. limits on how many people may be worsened, their alarms and who changed them are those of `limits`

Not over HTTP for each request: `pages` keeps a look for a while.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from waypass_server.few import FEW, few, in_fives
from waypass_server.life import State
from waypass_server.models.lists_of_people import (
    Basis,
    BasisVersion,
    Effect,
    Entry,
    Exemption,
    Objection,
    ObjectionState,
)
from waypass_server.models.network import Authority
from waypass_server.models.people import Person
from waypass_server.models.records import EmergencyWithdrawal, WithdrawalState
from waypass_server.public import limits
from waypass_server.public.limits import Limits
from waypass_server.withdrawals import A_HOLDER_A_MONTH, DAY, PEOPLE_A_DAY

MONTHS = 12
YEAR = 365 * DAY


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One row of a table. `name` None: those that are too few to be named, together. `count` None: 1 to 4."""

    name: str | None
    detail: str = ""
    count: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Rows, largest first, and their sum; `total` None: 1 to 4."""

    rows: tuple[Row, ...]
    total: int | None

    @property
    def largest(self) -> int:
        """For the length of bars."""
        return max((row.count or 0 for row in self.rows), default=0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Month:
    """How many entries took effect in a month, rounded down to fives; None: 1 to 4."""

    year: int
    month: int
    count: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """One look. Times are UNIX seconds, durations seconds; None where fewer than `FEW` stand behind a number."""

    at: int
    population: int | None
    listed: int | None
    listed_withheld: bool
    share: float | None
    by_basis: dict[Effect, Table]
    objections: Table
    typical_decision: int | None
    slow_decision: int | None
    months: tuple[Month, ...]
    exemptions: int | None
    withdrawals: int | None
    limits: Limits
    people_a_day: int = PEOPLE_A_DAY
    a_holder_a_month: int = A_HOLDER_A_MONTH


def look(session: Session, network_id: int, now: int) -> Figures:
    """The figures now."""
    population = session.execute(select(func.count()).where(Person.network_id == network_id)).scalar_one()
    listed = session.execute(_listed(network_id)).scalar_one()
    by_basis = {effect: _by_basis(session, network_id, effect) for effect in Effect}
    withheld = None in {by_basis[Effect.RED].total, by_basis[Effect.YELLOW].total} and few(listed) is not None
    times = sorted(_decision_times(session, network_id, now))
    told = len(times) >= FEW
    return Figures(
        at=now,
        population=few(population),
        listed=few(listed),
        listed_withheld=withheld,
        share=listed / population if population >= FEW and few(listed) is not None and not withheld else None,
        by_basis=by_basis,
        objections=merged(_objections(session, network_id)),
        typical_decision=times[len(times) // 2] if told else None,
        slow_decision=times[len(times) * 9 // 10] if told else None,
        months=tuple(_months(session, network_id, now)),
        exemptions=few(session.execute(_exemptions(network_id, now)).scalar_one()),
        withdrawals=few(session.execute(_withdrawals(network_id, now)).scalar_one()),
        limits=limits.look(session, network_id, now),
    )


def merged(rows: Iterable[Row]) -> Table:
    """Rule 1 for a table."""
    some = [row for row in rows if row.count]
    shown = [row for row in some if (row.count or 0) >= FEW]
    total = sum(row.count or 0 for row in some)
    ordered = sorted(shown, key=lambda row: (-(row.count or 0), row.name or ""))
    rest = total - sum(row.count or 0 for row in ordered)
    if 0 < rest < FEW and ordered:
        rest += ordered.pop().count or 0
    if rest:
        ordered.append(Row(name=None, count=few(rest)))
    return Table(rows=tuple(ordered), total=few(total))


def _listed(network_id: int) -> Select[int]:
    """People with a red or a yellow of an entry."""
    return select(func.count(func.distinct(Entry.person_id))).where(
        Entry.network_id == network_id, Entry.state == State.IN_EFFECT, Entry.effect != Effect.GRANT
    )


def _by_basis(session: Session, network_id: int, effect: Effect) -> Table:
    counts = (
        select(BasisVersion.basis_id, func.count())
        .join(Entry, Entry.basis_version_id == BasisVersion.id)
        .where(Entry.network_id == network_id, Entry.state == State.IN_EFFECT, Entry.effect == effect)
        .group_by(BasisVersion.basis_id)
    )
    found = {row[0]: row[1] for row in session.execute(counts)}
    names = (
        select(Basis.id, BasisVersion.title, Authority.name)
        .join(BasisVersion, BasisVersion.basis_id == Basis.id)
        .join(Authority, Authority.id == Basis.authority_id)
        .where(Basis.id.in_(found))
        .order_by(BasisVersion.number)
    )
    known = {basis_id: (title, authority) for basis_id, title, authority in session.execute(names)}
    return merged(Row(name=known[key][0], detail=known[key][1], count=count) for key, count in found.items())


def _objections(session: Session, network_id: int) -> list[Row]:
    query = (
        select(Objection.state, func.count())
        .join(Entry, Entry.id == Objection.entry_id)
        .where(Entry.network_id == network_id)
        .group_by(Objection.state)
    )
    return [Row(name=ObjectionState(state).value, count=count) for state, count in session.execute(query)]


def _decision_times(session: Session, network_id: int, now: int) -> Sequence[int]:
    """How long each objection of the last year waited for its decision."""
    query = (
        select(Objection.decided_at - Objection.made_at)
        .join(Entry, Entry.id == Objection.entry_id)
        .where(Entry.network_id == network_id, Objection.decided_at > now - YEAR)
    )
    return [int(seconds) for seconds in session.scalars(query) if seconds is not None]


def _months(session: Session, network_id: int, now: int) -> Iterable[Month]:
    today = datetime.fromtimestamp(now, UTC)
    last = today.year * 12 + today.month - 1
    for number in range(last - MONTHS + 1, last + 1):
        begin, end = _month_start(number), _month_start(number + 1)
        query = select(func.count()).where(
            Entry.network_id == network_id,
            Entry.effect != Effect.GRANT,
            Entry.effective_at >= begin,
            Entry.effective_at < end,
        )
        count = session.execute(query).scalar_one()
        yield Month(year=number // 12, month=number % 12 + 1, count=in_fives(count))


def _month_start(number: int) -> int:
    return int(datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC).timestamp())


def _exemptions(network_id: int, now: int) -> Select[int]:
    """Granted within the last 30 days."""
    return (
        select(func.count())
        .select_from(Exemption)
        .join(Person, Person.id == Exemption.person_id)
        .where(Person.network_id == network_id, Exemption.granted_at > now - 30 * DAY)
    )


def _withdrawals(network_id: int, now: int) -> Select[int]:
    """Emergency withdrawals of the last 30 days."""
    return select(func.count()).where(
        EmergencyWithdrawal.network_id == network_id,
        EmergencyWithdrawal.state == WithdrawalState.DONE,
        EmergencyWithdrawal.done_at > now - 30 * DAY,
    )
