"""Health certificates with any part of them wrong, for tests. Every layer can be made by itself.

The good case comes from here too, so that a table of bad ones differs from it in one thing each.
"""

import functools
import zlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import base45
import cbor2
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID

from waypass_server.evidence.signers import kid_of

NOW = 1_800_000_000
HOUR = 3600

TEST_USAGE = "1.3.6.1.4.1.1847.2021.1.1"
VACCINATION_USAGE = "1.3.6.1.4.1.1847.2021.1.2"
RECOVERY_USAGE = "1.3.6.1.4.1.1847.2021.1.3"
OLDER_TEST_USAGE = "1.3.6.1.4.1.0.1847.2021.1.1"
OLDER_RECOVERY_USAGE = "1.3.6.1.4.1.0.1847.2021.1.3"
TLS_CLIENT_USAGE = "1.3.6.1.5.5.7.3.2"

SignerKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

KEY = ec.derive_private_key(0x5EED, ec.SECP256R1())
OTHER_KEY = ec.derive_private_key(0x07E12, ec.SECP256R1())

TEST_ENTRY: Mapping[str, object] = {
    "tg": "840539006",
    "tt": "LP6464-4",
    "sc": "2027-01-15T02:00:00Z",
    "tr": "260415000",
    "co": "XW",
    "is": "Forge",
    "ci": "URN:UVCI:01:XW:F0F0F0F0F0F0F0F0",
}
VACCINATION_ENTRY: Mapping[str, object] = {
    "tg": "840539006",
    "vp": "1119349007",
    "mp": "EU/1/20/1528",
    "ma": "ORG-100030215",
    "dn": 2,
    "sd": 2,
    "dt": "2026-12-24",
    "co": "XW",
    "is": "Forge",
    "ci": "URN:UVCI:01:XW:A1A1A1A1A1A1A1A1",
}
RECOVERY_ENTRY: Mapping[str, object] = {
    "tg": "840539006",
    "fr": "2026-12-01",
    "df": "2026-12-12",
    "du": "2027-06-01",
    "co": "XW",
    "is": "Forge",
    "ci": "URN:UVCI:01:XW:B2B2B2B2B2B2B2B2",
}


@functools.cache
def rsa_key(bits: int) -> rsa.RSAPrivateKey:
    """An RSA key, made once a run."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def signer(
    key: SignerKey = KEY,
    *,
    usages: Sequence[str] = (),
    signatures: bool | None = True,
    start: int = NOW - 30 * 24 * HOUR,
    end: int = NOW + 30 * 24 * HOUR,
) -> bytes:
    """A self-signed signer certificate as DER; `signatures` None leaves the key usage extension out."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Forge")])
    builder = (
        x509.CertificateBuilder(subject_name=name, issuer_name=name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(datetime.fromtimestamp(start, UTC))
        .not_valid_after(datetime.fromtimestamp(end, UTC))
    )
    if signatures is not None:
        builder = builder.add_extension(_key_usage(signatures=signatures), critical=True)
    if usages:
        named = x509.ExtendedKeyUsage([x509.ObjectIdentifier(usage) for usage in usages])
        builder = builder.add_extension(named, critical=False)
    certificate = builder.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    return certificate.public_bytes(serialization.Encoding.DER)


@functools.cache
def good_signer() -> bytes:
    """The signer certificate of `KEY`, without named usages; made once, because its signature is random."""
    return signer()


def payload(**groups: object) -> dict[str, object]:
    """A payload with these groups (`t`, `v`, `r`) and an invented person."""
    return {"ver": "1.3.0", "nam": {"fn": "Wandel", "fnt": "WANDEL"}, "dob": "1980-02-03", **groups}


def claims(changes: Mapping[int, object] | None = None, /, **groups: object) -> dict[int, object]:
    """Good claims for these groups (a negative test without any), then `changes`; a value of None removes a claim."""
    certified = payload(**groups) if groups else payload(t=[dict(TEST_ENTRY)])
    whole: dict[int, object] = {1: "XW", 4: NOW + 24 * HOUR, 6: NOW - HOUR, -260: {1: certified}}
    whole.update(changes or {})
    return {claim: value for claim, value in whole.items() if value is not None}


def message(
    content: bytes,
    *,
    key: SignerKey = KEY,
    protected: bytes | None = None,
    unprotected: Mapping[object, object] | None = None,
    signature: bytes | None = None,
) -> list[object]:
    """The four parts of a COSE_Sign1 message over `content`, signed unless a signature is given."""
    if protected is None:
        protected = cbor2.dumps({1: -7, 4: kid_of(good_signer())})
    if signature is None:
        signature = sign(key, cbor2.dumps(["Signature1", protected, b"", content]))
    return [protected, dict(unprotected or {}), content, signature]


def sign(key: SignerKey, data: bytes) -> bytes:
    """A COSE signature: ES256, PS256 or EdDSA, as the key asks for."""
    if isinstance(key, rsa.RSAPrivateKey):
        pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)
        return key.sign(data, pss, hashes.SHA256())
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(data)
    r, s = decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256())))
    width = (key.curve.key_size + 7) // 8
    return r.to_bytes(width, "big") + s.to_bytes(width, "big")


def pack(cose: bytes) -> str:
    """The text around these bytes, whatever they are."""
    return pack_compressed(zlib.compress(cose, 9))


def pack_compressed(compressed: bytes) -> str:
    """The text around what should be a zlib stream."""
    encoded: bytes = base45.b45encode(compressed)
    return "HC1:" + encoded.decode()


def text(content: object, *, key: SignerKey = KEY, der: bytes | None = None, algorithm: int = -7) -> str:
    """A certificate over these claims, by the signer whose certificate is `der`."""
    protected = cbor2.dumps({1: algorithm, 4: kid_of(good_signer() if der is None else der)})
    parts = message(cbor2.dumps(content), key=key, protected=protected)
    return pack(cbor2.dumps(cbor2.CBORTag(18, parts)))


def _key_usage(*, signatures: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signatures,
        content_commitment=False,
        key_encipherment=not signatures,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
