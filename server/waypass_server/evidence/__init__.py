"""Health certificates as evidence: `verify` turns an `HC1:` text into a record, or says why not."""

from waypass_server.evidence.errors import (
    EvidenceError,
    OutOfTimeError,
    Reason,
    UnreadableError,
    UntrustedError,
)
from waypass_server.evidence.record import (
    Evidence,
    Kind,
    RecoveryDetails,
    TestDetails,
    TestResult,
    VaccinationDetails,
)
from waypass_server.evidence.signers import SignerSet
from waypass_server.evidence.verify import SignedClaims, authenticate, judge, verify

__all__ = [
    "Evidence",
    "EvidenceError",
    "Kind",
    "OutOfTimeError",
    "Reason",
    "RecoveryDetails",
    "SignedClaims",
    "SignerSet",
    "TestDetails",
    "TestResult",
    "UnreadableError",
    "UntrustedError",
    "VaccinationDetails",
    "authenticate",
    "judge",
    "verify",
]
