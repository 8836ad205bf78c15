"""My sign-in: what the page shows, what may be changed and when, and which sessions end with it."""

import pytest
from sqlalchemy import select
from tests.support.console import ConsoleBrowser
from tests.support.office import Office
from tests.support.sign_in import PASSWORD, Enrolled, begin_enrolment, connect_app, enrol, register_passkey

from waypass_server import network_file
from waypass_server.console.sessions import FRESH
from waypass_server.models.records import Event
from waypass_server.models.sign_in import Authenticator
from waypass_server.signin.totp import STEP


@pytest.fixture
def desk(office: Office) -> Enrolled:
    """The service desk, with password and app."""
    return enrol(office, "desk")


def test_setting_up_step_by_step(browser: ConsoleBrowser) -> None:
    begin_enrolment(browser, "desk")
    assert "a password and an authenticator app, which count only together" in browser.text()
    assert "<nav" not in browser.page.text
    browser.fill("/ops/me/password", password=PASSWORD, again=PASSWORD)
    assert "The password is set." in browser.text()
    assert "You can sign in now" not in browser.text()
    _, codes = connect_app(browser)
    assert len(set(codes)) == 10
    assert "They are shown only now" in browser.text()
    browser.get("/ops/me")
    assert "10 recovery codes are left." in browser.text()
    assert not any(code in browser.page.text for code in codes)
    browser.fill("/ops/me/done")
    assert "It is set up. Sign in with it now." in browser.text()
    assert browser.get("/ops/me").url.path == "/ops/sign-in"


@pytest.mark.parametrize(
    ("name", "password", "again", "words"),
    [
        ("too short", "elevenchars", "elevenchars", "At least 12 characters, at most 200."),
        ("too long", "x" * 201, "x" * 201, "At least 12 characters, at most 200."),
        ("not the same", PASSWORD, PASSWORD.upper(), "This is not the same as above."),
        ("nothing", "", "", "At least 12 characters, at most 200."),
    ],
)
def test_a_password_that_is_not_taken(
    browser: ConsoleBrowser, name: str, password: str, again: str, words: str
) -> None:
    begin_enrolment(browser, "desk")
    assert browser.fill("/ops/me/password", password=password, again=again).status_code == 422
    assert words in browser.text()
    assert not password or f'value="{password}"' not in browser.page.text


def test_space_is_part_of_a_password(browser: ConsoleBrowser) -> None:
    desk = enrol(browser.office, "desk")
    assert desk.sign_in(browser, password=f" {PASSWORD}") == 401


def test_the_code_to_scan(browser: ConsoleBrowser) -> None:
    begin_enrolment(browser, "desk")
    browser.fill("/ops/me/authenticator/new")
    assert browser.address == "/ops/me/authenticator"
    with browser.office.services.database.reading() as session:
        app = session.scalars(select(Authenticator)).one()
    assert app.secret is None
    assert app.pending is not None
    assert len(app.pending) == 32
    assert app.pending[:4] + " " + app.pending[4:8] in browser.page.text
    assert 'role="img"' in browser.page.text


@pytest.mark.parametrize("code", ["", "000000", "12345", "x"])
def test_an_app_that_does_not_show_the_code(browser: ConsoleBrowser, code: str) -> None:
    begin_enrolment(browser, "desk")
    browser.fill("/ops/me/authenticator/new")
    assert browser.fill("/ops/me/authenticator", code=code).status_code == 422
    assert "This is not the code that the app shows now." in browser.text()
    with browser.office.services.database.reading() as session:
        assert session.scalars(select(Authenticator.secret)).one() is None


def test_the_first_code_of_an_app_does_not_open_too(browser: ConsoleBrowser) -> None:
    office = browser.office
    begin_enrolment(browser, "desk")
    browser.fill("/ops/me/password", password=PASSWORD, again=PASSWORD)
    secret, _ = connect_app(browser)
    desk = Enrolled(office=office, name="desk", secret=secret)
    other = ConsoleBrowser(office)
    assert desk.sign_in(other) == 401
    office.clock.advance(STEP)
    assert desk.sign_in(other) == 200


def test_another_app_takes_the_place_of_the_first(browser: ConsoleBrowser, desk: Enrolled) -> None:
    desk.sign_in(browser)
    browser.get("/ops/me")
    secret, codes = connect_app(browser)
    browser.office.clock.advance(STEP)
    other = ConsoleBrowser(browser.office)
    assert desk.sign_in(other) == 401
    assert desk.sign_in(other, code=desk.recovery_codes[0]) == 401, "those of the app before are void too"
    again = Enrolled(office=browser.office, name="desk", secret=secret)
    assert again.sign_in(other) == 200
    assert again.sign_in(other, code=codes[0]) == 200


def test_new_recovery_codes_void_the_old(browser: ConsoleBrowser, desk: Enrolled) -> None:
    desk.sign_in(browser)
    browser.get("/ops/me")
    browser.fill("/ops/me/recovery-codes")
    assert "Recovery codes" in browser.text()
    assert desk.sign_in(browser, code=desk.recovery_codes[0]) == 401


@pytest.mark.parametrize("path", ["authenticator/new", "recovery-codes", "passkeys/options", "password"])
@pytest.mark.parametrize("case", ["a staff token", "a session that was left open"])
def test_who_may_not_change_anything(browser: ConsoleBrowser, desk: Enrolled, path: str, case: str) -> None:
    if case == "a staff token":
        browser.sign_in("ops")
    else:
        desk.sign_in(browser)
        browser.office.clock.advance(FRESH)
    browser.get("/ops/me")
    csrf = browser.form("/ops/sign-out").fields
    answer = browser.post(f"/ops/me/{path}", [*csrf, ("password", PASSWORD), ("again", PASSWORD)])
    assert answer.status_code == 403
    assert "Sign in again first." in browser.text()


def test_the_page_says_what_somebody_with_a_token_can_do(browser: ConsoleBrowser) -> None:
    browser.sign_in("desk")
    browser.get("/ops/me")
    assert "ask an administrator for an enrolment link" in browser.text()
    assert [form.action for form in browser.forms()] == ["/ops/sign-out", "/ops/me/sessions/end"]


def test_the_page_leads_to_a_new_sign_in(browser: ConsoleBrowser, desk: Enrolled) -> None:
    desk.sign_in(browser)
    browser.office.clock.advance(FRESH)
    browser.get("/ops/me")
    assert 'href="/ops/sign-in?next=/ops/me"' in browser.page.text
    browser.get("/ops/sign-in?next=/ops/me")
    browser.fill("/ops/sign-in/password", name="desk", password=PASSWORD, code=desk.code())
    assert browser.address == "/ops/me"
    assert "Change the password" in browser.text()


# Sessions


def test_all_my_sessions_end_at_once(browser: ConsoleBrowser, desk: Enrolled) -> None:
    desk.sign_in(browser)
    other = ConsoleBrowser(browser.office)
    browser.office.clock.advance(STEP)
    assert desk.sign_in(other) == 200
    stranger = ConsoleBrowser(browser.office)
    stranger.sign_in("ops")
    browser.get("/ops/me")
    assert browser.text().count("with password and code") == 2
    assert "with password and code · this browser" in browser.text()
    browser.fill("/ops/me/sessions/end")
    assert "All your sessions have ended, at every browser." in browser.text()
    assert other.get("/ops/").url.path == "/ops/sign-in"
    assert stranger.get("/ops/").url.path == "/ops/"


@pytest.mark.parametrize("case", ["left", "left and came back", "a new staff token"])
def test_sessions_end_with_what_the_operator_does(browser: ConsoleBrowser, desk: Enrolled, case: str) -> None:
    desk.sign_in(browser)
    services = browser.office.services
    with services.change() as session:
        if case == "a new staff token":
            network_file.new_token(session, "metro", "desk", random_bytes=services.random_bytes, now=services.now())
        else:
            for left in (True, False) if case == "left and came back" else (True,):
                line = {"name": "desk", "desk": "desk", "roles": ["desk"], "left": left}
                definition = network_file.NetworkDefinition.model_validate({"name": "metro", "staff": [line]})
                network_file.apply(session, definition, random_bytes=services.random_bytes, now=services.now())
                session.flush()
    assert browser.get("/ops/").url.path == "/ops/sign-in"
    browser.office.clock.advance(STEP)
    assert desk.sign_in(browser) == (200 if case == "a new staff token" else 401)


def test_the_log_has_no_name_and_nothing_that_opens(browser: ConsoleBrowser, desk: Enrolled) -> None:
    desk.sign_in(browser)
    register_passkey(browser, label="the phone of Ada")
    with browser.office.services.database.reading() as session:
        events = session.scalars(select(Event).where(Event.subject == "staff", Event.at > 0)).all()
    said = [(event.what, event.details) for event in events if event.staff_id == events[-1].staff_id]
    assert [what for what, _ in said] == [
        "console.signed-in",
        "password.set",
        "authenticator.set",
        "console.signed-in",
        "passkey.registered",
    ]
    assert "Ada" not in str(said)
    assert {value for _, details in said for value in details.values()} <= {"enrolment", "password", 1}
