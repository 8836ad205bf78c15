"""Exemptions: one reviewer lets one person through for up to 72 h, whatever the entries say.

For a medical journey, or the hearing itself. It outranks red, needs no second person, and can be ended by any reviewer.
"""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from waypass_server import events
from waypass_server.database import LOCKED
from waypass_server.life import Actor
from waypass_server.models.lists_of_people import Exemption
from waypass_server.models.people import Person
from waypass_server.reassess import reassess
from waypass_server.refusals import BadInput, NotFound

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
    reassess(session, person.id, now)
    return exemption


def end(session: Session, *, network_id: int, exemption_id: int, actor: Actor, now: int) -> Exemption:
    """Ends it now, if it has not ended. Raises `NotFound`."""
    exemption = session.get(Exemption, exemption_id, with_for_update=LOCKED)
    person = None if exemption is None else session.get_one(Person, exemption.person_id)
    if exemption is None or person is None or person.network_id != network_id:
        raise NotFound(f"exemption: expected one of the network's exemptions, got {exemption_id}")
    if exemption.ends_at > now:
        exemption.ends_at = now
        _log(session, exemption, network_id, actor, "exemption.ended", now)
        reassess(session, exemption.person_id, now)
    return exemption


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
