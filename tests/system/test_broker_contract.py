"""What Waypass needs of a broker, held against each kind that it is run with: see `tests.support.broker_sites`.

A broker may hand a change on late to its other end (a bridge, another node), so what comes later is asked for until it
is there. What must not arrive is followed by something that must, on the same way.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from queue import Empty

import pytest
from tests.support.broker_house import FAILOVER_SECONDS, TOPICS, arrived, forget, house
from tests.support.broker_sites import EmbeddedSite, MosquittoSite, NatsSite, Site
from tests.support.brokers import needs_mosquitto
from tests.support.mqtt import Client, ConnectionEnded
from tests.support.nats import needs_nats
from tests.support.publishing import wait_for

from waypass_protocol.messages import Presence

SNAPSHOT, DELTA = TOPICS.snapshot("9"), TOPICS.delta("9", 3)
LAST = TOPICS.snapshot("last")
OF_LIST = ((TOPICS.head, 0), (f"{TOPICS.root}/status/9/delta/+", 1), (SNAPSHOT, 1))
KINDS = [
    pytest.param(EmbeddedSite, id="embedded"),
    pytest.param(MosquittoSite, id="mosquitto", marks=needs_mosquitto),
    pytest.param(lambda folder: MosquittoSite(folder, bridged=True), id="bridged", marks=needs_mosquitto),
    pytest.param(NatsSite, id="nats", marks=needs_nats),
]


@pytest.fixture(scope="module", params=KINDS)
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One for all tests of a kind."""
    make: Callable[[Path], Site] = request.param
    with closing(make(tmp_path_factory.mktemp("site"))) as made:
        yield made


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as open_things:
        yield open_things


def subscribed(stack: ExitStack, site: Site, login: str, *filters: tuple[str, int]) -> Client:
    """A cluster on a busy machine may refuse what it does not get to; it is asked again, as a reader does."""
    client = arrived(stack, site, login)
    granted = [qos for _, qos in filters]
    if isinstance(site, NatsSite):
        wait_for(lambda: client.subscribe(*filters) == granted, f"{login} is granted {filters}")
    else:
        assert client.subscribe(*filters) == granted
    return client


def heard_until(client: Client, last: tuple[str, bytes, int, bool]) -> set[bytes]:
    """The payloads that arrive before and with this message: topic, payload, QoS, whether it was retained."""
    heard = set[bytes]()
    while (message := client.message()) != last:
        heard.add(message[1])
    return heard | {last[1]}


def publish_and_hear(site: Site, server: Client, reader: Client, topic: str, payload: bytes, *, qos: int = 1) -> None:
    """Retained, and heard by somebody who is subscribed. A cluster may lose what is published while it takes the
    subscription, which takes it seconds at times, and end a connection when the machine is busy: there it is said again
    until it is heard.
    """
    for _ in range(20 if isinstance(site, NatsSite) else 0):
        server.again()
        reader.again()
        try:
            server.publish(topic, payload, qos=qos, retain=True)
            while reader.message(seconds=2) != (topic, payload, qos, False):
                pass
        except (Empty, ConnectionEnded):
            continue
        return
    server.publish(topic, payload, qos=qos, retain=True)
    heard_until(reader, (topic, payload, qos, False))


def handed_again(client: Client, last: tuple[str, bytes, int, bool]) -> bool:
    """Whether it is handed this when it asks once more. A reader asks until it is, with longer and longer pauses."""
    assert 128 not in client.subscribe(*OF_LIST)
    try:
        while client.message(seconds=4) != last:
            pass
    except Empty:
        return False
    return True


def held_at(site: Site, server: Client, login: str, expected: dict[str, bytes]) -> None:
    """Until somebody who comes now is handed exactly this of the list and the head, as retained."""

    def is_there() -> bool:
        heard: dict[str, bytes] = {}
        with ExitStack() as visit:
            late = arrived(visit, site, login)
            if 128 in late.subscribe(*OF_LIST):
                return False
            late.subscribe((LAST, 1))
            try:
                while (message := late.message(seconds=10))[0] != LAST:
                    assert message[3], f"expected retained messages only, got {message[0]} as it was published"
                    heard[message[0]] = message[1]
            except Empty:
                return False
        return heard == expected

    server.publish(LAST, b"that was all", retain=True)
    wait_for(is_there, f"{sorted(expected)} at somebody who comes late")


def clear(site: Site, *topics: str) -> None:
    """Nothing is left of these for the next test, whatever became of this one."""
    forget(site, LAST, *topics)


def test_what_is_retained_is_replaced_handed_out_and_cleared(stack: ExitStack, site: Site) -> None:
    stack.callback(clear, site, DELTA, SNAPSHOT, TOPICS.head)
    reader = subscribed(stack, site, "north-1", *OF_LIST)
    server = arrived(stack, site, "server")
    for text in (b"old", b"new"):
        for topic, qos in ((SNAPSHOT, 1), (DELTA, 1), (TOPICS.head, 0)):
            publish_and_hear(site, server, reader, topic, text, qos=qos)
    held_at(site, server, "north-2", dict.fromkeys((SNAPSHOT, DELTA, TOPICS.head), b"new"))
    for topic in (SNAPSHOT, DELTA):
        publish_and_hear(site, server, reader, topic, b"")
    held_at(site, server, "north-2", {TOPICS.head: b"new"})


def test_the_largest_objects_and_a_whole_ring_arrive_now_and_later(stack: ExitStack, site: Site) -> None:
    draw = random.Random(7)
    sent = {TOPICS.delta("9", number): draw.randbytes(300) for number in range(64)}
    sent |= {SNAPSHOT: draw.randbytes(512 << 10), TOPICS.head: draw.randbytes(64 << 10)}
    stack.callback(clear, site, *sent)
    reader = subscribed(stack, site, "north-1", *OF_LIST)
    server = arrived(stack, site, "server")
    heard: dict[str, bytes] = {}
    # What a cluster lost while it took the subscription is said again; and on a busy machine it may end a connection.
    for _ in range(9 if isinstance(site, NatsSite) else 1):
        if isinstance(site, NatsSite):
            server.again()
            reader.again()
        if publish_others(server, sent, heard) and hear(reader, sent, heard, 4 if isinstance(site, NatsSite) else 15):
            break
    assert heard == sent
    held_at(site, server, "north-2", sent)


def publish_others(server: Client, sent: dict[str, bytes], heard: dict[str, bytes]) -> bool:
    """Whatever was not heard yet, retained; whether the connection held."""
    for topic, payload in sent.items():
        if topic not in heard:
            try:
                server.publish(topic, payload, retain=True)
            except ConnectionEnded:
                return False
    return True


def hear(reader: Client, sent: dict[str, bytes], heard: dict[str, bytes], seconds: float) -> bool:
    """Whether all of it was heard, as it was published; with at most so long between two messages."""
    try:
        while heard != sent:
            topic, payload, _, retained = reader.message(seconds=seconds)
            if not retained:
                heard[topic] = payload
    except (Empty, ConnectionEnded):
        return False
    return True


def test_who_asks_again_is_handed_again_what_is_retained(stack: ExitStack, site: Site) -> None:
    """A reader with a gap does, and so does the server: a cluster may lose what comes while it takes a subscription."""
    stack.callback(clear, site, DELTA)
    server = arrived(stack, site, "server")
    reader = subscribed(stack, site, "north-1", *OF_LIST)
    server.publish(DELTA, b"here", retain=True)
    tries = 6 if isinstance(site, NatsSite) else 1  # the others hand it over the first time
    assert any(handed_again(reader, (DELTA, b"here", 1, True)) for _ in range(tries))
    heard: list[bytes] = []
    for number in range(tries):  # the same goes for what is published just after that
        server.publish(DELTA, b"next %d" % number)
        with suppress(Empty):
            while not (heard and heard[-1].startswith(b"next")):
                heard.append(reader.message(seconds=4)[1])
        if heard and heard[-1].startswith(b"next"):
            break
    server.publish(DELTA, b"", retain=True)
    while heard[-1] != b"":
        heard.append(reader.next()[1])
    assert [payload for payload in heard if payload != b"here"] in (
        [b"next %d" % number, b""] for number in range(tries)
    ), "it is subscribed once"


def test_a_client_that_is_gone_leaves_its_last_will(stack: ExitStack, site: Site) -> None:
    presence = TOPICS.reader("north-2", "presence")
    server = subscribed(stack, site, "server", (TOPICS.reader("+", "presence"), 1))
    client = arrived(stack, site, "north-2", will=(presence, b"gone"))
    client.publish(presence, b"here", retain=True)
    heard_until(server, (presence, b"here", 1, False))
    client.cut()
    heard_until(server, (presence, b"gone", 1, False))
    arrived(stack, site, "north-2", will=(presence, b"gone")).close()
    again = arrived(stack, site, "north-2")
    again.publish(presence, b"here again")
    assert server.next() == (presence, b"here again"), "a client that says goodbye leaves none"
    late = subscribed(stack, site, "server", (presence, 1))
    assert late.message() == (presence, b"gone", 1, True)


def test_nobody_speaks_for_the_server_or_for_another_reader(stack: ExitStack, site: Site) -> None:
    """Retained or not, with an acknowledgement or without, and by a last will too."""
    stack.callback(clear, site, DELTA, SNAPSHOT, TOPICS.head)
    others = TOPICS.reader("north-1", "state")
    own = TOPICS.reader("north-2", "state")
    honest = subscribed(stack, site, "north-1", *OF_LIST)
    server = subscribed(stack, site, "server", (TOPICS.reader("+", "state"), 1))
    server.publish(DELTA, b"the server's", retain=True)
    server.publish(TOPICS.head, b"the server's", retain=True, qos=0)
    heard_until(honest, (TOPICS.head, b"the server's", 0, False))
    forger = arrived(stack, site, "north-2", will=(TOPICS.head, b"forged"))
    for topic in (TOPICS.head, SNAPSHOT, DELTA, others):
        for payload, qos, retain in ((b"forged", 1, True), (b"forged", 0, True), (b"forged", 1, False), (b"", 1, True)):
            forger.publish(topic, payload, qos=qos, retain=retain)
    forger.publish(own, b"its own")
    assert server.next() == (own, b"its own")
    forger.cut()
    server.publish(SNAPSHOT, b"the server's")
    assert heard_until(honest, (SNAPSHOT, b"the server's", 1, False)) <= {b"the server's"}
    held_at(site, server, "north-1", dict.fromkeys((DELTA, TOPICS.head), b"the server's"))


def test_a_reader_that_returns_gets_the_present_and_nothing_of_the_past(stack: ExitStack, site: Site) -> None:
    stack.callback(clear, site, DELTA, TOPICS.head)
    server = arrived(stack, site, "server")
    reader = subscribed(stack, site, "north-1", *OF_LIST)
    publish_and_hear(site, server, reader, DELTA, b"before")
    reader.cut()
    for text in (b"meanwhile", b"now"):
        server.publish(DELTA, text, retain=True)
        server.publish(TOPICS.head, text, retain=True, qos=0)
    present = {DELTA: b"now", TOPICS.head: b"now"}
    held_at(site, server, "north-2", present)
    again = arrived(stack, site, "north-1")
    again.subscribe((LAST, 1))
    assert again.next() == (LAST, b"that was all"), "nothing waited for it"
    again.subscribe(*OF_LIST)
    assert {again.message() for _ in present} == {(DELTA, b"now", 1, True), (TOPICS.head, b"now", 0, True)}


def test_a_real_server_and_real_readers_over_a_restart(stack: ExitStack, site: Site, tmp_path: Path) -> None:
    server = house(stack, site, tmp_path, site.bus_settings())
    reader = server.reader("north-1", site.address("north-1"))
    # A cluster may lose what is published while it takes the subscription: the next head, after 30 s, tells.
    server.wait_for(reader, seconds=FAILOVER_SECONDS)
    for _ in range(5):
        server.change()
        server.wait_for(reader)
    wait_for(lambda: server.says_present("north-1"), "the reader's state at the server")
    wait_for(lambda: server.presence("north-1") is Presence.ONLINE, "the reader's presence at the server")
    site.kill()
    server.change(3)
    site.start()
    server.wait_for(reader, seconds=FAILOVER_SECONDS)
    newcomer = server.reader("north-2", site.address("north-2"))
    server.change()
    server.wait_for(reader, newcomer, seconds=FAILOVER_SECONDS)
    newcomer.close()
    wait_for(lambda: server.presence("north-2") is Presence.OFFLINE, "a goodbye at the server")
