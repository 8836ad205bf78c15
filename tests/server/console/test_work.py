"""What people do at the console: what they see before, what comes of it, and what a second click does."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import func, select
from tests.support.console import ConsoleBrowser
from tests.support.office import COURT, DAY, HOUR, NOTICE, NOW, RIDE, Office, basis_form, entry_form

from waypass_protocol.passes import decode_base45, parse_pass
from waypass_server.console import once
from waypass_server.models import Base
from waypass_server.models.console import Submission
from waypass_server.models.lists_of_people import CaseState, Entry, Objection
from waypass_server.models.people import DeskCode, Person
from waypass_server.models.records import EmergencyWithdrawal
from waypass_server.models.status import PassRow
from waypass_server.refusals import BadInput

REASON = "A laboratory found an infection that spreads in closed rooms."
GOOD: dict[str, Any] = {
    "person": "p-1",
    "effect": "red",
    "scopes": ["1"],
    "reason": REASON,
    "case_reference": "H-2027-11",
    "case_state": "open",
    "ends": "20",
    "ends_unit": "days",
    "exclusions_checked": ["minors"],
}


def count(office: Office, model: type[Base]) -> int:
    with office.services.database.reading() as session:
        return session.scalar(select(func.count()).select_from(model)) or 0


@pytest.fixture
def basis(office: Office) -> int:
    office.person("p-1")
    return office.basis()


@pytest.fixture
def proposing(browser: ConsoleBrowser, basis: int) -> ConsoleBrowser:
    """A proposer before the form."""
    browser.sign_in("proposer")
    browser.get(f"/ops/entries/new?basis={basis}")
    return browser


def paper(office: Office, person: str = "p-1") -> None:
    """A live pass for rides."""
    office.do("desk", "POST", "/paper-passes", person=person, scopes=[RIDE])


# Proposing


def test_the_form_stands_beside_the_limits_of_its_basis(proposing: ConsoleBrowser) -> None:
    limits = proposing.text().partition("What the basis allows")[2]
    for words in ("Infection protection", "Act 7, section 3", "Health office", "ride, hospital, arena", "30 days"):
        assert words in limits
    assert "Notice before effect 2 h" in limits
    assert "Objections are decided within 10 days" in limits
    assert "Never covers minors" in limits


def test_a_proposal_waits_and_says_so(proposing: ConsoleBrowser) -> None:
    proposing.fill("/ops/entries/new", **GOOD)
    assert proposing.address == "/ops/entries/1?done=proposed"
    text = proposing.text()
    assert "Proposed. It waits for another person" in text
    assert "You proposed this, so another person must approve it." in text
    steps = ["/ops/entries/1/withdraw", "/ops/entries/1/case"]
    assert [form.action for form in proposing.forms()] == ["/ops/sign-out", *steps]
    entry = proposing.office.do("proposer", "GET", "/entries/1")
    assert (entry["person"], entry["effect"], entry["scopes"]) == ("p-1", "red", [RIDE])
    assert (entry["starts_at"], entry["ends_at"], entry["reason"]) == (NOW, NOW + 20 * DAY, REASON)


def test_another_authoritys_entries_are_not_for_who_only_proposes(office: Office, basis: int) -> None:
    entry = office.entry_in_effect("p-1", basis)
    for who, seen in (("proposer-2", False), ("proposer", True), ("health-reviewer", True)):
        browser = ConsoleBrowser(office)
        browser.sign_in(who)
        browser.get("/ops/entries?state=in-effect")
        assert ("p-1" in browser.text()) is seen
        browser.get(f"/ops/entries/{entry}")
        assert browser.page.status_code == (200 if seen else 403)
        assert ("p-1" in browser.text()) is seen


def test_another_authority_may_only_say_what_ends_an_entry(office: Office) -> None:
    court = office.do("proposer-2", "POST", "/bases", **basis_form(authority=COURT))["id"]
    office.do("approver", "POST", f"/bases/{court}/versions/1/approve")
    entry = office.do("proposer-2", "POST", "/entries", **entry_form(office.person(), court))["id"]
    for who, states in (("health-reviewer", ["dismissed", "won"]), ("reviewer", [state.value for state in CaseState])):
        browser = ConsoleBrowser(office)
        browser.sign_in(who)
        browser.get(f"/ops/entries/{entry}")
        assert re.findall(r'name="state" value="([a-z]+)"', browser.page.text) == states


@pytest.mark.parametrize(
    ("name", "changes", "field", "words"),
    [
        ("nobody", {"person": "p-2"}, "person", "Nobody here has this reference."),
        ("no reference", {"person": ""}, "person", "Please fill this in."),
        ("a name", {"person": "Anna Weber"}, "person", "A reference has letters, digits"),
        ("no effect", {"effect": []}, "effect", "Please fill this in."),
        ("an effect that the basis lacks", {"effect": "grant"}, "effect", "The basis does not allow this effect."),
        ("no such effect", {"effect": "pink"}, "effect", "Choose one of these."),
        ("no service", {"scopes": []}, "scopes", "Choose at least one."),
        ("a service that the basis lacks", {"scopes": ["3"]}, "scopes", "The basis does not allow this in one"),
        ("no reason", {"reason": " "}, "reason", "Please fill this in."),
        ("too long a reason", {"reason": "x" * 2001}, "reason", "This is too long."),
        ("no case", {"case_reference": ""}, "case_reference", "Please fill this in."),
        ("a case that was won", {"case_state": "won"}, "case", "The case must be open or upheld."),
        ("no end", {"ends": ""}, "ends", "Please fill this in."),
        ("no number", {"ends": "a month"}, "ends", "Write a whole number"),
        ("too long", {"ends": "31"}, "ends_at", "At most 30 days after it begins"),
        ("shorter than its notice", {"ends": "1", "ends_unit": "hours"}, "ends_at", "later than the notice of 2 h"),
        ("begins at no time", {"starts": "-1"}, "starts", "Write a whole number"),
        ("nobody looked", {"exclusions_checked": []}, "exclusions_checked", "Look at each of these, and tick it."),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_nothing_is_lost(
    proposing: ConsoleBrowser, name: str, changes: dict[str, Any], field: str, words: str
) -> None:
    sent = {**GOOD, **changes}
    answer = proposing.fill("/ops/entries/new", **sent)
    assert answer.status_code == 422
    page = proposing.page.text
    place = page.partition(f'id="{field}-error"')[2]
    assert words in place.partition("</p>")[0]
    assert f'<a href="#{field}">' in page.partition("<h1>")[0], "the list at the top leads to the field"
    again = proposing.form("/ops/entries/new").fields
    for key, value in sent.items():
        kept = [one for one in ([value] if isinstance(value, str) else value) if one.strip() in _offered(key)]
        assert [one for name_, one in again if name_ == key] == [one.strip() for one in kept], key
    assert count(proposing.office, Entry) == 0


def _offered(field: str) -> Any:
    """What a field can show again: any text, but of choices only those of the basis."""

    class Anything:
        def __contains__(self, value: object) -> bool:
            return True

    choices = {"effect": {"red", "yellow"}, "scopes": {"1", "2", "4"}, "case_state": {"open", "upheld"}}
    return choices.get(field, Anything())


def test_it_begins_later_when_that_is_said(proposing: ConsoleBrowser) -> None:
    proposing.fill("/ops/entries/new", **GOOD, starts="36", starts_unit="hours")
    assert proposing.office.do("proposer", "GET", "/entries/1")["starts_at"] == NOW + 36 * HOUR


def test_a_proposal_that_is_sent_twice_is_one(proposing: ConsoleBrowser) -> None:
    form = proposing.form("/ops/entries/new")
    fields = [*((name, value) for name, value in form.fields if name not in GOOD)]
    fields += [(name, one) for name, value in GOOD.items() for one in ([value] if isinstance(value, str) else value)]
    first = proposing.post("/ops/entries/new", fields, follow=False)
    second = proposing.post("/ops/entries/new", fields, follow=False)
    assert first.headers["location"] == second.headers["location"] == "/ops/entries/1?done=proposed"
    assert count(proposing.office, Entry) == 1
    proposing.office.later(8 * HOUR)
    assert count(proposing.office, Submission) == 0


def test_a_form_without_its_key_is_refused(proposing: ConsoleBrowser) -> None:
    answer = proposing.fill("/ops/entries/new", **{**GOOD, "key": ""})
    assert answer.status_code == 422
    assert count(proposing.office, Entry) == 0


def test_two_at_the_same_moment_are_told_apart_by_the_database(office: Office) -> None:
    """The other request commits while this one acts: what this one did is taken back."""
    done: list[str] = []

    def act(place: str, before: Any = None) -> Any:
        def go(session: Any) -> str:
            if before:
                before()
            done.append(place)
            return place

        return go

    with office.services.database.changing() as session:
        session.add(Submission(staff_id=1, key_hash="x" * 64, leads_to="/ops/", at=NOW))
    assert once.once(office.services, staff_id=1, key="k", act=act("/ops/a")) == "/ops/a"
    assert once.once(office.services, staff_id=1, key="k", act=act("/ops/b")) == "/ops/a"
    assert once.once(office.services, staff_id=2, key="k", act=act("/ops/c")) == "/ops/c", "keys are a person's own"
    assert done == ["/ops/a", "/ops/c"]
    with pytest.raises(BadInput, match="expected the key that the form was shown with, got none"):
        once.once(office.services, staff_id=1, key="", act=act("/ops/d"))


def test_bases_of_ones_own_authority_are_offered(browser: ConsoleBrowser, basis: int) -> None:
    browser.sign_in("proposer-2")
    browser.get("/ops/entries/new")
    assert "There is no basis in force that you may propose on." in browser.text()
    assert browser.get(f"/ops/entries/new?basis={basis}").status_code == 403


# Approving


def test_before_approval_it_says_what_will_happen(browser: ConsoleBrowser, basis: int) -> None:
    office = browser.office
    paper(office)
    entry = office.entry("p-1", basis)
    browser.sign_in("approver")
    assert "1 thing waits for you" in browser.text()
    browser.get(f"/ops/entries/{entry}")
    what = browser.text().partition("What happens when this is approved")[2].partition("Or turn it down")[0]
    assert "p-1 is told at once" in what
    assert "The notice runs for 2 h" in what
    assert "red: the gate does not open in ride ." in what
    assert "1 of 1 live passes gets status 1 at every gate" in what
    before = office.services.now() + NOTICE
    assert f'datetime="{_iso(before)}"' in browser.page.text
    browser.fill(f"/ops/entries/{entry}/approve")
    assert "Approved. The person is being told" in browser.text()
    assert office.entry_state(entry) == ("approved", None)
    office.later()
    office.later(NOTICE)
    with office.services.database.reading() as session:
        assert [row.status for row in session.scalars(select(PassRow))] == [1], "as it was said"


def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize(
    ("name", "passes", "effect", "words"),
    [
        ("no pass", 0, "red", "The person has no live pass now"),
        ("one that is too mild", 1, "yellow", "1 of 1 live passes gets status 1"),
        ("an entry in another service", 1, "elsewhere", "None of 1 live passes changes"),
    ],
)
def test_how_many_passes_it_is_about(
    browser: ConsoleBrowser, basis: int, name: str, passes: int, effect: str, words: str
) -> None:
    office = browser.office
    for _ in range(passes):
        paper(office)
    changes: dict[str, Any] = {"scopes": [2]} if effect == "elsewhere" else {"effect": effect}
    entry = office.entry("p-1", basis, **changes)
    browser.sign_in("approver")
    browser.get(f"/ops/entries/{entry}")
    assert words in browser.text()
    with office.services.database.reading() as session:
        assert {row.status for row in session.scalars(select(PassRow))} <= {0}, "looking changes nothing"


def test_somebody_elses_role_and_ones_own_proposal(browser: ConsoleBrowser, basis: int) -> None:
    office = browser.office
    browser.sign_in("everything")
    browser.get(f"/ops/entries/new?basis={basis}")
    browser.fill("/ops/entries/new", **GOOD)
    assert "You proposed this, so another person must approve it." in browser.text()
    csrf = dict(browser.form("/ops/sign-out").fields)["csrf"]
    answer = browser.post("/ops/entries/1/approve", [("csrf", csrf)])
    assert answer.status_code == 403
    assert "Another person is needed." in browser.text()
    browser.get("/ops/")
    assert "Nothing waits for you" in browser.text()
    assert "From you, waiting for another person" in browser.text()
    browser.sign_in("reviewer")
    browser.get("/ops/entries/1")
    assert "Somebody who approves must look at this." in browser.text()
    assert office.entry_state(1) == ("proposed", None)


def test_approving_twice_is_approving_once(browser: ConsoleBrowser, basis: int) -> None:
    entry = browser.office.entry("p-1", basis)
    browser.sign_in("approver")
    browser.get(f"/ops/entries/{entry}")
    fields = browser.form(f"/ops/entries/{entry}/approve").fields
    for _ in range(2):
        answer = browser.post(f"/ops/entries/{entry}/approve", fields, follow=False)
        assert answer.headers["location"] == f"/ops/entries/{entry}?done=approved"
    browser.office.later()
    assert len(browser.office.outbox.sent) == 1


def test_a_proposal_can_be_turned_down(browser: ConsoleBrowser, basis: int) -> None:
    entry = browser.office.entry("p-1", basis)
    browser.sign_in("approver")
    browser.get(f"/ops/entries/{entry}")
    browser.fill(f"/ops/entries/{entry}/withdraw")
    assert browser.office.entry_state(entry) == ("ended", "withdrawn")
    assert browser.get(f"/ops/entries/{entry}").status_code == 200
    assert [form.action for form in browser.forms()] == ["/ops/sign-out"]


def test_a_basis_that_changed_meanwhile(browser: ConsoleBrowser, basis: int) -> None:
    office = browser.office
    entry = office.entry("p-1", basis)
    browser.sign_in("approver")
    browser.get(f"/ops/entries/{entry}")
    form = {**office.do(None, "GET", "/bases")[0], "notice": 3 * HOUR}
    for name in ("id", "number", "state", "authority", "contact"):
        del form[name]
    office.do("proposer", "POST", f"/bases/{basis}/versions", **form)
    office.do("admin", "POST", f"/bases/{basis}/versions/2/approve")
    answer = browser.fill(f"/ops/entries/{entry}/approve")
    assert answer.status_code == 409
    assert "It has changed in the meantime." in browser.text()


# Undoing


def test_undo_within_a_day_by_one_person(browser: ConsoleBrowser, basis: int) -> None:
    office = browser.office
    entry = office.entry_in_effect("p-1", basis)
    browser.sign_in("approver")
    assert "What you did lately and can still undo" in browser.text()
    assert "in effect · 24 h left" not in browser.text()
    assert "1 day left" in browser.text()
    browser.get(f"/ops/entries/{entry}")
    browser.fill(f"/ops/entries/{entry}/undo")
    assert "Undone. The entry has ended" in browser.text()
    assert office.entry_state(entry) == ("ended", "withdrawn")
    browser.get("/ops/")
    assert "can still undo" not in browser.text()


def test_after_a_day_it_is_withdrawn_instead(browser: ConsoleBrowser, basis: int) -> None:
    office = browser.office
    entry = office.entry_in_effect("p-1", basis)
    browser.sign_in("ops")
    browser.get(f"/ops/entries/{entry}")
    fields = browser.form(f"/ops/entries/{entry}/undo").fields
    office.later(DAY + 1)
    browser.sign_in("ops")
    browser.get(f"/ops/entries/{entry}")
    assert [form.action for form in browser.forms()] == ["/ops/sign-out"]
    csrf = dict(browser.form("/ops/sign-out").fields)["csrf"]
    late = [(name, csrf if name == "csrf" else value) for name, value in fields]
    assert browser.post(f"/ops/entries/{entry}/undo", late).status_code == 409
    browser.sign_in("proposer")
    browser.get(f"/ops/entries/{entry}")
    browser.fill(f"/ops/entries/{entry}/withdraw")
    assert office.entry_state(entry) == ("ended", "withdrawn")


def test_lists_of_entries(browser: ConsoleBrowser, basis: int) -> None:
    entry = browser.office.entry("p-1", basis)
    browser.sign_in("reviewer")
    browser.get("/ops/entries")
    assert f'href="/ops/entries/{entry}"' in browser.page.text
    browser.get("/ops/entries?state=ended")
    assert "There is no entry in this state." in browser.text()


# Bases


def test_a_basis_takes_two(browser: ConsoleBrowser) -> None:
    office = browser.office
    browser.sign_in("everything")
    made = office.do("everything", "POST", "/bases", **basis_form())
    browser.get("/ops/")
    assert "From you, waiting for another person" in browser.text()
    browser.get(f"/ops/bases/{made['id']}/1")
    assert "You proposed this, so another person must approve it." in browser.text()
    browser.sign_in("admin")
    assert "1 thing waits for you" in browser.text()
    browser.get(f"/ops/bases/{made['id']}/1")
    browser.fill(f"/ops/bases/{made['id']}/1/approve")
    assert "The basis is in force." in browser.text()
    assert [one["id"] for one in office.do(None, "GET", "/bases")] == [made["id"]]
    browser.get("/ops/bases")
    assert "Infection protection" in browser.text()


# Emergency withdrawal


@pytest.fixture
def operator(browser: ConsoleBrowser) -> ConsoleBrowser:
    browser.office.person("p-1")
    browser.sign_in("ops")
    return browser


def ask(browser: ConsoleBrowser, person: str = "p-1") -> ConsoleBrowser:
    """Fill in, look, and do it."""
    browser.get("/ops/withdrawals/new")
    browser.fill("/ops/withdrawals/check", person=person, reason="The phone was stolen.")
    browser.fill("/ops/withdrawals/new")
    return browser


def test_an_emergency_withdrawal(operator: ConsoleBrowser) -> None:
    paper(operator.office)
    operator.get("/ops/withdrawals/new")
    text = operator.text()
    assert "make every live pass of this person invalid" in text
    assert "block new passes: the wallet fetches new ones at once" in text
    assert "One person is enough for 100 people in 24 hours and 3 times for one holder in 30 days." in text
    operator.fill("/ops/withdrawals/check", person="p-1", reason="The phone was stolen.")
    assert "Withdraw 1 live pass?" in operator.text()
    assert count(operator.office, EmergencyWithdrawal) == 0, "nothing is done yet"
    operator.fill("/ops/withdrawals/new")
    assert operator.address == "/ops/withdrawals/1"
    assert "1 pass withdrawn" in operator.text()
    operator.get("/ops/withdrawals")
    assert "The phone was stolen. 1 pass · ops" in operator.text()


@pytest.mark.parametrize(
    ("person", "reason", "words"),
    [
        ("p-2", "stolen", "Nobody here has this reference. Check every character."),
        ("", "stolen", "Please fill this in."),
        ("p-1", "", "Please fill this in."),
    ],
)
def test_a_withdrawal_that_is_not_complete(operator: ConsoleBrowser, person: str, reason: str, words: str) -> None:
    operator.get("/ops/withdrawals/new")
    answer = operator.fill("/ops/withdrawals/check", person=person, reason=reason)
    assert answer.status_code == 422
    assert words in operator.text()
    fields = dict(operator.form("/ops/withdrawals/check").fields)
    assert (fields["person"], fields["reason"]) == (person, reason)


def test_past_the_limit_it_waits_for_a_second_person(operator: ConsoleBrowser) -> None:
    for _ in range(3):
        ask(operator)
    paper(operator.office)
    operator.get("/ops/withdrawals/new")
    operator.fill("/ops/withdrawals/check", person="p-1", reason="The phone was stolen.")
    assert "A limit is reached" in operator.text()
    operator.fill("/ops/withdrawals/new")
    assert "You asked for it, so somebody else from operations must confirm it." in operator.text()
    csrf = dict(operator.form("/ops/sign-out").fields)["csrf"]
    assert operator.post("/ops/withdrawals/4/confirm", [("csrf", csrf)]).status_code == 403
    second = ConsoleBrowser(operator.office)
    second.sign_in("ops-2")
    assert "Emergency withdrawals that need a second person" in second.text()
    second.get("/ops/withdrawals/4")
    fields = second.form("/ops/withdrawals/4/confirm").fields
    for _ in range(2):
        second.post("/ops/withdrawals/4/confirm", fields)
        assert "1 pass withdrawn" in second.text()


def test_a_withdrawal_that_is_sent_twice_is_one(operator: ConsoleBrowser) -> None:
    operator.get("/ops/withdrawals/new")
    operator.fill("/ops/withdrawals/check", person="p-1", reason="The phone was stolen.")
    fields = operator.form("/ops/withdrawals/new").fields
    places = {operator.post("/ops/withdrawals/new", fields, follow=False).headers["location"] for _ in range(2)}
    assert places == {"/ops/withdrawals/1"}
    assert count(operator.office, EmergencyWithdrawal) == 1


# Objections


@pytest.fixture
def objection(office: Office, basis: int) -> int:
    entry = office.entry("p-1", basis)
    office.do("approver", "POST", f"/entries/{entry}/approve")
    office.later()
    return int(office.do("p-1", "POST", f"/me/entries/{entry}/objection", text="It was not me.")["id"])


@pytest.mark.parametrize(("decision", "end"), [("lift", ("ended", "lifted")), ("uphold", ("notified", None))])
def test_a_reviewer_decides(
    browser: ConsoleBrowser, objection: int, decision: str, end: tuple[str, str | None]
) -> None:
    browser.sign_in("reviewer")
    assert "It was not me." in browser.text()
    assert "10 days left" in browser.text()
    browser.get(f"/ops/objections/{objection}")
    fields = [*browser.form(f"/ops/objections/{objection}").fields]
    fields = [each for each in fields if each[0] != "answer"] + [("decision", decision), ("answer", "We looked again.")]
    for _ in range(2):
        browser.post(f"/ops/objections/{objection}", fields)
        assert "Decided. The person is being told." in browser.text()
        assert "We looked again." in browser.text()
    assert browser.office.entry_state(1) == end


def test_a_decision_needs_an_answer_and_a_choice(browser: ConsoleBrowser, objection: int) -> None:
    browser.sign_in("reviewer")
    browser.get(f"/ops/objections/{objection}")
    assert browser.fill(f"/ops/objections/{objection}", answer="").status_code == 422
    assert {"lift-error", "answer-error"} <= {part.partition('"')[0] for part in browser.page.text.split('id="')}
    with browser.office.services.database.reading() as session:
        assert session.get_one(Objection, objection).decided_at is None


def test_a_reviewer_of_the_authority_sees_that_it_is_for_others(browser: ConsoleBrowser, objection: int) -> None:
    browser.sign_in("health-reviewer")
    assert "Nothing waits for you" in browser.text()
    assert "for another reviewer" in browser.text()
    browser.get(f"/ops/objections/{objection}")
    assert "Another reviewer must decide." in browser.text()
    assert [form.action for form in browser.forms()] == ["/ops/sign-out"]


# The desk


def test_a_code_that_enrols_a_wallet(browser: ConsoleBrowser) -> None:
    browser.sign_in("desk")
    browser.get("/ops/desk")
    browser.fill("/ops/desk/code", reference="p-9")
    page = browser.page.text
    code = page.partition('<p class="secret">')[2].partition("</p>")[0]
    assert "The reference is new and was registered." in browser.text()
    assert "http://server.test/wallet/" in page
    assert f'data-until="{_iso(NOW + 600)}"' in page
    assert browser.office.do(None, "POST", "/enrol", code=code)["network"] == "metro"


def test_a_second_code_voids_the_first(browser: ConsoleBrowser) -> None:
    browser.sign_in("desk")
    browser.get("/ops/desk")
    fields = [each for each in browser.form("/ops/desk/code").fields if each[0] == "csrf"] + [("reference", "p-9")]
    codes = []
    for _ in range(2):
        browser.post("/ops/desk/code", fields)
        codes.append(browser.page.text.partition('<p class="secret">')[2].partition("</p>")[0])
    assert (count(browser.office, Person), count(browser.office, DeskCode)) == (1, 2)
    assert [browser.office.call(None, "POST", "/enrol", code=code).status_code for code in codes] == [403, 201]


def test_what_is_no_reference(browser: ConsoleBrowser) -> None:
    browser.sign_in("desk")
    browser.get("/ops/desk")
    assert browser.fill("/ops/desk/code", reference="Anna Weber").status_code == 422
    assert "A reference has letters, digits" in browser.text()
    assert count(browser.office, Person) == 0


def test_a_paper_pass_on_the_screen_and_as_a_file(browser: ConsoleBrowser) -> None:
    browser.sign_in("desk")
    browser.get("/ops/desk")
    browser.fill("/ops/desk/paper", reference="p-9", scopes=["1", "2"], hint="A. Weber")
    assert "A. Weber" in browser.text()
    fields = browser.form("/ops/desk/paper/file").fields
    pass_ = parse_pass(decode_base45(dict(fields)["text"], "WP1:")).pass_
    assert (pass_.hint, sorted(pass_.aspects)) == ("A. Weber", [1, 2])
    for kind, begins in (("pdf", b"%PDF"), ("png", b"\x89PNG"), ("svg", b"<?xml")):
        answer = browser.post("/ops/desk/paper/file", [*fields, ("format", kind)])
        assert answer.content.startswith(begins)
        assert answer.headers["content-disposition"] == f'attachment; filename="waypass-paper.{kind}"'
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"reference": ""}, "Please fill this in."),
        ({"scopes": []}, "Choose at least one."),
        ({"scopes": ["3"]}, "This person cannot have a pass for one of these services."),
        ({"hint": "x" * 25}, "This is too long."),
        ({"hint": "A\u202eB"}, "Use characters that can be seen."),
    ],
)
def test_a_paper_pass_that_cannot_be(browser: ConsoleBrowser, values: dict[str, Any], words: str) -> None:
    browser.sign_in("desk")
    browser.get("/ops/desk")
    good: dict[str, Any] = {"reference": "p-9", "scopes": ["1"], "hint": ""}
    answer = browser.fill("/ops/desk/paper", **{**good, **values})
    assert answer.status_code == 422
    assert words in browser.text()
    assert (count(browser.office, Person), count(browser.office, PassRow)) == (0, 0)


@pytest.mark.parametrize("text", ["", "WP1:", "WP2:AAAA", "hello"])
def test_what_is_no_paper_pass_is_not_drawn(browser: ConsoleBrowser, text: str) -> None:
    browser.sign_in("desk")
    csrf = dict(browser.form("/ops/sign-out").fields)["csrf"]
    answer = browser.post("/ops/desk/paper/file", [("csrf", csrf), ("text", text), ("format", "pdf")])
    assert answer.status_code == 422
