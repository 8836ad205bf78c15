"""API tokens: what a member of staff makes for a program.

1. a token has some of its person's roles, reads or also writes, and ends after a year at most. What it may do is looked
   up with each request: a role that its person has lost is lost to it
2. it acts as its person: whoever proposed with one token approves with none
3. it is shown once; the database has its SHA-256, its last four characters and a label, and on which day it was used
   last, not when
4. no token makes a token, whatever kind it is: its person does, in a session that began with a password, a passkey or
   at the provider, or with password and code in the request itself
"""

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session

from waypass_server.database import LOCKED, RandomBytes
from waypass_server.life import Actor, Kind
from waypass_server.models.network import Network, Staff
from waypass_server.models.sign_in import ApiToken
from waypass_server.refusals import BadInput, Conflict, NotFound
from waypass_server.roles import Role
from waypass_server.services import Services
from waypass_server.signin.credentials import day_of, log
from waypass_server.tokens import hash_secret, make_token

PREFIX = "wpa_"
LONGEST = 366 * 86_400
MOST_OF_ONE = 50


def make(
    session: Session,
    *,
    staff: Staff,
    label: str,
    roles: frozenset[Role],
    writes: bool,
    ends_at: int,
    random_bytes: RandomBytes,
    now: int,
) -> tuple[ApiToken, str]:
    """A token of this person, and its text, to be shown once. Raises `BadInput` and `Conflict`."""
    lacking = sorted(role.value for role in roles if not staff.has(role))
    if not roles or lacking:
        raise BadInput(f"roles: expected some of one's own, got {', '.join(lacking) or 'none'}")
    if not now < ends_at <= now + LONGEST:
        raise BadInput(f"ends_at: expected a time within the next {LONGEST} s, got {ends_at - now} s from now")
    session.get(Staff, staff.id, with_for_update=LOCKED)  # of two at once each sees the other
    alive = select(func.count()).select_from(ApiToken).where(*_alive(now), ApiToken.staff_id == staff.id)
    if session.execute(alive).scalar_one() >= MOST_OF_ONE:
        raise Conflict(f"token: expected at most {MOST_OF_ONE} that are alive; revoke one first")
    token = make_token(PREFIX, random_bytes)
    row = ApiToken(
        staff_id=staff.id,
        label=label,
        token_hash=hash_secret(token),
        last_four=token[-4:],
        roles=sorted(role.value for role in roles),
        writes=writes,
        created_at=now,
        ends_at=ends_at,
    )
    session.add(row)
    session.flush()
    actor = Actor(kind=Kind.STAFF, staff_id=staff.id, roles=roles)
    log(session, staff, "api-token.made", actor=actor, now=now, token=row.id, roles=row.roles, writes=writes)
    return row, token


def of_staff(session: Session, staff_id: int, now: int) -> list[ApiToken]:
    """Those that are alive, the newest first."""
    query = select(ApiToken).where(*_alive(now), ApiToken.staff_id == staff_id)
    return list(session.scalars(query.order_by(ApiToken.id.desc())))


def revoke(session: Session, *, staff: Staff, token_id: int, actor: Actor, now: int) -> None:
    """End one at once; one that has ended stays so. Raises `NotFound` for another's."""
    row = session.get(ApiToken, token_id, with_for_update=LOCKED)
    if row is None or row.staff_id != staff.id:
        raise NotFound("token: expected the number of a token of one's own, got another")
    if row.revoked_at is None:
        row.revoked_at = now
        log(session, staff, "api-token.revoked", actor=actor, now=now, token=row.id)


def find(services: Services, token_hash: str) -> tuple[ApiToken, Staff] | None:
    """The token with this hash and its person, if it is alive and they still work here; the day is written down."""
    now = services.now()
    query = (
        select(ApiToken, Staff)
        .join(Staff, Staff.id == ApiToken.staff_id)
        .join(Network, Network.id == Staff.network_id)
        .where(
            *_alive(now),
            ApiToken.token_hash == token_hash,
            Staff.left_at.is_(None),
            Network.name == services.settings.network,
        )
    )
    with services.database.reading() as session:
        row = session.execute(query).one_or_none()
    if row is None:
        return None
    token, staff = row
    if token.used_on != day_of(now):
        with services.database.changing() as session:
            session.execute(update(ApiToken).where(ApiToken.id == token.id).values(used_on=day_of(now)))
    return token, staff


def _alive(now: int) -> tuple[ColumnElement[bool], ...]:
    return ApiToken.revoked_at.is_(None), ApiToken.ends_at > now
