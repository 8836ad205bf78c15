"""A network as an operator defines it: one TOML file, applied as often as one likes.

    name = "metro"

    [[scopes]]
    number = 1
    name = "ride"
    essential = false
    by_grant = false
    needs_evidence = false

    [[authorities]]
    name = "City health office"
    contact = "health@example.org"

    [[staff]]
    name = "Ada"
    desk = "Central"
    roles = ["proposer"]
    authority = "City health office"

What is new is added, what differs is changed, what is not in the file stays as it is: nothing is ever taken away by
leaving a line out. `left = true` ends somebody's access, and with it everything that they had to sign in with. New
staff get a token, which is returned once, unless the operator wants none (the setting `staff_tokens`); it is void once
they have a sign-in of their own. A scope that changes changes where people stand, so everybody is reassessed
at the scheduler's next tick.

What would make people worse off is not for one person with a file. Where the network has people, a scope that is there
does not begin to need evidence or a grant, and does not cease to be essential: rules do that, which two people approve
and the limits count, or another scope.

An unknown key, a number or name that stands twice, or an authority that is not defined is a `ConfigurationError`.
"""

import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from sqlalchemy import select
from sqlalchemy.orm import Session

from waypass_server import events
from waypass_server.database import RandomBytes
from waypass_server.errors import ConfigurationError
from waypass_server.life import Actor, Kind
from waypass_server.models.network import Authority, Network, Scope, Staff
from waypass_server.models.people import Person
from waypass_server.reassess import look_at_everybody
from waypass_server.roles import Role
from waypass_server.signin import credentials, links
from waypass_server.signin.links import NewLink
from waypass_server.tokens import STAFF_PREFIX, VOID, hash_secret, make_token
from waypass_server.worsening import lock_network

_BY_RULES = "Propose it as a rule set, which two approve and the limits count"
_HARSHER = (
    ("needs_evidence", True, _BY_RULES),
    ("essential", False, _BY_RULES),
    ("by_grant", True, "Add another scope for what takes a grant"),
)
"""What would make people in a scope worse off, and what to do instead."""
OPERATOR = Actor(kind=Kind.SYSTEM)
"""Whoever has a shell on the server; the log names no person for it."""


class _Definition(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ScopeDefinition(_Definition):
    """A scope of the file."""

    number: Annotated[int, Field(strict=True, ge=0, lt=1 << 53)]
    name: Annotated[str, Field(min_length=1, max_length=100)]
    essential: bool = False
    by_grant: bool = False
    needs_evidence: bool = False


class AuthorityDefinition(_Definition):
    """An authority of the file."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    contact: Annotated[str, Field(min_length=1, max_length=500)]


class StaffDefinition(_Definition):
    """A member of staff of the file."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    desk: Annotated[str, Field(min_length=1, max_length=200)]
    roles: Annotated[tuple[Role, ...], Field(min_length=1)]
    authority: str | None = None
    left: bool = False


class NetworkDefinition(_Definition):
    """The whole file."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    scopes: tuple[ScopeDefinition, ...] = ()
    authorities: tuple[AuthorityDefinition, ...] = ()
    staff: tuple[StaffDefinition, ...] = ()

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        _once("scope number", [scope.number for scope in self.scopes])
        _once("scope name", [scope.name for scope in self.scopes])
        _once("authority", [authority.name for authority in self.authorities])
        _once("staff", [member.name for member in self.staff])
        return self


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One thing that `apply` did. `token` is set for new staff and is never shown again."""

    what: str
    name: str
    change: str
    token: str | None = None
    roles: tuple[str, ...] = ()


def read_network_file(file: Path) -> NetworkDefinition:
    """Raises `ConfigurationError`."""
    try:
        return NetworkDefinition.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigurationError(f"{file}: expected a network file: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file}: expected TOML: {error}") from None
    except ValidationError as error:
        raise ConfigurationError(f"{file}: {_what_is_wrong(error)}") from None


def apply(
    session: Session, definition: NetworkDefinition, *, tokens: bool = True, random_bytes: RandomBytes, now: int
) -> list[Change]:
    """Make the database say what the file says; what was done. `tokens`: whether new staff get one. Raises
    `ConfigurationError`.
    """
    network = session.scalars(select(Network).where(Network.name == definition.name)).one_or_none()
    changes = []
    if network is None:
        network = Network(name=definition.name, created_at=now)
        session.add(network)
        session.flush()
        changes.append(Change(what="network", name=network.name, change="added"))
    lock_network(session, network.id)  # who approves rules counts by these scopes
    _check_scopes(session, network.id, definition.scopes)
    scope_changes = list(_apply_scopes(session, network.id, definition.scopes))
    changes += scope_changes
    changes += _apply_authorities(session, network.id, definition.authorities)
    session.flush()
    make = partial(_new_token, random_bytes) if tokens else partial(_no_token, random_bytes)
    changes += _apply_staff(session, network.id, definition.staff, make, now)
    session.flush()
    for change in changes:
        _log(session, network.id, change, now)
    if scope_changes:
        look_at_everybody(session, network.id, now)
    return changes


def defined(session: Session, network: str) -> list[Change]:
    """What there is: scopes, authorities and staff. Empty for a network that is not defined."""
    network_id = session.execute(select(Network.id).where(Network.name == network)).scalar_one_or_none()
    scopes = session.scalars(select(Scope).where(Scope.network_id == network_id).order_by(Scope.number))
    authorities = session.scalars(select(Authority).where(Authority.network_id == network_id).order_by(Authority.name))
    staff = session.scalars(select(Staff).where(Staff.network_id == network_id).order_by(Staff.name))
    return [
        *(Change(what="scope", name=f"{scope.number} {scope.name}", change="defined") for scope in scopes),
        *(Change(what="authority", name=authority.name, change="defined") for authority in authorities),
        *(
            Change(
                what="staff",
                name=member.name,
                change="works" if member.left_at is None else "left",
                roles=tuple(member.roles),
            )
            for member in staff
        ),
    ]


def new_token(
    session: Session, network: str, name: str, *, tokens: bool = True, random_bytes: RandomBytes, now: int
) -> Change:
    """A new token for a member of staff; the old one is void, their sessions end. Where there are no `tokens`, and for
    somebody who has a sign-in of their own, there is no new one. Raises `ConfigurationError`.
    """
    member = _member(session, network, name)
    gets_one = tokens and not credentials.held(session, member.id).complete
    token, member.token_hash = _new_token(random_bytes) if gets_one else _no_token(random_bytes)
    credentials.end_sessions(session, member.id)
    done = "token void" if token is None else "new token"
    change = Change(what="staff", name=name, change=done, token=token, roles=tuple(member.roles))
    _log(session, member.network_id, change, now)
    return change


def new_link(session: Session, network: str, name: str, *, random_bytes: RandomBytes, now: int) -> NewLink:
    """An enrolment link for a member of staff; the ones before it are void. Raises `ConfigurationError`."""
    member = _member(session, network, name)
    if member.left_at is not None:
        raise ConfigurationError(f"staff: expected somebody who works for {network}, {name!r} has left")
    return links.make(session, staff=member, actor=OPERATOR, random_bytes=random_bytes, now=now)


def _member(session: Session, network: str, name: str) -> Staff:
    query = select(Staff).join(Network, Network.id == Staff.network_id)
    member = session.scalars(query.where(Network.name == network, Staff.name == name)).one_or_none()
    if member is None:
        raise ConfigurationError(f"staff: expected somebody who works for {network}, got {name!r}")
    return member


def _check_scopes(session: Session, network_id: int, definitions: Sequence[ScopeDefinition]) -> None:
    """Raises `ConfigurationError` for what would make people worse off at once (see the module)."""
    known = {scope.number: scope for scope in session.scalars(select(Scope).where(Scope.network_id == network_id))}
    if session.scalars(select(Person.id).where(Person.network_id == network_id).limit(1)).first() is None:
        return
    for given in definitions:
        row = known.get(given.number)
        if row is None:
            continue
        for name, harsher, instead in _HARSHER:
            said, in_force = getattr(given, name), getattr(row, name)
            if said is harsher and in_force is not harsher:
                raise ConfigurationError(
                    f"scope {given.number} {row.name!r}: expected {name} = {str(in_force).lower()}, as it is in force "
                    f"where there are people, got {str(said).lower()}; nothing was applied. {instead}"
                )


def _apply_scopes(session: Session, network_id: int, definitions: Sequence[ScopeDefinition]) -> Iterator[Change]:
    rows = session.scalars(select(Scope).where(Scope.network_id == network_id))
    known = {scope.number: scope for scope in rows}
    for given in definitions:
        row = known.get(given.number)
        values = given.model_dump()
        if row is None:
            session.add(Scope(network_id=network_id, **values))
            yield Change(what="scope", name=str(given.number), change="added")
        elif _assign(row, values):
            yield Change(what="scope", name=str(given.number), change="changed")


def _apply_authorities(
    session: Session, network_id: int, definitions: Sequence[AuthorityDefinition]
) -> Iterator[Change]:
    rows = session.scalars(select(Authority).where(Authority.network_id == network_id))
    known = {authority.name: authority for authority in rows}
    for given in definitions:
        row = known.get(given.name)
        if row is None:
            session.add(Authority(network_id=network_id, **given.model_dump()))
            yield Change(what="authority", name=given.name, change="added")
        elif _assign(row, given.model_dump()):
            yield Change(what="authority", name=given.name, change="changed")


def _apply_staff(
    session: Session,
    network_id: int,
    definitions: Sequence[StaffDefinition],
    make: Callable[[], tuple[str | None, str]],
    now: int,
) -> Iterator[Change]:
    known = {member.name: member for member in session.scalars(select(Staff).where(Staff.network_id == network_id))}
    authorities = session.scalars(select(Authority).where(Authority.network_id == network_id))
    ids = {authority.name: authority.id for authority in authorities}
    for given in definitions:
        if given.authority is not None and given.authority not in ids:
            raise ConfigurationError(
                f"staff {given.name}: expected an authority among {sorted(ids)}, got {given.authority!r}"
            )
        row = known.get(given.name)
        roles = tuple(sorted(role.value for role in given.roles))
        values: dict[str, object] = {
            "desk": given.desk,
            "roles": list(roles),
            "authority_id": None if given.authority is None else ids[given.authority],
            "left_at": _left_at(row, left=given.left, now=now),
        }
        if row is None:
            token, hashed = make()
            session.add(Staff(network_id=network_id, name=given.name, token_hash=hashed, created_at=now, **values))
            yield Change(what="staff", name=given.name, change="added", token=token, roles=roles)
            continue
        if given.left and row.left_at is None:
            # Should they come back, it is with a new enrolment.
            credentials.end_everything(session, row.id, now)
        if _assign(row, values):
            yield Change(what="staff", name=given.name, change="changed", roles=roles)


def _new_token(random_bytes: RandomBytes) -> tuple[str | None, str]:
    """A token, and what is kept of it."""
    token = make_token(STAFF_PREFIX, random_bytes)
    return token, hash_secret(token)


def _no_token(random_bytes: RandomBytes) -> tuple[str | None, str]:
    """None, and what stands in its place."""
    return None, VOID + random_bytes(16).hex()


def _left_at(row: Staff | None, *, left: bool, now: int) -> int | None:
    if not left:
        return None
    return now if row is None or row.left_at is None else row.left_at


def _assign(row: object, values: dict[str, object]) -> bool:
    """Set what differs; whether anything did."""
    different = {name: value for name, value in values.items() if getattr(row, name) != value}
    for name, value in different.items():
        setattr(row, name, value)
    return bool(different)


def _log(session: Session, network_id: int, change: Change, now: int) -> None:
    # Staff by name would be a name in the log; the row's id is enough to find who it was.
    subject_id = network_id
    if change.what == "staff":
        query = select(Staff.id).where(Staff.network_id == network_id, Staff.name == change.name)
        subject_id = session.execute(query).scalar_one()
    events.record(
        session,
        network_id=network_id,
        at=now,
        actor=OPERATOR,
        what=f"{change.what}.{change.change.replace(' ', '-')}",
        subject=(change.what, subject_id),
        roles=list(change.roles),
        **({} if change.what == "staff" else {"name": change.name}),
    )


def _once(what: str, values: Sequence[object]) -> None:
    twice = sorted({str(value) for value in values if values.count(value) > 1})
    if twice:
        raise ValueError(f"{what}: expected each once, twice: {', '.join(twice)}")


def _what_is_wrong(error: ValidationError) -> str:
    lines = []
    for one in error.errors(include_url=False, include_input=False, include_context=False):
        place = ".".join(map(str, one["loc"]))
        message = "no such key" if one["type"] == "extra_forbidden" else one["msg"].removeprefix("Value error, ")
        lines.append(f"{place}: {message}" if place else message)
    return "; ".join(lines)
