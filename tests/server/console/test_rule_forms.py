"""Rules written at the console: in a form, with what is wrong at its field and by its line, counted before approval."""

import json
from typing import Any

import pytest
from tests.support.console import ConsoleBrowser
from tests.support.office import GREEN, HEALTH, HOSPITAL, RIDE, Office
from tests.support.rule_sets import COUGH, FORM, propose, put_in_force, rule

GOOD: dict[str, Any] = {
    "authority": HEALTH,
    "title": "Coughs",
    "citation": "Act 7, section 4",
    "rule0_id": "cough",
    "rule0_reason": "You told us that you cough.",
    "rule0_gives": "yellow",
    "rule0_scopes": ["1", "2"],
    "rule0_logic": json.dumps(COUGH, indent=2),
    "form": json.dumps(FORM, indent=2),
    "do": "propose",
}


NO_WORDS = """{"words": {"en": "a", "zh": "b"}, "valid_for": 60,
"questions": [
{"id": "x", "kind": "date"}]}"""


@pytest.fixture
def writing(browser: ConsoleBrowser, office: Office) -> ConsoleBrowser:
    """A proposer before the empty form."""
    office.person()
    browser.sign_in("proposer")
    browser.get("/ops/rules/new")
    return browser


def error_at(browser: ConsoleBrowser, field: str) -> str:
    return browser.page.text.partition(f'id="{field}-error"')[2].partition("</p>")[0]


def test_the_form_says_what_rules_see_and_give(writing: ConsoleBrowser) -> None:
    text = writing.text()
    for words in (
        "Yellow at most: no rule makes red.",
        "facts.test.0 disease, result, sampled, type",
        "Not who it is, nobody else's facts, no entries.",
        "Nothing counts until the shadow run has shown whom it would turn",
    ):
        assert words in text
    offered = writing.page.text.partition('id="rule0_gives"')[2].partition("</fieldset>")[0]
    assert "red: the gate does not open" not in offered


def test_written_counted_and_put_in_force_by_two(writing: ConsoleBrowser) -> None:
    office = writing.office
    writing.fill("/ops/rules/new", **GOOD)
    assert writing.address == "/ops/rules/1/1?done=rules-proposed"
    assert "Count whom it would turn" in writing.text()
    assert "Reads survey , survey.cough" in writing.text()
    writing.fill("/ops/rules/1/1/shadow")
    approver = ConsoleBrowser(office)
    approver.sign_in("approver")
    approver.get("/ops/rules/1/1")
    approver.fill("/ops/rules/1/1/approve")
    answers = {"cough": True, "been": "here", "warmth": 37, "since": "2027-01-10"}
    office.do("p-1", "POST", "/me/surveys/1", answers=answers)
    office.later()
    assert office.aspects("p-1") == GREEN | {RIDE: "yellow", HOSPITAL: "yellow"}


@pytest.mark.parametrize(
    ("name", "changes", "field", "words"),
    [
        ("no citation", {"citation": ""}, "citation", "Please fill this in."),
        ("no name", {"rule0_id": ""}, "rule0_id", "Please fill this in."),
        ("a name with a space", {"rule0_id": "My rule"}, "rule0_id", "Small letters, digits and hyphens"),
        ("no reason", {"rule0_reason": ""}, "rule0_reason", "Please fill this in."),
        ("no service", {"rule0_scopes": []}, "rule0_scopes", "Choose at least one."),
        ("red", {"rule0_gives": "red"}, "rule0_gives", "Choose one of these."),
        ("nothing", {"rule0_gives": "none"}, "rule0_gives", "A rule gives something, or proposes an entry."),
        ("no logic", {"rule0_logic": ""}, "rule0_logic", "Please fill this in."),
        ("no JSON", {"rule0_logic": "{\n  and: []}"}, "rule0_logic", "Line 2: Expecting property name"),
        ("no CertLogic", {"rule0_logic": '{"and": [true,\n{"==": []}]}'}, "rule0_logic", "Line 2: expected one of"),
        ("no rule", {"rule0_id": "", "rule0_reason": "", "rule0_logic": ""}, "rule0_id", "Write at least one rule."),
        ("questions that are no JSON", {"form": "{\n\n,}"}, "form", "Line 3: Expecting property name"),
        (
            "a question without words",
            {"form": NO_WORDS},
            "form",
            "Line 3: questions.0.words: Please fill this in.",
        ),
        (
            "a choice without choices",
            {
                "form": json.dumps(
                    {**FORM, "questions": [{"id": "x", "kind": "choice", "words": {"en": "a", "zh": "b"}}]}
                )
            },
            "form",
            "choices for a choice and nothing else",
        ),
    ],
)
def test_what_is_wrong_is_said_at_its_field(
    writing: ConsoleBrowser, name: str, changes: dict[str, Any], field: str, words: str
) -> None:
    answer = writing.fill("/ops/rules/new", **{**GOOD, **changes})
    assert answer.status_code == 422
    assert words in error_at(writing, field)
    assert f'<a href="#{field}">' in writing.page.text.partition("<h1>")[0]
    again = dict(writing.form("/ops/rules/new").fields)
    assert again["title"] == "Coughs", "nothing is lost"
    assert writing.office.do(None, "GET", "/rule-sets") == []


def test_a_title_that_is_taken(writing: ConsoleBrowser) -> None:
    propose(writing.office)
    answer = writing.fill("/ops/rules/new", **GOOD)
    assert answer.status_code == 422
    assert "Another rule set has this title" in error_at(writing, "title")


def test_another_rule_and_one_left_out(writing: ConsoleBrowser) -> None:
    writing.fill("/ops/rules/new", **{**GOOD, "do": "more"})
    fields = dict(writing.form("/ops/rules/new").fields)
    assert fields["rules"] == "2"
    assert fields["rule0_reason"] == "You told us that you cough."
    second: dict[str, Any] = {
        "rule1_id": "fever",
        "rule1_reason": "You have a fever.",
        "rule1_scopes": ["1"],
        "rule1_logic": "true",
    }
    writing.fill("/ops/rules/new", **GOOD, **second)
    text = writing.text()
    assert "Rule cough" in text
    assert "Rule fever" in text
    assert "Reads no fact: it is the same for everybody" in text
    writing.get("/ops/rules/1/change")
    empty: dict[str, Any] = {f"rule0_{name}": "" for name in ("id", "reason", "logic")}
    writing.fill("/ops/rules/1/change", **empty, do="propose")
    assert writing.address == "/ops/rules/1/2?done=rules-proposed"
    assert "Rule fever" in writing.text()
    assert "Rule cough" not in writing.text()


def test_two_rules_of_one_name(writing: ConsoleBrowser) -> None:
    writing.fill("/ops/rules/new", **{**GOOD, "do": "more"})
    second: dict[str, Any] = {
        "rule1_id": "cough",
        "rule1_reason": "Again.",
        "rule1_scopes": ["1"],
        "rule1_logic": "true",
    }
    writing.fill("/ops/rules/new", **GOOD, **second)
    assert "Another rule has this name." in error_at(writing, "rule1_id")


def test_a_rule_that_proposes_an_entry(writing: ConsoleBrowser, office: Office) -> None:
    basis = office.basis()
    writing.get("/ops/rules/new")
    proposes: dict[str, Any] = {"rule0_basis": str(basis), "rule0_effect": "red", "rule0_pscopes": ["1"]}
    writing.fill("/ops/rules/new", **{**GOOD, "rule0_gives": "none"}, **proposes)
    assert "Proposes an entry red: the gate does not open: ride" in writing.text()
    writing.get("/ops/rules/new")
    outside: dict[str, Any] = {**proposes, "rule0_effect": "grant"}
    writing.fill("/ops/rules/new", **{**GOOD, "title": "Other"}, **outside)
    assert "What a rule proposes is outside of its basis" in writing.text()


def test_a_change_begins_with_what_there_is(browser: ConsoleBrowser, office: Office) -> None:
    put_in_force(office, propose(office, rule(), rule("fever", True)))
    browser.sign_in("proposer")
    browser.get("/ops/rules/1/1")
    assert 'href="/ops/rules/1/change"' in browser.page.text
    browser.get("/ops/rules/1/change")
    browser.fill("/ops/rules/1/change", do="propose")
    assert browser.address == "/ops/rules/1/2?done=rules-proposed"
    assert browser.text().count("as before") == 2
    assert "changed" not in browser.text()


def test_another_authoritys_rules_are_not_for_me(browser: ConsoleBrowser, office: Office) -> None:
    propose(office)
    browser.sign_in("proposer-2")
    assert browser.get("/ops/rules/1/change").status_code == 403
    browser.get("/ops/rules/1/1")
    assert "Propose a change" not in browser.text()
