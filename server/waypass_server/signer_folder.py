"""The folder of certificates whose signatures on health certificates count.

Files ending in `.pem`, `.crt`, `.cer` or `.der` are read, as PEM (one or several in a file) or DER by their content;
other files are left alone. A file that is no certificate is an error that names it: a signer that silently does not
count would be looked for at a gate.
"""

from pathlib import Path

from cryptography import x509

from waypass_server.errors import ConfigurationError
from waypass_server.evidence import SignerSet

_ENDINGS = frozenset({".pem", ".crt", ".cer", ".der"})


def read_signers(folder: Path | None) -> SignerSet:
    """The signers in `folder`; none when no folder is given. Raises `ConfigurationError`."""
    if folder is None:
        return SignerSet.of([])
    if not folder.is_dir():
        raise ConfigurationError(f"evidence_signers: expected a folder of certificates at {folder}")
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in _ENDINGS)
    return SignerSet.of(certificate for file in files for certificate in _read(file))


def _read(file: Path) -> list[x509.Certificate]:
    try:
        data = file.read_bytes()
        if data.lstrip().startswith(b"-----BEGIN"):
            return x509.load_pem_x509_certificates(data)
        return [x509.load_der_x509_certificate(data)]
    except OSError as error:
        raise ConfigurationError(f"evidence_signers: {file} cannot be read: {error.strerror}") from None
    except ValueError:
        raise ConfigurationError(f"evidence_signers: expected a certificate (DER or PEM) in {file}") from None
