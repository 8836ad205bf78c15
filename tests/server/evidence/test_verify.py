"""What counts, at its edges: forms that real certificates have, times, and what ends up in the record."""

from dataclasses import fields
from datetime import UTC, date, datetime

import cbor2
import pytest
from tests.server.evidence.forge import (
    NOW,
    RECOVERY_ENTRY,
    TEST_ENTRY,
    VACCINATION_ENTRY,
    claims,
    good_signer,
    message,
    pack,
    text,
)

from waypass_server.evidence import (
    Evidence,
    Kind,
    RecoveryDetails,
    SignerSet,
    TestDetails,
    TestResult,
    VaccinationDetails,
    authenticate,
    judge,
    verify,
)
from waypass_server.evidence.signers import kid_of

KID = kid_of(good_signer())


def check(certificate: str, at: int = NOW) -> Evidence:
    return verify(certificate, signers=[good_signer()], at=at)


FORMS = [
    ("tag 18", cbor2.CBORTag(18, message(cbor2.dumps(claims())))),
    ("CWT tag around tag 18", cbor2.CBORTag(61, cbor2.CBORTag(18, message(cbor2.dumps(claims()))))),
    ("no tag", message(cbor2.dumps(claims()))),
    (
        "identifier in the unprotected header",
        message(cbor2.dumps(claims()), protected=cbor2.dumps({1: -7}), unprotected={4: KID}),
    ),
    (
        "both in the unprotected header",
        message(cbor2.dumps(claims()), protected=b"", unprotected={1: -7, 4: KID}),
    ),
    (
        "a wrong identifier in the unprotected header",
        message(cbor2.dumps(claims()), unprotected={4: b"foo"}),
    ),
    (
        "a content type in the header",
        message(cbor2.dumps(claims()), protected=cbor2.dumps({1: -7, 3: 61, 4: KID})),
    ),
]


@pytest.mark.parametrize(("name", "cose"), FORMS, ids=[row[0] for row in FORMS])
def test_forms_of_the_message(name: str, cose: object) -> None:
    assert check(pack(cbor2.dumps(cose))).kind is Kind.TEST


def test_both_ends_of_the_validity_are_included() -> None:
    certificate = text(claims({6: NOW, 4: NOW + 10}))
    assert check(certificate, at=NOW).valid_from == NOW
    assert check(certificate, at=NOW + 10).valid_until == NOW + 10


def test_fractions_of_a_second_are_dropped() -> None:
    evidence = check(text(claims({6: NOW + 0.6, 4: NOW + 10.9})))
    assert (evidence.valid_from, evidence.valid_until) == (NOW, NOW + 10)


def test_not_before_counts_when_it_is_later() -> None:
    assert check(text(claims({6: NOW - 5, 5: NOW - 2}))).valid_from == NOW - 2
    assert check(text(claims({6: NOW - 5, 5: NOW - 9}))).valid_from == NOW - 5


def test_without_an_issuer_the_country_stands_in() -> None:
    assert check(text(claims({1: None}))).issuer == "XW"
    assert check(text(claims({1: "An Office"}))).issuer == "An Office"


@pytest.mark.parametrize(
    ("code", "result"),
    [
        ("260415000", TestResult.NEGATIVE),
        ("260373001", TestResult.POSITIVE),
        ("NEGATIVO", TestResult.OTHER),
        ("26041500", TestResult.OTHER),
    ],
)
def test_only_the_agreed_code_is_a_negative_result(code: str, result: TestResult) -> None:
    details = check(text(claims(t=[{**TEST_ENTRY, "tr": code}]))).details
    assert isinstance(details, TestDetails)
    assert details.result is result


@pytest.mark.parametrize(
    "sampled",
    [
        "2027-01-15T02:00:00Z",
        "2027-01-15T02:00:00",
        "2027-01-15T04:00:00+02:00",
        "2027-01-15T04:00:00.250+0200",
        datetime(2027, 1, 15, 2, tzinfo=UTC),
    ],
)
def test_spellings_of_the_sample_time(sampled: object) -> None:
    details = check(text(claims(t=[{**TEST_ENTRY, "sc": sampled}]))).details
    assert isinstance(details, TestDetails)
    assert details.sampled_at == NOW - 6 * 3600


def test_vaccination() -> None:
    evidence = check(text(claims(v=[dict(VACCINATION_ENTRY)])))
    assert evidence.kind is Kind.VACCINATION
    expected = VaccinationDetails(dose=2, doses_in_series=2, on=date(2026, 12, 24), product="EU/1/20/1528")
    assert evidence.details == expected


def test_of_several_doses_the_newest_counts() -> None:
    first = {**VACCINATION_ENTRY, "dn": 1, "dt": "2026-11-20"}
    second = {**VACCINATION_ENTRY, "dn": 2, "dt": "2026-12-24T00:00:00"}
    for entries in ([first, second], [second, first]):
        details = check(text(claims(v=entries))).details
        assert isinstance(details, VaccinationDetails)
        assert (details.dose, details.on) == (2, date(2026, 12, 24))


def test_recovery_beside_groups_that_are_not_there() -> None:
    evidence = check(text(claims(r=[dict(RECOVERY_ENTRY)], t=None, v=[])))
    assert evidence.kind is Kind.RECOVERY
    assert evidence.details == RecoveryDetails(
        first_positive_on=date(2026, 12, 1), valid_from=date(2026, 12, 12), valid_until=date(2027, 6, 1)
    )


def test_the_same_certificate_signed_again_has_the_same_digest() -> None:
    once, again = text(claims()), text(claims({4: NOW + 500}))
    other = text(claims(t=[{**TEST_ENTRY, "ci": "URN:UVCI:01:XW:OTHER"}]))
    assert once != again
    assert check(once).certificate_digest == check(again).certificate_digest
    assert len(check(once).certificate_digest) == 32
    assert check(other).certificate_digest != check(once).certificate_digest


def test_the_record_has_no_room_for_a_person() -> None:
    evidence = check(text(claims()))
    held = {field.name for part in (evidence, evidence.details) for field in fields(part)}
    assert held == {
        *("issuer", "country", "disease", "valid_from", "valid_until", "certificate_digest", "details"),
        *("result", "sampled_at", "test_type"),
    }
    assert "Wandel" not in repr(evidence)
    assert "1980" not in repr(evidence)


def test_authenticate_gives_the_claims_also_when_they_are_out_of_time() -> None:
    content = claims({4: NOW - 500})
    signed = authenticate(text(content), signers=SignerSet.of([good_signer()]))
    assert signed.claims == content
    assert judge(signed, at=NOW - 600).valid_until == NOW - 500
