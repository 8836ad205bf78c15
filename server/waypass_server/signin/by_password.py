"""A password with its second factor, from the first look to what it was for.

1. place and account do not have to wait (`attempts`); the attempt is counted, and that is committed
2. the password is compared outside of any transaction: it takes long, and other writers do not wait for it
3. the second factor is looked at whether the password was right or not: the code of the app, or a recovery code
4. both are right, and the person has not left or changed the password meanwhile: the code is used up, what was tried in
   vain about the account is taken back, and what the caller wants is done, in one transaction

Whatever is wrong is answered alike (`WrongSignIn`), after the same work. A password alone is never enough: who has no
second factor has none that could be right.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from waypass_server.database import LOCKED
from waypass_server.models.network import Network, Staff
from waypass_server.models.sign_in import Authenticator, StaffPassword
from waypass_server.people import serving_network
from waypass_server.refusals import Unauthenticated
from waypass_server.services import Services
from waypass_server.signin import attempts, recovery, totp

_Done = TypeVar("_Done")


class WrongSignIn(Unauthenticated):
    """What was given does not open."""

    name = "wrong-sign-in"
    title = "This does not sign anybody in"


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """What somebody typed. `code` is the app's, or a recovery code."""

    name: str
    password: str = field(repr=False)
    code: str = field(repr=False)


def prove(services: Services, given: Given, *, source: str, act: Callable[[Session, Staff], _Done]) -> _Done:
    """Do `act` for the member of staff whose password and second factor these are. `source` is a keyed hash of the
    caller's address. Raises `Wait`, and `WrongSignIn` after the attempt was counted.
    """
    now, account = services.now(), attempts.account_of(given.name)
    with services.database.changing() as session:
        attempts.check_source(session, source, now)
        attempts.check_account(session, account, now)
        attempts.count(session, source=source, account=account, now=now)
        staff = _find(session, services, given.name)
        network = serving_network(session, services)
        staff_id = None if staff is None else staff.id
        attempts.say_if_waiting(session, network_id=network.id, account=account, staff_id=staff_id, now=now)
        row = None if staff is None else session.get(StaffPassword, staff.id)
        hashed = None if row is None else row.hash
    right = services.passwords.matches(given.password, hashed)
    # Not `services.change`: nothing that publisher or scheduler wait for.
    with services.database.changing() as session:
        staff = _find(session, services, given.name)
        used = _use_second_factor(session, staff, given.code, now)
        if staff is None or not right or not used or not _is_still(session, staff, hashed):
            # Raised inside the transaction: a code that came with a wrong password is not used up.
            raise WrongSignIn("sign-in: expected a name, a password and a code that belong together, got others")
        attempts.take_back(session, account)
        return act(session, staff)


def _find(session: Session, services: Services, name: str) -> Staff | None:
    query = select(Staff).join(Network, Network.id == Staff.network_id)
    working = Staff.name == name, Staff.left_at.is_(None), Network.name == services.settings.network
    return session.scalars(query.where(*working)).one_or_none()


def _is_still(session: Session, staff: Staff, hashed: str | None) -> bool:
    # Locked: whoever changes the password just now ends the session that is about to begin, or this sees the new one.
    row = session.get(StaffPassword, staff.id, with_for_update=LOCKED)
    return row is not None and row.hash == hashed


def _use_second_factor(session: Session, staff: Staff | None, typed: str, now: int) -> bool:
    """Whether the code is this person's; it is used up then."""
    app = None if staff is None else session.get(Authenticator, staff.id, with_for_update=LOCKED)
    known = app is not None and app.secret is not None
    secret = app.secret if app is not None and app.secret is not None else totp.NOBODYS
    after = 0 if app is None else app.last_step
    step = totp.step_of(secret, totp.as_code(typed) or "", now=now, after=after)
    by_backup = recovery.use(session, 0 if staff is None or not known else staff.id, recovery.as_code(typed) or "")
    if app is not None and known and step is not None:
        app.last_step = step
        return True
    return by_backup
