"""Keys: who may sign what, and until when.

A trust set (a JWK Set, RFC 7517, for exactly one network) is accepted whole or refused whole:

1. it is a JSON object that names its network and holds a list of keys
2. each key is a public Ed25519 key (`OKP`, `Ed25519`, 32 bytes) without a private part, spelled canonically and not of
   small order: under one of those anybody can sign
3. each `kid` is the first 8 bytes of the key's SHA-256 COSE Key Thumbprint (RFC 9679 §3), and none is there twice
4. `waypass_uses` names known uses; `nbf < exp`, in whole seconds

Members that RFC 7517 allows and this project does not know are ignored, as §4 there asks.
A key is trusted for a use that it names while `nbf <= now < exp`; otherwise it is unknown.
"""

import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from waypass_protocol import cbor, cose
from waypass_protocol.cose import Envelope, Header
from waypass_protocol.errors import BadSignature, Malformed, UnknownKey
from waypass_protocol.names import check_name

COORDINATE_LENGTH = 32
_ED25519_LENGTH = 32
_ED25519_FIELD = 2**255 - 19
# The y of the points whose order divides 8; the sign of x stands in the highest bit of the key.
_SMALL_ORDER = frozenset(
    {
        0,
        1,
        _ED25519_FIELD - 1,
        0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
        0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
    }
)
_P256 = ec.SECP256R1()
_ES256 = ec.ECDSA(hashes.SHA256())


class Use(StrEnum):
    """What an issuer key may sign."""

    PASS = "pass"
    STATUS = "status"
    COMMAND = "command"
    LOG = "log"


def key_id(public_bytes: bytes) -> bytes:
    """The `kid` of an Ed25519 public key: 8 bytes of its COSE Key Thumbprint (RFC 9679 §3)."""
    return hashlib.sha256(cbor.encode({1: 1, -1: 6, -2: public_bytes})).digest()[: cose.KID_LENGTH]


@dataclass(frozen=True, kw_only=True, slots=True)
class TrustedKey:
    """One issuer key of a trust set; times are UNIX seconds."""

    kid: bytes
    public: ed25519.Ed25519PublicKey
    uses: frozenset[Use]
    nbf: int
    exp: int

    def verify(self, envelope: Envelope) -> None:
        """Check an issuer's signature. Raises `BadSignature`."""
        try:
            self.public.verify(envelope.signature, envelope.to_be_signed())
        except InvalidSignature:
            raise BadSignature(f"the signature by key {self.kid.hex()} does not verify") from None

    def to_jwk(self) -> dict[str, object]:
        """The key as a member of a trust set."""
        return {
            "kty": "OKP",
            "crv": "Ed25519",
            "x": base64url(self.public.public_bytes(Encoding.Raw, PublicFormat.Raw)),
            "kid": base64url(self.kid),
            "waypass_uses": sorted(use.value for use in self.uses),
            "nbf": self.nbf,
            "exp": self.exp,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class TrustSet:
    """The issuer keys of one network, by `kid`."""

    network: str
    keys: Mapping[bytes, TrustedKey]

    def find(self, kid: bytes, use: Use, now: int) -> TrustedKey:
        """The key that is trusted for this use at `now`. Raises `UnknownKey`."""
        key = self.keys.get(kid)
        if key is None:
            raise UnknownKey(f"key {kid.hex()} is not in the trust set of {self.network}")
        if use not in key.uses:
            raise UnknownKey(f"key {kid.hex()} is not trusted for {use.value}")
        if not key.nbf <= now < key.exp:
            raise UnknownKey(f"key {kid.hex()} is trusted from {key.nbf} until {key.exp}, not at {now}")
        return key

    def to_json(self) -> str:
        """The JWK Set that `read_trust_set` reads back."""
        rows = [key.to_jwk() for key in self.keys.values()]
        return json.dumps({"waypass_network": self.network, "keys": rows}, indent=2)


class Signer(Protocol):
    """An issuer's private key, wherever it lives (a file, later an HSM)."""

    @property
    def kid(self) -> bytes:
        """8 bytes, as `key_id` gives them."""
        ...

    @property
    def public(self) -> ed25519.Ed25519PublicKey:
        """The public half."""
        ...

    def sign(self, message: bytes) -> bytes:
        """An Ed25519 signature of 64 bytes."""
        ...


class MemorySigner:
    """A `Signer` whose Ed25519 key lives in this process."""

    def __init__(self, private: ed25519.Ed25519PrivateKey) -> None:
        self._private = private
        self._public = private.public_key()
        self._kid = key_id(self._public.public_bytes(Encoding.Raw, PublicFormat.Raw))

    @property
    def public(self) -> ed25519.Ed25519PublicKey:
        """The public half."""
        return self._public

    @property
    def kid(self) -> bytes:
        """8 bytes, as `key_id` gives them."""
        return self._kid

    def sign(self, message: bytes) -> bytes:
        """An Ed25519 signature of 64 bytes."""
        return self._private.sign(message)

    def trusted(self, *, uses: frozenset[Use], nbf: int, exp: int) -> TrustedKey:
        """The public half, as it stands in a trust set."""
        return TrustedKey(kid=self._kid, public=self._public, uses=uses, nbf=nbf, exp=exp)


def sign_envelope(payload: bytes, header: Header, signer: Signer) -> bytes:
    """A tagged COSE_Sign1 around `payload`, signed by an issuer key (EdDSA)."""
    protected = cose.protected_header(header, algorithm=cose.EDDSA, kid=signer.kid)
    signature = signer.sign(cose.sig_structure(protected, payload))
    return cose.assemble(protected, payload, signature)


@dataclass(frozen=True, kw_only=True, slots=True)
class HolderKey:
    """The public P-256 key that a bound pass names in `cnf`; its private half never leaves the wallet."""

    public: ec.EllipticCurvePublicKey
    _point: bytes = field(default=b"", compare=False, repr=False)
    """X and y as they were read: to ask the library for them takes a tenth of a signature."""

    @staticmethod
    def from_coordinates(x: bytes, y: bytes) -> "HolderKey":
        """Read a point. Raises `Malformed` when a coordinate is not 32 bytes or the point is not on the curve."""
        if len(x) != COORDINATE_LENGTH or len(y) != COORDINATE_LENGTH:
            raise Malformed(f"holder key: expected coordinates of 32 bytes, got {len(x)} and {len(y)}")
        try:
            public = ec.EllipticCurvePublicKey.from_encoded_point(_P256, b"\x04" + x + y)
        except ValueError:
            raise Malformed("holder key: the point is not on P-256") from None
        return HolderKey(public=public, _point=x + y)

    def coordinates(self) -> tuple[bytes, bytes]:
        """x and y, 32 bytes each."""
        point = self._point or self.public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:]
        return point[:COORDINATE_LENGTH], point[COORDINATE_LENGTH:]

    def to_cose(self) -> dict[int, object]:
        """The COSE_Key (RFC 9052 §7, RFC 9053 §7.1.1) that stands in `cnf`."""
        x, y = self.coordinates()
        return {1: 2, -1: 1, -2: x, -3: y}

    def verify(self, signature: bytes, message: bytes) -> None:
        """Check an ES256 signature of 64 bytes (r then s). Raises `BadSignature`."""
        if len(signature) != cose.SIGNATURE_LENGTH:
            raise BadSignature(f"expected a holder's signature of {cose.SIGNATURE_LENGTH} bytes, got {len(signature)}")
        r = int.from_bytes(signature[:COORDINATE_LENGTH], "big")
        s = int.from_bytes(signature[COORDINATE_LENGTH:], "big")
        try:
            self.public.verify(encode_dss_signature(r, s), message, _ES256)
        except InvalidSignature:
            raise BadSignature("the holder's signature does not verify") from None


class HolderSigner:
    """A holder's private P-256 key, for wallets in software, tests and the simulator."""

    def __init__(self, private: ec.EllipticCurvePrivateKey) -> None:
        self._private = private
        self.key = HolderKey(public=private.public_key())

    def sign(self, message: bytes) -> bytes:
        """An ES256 signature of 64 bytes (r then s)."""
        r, s = decode_dss_signature(self._private.sign(message, _ES256))
        return r.to_bytes(COORDINATE_LENGTH, "big") + s.to_bytes(COORDINATE_LENGTH, "big")


def read_trust_set(text: str | bytes) -> TrustSet:
    """Read a JWK Set by the module's rules. Raises `Malformed`; then no key of it counts."""
    document = read_json_object(text, what="trust set")
    network = check_name(document.get("waypass_network"), what="trust set: waypass_network")
    rows = document.get("keys")
    if not isinstance(rows, list):
        raise Malformed("trust set: expected a list of keys")
    keys: dict[bytes, TrustedKey] = {}
    for number, row in enumerate(rows):
        key = _read_jwk(row, what=f"trust set: key {number}")
        if key.kid in keys:
            raise Malformed(f"trust set: key {number}: kid {key.kid.hex()} is there twice")
        keys[key.kid] = key
    return TrustSet(network=network, keys=keys)


def read_json_object(text: str | bytes, *, what: str) -> dict[str, Any]:
    """Parse a JSON object (RFC 8259): no member twice, no NaN or infinity, and all text can be written as UTF-8.

    Raises `Malformed` that begins with `what`.
    """
    try:
        document = json.loads(text, object_pairs_hook=_object_once)
        # The library lets NaN, 1e999 and half of a surrogate pair through; writing them again finds all three.
        json.dumps(document, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise Malformed(f"{what}: expected a JSON object: {error}") from None
    if not isinstance(document, dict):
        raise Malformed(f"{what}: expected a JSON object, got {type(document).__name__}")
    return document


def base64url(data: bytes) -> str:
    """Base64url without padding (RFC 7515 §2)."""
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _read_jwk(row: object, *, what: str) -> TrustedKey:
    if not isinstance(row, dict):
        raise Malformed(f"{what}: expected a JSON object, got {type(row).__name__}")
    if row.get("kty") != "OKP" or row.get("crv") != "Ed25519":
        raise Malformed(f"{what}: expected kty OKP and crv Ed25519, got {row.get('kty')!r} and {row.get('crv')!r}")
    if "d" in row:
        raise Malformed(f"{what}: holds a private part; a trust set holds public keys only")
    raw = read_base64url(row.get("x"), length=_ED25519_LENGTH, what=f"{what}: x")
    public = read_public_key(raw, what=f"{what}: x")
    kid = read_base64url(row.get("kid"), length=cose.KID_LENGTH, what=f"{what}: kid")
    if kid != key_id(raw):
        raise Malformed(f"{what}: expected kid {base64url(key_id(raw))} as computed from x, got {row['kid']}")
    nbf, exp = _read_seconds(row, "nbf", what), _read_seconds(row, "exp", what)
    if nbf >= exp:
        raise Malformed(f"{what}: expected nbf before exp, got {nbf} and {exp}")
    return TrustedKey(kid=kid, public=public, uses=_read_uses(row.get("waypass_uses"), what), nbf=nbf, exp=exp)


def read_public_key(raw: bytes, *, what: str) -> ed25519.Ed25519PublicKey:
    """A public key by rule 2. A point that is not on the curve is let through: no signature verifies with it.

    Raises `Malformed` that begins with `what`.
    """
    if len(raw) != _ED25519_LENGTH:
        raise Malformed(f"{what}: expected {_ED25519_LENGTH} bytes, got {len(raw)}")
    y = int.from_bytes(raw, "little") & ~(1 << 255)
    if y >= _ED25519_FIELD:
        raise Malformed(f"{what}: expected a point in its canonical spelling")
    if y in _SMALL_ORDER:
        raise Malformed(f"{what}: expected a point of large order; under this one anybody can sign")
    return ed25519.Ed25519PublicKey.from_public_bytes(raw)


def _read_uses(value: object, what: str) -> frozenset[Use]:
    if not isinstance(value, list) or not value:
        raise Malformed(f"{what}: expected waypass_uses, a list that names at least one use")
    known = {use.value for use in Use}
    for name in value:
        if not isinstance(name, str) or name not in known:
            raise Malformed(f"{what}: expected uses among {sorted(known)}, got {name!r}")
    return frozenset(Use(name) for name in value)


def _read_seconds(row: dict[str, Any], name: str, what: str) -> int:
    value = row.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Malformed(f"{what}: expected {name} in whole UNIX seconds, got {value!r}")
    return value


def read_base64url(value: object, *, length: int, what: str) -> bytes:
    """Base64url without padding, of exactly so many bytes. Raises `Malformed`."""
    if not isinstance(value, str):
        raise Malformed(f"{what}: expected base64url text, got {type(value).__name__}")
    try:
        data = urlsafe_b64decode(value + "=" * (-len(value) % 4))
    except (Base64Error, ValueError):
        raise Malformed(f"{what}: not base64url") from None
    # The library skips what is not in its alphabet; one key has one spelling here.
    if base64url(data) != value:
        raise Malformed(f"{what}: not base64url without padding")
    if len(data) != length:
        raise Malformed(f"{what}: expected {length} bytes, got {len(data)}")
    return data


def _object_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands twice")
    return members
