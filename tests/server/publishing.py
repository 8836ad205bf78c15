"""What the tests of issuing and publishing share: a server's services on a real database, and gates beside it."""

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import delete, select
from tests.support.databases import database_url, is_on_postgresql
from tests.support.issuing import NETWORK, NOW

from waypass_protocol import bits
from waypass_protocol.assembly import Kind, MemoryKeeper, StatusStore
from waypass_protocol.keys import HolderSigner, TrustSet, Use
from waypass_protocol.topics import Topics
from waypass_server.bus import MemoryBroker, MemoryBus, Message, MessageBus
from waypass_server.database import Database
from waypass_server.evidence import SignerSet
from waypass_server.issuing import PassRequest, issue_bound
from waypass_server.keyring import IssuerKeys, Keyring, make_key
from waypass_server.models import Base
from waypass_server.models.network import Network, Scope
from waypass_server.models.people import Person, Wallet
from waypass_server.models.status import PassRow, StatusList
from waypass_server.notices import MemoryOutbox
from waypass_server.passes import take_away
from waypass_server.services import Services, SetClock
from waypass_server.settings import Settings

YEAR = 365 * 24 * 3600
PERSON = 1
WALLET = 1


def key_seed(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def make_keyring(*, nbf: int = NOW - YEAR) -> Keyring:
    """One key for passes and one for status."""
    keys = [
        make_key(network=NETWORK, uses=frozenset({use}), nbf=nbf, exp=nbf + 3 * YEAR, private=key_seed(use.value))
        for use in (Use.PASS, Use.STATUS)
    ]
    return Keyring(NETWORK, keys)


KEYRING = make_keyring()
TRUST = KEYRING.trust_set()


def make_services(
    folder: Path,
    *,
    clock: SetClock | None = None,
    seed: int = 1,
    issuer_keys: IssuerKeys | None = None,
    **settings: object,
) -> Services:
    """Services on the database of `folder`. The tables are made when they are not there."""
    if not is_on_postgresql(folder) and not (folder / "waypass.db").exists():
        (folder / "waypass.db").write_bytes(_empty_database())
    database = Database(database_url(folder))
    draw = random.Random(seed)
    return Services(
        settings=Settings.model_validate({"network": NETWORK, **settings}),
        database=database,
        clock=clock or SetClock(NOW),
        random_bytes=draw.randbytes,
        indexes=draw,
        keys=issuer_keys or KEYRING,
        evidence_signers=SignerSet.of([]),
        notices=MemoryOutbox(),
    )


@cache
def _empty_database() -> bytes:
    """The tables, made once for all tests."""
    with TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/waypass.db")
        Base.metadata.create_all(database.engine)
        database.close()
        return (Path(folder) / "waypass.db").read_bytes()


def add_network(services: Services, *, people: int = 1, scopes: int = 2) -> None:
    """The network with scopes 1, 2, .. and people 1, 2, .., each with a wallet of the same number."""
    with services.database.changing() as session:
        network = Network(name=services.settings.network, created_at=NOW)
        session.add(network)
        session.flush()
        for number in range(1, scopes + 1):
            scope = Scope(network_id=network.id, number=number, name=f"scope {number}")
            scope.essential = scope.by_grant = scope.needs_evidence = False
            session.add(scope)
        for number in range(1, people + 1):
            person = Person(network_id=network.id, reference=f"P{number}", created_at=NOW, reassess_at=None)
            session.add(person)
            session.flush()
            session.add(Wallet(person_id=person.id, token_hash=key_seed(f"wallet {number}").hex(), created_at=NOW))


def holder_key(number: int) -> HolderSigner:
    """A wallet's key; another number, another key."""
    return HolderSigner(ec.derive_private_key(5000 + number, ec.SECP256R1()))


def issue(services: Services, count: int, *, person: int = PERSON, scopes: tuple[int, ...] = (1,)) -> list[bytes]:
    """Bound passes for a person, all of one holder key: what they carry does not matter here."""
    request = PassRequest(holder=holder_key(0).key, scopes=scopes)
    with services.change() as session:
        return issue_bound(session, services, person, [request] * count, services.now())


def take_away_some(services: Services, count: int, *, draw: random.Random) -> None:
    """Give status 1 to `count` live passes, in one transaction."""
    with services.change() as session:
        live = session.scalars(select(PassRow).where(PassRow.status == bits.VALID).order_by(PassRow.id)).all()
        take_away(session, draw.sample(live, min(count, len(live))), services.now())


def end_the_first_list(services: Services) -> None:
    """List 1 is closed, and its passes are forgotten."""
    with services.database.changing() as session:
        first = session.scalars(select(StatusList).where(StatusList.name == "1")).one()
        first.closed = True
        session.execute(delete(PassRow).where(PassRow.list_id == first.id))


def pass_bits(services: Services) -> dict[str, dict[int, int]]:
    """What the database says of every pass: per list, index to status."""
    with services.database.reading() as session:
        rows = session.execute(select(StatusList.uri, PassRow.idx, PassRow.status).join_from(PassRow, StatusList))
        found: dict[str, dict[int, int]] = {}
        for uri, idx, status in rows:
            found.setdefault(uri, {})[idx] = status
    return found


class Gate:
    """A reader's status store on a bus: it takes every status message, and remembers what was refused."""

    def __init__(self, bus: MessageBus, trust: TrustSet, *, now: int = NOW) -> None:
        self.now = now
        self.store = StatusStore(trust=trust, keeper=MemoryKeeper())
        self.refused: list[str] = []
        self.topics = Topics(trust.network)
        for topic_filter in (self.topics.head, self.topics.all_deltas, self.topics.all_snapshots):
            bus.subscribe(topic_filter, self._take)

    def agrees_with(self, services: Services) -> bool:
        """Whether it holds the status that the database has of every pass."""
        return all(
            uri in self.store.view and bits.status_at(self.store.view[uri].packed, idx) == status
            for uri, places in pass_bits(services).items()
            for idx, status in places.items()
        )

    def _take(self, message: Message) -> None:
        topic = self.topics.read_status(message.topic)
        list_topic = None if topic.kind is Kind.HEAD else topic.list_name
        receipt = self.store.receive(topic.kind, message.payload, now=self.now, list_topic=list_topic)
        self.refused += [f"{report.value}: {receipt.detail}" for report in receipt.reports]


@contextmanager
def memory_bus(broker: MemoryBroker) -> Iterator[MemoryBus]:
    """A bus on the broker, started and connected."""
    bus = MemoryBus(broker)
    bus.start()
    try:
        assert bus.wait_connected(timeout=5.0)
        yield bus
    finally:
        bus.stop()


def held_by(broker: MemoryBroker, trust: TrustSet, *, now: int = NOW) -> StatusStore:
    """What a reader that comes new to this broker holds, from what is retained there alone."""
    topics = Topics(trust.network)
    store = StatusStore(trust=trust, keeper=MemoryKeeper())
    retained = broker.held("#") or {}
    for topic, payload in sorted(retained.items(), key=lambda item: item[0] != topics.head):
        place = topics.read_status(topic)
        receipt = store.receive(
            place.kind, payload, now=now, list_topic=None if place.kind is Kind.HEAD else place.list_name
        )
        assert not receipt.reports, receipt.detail
    return store
