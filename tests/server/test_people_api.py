"""People by exact reference, desk codes, enrolment: what works, and what a guesser gets."""

import re
from dataclasses import replace

import pytest
from sqlalchemy import func, select
from tests.support.office import NOW, Office

from waypass_server import people
from waypass_server.models.people import DeskCode, FailedEnrolment, Person, Wallet
from waypass_server.tokens import make_code, read_code


def test_from_the_desk_to_the_wallet(office: Office) -> None:
    answer = office.call("desk", "POST", "/people", reference="p-7f3a")
    assert (answer.status_code, answer.json()) == (201, {"reference": "p-7f3a", "created_at": NOW})
    code = office.do("desk", "POST", "/desk-codes", person="p-7f3a")
    assert re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}", code["code"])
    assert code["expires_at"] == NOW + 600
    wallet = office.do(None, "POST", "/enrol", code=code["code"])
    assert wallet["network"] == "metro"
    office.wallets["p"] = wallet["token"]
    assert office.do("p", "GET", "/me")["network"] == "metro"


def test_a_wallet_that_takes_the_place_of_another_is_told(office: Office) -> None:
    office.person()
    office.later()
    assert not office.outbox.sent, "the first takes nobody's place"
    office.clock.advance(60)
    office.do("desk", "POST", "/desk-codes", person="p-1")
    office.later()
    assert not office.outbox.sent, "a code alone ends nothing"
    office.person()
    office.later()
    (told,) = office.outbox.sent.values()
    assert (told.reference, told.kind, told.content) == ("p-1", "wallet-replaced", {"at": NOW + 60})
    assert [notice["kind"] for notice in office.do("p-1", "GET", "/me/notices")] == ["wallet-replaced"]


def test_registering_again_changes_nothing(office: Office) -> None:
    office.do("desk", "POST", "/people", reference="p-1")
    again = office.call("desk", "POST", "/people", reference="p-1")
    assert again.status_code == 200
    with office.services.database.reading() as session:
        assert session.execute(select(func.count()).select_from(Person)).scalar_one() == 1


@pytest.mark.parametrize("reference", ["", "-x", "a b", "Émile", "x" * 65, "a/b", 7, None, ["p"]])
def test_what_is_no_reference(office: Office, reference: object) -> None:
    answer = office.call("desk", "POST", "/people", reference=reference)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("reference: ")


@pytest.mark.parametrize("reference", ["p-10", "P-1", "p-", "p-1."])
def test_only_the_exact_reference_finds_a_person(office: Office, reference: str) -> None:
    office.person("p-1")
    answer = office.call("desk", "POST", "/desk-codes", person=reference)
    assert answer.status_code == 404
    assert answer.json()["detail"] == "person: expected a reference that is known in this network, got another"


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("as shown", "K7QM-4TZP"),
        ("small letters", "k7qm-4tzp"),
        ("without the hyphen", "K7QM4TZP"),
        ("with spaces", " k7qm 4tzp "),
    ],
)
def test_how_a_code_may_be_typed(name: str, typed: str) -> None:
    assert read_code(typed) == "K7QM-4TZP"


def test_letters_that_look_like_digits() -> None:
    assert read_code("OILo-il00") == "0110-1100"


@pytest.mark.parametrize("typed", ["", "K7QM", "K7QM-4TZPP", "K7QM-4TZU", "K7QM-4TZ!", "K7QM-4TZß"])
def test_what_cannot_be_a_code(typed: str) -> None:
    assert read_code(typed) is None


def test_codes_have_forty_bits() -> None:
    assert make_code(lambda count: b"\x00" * count) == "0000-0000"
    assert make_code(lambda count: b"\xff" * count) == "ZZZZ-ZZZZ"
    assert make_code(lambda count: bytes(range(1, count + 1))) == "0410-6105"


@pytest.mark.parametrize("case", ["used", "too old", "replaced by a newer one", "never made", "no code", "a reference"])
def test_a_code_that_cannot_be_used(office: Office, case: str) -> None:
    office.do("desk", "POST", "/people", reference="p-1")
    code = office.do("desk", "POST", "/desk-codes", person="p-1")["code"]
    if case == "used":
        office.do(None, "POST", "/enrol", code=code)
    elif case == "too old":
        office.clock.advance(600)
    elif case == "replaced by a newer one":
        office.do("desk", "POST", "/desk-codes", person="p-1")
    elif case == "never made":
        code = "0000-0000"
    elif case == "no code":
        code = "hello"
    else:
        code = "p-1"
    answer = office.call(None, "POST", "/enrol", code=code)
    assert answer.status_code == 403
    assert answer.json()["type"] == "urn:waypass:problem:wrong-code"
    assert answer.json()["detail"].startswith("code: expected a desk code of the last ten minutes that was not used")
    assert code not in answer.text or case == "no code"


def test_a_code_serves_until_its_last_second(office: Office) -> None:
    office.do("desk", "POST", "/people", reference="p-1")
    code = office.do("desk", "POST", "/desk-codes", person="p-1")["code"]
    office.clock.advance(599)
    office.do(None, "POST", "/enrol", code=code)


def test_guessing_is_limited_over_a_sliding_window(office: Office) -> None:
    office.do("desk", "POST", "/people", reference="p-1")
    for _ in range(people.ATTEMPTS_PER_SOURCE - 1):
        assert office.call(None, "POST", "/enrol", code="0000-0000").status_code == 403
    office.clock.advance(300)
    assert office.call(None, "POST", "/enrol", code="0000-0000").status_code == 403
    code = office.do("desk", "POST", "/desk-codes", person="p-1")["code"]
    refused = office.call(None, "POST", "/enrol", code=code)
    assert refused.status_code == 429, "a good code does not help a guesser either"
    assert refused.json()["detail"] == "code: too many wrong codes within 600 s; wait, or ask the desk"
    office.clock.advance(299)
    assert office.call(None, "POST", "/enrol", code=code).status_code == 429
    office.clock.advance(1)
    # Nine of the ten attempts are out of the window now.
    office.do(None, "POST", "/enrol", code=code)


def test_guesses_from_many_places_are_limited_together(office: Office) -> None:
    with office.services.database.changing() as session:
        attempts = range(people.ATTEMPTS_IN_ALL - 1)
        session.add_all(FailedEnrolment(at=office.services.now(), source=str(number)) for number in attempts)
    with pytest.raises(people.WrongCode):
        people.enrol(office.services, typed="0000-0000", source="the last that may try")
    assert office.call(None, "POST", "/enrol", code="0000-0000").status_code == 429


def test_neither_tokens_nor_codes_are_kept(office: Office) -> None:
    office.do("desk", "POST", "/people", reference="p-1")
    code = office.do("desk", "POST", "/desk-codes", person="p-1")["code"]
    token = office.do(None, "POST", "/enrol", code=code)["token"]
    with office.services.database.reading() as session:
        assert session.scalars(select(DeskCode.code_hash)).one() != code
        assert session.scalars(select(Wallet.token_hash)).one() != token
    office.services.database.close()
    stored = b"".join(file.read_bytes() for file in office.folder.glob("waypass.db*"))
    for secret in (code, code.replace("-", ""), token, *office.tokens.values()):
        assert secret.encode() not in stored


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("none", None),
        ("another scheme", "Basic cDox"),
        ("empty", "Bearer "),
        ("unknown", "Bearer wpw_unknown"),
        ("a reference", "Bearer p-1"),
        ("not ASCII", "Bearer \xfc"),
    ],
)
def test_no_token_no_answer(office: Office, name: str, header: str | None) -> None:
    office.person("p-1")
    headers = {} if header is None else {"Authorization": header.encode("latin-1")}
    for path in ("/api/v1/me", "/api/v1/entries/1"):
        answer = office.send("GET", path, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.json()["type"] == "urn:waypass:problem:unauthenticated"


def test_a_wallet_token_is_no_staff_token_nor_the_other_way_round(office: Office) -> None:
    office.person("p-1")
    assert office.call("p-1", "POST", "/people", reference="p-2").status_code == 401
    assert office.call("desk", "GET", "/me").status_code == 401


def test_a_new_wallet_takes_the_place_of_the_one_before(office: Office) -> None:
    """A lost phone fetches no more passes."""
    office.person("p-1")
    lost = office.wallets["p-1"]
    office.person("p-1")
    office.do("p-1", "GET", "/me")
    office.wallets["lost"] = lost
    assert office.call("lost", "GET", "/me").status_code == 401


def test_tokens_of_another_network_are_unknown(office: Office) -> None:
    """One database may hold several networks; a server serves one."""
    office.person("p-1")
    settings = office.services.settings.model_copy(update={"network": "tram"})
    office.app.state.services = replace(office.services, settings=settings)
    assert office.call("p-1", "GET", "/me").status_code == 401
    assert office.call("desk", "POST", "/people", reference="p-1").status_code == 401
    undefined = office.call(None, "GET", "/network")
    assert (undefined.status_code, undefined.json()["detail"]) == (
        404,
        "network tram is not defined yet (waypass-server network apply)",
    )


def test_no_address_names_a_person(office: Office) -> None:
    """References and search words in addresses would end up in logs of addresses."""
    for path in office.send("GET", "/openapi.json").json()["paths"]:
        assert not re.search(r"\{(person|reference)\}", path)
    found = office.send("GET", "/openapi.json").json()["paths"]
    queries = [
        parameter["name"]
        for operations in found.values()
        for operation in operations.values()
        for parameter in operation.get("parameters", [])
        if parameter["in"] == "query"
    ]
    of_the_log = {"index", "size", "old", "new"}
    assert set(queries) <= {"state", "after", "format"} | of_the_log
