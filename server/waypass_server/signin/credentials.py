"""What somebody has to sign in with, and its end.

Password and authenticator app count together: neither alone opens anything (`by_password`).
"""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, delete, exists, func, or_, select, update
from sqlalchemy.orm import Session

from waypass_server import events
from waypass_server.database import LOCKED
from waypass_server.life import Actor
from waypass_server.models.console import ConsoleSession
from waypass_server.models.network import Staff
from waypass_server.models.sign_in import ApiToken, Authenticator, EnrolmentLink, Passkey, RecoveryCode, StaffPassword

DAY = 86_400


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """What a member of staff has set up."""

    password: bool
    authenticator: bool
    recovery_codes: int
    passkeys: int

    @property
    def complete(self) -> bool:
        """Whether it is enough to sign in with."""
        return self.passkeys > 0 or (self.password and self.authenticator)


def held(session: Session, staff_id: int) -> Held:
    """What this person has."""
    return held_by(session, Staff.id == staff_id)[staff_id]


def held_by(session: Session, whose: ColumnElement[bool]) -> dict[int, Held]:
    """What each of these members of staff has."""
    people = session.scalars(select(Staff.id).where(whose)).all()
    passwords = set(session.scalars(select(StaffPassword.staff_id).join(Staff).where(whose)))
    has_app = whose & Authenticator.secret.is_not(None)
    apps = set(session.scalars(select(Authenticator.staff_id).join(Staff).where(has_app)))
    codes, passkeys = (_count(session, model, whose) for model in (RecoveryCode, Passkey))
    return {
        one: Held(
            password=one in passwords,
            authenticator=one in apps,
            recovery_codes=codes.get(one, 0),
            passkeys=passkeys.get(one, 0),
        )
        for one in people
    }


def enrolled() -> ColumnElement[bool]:
    """Whether a member of staff has enough to sign in with, as a condition on `Staff`: then their token is void."""
    passkey = exists().where(Passkey.staff_id == Staff.id)
    password = exists().where(StaffPassword.staff_id == Staff.id)
    app = exists().where(Authenticator.staff_id == Staff.id, Authenticator.secret.is_not(None))
    return or_(passkey, and_(password, app))


def set_password(session: Session, staff_id: int, hashed: str, now: int) -> None:
    """A password in place of any before."""
    row = session.get(StaffPassword, staff_id, with_for_update=LOCKED)
    if row is None:
        session.add(StaffPassword(staff_id=staff_id, hash=hashed, changed_at=now))
    else:
        row.hash, row.changed_at = hashed, now
    session.flush()


def end_sessions(session: Session, staff_id: int, *, but: str | None = None) -> None:
    """End a person's sessions at once, apart from the one with this hash."""
    query = delete(ConsoleSession).where(ConsoleSession.staff_id == staff_id)
    session.execute(query if but is None else query.where(ConsoleSession.secret_hash != but))


def end_everything(session: Session, staff_id: int, now: int) -> None:
    """Nothing of what the person had opens anything any more, apart from the staff token.

    In the order in which a sign-in locks: one that is under way ends first, and then its session.
    """
    for model in (EnrolmentLink, Authenticator, RecoveryCode, StaffPassword, Passkey):
        session.execute(delete(model).where(model.staff_id == staff_id))
    alive = ApiToken.staff_id == staff_id, ApiToken.revoked_at.is_(None)
    session.execute(update(ApiToken).where(*alive).values(revoked_at=now))
    end_sessions(session, staff_id)


def day_of(now: int) -> int:
    """The beginning of the day: what is kept of when something was used."""
    return now - now % DAY


def log(session: Session, staff: Staff, what: str, *, actor: Actor, now: int, **details: object) -> None:
    """An event about somebody's ways to sign in: ids and numbers, no name, nothing that is typed."""
    events.record(
        session, network_id=staff.network_id, at=now, actor=actor, what=what, subject=("staff", staff.id), **details
    )


def _count(session: Session, model: type[RecoveryCode | Passkey], whose: ColumnElement[bool]) -> dict[int, int]:
    query = select(model.staff_id, func.count()).join(Staff, Staff.id == model.staff_id).where(whose)
    return {row[0]: row[1] for row in session.execute(query.group_by(model.staff_id))}
