"""Exemptions: one reviewer lets one person through for up to 72 h, whatever the entries say.

For a medical journey, or the hearing itself. It outranks red and needs no second person.

1. the holder is told when it is granted, and when somebody ends it early
2. whoever granted it may end it. Anybody else ends it only if they have no part in what it outranks: of no entry about
   the person that has not ended are they proposer, approver or confirmer, and none is of the authority that they work
   for (`LifeError`, `SamePerson`). Grants are not counted: an exemption outranks none
3. ending it again, or when it is over, changes nothing
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from waypass_server import events, life
from waypass_server.database import LOCKED
from waypass_server.life import Actor, State
from waypass_server.many_rows import among
from waypass_server.models.lists_of_people import Effect, Entry, Exemption
from waypass_server.models.people import Person
from waypass_server.models.records import NoticeKind
from waypass_server.notifying import tell
from waypass_server.passes import lock_person
from waypass_server.reassess import reassess
from waypass_server.refusals import BadInput, NotFound, SamePerson

LONGEST = 72 * 3600


def grant(
    session: Session,
    *,
    person: Person,
    reason: str,
    starts_at: int,
    ends_at: int,
    staff_id: int,
    actor: Actor,
    now: int,
) -> Exemption:
    """A new exemption. Raises `BadInput` for one that is longer than 72 h, over already, or ends before it starts."""
    if not starts_at < ends_at <= starts_at + LONGEST or ends_at <= now:
        raise BadInput(f"ends_at: expected an end to come, at most {LONGEST} s after {starts_at}, got {ends_at}")
    exemption = Exemption(
        person_id=person.id,
        reason=reason,
        starts_at=starts_at,
        ends_at=ends_at,
        granted_by=staff_id,
        granted_at=now,
    )
    session.add(exemption)
    session.flush()
    _log(session, exemption, person.network_id, actor, "exemption.granted", now)
    _tell(session, exemption, NoticeKind.EXEMPTION, now)
    reassess(session, person.id, now)
    return exemption


def end(
    session: Session, *, network_id: int, exemption_id: int, actor: Actor, authority_id: int | None, now: int
) -> Exemption:
    """Ends it now, if it has not ended. `authority_id`: whom the actor works for. Raises `NotFound`, and as rule 2
    says.
    """
    exemption = session.get(Exemption, exemption_id, with_for_update=LOCKED)
    person = None if exemption is None else session.get_one(Person, exemption.person_id)
    if exemption is None or person is None or person.network_id != network_id:
        raise NotFound(f"exemption: expected one of the network's exemptions, got {exemption_id}")
    if exemption.ends_at > now:
        lock_person(session, person.id)
        outranked = outranked_by(session, [exemption])
        check_ender(exemption, outranked[person.id], actor=actor, authority_id=authority_id)
        exemption.ends_at = now
        _log(session, exemption, network_id, actor, "exemption.ended", now)
        _tell(session, exemption, NoticeKind.EXEMPTION_ENDED, now)
        reassess(session, exemption.person_id, now)
    return exemption


def check_ender(exemption: Exemption, outranked: Iterable[Entry], *, actor: Actor, authority_id: int | None) -> None:
    """Rule 2. Raises `LifeError` or `SamePerson`."""
    if actor.staff_id == exemption.granted_by:
        return
    for entry in outranked:
        life.check_other_person("end", entry.life(), actor)
        if authority_id is not None and authority_id == entry.version.basis.authority_id:
            raise SamePerson(
                "end: expected a reviewer who does not work for the authority of an entry that it outranks"
            )


def outranked_by(session: Session, exemptions: Iterable[Exemption]) -> Mapping[int, Sequence[Entry]]:
    """The entries about their people that have not ended, by the person's id; grants are none of them."""
    found: dict[int, list[Entry]] = defaultdict(list)
    people = {exemption.person_id for exemption in exemptions}
    query = select(Entry).where(among(session, Entry.person_id, people), Entry.state != State.ENDED)
    for entry in session.scalars(query.where(Entry.effect != Effect.GRANT).order_by(Entry.id)):
        found[entry.person_id].append(entry)
    return found


def may_end(
    session: Session, exemptions: Sequence[Exemption], *, actor: Actor, authority_id: int | None
) -> frozenset[int]:
    """Which of these somebody may end, by their ids: for whoever shows it before somebody tries."""
    outranked = outranked_by(session, exemptions)
    mine = set()
    for exemption in exemptions:
        try:
            check_ender(exemption, outranked[exemption.person_id], actor=actor, authority_id=authority_id)
        except (life.LifeError, SamePerson):
            continue
        mine.add(exemption.id)
    return frozenset(mine)


def exemptions_of(session: Session, person_id: int, now: int) -> Sequence[Exemption]:
    """Those of a person that are in force or to come, the next to end first."""
    query = select(Exemption).where(Exemption.person_id == person_id, Exemption.ends_at > now)
    return session.scalars(query.order_by(Exemption.ends_at, Exemption.id)).all()


def exemptions_now(session: Session, network_id: int, now: int, *, most: int) -> Sequence[tuple[Exemption, Person]]:
    """Those of a network that are in force or to come, the next to end first, each with its person."""
    query = select(Exemption, Person).join(Person, Person.id == Exemption.person_id)
    query = query.where(Person.network_id == network_id, Exemption.ends_at > now)
    rows = session.execute(query.order_by(Exemption.ends_at, Exemption.id).limit(most))
    return [(exemption, person) for exemption, person in rows]


def _tell(session: Session, exemption: Exemption, kind: NoticeKind, now: int) -> None:
    """Rule 1."""
    content: dict[str, object] = {
        "exemption": exemption.id,
        "reason": exemption.reason,
        "starts_at": exemption.starts_at,
        "ends_at": exemption.ends_at,
    }
    tell(session, person_id=exemption.person_id, kind=kind, now=now, content=content)


def _log(session: Session, exemption: Exemption, network_id: int, actor: Actor, what: str, now: int) -> None:
    events.record(
        session,
        network_id=network_id,
        at=now,
        actor=actor,
        what=what,
        subject=("exemption", exemption.id),
        ends_at=exemption.ends_at,
    )
