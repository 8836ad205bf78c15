"""Passes: what an issuer says about one holder, as a CWT (RFC 8392) in a QR text.

A text is read in this order; the first rule that fails decides:

1. the text begins with `WP1:` (`NotWaypass`)
2. it has at most 1,024 characters, and what follows is Base45 (RFC 9285) (`Malformed`)
3. the envelope is a COSE_Sign1 with the header of a pass (`Malformed`, see `cose`)
4. the claims are the ones of `wire-format` §2, each of its type and range (`Malformed`)

Signature, times and status are not checked here: `decide` does that, in its order. A pass that names a holder key
(`cnf`) is *bound* and counts only inside a presentation; one without is a *paper* pass.
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

import base45

from waypass_protocol import cbor, cose
from waypass_protocol.cose import Envelope, Header
from waypass_protocol.errors import Malformed, NotWaypass
from waypass_protocol.keys import HolderKey, Signer, sign_envelope

PASS_PREFIX = "WP1:"
MAX_TEXT = 1024
MAX_HINT = 24
HOUR = 3600
MAX_LIFE_BOUND = 7 * 24 * HOUR
MAX_LIFE_PAPER = 35 * 24 * HOUR

_EXP, _NBF, _IAT, _CNF = 4, 5, 6, 8
_STATUS, _ASPECTS, _HINT = 65535, -70001, -70003
_REQUIRED = frozenset({_EXP, _IAT, _STATUS, _ASPECTS})
_CLAIMS = _REQUIRED | {_NBF, _CNF, _HINT}
_PLACE = frozenset({"idx", "uri"})
_COSE_KEY = frozenset({1, -1, -2, -3})
_ANY_COORDINATE = b"\xff" * 32
_IDX_IS_0 = b"\x63idx\x00"


class Aspect(IntEnum):
    """What a pass says for one scope; greater is stricter."""

    GREEN = 0
    YELLOW = 1
    RED = 2


_ASPECT_OF = tuple(Aspect)  # by its number


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a pass stands: an index in a status list. It identifies a pass and is never logged or sent by a reader."""

    uri: str
    idx: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Pass:
    """The claims of one pass. Times are UNIX seconds; `aspects` maps scope numbers; `holder` is None on paper."""

    iat: int
    exp: int
    nbf: int | None = None
    place: Place
    aspects: Mapping[int, Aspect]
    holder: HolderKey | None = None
    hint: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SignedPass:
    """A pass and the envelope that it came in, the issuer's signature not yet checked."""

    pass_: Pass
    envelope: Envelope


def decode_base45(text: str, prefix: str) -> bytes:
    """What follows `prefix` in a QR text, as bytes. Raises `NotWaypass` or `Malformed`."""
    if not text.startswith(prefix):
        raise NotWaypass(f"the text does not begin with {prefix}")
    if len(text) > MAX_TEXT:
        raise Malformed(f"text: expected at most {MAX_TEXT} characters, got {len(text)}")
    try:
        # As bytes: given a str, the library drops line feeds at its end, and one pass would have many spellings.
        return bytes(base45.b45decode(text[len(prefix) :].encode("ascii")))
    except ValueError:
        raise Malformed("text: not Base45") from None


def read_pass(text: str) -> SignedPass:
    """Read a `WP1:` text by the module's rules. Raises `NotWaypass` or `Malformed`."""
    return parse_pass(decode_base45(text, PASS_PREFIX))


def parse_pass(data: bytes) -> SignedPass:
    """Read a pass's COSE_Sign1. Raises `Malformed`."""
    envelope = cose.parse(data, Header.PASS)
    return SignedPass(pass_=read_claims(cbor.decode(envelope.payload)), envelope=envelope)


def sign_pass(pass_: Pass, signer: Signer) -> bytes:
    """The COSE_Sign1 of a pass. Raises `Malformed` when a reader would refuse its form."""
    claims = _to_claims(pass_)
    payload = cbor.encode(claims)
    # The holder's key is a point on the curve already, and to find that anew costs half as much as to sign.
    _read_beside_cnf(claims, pass_.holder)
    return sign_envelope(payload, Header.PASS, signer)


class BoundForm:
    """The spelling of bound passes that differ in index and holder key only. What they share is encoded and checked
    once; a pass then costs little more than its signature. What comes out is what `sign_pass` gives, byte for byte.
    """

    def __init__(self, model: Pass, signer: Signer) -> None:
        """`model` is one of the passes. Raises `Malformed` when a reader would refuse its form."""
        if model.holder is None:
            raise Malformed("pass: expected a bound pass, got one without a holder key")
        claims = _to_claims(replace(model, place=Place(uri=model.place.uri, idx=0)))
        claims[_CNF] = {1: {1: 2, -1: 1, -2: _ANY_COORDINATE, -3: _ANY_COORDINATE}}
        payload = cbor.encode(claims)
        _read_beside_cnf(claims, model.holder)
        # No text has the bytes of the coordinate, and nothing before the index is a text of others.
        self._to_x, self._to_y, rest = payload.split(_ANY_COORDINATE)
        to_idx, idx_is_0, self._rest = rest.partition(_IDX_IS_0)
        self._to_idx = to_idx + idx_is_0[:-1]
        self._signer = signer
        protected = cose.protected_header(Header.PASS, algorithm=cose.EDDSA, kid=signer.kid)
        self._to_sign, self._opening = cose.spell(protected)

    def sign(self, idx: int, holder: HolderKey) -> bytes:
        """The COSE_Sign1 of the pass with this index, from 0 and below 2^64, and this key."""
        x, y = holder.coordinates()
        payload = cbor.byte_string(
            b"".join((self._to_x, x, self._to_y, y, self._to_idx, cbor.unsigned(idx), self._rest))
        )
        signature = self._signer.sign(self._to_sign + payload)
        return b"".join((self._opening, payload, cose.SIGNATURE_HEAD, signature))


def encode_base45(data: bytes, prefix: str) -> str:
    """A QR text: the prefix and the bytes in Base45."""
    return prefix + str(base45.b45encode(data), "ascii")


def pass_text(data: bytes) -> str:
    """The QR text of a pass."""
    return encode_base45(data, PASS_PREFIX)


def read_claims(claims: Any) -> Pass:
    """Check the decoded claims of a pass (rule 4). Raises `Malformed`."""
    if not isinstance(claims, dict):
        raise Malformed(f"pass: expected a map of claims, got {type(claims).__name__}")
    names = claims.keys()
    if not names >= _REQUIRED or not names <= _CLAIMS:
        raise Malformed(f"pass: expected claims {sorted(_REQUIRED)} and at most {sorted(_CLAIMS)}, got others")
    return _read_beside_cnf(claims, _read_cnf(claims[_CNF]) if _CNF in claims else None)


def _read_beside_cnf(claims: dict[Any, Any], holder: HolderKey | None) -> Pass:
    """The claims that have to be there and those that may, with the holder's key that `cnf` names."""
    iat, exp = read_uint(claims[_IAT], "pass: iat"), read_uint(claims[_EXP], "pass: exp")
    longest = MAX_LIFE_PAPER if holder is None else MAX_LIFE_BOUND
    if not 0 < exp - iat <= longest:
        raise Malformed(f"pass: expected exp 1 to {longest} s after iat, got {exp - iat}")
    return Pass(
        iat=iat,
        exp=exp,
        nbf=read_uint(claims[_NBF], "pass: nbf") if _NBF in claims else None,
        place=_read_status(claims[_STATUS]),
        aspects=_read_aspects(claims[_ASPECTS]),
        holder=holder,
        hint=_read_hint(claims[_HINT], holder) if _HINT in claims else None,
    )


def read_uint(value: object, what: str) -> int:
    """Return `value` when it is an unsigned integer. Raises `Malformed` that begins with `what`."""
    # The CBOR scan lets no boolean and no bignum through, so this is a plain integer below 2^64.
    if not isinstance(value, int) or value < 0:
        raise Malformed(f"{what}: expected an unsigned integer, got {type(value).__name__}")
    return value


def _read_status(value: object) -> Place:
    entry = value.get("status_list") if isinstance(value, dict) and len(value) == 1 else None
    if not isinstance(entry, dict) or entry.keys() != _PLACE:
        raise Malformed("pass: expected status {status_list: {idx, uri}}")
    uri = entry["uri"]
    if not isinstance(uri, str):
        raise Malformed(f"pass: expected the status list's uri as text, got {type(uri).__name__}")
    return Place(uri=uri, idx=read_uint(entry["idx"], "pass: idx"))


def _read_aspects(value: object) -> dict[int, Aspect]:
    if not isinstance(value, dict) or not value:
        raise Malformed("pass: expected aspects, a map with at least one scope")
    aspects = {}
    for scope, aspect in value.items():
        read_uint(scope, "pass: scope")
        if not isinstance(aspect, int) or not 0 <= aspect < len(_ASPECT_OF):
            raise Malformed(f"pass: expected aspect 0, 1 or 2, got {aspect!r}")
        aspects[scope] = _ASPECT_OF[aspect]
    return aspects


def _read_cnf(value: object) -> HolderKey:
    key = value.get(1) if isinstance(value, dict) and len(value) == 1 else None
    if not isinstance(key, dict) or key.keys() != _COSE_KEY or key[1] != 2 or key[-1] != 1:
        raise Malformed("pass: expected cnf {1: COSE_Key} with a P-256 key {1: 2, -1: 1, -2: x, -3: y}")
    x, y = key[-2], key[-3]
    if not isinstance(x, bytes) or not isinstance(y, bytes):
        raise Malformed("pass: expected the holder key's x and y as byte strings")
    return HolderKey.from_coordinates(x, y)


def _read_hint(value: object, holder: HolderKey | None) -> str:
    if holder is not None:
        raise Malformed("pass: expected a hint on paper passes only")
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_HINT:
        raise Malformed(f"pass: expected a hint of 1 to {MAX_HINT} code points")
    if any(unicodedata.category(character) == "Cc" for character in value):
        raise Malformed("pass: expected a hint without control characters")
    return value


def _to_claims(pass_: Pass) -> dict[int, object]:
    """In the order of the encoding, so that nothing has to be sorted."""
    claims: dict[int, object] = {_EXP: pass_.exp}
    if pass_.nbf is not None:
        claims[_NBF] = pass_.nbf
    claims[_IAT] = pass_.iat
    if pass_.holder is not None:
        claims[_CNF] = {1: pass_.holder.to_cose()}
    claims[_STATUS] = {"status_list": {"idx": pass_.place.idx, "uri": pass_.place.uri}}
    claims[_ASPECTS] = {scope: int(aspect) for scope, aspect in sorted(pass_.aspects.items())}
    if pass_.hint is not None:
        claims[_HINT] = pass_.hint
    return claims
