"""Objections and exemptions: who is heard, by whom, and what happens when nobody decides."""

import pytest
from tests.support.office import DAY, DEADLINE, GREEN, HOUR, NOTICE, NOW, RIDE, Office, entry_form

pytestmark = pytest.mark.both_stores

RED_RIDE = GREEN | {RIDE: "red"}


def announced(office: Office) -> tuple[str, int]:
    """A person whose entry was announced just now."""
    person = office.person()
    entry = office.entry(person, office.basis())
    office.do("approver", "POST", f"/entries/{entry}/approve")
    office.later()
    return person, entry


def test_within_the_notice_period_it_suspends(office: Office) -> None:
    person, entry = announced(office)
    office.later(NOTICE - 1)
    objection = office.do(person, "POST", f"/me/entries/{entry}/objection", text="It was my sister.")
    assert (objection["suspends"], objection["decide_by"]) == (True, NOW + NOTICE - 1 + DEADLINE)
    assert office.entry_state(entry) == ("suspended", None)
    office.later(5 * DAY)
    assert office.aspects(person) == GREEN


def test_later_it_does_not(office: Office) -> None:
    person = office.person()
    entry = office.entry_in_effect(person, office.basis())
    objection = office.do(person, "POST", f"/me/entries/{entry}/objection", text="It was my sister.")
    assert (objection["suspends"], objection["state"]) == (False, "open")
    assert office.aspects(person) == RED_RIDE


def test_nor_when_the_scheduler_is_late(office: Office) -> None:
    person, entry = announced(office)
    office.clock.advance(NOTICE)
    assert not office.do(person, "POST", f"/me/entries/{entry}/objection", text="Late.")["suspends"]
    assert office.aspects(person) == RED_RIDE


@pytest.mark.parametrize("in_effect", [False, True], ids=["announced", "in effect"])
def test_upheld(office: Office, in_effect: bool) -> None:
    person, entry = announced(office)
    office.later(NOTICE if in_effect else 0)
    objection = office.do(person, "POST", f"/me/entries/{entry}/objection", text="No.")["id"]
    office.later(DAY)
    answer = "The test was repeated."
    decided = office.do("reviewer", "POST", f"/objections/{objection}/decide", lift=False, answer=answer)
    assert (decided["state"], decided["answer"]) == ("upheld", answer)
    office.later()
    assert office.entry_state(entry) == ("in-effect", None)
    assert office.aspects(person) == RED_RIDE
    (seen,) = office.do(person, "GET", "/me")["entries"][0]["objections"]
    assert seen == decided


def test_upheld_before_the_period_was_over_waits_for_its_end(office: Office) -> None:
    person, entry = announced(office)
    objection = office.do(person, "POST", f"/me/entries/{entry}/objection", text="No.")["id"]
    office.do("reviewer", "POST", f"/objections/{objection}/decide", lift=False, answer="It stands.")
    assert office.entry_state(entry) == ("notified", None)
    office.later(NOTICE - 1)
    assert office.aspects(person) == GREEN
    office.later(1)
    assert office.aspects(person) == RED_RIDE


def test_lifted(office: Office) -> None:
    person = office.person()
    entry = office.entry_in_effect(person, office.basis())
    objection = office.do(person, "POST", f"/me/entries/{entry}/objection", text="No.")["id"]
    office.do("reviewer", "POST", f"/objections/{objection}/decide", lift=True, answer="You are right.")
    assert office.entry_state(entry) == ("ended", "lifted")
    assert office.aspects(person) == GREEN
    office.later()
    kinds = [notice["kind"] for notice in office.do(person, "GET", "/me/notices")]
    assert kinds == ["entry", "entry-ended", "objection-decided"]


@pytest.mark.parametrize("in_effect", [False, True], ids=["announced", "in effect"])
def test_not_decided_in_time_the_entry_lapses(office: Office, in_effect: bool) -> None:
    person, entry = announced(office)
    office.later(NOTICE if in_effect else 0)
    objection = office.do(person, "POST", f"/me/entries/{entry}/objection", text="No.")["id"]
    office.clock.advance(DEADLINE)
    assert office.aspects(person) == GREEN, "by the clock, before the scheduler has looked"
    late = office.call("reviewer", "POST", f"/objections/{objection}/decide", lift=False, answer="Sorry, late.")
    assert (late.status_code, late.json()["detail"]) == (
        409,
        "decide: expected a decision before the deadline; the entry lapses",
    )
    office.later()
    assert office.entry_state(entry) == ("ended", "lapsed")
    assert office.do(person, "GET", "/me")["entries"][0]["objections"][0]["state"] == "lapsed"


@pytest.mark.parametrize(
    ("who", "message"),
    [
        ("proposer", "expected another person than the one who proposed the entry"),
        ("approver", "expected another person than the one who approved the entry"),
        ("health-reviewer", "expected a reviewer who does not work for the entry's authority"),
    ],
)
def test_nobody_judges_their_own_entry(office: Office, who: str, message: str) -> None:
    person, basis = office.person(), office.basis()
    proposer = "everything" if who == "proposer" else "proposer"
    approver = "everything" if who == "approver" else "approver"
    entry = office.do(proposer, "POST", "/entries", **entry_form(person, basis))["id"]
    office.do(approver, "POST", f"/entries/{entry}/approve")
    office.later()
    objection = office.do(person, "POST", f"/me/entries/{entry}/objection", text="No.")["id"]
    judge = "health-reviewer" if who == "health-reviewer" else "everything"
    answer = office.call(judge, "POST", f"/objections/{objection}/decide", lift=False, answer="It stands.")
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:waypass:problem:same-person")
    assert answer.json()["detail"] == f"decide: {message}"
    assert office.entry_state(entry) == ("suspended", None)


def test_one_at_a_time_and_again_after_a_decision(office: Office) -> None:
    person, entry = announced(office)
    first = office.do(person, "POST", f"/me/entries/{entry}/objection", text="No.")["id"]
    again = office.call(person, "POST", f"/me/entries/{entry}/objection", text="No!")
    assert (again.status_code, again.json()["type"]) == (409, "urn:waypass:problem:conflict")
    office.do("reviewer", "POST", f"/objections/{first}/decide", lift=False, answer="It stands.")
    decided = office.call("reviewer", "POST", f"/objections/{first}/decide", lift=True, answer="Or not.")
    assert decided.json()["detail"] == "decide: expected an objection that is open, this one is upheld"
    assert office.do(person, "POST", f"/me/entries/{entry}/objection", text="New papers.")["id"] != first


def test_only_ones_own_entries_and_only_once_announced(office: Office) -> None:
    person, entry = announced(office)
    office.person("p-2")
    proposal = office.entry("p-2", office.basis())
    for who, number in (("p-2", entry), (person, proposal), ("p-2", proposal), ("p-2", 77)):
        answer = office.call(who, "POST", f"/me/entries/{number}/objection", text="No.")
        assert answer.status_code == 404
        assert answer.json()["detail"] == f"entry: expected one of your own entries, got {number}"


def test_an_ended_entry_needs_no_objection(office: Office) -> None:
    person, entry = announced(office)
    objection = office.do(person, "POST", f"/me/entries/{entry}/objection", text="No.")["id"]
    office.do("proposer", "POST", f"/entries/{entry}/withdraw")
    assert office.do("reviewer", "GET", "/objections") == []
    answer = office.call("reviewer", "POST", f"/objections/{objection}/decide", lift=True, answer="Yes.")
    assert answer.json()["detail"] == "decide: expected an objection that is open, this one is moot"
    assert office.call(person, "POST", f"/me/entries/{entry}/objection", text="No.").status_code == 409


def test_the_most_urgent_first(office: Office) -> None:
    made = []
    for reference, deadline in (("p-1", 3 * DAY), ("p-2", DAY), ("p-3", 2 * DAY)):
        person = office.person(reference)
        entry = office.entry_in_effect(person, office.basis(objection_deadline=deadline))
        made.append(office.do(person, "POST", f"/me/entries/{entry}/objection", text="No.")["id"])
    waiting = [one["id"] for one in office.do("reviewer", "GET", "/objections")]
    assert waiting == [made[1], made[2], made[0]]


def test_an_exemption_outranks_red_and_ends(office: Office) -> None:
    person = office.person()
    office.entry_in_effect(person, office.basis())
    now = int(office.clock.now())
    made = office.do("reviewer", "POST", "/exemptions", person=person, reason="Operation", ends_at=now + 72 * HOUR)
    everywhere = {scope: aspect and "green" for scope, aspect in GREEN.items()}
    assert office.aspects(person) == everywhere
    why = office.do(person, "GET", "/me")["scopes"][0]["why"]
    assert [cause["kind"] for cause in why] == ["exemption", "entry"]
    office.later(72 * HOUR - 1)
    assert office.aspects(person) == everywhere
    office.later(1)
    assert office.aspects(person) == RED_RIDE
    assert office.do("reviewer", "POST", f"/exemptions/{made['id']}/end") == made, "it is over already"


def test_an_exemption_ended_early(office: Office) -> None:
    person = office.person()
    office.entry_in_effect(person, office.basis())
    now = int(office.clock.now())
    made = office.do("reviewer", "POST", "/exemptions", person=person, reason="Hearing", ends_at=now + HOUR)
    ended = office.do("reviewer", "POST", f"/exemptions/{made['id']}/end")
    assert ended["ends_at"] == now
    assert office.aspects(person) == RED_RIDE
    assert office.do("reviewer", "POST", f"/exemptions/{made['id']}/end") == ended


def test_the_holder_is_told_of_an_exemption_and_of_its_early_end(office: Office) -> None:
    person = office.person()
    period = {"starts_at": NOW + HOUR, "ends_at": NOW + 2 * HOUR}
    made = office.do("reviewer", "POST", "/exemptions", person=person, reason="Hearing", **period)["id"]
    office.later(60)
    office.do("reviewer", "POST", f"/exemptions/{made}/end")
    office.do("reviewer", "POST", f"/exemptions/{made}/end")
    office.later()
    told = {"exemption": made, "reason": "Hearing", **period}
    assert [(notice.kind, notice.content) for notice in office.outbox.sent.values()] == [
        ("exemption", told),
        ("exemption-ended", told | {"ends_at": NOW + 60}),
    ]


def test_nobody_is_told_of_an_exemption_that_is_over_by_itself(office: Office) -> None:
    office.do("reviewer", "POST", "/exemptions", person=office.person(), reason="Hearing", ends_at=NOW + HOUR)
    office.later(HOUR)
    office.do("health-reviewer", "POST", "/exemptions/1/end")
    office.later()
    assert [notice.kind for notice in office.outbox.sent.values()] == ["exemption"]


@pytest.mark.parametrize(
    ("who", "message"),
    [
        ("proposer", "expected another person than the one who proposed the entry"),
        ("approver", "expected another person than the one who approved the entry"),
        ("health-reviewer", "expected a reviewer who does not work for the authority of an entry that it outranks"),
    ],
)
def test_whoever_listed_somebody_does_not_end_their_exemption(office: Office, who: str, message: str) -> None:
    person, basis = office.person(), office.basis()
    proposer = "everything" if who == "proposer" else "proposer"
    approver = "everything" if who == "approver" else "approver"
    entry = office.do(proposer, "POST", "/entries", **entry_form(person, basis))["id"]
    office.do(approver, "POST", f"/entries/{entry}/approve")
    office.later()
    office.later(NOTICE)
    ends_at = office.services.now() + HOUR
    made = office.do("reviewer", "POST", "/exemptions", person=person, reason="Hearing", ends_at=ends_at)["id"]
    ender = "health-reviewer" if who == "health-reviewer" else "everything"
    answer = office.call(ender, "POST", f"/exemptions/{made}/end")
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:waypass:problem:same-person")
    assert answer.json()["detail"] == f"end: {message}"
    assert office.aspects(person)[RIDE] == "green"


def test_an_entry_that_only_waits_counts_and_one_that_ended_does_not(office: Office) -> None:
    """Otherwise the way would be cleared before the entry takes effect."""
    person = office.person()
    entry = office.entry(person, office.basis())
    made = office.do("reviewer", "POST", "/exemptions", person=person, reason="Hearing", ends_at=NOW + HOUR)["id"]
    assert office.call("health-reviewer", "POST", f"/exemptions/{made}/end").status_code == 403
    office.do("proposer", "POST", f"/entries/{entry}/withdraw")
    assert office.do("health-reviewer", "POST", f"/exemptions/{made}/end")["ends_at"] == NOW


@pytest.mark.parametrize(
    ("granted_by", "ended_by"),
    [("reviewer", "everything"), ("health-reviewer", "health-reviewer"), ("health-reviewer", "reviewer")],
    ids=["another", "who granted it", "of another authority"],
)
def test_who_ends_an_exemption(office: Office, granted_by: str, ended_by: str) -> None:
    person = office.person()
    office.entry_in_effect(person, office.basis())
    ends_at = office.services.now() + HOUR
    made = office.do(granted_by, "POST", "/exemptions", person=person, reason="Hearing", ends_at=ends_at)["id"]
    office.do(ended_by, "POST", f"/exemptions/{made}/end")
    assert office.aspects(person) == RED_RIDE


def test_a_grant_is_outranked_by_no_exemption(office: Office) -> None:
    person = office.person()
    office.entry_in_effect(person, office.basis(effects=["grant"], scopes=[3]), effect="grant", scopes=[3])
    ends_at = office.services.now() + HOUR
    made = office.do("reviewer", "POST", "/exemptions", person=person, reason="Hearing", ends_at=ends_at)["id"]
    office.do("health-reviewer", "POST", f"/exemptions/{made}/end")


@pytest.mark.parametrize(
    ("name", "starts_at", "ends_at"),
    [
        ("longer than 72 h", None, NOW + 72 * HOUR + 1),
        ("over already", NOW - HOUR, NOW),
        ("ends before it starts", NOW + HOUR, NOW + HOUR),
    ],
)
def test_what_is_no_exemption(office: Office, name: str, starts_at: int | None, ends_at: int) -> None:
    person = office.person()
    answer = office.call(
        "reviewer", "POST", "/exemptions", person=person, reason="x", starts_at=starts_at, ends_at=ends_at
    )
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("ends_at: expected an end to come, at most 259200 s after")


def test_the_reviewer_sees_what_the_person_sees(office: Office) -> None:
    person = office.person()
    office.entry_in_effect(person, office.basis())
    mine = office.do(person, "GET", "/me")
    assert office.do("reviewer", "POST", "/standing", person=person) == {
        "scopes": mine["scopes"],
        "until": mine["until"],
    }


def test_looking_somebody_up_is_in_the_log_without_the_reference(office: Office) -> None:
    person = office.person()
    office.do("ops", "POST", "/standing", person=person)
    assert office.call("reviewer", "POST", "/standing", person="p-nobody").status_code == 404
    found, missed = office.do("admin", "GET", "/events")[-2:]
    assert (found["what"], found["subject"], found["details"]) == ("person.looked-up", "person", {})
    assert (missed["what"], missed["subject"], missed["subject_id"]) == ("person.not-found", "staff", missed["staff"])
    assert found["staff"] != missed["staff"]
