"""The network file: applied as often as one likes, and what makes it unusable."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from tests.support.office import CHECKED, GREEN, HOSPITAL, NETWORK, NOW, PRIORITY, RIDE, Office, make_services
from tests.support.rule_sets import propose

from waypass_server import network_file
from waypass_server.errors import ConfigurationError
from waypass_server.models.network import Scope, Staff
from waypass_server.models.people import Person
from waypass_server.network_file import Change, NetworkDefinition, read_network_file

pytestmark = pytest.mark.both_stores

SMALL = """
name = "metro"
[[scopes]]
number = 1
name = "ride"
[[authorities]]
name = "Health office"
contact = "health@example.org"
[[staff]]
name = "Ada"
desk = "Central"
roles = ["proposer", "desk"]
authority = "Health office"
"""


def apply(office: Office, definition: NetworkDefinition) -> list[Change]:
    with office.services.change() as session:
        return network_file.apply(session, definition, random_bytes=office.services.random_bytes, now=NOW)


def test_what_is_new_is_said_once(tmp_path: Path) -> None:
    file = tmp_path / "network.toml"
    file.write_text(SMALL, encoding="utf-8")
    services = make_services(tmp_path)
    definition = read_network_file(file)
    with services.change() as session:
        changes = network_file.apply(session, definition, random_bytes=services.random_bytes, now=NOW)
    assert [(change.what, change.name, change.change) for change in changes] == [
        ("network", "metro", "added"),
        ("scope", "1", "added"),
        ("authority", "Health office", "added"),
        ("staff", "Ada", "added"),
    ]
    assert changes[3].token is not None
    assert changes[3].token.startswith("wps_")
    assert len(changes[3].token) == 4 + 43
    with services.change() as session:
        assert network_file.apply(session, definition, random_bytes=services.random_bytes, now=NOW) == []


def test_what_differs_is_changed_and_nothing_is_taken_away(office: Office) -> None:
    office.person("p-1")
    scope = {"number": RIDE, "name": "ride", "essential": True}
    ada = {"name": "desk", "desk": "North", "roles": ["desk", "ops"]}
    definition = NetworkDefinition.model_validate({"name": "metro", "scopes": [scope], "staff": [ada]})
    assert [(change.what, change.name, change.token) for change in apply(office, definition)] == [
        ("scope", "1", None),
        ("staff", "desk", None),
    ]
    with office.services.database.reading() as session:
        assert len(session.scalars(select(Scope)).all()) == len(NETWORK.scopes)
        assert session.scalars(select(Staff).where(Staff.name == "desk")).one().roles == ["desk", "ops"]
        assert session.scalars(select(Person.reassess_at)).all() == [NOW], "everybody is looked at again"
    assert office.do("ops", "GET", "/network")["scopes"][0]["essential"]


def ground(office: Office) -> list[tuple[Any, ...]]:
    """Scopes and staff, as they are in force."""
    with office.services.database.reading() as session:
        columns = Scope.number, Scope.name, Scope.essential, Scope.needs_evidence
        return [*map(tuple, session.execute(select(*columns))), *map(tuple, session.execute(select(Staff.name)))]


@pytest.mark.parametrize(
    ("number", "changes", "message"),
    [
        (RIDE, {"name": "ride", "needs_evidence": True}, "1 'ride': expected needs_evidence = false, .*got true; noth"),
        (
            HOSPITAL,
            {"name": "clinic", "essential": False},
            "2 'hospital': expected essential = true, .*got false; noth",
        ),
        (RIDE, {"name": "ride", "by_grant": True}, "1 'ride': expected by_grant = false, .*got true; nothing was"),
    ],
)
def test_no_file_makes_people_worse_off(office: Office, number: int, changes: dict[str, Any], message: str) -> None:
    person, before = office.person(), ground(office)
    scopes = [{"number": PRIORITY, "name": "fast lane", "by_grant": True}, {"number": number, **changes}]
    member = {"name": "Eve", "desk": "x", "roles": ["desk"]}
    definition = NetworkDefinition.model_validate({"name": "metro", "scopes": scopes, "staff": [member]})
    with pytest.raises(
        ConfigurationError, match=f"scope {message}.*(which two approve and the limits count|Add another)"
    ):
        apply(office, definition)
    assert ground(office) == before
    office.later()
    assert office.aspects(person) == GREEN


def test_what_sets_people_free_and_what_is_new_stays_possible(office: Office) -> None:
    person = office.person()
    scopes = [
        {"number": CHECKED, "name": "arena", "needs_evidence": False},
        {"number": RIDE, "name": "ride", "essential": True},
        {"number": 5, "name": "theatre", "needs_evidence": True},
    ]
    definition = NetworkDefinition.model_validate({"name": "metro", "scopes": scopes})
    assert [(change.name, change.change) for change in apply(office, definition)] == [
        ("4", "changed"),
        ("1", "changed"),
        ("5", "added"),
    ]
    office.later()
    assert office.aspects(person) == GREEN | {CHECKED: "green", 5: "yellow"}
    assert apply(office, definition) == [], "what is in force already may be said again"


def test_before_anybody_is_there_a_scope_may_be_anything(office: Office) -> None:
    scopes = [
        {"number": RIDE, "name": "ride", "needs_evidence": True},
        {"number": HOSPITAL, "name": "hospital", "essential": False},
    ]
    definition = NetworkDefinition.model_validate({"name": "metro", "scopes": scopes})
    assert len(apply(office, definition)) == 2


def test_a_shadow_run_by_other_scopes_serves_for_nothing(office: Office) -> None:
    office.person()
    address = propose(office, form=None)
    seen = office.do("approver", "POST", f"{address}/shadow")
    scopes = [{"number": CHECKED, "name": "arena"}]
    apply(office, NetworkDefinition.model_validate({"name": "metro", "scopes": scopes}))
    refused = office.call("approver", "POST", f"{address}/approve", shadow_at=seen["shadow_at"])
    assert refused.status_code == 409
    assert "approve: expected the scopes" in refused.json()["detail"]


def test_left_is_left_and_may_come_back(office: Office) -> None:
    gone = {"name": "desk", "desk": "Central", "roles": ["desk"], "left": True}
    definition = NetworkDefinition.model_validate({"name": "metro", "staff": [gone]})
    assert len(apply(office, definition)) == 1
    assert apply(office, definition) == []
    assert office.call("desk", "POST", "/people", reference="p-1").status_code == 401
    back = NetworkDefinition.model_validate({"name": "metro", "staff": [gone | {"left": False}]})
    assert len(apply(office, back)) == 1
    office.do("desk", "POST", "/people", reference="p-1")


def test_a_new_token_voids_the_old_one(office: Office) -> None:
    with office.services.change() as session:
        draw = office.services.random_bytes
        change = network_file.new_token(session, "metro", "desk", random_bytes=draw, now=NOW)
    assert office.call("desk", "POST", "/people", reference="p-1").status_code == 401
    office.tokens["desk"] = str(change.token)
    office.do("desk", "POST", "/people", reference="p-1")


def test_no_token_for_somebody_unknown(office: Office) -> None:
    draw = office.services.random_bytes
    with (
        office.services.change() as session,
        pytest.raises(ConfigurationError, match="expected somebody who works for metro, got 'Nobody'"),
    ):
        network_file.new_token(session, "metro", "Nobody", random_bytes=draw, now=NOW)


def test_the_log_names_nobody(office: Office) -> None:
    events = office.do("admin", "GET", "/events")
    assert {event["what"] for event in events} == {
        "network.added",
        "scope.added",
        "authority.added",
        "staff.added",
        "key.added",
    }
    for name in office.tokens:
        if name not in ("admin", "proposer", "approver", "reviewer", "ops", "desk"):
            assert name not in str(events)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("unknown key", SMALL + 'rolls = ["x"]', "staff.0.rolls: no such key"),
        ("unknown table", SMALL + "[[people]]\nname = 'x'", "people: no such key"),
        ("a number twice", SMALL + '[[scopes]]\nnumber = 1\nname = "x"', "scope number: expected each once, twice: 1"),
        (
            "a name twice",
            SMALL + '[[scopes]]\nnumber = 2\nname = "ride"',
            "scope name: expected each once, twice: ride",
        ),
        ("unknown role", SMALL.replace('"desk"]', '"king"]'), "staff.0.roles.1: .*'admin', 'proposer'"),
        ("no roles", SMALL.replace('["proposer", "desk"]', "[]"), "staff.0.roles: .*at least 1 item"),
        ("no name", "[[scopes]]\nnumber = 1", "name: Field required"),
        ("not TOML", "name = metro", "expected TOML"),
    ],
)
def test_what_is_no_network_file(tmp_path: Path, name: str, text: str, message: str) -> None:
    file = tmp_path / "network.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=f"network.toml: .*{message}"):
        read_network_file(file)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent\.toml: expected a network file: No such file"):
        read_network_file(tmp_path / "absent.toml")


def test_an_authority_that_is_not_defined(office: Office) -> None:
    member: dict[str, Any] = {"name": "Eve", "desk": "x", "roles": ["proposer"], "authority": "Nobody"}
    definition = NetworkDefinition.model_validate({"name": "metro", "staff": [member]})
    with pytest.raises(
        ConfigurationError, match=r"staff Eve: expected an authority among .*Health office.*, got 'Nobody'"
    ):
        apply(office, definition)
    with office.services.database.reading() as session:
        assert session.scalars(select(Staff).where(Staff.name == "Eve")).one_or_none() is None
