"""Objections: what a person says to an entry, and the decision of somebody who had no part in it.

1. only the person concerned objects, from notification on, and once at a time (`NotFound`, `Conflict`)
2. made before the entry takes effect, it suspends the entry; made later, the entry keeps its effect until the decision
3. a reviewer decides who neither proposed nor approved the entry and does not work for its authority (`SamePerson`),
   nor at the desk of somebody who did (`Forbidden`, see `desks`)
4. not decided by the basis's deadline, the entry lapses by itself (`scheduler`)
5. the same decision again, by the same person, changes nothing
"""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from waypass_server import desks, entries, events, life
from waypass_server.database import LOCKED
from waypass_server.life import Action, Actor, Kind, State
from waypass_server.models.lists_of_people import Entry, Objection, ObjectionState
from waypass_server.models.records import NoticeKind
from waypass_server.notifying import tell
from waypass_server.reassess import reassess
from waypass_server.refusals import Conflict, NotFound, SamePerson

HOLDER = Actor(kind=Kind.HOLDER)
_OPEN_TO_OBJECTION = (State.NOTIFIED, State.IN_EFFECT)


def object_to(session: Session, *, person_id: int, entry_id: int, text: str, now: int) -> Objection:
    """The person's objection. Raises `NotFound` or `Conflict`."""
    entry = session.get(Entry, entry_id, with_for_update=LOCKED)
    # Of others' entries, and of proposals, not even the existence is told.
    if entry is None or entry.person_id != person_id or entry.notified_at is None:
        raise NotFound(f"entry: expected one of your own entries, got {entry_id}")
    if any(other.state is ObjectionState.OPEN for other in entry.objections):
        raise Conflict("objection: expected one at a time, there is one that is not decided yet")
    if entry.state not in _OPEN_TO_OBJECTION:
        raise Conflict(f"objection: expected an entry that is announced or in effect, this one is {entry.state.value}")
    suspends = entry.state is State.NOTIFIED and (entry.takes_effect_at is None or now < entry.takes_effect_at)
    if suspends:
        entry.state = life.after(Action.SUSPEND, entry.life(), HOLDER, now)
    objection = Objection(
        entry=entry,
        text=text,
        made_at=now,
        suspends=suspends,
        decide_by=now + entry.version.objection_deadline,
        state=ObjectionState.OPEN,
    )
    session.add(objection)
    session.flush()
    _log(session, objection, HOLDER, "objection.made", now)
    reassess(session, person_id, now)
    return objection


def decide(
    session: Session, objection: Objection, *, lift: bool, answer: str, actor: Actor, authority_id: int | None, now: int
) -> Objection:
    """A reviewer's decision: lift the entry, or uphold it. Raises `LifeError`, `SamePerson`, `Forbidden` or
    `Conflict`.
    """
    entry = objection.entry
    check_reviewer(session, entry, actor=actor, authority_id=authority_id)
    decided = ObjectionState.LIFTED if lift else ObjectionState.UPHELD
    if objection.state is decided and objection.decided_by == actor.staff_id:
        return objection  # rule 5
    if objection.state is not ObjectionState.OPEN:
        raise Conflict(f"decide: expected an objection that is open, this one is {objection.state.value}")
    if now >= objection.decide_by:
        raise Conflict("decide: expected a decision before the deadline; the entry lapses")
    objection.state = decided
    objection.decided_by = actor.staff_id
    objection.decided_at = now
    objection.answer = answer
    if lift:
        entries.end(session, entry, Action.LIFT, actor=actor, now=now)
    elif entry.state is State.SUSPENDED:
        entry.state = life.after(Action.UPHOLD, entry.life(), actor, now)
    _log(session, objection, actor, f"objection.{objection.state.value}", now)
    _tell_decision(session, objection, now)
    reassess(session, entry.person_id, now)
    return objection


def check_reviewer(session: Session, entry: Entry, *, actor: Actor, authority_id: int | None) -> None:
    """Rule 3. Raises `LifeError`, `SamePerson` or `Forbidden`."""
    life.check_actor(Action.LIFT, actor)
    life.check_other_person("decide", entry.life(), actor)
    if authority_id is not None and authority_id == entry.version.basis.authority_id:
        raise SamePerson("decide: expected a reviewer who does not work for the entry's authority")
    desks.check_other(session, "decide", actor.staff_id, desks.parts_of(entry.life()))


def find_objection(session: Session, network_id: int, objection_id: int, *, lock: bool = True) -> Objection:
    """With its entry locked until the transaction ends, unless it is only looked at. Raises `NotFound`."""
    objection = session.get(Objection, objection_id)
    if objection is None or objection.entry.network_id != network_id:
        raise NotFound(f"objection: expected one of the network's objections, got {objection_id}")
    if lock:  # whoever changes an objection has locked its entry
        session.get(Entry, objection.entry_id, with_for_update=LOCKED)
        session.refresh(objection)
    return objection


def open_objections(session: Session, network_id: int) -> Sequence[Objection]:
    """Those that wait for a reviewer, the most urgent first."""
    query = (
        select(Objection)
        .join(Entry, Entry.id == Objection.entry_id)
        .where(Entry.network_id == network_id, Objection.state == ObjectionState.OPEN)
        .order_by(Objection.decide_by, Objection.id)
    )
    return session.scalars(query).all()


def _tell_decision(session: Session, objection: Objection, now: int) -> None:
    content: dict[str, object] = {
        "entry": objection.entry_id,
        "decision": objection.state.value,
        "answer": objection.answer,
    }
    tell(
        session,
        person_id=objection.entry.person_id,
        kind=NoticeKind.OBJECTION_DECIDED,
        now=now,
        entry_id=objection.entry_id,
        content=content,
    )


def _log(session: Session, objection: Objection, actor: Actor, what: str, now: int) -> None:
    events.record(
        session,
        network_id=objection.entry.network_id,
        at=now,
        actor=actor,
        what=what,
        subject=("objection", objection.id),
        entry=objection.entry_id,
        suspends=objection.suspends,
    )
