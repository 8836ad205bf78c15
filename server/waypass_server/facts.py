"""Facts: status data about a person, with a source and a validity. They make yellow at most; nothing here can make red.

Health certificates, handed in by the wallet or at a desk, weigh this much (`weigh`):

- a negative test: admits from the sample on for 72 h
- a vaccination whose series is complete: admits while the certificate is in force; an incomplete one is kept and does
  nothing
- a recovery: admits between its own dates, while the certificate is in force
- a positive test: yellow from the sample on for 10 days; any other result is kept and does nothing
- a certificate about another disease than COVID-19 is kept and does nothing

The same certificate is one fact: handed in again by the same person nothing changes, by another person it is refused
(`Conflict`). Who a certificate names is not compared with anything: there is no name to compare it with.

Exposure notices and survey answers are recorded by staff, with an end: at most 14 days.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from sqlalchemy import select
from sqlalchemy.orm import Session

from waypass_server import events
from waypass_server.evidence import (
    Evidence,
    EvidenceError,
    RecoveryDetails,
    SignerSet,
    TestDetails,
    TestResult,
    VaccinationDetails,
    verify,
)
from waypass_server.life import Actor
from waypass_server.models.lists_of_people import Fact, Weight
from waypass_server.models.people import Person
from waypass_server.models.records import NoticeKind
from waypass_server.notifying import tell
from waypass_server.people import known_scopes
from waypass_server.reassess import reassess
from waypass_server.refusals import BadInput, Conflict, NotFound

COVID_19 = "840539006"
DAY = 86_400
TEST_LIFE = 72 * 3600
POSITIVE_LIFE = 10 * DAY
LONGEST_NOTICE = 14 * DAY


class EvidenceRefused(BadInput):
    """The certificate does not verify; the reason's code begins the detail."""

    name = "evidence-refused"
    title = "The health certificate does not count"


@dataclass(frozen=True, kw_only=True, slots=True)
class Weighed:
    """What a certificate does, and when. Times are UNIX seconds."""

    weight: Weight
    valid_from: int
    valid_until: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """An exposure notice or a survey answer. No scopes means every scope."""

    kind: str
    source: str
    reason: str
    yellow: bool
    scopes: tuple[int, ...]
    valid_from: int
    valid_until: int


def weigh(evidence: Evidence) -> Weighed:
    """What a verified certificate does, by the module's rules."""
    start, end = evidence.valid_from, evidence.valid_until
    if evidence.disease != COVID_19:
        return Weighed(weight=Weight.NONE, valid_from=start, valid_until=end)
    match evidence.details:
        case TestDetails(result=TestResult.NEGATIVE, sampled_at=sampled):
            until = min(end, sampled + TEST_LIFE)
            return Weighed(weight=Weight.ADMITS, valid_from=sampled, valid_until=until)
        case TestDetails(result=TestResult.POSITIVE, sampled_at=sampled):
            return Weighed(weight=Weight.YELLOW, valid_from=sampled, valid_until=sampled + POSITIVE_LIFE)
        case VaccinationDetails(dose=dose, doses_in_series=series) if dose >= series:
            return Weighed(weight=Weight.ADMITS, valid_from=start, valid_until=end)
        case RecoveryDetails(valid_from=first, valid_until=last):
            until = min(end, _midnight(last) + DAY)
            return Weighed(weight=Weight.ADMITS, valid_from=max(start, _midnight(first)), valid_until=until)
        case _:
            return Weighed(weight=Weight.NONE, valid_from=start, valid_until=end)


def check(text: str, *, signers: SignerSet, now: int) -> Evidence:
    """Verify a certificate; needs no transaction. Raises `EvidenceRefused`."""
    try:
        return verify(text, signers=signers, at=now)
    except EvidenceError as error:
        raise EvidenceRefused(f"{error.reason.value}: {error}") from None


def hand_in(session: Session, *, person: Person, evidence: Evidence, actor: Actor, now: int) -> tuple[Fact, bool]:
    """Make a verified certificate a fact; whether it is new. Raises `Conflict`."""
    digest = evidence.certificate_digest.hex()
    query = select(Fact).where(Fact.network_id == person.network_id, Fact.digest == digest)
    known = session.scalars(query).one_or_none()
    if known is not None:
        return _same_again(known, person), False
    weighed = weigh(evidence)
    fact = Fact(
        network_id=person.network_id,
        person_id=person.id,
        kind=evidence.kind.value,
        source=evidence.issuer,
        weight=weighed.weight,
        scopes=[],
        reason=f"health certificate: {evidence.kind.value}",
        valid_from=weighed.valid_from,
        valid_until=weighed.valid_until,
        digest=digest,
        recorded_by=actor.staff_id,
        recorded_at=now,
    )
    _add(session, fact, actor, now)
    return fact, True


def report(session: Session, *, person: Person, given: Report, actor: Actor, now: int) -> Fact:
    """Record an exposure notice or a survey answer; the holder is told. Raises `BadInput` or `UnknownScope`."""
    if given.scopes:
        known_scopes(session, person.network_id, list(given.scopes))
    if not given.valid_from < given.valid_until <= given.valid_from + LONGEST_NOTICE or given.valid_until <= now:
        raise BadInput(
            f"valid_until: expected an end to come, at most {LONGEST_NOTICE} s after {given.valid_from}, "
            f"got {given.valid_until}"
        )
    fact = Fact(
        network_id=person.network_id,
        person_id=person.id,
        kind=given.kind,
        source=given.source,
        weight=Weight.YELLOW if given.yellow else Weight.NONE,
        scopes=sorted(given.scopes),
        reason=given.reason,
        valid_from=given.valid_from,
        valid_until=given.valid_until,
        recorded_by=actor.staff_id,
        recorded_at=now,
    )
    _add(session, fact, actor, now)
    content: dict[str, object] = {
        "fact": fact.id,
        "kind": fact.kind,
        "source": fact.source,
        "reason": fact.reason,
        "valid_until": fact.valid_until,
    }
    tell(session, person_id=person.id, kind=NoticeKind.FACT, now=now, content=content)
    return fact


def withdraw(session: Session, *, network_id: int, fact_id: int, actor: Actor, now: int) -> Fact:
    """The fact counts no more; its certificate stays known. Raises `NotFound`."""
    fact = session.get(Fact, fact_id, with_for_update=True)
    if fact is None or fact.network_id != network_id:
        raise NotFound(f"fact: expected one of the network's facts, got {fact_id}")
    if fact.withdrawn_at is None:
        fact.withdrawn_at = now
        _log(session, fact, actor, "fact.withdrawn", now)
        reassess(session, fact.person_id, now)
    return fact


def _same_again(known: Fact, person: Person) -> Fact:
    if known.person_id != person.id:
        raise Conflict("certificate: expected one that nobody else handed in; the desk can help")
    if known.withdrawn_at is not None:
        raise Conflict("certificate: it was withdrawn; the desk can help")
    return known


def _add(session: Session, fact: Fact, actor: Actor, now: int) -> None:
    session.add(fact)
    session.flush()
    _log(session, fact, actor, "fact.recorded", now)
    reassess(session, fact.person_id, now)


def _log(session: Session, fact: Fact, actor: Actor, what: str, now: int) -> None:
    events.record(
        session,
        network_id=fact.network_id,
        at=now,
        actor=actor,
        what=what,
        subject=("fact", fact.id),
        kind=fact.kind,
        weight=fact.weight.value,
    )


def _midnight(day: date) -> int:
    return int(datetime.combine(day, time.min, tzinfo=UTC).timestamp())
