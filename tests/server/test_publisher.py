"""The publisher: what is committed reaches every gate, whatever dies on the way."""

import random
import sqlite3
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, delete, event, func, select, update
from sqlalchemy.exc import OperationalError
from tests.server.publishing import (
    TRUST,
    Gate,
    add_network,
    end_the_first_list,
    held_by,
    issue,
    make_services,
    memory_bus,
    pass_bits,
    take_away_some,
)
from tests.support.databases import is_on_postgresql
from tests.support.issuing import NETWORK, NOW

from waypass_protocol import bits
from waypass_protocol.keys import TrustSet
from waypass_protocol.status import DELTA_RING, Head, read_delta, read_head, read_snapshot
from waypass_protocol.topics import Topics
from waypass_server.bus import MemoryBroker, MemoryBus, Message, Receipt
from waypass_server.errors import NotConfirmed, NotConnected
from waypass_server.forgetting import KEPT, forget
from waypass_server.issuing import allocator, issue_paper
from waypass_server.keyring import IssuerKeys
from waypass_server.models.status import (
    Block,
    Decoy,
    ListVersion,
    PassKind,
    PassRow,
    StatusChange,
    StatusList,
    StoredDelta,
    StoredSnapshot,
)
from waypass_server.publisher import Pace, Publisher
from waypass_server.services import Services, SetClock
from waypass_server.status_storage import DamagedStatus
from waypass_server.versions import SNAPSHOT_EVERY, TakenOver, UnknownNetwork

pytestmark = pytest.mark.both_stores

TOPICS = Topics(NETWORK)
FORMS = ("snapshot", "compact")


class Killed(BaseException):
    """The process is gone: nothing that handles errors gets to see it."""


class Steps:
    """A monotonic clock that goes on by a second each time it is put forward."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class House:
    """A server's publisher without its thread, turned by hand; a broker, and a gate from the beginning on."""

    def __init__(self, folder: Path, *, seed: int = 1, keys: IssuerKeys | None = None, trust: TrustSet = TRUST) -> None:
        self.clock = SetClock(NOW)
        self.draw = random.Random(seed)
        self.services = make_services(folder, clock=self.clock, seed=seed, issuer_keys=keys)
        self.steps = Steps()
        self.broker = MemoryBroker()
        self.bus = MemoryBus(self.broker)
        self.bus.start()
        self.seen: list[Message] = []
        self.bus.subscribe(f"{TOPICS.root}/#", self.seen.append)
        self.gate = Gate(self.bus, trust)
        self.publisher = self.new_publisher()

    def new_publisher(self) -> Publisher:
        """The process starts again."""
        self.publisher = Publisher(self.services, self.bus, monotonic=self.steps)
        return self.publisher

    def start_broker(self) -> None:
        """It is there again, and empty."""
        self.broker.start()
        self.publisher.connected()

    def turn(self, seconds: float = 1.0) -> None:
        """Let time pass, then let the publisher do what is due."""
        self.steps.now += seconds
        self.clock.advance(seconds)
        self.gate.now = self.services.now()
        self.publisher.turn()

    def quiet(self) -> None:
        """Turn until there is nothing left to do, and let every message arrive."""
        for _ in range(3):
            self.turn()
        self.arrive()

    def arrive(self) -> None:
        """Let every message that was sent arrive."""
        arrived = threading.Event()
        self.bus.subscribe("test/arrived", lambda _message: arrived.set())
        self.bus.publish("test/arrived", b"", qos=0, retain=False)
        assert arrived.wait(10.0)

    def wait(self, true: Callable[[], bool]) -> None:
        """Until it is true of what has arrived; a publisher runs by itself."""
        for _ in range(2000):
            if true():
                return
            threading.Event().wait(0.005)
        raise AssertionError("expected it within 10 s")

    def stored_compact(self) -> bytes | None:
        """The compact form of list 1 in the database."""
        with self.services.database.reading() as session:
            return session.get_one(StoredSnapshot, 1).compact

    def deltas(self) -> list[int]:
        """The versions of the deltas that were sent, in their order."""
        return [read_delta(m.payload, TRUST, NOW).version for m in self.seen if "/delta/" in m.topic]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    built = House(tmp_path)
    add_network(built.services)
    yield built
    built.bus.stop()


def test_a_withdrawn_pass_is_withdrawn_at_the_gate_and_others_are_not(house: House) -> None:
    issue(house.services, 40)
    house.quiet()
    take_away_some(house.services, 3, draw=house.draw)
    assert not house.gate.agrees_with(house.services)

    house.quiet()

    statuses = list(pass_bits(house.services)["wp:1"].values())
    assert (statuses.count(bits.INVALID), statuses.count(bits.VALID)) == (3, 37)
    assert house.gate.agrees_with(house.services)
    assert house.gate.refused == []


def test_a_delta_and_then_the_head_that_names_it_leave_in_one_turn(house: House) -> None:
    issue(house.services, 5)
    house.quiet()
    house.seen.clear()
    take_away_some(house.services, 1, draw=house.draw)

    house.publisher.nudge()
    house.turn()
    house.arrive()

    assert [message.topic for message in house.seen] == [TOPICS.delta("1", 2), TOPICS.head]
    head = read_head(house.seen[1].payload, TRUST, NOW)
    assert [(row.uri, row.version) for row in head.rows] == [("wp:1", 2)]


def test_a_first_change_leaves_at_once_and_followers_gather(house: House) -> None:
    issue(house.services, 20)
    house.quiet()
    versions = []
    for step in (0.0, 0.05, 0.05, 0.05, 0.06, 0.19, 0.02):
        take_away_some(house.services, 1, draw=house.draw)
        house.publisher.nudge()
        house.turn(step)
        versions.append(_stored_version(house.services))
    assert versions == [2, 2, 2, 2, 3, 3, 4]


def test_a_small_delta_is_filled_up_and_a_large_one_is_not(house: House) -> None:
    issue(house.services, 60)
    house.quiet()
    for count in (1, 7, 20):
        house.seen.clear()
        take_away_some(house.services, count, draw=house.draw)
        house.quiet()
        delta = next(read_delta(m.payload, TRUST, NOW) for m in house.seen if "/delta/" in m.topic)
        assert {status: len(indexes) for status, indexes in delta.changes.items()} == {bits.INVALID: max(8, count)}


def test_heads_come_every_thirty_seconds_and_count_up_across_restarts(house: House) -> None:
    house.quiet()
    for _ in range(3):
        house.turn(30.0)
    house.new_publisher()
    house.quiet()
    heads = [read_head(m.payload, TRUST, NOW) for m in house.seen if m.topic == TOPICS.head]
    assert [head.sequence for head in heads] == list(range(1, 6))
    assert [head.iat - NOW for head in heads] == [1, 33, 63, 93, 94]


def test_the_pace_is_that_of_the_settings(tmp_path: Path) -> None:
    services = make_services(tmp_path, gather=0.5, head_every=5.0)
    add_network(services)
    steps, broker = Steps(), MemoryBroker()
    with memory_bus(broker) as bus:
        publisher = Publisher(services, bus, monotonic=steps)
        publisher.turn()
        issue(services, 9)
        versions, sequences = [], []
        for step in (1.0, 0.4, 0.2, 4.0, 1.5):
            steps.now += step
            if step <= 1.0:
                take_away_some(services, 1, draw=random.Random(1))
                publisher.nudge()
            publisher.turn()
            versions.append(_stored_version(services))
            sequences.append(read_head((broker.held(TOPICS.head) or {})[TOPICS.head], TRUST, NOW).sequence)
        assert versions == [2, 2, 3, 3, 3]
        assert sequences == [2, 2, 3, 3, 4], "a head when the one before is over 5 s old, not when it is 4 s"


def test_an_idle_turn_sends_nothing(house: House) -> None:
    house.quiet()
    sent = len(house.seen)
    for _ in range(5):
        house.turn(1.0)
    house.quiet()
    assert [m.topic for m in house.seen[sent:]] == []


def test_a_snapshot_at_most_32_versions_old_is_acknowledged_before_each_delta(house: House) -> None:
    issue(house.services, 200)
    house.quiet()
    for _ in range(150):
        take_away_some(house.services, 1, draw=house.draw)
        house.turn()
    house.quiet()
    newest = 0
    deltas = 0
    for message in house.seen:
        if message.topic == TOPICS.snapshot("1"):
            newest = max(newest, read_snapshot(message.payload, TRUST, NOW).version)
        elif "/delta/" in message.topic:
            deltas += 1
            assert read_delta(message.payload, TRUST, NOW).version - newest <= 32
    assert deltas == 150
    assert house.gate.agrees_with(house.services)


def test_no_delta_leaves_that_the_acknowledged_snapshot_cannot_carry(house: House) -> None:
    """The broker takes snapshots and acknowledges nothing: delta 34 has to wait (snapshot 1 was acknowledged)."""
    silent = SilentAboutSnapshots(house.broker)
    silent.start()
    publisher = Publisher(house.services, silent, monotonic=house.steps, pace=Pace(confirm=0.01))
    issue(house.services, 200)
    house.publisher = publisher
    house.turn()
    silent.acknowledges = False
    with pytest.raises(NotConfirmed, match=r"expected an acknowledgement within 0\.01 s"):
        make_changes(house, 100)
    house.arrive()
    silent.stop()
    assert max(house.deltas()) == 33
    assert _stored_version(house.services) == 34


def make_changes(house: House, count: int) -> None:
    """So many versions of one change."""
    for _ in range(count):
        take_away_some(house.services, 1, draw=house.draw)
        house.turn()


class SilentAboutSnapshots(MemoryBus):
    """A bus whose broker takes snapshots and, when told so, does not acknowledge them."""

    acknowledges = True

    def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool) -> Receipt:
        receipt = super().publish(topic, payload, qos=qos, retain=retain)
        return receipt if self.acknowledges or not topic.endswith("/snapshot") else Receipt(topic)


def test_a_reader_that_comes_new_holds_the_present_from_what_is_retained(house: House) -> None:
    issue(house.services, 200)
    for _ in range(100):
        take_away_some(house.services, 1, draw=house.draw)
        house.turn()
    house.quiet()
    store = held_by(house.broker, TRUST, now=house.services.now())
    held = store.view["wp:1"]
    assert held.version == _stored_version(house.services) == 101
    assert held.renewed is not None
    assert held.packed == house.gate.store.view["wp:1"].packed
    retained = house.broker.held(f"{TOPICS.root}/status/1/delta/+") or {}
    assert len(retained) == 64


def test_a_broker_that_comes_back_empty_is_refilled_with_what_changed_meanwhile(house: House) -> None:
    issue(house.services, 50)
    house.quiet()
    house.broker.stop()
    take_away_some(house.services, 5, draw=house.draw)
    house.turn()
    assert _stored_version(house.services) == 2, "versions are made without a broker too"
    house.broker.start()
    house.quiet()
    store = held_by(house.broker, TRUST, now=house.services.now())
    assert store.view["wp:1"].version == 2
    assert house.gate.agrees_with(house.services)
    assert house.gate.refused == []


def test_without_a_broker_no_more_is_stored_than_with_one(house: House) -> None:
    issue(house.services, 200)
    house.quiet()
    house.broker.stop()
    make_changes(house, 100)
    with house.services.database.reading() as session:
        deltas = session.scalars(select(StoredDelta.version).order_by(StoredDelta.version)).all()
        snapshot = session.get_one(StoredSnapshot, 1).version
    assert _stored_version(house.services) == 101
    assert snapshot > 101 - SNAPSHOT_EVERY
    assert DELTA_RING <= len(deltas) <= DELTA_RING + SNAPSHOT_EVERY
    house.start_broker()
    house.quiet()
    assert house.gate.agrees_with(house.services)


class Queueing(MemoryBus):
    """A bus that sends deltas only when somebody waits for one, as paho does with what is past its window, or never."""

    def __init__(self, broker: MemoryBroker, *, sends: bool) -> None:
        super().__init__(broker)
        self.sends = sends
        self.queue: list[tuple[str, bytes, Receipt]] = []

    def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool) -> Receipt:
        if "/delta/" not in topic:
            return super().publish(topic, payload, qos=qos, retain=retain)
        receipt = WaitedFor(topic, self.send)
        self.queue.append((topic, payload, receipt))
        return receipt

    def send(self) -> None:
        while self.queue and self.sends:
            topic, payload, receipt = self.queue.pop(0)
            super().publish(topic, payload, qos=1, retain=True)
            receipt.confirm()


class WaitedFor(Receipt):
    """Says that somebody waits for it."""

    def __init__(self, topic: str, told: Callable[[], None]) -> None:
        super().__init__(topic)
        self._told = told

    def wait(self, *, timeout: float) -> None:
        self._told()
        super().wait(timeout=timeout)


def test_in_a_refill_the_head_does_not_overtake_the_deltas(house: House) -> None:
    issue(house.services, 100)
    house.quiet()
    make_changes(house, 20)
    house.arrive()
    house.seen.clear()
    queueing = Queueing(house.broker, sends=True)
    queueing.start()
    Publisher(house.services, queueing, monotonic=house.steps).turn()
    house.arrive()
    queueing.stop()
    assert house.deltas() == list(range(2, 22))
    assert house.seen[-1].topic == TOPICS.head


def test_a_broker_that_acknowledges_no_deltas_is_told_the_head(house: House, caplog: pytest.LogCaptureFixture) -> None:
    issue(house.services, 100)
    house.quiet()
    make_changes(house, 20)
    house.arrive()
    house.seen.clear()
    queueing = Queueing(house.broker, sends=False)
    queueing.start()
    Publisher(house.services, queueing, monotonic=house.steps, pace=Pace(confirm=0.01)).turn()
    house.arrive()
    queueing.stop()
    assert [message.topic for message in house.seen][-1] == TOPICS.head
    assert "the head leaves before what it names is acknowledged" in caplog.text


def test_snapshots_are_signed_anew_before_half_their_life(house: House) -> None:
    house.quiet()
    for _ in range(48):
        house.turn(3600)
    house.quiet()
    snapshots = [read_snapshot(m.payload, TRUST, NOW) for m in house.seen if m.topic.endswith("/snapshot")]
    assert {snapshot.exp - snapshot.iat for snapshot in snapshots} == {24 * 3600}
    assert [snapshot.iat - NOW for snapshot in snapshots] == [1, *(3 + hours * 3600 for hours in (10, 20, 30, 40))]
    assert {snapshot.version for snapshot in snapshots} == {1}


def test_a_snapshot_of_a_clock_that_ran_ahead_is_signed_anew(house: House) -> None:
    """Readers would refuse it until that time has come."""
    house.clock.advance(3600)
    house.quiet()
    house.clock.advance(-3600)
    house.quiet()
    snapshots = [read_snapshot(m.payload, TRUST, NOW) for m in house.seen if m.topic.endswith("/snapshot")]
    assert [(snapshot.iat - NOW) // 3600 for snapshot in snapshots] == [1, 0]


def test_a_list_that_is_opened_later_is_published_before_the_head_that_names_it(house: House) -> None:
    house.quiet()
    house.seen.clear()
    with house.services.change() as session:
        allocator(house.services, PassKind.BOUND).open_list(session, 1, NOW)
    house.quiet()
    assert [m.topic for m in house.seen[:3]] == [TOPICS.snapshot("2"), TOPICS.compact("2"), TOPICS.head]
    assert set(house.gate.store.view) == {"wp:1", "wp:2"}


@pytest.mark.parametrize("kept", ["outbox", "delta"])
def test_a_restart_publishes_what_the_last_run_left(house: House, kept: str) -> None:
    issue(house.services, 10)
    house.quiet()
    take_away_some(house.services, 2, draw=house.draw)
    if kept == "delta":
        house.broker.stop()
        house.turn()
        house.broker.start()
    house.new_publisher()
    house.quiet()
    assert house.gate.agrees_with(house.services)
    assert house.gate.refused == []


def test_a_second_publisher_takes_over_and_the_first_stops(house: House) -> None:
    first = house.publisher
    house.turn()
    house.new_publisher()
    house.turn()
    house.steps.now += 31
    with pytest.raises(TakenOver, match="another publisher makes the versions of network metro now"):
        first.turn()
    house.turn(31.0)


@pytest.mark.parametrize(
    ("name", "statement", "message"),
    [
        ("another digest", update(ListVersion).values(digest=bytes(32)), "does not add up to version 3"),
        ("a delta is missing", delete(StoredDelta).where(StoredDelta.version == 2), "expected delta 2, got 3"),
        ("the last delta is missing", delete(StoredDelta).where(StoredDelta.version == 3), "does not add up"),
        ("no snapshot", delete(StoredSnapshot), "expected a snapshot, got none"),
        ("a cut snapshot", update(StoredSnapshot).values(signed=b"\xd2\x84"), "status list 1: CBOR"),
    ],
)
def test_a_damaged_database_is_not_published(house: House, name: str, statement: Any, message: str) -> None:
    issue(house.services, 10)
    for _ in range(3):
        house.turn()
        take_away_some(house.services, 1, draw=house.draw)
    with house.services.database.changing() as session:
        session.execute(statement)
    house.new_publisher()
    with pytest.raises(DamagedStatus, match=message):
        house.turn()


def test_a_network_that_is_not_defined_stops_the_publisher(tmp_path: Path) -> None:
    house = House(tmp_path)
    with pytest.raises(UnknownNetwork, match="expected network metro in the database"):
        house.turn()
    house.bus.stop()


class FailingBus(MemoryBus):
    """A bus on which the `fails_at`th publication does not go out: the process or the connection ends there."""

    def __init__(self, broker: MemoryBroker, fails_at: int, error: Callable[[], BaseException]) -> None:
        super().__init__(broker)
        self.left = fails_at
        self.error = error

    def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool) -> Receipt:
        self.left -= 1
        if self.left == 0:
            raise self.error()
        return super().publish(topic, payload, qos=qos, retain=retain)


@pytest.mark.parametrize(
    ("fails_at", "error"),
    [
        *(pytest.param(number, Killed, id=f"{number}-killed") for number in range(1, 13)),
        *(pytest.param(number, lambda: NotConnected("gone"), id=f"{number}-not connected") for number in (1, 2, 5, 11)),
    ],
)
def test_nothing_is_lost_when_it_fails_at_any_publication(
    tmp_path: Path, fails_at: int, error: Callable[[], BaseException]
) -> None:
    house = House(tmp_path)
    add_network(house.services)
    issue(house.services, 30)
    failing = FailingBus(house.broker, fails_at, error)
    failing.start()
    publisher = Publisher(house.services, failing, monotonic=house.steps)
    failed = False
    for _ in range(5):
        house.steps.now += 1
        take_away_some(house.services, 1, draw=house.draw)
        try:
            publisher.turn()
        except (Killed, NotConnected):
            failed = True
            if error is Killed:
                break
    assert failed == (failing.left <= 0)
    if error is Killed:
        house.new_publisher()
    else:
        house.publisher = publisher
    house.quiet()
    assert house.gate.agrees_with(house.services)
    assert house.gate.refused == []
    store = held_by(house.broker, TRUST, now=house.services.now())
    assert store.view["wp:1"].version == _stored_version(house.services)
    failing.stop()
    house.bus.stop()


@pytest.mark.parametrize("killed_at", range(1, 38))
def test_nothing_is_lost_when_it_is_killed_at_any_statement(tmp_path: Path, killed_at: int) -> None:
    """Statements and commits are counted, from loading to the second version; the process dies at the given one."""
    house = House(tmp_path)
    add_network(house.services)
    issue(house.services, 30)
    left = min(killed_at, 33) if is_on_postgresql(tmp_path) else killed_at  # where there are fewer of them

    def count(*_: object, **__: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise Killed

    engine = house.services.database.engine
    for _ in range(2):
        take_away_some(house.services, 1, draw=house.draw)
        event.listen(engine, "before_cursor_execute", count)
        event.listen(engine, "commit", count)
        try:
            house.turn()
        except Killed:
            house.new_publisher()
        finally:
            event.remove(engine, "before_cursor_execute", count)
            event.remove(engine, "commit", count)
    assert left <= 0, "it was killed"
    house.quiet()
    assert house.gate.agrees_with(house.services)
    assert house.gate.refused == []
    house.bus.stop()


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("change"), st.integers(1, 12)),
        st.tuples(st.just("turn"), st.sampled_from([0.05, 0.3, 1.0, 31.0, 20_000.0])),
        st.tuples(st.just("server"), st.just(0)),
        st.tuples(st.just("broker"), st.just(0)),
        st.tuples(st.just("broker away"), st.just(0)),
    ),
    max_size=40,
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions=ACTIONS, seed=st.integers(0, 1000))
def test_whatever_happens_the_gate_ends_with_the_bits_of_the_database(
    tmp_path_factory: pytest.TempPathFactory, actions: list[tuple[str, Any]], seed: int
) -> None:
    house = House(tmp_path_factory.mktemp("house"), seed=seed)
    add_network(house.services)
    issue(house.services, 150)
    for what, how in actions:
        if what == "change":
            take_away_some(house.services, how, draw=house.draw)
        elif what == "turn":
            house.turn(how)
        elif what == "server":
            house.new_publisher()
        elif house.broker.running:
            house.broker.stop()
            if what == "broker":
                house.start_broker()
    if not house.broker.running:
        house.start_broker()
    house.quiet()
    assert house.gate.refused == []
    assert house.gate.agrees_with(house.services)
    store = held_by(house.broker, TRUST, now=house.services.now())
    assert {uri: held.digest for uri, held in store.view.items()} == {
        uri: held.digest for uri, held in house.gate.store.view.items()
    }
    assert all(held.renewed is not None for held in store.view.values())
    assert _outbox(house.services) == 0
    house.bus.stop()


def test_the_thread_publishes_what_a_commit_rings_for(tmp_path: Path) -> None:
    services = make_services(tmp_path)
    add_network(services)
    issue(services, 10)
    broker = MemoryBroker()
    with memory_bus(broker) as bus:
        gate = Gate(bus, TRUST)
        heads: list[int] = []
        changed = threading.Condition()

        def on_head(message: Message) -> None:
            with changed:
                heads.append(read_head(message.payload, TRUST, NOW).rows[0].version)
                changed.notify()

        bus.subscribe(TOPICS.head, on_head)
        publisher = Publisher(services, bus, pace=Pace(poll=3600.0, head_every=3600.0))
        services.nudge.listen(publisher.nudge)
        publisher.start()
        with changed:
            assert changed.wait_for(lambda: heads == [1], 10.0)
        take_away_some(services, 2, draw=random.Random(1))
        with changed:
            assert changed.wait_for(lambda: heads == [1, 2], 10.0)
        publisher.stop()
        assert gate.agrees_with(services)


def test_the_thread_stops_and_says_why_when_it_cannot_go_on(tmp_path: Path) -> None:
    services = make_services(tmp_path)
    with memory_bus(MemoryBroker()) as bus:
        publisher = Publisher(services, bus)
        publisher.start()
        publisher.join(timeout=10.0)
        assert isinstance(publisher.failure, UnknownNetwork)
        publisher.stop()


def test_the_thread_goes_on_after_an_error_of_the_database(tmp_path: Path) -> None:
    """The commit of a version fails once; what was in memory is dropped, and the version is made again."""
    services = make_services(tmp_path)
    add_network(services)
    issue(services, 10)
    with memory_bus(MemoryBroker()) as bus:
        gate = Gate(bus, TRUST)
        changed = threading.Condition()

        def wake(_message: Message) -> None:
            with changed:
                changed.notify_all()

        bus.subscribe(TOPICS.head, wake)
        publisher = Publisher(services, bus, pace=Pace(retry=0.01, poll=0.01))
        publisher.start()
        with changed:
            assert changed.wait_for(lambda: "wp:1" in gate.store.view, 10.0)
        failures: list[int] = []

        def fail_once(_connection: Connection) -> None:
            if not failures and threading.current_thread().name == "publisher":
                failures.append(1)
                raise OperationalError("COMMIT", None, sqlite3.OperationalError("disk I/O error"))

        event.listen(services.database.engine, "commit", fail_once)
        take_away_some(services, 2, draw=random.Random(1))
        with changed:
            assert changed.wait_for(lambda: gate.store.view["wp:1"].version == 2, 10.0)
        publisher.stop()
        assert failures == [1]
        assert gate.agrees_with(services)
        assert gate.refused == []


def _stored_version(services: Services) -> int:
    with services.database.reading() as session:
        return session.scalars(select(ListVersion.version).order_by(ListVersion.list_id)).first() or 0


def _outbox(services: Services) -> int:
    with services.database.reading() as session:
        return session.scalar(select(func.count()).select_from(StatusChange)) or 0


def retained(house: House) -> dict[str, bytes]:
    """What the broker holds of lists, by what follows `status/`."""
    start = f"{TOPICS.root}/status/"
    return {topic.removeprefix(start): data for topic, data in (house.broker.held(f"{start}#") or {}).items()}


def test_thin_links_get_the_smaller_form_of_each_snapshot(house: House) -> None:
    issue(house.services, 60)
    house.quiet()
    for _ in range(20):
        take_away_some(house.services, 2, draw=house.draw)
        house.turn()
    house.quiet()
    held = retained(house)
    assert len(held["1/compact"]) < len(held["1/snapshot"])
    standard, compact = (read_snapshot(held[f"1/{form}"], TRUST, house.services.now()) for form in FORMS)
    assert standard == compact
    house.new_publisher()
    house.publisher.connected()
    house.quiet()
    assert retained(house)["1/compact"] == held["1/compact"], "stored as it was"


def test_a_list_for_which_the_standard_is_smaller_is_sent_so(house: House) -> None:
    """Withdrawn in a pattern, which zlib sees and the compact form does not."""
    house.quiet()
    with house.services.change() as session:
        session.add_all(StatusChange(list_id=1, idx=idx, status=1, committed_at=NOW) for idx in range(0, 90_000, 3))
    for _ in range(SNAPSHOT_EVERY):
        issue(house.services, 8)
        take_away_some(house.services, 8, draw=house.draw)
        house.turn()
    house.quiet()
    held = retained(house)
    assert read_snapshot(held["1/snapshot"], TRUST, house.services.now()).version > SNAPSHOT_EVERY
    assert held["1/compact"] == held["1/snapshot"]
    assert house.stored_compact() is None


def test_a_list_ends_with_its_last_pass(house: House) -> None:
    """The head names it no longer, then the broker lets go of it; what was stored is freed, and the name stays."""
    issue(house.services, 20)
    house.quiet()
    take_away_some(house.services, 3, draw=house.draw)
    house.quiet()
    assert set(retained(house)) == {"1/snapshot", "1/compact", "1/delta/2"}
    end_the_first_list(house.services)
    issue(house.services, 5)
    house.quiet()
    assert {row.uri for row in read_head(newest(house), TRUST, house.services.now()).rows} == {"wp:1", "wp:2"}
    house.turn(60.0)
    house.quiet()
    assert {row.uri for row in read_head(newest(house), TRUST, house.services.now()).rows} == {"wp:2"}
    assert set(retained(house)) == {"2/snapshot", "2/compact"}
    heads = [number for number, message in enumerate(house.seen) if message.topic == TOPICS.head]
    cleared = [number for number, message in enumerate(house.seen) if not message.payload]
    assert any(number < cleared[0] for number in heads)
    with house.services.database.reading() as session:
        rows = session.execute(select(StatusList.name, StatusList.cleared, StatusList.ended_at).order_by(StatusList.id))
        assert [(name, gone, ended is not None) for name, gone, ended in rows] == [
            ("1", True, True),
            ("2", False, False),
        ]
        for model in (ListVersion, StoredDelta, StoredSnapshot, Block, Decoy):
            assert set(session.scalars(select(model.list_id))) <= {2}
    assert house.gate.refused == []
    house.new_publisher()
    house.publisher.connected()
    house.quiet()
    assert set(retained(house)) == {"2/snapshot", "2/compact"}


def test_a_list_that_ended_while_no_broker_was_there_is_cleared_when_one_is(house: House) -> None:
    issue(house.services, 20)
    house.quiet()
    held = retained(house)
    end_the_first_list(house.services)
    house.broker.stop()
    issue(house.services, 5)
    house.turn(60.0)
    house.start_broker()
    for name, data in held.items():  # a broker with a disk: it still has what it had
        house.bus.publish(f"{TOPICS.root}/status/{name}", data, qos=1, retain=True)
    house.quiet()
    assert set(retained(house)) == {"2/snapshot", "2/compact"}


def test_a_list_of_bound_passes_ends_though_paper_ones_live(house: House) -> None:
    """A paper pass lives for a month; in a list of bound ones it would keep that list alive as long."""
    issue(house.services, 20)
    issue_paper_pass(house.services)
    house.quiet()
    with house.services.database.changing() as session:
        session.execute(update(StatusList).where(StatusList.name == "1").values(closed=True))
    issue(house.services, 5)  # of the next one
    house.quiet()
    house.clock.advance(24 * 3600 - 7200)
    issue(house.services, 5)
    house.clock.advance(7200 + KEPT)

    assert forget(house.services) == 25
    house.turn(60.0)
    house.quiet()

    rows = read_head(newest(house), TRUST, house.services.now()).rows
    assert {row.uri for row in rows} == {"wp:2", "wp:p1"}
    assert house.gate.agrees_with(house.services)
    assert house.gate.refused == []


def test_the_first_paper_passes_list_is_at_the_gates_at_once(house: House) -> None:
    """Not only with the next look: whoever printed it may be at the gate."""
    issue(house.services, 5)
    house.quiet()
    issue_paper_pass(house.services)
    house.publisher.nudge()
    house.turn(0.0)
    house.arrive()
    assert house.gate.agrees_with(house.services)
    assert set(house.gate.store.view) == {"wp:1", "wp:p1"}


def test_no_list_has_passes_of_two_kinds(house: House) -> None:
    """Also when they are followed by new ones, and with places that were drawn ahead."""
    for _ in range(3):
        for _ in range(4):
            issue(house.services, 10)
            issue_paper_pass(house.services)
        house.quiet()
        with house.services.database.changing() as session:
            session.execute(update(StatusList).values(closed=True))
    with house.services.database.reading() as session:
        found = session.execute(select(StatusList.uri, PassRow.kind).join_from(PassRow, StatusList).distinct())
        kinds = sorted((uri, kind.value) for uri, kind in found)
    bound, paper = [(f"wp:{number}", "bound") for number in (1, 2, 3)], [(f"wp:p{n}", "paper") for n in (1, 2, 3)]
    assert kinds == bound + paper
    assert house.gate.agrees_with(house.services)


def issue_paper_pass(services: Services) -> None:
    with services.change() as session:
        issue_paper(session, services, 1, (1,), None, services.now(), staff_id=None)


def test_an_open_list_without_passes_does_not_end(house: House) -> None:
    house.quiet()
    house.turn(120.0)
    house.quiet()
    assert "1/snapshot" in retained(house)


def test_snapshots_are_made_on_another_thread_when_it_runs_by_itself(house: House) -> None:
    issue(house.services, 900)
    pace = Pace(gather=0.001, poll=0.01, head_every=0.05)
    publisher = Publisher(house.services, house.bus, pace=pace)
    house.services.nudge.listen(publisher.nudge)
    publisher.start()
    try:
        for version in range(2, 2 + 2 * SNAPSHOT_EVERY):
            take_away_some(house.services, 1, draw=house.draw)
            house.wait(partial(lambda topic: topic in retained(house), f"1/delta/{version % 64}"))
        house.wait(lambda: read_snapshot(retained(house)["1/snapshot"], TRUST, NOW).version > SNAPSHOT_EVERY)
        assert publisher.trouble is None
    finally:
        publisher.stop()
    assert not any(thread.name.startswith("publisher") for thread in threading.enumerate())


def newest(house: House) -> bytes:
    """The head that the broker holds."""
    return (house.broker.held(TOPICS.head) or {})[TOPICS.head]


def newest_head(broker: MemoryBroker) -> Head:
    """The same, read."""
    return read_head((broker.held(TOPICS.head) or {})[TOPICS.head], TRUST, NOW)
