"""A file imported at the console: looked at, proposed or recorded, once; and what is said when it cannot be."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from tests.server.bulk.files import bring_in, entry_row, fact_row, importer, register, write_csv, write_jsonl
from tests.support.at_once import together
from tests.support.console import ConsoleBrowser
from tests.support.office import DAY, HOUR, NOW, RIDE, Office

from waypass_server.bulk import exports, runs, waiting
from waypass_server.bulk.exports import Wanted
from waypass_server.bulk.formats import Format
from waypass_server.bulk.waiting import Brought
from waypass_server.forgetting import KEPT
from waypass_server.life import State
from waypass_server.models.bulk import Batch, BatchState, Import, ImportKind, ImportState
from waypass_server.models.console import FilePart, WaitingFile
from waypass_server.models.lists_of_people import Entry, Fact
from waypass_server.refusals import Conflict, NotFound

PAGE = "/ops/import"


def browser_of(office: Office, who: str = "proposer") -> ConsoleBrowser:
    browser = ConsoleBrowser(office)
    browser.sign_in(who)
    return browser


def bring(browser: ConsoleBrowser, name: str, content: bytes, *, follow: bool = True, **fields: str) -> ConsoleBrowser:
    """Fill the form in, and send it with this file."""
    browser.get(PAGE)
    given = {**dict(browser.form(PAGE).fields), **fields}
    given.pop("file", None)
    browser.upload(PAGE, list(given.items()), (name, content) if name else None, follow=follow)
    return browser


def rows_of(tmp_path: Path, rows: list[dict[str, Any]]) -> bytes:
    return write_jsonl(tmp_path / "rows.jsonl", rows).read_bytes()


def count(office: Office, model: Any) -> int:
    with office.services.database.reading() as session:
        return session.execute(select(func.count()).select_from(model)).scalar_one()


def test_a_file_is_looked_at_and_then_proposed(office: Office, tmp_path: Path) -> None:
    basis = office.basis()
    rows = [entry_row(person, basis) for person in register(office, 3)]
    proposer = browser_of(office)
    proposer.get("/ops/batches")
    assert f'href="{PAGE}"' in proposer.page.text
    proposer.get(PAGE)
    assert "1 Infection protection" in proposer.text()
    assert "Notice before effect 2 h" in proposer.text(), "the limits of the basis stand beside the form"
    bring(proposer, "list.csv", write_csv(tmp_path / "list.csv", rows).read_bytes())
    text = proposer.text()
    assert "rows 3 good and new 3 known already, left as they are 0 not good 0" in text
    assert (count(office, Entry), count(office, Import)) == (0, 0), "nothing is changed yet"
    proposer.fill(f"{PAGE}/1")
    assert proposer.address == "/ops/batches/1?done=imported"
    assert "Proposed as one batch. It waits for another person" in proposer.text()
    with office.services.database.reading() as session:
        assert session.scalars(select(Entry.state)).all() == [State.PROPOSED] * 3
        assert session.get_one(Batch, 1).state is BatchState.PROPOSED
        assert session.scalars(select(FilePart)).all() == [], "its content is kept no longer than it is needed"
    approver = browser_of(office, "approver")
    assert "Batches of imported entries Batch 1 3 entries" in approver.text()


@pytest.mark.parametrize("form", list(Format))
def test_each_format_by_the_end_of_its_name(office: Office, tmp_path: Path, form: Format) -> None:
    bring_in(office, write_jsonl(tmp_path / "a.jsonl", [entry_row(one, office.basis()) for one in register(office, 2)]))
    wanted = Wanted(kind=ImportKind.ENTRIES, form=form, state=State.PROPOSED, basis_id=None)
    with (tmp_path / "out").open("wb") as out:
        exports.export(office.services.database, out, wanted, by=importer(office).by, now=NOW)
    content = (tmp_path / "out").read_bytes()
    proposer = bring(browser_of(office), f"OUT.{form.value.upper()}", content)
    # An export says of no exclusion that it was looked at: whoever receives it looks.
    assert "rows 2 good and new 0 known already, left as they are 0 not good 2" in proposer.text()
    assert "exclusions_checked expected: each exclusion of the basis got:" in proposer.text()


def test_bad_rows_are_said_with_their_line_and_left_out(office: Office, tmp_path: Path) -> None:
    basis = office.basis()
    register(office, 2)
    rows = [
        entry_row("p-1", basis),
        entry_row("p-9", basis),
        entry_row("p-2", basis, effect="purple"),
        entry_row("p-2", basis, ends_at=NOW + 50 * DAY),
        entry_row("p-2", basis),
    ]
    proposer = bring(browser_of(office), "rows.jsonl", rows_of(tmp_path, rows))
    text = proposer.text()
    assert "3 rows that are not good" in text
    assert "Line 2 person expected: a reference that is known in this network got: another" in text
    assert "Line 3 effect expected: &#39;red&#39;, &#39;yellow&#39; or &#39;grant&#39; got: &#39;purple&#39;" in text
    assert f"Line 4 ends_at expected: at most 30 days ({30 * DAY} s) after the start got: {50 * DAY}" in text
    assert "p-9" not in text, "no message repeats a person"
    assert "3 rows are not good and would be left out." in text
    proposer.fill(f"{PAGE}/1")
    assert "5, of which 2 added, 0 known already, 3 refused" in proposer.text()
    assert count(office, Entry) == 2


def test_outcomes_of_cases_are_shown_and_then_recorded(office: Office, tmp_path: Path) -> None:
    basis = office.basis()
    rows = [entry_row(person, basis) for person in register(office, 2)]
    proposer = bring(browser_of(office), "rows.jsonl", rows_of(tmp_path, rows))
    proposer.fill(f"{PAGE}/1")
    outcomes = [{**row, "case_state": state} for row, state in zip(rows, ("won", "upheld"), strict=True)]
    bring(proposer, "rows.jsonl", rows_of(tmp_path, outcomes))
    assert "rows 2 good and new 0 known already, left as they are 0 outcomes of cases 2 not good 0" in proposer.text()
    assert "an entry whose case was dismissed or won by the person ends. Record 2 outcomes" in proposer.text()
    assert office.entry_state(1) == ("proposed", None), "nothing is changed yet"
    proposer.fill(f"{PAGE}/2")
    assert "rows 2 added 0 known already, left as they are 0 outcomes of cases 2 left out 0" in proposer.text()
    assert (office.entry_state(1), office.entry_state(2)) == (("ended", "dismissed"), ("proposed", None))
    bring(proposer, "rows.jsonl", rows_of(tmp_path, [*outcomes, outcomes[0]]))
    assert "rows 3 good and new 0 known already, left as they are 3 not good 0" in proposer.text()
    assert "There is nothing in it that could be added." in proposer.text()


def test_the_list_of_bad_rows_is_bounded_and_their_number_is_not(office: Office, tmp_path: Path) -> None:
    basis = office.basis()
    rows = [entry_row(f"p-{number}", basis) for number in range(waiting.MOST_SHOWN + 20)]
    text = bring(browser_of(office), "rows.jsonl", rows_of(tmp_path, rows)).text()
    assert "120 rows that are not good The first 100 are shown." in text
    assert "Line 100 person" in text
    assert "Line 101 person" not in text
    assert "There is nothing in it that could be added." in text


def test_all_or_nothing(office: Office, tmp_path: Path) -> None:
    basis = office.basis()
    register(office, 2)
    proposer = browser_of(office)
    bad = rows_of(tmp_path, [entry_row("p-1", basis), entry_row("p-9", basis)])
    bring(proposer, "rows.jsonl", bad, whole="yes")
    assert "All or nothing: with rows that are not good nothing is imported." in proposer.text()
    assert [form.action for form in proposer.forms()] == ["/ops/sign-out"]
    good = rows_of(tmp_path, [entry_row("p-1", basis), entry_row("p-2", basis)])
    bring(proposer, "rows.jsonl", good, whole="yes")
    proposer.fill(f"{PAGE}/2")
    assert "2, of which 2 added, 0 known already, 0 refused" in proposer.text()


def test_all_or_nothing_when_something_has_changed_since_the_look(office: Office, tmp_path: Path) -> None:
    basis = office.basis()
    rows = [entry_row(person, basis) for person in register(office, 2)]
    proposer = bring(browser_of(office), "rows.jsonl", rows_of(tmp_path, rows), whole="yes")
    place = proposer.address
    office.clock.advance(20 * DAY - HOUR)
    proposer.sign_in("proposer")
    proposer.get(place)
    proposer.fill(place)
    assert proposer.page.status_code == 409
    assert "since the first look something has changed" in proposer.text()
    assert "2 rows that are not good" in proposer.text()
    assert (count(office, Entry), count(office, Import)) == (0, 0)


@pytest.mark.parametrize(
    ("name", "file", "content", "message"),
    [
        ("no file", "", b"", "Choose a file."),
        (
            "another form",
            "list.xlsx",
            b"PK",
            "Expected a name that ends with .csv, .jsonl, .ndjson, .parquet; this one is",
        ),
        ("nothing in it", "list.csv", b"", "Line 1: expected a header of columns, got an empty file"),
        ("no rows", "list.jsonl", b"\n", "Expected at least one row, got none"),
        ("a spreadsheet", "list.csv", b"PK\x03\x04", "Line 1: expected UTF-8 text, got a spreadsheet or an archive"),
        (
            "a score",
            "list.csv",
            b"person,score\n",
            "a column for this is a defect: people are listed by exact reference",
        ),
        ("too few columns", "list.csv", b"person,basis\n", "got none named effect, scopes, reason, case_reference"),
        ("another code", "list.csv", b"person,\xff\n", "Line 1: expected UTF-8, got the byte 0xff at position 7"),
        ("no Parquet", "list.parquet", b"PAR1 no", "Expected Parquet, got what cannot be read as it"),
        ("tags in its name", "<b>.txt", b"", "this one is called &lt;b&gt;.txt."),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isascii() and "." not in value else "",
)
def test_a_file_that_cannot_be_read_is_refused_at_its_field(
    office: Office, name: str, file: str, content: bytes, message: str
) -> None:
    proposer = bring(browser_of(office), file, content, whole="yes", kind="entries")
    assert proposer.page.status_code == 422, name
    assert message in proposer.text()
    assert 'id="file-error"' in proposer.page.text
    assert ("whole", "yes") in proposer.form(PAGE).fields, "what was chosen is chosen still"
    assert count(office, WaitingFile) == 0


def test_too_many_rows_and_too_many_bytes(office: Office, tmp_path: Path) -> None:
    proposer = browser_of(office)
    too_many = bring(proposer, "rows.jsonl", b"{}\n" * (waiting.MOST_ROWS + 1))
    assert "Expected at most 100000 rows here, got more" in too_many.text()
    line = b" " * (1 << 20)
    bring(proposer, "rows.jsonl", line * 16 + b" ")
    assert proposer.page.status_code == 422
    assert "Expected at most 16 MiB here; this one has 16.0 MiB." in proposer.text()
    bring(proposer, "rows.jsonl", line * 17)
    assert proposer.page.status_code == 413
    assert "Expected at most 16 MiB here; this one has 17.0 MiB." in proposer.text()
    assert count(office, WaitingFile) == 0


def test_sent_again_it_is_imported_once(office: Office, tmp_path: Path) -> None:
    basis = office.basis()
    content = rows_of(tmp_path, [entry_row(person, basis) for person in register(office, 2)])
    proposer = bring(browser_of(office), "rows.jsonl", content)
    place, fields = proposer.address, proposer.form(proposer.address).fields
    proposer.post(place, fields)
    proposer.post(place, fields)
    assert proposer.address == "/ops/batches/1?done=imported"
    assert (count(office, Entry), count(office, Batch), count(office, Import)) == (2, 1, 1)
    bring(proposer, "again.jsonl", content)
    assert "This file was imported" in proposer.text()
    assert "The same file again changes nothing." in proposer.text()
    assert [form.action for form in proposer.forms()] == ["/ops/sign-out"]


def test_an_import_that_was_broken_off_goes_on_by_who_began_it(office: Office, tmp_path: Path) -> None:
    basis = office.basis()
    rows = [entry_row(person, basis) for person in register(office, 3)]
    file = write_jsonl(tmp_path / "rows.jsonl", rows)
    _break_off(office, file)
    other = bring(browser_of(office, "everything"), "rows.jsonl", file.read_bytes())
    assert "proposer has begun to import this file and has to go on with it." in other.text()
    proposer = bring(browser_of(office), "rows.jsonl", file.read_bytes())
    assert "Its import was begun; 1 rows are handled." in proposer.text()
    proposer.fill(proposer.address)
    assert "3, of which 3 added, 0 known already, 0 refused" in proposer.text()
    assert count(office, Entry) == 3


def test_a_batch_that_was_turned_down_while_it_was_read_goes_on_no_more(office: Office, tmp_path: Path) -> None:
    basis = office.basis()
    rows = [entry_row(person, basis) for person in register(office, 3)]
    file = write_jsonl(tmp_path / "rows.jsonl", rows)
    _break_off(office, file)
    proposer = bring(browser_of(office), "rows.jsonl", file.read_bytes())
    place, fields = proposer.address, proposer.form(proposer.address).fields
    office.do("approver", "POST", "/batches/1/withdraw")
    proposer.post(place, fields)
    assert proposer.address == place
    assert "While it was being read somebody has turned its batch down." in proposer.text()


def _break_off(office: Office, file: Path) -> None:
    """An import that ends after its first row."""

    def stop(_rows: int) -> None:
        raise InterruptedError

    source = runs.source_of(file, ImportKind.ENTRIES)
    with pytest.raises(InterruptedError):
        runs.run(
            importer(office, at_once=1), source, whole=False, resume=False, report=lambda _row: None, progress=stop
        )
    with office.services.database.reading() as session:
        assert session.get_one(Import, 1).state is ImportState.RUNNING


def test_facts_count_at_once(office: Office, tmp_path: Path) -> None:
    person = office.person("p-1")
    content = rows_of(tmp_path, [fact_row("p-1"), fact_row("p-7")])
    desk = browser_of(office, "desk")
    desk.get("/ops/desk")
    assert f'href="{PAGE}"' in desk.page.text
    bring(desk, "facts.jsonl", content)
    assert "They count at once, without another person, and everybody whom they concern is told." in desk.text()
    assert count(office, Fact) == 0
    desk.fill(desk.address)
    assert desk.address == f"{PAGE}/1?done=facts-imported"
    assert "Recorded. Everybody whom it concerns is being told." in desk.text()
    assert "rows 2 added 1 known already, left as they are 0 left out 1" in desk.text()
    office.later()
    assert office.aspects(person)[RIDE] == "yellow"


def test_facts_past_a_limit_are_refused_when_looked_at_and_when_imported(office: Office, tmp_path: Path) -> None:
    def limit(value: int) -> None:
        change = office.do("admin", "POST", "/limits/changes", level="network", window="day", value=value)["id"]
        office.do("admin-2", "POST", f"/limits/changes/{change}/agree")

    content = write_csv(tmp_path / "facts.csv", [fact_row(person) for person in register(office, 3)]).read_bytes()
    desk = bring(browser_of(office, "desk"), "facts.csv", content, kind="facts")
    limit(2)
    desk.fill(f"{PAGE}/1")
    said = "With this file 3 people would be made yellow, where a limit allows 2."
    assert (desk.page.status_code, said in desk.text()) == (409, True)
    assert (count(office, Fact), count(office, Import)) == (0, 1), "begun, and nothing of it is in yet"
    bring(desk, "facts.csv", content, kind="facts")
    assert (desk.page.status_code, said in desk.text()) == (422, True)
    office.later(DAY)
    assert count(office, Fact) == 0


@pytest.mark.parametrize(
    ("name", "who", "kind", "status"),
    [
        ("the desk has facts alone", "desk", "entries", 403),
        ("a proposer has both", "proposer", "facts", 303),
        ("no such kind", "proposer", "people", 422),
    ],
)
def test_who_may_import_what(office: Office, tmp_path: Path, name: str, who: str, kind: str, status: int) -> None:
    office.person("p-1")
    browser = browser_of(office, who)
    bring(browser, "rows.jsonl", rows_of(tmp_path, [fact_row("p-1")]), kind=kind, follow=False)
    assert browser.page.status_code == status, name


def test_another_authority_is_refused_row_by_row(office: Office, tmp_path: Path) -> None:
    basis = office.basis()
    rows = [entry_row(person, basis) for person in register(office, 1)]
    proposer = bring(browser_of(office, "proposer-2"), "rows.jsonl", rows_of(tmp_path, rows))
    assert "basis expected: staff of the basis&#39;s authority, or of the network" in proposer.text()
    proposer.get(PAGE)
    assert "There is no basis in force that you may propose on." in proposer.text()


@pytest.mark.parametrize("csrf", ["", "forged"])
def test_a_form_of_elsewhere_is_refused(office: Office, tmp_path: Path, csrf: str) -> None:
    office.person("p-1")
    proposer = bring(browser_of(office), "rows.jsonl", rows_of(tmp_path, [fact_row("p-1")]), kind="facts", csrf=csrf)
    assert proposer.page.status_code == 403
    assert "This form is no longer valid." in proposer.text()
    assert count(office, WaitingFile) == 0


def test_a_file_is_there_for_who_brought_it_until_the_next_one_and_not_for_long(office: Office, tmp_path: Path) -> None:
    office.person("p-1")
    proposer = bring(browser_of(office), "a.jsonl", rows_of(tmp_path, [fact_row("p-1")]), kind="facts")
    first = proposer.address
    assert browser_of(office, "everything").get(first).status_code == 404
    bring(proposer, "b.jsonl", rows_of(tmp_path, [fact_row("p-2")]), kind="facts")
    with office.services.database.reading() as session:
        assert session.scalars(select(WaitingFile.id)).all() == [2], "no number is given twice"
    assert proposer.get(first).status_code == 404
    office.later(KEPT)
    assert (count(office, WaitingFile), count(office, FilePart)) == (0, 0)


@pytest.mark.both_stores
def test_a_large_file_is_kept_in_parts_and_comes_back_whole(office: Office, tmp_path: Path) -> None:
    person = register(office, 1)[0]
    reason = "In the same room. " * 100
    rows = [fact_row(person, reason=f"{number} {reason}", yellow=False) for number in range(1500)]
    file = write_jsonl(tmp_path / "rows.jsonl", rows)
    by = importer(office, kind=ImportKind.FACTS)
    brought = Brought(kind=ImportKind.FACTS, form=Format.JSONL, whole=False)
    with file.open("rb") as opened:
        file_id = waiting.bring(by, opened, brought)
    with office.services.database.reading() as session:
        parts = session.scalars(select(FilePart.data).order_by(FilePart.number)).all()
        kept = waiting.find(session, by.by.staff_id, file_id)
    assert [len(part) for part in parts[:-1]] == [waiting.PART] * (len(parts) - 1)
    assert (len(parts) > 2, b"".join(parts)) == (True, file.read_bytes())
    assert waiting.take_in(by, kept).added == 1500
    assert count(office, FilePart) == 0


@pytest.mark.both_stores
@pytest.mark.parametrize("whole", [False, True])
def test_two_at_the_same_moment_import_it_once(office: Office, tmp_path: Path, whole: bool) -> None:
    basis = office.basis()
    file = write_jsonl(tmp_path / "rows.jsonl", [entry_row(person, basis) for person in register(office, 4)])
    by = importer(office, at_once=1)
    with file.open("rb") as opened:
        file_id = waiting.bring(by, opened, Brought(kind=ImportKind.ENTRIES, form=Format.JSONL, whole=whole))
    with office.services.database.reading() as session:
        kept = waiting.find(session, by.by.staff_id, file_id)
    outcome = together(
        lambda: waiting.take_in(by, kept), lambda: waiting.take_in(by, kept), linger=office.services.database
    )
    assert {type(each) for each in outcome.refused} <= {Conflict, NotFound, IntegrityError}
    assert (count(office, Entry), count(office, Batch), count(office, Import)) == (4, 1, 1)
    with office.services.database.reading() as session:
        assert session.get_one(Batch, 1).state is BatchState.PROPOSED
        assert session.get_one(Import, 1).state is ImportState.DONE


def test_in_chinese(office: Office, tmp_path: Path) -> None:
    basis = office.basis()
    register(office, 1)
    proposer = browser_of(office)
    proposer.get("/ops/language/zh?back=/ops/import")
    assert "导入文件" in proposer.text()
    bring(proposer, "list.csv", b"person,score\n")
    assert "第 1 行" in proposer.text()
    assert "defect" not in proposer.text()
    bring(proposer, "rows.jsonl", rows_of(tmp_path, [entry_row("p-1", basis), entry_row("p-9", basis)]))
    text = proposer.text()
    assert "本网络中已知的编号" in text
    assert "expected" not in text
