"""Whose signatures count, and for what."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from tests.server.evidence import forge
from tests.server.evidence.forge import (
    HOUR,
    KEY,
    NOW,
    OLDER_RECOVERY_USAGE,
    OLDER_TEST_USAGE,
    OTHER_KEY,
    RECOVERY_ENTRY,
    RECOVERY_USAGE,
    TEST_ENTRY,
    TEST_USAGE,
    TLS_CLIENT_USAGE,
    VACCINATION_ENTRY,
    VACCINATION_USAGE,
    claims,
    signer,
    text,
)

from waypass_server.evidence import (
    Evidence,
    Kind,
    OutOfTimeError,
    SignerSet,
    UntrustedError,
    verify,
)
from waypass_server.evidence.signers import kid_of, read_signer

PS256 = -37
GROUPS: dict[Kind, dict[str, object]] = {
    Kind.TEST: {"t": [dict(TEST_ENTRY)]},
    Kind.VACCINATION: {"v": [dict(VACCINATION_ENTRY)]},
    Kind.RECOVERY: {"r": [dict(RECOVERY_ENTRY)]},
}


def check(kind: Kind, der: bytes, at: int = NOW) -> Evidence:
    return verify(text(claims(**GROUPS[kind]), der=der), signers=[der], at=at)


@pytest.mark.parametrize(
    ("name", "usages", "kinds"),
    [
        ("no usage named", [], set(Kind)),
        ("only a usage of another field", [TLS_CLIENT_USAGE], set(Kind)),
        ("tests", [TEST_USAGE], {Kind.TEST}),
        ("vaccinations", [VACCINATION_USAGE], {Kind.VACCINATION}),
        ("recoveries", [RECOVERY_USAGE], {Kind.RECOVERY}),
        ("two, in the older numbering", [OLDER_TEST_USAGE, OLDER_RECOVERY_USAGE], {Kind.TEST, Kind.RECOVERY}),
        ("one beside another field's", [TLS_CLIENT_USAGE, VACCINATION_USAGE], {Kind.VACCINATION}),
        ("all", [TEST_USAGE, VACCINATION_USAGE, RECOVERY_USAGE], set(Kind)),
    ],
)
def test_named_usages(name: str, usages: list[str], kinds: set[Kind]) -> None:
    der = signer(usages=usages)
    for kind in Kind:
        if kind in kinds:
            assert check(kind, der).kind is kind
        else:
            with pytest.raises(UntrustedError, match=f"the signer may sign .*, got a certificate of {kind}") as caught:
                check(kind, der)
            assert caught.value.reason == "key-usage"


def test_a_key_that_may_not_sign() -> None:
    with pytest.raises(UntrustedError, match="does not allow digital signatures") as caught:
        check(Kind.TEST, signer(signatures=False))
    assert caught.value.reason == "key-usage"
    assert check(Kind.TEST, signer(signatures=None)).kind is Kind.TEST


def test_both_ends_of_the_signers_validity_are_included() -> None:
    der = signer(start=NOW - 10, end=NOW + 10)
    assert check(Kind.TEST, der, at=NOW - 10).kind is Kind.TEST
    assert check(Kind.TEST, der, at=NOW + 10).kind is Kind.TEST
    for at in (NOW - 11, NOW + 11):
        with pytest.raises(OutOfTimeError, match=f"from {NOW - 10} to {NOW + 10}, asked about {at}") as caught:
            check(Kind.TEST, der, at=at)
        assert caught.value.reason == "signer-validity"


def test_ps256() -> None:
    key = forge.rsa_key(2048)
    der = signer(key)
    assert verify(text(claims(), key=key, der=der, algorithm=PS256), signers=[der], at=NOW).kind is Kind.TEST


def test_ps256_by_another_key() -> None:
    der = signer(forge.rsa_key(2048))
    certificate = text(claims(), key=forge.rsa_key(3072), der=der, algorithm=PS256)
    with pytest.raises(UntrustedError, match="not this signer's") as caught:
        verify(certificate, signers=[der], at=NOW)
    assert caught.value.reason == "bad-signature"


def test_a_short_rsa_key() -> None:
    key = forge.rsa_key(1024)
    der = signer(key)
    with pytest.raises(UntrustedError, match="RSA key of 2048 bits or more") as caught:
        verify(text(claims(), key=key, der=der, algorithm=PS256), signers=[der], at=NOW)
    assert caught.value.reason == "algorithm"


@pytest.mark.parametrize("key", [ec.generate_private_key(ec.SECP384R1()), forge.rsa_key(2048)], ids=["P-384", "RSA"])
def test_es256_with_another_key(key: forge.SignerKey) -> None:
    der = signer(key)
    with pytest.raises(UntrustedError, match="ES256: expected a signer with a P-256 key") as caught:
        verify(text(claims(), key=key, der=der), signers=[der], at=NOW)
    assert caught.value.reason == "algorithm"


def test_a_key_of_no_known_type() -> None:
    der = signer(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)))
    with pytest.raises(UntrustedError, match="expected a signer's certificate with an EC or RSA key") as caught:
        verify(text(claims(), der=der), signers=[der], at=NOW)
    assert caught.value.reason == "signer-unreadable"


def test_a_signer_that_cannot_be_read_harms_only_itself() -> None:
    good, broken = signer(), signer()[:-1]
    signers = SignerSet.of([broken, good, b""])
    assert verify(text(claims(), der=good), signers=signers, at=NOW).kind is Kind.TEST
    with pytest.raises(UntrustedError, match="the signer's certificate cannot be read") as caught:
        verify(text(claims(), der=broken), signers=signers, at=NOW)
    assert caught.value.reason == "signer-unreadable"


def test_all_signers_with_the_same_identifier_are_tried() -> None:
    wanted, other = signer(KEY), signer(OTHER_KEY)
    certificate = text(claims(), der=wanted)
    for held in ((other, wanted), (wanted, other), (b"unreadable", wanted)):
        signers = SignerSet(by_kid={kid_of(wanted): held})
        assert verify(certificate, signers=signers, at=NOW).kind is Kind.TEST
    with pytest.raises(UntrustedError, match="not this signer's"):
        verify(certificate, signers=SignerSet(by_kid={kid_of(wanted): (other,)}), at=NOW)


def test_signers_are_given_as_bytes_or_read_and_counted_once() -> None:
    der = signer()
    signers = SignerSet.of([der, x509.load_der_x509_certificate(der), der])
    assert dict(signers.by_kid) == {kid_of(der): (der,)}


def test_what_is_read_from_a_signer() -> None:
    read = read_signer(signer(start=NOW - HOUR, end=NOW + HOUR, usages=[TEST_USAGE]))
    assert (read.not_before, read.not_after) == (NOW - HOUR, NOW + HOUR)
    assert (read.kinds, read.may_sign) == (frozenset({Kind.TEST}), True)
