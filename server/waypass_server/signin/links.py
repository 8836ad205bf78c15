"""Enrolment links: with one, somebody sets up how they sign in; nobody else ever chooses a password for them.

1. whoever has a shell on the server makes one (`waypass-server network enrol`); or an administrator asks for one and a
   second administrator confirms, and gets it to hand over. Neither of the two is the person that it is for: otherwise
   one person could come to two accounts, and with them to two parts of one decision
2. it lives `LIFE` seconds, works once, and a new one ends those before it
3. when it is used, everything ends that the person had to sign in with, sessions and API tokens too (not the staff
   token, which the operator replaces): whoever takes somebody's link cannot stay unnoticed
4. it begins a session that can set up a password with an authenticator app, or a passkey, and nothing else
"""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.orm import Session

from waypass_server.database import RandomBytes
from waypass_server.life import Actor
from waypass_server.models.network import Network, Staff
from waypass_server.models.sign_in import EnrolmentLink
from waypass_server.refusals import NotFound, SamePerson, Unauthenticated
from waypass_server.services import Services
from waypass_server.signin import attempts, credentials
from waypass_server.tokens import hash_secret, make_token

PREFIX = "wpe_"
LIFE = 3 * 86_400


class WrongLink(Unauthenticated):
    """No link that can be used now."""

    name = "wrong-link"
    title = "The enrolment link cannot be used"


@dataclass(frozen=True, kw_only=True, slots=True)
class NewLink:
    """A link's secret, to be shown once."""

    secret: str
    ends_at: int


def ask(session: Session, *, staff: Staff, asked_by: int, actor: Actor, now: int) -> EnrolmentLink:
    """An administrator asks for a link; nothing can be used yet. Raises `SamePerson`."""
    if staff.id == asked_by:
        raise SamePerson("enrolment: expected another person than the one whom the link is for")
    _end_others(session, staff.id)
    row = EnrolmentLink(staff_id=staff.id, asked_by=asked_by, created_at=now, ends_at=now + LIFE)
    session.add(row)
    session.flush()
    credentials.log(session, staff, "enrolment.asked", actor=actor, now=now)
    return row


def confirm(
    session: Session, *, staff: Staff, confirmed_by: int, actor: Actor, random_bytes: RandomBytes, now: int
) -> NewLink:
    """A second administrator confirms, by naming the person: the link. Raises `NotFound` and `SamePerson`."""
    query = select(EnrolmentLink).where(EnrolmentLink.staff_id == staff.id, *_waits(now))
    row = session.scalars(query.with_for_update(key_share=True)).one_or_none()
    if row is None:
        raise NotFound("enrolment: expected somebody for whom a first administrator has asked, got another")
    check_confirmer(row, confirmed_by)
    row.confirmed_by = confirmed_by
    return _give(session, row, staff, actor=actor, random_bytes=random_bytes, now=now)


def waiting(session: Session, network_id: int, now: int) -> dict[int, EnrolmentLink]:
    """What waits for a second administrator, by whom the link is for."""
    query = select(EnrolmentLink).join(Staff, Staff.id == EnrolmentLink.staff_id)
    return {row.staff_id: row for row in session.scalars(query.where(Staff.network_id == network_id, *_waits(now)))}


def check_confirmer(row: EnrolmentLink, staff_id: int) -> None:
    """Rule 1. Raises `SamePerson`."""
    if staff_id in (row.asked_by, row.staff_id):
        raise SamePerson("enrolment: expected another person than the one who asked, and the one whom the link is for")


def make(session: Session, *, staff: Staff, actor: Actor, random_bytes: RandomBytes, now: int) -> NewLink:
    """A link at once, for whoever has a shell on the server."""
    _end_others(session, staff.id)
    row = EnrolmentLink(staff_id=staff.id, created_at=now, ends_at=now + LIFE)
    session.add(row)
    return _give(session, row, staff, actor=actor, random_bytes=random_bytes, now=now)


def use(session: Session, services: Services, *, secret: str, source: str) -> Staff | None:
    """Use a link up: whose it is, or None for one that cannot be used; that is counted, and the caller commits either
    way. Raises `Wait`.
    """
    now = services.now()
    attempts.check_source(session, source, now)
    query = (
        select(EnrolmentLink, Staff)
        .join(Staff, Staff.id == EnrolmentLink.staff_id)
        .join(Network, Network.id == Staff.network_id)
        .where(
            EnrolmentLink.secret_hash == hash_secret(secret),
            EnrolmentLink.ends_at > now,
            Staff.left_at.is_(None),
            Network.name == services.settings.network,
        )
        .with_for_update(of=EnrolmentLink)
    )
    row = session.execute(query).one_or_none()
    if row is None:
        attempts.count(session, source=source, now=now)
        return None
    staff: Staff = row[1]
    credentials.end_everything(session, staff.id, now)
    return staff


def _give(
    session: Session, row: EnrolmentLink, staff: Staff, *, actor: Actor, random_bytes: RandomBytes, now: int
) -> NewLink:
    secret = make_token(PREFIX, random_bytes)
    row.secret_hash, row.ends_at = hash_secret(secret), now + LIFE
    session.flush()
    credentials.log(session, staff, "enrolment.link-made", actor=actor, now=now)
    return NewLink(secret=secret, ends_at=row.ends_at)


def _waits(now: int) -> tuple[ColumnElement[bool], ...]:
    return EnrolmentLink.secret_hash.is_(None), EnrolmentLink.ends_at > now


def _end_others(session: Session, staff_id: int) -> None:
    session.execute(delete(EnrolmentLink).where(EnrolmentLink.staff_id == staff_id))
