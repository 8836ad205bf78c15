"""The contract of `waypass_server.bus`, held against memory, the embedded broker and Mosquitto; and `MqttBus` alone."""

import contextlib
import dataclasses
import itertools
import os
import resource
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from typing import Protocol

import pytest
from tests.support.brokers import BROKERS, BrokerKind, LocalBroker, mosquitto_program, start_mosquitto
from tests.support.certificates import make_authority
from tests.support.hesitating_broker import HesitatingBroker

from waypass_server.broker.access import password_line
from waypass_server.bus import (
    BusSettings,
    BusState,
    MemoryBroker,
    MemoryBus,
    Message,
    MessageBus,
    MqttBus,
    Tls,
)
from waypass_server.errors import BusError, ConfigurationError, NotConfirmed, NotConnected
from waypass_simulator.processes import free_port

SECONDS = 40.0


class BrokerUnderTest(Protocol):
    """A broker that can be hurt."""

    def bus(self, name: str) -> MessageBus: ...
    def kill(self) -> None: ...
    def start(self) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...


class InMemory:
    """The double."""

    def __init__(self) -> None:
        broker = MemoryBroker()
        self.kill, self.start, self.pause, self.resume = broker.stop, broker.start, broker.pause, broker.resume
        self._broker = broker

    def bus(self, name: str) -> MessageBus:
        """A bus needs no name in memory."""
        assert name
        return MemoryBus(self._broker)


class OverMqtt:
    """A real broker."""

    def __init__(self, broker: LocalBroker) -> None:
        self.kill, self.start, self.pause, self.resume = broker.kill, broker.start, broker.pause, broker.resume
        self._broker = broker

    def bus(self, name: str) -> MessageBus:
        """`name` becomes the client id."""
        return MqttBus(BusSettings(client_id=name, port=self._broker.port))


class Bench:
    """A broker, a network name that no other test uses, and the buses of one test."""

    def __init__(self, broker: BrokerUnderTest, net: str) -> None:
        self.broker = broker
        self.net = net
        self.buses: list[MessageBus] = []

    def bus(self, name: str) -> MessageBus:
        """Not started."""
        self.buses.append(self.broker.bus(name))
        return self.buses[-1]

    def started(self, name: str) -> MessageBus:
        """Connected."""
        bus = self.bus(name)
        bus.start()
        assert bus.wait_connected(timeout=SECONDS)
        return bus


@pytest.fixture(scope="module", params=["memory", *BROKERS])
def broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerUnderTest]:
    """One for all tests of this module; a test that kills it starts it again."""
    if request.param == "memory":
        yield InMemory()
    else:
        with LocalBroker(request.param, tmp_path_factory.mktemp("broker")) as local:
            yield OverMqtt(local)


@pytest.fixture
def bench(broker: BrokerUnderTest, request: pytest.FixtureRequest) -> Iterator[Bench]:
    """Its buses are stopped after the test."""
    bench = Bench(broker, f"waypass/1/{request.function.__name__}")
    yield bench
    for bus in bench.buses:
        if bus.state is not BusState.STOPPED:
            bus.stop()


def collect(bus: MessageBus, topic_filter: str) -> "Queue[Message]":
    arrived: Queue[Message] = Queue()
    bus.subscribe(topic_filter, arrived.put)
    return arrived


def in_force(bus: MessageBus, arrived: "Queue[Message]", topic: str) -> None:
    """Return when a message to `topic` reaches its subscriber: the subscription is known to the broker."""
    bus.publish(topic, b"in force?", qos=1, retain=False).wait(timeout=SECONDS)
    assert arrived.get(timeout=SECONDS).payload == b"in force?"


def test_a_message_arrives_and_is_acknowledged(bench: Bench) -> None:
    bus = bench.started("both")
    arrived = collect(bus, f"{bench.net}/status/+/snapshot")
    in_force(bus, arrived, f"{bench.net}/status/17/snapshot")
    receipt = bus.publish(f"{bench.net}/status/17/snapshot", bytes(100_000), qos=1, retain=True)
    receipt.wait(timeout=SECONDS)
    assert receipt.confirmed
    expected = Message(topic=f"{bench.net}/status/17/snapshot", payload=bytes(100_000), retained=False)
    assert arrived.get(timeout=SECONDS) == expected


def test_the_largest_object_passes_and_a_larger_one_is_refused(bench: Bench) -> None:
    bus = bench.started("large")
    arrived = collect(bus, f"{bench.net}/#")
    in_force(bus, arrived, f"{bench.net}/object")
    bus.publish(f"{bench.net}/object", bytes(range(256)) * 2048, qos=1, retain=True).wait(timeout=SECONDS)
    assert arrived.get(timeout=SECONDS).payload == bytes(range(256)) * 2048
    with pytest.raises(BusError, match="expected at most 524288 bytes, got 524289"):
        bus.publish(f"{bench.net}/object", bytes(524_289), qos=1, retain=True)


@pytest.mark.parametrize(
    ("topic", "qos", "message"),
    [
        ("", 1, "expected a topic without wildcards, got ''"),
        ("status/#", 1, "expected a topic without wildcards"),
        ("status/+/head", 1, "expected a topic without wildcards"),
        ("$SYS/broker", 1, "expected a topic without wildcards"),
        ("status", 2, "expected QoS 0 or 1, got 2"),
    ],
)
def test_what_cannot_be_sent(bench: Bench, topic: str, qos: int, message: str) -> None:
    bus = bench.started("strict")
    with pytest.raises(BusError, match=message):
        bus.publish(topic, b"x", qos=qos, retain=False)


def test_a_late_subscriber_gets_what_is_retained(bench: Bench) -> None:
    publisher = bench.started("publisher")
    for number in range(64):
        publisher.publish(f"{bench.net}/status/17/delta/{number}", b"%d" % number, qos=1, retain=True)
    publisher.publish(f"{bench.net}/head", b"first", qos=0, retain=True)
    publisher.publish(f"{bench.net}/head", b"second", qos=0, retain=True)
    publisher.publish(f"{bench.net}/passing", b"not kept", qos=1, retain=False).wait(timeout=SECONDS)
    late = bench.started("late")
    arrived = collect(late, f"{bench.net}/#")
    messages = [arrived.get(timeout=SECONDS) for _ in range(65)]
    assert {message.topic: message.payload for message in messages} == {
        **{f"{bench.net}/status/17/delta/{number}": b"%d" % number for number in range(64)},
        f"{bench.net}/head": b"second",
    }
    assert all(message.retained for message in messages)


def test_an_empty_retained_message_clears(bench: Bench) -> None:
    bus = bench.started("clearer")
    bus.publish(f"{bench.net}/head", b"there", qos=1, retain=True).wait(timeout=SECONDS)
    assert bus.retained(f"{bench.net}/#", timeout=SECONDS) == {f"{bench.net}/head": b"there"}
    bus.publish(f"{bench.net}/head", b"", qos=1, retain=True).wait(timeout=SECONDS)
    assert bus.retained(f"{bench.net}/#", timeout=SECONDS) == {}


def test_retained_tells_all_that_the_broker_holds(bench: Bench) -> None:
    bus = bench.started("asker")
    held = {f"{bench.net}/status/{a}/delta/{n}": bytes([a, n]) * 150 for a in range(4) for n in range(64)}
    held |= {f"{bench.net}/status/{a}/snapshot": bytes([a]) * 100_000 for a in range(4)}
    for receipt in [bus.publish(topic, payload, qos=1, retain=True) for topic, payload in held.items()]:
        receipt.wait(timeout=SECONDS)
    bus.publish("elsewhere", b"x", qos=1, retain=True).wait(timeout=SECONDS)
    for _ in range(3):
        assert bus.retained(f"{bench.net}/status/#", timeout=SECONDS) == held


def test_retained_is_not_asked_for_a_filter_that_is_subscribed_to(bench: Bench) -> None:
    bus = bench.started("twice")
    collect(bus, "a/#")
    with pytest.raises(BusError, match="expected a filter that is not subscribed to already"):
        bus.retained("a/#", timeout=SECONDS)


def test_without_a_broker_the_caller_is_not_held_up(bench: Bench) -> None:
    bench.broker.kill()
    bus = bench.bus("alone")
    connected = threading.Event()
    bus.on_connect(connected.set)
    bus.start()
    with pytest.raises(NotConnected, match="head: expected a connection to the broker, the bus is connecting"):
        bus.publish(f"{bench.net}/head", b"x", qos=1, retain=True)
    with pytest.raises(NotConnected, match="expected a connection to the broker"):
        bus.retained(f"{bench.net}/head", timeout=SECONDS)
    bench.broker.start()
    assert connected.wait(SECONDS)
    bus.publish(f"{bench.net}/head", b"x", qos=1, retain=True).wait(timeout=SECONDS)


def test_a_broker_that_comes_back_empty_can_be_refilled(bench: Bench) -> None:
    """With receipts, from within the handler: rule 4."""
    bus = bench.bus("publisher")
    refilled: Queue[dict[str, bytes]] = Queue()

    def refill() -> None:
        held = bus.retained(f"{bench.net}/#", timeout=SECONDS)
        if f"{bench.net}/head" not in held:
            bus.publish(f"{bench.net}/head", b"from the outbox", qos=1, retain=True).wait(timeout=SECONDS)
        refilled.put(held)

    bus.on_connect(refill)
    bus.start()
    assert refilled.get(timeout=SECONDS) == {}
    watcher = bench.started("watcher")
    arrived = collect(watcher, f"{bench.net}/head")
    assert arrived.get(timeout=SECONDS).payload == b"from the outbox"
    bench.broker.kill()
    bench.broker.start()
    assert refilled.get(timeout=SECONDS) == {}
    assert arrived.get(timeout=SECONDS).payload == b"from the outbox"  # the subscription was made again


def test_what_was_not_acknowledged_is_never_sent_again(bench: Bench) -> None:
    bus = bench.started("publisher")
    connected = threading.Event()
    bus.on_connect(connected.set)
    bench.broker.pause()
    old = bus.publish(f"{bench.net}/head", b"old", qos=1, retain=True)
    with pytest.raises(NotConfirmed, match=r"head: expected an acknowledgement within 0.2 s"):
        old.wait(timeout=0.2)
    bench.broker.kill()
    with pytest.raises(NotConfirmed, match="head: expected an acknowledgement, but the connection ended"):
        old.wait(timeout=SECONDS)
    assert not old.confirmed
    bench.broker.start()
    assert connected.wait(SECONDS)
    assert bus.retained(f"{bench.net}/#", timeout=SECONDS) == {}
    bus.publish(f"{bench.net}/head", b"new", qos=1, retain=True).wait(timeout=SECONDS)
    assert bus.retained(f"{bench.net}/#", timeout=SECONDS) == {f"{bench.net}/head": b"new"}


def test_a_paused_broker_acknowledges_when_it_goes_on(bench: Bench) -> None:
    bus = bench.started("patient")
    bench.broker.pause()
    receipt = bus.publish(f"{bench.net}/head", b"x", qos=1, retain=True)
    with pytest.raises(NotConfirmed, match=r"within 0\.2 s"):
        receipt.wait(timeout=0.2)
    with pytest.raises(NotConfirmed, match="expected"):
        bus.retained(f"{bench.net}/head", timeout=0.2)
    bench.broker.resume()
    receipt.wait(timeout=SECONDS)
    assert bus.retained(f"{bench.net}/head", timeout=SECONDS) == {f"{bench.net}/head": b"x"}


def test_handlers_run_in_order_and_one_that_fails_harms_no_other(bench: Bench) -> None:
    bus = bench.started("handlers")
    arrived: Queue[bytes] = Queue()

    def fail(message: Message) -> None:
        raise RuntimeError("a defect in this handler")

    bus.subscribe("order/#", fail)
    bus.subscribe("order/#", lambda message: arrived.put(message.payload))
    watching = collect(bus, "order/start")
    in_force(bus, watching, "order/start")
    assert arrived.get(timeout=SECONDS) == b"in force?"
    for number in range(300):  # of one QoS: MQTT keeps no order between QoS 0 and 1
        bus.publish("order/n", b"%d" % number, qos=1, retain=False)
    numbers: list[bytes] = []
    while numbers[-1:] != [b"299"]:
        numbers.append(arrived.get(timeout=SECONDS))
    assert numbers == [b"%d" % number for number in range(300)]


def test_states(bench: Bench) -> None:
    bus = bench.bus("states")
    seen = [bus.state]
    bus.start()
    assert bus.wait_connected(timeout=SECONDS)
    seen.append(bus.state)
    bus.stop()
    seen.append(bus.state)
    assert seen == [BusState.STOPPED, BusState.CONNECTED, BusState.STOPPED]
    with pytest.raises(NotConnected, match="the bus is stopped"):
        bus.publish(f"{bench.net}/head", b"x", qos=1, retain=False)


# What only a network has.


def test_a_broker_that_dies_again_and_again_never_shows_an_older_message(broker: BrokerUnderTest, bench: Bench) -> None:
    """One publisher counts upwards for as long as it is connected; a watcher on the same broker sees what arrives."""
    bus, watcher = bench.bus("counter"), bench.bus("watcher")
    head = f"{bench.net}/head"
    numbers = itertools.count(1)
    seen: Queue[int] = Queue()
    watcher.subscribe(head, lambda message: seen.put(int(message.payload)))
    done = threading.Event()

    def count() -> None:
        with contextlib.suppress(NotConnected):
            while not done.is_set():
                number = next(numbers)
                bus.publish(head, b"%d" % number, qos=1, retain=True)
                if number % 50 == 0:  # so that there are always some on their way, but not without end
                    with contextlib.suppress(NotConfirmed):
                        bus.publish(head, b"%d" % next(numbers), qos=1, retain=True).wait(timeout=SECONDS)

    bus.on_connect(count)
    watcher.start()
    assert watcher.wait_connected(timeout=SECONDS)
    bus.start()
    arrived = [seen.get(timeout=SECONDS) for _ in range(200)]
    for _ in range(2):
        broker.kill()
        broker.start()
        while not seen.empty():
            arrived.append(seen.get())
        # Later than all that was sent before the kill, so sent after it.
        newest = next(numbers)
        while arrived[-1] <= newest:
            arrived.append(seen.get(timeout=SECONDS))
    done.set()
    assert arrived == sorted(arrived)


def test_many_unacknowledged_messages_are_all_given_up(broker: BrokerUnderTest, bench: Bench) -> None:
    bus = bench.started("many")
    broker.pause()
    receipts = [bus.publish(f"{bench.net}/{n}", bytes(300), qos=1, retain=True) for n in range(1000)]
    broker.kill()
    for receipt in receipts:
        with pytest.raises(NotConfirmed, match="the connection ended"):
            receipt.wait(timeout=SECONDS)
    broker.start()


@pytest.mark.parametrize("kind", BROKERS)
def test_the_handlers_run_again_when_a_silent_broker_acknowledges(tmp_path: Path, kind: BrokerKind) -> None:
    told: Queue[None] = Queue()
    with LocalBroker(kind, tmp_path) as local:
        bus = MqttBus(BusSettings(client_id="doubting", port=local.port, silence=0.2))
        bus.on_connect(lambda: told.put(None))
        bus.start()
        told.get(timeout=SECONDS)
        local.pause()
        receipts = [bus.publish(f"state/{n}", b"x", qos=1, retain=True) for n in range(3)]
        with pytest.raises(NotConfirmed, match=r"within 0\.3 s"):
            receipts[0].wait(timeout=0.3)
        assert told.empty()
        local.resume()
        told.get(timeout=SECONDS)
        assert all(receipt.confirmed for receipt in receipts)
        bus.stop()


def test_what_the_broker_refuses_is_asked_for_again_and_everything_twice() -> None:
    with HesitatingBroker(refusals=1) as refusing:
        bus = MqttBus(BusSettings(client_id="asker", port=refusing.port))
        for topic_filter in ("a/#", "b/#"):
            bus.subscribe(topic_filter, lambda _: None)
        bus.start()
        asked = [refusing.asked.get(timeout=SECONDS) for _ in range(5)]
        bus.stop()
    assert asked[:3] == [("a/#", False), ("b/#", True), ("a/#", True)]
    assert sorted(asked[3:]) == [("a/#", True), ("b/#", True)]


def test_the_next_address_is_tried_and_the_first_one_again(tmp_path: Path) -> None:
    with LocalBroker(BrokerKind.EMBEDDED, tmp_path) as local:
        others = (("127.0.0.1", local.port),)
        bus = MqttBus(BusSettings(client_id="wanderer", port=free_port(), others=others))
        bus.start()
        assert bus.wait_connected(timeout=SECONDS)
        local.kill()
        assert wait_for_state(bus, {BusState.CONNECTING})
        local.start()
        assert bus.wait_connected(timeout=SECONDS)
        bus.stop()


@contextlib.contextmanager
def many_open_files(count: int) -> Iterator[None]:
    """What a server has with so many pages open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 2 * count)), hard))
    first = os.open(os.devnull, os.O_RDONLY)
    held = [first, *(os.dup(first) for _ in range(count))]
    try:
        assert max(held) >= count
        yield
    finally:
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@pytest.mark.mosquitto
def test_a_broker_comes_back_while_a_thousand_files_are_open(tmp_path: Path, *, secure: bool) -> None:
    """select() takes no descriptor of 1,024 or more."""
    port, more, tls = free_port(), "", None
    if secure:
        made = make_authority(tmp_path / "authority")
        more, tls = f"certfile {made.certificate}\nkeyfile {made.key}\n", Tls(authority=made.ca)
    bus = MqttBus(BusSettings(client_id="busy", host="localhost", port=port, tls=tls))
    with contextlib.ExitStack() as stack:
        with start_mosquitto("127.0.0.1", port, tmp_path, more=more):
            bus.start()
            stack.callback(bus.stop)
            assert bus.wait_connected(timeout=SECONDS)
        assert wait_for_state(bus, {BusState.CONNECTING})
        stack.enter_context(start_mosquitto("127.0.0.1", port, tmp_path, more=more))
        stack.enter_context(many_open_files(1_100))
        assert bus.wait_connected(timeout=SECONDS)
        bus.publish("large", bytes(300_000), qos=1, retain=True).wait(timeout=SECONDS)
        assert bus.retained("#", timeout=SECONDS) == {"large": bytes(300_000)}


def test_a_login_that_is_refused_and_one_that_is_not(tmp_path: Path) -> None:
    file = tmp_path / "passwords"
    file.write_text(password_line("server", "right") + "\n", encoding="utf-8")
    with LocalBroker(BrokerKind.EMBEDDED, tmp_path, passwords=file) as local:
        settings = BusSettings(client_id="server", port=local.port, username="server", password="right")
        for password, states in [("wrong", {BusState.REFUSED}), ("right", {BusState.CONNECTED})]:
            bus = MqttBus(dataclasses.replace(settings, password=password))
            bus.start()
            assert wait_for_state(bus, states)
            bus.stop()


def wait_for_state(bus: MessageBus, states: set[BusState]) -> bool:
    deadline = time.monotonic() + SECONDS
    while bus.state not in states and time.monotonic() < deadline:
        bus.wait_connected(timeout=0.02)
    return bus.state in states


def test_stopping_while_something_that_is_no_broker_keeps_silent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        bus = MqttBus(BusSettings(client_id="patient", port=silent.getsockname()[1]))
        bus.start()
        connection, _ = silent.accept()
        with connection:
            assert bus.state is BusState.CONNECTING
            bus.stop()
    assert wait_for_state(bus, {BusState.STOPPED})


@pytest.mark.mosquitto
@pytest.mark.skipif(mosquitto_program() is None, reason="the mosquitto program is not installed")
def test_tls(tmp_path: Path) -> None:
    made = make_authority(tmp_path / "authority")
    port = free_port()
    more = f"certfile {made.certificate}\nkeyfile {made.key}\n"
    with start_mosquitto("127.0.0.1", port, tmp_path, more=more):
        settings = BusSettings(client_id="trusting", host="localhost", port=port, tls=Tls(authority=made.ca))
        trusting = MqttBus(settings)
        trusting.start()
        assert trusting.wait_connected(timeout=SECONDS)
        trusting.publish("head", bytes(300_000), qos=1, retain=True).wait(timeout=SECONDS)
        assert trusting.retained("#", timeout=SECONDS) == {"head": bytes(300_000)}
        stranger = MqttBus(dataclasses.replace(settings, client_id="stranger", tls=Tls()))
        stranger.start()
        assert not stranger.wait_connected(timeout=0.5)
        assert trusting.state is BusState.CONNECTED
        trusting.stop()
        stranger.stop()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"client_id": ""}, "expected a client id, got an empty one"),
        ({"client_id": "a", "port": 0}, "expected a port from 1 to 65535, got 0"),
        ({"client_id": "a", "keepalive": 1}, "expected a keepalive of 2 to 3600 s, got 1"),
        ({"client_id": "a", "password": "secret"}, "expected a username beside the password, got none"),
    ],
)
def test_settings_that_cannot_work(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        BusSettings(**settings)  # type: ignore[arg-type]  # wrong on purpose, and by key


def test_a_password_is_not_shown() -> None:
    assert "secret" not in repr(BusSettings(client_id="a", username="server", password="secret"))


@pytest.mark.parametrize(
    ("tls", "message"),
    [
        (Tls(certificate=Path("c.pem")), "expected a certificate and its key, got one of them"),
        (Tls(authority=Path("missing.pem")), "the TLS files cannot be used"),
    ],
)
def test_tls_files_that_cannot_work(tls: Tls, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        MqttBus(BusSettings(client_id="a", tls=tls))
