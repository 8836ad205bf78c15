"""Transactions that change many people lock them in one order (`database`), whichever order their rows have: two at the
same moment wait for each other, and none is refused for a deadlock.
"""

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from tests.server.bulk.files import bring_in, entry_row, importer, register, write_jsonl
from tests.support import at_once
from tests.support.office import DAY, NOTICE, NOW, Office

from waypass_server import together
from waypass_server.bulk import batches, runs
from waypass_server.life import Actor, Kind
from waypass_server.models.bulk import ImportKind
from waypass_server.models.lists_of_people import Entry
from waypass_server.models.people import Person
from waypass_server.roles import Role
from waypass_server.scheduler import tick

pytestmark = pytest.mark.both_stores

PEOPLE = 40
STAFF = Actor(kind=Kind.STAFF, staff_id=5, roles=frozenset(Role))


def others(office: Office, entries: list[int], people: list[int], works: list[Callable[[], object]]) -> None:
    """While these work, somebody else locks the same entries and people by rising ids, again and again."""
    left = count(len(works) - 1, -1)
    working = True

    def work(mine: Callable[[], object]) -> None:
        nonlocal working
        try:
            mine()
        finally:
            working = next(left) > 0

    def keep_locking() -> None:
        while working:
            with office.services.database.changing() as session:
                for query in (
                    select(Entry.id).where(Entry.id.in_(entries)).order_by(Entry.id),
                    select(Person.id).where(Person.id.in_(people)).order_by(Person.id),
                ):
                    session.execute(query.with_for_update(key_share=True)).all()

    outcome = at_once.together(*(lambda mine=mine: work(mine) for mine in works), keep_locking)
    assert outcome.refused == []


def ids_of(office: Office) -> tuple[list[int], list[int]]:
    with office.services.database.reading() as session:
        return list(session.scalars(select(Entry.id))), list(session.scalars(select(Person.id)))


def batches_in_two_orders(office: Office, folder: Path) -> list[int]:
    people, basis = register(office, PEOPLE), office.basis()
    made = []
    for number, order in enumerate((people, people[::-1])):
        rows = [entry_row(person, basis, case_reference=f"H-{number}") for person in order]
        result, _ = bring_in(office, write_jsonl(folder / f"{number}.jsonl", rows))
        assert result.batch_id is not None
        made.append(result.batch_id)
    return made


def test_entries_are_taken_out_of_two_batches(office: Office, tmp_path: Path) -> None:
    def take_out(batch: int) -> int:
        with office.services.change() as session:
            found = batches.find_batch(session, 1, batch)
            ids = session.scalars(select(Entry.id).where(Entry.batch_id == batch)).all()
            return batches.take_out(session, found, ids, actor=STAFF, now=NOW)

    first, second = batches_in_two_orders(office, tmp_path)
    outcome = at_once.together(lambda: take_out(first), lambda: take_out(second))
    assert (outcome.refused, outcome.done) == ([], [PEOPLE, PEOPLE])


def test_two_files_are_imported_as_a_whole(office: Office, tmp_path: Path) -> None:
    """Many transactions' worth of rows in one, and some of them about cases."""
    batches_in_two_orders(office, tmp_path)
    people = [f"p-{number}" for number in range(1, PEOPLE + 1)]
    works: list[Callable[[], object]] = []
    for number, order in enumerate((people, people[::-1])):
        rows: list[dict[str, Any]] = [entry_row(person, 1, case_reference=f"W-{number}") for person in order]
        rows[::2] = [entry_row(person, 1, case_reference=f"H-{number}", case_state="won") for person in order[::2]]
        source = runs.source_of(write_jsonl(tmp_path / f"w-{number}.jsonl", rows), ImportKind.ENTRIES)
        by = importer(office, at_once=2)
        works.append(
            lambda by=by, source=source: runs.run(  # type: ignore[misc]
                by, source, whole=True, resume=False, report=print, progress=lambda _rows: None
            )
        )
    others(office, *ids_of(office), works)
    with office.services.database.reading() as session:
        ended = session.execute(text("SELECT count(*) FROM entries WHERE state = 'ended' AND case_state = 'won'"))
        assert ended.scalar_one() == PEOPLE


def test_entries_of_many_people_end_at_once_for_two_reasons(office: Office) -> None:
    """The later people's expire, the earlier ones' lapse."""
    basis = office.basis(longest=200 * DAY)
    for number in range(PEOPLE):
        early = number < PEOPLE // 2
        entry = office.entry(office.person(f"p-{number}"), basis, ends_at=NOW + (150 if early else 89) * DAY)
        office.do("approver", "POST", f"/entries/{entry}/approve")
    office.later()
    office.later(NOTICE)
    office.clock.advance(91 * DAY)
    _, people = ids_of(office)
    others(office, [], people, [lambda: tick(office.services)])
    assert {office.entry_state(number)[1] for number in range(1, PEOPLE + 1)} == {"expired", "lapsed"}


def test_each_is_settled_alone_when_one_stands_in_the_way(office: Office, tmp_path: Path) -> None:
    """As if somebody had deleted a notice after it was delivered."""
    people, basis = register(office, PEOPLE), office.basis()
    result, _ = bring_in(
        office, write_jsonl(tmp_path / "a.jsonl", [entry_row(person, basis) for person in people[::-1]])
    )
    office.do("approver", "POST", f"/batches/{result.batch_id}/approve")
    office.later()
    with office.services.database.changing() as session:
        session.execute(text("DELETE FROM notices WHERE entry_id = 7"))
    office.clock.advance(NOTICE)
    others(office, *ids_of(office), [lambda: tick(office.services)])
    assert [office.entry_state(number)[0] == "in-effect" for number in range(1, PEOPLE + 1)].count(False) == 1


def test_locking_first_is_by_rising_ids(office: Office) -> None:
    """Also of more than are locked in one statement; what is not there is left out."""
    office.person()
    with office.services.change() as session:
        together.lock_first(session, range(1, 20_001), range(1, 20_001))
