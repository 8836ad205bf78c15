"""Search at the console: one person by the exact reference, for those who may, and in the log each time."""

import logging

import pytest
from sqlalchemy import select
from tests.support.console import ConsoleBrowser
from tests.support.office import Office

from waypass_protocol.logproofs import Inclusion, read_proof_file
from waypass_protocol.logrecords import read_record
from waypass_server.models.records import Event

pytestmark = pytest.mark.both_stores


@pytest.fixture
def searching(browser: ConsoleBrowser, office: Office) -> ConsoleBrowser:
    """A reviewer before the field; somebody has an entry in effect, a pass on paper and answers."""
    office.person()
    office.entry_in_effect("p-1", office.basis())
    office.do("desk", "POST", "/paper-passes", person="p-1", scopes=[2])
    browser.sign_in("reviewer")
    browser.get("/ops/search")
    return browser


def events(office: Office) -> list[Event]:
    with office.services.database.reading() as session:
        return list(session.scalars(select(Event).where(Event.what.like("person.%")).order_by(Event.id)))


def test_what_concerns_somebody_now(searching: ConsoleBrowser) -> None:
    searching.fill("/ops/search", person="p-1")
    text = searching.text()
    assert searching.address == "/ops/search", "the reference is in no address"
    assert "ride red" in text
    assert "Entry : A laboratory found an infection" in text
    assert "Infection protection · Act 7, section 3" in text
    assert "Health office, health@example.org" in text
    assert "arena yellow" in text
    assert "A health certificate is missing" in text
    assert "priority lane not open" in text
    assert "in a wallet 0 on paper 1" in text
    assert 'href="/ops/entries/1"' in searching.page.text


def test_an_exemption_from_the_search(searching: ConsoleBrowser) -> None:
    searching.fill("/ops/search", person="p-1")
    searching.fill("/ops/exemptions/form")
    assert dict(searching.form("/ops/exemptions/new").fields)["person"] == "p-1"
    searching.fill("/ops/exemptions/new", reason="The hearing.")
    searching.get("/ops/search")
    searching.fill("/ops/search", person="p-1")
    text = searching.text()
    assert "ride green" in text
    assert "Exemption : The hearing." in text
    searching.fill("/ops/exemptions/1/end")
    assert "Nobody has an exemption now." in searching.text()


def test_operations_see_it_and_have_no_button(browser: ConsoleBrowser, office: Office) -> None:
    office.person()
    browser.sign_in("ops")
    browser.get("/ops/search")
    browser.fill("/ops/search", person="p-1")
    assert [form.action for form in browser.forms()] == ["/ops/sign-out"]


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("p-2", "Nobody here has this reference. Check every character."),
        ("P-1", "Nobody here has this reference. Check every character."),
        ("p", "Nobody here has this reference. Check every character."),
        ("Anna Weber", "A reference has letters, digits"),
        ("", "Please fill this in."),
    ],
)
def test_nothing_but_the_exact_reference_finds_anybody(searching: ConsoleBrowser, typed: str, words: str) -> None:
    answer = searching.fill("/ops/search", person=typed)
    assert answer.status_code == 422
    assert words in searching.text()
    assert "p-1" not in searching.text()


def test_each_search_is_an_event_without_the_reference(
    searching: ConsoleBrowser, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    searching.fill("/ops/search", person="p-1")
    searching.get("/ops/search")
    searching.fill("/ops/search", person="p-nobody")
    registered, found, missed = events(searching.office)
    assert (registered.what, found.what, missed.what) == ("person.registered", "person.looked-up", "person.not-found")
    assert found.staff_id == missed.staff_id == missed.subject_id
    assert (found.subject, found.subject_id) == (registered.subject, registered.subject_id)
    assert (found.details, missed.details) == ({}, {})
    assert "p-1" not in caplog.text
    assert "p-nobody" not in caplog.text


def test_the_person_finds_the_search_among_their_records(searching: ConsoleBrowser) -> None:
    searching.fill("/ops/search", person="p-1")
    searching.office.later(120)
    answer = searching.office.call("p-1", "GET", "/me/log")
    proof = read_proof_file(answer.content)
    assert isinstance(proof, Inclusion)
    records = [read_record(leaf.opening.record) for leaf in proof.leaves if leaf.opening is not None]
    assert "person.looked-up" in [record.what for record in records]
