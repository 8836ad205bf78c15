"""Certificates with one thing wrong each, and the reason that is given. The good case stands first."""

import zlib
from collections.abc import Mapping

import cbor2
import pytest
from tests.server.evidence.forge import (
    HOUR,
    KEY,
    NOW,
    OTHER_KEY,
    RECOVERY_ENTRY,
    TEST_ENTRY,
    VACCINATION_ENTRY,
    claims,
    good_signer,
    message,
    pack,
    pack_compressed,
    sign,
    text,
)

from waypass_server.evidence import (
    Evidence,
    EvidenceError,
    Kind,
    OutOfTimeError,
    TestDetails,
    TestResult,
    UnreadableError,
    UntrustedError,
    verify,
)
from waypass_server.evidence.signers import kid_of

GOOD = text(claims())
KID = kid_of(good_signer())


def tagged(parts: object, tag: int = 18) -> str:
    return pack(cbor2.dumps(cbor2.CBORTag(tag, parts)))


def with_headers(protected: object, unprotected: Mapping[object, object]) -> str:
    """Well signed, with these headers; a protected header of None is written as no bytes."""
    encoded = b"" if protected is None else cbor2.dumps(protected)
    return tagged(message(cbor2.dumps(claims()), protected=encoded, unprotected=unprotected))


def changed(entry: Mapping[str, object], **fields: object) -> dict[str, object]:
    """An entry with some fields changed; None removes one."""
    return {key: value for key, value in {**entry, **fields}.items() if value is not None}


def check(certificate: str) -> Evidence:
    return verify(certificate, signers=[good_signer()], at=NOW)


def test_the_good_certificate_is_good() -> None:
    evidence = check(GOOD)
    assert (evidence.kind, evidence.issuer, evidence.country, evidence.disease) == (Kind.TEST, "XW", "XW", "840539006")
    assert (evidence.valid_from, evidence.valid_until) == (NOW - HOUR, NOW + 24 * HOUR)
    sampled = NOW - 6 * HOUR
    assert evidence.details == TestDetails(result=TestResult.NEGATIVE, sampled_at=sampled, test_type="LP6464-4")


UNREADABLE = [
    ("empty", "", "not-hcert", "starts with HC1:"),
    ("another version", "HC2:" + GOOD[4:], "not-hcert", "starts with HC1:"),
    ("small letters", GOOD.lower(), "not-hcert", "starts with HC1:"),
    ("space before", " " + GOOD, "not-hcert", "starts with HC1:"),
    ("a text longer than any QR code", GOOD + "0" * 4296, "too-large", "at most 4296 characters"),
    ("only the prefix", "HC1:", "compression", "ends early"),
    ("newline after", GOOD + "\n", "base45", "expected Base45"),
    ("a small letter", GOOD[:20] + "a" + GOOD[21:], "base45", "expected Base45"),
    ("not ASCII", GOOD[:20] + "é" + GOOD[21:], "base45", "expected Base45"),
    ("half of a surrogate pair", GOOD[:20] + "\ud800" + GOOD[21:], "base45", "expected Base45"),
    ("a value over 65535", "HC1::::", "base45", "expected Base45"),
    ("one character left over", "HC1:0000", "base45", "expected Base45"),
    ("not compressed", pack_compressed(b"\xd2\x84" + bytes(40)), "compression", "expected a zlib stream"),
    ("cut off", pack_compressed(zlib.compress(bytes(500))[:-5]), "compression", "ends early"),
    ("bytes after zlib", pack_compressed(zlib.compress(b"\xa0") + b"\0"), "compression", "1 bytes are left over"),
    ("a bomb", pack(bytes(2_000_000)), "too-large", "at most 16384 bytes"),
    ("one byte too many", pack(bytes(16_385)), "too-large", "at most 16384 bytes"),
    ("nothing inside", pack(b""), "cbor", "COSE: expected 1 bytes at 0, got 0"),
    ("bytes after COSE", pack(cbor2.dumps(message(b"\xa0")) + b"\0"), "cbor", "COSE: 1 bytes are left over"),
    ("an unknown tag", tagged(message(b"\xa0"), tag=98), "cbor", "COSE: tag 98 has no place here"),
    ("a CWT tag around no COSE tag", tagged(message(b"\xa0"), tag=61), "cose", "expected tag 18 inside the CWT tag"),
    ("COSE tag twice", tagged(cbor2.CBORTag(18, message(b""))), "cose", "expected an array of 4 parts, got CBORTag"),
    ("CWT tag inside", tagged(cbor2.CBORTag(61, message(b""))), "cose", "expected an array of 4 parts, got CBORTag"),
    ("three parts", tagged(message(b"\xa0")[:3]), "cose", "expected an array of 4 parts, got 3 parts"),
    ("a map", tagged({1: 2}), "cose", "expected an array of 4 parts, got dict"),
    ("no payload", tagged([b"", {}, None, bytes(64)]), "cose", "payload: expected bytes, got NoneType"),
    ("protected header not wrapped", tagged([{}, {}, b"", b""]), "cose", "protected header: expected bytes, got dict"),
    ("unprotected header no map", tagged([b"", [], b"", b""]), "cose", "unprotected header: expected a map, got list"),
    ("signature no bytes", tagged([b"", {}, b"", "s"]), "cose", "signature: expected bytes, got str"),
    ("protected header no map", with_headers([1], {}), "cose", "protected header: expected a map, got list"),
    ("critical header", with_headers({1: -7, 2: [99], 4: KID}, {}), "cose", "critical headers are not understood"),
    ("no algorithm", with_headers({4: KID}, {}), "cose", "alg: expected an integer, got NoneType"),
    ("algorithm as text", with_headers({1: "ES256", 4: KID}, {}), "cose", "alg: expected an integer, got str"),
    ("algorithm true", with_headers({1: True, 4: KID}, {}), "cose", "alg: expected an integer, got bool"),
    ("no key identifier", with_headers({1: -7}, {}), "cose", "kid: expected bytes, got NoneType"),
    ("claims are no CBOR", tagged(message(b"\xff")), "cbor", "claims: byte 0xff at 0 does not start an item"),
    ("bytes after the claims", tagged(message(cbor2.dumps(claims()) + b"\0")), "cbor", "claims: 1 bytes are left over"),
]

CLAIMS = [
    ("no map", [1], "claims: expected a map, got list"),
    ("no issue time", claims({6: None}), "claim 6: expected seconds"),
    ("no expiry", claims({4: None}), "claim 4: expected seconds"),
    ("expiry as text", claims({4: "2027"}), "claim 4: expected seconds"),
    ("expiry true", claims({4: True}), "claim 4: expected seconds"),
    ("expiry never", claims({4: float("inf")}), "claim 4: expected seconds from 0 to 253402300799"),
    ("expiry not a number", claims({4: float("nan")}), "claim 4: expected seconds"),
    ("issued before 1970", claims({6: -1}), "claim 6: expected seconds from 0"),
    ("not before as text", claims({5: "2027"}), "claim 5: expected seconds"),
    ("issuer a number", claims({1: 7}), "iss: expected a text"),
    ("issuer too long", claims({1: "X" * 101}), "iss: expected a text of 1 to 100 printable characters"),
    ("no certificate", claims({-260: None}), "claim -260: expected a map, got NoneType"),
    ("a certificate of another version", claims({-260: {2: {}}}), "claim -260, 1: expected a map, got NoneType"),
    ("no group", claims({-260: {1: {"ver": "1.3.0"}}}), "exactly one of the groups .*, got 0"),
    ("groups null and empty", claims(t=None, v=[]), "exactly one of the groups .*, got 0"),
    (
        "two groups",
        claims(t=[dict(TEST_ENTRY)], r=[dict(RECOVERY_ENTRY)]),
        "exactly one of the groups .*, got 2",
    ),
    ("a group that is no list", claims(t=dict(TEST_ENTRY)), "test: expected a list of entries, got dict"),
    ("an entry that is no map", claims(t=[7]), "test entry: expected a map, got int"),
    ("two tests", claims(t=[dict(TEST_ENTRY)] * 2), "test: expected one entry, got 2"),
    ("two recoveries", claims(r=[dict(RECOVERY_ENTRY)] * 2), "recovery: expected one entry, got 2"),
    ("no identifier", claims(t=[changed(TEST_ENTRY, ci=None)]), "test, ci: expected a text"),
    ("an empty identifier", claims(t=[changed(TEST_ENTRY, ci="")]), "test, ci: expected a text of 1 to 100"),
    ("a result as number", claims(t=[changed(TEST_ENTRY, tr=260415000)]), "test, tr: expected a text"),
    (
        "a control character",
        claims(t=[changed(TEST_ENTRY, tg="8405\0")]),
        "test, tg: expected a text of 1 to 100",
    ),
    ("no sample time", claims(t=[changed(TEST_ENTRY, sc=None)]), "test, sc: expected a text"),
    ("a sample time in words", claims(t=[changed(TEST_ENTRY, sc="noon")]), "test, sc: expected a time such as"),
    ("dose 0", claims(v=[changed(VACCINATION_ENTRY, dn=0)]), "vaccination, dn: expected a number from 1 to 99"),
    ("dose as text", claims(v=[changed(VACCINATION_ENTRY, dn="2")]), "vaccination, dn: expected a number from 1 to 99"),
    ("doses true", claims(v=[changed(VACCINATION_ENTRY, sd=True)]), "vaccination, sd: expected a number from 1 to 99"),
    (
        "30 February",
        claims(v=[changed(VACCINATION_ENTRY, dt="2027-02-30")]),
        "vaccination, dt: expected a date",
    ),
    ("only a month", claims(r=[changed(RECOVERY_ENTRY, fr="2026-12")]), "recovery, fr: expected a date"),
    ("week date", claims(r=[changed(RECOVERY_ENTRY, df="2026-W50-1")]), "recovery, df: expected a date"),
    (
        "more after a date",
        claims(r=[changed(RECOVERY_ENTRY, du="2027-06-01x")]),
        "recovery, du: expected a date",
    ),
]

UNTRUSTED = [
    ("EdDSA", with_headers({1: -8, 4: KID}, {}), "algorithm", r"expected ES256 \(-7\) or PS256 \(-37\), got -8"),
    ("no signature algorithm at all", with_headers({1: 0, 4: KID}, {}), "algorithm", "got 0"),
    ("PS256 with a P-256 key", with_headers({1: -37, 4: KID}, {}), "algorithm", "PS256: expected a signer with an RSA"),
    (
        "protected algorithm counts",
        with_headers({1: -35, 4: KID}, {1: -7}),
        "algorithm",
        "got -35",
    ),
    (
        "an unknown signer",
        with_headers({1: -7, 4: b"unknown!"}, {}),
        "unknown-signer",
        "none of 1 key identifiers",
    ),
    ("a short identifier", with_headers({1: -7, 4: KID[:4]}, {}), "unknown-signer", "none of 1 key identifiers"),
    (
        "protected identifier counts",
        with_headers({1: -7, 4: b"unknown!"}, {4: KID}),
        "unknown-signer",
        "none of 1 key identifiers",
    ),
    ("signed by another key", text(claims(), key=OTHER_KEY), "bad-signature", "not this signer's over these bytes"),
    (
        "signature over something else",
        tagged(message(cbor2.dumps(claims()), signature=sign(KEY, b"something else"))),
        "bad-signature",
        "not this signer's over these bytes",
    ),
    (
        "a signature in DER's length",
        tagged(message(b"\xa0", signature=bytes(70))),
        "bad-signature",
        "expected 64 bytes, got 70",
    ),
    ("a signature of zeros", tagged(message(b"\xa0", signature=bytes(64))), "bad-signature", "not this signer's"),
]

OUT_OF_TIME = [
    ("issued a second later", text(claims({6: NOW + 1})), "not-yet-valid", f"from {NOW + 1}, asked about {NOW}"),
    ("counts from later", text(claims({5: NOW + 60})), "not-yet-valid", f"from {NOW + 60}, asked about {NOW}"),
    ("expired a second ago", text(claims({4: NOW - 1})), "expired", f"until {NOW - 1}, asked about {NOW}"),
    ("expired half a second ago", text(claims({4: NOW - 0.5})), "expired", f"until {NOW - 1}, asked about {NOW}"),
]


@pytest.mark.parametrize(("name", "certificate", "reason", "words"), UNREADABLE, ids=[row[0] for row in UNREADABLE])
def test_unreadable(name: str, certificate: str, reason: str, words: str) -> None:
    with pytest.raises(UnreadableError, match=words) as caught:
        check(certificate)
    assert caught.value.reason == reason


@pytest.mark.parametrize(("name", "content", "words"), CLAIMS, ids=[row[0] for row in CLAIMS])
def test_wrong_claims(name: str, content: object, words: str) -> None:
    with pytest.raises(UnreadableError, match=words) as caught:
        check(text(content))
    assert caught.value.reason == "claims"


@pytest.mark.parametrize(("name", "certificate", "reason", "words"), UNTRUSTED, ids=[row[0] for row in UNTRUSTED])
def test_untrusted(name: str, certificate: str, reason: str, words: str) -> None:
    with pytest.raises(UntrustedError, match=words) as caught:
        check(certificate)
    assert caught.value.reason == reason


@pytest.mark.parametrize(("name", "certificate", "reason", "words"), OUT_OF_TIME, ids=[row[0] for row in OUT_OF_TIME])
def test_out_of_time(name: str, certificate: str, reason: str, words: str) -> None:
    with pytest.raises(OutOfTimeError, match=words) as caught:
        check(certificate)
    assert caught.value.reason == reason


def test_without_signers_nothing_is_trusted() -> None:
    with pytest.raises(UntrustedError, match="none of 0 key identifiers"):
        verify(GOOD, signers=[], at=NOW)


def test_messages_do_not_repeat_what_a_certificate_says() -> None:
    entry = changed(TEST_ENTRY, sc="Wandel, Ida", tr=7)
    for content in (claims(t=[entry]), claims(t=[changed(entry, tr="x")])):
        with pytest.raises(EvidenceError) as caught:
            check(text(content))
        assert "Wandel" not in str(caught.value)
