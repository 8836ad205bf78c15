"""What there is, written to a file: entries or facts, in the columns of an import.

1. entries in one state, of one basis or of all; facts that hold or will. Staff of an authority export what is on their
   authority's bases alone
2. `exclusions_checked` is left empty: whoever receives a list looks for themselves, and names a basis of their own
3. rows are read a page at a time by rising ids; what is added meanwhile may be in the file or not
4. that somebody exported so many rows is in the log
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from sqlalchemy import Select, null, select

from waypass_server import events
from waypass_server.bases import Proposer
from waypass_server.bulk.formats import Format, write_rows
from waypass_server.database import Database
from waypass_server.life import State
from waypass_server.many_rows import AnyRow
from waypass_server.models.bulk import ImportKind
from waypass_server.models.lists_of_people import Basis, BasisVersion, Entry, Fact, Weight
from waypass_server.models.people import Person
from waypass_server.roles import Role

PAGE = 5000
MAY = {
    ImportKind.ENTRIES: (Role.PROPOSER, Role.APPROVER, Role.REVIEWER, Role.OPS),
    ImportKind.FACTS: (Role.DESK, Role.PROPOSER, Role.REVIEWER),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What to export. `state` and `basis_id` are for entries."""

    kind: ImportKind
    form: Format
    state: State = State.IN_EFFECT
    basis_id: int | None = None


def export(database: Database, file: BinaryIO, wanted: Wanted, *, by: Proposer, now: int) -> int:
    """Write the rows; how many."""
    rows = _entries(database, wanted, by) if wanted.kind is ImportKind.ENTRIES else _facts(database, by, now)
    count = write_rows(file, wanted.form, wanted.kind, rows)
    with database.changing() as session:
        events.record(
            session,
            network_id=by.network_id,
            at=now,
            actor=by.actor,
            what="export.made",
            subject=("staff", by.staff_id),
            kind=wanted.kind.value,
            rows=count,
        )
    return count


def _entries(database: Database, wanted: Wanted, by: Proposer) -> Iterator[Mapping[str, object]]:
    query = (
        select(Entry, Person.reference, BasisVersion.basis_id)
        .join(Person, Person.id == Entry.person_id)
        .join(BasisVersion, BasisVersion.id == Entry.basis_version_id)
        .where(Entry.network_id == by.network_id, Entry.state == wanted.state)
    )
    if by.authority_id is not None:
        query = query.join(Basis, Basis.id == BasisVersion.basis_id).where(Basis.authority_id == by.authority_id)
    if wanted.basis_id is not None:
        query = query.where(BasisVersion.basis_id == wanted.basis_id)
    for entry, reference, basis_id in _pages(database, query, Entry):
        yield {
            "person": reference,
            "basis": basis_id,
            "effect": entry.effect.value,
            "scopes": entry.scopes,
            "reason": entry.reason,
            "case_reference": entry.case_reference,
            "case_state": entry.case_state.value,
            "starts_at": entry.starts_at,
            "ends_at": entry.ends_at,
            "exclusions_checked": [],
        }


def _facts(database: Database, by: Proposer, now: int) -> Iterator[Mapping[str, object]]:
    """What staff recorded; certificates and answers to forms are their holders'."""
    query = (
        select(Fact, Person.reference)
        .join(Person, Person.id == Fact.person_id)
        .where(Fact.network_id == by.network_id, Fact.withdrawn_at.is_(None), Fact.valid_until > now)
        .where(Fact.digest.is_(None), Fact.details.is_(null()))
    )
    for fact, reference in _pages(database, query, Fact):
        yield {
            "person": reference,
            "kind": fact.kind,
            "source": fact.source,
            "reason": fact.reason,
            "yellow": fact.weight is Weight.YELLOW,
            "scopes": fact.scopes,
            "valid_from": fact.valid_from,
            "valid_until": fact.valid_until,
        }


def _pages(database: Database, query: Select[*tuple[Any, ...]], model: type[Entry] | type[Fact]) -> Iterator[AnyRow]:
    after = 0
    while True:
        with database.reading() as session:
            page = session.execute(query.where(model.id > after).order_by(model.id).limit(PAGE)).all()
        yield from page
        if len(page) < PAGE:
            return
        after = page[-1][0].id
