"""A publisher on a database that is older than what the broker holds: it says so, and publishes nothing twice."""

import random
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from sqlalchemy import Connection, event, select, update
from sqlalchemy.exc import OperationalError
from tests.server.publishing import KEYRING, add_network, issue, key_seed, make_services, memory_bus, take_away_some
from tests.server.test_publisher import Steps, newest_head
from tests.support.issuing import NETWORK, NOW

from waypass_protocol.keys import MemorySigner, Signer, Use
from waypass_protocol.status import Head, HeadRow, sign_head
from waypass_protocol.topics import Topics
from waypass_server.bus import MemoryBroker, MemoryBus
from waypass_server.errors import BusError, NotConfirmed
from waypass_server.health import Vitals, look
from waypass_server.indexes import Allocator
from waypass_server.models.status import ListVersion, PublishedHead
from waypass_server.publisher import Pace, Publisher
from waypass_server.services import Services
from waypass_server.versions import OlderThanBroker, Versions

pytestmark = pytest.mark.both_stores

HEAD = Topics(NETWORK).head


@pytest.fixture
def services(tmp_path: Path) -> Services:
    """At version 3 of list 1."""
    made = make_services(tmp_path)
    add_network(made)
    issue(made, 30)
    steps = Steps()
    with memory_bus(MemoryBroker()) as bus:
        publisher = Publisher(made, bus, monotonic=steps)
        publisher.turn()
        for _ in range(2):
            take_away_some(made, 1, draw=random.Random(1))
            steps.now += 1
            publisher.turn()
    return made


def known(services: Services) -> Head:
    """The newest head, from what the database knows."""
    with services.database.reading() as session:
        version, digest = session.execute(select(ListVersion.version, ListVersion.digest)).one()
        sequence = session.scalar(select(PublishedHead.sequence)) or 0
    rows = (HeadRow(uri="wp:1", version=version, digest=digest),)
    return Head(network=NETWORK, iat=NOW, sequence=sequence, rows=rows)


def with_row(head: Head, *, uri: str | None = None, version: int | None = None, digest: bytes | None = None) -> Head:
    """The same with another row."""
    (row,) = head.rows
    changed = HeadRow(uri=uri or row.uri, version=version or row.version, digest=digest or row.digest)
    return replace(head, rows=(changed,))


Change = Callable[[Head], Head]
STATUS = KEYRING.signer(Use.STATUS, NOW)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("a later head", lambda head: replace(head, sequence=99), r"the broker holds head 99, the database is at 3:"),
        ("a later version", lambda head: with_row(head, version=7), "holds version 7 of list 1, the database is at 3:"),
        ("other content", lambda head: with_row(head, digest=bytes(32)), "has that version with other content:"),
    ],
)
def test_it_does_not_publish(services: Services, name: str, change: Change, message: str) -> None:
    broker = MemoryBroker()
    there = sign_head(change(known(services)), STATUS)
    with memory_bus(broker) as bus:
        bus.publish(HEAD, there, qos=0, retain=True)
        publisher = Publisher(services, bus)
        with pytest.raises(OlderThanBroker, match=f"{message}.* run: waypass-server lists advance"):
            publisher.turn()
    assert broker.held("#") == {HEAD: there}


FOREIGN = MemorySigner(ed25519.Ed25519PrivateKey.from_private_bytes(key_seed("foreign")))


@pytest.mark.parametrize(
    ("name", "change", "signer"),
    [
        ("what it knows", lambda head: head, STATUS),
        ("an earlier one", lambda head: with_row(replace(head, sequence=1), version=1, digest=bytes(32)), STATUS),
        ("of a key that nobody accepts", lambda head: replace(head, sequence=99), FOREIGN),
        ("of another network", lambda head: replace(head, network="buses", sequence=99), STATUS),
        ("a list that the database does not know", lambda head: with_row(head, uri="wp:9", version=7), STATUS),
    ],
)
def test_it_publishes_over(services: Services, name: str, change: Change, signer: Signer) -> None:
    broker = MemoryBroker()
    with memory_bus(broker) as bus:
        bus.publish(HEAD, sign_head(change(known(services)), signer), qos=0, retain=True)
        Publisher(services, bus).turn()
    assert newest_head(broker).sequence == 4


def test_what_is_no_head_tells_nothing(services: Services) -> None:
    broker = MemoryBroker()
    with memory_bus(broker) as bus:
        bus.publish(HEAD, b"head", qos=0, retain=True)
        Publisher(services, bus).turn()
    assert newest_head(broker).sequence == 4


def test_it_goes_on_once_the_lists_were_moved_forward(services: Services) -> None:
    broker = MemoryBroker()
    with memory_bus(broker) as bus:
        bus.publish(HEAD, sign_head(with_row(known(services), version=7), STATUS), qos=0, retain=True)
        versions = Versions(
            database=services.database,
            network=NETWORK,
            keys=services.keys,
            allocator=Allocator(uri_prefix="wp:", draw=services.indexes),
            draw=services.indexes,
            random_bytes=services.random_bytes,
        )
        versions.load(NOW)
        versions.advance(1000, NOW)
        Publisher(services, bus).turn()
    assert newest_head(broker).rows[0].version == 1003


def test_the_thread_stops_for_good_and_health_says_so(services: Services) -> None:
    with memory_bus(MemoryBroker()) as bus:
        bus.publish(HEAD, sign_head(replace(known(services), sequence=99), STATUS), qos=0, retain=True)
        publisher = Publisher(services, bus)
        publisher.start()
        publisher.join(timeout=10.0)
        assert isinstance(publisher.failure, OlderThanBroker)
        assert look(services, Vitals(publisher=publisher, bus=bus)).publisher == "stopped"
        publisher.stop()


def test_a_database_that_falls_back_while_it_runs(services: Services) -> None:
    """A replica that lagged is promoted: connections end, and what is there then is older."""
    with memory_bus(MemoryBroker()) as bus:
        publisher = Publisher(services, bus, pace=Pace(retry=0.01, poll=0.01))
        heard = threading.Event()
        publisher.listen(lambda _publication: heard.set())
        publisher.start()
        assert heard.wait(10.0)
        failures: list[int] = []

        def fail_once(_connection: Connection) -> None:
            if not failures and threading.current_thread().name == "publisher":
                failures.append(1)
                raise OperationalError("COMMIT", None, sqlite3.OperationalError("the server ended the connection"))

        event.listen(services.database.engine, "commit", fail_once)
        with services.database.changing() as session:
            session.execute(update(PublishedHead).values(sequence=0))
        take_away_some(services, 1, draw=random.Random(1))
        publisher.join(timeout=10.0)
        assert isinstance(publisher.failure, OlderThanBroker)
        publisher.stop()


class Unreadable(MemoryBus):
    """A bus whose broker does not tell what it holds."""

    def __init__(self, broker: MemoryBroker, error: BusError) -> None:
        super().__init__(broker)
        self.error: BusError | None = error
        self.asked = 0

    def retained(self, topic_filter: str, *, timeout: float) -> dict[str, bytes]:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return super().retained(topic_filter, timeout=timeout)


def test_a_broker_that_does_not_answer_is_told_nothing_until_it_does(services: Services) -> None:
    broker = MemoryBroker()
    bus = Unreadable(broker, NotConfirmed("expected an answer within 5 s, got none"))
    bus.start()
    publisher = Publisher(services, bus)
    with pytest.raises(NotConfirmed):
        publisher.turn()
    assert broker.held("#") == {}
    bus.error = None
    publisher.turn()
    assert newest_head(broker).sequence == 4
    bus.stop()


def test_a_broker_that_lets_nobody_read_is_published_to_and_asked_again(
    services: Services, caplog: pytest.LogCaptureFixture
) -> None:
    broker = MemoryBroker()
    bus = Unreadable(broker, BusError("expected leave to subscribe, the broker refuses it"))
    bus.start()
    steps = Steps()
    publisher = Publisher(services, bus, monotonic=steps)
    asked = []
    for _ in range(4):
        publisher.turn()
        asked.append(bus.asked)
        steps.now += 20
    assert asked == [1, 1, 2, 2]
    assert newest_head(broker).sequence >= 4
    assert "what the broker holds is not compared with the database: expected leave" in caplog.text
    bus.stop()
