"""Who is calling: staff with a role, or the holder of a wallet.

A token comes as `Authorization: Bearer TOKEN` and nowhere else. It is looked up by its hash; an unknown one, one of
another network, one of an earlier wallet, one that has ended, and one of somebody who has left are answered alike
(`Unauthenticated`). So is a staff token whose person has a sign-in of their own, which makes it void, and each of them
where the setting `staff_tokens` is false; API tokens go on. A member of staff without the role is refused (`Forbidden`)
before anything of the request is looked at; so is an API token (`signin.api_tokens`) that has not the role, or that
reads where something is changed.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import select

from waypass_server.life import Actor, Kind
from waypass_server.models.network import Network, Staff
from waypass_server.models.people import Person, Wallet
from waypass_server.refusals import Forbidden, Unauthenticated
from waypass_server.roles import Role
from waypass_server.services import Services
from waypass_server.signin import api_tokens, credentials
from waypass_server.tokens import STAFF_PREFIX, hash_secret

_bearer = HTTPBearer(auto_error=False, description="A staff token, an API token of staff, or a wallet token.")
READ_BY_POST = frozenset({"/api/v1/standing"})
"""What is asked by POST and changes nothing: references stay out of addresses."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Holder:
    """The person behind a wallet token."""

    person_id: int
    network_id: int
    wallet_id: int

    def actor(self) -> Actor:
        """As the one who acts."""
        return Actor(kind=Kind.HOLDER)


@dataclass(frozen=True, kw_only=True, slots=True)
class StaffMember:
    """A member of staff."""

    staff_id: int
    network_id: int
    authority_id: int | None
    roles: frozenset[Role]

    @staticmethod
    def of(row: Staff, *, only: Iterable[str] | None = None) -> "StaffMember":
        """From a row; of the roles those in `only`, if it is given."""
        held = row.roles if only is None else set(row.roles).intersection(only)
        return StaffMember(
            staff_id=row.id,
            network_id=row.network_id,
            authority_id=row.authority_id,
            roles=frozenset(Role(role) for role in held),
        )

    def actor(self) -> Actor:
        """As the one who acts."""
        return Actor(kind=Kind.STAFF, staff_id=self.staff_id, roles=self.roles)


def services(request: Request) -> Services:
    """The `Services` that the application was made with."""
    held = request.app.state.services
    assert isinstance(held, Services)
    return held


def source(request: Request) -> str:
    """Where a request came from, as a keyed hash: what counts failures for ten minutes is no list of addresses."""
    address = request.client.host if request.client else "unknown"
    return hashlib.blake2b(address.encode(), key=request.app.state.source_key, digest_size=16).hexdigest()


SourceHere = Annotated[str, Depends(source)]
"""A parameter of an endpoint that counts failures."""
ServicesHere = Annotated[Services, Depends(services)]
"""A parameter of an endpoint: the server's services."""
_Token = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


def holder(given: _Token, here: ServicesHere) -> Holder:
    """The wallet's holder. Raises `Unauthenticated`."""
    token_hash = _token_hash(given)
    with here.database.reading() as session:
        query = (
            select(Wallet.id, Person.id, Person.network_id)
            .join(Person, Person.id == Wallet.person_id)
            .join(Network, Network.id == Person.network_id)
            .where(
                Wallet.token_hash == token_hash,
                Wallet.ended_at.is_(None),
                Network.name == here.settings.network,
            )
        )
        row = session.execute(query).one_or_none()
    if row is None:
        raise Unauthenticated("expected a wallet token that is known, got another")
    return Holder(wallet_id=row[0], person_id=row[1], network_id=row[2])


def staff(request: Request, given: _Token, here: ServicesHere) -> StaffMember:
    """Any member of staff, with the staff token or an API token. Raises `Unauthenticated` and `Forbidden`."""
    token_hash = _token_hash(given)
    if given is not None and given.credentials.startswith(api_tokens.PREFIX):
        return _with_api_token(request, here, token_hash)
    with here.database.reading() as session:
        query = (
            select(Staff)
            .join(Network, Network.id == Staff.network_id)
            .where(Staff.token_hash == token_hash, Staff.left_at.is_(None), Network.name == here.settings.network)
            .where(~credentials.enrolled())
        )
        member = session.scalars(query).one_or_none() if here.settings.staff_tokens else None
    if member is None:
        raise Unauthenticated("expected a staff token that is known, got another")
    return StaffMember.of(member)


def perhaps_staff(request: Request, given: _Token, here: ServicesHere) -> StaffMember | None:
    """A member of staff; None where no token came, or a wallet's. Raises `Unauthenticated` for one of staff that is not
    known.
    """
    if given is None or not given.credentials.startswith((STAFF_PREFIX, api_tokens.PREFIX)):
        return None
    return staff(request, given, here)


def _with_api_token(request: Request, here: Services, token_hash: str) -> StaffMember:
    found = api_tokens.find(here, token_hash)
    if found is None:
        raise Unauthenticated("expected a staff token that is known, got another")
    token, member = found
    if not token.writes and request.method != "GET" and request.url.path not in READ_BY_POST:
        raise Forbidden("expected a token that writes, got one that reads")
    return StaffMember.of(member, only=token.roles)


def staff_with(*roles: Role) -> Callable[[StaffMember], StaffMember]:
    """A dependency: staff with one of these roles."""

    def check(member: Annotated[StaffMember, Depends(staff)]) -> StaffMember:
        if not member.roles.intersection(roles):
            needed = " or ".join(sorted(role.value for role in roles))
            raise Forbidden(f"expected a token of somebody with the role {needed}")
        return member

    return check


HolderHere = Annotated[Holder, Depends(holder)]
"""A parameter of an endpoint: the holder of the wallet that calls."""
AnyStaff = Annotated[StaffMember, Depends(staff)]
PerhapsStaff = Annotated[StaffMember | None, Depends(perhaps_staff)]
"""What is for everybody, and tells staff more."""
Admin = Annotated[StaffMember, Depends(staff_with(Role.ADMIN))]
Proposer = Annotated[StaffMember, Depends(staff_with(Role.PROPOSER))]
Approver = Annotated[StaffMember, Depends(staff_with(Role.APPROVER))]
Reviewer = Annotated[StaffMember, Depends(staff_with(Role.REVIEWER))]
Ops = Annotated[StaffMember, Depends(staff_with(Role.OPS))]
Desk = Annotated[StaffMember, Depends(staff_with(Role.DESK))]


def _token_hash(given: HTTPAuthorizationCredentials | None) -> str:
    if given is None:
        raise Unauthenticated("expected the header 'Authorization: Bearer TOKEN', got none")
    return hash_secret(given.credentials)
