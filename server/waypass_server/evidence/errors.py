"""Why a health certificate does not count as evidence.

`EvidenceError` is the root, with three classes because a caller does three different things:

- `UnreadableError`: the text is not a whole health certificate; ask for it again
- `UntrustedError`: it is one, but no known signer vouches for it; nothing that it says may be used
- `OutOfTimeError`: it is genuine, but not in force at the time asked about; ask for a current one

`Reason` is the closed set of codes that programs and logs use. The message says what was expected and what
came, without repeating what the certificate says about a person.
"""

from enum import StrEnum


class Reason(StrEnum):
    """The rule that a certificate broke, in the order in which the rules are applied."""

    TOO_LARGE = "too-large"
    NOT_HCERT = "not-hcert"
    BASE45 = "base45"
    COMPRESSION = "compression"
    CBOR = "cbor"
    COSE = "cose"
    ALGORITHM = "algorithm"
    UNKNOWN_SIGNER = "unknown-signer"
    SIGNER_UNREADABLE = "signer-unreadable"
    BAD_SIGNATURE = "bad-signature"
    CLAIMS = "claims"
    SIGNER_VALIDITY = "signer-validity"
    KEY_USAGE = "key-usage"
    NOT_YET_VALID = "not-yet-valid"
    EXPIRED = "expired"


class EvidenceError(Exception):
    """Root of everything that this package raises about a certificate. `reason` is the rule that it broke."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class UnreadableError(EvidenceError):
    """Not a whole, well-formed health certificate."""


class UntrustedError(EvidenceError):
    """No given signer vouches for this certificate, or not for this kind of certificate."""


class OutOfTimeError(EvidenceError):
    """Genuine, but not yet or no longer in force."""
