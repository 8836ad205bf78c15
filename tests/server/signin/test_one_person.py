"""One person stays one person, however they come: no two parts of one decision with two sessions, tokens or keys."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from tests.server.signin.test_api_tokens import make
from tests.server.signin.test_oidc import client, sign_in
from tests.support.console import ConsoleBrowser
from tests.support.office import Office, basis_form, entry_form
from tests.support.openid_provider import open_provider
from tests.support.sign_in import Enrolled, enrol, register_passkey, sign_in_with

from waypass_server.signin.oidc import Provider

pytestmark = pytest.mark.both_stores
WHO = "everything"
WAYS = ("password", "passkey", "provider")


@pytest.fixture
def person(office: Office) -> Iterator[Enrolled]:
    """Somebody with every role and every way in."""
    with open_provider(office.clock.now, person={"preferred_username": WHO}) as provider:
        office.services = replace(office.services, provider=Provider(client(provider)))
        yield enrol(office, WHO)


def browsers(person: Enrolled) -> dict[str, ConsoleBrowser]:
    """One browser for each way, all open at the same time."""
    opened = {way: ConsoleBrowser(person.office) for way in WAYS}
    assert person.sign_in(opened["password"]) == 200
    key = register_passkey(opened["password"])
    assert sign_in_with(opened["passkey"], key) == 200
    assert sign_in(opened["provider"]) == 200
    return opened


def tokens(person: Enrolled) -> list[str]:
    """Two API tokens of theirs: names that the office knows."""
    for label in ("first script", "second script"):
        make(person, label=label, roles=["proposer", "approver", "reviewer", "ops", "admin"])
    return ["first script", "second script"]


def press(browser: ConsoleBrowser, page: str, action: str) -> int:
    """Send the form's address with the token that the session's forms carry, also where the page shows no such form."""
    browser.get(page)
    csrf = [field for field in browser.form("/ops/sign-out").fields if field[0] == "csrf"]
    return browser.post(f"/ops{action}", csrf).status_code


def same_person(office: Office, who: str, path: str, **body: object) -> bool:
    answer = office.call(who, "POST", path, **body)
    return answer.status_code == 403 and answer.json()["type"] == "urn:waypass:problem:same-person"


def test_who_proposed_an_entry_approves_it_in_no_way(office: Office, person: Enrolled) -> None:
    office.person()
    basis = office.basis()
    callers, opened = tokens(person), browsers(person)
    for proposer in callers:
        entry = office.do(proposer, "POST", "/entries", **entry_form("p-1", basis))["id"]
        for approver in callers:
            assert same_person(office, approver, f"/entries/{entry}/approve"), (proposer, approver)
        for way, browser in opened.items():
            assert press(browser, "/ops/entries", f"/entries/{entry}/approve") == 403, (proposer, way)
            assert "Another person is needed." in browser.text()
        assert office.entry_state(entry) == ("proposed", None)
    office.do("approver", "POST", f"/entries/{entry}/approve")


def test_who_approved_an_entry_reviews_it_in_no_way(office: Office, person: Enrolled) -> None:
    office.person()
    basis = office.basis()
    callers = tokens(person)
    entry = office.entry("p-1", basis)
    office.do("first script", "POST", f"/entries/{entry}/approve")
    office.later()
    objection = office.do("p-1", "POST", f"/me/entries/{entry}/objection", text="It was not me.")["id"]
    for reviewer in callers:
        verdict = {"lift": False, "answer": "It was."}
        assert same_person(office, reviewer, f"/objections/{objection}/decide", **verdict), reviewer
        assert same_person(office, reviewer, f"/entries/{entry}/lift"), reviewer


@pytest.mark.parametrize("what", ["a basis", "a withdrawal past its limit", "a limit", "an enrolment"])
def test_other_decisions_of_two(office: Office, person: Enrolled, what: str) -> None:
    callers, opened = tokens(person), browsers(person)
    office.person()
    path, page = DECISIONS[what](office, callers[1])
    for who in callers:
        assert same_person(office, who, path), who
    for way, browser in opened.items():
        assert press(browser, "/ops/", page) == 403, way


def _basis(office: Office, who: str) -> tuple[str, str]:
    made = office.do(who, "POST", "/bases", **basis_form())
    return f"/bases/{made['id']}/versions/1/approve", f"/bases/{made['id']}/1/approve"


def _withdrawal(office: Office, who: str) -> tuple[str, str]:
    for _ in range(4):
        made = office.do(who, "POST", "/withdrawals", person="p-1", reason="The phone was lost.")
    assert made["state"] == "waiting"
    return f"/withdrawals/{made['id']}/confirm", f"/withdrawals/{made['id']}/confirm"


def _limit(office: Office, who: str) -> tuple[str, str]:
    made = office.do(who, "POST", "/limits/changes", level="network", window="day", value=10**6)
    return f"/limits/changes/{made['id']}/agree", f"/limits/{made['id']}/agree"


def _enrolment(office: Office, who: str) -> tuple[str, str]:
    desk = next(one["id"] for one in office.do(who, "GET", "/staff") if one["name"] == "desk")
    office.do(who, "POST", f"/staff/{desk}/enrolment")
    return f"/staff/{desk}/enrolment/confirm", f"/staff/{desk}/confirm"


DECISIONS: dict[str, Callable[[Office, str], tuple[str, str]]] = {
    "a basis": _basis,
    "a withdrawal past its limit": _withdrawal,
    "a limit": _limit,
    "an enrolment": _enrolment,
}
