"""What rules propose, at the console: taken up as an entry that another person approves, or turned down."""

import pytest
from tests.support.console import ConsoleBrowser
from tests.support.office import RIDE, Office
from tests.support.rule_sets import propose, put_in_force, rule


@pytest.fixture
def proposed(office: Office) -> Office:
    """A rule in force proposes an entry for somebody."""
    office.person()
    proposes = {"basis": office.basis(), "effect": "red", "scopes": [RIDE, 2]}
    put_in_force(office, propose(office, rule("lab", True, gives="none", proposes=proposes)))
    office.later()
    return office


def test_from_the_queue_to_an_entry_that_waits_for_another(browser: ConsoleBrowser, proposed: Office) -> None:
    browser.sign_in("proposer")
    assert "Entries that rules propose p-1 Coughs: lab" in browser.text()
    browser.get("/ops/proposals/1")
    assert "The rule looked at facts and at nothing else." in browser.text()
    browser.get("/ops/proposals/1/entry")
    fields = dict(browser.form("/ops/proposals/1").fields)
    assert fields["reason"] == "You told us that you cough."
    assert "person" not in fields, "whom it is about is not for the form to say"
    browser.fill("/ops/proposals/1", scopes=["1"], case_reference="L-9", exclusions_checked=["minors"])
    assert browser.address == "/ops/entries/1?done=proposed"
    assert "You proposed this, so another person must approve it." in browser.text()
    entry = proposed.do("proposer", "GET", "/entries/1")
    assert (entry["person"], entry["effect"], entry["scopes"], entry["state"]) == ("p-1", "red", [RIDE], "proposed")
    browser.get("/ops/proposals/1")
    assert "taken up" in browser.text()
    assert browser.get("/ops/proposals/1/entry").status_code == 409


def test_what_is_wrong_is_said_at_its_field(browser: ConsoleBrowser, proposed: Office) -> None:
    browser.sign_in("proposer")
    browser.get("/ops/proposals/1/entry")
    answer = browser.fill("/ops/proposals/1", ends="31", ends_unit="days", case_reference="L-9")
    assert answer.status_code == 422
    page = browser.page.text
    assert "At most 30 days" in page.partition('id="ends_at-error"')[2].partition("</p>")[0]
    browser.fill("/ops/proposals/1", ends="20", exclusions_checked=["minors"])
    assert browser.address == "/ops/entries/1?done=proposed"


def test_a_service_that_the_rule_did_not_propose(browser: ConsoleBrowser, proposed: Office) -> None:
    browser.sign_in("proposer")
    browser.get("/ops/proposals/1/entry")
    answer = browser.fill("/ops/proposals/1", scopes=["4"], case_reference="L-9", exclusions_checked=["minors"])
    assert answer.status_code == 422
    assert proposed.do("proposer", "GET", "/entries?state=proposed") == []


@pytest.mark.parametrize("who", ["proposer", "reviewer"])
def test_turned_down_it_is_not_proposed_again(browser: ConsoleBrowser, proposed: Office, who: str) -> None:
    browser.sign_in(who)
    browser.get("/ops/proposals")
    assert "p-1 Coughs: lab" in browser.text()
    assert '<a href="/ops/rules" aria-current="page">' in browser.page.text, "one knows where one is"
    browser.get("/ops/proposals/1")
    browser.fill("/ops/proposals/1/turn-down")
    assert "Turned down. The rule does not propose it for this person again." in browser.text()
    assert "No rule proposes anything that is not decided." in browser.text()
    browser.get("/ops/proposals/1")
    assert "turned down" in browser.text()
    proposed.later(60)
    assert proposed.do("proposer", "GET", "/rule-proposals") == []


def test_another_authority_does_not_see_it(browser: ConsoleBrowser, proposed: Office) -> None:
    browser.sign_in("proposer-2")
    assert "Nothing waits for you" in browser.text()
    browser.get("/ops/proposals")
    assert "p-1" not in browser.text()
    assert browser.get("/ops/proposals/1").status_code == 403
