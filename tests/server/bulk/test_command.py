"""`waypass-server import` and `export`, as an operator runs them; and a SIGKILL in the middle."""

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from tests.server.bulk.files import entry_row, fact_row, register, write_csv, write_jsonl
from tests.support.office import DAY, NOW, Office, basis_form, open_office
from typer.testing import CliRunner, Result

from waypass_server import migrations
from waypass_server.application import app
from waypass_server.bulk.errors import FileRefused
from waypass_server.database import Database
from waypass_server.errors import ConfigurationError, ServerError
from waypass_server.many_rows import add_rows
from waypass_server.models.bulk import Import, ImportState
from waypass_server.models.lists_of_people import Entry
from waypass_server.models.people import Person
from waypass_server.models.records import Event
from waypass_server.refusals import Forbidden
from waypass_simulator.processes import Program

SOON = int(time.time()) + 5 * DAY
"""The command reads the machine's clock."""
MANY = 20_000
DEADLINE = 120.0


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """A server whose database was made by the migrations, as commands want it."""
    database = Database(f"sqlite:///{tmp_path / 'waypass.db'}")
    migrations.upgrade(database.engine)
    database.close()
    (tmp_path / "server.toml").write_text('network = "metro"\n', encoding="utf-8")
    with closing(open_office(tmp_path)) as opened:
        yield opened


def command(office: Office, name: str, file: Path, *options: str) -> Result:
    config = office.folder / "server.toml"
    return CliRunner().invoke(app, [name, str(file), "--config", str(config), *options])


def lines(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def good_file(office: Office, count: int = 2) -> Path:
    rows = [entry_row(person, office.basis(), ends_at=SOON) for person in register(office, count)]
    return write_csv(office.folder / "rows.csv", rows)


def test_a_dry_run_then_the_import_then_again(office: Office) -> None:
    file = good_file(office)
    options = ("--kind", "entries", "--as", "proposer", "--json")
    dry = command(office, "import", file, *options, "--dry-run")
    assert (dry.exit_code, lines(dry)[-1]["added"], lines(dry)[-1]["batch_id"]) == (0, 2, None)
    real = command(office, "import", file, *options)
    counts = {
        "rows": 2,
        "added": 2,
        "known": 0,
        "outcomes": 0,
        "refused": 0,
        "import_id": 1,
        "batch_id": 1,
        "again": False,
    }
    assert lines(real) == [{"kind": "entries", "dry_run": False, "whole": False, **counts}]
    again = command(office, "import", file, *options)
    assert (again.exit_code, lines(again)[0]["again"]) == (0, True)


def test_bad_rows_have_their_lines_and_the_exit_code_says_so(office: Office) -> None:
    good = entry_row(register(office, 1)[0], office.basis(), ends_at=SOON)
    file = write_jsonl(office.folder / "rows.jsonl", [good, {**good, "effect": "purple"}, {**good, "person": "p-7"}])
    options = ("--kind", "entries", "--as", "proposer")
    told = command(office, "import", file, *options, "--dry-run", "--json")
    assert told.exit_code == 1
    assert lines(told)[:2] == [
        {"line": 2, "column": "effect", "expected": "'red', 'yellow' or 'grant'", "got": "'purple'"},
        {
            "line": 3,
            "column": "person",
            "expected": "a reference that is known in this network",
            "got": "another",
        },
    ]
    whole = command(office, "import", file, *options, "--all-or-nothing")
    assert whole.exit_code == 1
    assert whole.stdout == "2 of 3 rows are refused; nothing was changed\n"
    assert "line 3: person: expected a reference that is known in this network, got another" in whole.stderr
    some = command(office, "import", file, *options)
    assert (some.exit_code, some.stdout) == (1, "3 rows: 1 added, 0 known, 2 refused; batch 1 waits for approval\n")


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("kind", ("--kind", "people", "--as", "proposer"), ConfigurationError, "--kind: expected entries or facts"),
        ("staff", ("--kind", "entries", "--as", "approver"), Forbidden, "--as: expected somebody with the role"),
        (
            "format",
            ("--kind", "facts", "--as", "desk", "--format", "xml"),
            ConfigurationError,
            "--format: expected csv",
        ),
        ("rows", ("--kind", "facts", "--as", "desk"), FileRefused, "line 1: column 'basis': expected a known column"),
    ],
)
def test_what_cannot_be_used(
    office: Office, name: str, options: tuple[str, ...], error: type[ServerError], message: str
) -> None:
    done = command(office, "import", good_file(office), *options)
    assert isinstance(done.exception, error)
    assert message in str(done.exception)


def test_an_export_comes_back_under_the_receivers_basis(office: Office, tmp_path: Path) -> None:
    basis = office.basis(longest=365 * DAY)
    office.entry_in_effect(office.person("p-1"), basis, reason="=cmd()", ends_at=NOW + 20 * DAY)
    out = tmp_path / "out.csv"
    done = command(office, "export", out, "--kind", "entries", "--as", "approver", "--json")
    assert (done.exit_code, lines(done)) == (0, [{"kind": "entries", "file": str(out), "rows": 1}])
    assert out.stat().st_mode & 0o777 == 0o600
    header, row = out.read_text(encoding="utf-8").splitlines()
    assert header == "person,basis,effect,scopes,reason,case_reference,case_state,starts_at,ends_at,exclusions_checked"
    assert row == f"p-1,{basis},red,1,'=cmd(),H-2027-11,open,{NOW},{NOW + 20 * DAY},"
    other = command(office, "export", out, "--kind", "entries", "--as", "approver")
    assert isinstance(other.exception, ConfigurationError)
    assert "File exists" in str(other.exception)
    theirs = office.do("proposer-2", "POST", "/bases", **basis_form(authority="Court office", longest=365 * DAY))["id"]
    office.do("approver", "POST", f"/bases/{theirs}/versions/1/approve")
    again = tmp_path / "again.csv"
    cells = row.split(",")
    again.write_text("\n".join([header, ",".join([cells[0], str(theirs), *cells[2:-1], "minors"])]), encoding="utf-8")
    back = command(office, "import", again, "--kind", "entries", "--as", "proposer-2", "--json")
    assert (back.exit_code, lines(back)[-1]["added"]) == (0, 1), back.output
    with office.services.database.reading() as session:
        entry = session.get_one(Entry, 2)
        assert (entry.reason, entry.case_reference, entry.version.basis_id) == ("=cmd()", "H-2027-11", theirs)


def test_staff_of_an_authority_export_their_own(office: Office, tmp_path: Path) -> None:
    office.entry_in_effect(office.person("p-1"), office.basis())
    for who, rows in (("proposer", 1), ("proposer-2", 0)):
        out = tmp_path / f"{who}.jsonl"
        done = command(office, "export", out, "--kind", "entries", "--as", who, "--json")
        assert lines(done)[0]["rows"] == rows
    with office.services.database.reading() as session:
        said = session.scalars(select(Event.details).where(Event.what == "export.made").order_by(Event.id)).all()
    assert said == [{"kind": "entries", "rows": 1}, {"kind": "entries", "rows": 0}]


def test_facts_in_and_out(office: Office, tmp_path: Path) -> None:
    row = fact_row(register(office, 1)[0], valid_from=SOON - 2 * DAY, valid_until=SOON)
    file = write_jsonl(tmp_path / "facts.jsonl", [row])
    done = command(office, "import", file, "--kind", "facts", "--as", "desk", "--json")
    assert (done.exit_code, lines(done)[-1]["added"]) == (0, 1), done.output
    out = tmp_path / "out.jsonl"
    command(office, "export", out, "--kind", "facts", "--as", "desk")
    assert json.loads(out.read_text(encoding="utf-8")) == row


def test_a_sigkill_in_the_middle_loses_and_doubles_nothing(office: Office, tmp_path: Path) -> None:
    basis = office.basis()
    people = [(number, 1, f"p-{number}", NOW) for number in range(1, MANY + 1)]
    with office.services.change() as session:
        add_rows(session, Person, ("id", "network_id", "reference", "created_at"), people)
    rows = [entry_row(reference, basis, ends_at=SOON) for _, _, reference, _ in people]
    file = write_jsonl(tmp_path / "rows.jsonl", rows)
    options = [str(file), "--config", str(tmp_path / "server.toml"), "--kind", "entries", "--as", "proposer"]
    with Program([Path(sys.executable).parent / "waypass-server", "import", *options]) as program:
        deadline = time.monotonic() + DEADLINE
        while not 0 < handled(office) < MANY:
            assert time.monotonic() < deadline
            assert program.exit_code is None, program.text
            threading.Event().wait(0.01)
        program.kill()
    done = handled(office)
    assert 0 < done < MANY
    assert counted(office) == (done, done)
    refused = CliRunner().invoke(app, ["import", *options])
    assert f"broken off after {done} rows; --resume goes on" in str(refused.exception)
    resumed = CliRunner().invoke(app, ["import", *options, "--resume", "--json"])
    assert (resumed.exit_code, lines(resumed)[-1]["added"]) == (0, MANY), resumed.output
    assert counted(office) == (MANY, MANY)
    with office.services.database.reading() as session:
        assert session.scalars(select(Import.state)).one() is ImportState.DONE
        assert session.scalar(select(func.count(Entry.person_id.distinct()))) == MANY


def handled(office: Office) -> int:
    with office.services.database.reading() as session:
        return session.scalar(select(Import.rows)) or 0


def counted(office: Office) -> tuple[int, int]:
    """Entries, and what the log says was proposed."""
    with office.services.database.reading() as session:
        entries = session.scalar(select(func.count()).select_from(Entry))
        said = session.scalar(select(func.count()).select_from(Event).where(Event.what == "entry.proposed"))
    return entries or 0, said or 0
