"""Off-the-shelf readers: what this project signs is read by `cwt`, or by `cbor2` and `cryptography` alone, and a pass
that `cwt` signs is read here. Nothing in the reading half of these tests is this project's."""

import hashlib
import time
import zlib
from typing import Any

import base45
import cbor2
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cwt import COSE, CWT, COSEKey
from cwt.exceptions import VerifyError
from tests.support.issuing import HOUR, NETWORK, SCOPE, URI, holder, make_issuer

from waypass_protocol import bits
from waypass_protocol.admission import Gate, decide
from waypass_protocol.assembly import HeldList
from waypass_protocol.errors import Malformed
from waypass_protocol.keys import MemorySigner, Use
from waypass_protocol.passes import Aspect, parse_pass, pass_text
from waypass_protocol.policy import Policy
from waypass_protocol.presentation import present
from waypass_protocol.reasons import Reason
from waypass_protocol.reentry import NoReentry

# The library's CWT reader looks at the clock itself, so these objects are of today.
NOW = int(time.time())
ISSUER = make_issuer(nbf=NOW - HOUR)
PRIVATE = ed25519.Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"a foreign issuer").digest())
FOREIGN = MemorySigner(PRIVATE)


def raw(public: ed25519.Ed25519PublicKey) -> bytes:
    return public.public_bytes(Encoding.Raw, PublicFormat.Raw)


def okp(signer: MemorySigner) -> Any:
    """The library's own form of an issuer's public key."""
    return COSEKey.new({1: 1, -1: 6, -2: raw(signer.public), 2: signer.kid, 3: -8, 4: [2]})


def bytes_of(text: str) -> bytes:
    return bytes(base45.b45decode(text[4:]))


# Read elsewhere


def test_a_paper_pass_is_a_cwt() -> None:
    text = ISSUER.paper(idx=77, iat=NOW - HOUR, hint="A. B., 1990")
    claims = CWT.new().decode(bytes_of(text), okp(ISSUER.passes))
    assert claims == {
        4: NOW + 23 * HOUR,
        6: NOW - HOUR,
        65535: {"status_list": {"idx": 77, "uri": URI}},
        -70001: {SCOPE: 0},
        -70003: "A. B., 1990",
    }


def test_a_bound_pass_is_a_cwt_with_cnf() -> None:
    claims: Any = CWT.new().decode(ISSUER.bound(iat=NOW - HOUR), okp(ISSUER.passes))
    key = claims[8][1]
    x, y = holder().key.coordinates()
    assert key == {1: 2, -1: 1, -2: x, -3: y}
    # RFC 8747: what stands in cnf is a key that the library takes as it is.
    assert COSEKey.new({**key, 3: -7, 4: [2]}).kty == 2


def test_a_pass_by_another_key_does_not_verify_there_either() -> None:
    forged = COSEKey.new({1: 1, -1: 6, -2: raw(FOREIGN.public), 2: ISSUER.passes.kid, 3: -8, 4: [2]})
    with pytest.raises(VerifyError):
        COSE.new().decode(bytes_of(ISSUER.paper()), forged)


def test_a_presentation_is_a_cose_sign1_with_external_aad() -> None:
    bound = ISSUER.bound(iat=NOW - HOUR)
    data = bytes_of(present(bound, t=NOW, network=NETWORK, holder=holder()))
    inner: Any = CWT.new().decode(bound, okp(ISSUER.passes))
    key = COSEKey.new({**inner[8][1], 3: -7, 4: [2]})
    payload = COSE.new().decode(data, key, external_aad=b"waypass-presentation/1/metro")
    assert cbor2.loads(payload) == [NOW, bound]
    with pytest.raises(VerifyError):
        COSE.new().decode(data, key, external_aad=b"waypass-presentation/1/other")


def test_a_snapshot_is_a_status_list_token() -> None:
    issued = ISSUER.status_list()
    issued.change(5, 1_048_575, iat=NOW)
    data = issued.snapshot(iat=NOW)
    claims: Any = CWT.new().decode(data, okp(ISSUER.status))
    protected = cbor2.loads(cbor2.loads(data).value[0])
    assert protected[16] == "application/statuslist+cwt"
    assert (claims[2], claims[6], claims[4], claims[65534]) == (URI, NOW, NOW + 24 * HOUR, HOUR)
    assert claims[65533]["bits"] == 2
    lst = zlib.decompress(claims[65533]["lst"])
    assert len(lst) == 2**20 * 2 // 8
    assert {n: lst[n // 4] >> 2 * (n % 4) & 3 for n in (4, 5, 6, 1_048_575)} == {4: 0, 5: 1, 6: 0, 1_048_575: 1}


def test_all_of_it_by_hand() -> None:
    """`cbor2` and `cryptography` alone: RFC 9052 §4.4 from its text."""
    data = bytes_of(ISSUER.presentation(t=NOW))
    outer = cbor2.loads(data)
    assert outer.tag == 18
    protected, unprotected, payload, signature = outer.value
    assert (cbor2.loads(protected), unprotected) == ({1: -7}, {})
    t, bound = cbor2.loads(payload)
    inner_protected, _, inner_payload, inner_signature = cbor2.loads(bound).value
    assert cbor2.loads(inner_protected) == {1: -8, 4: ISSUER.passes.kid}
    ISSUER.passes.public.verify(inner_signature, cbor2.dumps(["Signature1", inner_protected, b"", inner_payload]))
    key = cbor2.loads(inner_payload)[8][1]
    point = b"\x04" + key[-2] + key[-3]
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    signed = cbor2.dumps(["Signature1", protected, b"waypass-presentation/1/metro", payload])
    public.verify(der, signed, ec.ECDSA(hashes.SHA256()))
    with pytest.raises(InvalidSignature):
        public.verify(der, signed + b"\0", ec.ECDSA(hashes.SHA256()))
    assert t == NOW


# Made elsewhere


def foreign_pass(claims: dict[Any, Any], *, algorithm: int = -8) -> bytes:
    """A pass made by the library, with its deterministic header."""
    secret = PRIVATE.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    key = COSEKey.new({1: 1, -1: 6, -2: raw(FOREIGN.public), -4: secret, 3: -8, 4: [1, 2]})
    cose = COSE.new(deterministic_header=True)
    payload = cbor2.dumps(claims, canonical=True)
    made = cose.encode_and_sign(payload, key, protected={1: algorithm, 4: FOREIGN.kid}, unprotected={})
    assert isinstance(made, bytes)
    return made


CLAIMS: dict[Any, Any] = {
    4: NOW + HOUR,
    6: NOW - HOUR,
    65535: {"status_list": {"idx": 5, "uri": URI}},
    -70001: {SCOPE: 0},
}


def decided(text: str) -> Reason:
    key = FOREIGN.trusted(uses=frozenset({Use.PASS}), nbf=0, exp=NOW + 1)
    packed = bytes(bits.LIST_BYTES)
    return decide(
        text,
        now=NOW,
        clock_trusted=True,
        gate=Gate(
            trust=type(ISSUER.trust)(network=NETWORK, keys={key.kid: key}),
            scope=SCOPE,
            policy=Policy(identity_check_paper=False),
        ),
        lists={URI: HeldList(uri=URI, version=1, packed=packed, digest=b"", renewed=NOW)},
        reentry=NoReentry(),
    ).reason


def test_a_paper_pass_made_elsewhere_opens_here() -> None:
    data = foreign_pass(CLAIMS)
    assert parse_pass(data).pass_.aspects == {SCOPE: Aspect.GREEN}
    assert decided(pass_text(data)) == Reason.GREEN


def test_a_bound_pass_made_elsewhere_opens_here() -> None:
    data = foreign_pass({**CLAIMS, 8: {1: dict(holder().key.to_cose())}})
    assert decided(present(data, t=NOW, network=NETWORK, holder=holder())) == Reason.GREEN


def test_a_cwt_with_its_kid_unprotected_is_malformed_here() -> None:
    """What the library does by itself; this wire format asks for one place."""
    secret = PRIVATE.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    key = COSEKey.new({1: 1, -1: 6, -2: raw(FOREIGN.public), -4: secret, 2: FOREIGN.kid, 3: -8, 4: [1, 2]})
    made = CWT.new().encode_and_sign(dict(CLAIMS), key)
    with pytest.raises(Malformed, match="expected an empty unprotected header"):
        parse_pass(made)
    assert decided(pass_text(made)) == Reason.MALFORMED
