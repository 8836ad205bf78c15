"""Health certificates (HCERT, the EU's DCC) as evidence: the whole way from text to record.

A certificate counts only if all of this holds; the first rule that fails decides:

1. the text unpacks to signed bytes                                    (`transport`)
2. they are a COSE_Sign1 message                                       (`cose`)
3. a given signer's certificate is named and its signature is good     (`signers`)
4. the signed claims are CBOR                                          (`cbor`)
5. the signer's certificate is valid at the time asked about           (`signers`)
6. the claims hold one test, vaccination or recovery                   (`claims`)
7. the signer may sign that kind                                       (`signers`)
8. the certificate is in force at the time asked about: from `iat` to `exp`, both included, as real
   certificates expect

Nothing that the claims say is used before rule 3 holds. Who the certificate is about is not compared with
anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509

from waypass_server.evidence import claims, cose, transport
from waypass_server.evidence.cbor import decode
from waypass_server.evidence.errors import OutOfTimeError, Reason
from waypass_server.evidence.record import Evidence
from waypass_server.evidence.signers import Signer, SignerSet

DATE_TAG = 0  # some issuers tag the time of a sample


@dataclass(frozen=True, kw_only=True, slots=True)
class SignedClaims:
    """Claims with a good signature, not judged yet. `claims` is the decoded CWT: it holds names, do not store
    it.
    """

    claims: object
    signer: Signer


def verify(text: str, *, signers: SignerSet | Sequence[x509.Certificate | bytes], at: int) -> Evidence:
    """The record of a health certificate that holds at `at` (UNIX seconds).

    `signers` are the certificates whose signatures count; a caller with many certificates to check builds a
    `SignerSet` once.

    Raises:
        UnreadableError, UntrustedError, OutOfTimeError: all `EvidenceError`; `reason` tells which rule.
    """
    return judge(authenticate(text, signers=signers), at=at)


def authenticate(text: str, *, signers: SignerSet | Sequence[x509.Certificate | bytes]) -> SignedClaims:
    """Rules 1 to 4: who signed what. Says nothing about validity, usage or time.

    Raises:
        UnreadableError, UntrustedError: see `verify`.
    """
    known = signers if isinstance(signers, SignerSet) else SignerSet.of(signers)
    message = cose.parse(transport.unpack(text))  # rules 1, 2
    signer = known.signer_of(message)  # rule 3
    return SignedClaims(claims=decode(message.payload, what="claims", tags={DATE_TAG}), signer=signer)  # rule 4


def judge(signed: SignedClaims, *, at: int) -> Evidence:
    """Rules 5 to 8, for claims whose signature is good.

    Raises:
        UnreadableError, UntrustedError, OutOfTimeError: see `verify`.
    """
    signed.signer.check_validity(at)  # rule 5
    evidence = claims.read(signed.claims)  # rule 6
    signed.signer.check_usage(evidence.kind)  # rule 7
    if at < evidence.valid_from:  # rule 8
        raise OutOfTimeError(Reason.NOT_YET_VALID, f"in force from {evidence.valid_from}, asked about {at}")
    if at > evidence.valid_until:
        raise OutOfTimeError(Reason.EXPIRED, f"in force until {evidence.valid_until}, asked about {at}")
    return evidence
