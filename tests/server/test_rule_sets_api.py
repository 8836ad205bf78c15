"""Rule sets from proposal to effect: two people, a shadow run first, yellow at most, and an answer to every "why"."""

import random
from typing import Any

import pytest
from sqlalchemy import select
from tests.support.office import CHECKED, DAY, GREEN, HOSPITAL, HOUR, NOW, PRIORITY, RIDE, Office
from tests.support.office import entry_form as new_entry
from tests.support.rule_sets import ANSWERS, COUGH, EVIDENCE, propose, put_in_force, rule, rule_set

from waypass_server import worsening
from waypass_server.life import Actor, Kind
from waypass_server.models.lists_of_people import Basis, Entry, Fact
from waypass_server.models.public_log import LogTree
from waypass_server.models.status import PassKind, PassRow, StatusList

YELLOW = GREEN | {RIDE: "yellow", HOSPITAL: "yellow"}


def answered(office: Office, person: str, **changes: Any) -> Any:
    return office.call(person, "POST", "/me/surveys/1", answers=ANSWERS | changes)


def exposed(office: Office, person: str, **changes: Any) -> None:
    notice = {"kind": "exposure", "source": "laboratory", "reason": "You were near somebody.", "yellow": False}
    office.do("proposer", "POST", "/facts", person=person, **{**notice, "valid_until": NOW + 14 * DAY, **changes})


def why(office: Office, person: str, scope: int = RIDE) -> list[dict[str, Any]]:
    scopes = office.do(person, "GET", "/me")["scopes"]
    found: list[dict[str, Any]] = next(each["why"] for each in scopes if each["number"] == scope)
    return found


def test_from_answers_to_yellow_and_back(office: Office) -> None:
    person = office.person()
    put_in_force(office, propose(office))
    assert office.aspects(person) == GREEN
    assert answered(office, person).status_code == 201
    assert office.aspects(person) == YELLOW
    office.later(10 * DAY)
    assert office.aspects(person) == GREEN


def test_why_names_rule_version_authority_and_reason(office: Office) -> None:
    person = office.person()
    put_in_force(office, propose(office))
    answered(office, person)
    (cause,) = why(office, person)
    assert cause == {
        "kind": "rule",
        "aspect": "yellow",
        "id": 1,
        "reason": "You told us that you cough.",
        "basis": None,
        "citation": "Act 7, section 4",
        "authority": "Health office",
        "contact": "health@example.org",
        "source": "Coughs",
        "rule_set": 1,
        "rule_set_version": 1,
        "rule": "cough",
        "failed": False,
        "starts_at": NOW,
        "ends_at": None,
        "how_to_object": None,
    }


def test_newer_answers_take_the_place_of_older_ones(office: Office) -> None:
    person = office.person()
    put_in_force(office, propose(office))
    answered(office, person)
    answered(office, person, cough=False)
    assert office.aspects(person) == GREEN
    first, second = office.do(person, "GET", "/me")["facts"]
    assert (first["withdrawn_at"], second["withdrawn_at"]) == (NOW, None)
    assert (first["rule_set"], second["rule_set"]) == (None, 1), "only answers that count say whose form they answer"


def test_what_was_answered_at_a_desk_is_replaced_at_a_desk(office: Office) -> None:
    person = office.person()
    put_in_force(office, propose(office))
    fact = office.do("desk", "POST", "/surveys/1/answers", person=person, answers=ANSWERS)
    assert (fact["source"], fact["weight"]) == ("answered at the desk", "none")
    assert office.aspects(person) == YELLOW
    refused = answered(office, person, cough=False)
    assert (refused.status_code, refused.json()["detail"]) == (
        409,
        "answers: expected them at a desk, where the ones in force were given",
    )
    office.do("desk", "POST", "/surveys/1/answers", person=person, answers=ANSWERS | {"cough": False})
    assert office.aspects(person) == GREEN


def details(office: Office) -> list[Any]:
    with office.services.database.reading() as session:
        return [fact.details for fact in session.scalars(select(Fact).order_by(Fact.id))]


def test_answers_are_forgotten_when_they_are_over(office: Office) -> None:
    person = office.person()
    put_in_force(office, propose(office))
    answered(office, person)
    answered(office, person, cough=False)
    assert details(office) == [None, {"rule_set": 1, "version": 1, "answers": ANSWERS | {"cough": False}}]
    office.later(10 * DAY)
    assert details(office) == [None, None]


def test_the_forms_that_may_be_answered(office: Office) -> None:
    address = propose(office)
    assert office.do(None, "GET", "/surveys") == []
    put_in_force(office, address)
    (form,) = office.do(None, "GET", "/surveys")
    assert (form["rule_set"], form["title"], form["valid_for"]) == (1, "Coughs", 10 * DAY)
    assert [question["kind"] for question in form["questions"]] == ["yes-no", "choice", "number", "date"]


@pytest.mark.parametrize(
    ("name", "answers", "message"),
    [
        ("one is missing", {"cough": True}, r"expected one to each of \['been', 'cough'"),
        ("one too many", {**ANSWERS, "name": "x"}, r"got them to \['been', 'cough', 'name'"),
        ("yes as a number", {**ANSWERS, "cough": 1}, "cough: expected true or false"),
        ("another choice", {**ANSWERS, "been": "nowhere"}, r"been: expected one of \['here', 'abroad'\]"),
        ("out of bounds", {**ANSWERS, "warmth": 46}, "warmth: expected a whole number from 30 to 45"),
        ("true as a number", {**ANSWERS, "warmth": True}, "warmth: expected a whole number"),
        ("no date", {**ANSWERS, "since": "20270110"}, "since: expected a date such as 2027-01-15"),
    ],
)
def test_answers_that_do_not_fit(office: Office, name: str, answers: dict[str, Any], message: str) -> None:
    person = office.person()
    put_in_force(office, propose(office))
    refused = office.call(person, "POST", "/me/surveys/1", answers=answers)
    assert refused.status_code == 422
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(refused.json()["detail"])


def test_no_form_no_answers(office: Office) -> None:
    person = office.person()
    propose(office)
    refused = answered(office, person)
    assert (refused.status_code, refused.json()["type"]) == (404, "urn:waypass:problem:not-found")


# Two people, and a shadow run first


def test_it_counts_only_after_approval(office: Office) -> None:
    person = office.person()
    address = propose(office, rule(logic=True))
    office.do("approver", "POST", f"{address}/shadow")
    office.later(HOUR)
    assert office.aspects(person) == GREEN
    put_in_force(office, address)
    assert office.aspects(person) == YELLOW


def test_it_takes_two(office: Office) -> None:
    made = office.do("everything", "POST", "/rule-sets", **rule_set())
    address = f"/rule-sets/{made['id']}/versions/1"
    shadow_at = office.do("everything", "POST", f"{address}/shadow")["shadow_at"]
    refused = office.call("everything", "POST", f"{address}/approve", shadow_at=shadow_at)
    assert (refused.status_code, refused.json()["type"]) == (403, "urn:waypass:problem:same-person")
    approved = office.do("admin", "POST", f"{address}/approve", shadow_at=shadow_at)
    assert approved["state"] == "in-force"
    assert office.do("admin", "POST", f"{address}/approve", shadow_at=shadow_at) == approved


@pytest.mark.parametrize(
    ("name", "wait", "again", "message"),
    [
        ("never run", None, False, "expected a shadow run of the last 24 h"),
        ("too long ago", DAY + 1, False, "expected a shadow run of the last 24 h"),
        ("run again since", 60, True, "it was run again, look at it anew"),
    ],
)
def test_no_approval_without_the_numbers(
    office: Office, name: str, wait: int | None, again: bool, message: str
) -> None:
    address = propose(office)
    shadow_at = NOW
    if wait is not None:
        shadow_at = office.do("approver", "POST", f"{address}/shadow")["shadow_at"]
        office.later(wait)
    if again:
        office.do("approver", "POST", f"{address}/shadow")
    refused = office.call("approver", "POST", f"{address}/approve", shadow_at=shadow_at)
    assert refused.status_code == 409
    assert message in refused.json()["detail"]


def test_the_shadow_run_counts_whom_it_would_turn_and_turns_nobody(office: Office) -> None:
    for number in range(1, 6):
        office.person(f"p-{number}")
    for number in (1, 2):
        exposed(office, f"p-{number}", yellow=number == 2, scopes=[RIDE])
    with office.services.change() as session:
        session.add(StatusList(network_id=1, name="1", uri="https://example.org/1", created_at=NOW))
        session.flush()
        for index, person in enumerate((1, 2, 3)):
            session.add(pass_row(person, index, {RIDE: 0 if person != 2 else 1, CHECKED: 1}))
    address = propose(office, rule("near", {"var": "facts.exposure.0"}), form=None)
    counted = office.do("proposer", "POST", f"{address}/shadow")
    with office.services.database.reading() as session:
        leaves = session.scalars(select(LogTree.size)).one()
    assert counted["shadow"] == {
        "at": NOW,
        "log_size": leaves - 1,  # the run has one itself
        "ground": {
            "scopes": [
                [RIDE, False, False, False],
                [HOSPITAL, True, False, False],
                [PRIORITY, False, True, False],
                [CHECKED, False, False, True],
            ],
            "versions": [],
        },
        "people": 5,
        "worse": 2,
        "later": 0,
        "better": 0,
        "failed": 0,
        "proposals": 0,
        "passes": 3,
        "invalid": 1,
        "scopes": {
            str(RIDE): count(people=5, worse=1, yellow_now=1, yellow=2, passes=3, invalid=1),
            str(HOSPITAL): count(people=5, worse=2, yellow=2),
            str(PRIORITY): count(),
            str(CHECKED): count(people=5, yellow_now=5, yellow=5, passes=3),
        },
        "rules": {"near": 2},
    }
    assert "p-" not in str(counted["shadow"])
    assert office.aspects("p-1") == GREEN
    put_in_force(office, address)
    assert office.aspects("p-1") == YELLOW
    with office.services.database.reading() as session:
        assert [row.status for row in session.scalars(select(PassRow).order_by(PassRow.id))] == [1, 0, 0]


def count(**numbers: int) -> dict[str, int]:
    names = ("people", "worse", "better", "yellow_now", "yellow", "passes", "invalid")
    return {name: numbers.get(name, 0) for name in names}


def pass_row(person: int, index: int, aspects: dict[int, int]) -> PassRow:
    return PassRow(
        person_id=person,
        list_id=1,
        idx=index,
        kind=PassKind.BOUND,
        aspects={str(scope): aspect for scope, aspect in aspects.items()},
        iat=NOW,
        exp=NOW + DAY,
        status=0,
        created_at=NOW,
    )


def test_a_new_version_replaces_the_one_before_and_the_shadow_compares_with_it(office: Office) -> None:
    person = office.person()
    put_in_force(office, propose(office, rule(logic=True)))
    assert office.aspects(person) == YELLOW
    milder = {name: value for name, value in rule_set(rule(logic=False)).items() if name not in ("authority", "title")}
    office.do("proposer", "POST", "/rule-sets/1/versions", **milder)
    shadow = put_in_force(office, "/rule-sets/1/versions/2")
    assert (shadow["worse"], shadow["better"]) == (0, 1)
    assert office.aspects(person) == GREEN
    assert office.do("ops", "GET", "/rule-sets/1/versions/1")["state"] == "replaced"
    (in_force,) = office.do(None, "GET", "/rule-sets")
    assert (in_force["number"], in_force["shadow"]) == (2, None)


def worsened(office: Office) -> dict[tuple[str, str], int]:
    """How many count, by level and window, but for bases."""
    rows = office.do("admin", "GET", "/limits")
    return {(row["level"], row["window"]): row["people"] for row in rows if row["level"] != "basis" and row["people"]}


def test_whom_rules_worsen_counts_and_never_passes_a_limit(office: Office) -> None:
    for number in range(3):
        exposed(office, office.person(f"p-{number}"), yellow=False, scopes=[RIDE])
    basis = office.basis()
    with office.services.change() as session:
        actor = Actor(kind=Kind.SYSTEM)
        worsening.count(session, session.get_one(Basis, basis), 198, actor=actor, now=office.services.now())
    before = worsened(office)
    address = propose(office, rule("near", {"var": "facts.exposure.0"}), form=None)
    shadow_at = office.do("approver", "POST", f"{address}/shadow")["shadow_at"]
    answer = office.call("approver", "POST", f"{address}/approve", shadow_at=shadow_at)
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:waypass:problem:past-limit")
    assert answer.json()["detail"] == (
        "approve: expected at most 200 people worsened in a day for the authority, with this it would be 201; a "
        "higher limit takes three people and 72 hours in public"
    )
    assert worsened(office) == before
    assert office.aspects("p-1")[RIDE] == "green"
    office.later(2 * DAY)  # the day has slid on
    shadow_at = office.do("approver", "POST", f"{address}/shadow")["shadow_at"]
    office.do("approver", "POST", f"{address}/approve", shadow_at=shadow_at)
    assert {worsened(office)[level, "day"] for level in ("authority", "network")} == {3}
    assert worsened(office)["authority", "month"] == 201


def test_rules_that_wait_for_their_hour_count_at_once(office: Office) -> None:
    """By the clock alone, for everybody, of whom nothing is known; and for one whose exemption hides it until then."""
    for number in range(3):
        office.person(f"p-{number}")
    in_a_week = {
        "after": [
            {"plusTime": [{"var": "external.validationClock"}, 0, "day"]},
            {"plusTime": ["2027-01-22T12:00:00Z", 0, "day"]},
        ]
    }
    shadow = put_in_force(office, propose(office, rule("later", in_a_week), form=None))
    assert (shadow["worse"], shadow["later"], worsened(office)["network", "day"]) == (0, 3, 3)
    assert {office.aspects(f"p-{number}")[RIDE] for number in range(3)} == {"green"}
    office.later(8 * DAY)
    assert {office.aspects(f"p-{number}")[RIDE] for number in range(3)} == {"yellow"}


def waiting(days: int, **changes: Any) -> dict[str, Any]:
    """True so many days after `NOW`."""
    clock = {"plusTime": [{"var": "external.validationClock"}, -days, "day"]}
    return rule("then", {"after": [clock, {"plusTime": ["2027-01-15T08:00:00Z", 0, "day"]}]}, **changes)


def test_it_is_looked_as_far_ahead_as_the_limits_reach_back(office: Office) -> None:
    office.person()
    address = propose(office, waiting(29), form=None)
    shadow = office.do("approver", "POST", f"{address}/shadow")["shadow"]
    assert (shadow["worse"], shadow["later"]) == (0, 1)


def test_no_rule_waits_for_a_day_that_no_shadow_run_sees(office: Office) -> None:
    office.person()
    for path, body in (("/rule-sets", rule_set(waiting(31), form=None)), ("/rule-sets/1/versions", version(31))):
        refused = office.call("proposer", "POST", path, **body)
        assert refused.status_code == 422
        assert refused.json()["detail"] == (
            "rules: rule then: expected a date that comes before 2027-02-14 with the two largest amounts of plusTime, "
            "so that a shadow run can count whom it turns, got 2027-01-15 with 31 days; propose it within 30 days of "
            "that"
        )
        propose(office, waiting(29), title=f"Near {path}", form=None)
    # One that only proposes entries turns nobody.
    proposes = {"basis": office.basis(), "effect": "yellow", "scopes": [RIDE]}
    propose(office, waiting(31, gives="none", proposes=proposes), form=None)
    # On the day itself it is within.
    office.later(2 * DAY)
    put_in_force(office, propose(office, waiting(31), title="Later", form=None))
    assert worsened(office)["network", "day"] == 1


def version(days: int) -> dict[str, Any]:
    body = rule_set(waiting(days), form=None)
    return {name: value for name, value in body.items() if name not in ("authority", "title")}


def test_what_staff_recorded_is_followed_for_as_long_as_it_lasts(office: Office) -> None:
    """A notice that begins after the 30 days counts for rules that come later."""
    exposed(office, office.person("p-1"), valid_from=NOW + 40 * DAY, valid_until=NOW + 50 * DAY)
    old = {"after": [clock_(), {"plusTime": [{"var": "facts.exposure.0.from"}, 0, "day"]}]}
    address = propose(office, rule("near", {"if": [{"var": "facts.exposure.0"}, old, False]}), form=None)
    shadow = office.do("approver", "POST", f"{address}/shadow")["shadow"]
    assert (shadow["worse"], shadow["later"]) == (0, 1)


def clock_() -> dict[str, Any]:
    return {"plusTime": [{"var": "external.validationClock"}, 0, "day"]}


def test_whom_rules_turn_when_a_fact_is_over_counts(office: Office) -> None:
    """Who is yellow for a week by a fact is so for longer by a rule; and so will be of whom something is to come."""
    exposed(office, office.person("p-1"), yellow=True, scopes=[], valid_until=NOW + 7 * DAY)
    exposed(office, office.person("p-2"), valid_from=NOW + 2 * DAY)
    exposed(office, office.person("p-3"), yellow=True, scopes=[])
    shadow = put_in_force(office, propose(office, rule("near", {"var": "facts.exposure.0"}), form=None))
    assert (shadow["worse"], shadow["later"]) == (0, 1), "p-1 and p-3 are yellow for as long by themselves"
    address = propose(office, rule(logic=True), form=None, title="Everybody")
    shadow = office.do("approver", "POST", f"{address}/shadow")["shadow"]
    assert (shadow["worse"], shadow["later"]) == (1, 2)


def test_whom_rules_turn_when_an_exemption_ends_counts(office: Office) -> None:
    person = office.person()
    office.do("reviewer", "POST", "/exemptions", person=person, reason="a hearing", ends_at=NOW + DAY)
    shadow = put_in_force(office, propose(office, rule(logic=True), form=None))
    assert (shadow["worse"], shadow["later"], office.aspects(person)[RIDE]) == (0, 1, "green")
    office.later(DAY)
    assert office.aspects(person)[RIDE] == "yellow"
    assert worsened(office)["network", "month"] == 1


def test_rules_that_worsen_nobody_count_nothing(office: Office) -> None:
    office.person()
    put_in_force(office, propose(office))
    assert worsened(office) == {}


def test_one_person_can_end_it(office: Office) -> None:
    person = office.person()
    address = propose(office, rule(logic=True))
    put_in_force(office, address)
    ended = office.do("ops", "POST", f"{address}/end")
    office.later()
    assert office.aspects(person) == GREEN
    assert office.do("reviewer", "POST", f"{address}/end") == ended
    refused = office.call("approver", "POST", f"{address}/approve", shadow_at=NOW)
    assert "this one is ended" in refused.json()["detail"]


def test_ending_never_makes_anybody_worse(office: Office) -> None:
    person = office.person()
    address = propose(office, EVIDENCE)
    put_in_force(office, address)
    assert office.aspects(person) == GREEN | {CHECKED: "green"}
    refused = office.call("ops", "POST", f"{address}/end")
    assert refused.status_code == 409
    assert "expected a version that gives no evidence" in refused.json()["detail"]


# The clock


def test_a_rule_with_the_clock_turns_at_its_second(office: Office) -> None:
    person = office.person()
    exposed(office, person)
    two_days = {
        "after": [
            {"plusTime": [{"var": "facts.exposure.0.from"}, 2, "day"]},
            {"plusTime": [{"var": "external.validationClock"}, 0, "day"]},
        ]
    }
    put_in_force(
        office, propose(office, rule("near", {"if": [{"var": "facts.exposure.0"}, two_days, False]}), form=None)
    )
    assert office.do(person, "GET", "/me")["until"] == NOW + 2 * DAY
    office.later(2 * DAY - 1)
    assert office.aspects(person) == YELLOW
    office.later(1)
    assert office.aspects(person) == GREEN


def test_without_a_rule_set_nothing_is_asked_of_the_clock(office: Office) -> None:
    person = office.person()
    assert office.do(person, "GET", "/me")["until"] is None
    assert office.aspects(person) == GREEN


# Technical trouble


def test_a_rule_that_cannot_be_evaluated_is_yellow_and_says_so(office: Office) -> None:
    person = office.person()
    shadow = put_in_force(office, propose(office, rule(logic={"<": [{"var": "survey.warmth"}, 38]})))
    assert shadow["failed"] == 1
    assert office.aspects(person) == YELLOW
    assert [cause["failed"] for cause in why(office, person)] == [True]
    answered(office, person)
    assert [cause["failed"] for cause in why(office, person)] == [False]


# What is refused


@pytest.mark.parametrize(
    ("name", "form", "status", "message"),
    [
        ("no CertLogic", rule_set(rule(logic={"map": [1]})), 422, "rules: rule cough: expected one of"),
        ("no logic", rule_set(rule(logic=None)), 422, "rules: rule cough: expected an expression, got null"),
        ("red", rule_set(rule(gives="red")), 422, "bad-input"),
        ("neither gives nor proposes", rule_set(rule(gives="none")), 422, "to give or to propose something"),
        ("another scope", rule_set(rule(scopes=[9])), 422, "expected scopes among"),
        ("an id twice", rule_set(rule(), rule()), 422, "rules: expected each id once, got ['cough'] twice"),
        ("another authority", rule_set(authority="Nobody"), 404, "expected one of the network's authorities"),
        ("not theirs", rule_set(authority="Court office"), 403, "got staff of another one"),
        ("no such basis", rule_set(rule(proposes={"basis": 7, "effect": "red", "scopes": [RIDE]})), 404, "got 7"),
        ("a free text", rule_set(form={"words": {"en": "a", "zh": "b"}, "valid_for": 60, "questions": [
            {"id": "name", "kind": "text", "words": {"en": "Name?", "zh": "姓名？"}}]}), 422, "bad-input"),
        ("a choice of nothing", rule_set(form={"words": {"en": "a", "zh": "b"}, "valid_for": 60, "questions": [
            {"id": "where", "kind": "choice", "words": {"en": "Where?", "zh": "哪里？"}}]}), 422, "expected choices"),
        ("bounds", rule_set(form={"words": {"en": "a", "zh": "b"}, "valid_for": 60, "questions": [
            {"id": "n", "kind": "number", "words": {"en": "How many?", "zh": "多少？"}}]}), 422, "expected a least"),
    ],
)  # fmt: skip
def test_what_is_no_rule_set(office: Office, name: str, form: dict[str, Any], status: int, message: str) -> None:
    refused = office.call("proposer", "POST", "/rule-sets", **form)
    assert refused.status_code == status, refused.text
    assert message in refused.text


def test_a_title_stands_once(office: Office) -> None:
    propose(office)
    assert office.call("proposer", "POST", "/rule-sets", **rule_set()).status_code == 409


# A rule may propose an entry, never make one


def proposing(basis: int) -> dict[str, Any]:
    return rule("cough", COUGH, gives="none", proposes={"basis": basis, "effect": "red", "scopes": [RIDE]})


def test_a_rule_proposes_and_people_decide(office: Office) -> None:
    person, basis = office.person(), office.basis()
    shadow = put_in_force(office, propose(office, proposing(basis)))
    assert shadow["proposals"] == 0
    answered(office, person)
    assert office.aspects(person) == GREEN
    (proposal,) = office.do("proposer", "GET", "/rule-proposals")
    assert (proposal["person"], proposal["effect"], proposal["rule"]) == (person, "red", "cough")
    assert office.do("proposer-2", "GET", "/rule-proposals") == []
    with office.services.database.reading() as session:
        assert session.scalars(select(Entry)).all() == []
    entry = office.do("proposer", "POST", f"/rule-proposals/{proposal['id']}/propose", **new_entry(person, basis))
    assert (entry["state"], entry["approved_by"]) == ("proposed", None)
    assert office.do("proposer", "GET", "/rule-proposals") == []
    assert office.call("proposer", "POST", f"/rule-proposals/{proposal['id']}/turn-down").status_code == 409


def test_what_was_turned_down_is_not_proposed_again(office: Office) -> None:
    person, basis = office.person(), office.basis()
    put_in_force(office, propose(office, proposing(basis)))
    answered(office, person)
    (proposal,) = office.do("proposer", "GET", "/rule-proposals")
    turned_down = office.do("reviewer", "POST", f"/rule-proposals/{proposal['id']}/turn-down")
    assert turned_down["state"] == "turned-down"
    answered(office, person, warmth=39)
    assert office.do("proposer", "GET", "/rule-proposals") == []


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("another person", {"person": "p-2"}, "for its person on its basis"),
        ("another effect", {"effect": "yellow"}, "expected red in scopes among"),
        ("more scopes", {"scopes": [RIDE, HOSPITAL]}, "expected red in scopes among"),
    ],
)
def test_an_entry_that_the_rule_did_not_propose(
    office: Office, name: str, changes: dict[str, Any], message: str
) -> None:
    person, basis = office.person(), office.basis()
    office.person("p-2")
    put_in_force(office, propose(office, proposing(basis)))
    answered(office, person)
    refused = office.call("proposer", "POST", "/rule-proposals/1/propose", **new_entry(person, basis, **changes))
    assert refused.status_code == 422
    assert message in refused.json()["detail"]


def test_a_rule_proposes_within_its_basis(office: Office) -> None:
    basis = office.basis(effects=["yellow"])
    refused = office.call("proposer", "POST", "/rule-sets", **rule_set(proposing(basis)))
    assert refused.status_code == 422
    assert "to propose within its basis: ['yellow']" in refused.json()["detail"]


def test_rules_and_entries_together_are_the_worst_of_both(office: Office) -> None:
    """Somebody with an entry and somebody without: both are looked at when a version comes into force."""
    listed, other = office.person("p-1"), office.person("p-2")
    entry = office.entry_in_effect(listed, office.basis())
    put_in_force(office, propose(office, rule(logic=True)))
    assert office.aspects(listed) == YELLOW | {RIDE: "red"}
    assert office.aspects(other) == YELLOW
    assert [cause["kind"] for cause in why(office, listed)] == ["entry", "rule"]
    office.later(20 * DAY)
    assert office.entry_state(entry) == ("ended", "expired")
    assert office.aspects(listed) == YELLOW


def test_an_exemption_outranks_rules(office: Office) -> None:
    person = office.person()
    put_in_force(office, propose(office, rule(logic=True)))
    office.do("reviewer", "POST", "/exemptions", person=person, reason="A medical journey.", ends_at=NOW + DAY)
    assert office.aspects(person) == GREEN | {CHECKED: "green"}
    office.later(DAY)
    assert office.aspects(person) == YELLOW


def test_what_the_shadow_run_counts_is_what_happens(office: Office) -> None:
    """Entries, facts, answers and exemptions of all kinds at random; then the colours themselves are counted."""
    draw = random.Random(11)
    basis, people = office.basis(effects=["red", "yellow"]), [office.person(f"p-{number}") for number in range(12)]
    put_in_force(office, propose(office, rule("before", {"var": "facts.exposure.0"}, scopes=[RIDE])))
    for person in people:
        if draw.random() < 0.6:
            exposed(office, person, yellow=draw.random() < 0.3, scopes=draw.choice([[], [RIDE], [HOSPITAL, CHECKED]]))
        if draw.random() < 0.5:
            answered(office, person, cough=draw.random() < 0.5, warmth=draw.randint(30, 45))
        if draw.random() < 0.2:
            office.entry_in_effect(person, basis, scopes=[draw.choice([RIDE, HOSPITAL])])
        if draw.random() < 0.2:
            ends_at = int(office.clock.now()) + DAY
            office.do("reviewer", "POST", "/exemptions", person=person, reason="A journey.", ends_at=ends_at)
    body = rule_set(rule(), EVIDENCE, rule("warm", {">": [{"var": "survey.warmth"}, 38]}, scopes=[CHECKED, HOSPITAL]))
    body = {name: value for name, value in body.items() if name not in ("authority", "title")}
    office.do("proposer", "POST", "/rule-sets/1/versions", **body)
    before = {person: office.aspects(person) for person in people}
    shadow = put_in_force(office, "/rule-sets/1/versions/2")
    after = {person: office.aspects(person) for person in people}
    rank = ["green", "yellow", "red"].index
    for scope in (RIDE, HOSPITAL, CHECKED):
        turned = [(rank(str(before[each][scope])), rank(str(after[each][scope]))) for each in people]
        numbers = shadow["scopes"][str(scope)]
        assert numbers["worse"] == sum(now > then for then, now in turned)
        assert numbers["better"] == sum(now < then for then, now in turned)
        assert (numbers["yellow_now"], numbers["yellow"]) == tuple(
            sum(each[side] == 1 for each in turned) for side in (0, 1)
        )
    assert 0 < shadow["worse"] < len(people)
    assert 0 < shadow["better"] < len(people)
