"""Facts: certificates that wallets hand in, and what staff record. Yellow at most."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import select
from tests.server.evidence import forge
from tests.support.office import CHECKED, DAY, GREEN, HOSPITAL, HOUR, NOW, RIDE, Office, open_office
from tests.support.rule_sets import NO_RECENT_TEST, propose, put_in_force, rule

from waypass_server.errors import ConfigurationError
from waypass_server.evidence import SignerSet
from waypass_server.models.lists_of_people import Fact
from waypass_server.signer_folder import read_signers

ADMITTED = GREEN | {CHECKED: "green"}
SAMPLED = int(datetime(2027, 1, 15, 2, tzinfo=UTC).timestamp())
LONG: dict[int, object] = {4: NOW + 300 * DAY}


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """A server that knows the forge's signer."""
    with closing(open_office(tmp_path, signers=SignerSet.of([forge.good_signer()]))) as opened:
        yield opened


def certificate(changes: Mapping[int, object] | None = LONG, /, **groups: object) -> str:
    return forge.text(forge.claims(changes, **groups))


def sample(**changes: object) -> dict[str, object]:
    return {**forge.TEST_ENTRY, **changes}


def hand_in(office: Office, person: str, text: str) -> Any:
    return office.do(person, "POST", "/me/evidence", text=text)


def test_a_negative_test_admits_for_72_hours_from_the_sample(office: Office) -> None:
    person = office.person()
    assert office.aspects(person) == GREEN
    fact = hand_in(office, person, certificate(t=[sample()]))
    assert (fact["kind"], fact["weight"], fact["source"]) == ("test", "admits", "XW")
    assert (fact["valid_from"], fact["valid_until"]) == (SAMPLED, SAMPLED + 72 * HOUR)
    assert office.aspects(person) == ADMITTED
    office.later(SAMPLED + 72 * HOUR - NOW - 1)
    assert office.aspects(person) == ADMITTED
    office.later(1)
    assert office.aspects(person) == GREEN


def test_not_longer_than_the_certificate_itself(office: Office) -> None:
    fact = hand_in(office, office.person(), certificate(None, t=[sample()]))
    assert fact["valid_until"] == NOW + DAY


@pytest.mark.parametrize(
    ("name", "groups", "weight", "aspect"),
    [
        ("negative test", {"t": [sample()]}, "admits", "green"),
        ("positive test", {"t": [sample(tr="260373001")]}, "yellow", "yellow"),
        ("another result", {"t": [sample(tr="419984006")]}, "none", "yellow"),
        ("another disease", {"t": [sample(tg="6142004")]}, "none", "yellow"),
        ("complete vaccination", {"v": [dict(forge.VACCINATION_ENTRY)]}, "admits", "green"),
        ("incomplete vaccination", {"v": [{**forge.VACCINATION_ENTRY, "dn": 1}]}, "none", "yellow"),
        ("booster", {"v": [{**forge.VACCINATION_ENTRY, "dn": 3}]}, "admits", "green"),
        ("recovery", {"r": [dict(forge.RECOVERY_ENTRY)]}, "admits", "green"),
    ],
)
def test_what_a_certificate_does(
    office: Office, name: str, groups: dict[str, object], weight: str, aspect: str
) -> None:
    person = office.person()
    fact = hand_in(office, person, certificate(**groups))
    assert fact["weight"] == weight
    assert office.aspects(person)[CHECKED] == aspect


SAMPLE, DOSE = forge.TEST_ENTRY, forge.VACCINATION_ENTRY


@pytest.mark.parametrize(
    ("name", "groups", "expected"),
    [
        ("test", {"t": [sample()]},
         {"disease": "840539006", "result": "negative", "sampled": "2027-01-15T02:00:00Z", "type": SAMPLE["tt"]}),
        ("vaccination", {"v": [dict(DOSE)]},
         {"disease": "840539006", "dose": DOSE["dn"], "doses_in_series": DOSE["sd"],
          "on": DOSE["dt"], "product": DOSE["mp"]}),
        ("recovery", {"r": [dict(forge.RECOVERY_ENTRY)]},
         {"disease": "840539006", "first_positive_on": forge.RECOVERY_ENTRY["fr"],
          "from_day": forge.RECOVERY_ENTRY["df"], "until_day": forge.RECOVERY_ENTRY["du"]}),
    ],
)  # fmt: skip
def test_what_rules_see_of_a_certificate_and_no_more(
    office: Office, name: str, groups: dict[str, object], expected: dict[str, object]
) -> None:
    hand_in(office, office.person(), certificate(**groups))
    with office.services.database.reading() as session:
        assert session.scalars(select(Fact)).one().details == expected


def test_a_rule_over_a_certificate_ends_at_its_second(office: Office) -> None:
    person = office.person()
    put_in_force(office, propose(office, rule("tested", NO_RECENT_TEST), form=None))
    assert office.aspects(person)[RIDE] == "yellow"
    hand_in(office, person, certificate(t=[sample()]))
    assert office.aspects(person)[RIDE] == "green"
    office.later(SAMPLED + 24 * HOUR - NOW - 1)
    assert office.aspects(person)[RIDE] == "green"
    office.later(1)
    assert office.aspects(person)[RIDE] == "yellow"


def test_a_recovery_counts_within_its_own_dates(office: Office) -> None:
    fact = hand_in(office, office.person(), certificate(r=[{**forge.RECOVERY_ENTRY, "df": "2027-01-20"}]))
    assert fact["valid_from"] == datetime(2027, 1, 20, tzinfo=UTC).timestamp()
    assert fact["valid_until"] == datetime(2027, 6, 2, tzinfo=UTC).timestamp()
    assert office.aspects("p-1") == GREEN
    office.later(5 * DAY)
    assert office.aspects("p-1") == ADMITTED


def test_a_positive_test_makes_yellow_everywhere_and_never_red(office: Office) -> None:
    person = office.person()
    hand_in(office, person, certificate(t=[sample(tr="260373001")]))
    assert office.aspects(person) == GREEN | {RIDE: "yellow", HOSPITAL: "yellow"}


def test_the_same_certificate_is_one_fact(office: Office) -> None:
    person = office.person()
    text = certificate()
    first = office.call(person, "POST", "/me/evidence", text=text)
    again = office.call(person, "POST", "/me/evidence", text=certificate())
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()


def test_a_certificate_serves_one_person(office: Office) -> None:
    hand_in(office, office.person("p-1"), certificate())
    answer = office.call(office.person("p-2"), "POST", "/me/evidence", text=certificate())
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:waypass:problem:conflict")
    assert answer.json()["detail"] == "certificate: expected one that nobody else handed in; the desk can help"


def test_a_withdrawn_certificate_stays_withdrawn(office: Office) -> None:
    person = office.person()
    fact = hand_in(office, person, certificate())
    office.do("desk", "POST", f"/facts/{fact['id']}/withdraw")
    assert office.aspects(person) == GREEN
    assert office.call(person, "POST", "/me/evidence", text=certificate()).status_code == 409


def kinds_told(office: Office) -> list[str]:
    office.later()
    return [notice.kind for notice in office.outbox.sent.values()]


def test_a_withdrawn_certificate_is_reinstated_by_one_person(office: Office) -> None:
    person = office.person()
    put_in_force(office, propose(office, rule("tested", NO_RECENT_TEST), form=None))
    fact = hand_in(office, person, certificate(t=[sample()]))
    before = office.aspects(person)
    office.do("reviewer", "POST", f"/facts/{fact['id']}/withdraw")
    assert office.aspects(person)[RIDE] == office.aspects(person)[CHECKED] == "yellow"
    again = office.call("desk", "POST", "/evidence", person=person, text=certificate(t=[sample()]))
    assert (again.status_code, again.json()["detail"]) == (
        409,
        "certificate: it was withdrawn; fact 1 can be reinstated",
    )
    assert office.do("desk", "POST", f"/facts/{fact['id']}/reinstate") == fact
    assert office.do("desk", "POST", f"/facts/{fact['id']}/reinstate") == fact
    assert office.aspects(person) == before, "also by rules that look into it"
    assert kinds_told(office) == ["fact-withdrawn", "fact-reinstated"]
    told = {"fact": fact["id"], "kind": "test", "source": "XW", "reason": fact["reason"], "at": NOW}
    assert [notice.content for notice in office.outbox.sent.values()] == [told, told]
    log = [event["what"] for event in office.do("ops", "GET", "/events") if event["subject"] == "fact"]
    assert log == ["fact.recorded", "fact.withdrawn", "fact.reinstated"]


def test_a_wallet_undoes_no_withdrawal(office: Office) -> None:
    """Not by handing in again, not when others handed it in meanwhile, and not when theirs was withdrawn too."""
    people = [office.person("p-1"), office.person("p-2")]
    for person in people:
        office.do("desk", "POST", f"/facts/{hand_in(office, person, certificate())['id']}/withdraw")
    for person in people:
        answer = office.call(person, "POST", "/me/evidence", text=certificate())
        assert (answer.status_code, answer.json()["detail"]) == (
            409,
            "certificate: it was withdrawn; the desk can help",
        )
        assert office.call(person, "POST", "/facts/1/reinstate").status_code in (401, 403)
        assert office.aspects(person) == GREEN


@pytest.mark.parametrize("who", ["p-2", "desk"])
def test_an_owner_hands_in_what_was_withdrawn_from_somebody_else(office: Office, who: str) -> None:
    first = hand_in(office, office.person("p-1"), certificate())["id"]
    owner = office.person("p-2")
    path, body = ("/evidence", {"person": owner}) if who == "desk" else ("/me/evidence", {})
    assert office.call(who, "POST", path, text=certificate(), **body).status_code == 409
    office.do("desk", "POST", f"/facts/{first}/withdraw")
    assert office.call(who, "POST", path, text=certificate(), **body).status_code == 201
    assert (office.aspects("p-1"), office.aspects("p-2")) == (GREEN, ADMITTED)
    # It serves one person still, until that one's is withdrawn in turn.
    answer = office.call("desk", "POST", f"/facts/{first}/reinstate")
    assert (answer.status_code, answer.json()["detail"]) == (
        409,
        "reinstate: expected a certificate that nobody else handed in since",
    )
    office.do("desk", "POST", f"/facts/{first + 1}/withdraw")
    office.do("desk", "POST", f"/facts/{first}/reinstate")
    assert (office.aspects("p-1"), office.aspects("p-2")) == (ADMITTED, GREEN)


@pytest.mark.parametrize("kind", ["exposure", "survey"])
def test_what_staff_recorded_is_recorded_anew_and_not_reinstated(office: Office, kind: str) -> None:
    person = office.person()
    fact = office.do("desk", "POST", "/facts", **report(person, kind=kind))["id"]
    office.do("desk", "POST", f"/facts/{fact}/withdraw")
    answer = office.call("desk", "POST", f"/facts/{fact}/reinstate")
    assert (answer.status_code, answer.json()["detail"]) == (
        409,
        f"reinstate: expected a certificate, got a fact of kind {kind}; record it anew",
    )
    assert office.aspects(person) == GREEN
    assert kinds_told(office) == ["fact", "fact-withdrawn"]


def test_what_rules_saw_of_a_withdrawn_certificate_is_kept_until_it_is_over(office: Office) -> None:
    fact = hand_in(office, office.person(), certificate(t=[sample()]))
    office.do("desk", "POST", f"/facts/{fact['id']}/withdraw")

    def kept() -> bool:
        with office.services.database.reading() as session:
            return session.scalars(select(Fact)).one().details is not None

    office.later(fact["valid_until"] - NOW - 1)
    assert kept()
    office.later(1)
    assert not kept()


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("no certificate", "HELLO", "not-hcert"),
        ("empty", "", "not-hcert"),
        # After whole groups of three, so that what is left is Base45.
        ("cut", (text := certificate())[: 4 + (len(text) - 4) // 6 * 3], "compression"),
        ("somebody else's key", forge.text(forge.claims(), key=forge.OTHER_KEY), "bad-signature"),
        ("unknown signer", forge.text(forge.claims(), der=b"another"), "unknown-signer"),
        ("expired", forge.text(forge.claims({4: NOW - 1})), "expired"),
        ("not yet", forge.text(forge.claims({6: NOW + 60})), "not-yet-valid"),
        ("no group", forge.text(forge.claims(t=[])), "claims"),
    ],
)
def test_what_is_no_certificate(office: Office, name: str, text: str, reason: str) -> None:
    person = office.person()
    answer = office.call(person, "POST", "/me/evidence", text=text)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:waypass:problem:evidence-refused")
    assert answer.json()["detail"].startswith(f"{reason}: ")
    assert office.do(person, "GET", "/me")["facts"] == []


def test_no_name_is_kept(office: Office) -> None:
    hand_in(office, office.person(), certificate())
    office.services.database.close()
    stored = b"".join(file.read_bytes() for file in office.folder.glob("waypass.db*"))
    for personal in (b"Wandel", b"WANDEL", b"1980-02-03", b"F0F0F0F0F0F0F0F0"):
        assert personal not in stored


def report(person: str, /, **changes: Any) -> dict[str, Any]:
    form = {
        "person": person,
        "kind": "exposure",
        "source": "Health office",
        "reason": "You sat near somebody who was ill.",
        "yellow": True,
        "valid_until": NOW + 7 * DAY,
    }
    return form | changes


def test_an_exposure_notice_makes_yellow_until_its_end(office: Office) -> None:
    person = office.person()
    fact = office.do("desk", "POST", "/facts", **report(person, scopes=[RIDE]))
    assert office.aspects(person) == GREEN | {RIDE: "yellow"}
    (cause,) = office.do(person, "GET", "/me")["scopes"][0]["why"]
    assert (cause["kind"], cause["id"], cause["source"]) == ("fact", fact["id"], "Health office")
    office.later()
    assert [notice.kind for notice in office.outbox.sent.values()] == ["fact"]
    office.later(7 * DAY)
    assert office.aspects(person) == GREEN


def test_yellow_facts_of_staff_count_and_never_pass_a_limit(office: Office) -> None:
    people = [office.person(f"p-{number}") for number in range(4)]
    lower_limit(office, 2)
    for person in people[:2]:
        office.do("desk", "POST", "/facts", **report(person))
    answer = office.call("desk", "POST", "/facts", **report(people[2]))
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:waypass:problem:past-limit")
    assert answer.json()["detail"] == (
        "facts: expected at most 2 people worsened in a day for the network, with this it would be 3; a higher limit "
        "takes three people and 72 hours in public"
    )
    assert office.aspects(people[2]) == GREEN
    with office.services.database.reading() as session:
        assert len(session.scalars(select(Fact)).all()) == 2
    # What makes nobody yellow, and what holders bring, is not counted: no official chose whom it worsens.
    office.do("desk", "POST", "/facts", **report(people[2], yellow=False))
    office.do(people[3], "POST", "/me/evidence", text=certificate(t=[sample(tr="260373001")]))
    office.later()
    assert office.aspects(people[3])[RIDE] == "yellow"
    assert {row["people"] for row in office.do("admin", "GET", "/limits") if row["level"] == "network"} == {2}
    office.later(2 * DAY)
    office.do("desk", "POST", "/facts", **report(people[2], valid_until=NOW + 9 * DAY))


def test_facts_and_entries_share_the_sums(office: Office) -> None:
    basis = office.basis()
    lower_limit(office, 2)
    for number in range(2):
        office.do("desk", "POST", "/facts", **report(office.person(f"p-{number}")))
    entry = office.entry(office.person("p-9"), basis)
    assert office.do("approver", "POST", f"/entries/{entry}/approve")["state"] == "held"


def lower_limit(office: Office, value: int) -> None:
    """Of the network, for a day."""
    change = office.do("admin", "POST", "/limits/changes", level="network", window="day", value=value)["id"]
    office.do("admin-2", "POST", f"/limits/changes/{change}/agree")


def test_a_fact_to_come(office: Office) -> None:
    person = office.person()
    office.do("desk", "POST", "/facts", **report(person, valid_from=NOW + DAY))
    assert office.aspects(person) == GREEN
    office.later(DAY)
    assert office.aspects(person)[RIDE] == "yellow"


def test_a_survey_answer_that_does_nothing(office: Office) -> None:
    person = office.person()
    office.do("desk", "POST", "/facts", **report(person, kind="survey", yellow=False))
    assert office.aspects(person) == GREEN


def test_withdrawn_it_counts_no_more(office: Office) -> None:
    person = office.person()
    fact = office.do("desk", "POST", "/facts", **report(person))["id"]
    withdrawn = office.do("reviewer", "POST", f"/facts/{fact}/withdraw")
    assert office.aspects(person) == GREEN
    office.clock.advance(5)
    assert office.do("desk", "POST", f"/facts/{fact}/withdraw") == withdrawn


@pytest.mark.parametrize(
    ("name", "changes", "status", "message"),
    [
        ("longer than 14 days", {"valid_until": NOW + 14 * DAY + 1}, 422, "valid_until: expected an end to come"),
        ("over already", {"valid_from": NOW - 1, "valid_until": NOW}, 422, "valid_until: expected an end to come"),
        ("no end", {"valid_until": None}, 422, "valid_until: "),
        ("unknown scope", {"scopes": [99]}, 422, "scopes: expected scopes among"),
        ("another kind", {"kind": "rating"}, 422, "kind: "),
        ("red", {"aspect": "red"}, 422, "aspect: no such field"),
        ("unknown person", {"person": "p-77"}, 404, "person: expected a reference that is known"),
    ],
)
def test_what_is_no_fact(office: Office, name: str, changes: dict[str, Any], status: int, message: str) -> None:
    answer = office.call("desk", "POST", "/facts", **report(office.person(), **changes))
    assert (answer.status_code, answer.json()["detail"][: len(message)]) == (status, message)


def test_signers_are_read_from_a_folder(tmp_path: Path) -> None:
    der = forge.good_signer()
    pem = x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)
    (tmp_path / "one.der").write_bytes(der)
    (tmp_path / "two.PEM").write_bytes(pem + forge_other_pem())
    (tmp_path / "README").write_text("not a certificate", encoding="utf-8")
    assert sum(len(ders) for ders in read_signers(tmp_path).by_kid.values()) == 2
    assert read_signers(None).by_kid == {}


def forge_other_pem() -> bytes:
    return x509.load_der_x509_certificate(forge.signer(forge.OTHER_KEY)).public_bytes(Encoding.PEM)


def test_a_file_that_is_no_certificate(tmp_path: Path) -> None:
    (tmp_path / "broken.der").write_bytes(b"\x30\x03abc")
    with pytest.raises(ConfigurationError, match=r"expected a certificate \(DER or PEM\) in .*broken"):
        read_signers(tmp_path)
    with pytest.raises(ConfigurationError, match="evidence_signers: expected a folder of certificates at"):
        read_signers(tmp_path / "absent")


def test_a_desk_hands_in_for_somebody_without_a_telephone(office: Office) -> None:
    office.do("desk", "POST", "/people", reference="p-7")
    text = certificate(t=[sample()])
    answer = office.call("desk", "POST", "/evidence", person="p-7", text=text)
    assert (answer.status_code, answer.json()["weight"]) == (201, "admits")
    assert office.call("desk", "POST", "/evidence", person="p-7", text=text).status_code == 200
    event = office.do("ops", "GET", "/events")[-1]
    assert (event["what"], event["actor"], event["subject_id"]) == ("fact.recorded", "staff", answer.json()["id"])
    standing = office.do("reviewer", "POST", "/standing", person="p-7")
    assert {scope["number"]: scope["aspect"] for scope in standing["scopes"]}[CHECKED] == "green"
    assert event["staff"] is not None


@pytest.mark.parametrize(
    ("name", "person", "text", "status", "problem"),
    [
        ("no such person", "p-9", certificate(), 404, "not-found"),
        ("no certificate", "p-1", "HELLO", 422, "evidence-refused"),
        ("unknown signer", "p-1", forge.text(forge.claims(), der=b"another"), 422, "evidence-refused"),
        ("a field too many", "p-1", None, 422, "bad-input"),
    ],
)
def test_at_the_desk_the_same_is_refused(
    office: Office, name: str, person: str, text: str | None, status: int, problem: str
) -> None:
    office.person("p-1")
    body = {"text": certificate(), "name": "x"} if text is None else {"text": text}
    answer = office.call("desk", "POST", "/evidence", person=person, **body)
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:waypass:problem:{problem}"), answer.text


def test_a_certificate_that_somebody_else_handed_in_is_refused_at_the_desk_too(office: Office) -> None:
    text = certificate()
    hand_in(office, office.person("p-1"), text)
    office.person("p-2")
    assert office.call("desk", "POST", "/evidence", person="p-2", text=text).status_code == 409
