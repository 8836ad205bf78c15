"""Facts: status data about a person, with a source and a validity. They make yellow at most; nothing here can make red.

Health certificates, handed in by the wallet or at a desk, weigh this much (`weigh`):

- a negative test: admits from the sample on for 72 h
- a vaccination whose series is complete: admits while the certificate is in force; an incomplete one is kept and does
  nothing
- a recovery: admits between its own dates, while the certificate is in force
- a positive test: yellow from the sample on for 10 days; any other result is kept and does nothing
- a certificate about another disease than COVID-19 is kept and does nothing

The same certificate is one fact that counts: handed in again by the same person nothing changes, by another person it
is refused (`Conflict`). Who a certificate names is not compared with anything: there is no name to compare it with. One
that was withdrawn keeps nobody else from handing it in; for whom it was withdrawn, staff reinstate it, and nothing that
the person hands in does. Of both the holder is told.

Exposure notices and survey answers are recorded by staff, with an end: at most 14 days. Answers to a form: `surveys`.

What staff record, hand in, answer or withdraw counts against the limits when the person is worse off for it, by itself
or by the rules in force, now or at any second that the facts reach (`counted`).
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import assert_never

from sqlalchemy import null, select, update
from sqlalchemy.orm import Session

from waypass_server import events
from waypass_server.aspects import Ground, ground_of, worsens
from waypass_server.database import LOCKED
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
from waypass_server.many_rows import among, rows_of, table_of
from waypass_server.models.lists_of_people import Fact, Weight
from waypass_server.models.network import Staff
from waypass_server.models.people import Person
from waypass_server.models.records import NoticeKind
from waypass_server.notifying import tell
from waypass_server.passes import lock_person
from waypass_server.people import known_scopes
from waypass_server.reassess import reassess
from waypass_server.refusals import BadInput, Conflict, NotFound
from waypass_server.rules import when
from waypass_server.worsening import check_facts, count_facts, lock_network

COVID_19 = "840539006"
DAY = 86_400
TEST_LIFE = 72 * 3600
POSITIVE_LIFE = 10 * DAY
LONGEST_NOTICE = 14 * DAY

_COLUMNS = tuple(table_of(Fact).columns)


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
    """Make a verified certificate a fact; whether it is new. Raises `Conflict` or `PastLimit`."""
    with counted(session, person, actor, now):
        return _hand_in(session, person, evidence, actor, now)


def _hand_in(session: Session, person: Person, evidence: Evidence, actor: Actor, now: int) -> tuple[Fact, bool]:
    lock_person(session, person.id)  # the same certificate, sent twice at once, is one fact
    digest = evidence.certificate_digest.hex()
    known = _counting(session, person.network_id, digest)
    if known is not None:
        return _same_again(known, person), False
    _check_not_withdrawn(session, person, digest, actor)
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
        details=_details(evidence),
        recorded_by=actor.staff_id,
        recorded_at=now,
    )
    _add(session, fact, actor, now)
    return fact, True


def report(session: Session, *, person: Person, given: Report, actor: Actor, now: int) -> Fact:
    """Record an exposure notice or a survey answer; the holder is told. Raises `BadInput`, `UnknownScope` or
    `PastLimit`."""
    if given.scopes:
        known_scopes(session, person.network_id, list(given.scopes))
    check_validity(given, now)
    fact = fact_of(given, network_id=person.network_id, person_id=person.id, staff_id=actor.staff_id, now=now)
    with counted(session, person, actor, now, always=given.yellow):
        _add(session, fact, actor, now)
    tell(session, person_id=person.id, kind=NoticeKind.FACT, now=now, content=describe(fact.id, given))
    return fact


def fact_of(given: Report, *, network_id: int, person_id: int, staff_id: int | None, now: int) -> Fact:
    """As it is recorded; in no session yet."""
    return Fact(
        network_id=network_id,
        person_id=person_id,
        kind=given.kind,
        source=given.source,
        weight=Weight.YELLOW if given.yellow else Weight.NONE,
        scopes=sorted(given.scopes),
        reason=given.reason,
        valid_from=given.valid_from,
        valid_until=given.valid_until,
        recorded_by=staff_id,
        recorded_at=now,
    )


def check_validity(given: Report, now: int) -> None:
    """Raises `BadInput` unless it holds at some time to come, and not for too long."""
    if not given.valid_from < given.valid_until <= given.valid_from + LONGEST_NOTICE or given.valid_until <= now:
        raise BadInput(
            f"valid_until: expected an end to come, at most {LONGEST_NOTICE} s after {given.valid_from}, "
            f"got {given.valid_until}"
        )


@contextmanager
def counted(session: Session, person: Person, actor: Actor, now: int, *, always: bool = False) -> Iterator[None]:
    """What staff do within to a person's facts counts against the limits, once, if the person is worse off for it, or
    `always`. What holders do is not counted. Raises `PastLimit`.
    """
    if actor.staff_id is None:
        yield
        return
    lock_network(session, person.network_id)  # before the person, as approvals do
    lock_person(session, person.id)
    before = facts_of(session, [person.id], now)[person.id]
    yield
    after = facts_of(session, [person.id], now)[person.id]
    ground = ground_of(session, person.network_id)
    if always or makes_worse(ground, before, after, now):
        count_worsened(session, person.network_id, actor, 1, now)


def makes_worse(ground: Ground, before: Sequence[Fact], after: Sequence[Fact], now: int) -> bool:
    """Whether somebody whose facts are these is worse off after a change, at any second from `now` on."""
    until = max((fact.valid_until for fact in (*before, *after)), default=now)
    return worsens((ground, before), (ground, after), since=now, until=until)


def count_worsened(
    session: Session, network_id: int, actor: Actor, people: int, now: int, *, dry: bool = False
) -> None:
    """So many people whom this member of staff makes yellow by facts count against the limits; `dry`, they would.
    Raises `PastLimit`.
    """
    if people and actor.staff_id is not None:
        authority_id = session.get_one(Staff, actor.staff_id).authority_id
        (check_facts if dry else count_facts)(session, network_id, authority_id, people, now)


def facts_of(session: Session, people: Iterable[int], now: int) -> dict[int, list[Fact]]:
    """What is recorded about each of these people and not over: copies, which stay as they are when a fact changes."""
    found: dict[int, list[Fact]] = {person_id: [] for person_id in people}
    query = select(*_COLUMNS).where(among(session, Fact.person_id, found), Fact.withdrawn_at.is_(None))
    for row in rows_of(session, query.where(Fact.valid_until > now)):
        found[row.person_id].append(Fact(**row._asdict()))
    return found


def describe(fact_id: int, given: Report) -> dict[str, object]:
    """What the holder is told."""
    return {
        "fact": fact_id,
        "kind": given.kind,
        "source": given.source,
        "reason": given.reason,
        "valid_until": given.valid_until,
    }


def withdraw(session: Session, *, network_id: int, fact_id: int, actor: Actor, now: int) -> Fact:
    """The fact counts no more, and the holder is told; again changes nothing. Raises `NotFound` or `PastLimit`."""
    fact = _find(session, network_id, fact_id)
    if fact.withdrawn_at is None:
        with counted(session, session.get_one(Person, fact.person_id), actor, now):
            _withdraw(session, fact, actor, now)
        _tell(session, fact, NoticeKind.FACT_WITHDRAWN, now)
    return fact


def reinstate(session: Session, *, network_id: int, fact_id: int, actor: Actor, now: int) -> Fact:
    """A certificate that was withdrawn counts again as it did, and the holder is told; again changes nothing. What
    staff recorded is recorded anew instead. Raises `NotFound`, `Conflict` or `PastLimit`.
    """
    fact = _find(session, network_id, fact_id)
    if fact.digest is None:
        raise Conflict(f"reinstate: expected a certificate, got a fact of kind {fact.kind}; record it anew")
    if fact.withdrawn_at is not None:
        with counted(session, session.get_one(Person, fact.person_id), actor, now):
            if _counting(session, network_id, fact.digest) is not None:
                raise Conflict("reinstate: expected a certificate that nobody else handed in since")
            fact.withdrawn_at = None
            _log(session, fact, actor, "fact.reinstated", now)
            reassess(session, fact.person_id, now)
        _tell(session, fact, NoticeKind.FACT_REINSTATED, now)
    return fact


def forget_details(session: Session, people: Sequence[int], now: int) -> None:
    """What rules saw of these people's facts that are over is needed no more; an answer is nobody's business then."""
    over = among(session, Fact.person_id, people), Fact.valid_until <= now, Fact.details.is_not(null())
    session.execute(update(Fact).where(*over).values(details=None))


def replace(session: Session, person: Person, old: Iterable[Fact], new: Fact, *, actor: Actor, now: int) -> Fact:
    """A fact that another module made takes the place of older ones, in one step. Raises `PastLimit`."""
    with counted(session, person, actor, now):
        for fact in old:
            _withdraw(session, fact, actor, now)
        _add(session, new, actor, now)
    return new


def _withdraw(session: Session, fact: Fact, actor: Actor, now: int) -> None:
    fact.withdrawn_at = now
    if fact.digest is None:  # what may be reinstated keeps them until it is over (`forgetting`)
        fact.details = None
    _log(session, fact, actor, "fact.withdrawn", now)
    reassess(session, fact.person_id, now)


def _details(evidence: Evidence) -> dict[str, object]:
    """What rules see of a certificate (`rules`): nothing of whom it names."""
    same: dict[str, object] = {"disease": evidence.disease}
    match evidence.details:
        case TestDetails() as test:
            return {**same, "result": test.result.value, "sampled": when(test.sampled_at), "type": test.test_type}
        case VaccinationDetails() as dose:
            doses = {"dose": dose.dose, "doses_in_series": dose.doses_in_series}
            return {**same, **doses, "on": dose.on.isoformat(), "product": dose.product}
        case RecoveryDetails() as recovery:
            days = {"from_day": recovery.valid_from.isoformat(), "until_day": recovery.valid_until.isoformat()}
            return {**same, "first_positive_on": recovery.first_positive_on.isoformat(), **days}
    assert_never(evidence.details)


def _find(session: Session, network_id: int, fact_id: int) -> Fact:
    fact = session.get(Fact, fact_id, with_for_update=LOCKED)
    if fact is None or fact.network_id != network_id:
        raise NotFound(f"fact: expected one of the network's facts, got {fact_id}")
    return fact


def _counting(session: Session, network_id: int, digest: str) -> Fact | None:
    """The fact that a certificate is now, whoever handed it in."""
    query = select(Fact).where(Fact.network_id == network_id, Fact.digest == digest, Fact.withdrawn_at.is_(None))
    return session.scalars(query).one_or_none()


def _same_again(known: Fact, person: Person) -> Fact:
    if known.person_id != person.id:
        raise Conflict("certificate: expected one that nobody else handed in; the desk can help")
    return known


def _check_not_withdrawn(session: Session, person: Person, digest: str, actor: Actor) -> None:
    """For this person; otherwise a wallet would undo what staff decided. Raises `Conflict`."""
    query = select(Fact.id).where(Fact.person_id == person.id, Fact.digest == digest)
    withdrawn = session.scalars(query).first()
    if withdrawn is not None:
        way = "the desk can help" if actor.staff_id is None else f"fact {withdrawn} can be reinstated"
        raise Conflict(f"certificate: it was withdrawn; {way}")


def _add(session: Session, fact: Fact, actor: Actor, now: int) -> None:
    session.add(fact)
    session.flush()
    _log(session, fact, actor, "fact.recorded", now)
    reassess(session, fact.person_id, now)


def _tell(session: Session, fact: Fact, kind: NoticeKind, now: int) -> None:
    content: dict[str, object] = {
        "fact": fact.id,
        "kind": fact.kind,
        "source": fact.source,
        "reason": fact.reason,
        "at": now,
    }
    tell(session, person_id=fact.person_id, kind=kind, now=now, content=content)


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
