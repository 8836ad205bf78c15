"""The staff token of the network file: void once its person has a sign-in of their own, and none where that is set."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from tests.server.signin.test_oidc import client
from tests.server.signin.test_oidc import sign_in as sign_in_at_provider
from tests.support.console import ConsoleBrowser
from tests.support.office import NETWORK, NOW, Office, make_services
from tests.support.openid_provider import open_provider
from tests.support.sign_in import PASSWORD, begin_enrolment, connect_app, enrol, register_passkey

from waypass_server import network_file
from waypass_server.signin.oidc import Provider

WHO = "desk"


def opens(office: Office) -> set[str]:
    """Where the token of the network file still opens: the API, the console."""
    browser = ConsoleBrowser(office)
    browser.get("/ops/sign-in")
    found = set()
    if browser.fill("/ops/sign-in", token=office.tokens[WHO]).status_code == 200:
        found.add("console")
    if office.call(WHO, "GET", "/tokens").status_code == 200:
        found.add("API")
    return found


def with_password(office: Office) -> None:
    browser = ConsoleBrowser(office)
    begin_enrolment(browser, WHO)
    browser.fill("/ops/me/password", password=PASSWORD, again=PASSWORD)
    assert opens(office) == {"API", "console"}, "a password alone is no way in"
    connect_app(browser)


def with_passkey(office: Office) -> None:
    browser = ConsoleBrowser(office)
    begin_enrolment(browser, WHO)
    register_passkey(browser)


def at_the_provider(office: Office) -> None:
    assert sign_in_at_provider(ConsoleBrowser(office)) == 200


@pytest.fixture
def with_provider(office: Office) -> Iterator[Office]:
    """An office with an OpenID provider, which knows the member of staff."""
    with open_provider(office.clock.now, person={"preferred_username": WHO}) as provider:
        office.services = replace(office.services, provider=Provider(client(provider)))
        yield office


@pytest.mark.both_stores
@pytest.mark.parametrize("set_up", [with_password, with_passkey, at_the_provider], ids=lambda one: one.__name__)
def test_it_is_void_once_its_person_has_a_sign_in_of_their_own(
    with_provider: Office, set_up: Callable[[Office], None]
) -> None:
    office = with_provider
    before = ConsoleBrowser(office)
    before.sign_in(WHO)
    assert opens(office) == {"API", "console"}
    set_up(office)
    assert opens(office) == set()
    before.get("/ops/desk")
    assert before.address.startswith("/ops/sign-in"), "a session that began with it has ended"
    answer = office.call(WHO, "POST", "/people", reference="p-1")
    assert (answer.status_code, answer.json()["detail"]) == (401, "expected a staff token that is known, got another")
    office.do("ops", "GET", "/tokens")


def test_it_stays_void_when_that_sign_in_has_ended(office: Office) -> None:
    person = enrol(office, WHO)
    assert person.sign_in(ConsoleBrowser(office)) == 200
    begin_enrolment(ConsoleBrowser(office), WHO)  # with a new link everything ends that they had
    assert opens(office) == set()


def test_who_has_a_sign_in_of_their_own_gets_no_new_one(office: Office) -> None:
    person, browser = enrol(office, WHO), ConsoleBrowser(office)
    person.sign_in(browser)
    services = office.services
    with services.change() as session:
        change = network_file.new_token(session, NETWORK.name, WHO, random_bytes=services.random_bytes, now=NOW)
    assert (change.change, change.token) == ("token void", None)
    browser.get("/ops/desk")
    assert browser.address.startswith("/ops/sign-in"), "their sessions end all the same"


def test_where_none_are_wanted_none_is_taken(office: Office) -> None:
    before = ConsoleBrowser(office)
    before.sign_in(WHO)
    strict = office.under(staff_tokens=False)
    assert strict.call(WHO, "GET", "/tokens").status_code == 401
    browser = ConsoleBrowser(strict)
    browser.get("/ops/sign-in")
    assert "With a staff token" not in browser.text()
    csrf = [field for field in browser.form("/ops/sign-in/password").fields if field[0] == "csrf"]
    assert browser.post("/ops/sign-in", [*csrf, ("token", office.tokens[WHO])]).status_code == 401
    before.office = strict
    before.get("/ops/desk")
    assert before.address.startswith("/ops/sign-in"), "a session that began with one is none any more"
    assert enrol(strict, WHO).sign_in(ConsoleBrowser(strict)) == 200


def test_where_none_are_wanted_none_is_made(office: Office, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    folder.mkdir()
    services = make_services(folder)
    draw = services.random_bytes
    with closing(services.database), services.change() as session:
        changes = network_file.apply(session, NETWORK, tokens=False, random_bytes=draw, now=NOW)
        assert [change.name for change in changes if change.what == "staff"] == [one.name for one in NETWORK.staff]
        assert {change.token for change in changes} == {None}
        again = network_file.new_token(session, NETWORK.name, WHO, tokens=False, random_bytes=draw, now=NOW)
        assert (again.change, again.token) == ("token void", None)
