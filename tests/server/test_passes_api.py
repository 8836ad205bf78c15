"""Passes over HTTP: challenge, proofs, batches, paper."""

import io
from base64 import urlsafe_b64decode
from typing import Any

import pytest
import zxingcpp
from PIL import Image
from sqlalchemy import func, select
from tests.server.publishing import holder_key
from tests.support.office import HOUR, NOW, PRIORITY, RIDE, Office

from waypass_protocol.keys import HolderSigner, base64url
from waypass_protocol.passes import Aspect, SignedPass, parse_pass, read_pass
from waypass_server.issuing import BATCH, proof_text
from waypass_server.models.people import Person
from waypass_server.models.records import ReplacedPaper
from waypass_server.models.status import PassKind, PassRow, StatusChange

pytestmark = pytest.mark.both_stores

HOSPITAL = 2


def key_form(nonce: str, holder: HolderSigner, **changes: Any) -> dict[str, Any]:
    """A key with its proof, as a wallet sends it."""
    x, y = holder.key.coordinates()
    proof = holder.sign(proof_text("metro", nonce, x, y))
    return {"x": base64url(x), "y": base64url(y), "proof": base64url(proof), **changes}


def ask(office: Office, who: str, *holders: HolderSigner, scopes: tuple[int, ...] = (RIDE,)) -> list[SignedPass]:
    """A batch, which must be given."""
    nonce = office.do(who, "POST", "/me/challenge")["nonce"]
    keys = [key_form(nonce, holder) for holder in holders]
    answer = office.do(who, "POST", "/me/passes", nonce=nonce, scopes=list(scopes), keys=keys)
    return [parse_pass(urlsafe_b64decode(each + "==")) for each in answer["passes"]]


def count_passes(office: Office) -> int:
    with office.services.database.reading() as session:
        return session.scalar(select(func.count()).select_from(PassRow)) or 0


def test_a_wallet_gets_a_batch_each_pass_with_its_own_key_place_and_rounded_times(office: Office) -> None:
    office.clock.advance(1234.5)
    person = office.person()
    holders = [holder_key(number) for number in range(20)]
    passes = [signed.pass_ for signed in ask(office, person, *holders)]
    assert [each.holder for each in passes] == [holder.key for holder in holders]
    assert len({each.place for each in passes}) == 20
    assert {each.place.uri for each in passes} == {"wp:1"}
    assert {(each.iat % HOUR, each.exp - each.iat) for each in passes} == {(0, 24 * HOUR)}
    assert {each.iat for each in passes} == {(NOW + 1234) - (NOW + 1234) % HOUR}
    assert all(each.aspects == {RIDE: Aspect.GREEN} for each in passes)
    assert [each.place.idx for each in passes] != sorted(each.place.idx for each in passes)


def test_passes_verify_with_the_pass_key(office: Office) -> None:
    signed = ask(office, office.person(), holder_key(1))[0]
    assert signed.envelope.kid == office.services.pass_signer.kid
    expected = office.services.pass_signer.sign(signed.envelope.to_be_signed())
    assert signed.envelope.signature == expected, "Ed25519 is deterministic"


def test_scopes_are_those_of_the_request_or_of_the_key(office: Office) -> None:
    person = office.person()
    nonce = office.do(person, "POST", "/me/challenge")["nonce"]
    keys = [key_form(nonce, holder_key(1)), key_form(nonce, holder_key(2), scopes=[RIDE, HOSPITAL])]
    answer = office.do(person, "POST", "/me/passes", nonce=nonce, scopes=[HOSPITAL], keys=keys)
    found = [set(parse_pass(urlsafe_b64decode(each + "==")).pass_.aspects) for each in answer["passes"]]
    assert found == [{HOSPITAL}, {RIDE, HOSPITAL}]


def test_the_server_time_comes_with_a_fraction(office: Office) -> None:
    office.clock.advance(0.25)
    assert office.do(office.person(), "POST", "/me/challenge")["server_time"] == NOW + 0.25


def other_key(nonce: str) -> dict[str, Any]:
    return {**key_form(nonce, holder_key(1)), "proof": key_form(nonce, holder_key(2))["proof"]}


def off_curve(nonce: str) -> dict[str, Any]:
    return {**key_form(nonce, holder_key(1)), "x": base64url(bytes(32)), "y": base64url(bytes(32))}


def other_nonce(nonce: str) -> dict[str, Any]:
    return key_form(nonce[::-1], holder_key(1))


@pytest.mark.parametrize(
    ("name", "keys", "scopes", "status", "problem", "detail"),
    [
        ("no key", lambda _: [], [1], 422, "bad-input", "at least 1"),
        ("too many", lambda n: [key_form(n, holder_key(1))] * (BATCH + 1), [1], 422, "bad-input", "at most 144"),
        ("twice", lambda n: [key_form(n, holder_key(1))] * 2, [1], 422, "bad-input", "expected each key once"),
        ("short x", lambda n: [key_form(n, holder_key(1), x="AA")], [1], 422, "bad-input", "keys.0.x"),
        ("not base64url", lambda n: [key_form(n, holder_key(1), y="+" * 43)], [1], 422, "bad-input", "keys.0.y"),
        ("a scope twice", lambda n: [key_form(n, holder_key(1))], [1, 1], 422, "bad-input", "each once"),
        ("nine scopes", lambda n: [key_form(n, holder_key(1))], list(range(9)), 422, "bad-input", "at most 8"),
        ("a point that is none", lambda n: [off_curve(n)], [1], 422, "proof", "key 0: holder key: the point is not on"),
        ("another's proof", lambda n: [other_key(n)], [1], 422, "proof", "key 0: the proof does not verify"),
        ("for another nonce", lambda n: [other_nonce(n)], [1], 422, "proof", "the proof does not verify"),
        (
            "one bad among good ones",
            lambda n: [key_form(n, holder_key(5)), other_key(n)],
            [1],
            422,
            "proof",
            "key 1: the proof does not verify",
        ),
        ("unknown scope", lambda n: [key_form(n, holder_key(1))], [99], 422, "scope-not-open", "got 99"),
        ("by grant, without", lambda n: [key_form(n, holder_key(1))], [PRIORITY], 422, "scope-not-open", "got 3"),
    ],
)
def test_a_request_is_refused_whole(
    office: Office, name: str, keys: Any, scopes: list[int], status: int, problem: str, detail: str
) -> None:
    person = office.person()
    nonce = office.do(person, "POST", "/me/challenge")["nonce"]
    answer = office.call(person, "POST", "/me/passes", nonce=nonce, scopes=scopes, keys=keys(nonce))
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:waypass:problem:{problem}"), answer.text
    assert detail in answer.json()["detail"]
    assert count_passes(office) == 0


def test_a_nonce_works_once(office: Office) -> None:
    person = office.person()
    nonce = office.do(person, "POST", "/me/challenge")["nonce"]
    body = {"nonce": nonce, "scopes": [RIDE], "keys": [key_form(nonce, holder_key(1))]}
    office.do(person, "POST", "/me/passes", **body)
    answer = office.call(person, "POST", "/me/passes", **body)
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:waypass:problem:nonce")
    assert count_passes(office) == 1


@pytest.mark.parametrize(("seconds", "status"), [(299, 201), (300, 409)])
def test_a_nonce_lives_five_minutes(office: Office, seconds: int, status: int) -> None:
    person = office.person()
    nonce = office.do(person, "POST", "/me/challenge")["nonce"]
    office.clock.advance(seconds)
    keys = [key_form(nonce, holder_key(1))]
    assert office.call(person, "POST", "/me/passes", nonce=nonce, scopes=[RIDE], keys=keys).status_code == status


def test_a_nonce_is_for_one_wallet_and_an_older_one_lapses(office: Office) -> None:
    mine, other = office.person("p-1"), office.person("p-2")
    older = office.do(mine, "POST", "/me/challenge")["nonce"]
    nonce = office.do(mine, "POST", "/me/challenge")["nonce"]
    for who, text in ((other, nonce), (mine, older)):
        keys = [key_form(text, holder_key(1))]
        answer = office.call(who, "POST", "/me/passes", nonce=text, scopes=[RIDE], keys=keys)
        assert answer.status_code == 409
    keys = [key_form(nonce, holder_key(1))]
    office.do(mine, "POST", "/me/passes", nonce=nonce, scopes=[RIDE], keys=keys)


def test_a_failed_request_leaves_the_nonce(office: Office) -> None:
    person = office.person()
    nonce = office.do(person, "POST", "/me/challenge")["nonce"]
    keys = [key_form(nonce, holder_key(1))]
    assert office.call(person, "POST", "/me/passes", nonce=nonce, scopes=[99], keys=keys).status_code == 422
    office.do(person, "POST", "/me/passes", nonce=nonce, scopes=[RIDE], keys=keys)


def test_nobody_has_more_than_a_thousand_live_passes(office: Office) -> None:
    person = office.person()
    holders = [holder_key(number) for number in range(BATCH)]
    for _ in range(6):
        ask(office, person, *holders)
    nonce = office.do(person, "POST", "/me/challenge")["nonce"]
    keys = [key_form(nonce, holder) for holder in holders]
    answer = office.call(person, "POST", "/me/passes", nonce=nonce, scopes=[RIDE], keys=keys)
    assert (answer.status_code, answer.json()["type"]) == (429, "urn:waypass:problem:too-many-passes")
    assert count_passes(office) == 6 * BATCH


@pytest.mark.parametrize("who", [None, "desk"])
def test_only_a_wallet_gets_bound_passes(office: Office, who: str | None) -> None:
    assert office.call(who, "POST", "/me/challenge").status_code == 401


@pytest.mark.sqlite_only
def test_what_is_stored_of_a_pass_is_neither_its_key_nor_its_text(office: Office) -> None:
    ask(office, office.person(), holder_key(7))
    x, y = holder_key(7).key.coordinates()
    data = b"".join(path.read_bytes() for path in office.folder.iterdir() if path.is_file())
    assert b"wp:1" in data
    assert x not in data
    assert y not in data


def test_a_paper_pass_replaces_the_one_before(office: Office) -> None:
    person = office.person()
    bound = ask(office, person, holder_key(1))[0].pass_
    first = office.do("desk", "POST", "/paper-passes", person=person, scopes=[RIDE], hint="王小明 1990")
    second = office.do("desk", "POST", "/paper-passes", person=person, scopes=[RIDE])
    one, two = read_pass(first["text"]).pass_, read_pass(second["text"]).pass_
    assert (one.hint, two.hint, one.holder, one.exp) == ("王小明 1990", None, None, first["exp"])
    assert one.exp - one.iat == 30 * 24 * HOUR
    with office.services.database.reading() as session:
        statuses = {row.idx: row.status for row in session.scalars(select(PassRow))}
        changed = session.scalars(select(StatusChange.idx)).all()
        kinds = session.scalars(select(PassRow.kind).order_by(PassRow.id)).all()
    assert statuses == {bound.place.idx: 0, one.place.idx: 1, two.place.idx: 0}
    assert list(changed) == [one.place.idx]
    assert kinds == [PassKind.BOUND, PassKind.PAPER, PassKind.PAPER]


@pytest.mark.parametrize(
    ("name", "body", "status", "detail"),
    [
        ("unknown person", {"person": "p-9", "scopes": [1]}, 404, "expected a reference that is known"),
        ("unknown scope", {"scopes": [99]}, 422, "got 99"),
        ("no scope", {"scopes": []}, 422, "at least 1"),
        ("a long hint", {"scopes": [1], "hint": "x" * 25}, 422, "at most 24"),
        ("a hint with a line feed", {"scopes": [1], "hint": "a\nb"}, 422, "characters that can be seen"),
        ("a hint that turns around", {"scopes": [1], "hint": "Li \u202eieW"}, 422, "characters that can be seen"),
        ("a hint of nothing", {"scopes": [1], "hint": "  "}, 422, "characters that can be seen"),
    ],
)
def test_a_paper_pass_is_refused(office: Office, name: str, body: dict[str, Any], status: int, detail: str) -> None:
    person = office.person()
    answer = office.call("desk", "POST", "/paper-passes", **{"person": person, **body})
    assert (answer.status_code, detail in answer.json()["detail"]) == (status, True), answer.text
    assert count_passes(office) == 0


@pytest.mark.parametrize("who", [None, "p-1", "ops"])
def test_only_the_desk_makes_paper_passes(office: Office, who: str | None) -> None:
    office.person()
    assert office.call(who, "POST", "/paper-passes", person="p-1", scopes=[RIDE]).status_code in (401, 403)


def test_a_holder_makes_a_paper_pass_without_a_hint(office: Office) -> None:
    person = office.person()
    named = read_pass(office.do("desk", "POST", "/paper-passes", person=person, scopes=[RIDE], hint="A. Lind")["text"])
    own = read_pass(office.do(person, "POST", "/me/paper-pass", scopes=[RIDE])["text"]).pass_
    assert (own.hint, own.holder) == (None, None)
    with office.services.database.reading() as session:
        statuses = {row.idx: row.status for row in session.scalars(select(PassRow))}
    assert statuses == {named.pass_.place.idx: 1, own.place.idx: 0}
    log = [event for event in office.do("ops", "GET", "/events") if event["what"] == "paper-pass.issued"]
    assert [event["actor"] for event in log] == ["staff", "holder"]


def test_a_holder_cannot_choose_the_hint_or_another_person(office: Office) -> None:
    person = office.person()
    for more in ({"hint": "A. Lind"}, {"person": "p-2"}):
        answer = office.call(person, "POST", "/me/paper-pass", scopes=[RIDE], **more)
        assert answer.status_code == 422
        assert next(iter(more)) in answer.json()["detail"]
    assert count_passes(office) == 0


def papers_of(office: Office, person: str, times: int) -> list[int]:
    """The desk makes so many, one in place of the other: the status of each answer."""
    asked = {"person": person, "scopes": [RIDE]}
    return [office.call("desk", "POST", "/paper-passes", **asked).status_code for _ in range(times)]


def kinds_told(office: Office) -> list[str]:
    office.later()
    return [notice.kind for notice in office.outbox.sent.values()]


def test_the_holder_is_told_when_a_desk_replaces_a_paper_pass(office: Office) -> None:
    person = office.person()
    assert papers_of(office, person, 1) == [201]
    assert kinds_told(office) == [], "nothing was taken away"
    papers_of(office, person, 1)
    assert kinds_told(office) == ["paper-replaced"]
    (notice,) = office.do(person, "GET", "/me/notices")
    assert (notice["kind"], notice["content"]) == ("paper-replaced", {"at": NOW})


def test_a_desk_replaces_papers_within_the_limits_of_withdrawals(office: Office) -> None:
    person = office.person()
    assert papers_of(office, person, 5) == [201, 201, 201, 201, 409]
    answer = office.call("desk", "POST", "/paper-passes", person=person, scopes=[RIDE])
    assert answer.json()["type"] == "urn:waypass:problem:second-person"
    assert answer.json()["detail"].startswith("paper pass: expected at most 3 times in 30 days that staff make passes")
    with office.services.database.reading() as session:
        assert [row.status for row in session.scalars(select(PassRow).order_by(PassRow.id))] == [1, 1, 1, 0]
    assert kinds_told(office) == ["paper-replaced"] * 3
    # They count together with withdrawals, and two people make way for a new one.
    waiting = office.do("ops", "POST", "/withdrawals", person=person, reason="lost paper")
    assert waiting["state"] == "waiting"
    office.do("ops-2", "POST", f"/withdrawals/{waiting['id']}/confirm")
    assert papers_of(office, person, 2) == [201, 409]
    office.later(30 * 24 * HOUR - 600)
    assert papers_of(office, person, 1) == [409]
    office.later(600)
    assert papers_of(office, person, 1) == [201]


def test_what_holders_replace_themselves_does_not_count(office: Office) -> None:
    person = office.person()
    for _ in range(5):
        office.do(person, "POST", "/me/paper-pass", scopes=[RIDE])
    assert kinds_told(office) == []
    assert papers_of(office, person, 4) == [201, 201, 201, 409]
    office.do(person, "POST", "/me/paper-pass", scopes=[RIDE])


def test_a_desk_replaces_papers_of_a_hundred_people_a_day(office: Office) -> None:
    with office.services.change() as session:
        for number in range(99):
            row = Person(network_id=1, reference=f"q-{number}", created_at=NOW)
            session.add(row)
            session.flush()
            for _ in range(2):
                session.add(ReplacedPaper(network_id=1, person_id=row.id, replaced_by=1, at=NOW))
    assert papers_of(office, office.person("p-1"), 2) == [201, 201], "the hundredth"
    assert papers_of(office, office.person("p-2"), 2) == [201, 409]
    assert papers_of(office, "p-1", 1) == [201], "who counts already does not count again"
    assert office.do("ops", "POST", "/withdrawals", person="p-2", reason="lost")["state"] == "waiting"


def test_a_paper_pass_that_is_over_is_replaced_freely(office: Office) -> None:
    """A gate whose clock is behind may take it still, so it is taken away; nobody loses it."""
    person = office.person()
    papers_of(office, person, 1)
    office.later(30 * 24 * HOUR + 1 - NOW % HOUR)
    papers_of(office, person, 1)
    with office.services.database.reading() as session:
        assert [row.status for row in session.scalars(select(PassRow).order_by(PassRow.id))] == [1, 0]
        assert session.scalars(select(ReplacedPaper)).all() == []
    assert kinds_told(office) == []


@pytest.mark.parametrize(
    ("query", "accept", "media_type", "begins"),
    [
        ("", "image/png", "image/png", b"\x89PNG"),
        ("", "text/html, image/svg+xml;q=0.9", "image/svg+xml", b"<?xml"),
        ("", "application/pdf", "application/pdf", b"%PDF-"),
        ("?format=png", "application/pdf", "image/png", b"\x89PNG"),
        ("", "*/*", "application/json", b"{"),
    ],
)
def test_a_paper_pass_comes_in_the_form_that_is_asked_for(
    office: Office, query: str, accept: str, media_type: str, begins: bytes
) -> None:
    headers = {"Authorization": f"Bearer {office.tokens['desk']}", "Accept": accept}
    person = office.person()
    body = {"person": person, "scopes": [RIDE]}
    answer = office.send("POST", f"/api/v1/paper-passes{query}", headers=headers, json=body)
    assert answer.status_code == 201
    assert answer.headers["content-type"] == media_type
    assert answer.headers["cache-control"] == "no-store"
    assert answer.content.startswith(begins)


def test_a_drawing_of_a_paper_pass_holds_its_text(office: Office) -> None:
    text = office.do("desk", "POST", "/paper-passes", person=office.person(), scopes=[RIDE])["text"]
    answer = office.call("desk", "POST", "/paper-passes/drawing?format=png", text=text)
    assert answer.status_code == 200
    assert [code.text for code in zxingcpp.read_barcodes(Image.open(io.BytesIO(answer.content)))] == [text]
    assert count_passes(office) == 1


@pytest.mark.parametrize(
    ("name", "text", "detail"),
    [
        ("somebody else's code", "HC1:ABC", "text: the text does not begin with WP1:"),
        ("cut", "WP1:6BF", "text: CBOR"),
    ],
)
def test_only_a_paper_pass_is_drawn(office: Office, name: str, text: str, detail: str) -> None:
    answer = office.call("desk", "POST", "/paper-passes/drawing", text=text)
    assert answer.status_code == 422
    assert detail in answer.json()["detail"]


def test_issuing_is_in_the_log_without_a_place(office: Office) -> None:
    office.clock.advance(1234)
    person = office.person()
    signed = ask(office, person, *(holder_key(number) for number in range(3)))
    office.do("desk", "POST", "/paper-passes", person=person, scopes=[RIDE])
    events = [event for event in office.do("ops", "GET", "/events") if event["what"].endswith(".issued")]
    assert [(e["what"], e["actor"], e["at"], e["subject"], e["details"]) for e in events] == [
        ("passes.issued", "holder", NOW + 1234 - (NOW + 1234) % HOUR, "person", {"count": 3}),
        ("paper-pass.issued", "staff", NOW + 1234, "person", {"count": 1}),
    ]
    assert not any(str(each.pass_.place.idx) in str(events) for each in signed)


def test_what_is_refused_is_not_in_the_log(office: Office) -> None:
    person = office.person()
    nonce = office.do(person, "POST", "/me/challenge")["nonce"]
    keys = [key_form(nonce, holder_key(1))]
    assert office.call(person, "POST", "/me/passes", nonce=nonce, scopes=[99], keys=keys).status_code == 422
    assert not any(event["what"].endswith(".issued") for event in office.do("ops", "GET", "/events"))
