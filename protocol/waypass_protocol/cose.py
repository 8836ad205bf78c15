"""COSE_Sign1 envelopes (RFC 9052 §4.2), as strict as the wire format asks.

An envelope is read in this order; the first rule that fails raises `Malformed`:

1. the bytes are one deterministic CBOR item (`cbor.scan`)
2. it is tag 18 around an array of four
3. the protected header is a byte string that holds exactly the fields of its kind, see `Header`
4. the unprotected header is an empty map
5. the payload is a byte string, the signature a byte string of 64

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


class Header(Enum):
    """The protected headers that exist: which algorithms, whether a `kid` is named, and the media type if any."""

    PASS = ((EDDSA, ED25519), True, None)
    PRESENTATION = ((ES256, ESP256), False, None)
    SNAPSHOT = ((EDDSA, ED25519), True, "application/statuslist+cwt")
    DELTA = ((EDDSA, ED25519), True, "application/waypass-delta+cbor")
    HEAD = ((EDDSA, ED25519), True, "application/waypass-head+cbor")

    def __init__(self, algorithms: tuple[int, ...], names_key: bool, media_type: str | None) -> None:
        self.algorithms = algorithms
        self.names_key = names_key
        self.media_type = media_type

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
    return cbor2.dumps(["Signature1", protected, external_aad, payload])


def parse(data: bytes, header: Header) -> Envelope:
    """Read one envelope of the given kind by the module's rules. Raises `Malformed`."""
    outer = cbor.decode(data)
    if not isinstance(outer, cbor2.CBORTag):
        raise Malformed("COSE: expected tag 18 (COSE_Sign1), got an untagged item")
    parts = outer.value
    if not isinstance(parts, list) or len(parts) != 4:
        raise Malformed("COSE: expected an array of 4: protected, unprotected, payload, signature")
    protected, unprotected, payload, signature = parts
    if not isinstance(protected, bytes) or not isinstance(payload, bytes) or not isinstance(signature, bytes):
        raise Malformed("COSE: expected byte strings for the protected header, the payload and the signature")
    if unprotected != {} or not isinstance(unprotected, dict):
        raise Malformed("COSE: expected an empty unprotected header")
    if len(signature) != SIGNATURE_LENGTH:
        raise Malformed(f"COSE: expected a signature of {SIGNATURE_LENGTH} bytes, got {len(signature)}")
    kid = _read_protected(protected, header)
    return Envelope(protected=protected, kid=kid, payload=payload, signature=signature)


def assemble(protected: bytes, payload: bytes, signature: bytes) -> bytes:
    """The bytes of a tagged COSE_Sign1 with an empty unprotected header."""
    return cbor.encode(cbor2.CBORTag(18, [protected, {}, payload, signature]))


def protected_header(header: Header, *, algorithm: int, kid: bytes | None = None) -> bytes:
    """Encode the protected header of the given kind."""
    return cbor.encode(header.fields(algorithm=algorithm, kid=kid))


def _read_protected(protected: bytes, header: Header) -> bytes:
    """Check the protected header against its kind and return the `kid` (empty where it names none)."""
    fields: Any = cbor.decode(protected)
    if not isinstance(fields, dict):
        raise Malformed("COSE: expected a map as protected header")
    kid: Any = fields.get(_KID, b"")
    if header.names_key and (not isinstance(kid, bytes) or len(kid) != KID_LENGTH):
        got = f"{len(kid)} bytes" if isinstance(kid, bytes) else type(kid).__name__
        raise Malformed(f"COSE: expected a kid of {KID_LENGTH} bytes, got {got}")
    algorithm = fields.get(_ALG)
    if algorithm not in header.algorithms:
        raise Malformed(f"COSE: expected algorithm {_any_of(header.algorithms)}, got {algorithm!r}")
    expected = header.fields(algorithm=algorithm, kid=kid)
    if fields != expected:
        raise Malformed(_difference(fields, expected))
    return bytes(kid)


def _any_of(algorithms: tuple[int, ...]) -> str:
    return " or ".join(str(algorithm) for algorithm in algorithms)


def _difference(fields: dict[object, object], expected: dict[int, object]) -> str:
    if fields.keys() != expected.keys():
        return f"COSE: expected header fields {sorted(expected)}, got {sorted(fields, key=str)}"
    return f"COSE: expected media type {expected.get(_TYP)!r}, got another"
