"""Whom staff make yellow by facts counts, whichever way it goes: by the fact, by rules in force, now or later."""

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
