"""How many people may be worsened: sliding sums over 24 hours and 30 days, per basis, per authority and per network.

1. each approval of an entry that makes somebody yellow or red counts once at each level, for good: an undo does not
   give the place back. The sums are in the database, in buckets of ten minutes; one that is partly in the window counts
   whole
2. an approval that would pass a limit makes an alarm, which is public, and holds the entries until a third person has
   confirmed them. It counts all the same, so that what is held cannot pile up beneath the limit
   Rules count at their authority and the network, when they come into force, by their shadow run: whom they turn at
   once, and whom the clock alone has them turn within 30 days; and those for whom that has changed since the run
   (`shadow.not_counted`). So does what staff do to somebody's facts, at their
   authority: each yellow fact that they record, and whatever they record, hand in, answer or withdraw for which rules
   make the person worse off. What would pass a limit there cannot be held, since rules and facts are in force or are
   not: it is refused, and a higher limit (5) is the way to it. What a holder brings (a certificate, answers) does not
   count: no official chose whom it worsens
3. there are limits always, `DEFAULTS` unless they were changed. No setting, role or command turns them off
4. a lower limit takes two people and is in force at once; lower than 1 it can't be. They, and the three of rule 5, are
   at desks of their own (`desks`)
5. a higher one takes three people; then it is public for `PUBLIC_FOR` seconds before it is in force. Until then anybody
   of them who proposed or agreed may withdraw it, alone
6. a limit has one change at a time that is under way

Approvals are counted one at a time: the network's row is locked until the transaction ends.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from waypass_server import desks, events
from waypass_server.life import Actor
from waypass_server.models.lists_of_people import Basis
from waypass_server.models.network import Authority, Network
from waypass_server.models.rules import RuleSet
from waypass_server.models.worsening import Alarm, Level, LimitChange, Window, WorsenedSum
from waypass_server.refusals import BadInput, Conflict, NotFound

BUCKET = 600
PUBLIC_FOR = 72 * 3600
MOST = 10**9

DEFAULTS: Mapping[tuple[Level, Window], int] = {
    (Level.BASIS, Window.DAY): 100,
    (Level.BASIS, Window.MONTH): 1_000,
    (Level.AUTHORITY, Window.DAY): 200,
    (Level.AUTHORITY, Window.MONTH): 2_000,
    (Level.NETWORK, Window.DAY): 500,
    (Level.NETWORK, Window.MONTH): 5_000,
}


class PastLimit(Conflict):
    """More people than a limit allows would be worsened, by what cannot wait for a third person."""

    name = "past-limit"
    title = "A limit would be passed"

    def __init__(self, what: str, passed: "Standing") -> None:
        """`what` asked for it; `passed` is the limit, with the sum that there would be."""
        self.passed = passed
        super().__init__(
            f"{what}: expected at most {passed.limit} people worsened in a {passed.window.value} for the "
            f"{passed.subject.level.value}, with this it would be {passed.people}; a higher limit takes three people "
            "and 72 hours in public"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """What a limit counts over. `id` is the basis or the authority, 0 for the network."""

    network_id: int
    level: Level
    id: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """One limit as it stands: how many people count now, and how many may."""

    subject: Subject
    window: Window
    people: int
    limit: int


def subjects_of(basis: Basis) -> tuple[Subject, ...]:
    """The three that an entry on this basis counts at."""
    network_id = basis.network_id
    return (
        Subject(network_id=network_id, level=Level.BASIS, id=basis.id),
        Subject(network_id=network_id, level=Level.AUTHORITY, id=basis.authority_id),
        Subject(network_id=network_id, level=Level.NETWORK),
    )


def count(session: Session, basis: Basis, people: int, *, actor: Actor, now: int) -> list[Standing]:
    """Count so many people more on this basis (rule 1). The limits that are passed now, each with an alarm (rule 2)."""
    lock_network(session, basis.network_id)
    passed = would_pass(session, basis, people, now)
    for subject in subjects_of(basis):
        _add(session, subject, people, now)
    for one in passed:
        alarm = Alarm(
            network_id=basis.network_id,
            at=now,
            level=one.subject.level,
            subject_id=one.subject.id,
            window=one.window,
            people=one.people,
            limit=one.limit,
        )
        session.add(alarm)
        session.flush()
        events.record(
            session,
            network_id=basis.network_id,
            at=now,
            actor=actor,
            what="limit.passed",
            subject=("alarm", alarm.id),
            level=one.subject.level.value,
            of=one.subject.id,
            window=one.window.value,
            people=one.people,
            limit=one.limit,
        )
    return passed


def count_rules(session: Session, rule_set: RuleSet, people: int, now: int) -> None:
    """Count so many people whom rules would worsen. Raises `PastLimit` when a limit would be passed (rule 2)."""
    _count_or_refuse(session, rule_set.network_id, rule_set.authority_id, people, now, "approve")


def count_facts(session: Session, network_id: int, authority_id: int | None, people: int, now: int) -> None:
    """Count so many people more whom staff of an authority, or of the network itself, make yellow by facts. Raises
    `PastLimit` when a limit would be passed (rule 2).
    """
    _count_or_refuse(session, network_id, authority_id, people, now, "facts")


def check_facts(session: Session, network_id: int, authority_id: int | None, people: int, now: int) -> None:
    """Count nothing. Raises `PastLimit` when `count_facts` would now."""
    _refuse_past(session, _of_authority(network_id, authority_id), people, now, "facts")


def _count_or_refuse(
    session: Session, network_id: int, authority_id: int | None, people: int, now: int, what: str
) -> None:
    lock_network(session, network_id)
    subjects = _of_authority(network_id, authority_id)
    _refuse_past(session, subjects, people, now, what)
    for subject in subjects:
        _add(session, subject, people, now)


def _of_authority(network_id: int, authority_id: int | None) -> Sequence[Subject]:
    network = Subject(network_id=network_id, level=Level.NETWORK)
    if authority_id is None:
        return [network]
    return [Subject(network_id=network_id, level=Level.AUTHORITY, id=authority_id), network]


def _refuse_past(session: Session, subjects: Sequence[Subject], people: int, now: int, what: str) -> None:
    for one in standings(session, subjects, now):
        if one.people + people > one.limit:
            raise PastLimit(what, replace(one, people=one.people + people))


def would_pass(session: Session, basis: Basis, people: int, now: int) -> list[Standing]:
    """The limits that so many people more would pass, each with the sum that they would make. Counts nothing."""
    found = standings(session, subjects_of(basis), now)
    more = (
        Standing(subject=one.subject, window=one.window, people=one.people + people, limit=one.limit) for one in found
    )
    return [one for one in more if one.people > one.limit]


def standings(session: Session, subjects: Iterable[Subject], now: int) -> list[Standing]:
    """Every limit of these subjects."""
    return [_standing(session, subject, window, now) for subject in subjects for window in Window]


def limit_of(session: Session, subject: Subject, window: Window, now: int) -> int:
    """How many may be (rule 3)."""
    query = select(LimitChange.value).where(*_of(subject, window), LimitChange.in_force_at <= now)
    newest = LimitChange.in_force_at.desc(), LimitChange.id.desc()
    value = session.scalars(query.where(LimitChange.withdrawn_at.is_(None)).order_by(*newest).limit(1)).first()
    return DEFAULTS[subject.level, window] if value is None else value


def propose(
    session: Session, subject: Subject, window: Window, value: int, *, staff_id: int, actor: Actor, now: int
) -> LimitChange:
    """Another value for a limit. Raises `NotFound`, `BadInput` or `Conflict`."""
    lock_network(session, subject.network_id)
    _check_subject(session, subject)
    before = limit_of(session, subject, window, now)
    if not 1 <= value <= MOST or value == before:
        raise BadInput(f"value: expected another number than {before}, from 1 to {MOST}, got {value}")
    if any(under_way(one, now) for one in session.scalars(select(LimitChange).where(*_of(subject, window)))):
        raise Conflict("limit: expected no other change of this limit under way, there is one")
    change = LimitChange(
        network_id=subject.network_id,
        level=subject.level,
        subject_id=subject.id,
        window=window,
        value=value,
        before=before,
        proposed_by=staff_id,
        proposed_at=now,
    )
    session.add(change)
    session.flush()
    _log(session, change, actor, "limit.proposed", now)
    return change


def agree(
    session: Session, change: LimitChange, *, staff_id: int, actor: Actor, elsewhere: bool = False, now: int
) -> LimitChange:
    """Another person agrees (rules 4 and 5), with `elsewhere` not of the authority whose limit it is; the same one
    again changes nothing. Raises `SamePerson`, `Forbidden` or `Conflict`.
    """
    if staff_id in (change.second_by, change.third_by):
        return change
    check_agreeing(session, change, staff_id, elsewhere=elsewhere)
    if not waits(change):
        raise Conflict(f"agree: expected a change that waits for somebody, this one is {state_of(change, now)}")
    raises = change.value > change.before
    if change.second_by is None:
        change.second_by, change.second_at = staff_id, now
        _log(session, change, actor, "limit.agreed", now)
        if not raises:
            change.in_force_at = now
    else:
        change.third_by, change.third_at = staff_id, now
        change.in_force_at = now + PUBLIC_FOR
        _log(session, change, actor, "limit.agreed", now, in_force_at=change.in_force_at)
    return change


def withdraw(session: Session, change: LimitChange, *, actor: Actor, now: int) -> LimitChange:
    """Take back a change that is not in force yet; again changes nothing. Raises `Conflict`."""
    if change.withdrawn_at is not None:
        return change
    if not under_way(change, now):
        raise Conflict("withdraw: expected a change that is not in force yet; propose another value instead")
    change.withdrawn_at = now
    _log(session, change, actor, "limit.withdrawn", now)
    return change


def check_agreeing(session: Session, change: LimitChange, staff_id: int, *, elsewhere: bool = False) -> None:
    """It takes two or three, each at a desk of their own. Raises `SamePerson` or `Forbidden`."""
    before = [desks.Part(staff_id=change.proposed_by, did="proposed the change")]
    if change.second_by is not None:
        before.append(desks.Part(staff_id=change.second_by, did="agreed to the change"))
    whose = desks.NotOf(authorities=_authorities(session, change), called="the limit's authority")
    desks.check_other(session, "agree", staff_id, before, not_of=whose if elsewhere else None)


def _authorities(session: Session, change: LimitChange) -> set[int]:
    """The one whose limit it is; none for the network's."""
    if change.level is Level.NETWORK:
        return set()
    of_basis = change.level is Level.BASIS
    return {session.get_one(Basis, change.subject_id).authority_id if of_basis else change.subject_id}


def waits(change: LimitChange) -> bool:
    """Whether a person is still missing."""
    return change.withdrawn_at is None and change.in_force_at is None


def under_way(change: LimitChange, now: int) -> bool:
    """Proposed, agreed or public, and not in force yet."""
    return change.withdrawn_at is None and (change.in_force_at is None or change.in_force_at > now)


def state_of(change: LimitChange, now: int) -> str:
    """One word for it."""
    if change.withdrawn_at is not None:
        return "withdrawn"
    if change.in_force_at is None:
        return "proposed" if change.second_by is None else "agreed"
    return "public" if change.in_force_at > now else "in-force"


def find_change(session: Session, network_id: int, change_id: int, *, lock: bool = True) -> LimitChange:
    """Locked until the transaction ends, unless it is only looked at. Raises `NotFound`."""
    change = session.get(LimitChange, change_id, with_for_update=lock)
    if change is None or change.network_id != network_id:
        raise NotFound(f"limit: expected one of the network's changes, got {change_id}")
    return change


def lock_network(session: Session, network_id: int) -> None:
    """One at a time: two approvals at once are not both the last that may. Others go on referring to the network: who
    has the log's tree and adds a checkpoint to it does, and whoever counts waits for the tree in the end.
    """
    session.execute(select(Network.id).where(Network.id == network_id).with_for_update(key_share=True))


def _standing(session: Session, subject: Subject, window: Window, now: int) -> Standing:
    people, limit = _sum(session, subject, window, now), limit_of(session, subject, window, now)
    return Standing(subject=subject, window=window, people=people, limit=limit)


def _of(subject: Subject, window: Window) -> tuple[ColumnElement[bool], ...]:
    return (
        LimitChange.network_id == subject.network_id,
        LimitChange.level == subject.level,
        LimitChange.subject_id == subject.id,
        LimitChange.window == window,
    )


def _sum(session: Session, subject: Subject, window: Window, now: int) -> int:
    oldest = now - window.seconds - BUCKET
    query = select(func.coalesce(func.sum(WorsenedSum.people), 0)).where(
        WorsenedSum.network_id == subject.network_id,
        WorsenedSum.level == subject.level,
        WorsenedSum.subject_id == subject.id,
        WorsenedSum.bucket > oldest,
    )
    return int(session.execute(query).scalar_one())


def _add(session: Session, subject: Subject, people: int, now: int) -> None:
    key = (subject.network_id, subject.level, subject.id, now - now % BUCKET)
    row = session.get(WorsenedSum, key, populate_existing=True)
    if row is None:
        network_id, level, subject_id, bucket = key
        row = WorsenedSum(network_id=network_id, level=level, subject_id=subject_id, bucket=bucket, people=0)
        session.add(row)
    row.people += people
    session.flush()


def _check_subject(session: Session, subject: Subject) -> None:
    if subject.level is Level.NETWORK:
        if subject.id:
            raise BadInput(f"subject: expected 0 for the network, got {subject.id}")
        return
    kinds: dict[Level, type[Basis] | type[Authority]] = {Level.BASIS: Basis, Level.AUTHORITY: Authority}
    row: Any = session.get(kinds[subject.level], subject.id)
    if row is None or row.network_id != subject.network_id:
        raise NotFound(f"subject: expected one of the network's, got {subject.level.value} {subject.id}")


def _log(session: Session, change: LimitChange, actor: Actor, what: str, now: int, **details: object) -> None:
    events.record(
        session,
        network_id=change.network_id,
        at=now,
        actor=actor,
        what=what,
        subject=("limit", change.id),
        level=change.level.value,
        of=change.subject_id,
        window=change.window.value,
        value=change.value,
        **details,
    )
