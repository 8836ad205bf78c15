"""People by their exact reference, and how a wallet comes to its person.

1. a desk makes a code for a person: random, single use, ten minutes, shown once
2. a wallet sends the code and gets a token; a reference alone fetches nothing. The wallet that the person had before
   ends with that, so that a lost phone fetches no more passes, and the person is told; nobody else can end a wallet
3. wrong codes are counted over ten minutes, for each address and altogether; past the limits no code is looked at
   (`TooMany`)

A reference is opaque: only the exact one finds a person. Whether a code is unknown, used or too old is answered alike.
"""

from dataclasses import dataclass

from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from waypass_protocol.errors import Malformed
from waypass_protocol.names import check_name
from waypass_server import events
from waypass_server.database import RandomBytes, alone
from waypass_server.life import Actor, Kind
from waypass_server.models.network import Network, Scope
from waypass_server.models.people import DeskCode, FailedEnrolment, Person, Wallet
from waypass_server.models.records import NoticeKind
from waypass_server.notifying import tell
from waypass_server.passes import lock_person
from waypass_server.refusals import BadInput, NotFound, TooMany, UnknownScope
from waypass_server.services import Services
from waypass_server.tokens import CODE_LIFE, WALLET_PREFIX, hash_secret, make_code, make_token, read_code

ATTEMPT_WINDOW = 600
ATTEMPTS_PER_SOURCE = 10
ATTEMPTS_IN_ALL = 1000
"""A thousand guesses a window, at 40 bits and a hundred live codes: one hit in two thousand centuries of ten minutes.
"""


class WrongCode(BadInput):
    """The desk code is none that can be used now."""

    status = 403
    name = "wrong-code"
    title = "The desk code cannot be used"


@dataclass(frozen=True, kw_only=True, slots=True)
class NewCode:
    """A desk code, to be shown once."""

    code: str
    expires_at: int


def serving_network(session: Session, services: Services) -> Network:
    """The network that this server serves. Raises `NotFound` when nobody defined it yet."""
    return find_network(session, services.settings.network)


def find_network(session: Session, name: str) -> Network:
    """The network of this name. Raises `NotFound` when nobody defined it yet."""
    network = session.scalars(select(Network).where(Network.name == name)).one_or_none()
    if network is None:
        raise NotFound(f"network {name} is not defined yet (waypass-server network apply)")
    return network


def known_scopes(session: Session, network_id: int, numbers: list[int]) -> dict[int, Scope]:
    """The scopes with these numbers. Raises `UnknownScope`, and `BadInput` when there is none or one stands twice."""
    if not numbers or len(set(numbers)) != len(numbers):
        raise BadInput(f"scopes: expected at least one scope and each once, got {numbers}")
    rows = session.scalars(select(Scope).where(Scope.network_id == network_id)).all()
    known = {scope.number: scope for scope in rows}
    unknown = sorted(set(numbers) - known.keys())
    if unknown:
        raise UnknownScope(f"scopes: expected scopes among {sorted(known)}, got {unknown}")
    return {number: known[number] for number in numbers}


def find_person(session: Session, network_id: int, reference: str) -> Person:
    """The person with exactly this reference. Raises `NotFound`."""
    query = select(Person).where(Person.network_id == network_id, Person.reference == reference)
    person = session.scalars(query).one_or_none()
    if person is None:
        raise NotFound("person: expected a reference that is known in this network, got another")
    return person


def register(session: Session, *, network_id: int, reference: str, actor: Actor, now: int) -> tuple[Person, bool]:
    """The person with this reference, and whether they are new. Raises `BadInput`."""
    try:
        check_name(reference, what="reference")
    except Malformed as error:
        raise BadInput(str(error)) from None
    query = select(Person).where(Person.network_id == network_id, Person.reference == reference)
    known = session.scalars(query).one_or_none()
    if known is not None:
        return known, False
    person = Person(network_id=network_id, reference=reference, created_at=now, reassess_at=None)
    try:
        with session.begin_nested():
            session.add(person)
    except IntegrityError:  # another desk was quicker by a moment
        return session.scalars(query).one(), False
    events.record(
        session, network_id=network_id, at=now, actor=actor, what="person.registered", subject=("person", person.id)
    )
    return person, True


def new_desk_code(session: Session, person: Person, *, actor: Actor, random_bytes: RandomBytes, now: int) -> NewCode:
    """A code for this person; those that were made before can no longer be used."""
    lock_person(session, person.id)
    older = DeskCode.person_id == person.id, DeskCode.used_at.is_(None)
    session.execute(update(DeskCode).where(*older).values(used_at=now))
    code = make_code(random_bytes)
    expires_at = now + CODE_LIFE
    row = DeskCode(
        person_id=person.id, code_hash=hash_secret(code), created_at=now, expires_at=expires_at, used_at=None
    )
    session.add(row)
    session.flush()
    events.record(
        session, network_id=person.network_id, at=now, actor=actor, what="desk-code.made", subject=("person", person.id)
    )
    return NewCode(code=code, expires_at=expires_at)


def enrol(services: Services, *, typed: str, source: str) -> str:
    """Use a desk code; the new wallet's token. `source` is a keyed hash of the caller's address.

    Raises `TooMany`, and `WrongCode` after the attempt was counted.
    """
    now = services.now()
    with services.change() as session:
        network = serving_network(session, services)
        alone(session, "enrolment")  # of guesses at once each sees those before it
        _check_attempts(session, source=source, now=now)
        row = _usable_code(session, network.id, typed, now)
        if row is not None:
            return _make_wallet(session, row, network_id=network.id, random_bytes=services.random_bytes, now=now)
        # Committed although the caller is refused: that is what makes guessing slow.
        session.add(FailedEnrolment(at=now, source=source))
    raise WrongCode("code: expected a desk code of the last ten minutes that was not used, such as K7QM-4TZP")


def _check_attempts(session: Session, *, source: str, now: int) -> None:
    session.execute(delete(FailedEnrolment).where(FailedEnrolment.at <= now - ATTEMPT_WINDOW))
    count = select(func.count()).select_from(FailedEnrolment)
    from_source = session.execute(count.where(FailedEnrolment.source == source)).scalar_one()
    if from_source >= ATTEMPTS_PER_SOURCE or session.execute(count).scalar_one() >= ATTEMPTS_IN_ALL:
        raise TooMany(f"code: too many wrong codes within {ATTEMPT_WINDOW} s; wait, or ask the desk")


def _usable_code(session: Session, network_id: int, typed: str, now: int) -> DeskCode | None:
    code = read_code(typed)
    if code is None:
        return None
    query = (
        select(DeskCode)
        .join(Person, Person.id == DeskCode.person_id)
        .where(
            DeskCode.code_hash == hash_secret(code),
            DeskCode.used_at.is_(None),
            DeskCode.expires_at > now,
            Person.network_id == network_id,
        )
    )
    found = session.scalars(query).one_or_none()
    if found is None:
        return None
    lock_person(session, found.person_id)
    return session.scalars(query.execution_options(populate_existing=True)).one_or_none()


def _make_wallet(session: Session, code: DeskCode, *, network_id: int, random_bytes: RandomBytes, now: int) -> str:
    code.used_at = now
    alive = Wallet.person_id == code.person_id, Wallet.ended_at.is_(None)
    older = session.scalars(select(Wallet).where(*alive)).all()
    for each in older:
        each.ended_at = now
    if older:
        content: dict[str, object] = {"at": now}
        tell(session, person_id=code.person_id, kind=NoticeKind.WALLET_REPLACED, now=now, content=content)
    token = make_token(WALLET_PREFIX, random_bytes)
    wallet = Wallet(person_id=code.person_id, token_hash=hash_secret(token), created_at=now)
    session.add(wallet)
    session.flush()
    events.record(
        session,
        network_id=network_id,
        at=now,
        actor=Actor(kind=Kind.HOLDER),
        what="wallet.enrolled",
        subject=("person", code.person_id),
    )
    return token
