"""What becomes of an entry at the console after it was approved: its source, its case, exemptions."""

from typing import Any

import pytest
from sqlalchemy import select
from tests.support.console import ConsoleBrowser
from tests.support.office import DAY, GREEN, HOUR, RIDE, Office

from waypass_server.models.lists_of_people import Exemption


@pytest.fixture
def entry(office: Office) -> int:
    """One that is in effect."""
    office.person()
    return office.entry_in_effect("p-1", office.basis())


# The source


def test_reconfirmed_at_its_source(browser: ConsoleBrowser, entry: int) -> None:
    office = browser.office
    office.later(10 * DAY)
    browser.sign_in("proposer")
    browser.get(f"/ops/entries/{entry}")
    assert "Not asked for 90 days, the entry lapses by itself (79 days 22 h left)." in browser.text()
    before = office.do("proposer", "GET", f"/entries/{entry}")["confirm_by"]
    browser.fill(f"/ops/entries/{entry}/reconfirm")
    assert "Recorded: the source still stands by it." in browser.text()
    assert office.do("proposer", "GET", f"/entries/{entry}")["confirm_by"] > before


@pytest.mark.parametrize("who", ["proposer-2", "approver", "reviewer", "ops"])
def test_the_source_is_for_its_authority_to_ask(browser: ConsoleBrowser, entry: int, who: str) -> None:
    browser.sign_in(who)
    browser.get(f"/ops/entries/{entry}")
    assert f"/ops/entries/{entry}/reconfirm" not in [form.action for form in browser.forms()]


# The case


@pytest.mark.parametrize(
    ("state", "words", "after"),
    [
        ("upheld", "Recorded. The entry goes on.", ("in-effect", None)),
        ("won", "Recorded. The entry has ended", ("ended", "dismissed")),
        ("dismissed", "Recorded. The entry has ended", ("ended", "dismissed")),
    ],
)
def test_what_became_of_the_case(
    browser: ConsoleBrowser, entry: int, state: str, words: str, after: tuple[str, str | None]
) -> None:
    browser.sign_in("reviewer")
    browser.get(f"/ops/entries/{entry}")
    browser.fill(f"/ops/entries/{entry}/case", state=state)
    assert words in browser.text()
    assert browser.office.entry_state(entry) == after


def test_a_state_that_there_is_not(browser: ConsoleBrowser, entry: int) -> None:
    browser.sign_in("reviewer")
    browser.get(f"/ops/entries/{entry}")
    answer = browser.fill(f"/ops/entries/{entry}/case", state="lost")
    assert answer.status_code == 422
    assert "Choose one of these." in browser.page.text.partition('id="state-error"')[2].partition("</p>")[0]
    assert browser.office.entry_state(entry) == ("in-effect", None)


def test_an_entry_that_ended_has_no_steps(browser: ConsoleBrowser, entry: int) -> None:
    browser.office.do("proposer", "POST", f"/entries/{entry}/withdraw")
    browser.sign_in("everything")
    browser.get(f"/ops/entries/{entry}")
    assert [form.action for form in browser.forms()] == ["/ops/sign-out"]


# Exemptions

GOOD: dict[str, Any] = {"reason": "A journey to the hospital.", "lasts": "24", "lasts_unit": "hours"}


def test_one_reviewer_lets_one_person_through(browser: ConsoleBrowser, entry: int) -> None:
    office = browser.office
    assert office.aspects("p-1")[RIDE] == "red"
    browser.sign_in("reviewer")
    browser.get(f"/ops/entries/{entry}")
    assert f'href="/ops/exemptions/new?entry={entry}"' in browser.page.text
    browser.get(f"/ops/exemptions/new?entry={entry}")
    assert dict(browser.form("/ops/exemptions/new").fields)["person"] == "p-1"
    browser.fill("/ops/exemptions/new", **GOOD)
    assert browser.address == "/ops/exemptions?done=exempted"
    assert "p-1 A journey to the hospital." in browser.text()
    assert office.aspects("p-1") == GREEN | {4: "green"}
    browser.get(f"/ops/entries/{entry}")
    assert "An exemption lets this person through, whatever the entries say, until" in browser.text()
    browser.get("/ops/exemptions")
    browser.fill("/ops/exemptions/1/end")
    assert "Nobody has an exemption now." in browser.text()
    assert office.aspects("p-1")[RIDE] == "red"


def test_who_listed_somebody_has_no_button_that_ends_an_exemption(browser: ConsoleBrowser, entry: int) -> None:
    office = browser.office
    ends_at = office.services.now() + HOUR
    office.do("reviewer", "POST", "/exemptions", person="p-1", reason="A hearing.", ends_at=ends_at)
    browser.sign_in("health-reviewer")
    browser.get("/ops/exemptions")
    assert "Somebody without a part in the entry ends it." in browser.text()
    assert [form.action for form in browser.forms()] == ["/ops/sign-out"]
    browser.get("/ops/search")
    browser.fill("/ops/search", person="p-1")
    assert "/ops/exemptions/1/end" not in [form.action for form in browser.forms()]
    answer = browser.post("/ops/exemptions/1/end", browser.form("/ops/sign-out").fields)
    assert answer.status_code == 403
    assert "Another person is needed." in browser.text()
    assert office.aspects("p-1")[RIDE] == "green"


@pytest.mark.parametrize(
    ("name", "changes", "field", "words"),
    [
        ("nobody", {"person": "p-9"}, "person", "Nobody here has this reference."),
        ("a name", {"person": "Anna Weber"}, "person", "A reference has letters, digits"),
        ("no reason", {"reason": ""}, "reason", "Please fill this in."),
        ("too long", {"lasts": "73"}, "ends_at", "At most 3 days, and at least a minute."),
        ("nothing", {"lasts": "0"}, "ends_at", "At most 3 days, and at least a minute."),
        ("no number", {"lasts": "a day"}, "lasts", "Write a whole number"),
    ],
)
def test_what_is_wrong_with_an_exemption(
    browser: ConsoleBrowser, entry: int, name: str, changes: dict[str, Any], field: str, words: str
) -> None:
    browser.sign_in("reviewer")
    browser.get(f"/ops/exemptions/new?entry={entry}")
    answer = browser.fill("/ops/exemptions/new", **{**GOOD, **changes})
    assert answer.status_code == 422
    assert words in browser.page.text.partition(f'id="{field}-error"')[2].partition("</p>")[0]
    with browser.office.services.database.reading() as session:
        assert session.scalars(select(Exemption)).all() == []


def test_an_exemption_to_come(browser: ConsoleBrowser, entry: int) -> None:
    browser.sign_in("reviewer")
    browser.get(f"/ops/exemptions/new?entry={entry}")
    browser.fill("/ops/exemptions/new", **GOOD, starts="5", starts_unit="hours")
    now = browser.office.services.now()
    with browser.office.services.database.reading() as session:
        (made,) = session.scalars(select(Exemption))
    assert (made.starts_at, made.ends_at) == (now + 5 * HOUR, now + 29 * HOUR)
    browser.get(f"/ops/entries/{entry}")
    assert "whatever the entries say, from" in browser.text()
