"""The demonstration health authority, held against the server's verification and against a QR decoder."""

import subprocess
import sys
from collections.abc import Callable
from datetime import date
from random import Random

import cv2
import numpy as np
import pytest
import zxingcpp
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from waypass_server.evidence import (
    Kind,
    OutOfTimeError,
    RecoveryDetails,
    TestDetails,
    TestResult,
    UntrustedError,
    VaccinationDetails,
    authenticate,
    verify,
)
from waypass_simulator.health import CertificateKind, HealthAuthority, InventedPerson, health_qr_png

NOW = 1_800_000_000
DAY = 86_400
IDA = InventedPerson(family_name="Wandel Müller", given_name="Ida", born=date(1980, 2, 3))


def authority(seed: int = 1, kinds: frozenset[CertificateKind] = frozenset(CertificateKind)) -> HealthAuthority:
    key = ec.derive_private_key(1000 + seed, ec.SECP256R1())
    return HealthAuthority.make(key=key, random=Random(seed).randbytes, now=NOW, kinds=kinds)


def test_a_negative_and_a_positive_test() -> None:
    office = authority()
    for positive, result in ((False, TestResult.NEGATIVE), (True, TestResult.POSITIVE)):
        text = office.test(IDA, positive=positive, now=NOW)
        evidence = verify(text, signers=[office.certificate_der], at=NOW)
        sampled = NOW - 6 * 3600
        assert evidence.details == TestDetails(result=result, sampled_at=sampled, test_type="LP6464-4")
        assert (evidence.issuer, evidence.valid_from, evidence.valid_until) == ("XW", NOW, NOW + 3 * DAY)


def test_a_vaccination() -> None:
    office = authority()
    evidence = verify(office.vaccination(IDA, now=NOW, dose=1, series=2), signers=[office.certificate], at=NOW)
    expected = VaccinationDetails(dose=1, doses_in_series=2, on=date(2027, 1, 1), product="EU/1/20/1528")
    assert evidence.details == expected


def test_a_recovery() -> None:
    office = authority()
    evidence = verify(office.recovery(IDA, now=NOW), signers=[office.certificate], at=NOW)
    expected = RecoveryDetails(
        first_positive_on=date(2026, 12, 25), valid_from=date(2027, 1, 5), valid_until=date(2027, 7, 14)
    )
    assert evidence.details == expected


def test_the_claims_name_the_invented_person() -> None:
    office = authority()
    claims = authenticate(office.test(IDA, positive=False, now=NOW), signers=[office.certificate]).claims
    assert isinstance(claims, dict)
    names = {"fn": "Wandel Müller", "fnt": "WANDEL<M<LLER", "gn": "Ida", "gnt": "IDA"}
    assert claims[-260][1]["nam"] == names
    assert claims[-260][1]["dob"] == "1980-02-03"


CERTIFY: list[tuple[Kind, CertificateKind, Callable[[HealthAuthority], str]]] = [
    (Kind.TEST, CertificateKind.TEST, lambda office: office.test(IDA, positive=False, now=NOW)),
    (Kind.VACCINATION, CertificateKind.VACCINATION, lambda office: office.vaccination(IDA, now=NOW)),
    (Kind.RECOVERY, CertificateKind.RECOVERY, lambda office: office.recovery(IDA, now=NOW)),
]


@pytest.mark.parametrize(("kind", "allowed", "certify"), CERTIFY, ids=[row[0] for row in CERTIFY])
def test_a_signer_for_chosen_kinds(
    kind: Kind, allowed: CertificateKind, certify: Callable[[HealthAuthority], str]
) -> None:
    only = authority(kinds=frozenset({allowed}))
    assert verify(certify(only), signers=[only.certificate], at=NOW).kind is kind
    others = authority(kinds=frozenset(CertificateKind) - {allowed})
    with pytest.raises(UntrustedError, match=f"got a certificate of {kind}"):
        verify(certify(others), signers=[others.certificate], at=NOW)
    unnamed = authority(kinds=frozenset())
    assert verify(certify(unnamed), signers=[unnamed.certificate], at=NOW).kind is kind


def test_it_expires_and_another_authority_does_not_vouch_for_it() -> None:
    office = authority()
    text = office.test(IDA, positive=False, now=NOW)
    with pytest.raises(OutOfTimeError, match="in force until"):
        verify(text, signers=[office.certificate], at=NOW + 3 * DAY + 1)
    with pytest.raises(UntrustedError, match="none of 1 key identifiers"):
        verify(text, signers=[authority(seed=2).certificate], at=NOW)


def test_the_same_key_randomness_and_time_give_the_same_bytes() -> None:
    first, second = authority(), authority()
    assert first.certificate_der == second.certificate_der
    assert first.test(IDA, positive=True, now=NOW) == second.test(IDA, positive=True, now=NOW)
    assert first.test(IDA, positive=True, now=NOW) != first.test(IDA, positive=True, now=NOW)


def test_the_signer_certificate_is_for_signatures_only() -> None:
    usage = authority().certificate.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.digital_signature
    assert not usage.value.key_cert_sign


@pytest.mark.parametrize(("kind", "allowed", "certify"), CERTIFY, ids=[row[0] for row in CERTIFY])
def test_from_picture_to_record(
    kind: Kind, allowed: CertificateKind, certify: Callable[[HealthAuthority], str]
) -> None:
    office = authority()
    picture = cv2.imdecode(np.frombuffer(health_qr_png(certify(office)), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    (code,) = zxingcpp.read_barcodes(picture)
    assert code.ec_level == "Q"
    assert verify(code.text, signers=[office.certificate], at=NOW).kind is kind


def test_the_picture_is_in_alphanumeric_mode() -> None:
    # 500 characters at level Q fit into version 17 in alphanumeric mode; as bytes they would take version 21.
    png = health_qr_png("HC1:" + "A" * 496, pixels_per_module=1)
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    assert picture.shape == (17 * 4 + 17 + 8, 17 * 4 + 17 + 8)


def test_it_does_not_import_the_server() -> None:
    program = "import sys, waypass_simulator.health; print([m for m in sys.modules if m.startswith('waypass_server')])"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout == "[]\n"
