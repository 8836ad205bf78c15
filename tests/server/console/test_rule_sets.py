"""Rules at the console: counted, compared, approved by a second person, ended; in both languages."""

import re
from typing import Any

import pytest
from tests.support.console import ConsoleBrowser
from tests.support.office import DAY, GREEN, HOSPITAL, RIDE, Office
from tests.support.rule_sets import COUGH, EVIDENCE, propose, put_in_force, rule, rule_set

YELLOW = GREEN | {RIDE: "yellow", HOSPITAL: "yellow"}
PAGE = "/ops/rules/1/1"


def browser_of(office: Office, who: str) -> ConsoleBrowser:
    browser = ConsoleBrowser(office)
    browser.sign_in(who)
    return browser


def test_from_the_queue_over_the_numbers_to_effect(office: Office) -> None:
    for number in range(4):
        office.person(f"p-{number}")
    propose(office, rule(logic=True))
    approver = browser_of(office, "approver")
    approver.get("/ops/")
    assert "Rules to approve" in approver.text()
    approver.get(PAGE)
    assert "Not counted yet. Nobody can approve before that." in approver.text()
    assert [form.action for form in approver.forms()] == ["/ops/sign-out", f"{PAGE}/shadow", f"{PAGE}/end"]
    approver.fill(f"{PAGE}/shadow")
    text = approver.text()
    assert "Counted. Nothing has changed for anybody." in text
    assert "People looked at 4 Turn worse somewhere 4 (100.0 %) Turn better somewhere 0 (0.0 %)" in text
    assert re.search(r"hospital 4 \(100\.0 %\) 0 0 4 \(100\.0 %\) 0 0", text)
    assert not re.search(r"p-\d", text)
    assert office.aspects("p-1") == GREEN
    approver.fill(f"{PAGE}/approve")
    assert "The rules are in force." in approver.text()
    office.later()
    assert office.aspects("p-1") == YELLOW
    approver.get("/ops/rules")
    assert "In force Coughs" in approver.text()


def test_whoever_proposed_it_finds_no_button_and_is_told_why(office: Office) -> None:
    office.do("everything", "POST", "/rule-sets", **rule_set())
    both = browser_of(office, "everything")
    both.get(PAGE)
    both.fill(f"{PAGE}/shadow")
    assert "You proposed this, so another person must approve it." in both.text()
    assert f"{PAGE}/approve" not in [form.action for form in both.forms()]
    both.get("/ops/")
    assert "From you, waiting for another person" in both.text()


def test_numbers_of_the_day_before_do_not_serve(office: Office) -> None:
    propose(office)
    approver = browser_of(office, "approver")
    approver.get(PAGE)
    approver.fill(f"{PAGE}/shadow")
    office.later(DAY + 1)
    approver = browser_of(office, "approver")
    approver.get(PAGE)
    assert "Count first: an approval needs numbers of the last 24 hours." in approver.text()


def test_an_approval_of_numbers_that_were_counted_anew_is_refused(office: Office) -> None:
    address = propose(office)
    approver = browser_of(office, "approver")
    approver.get(PAGE)
    approver.fill(f"{PAGE}/shadow")
    office.later(5)
    office.do("proposer", "POST", f"{address}/shadow")
    refused = approver.fill(f"{PAGE}/approve")
    assert refused.status_code == 409
    assert "it was run again, look at it anew" in approver.text()


def test_a_version_is_shown_beside_the_one_before(office: Office) -> None:
    put_in_force(office, propose(office, rule(), rule("fever", True), rule("gone", True)))
    changed: dict[str, Any] = rule_set(rule(), rule("fever", False), rule("rash", COUGH))
    body = {name: value for name, value in changed.items() if name not in ("authority", "title")}
    office.do("proposer", "POST", "/rule-sets/1/versions", **body)
    ops = browser_of(office, "ops")
    ops.get("/ops/rules/1/2")
    text = ops.text()
    for words in ("Rule cough as before", "Rule fever changed", "Rule rash new", "Rule gone no longer there"):
        assert words in text
    assert "Logic before true" in text
    assert "It replaces version 1, which is in force now." in text


def test_one_person_ends_it(office: Office) -> None:
    person = office.person()
    put_in_force(office, propose(office, rule(logic=True)))
    ops = browser_of(office, "ops")
    ops.get(PAGE)
    ops.fill(f"{PAGE}/end")
    assert "Ended. The rules count no more." in ops.text()
    office.later()
    assert office.aspects(person) == GREEN


def test_what_gives_evidence_has_no_button_to_end_it(office: Office) -> None:
    put_in_force(office, propose(office, EVIDENCE))
    ops = browser_of(office, "ops")
    ops.get(PAGE)
    assert [form.action for form in ops.forms()] == ["/ops/sign-out"]


def test_a_rule_that_fails_is_an_alarm_on_the_page(office: Office) -> None:
    office.person()
    propose(office, rule(logic={"<": [{"var": "survey.warmth"}, 38]}))
    approver = browser_of(office, "approver")
    approver.get(PAGE)
    approver.fill(f"{PAGE}/shadow")
    assert "For 1 person a rule cannot be evaluated." in approver.text()


@pytest.mark.parametrize("page", ["/ops/rules", PAGE])
def test_in_chinese(office: Office, page: str) -> None:
    propose(office)
    approver = browser_of(office, "approver")
    approver.get(PAGE)
    approver.fill(f"{PAGE}/shadow")
    approver.get(page, **{"accept-language": "zh"})
    assert '<html lang="zh">' in approver.page.text
    left = {"Rules", "worse", "Count again", "Put it in force", "Waiting for a second person", "Do you cough?"}
    assert [words for words in left if words in approver.text()] == []
