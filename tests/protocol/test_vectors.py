"""The protocol held against vectors that others wrote (the shared folder's README names their origin and licence).

Every case is asserted one way or the other; where this project refuses what a vector accepts, the test says why.
"""

import json
from base64 import urlsafe_b64decode
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from waypass_protocol import bits, cose
from waypass_protocol.cose import Envelope, Header
from waypass_protocol.errors import BadSignature, Malformed
from waypass_protocol.keys import HolderKey, TrustedKey, Use, key_id
from waypass_protocol.passes import PASS_PREFIX, decode_base45, encode_base45

pytestmark = pytest.mark.shared


@pytest.fixture(scope="session")
def vectors(shared_dir: Path) -> Path:
    return shared_dir / "vectors"


def load(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def unpadded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


# Token Status List


@pytest.mark.parametrize("width", [1, 2, 4, 8])
@pytest.mark.parametrize("form", ["json", "cbor"])
def test_token_status_lists_of_every_width(vectors: Path, width: int, form: str) -> None:
    """Every one of the 2^20 statuses: those named, and 0 for all others."""
    (vector,) = [each for each in load(vectors / "token-status-list.json")["vectors"] if each["bits"] == width]
    if form == "json":
        lst, stated = unpadded(vector["json"]["lst"]), vector["json"]["bits"]
    else:
        decoded = cbor2.loads(bytes.fromhex(vector["cbor_hex"]))
        lst, stated = decoded["lst"], decoded["bits"]
    assert stated == width
    packed = bits.inflate(lst, vector["size"] * width // 8)
    named = {int(idx): status for idx, status in vector["statuses"].items()}
    assert {idx: bits.status_of_width(packed, width, idx) for idx in named} == named
    expected = bytearray(len(packed))
    for idx, status in named.items():
        expected[idx * width // 8] |= status << idx * width % 8
    assert packed == expected


def test_the_two_bit_list_reads_as_this_projects_own(vectors: Path) -> None:
    (vector,) = [each for each in load(vectors / "token-status-list.json")["vectors"] if each["bits"] == 2]
    packed = bits.inflate(unpadded(vector["json"]["lst"]))
    rebuilt = bytearray(bits.LIST_BYTES)
    for idx, status in vector["statuses"].items():
        assert bits.status_at(packed, int(idx)) == status
        bits.set_status(rebuilt, int(idx), status)
    assert rebuilt == packed


@pytest.mark.parametrize("width", [1, 4, 8])
def test_a_snapshot_of_another_width_has_another_size(vectors: Path, width: int) -> None:
    (vector,) = [each for each in load(vectors / "token-status-list.json")["vectors"] if each["bits"] == width]
    with pytest.raises(Malformed, match="exactly 262144 bytes"):
        bits.inflate(unpadded(vector["json"]["lst"]))


# Base45


def test_base45(vectors: Path) -> None:
    cases = load(vectors / "base45.json")
    assert (len(cases["good"]), len(cases["bad"])) == (16, 7)
    for raw, text in cases["good"]:
        assert decode_base45(PASS_PREFIX + text, PASS_PREFIX) == bytes.fromhex(raw)
        assert encode_base45(bytes.fromhex(raw), PASS_PREFIX) == PASS_PREFIX + text
    for text in cases["bad"]:
        with pytest.raises(Malformed, match="not Base45"):
            decode_base45(PASS_PREFIX + text, PASS_PREFIX)


# COSE_Sign1

# name -> what the signature is worth to this project's verifiers, once the parts are taken out by hand
SIGNATURES = {
    "ecdsa-examples/ecdsa-sig-01": "good",
    "ecdsa-examples/ecdsa-sig-02": "P-384: no holder key here",
    "ecdsa-examples/ecdsa-sig-03": "P-521: no holder key here",
    "ecdsa-examples/ecdsa-sig-04": "bad",  # good with SHA-512, which is not ES256
    "eddsa-examples/eddsa-sig-01": "good",
    "eddsa-examples/eddsa-sig-02": "Ed448: no issuer key here",
    "sign1-tests/sign-fail-01": "good",  # what fails is the tag, see `test_none_has_the_form_of_a_pass`
    "sign1-tests/sign-fail-02": "bad",
    "sign1-tests/sign-fail-03": "bad",
    "sign1-tests/sign-fail-04": "bad",
    "sign1-tests/sign-fail-06": "bad",
    "sign1-tests/sign-fail-07": "bad",
    "sign1-tests/sign-pass-01": "good",
    "sign1-tests/sign-pass-02": "good",
    "sign1-tests/sign-pass-03": "good",
}
# name -> the rule of form that it breaks; each carries `kid` in the unprotected header, which alone would do
FORMS = {
    "sign1-tests/sign-fail-01": "expected no tag but 18, got 998",
    "sign1-tests/sign-pass-03": "got an untagged item",
}


def parts_of(example: Any) -> tuple[bytes, bytes, bytes]:
    """Protected header, payload and signature, by the library alone."""
    outer = cbor2.loads(bytes.fromhex(example["output"]["cbor"]))
    protected, _, payload, signature = outer.value if isinstance(outer, cbor2.CBORTag) else outer
    return protected, payload, signature


def verify(key: dict[str, str], envelope: Envelope, external: bytes) -> None:
    """Through this project's own keys."""
    if key["kty"] == "EC":
        holder = HolderKey.from_coordinates(unpadded(key["x"]), unpadded(key["y"]))
        holder.verify(envelope.signature, envelope.to_be_signed(external))
    else:
        issuer_key(bytes.fromhex(key["x_hex"])).verify(envelope)


def issuer_key(raw: bytes) -> TrustedKey:
    public = ed25519.Ed25519PublicKey.from_public_bytes(raw)
    return TrustedKey(kid=key_id(raw), public=public, uses=frozenset({Use.PASS}), nbf=0, exp=1)


@pytest.mark.parametrize("name", SIGNATURES)
def test_cose_signatures(vectors: Path, name: str) -> None:
    example = load(vectors / "cose" / f"{name}.json")
    protected, payload, signature = parts_of(example)
    if protected == b"\xa0":  # sign-pass-01: an empty header as h'A0', signed as h'' (RFC 9052 §3); ours is never empty
        protected = b""
    given = example["input"]["sign0"]
    external = bytes.fromhex(given.get("external", ""))
    envelope = Envelope(protected=protected, kid=b"", payload=payload, signature=signature)
    expected = SIGNATURES[name]
    if expected == "good":
        assert envelope.to_be_signed(external).hex().upper() == example["intermediates"]["ToBeSign_hex"]
        verify(given["key"], envelope, external)
    elif expected == "bad":
        with pytest.raises(BadSignature, match="does not verify"):
            verify(given["key"], envelope, external)
    elif given["key"]["kty"] == "EC":
        with pytest.raises(Malformed, match="expected coordinates of 32 bytes"):
            verify(given["key"], envelope, external)
    else:
        assert len(bytes.fromhex(given["key"]["x_hex"])) == 57


def test_an_external_aad_left_out_does_not_verify(vectors: Path) -> None:
    example = load(vectors / "cose/sign1-tests/sign-pass-02.json")
    protected, payload, signature = parts_of(example)
    envelope = Envelope(protected=protected, kid=b"", payload=payload, signature=signature)
    with pytest.raises(BadSignature, match="does not verify"):
        verify(example["input"]["sign0"]["key"], envelope, b"")


@pytest.mark.parametrize("header", Header)
def test_none_has_the_form_of_a_pass(vectors: Path, header: Header) -> None:
    """An unprotected header, another tag or none, COSE_Sign: each breaks a rule of form before any key is asked."""
    files = sorted((vectors / "cose").glob("*/*.json"))
    assert len(files) == 21
    for path in files:
        name = f"{path.parent.name}/{path.stem}"
        message = FORMS.get(name, "expected an empty unprotected header|expected no tag but 18, got 98")
        with pytest.raises(Malformed, match=message):
            cose.parse(bytes.fromhex(load(path)["output"]["cbor"]), header)


# Wycheproof


def test_wycheproof_ed25519(vectors: Path) -> None:
    """All 151: the file knows valid and invalid only."""
    suite, seen = load(vectors / "wycheproof/ed25519_test.json"), 0
    for group in suite["testGroups"]:
        key = issuer_key(bytes.fromhex(group["publicKey"]["pk"]))
        for case in group["tests"]:
            seen += 1
            assert is_verified(key, case) == (case["result"] == "valid"), case
    assert seen == suite["numberOfTests"] == 151


def is_verified(key: TrustedKey, case: dict[str, str]) -> bool:
    """A bare signature over a bare message; only the Sig_structure around it is left out."""

    class Bare(Envelope):
        def to_be_signed(self, external_aad: bytes = b"") -> bytes:  # noqa: ARG002 - an issuer's has none
            return self.payload

    envelope = Bare(
        protected=b"", kid=key.kid, payload=bytes.fromhex(case["msg"]), signature=bytes.fromhex(case["sig"])
    )
    try:
        key.verify(envelope)
    except BadSignature:
        return False
    return True


def test_wycheproof_p256(vectors: Path) -> None:
    """All 262, signatures of other lengths included; (r, n - s) is as valid as (r, s), here as in the suite."""
    suite, seen = load(vectors / "wycheproof/ecdsa_secp256r1_sha256_p1363_test.json"), 0
    for group in suite["testGroups"]:
        point = bytes.fromhex(group["publicKey"]["uncompressed"])
        key = HolderKey.from_coordinates(point[1:33], point[33:])
        for case in group["tests"]:
            seen += 1
            try:
                key.verify(bytes.fromhex(case["sig"]), bytes.fromhex(case["msg"]))
                verified = True
            except BadSignature:
                verified = False
            assert verified == (case["result"] == "valid"), case
    assert seen == suite["numberOfTests"] == 262


def test_wycheproof_points_are_read_as_the_library_reads_them(vectors: Path) -> None:
    suite = load(vectors / "wycheproof/ecdsa_secp256r1_sha256_p1363_test.json")
    for group in suite["testGroups"]:
        point = bytes.fromhex(group["publicKey"]["uncompressed"])
        numbers = HolderKey.from_coordinates(point[1:33], point[33:]).public.public_numbers()
        assert numbers == ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point).public_numbers()
