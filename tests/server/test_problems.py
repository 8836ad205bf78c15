"""Refusals are problem details, whatever comes in; and nothing that comes in makes the server fail."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine
from sqlalchemy.exc import DataError
from tests.support.office import NOW, Office, basis_form

from waypass_server.database import Database
from waypass_server.models.people import Person
from waypass_server.refusals import Problem

POSTS = [
    ("proposer", "/entries"),
    ("proposer", "/bases"),
    ("desk", "/people"),
    ("desk", "/desk-codes"),
    ("desk", "/facts"),
    ("desk", "/evidence"),
    ("ops", "/withdrawals"),
    ("reviewer", "/exemptions"),
    ("reviewer", "/standing"),
    ("reviewer", "/objections/1/decide"),
    ("p-1", "/me/evidence"),
    ("p-1", "/me/entries/1/objection"),
    (None, "/enrol"),
    (None, "/tokens"),
]

BODIES = [
    ("nothing", b""),
    ("no JSON", b"{"),
    ("a list", b"[]"),
    ("a number", b"1"),
    ("null", b"null"),
    ("deep", b"[" * 100_000),
    ("bytes", b"\xff\xfe"),
    ("half a character", b'{"person": "\\ud800", "reason": "\\ud800", "reference": "\\ud800", "code": "\\ud800"}'),
    ("zero bytes", b'{"person": "p\\u0000", "reason": "a\\u0000b", "reference": "p\\u0000", "text": "HC1:\\u0000"}'),
    ("huge numbers", b'{"basis": 1e400, "ends_at": 99999999999999999999999, "valid_until": 1e999}'),
    ("a long text", b'{"text": "' + b"A" * 50_000 + b'", "code": "' + b"A" * 50_000 + b'"}'),
]


@pytest.mark.parametrize(("name", "body"), BODIES)
def test_no_body_makes_it_fail(office: Office, name: str, body: bytes) -> None:
    office.person("p-1")
    tokens = office.tokens | office.wallets
    for who, path in POSTS:
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {tokens[who]}"} if who else {})
        answer = office.send("POST", f"/api/v1{path}", headers=headers, content=body)
        assert answer.status_code in (400, 403, 404, 422), (path, answer.status_code, answer.text[:200])
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert problem["status"] == answer.status_code
        assert problem["type"].startswith("urn:waypass:problem:")
        assert problem["title"]
        assert problem["detail"]
        assert len(answer.text) < 2000, "what came in is not sent back"


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "in pieces"])
def test_a_body_that_is_too_large(office: Office, announced: bool) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(300):
            yield b" " * 1024

    content = b" " * (300 << 10) if announced else pieces()
    answer = office.send("POST", "/api/v1/enrol", headers={"Content-Type": "application/json"}, content=content)
    assert (answer.status_code, answer.json()["type"]) == (413, "urn:waypass:problem:too-large")
    assert answer.json()["detail"] == "body: expected at most 262144 bytes, got more"


LEAF = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20)
)
JSON = LEAF | st.lists(LEAF, max_size=4) | st.dictionaries(st.text(max_size=8), LEAF, max_size=4)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(field=st.sampled_from(sorted(basis_form())), value=JSON)
def test_no_value_of_a_field_makes_it_fail(office: Office, field: str, value: object) -> None:
    answer = office.call("proposer", "POST", "/bases", **(basis_form() | {field: value}))
    assert answer.status_code in (201, 403, 404, 422)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/nothing", 404),
        ("GET", "/", 404),
        ("DELETE", "/api/v1/me", 405),
        ("GET", "/api/v1/entries/0", 422),
        ("GET", "/api/v1/entries/99999999999999999999", 422),
        ("GET", "/api/v1/entries/one", 422),
        ("GET", "/api/v1/entries?state=proposed&after=-1", 422),
        ("GET", "/api/v1/entries?state=gone", 422),
        ("GET", "/api/v1/events?after=99999999999999999999", 422),
    ],
)
def test_addresses(office: Office, method: str, path: str, status: int) -> None:
    headers = {"Authorization": f"Bearer {office.tokens['ops']}"}
    answer = office.send(method, path, headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status


def test_an_address_without_a_method_says_which_it_has(office: Office) -> None:
    answer = office.send("PUT", "/api/v1/network")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")


def test_without_its_database(office: Office) -> None:
    office.services.database.close()
    for file in office.folder.glob("waypass.db*"):
        file.unlink()
    answer = office.call(None, "GET", "/network")
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:waypass:problem:unavailable")
    assert answer.json()["detail"] == "The database cannot be used now; try again."


def test_without_a_database_server(office: Office) -> None:
    """Nobody listens at that port."""
    unreachable = Database("postgresql+psycopg://nobody@127.0.0.1:1/none")
    office.app.state.services = replace(office.services, database=unreachable)
    answer = office.call(None, "GET", "/network")
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:waypass:problem:unavailable")
    health = office.send("GET", "/health")
    assert (health.status_code, health.json()["database"]) == (503, "unavailable")


def test_more_at_once_than_the_database_has_connections(office: Office, tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'small.db'}", pool_size=1, max_overflow=0, pool_timeout=0.01)

    @office.app.post("/one-too-many")
    def one_too_many() -> None:
        with engine.connect(), engine.connect():
            pass

    answer = office.send("POST", "/one-too-many")
    engine.dispose()
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:waypass:problem:unavailable")


def test_a_value_that_the_database_cannot_hold(office: Office) -> None:
    @office.app.post("/zero")
    def zero() -> None:
        raise DataError("SELECT", None, ValueError("PostgreSQL text fields cannot contain NUL (0x00) bytes"))

    answer = office.send("POST", "/zero")
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:waypass:problem:bad-input")
    assert answer.json()["detail"] == "expected values that the database can hold"
    assert office.send("GET", "/status-lists/a%00b").status_code in (404, 422)


def test_two_at_the_same_moment(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    """What only the database can see: the second of two equal rows. The log does not say whose they are."""

    @office.app.post("/twice")
    def twice() -> None:
        with office.services.change() as session:
            for _ in range(2):
                session.add(Person(network_id=1, reference="p-opaque", created_at=NOW))

    answer = office.send("POST", "/twice")
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:waypass:problem:conflict")
    assert "a change was refused by the database" in caplog.text
    assert "p-opaque" not in caplog.text


class StoppedClock:
    """A clock that has no time to give."""

    def now(self) -> float:
        raise RuntimeError("a secret of the server")


def test_a_fault_of_the_server_shows_nothing_of_it(office: Office) -> None:
    office.app.state.services = replace(office.services, clock=StoppedClock())
    answer = office.call(None, "GET", "/network")
    assert answer.status_code == 500
    assert answer.json() == {
        "type": "urn:waypass:problem:internal",
        "title": "The server failed",
        "status": 500,
        "detail": "The failure was logged; trying again may help.",
    }


def test_names_of_problems_are_distinct() -> None:
    def below(kind: type[Problem]) -> list[type[Problem]]:
        return [kind, *(one for child in kind.__subclasses__() for one in below(child))]

    kinds = below(Problem)
    named = [kind for kind in kinds if "name" in vars(kind)]
    assert len({kind.name for kind in named}) == len(named)
    assert len({kind.title for kind in named}) == len(named)
