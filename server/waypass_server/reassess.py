"""After anything about a person changed: passes that are now too permissive go, the next look is planned, and what
rules propose is kept for people to look at.

The person is locked before anything is looked at: of two changes at once the second sees what the first has done.

Called in the transaction of the change, so that the change and what follows from it are committed together.
"""

from collections.abc import Sequence

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from waypass_server.aspects import Standing, standing_of
from waypass_server.many_rows import among, change_rows, on_postgresql, rows_of
from waypass_server.models.people import Person
from waypass_server.outlook import outlooks
from waypass_server.passes import (
    live_passes_of,
    lock_person,
    says_too_much,
    take_away,
    take_away_rows,
    too_permissive,
)
from waypass_server.rule_proposals import keep


def reassess(session: Session, person_id: int, now: int) -> Standing:
    """Take away the person's passes that are more permissive than the standing, and note when to look again."""
    session.flush()
    person = lock_person(session, person_id)
    standing = standing_of(session, person_id, now)
    take_away(session, too_permissive(session, person_id, standing.aspects, now), now)
    person.reassess_at = standing.until
    keep(session, person_id, standing.rules, now)
    return standing


def reassess_all(session: Session, people: Sequence[int], now: int) -> int:
    """The same for many people of one network at once, in a few queries altogether. How many they were: whoever is
    being changed by somebody else just now is left for another time.
    """
    session.flush()
    query = select(Person.id, Person.network_id).where(among(session, Person.id, people)).order_by(Person.id)
    rows = rows_of(session, query.with_for_update(key_share=True, skip_locked=True))
    if not rows:
        return 0
    found = [row.id for row in rows]
    seen = outlooks(session, rows[0].network_id, found, now)
    change_rows(session, Person, ("reassess_at",), [(seen[person_id].until, person_id) for person_id in found])
    for person_id in found:
        if seen[person_id].rules:
            keep(session, person_id, seen[person_id].rules, now)
    passes = live_passes_of(session, found, now)
    take_away_rows(session, [row for row in passes if says_too_much(row, seen[row.person_id].aspects)], now)
    return len(found)


def look_at_everybody(session: Session, network_id: int, now: int) -> None:
    """Look at each of the network's people at the scheduler's next ticks."""
    session.flush()
    everybody = Person.network_id == network_id
    if on_postgresql(session):
        # A change of all rows locks them as they lie in the table; the order of ids is everybody's (`database`).
        in_order = select(Person.id).where(everybody).order_by(Person.id).with_for_update(key_share=True)
        session.execute(select(func.count()).select_from(in_order.subquery()))
    session.execute(update(Person).where(everybody).values(reassess_at=now))
