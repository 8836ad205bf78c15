"""Forgetting one person: what goes, what stays, and who cannot be forgotten yet."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from tests.server.publishing import holder_key
from tests.support.databases import database_url
from tests.support.office import NOW, RIDE, Office
from tests.support.rule_sets import propose, put_in_force, rule
from typer.testing import CliRunner, Result

from waypass_server import events, migrations
from waypass_server.application import app
from waypass_server.issuing import PassRequest, issue_bound, make_nonce
from waypass_server.life import Actor, Kind
from waypass_server.models import Base
from waypass_server.models.people import Person
from waypass_server.models.public_log import LogLeaf
from waypass_server.models.records import Event
from waypass_server.models.status import PassRow, StatusChange

pytestmark = pytest.mark.both_stores


def live(office: Office, person: str) -> None:
    """All that there can be about somebody; the entry has ended."""
    office.person(person)
    office.person(person)
    basis = office.basis()
    proposes: dict[str, Any] = {"basis": basis, "effect": "red", "scopes": [RIDE]}
    put_in_force(office, propose(office, rule(logic=True, proposes=proposes), title=person, form=None))
    entry = office.entry_in_effect(person, basis)
    until = office.services.now() + 600
    office.do(person, "POST", f"/me/entries/{entry}/objection", text="No.")
    office.do("reviewer", "POST", "/exemptions", person=person, reason="a hearing", ends_at=until)
    fact = {"kind": "survey", "source": "desk", "reason": "fever", "yellow": True, "valid_until": until}
    office.do("desk", "POST", "/facts", person=person, **fact)
    for _ in range(2):
        office.do("desk", "POST", "/paper-passes", person=person, scopes=[RIDE])
    office.do("ops", "POST", "/withdrawals", person=person, reason="lost")
    office.do("reviewer", "POST", "/standing", person=person)
    with office.services.change() as session:
        (found,) = session.scalars(select(Person).where(Person.reference == person))
        request = PassRequest(holder=holder_key(1).key, scopes=(RIDE,))
        issue_bound(session, office.services, found.id, [request], office.services.now())
        make_nonce(session, office.services, 2, office.services.now())
        of: dict[str, Any] = {"actor": Actor(kind=Kind.HOLDER), "subject": ("person", found.id)}
        events.record(session, network_id=1, at=NOW, what="passes.issued", **of)
    office.do("proposer", "POST", f"/entries/{entry}/withdraw")
    office.later()
    office.do("desk", "POST", "/desk-codes", person=person)


def rows_about(office: Office, person_id: int) -> dict[str, int]:
    """How many rows of each table refer to a person."""
    found = {}
    with office.services.database.reading() as session:
        for table in Base.metadata.sorted_tables:
            for column in table.columns:
                if any(key.target_fullname == "people.id" for key in column.foreign_keys):
                    query = text(f"SELECT count(*) FROM {table.name} WHERE {column.name} = :person")
                    found[table.name] = session.execute(query, {"person": person_id}).scalar_one()
    return found


def forget(office: Office, reference: str, *more: str) -> Result:
    config = office.folder / "server.toml"
    url = database_url(office.folder)
    config.write_text(f'network = "metro"\ndatabase_url = "{url}"\n', encoding="utf-8")
    with office.services.database.engine.begin() as connection:  # the quick tables of tests have no form yet
        connection.execute(text("CREATE TABLE IF NOT EXISTS alembic_version (version_num VARCHAR(32) NOT NULL)"))
        connection.execute(text("DELETE FROM alembic_version"))
        connection.execute(text("INSERT INTO alembic_version VALUES (:form)"), {"form": migrations.newest()})
    return CliRunner().invoke(app, ["people", "forget", reference, "--config", str(config), *more])


def test_everything_about_a_person_goes_and_nothing_about_others(office: Office, tmp_path: Path) -> None:
    live(office, "p-1")
    office.person("p-2")
    office.do("desk", "POST", "/paper-passes", person="p-2", scopes=[RIDE])
    before, other = rows_about(office, 1), rows_about(office, 2)
    assert all(before.values()), f"somebody about whom there is everything: {before}"
    with office.services.database.reading() as session:
        leaves = session.scalars(select(LogLeaf.leaf).order_by(LogLeaf.idx)).all()
        of_passes = select(PassRow.list_id, PassRow.idx).where(PassRow.person_id == 1)
        places = set(map(tuple, session.execute(of_passes)))

    done = forget(office, "p-1", "--json")

    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["records"] == before["log_openings"]
    assert not any(rows_about(office, 1).values())
    assert rows_about(office, 2) == other
    with office.services.database.reading() as session:
        assert session.scalars(select(Person.reference)).all() == ["p-2"]
        about = Event.subject == "person", Event.subject_id == 1
        assert session.scalars(select(Event).where(*about)).all() == []
        after = session.scalars(select(LogLeaf.leaf).order_by(LogLeaf.idx)).all()
        assert (list(after[:-1]), len(after)) == (list(leaves), len(leaves) + 1)
        told = set(map(tuple, session.execute(select(StatusChange.list_id, StatusChange.idx))))
        assert places <= told, "gates hear of each of the passes"
        newest_event = session.scalars(select(Event).order_by(Event.id.desc()).limit(1)).one()
    assert (newest_event.what, newest_event.subject, newest_event.details) == (
        "person.forgotten",
        "network",
        {"records": before["log_openings"]},
    )
    assert office.call("p-1", "GET", "/me").status_code == 401
    office.do("desk", "POST", "/people", reference="p-1")
    why = office.do("ops", "POST", "/standing", person="p-1")["scopes"][0]["why"]
    assert [cause["kind"] for cause in why] == ["rule"], "which is about everybody"


def test_nobody_is_forgotten_whose_entry_has_not_ended(office: Office) -> None:
    entry = office.entry(office.person(), office.basis())
    before = rows_about(office, 1)
    done = forget(office, "p-1")
    assert done.exit_code == 1
    assert f"forget: expected a person without an entry that has not ended, there are {entry}" in done.output
    assert rows_about(office, 1) == before


def test_nobody_else_is_forgotten(office: Office) -> None:
    office.person()
    done = forget(office, "P-1")
    assert (done.exit_code, "expected a reference that is known in this network" in done.output) == (1, True)
    assert rows_about(office, 1)["wallets"] == 1
