"""What systems of this kind have done to people, tried against this one: a test for each row of `docs/failures.md`."""

import json
import logging
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import inspect, text
from sqlalchemy.exc import IntegrityError
from tests.server.bulk.files import bring_in, entry_row, write_jsonl
from tests.server.life_checks import check_safety
from tests.support.office import (
    CHECKED,
    DAY,
    DEADLINE,
    GREEN,
    HEALTH,
    HOSPITAL,
    HOUR,
    KEYRING,
    NOTICE,
    NOW,
    PRIORITY,
    RIDE,
    Office,
    basis_form,
    entry_form,
)
from tests.support.rule_sets import ANSWERS, COUGH, propose, put_in_force, rule_set
from tests.support.rule_sets import rule as rule_form

from waypass_protocol.admission import Gate, decide
from waypass_protocol.assembly import HeldList
from waypass_protocol.bits import LIST_BYTES
from waypass_protocol.errors import Malformed
from waypass_protocol.messages import HeldRow, Presence, PresenceMessage, StateMessage, encode_message, read_message
from waypass_protocol.passes import decode_base45, parse_pass
from waypass_protocol.policy import Policy
from waypass_protocol.reasons import Decision, Reason, Shown
from waypass_protocol.reentry import NoReentry
from waypass_server.bus import MemoryBroker, MemoryBus
from waypass_server.fleet import Fleet, Stand
from waypass_server.publisher import Publication, Publisher

DOCS = Path(__file__).resolve().parents[2] / "docs" / "failures.md"


def refused(office: Office, who: str | None, path: str, status: int, **body: Any) -> str:
    """It must be refused with this status; what is said."""
    answer = office.call(who, "POST", path, **body)
    assert answer.status_code == status, answer.text
    detail: str = answer.json()["detail"]
    return detail


def paper(office: Office, person: str, *scopes: int) -> str:
    made: str = office.do("desk", "POST", "/paper-passes", person=person, scopes=list(scopes))["text"]
    return made


def live_passes(office: Office) -> int:
    with office.services.database.reading() as session:
        return int(session.execute(text("SELECT count(*) FROM passes WHERE status = 0")).scalar_one())


def lower_limit(office: Office, basis: int, value: int) -> None:
    form = {"level": "basis", "of": basis, "window": "day", "value": value}
    change = office.do("admin", "POST", "/limits/changes", **form)["id"]
    office.do("admin-2", "POST", f"/limits/changes/{change}/agree")


# Known failures


def test_codes_turned_red_to_stop_a_protest(office: Office) -> None:
    """An official with every role, a crowd, and no reason that is any basis's."""
    crowd = [office.person(f"p-{number}") for number in range(4)]
    office.basis()
    protest = basis_form(title="Keep them from travelling", health=False, effects=["red"], scopes=[RIDE])
    made = office.do("everything", "POST", "/bases", **protest)["id"]
    assert "another person" in refused(office, "everything", f"/bases/{made}/versions/1/approve", 403)
    assert "in force" in refused(office, "everything", "/entries", 409, **entry_form(crowd[0], made))
    # On the basis of health, then, alone:
    listed = office.do("everything", "POST", "/entries", **entry_form(crowd[0], 1))["id"]
    assert "another person" in refused(office, "everything", f"/entries/{listed}/approve", 403)
    # By facts, and by rules:
    fact = {"kind": "exposure", "source": "x", "reason": "y", "yellow": True, "valid_until": NOW + DAY}
    office.do("everything", "POST", "/facts", person=crowd[0], **fact)
    refused(office, "everything", "/rule-sets", 422, **rule_set(rule_form(gives="red"), form=None))
    all_of_them = rule_form("all", True, scopes=[RIDE])
    office.do("everything", "POST", "/rule-sets", **rule_set(all_of_them, form=None))
    shadow = office.do("everything", "POST", "/rule-sets/1/versions/1/shadow")
    assert shadow["shadow"]["worse"] == 3, "it is seen first whom it would turn; one is yellow already"
    seen = shadow["shadow_at"]
    assert "another" in refused(office, "everything", "/rule-sets/1/versions/1/approve", 403, shadow_at=seen)
    office.do("approver", "POST", "/rule-sets/1/versions/1/approve", shadow_at=seen)
    office.later(40 * DAY)
    assert {office.aspects(person)[RIDE] for person in crowd} == {"yellow"}, "facts and rules never make red"
    # With an accomplice: past the limit it takes a third person, and everybody hears of it.
    lower_limit(office, 1, 2)
    states = []
    for person in crowd:
        entry = office.entry(person, 1, ends_at=NOW + 60 * DAY)
        states.append(office.do("approver", "POST", f"/entries/{entry}/approve")["state"])
    assert states == ["approved", "approved", "held", "held"]
    assert [alarm["people"] for alarm in office.do("admin", "GET", "/alarms")] == [4, 3]
    office.later()
    office.later(NOTICE)
    assert [office.aspects(person)[RIDE] for person in crowd] == ["red", "red", "yellow", "yellow"]
    check_safety(office)
    log = [event["what"] for event in office.do("ops", "GET", "/events")]
    assert log.count("limit.passed") == 2
    # What was done can be undone by one.
    for number in (2, 3):
        office.do("ops", "POST", f"/entries/{number}/undo")
    assert [office.aspects(person)[RIDE] for person in crowd] == ["yellow"] * 4


def test_a_crowd_is_turned_yellow_past_the_limits(office: Office) -> None:
    """Two officials and no entry: nothing that a limit holds, they hope."""
    crowd = [office.person(f"p-{number}") for number in range(4)]
    change = office.do("admin", "POST", "/limits/changes", level="network", window="day", value=2)["id"]
    office.do("admin-2", "POST", f"/limits/changes/{change}/agree")
    # Rules that turn nobody today, and everybody tomorrow.
    clock = {"plusTime": [{"var": "external.validationClock"}, 0, "day"]}
    tomorrow = {"after": [clock, {"plusTime": ["2027-01-16T12:00:00Z", 0, "day"]}]}
    office.do("everything", "POST", "/rule-sets", **rule_set(rule_form("soon", tomorrow), form=None))
    seen = office.do("everything", "POST", "/rule-sets/1/versions/1/shadow")
    assert (seen["shadow"]["worse"], seen["shadow"]["later"]) == (0, 4)
    version = "/rule-sets/1/versions/1/approve"
    assert "in a day" in refused(office, "approver", version, 409, shadow_at=seen["shadow_at"])
    # Rules that turn nobody of whom nothing is known; then what makes nobody yellow by itself.
    near = rule_form("near", {"if": [{"var": "facts.exposure.0"}, True, COUGH]})
    put_in_force(office, propose(office, near, title="Near"))
    fact = {"kind": "exposure", "source": "x", "reason": "y", "yellow": False, "valid_until": NOW + DAY}
    office.do("everything", "POST", "/facts", person=crowd[0], **fact)
    office.do("everything", "POST", "/surveys/2/answers", person=crowd[1], answers=ANSWERS)
    refused(office, "everything", "/facts", 409, person=crowd[2], **fact)
    refused(office, "everything", "/facts", 409, person=crowd[2], **fact, valid_from=NOW + HOUR)
    refused(office, "everything", "/surveys/2/answers", 409, person=crowd[3], answers=ANSWERS)
    office.later(HOUR + 1)
    assert [office.aspects(person)[RIDE] for person in crowd] == ["yellow", "yellow", "green", "green"]
    # Rules that turn nobody when they are counted; then what does no harm by the rules in force, and the approval.
    survey = {"if": [{"var": "facts.survey.0"}, {"===": [{"var": "facts.survey.0.source"}, "x"]}, False]}
    address = propose(office, rule_form("survey", survey), title="Surveys", form=None)
    seen = office.do("everything", "POST", f"{address}/shadow")
    assert (seen["shadow"]["worse"], seen["shadow"]["later"]) == (0, 0)
    for person in crowd[2:]:
        office.do("everything", "POST", "/facts", person=person, **fact | {"kind": "survey"})
    assert "in a day" in refused(office, "approver", f"{address}/approve", 409, shadow_at=seen["shadow_at"])
    office.later(1)
    assert [office.aspects(person)[RIDE] for person in crowd] == ["yellow", "yellow", "green", "green"]
    check_safety(office)


def test_nobody_knows_who_turned_a_code_red(office: Office) -> None:
    person, basis = office.person(), office.basis()
    entry = office.entry_in_effect(person, basis)
    me = office.do(person, "GET", "/me")
    (shown,) = me["entries"]
    assert (shown["authority"], shown["contact"]) == (HEALTH, "health@example.org")
    (cause,) = next(scope["why"] for scope in me["scopes"] if scope["number"] == RIDE)
    assert {cause[name] for name in ("authority", "contact", "reason", "citation", "how_to_object")} == {
        HEALTH,
        "health@example.org",
        shown["reason"],
        "Act 7, section 3",
        f"POST /api/v1/me/entries/{entry}/objection",
    }
    notice = next(one for one in office.outbox.sent.values() if one.kind == "entry")
    assert notice.content["contact"] == "health@example.org"
    standing = office.do("ops", "POST", "/standing", person=person)["scopes"]
    assert standing == me["scopes"], "whoever is called at night sees the same"


def test_a_listing_is_learned_of_at_the_gate(office: Office) -> None:
    person, basis = office.person(), office.basis()
    text_ = paper(office, person, RIDE)
    office.outbox.refuse = True
    entry = office.entry(person, basis)
    office.do("approver", "POST", f"/entries/{entry}/approve")
    for _ in range(5):
        office.later(3 * DAY)
    assert office.aspects(person) == GREEN, "as long as nobody was told, nothing is"
    office.outbox.refuse = False
    office.later()
    assert office.aspects(person) == GREEN
    assert office.do(person, "GET", "/me/notices")[0]["content"]["takes_effect_not_before"] <= NOW + 20 * DAY
    office.later(NOTICE - 1)
    assert (office.aspects(person), live_passes(office)) == (GREEN, 1), "nor before the period is over"
    office.later(1)
    assert office.aspects(person)[RIDE] == "red"
    assert live_passes(office) == 0
    assert text_ != paper(office, person, RIDE)
    assert "notice: expected at least" in refused(office, "proposer", "/bases", 422, **basis_form(notice=0))


@pytest.mark.parametrize("other", ["P-1", "p-10", "p-", "p_1", "p-1.", "p.1"])
def test_names_that_look_alike_are_matched(office: Office, other: str) -> None:
    person, basis = office.person("p-1"), office.basis()
    detail = refused(office, "proposer", "/entries", 404, **entry_form(other, basis))
    assert other not in detail
    office.person(other)
    office.entry_in_effect(other, basis)
    assert office.aspects(person) == GREEN
    for field in ("name", "birth_date", "face"):
        assert "no such field" in refused(
            office, "proposer", "/entries", 422, **entry_form(person, basis, **{field: "x"})
        )
    assert "no such field" in refused(office, "desk", "/people", 422, reference="p-2", name="Ada")


def test_what_gates_hold_is_out_of_step(office: Office) -> None:
    """A gate that holds one bit other than what was published, one that is behind, and one that is right."""
    person = office.person()
    paper(office, person, RIDE)
    said: list[Publication] = []
    bus = MemoryBus(MemoryBroker())
    bus.start()
    publisher = Publisher(office.services, bus)
    publisher.listen(said.append)
    publisher.turn()
    bus.stop()
    fleet = Fleet()
    for each in said:
        fleet.published(list(each.rows), committed_at=None)
    (row,) = said[-1].rows
    right = HeldRow(uri=row.uri, version=row.version, digest=row.digest.hex(), age=1, since=NOW)
    for gate, held in (
        ("right", right),
        ("wrong", replace(right, digest=row.digest[::-1].hex())),
        ("unheard", replace(right, version=row.version + 5)),
    ):
        fleet.presence(gate, PresenceMessage(presence=Presence.ONLINE))
        fleet.state(
            gate, StateMessage(at=NOW, software="r", clock_trusted=True, lists=(held,)), now=NOW, retained=False
        )
    stands = {reader.reader: reader.stand for reader in fleet.view(NOW).readers}
    assert stands == {"right": Stand.CURRENT, "wrong": Stand.DIFFERS, "unheard": Stand.DIFFERS}


@pytest.mark.parametrize("outcome", ["won", "dismissed"])
def test_a_case_is_shown_without_its_outcome(office: Office, outcome: str, tmp_path: Path) -> None:
    person, basis = office.person(), office.basis()
    entry = office.entry_in_effect(person, basis)
    office.do("proposer", "POST", f"/entries/{entry}/case", state=outcome)
    assert office.entry_state(entry) == ("ended", "dismissed")
    assert office.aspects(person) == GREEN
    assert office.do(person, "GET", "/me")["entries"][0]["case"]["state"] == outcome
    again = entry_form(person, basis, case={"reference": "H-2027-11", "state": outcome})
    assert "case: expected a case that is open" in refused(office, "proposer", "/entries", 422, **again)
    refused(office, "proposer", f"/entries/{entry}/reconfirm", 409)
    # By a list that is shared, too; sent again, and by whoever shares it from the beginning.
    entry = office.entry_in_effect(person, basis, case={"reference": "H-8", "state": "open"}, ends_at=NOW + 29 * DAY)
    row = entry_row(person, basis, case_reference="H-8", case_state=outcome)
    result, bad = bring_in(office, write_jsonl(tmp_path / "list.jsonl", [row]))
    assert (bad, result.outcomes, result.added) == ([], 1, 0)
    office.later()
    assert office.entry_state(entry) == ("ended", "dismissed")
    assert office.aspects(person) == GREEN
    assert office.do(person, "GET", "/me")["entries"][1]["case"]["state"] == outcome
    sent_again, bad = bring_in(office, write_jsonl(tmp_path / "again.jsonl", [row, {**row, "case_reference": "H-9"}]))
    assert (sent_again.outcomes, sent_again.known, sent_again.added, [row.column for row in bad]) == (
        0,
        1,
        0,
        ["case_state"],
    )


def test_the_office_that_listed_judges_the_objection(office: Office) -> None:
    person, basis = office.person(), office.basis()
    entry = office.do("everything", "POST", "/entries", **entry_form(person, basis))["id"]
    office.do("approver", "POST", f"/entries/{entry}/approve")
    office.later()
    objection = office.do(person, "POST", f"/me/entries/{entry}/objection", text="It was not me.")["id"]
    for who in ("everything", "health-reviewer"):
        refused(office, who, f"/objections/{objection}/decide", 403, lift=False, answer="We are right.")
    exemption = office.do("reviewer", "POST", "/exemptions", person=person, reason="The hearing.", ends_at=NOW + HOUR)
    for who in ("everything", "health-reviewer"):
        refused(office, who, f"/exemptions/{exemption['id']}/end", 403)
    assert office.entry_state(entry)[0] == "suspended"
    office.later(DEADLINE - 1)
    assert office.aspects(person) == GREEN
    office.later(1)
    assert office.entry_state(entry) == ("ended", "lapsed"), "nobody decided in time"
    refused(office, "reviewer", f"/objections/{objection}/decide", 409, lift=False, answer="Too late.")


def test_where_somebody_went_is_kept(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="waypass_server")
    person = office.person("p-secret")
    pass_ = parse_pass(decode_base45(paper(office, person, RIDE), "WP1:")).pass_
    office.do(person, "GET", "/me")
    office.later(DAY)
    everything = json.dumps(office.do("ops", "GET", "/events")) + caplog.text
    assert person not in everything
    assert str(pass_.place.idx) not in re.findall(r"\d+", everything)
    # A gate that wanted to tell who passed has no message to say it in.
    state = json.loads(encode_message(StateMessage(at=NOW, software="reader", clock_trusted=True)))
    for member in ("passes", "place", "idx", "holder", "person"):
        with pytest.raises(Malformed):
            read_message("state", json.dumps(state | {member: "x"}).encode())
    assert office.call("ops", "GET", "/trips").status_code == 404


def test_a_penalty_for_conduct_in_another_field(office: Office) -> None:
    person = office.person()
    fares = office.basis(title="Fares", health=False, effects=["red"], scopes=[RIDE])
    for scopes in ([HOSPITAL], [RIDE, HOSPITAL], [CHECKED]):
        assert "scopes of the basis" in refused(
            office, "proposer", "/entries", 422, **entry_form(person, fares, scopes=scopes)
        )
    essential = basis_form(health=False, effects=["red"], scopes=[RIDE, HOSPITAL])
    assert "a basis of health" in refused(office, "proposer", "/bases", 422, **essential)
    office.entry_in_effect(person, fares)
    assert office.aspects(person) == GREEN | {RIDE: "red"}
    with pytest.raises(IntegrityError, match="what it says to stay"), office.services.change() as session:
        session.execute(text("UPDATE entries SET scopes = '[1, 2, 4]'"))


def at_gate(code: str, *, now: int, clock_trusted: bool = True, age: int | None = 0, held: bool = True) -> Decision:
    uri = parse_pass(decode_base45(code, "WP1:")).pass_.place.uri
    renewed = None if age is None else now - age
    held_list = HeldList(uri=uri, version=1, packed=bytes(LIST_BYTES), digest=b"", renewed=renewed)
    return decide(
        code,
        now=now,
        clock_trusted=clock_trusted,
        gate=Gate(trust=KEYRING.trust_set(), scope=RIDE, policy=Policy(identity_check_paper=False)),
        lists={uri: held_list} if held else {},
        reentry=NoReentry(),
    )


@pytest.mark.parametrize("listed", [False, True], ids=["may go", "may not go"])
def test_a_wrong_clock_is_shown_as_red(office: Office, listed: bool) -> None:
    """Nor any other technical trouble, not even for somebody who is red."""
    person, basis = office.person(), office.basis()
    if listed:
        office.entry_in_effect(person, basis)
    code, now = paper(office, person, RIDE), office.services.now()
    troubles = [
        at_gate(code, now=now, clock_trusted=False),
        at_gate(code, now=now - 200 * DAY),
        at_gate(code, now=now + 200 * DAY),
        at_gate(code, now=now, held=False),
        at_gate(code, now=now, age=2 * DAY),
        at_gate(code, now=now, age=None),
    ]
    assert all(trouble.aspect is not Shown.RED for trouble in troubles), troubles
    assert at_gate(code, now=now).reason is (Reason.RED if listed else Reason.GREEN)


def test_emergency_is_used_to_get_round_the_rules(office: Office) -> None:
    person = office.person()
    ask = {"person": person, "reason": "An emergency."}
    for _ in range(3):
        paper(office, person, RIDE)
        assert office.do("ops", "POST", "/withdrawals", **ask)["state"] == "done"
        assert live_passes(office) == 0
        assert office.aspects(person) == GREEN, "nothing is said about the person"
    paper(office, person, RIDE)
    waiting = office.do("ops", "POST", "/withdrawals", **ask)
    assert (waiting["state"], live_passes(office)) == ("waiting", 1), "new passes are to be had at once, and stay"
    refused(office, "ops", f"/withdrawals/{waiting['id']}/confirm", 403)
    assert "paper pass: expected" in refused(office, "desk", "/paper-passes", 409, person=person, scopes=[RIDE])
    assert live_passes(office) == 1
    with office.services.change() as session:
        session.execute(text("UPDATE emergency_withdrawals SET done_at = 0 WHERE done_at IS NOT NULL"))
        for number in range(100):
            values = {"reference": f"q-{number}", "at": NOW}
            made = "INSERT INTO people (network_id, reference, created_at) VALUES (1, :reference, :at) RETURNING id"
            added = session.execute(text(made), values).scalar_one()
            done = (
                "INSERT INTO emergency_withdrawals (network_id, person_id, reason, state, asked_by, asked_at, done_at)"
                " VALUES (1, :person, 'x', 'done', 1, :at, :at)"
            )
            session.execute(text(done), {"person": added, "at": NOW})
    another = office.person("p-101")
    paper(office, another, RIDE)
    assert office.do("ops", "POST", "/withdrawals", person=another, reason="x")["state"] == "waiting"
    log = [event["what"] for event in office.do("ops", "GET", "/events")]
    assert (log.count("withdrawal.done"), log.count("withdrawal.waiting")) == (3, 2)
    office.later()
    assert [one["kind"] for one in office.do(person, "GET", "/me/notices")] == ["withdrawal"] * 3


# What is not built


WORDS = re.compile(
    r"(?:^|_|-)(scores?|ranks?|ranking|points?|ratings?|rated?|credits?|stars?|names?|photos?|pictures?|faces?|biometrics?"
    r"|birth|gender|latitude|longitude|locations?|stations?|trips?|journeys?|visits?|routes?)(?:$|_|-)"
)


def fields_of(document: dict[str, Any]) -> set[str]:
    """Every field and parameter of the API, with the schema that has it."""
    found = {
        f"{name}.{field}"
        for name, schema in document["components"]["schemas"].items()
        for field in schema.get("properties", {})
    }
    for path, operations in document["paths"].items():
        for operation in operations.values():
            found |= {f"{path}.{parameter['name']}" for parameter in operation.get("parameters", [])}
    return found


def test_no_field_for_scores_ratings_faces_or_places(office: Office) -> None:
    document = office.send("GET", "/openapi.json").json()
    known = {
        "AuthorityOut.name",
        "NewToken.name",
        "StaffOut.name",
        "NetworkOut.name",
        "ScopeOut.name",
        "ScopeStanding.name",
        "/status-lists/{name}.name",
    }
    suspects = {field for field in fields_of(document) if WORDS.search(field.rpartition(".")[2])}
    assert suspects <= known, suspects - known
    assert not [path for path in document["paths"] if WORDS.search(path.replace("/", "_"))]
    with office.services.database.engine.connect() as connection:
        tables = inspect(connection)
        columns = {
            f"{table}.{column['name']}" for table in tables.get_table_names() for column in tables.get_columns(table)
        }
    allowed = {f"{table}.name" for table in ("networks", "scopes", "authorities", "staff", "status_lists")}
    suspects = {column for column in columns if WORDS.search(column.rpartition(".")[2])}
    assert suspects <= allowed, suspects - allowed


@pytest.mark.parametrize("field", ["score", "points", "rating", "rank", "face", "latitude", "station", "name"])
def test_a_score_is_given_to_somebody(office: Office, field: str) -> None:
    person, basis = office.person(), office.basis()
    fact = {"kind": "survey", "source": "x", "reason": "y", "yellow": True, "valid_until": NOW + DAY}
    for who, path, body in (
        ("proposer", "/entries", entry_form(person, basis)),
        ("desk", "/facts", {"person": person, **fact}),
        ("desk", "/people", {"reference": person}),
        ("ops", "/withdrawals", {"person": person, "reason": "x"}),
        ("reviewer", "/exemptions", {"person": person, "reason": "x", "ends_at": NOW + HOUR}),
        (person, "/me/entries/1/objection", {"text": "x"}),
    ):
        assert f"{field}: no such field" in refused(office, who, path, 422, **body, **{field: 3}), path


def test_people_rate_people(office: Office) -> None:
    """A holder can say something about nobody else."""
    person, other = office.person("p-1"), office.person("p-2")
    entry = office.entry_in_effect(other, office.basis())
    refused(office, person, f"/me/entries/{entry}/objection", 404, text="They deserve it.")
    for path in ("/standing", "/facts", "/entries", "/withdrawals", "/exemptions"):
        refused(office, person, path, 401, person=other)


def test_listed_people_are_published(office: Office) -> None:
    """Everything that anybody may read without a token, after somebody was listed."""
    person = office.person("p-listed")
    office.entry_in_effect(person, office.basis(), reason="A private matter.")
    document = office.send("GET", "/openapi.json").json()
    open_to_all = [path for path, operations in document["paths"].items() if "get" in operations and "{" not in path]
    addresses = [
        *open_to_all,
        "/public/figures",
        "/public/register",
        "/log/tile/entries/000.p/3",
        "/log/tile/0/000.p/3",
    ]
    read = 0
    for address in addresses:
        answer = office.send("GET", address)
        if answer.status_code == 200:
            read += 1
            assert b"p-listed" not in answer.content, address
            assert b"A private matter." not in answer.content, address
    assert read > 8


def test_a_listing_without_notice(office: Office) -> None:
    office.person()
    assert "notice: expected at least" in refused(office, "proposer", "/bases", 422, **basis_form(notice=60))
    basis = office.basis()
    entry = office.entry("p-1", basis)
    office.do("approver", "POST", f"/entries/{entry}/approve")
    forged = "UPDATE entries SET state = 'in-effect', notified_at = 1, takes_effect_at = 1, effective_at = 1"
    with pytest.raises(IntegrityError, match="a notice that was delivered"), office.services.change() as session:
        session.execute(text(forged))
    assert office.aspects("p-1") == GREEN


def test_consequences_outside_the_scopes(office: Office) -> None:
    person = office.person()
    office.entry_in_effect(person, office.basis())
    for scope in (RIDE, HOSPITAL):
        decision = at_gate_of(paper(office, person, scope), scope, office.services.now())
        assert decision.reason is (Reason.RED if scope == RIDE else Reason.GREEN)
    assert office.do(None, "GET", "/bases")[0]["scopes"] == [RIDE, HOSPITAL, CHECKED]
    assert office.call(person, "GET", "/me").json()["scopes"][PRIORITY - 1]["aspect"] is None
    refused(office, "proposer-2", "/entries", 403, **entry_form(person, 1))


def at_gate_of(code: str, scope: int, now: int) -> Decision:
    uri = parse_pass(decode_base45(code, "WP1:")).pass_.place.uri
    held = HeldList(uri=uri, version=1, packed=bytes(LIST_BYTES), digest=b"", renewed=now)
    gate = Gate(trust=KEYRING.trust_set(), scope=scope, policy=Policy(identity_check_paper=False))
    return decide(code, now=now, clock_trusted=True, gate=gate, lists={uri: held}, reentry=NoReentry())


# The table


def test_the_table_names_these_tests_and_no_others() -> None:
    rows = [line for line in DOCS.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    rows = [row for row in rows if not row.startswith(("| what ", "| ---"))]
    assert len(rows) >= 11 + 7
    named = set()
    for row in rows:
        tests = re.findall(r"`(test_\w+)`", row)
        assert tests, f"a row without a test: {row}"
        named |= set(tests)
    here = {name for name in globals() if name.startswith("test_")}
    assert named == here - {"test_the_table_names_these_tests_and_no_others"}
