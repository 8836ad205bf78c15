"""Somebody else's issuer: keys, passes, presentations and status messages made from the published wire format alone.

Nothing of this project is imported here. CBOR is written by the few lines below, so that an object can also be spelled
wrongly on purpose: a `Raw` is put where a value belongs, `Pairs` is a map in the order given. Signatures, Base45 and
zlib are libraries'. What is made here reaches the product only through its commands.
"""

import base64
import hashlib
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import base45
import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

AT: Final = 1_800_000_000  # a full hour
HOUR: Final = 3600
DAY: Final = 86_400
NETWORK: Final = "metro"
URI: Final = "wp:1"
INDEXES: Final = 1 << 20
PACKED: Final = INDEXES // 4
P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

STATUS_LIST_TYPE: Final = "application/statuslist+cwt"
DELTA_TYPE: Final = "application/waypass-delta+cbor"
HEAD_TYPE: Final = "application/waypass-head+cbor"

VERSION, CHANGES, SEQUENCE, ROWS = -70010, -70011, -70012, -70013
STATUS, ASPECTS, HINT = 65535, -70001, -70003


# CBOR in core deterministic encoding, and in any other on request


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes that stand where an encoded item belongs."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Pairs:
    """A map whose pairs keep the order given, with duplicates if there are any."""

    items: tuple[tuple[Any, Any], ...]


@dataclass(frozen=True, slots=True)
class Tag:
    """A tagged item."""

    number: int
    value: Any


def initial(major: int, number: int, *, width: int | None = None) -> bytes:
    """The first bytes of an item: shortest, or with `width` bytes for the number."""
    if width is None:
        width = next(
            size for size, limit in ((0, 24), (1, 1 << 8), (2, 1 << 16), (4, 1 << 32), (8, 1 << 64)) if number < limit
        )
    if width == 0:
        return bytes([major << 5 | number])
    return bytes([major << 5 | {1: 24, 2: 25, 4: 26, 8: 27}[width]]) + number.to_bytes(width, "big")


def encode(value: Any) -> bytes:
    """One CBOR item."""
    match value:
        case Raw():
            return value.data
        case None | bool() | float():
            return bytes(cbor2.dumps(value, canonical=True))
        case int():
            return initial(0, value) if value >= 0 else initial(1, -1 - value)
        case bytes():
            return initial(2, len(value)) + value
        case str():
            return initial(3, len(value.encode())) + value.encode()
        case list() | tuple():
            return initial(4, len(value)) + b"".join(map(encode, value))
        case Pairs():
            return initial(5, len(value.items)) + b"".join(encode(k) + encode(v) for k, v in value.items)
        case Mapping():
            return encode(Pairs(tuple((Raw(k), v) for k, v in sorted((encode(k), v) for k, v in value.items()))))
        case Tag():
            return initial(6, value.number) + encode(value.value)
    msg = f"expected something that CBOR has, got {type(value).__name__}"
    raise TypeError(msg)


# Keys


def unpadded(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """An issuer's key: the seed is the SHA-256 of its name."""

    name: str
    uses: tuple[str, ...]
    nbf: int = AT - 400 * DAY
    exp: int = AT + 400 * DAY

    @property
    def private(self) -> ed25519.Ed25519PrivateKey:
        return ed25519.Ed25519PrivateKey.from_private_bytes(hashlib.sha256(self.name.encode()).digest())

    @property
    def x(self) -> bytes:
        return self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    @property
    def kid(self) -> bytes:
        return hashlib.sha256(encode({1: 1, -1: 6, -2: self.x})).digest()[:8]

    def sign(self, data: bytes) -> bytes:
        return self.private.sign(data)

    def jwk(self, **changes: Any) -> dict[str, Any]:
        known = {"kty": "OKP", "crv": "Ed25519", "x": unpadded(self.x), "kid": unpadded(self.kid)}
        return known | {"waypass_uses": list(self.uses), "nbf": self.nbf, "exp": self.exp} | changes


PASS_KEY: Final = Key(name="foreign pass key", uses=("pass",))
STATUS_KEY: Final = Key(name="foreign status key", uses=("status",))
STRANGER: Final = Key(name="foreign stranger", uses=("pass", "status"))


def trust_set(keys: Sequence[dict[str, Any]], *, network: Any = NETWORK) -> bytes:
    """A network's JWK Set."""
    return json.dumps({"waypass_network": network, "keys": list(keys)}).encode()


@dataclass(frozen=True, slots=True)
class Holder:
    """A wallet's P-256 key."""

    number: int = 20_240_229

    @property
    def private(self) -> ec.EllipticCurvePrivateKey:
        return ec.derive_private_key(self.number, ec.SECP256R1())

    @property
    def cose_key(self) -> dict[int, Any]:
        point = self.private.public_key().public_numbers()
        return {1: 2, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")}

    def sign(self, data: bytes, *, high: bool = False) -> bytes:
        """r and s, 32 bytes each, with the low one of the two possible s unless `high`."""
        r, s = decode_dss_signature(self.private.sign(data, ec.ECDSA(hashes.SHA256())))
        low = min(s, P256_ORDER - s)
        return r.to_bytes(32, "big") + (P256_ORDER - low if high else low).to_bytes(32, "big")


HOLDER: Final = Holder()


# COSE_Sign1

Sign = Callable[[bytes], bytes]


def sign1(sign: Sign, protected: Any, payload: Any, *, aad: bytes = b"") -> bytes:
    """A tagged COSE_Sign1 with an empty unprotected header."""
    return encode(Tag(18, sign1_parts(sign, protected, payload, aad=aad)))


def sign1_parts(sign: Sign, protected: Any, payload: Any, *, aad: bytes = b"") -> list[Any]:
    """The four parts of a COSE_Sign1, to be put together otherwise than the standard says."""
    header, content = encode(protected), encode(payload)
    return [header, {}, content, sign(encode(["Signature1", header, aad, content]))]


# Passes and presentations

DROP: Final = object()  # in place of a value: without this member


def changed(known: dict[Any, Any], changes: Mapping[Any, Any]) -> dict[Any, Any]:
    """`known` with some members replaced, added or dropped."""
    return {key: value for key, value in (known | dict(changes)).items() if value is not DROP}


def status_claim(idx: Any = 1000, uri: Any = URI) -> dict[str, Any]:
    """Where the pass's status stands."""
    return {"status_list": {"idx": idx, "uri": uri}}


def claims(changes: Mapping[Any, Any] | None = None, *, bound: bool = False) -> dict[Any, Any]:
    """The claims of a green pass of a day for scope 1."""
    known = {4: AT + 23 * HOUR, 6: AT - HOUR, STATUS: status_claim(), ASPECTS: {1: 0}}
    return changed(known | ({8: {1: HOLDER.cose_key}} if bound else {}), changes or {})


def make_pass(payload: Any, *, key: Key = PASS_KEY, protected: Any = None) -> bytes:
    """A signed pass."""
    return sign1(key.sign, {1: -8, 4: key.kid} if protected is None else protected, payload)


def text(data: bytes, *, kind: int = 1) -> str:
    """The text of a QR code."""
    return f"WP{kind}:" + bytes(base45.b45encode(data)).decode() if data else f"WP{kind}:"


def paper(changes: Mapping[Any, Any] | None = None, *, key: Key = PASS_KEY) -> str:
    """A paper pass as text."""
    return text(make_pass(claims(changes), key=key))


def bound(changes: Mapping[Any, Any] | None = None, *, key: Key = PASS_KEY) -> bytes:
    """A bound pass, not yet shown."""
    return make_pass(claims(changes, bound=True), key=key)


def presentation(
    inner: bytes,
    *,
    t: Any = AT,
    network: str = NETWORK,
    protected: Any = None,
    payload: Any = None,
    sign: Sign = HOLDER.sign,
) -> bytes:
    """A presentation of `inner` by the holder."""
    content = [t, inner] if payload is None else payload
    aad = f"waypass-presentation/1/{network}".encode()
    return sign1(sign, {1: -7} if protected is None else protected, content, aad=aad)


def shown(changes: Mapping[Any, Any] | None = None, *, t: Any = AT, key: Key = PASS_KEY, network: str = NETWORK) -> str:
    """A bound pass inside its presentation, as text."""
    return text(presentation(bound(changes, key=key), t=t, network=network), kind=2)


# Status lists


def pack(statuses: Mapping[int, int] | None = None) -> bytes:
    """The 262,144 bytes of a list in which all but the named indexes are valid."""
    packed = bytearray(PACKED)
    for index, status in (statuses or {}).items():
        packed[index // 4] |= status << 2 * (index % 4)
    return bytes(packed)


def varint(number: int) -> bytes:
    """Shortest unsigned LEB128."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out) + bytes([number])


def indexes(*ascending: int) -> bytes:
    """Indexes as a delta has them: the first, then the differences."""
    return b"".join(varint(b - a) for a, b in zip((0, *ascending), ascending, strict=False))


def status_header(media_type: str, key: Key = STATUS_KEY) -> dict[int, Any]:
    """The protected header of a status message."""
    return {1: -8, 4: key.kid, 16: media_type}


def snapshot(
    uri: str,
    version: Any,
    packed: bytes = bytes(PACKED),
    changes: Mapping[Any, Any] | None = None,
    *,
    key: Key = STATUS_KEY,
    protected: Any = None,
) -> bytes:
    """A signed snapshot, issued ten minutes before `AT`, for a day."""
    known = {
        2: uri,
        6: AT - 600,
        4: AT + DAY,
        65534: 300,
        65533: {"bits": 2, "lst": zlib.compress(packed)},
        VERSION: version,
    }
    return sign1(key.sign, protected or status_header(STATUS_LIST_TYPE, key), changed(known, changes or {}))


def delta(
    uri: str,
    version: Any,
    statuses: Any,
    changes: Mapping[Any, Any] | None = None,
    *,
    key: Key = STATUS_KEY,
    protected: Any = None,
) -> bytes:
    """A signed delta to `version`; `statuses` maps a status to indexes as `indexes` spells them."""
    known = {2: uri, 6: AT - 300, VERSION: version, CHANGES: statuses}
    return sign1(key.sign, protected or status_header(DELTA_TYPE, key), changed(known, changes or {}))


def row(uri: str, version: int, packed: bytes = bytes(PACKED)) -> list[Any]:
    """A head's row."""
    return [uri, version, hashlib.sha256(packed).digest()]


def head(
    rows: Any,
    *,
    sequence: Any = 1,
    iat: Any = AT - 10,
    changes: Mapping[Any, Any] | None = None,
    key: Key = STATUS_KEY,
    protected: Any = None,
) -> bytes:
    """A signed head."""
    known = {1: NETWORK, 6: iat, SEQUENCE: sequence, ROWS: rows}
    return sign1(key.sign, protected or status_header(HEAD_TYPE, key), changed(known, changes or {}))
