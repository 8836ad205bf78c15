"""COSE_Sign1 as health certificates use it (RFC 9052), up to but not including the signature's check.

Accepted: `[protected, unprotected, payload, signature]` under tag 18, under CWT tag 61 and 18, or without a
tag, because real certificates come in all three forms. Key identifier and algorithm may stand in either
header; where both name one, only the protected one counts, for the other is not signed. A `crit` header is
refused: it would name something to be understood.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import cbor2

from waypass_server.evidence.cbor import decode
from waypass_server.evidence.errors import Reason, UnreadableError

SIGN1_TAG = 18
CWT_TAG = 61

ALG = 1
CRIT = 2
KID = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Sign1:
    """A signed message whose signature nobody has checked yet. `protected` and `payload` are the bytes as
    they came.
    """

    protected: bytes
    payload: bytes
    signature: bytes
    algorithm: int
    kid: bytes

    def signed_bytes(self) -> bytes:
        """The Sig_structure: what the signature is made over."""
        return cbor2.dumps(["Signature1", self.protected, b"", self.payload])


def parse(data: bytes) -> Sign1:
    """Takes the message apart.

    Raises:
        UnreadableError: `cbor` when the bytes are not CBOR, `cose` when they are not such a message.
    """
    protected, unprotected, payload, signature = _four_parts(
        _untagged(decode(data, what="COSE", tags={SIGN1_TAG, CWT_TAG}))
    )
    # An empty protected header is written as no bytes at all.
    headers = decode(protected, what="protected header") if protected else {}
    if not isinstance(headers, dict):
        raise UnreadableError(Reason.COSE, f"protected header: expected a map, got {type(headers).__name__}")
    if CRIT in headers:
        raise UnreadableError(Reason.COSE, "protected header: critical headers are not understood here")
    algorithm = _header(ALG, headers, unprotected)
    if not isinstance(algorithm, int) or isinstance(algorithm, bool):
        raise UnreadableError(Reason.COSE, f"alg: expected an integer, got {type(algorithm).__name__}")
    kid = _header(KID, headers, unprotected)
    if not isinstance(kid, bytes):
        raise UnreadableError(Reason.COSE, f"kid: expected bytes, got {type(kid).__name__}")
    return Sign1(protected=protected, payload=payload, signature=signature, algorithm=algorithm, kid=kid)


def _untagged(value: object) -> object:
    if isinstance(value, cbor2.CBORTag) and value.tag == CWT_TAG:
        value = value.value
        if not isinstance(value, cbor2.CBORTag):
            raise UnreadableError(Reason.COSE, "expected tag 18 inside the CWT tag")
    if isinstance(value, cbor2.CBORTag):
        if value.tag != SIGN1_TAG:
            raise UnreadableError(Reason.COSE, f"expected tag {SIGN1_TAG}, got tag {value.tag}")
        return value.value
    return value


def _four_parts(value: object) -> tuple[bytes, Mapping[object, object], bytes, bytes]:
    if not isinstance(value, list) or len(value) != 4:
        got = f"{len(value)} parts" if isinstance(value, list) else type(value).__name__
        raise UnreadableError(Reason.COSE, f"expected an array of 4 parts, got {got}")
    protected, unprotected, payload, signature = value
    if not isinstance(unprotected, dict):
        raise UnreadableError(Reason.COSE, f"unprotected header: expected a map, got {type(unprotected).__name__}")
    for name, part in (("protected header", protected), ("payload", payload), ("signature", signature)):
        if not isinstance(part, bytes):
            raise UnreadableError(Reason.COSE, f"{name}: expected bytes, got {type(part).__name__}")
    return protected, unprotected, payload, signature


def _header(label: int, protected: Mapping[object, object], unprotected: Mapping[object, object]) -> object:
    return protected[label] if label in protected else unprotected.get(label)
