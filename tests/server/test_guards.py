"""What the database itself refuses about lists: SQL that goes past the application, on both databases."""

from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session
from tests.support.databases import BOTH, Store
from tests.support.office import CHECKED, DAY, HOSPITAL, HOUR, NOTICE, NOW, RIDE, Office, basis_form
from tests.support.released import FORMS, load_postgresql, load_sqlite
from tests.support.rule_sets import propose as propose_rules

from waypass_server import events, migrations
from waypass_server.database import Database
from waypass_server.events import ManyOf
from waypass_server.models import Base, guards
from waypass_server.notifying import SYSTEM

pytestmark = pytest.mark.both_stores

SHORT = 30 * DAY
"""The longest duration of the office's basis."""


def write(office: Office, statement: str, **values: object) -> None:
    """One statement past the application."""
    with office.services.database.engine.begin() as connection:
        connection.execute(text(statement), values)


def staff(office: Office, name: str) -> int:
    with office.services.database.reading() as session:
        return int(session.execute(text("SELECT id FROM staff WHERE name = :name"), {"name": name}).scalar_one())


def add_entry(office: Office, **changes: object) -> None:
    """A proposed entry for person 1 on version 1 of basis 1, then changes."""
    row: dict[str, object] = {
        "network_id": 1,
        "person_id": 1,
        "basis_version_id": 1,
        "effect": "red",
        "scopes": f"[{RIDE}]",
        "reason": "An infection.",
        "case_reference": "H-1",
        "case_state": "open",
        "starts_at": NOW,
        "ends_at": NOW + SHORT,
        "state": "proposed",
        "proposed_by": staff(office, "proposer"),
        "proposed_at": NOW,
        **changes,
    }
    names = ", ".join(row)
    write(office, f"INSERT INTO entries ({names}) VALUES ({', '.join(f':{name}' for name in row)})", **row)


@pytest.fixture
def furnished(office: Office) -> Office:
    """A person, a basis of health, one that is not (2), and one that nobody has approved (3)."""
    office.person()
    office.basis()
    office.basis(health=False, effects=["red"], scopes=[RIDE], title="Fares")
    office.do("proposer", "POST", "/bases", **basis_form(title="Of one person"))
    return office


def test_a_good_row_is_taken(furnished: Office) -> None:
    add_entry(furnished)
    add_entry(furnished, effect="yellow", scopes=f"[{RIDE}, {HOSPITAL}, {CHECKED}]")
    add_entry(furnished, state="approved", approved_by=staff(furnished, "approver"))


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("longer than its basis", {"ends_at": NOW + SHORT + 1}, "within the longest duration of the basis"),
        ("ends before it starts", {"ends_at": NOW}, "an end after the start"),
        ("a scope outside its basis", {"scopes": "[1, 3]"}, "expected scopes of the basis"),
        ("a scope in another writing", {"scopes": '["1.0"]'}, "expected scopes of the basis"),
        ("no scope", {"scopes": "[]"}, "expected at least one scope"),
        ("no list of scopes", {"scopes": "1"}, "expected a list of scopes"),
        ("an effect outside its basis", {"effect": "grant"}, "expected an effect of the basis"),
        ("an effect that is none", {"effect": "purple"}, "expected an effect of the basis"),
        ("no reason", {"reason": "  "}, "expected a reason"),
        ("a basis of one person", {"basis_version_id": 3}, "a basis that two people put in force"),
        ("approved by nobody", {"state": "approved"}, "expected a second person to approve"),
    ],
)
def test_an_entry_that_is_none(furnished: Office, name: str, changes: dict[str, object], said: str) -> None:
    with pytest.raises(IntegrityError, match=f"entries: .*{said}"):
        add_entry(furnished, **changes)


def test_red_in_an_essential_scope_is_of_a_basis_of_health(furnished: Office) -> None:
    add_entry(furnished, basis_version_id=2)
    write(furnished, "UPDATE scopes SET essential = :yes WHERE number = :number", yes=True, number=RIDE)
    add_entry(furnished, basis_version_id=1)
    with pytest.raises(IntegrityError, match="expected a basis of health for red in an essential scope"):
        add_entry(furnished, basis_version_id=2)


@pytest.mark.parametrize("state", ["approved", "notified", "suspended", "in-effect"])
def test_nobody_approves_what_they_proposed(furnished: Office, state: str) -> None:
    proposer = staff(furnished, "proposer")
    with pytest.raises(IntegrityError, match="expected another person to approve than the one who proposed"):
        add_entry(furnished, state=state, approved_by=proposer)
    add_entry(furnished)
    with pytest.raises(IntegrityError, match="expected another person to approve than the one who proposed"):
        write(furnished, "UPDATE entries SET state = :state, approved_by = proposed_by", state=state)


@pytest.mark.parametrize(
    ("name", "statement", "said"),
    [
        ("longer", "UPDATE entries SET ends_at = ends_at + 1", "what it says to stay"),
        ("other scopes", "UPDATE entries SET scopes = '[2]'", "what it says to stay"),
        ("another effect", "UPDATE entries SET effect = 'yellow'", "what it says to stay"),
        ("another person", "UPDATE entries SET person_id = 2", "what it says to stay"),
        ("another basis", "UPDATE entries SET basis_version_id = 2", "what it says to stay"),
        ("another reason", "UPDATE entries SET reason = 'none of your business'", "what it says to stay"),
        ("another proposer", "UPDATE entries SET proposed_by = 1", "what it says to stay"),
        ("another approver", "UPDATE entries SET approved_by = 1", "its steps to stay as they were taken"),
        ("no approver", "UPDATE entries SET approved_by = NULL", "its steps to stay as they were taken"),
        ("confirmed by the approver", "UPDATE entries SET confirmed_by = approved_by", "a third person to confirm"),
        ("confirmed by the proposer", "UPDATE entries SET confirmed_by = proposed_by", "a third person to confirm"),
        (
            "in effect without a notice",
            "UPDATE entries SET state = 'in-effect', notified_at = 0, takes_effect_at = 1900000000,"
            " effective_at = 1900000000",
            "expected a notice that was delivered",
        ),
    ],
)
def test_what_was_approved_stays_so(furnished: Office, name: str, statement: str, said: str) -> None:
    furnished.person("p-2")
    entry = furnished.entry("p-1", 1)
    furnished.do("approver", "POST", f"/entries/{entry}/approve")
    with pytest.raises(IntegrityError, match=f"entries: .*{said}"):
        write(furnished, statement)
    assert furnished.entry_state(entry) == ("approved", None)


@pytest.mark.parametrize(
    ("name", "statement", "said"),
    [
        (
            "before the notice is over",
            f"UPDATE entries SET takes_effect_at = {NOW + NOTICE - 1}",
            "its steps to stay as they were taken",
        ),
        (
            "announced at another time",
            "UPDATE entries SET notified_at = notified_at - 7200",
            "its steps to stay as they were taken",
        ),
        ("in effect since never", "UPDATE entries SET state = 'in-effect'", "expected effect when it is due"),
        (
            "in effect before it is due",
            f"UPDATE entries SET state = 'in-effect', effective_at = {NOW}",
            "expected effect when it is due",
        ),
    ],
)
def test_notice_is_never_cut_short(furnished: Office, name: str, statement: str, said: str) -> None:
    entry = furnished.entry("p-1", 1)
    furnished.do("approver", "POST", f"/entries/{entry}/approve")
    furnished.later()
    assert furnished.entry_state(entry) == ("notified", None)
    with pytest.raises(IntegrityError, match=f"entries: .*{said}"):
        write(furnished, statement)


def test_less_notice_than_the_basis_says(furnished: Office) -> None:
    entry = furnished.entry("p-1", 1)
    furnished.do("approver", "POST", f"/entries/{entry}/approve")
    write(furnished, "UPDATE notices SET delivered_at = :at", at=NOW)
    announced = "UPDATE entries SET state = 'notified', notified_at = :at, takes_effect_at = :effect"
    with pytest.raises(IntegrityError, match="expected effect after the notice of the basis"):
        write(furnished, announced, at=NOW, effect=NOW + NOTICE - 1)
    write(furnished, announced, at=NOW, effect=NOW + NOTICE)


def test_what_was_held_needs_a_third_person(furnished: Office) -> None:
    add_entry(furnished, state="held", approved_by=staff(furnished, "approver"))
    with pytest.raises(IntegrityError, match="expected a third person to confirm what was held"):
        write(furnished, "UPDATE entries SET state = 'approved'")
    write(furnished, "UPDATE entries SET state = 'approved', confirmed_by = :who", who=staff(furnished, "approver-2"))


def test_what_has_ended_does_not_come_back(furnished: Office) -> None:
    entry = furnished.entry_in_effect("p-1", 1)
    furnished.do("approver", "POST", f"/entries/{entry}/withdraw")
    with pytest.raises(IntegrityError, match="expected an entry that has not ended"):
        write(furnished, "UPDATE entries SET state = 'in-effect'")


@pytest.mark.parametrize("who", ["proposer", "approver", "health-reviewer"])
def test_nobody_judges_what_is_their_own(furnished: Office, who: str) -> None:
    entry = furnished.entry("p-1", 1)
    furnished.do("approver", "POST", f"/entries/{entry}/approve")
    furnished.later()
    furnished.do("p-1", "POST", f"/me/entries/{entry}/objection", text="No.")
    decide = "UPDATE objections SET state = 'upheld', decided_at = 1, decided_by = :who"
    with pytest.raises(IntegrityError, match=r"expected a reviewer who (had no part in|does not work for)"):
        write(furnished, decide, who=staff(furnished, who))
    with pytest.raises(IntegrityError, match="expected somebody who decided"):
        write(furnished, "UPDATE objections SET state = 'upheld'")
    write(furnished, decide, who=staff(furnished, "reviewer"))
    with pytest.raises(IntegrityError, match="expected a decision to stay as it was taken"):
        write(furnished, decide, who=staff(furnished, "everything"))


@pytest.mark.parametrize(
    ("name", "statement", "said"),
    [
        ("by its proposer", "UPDATE basis_versions SET approved_by = proposed_by WHERE id = 3", "another person"),
        ("by nobody", "UPDATE basis_versions SET state = 'in-force' WHERE id = 3", "a second person to approve"),
        ("longer", "UPDATE basis_versions SET longest = longest * 10 WHERE id = 1", "what it says to stay"),
        ("no notice", "UPDATE basis_versions SET notice = 0 WHERE id = 1", "what it says to stay"),
        ("more scopes", "UPDATE basis_versions SET scopes = '[1, 2, 3, 4]' WHERE id = 1", "what it says to stay"),
        ("for health", "UPDATE basis_versions SET health = NOT health WHERE id = 2", "what it says to stay"),
        ("another approver", "UPDATE basis_versions SET approved_by = 1 WHERE id = 1", "its steps to stay"),
    ],
)
def test_a_basis_is_what_two_people_agreed_on(furnished: Office, name: str, statement: str, said: str) -> None:
    with pytest.raises(IntegrityError, match=f"basis_versions: .*{said}"):
        write(furnished, statement)


@pytest.mark.parametrize(
    ("name", "statement", "said"),
    [
        ("by its proposer", "UPDATE rule_set_versions SET approved_by = proposed_by", "another person to approve"),
        ("by nobody", "UPDATE rule_set_versions SET state = 'in-force'", "a second person to approve"),
        ("other rules", "UPDATE rule_set_versions SET text = '{}'", "what it says to stay"),
    ],
)
def test_rules_are_what_two_people_agreed_on(office: Office, name: str, statement: str, said: str) -> None:
    propose_rules(office)
    with pytest.raises(IntegrityError, match=f"rule_set_versions: .*{said}"):
        write(office, statement)


LIMIT = (
    'INSERT INTO limit_changes (network_id, level, subject_id, "window", value, "before", proposed_by, proposed_at,'
    " second_by, third_by, third_at, in_force_at)"
    " VALUES (1, 'network', 0, 'day', :value, 500, 1, 0, :second, :third, :third_at, :in_force_at)"
)


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("none", {"value": 0}, "a limit of at least one"),
        ("one person, lower", {"value": 10, "in_force_at": 0}, "a second person to agree"),
        ("the same person", {"value": 10, "second": 1}, "another person to agree"),
        ("two people, higher", {"value": 900, "second": 2, "in_force_at": 10**6}, "three people and 72 hours"),
        ("the third is the first", {"value": 900, "second": 2, "third": 1}, "a third person to agree"),
        (
            "sooner than 72 hours",
            {"value": 900, "second": 2, "third": 3, "third_at": 0, "in_force_at": 72 * HOUR - 1},
            "three people and 72 hours",
        ),
    ],
)
def test_a_limit_is_not_raised_by_fewer(office: Office, name: str, values: dict[str, object], said: str) -> None:
    blank = dict.fromkeys(("second", "third", "third_at", "in_force_at"))
    with pytest.raises(IntegrityError, match=f"limit_changes: .*{said}"):
        write(office, LIMIT, **(blank | values))


def test_a_limit_that_three_people_raised_is_taken(office: Office) -> None:
    write(office, LIMIT, value=900, second=2, third=3, third_at=0, in_force_at=72 * HOUR)
    with pytest.raises(IntegrityError, match=r"limit_changes: .*what it says to stay"):
        write(office, "UPDATE limit_changes SET value = 9000")


@pytest.mark.parametrize(
    ("name", "statement", "said"),
    [
        (
            "an exemption without an end",
            "INSERT INTO exemptions (person_id, reason, starts_at, ends_at, granted_by, granted_at)"
            f" VALUES (1, 'x', 0, {72 * HOUR + 1}, 1, 0)",
            "exemptions: expected an end within 72 hours",
        ),
        (
            "a withdrawal that its asker confirms",
            "INSERT INTO emergency_withdrawals (network_id, person_id, reason, state, asked_by, asked_at, confirmed_by)"
            " VALUES (1, 1, 'x', 'done', 1, 0, 1)",
            "emergency_withdrawals: expected another person to confirm",
        ),
        (
            "a fact that makes red",
            "INSERT INTO facts (network_id, person_id, kind, source, weight, scopes, reason, valid_from, valid_until,"
            " recorded_at) VALUES (1, 1, 'survey', 'x', 'red', '[]', 'x', 0, 1, 0)",
            "facts: expected a weight of yellow at most",
        ),
    ],
)
def test_what_else_is_refused(furnished: Office, name: str, statement: str, said: str) -> None:
    with pytest.raises(IntegrityError, match=said):
        write(furnished, statement)


def test_the_application_answers_a_guard_in_its_own_words(furnished: Office, caplog: pytest.LogCaptureFixture) -> None:
    @furnished.app.post("/past-the-rules")
    def past_the_rules() -> None:
        add_entry(furnished, reason=" ")

    answer = furnished.send("POST", "/past-the-rules")
    assert (answer.status_code, answer.json()["detail"]) == (409, "entries: expected a reason")
    assert "a guard of the database refused a change: entries: expected a reason" in caplog.text


def test_one_entry_that_a_guard_keeps_from_its_step_keeps_nobody_else(
    furnished: Office, caplog: pytest.LogCaptureFixture
) -> None:
    """As if somebody had deleted a notice after it was delivered. What the others' entries do meanwhile is in the log
    once, whichever way it was done.
    """
    furnished.person("p-2")
    furnished.person("p-3")
    first, second = furnished.entry("p-1", 1), furnished.entry("p-2", 1)
    third = furnished.entry("p-3", 1, ends_at=NOW + 3 * DAY)
    for entry in (first, second, third):
        furnished.do("approver", "POST", f"/entries/{entry}/approve")
    furnished.later()
    write(furnished, "DELETE FROM notices WHERE entry_id = :first", first=first)
    furnished.later(NOTICE)
    assert furnished.entry_state(first) == ("notified", None)
    assert furnished.entry_state(second) == ("in-effect", None)
    assert "expected a notice that was delivered" in caplog.text
    furnished.later(3 * DAY)
    assert furnished.entry_state(third) == ("ended", "expired")
    furnished.later(1)
    seen = [event["what"] for event in furnished.do("ops", "GET", "/events") if event["subject_id"] == third]
    steps = [what for what in seen if what.startswith("entry.")]
    assert steps == ["entry.proposed", "entry.approved", "entry.notified", "entry.in-effect", "entry.expire"]


def test_what_a_savepoint_takes_back_is_not_in_the_log(furnished: Office) -> None:
    """Also of savepoints within others, and when the first change of all is taken back; what came before stays."""

    def change(session: Session, number: int) -> None:
        of: dict[str, Any] = {"network_id": 1, "at": NOW, "actor": SYSTEM}
        events.record_many(session, **of, what="entry.lapse", subject="entry", rows=[ManyOf(number, None)])
        events.record(session, **of, what="entry.expire", subject=("entry", number))

    with furnished.services.change() as session:
        with suppress(_TakenBack), session.begin_nested():
            change(session, 1001)
            raise _TakenBack
        change(session, 1002)
        with suppress(_TakenBack), session.begin_nested():
            change(session, 1003)
            with session.begin_nested():
                change(session, 1004)
            raise _TakenBack
        with session.begin_nested():
            change(session, 1005)
            with suppress(_TakenBack), session.begin_nested():
                change(session, 1006)
                raise _TakenBack
    with furnished.services.database.reading() as session:
        query = text(
            "SELECT e.subject_id, count(*), count(o.event_id) FROM events AS e"
            " LEFT JOIN log_openings AS o ON o.event_id = e.id WHERE e.subject_id > 1000"
            " GROUP BY e.subject_id ORDER BY e.subject_id"
        )
        assert [tuple(row) for row in session.execute(query)] == [(1002, 2, 2), (1005, 2, 2)]


class _TakenBack(Exception):
    pass


def triggers(connection: Connection) -> dict[str, str]:
    """Every trigger of the database, with all that it does."""
    if connection.dialect.name == "sqlite":
        query = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
    else:
        query = (
            "SELECT t.tgname, pg_get_triggerdef(t.oid) || p.prosrc FROM pg_trigger AS t"
            " JOIN pg_proc AS p ON p.oid = t.tgfoid WHERE NOT t.tgisinternal"
        )
    return {name: " ".join(sql.split()) for name, sql in connection.execute(text(query))}


def new_database(store: Store, folder: Path, name: str, request: pytest.FixtureRequest) -> Database:
    if store is Store.POSTGRESQL:
        return Database(request.getfixturevalue("postgresql").new_database(name))
    return Database(f"sqlite:///{folder / f'{name}.db'}")


@pytest.mark.sqlite_only  # the store is an argument here
@pytest.mark.parametrize("kind", BOTH)
def test_models_and_migrations_make_the_same_triggers(
    kind: Store, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    found = []
    makers: dict[str, Callable[[Database], object]] = {
        "modelled": lambda database: Base.metadata.create_all(database.engine),
        "guarded": lambda database: migrations.upgrade(database.engine),
    }
    for name, make in makers.items():
        with closing(new_database(kind, tmp_path, name, request)) as database:
            make(database)
            with database.engine.connect() as connection:
                found.append(triggers(connection))
    assert found[0] == found[1]
    expected = {f"{guard.table}_guard_{when}" for guard in guards.GUARDS for when in ("insert", "update")}
    assert expected <= found[0].keys()


@pytest.mark.sqlite_only
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", BOTH)
def test_rows_of_released_forms_stay_and_can_end(
    kind: Store, form: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Also one that no guard would let in: it was written before there were any. It can end, and nothing else."""
    if kind is Store.POSTGRESQL:
        address = load_postgresql(form, request.getfixturevalue("postgresql"), "guarded_release")
    else:
        load_sqlite(form, tmp_path / "waypass.db")
        address = f"sqlite:///{tmp_path / 'waypass.db'}"
    with closing(Database(address)) as database:
        with database.engine.begin() as connection:
            connection.execute(text("UPDATE entries SET approved_by = proposed_by, ends_at = ends_at * 2"))
            states = connection.execute(text("SELECT id, state FROM entries ORDER BY id")).all()
        migrations.upgrade(database.engine)
        with database.engine.begin() as connection:
            assert connection.execute(text("SELECT id, state FROM entries ORDER BY id")).all() == states
        with pytest.raises(DBAPIError, match="expected another person to approve"), database.engine.begin() as held:
            held.execute(text("UPDATE entries SET case_state = 'upheld' WHERE state = 'in-effect'"))
        with database.engine.begin() as connection:
            connection.execute(text("UPDATE entries SET state = 'ended', \"end\" = 'withdrawn'"))


@pytest.mark.sqlite_only
@pytest.mark.parametrize("kind", BOTH)
def test_the_migration_can_be_taken_back(kind: Store, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    with closing(new_database(kind, tmp_path, "back", request)) as database:
        migrations.upgrade(database.engine, "0009")
        config = migrations._config()
        with database.engine.begin() as connection:
            config.attributes["connection"] = connection
            command.downgrade(config, "-1")
            assert not [name for name in triggers(connection) if "_guard_" in name]
