"""Forms that are carried out once, however often they are sent.

A form carries a random key. The first time that it comes, what it asks for is done, and the page that it led to is
kept with the key in the same transaction; after that the same key only leads there. Two that come at the same moment
are told apart by the database: one is carried out, the other finds what the first has done.

Steps that are the same when taken twice (approve, undo, withdraw an entry, confirm) need no key: see `life`.
"""

from collections.abc import Callable

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from waypass_protocol.keys import base64url
from waypass_server.database import RandomBytes
from waypass_server.models.console import Submission
from waypass_server.refusals import BadInput
from waypass_server.services import Services
from waypass_server.tokens import hash_secret


def make_key(random_bytes: RandomBytes) -> str:
    """For a form that is about to be shown."""
    return base64url(random_bytes(16))


def once(services: Services, *, staff_id: int, key: str, act: Callable[[Session], str]) -> str:
    """Do what the form asks for, or what has been done already: the page that it leads to. Raises what `act` raises."""
    if not key:
        raise BadInput("form: expected the key that the form was shown with, got none")
    try:
        with services.change() as session:
            known = _place(session, staff_id, key)
            if known is not None:
                return known
            place = act(session)
            session.add(
                Submission(staff_id=staff_id, key_hash=hash_secret(key), leads_to=place, at=services.now()),
            )
            return place
    except IntegrityError:
        with services.database.reading() as session:
            known = _place(session, staff_id, key)
        if known is None:
            raise
        return known


def _place(session: Session, staff_id: int, key: str) -> str | None:
    query = select(Submission.leads_to).where(Submission.staff_id == staff_id, Submission.key_hash == hash_secret(key))
    return session.scalars(query).one_or_none()
