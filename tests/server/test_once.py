"""Requests that are sent again: every call of the API that changes something, twice, and nothing is done twice."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import select, text
from tests.server.bulk.files import batch_of
from tests.support.at_once import together
from tests.support.office import DAY, NOTICE, NOW, RIDE, Office, basis_form, entry_form
from tests.support.rule_sets import ANSWERS, propose, put_in_force, rule, rule_set

from waypass_server.forgetting import KEYS_KEPT
from waypass_server.models.lists_of_people import Fact, Weight
from waypass_server.models.network import Staff
from waypass_server.models.people import Person
from waypass_server.models.requests import DoneRequest
from waypass_server.roles import Role
from waypass_server.signin import api_tokens

pytestmark = pytest.mark.both_stores

Call = tuple[str, str, dict[str, Any]]
"""Who, the address, the body."""
UNTIL = NOW + DAY


def entry_that_is(office: Office, state: str) -> int:
    """An entry of person p-1 in this state."""
    entry = office.entry(office.person(), office.basis())
    if state == "held":
        past_the_limit(office)
    if state != "proposed":
        office.do("approver", "POST", f"/entries/{entry}/approve")
    if state in ("notified", "in-effect"):
        office.later()
    if state == "in-effect":
        office.later(NOTICE)
    assert office.entry_state(entry)[0] == state
    return entry


def on_entry(step: str, who: str, where: str, /, **body: Any) -> Callable[[Office], Call]:
    return lambda office: (who, f"/entries/{entry_that_is(office, where)}/{step}", body)


def entry(office: Office) -> Call:
    return "proposer", "/entries", entry_form(office.person(), office.basis())


def objection(office: Office) -> Call:
    entry_id = entry_that_is(office, "notified")
    return "p-1", f"/me/entries/{entry_id}/objection", {"text": "No."}


def decision(office: Office, *, lift: bool) -> Call:
    who, path, body = objection(office)
    made = office.do(who, "POST", path, **body)["id"]
    return "reviewer", f"/objections/{made}/decide", {"lift": lift, "answer": "Yes."}


def exemption(office: Office) -> Call:
    return "reviewer", "/exemptions", {"person": office.person(), "reason": "a hearing", "ends_at": UNTIL}


def exemption_end(office: Office) -> Call:
    who, path, body = exemption(office)
    return "reviewer", f"/exemptions/{office.do(who, 'POST', path, **body)['id']}/end", {}


def fact(office: Office) -> Call:
    body = {"kind": "survey", "source": "desk", "reason": "fever", "yellow": True, "valid_until": UNTIL}
    return "desk", "/facts", {"person": office.person(), **body}


def fact_withdrawal(office: Office) -> Call:
    who, path, body = fact(office)
    return "desk", f"/facts/{office.do(who, 'POST', path, **body)['id']}/withdraw", {}


def fact_return(office: Office) -> Call:
    """Of a certificate."""
    office.person()
    with office.services.change() as session:
        (of,) = session.scalars(select(Person))
        same = {"network_id": of.network_id, "person_id": of.id, "digest": "d" * 64, "recorded_at": NOW}
        times = {"valid_from": NOW, "valid_until": UNTIL, "withdrawn_at": NOW}
        words = {"kind": "test", "source": "XW", "weight": Weight.ADMITS, "scopes": [], "reason": "health certificate"}
        session.add(Fact(**same, **times, **words))
    return "desk", "/facts/1/reinstate", {}


def basis(_office: Office) -> Call:
    return "proposer", "/bases", basis_form()


def basis_version(office: Office) -> Call:
    return "proposer", f"/bases/{office.basis()}/versions", basis_form(authority=None, title="Another")


def basis_approval(office: Office) -> Call:
    who, path, body = basis_version(office)
    office.do(who, "POST", path, **body)
    return "approver", f"{path}/2/approve", {}


def rules(_office: Office) -> Call:
    return "proposer", "/rule-sets", rule_set()


def rules_version(office: Office) -> Call:
    propose(office)
    form = rule_set(authority=None, title=None)
    return "proposer", "/rule-sets/1/versions", form


def rules_shadow(office: Office) -> Call:
    return "approver", f"{propose(office)}/shadow", {}


def rules_approval(office: Office) -> Call:
    address = propose(office)
    shadow_at = office.do("approver", "POST", f"{address}/shadow")["shadow_at"]
    return "approver", f"{address}/approve", {"shadow_at": shadow_at}


def rules_end(office: Office) -> Call:
    return "reviewer", f"{propose(office)}/end", {}


def _proposal(office: Office) -> int:
    basis_id = office.basis()
    proposes = {"basis": basis_id, "effect": "red", "scopes": [RIDE]}
    put_in_force(office, propose(office, rule(logic=True, proposes=proposes), form=None))
    office.person()
    office.do("desk", "POST", "/facts", **fact(office)[2])
    (found,) = office.do("proposer", "GET", "/rule-proposals")
    return int(found["id"])


def take_up(office: Office) -> Call:
    return "proposer", f"/rule-proposals/{_proposal(office)}/propose", entry_form("p-1", 1)


def turn_down(office: Office) -> Call:
    return "proposer", f"/rule-proposals/{_proposal(office)}/turn-down", {}


def survey(office: Office) -> Call:
    put_in_force(office, propose(office))
    return office.person(), "/me/surveys/1", {"answers": ANSWERS}


def survey_at_desk(office: Office) -> Call:
    put_in_force(office, propose(office))
    return "desk", "/surveys/1/answers", {"person": office.person(), "answers": ANSWERS}


def withdrawal(office: Office) -> Call:
    return "ops", "/withdrawals", {"person": office.person(), "reason": "lost"}


def withdrawal_confirmation(office: Office) -> Call:
    who, path, body = withdrawal(office)
    made = [office.do(who, "POST", path, **body) for _ in range(4)]
    assert made[-1]["state"] == "waiting"
    return "ops-2", f"/withdrawals/{made[-1]['id']}/confirm", {}


def limit(_office: Office) -> Call:
    return "admin", "/limits/changes", {"level": "network", "window": "day", "value": 900}


def limit_step(step: str) -> Callable[[Office], Call]:
    def made(office: Office) -> Call:
        who, path, body = limit(office)
        return "approver", f"{path}/{office.do(who, 'POST', path, **body)['id']}/{step}", {}

    return made


def past_the_limit(office: Office) -> None:
    """As many people were worsened today as may be."""
    with office.services.change() as session:
        session.execute(text("UPDATE worsened_sums SET people = 1000"))
        values = {"bucket": NOW - NOW % 600}
        added = "INSERT INTO worsened_sums (network_id, level, subject_id, bucket, people)"
        session.execute(text(f"{added} VALUES (1, 'network', 0, :bucket, 1000)"), values)


def on_batch(
    step: str, who: str, /, *, approved: bool = False, held: bool = False, **body: Any
) -> Callable[[Office], Call]:
    def made(office: Office) -> Call:
        batch = batch_of(office, office.folder, 2)
        if held:
            past_the_limit(office)
        if approved or held:
            state = office.do("approver", "POST", f"/batches/{batch}/approve")["state"]
            assert state == ("held" if held else "approved")
            office.later()
        return who, f"/batches/{batch}/{step}", body

    return made


def api_token_end(office: Office) -> Call:
    with office.services.change() as session:
        staff = session.scalars(select(Staff).where(Staff.name == "ops")).one()
        made, _ = api_tokens.make(
            session,
            staff=staff,
            label="plots",
            roles=frozenset({Role.OPS}),
            writes=False,
            ends_at=UNTIL,
            random_bytes=office.services.random_bytes,
            now=NOW,
        )
        session.flush()
        return "ops", f"/tokens/{made.id}/revoke", {}


def person(_office: Office) -> Call:
    return "desk", "/people", {"reference": "p-1"}


# Every call that changes something and whose answer is no secret.
CALLS: dict[str, Callable[[Office], Call]] = {
    "/people": person,
    "/bases": basis,
    "/bases/{basis_id}/versions": basis_version,
    "/bases/{basis_id}/versions/{number}/approve": basis_approval,
    "/entries": entry,
    "/entries/{entry_id}/approve": on_entry("approve", "approver", "proposed"),
    "/entries/{entry_id}/confirm": on_entry("confirm", "approver-2", "held"),
    "/entries/{entry_id}/withdraw": on_entry("withdraw", "proposer", "in-effect"),
    "/entries/{entry_id}/undo": on_entry("undo", "ops", "in-effect"),
    "/entries/{entry_id}/lift": on_entry("lift", "reviewer", "in-effect"),
    "/entries/{entry_id}/reconfirm": on_entry("reconfirm", "proposer", "in-effect"),
    "/entries/{entry_id}/case": on_entry("case", "proposer", "in-effect", state="won"),
    "/me/entries/{entry_id}/objection": objection,
    "/objections/{objection_id}/decide": lambda office: decision(office, lift=True),
    "/exemptions": exemption,
    "/exemptions/{exemption_id}/end": exemption_end,
    "/facts": fact,
    "/facts/{fact_id}/withdraw": fact_withdrawal,
    "/facts/{fact_id}/reinstate": fact_return,
    "/rule-sets": rules,
    "/rule-sets/{rule_set_id}/versions": rules_version,
    "/rule-sets/{rule_set_id}/versions/{number}/shadow": rules_shadow,
    "/rule-sets/{rule_set_id}/versions/{number}/approve": rules_approval,
    "/rule-sets/{rule_set_id}/versions/{number}/end": rules_end,
    "/rule-proposals/{proposal_id}/propose": take_up,
    "/rule-proposals/{proposal_id}/turn-down": turn_down,
    "/me/surveys/{rule_set_id}": survey,
    "/surveys/{rule_set_id}/answers": survey_at_desk,
    "/withdrawals": withdrawal,
    "/withdrawals/{withdrawal_id}/confirm": withdrawal_confirmation,
    "/limits/changes": limit,
    "/limits/changes/{change_id}/agree": limit_step("agree"),
    "/limits/changes/{change_id}/withdraw": limit_step("withdraw"),
    "/batches/{batch_id}/approve": on_batch("approve", "approver"),
    "/batches/{batch_id}/confirm": on_batch("confirm", "approver-2", held=True),
    "/batches/{batch_id}/take-out": on_batch("take-out", "proposer", entries=[1]),
    "/batches/{batch_id}/withdraw": on_batch("withdraw", "proposer"),
    "/batches/{batch_id}/undo": on_batch("undo", "ops", approved=True),
    "/tokens/{token_id}/revoke": api_token_end,
}
NEWER_REPLACES_OLDER = {
    # Secrets that are shown once: the new one takes the place of the one before, or the old one cannot be used again.
    "/desk-codes",
    "/enrol",
    "/me/challenge",
    "/me/passes",
    "/me/paper-pass",
    "/paper-passes",
    "/tokens",
    "/staff/{staff_id}/enrolment",
    "/staff/{staff_id}/enrolment/confirm",
    # The same certificate is one fact (`test_facts_api`).
    "/evidence",
    "/me/evidence",
    # These change nothing.
    "/paper-passes/drawing",
    "/standing",
}


def send(office: Office, call: Call, key: str | None = "key-1") -> httpx.Response:
    who, path, body = call
    headers = office.headers(who) | ({} if key is None else {"Idempotency-Key": key})
    return office.send("POST", f"/api/v1{path}", headers=headers, json=body)


def everything(office: Office) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of what is known about people, and of the log."""
    tables = ("entries", "objections", "exemptions", "facts", "notices", "emergency_withdrawals", "worsened_sums")
    more = ("basis_versions", "rule_set_versions", "rule_proposals", "limit_changes", "alarms", "events", "log_leaves")
    others = ("batches", "api_tokens", "people")
    with office.services.database.reading() as session:
        return {
            table: sorted(map(tuple, session.execute(text(f"SELECT * FROM {table}"))), key=repr)
            for table in (*tables, *more, *others)
        }


@pytest.mark.parametrize("path", CALLS)
def test_the_second_time_nothing_is_done(office: Office, path: str) -> None:
    call = CALLS[path](office)
    first = send(office, call)
    assert first.is_success, first.text
    before = everything(office)
    office.clock.advance(7)
    again = send(office, call)
    assert everything(office) == before
    if again.is_success:
        assert again.json() == first.json()
    else:
        assert (path, again.status_code) == ("/me/entries/{entry_id}/objection", 409), again.text


def test_the_table_has_every_call_that_changes_something(office: Office) -> None:
    document = office.send("GET", "/openapi.json").json()
    posts = {path.removeprefix("/api/v1") for path, operations in document["paths"].items() if "post" in operations}
    assert posts == CALLS.keys() | NEWER_REPLACES_OLDER
    assert not CALLS.keys() & NEWER_REPLACES_OLDER


def test_without_a_key_it_is_a_new_request(office: Office) -> None:
    call = entry(office)
    assert [send(office, call, key=None).json()["id"] for _ in range(2)] == [1, 2]


def test_the_answer_is_the_record_as_it_is_now(office: Office) -> None:
    call = entry(office)
    made = send(office, call).json()
    office.do("approver", "POST", f"/entries/{made['id']}/approve")
    again = send(office, call)
    assert (again.status_code, again.json()["id"], again.json()["state"]) == (201, made["id"], "approved")


def test_a_shadow_run_is_found_again_when_its_rules_are_in_force(office: Office) -> None:
    who, path, body = rules_shadow(office)
    counted = send(office, (who, path, body)).json()
    office.do("approver", "POST", f"{path.removesuffix('/shadow')}/approve", shadow_at=counted["shadow_at"])
    again = send(office, (who, path, body))
    assert (again.status_code, again.json()["state"]) == (200, "in-force")
    assert send(office, (who, path, body), key="key-2").status_code == 409


def test_a_key_belongs_to_one_request_and_one_person(office: Office) -> None:
    who, path, body = entry(office)
    send(office, (who, path, body))
    other = send(office, (who, path, body | {"reason": "Another."}))
    assert (other.status_code, other.json()["type"]) == (422, "urn:waypass:problem:key-used")
    assert other.json()["detail"] == "Idempotency-Key: expected a new one for another request, got one that was used"
    elsewhere = send(office, (who, "/facts", fact(office)[2]))
    assert elsewhere.status_code == 422
    assert send(office, ("everything", path, body)).json()["id"] == 2


def test_what_was_refused_is_no_request_that_was_done(office: Office) -> None:
    who, path, body = entry(office)
    assert send(office, (who, path, body | {"person": "p-7"})).status_code == 404
    assert send(office, (who, path, body)).status_code == 201


def test_two_at_the_same_moment_make_one(office: Office) -> None:
    """Whichever comes second waits, and finds the other's or is told to try again."""
    call = entry(office)
    key_hash, request_hash = "k" * 64, "r" * 64

    def work() -> None:
        with office.services.change() as session:
            row = DoneRequest(staff_id=3, key_hash=key_hash, request_hash=request_hash, record_id=1, at=NOW)
            session.add(row)

    outcome = together(work, work, linger=office.services.database)
    assert len(outcome.done) == len(outcome.refused) == 1
    assert send(office, call).status_code == 201


@pytest.mark.parametrize("key", ["", "x" * 201])
def test_what_is_no_key(office: Office, key: str) -> None:
    assert send(office, entry(office), key=key).status_code == 422


def test_nothing_of_a_request_is_kept_with_its_key(office: Office) -> None:
    send(office, entry(office), key="a key of mine")
    with office.services.database.reading() as session:
        (row,) = session.execute(text("SELECT * FROM done_requests")).all()
    assert "a key of mine" not in repr(row)
    assert "p-1" not in repr(row)


def test_keys_are_forgotten_after_a_day(office: Office) -> None:
    call = entry(office)
    send(office, call)
    office.later(KEYS_KEPT - 1)
    assert send(office, call).json()["id"] == 1
    office.later(1)
    assert send(office, call).json()["id"] == 2


def test_a_decision_is_not_taken_back_by_another(office: Office) -> None:
    """The same again is no error; the other way round it is one."""
    who, path, body = decision(office, lift=False)
    assert send(office, (who, path, body), key=None).json()["state"] == "upheld"
    assert send(office, (who, path, body), key=None).json()["state"] == "upheld"
    assert send(office, (who, path, body | {"lift": True}), key=None).status_code == 409
    assert send(office, ("everything", path, body), key=None).status_code == 409
