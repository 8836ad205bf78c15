"""Sessions at the console.

1. a staff token begins one, or a password with its second factor, a passkey, the OpenID provider, an enrolment link
   (`signin`). Its secret, 256 random bits, is in the browser's cookie alone; the database has its hash, so that
   sessions outlive a restart and a stolen database opens none
2. it ends after `LONGEST` seconds, after `IDLE` seconds without a request, when its person leaves, when the staff token
   that began it is replaced or void, when the person changes the password or ends all sessions, and when somebody signs
   out. What somebody may do is looked up with each request
3. a browser has one session: signing in ends the one that was there
4. wrong tokens are counted for each address; past the limit no token of that address is looked at (`Wait`). Not counted
   altogether: nobody guesses 256 bits, and a stranger must not be able to keep those out who have to act

A staff token is void, for good, once its person has signed in otherwise, and from the moment on that they have set up
enough for it (`credentials.enrolled`). Where the setting `staff_tokens` is false, none begins a session.

The token against forged requests (CSRF) is made from the secret, and says nothing about it.
"""

import hashlib
from dataclasses import dataclass

from sqlalchemy import ColumnElement, delete, false, select, update
from sqlalchemy.orm import Session

from waypass_protocol.keys import base64url
from waypass_server import events
from waypass_server.api.access import StaffMember
from waypass_server.models.console import ConsoleSession
from waypass_server.models.network import Authority, Network, Staff
from waypass_server.refusals import Unauthenticated
from waypass_server.services import Services
from waypass_server.signin import attempts, by_passkey, by_password, credentials, links
from waypass_server.signin.by_password import Given
from waypass_server.signin.oidc import BadAnswer
from waypass_server.signin.passkeys import Place
from waypass_server.tokens import VOID, hash_secret, make_token
from waypass_server.ways import Way

LONGEST = 8 * 3600
IDLE = 30 * 60
ENROLMENT = 3600
"""Seconds that somebody has to set up how they sign in."""
FRESH = 15 * 60
"""Seconds after a sign-in in which somebody may change how they sign in, or make a token."""
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
    way: Way
    began_at: int
    ends_at: int

    @property
    def csrf(self) -> str:
        """What every form of this session carries."""
        return csrf_of(self.secret)

    @property
    def enrolling(self) -> bool:
        """Whether it can set up ways to sign in, and nothing else."""
        return self.way is Way.ENROLMENT


def csrf_of(secret: str) -> str:
    """The token for forms that goes with a secret in a cookie."""
    return base64url(hashlib.blake2b(secret.encode(), person=b"waypass-forms", digest_size=24).digest())


def sign_in(services: Services, *, token: str, source: str, before: str | None) -> str:
    """Begin a session with a staff token; its secret. `before` is the secret of the browser's earlier one.

    Raises `Wait`, and `WrongToken` after the attempt was counted.
    """
    now = services.now()
    with services.database.changing() as session:
        attempts.check_source(session, source, now)
        found = _find_staff(session, services, (Staff.token_hash == hash_secret(token)) & ~credentials.enrolled())
        if found is not None and services.settings.staff_tokens:
            return begin(session, services, found, way=Way.TOKEN, before=before)
        # Committed although the caller is refused: that is what makes guessing slow.
        attempts.count(session, source=source, now=now)
    raise WrongToken("token: expected the token of somebody who works here, got another")


def sign_in_with_password(services: Services, given: Given, *, source: str, before: str | None) -> str:
    """Begin a session with a password and its second factor; its secret. Raises `Wait` and `WrongSignIn`."""

    def act(session: Session, staff: Staff) -> str:
        return begin(session, services, staff, way=Way.PASSWORD, before=before)

    return by_password.prove(services, given, source=source, act=act)


def sign_in_with_passkey(services: Services, place: Place, *, owner: str, text: str, before: str | None) -> str:
    """Begin a session with a passkey; its secret. `owner` is the secret of the browser's form cookie. Raises
    `NotBegun` and `BadPasskey`.
    """

    def act(session: Session, staff: Staff) -> str:
        return begin(session, services, staff, way=Way.PASSKEY, before=before)

    return by_passkey.finish(services, place, owner=owner, text=text, act=act)


def sign_in_by_name(services: Services, name: str, *, before: str | None) -> str:
    """Begin a session for whom the OpenID provider has named; its secret. Raises `BadAnswer` for somebody who does not
    work here.
    """
    with services.database.changing() as session:
        found = _find_staff(session, services, Staff.name == name)
        if found is not None:
            return begin(session, services, found, way=Way.OIDC, before=before)
    raise BadAnswer("oidc: expected somebody who works here, got another person")


def enrol(services: Services, *, secret: str, source: str, before: str | None) -> str:
    """Begin the session of an enrolment link, which is used up with that; its secret.

    Raises `Wait`, and `WrongLink` after the attempt was counted.
    """
    with services.database.changing() as session:
        staff = links.use(session, services, secret=secret, source=source)
        if staff is not None:
            return begin(session, services, staff, way=Way.ENROLMENT, before=before)
    raise links.WrongLink("enrolment: expected a link of the last three days that was not used, got another")


def begin(session: Session, services: Services, staff: Staff, *, way: Way, before: str | None) -> str:
    """A session of this member of staff, in place of the browser's earlier one; its secret."""
    now = services.now()
    _end(session, before)
    if way not in (Way.TOKEN, Way.ENROLMENT) and not staff.token_hash.startswith(VOID):
        staff.token_hash = f"{VOID}{staff.id}"
    secret = make_token(PREFIX, services.random_bytes)
    held = ConsoleSession(
        staff_id=staff.id,
        secret_hash=hash_secret(secret),
        way=way,
        signed_in_with=staff.token_hash if way is Way.TOKEN else "",
        created_at=now,
        seen_at=now,
        ends_at=now + (ENROLMENT if way is Way.ENROLMENT else LONGEST),
    )
    session.add(held)
    events.record(
        session,
        network_id=staff.network_id,
        at=now,
        actor=StaffMember.of(staff).actor(),
        what="console.signed-in",
        subject=("staff", staff.id),
        way=way.value,
    )
    return secret


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
            (ConsoleSession.way != Way.TOKEN) | _token_opens(services),
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
            # Somebody may have signed out just now: then there is nothing to change.
            session.execute(update(ConsoleSession).where(ConsoleSession.id == held.id).values(seen_at=now))
    return SignedIn(
        member=StaffMember.of(staff),
        name=staff.name,
        desk=staff.desk,
        authority=authority,
        secret=secret,
        way=held.way,
        began_at=held.created_at,
        ends_at=held.ends_at,
    )


def alive(session: Session, staff_id: int, now: int) -> list[ConsoleSession]:
    """A person's sessions that have not ended, the newest first."""
    query = select(ConsoleSession).where(
        ConsoleSession.staff_id == staff_id, ConsoleSession.ends_at > now, ConsoleSession.seen_at > now - IDLE
    )
    return list(session.scalars(query.order_by(ConsoleSession.id.desc())))


def sign_out(services: Services, secret: str) -> None:
    """End the session; one that has ended already stays so."""
    with services.database.changing() as session:
        _end(session, secret)


def _token_opens(services: Services) -> ColumnElement[bool]:
    """Whether the staff token that began a session is still one."""
    if not services.settings.staff_tokens:
        return false()
    return (ConsoleSession.signed_in_with == Staff.token_hash) & ~credentials.enrolled()


def _find_staff(session: Session, services: Services, who: ColumnElement[bool]) -> Staff | None:
    query = select(Staff).join(Network, Network.id == Staff.network_id)
    return session.scalars(
        query.where(who, Staff.left_at.is_(None), Network.name == services.settings.network)
    ).one_or_none()


def _end(session: Session, secret: str | None) -> None:
    if secret is not None:
        session.execute(delete(ConsoleSession).where(ConsoleSession.secret_hash == hash_secret(secret)))
