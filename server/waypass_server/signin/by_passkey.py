"""Signing in with a passkey, and registering one; the rules are those of `passkeys`.

A sign-in with a passkey is not counted and does not have to wait (`attempts`): nobody guesses a signature.
"""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session
from webauthn.helpers import base64url_to_bytes

from waypass_protocol.keys import base64url
from waypass_server.models.network import Network, Staff
from waypass_server.models.sign_in import Passkey
from waypass_server.refusals import Conflict
from waypass_server.services import Services
from waypass_server.signin import ceremonies, passkeys
from waypass_server.signin.ceremonies import Step
from waypass_server.signin.credentials import day_of
from waypass_server.signin.passkeys import CHALLENGE, BadPasskey, Place

MOST_OF_ONE = 20
_Done = TypeVar("_Done")


def begin(services: Services, place: Place, *, owner: str) -> str:
    """What the browser with this secret is asked, as JSON."""
    challenge = services.random_bytes(CHALLENGE)
    _keep(services, challenge, owner=owner, step=Step.PASSKEY)
    return passkeys.ask_for_one(place, challenge=challenge)


def finish(services: Services, place: Place, *, owner: str, text: str, act: Callable[[Session, Staff], _Done]) -> _Done:
    """Do `act` for the member of staff whose passkey answered. Raises `NotBegun` and `BadPasskey`; the challenge is
    used up either way.
    """
    challenge = _taken(services, owner=owner, step=Step.PASSKEY)
    query = (
        select(Passkey, Staff)
        .join(Staff, Staff.id == Passkey.staff_id)
        .join(Network, Network.id == Staff.network_id)
        .where(
            Passkey.credential_id == passkeys.credential_of(text),
            Staff.left_at.is_(None),
            Network.name == services.settings.network,
        )
        .with_for_update(of=Passkey, key_share=True)
    )
    with services.database.changing() as session:
        row = session.execute(query).one_or_none()
        if row is None:
            raise BadPasskey("passkey: expected one of somebody who works here, got another")
        passkey, staff = row
        passkey.sign_count = passkeys.read_one(
            text, place, challenge=challenge, public_key=passkey.public_key, sign_count=passkey.sign_count
        )
        passkey.used_on = day_of(services.now())
        return act(session, staff)


def begin_new(services: Services, place: Place, *, staff: Staff, owner: str) -> str:
    """What the browser is asked to register one, as JSON. Raises `Conflict` for more than anybody needs."""
    with services.database.reading() as session:
        known = list(session.scalars(select(Passkey.credential_id).where(Passkey.staff_id == staff.id)))
    if len(known) >= MOST_OF_ONE:
        raise Conflict(f"passkey: expected at most {MOST_OF_ONE}; remove one first")
    challenge = services.random_bytes(CHALLENGE)
    _keep(services, challenge, owner=owner, step=Step.NEW_PASSKEY)
    handle = passkeys.handle_of(staff.network_id, staff.id)
    return passkeys.ask_for_new(place, handle=handle, name=staff.name, challenge=challenge, known=known)


def finish_new(
    services: Services,
    place: Place,
    *,
    staff: Staff,
    owner: str,
    text: str,
    label: str,
    act: Callable[[Session, Passkey], None],
) -> None:
    """Keep the new passkey of this member of staff, and do `act` with it. Raises `NotBegun`, `BadPasskey`, and
    `Conflict` for one that is known.
    """
    challenge = _taken(services, owner=owner, step=Step.NEW_PASSKEY)
    made = passkeys.read_new(text, place, challenge=challenge)
    with services.database.changing() as session:
        if session.scalars(select(Passkey.id).where(Passkey.credential_id == made.credential_id)).first() is not None:
            raise Conflict("passkey: expected a new one, this one is registered already")
        row = Passkey(
            staff_id=staff.id,
            credential_id=made.credential_id,
            public_key=made.public_key,
            sign_count=made.sign_count,
            label=label,
            created_at=services.now(),
        )
        session.add(row)
        session.flush()
        act(session, row)


def _keep(services: Services, challenge: bytes, *, owner: str, step: Step) -> None:
    held = {"challenge": base64url(challenge)}
    with services.database.changing() as session:
        ceremonies.begin(session, owner=owner, step=step, held=held, now=services.now())


def _taken(services: Services, *, owner: str, step: Step) -> bytes:
    with services.database.changing() as session:
        held = ceremonies.take(session, owner=owner, step=step, now=services.now())
    return base64url_to_bytes(held["challenge"])
