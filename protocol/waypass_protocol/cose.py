"""COSE_Sign1 envelopes (RFC 9052 §4.2), as strict as the wire format asks.

An envelope breaks the first of these rules that it does not keep, and is `Malformed`:

1. the bytes are one deterministic CBOR item (`cbor.scan`)
2. it is tag 18 around an array of four
3. the protected, payload and signature parts are byte strings, the unprotected header is an empty map
4. the signature has 64 bytes
5. the protected header holds exactly the fields of its kind, see `Header`

Encoding is deterministic, so what keeps all five has one spelling: fixed bytes around `kid`, payload and signature.
`parse` compares with that spelling; only what differs is taken apart, to say why it is refused.

Signatures are not checked here: `keys` does that, with a key in hand. The payload's own CBOR is the record's business.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Any

import cbor2

from waypass_protocol import cbor
from waypass_protocol.errors import Malformed

EDDSA = -8
ED25519 = -19
ES256 = -7
ESP256 = -9

KID_LENGTH = 8
SIGNATURE_LENGTH = 64

_ALG, _KID, _TYP = 1, 4, 16
_ANY_KID = b"any kid!"
_TAG_AND_ARRAY, _EMPTY_MAP, SIGNATURE_HEAD = b"\xd2\x84", b"\xa0", b"\x58\x40"
_TAIL = len(SIGNATURE_HEAD) + SIGNATURE_LENGTH


class Header(Enum):
    """The protected headers that exist: which algorithms, whether a `kid` is named, and the media type if any.

    `spelled` has the header for each algorithm, with `_ANY_KID` in the place of the `kid`. `openings` are the bytes of
    an envelope before its payload, one for each algorithm, with the `kid` cut out; `protected_at`, `kid_at` and
    `payload_at` are where those parts begin.
    """

    PASS = ((EDDSA, ED25519), True, None)
    PRESENTATION = ((ES256, ESP256), False, None)
    SNAPSHOT = ((EDDSA, ED25519), True, "application/statuslist+cwt")
    COMPACT = ((EDDSA, ED25519), True, "application/waypass-compact+cbor")
    DELTA = ((EDDSA, ED25519), True, "application/waypass-delta+cbor")
    HEAD = ((EDDSA, ED25519), True, "application/waypass-head+cbor")

    def __init__(self, algorithms: tuple[int, ...], names_key: bool, media_type: str | None) -> None:
        self.algorithms = algorithms
        self.names_key = names_key
        self.media_type = media_type
        headers = [cbor.encode(self.fields(algorithm=each, kid=_ANY_KID)) for each in algorithms]
        self.spelled = dict(zip(algorithms, headers, strict=True))
        openings = [_TAG_AND_ARRAY + cbor.byte_string(each) + _EMPTY_MAP for each in headers]
        self.payload_at = len(openings[0])
        self.protected_at = self.payload_at - len(_EMPTY_MAP) - len(headers[0])
        self.kid_at = openings[0].index(_ANY_KID) if names_key else self.payload_at
        self.openings = frozenset(each.replace(_ANY_KID, b"") for each in openings)

    def begins(self, data: bytes) -> bool:
        """Whether `data` begins as an envelope of this kind does; nothing after its header is looked at."""
        kid_end = self.kid_at + KID_LENGTH if self.names_key else self.kid_at
        return data[: self.kid_at] + data[kid_end : self.payload_at] in self.openings

    def fields(self, *, algorithm: int, kid: bytes | None) -> dict[int, object]:
        """The header's map for one algorithm and, where this kind names its key, one `kid`."""
        fields: dict[int, object] = {_ALG: algorithm}
        if self.names_key:
            fields[_KID] = kid
        if self.media_type is not None:
            fields[_TYP] = self.media_type
        return fields


@dataclass(frozen=True, kw_only=True, slots=True)
class Envelope:
    """A COSE_Sign1 whose form is right and whose signature nobody has checked yet.

    `kid` is 8 bytes, or empty where this kind of header names no key.
    """

    protected: bytes
    kid: bytes
    payload: bytes
    signature: bytes

    def to_be_signed(self, external_aad: bytes = b"") -> bytes:
        """The Sig_structure (RFC 9052 §4.4) that the signature covers."""
        return sig_structure(self.protected, self.payload, external_aad)


def sig_structure(protected: bytes, payload: bytes, external_aad: bytes = b"") -> bytes:
    """Encode the Sig_structure of a COSE_Sign1 (RFC 9052 §4.4)."""
    strings = (cbor.byte_string(protected), cbor.byte_string(external_aad), cbor.byte_string(payload))
    return b"\x84\x6aSignature1" + b"".join(strings)


def parse(data: bytes, header: Header) -> Envelope:
    """Read one envelope of the given kind by the module's rules. Raises `Malformed`."""
    kid_end = header.kid_at + KID_LENGTH if header.names_key else header.kid_at
    string = data[header.payload_at : -_TAIL]
    payload = string[cbor.head_length(len(string)) :]
    if (
        data[: header.kid_at] + data[kid_end : header.payload_at] in header.openings
        and cbor.byte_string(payload) == string
        and data[-_TAIL:-SIGNATURE_LENGTH] == SIGNATURE_HEAD
    ):
        return Envelope(
            protected=data[header.protected_at : header.payload_at - len(_EMPTY_MAP)],
            kid=data[header.kid_at : kid_end],
            payload=payload,
            signature=data[-SIGNATURE_LENGTH:],
        )
    raise Malformed(_what_is_wrong(data, header))


def assemble(protected: bytes, payload: bytes, signature: bytes) -> bytes:
    """The bytes of a tagged COSE_Sign1 with an empty unprotected header."""
    opening = _TAG_AND_ARRAY + cbor.byte_string(protected) + _EMPTY_MAP
    return opening + cbor.byte_string(payload) + cbor.byte_string(signature)


def spell(protected: bytes) -> tuple[bytes, bytes]:
    """What comes before the payload's byte string in a `sig_structure` without further data and in what `assemble`
    gives, for whoever signs many payloads under one header.
    """
    header = cbor.byte_string(protected)
    return b"\x84\x6aSignature1" + header + cbor.byte_string(b""), _TAG_AND_ARRAY + header + _EMPTY_MAP


def protected_header(header: Header, *, algorithm: int, kid: bytes | None = None) -> bytes:
    """Encode the protected header of the given kind. Raises `Malformed` for a `kid` of another length than 8 bytes."""
    if len(kid or _ANY_KID) != KID_LENGTH:
        raise Malformed(f"COSE: expected a kid of {KID_LENGTH} bytes, got {len(kid or b'')}")
    return header.spelled[algorithm].replace(_ANY_KID, kid or b"")


def _what_is_wrong(data: bytes, header: Header) -> str:
    """Say which rule an envelope that is not spelled as its kind is breaks. Raises `Malformed` for its CBOR's rules."""
    outer = cbor.decode(data)
    if not isinstance(outer, cbor2.CBORTag):
        return "COSE: expected tag 18 (COSE_Sign1), got an untagged item"
    parts = outer.value
    if not isinstance(parts, list) or len(parts) != 4:
        return "COSE: expected an array of 4: protected, unprotected, payload, signature"
    protected, unprotected, payload, signature = parts
    if not isinstance(protected, bytes) or not isinstance(payload, bytes) or not isinstance(signature, bytes):
        return "COSE: expected byte strings for the protected header, the payload and the signature"
    if unprotected != {} or not isinstance(unprotected, dict):
        return "COSE: expected an empty unprotected header"
    if len(signature) != SIGNATURE_LENGTH:
        return f"COSE: expected a signature of {SIGNATURE_LENGTH} bytes, got {len(signature)}"
    return _what_is_wrong_in(cbor.decode(protected), header)


def _what_is_wrong_in(fields: Any, header: Header) -> str:
    """The same for the fields of the protected header."""
    if not isinstance(fields, dict):
        return "COSE: expected a map as protected header"
    kid: Any = fields.get(_KID, b"")
    if header.names_key and (not isinstance(kid, bytes) or len(kid) != KID_LENGTH):
        got = f"{len(kid)} bytes" if isinstance(kid, bytes) else type(kid).__name__
        return f"COSE: expected a kid of {KID_LENGTH} bytes, got {got}"
    algorithm = fields.get(_ALG)
    if algorithm not in header.algorithms:
        return f"COSE: expected algorithm {_any_of(header.algorithms)}, got {algorithm!r}"
    expected = header.fields(algorithm=algorithm, kid=kid)
    if fields.keys() != expected.keys():
        return f"COSE: expected header fields {sorted(expected)}, got {sorted(fields, key=str)}"
    return f"COSE: expected media type {expected.get(_TYP)!r}, got another"


def _any_of(algorithms: tuple[int, ...]) -> str:
    return " or ".join(str(algorithm) for algorithm in algorithms)
