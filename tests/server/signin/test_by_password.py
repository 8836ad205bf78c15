"""Signing in with a password and its second factor: what opens, what does not, and that all of that looks alike."""

from dataclasses import replace

import pytest
from sqlalchemy import func, select
from tests.support.at_once import together
from tests.support.console import ConsoleBrowser
from tests.support.office import NOW, Office
from tests.support.sign_in import PASSWORD, Enrolled, begin_enrolment, enrol, register_passkey, sign_in_with

from waypass_server.console import sessions
from waypass_server.console.access import SESSION_COOKIE
from waypass_server.models.console import ConsoleSession
from waypass_server.models.network import Staff
from waypass_server.models.records import Event
from waypass_server.models.sign_in import FailedSignIn, RecoveryCode, StaffPassword
from waypass_server.signin.attempts import FREE_OF_ACCOUNT, Wait
from waypass_server.signin.by_password import Given, WrongSignIn
from waypass_server.signin.passwords import Passwords
from waypass_server.signin.totp import STEP

pytestmark = pytest.mark.both_stores


@pytest.fixture
def ada(office: Office) -> Enrolled:
    """A proposer with password and app."""
    return enrol(office, "proposer")


def last_event(office: Office) -> Event:
    with office.services.database.reading() as session:
        event = session.scalars(select(Event).order_by(Event.id.desc())).first()
    assert event is not None
    return event


def test_name_password_and_code_open_the_console(browser: ConsoleBrowser, ada: Enrolled) -> None:
    browser.get("/ops/push")
    code = ada.code()
    browser.fill("/ops/sign-in/password", name="proposer", password=PASSWORD, code=f"{code[:3]} {code[3:]}")
    assert browser.address == "/ops/push"
    event = last_event(browser.office)
    assert (event.what, event.details) == ("console.signed-in", {"way": "password"})
    assert event.staff_id == event.subject_id


WRONG = [
    ("a wrong password", {"password": "four words that match"}),
    ("the password of another case", {"password": PASSWORD.upper()}),
    ("no password", {"password": ""}),
    ("a wrong code", {"code": "000000"}),
    ("no code: a password alone is never enough", {"code": ""}),
    ("a recovery code of nobody", {"code": "K7QM-4TZP-AAAA-0123"}),
    ("another's name", {"name": "approver"}),
    ("nobody's name", {"name": "nobody"}),
    ("the name in another case", {"name": "Proposer"}),
    ("no name", {"name": ""}),
    ("somebody who has set up nothing", {"name": "desk"}),
]


@pytest.mark.parametrize(("name", "changes"), WRONG)
def test_what_does_not_open_looks_alike(
    browser: ConsoleBrowser, ada: Enrolled, name: str, changes: dict[str, str]
) -> None:
    enrol(browser.office, "approver")
    assert ada.sign_in(browser, **changes) == 401
    assert "Name, password and code do not fit together." in browser.text()
    assert SESSION_COOKIE not in browser.cookies
    assert changes.get("password", PASSWORD) not in browser.page.text or not changes.get("password", "x")


class CountingPasswords(Passwords):
    """Counts the hashes that are computed for comparing."""

    def __init__(self) -> None:
        super().__init__(passes=1, memory=64, lanes=1)
        self.compared = 0

    def matches(self, password: str, hashed: str | None) -> bool:
        self.compared += 1
        return super().matches(password, hashed)


@pytest.mark.parametrize(("name", "changes"), WRONG)
def test_each_answer_takes_one_hash(office: Office, ada: Enrolled, name: str, changes: dict[str, str]) -> None:
    passwords = CountingPasswords()
    services = replace(office.services, passwords=passwords)
    given = {"name": "proposer", "password": PASSWORD, "code": ada.code(), **changes}
    with pytest.raises(WrongSignIn, match="expected a name, a password and a code that belong together"):
        sessions.sign_in_with_password(services, Given(**given), source="a", before=None)
    assert passwords.compared == 1


def test_a_code_opens_once(browser: ConsoleBrowser, ada: Enrolled) -> None:
    code = ada.code()
    assert ada.sign_in(browser, code=code) == 200
    other = ConsoleBrowser(browser.office)
    assert ada.sign_in(other, code=code) == 401, "somebody has seen it"
    assert ada.sign_in(other, code=ada.code(-1)) == 401, "nor one from before"
    browser.office.clock.advance(STEP)
    assert ada.sign_in(other, code=ada.code()) == 200


def test_a_code_that_came_with_a_wrong_password_is_not_used_up(browser: ConsoleBrowser, ada: Enrolled) -> None:
    assert ada.sign_in(browser, password="something else") == 401
    assert ada.sign_in(browser) == 200


@pytest.mark.parametrize(("steps", "status"), [(-1, 200), (1, 200), (-2, 401), (2, 401)])
def test_a_clock_that_differs(browser: ConsoleBrowser, ada: Enrolled, steps: int, status: int) -> None:
    browser.office.clock.advance(5 * STEP)
    assert ada.sign_in(browser, code=ada.code(steps)) == status


def test_a_recovery_code_opens_once_in_the_place_of_a_code(browser: ConsoleBrowser, ada: Enrolled) -> None:
    code = ada.recovery_codes[3]
    assert ada.sign_in(browser, code=code.lower().replace("-", " ")) == 200
    assert ada.sign_in(ConsoleBrowser(browser.office), code=code) == 401
    browser.get("/ops/me")
    assert "9 recovery codes are left." in browser.text()


def test_a_recovery_code_with_a_wrong_password_is_not_used_up(browser: ConsoleBrowser, ada: Enrolled) -> None:
    assert ada.sign_in(browser, code=ada.recovery_codes[0], password="something else") == 401
    with browser.office.services.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(RecoveryCode)) == 10


def test_a_password_without_an_app_opens_nothing(browser: ConsoleBrowser) -> None:
    begin_enrolment(browser, "proposer")
    browser.fill("/ops/me/password", password=PASSWORD, again=PASSWORD)
    assert "which count only together" in browser.text()
    for code in ("", "000000", "123456"):
        other = ConsoleBrowser(browser.office)
        other.get("/ops/sign-in")
        answer = other.fill("/ops/sign-in/password", name="proposer", password=PASSWORD, code=code)
        assert answer.status_code == 401


def test_an_app_that_was_not_confirmed_does_not_count(browser: ConsoleBrowser, ada: Enrolled) -> None:
    assert ada.sign_in(browser) == 200
    browser.get("/ops/me")
    browser.fill("/ops/me/authenticator/new")
    browser.office.clock.advance(STEP)
    assert ada.sign_in(browser) == 200, "the one before works until the new one has shown a code"


def test_somebody_who_left(browser: ConsoleBrowser, ada: Enrolled) -> None:
    with browser.office.services.change() as session:
        session.scalars(select(Staff).where(Staff.name == "proposer")).one().left_at = NOW
    assert ada.sign_in(browser) == 401


# Waits


def wrong(browser: ConsoleBrowser, ada: Enrolled, name: str) -> int:
    """From another place each time."""
    with browser.office.services.database.changing() as session:
        for row in session.scalars(select(FailedSignIn)):
            row.source = f"place {row.id}"
    return ada.sign_in(browser, name=name, code="000000")


@pytest.mark.parametrize("name", ["proposer", "nobody"])
def test_guesses_make_an_account_wait_whether_there_is_one_or_not(
    browser: ConsoleBrowser, ada: Enrolled, name: str
) -> None:
    for _ in range(FREE_OF_ACCOUNT):
        assert wrong(browser, ada, name) == 401
    assert wrong(browser, ada, name) == 429
    assert "Too many wrong attempts. Wait 30 s, then try again." in browser.text()
    browser.office.clock.advance(30)
    assert wrong(browser, ada, name) == 401
    assert wrong(browser, ada, name) == 429
    assert "Wait 1 min, then try again." in browser.text()
    event = last_event(browser.office)
    assert (event.what, event.subject) == ("sign-in.waits", "network")
    assert (event.details["account"] is None) is (name == "nobody")


def test_what_is_right_takes_back_what_was_wrong(browser: ConsoleBrowser, ada: Enrolled) -> None:
    for _ in range(FREE_OF_ACCOUNT - 1):
        assert wrong(browser, ada, "proposer") == 401
    assert ada.sign_in(browser) == 200
    with browser.office.services.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(FailedSignIn)) == 0


def test_whoever_has_to_wait_for_a_password_may_come_another_way(browser: ConsoleBrowser, ada: Enrolled) -> None:
    ada.sign_in(browser)
    passkey = register_passkey(browser)
    browser.fill("/ops/sign-out")
    for _ in range(FREE_OF_ACCOUNT + 1):
        wrong(browser, ada, "proposer")
    assert ada.sign_in(browser) == 429
    assert sign_in_with(browser, passkey) == 200


def test_guesses_from_one_place_make_it_wait_for_every_account(browser: ConsoleBrowser, ada: Enrolled) -> None:
    for number in range(10):
        assert ada.sign_in(browser, name=f"nobody {number}") == 401
    assert ada.sign_in(browser) == 429


def test_guesses_at_the_same_moment_see_each_other(office: Office, ada: Enrolled) -> None:
    given = Given(name="proposer", password=PASSWORD, code="000000")

    def guess(number: int) -> None:
        sessions.sign_in_with_password(office.services, given, source=f"place {number}", before=None)

    outcome = together(*[lambda number=number: guess(number) for number in range(12)], linger=office.services.database)
    kinds = [type(error) for error in outcome.refused]
    assert (kinds.count(WrongSignIn), kinds.count(Wait)) == (FREE_OF_ACCOUNT, 12 - FREE_OF_ACCOUNT)


def test_one_code_at_the_same_moment_opens_once(office: Office, ada: Enrolled) -> None:
    given = Given(name="proposer", password=PASSWORD, code=ada.code())

    def sign_in(number: int) -> str:
        return sessions.sign_in_with_password(office.services, given, source=f"place {number}", before=None)

    outcome = together(*[lambda number=number: sign_in(number) for number in range(4)], linger=office.services.database)
    assert len(outcome.done) == 1
    assert {type(error) for error in outcome.refused} == {WrongSignIn}


# What ends


def test_a_new_password_ends_every_other_session(browser: ConsoleBrowser, ada: Enrolled) -> None:
    ada.sign_in(browser)
    other = ConsoleBrowser(browser.office)
    browser.office.clock.advance(STEP)
    ada.sign_in(other)
    other.get("/ops/me")
    other.fill("/ops/me/password", password="another four words", again="another four words")
    assert "The password is set. Your other sessions have ended." in other.text()
    assert browser.get("/ops/").url.path == "/ops/sign-in"
    assert other.get("/ops/").url.path == "/ops/"
    browser.office.clock.advance(STEP)
    assert ada.sign_in(browser) == 401
    assert ada.sign_in(browser, password="another four words") == 200


def test_nothing_that_opens_is_in_the_database(office: Office, ada: Enrolled) -> None:
    with office.services.database.reading() as session:
        password = session.scalars(select(StaffPassword)).one()
        codes = session.scalars(select(RecoveryCode.code_hash)).all()
        assert session.scalars(select(ConsoleSession)).all() == []
    assert password.hash.startswith("$argon2id$")
    assert not set(codes) & set(ada.recovery_codes)
