"""Looking a person up: who may is for the callers to know, that it was done is in the log.

1. only the exact reference finds anybody; there is no search by anything else and no list of people
2. each look-up is an event of whoever looked, also one that found nobody. No event has the reference
3. the event concerns the person, who finds it among their own records in the public log
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from waypass_server import events
from waypass_server.life import Actor
from waypass_server.models.people import Person


def look_up(
    session: Session, *, network_id: int, reference: str, staff_id: int, actor: Actor, now: int
) -> Person | None:
    """The person with exactly this reference, or None; recorded either way (rule 2), so it raises nothing."""
    query = select(Person).where(Person.network_id == network_id, Person.reference == reference)
    person = session.scalars(query).one_or_none()
    what = "person.not-found" if person is None else "person.looked-up"
    subject = ("staff", staff_id) if person is None else ("person", person.id)
    events.record(session, network_id=network_id, at=now, actor=actor, what=what, subject=subject)
    return person
