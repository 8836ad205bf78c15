"""API tokens: made by a person and by no token, limited, ended, and kept as hashes."""

from typing import Any

import pytest
from sqlalchemy import select
from tests.support.console import ConsoleBrowser
from tests.support.office import DAY, NOW, Office
from tests.support.sign_in import PASSWORD, Enrolled, enrol, register_passkey, sign_in_with

from waypass_server import network_file
from waypass_server.console.sessions import FRESH
from waypass_server.models.network import Staff
from waypass_server.models.records import Event
from waypass_server.models.sign_in import ApiToken
from waypass_server.signin.api_tokens import LONGEST, MOST_OF_ONE
from waypass_server.signin.attempts import FREE_OF_ACCOUNT
from waypass_server.signin.totp import STEP
from waypass_server.tokens import hash_secret


@pytest.fixture
def person(office: Office) -> Enrolled:
    """Somebody with every role."""
    return enrol(office, "everything")


def form(person: Enrolled, **changes: Any) -> dict[str, Any]:
    """A good request for a token."""
    now = person.office.services.now()
    good = {"name": person.name, "password": PASSWORD, "code": person.code(), "label": "night script"}
    return {**good, "roles": ["desk"], "writes": True, "ends_at": now + 30 * DAY, **changes}


def make(person: Enrolled, **changes: Any) -> dict[str, Any]:
    """A token; the office knows it by its label. The code's time step is over after that."""
    made: dict[str, Any] = person.office.do(None, "POST", "/tokens", **form(person, **changes))
    person.office.tokens[made["label"]] = made["token"]
    person.office.clock.advance(STEP)
    return made


@pytest.mark.both_stores
def test_a_person_makes_a_token_with_password_and_code(office: Office, person: Enrolled) -> None:
    made = make(person)
    assert made["token"].startswith("wpa_")
    assert made["last_four"] == made["token"][-4:]
    assert (made["roles"], made["writes"], made["used_on"]) == (["desk"], True, None)
    office.do("night script", "POST", "/people", reference="p-1")
    listed = office.do("night script", "GET", "/tokens")
    assert "token" not in listed[0]
    assert listed[0]["used_on"] == NOW - NOW % DAY, "the day, not the hour"
    with office.services.database.reading() as session:
        row = session.scalars(select(ApiToken)).one()
        event = session.scalars(select(Event).where(Event.what == "api-token.made")).one()
    assert row.token_hash == hash_secret(made["token"])
    assert event.details == {"token": row.id, "roles": ["desk"], "writes": True}


@pytest.mark.parametrize(
    ("name", "changes", "status", "words"),
    [
        ("a wrong password", {"password": "something else"}, 401, "that belong together"),
        ("a wrong code", {"code": "000000"}, 401, "that belong together"),
        ("nobody", {"name": "nobody"}, 401, "that belong together"),
        ("no role", {"roles": []}, 422, "roles"),
        ("a role that there is not", {"roles": ["king"]}, 422, "roles.0"),
        ("more than a year", {"ends_at": NOW + LONGEST + 3600}, 422, "ends_at: expected a time within the next"),
        ("an end that is over", {"ends_at": NOW}, 422, "ends_at: expected a time within the next"),
        ("no label", {"label": " "}, 422, "label: expected some text"),
        ("a field more", {"admin": True}, 422, "admin: no such field"),
    ],
)
def test_a_request_that_makes_no_token(
    office: Office, person: Enrolled, name: str, changes: dict[str, Any], status: int, words: str
) -> None:
    answer = office.call(None, "POST", "/tokens", **form(person, **changes))
    assert answer.status_code == status
    assert words in answer.json()["detail"]
    assert PASSWORD not in answer.text
    with office.services.database.reading() as session:
        assert session.scalars(select(ApiToken)).all() == []


def test_guesses_over_the_api_wait_as_those_at_the_console_do(office: Office, person: Enrolled) -> None:
    for _ in range(FREE_OF_ACCOUNT):
        assert office.call(None, "POST", "/tokens", **form(person, code="000000")).status_code == 401
    answer = office.call(None, "POST", "/tokens", **form(person))
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "30")
    assert person.sign_in(ConsoleBrowser(office)) == 429
    office.clock.advance(30)
    assert office.call(None, "POST", "/tokens", **form(person)).status_code == 201


def test_a_role_of_others_is_not_given(office: Office) -> None:
    desk = enrol(office, "desk")
    answer = office.call(None, "POST", "/tokens", **form(desk, roles=["desk", "approver"]))
    assert answer.json()["detail"] == "roles: expected some of one's own, got approver"
    assert office.call(None, "POST", "/tokens", **form(desk)).status_code == 201, "a request in vain uses no code up"


def test_no_token_makes_a_token(office: Office, person: Enrolled) -> None:
    make(person, label="one", roles=["admin", "desk"])
    without = {name: value for name, value in form(person).items() if name not in ("name", "password", "code")}
    for who in ("one", "admin"):  # an API token, and a staff token
        assert office.call(who, "POST", "/tokens", **without).status_code == 422
        wrong = {**form(person), "code": "", "password": ""}
        assert office.call(who, "POST", "/tokens", **wrong).status_code == 401
    for token in (office.tokens["one"], office.tokens["admin"]):
        browser = ConsoleBrowser(office)
        browser.get("/ops/sign-in")
        browser.fill("/ops/sign-in", token=token)
        if browser.address == "/ops/":  # the staff token; an API token opens no session
            browser.get("/ops/me")
            assert "A token makes no token: sign in otherwise for that." in browser.text()
            csrf = browser.form("/ops/sign-out").fields
            assert browser.post("/ops/me/tokens", [*csrf, ("label", "two"), ("roles", "admin")]).status_code == 403
        else:
            assert (token, browser.page.status_code) == (office.tokens["one"], 401)
    assert len(office.do("one", "GET", "/tokens")) == 1


def test_a_token_makes_no_enrolment_without_the_role(office: Office, person: Enrolled) -> None:
    make(person, label="desk only")
    assert office.call("desk only", "GET", "/staff").status_code == 403


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/events", {}, 200),
        ("POST", "/standing", {"person": "p-1"}, 200),
        ("POST", "/withdrawals", {"person": "p-1", "reason": "lost"}, 403),
        ("POST", "/people", {"reference": "p-2"}, 403),
        ("POST", "/tokens/1/revoke", {}, 403),
    ],
)
def test_a_token_that_reads_changes_nothing(
    office: Office, person: Enrolled, method: str, path: str, body: dict[str, Any], status: int
) -> None:
    office.person("p-1")
    make(person, roles=["ops", "desk", "reviewer"], writes=False)
    answer = office.call("night script", method, path, **body)
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["detail"] == "expected a token that writes, got one that reads"


def test_a_token_has_no_role_that_it_was_not_given(office: Office, person: Enrolled) -> None:
    make(person, roles=["desk"])
    make(person, label="log reader", roles=["ops"])
    assert office.call("night script", "GET", "/events").status_code == 403
    assert office.call("log reader", "GET", "/events").status_code == 200


@pytest.mark.parametrize("case", ["the role is lost", "left", "left and came back", "ended", "revoked"])
def test_how_a_token_ends(office: Office, person: Enrolled, case: str) -> None:
    made = make(person)
    office.do("night script", "POST", "/people", reference="p-1")
    if case == "the role is lost":
        apply(office, roles=["ops"])
    elif case.startswith("left"):
        apply(office, left=True)
        if case == "left and came back":
            apply(office)
    elif case == "ended":
        office.clock.advance(30 * DAY)
    else:
        assert office.do("night script", "POST", f"/tokens/{made['id']}/revoke") == []
    status = 403 if case == "the role is lost" else 401
    assert office.call("night script", "POST", "/people", reference="p-2").status_code == status


def apply(office: Office, **changes: Any) -> None:
    """The network file with another line for the person."""
    line = {"name": "everything", "desk": "everything", "roles": ["desk", "ops"], **changes}
    definition = network_file.NetworkDefinition.model_validate({"name": "metro", "staff": [line]})
    with office.services.change() as session:
        network_file.apply(session, definition, random_bytes=office.services.random_bytes, now=office.services.now())


def test_a_token_of_another_is_not_revoked(office: Office, person: Enrolled) -> None:
    made = make(person)
    make(person, label="another of theirs")
    assert office.call("desk", "POST", f"/tokens/{made['id']}/revoke").status_code == 404
    office.do("another of theirs", "POST", f"/tokens/{made['id']}/revoke")
    office.do("another of theirs", "POST", f"/tokens/{made['id']}/revoke")


def test_nobody_needs_more(office: Office, person: Enrolled) -> None:
    with office.services.database.changing() as session:
        staff = session.scalars(select(Staff).where(Staff.name == "everything")).one()
        for number in range(MOST_OF_ONE):
            session.add(
                ApiToken(
                    staff_id=staff.id,
                    label="x",
                    token_hash=str(number),
                    last_four="xxxx",
                    roles=["desk"],
                    writes=False,
                    created_at=NOW,
                    ends_at=NOW + DAY,
                )
            )
    assert office.call(None, "POST", "/tokens", **form(person)).status_code == 409


def test_a_token_that_ended_is_forgotten_after_a_while(office: Office, person: Enrolled) -> None:
    make(person)
    office.later(30 * DAY + 90 * DAY)
    with office.services.database.reading() as session:
        assert session.scalars(select(ApiToken)).all() == []


# At the console


def test_the_page_makes_shows_and_revokes(browser: ConsoleBrowser, person: Enrolled) -> None:
    person.sign_in(browser)
    browser.get("/ops/me")
    browser.fill("/ops/me/tokens", label="<b>night</b>", roles=["desk", "ops"], kind="reads", days="9")
    token = browser.page.text.partition('<code class="key">')[2].partition("<")[0]
    assert token.startswith("wpa_")
    assert "&lt;b&gt;night&lt;/b&gt;" in browser.page.text
    browser.get("/ops/me")
    assert f"…{token[-4:]}" in browser.text()
    assert token not in browser.page.text
    assert "service desk, operations · reads only · until" in browser.text()
    assert "never used" in browser.text()
    browser.office.tokens["script"] = token
    number = browser.office.do("script", "GET", "/tokens")[0]["id"]
    browser.get("/ops/me")
    browser.fill(f"/ops/me/tokens/{number}/revoke")
    assert "The token is revoked." in browser.text()
    assert browser.office.call("script", "GET", "/tokens").status_code == 401


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"days": "367"}, "From 1 to 366 days."),
        ({"days": "0"}, "From 1 to 366 days."),
        ({"days": "x"}, "Write a whole number, such as 30."),
        ({"label": ""}, "Please fill this in."),
        ({"roles": []}, "Choose at least one."),
        ({"roles": "approver"}, "Choose among your own."),
    ],
)
def test_a_form_that_makes_no_token(office: Office, changes: dict[str, Any], words: str) -> None:
    desk, browser = enrol(office, "desk"), ConsoleBrowser(office)
    desk.sign_in(browser)
    browser.get("/ops/me")
    values: dict[str, Any] = {"label": "script", "roles": "desk", "days": "9", **changes}
    assert browser.fill("/ops/me/tokens", **values).status_code == 422
    assert words in browser.text()


def test_a_session_that_was_left_open_makes_no_token(browser: ConsoleBrowser, person: Enrolled) -> None:
    person.sign_in(browser)
    register_passkey(browser)
    browser.get("/ops/me")
    csrf = browser.form("/ops/sign-out").fields
    browser.office.clock.advance(FRESH)
    answer = browser.post("/ops/me/tokens", [*csrf, ("label", "two"), ("roles", "desk"), ("days", "9")])
    assert answer.status_code == 403
    assert "Sign in again first." in browser.text()


def test_after_a_passkey_too(browser: ConsoleBrowser, person: Enrolled) -> None:
    person.sign_in(browser)
    key = register_passkey(browser)
    browser.fill("/ops/sign-out")
    sign_in_with(browser, key)
    browser.get("/ops/me")
    browser.fill("/ops/me/tokens", label="two", roles="desk", days="9")
    assert "Token “two”" in browser.text()
