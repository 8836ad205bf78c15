"""Whose signatures count: document signer certificates (X.509), and what each may sign.

Which certificates are in the set is the operator's decision (a national list, checked against the countries'
root certificates when it is fetched). Chains and revocation are not checked here.

- A certificate is found by its key identifier, the first 8 bytes of the SHA-256 of its DER bytes. Two may
  share one: all are tried, as the specification demands.
- Only ES256 with P-256 and PS256 with RSA of at least 2,048 bits are accepted, and the key must be of the
  algorithm's type.
- A certificate that names any of the three usages (test, vaccination, recovery; in the current or the older
  numbering) may sign only those that it names. One that names none of the three, or only others such as TLS
  client, may sign any kind: there are real signers of both sorts.
- A certificate with a key usage extension must allow digital signatures.

A certificate is parsed when a message names it, so that one that cannot be read does not take the others out
of use.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from waypass_server.evidence.cose import Sign1
from waypass_server.evidence.errors import OutOfTimeError, Reason, UntrustedError
from waypass_server.evidence.record import Kind

ES256 = -7
PS256 = -37
KID_BYTES = 8
MIN_RSA_BITS = 2048

_USAGES = {
    f"{arc}.{number}": kind
    for arc in ("1.3.6.1.4.1.1847.2021.1", "1.3.6.1.4.1.0.1847.2021.1")
    for number, kind in ((1, Kind.TEST), (2, Kind.VACCINATION), (3, Kind.RECOVERY))
}

_UNREADABLE = (
    ValueError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


def kid_of(der: bytes) -> bytes:
    """The key identifier of a certificate given as DER."""
    return hashlib.sha256(der).digest()[:KID_BYTES]


@dataclass(frozen=True, kw_only=True, slots=True)
class SignerSet:
    """The certificates whose signatures count, by key identifier. Build it once with `of` and keep it."""

    by_kid: Mapping[bytes, tuple[bytes, ...]]

    @classmethod
    def of(cls, certificates: Iterable[x509.Certificate | bytes]) -> Self:
        """From certificates, or their DER bytes; duplicates are harmless."""
        by_kid: dict[bytes, tuple[bytes, ...]] = {}
        for certificate in certificates:
            der = (
                certificate if isinstance(certificate, bytes) else certificate.public_bytes(serialization.Encoding.DER)
            )
            others = by_kid.get(kid_of(der), ())
            by_kid[kid_of(der)] = others if der in others else (*others, der)
        return cls(by_kid=MappingProxyType(by_kid))

    def signer_of(self, message: Sign1) -> "Signer":
        """The signer whose signature is on `message`.

        Raises:
            UntrustedError: `algorithm`, `unknown-signer`, `signer-unreadable` or `bad-signature`.
        """
        if message.algorithm not in (ES256, PS256):
            raise UntrustedError(
                Reason.ALGORITHM, f"expected ES256 ({ES256}) or PS256 ({PS256}), got {message.algorithm}"
            )
        failure = UntrustedError(
            Reason.UNKNOWN_SIGNER,
            f"none of {len(self.by_kid)} key identifiers is {message.kid[:KID_BYTES].hex()}",
        )
        for der in self.by_kid.get(message.kid, ()):
            try:
                signer = read_signer(der)
                signer.check_signature(message)
            except UntrustedError as error:
                failure = error
            else:
                return signer
        raise failure


@dataclass(frozen=True, kw_only=True, slots=True)
class Signer:
    """One signer certificate, read. Times are UNIX seconds, both inclusive. `kinds` is what it may sign."""

    public_key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey
    not_before: int
    not_after: int
    kinds: frozenset[Kind]
    may_sign: bool

    def check_signature(self, message: Sign1) -> None:
        """Raises `UntrustedError` (`algorithm` or `bad-signature`) unless this signer signed `message`."""
        try:
            if message.algorithm == ES256:
                self._check_es256(message)
            else:
                self._check_ps256(message)
        except InvalidSignature as error:
            raise UntrustedError(Reason.BAD_SIGNATURE, "the signature is not this signer's over these bytes") from error

    def _check_es256(self, message: Sign1) -> None:
        key = self.public_key
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            raise UntrustedError(Reason.ALGORITHM, "ES256: expected a signer with a P-256 key")
        if len(message.signature) != 64:
            raise UntrustedError(Reason.BAD_SIGNATURE, f"ES256: expected 64 bytes, got {len(message.signature)}")
        r, s = (int.from_bytes(half, "big") for half in (message.signature[:32], message.signature[32:]))
        key.verify(encode_dss_signature(r, s), message.signed_bytes(), ec.ECDSA(hashes.SHA256()))

    def _check_ps256(self, message: Sign1) -> None:
        key = self.public_key
        if not isinstance(key, rsa.RSAPublicKey) or key.key_size < MIN_RSA_BITS:
            raise UntrustedError(
                Reason.ALGORITHM, f"PS256: expected a signer with an RSA key of {MIN_RSA_BITS} bits or more"
            )
        pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.DIGEST_LENGTH)
        key.verify(message.signature, message.signed_bytes(), pss, hashes.SHA256())

    def check_validity(self, at: int) -> None:
        """Raises `OutOfTimeError` (`signer-validity`) unless the signer certificate is valid at `at`."""
        if not self.not_before <= at <= self.not_after:
            raise OutOfTimeError(
                Reason.SIGNER_VALIDITY,
                f"the signer is valid from {self.not_before} to {self.not_after}, asked about {at}",
            )

    def check_usage(self, kind: Kind) -> None:
        """Raises `UntrustedError` (`key-usage`) unless this signer may sign certificates of this kind."""
        if not self.may_sign:
            raise UntrustedError(Reason.KEY_USAGE, "the signer's key usage does not allow digital signatures")
        if kind not in self.kinds:
            allowed = ", ".join(sorted(self.kinds))
            raise UntrustedError(Reason.KEY_USAGE, f"the signer may sign {allowed}, got a certificate of {kind}")


def read_signer(der: bytes) -> Signer:
    """Reads one certificate.

    Raises:
        UntrustedError: `signer-unreadable` when it is not a certificate that can be read, or has another kind
        of key.
    """
    try:
        certificate = x509.load_der_x509_certificate(der)
        key = certificate.public_key()
        extensions = certificate.extensions
        not_before, not_after = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    except _UNREADABLE as error:
        raise UntrustedError(Reason.SIGNER_UNREADABLE, f"the signer's certificate cannot be read: {error}") from error
    if not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        raise UntrustedError(Reason.SIGNER_UNREADABLE, "expected a signer's certificate with an EC or RSA key")
    return Signer(
        public_key=key,
        not_before=int(not_before.timestamp()),
        not_after=int(not_after.timestamp()),
        kinds=_kinds(extensions),
        may_sign=_allows_signatures(extensions),
    )


def _kinds(extensions: x509.Extensions) -> frozenset[Kind]:
    try:
        usages = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return frozenset(Kind)
    named = frozenset(_USAGES[usage.dotted_string] for usage in usages if usage.dotted_string in _USAGES)
    return named or frozenset(Kind)


def _allows_signatures(extensions: x509.Extensions) -> bool:
    try:
        return extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature
    except x509.ExtensionNotFound:
        return True
