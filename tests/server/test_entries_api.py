"""Entries over HTTP: what a proposal must be, and each way through its life."""

import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from tests.server.bulk.files import batch_of
from tests.support.office import (
    CHECKED,
    COURT,
    DAY,
    DEADLINE,
    GREEN,
    HOSPITAL,
    HOUR,
    NOTICE,
    NOW,
    PRIORITY,
    RIDE,
    Office,
    basis_form,
    entry_form,
)

from waypass_server.models.network import Scope

pytestmark = pytest.mark.both_stores

RED_RIDE = GREEN | {RIDE: "red"}


def test_from_proposal_to_effect_and_end(office: Office) -> None:
    person, basis = office.person(), office.basis()
    entry = office.entry(person, basis)
    assert office.entry_state(entry) == ("proposed", None)
    assert office.do(person, "GET", "/me")["entries"] == [], "a proposal is nothing yet"
    approved = office.do("approver", "POST", f"/entries/{entry}/approve")
    assert (approved["state"], approved["approved_at"]) == ("approved", NOW)
    office.later(60)
    notified = office.do("approver", "GET", f"/entries/{entry}")
    assert (notified["state"], notified["notified_at"]) == ("notified", NOW + 60)
    assert notified["takes_effect_at"] == NOW + 60 + NOTICE
    office.later(NOTICE - 1)
    assert office.aspects(person) == GREEN, "the notice period is not over"
    office.later(1)
    assert office.entry_state(entry) == ("in-effect", None)
    assert office.aspects(person) == RED_RIDE
    office.later(20 * DAY)
    assert office.entry_state(entry) == ("ended", "expired")
    assert office.aspects(person) == GREEN


def test_it_takes_effect_by_the_clock_and_not_by_the_scheduler(office: Office) -> None:
    person, basis = office.person(), office.basis()
    entry = office.entry(person, basis)
    office.do("approver", "POST", f"/entries/{entry}/approve")
    office.later()
    office.clock.advance(NOTICE)
    assert office.aspects(person) == RED_RIDE
    office.clock.advance(20 * DAY)
    assert office.aspects(person) == GREEN


def test_a_later_start(office: Office) -> None:
    person, basis = office.person(), office.basis()
    entry = office.entry(person, basis, starts_at=NOW + 5 * DAY)
    office.do("approver", "POST", f"/entries/{entry}/approve")
    office.later()
    office.later(4 * DAY)
    assert office.aspects(person) == GREEN
    office.later(DAY)
    assert office.aspects(person) == RED_RIDE


@pytest.mark.parametrize(
    ("name", "changes", "status", "problem", "message"),
    [
        ("no end", {"ends_at": None}, 422, "bad-input", "ends_at: expected a value, got none"),
        (
            "unknown scope",
            {"scopes": [99]},
            422,
            "unknown-scope",
            r"scopes: expected scopes among \[1, 2, 3, 4\], got \[99\]",
        ),
        (
            "scope outside its basis",
            {"scopes": [RIDE, PRIORITY]},
            422,
            "outside-basis",
            r"of the basis, \[1, 2, 4\], got \[3\]",
        ),
        (
            "effect outside its basis",
            {"effect": "grant"},
            422,
            "outside-basis",
            r"expected one of \['red', 'yellow'\], got grant",
        ),
        (
            "longer than its basis",
            {"starts_at": NOW, "ends_at": NOW + 30 * DAY + 1},
            422,
            "outside-basis",
            "ends_at: expected at most 2592000 s after the start, got 2592001",
        ),
        (
            "ends before it starts",
            {"starts_at": NOW + DAY, "ends_at": NOW + DAY},
            422,
            "outside-basis",
            "expected an end after the start",
        ),
        (
            "over before notice",
            {"ends_at": NOW + NOTICE},
            422,
            "outside-basis",
            "ends_at: expected an end after the notice of 7200 s",
        ),
        (
            "exclusions not looked at",
            {"exclusions_checked": []},
            422,
            "outside-basis",
            r"exclusions_checked: .*\['minors'\] not looked at",
        ),
        (
            "a dismissed case",
            {"case": {"reference": "x", "state": "dismissed"}},
            422,
            "outside-basis",
            "case: expected a case that is open",
        ),
        (
            "a case that was won",
            {"case": {"reference": "x", "state": "won"}},
            422,
            "outside-basis",
            "case: expected a case that is open",
        ),
        ("no case", {"case": None}, 422, "bad-input", "case: expected a value, got none"),
        ("no reason", {"reason": "  "}, 422, "bad-input", "reason: expected some text, got none"),
        ("unknown person", {"person": "p-77"}, 404, "not-found", "person: expected a reference that is known"),
        ("unknown basis", {"basis": 77}, 404, "not-found", "basis: expected one of the network's bases, got 77"),
        ("a place", {"station": "Central"}, 422, "bad-input", "station: no such field"),
        ("a number as text", {"ends_at": "1800000000"}, 422, "bad-input", "ends_at: .*valid integer"),
        ("a time that is none", {"ends_at": 2**70}, 422, "bad-input", "ends_at: "),
    ],
)
def test_what_is_no_entry(
    office: Office, name: str, changes: dict[str, Any], status: int, problem: str, message: str
) -> None:
    form = entry_form(office.person(), office.basis(), **changes)
    answer = office.call("proposer", "POST", "/entries", **form)
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:waypass:problem:{problem}")
    assert answer.headers["content-type"] == "application/problem+json"
    assert re.search(message, answer.json()["detail"]), answer.text


def test_staff_of_another_authority(office: Office) -> None:
    answer = office.call("proposer-2", "POST", "/entries", **entry_form(office.person(), office.basis()))
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:waypass:problem:forbidden")


def test_red_in_an_essential_scope_needs_health(office: Office) -> None:
    """Also when the scope became essential after its basis was put in force."""
    basis = office.basis(health=False, scopes=[RIDE, CHECKED])
    with office.services.change() as session:
        session.scalars(select(Scope).where(Scope.number == RIDE)).one().essential = True
    answer = office.call("proposer", "POST", "/entries", **entry_form(office.person(), basis))
    assert answer.json()["type"] == "urn:waypass:problem:outside-basis"
    assert "expected a basis of health for red in essential scopes, got [1]" in answer.json()["detail"]


def test_the_same_person_approving(office: Office) -> None:
    basis = office.basis()
    entry = office.do("everything", "POST", "/entries", **entry_form(office.person(), basis))["id"]
    answer = office.call("everything", "POST", f"/entries/{entry}/approve")
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:waypass:problem:same-person")
    assert answer.json()["detail"] == "approve: expected another person than the one who proposed the entry"
    assert office.entry_state(entry) == ("proposed", None)


def test_a_repeated_approval_changes_nothing(office: Office) -> None:
    entry = office.entry(office.person(), office.basis())
    first = office.do("approver", "POST", f"/entries/{entry}/approve")
    assert office.do("approver", "POST", f"/entries/{entry}/approve") == first
    other = office.call("everything", "POST", f"/entries/{entry}/approve")
    assert (other.status_code, other.json()["detail"]) == (
        409,
        "approve: expected an entry that is proposed, this one is approved",
    )
    office.later()
    assert len(office.outbox.sent) == 1


@pytest.mark.parametrize(
    ("who", "step", "end"),
    [
        ("proposer", "withdraw", "withdrawn"),
        ("approver", "withdraw", "withdrawn"),
        ("proposer", "undo", "withdrawn"),
        ("approver", "undo", "withdrawn"),
        ("reviewer", "undo", "withdrawn"),
        ("ops", "undo", "withdrawn"),
        ("reviewer", "lift", "lifted"),
    ],
)
def test_one_person_ends_it(office: Office, who: str, step: str, end: str) -> None:
    person = office.person()
    entry = office.entry_in_effect(person, office.basis())
    assert office.aspects(person) == RED_RIDE
    ended = office.do(who, "POST", f"/entries/{entry}/{step}")
    assert (ended["state"], ended["end"]) == ("ended", end)
    assert office.aspects(person) == GREEN
    assert office.do(who, "POST", f"/entries/{entry}/{step}") == ended, "again changes nothing"
    office.later()
    kinds = [notice["kind"] for notice in office.do(person, "GET", "/me/notices")]
    assert kinds == ["entry", "entry-ended"]


def test_an_undo_comes_within_a_day(office: Office) -> None:
    entry = office.entry_in_effect(office.person(), office.basis())
    office.later(DAY + 1)
    answer = office.call("ops", "POST", f"/entries/{entry}/undo")
    assert answer.status_code == 409
    assert answer.json()["detail"].startswith("undo: expected it within 86400 s, got 86401 s; lift or withdraw")
    office.do("proposer", "POST", f"/entries/{entry}/withdraw")


def test_an_end_of_another_kind_is_a_conflict(office: Office) -> None:
    entry = office.entry_in_effect(office.person(), office.basis())
    office.do("reviewer", "POST", f"/entries/{entry}/lift")
    answer = office.call("proposer", "POST", f"/entries/{entry}/withdraw")
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:waypass:problem:conflict")
    assert "this one is ended (lifted)" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("step", "body", "end"),
    [
        ("withdraw", {}, "withdrawn"),
        ("undo", {}, "withdrawn"),
        ("lift", {}, "lifted"),
        ("case", {"state": "won"}, "dismissed"),
    ],
)
def test_what_ended_before_the_notice_left_is_announced_to_nobody(
    office: Office, step: str, body: dict[str, Any], end: str
) -> None:
    person = office.person()
    entry = office.entry(person, office.basis())
    office.do("approver", "POST", f"/entries/{entry}/approve")
    office.do("reviewer" if step == "lift" else "proposer", "POST", f"/entries/{entry}/{step}", **body)
    office.later()
    office.later(NOTICE)
    assert office.entry_state(entry) == ("ended", end)
    assert office.aspects(person) == GREEN
    assert office.outbox.sent == {}
    assert office.do(person, "GET", "/me/notices") == office.do(person, "GET", "/me")["entries"] == []


@pytest.mark.parametrize("case", ["dismissed", "won"])
def test_the_cases_outcome_ends_the_entry(office: Office, case: str) -> None:
    person = office.person()
    entry = office.entry_in_effect(person, office.basis())
    ended = office.do("proposer", "POST", f"/entries/{entry}/case", state=case)
    assert (ended["state"], ended["end"], ended["case"]["state"]) == ("ended", "dismissed", case)
    assert office.aspects(person) == GREEN


@pytest.mark.parametrize(
    ("who", "state", "status"),
    [
        ("proposer-2", "upheld", 403),
        ("proposer-2", "open", 403),
        ("proposer-2", "won", 200),
        ("proposer", "upheld", 200),
        ("health-reviewer", "upheld", 200),
        ("approver", "upheld", 200),
        ("ops", "won", 403),
    ],
)
def test_whose_word_a_cases_state_is(office: Office, who: str, state: str, status: int) -> None:
    """What keeps an entry going, its authority's or the network's; what ends it, anybody's who may end one."""
    entry = office.entry_in_effect(office.person(), office.basis())
    answer = office.call(who, "POST", f"/entries/{entry}/case", state=state)
    assert answer.status_code == status, answer.text
    assert office.entry_state(entry)[0] == ("ended" if (state, status) == ("won", 200) else "in-effect")


@pytest.mark.parametrize(
    ("who", "reads"),
    [
        ("proposer", True),
        ("proposer-2", False),
        ("everything", True),
        ("approver", True),
        ("reviewer", True),
        ("health-reviewer", True),
        ("ops", True),
    ],
)
def test_who_only_proposes_reads_the_entries_of_their_authority(
    office: Office, who: str, reads: bool, tmp_path: Path
) -> None:
    basis = office.basis()
    entry = office.entry(office.person("p-9"), basis)
    batch = batch_of(office, tmp_path, 1, basis=basis)
    pages = [office.do(who, "GET", path) for path in ("/entries?state=proposed", f"/batches/{batch}/entries")]
    assert [len(page) for page in pages] == ([2, 1] if reads else [0, 0])
    answer = office.call(who, "GET", f"/entries/{entry}")
    assert answer.status_code == (200 if reads else 403)
    assert reads or "expected staff of the basis's authority" in answer.json()["detail"]
    assert reads or "p-9" not in answer.text


def test_reviewers_read_the_entries_of_other_authorities(office: Office) -> None:
    court = office.do("proposer-2", "POST", "/bases", **basis_form(authority=COURT))["id"]
    office.do("approver", "POST", f"/bases/{court}/versions/1/approve")
    form = entry_form(office.person(), court)
    entry = office.do("proposer-2", "POST", "/entries", **form)["id"]
    for who in ("proposer-2", "health-reviewer", "health-approver"):
        assert office.do(who, "GET", f"/entries/{entry}")["id"] == entry
    assert office.do("proposer", "GET", "/entries?state=proposed") == []


def test_a_case_that_was_upheld_changes_nothing_else(office: Office) -> None:
    entry = office.entry_in_effect(office.person(), office.basis())
    answer = office.do("proposer", "POST", f"/entries/{entry}/case", state="upheld")
    assert (answer["state"], answer["case"]["state"]) == ("in-effect", "upheld")


def test_not_reconfirmed_it_lapses(office: Office) -> None:
    person, basis = office.person(), office.basis(longest=300 * DAY)
    entry = office.entry_in_effect(person, basis, ends_at=NOW + 300 * DAY)
    office.later(80 * DAY)
    office.do("proposer", "POST", f"/entries/{entry}/reconfirm")
    office.later(90 * DAY - 1)
    assert office.entry_state(entry) == ("in-effect", None)
    office.later(1)
    assert office.entry_state(entry) == ("ended", "lapsed")
    assert office.aspects(person) == GREEN


def test_another_authority_does_not_reconfirm(office: Office) -> None:
    entry = office.entry_in_effect(office.person(), office.basis())
    answer = office.call("proposer-2", "POST", f"/entries/{entry}/reconfirm")
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:waypass:problem:forbidden")


def test_reconfirmed_too_late_it_lapses_although_the_scheduler_is_late(office: Office) -> None:
    entry = office.entry_in_effect(office.person(), office.basis(longest=300 * DAY), ends_at=NOW + 300 * DAY)
    confirm_by = office.do("reviewer", "GET", f"/entries/{entry}")["confirm_by"]
    office.clock.advance(confirm_by - office.clock.now())
    answer = office.call("proposer", "POST", f"/entries/{entry}/reconfirm")
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:waypass:problem:conflict")
    assert answer.json()["detail"] == "reconfirm: expected it within 90 days of the last time; the entry lapses"
    office.later()
    assert office.entry_state(entry) == ("ended", "lapsed")


def test_a_proposal_that_nobody_approves_runs_out(office: Office) -> None:
    entry = office.entry(office.person(), office.basis())
    office.later(20 * DAY)
    assert office.entry_state(entry) == ("ended", "expired")


def test_a_grant_opens_its_scope_and_takes_it_away_again(office: Office) -> None:
    person = office.person()
    basis = office.basis(effects=["grant"], scopes=[PRIORITY], notice=0, health=False, exclusions=[])
    entry = office.entry(person, basis, effect="grant", scopes=[PRIORITY], exclusions_checked=[])
    assert office.aspects(person) == GREEN
    office.do("approver", "POST", f"/entries/{entry}/approve")
    office.later()
    assert office.aspects(person) == GREEN | {PRIORITY: "green"}
    office.later(20 * DAY)
    assert office.aspects(person) == GREEN


def test_the_queue_of_an_approver(office: Office) -> None:
    person, basis = office.person(), office.basis()
    first, second = office.entry(person, basis), office.entry(person, basis, effect="yellow")
    assert [one["id"] for one in office.do("approver", "GET", "/entries?state=proposed")] == [first, second]
    assert [one["id"] for one in office.do("approver", "GET", f"/entries?state=proposed&after={first}")] == [second]
    assert office.do("approver", "GET", "/entries?state=ended") == []
    assert office.call("approver", "GET", "/entries").status_code == 422


def test_why_always_has_an_answer(office: Office) -> None:
    person = office.person()
    entry = office.entry_in_effect(person, office.basis(), scopes=[RIDE, HOSPITAL])
    scopes = {scope["number"]: scope for scope in office.do(person, "GET", "/me")["scopes"]}
    assert scopes[RIDE]["why"] == [
        {
            "kind": "entry",
            "aspect": "red",
            "id": entry,
            "reason": entry_form("", 0)["reason"],
            "basis": basis_form()["title"],
            "citation": basis_form()["citation"],
            "authority": "Health office",
            "contact": "health@example.org",
            "source": None,
            "rule_set": None,
            "rule_set_version": None,
            "rule": None,
            "failed": False,
            "starts_at": NOW + NOTICE,
            "ends_at": NOW + 20 * DAY,
            "how_to_object": f"POST /api/v1/me/entries/{entry}/objection",
        }
    ]
    assert scopes[CHECKED]["why"][0]["kind"] == "no-evidence"


def test_what_the_notice_says(office: Office) -> None:
    person = office.person()
    entry = office.entry(person, office.basis())
    office.do("approver", "POST", f"/entries/{entry}/approve")
    office.later(HOUR)
    (notice,) = office.outbox.sent.values()
    assert (notice.reference, notice.kind, notice.network) == (person, "entry", "metro")
    assert notice.content["contact"] == "health@example.org"
    assert notice.content["reason"] == entry_form("", 0)["reason"]
    assert notice.content["takes_effect_not_before"] == NOW + NOTICE
    assert notice.content["objection_decided_within"] == DEADLINE
    (told,) = office.do(person, "GET", "/me/notices")
    assert (told["created_at"], told["delivered_at"], told["content"]) == (NOW, NOW + HOUR, notice.content)


def test_an_entry_is_announced_when_it_can_be_objected_to(office: Office) -> None:
    person = office.person()
    entry = office.entry(person, office.basis())
    office.do("approver", "POST", f"/entries/{entry}/approve")
    assert office.do(person, "GET", "/me/notices") == []
    office.later()
    assert [notice["kind"] for notice in office.do(person, "GET", "/me/notices")] == ["entry"]
    assert office.do(person, "POST", f"/me/entries/{entry}/objection", text="No.")["suspends"] is True


def test_no_effect_without_delivery(office: Office) -> None:
    person = office.person()
    entry = office.entry(person, office.basis())
    office.do("approver", "POST", f"/entries/{entry}/approve")
    office.outbox.refuse = True
    office.later()
    office.later(10 * NOTICE)
    assert office.entry_state(entry) == ("approved", None)
    assert office.aspects(person) == GREEN
    office.outbox.refuse = False
    office.later()
    office.later(NOTICE - 1)
    assert office.aspects(person) == GREEN
    office.later(1)
    assert office.aspects(person) == RED_RIDE
