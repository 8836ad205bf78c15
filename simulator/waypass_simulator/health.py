"""A demonstration health authority: signs health certificates (HCERT) for invented people.

Its certificates have the form of the EU's DCC, version 1.3.0, so that any verifier that is given
`certificate_der` as a signer accepts them: payload under claim -260, COSE_Sign1 with ES256, zlib, Base45,
`HC1:`. Nothing real is in them: the country is XW, which ISO 3166 leaves to users, and names come from the
caller.

Key, randomness and times are arguments; with the same ones the same bytes come out.
"""

import hashlib
import zlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Self

import base45
import cbor2
import cv2
import numpy as np
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID

COUNTRY = "XW"
OFFICE = "Waypass Demonstration Health Authority"
COVID_19 = "840539006"
DAY = 86_400

RandomBytes = Callable[[int], bytes]
"""Gives so many random bytes: `secrets.token_bytes`, or a seeded stand-in."""


class CertificateKind(StrEnum):
    """The kinds of certificate, with the letter of their group in the payload."""

    TEST = "t"
    VACCINATION = "v"
    RECOVERY = "r"


_USAGE = {
    CertificateKind.TEST: x509.ObjectIdentifier("1.3.6.1.4.1.1847.2021.1.1"),
    CertificateKind.VACCINATION: x509.ObjectIdentifier("1.3.6.1.4.1.1847.2021.1.2"),
    CertificateKind.RECOVERY: x509.ObjectIdentifier("1.3.6.1.4.1.1847.2021.1.3"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class InventedPerson:
    """Somebody who does not exist. The names in machine form are made from these: A to Z and `<`."""

    family_name: str
    given_name: str
    born: date


@dataclass(frozen=True, kw_only=True, slots=True)
class HealthAuthority:
    """Signs certificates with one key. Times are UNIX seconds; a certificate counts from `now` for `days`."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    random: RandomBytes

    @classmethod
    def make(
        cls,
        *,
        key: ec.EllipticCurvePrivateKey,
        random: RandomBytes,
        now: int,
        days: int = 730,
        kinds: Collection[CertificateKind] = frozenset(CertificateKind),
    ) -> Self:
        """An authority with a self-signed signer certificate, valid from a day before `now` for `days`.

        `key` is a P-256 key. `kinds` are the usages that the certificate names; with none it names no usage
        at all, which verifiers take as leave to sign every kind.
        """
        name = x509.Name(
            [
                x509.NameAttribute(NameOID.COUNTRY_NAME, COUNTRY),
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, OFFICE),
                x509.NameAttribute(NameOID.COMMON_NAME, "Demonstration signer"),
            ]
        )
        start = datetime.fromtimestamp(now, UTC) - timedelta(days=1)
        builder = (
            x509.CertificateBuilder(subject_name=name, issuer_name=name)
            .public_key(key.public_key())
            .serial_number(int.from_bytes(random(16), "big") | 1)
            .not_valid_before(start)
            .not_valid_after(start + timedelta(days=days))
            .add_extension(_only_signatures(), critical=True)
        )
        if kinds:
            usages = x509.ExtendedKeyUsage([_USAGE[kind] for kind in CertificateKind if kind in kinds])
            builder = builder.add_extension(usages, critical=False)
        certificate = builder.sign(key, hashes.SHA256(), ecdsa_deterministic=True)
        return cls(key=key, certificate=certificate, random=random)

    @property
    def certificate_der(self) -> bytes:
        """The signer certificate, as verifiers want it."""
        return self.certificate.public_bytes(serialization.Encoding.DER)

    def test(self, person: InventedPerson, *, positive: bool, now: int, days: int = 3) -> str:
        """A PCR test whose sample was taken six hours before `now`, as an `HC1:` text."""
        sampled = datetime.fromtimestamp(now - 6 * 3600, UTC)
        entry = {
            "tt": "LP6464-4",
            "nm": "Demonstration PCR",
            "sc": sampled.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "tr": "260373001" if positive else "260415000",
            "tc": "Demonstration laboratory",
        }
        return self._certify(person, CertificateKind.TEST, entry, now=now, days=days)

    def vaccination(self, person: InventedPerson, *, now: int, dose: int = 2, series: int = 2, days: int = 365) -> str:
        """A vaccination given two weeks before `now`, as an `HC1:` text."""
        entry = {
            "vp": "1119349007",
            "mp": "EU/1/20/1528",
            "ma": "ORG-100030215",
            "dn": dose,
            "sd": series,
            "dt": _day(now - 14 * DAY).isoformat(),
        }
        return self._certify(person, CertificateKind.VACCINATION, entry, now=now, days=days)

    def recovery(self, person: InventedPerson, *, now: int, days: int = 180) -> str:
        """A recovery, first positive 21 days before `now`, as an `HC1:` text."""
        entry = {
            "fr": _day(now - 21 * DAY).isoformat(),
            "df": _day(now - 10 * DAY).isoformat(),
            "du": _day(now + days * DAY).isoformat(),
        }
        return self._certify(person, CertificateKind.RECOVERY, entry, now=now, days=days)

    def sign(self, claims: Mapping[int, object]) -> str:
        """Any claims (a CWT), signed and packed into an `HC1:` text; nothing about them is checked."""
        kid = hashlib.sha256(self.certificate_der).digest()[:8]
        protected, payload = cbor2.dumps({1: -7, 4: kid}), cbor2.dumps(dict(claims))
        to_sign = cbor2.dumps(["Signature1", protected, b"", payload])
        der = self.key.sign(to_sign, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
        r, s = decode_dss_signature(der)
        message = cbor2.CBORTag(18, [protected, {}, payload, r.to_bytes(32, "big") + s.to_bytes(32, "big")])
        encoded: bytes = base45.b45encode(zlib.compress(cbor2.dumps(message), 9))
        return "HC1:" + encoded.decode()

    def _certify(
        self,
        person: InventedPerson,
        kind: CertificateKind,
        entry: Mapping[str, object],
        *,
        now: int,
        days: int,
    ) -> str:
        common = {
            "tg": COVID_19,
            "co": COUNTRY,
            "is": OFFICE,
            "ci": f"URN:UVCI:01:{COUNTRY}:{self.random(16).hex().upper()}",
        }
        payload = {
            "ver": "1.3.0",
            "nam": {
                "fn": person.family_name,
                "fnt": _machine_form(person.family_name),
                "gn": person.given_name,
                "gnt": _machine_form(person.given_name),
            },
            "dob": person.born.isoformat(),
            kind.value: [{**entry, **common}],
        }
        return self.sign({1: COUNTRY, 4: now + days * DAY, 6: now, -260: {1: payload}})


def health_qr_png(text: str, *, pixels_per_module: int = 4) -> bytes:
    """A certificate's text as a PNG of its QR code, as the specification has it: alphanumeric, error
    correction Q.

    `text` holds only the characters of QR's alphanumeric mode, as every `HC1:` text does.
    """
    import qrcode
    from qrcode.util import MODE_ALPHA_NUM, QRData

    code = qrcode.QRCode(error_correction=qrcode.constants.ERROR_CORRECT_Q, border=4)
    code.add_data(QRData(text.encode("ascii"), mode=MODE_ALPHA_NUM), optimize=0)
    code.make(fit=True)
    dark = np.array(code.get_matrix(), dtype=bool)
    square = np.ones((pixels_per_module, pixels_per_module), dtype=np.uint8)
    picture = np.kron(np.where(dark, 0, 255).astype(np.uint8), square)
    made, png = cv2.imencode(".png", picture)
    if not made:
        raise RuntimeError("OpenCV could not write a PNG")
    return png.tobytes()


def _only_signatures() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _machine_form(name: str) -> str:
    return "".join(letter if "A" <= letter <= "Z" else "<" for letter in name.upper())


def _day(at: int) -> date:
    return datetime.fromtimestamp(at, UTC).date()
