"""COSE_Sign1 envelopes: one form for each kind, and nothing beside it."""

from typing import Any

import cbor2
import pytest
from tests.support.issuing import signer

from waypass_protocol import cbor, cose
from waypass_protocol.cose import Header
from waypass_protocol.errors import Malformed

KID = signer(1).kid
SIGNATURE = bytes(64)
PAYLOAD = b"\xa0"


def header(**changes: Any) -> bytes:
    """A pass's protected header; `alg`, `kid`, `typ` and `crit` set or (None) drop a field."""
    numbers = {"alg": 1, "crit": 2, "kid": 4, "iv": 5, "typ": 16}
    fields = {"alg": -8, "kid": KID, **changes}
    return cbor2.dumps({numbers[name]: fields[name] for name in numbers if fields.get(name) is not None})


def envelope(
    protected: object = None, unprotected: object = None, payload: object = PAYLOAD, signature: object = SIGNATURE
) -> bytes:
    """A tagged COSE_Sign1 with these four parts; the first two are a pass's unless given."""
    first = header() if protected is None else protected
    second = {} if unprotected is None else unprotected
    return cbor2.dumps(cbor2.CBORTag(18, [first, second, payload, signature]))


def untagged(parts: object) -> bytes:
    """The same without a tag."""
    return cbor2.dumps(parts)


WHOLE = [header(), {}, PAYLOAD, SIGNATURE]

BAD: list[tuple[str, bytes, str]] = [
    ("untagged", untagged(WHOLE), "expected tag 18 .COSE_Sign1., got an untagged item"),
    ("tag 17", cbor2.dumps(cbor2.CBORTag(17, WHOLE)), "expected no tag but 18, got 17"),
    ("CWT tag around it", cbor2.dumps(cbor2.CBORTag(61, cbor2.CBORTag(18, WHOLE))), "expected no tag but 18, got 61"),
    ("tagged twice", cbor2.dumps(cbor2.CBORTag(18, cbor2.CBORTag(18, WHOLE))), "expected an array of 4"),
    ("three parts", cbor2.dumps(cbor2.CBORTag(18, WHOLE[:3])), "expected an array of 4"),
    ("five parts", cbor2.dumps(cbor2.CBORTag(18, [*WHOLE, b""])), "expected an array of 4"),
    ("a map", cbor2.dumps(cbor2.CBORTag(18, {})), "expected an array of 4"),
    ("left over", envelope() + b"\x00", "1 more are left over"),
    ("protected as a map", envelope(protected={1: -8, 4: KID}), "expected byte strings"),
    ("protected empty", envelope(protected=b""), "goes on after its 0 bytes"),
    ("protected an array", envelope(protected=b"\x80"), "expected a map as protected header"),
    ("protected an empty map", envelope(protected=b"\xa0"), "expected a kid of 8 bytes, got 0 bytes"),
    ("protected with bytes left over", envelope(protected=header() + b"\x00"), "left over"),
    ("protected out of order", envelope(protected=cbor2.dumps({4: KID, 1: -8})), "ascending order"),
    ("protected with a key twice", envelope(protected=b"\xa2\x01\x27\x01\x27"), "ascending order, each once"),
    ("protected indefinite", envelope(protected=b"\xbf" + header()[1:] + b"\xff"), "indefinite"),
    ("algorithm in two bytes", envelope(protected=header().replace(b"\x01\x27", b"\x01\x38\x07")), "shortest form"),
    ("unprotected kid", envelope(unprotected={4: KID}), "expected an empty unprotected header"),
    ("unprotected array", envelope(unprotected=[]), "expected an empty unprotected header"),
    ("detached payload", envelope(payload=None), "simple or float"),
    ("payload as text", envelope(payload="a"), "expected byte strings"),
    ("payload as a map", envelope(payload={}), "expected byte strings"),
    ("signature of 63 bytes", envelope(signature=bytes(63)), "expected a signature of 64 bytes, got 63"),
    ("signature of 65 bytes", envelope(signature=bytes(65)), "expected a signature of 64 bytes, got 65"),
    ("no signature", envelope(signature=b""), "expected a signature of 64 bytes, got 0"),
    ("signature as text", envelope(signature="a" * 64), "expected byte strings"),
    ("kid of 7 bytes", envelope(protected=header(kid=KID[:7])), "expected a kid of 8 bytes, got 7 bytes"),
    ("kid of 9 bytes", envelope(protected=header(kid=KID + b"a")), "expected a kid of 8 bytes, got 9 bytes"),
    ("kid empty", envelope(protected=header(kid=b"")), "expected a kid of 8 bytes, got 0 bytes"),
    ("kid as text", envelope(protected=header(kid="12345678")), "expected a kid of 8 bytes, got str"),
    ("kid missing", envelope(protected=header(kid=None)), "expected a kid of 8 bytes, got 0 bytes"),
    ("no algorithm", envelope(protected=header(alg=None)), "expected algorithm -8 or -19, got None"),
    ("ES256", envelope(protected=header(alg=-7)), "expected algorithm -8 or -19, got -7"),
    ("HMAC", envelope(protected=header(alg=5)), "expected algorithm -8 or -19, got 5"),
    ("algorithm by name", envelope(protected=header(alg="EdDSA")), "expected algorithm -8 or -19, got 'EdDSA'"),
    ("an array as algorithm", envelope(protected=header(alg=[-8])), "expected algorithm -8 or -19"),
    ("another header", envelope(protected=header(iv=b"12345678")), r"expected header fields \[1, 4\], got \[1, 4, 5\]"),
    ("a critical header", envelope(protected=header(crit=[1])), "expected header fields"),
    ("a media type on a pass", envelope(protected=header(typ="application/cwt")), "expected header fields"),
    ("a header by name", envelope(protected=cbor2.dumps({1: -8, 4: KID, "a": 0})), "expected header fields"),
]


@pytest.mark.parametrize(("name", "data", "message"), BAD, ids=[case[0] for case in BAD])
def test_refuses(name: str, data: bytes, message: str) -> None:
    with pytest.raises(Malformed, match=message):
        cose.parse(data, Header.PASS)


@pytest.mark.parametrize("kind", Header)
def test_reads_each_kind_with_each_of_its_algorithms(kind: Header) -> None:
    for algorithm in kind.algorithms:
        protected = cose.protected_header(kind, algorithm=algorithm, kid=KID)
        read = cose.parse(envelope(protected), kind)
        assert read.protected == protected
        assert read.kid == (KID if kind.names_key else b"")
        assert (read.payload, read.signature) == (PAYLOAD, SIGNATURE)


@pytest.mark.parametrize("asked", Header)
@pytest.mark.parametrize("given", Header)
def test_one_kind_is_never_read_as_another(asked: Header, given: Header) -> None:
    data = envelope(cose.protected_header(given, algorithm=given.algorithms[0], kid=KID))
    if asked is given:
        cose.parse(data, asked)
    else:
        with pytest.raises(Malformed, match="COSE: expected"):
            cose.parse(data, asked)


def test_a_wrong_media_type_is_named() -> None:
    with pytest.raises(Malformed, match="expected media type 'application/waypass-head"):
        cose.parse(envelope(header(typ="application/statuslist+cwt")), Header.HEAD)


def test_a_presentation_names_no_key() -> None:
    with pytest.raises(Malformed, match=r"expected header fields \[1\], got \[1, 4\]"):
        cose.parse(envelope(cbor2.dumps({1: -7, 4: KID})), Header.PRESENTATION)


def test_the_structure_that_is_signed() -> None:
    """RFC 9052 §4.4, by the bytes: an array of four that begins with its context string."""
    got = cose.sig_structure(b"\xa1\x01\x26", b"pay", b"aad")
    assert got == b"\x84" + b"\x6aSignature1" + b"\x43\xa1\x01\x26" + b"\x43aad" + b"\x43pay"


def test_assembled_bytes_parse_back() -> None:
    data = cose.assemble(header(), PAYLOAD, SIGNATURE)
    assert data == envelope()
    cbor.scan(data)
