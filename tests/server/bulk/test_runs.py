"""Imports: rows become proposals or facts, once; what is refused, and what becomes of a file that was broken off."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from tests.server.bulk.files import bring_in, entry_row, fact_row, importer, register, write_csv, write_jsonl
from tests.support.office import COURT, DAY, GREEN, HOSPITAL, HOUR, NOTICE, NOW, RIDE, Office, basis_form
from tests.support.rule_sets import propose, put_in_force, rule

from waypass_protocol.logrecords import check_leaf, read_record
from waypass_server.bulk import runs
from waypass_server.bulk.errors import FileRefused
from waypass_server.life import State
from waypass_server.models.bulk import Batch, BatchState, Import, ImportKind, ImportState
from waypass_server.models.lists_of_people import Entry, Fact
from waypass_server.models.people import Person
from waypass_server.models.public_log import LogLeaf, LogOpening
from waypass_server.models.records import Event
from waypass_server.refusals import Conflict, Forbidden, NotFound
from waypass_server.worsening import PastLimit

pytestmark = pytest.mark.both_stores
FACTS = ImportKind.FACTS


def entries_of(office: Office) -> list[Entry]:
    with office.services.database.reading() as session:
        return list(session.scalars(select(Entry).order_by(Entry.id)))


def count(office: Office, model: type[Entry] | type[Fact] | type[Event] | type[Import]) -> int:
    with office.services.database.reading() as session:
        return session.execute(select(func.count()).select_from(model)).scalar_one()


def test_rows_become_proposals_of_who_imports(office: Office, tmp_path: Path) -> None:
    basis = office.basis()
    rows = [entry_row(person, basis) for person in register(office, 3)]
    result, bad = bring_in(office, write_csv(tmp_path / "rows.csv", rows))
    assert (bad, result.rows, result.added, result.known, result.refused) == ([], 3, 3, 0, 0)
    single = office.entry(office.person("p-9"), basis)
    *found, alone = entries_of(office)
    assert [entry.state for entry in found] == [State.PROPOSED] * 3
    assert {entry.proposed_by for entry in found} == {alone.proposed_by}
    assert {entry.batch_id for entry in found} == {result.batch_id}
    assert (alone.id, alone.batch_id) == (single, None)
    same = ("basis_version_id", "effect", "scopes", "reason", "case_state", "starts_at", "ends_at", "proposed_at")
    assert [getattr(found[0], name) for name in same] == [getattr(alone, name) for name in same]
    shown = office.do("approver", "GET", f"/entries/{found[0].id}")
    assert (shown["batch"], shown["state"], shown["case"]["reference"]) == (result.batch_id, "proposed", "H-p-1")


def test_each_row_has_its_leaf_in_the_log(office: Office, tmp_path: Path) -> None:
    bring_in(office, write_jsonl(tmp_path / "a.jsonl", [entry_row(one, office.basis()) for one in register(office, 2)]))
    alone = office.entry(office.person("p-9"), 1)
    joined = (LogLeaf.network_id == LogOpening.network_id) & (LogLeaf.idx == LogOpening.idx)
    query = select(LogOpening, LogLeaf.leaf, Event.details).join(LogLeaf, joined)
    query = query.join(Event, Event.id == LogOpening.event_id).where(Event.what == "entry.proposed")
    with office.services.database.reading() as session:
        rows = session.execute(query.order_by(LogOpening.idx)).all()
        people = dict(session.execute(select(Person.id, Person.reference)).all())
    records = []
    for opening, leaf, details in rows:
        check_leaf(leaf, opening.salt, opening.record)
        records.append(read_record(opening.record))
        assert records[-1].details == details
    assert [record.subject_id for record in records] == [1, 2, alone]
    assert records[0].details == records[2].details, "as if somebody had typed it"
    assert [people[opening.person_id] for opening, _, _ in rows] == ["p-1", "p-2", "p-9"]


def test_a_row_that_breaks_a_rule_is_refused_with_its_line(office: Office, tmp_path: Path) -> None:
    basis, other = office.basis(), office.basis(effects=["yellow"])
    register(office, 2)
    court = office.do("proposer-2", "POST", "/bases", **basis_form(authority=COURT))["id"]
    office.do("approver", "POST", f"/bases/{court}/versions/1/approve")
    rows = [
        entry_row("p-1", basis),
        entry_row("p-7", basis),
        entry_row("P-1", basis),
        entry_row("p-2", 77),
        entry_row("p-2", other),
        entry_row("p-2", basis, scopes=[3]),
        entry_row("p-2", basis, scopes=[9]),
        entry_row("p-2", basis, ends_at=NOW + 90 * DAY),
        entry_row("p-2", basis, exclusions_checked=None),
        entry_row("p-2", basis, case_state="dismissed"),
        entry_row("p-2", court),
        entry_row("p-2", basis),
    ]
    result, bad = bring_in(office, write_jsonl(tmp_path / "a.jsonl", rows))
    assert (result.rows, result.added, result.refused) == (12, 2, 10)
    assert [(row.line, row.column) for row in bad] == [
        (2, "person"),
        (3, "person"),
        (4, "basis"),
        (5, "effect"),
        (6, "scopes"),
        (7, "scopes"),
        (8, "ends_at"),
        (9, "exclusions_checked"),
        (10, "case_state"),
        (11, "basis"),
    ]
    assert str(bad[0]) == "line 2: person: expected a reference that is known in this network, got another"
    assert str(bad[4]) == "line 6: scopes: expected scopes of the basis, [1, 2, 4], got [3]"
    assert str(bad[6]) == f"line 8: ends_at: expected at most {30 * DAY} s after the start, got {90 * DAY}"
    assert [entry.state for entry in entries_of(office)] == [State.PROPOSED] * 2


def test_a_dry_run_says_the_same_and_changes_nothing(office: Office, tmp_path: Path) -> None:
    basis = office.basis()
    register(office, 1)
    before = count(office, Event)
    file = write_jsonl(tmp_path / "a.jsonl", [entry_row("p-1", basis), entry_row("p-7", basis), {"person": 3}])
    bad: list[str] = []
    source = runs.source_of(file, ImportKind.ENTRIES)
    result = runs.dry_run(
        importer(office), source, report=lambda row: bad.append(str(row)), progress=lambda _rows: None
    )
    assert (result.rows, result.added, result.refused, result.import_id) == (3, 1, 2, None)
    assert [line.partition(":")[0] for line in bad] == ["line 2", "line 3"]
    assert (count(office, Event), count(office, Import), count(office, Entry)) == (before, 0, 0)


def test_the_same_file_again_changes_nothing(office: Office, tmp_path: Path) -> None:
    rows = [entry_row(person, office.basis()) for person in register(office, 2)]
    first, _ = bring_in(office, write_jsonl(tmp_path / "a.jsonl", rows))
    before = count(office, Event)
    again, _ = bring_in(office, write_jsonl(tmp_path / "another-name.jsonl", rows))
    assert (again.again, again.import_id, again.added, again.batch_id) == (True, first.import_id, 2, first.batch_id)
    assert (count(office, Event), count(office, Entry)) == (before, 2)


def test_a_file_that_was_mended_adds_only_what_is_new(office: Office, tmp_path: Path) -> None:
    basis = office.basis()
    register(office, 2)
    first, _ = bring_in(office, write_jsonl(tmp_path / "a.jsonl", [entry_row("p-1", basis), entry_row("p-7", basis)]))
    mended = [entry_row("p-1", basis), entry_row("p-2", basis), entry_row("p-2", basis)]
    second, _ = bring_in(office, write_jsonl(tmp_path / "b.jsonl", mended))
    assert (first.added, first.refused) == (1, 1)
    assert (second.added, second.known, second.refused) == (1, 2, 0)
    assert len(entries_of(office)) == 2


def test_the_same_case_with_another_effect_is_another_entry(office: Office, tmp_path: Path) -> None:
    basis = office.basis()
    register(office, 1)
    rows = [entry_row("p-1", basis), entry_row("p-1", basis, effect="yellow", scopes=[HOSPITAL])]
    result, _ = bring_in(office, write_jsonl(tmp_path / "a.jsonl", rows))
    assert (result.added, result.known) == (2, 0)


def in_effect(office: Office, folder: Path, people: int) -> list[dict[str, Any]]:
    """So many people's entries that were imported and are in effect; their rows."""
    basis = office.basis()
    rows = [entry_row(person, basis) for person in register(office, people)]
    result, _ = bring_in(office, write_jsonl(folder / "first.jsonl", rows))
    office.do("approver", "POST", f"/batches/{result.batch_id}/approve")
    office.later()
    office.later(NOTICE)
    assert {entry.state for entry in entries_of(office)} == {State.IN_EFFECT}
    return rows


def told(entries: list[Entry]) -> list[tuple[str, str]]:
    return [(entry.state.value, entry.case_state.value) for entry in entries]


AS_TOLD = [("ended", "won"), ("ended", "dismissed"), ("in-effect", "upheld"), ("in-effect", "open")]


def with_outcomes(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {**row, "case_state": state} for row, state in zip(rows, ("won", "dismissed", "upheld", "open"), strict=True)
    ]


def test_outcomes_of_cases_are_taken_over(office: Office, tmp_path: Path) -> None:
    """Whether or not there would be time for notice still, by one person, and once however often the list is sent."""
    rows = in_effect(office, tmp_path, 4)
    office.later(18 * DAY)
    for row in rows[:3]:
        del row["exclusions_checked"]
    file = write_jsonl(tmp_path / "b.jsonl", with_outcomes(rows))
    dry, bad = bring_in(office, file, dry=True)
    assert (bad, dry.rows, dry.added, dry.known, dry.outcomes) == ([], 4, 0, 1, 3)
    assert told(entries_of(office)) == [("in-effect", "open")] * 4
    real, _ = bring_in(office, file)
    assert (real.rows, real.added, real.known, real.outcomes, real.refused) == (4, 0, 1, 3, 0)
    assert told(entries_of(office)) == AS_TOLD
    office.later()
    ended = {notice.reference for notice in office.outbox.sent.values() if notice.kind == "entry-ended"}
    assert ended == {"p-1", "p-2"}
    before = count(office, Event)
    again, bad = bring_in(office, write_jsonl(tmp_path / "c.jsonl", with_outcomes(rows)[::-1]))
    assert (bad, again.known, again.outcomes, count(office, Event)) == ([], 4, 0, before + 1)
    office.later(2 * DAY)
    over, bad = bring_in(
        office, write_csv(tmp_path / "d.csv", [*with_outcomes(rows)[:2], {**rows[2], "case_state": "won"}])
    )
    assert (bad, over.known) == ([], 3), "all of them have ended by now"


def test_an_outcome_has_the_events_that_somebody_at_the_console_makes(office: Office, tmp_path: Path) -> None:
    rows = in_effect(office, tmp_path, 2)
    office.do("proposer", "POST", "/entries/1/case", state="won")
    bring_in(office, write_jsonl(tmp_path / "b.jsonl", [{**rows[1], "case_state": "won"}]))
    events = [each for each in office.do("ops", "GET", "/events") if each["subject"] == "entry"]
    steps = [[(each["what"], each["details"]) for each in events if each["subject_id"] == entry] for entry in (1, 2)]
    assert steps[0] == steps[1]
    assert [what for what, _ in steps[0][-2:]] == ["entry.case", "entry.dismiss"]


def test_outcomes_within_one_file(office: Office, tmp_path: Path) -> None:
    """The last one of an entry stands, but one that ended it."""
    basis = office.basis()
    register(office, 2)
    first, second = entry_row("p-1", basis), entry_row("p-2", basis)
    rows = [
        first,
        {**first, "case_state": "upheld"},
        {**first, "case_state": "won"},
        first,
        {**first, "case_state": "upheld"},
        second,
        {**second, "case_state": "upheld"},
        second,
    ]
    result, bad = bring_in(office, write_jsonl(tmp_path / "a.jsonl", rows))
    assert (bad, result.added, result.outcomes, result.known) == ([], 2, 3, 3)
    assert told(entries_of(office)) == [("ended", "won"), ("proposed", "upheld")]
    office.do("approver", "POST", f"/batches/{result.batch_id}/approve")
    office.later()
    assert [notice.reference for notice in office.outbox.sent.values()] == ["p-2"]


def test_another_authoritys_cases_are_left_alone(office: Office, tmp_path: Path) -> None:
    rows = in_effect(office, tmp_path, 4)
    result, bad = bring_in(office, write_jsonl(tmp_path / "b.jsonl", with_outcomes(rows)), who="proposer-2")
    assert ([row.column for row in bad], result.outcomes) == (["basis"] * 4, 0)
    assert told(entries_of(office)) == [("in-effect", "open")] * 4


@pytest.mark.parametrize("whole", [True, False])
def test_outcomes_go_on_where_they_were_broken_off(office: Office, tmp_path: Path, whole: bool) -> None:
    rows = in_effect(office, tmp_path, 4)
    source = runs.source_of(write_jsonl(tmp_path / "b.jsonl", with_outcomes(rows)), ImportKind.ENTRIES)

    def broken(done: int) -> None:
        if done == 2 and count(office, Import) == 2:
            raise KeyboardInterrupt

    with suppress(KeyboardInterrupt):
        runs.run(importer(office, at_once=2), source, whole=whole, resume=False, report=print, progress=broken)
    result, _ = bring_in(office, source.file, at_once=2, resume=True, whole=whole)
    assert (result.known, result.outcomes, told(entries_of(office))) == (1, 3, AS_TOLD)
    steps = [event["what"] for event in office.do("ops", "GET", "/events")]
    assert (steps.count("entry.case"), steps.count("entry.dismiss")) == (3, 2)


def test_all_or_nothing(office: Office, tmp_path: Path) -> None:
    basis = office.basis()
    register(office, 2)
    before = count(office, Event)
    rows = [entry_row("p-1", basis), entry_row("p-7", basis), entry_row("p-2", basis)]
    result, bad = bring_in(office, write_jsonl(tmp_path / "a.jsonl", rows), whole=True)
    assert (result.added, result.refused, result.import_id, [row.line for row in bad]) == (0, 1, None, [2])
    assert (count(office, Event), count(office, Entry), count(office, Import)) == (before, 0, 0)
    result, bad = bring_in(office, write_jsonl(tmp_path / "b.jsonl", [rows[0], rows[2]]), whole=True)
    assert (result.added, result.whole, bad) == (2, True, [])
    assert batch_state(office) is BatchState.PROPOSED


def batch_state(office: Office) -> BatchState:
    with office.services.database.reading() as session:
        return session.scalars(select(Batch.state)).one()


class Stopped(Exception):
    """As if the process had ended here."""


def broken_off(office: Office, file: Path, *, after: int) -> None:
    """An import that ends after so many rows; it takes two rows a transaction."""

    def progress(rows: int) -> None:
        if rows >= after:
            raise Stopped

    source = runs.source_of(file, ImportKind.ENTRIES)
    with pytest.raises(Stopped):
        runs.run(importer(office, at_once=2), source, whole=False, resume=False, report=print, progress=progress)


def test_what_was_broken_off_goes_on_where_it_was(office: Office, tmp_path: Path) -> None:
    basis = office.basis()
    rows = [entry_row(person, basis) for person in register(office, 7)]
    rows.insert(1, entry_row("p-77", basis))
    file = write_jsonl(tmp_path / "a.jsonl", rows)
    broken_off(office, file, after=4)
    assert (len(entries_of(office)), batch_state(office)) == (3, BatchState.READING)
    refusal = office.call("approver", "POST", "/batches/1/approve")
    assert refusal.json()["detail"].startswith("approve: expected a batch whose file was read to its end")
    with pytest.raises(Conflict, match=r"broken off after 4 rows; --resume goes on"):
        bring_in(office, file)
    with pytest.raises(Forbidden, match="expected the person who began the import of this file"):
        bring_in(office, file, who="everything", resume=True)
    result, bad = bring_in(office, file, resume=True)
    assert (result.rows, result.added, result.refused, bad) == (8, 7, 1, [])
    assert [entry.case_reference for entry in entries_of(office)] == [f"H-p-{number}" for number in range(1, 8)]
    assert batch_state(office) is BatchState.PROPOSED


def test_nobody_imports_into_a_batch_that_was_turned_down(office: Office, tmp_path: Path) -> None:
    rows = [entry_row(person, office.basis()) for person in register(office, 4)]
    file = write_jsonl(tmp_path / "a.jsonl", rows)
    broken_off(office, file, after=2)
    office.do("approver", "POST", "/batches/1/withdraw")
    with pytest.raises(Conflict, match="expected a batch that is still being read, batch 1 is ended"):
        bring_in(office, file, resume=True)
    office.later()
    assert {entry.state for entry in entries_of(office)} == {State.ENDED}


def test_two_that_import_the_same_file_at_once(office: Office, tmp_path: Path) -> None:
    """The second finds that the first went on, and stops."""
    rows = [entry_row(person, office.basis()) for person in register(office, 4)]
    file = write_jsonl(tmp_path / "a.jsonl", rows)
    source = runs.source_of(file, ImportKind.ENTRIES)

    def meanwhile(done: int) -> None:
        if done == 2:
            bring_in(office, file, resume=True)

    with pytest.raises(Conflict, match="import: another process goes on with this file"):
        runs.run(importer(office, at_once=2), source, whole=False, resume=False, report=print, progress=meanwhile)
    assert len(entries_of(office)) == 4


def test_a_file_that_is_none_leaves_nothing_but_what_was_said(office: Office, tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("person,score\np-1,3\n", encoding="utf-8")
    with pytest.raises(FileRefused, match="column 'score'"):
        bring_in(office, file)
    assert count(office, Entry) == 0


@pytest.mark.parametrize(
    ("who", "kind", "message"),
    [
        ("approver", ImportKind.ENTRIES, "expected somebody with the role proposer, 'approver' has not"),
        ("approver", ImportKind.FACTS, "expected somebody with the role desk or proposer"),
        ("nobody", ImportKind.ENTRIES, "expected a member of staff of network metro, got 'nobody'"),
    ],
)
def test_who_may_import(office: Office, who: str, kind: ImportKind, message: str) -> None:
    with pytest.raises((Forbidden, NotFound), match=message):
        importer(office, who, kind)


def test_facts_count_at_once_and_the_holder_is_told(office: Office, tmp_path: Path) -> None:
    person = office.person("p-1")
    register(office, 2)
    rows = [fact_row("p-1"), fact_row("p-2", valid_until=NOW + 15 * DAY), fact_row("p-2", scopes=[9])]
    result, bad = bring_in(office, write_csv(tmp_path / "a.csv", rows), who="desk", kind=FACTS)
    assert (result.added, result.refused, result.batch_id) == (1, 2, None)
    assert [(row.line, row.column) for row in bad] == [(3, "valid_until"), (4, "scopes")]
    office.later()
    assert office.aspects(person) == {**GREEN, RIDE: "yellow"}
    (told,) = office.do(person, "GET", "/me/notices")
    assert (told["kind"], told["content"]["kind"]) == ("fact", "exposure")
    again, _ = bring_in(office, write_csv(tmp_path / "b.csv", [*rows[:1], *rows[:1]]), who="desk", kind=FACTS)
    assert (again.added, again.known) == (0, 2)
    office.later(5 * DAY + HOUR)
    assert office.aspects(person) == GREEN


def test_facts_past_a_limit_are_refused_and_nothing_of_them_is_lost(office: Office, tmp_path: Path) -> None:
    change = office.do("admin", "POST", "/limits/changes", level="network", window="day", value=3)["id"]
    office.do("admin-2", "POST", f"/limits/changes/{change}/agree")
    rows = [fact_row(person) for person in register(office, 5)]
    file = write_csv(tmp_path / "a.csv", [*rows[:1], fact_row("p-1", yellow=False), *rows[1:]])
    past = "facts: expected at most 3 people worsened in a day for the network, with this it would be"
    for dry in (True, False):
        with pytest.raises(PastLimit, match=f"{past} 5"):
            bring_in(office, file, who="desk", kind=FACTS, whole=not dry, dry=dry)
    assert (count(office, Fact), count(office, Import)) == (0, 0)
    # Some rows at a time: those before are in, and the rest when the day has slid on.
    with pytest.raises(PastLimit, match=f"{past} 5"):
        bring_in(office, file, who="desk", kind=FACTS, at_once=2)
    assert count(office, Fact) == 4
    office.later(2 * DAY)
    result, bad = bring_in(office, file, who="desk", kind=FACTS, at_once=2, resume=True)
    assert (bad, result.rows, result.added, count(office, Fact)) == ([], 6, 6, 6)


def test_imported_facts_that_rules_turn_yellow_count_as_people(office: Office, tmp_path: Path) -> None:
    put_in_force(office, propose(office, rule("near", {"var": "facts.exposure.0"}), form=None))
    change = office.do("admin", "POST", "/limits/changes", level="network", window="day", value=4)["id"]
    office.do("admin-2", "POST", f"/limits/changes/{change}/agree")
    people = register(office, 5)
    rows = [fact_row(person, yellow=False) for person in people]
    # Twice the same person, and one of them far down, is one person.
    four = [*rows[:4], *(fact_row(person, yellow=False, reason="Again.") for person in people[:4])]
    result, bad = bring_in(office, write_csv(tmp_path / "a.csv", four), who="desk", kind=FACTS, dry=True, at_once=3)
    assert (bad, result.rows, counted(office)) == ([], 8, 0)
    five = write_csv(tmp_path / "b.csv", [*four, rows[4]])
    past = "facts: expected at most 4 people worsened in a day for the network, with this it would be 5"
    for arguments in ({"dry": True}, {"whole": True}, {"dry": True, "at_once": 2}, {"whole": True, "at_once": 2}):
        with pytest.raises(PastLimit, match=past):
            bring_in(office, five, who="desk", kind=FACTS, **arguments)
    assert (count(office, Fact), counted(office)) == (0, 0)
    result, _ = bring_in(office, write_csv(tmp_path / "a.csv", four), who="desk", kind=FACTS, whole=True, at_once=3)
    assert (result.added, counted(office)) == (8, 4)
    office.later()
    # Who is yellow already for as long, by a fact of their own, counts no second time.
    again = [fact_row(person, yellow=False, reason="And again.") for person in people[:4]]
    result, _ = bring_in(office, write_csv(tmp_path / "c.csv", again), who="desk", kind=FACTS)
    assert (result.added, counted(office)) == (4, 4)
    with pytest.raises(PastLimit, match=past):
        bring_in(office, write_csv(tmp_path / "d.csv", rows[4:]), who="desk", kind=FACTS)


def test_a_row_that_is_yellow_and_one_that_rules_turn_are_one_person(office: Office, tmp_path: Path) -> None:
    put_in_force(office, propose(office, rule("near", {"var": "facts.exposure.0"}), form=None))
    (person,) = register(office, 1)
    rows = [fact_row(person), fact_row(person, yellow=False)]
    bring_in(office, write_csv(tmp_path / "a.csv", rows), who="desk", kind=FACTS)
    assert counted(office) == 1


def counted(office: Office) -> int:
    (people,) = {row["people"] for row in office.do("admin", "GET", "/limits") if row["level"] == "network"}
    return int(people)


def test_an_import_is_a_record(office: Office, tmp_path: Path) -> None:
    bring_in(office, write_jsonl(tmp_path / "a.jsonl", [fact_row(one) for one in register(office, 2)]), kind=FACTS)
    with office.services.database.reading() as session:
        made = session.scalars(select(Import)).one()
        event = session.scalars(select(Event).where(Event.what == "import.done")).one()
    assert (made.state, made.rows, made.added, made.kind) == (ImportState.DONE, 2, 2, ImportKind.FACTS)
    assert event.details == {"kind": "facts", "rows": 2, "added": 2, "known": 0, "refused": 0}
