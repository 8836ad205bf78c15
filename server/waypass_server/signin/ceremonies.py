"""Sign-ins and registrations of two steps: what the first step drew waits for the second.

It is bound to the browser (by the secret of one of its cookies), lives `LIFE` seconds and serves once; a browser has
one of a kind.
"""

from enum import StrEnum
from typing import Any

from sqlalchemy import delete
from sqlalchemy.orm import Session

from waypass_server.models.sign_in import Ceremony
from waypass_server.refusals import Forbidden
from waypass_server.tokens import hash_secret

LIFE = 600


class Step(StrEnum):
    """What was begun."""

    PASSKEY = "passkey"
    NEW_PASSKEY = "new-passkey"
    OIDC = "oidc"


class NotBegun(Forbidden):
    """A second step without a first one: never begun here, too long ago, or done already."""

    name = "not-begun"
    title = "This was not begun here, or too long ago"


def begin(session: Session, *, owner: str, step: Step, held: dict[str, Any], now: int) -> None:
    """Keep what the second step needs, in place of any before."""
    _end(session, owner, step)
    session.add(Ceremony(owner_hash=hash_secret(owner), kind=step.value, held=held, ends_at=now + LIFE))
    session.flush()


def take(session: Session, *, owner: str, step: Step, now: int) -> dict[str, Any]:
    """What was kept; it is gone once the caller commits. Raises `NotBegun`."""
    row = session.get(Ceremony, (hash_secret(owner), step.value), with_for_update=True)
    if row is None or row.ends_at <= now:
        raise NotBegun("sign-in: expected the second step of one that this browser began a moment ago, got another")
    held = row.held
    session.delete(row)
    session.flush()
    return held


def _end(session: Session, owner: str, step: Step) -> None:
    mine = Ceremony.owner_hash == hash_secret(owner), Ceremony.kind == step.value
    session.execute(delete(Ceremony).where(*mine))
