"""Certificate authorities for one test, and the certificates that they sign: for `localhost`, and for clients."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, kw_only=True, slots=True)
class Authority:
    """PEM files: the authority's own certificate, and certificate and key of a server called `localhost`."""

    ca: Path
    certificate: Path
    key: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """PEM files: somebody's certificate and its key."""

    certificate: Path
    key: Path


class SigningAuthority:
    """An authority that signs as many certificates as a test needs; `ca` is its own certificate."""

    def __init__(self, folder: Path) -> None:
        """The folder is made here."""
        folder.mkdir(mode=0o755)
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(f"authority of {folder.name}")
        own = _certificate(self._name, self._name, self._key, self._key, authority=True)
        self.ca = folder / "ca.pem"
        self.ca.write_bytes(own.public_bytes(Encoding.PEM))

    def issue(self, name: str, *, file: str | None = None, expired: bool = False) -> Identity:
        """A certificate for this common name, in files called after `file`, otherwise after the name."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _certificate(_name(name), self._name, key, self._key, authority=False, expired=expired)
        stem = file or name
        made = Identity(certificate=self._folder / f"{stem}.pem", key=self._folder / f"{stem}.key")
        made.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
        made.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return made

    def revoke(self, identity: Identity) -> Path:
        """A list (PEM) with this one certificate on it."""
        now = datetime.now(UTC)
        serial = x509.load_pem_x509_certificate(identity.certificate.read_bytes()).serial_number
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now).build()
        builder = x509.CertificateRevocationListBuilder().issuer_name(self._name)
        builder = builder.last_update(now - timedelta(hours=1)).next_update(now + timedelta(days=1))
        revoked = self._folder / "revoked.pem"
        signed = builder.add_revoked_certificate(entry).sign(self._key, hashes.SHA256())
        revoked.write_bytes(signed.public_bytes(Encoding.PEM))
        return revoked


def make_authority(folder: Path) -> Authority:
    """Make a new authority, with its files in a new folder."""
    authority = SigningAuthority(folder)
    server = authority.issue("localhost")
    return Authority(ca=authority.ca, certificate=server.certificate, key=server.key)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    authority: bool,
    expired: bool = False,
) -> x509.Certificate:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now + timedelta(days=-1 if expired else 1))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
