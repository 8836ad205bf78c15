"""After anything about a person changed: passes that are now too permissive go, and the next look is planned.

Called in the transaction of the change, so that the change and what follows from it are committed together.
"""

from sqlalchemy.orm import Session

from waypass_server.aspects import Standing, standing_of
from waypass_server.models.people import Person
from waypass_server.passes import worsen_passes


def reassess(session: Session, person_id: int, now: int) -> Standing:
    """Take away the person's passes that are more permissive than the standing, and note when to look again."""
    session.flush()
    standing = standing_of(session, person_id, now)
    worsen_passes(session, person_id, standing.aspects, now)
    session.get_one(Person, person_id).reassess_at = standing.until
    return standing
