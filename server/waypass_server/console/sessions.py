"""Sessions at the console.

1. a staff token begins one. Its secret, 256 random bits, is in the browser's cookie alone; the database has its hash,
   so that sessions outlive a restart and a stolen database opens none
2. it ends after `LONGEST` seconds, after `IDLE` seconds without a request, when its person leaves, when the token that
   began it is replaced, and when somebody signs out. What somebody may do is looked up with each request
3. a browser has one session: signing in ends the one that was there
4. wrong tokens are counted over `ATTEMPT_WINDOW` seconds for each address; past the limit no token of that address is
   looked at (`TooMany`). Not counted altogether: nobody guesses 256 bits, and a stranger must not be able to keep
   those out who have to act

The token against forged requests (CSRF) is made from the secret, and says nothing about it.
"""

import hashlib
from dataclasses import dataclass

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from waypass_protocol.keys import base64url
from waypass_server import events
from waypass_server.api.access import StaffMember
from waypass_server.models.console import ConsoleSession, FailedSignIn
from waypass_server.models.network import Authority, Network, Staff
from waypass_server.people import ATTEMPT_WINDOW
from waypass_server.refusals import TooMany, Unauthenticated
from waypass_server.services import Services
from waypass_server.tokens import hash_secret, make_token

LONGEST = 8 * 3600
IDLE = 30 * 60
ATTEMPTS = 10
PREFIX = "wpc_"
_SEEN_EVERY = 60
"""Seconds; not every request writes."""


class WrongToken(Unauthenticated):
    """The token is nobody's who works here."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SignedIn:
    """Who is at the browser, and with which session. Times are UNIX seconds."""

    member: StaffMember
    name: str
    desk: str
    authority: str | None
    secret: str
    ends_at: int

    @property
    def csrf(self) -> str:
        """What every form of this session carries."""
        return csrf_of(self.secret)


def csrf_of(secret: str) -> str:
    """The token for forms that goes with a secret in a cookie."""
    return base64url(hashlib.blake2b(secret.encode(), person=b"waypass-forms", digest_size=24).digest())


def sign_in(services: Services, *, token: str, source: str, before: str | None) -> str:
    """Begin a session; its secret. `before` is the secret of the browser's earlier one.

    Raises `TooMany`, and `WrongToken` after the attempt was counted.
    """
    now = services.now()
    with services.database.changing() as session:
        _check_attempts(session, source, now)
        found = _find_staff(session, services, token)
        if found is not None:
            _end(session, before)
            return _begin(session, services, found, now)
        # Committed although the caller is refused: that is what makes guessing slow.
        session.add(FailedSignIn(at=now, source=source))
    raise WrongToken("token: expected the token of somebody who works here, got another")


def find(services: Services, secret: str, *, seen: bool = True) -> SignedIn | None:
    """The session with this secret, unless it has ended (rule 2). `seen`: somebody is there, so it is not idle."""
    now = services.now()
    query = (
        select(ConsoleSession, Staff, Authority.name)
        .join(Staff, Staff.id == ConsoleSession.staff_id)
        .join(Network, Network.id == Staff.network_id)
        .outerjoin(Authority, Authority.id == Staff.authority_id)
        .where(
            ConsoleSession.secret_hash == hash_secret(secret),
            ConsoleSession.ends_at > now,
            ConsoleSession.seen_at > now - IDLE,
            ConsoleSession.signed_in_with == Staff.token_hash,
            Staff.left_at.is_(None),
            Network.name == services.settings.network,
        )
    )
    with services.database.reading() as session:
        row = session.execute(query).one_or_none()
    if row is None:
        return None
    held, staff, authority = row
    if seen and held.seen_at <= now - _SEEN_EVERY:
        with services.database.changing() as session:
            again = session.get(ConsoleSession, held.id)
            if again is not None:  # somebody may have signed out just now
                again.seen_at = now
    return SignedIn(
        member=StaffMember.of(staff),
        name=staff.name,
        desk=staff.desk,
        authority=authority,
        secret=secret,
        ends_at=held.ends_at,
    )


def sign_out(services: Services, secret: str) -> None:
    """End the session; one that has ended already stays so."""
    with services.database.changing() as session:
        _end(session, secret)


def _check_attempts(session: Session, source: str, now: int) -> None:
    recent = FailedSignIn.source == source, FailedSignIn.at > now - ATTEMPT_WINDOW
    if session.execute(select(func.count()).select_from(FailedSignIn).where(*recent)).scalar_one() >= ATTEMPTS:
        raise TooMany(f"token: too many wrong tokens within {ATTEMPT_WINDOW} s; wait, then try again")


def _find_staff(session: Session, services: Services, token: str) -> Staff | None:
    query = (
        select(Staff)
        .join(Network, Network.id == Staff.network_id)
        .where(
            Staff.token_hash == hash_secret(token),
            Staff.left_at.is_(None),
            Network.name == services.settings.network,
        )
    )
    return session.scalars(query).one_or_none()


def _begin(session: Session, services: Services, staff: Staff, now: int) -> str:
    secret = make_token(PREFIX, services.random_bytes)
    held = ConsoleSession(
        staff_id=staff.id,
        secret_hash=hash_secret(secret),
        signed_in_with=staff.token_hash,
        created_at=now,
        seen_at=now,
        ends_at=now + LONGEST,
    )
    session.add(held)
    events.record(
        session,
        network_id=staff.network_id,
        at=now,
        actor=StaffMember.of(staff).actor(),
        what="console.signed-in",
        subject=("staff", staff.id),
    )
    return secret


def _end(session: Session, secret: str | None) -> None:
    if secret is not None:
        session.execute(delete(ConsoleSession).where(ConsoleSession.secret_hash == hash_secret(secret)))
