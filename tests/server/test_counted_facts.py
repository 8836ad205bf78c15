"""Whom staff make yellow by facts counts, whichever way it goes: by the fact, by rules in force, now or later; and by
rules that come into force, whatever came between their shadow run and their approval.
"""

import threading
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from tests.server.evidence import forge
from tests.server.test_facts_api import certificate, hand_in, lower_limit, report, sample
from tests.support.at_once import together
from tests.support.databases import Store
from tests.support.office import CHECKED, DAY, GREEN, HOSPITAL, HOUR, NOW, PRIORITY, RIDE, Office, open_office
from tests.support.rule_sets import ANSWERS, EVIDENCE, NO_RECENT_TEST, propose, put_in_force, rule

from waypass_server import rule_sets, shadow
from waypass_server.evidence import SignerSet
from waypass_server.facts import Report
from waypass_server.facts import report as report_fact
from waypass_server.life import Actor, Kind
from waypass_server.models.lists_of_people import Fact
from waypass_server.people import find_person
from waypass_server.roles import Role
from waypass_server.worsening import PastLimit

pytestmark = pytest.mark.both_stores

NEAR = rule("near", {"var": "facts.exposure.0"})
TWO = rule("two", {"var": "facts.exposure.1"})
DESK = Actor(kind=Kind.STAFF, staff_id=4, roles=frozenset({Role.DESK}))


@pytest.fixture
def office(store: Store, tmp_path: Path) -> Iterator[Office]:
    """A server that knows the forge's signer."""
    with closing(open_office(tmp_path, signers=SignerSet.of([forge.good_signer()]))) as opened:
        yield opened


def in_force(office: Office, *rules: dict[str, Any], **changes: Any) -> None:
    """The rules, before anybody is there to be turned by them."""
    put_in_force(office, propose(office, *rules, **changes))


def counted(office: Office, level: str = "network") -> int:
    """In the month; at the authority of whom most count, where there are several."""
    rows = office.do("admin", "GET", "/limits")
    return max(int(row["people"]) for row in rows if (row["level"], row["window"]) == (level, "month"))


def noted(office: Office, person: str, **changes: Any) -> int:
    """A notice of staff that is not yellow by itself; the status of the answer."""
    return office.call("proposer", "POST", "/facts", **report(person, yellow=False, **changes)).status_code


def facts(office: Office) -> list[tuple[str, bool]]:
    with office.services.database.reading() as session:
        rows = session.scalars(select(Fact).order_by(Fact.id))
        return [(fact.kind, fact.withdrawn_at is None) for fact in rows]


def answer_at_desk(office: Office, person: str, **changes: Any) -> Any:
    return office.call("desk", "POST", "/surveys/1/answers", person=person, answers=ANSWERS | changes)


def test_a_fact_that_rules_turn_yellow_counts_and_never_passes_a_limit(office: Office) -> None:
    in_force(office, NEAR, form=None)
    people = [office.person(f"p-{number}") for number in range(3)]
    lower_limit(office, 2)
    assert [noted(office, person) for person in people] == [201, 201, 409]
    office.later()
    assert [office.aspects(person)[RIDE] for person in people] == ["yellow", "yellow", "green"]
    assert (counted(office), counted(office, "authority"), len(facts(office))) == (2, 2, 2)
    answer = office.call("proposer", "POST", "/facts", **report(people[2], yellow=False))
    assert (answer.json()["type"], answer.json()["detail"][:60]) == (
        "urn:waypass:problem:past-limit",
        "facts: expected at most 2 people worsened in a day for the n",
    )
    # By a holder nothing is counted, and nothing is refused.
    hand_in(office, people[2], certificate(t=[sample(tr="260373001")]))
    assert counted(office) == 2
    office.later(2 * DAY)
    assert noted(office, people[2], valid_until=NOW + 12 * DAY) == 201


def test_a_fact_that_turns_nobody_does_not_count(office: Office) -> None:
    in_force(office, TWO, form=None)
    person = office.person()
    assert noted(office, person) == 201
    assert counted(office) == 0
    # The second one is what turns them.
    assert noted(office, person, source="Harbour office") == 201
    assert (counted(office), office.aspects(person)[RIDE]) == (1, "yellow")
    # They are yellow for as long as these two last: a third changes nothing, until it is the one that lasts.
    assert noted(office, person, source="Port office", valid_from=NOW + HOUR) == 201
    assert counted(office) == 1
    assert noted(office, person, source="Rail office", valid_until=NOW + 9 * DAY) == 201
    assert counted(office) == 1
    assert noted(office, person, source="Bus office", valid_until=NOW + 9 * DAY) == 201
    assert counted(office) == 2


def test_a_fact_that_will_turn_somebody_counts_when_it_is_recorded(office: Office) -> None:
    in_force(office, NEAR, form=None)
    person = office.person()
    lower_limit(office, 1)
    assert noted(office, person, valid_from=NOW + DAY) == 201
    assert (counted(office), office.aspects(person)) == (1, GREEN)
    assert noted(office, office.person("p-2"), valid_from=NOW + DAY) == 409


def test_what_a_rule_makes_of_it_after_days_counts_too(office: Office) -> None:
    after_two_days = {
        "after": [
            {"plusTime": [{"var": "external.validationClock"}, 0, "day"]},
            {"plusTime": [{"var": "facts.exposure.0.from"}, 2, "day"]},
        ]
    }
    in_force(office, rule("late", {"if": [{"var": "facts.exposure.0"}, after_two_days, False]}), form=None)
    person = office.person()
    assert noted(office, person) == 201
    assert (counted(office), office.aspects(person)) == (1, GREEN)
    assert noted(office, office.person("p-2"), valid_until=NOW + DAY) == 201, "over before its rule holds"
    assert counted(office) == 1
    office.later(2 * DAY + 1)
    assert office.aspects(person)[RIDE] == "yellow"


def test_what_an_exemption_or_an_entry_hides_counts(office: Office) -> None:
    in_force(office, NEAR, form=None)
    person = office.person()
    form = {"person": person, "reason": "a hearing", "ends_at": NOW + DAY}
    office.do("reviewer", "POST", "/exemptions", **form)
    assert noted(office, person) == 201
    assert (counted(office), office.aspects(person)[RIDE]) == (1, "green")
    listed = office.person("p-2")
    office.entry_in_effect(listed, office.basis())
    before = counted(office)
    assert noted(office, listed, valid_until=NOW + 13 * DAY) == 201
    assert counted(office) == before + 1


def test_a_service_by_grant_counts_for_whoever_may_get_one(office: Office) -> None:
    in_force(office, rule("near", {"var": "facts.exposure.0"}, scopes=[PRIORITY]), form=None)
    person = office.person()
    assert noted(office, person) == 201
    assert (counted(office), office.aspects(person)) == (1, GREEN)


def test_answers_at_a_desk_count_and_those_of_holders_do_not(office: Office) -> None:
    in_force(office)
    people = [office.person(f"p-{number}") for number in range(3)]
    lower_limit(office, 1)
    assert answer_at_desk(office, people[0]).status_code == 201
    assert counted(office) == 1
    refused = answer_at_desk(office, people[1])
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:waypass:problem:past-limit")
    assert answer_at_desk(office, people[1], cough=False).status_code == 201
    office.do(people[2], "POST", "/me/surveys/1", answers=ANSWERS)
    assert (counted(office), office.aspects(people[2])[RIDE]) == (1, "yellow")
    # What was there before the refused answers is there still.
    assert answer_at_desk(office, people[1]).status_code == 409
    assert facts(office) == [("survey", True)] * 3


def test_answers_that_take_the_place_of_others_count_once_or_not_at_all(office: Office) -> None:
    in_force(office, EVIDENCE, rule())
    person = office.person()
    assert answer_at_desk(office, person, cough=False).status_code == 201
    assert answer_at_desk(office, person, cough=False, warmth=36).status_code == 201
    assert counted(office) == 0, "well before, well after"
    assert answer_at_desk(office, person).status_code == 201
    assert counted(office) == 1
    assert answer_at_desk(office, person, warmth=39).status_code == 201
    assert counted(office) == 1, "they coughed before"
    assert answer_at_desk(office, person, cough=False).status_code == 201
    assert (counted(office), office.aspects(person)) == (1, GREEN | {CHECKED: "green"})


def test_a_positive_test_handed_in_at_a_desk_counts(office: Office) -> None:
    people = [office.person(f"p-{number}") for number in range(2)]
    lower_limit(office, 1)
    texts = [certificate(t=[sample(tr="260373001", ci=f"URN:UVCI:01:XW:{number}")]) for number in range(2)]
    office.do("desk", "POST", "/evidence", person=people[0], text=texts[0])
    assert (counted(office), office.aspects(people[0])[HOSPITAL]) == (1, "yellow")
    assert office.call("desk", "POST", "/evidence", person=people[0], text=texts[0]).status_code == 200
    assert counted(office) == 1, "it is known"
    refused = office.call("desk", "POST", "/evidence", person=people[1], text=texts[1])
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:waypass:problem:past-limit")
    # A negative one makes nobody yellow.
    office.do("desk", "POST", "/evidence", person=people[1], text=certificate(t=[sample()]))
    assert (counted(office), office.aspects(people[1])) == (1, GREEN | {CHECKED: "green"})


def test_evidence_that_staff_withdraw_counts(office: Office) -> None:
    people = [office.person(f"p-{number}") for number in range(2)]
    lower_limit(office, 1)
    made = []
    for number, person in enumerate(people):
        dose = {**forge.VACCINATION_ENTRY, "ci": f"URN:UVCI:01:XW:{number}"}
        made.append(hand_in(office, person, certificate(v=[dose]))["id"])
    office.do("reviewer", "POST", f"/facts/{made[0]}/withdraw")
    assert (counted(office), office.aspects(people[0])[CHECKED]) == (1, "yellow")
    assert office.call("reviewer", "POST", f"/facts/{made[1]}/withdraw").status_code == 409
    assert facts(office) == [("vaccination", False), ("vaccination", True)]
    assert office.aspects(people[1])[CHECKED] == "green"
    office.do("reviewer", "POST", f"/facts/{made[0]}/withdraw")
    assert counted(office) == 1, "again it changes nothing"


def test_each_yellow_fact_counts_whoever_it_is_about(office: Office) -> None:
    person = office.person()
    for number in (1, 2):
        office.do("desk", "POST", "/facts", **report(person, reason=f"Notice {number}."))
        assert counted(office) == number


def test_a_yellow_fact_is_withdrawn_past_any_limit(office: Office) -> None:
    person = office.person()
    lower_limit(office, 1)
    fact = office.do("desk", "POST", "/facts", **report(person))["id"]
    office.do("desk", "POST", f"/facts/{fact}/withdraw")
    assert (counted(office), office.aspects(person)) == (1, GREEN)


def test_a_withdrawn_test_by_which_a_rule_set_free_counts(office: Office) -> None:
    in_force(office, rule("tested", NO_RECENT_TEST), form=None)
    person = office.person()
    made = hand_in(office, person, certificate(t=[sample()]))["id"]
    assert office.aspects(person)[RIDE] == "green"
    office.do("reviewer", "POST", f"/facts/{made}/withdraw")
    assert (counted(office), office.aspects(person)[RIDE]) == (1, "yellow")


def record(office: Office, person: str, source: str) -> None:
    given = Report(
        kind="exposure",
        source=source,
        reason="You sat near somebody who was ill.",
        yellow=False,
        scopes=(),
        valid_from=NOW,
        valid_until=NOW + DAY,
    )
    with office.services.change() as session:
        who = find_person(session, 1, person)
        report_fact(session, person=who, given=given, actor=DESK, now=office.services.now())


def test_the_last_place_is_given_once(office: Office) -> None:
    in_force(office, NEAR, form=None)
    people = [office.person(f"p-{number}") for number in range(4)]
    lower_limit(office, 2)
    works = [partial(record, office, person, "Health office") for person in people]
    outcome = together(*works, linger=office.services.database)
    assert [type(error) for error in outcome.refused] == [PastLimit, PastLimit]
    assert (counted(office), len(facts(office))) == (2, 2)


def test_two_notices_that_turn_somebody_only_together_count_once(office: Office) -> None:
    in_force(office, TWO, form=None)
    person = office.person()
    works = [partial(record, office, person, source) for source in ("Health office", "Harbour office")]
    assert together(*works, linger=office.services.database).refused == []
    assert (counted(office), office.aspects(person)[RIDE]) == (1, "yellow")


def test_a_positive_test_that_is_reinstated_counts_each_time(office: Office) -> None:
    people = [office.person("p-1"), office.person("p-2")]
    for number, person in enumerate(people):
        hand_in(office, person, certificate(t=[sample(tr="260373001", ci=f"URN:UVCI:01:XW:{number}")]))
    assert counted(office) == 0, "holders brought them"
    lower_limit(office, 1)
    for number in (1, 2):
        office.do("desk", "POST", f"/facts/{number}/withdraw")
    assert office.call("desk", "POST", "/facts/1/reinstate").status_code == 200
    assert counted(office) == 1
    answer = office.call("desk", "POST", "/facts/2/reinstate")
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:waypass:problem:past-limit")
    assert [office.aspects(person)[RIDE] for person in people] == ["yellow", "green"]
    assert facts(office) == [("test", True), ("test", False)]


def test_a_certificate_that_sets_free_is_reinstated_past_any_limit(office: Office) -> None:
    hand_in(office, office.person(), certificate(t=[sample()]))
    office.do("desk", "POST", "/facts/1/withdraw")
    lower_limit(office, 1)
    assert counted(office) == 1
    assert office.call("desk", "POST", "/facts/1/reinstate").status_code == 200
    assert counted(office) == 1
    assert office.call("desk", "POST", "/facts/1/withdraw").status_code == 409, "to and fro counts each time"


def test_what_was_withdrawn_from_somebody_and_is_handed_in_for_another_counts(office: Office) -> None:
    people = [office.person("p-1"), office.person("p-2"), office.person("p-3")]
    text = certificate(t=[sample(tr="260373001")])
    hand_in(office, people[0], text)
    lower_limit(office, 1)
    office.do("desk", "POST", "/facts/1/withdraw")
    office.do("desk", "POST", "/evidence", person=people[1], text=text)
    assert counted(office) == 1
    office.do("desk", "POST", "/facts/2/withdraw")
    assert office.call("desk", "POST", "/evidence", person=people[2], text=text).status_code == 409


# Between a shadow run and the approval


def run_shadow(office: Office, address: str) -> dict[str, Any]:
    seen: dict[str, Any] = office.do("approver", "POST", f"{address}/shadow")
    return seen


def approve(office: Office, address: str, seen: dict[str, Any]) -> Any:
    return office.call("approver", "POST", f"{address}/approve", shadow_at=seen["shadow_at"])


def test_what_came_after_the_shadow_run_counts_at_the_approval(office: Office) -> None:
    people = [office.person(f"p-{number}") for number in range(4)]
    lower_limit(office, 2)
    address = propose(office, NEAR, form=None)
    seen = run_shadow(office, address)
    assert (seen["shadow"]["worse"], seen["shadow"]["later"]) == (0, 0)
    assert [noted(office, person) for person in people[:3]] == [201, 201, 201], "harmless by the rules in force"
    assert noted(office, people[3], valid_from=NOW + DAY) == 201
    refused = approve(office, address, seen)
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:waypass:problem:past-limit")
    assert "with this it would be 4" in refused.json()["detail"]
    office.later(DAY)
    assert [office.aspects(person)[RIDE] for person in people] == ["green"] * 4
    for fact in (1, 2):
        office.do("reviewer", "POST", f"/facts/{fact}/withdraw")
    assert approve(office, address, seen).status_code == 200
    assert counted(office) == 2


def test_whom_the_shadow_run_counted_is_not_counted_twice(office: Office) -> None:
    people = [office.person(f"p-{number}") for number in range(3)]
    for person in people[:2]:
        noted(office, person, valid_until=NOW + 5 * DAY)
    address = propose(office, NEAR, form=None)
    seen = run_shadow(office, address)
    assert seen["shadow"]["worse"] == 2
    noted(office, people[0], source="Harbour office")
    noted(office, people[2])
    assert approve(office, address, seen).status_code == 200
    assert counted(office) == 3


def test_what_holders_brought_after_the_shadow_run_counts_too(office: Office) -> None:
    """An official chose the rules that they fall under."""
    person = office.person()
    address = propose(office, rule("jab", {"var": "facts.vaccination.0"}), form=None)
    seen = run_shadow(office, address)
    hand_in(office, person, certificate(v=[forge.VACCINATION_ENTRY]))
    assert approve(office, address, seen).status_code == 200
    assert counted(office) == 1


def test_what_was_reinstated_after_the_shadow_run_counts_too(office: Office) -> None:
    made = hand_in(office, office.person(), certificate(v=[forge.VACCINATION_ENTRY]))["id"]
    office.do("desk", "POST", f"/facts/{made}/withdraw")
    before = counted(office)
    address = propose(office, rule("jab", {"var": "facts.vaccination.0"}), form=None)
    seen = run_shadow(office, address)
    assert (seen["shadow"]["worse"], seen["shadow"]["later"]) == (0, 0)
    office.do("desk", "POST", f"/facts/{made}/reinstate")
    assert counted(office) == before, "harmless by the rules in force"
    assert approve(office, address, seen).status_code == 200
    assert counted(office) == before + 1


def test_who_came_after_the_shadow_run_counts(office: Office) -> None:
    address = propose(office, rule("tested", NO_RECENT_TEST), form=None)
    seen = run_shadow(office, address)
    office.person()
    assert approve(office, address, seen).status_code == 200
    assert counted(office) == 1
    office.person("p-2")
    assert counted(office) == 1, "they came to the rules"


def test_whoever_lost_a_fact_since_the_shadow_run_counts(office: Office) -> None:
    person = office.person()
    made = hand_in(office, person, certificate(t=[sample()]))["id"]
    late = {
        "after": [
            {"plusTime": [{"var": "external.validationClock"}, 0, "day"]},
            {"plusTime": [{"var": "facts.test.0.sampled"}, 90, "day"]},
        ]
    }
    address = propose(office, rule("tested", {"if": [{"var": "facts.test.0"}, late, True]}, scopes=[RIDE]), form=None)
    seen = run_shadow(office, address)
    assert (seen["shadow"]["worse"], seen["shadow"]["later"]) == (0, 1), "the test itself is over after three days"
    office.do("reviewer", "POST", f"/facts/{made}/withdraw")
    before = counted(office)
    assert approve(office, address, seen).status_code == 200
    assert counted(office) == before + 2, "the run's, and theirs: what it saw of the test is forgotten"


@pytest.mark.parametrize("what", ["approved", "ended"])
def test_other_rules_since_the_shadow_run_ask_for_another_one(office: Office, what: str) -> None:
    other = propose(office, rule("other", True), title="Others", form=None)
    if what == "ended":
        put_in_force(office, other)
    address = propose(office, rule("everybody", True), form=None)
    seen = run_shadow(office, address)
    if what == "ended":
        office.do("ops", "POST", f"{other}/end")
    else:
        put_in_force(office, other)
    refused = approve(office, address, seen)
    assert refused.status_code == 409
    assert "expected the scopes and the other rules that the shadow run saw" in refused.json()["detail"]
    assert approve(office, address, run_shadow(office, address)).status_code == 200


def test_a_proposal_that_is_taken_back_asks_for_no_other_shadow_run(office: Office) -> None:
    other = propose(office, rule("other", True), title="Others", form=None)
    address = propose(office, rule("everybody", True), form=None)
    seen = run_shadow(office, address)
    office.do("ops", "POST", f"{other}/end")
    assert approve(office, address, seen).status_code == 200


def put_in_force_now(office: Office, shadow_at: int) -> None:
    approver = Actor(kind=Kind.STAFF, staff_id=5, roles=frozenset({Role.APPROVER}))
    with office.services.change() as session:
        version = rule_sets.find_version(session, 1, 1, 1, lock=True)
        rule_sets.approve_version(session, version, shadow_at=shadow_at, actor=approver, now=office.services.now())


@pytest.mark.parametrize("repeat", range(3))
def test_facts_and_the_approval_at_the_same_moment(office: Office, repeat: int) -> None:
    """Whichever is first: each person who is yellow afterwards counts, once, and nobody past the limit is."""
    people = [office.person(f"p-{number}") for number in range(4)]
    lower_limit(office, 2)
    seen = run_shadow(office, propose(office, NEAR, form=None))
    works = [partial(record, office, person, "Health office") for person in people]
    works.insert(repeat, partial(put_in_force_now, office, seen["shadow_at"]))
    outcome = together(*works, linger=office.services.database)
    assert {type(error) for error in outcome.refused} <= {PastLimit}
    office.later()
    yellow = [office.aspects(person)[RIDE] for person in people].count("yellow")
    assert (counted(office), yellow <= 2) == (yellow, True)


def test_an_approval_waits_for_a_fact_that_is_being_recorded(office: Office) -> None:
    """The shadow run does not see the fact, which is written and not committed, and of an earlier second."""
    person = office.person()
    lower_limit(office, 1)
    propose(office, NEAR, form=None)
    written, may_commit = threading.Event(), threading.Event()

    def record_slowly() -> None:
        given = Report(
            kind="exposure", source="x", reason="y", yellow=False, scopes=(), valid_from=NOW, valid_until=NOW + DAY
        )
        with office.services.change() as session:
            who = find_person(session, 1, person)
            report_fact(session, person=who, given=given, actor=DESK, now=office.services.now() - 1)
            written.set()
            assert may_commit.wait(60)

    def look_and_approve() -> None:
        assert written.wait(60)
        with office.services.database.reading() as session:
            counted_ = shadow.run(session, rule_sets.find_version(session, 1, 1, 1), office.services.now())
        assert (counted_.worse, counted_.later) == (0, 0)
        may_commit.set()
        with office.services.change() as session:
            version = rule_sets.find_version(session, 1, 1, 1, lock=True)
            rule_sets.keep_shadow(session, version, counted_, actor=DESK, now=counted_.at)
        put_in_force_now(office, counted_.at)

    assert together(record_slowly, look_and_approve).refused == []
    assert counted(office) == 1
