"""What a batch would do, before anybody approves it: whom it reaches, in which scopes, and how far from the usual.

As things are at that moment, if all of its entries that wait were in effect: exemptions, and what else is known about a
person, are left aside. Numbers alone; nobody is named.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, and_, cast, func, or_, select
from sqlalchemy.orm import Session

from waypass_protocol.bits import VALID
from waypass_protocol.passes import Aspect
from waypass_server import worsening
from waypass_server.bulk.batches import OnBasis, on_bases
from waypass_server.life import State
from waypass_server.models.bulk import Batch
from waypass_server.models.lists_of_people import Effect, Entry
from waypass_server.models.people import Person
from waypass_server.models.status import PassRow
from waypass_server.models.worsening import Level, WorsenedSum
from waypass_server.passes import MARGIN
from waypass_server.worsening import Standing, Subject

DAY = 86_400
DAYS = 30
_STRENGTH = {Effect.RED: Aspect.RED, Effect.YELLOW: Aspect.YELLOW}
_SCOPES, _ASPECTS = cast(Entry.scopes, Text), cast(PassRow.aspects, Text)


@dataclass(frozen=True, kw_only=True, slots=True)
class InScope:
    """How many people a batch reaches in one scope with one effect."""

    scope: int
    effect: Effect
    people: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Nearness:
    """One limit: how many people count now, and how many would with the batch."""

    standing: Standing
    after: int

    @property
    def passed(self) -> bool:
        """Whether a third person would have to confirm."""
        return self.after > self.standing.limit


@dataclass(frozen=True, kw_only=True, slots=True)
class Preview:
    """`live`: live passes of these people, of which `invalid` would get status 1. `days`: how many people were worsened
    on each of the last 30 days in the network, the oldest first, and `usual` their mean. `worsening`: how many this
    batch would add.
    """

    at: int
    entries: int
    people: int
    network: int
    live: int
    invalid: int
    worsening: int
    scopes: tuple[InScope, ...]
    bases: tuple[OnBasis, ...]
    limits: tuple[Nearness, ...]
    days: tuple[int, ...]

    @property
    def share(self) -> float:
        """Of all people in the network."""
        return self.people / self.network if self.network else 0.0

    @property
    def usual(self) -> float:
        """People a day."""
        return sum(self.days) / len(self.days)

    @property
    def held(self) -> bool:
        """Whether approving it would pass a limit."""
        return any(each.passed for each in self.limits)


def look(session: Session, batch: Batch, now: int) -> Preview:
    """The preview of what waits in a batch."""
    mine = Entry.batch_id == batch.id, Entry.state.in_([State.PROPOSED, State.HELD])
    entries, people = session.execute(select(func.count(), func.count(Entry.person_id.distinct())).where(*mine)).one()
    network = session.execute(select(func.count()).where(Person.network_id == batch.network_id)).scalar_one()
    live, invalid = _passes(session, mine, now, alone=entries == people)
    parts = on_bases(session, batch)
    return Preview(
        at=now,
        entries=entries,
        people=people,
        network=network,
        live=live,
        invalid=invalid,
        worsening=sum(part.worsening for part in parts),
        scopes=_scopes(session, mine),
        bases=tuple(parts),
        limits=_limits(session, parts, now),
        days=_days(session, batch.network_id, now),
    )


def _scopes(session: Session, mine: Sequence[ColumnElement[bool]]) -> tuple[InScope, ...]:
    query = select(Entry.effect, _SCOPES, func.count(Entry.person_id.distinct())).where(*mine)
    counts: dict[tuple[int, Effect], int] = defaultdict(int)
    for effect, scopes, people in session.execute(query.group_by(Entry.effect, _SCOPES)):
        for scope in json.loads(scopes):
            counts[scope, effect] += people
    return tuple(
        InScope(scope=scope, effect=effect, people=people) for (scope, effect), people in sorted(counts.items())
    )


def _passes(session: Session, mine: Sequence[ColumnElement[bool]], now: int, *, alone: bool) -> tuple[int, int]:
    """Live passes, and those of them that would be too permissive. `alone`: each person has one entry in the batch, so
    that no pass is met twice.
    """
    alive = PassRow.exp > now - MARGIN, PassRow.status == VALID
    kinds = _joined(Entry.effect, _SCOPES, _ASPECTS, func.count()).where(*mine, *alive)
    found = session.execute(kinds.group_by(Entry.effect, _SCOPES, _ASPECTS)).all()
    gone = [row for row in found if _says_too_much(*row[:3])]
    if alone:
        return sum(row[3] for row in found), sum(row[3] for row in gone)
    passes = _joined(func.count(PassRow.id.distinct())).where(*mine, *alive)
    live = session.execute(passes).scalar_one()
    if not gone:
        return live, 0
    which = or_(*(and_(Entry.effect == row[0], row[1] == _SCOPES, row[2] == _ASPECTS) for row in gone))
    return live, session.execute(passes.where(which)).scalar_one()


def _joined(*columns: Any) -> Select[*tuple[Any, ...]]:
    return select(*columns).select_from(Entry).join(PassRow, PassRow.person_id == Entry.person_id)


def _says_too_much(effect: Effect, scopes: str, aspects: str) -> bool:
    strength = _STRENGTH.get(effect)
    if strength is None:
        return False
    said: Mapping[str, int] = json.loads(aspects)
    return any(said.get(str(scope), strength) < strength for scope in json.loads(scopes))


def _limits(session: Session, parts: Sequence[OnBasis], now: int) -> tuple[Nearness, ...]:
    more: dict[Subject, int] = defaultdict(int)
    for part in parts:
        for subject in worsening.subjects_of(part.version.basis):
            more[subject] += part.worsening
    subjects = [subject for subject, people in more.items() if people]
    found = [
        Nearness(standing=one, after=one.people + more[one.subject])
        for one in worsening.standings(session, subjects, now)
    ]
    return tuple(sorted(found, key=lambda each: each.after / each.standing.limit, reverse=True))


def _days(session: Session, network_id: int, now: int) -> tuple[int, ...]:
    start = now + 1 - DAYS * DAY  # so that this second is in the last day
    number = (WorsenedSum.bucket - start) // DAY
    query = select(number, func.sum(WorsenedSum.people)).where(
        WorsenedSum.network_id == network_id, WorsenedSum.level == Level.NETWORK, WorsenedSum.bucket >= start
    )
    found = {int(day): int(people) for day, people in session.execute(query.group_by(number))}
    return tuple(found.get(day, 0) for day in range(DAYS))
