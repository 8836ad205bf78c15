"""Bases at the console: proposed in a form, changed, compared with what is in force, approved by a second person."""

from typing import Any

import pytest
from tests.support.console import ConsoleBrowser
from tests.support.office import DAY, DEADLINE, HEALTH, HOUR, NOTICE, Office, basis_form

GOOD: dict[str, Any] = {
    "authority": HEALTH,
    "title": "Infection protection",
    "citation": "Act 7, section 3",
    "health": "yes",
    "effects": ["red", "yellow"],
    "scopes": ["1", "2", "4"],
    "longest": "30",
    "longest_unit": "days",
    "notice": "2",
    "notice_unit": "hours",
    "objection_deadline": "10",
    "objection_deadline_unit": "days",
    "exclusions": ["minors"],
}


@pytest.fixture
def proposing(browser: ConsoleBrowser) -> ConsoleBrowser:
    """A proposer before the empty form."""
    browser.sign_in("proposer")
    browser.get("/ops/bases/new")
    return browser


def test_each_limit_is_explained(proposing: ConsoleBrowser) -> None:
    text = proposing.text()
    for words in (
        "The longest that one entry lasts.",
        "From delivery on; at least 1 h. An objection in this time suspends the entry.",
        "Not decided by then, the entry lapses by itself.",
        "Entries on it reach these and no others.",
        "hospital (essential)",
        "priority lane (by grant only)",
    ):
        assert words in text
    authorities = proposing.page.text.partition('name="authority"')[2].partition("</select>")[0]
    assert HEALTH in authorities
    assert "Court office" not in authorities, "staff of an authority propose for theirs"


def test_what_was_filled_in_is_the_basis(proposing: ConsoleBrowser) -> None:
    proposing.fill("/ops/bases/new", **GOOD)
    assert proposing.address == "/ops/bases/1/1?done=basis-proposed"
    assert "You proposed this, so another person must approve it." in proposing.text()
    browser = ConsoleBrowser(proposing.office)
    browser.sign_in("admin")
    browser.get("/ops/bases/1/1")
    browser.fill("/ops/bases/1/1/approve")
    (made,) = proposing.office.do(None, "GET", "/bases")
    form = basis_form()
    assert {name: made[name] for name in form} == form | {"scopes": sorted(form["scopes"])}
    assert (made["notice"], made["objection_deadline"], made["longest"]) == (NOTICE, DEADLINE, 30 * DAY)


@pytest.mark.parametrize(
    ("name", "changes", "field", "words"),
    [
        ("no title", {"title": ""}, "title", "Please fill this in."),
        ("no citation", {"citation": " "}, "citation", "Please fill this in."),
        ("no effect", {"effects": []}, "effects", "Choose at least one."),
        ("a grant with red", {"effects": ["red", "grant"]}, "effects", "A grant stands alone"),
        ("a grant where all may", {"effects": ["grant"]}, "scopes", "a grant is for services that are by grant only"),
        ("no service", {"scopes": []}, "scopes", "Choose at least one."),
        ("red in a hospital", {"health": ""}, "scopes", "Red in an essential service needs a basis of health"),
        ("no longest", {"longest": ""}, "longest", "Please fill this in."),
        ("no notice", {"notice": "0"}, "notice", "At least 1 h: what can hold somebody up"),
        ("a deadline in words", {"objection_deadline": "soon"}, "objection_deadline", "Write a whole number"),
        ("no authority", {"authority": ""}, "authority", "Please fill this in."),
    ],
)
def test_what_is_wrong_is_said_at_its_field(
    proposing: ConsoleBrowser, name: str, changes: dict[str, Any], field: str, words: str
) -> None:
    answer = proposing.fill("/ops/bases/new", **{**GOOD, **changes})
    assert answer.status_code == 422
    page = proposing.page.text
    assert words in page.partition(f'id="{field}-error"')[2].partition("</p>")[0]
    assert f'<a href="#{field}">' in page.partition("<h1>")[0]
    again = dict(proposing.form("/ops/bases/new").fields)
    assert again["exclusions"] == "minors", "nothing is lost"


def test_sent_twice_it_is_one(proposing: ConsoleBrowser) -> None:
    fields = [(name, value) for name, value in proposing.form("/ops/bases/new").fields if name not in GOOD]
    fields += [(name, one) for name, value in GOOD.items() for one in ([value] if isinstance(value, str) else value)]
    places = [proposing.post("/ops/bases/new", fields, follow=False).headers["location"] for _ in range(2)]
    assert places == ["/ops/bases/1/1?done=basis-proposed"] * 2


def test_a_change_stands_beside_what_is_in_force(browser: ConsoleBrowser) -> None:
    basis = browser.office.basis()
    browser.sign_in("proposer")
    browser.get(f"/ops/bases/{basis}/1")
    assert f'href="/ops/bases/{basis}/change"' in browser.page.text
    browser.get(f"/ops/bases/{basis}/change")
    assert dict(browser.form(f"/ops/bases/{basis}/change").fields)["notice"] == "2"
    browser.fill(f"/ops/bases/{basis}/change", notice="3", exclusions=["minors", "hearing"])
    assert browser.address == f"/ops/bases/{basis}/2?done=basis-proposed"
    browser.sign_in("approver")
    browser.get(f"/ops/bases/{basis}/2")
    compared = browser.text().partition("What would change")[2].partition("What it says")[0]
    assert "In force: version 1 Proposed: version 2" in compared
    assert "Notice before effect changed 2 h 3 h" in compared
    assert "Never covers changed minors minors travel to the hearing itself" in compared
    assert "At most for 30 days 30 days" in compared
    assert compared.count("changed") == 2
    browser.fill(f"/ops/bases/{basis}/2/approve")
    (made,) = browser.office.do(None, "GET", "/bases")
    assert (made["number"], made["notice"], made["exclusions"]) == (2, 3 * HOUR, ["minors", "hearing"])


def test_only_the_newest_proposal_has_a_button(browser: ConsoleBrowser, office: Office) -> None:
    basis = office.basis()
    for _ in range(2):
        browser.sign_in("proposer")
        browser.get(f"/ops/bases/{basis}/change")
        browser.fill(f"/ops/bases/{basis}/change")
    browser.sign_in("admin")
    browser.get(f"/ops/bases/{basis}/2")
    assert "A newer version was proposed." in browser.text()
    assert [form.action for form in browser.forms()] == ["/ops/sign-out"]


def test_another_authoritys_basis_is_not_for_me(browser: ConsoleBrowser, office: Office) -> None:
    basis = office.basis()
    browser.sign_in("proposer-2")
    assert browser.get(f"/ops/bases/{basis}/change").status_code == 403
    browser.get(f"/ops/bases/{basis}/1")
    assert "Propose a change" not in browser.text()
