"""Mosquitto on the shipped files: who gets in, and every topic that each may and may not say and hear.

A refused publication is acknowledged and a refused subscription granted, so nothing here believes an answer: what a
login can say is what `spy` hears of it, and what it can hear is what arrives when `spy` says everything. The broker
handles messages one after another; a last message that is allowed shows that nothing else will come.
"""

import socket
import ssl
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.brokers import needs_mosquitto
from tests.support.certificates import SigningAuthority
from tests.support.mqtt import SECONDS, Client
from tests.support.shipped_brokers import PASSWORDS, ShippedBroker

pytestmark = needs_mosquitto

ROOT = "waypass/1/metro"
HEAD = f"{ROOT}/head"
STATUS = {HEAD, f"{ROOT}/status/17/snapshot", f"{ROOT}/status/17/compact", f"{ROOT}/status/17/delta/3"}
LEAVES = ("presence", "state", "live", "counts")
LOGINS = ("server", "north-1", "north-2", "east-1", "station", "bridge-north")


def own(reader: str, *leaves: str) -> set[str]:
    """Topics of a reader."""
    return {f"{ROOT}/reader/{reader}/{leaf}" for leaf in leaves or LEAVES}


def of_all(*leaves: str) -> set[str]:
    """Such topics of everybody."""
    return {topic for name in LOGINS for topic in own(name, *leaves)}


# All that section 5 of the wire format names, and neighbours that it does not name.
TOPICS = sorted(
    STATUS
    | of_all()
    | of_all("reentry")
    | {topic.replace("metro", "other") for topic in STATUS | own("north-1")}
    | {topic.replace("waypass/1", "waypass/2") for topic in STATUS}
    | {f"{ROOT}/status", f"{ROOT}/status/17", f"{ROOT}/status/17/delta", f"{ROOT}/status/17/delta/3/more"}
    | {f"{ROOT}/status/17/other", f"{ROOT}/status/snapshot", f"{ROOT}/head/more", f"{HEAD}/", f"{ROOT}/other", ROOT}
    | {f"{ROOT}/reader/north-1", f"{ROOT}/reader/north-1/other", f"{ROOT}/reader/north-1/live/more"}
    | {f"{ROOT}//live", f"/{HEAD}", "head", "elsewhere"}
)
REPORTS = ("presence", "state", "counts")
MAY_SAY = {
    "server": STATUS,
    "north-1": own("north-1"),
    "north-2": own("north-2"),
    "east-1": own("east-1"),
    "station": set(),
    "bridge-north": own("north-1", *REPORTS) | own("north-2", *REPORTS),
}
# What keeps server and station from being readers keeps them from hearing such a reader too.
MAY_HEAR = dict.fromkeys(LOGINS, STATUS) | {
    "server": STATUS | of_all(*REPORTS) - own("server"),
    "station": STATUS | of_all() - own("station"),
}
# Readers tell each other of re-entry at their station alone; the box makes the keys for it, and hears nothing.
STATION_SAYS = {login: own(login, *LEAVES, "reentry") for login in LOGINS} | {"station": set[str]()}
STATION_HEARS = dict.fromkeys(LOGINS, STATUS | of_all("reentry")) | {"station": STATUS | of_all() - own("station")}


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """A running broker, and what its access list promises."""

    broker: ShippedBroker
    may_say: dict[str, set[str]]
    may_hear: dict[str, set[str]]


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> tuple[SigningAuthority, SigningAuthority]:
    """The one for clients, and the one behind the broker's own certificate."""
    folder = tmp_path_factory.mktemp("authorities")
    return SigningAuthority(folder / "clients"), SigningAuthority(folder / "brokers")


@pytest.fixture(scope="module")
def broker(
    authorities: tuple[SigningAuthority, SigningAuthority], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ShippedBroker]:
    """One for all tests that leave it as it was."""
    made = ShippedBroker(folder=tmp_path_factory.mktemp("broker"), clients=authorities[0], own=authorities[1])
    with made.start():
        yield made


@pytest.fixture(scope="module", params=["acl", "station-acl"])
def rules(
    request: pytest.FixtureRequest,
    authorities: tuple[SigningAuthority, SigningAuthority],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Rules]:
    made = ShippedBroker(folder=tmp_path_factory.mktemp("rules"), clients=authorities[0], own=authorities[1])
    central = request.param == "acl"
    with made.start(acl=request.param):
        yield Rules(
            broker=made,
            may_say=MAY_SAY if central else STATION_SAYS,
            may_hear=MAY_HEAR if central else STATION_HEARS,
        )


def heard_until(client: Client, last: bytes) -> list[tuple[str, bytes]]:
    """Everything that arrives before a message with this payload."""
    heard: list[tuple[str, bytes]] = []
    while (message := client.next())[1] != last:
        heard.append(message)
    return heard


@pytest.mark.parametrize("login", LOGINS)
def test_each_login_says_what_it_may_and_nothing_else(rules: Rules, login: str) -> None:
    with rules.broker.spy() as spy, rules.broker.client(login) as client:
        spy.subscribe(("#", 1))
        said = f"said by {login}".encode()
        for topic in TOPICS:
            client.publish(topic, said)
        spy.publish(HEAD, b"that was all")
        heard = {topic for topic, payload in heard_until(spy, b"that was all") if payload == said}
    assert heard == rules.may_say[login]


@pytest.mark.parametrize("login", LOGINS)
def test_each_login_hears_what_it_may_and_nothing_else(rules: Rules, login: str) -> None:
    wide = ["#", "+/#", "+/+/+/+", f"{ROOT}/#", f"{ROOT}/reader/#", f"{ROOT}/reader/+/live", f"{ROOT}/status/#"]
    filters = [*wide, *TOPICS, "$SYS/#", "$SYS/broker/version"]
    with rules.broker.spy() as spy, rules.broker.client(login) as client:
        for topic in TOPICS:
            spy.publish(topic, b"retained", retain=True)
        granted = client.subscribe(*((topic, 1) for topic in filters))
        for topic in TOPICS:
            spy.publish(topic, b"now")
        spy.publish(HEAD, b"that was all")
        heard = heard_until(client, b"that was all")
    assert len(granted) == len(filters)
    assert {topic for topic, payload in heard if payload == b"retained"} == rules.may_hear[login]
    assert {topic for topic, payload in heard if payload == b"now"} == rules.may_hear[login]


def test_a_shared_subscription_is_no_way_round(rules: Rules) -> None:
    with rules.broker.spy() as spy, rules.broker.client("north-1") as client:
        client.subscribe((f"$share/all/{ROOT}/reader/#", 1), (HEAD, 1))
        for topic in sorted(of_all()):
            spy.publish(topic, b"now")
        spy.publish(HEAD, b"that was all")
        assert [one for one in heard_until(client, b"that was all") if one[1] == b"now"] == []


@pytest.mark.parametrize(("reader", "arrives"), [("north-1", True), ("north-2", False)])
def test_a_last_will_is_held_to_the_same_rules(rules: Rules, reader: str, arrives: bool) -> None:
    topic = f"{ROOT}/reader/{reader}/presence"
    with rules.broker.spy() as spy:
        spy.subscribe(("#", 1))
        client = rules.broker.client("north-1", will=(topic, b"gone"))
        if client.answer == 0:
            connection = client.paho.socket()
            assert isinstance(connection, ssl.SSLSocket)
            connection.shutdown(socket.SHUT_RDWR)
        client.ended.get(timeout=SECONDS)
        client.close()
        # A login is one connection: the next one under this name is accepted when the first has ended, will and all.
        with rules.broker.client("north-1"):
            spy.publish(HEAD, b"that was all")
            assert ((topic, b"gone") in heard_until(spy, b"that was all")) is arrives


def test_nobody_throws_another_out_with_its_client_id(broker: ShippedBroker) -> None:
    with (
        broker.client("north-1", client_id="waypass-north-1") as first,
        broker.client("north-2", client_id="waypass-north-1") as second,
        broker.client("server") as server,
    ):
        for client in (first, second):
            client.subscribe((HEAD, 0))
        server.publish(HEAD, b"head", qos=0)
        assert first.next() == second.next() == (HEAD, b"head")
        assert first.ended.empty()


def text(data: bytes) -> bytes:
    return struct.pack(">H", len(data)) + data


def answer(port: int, context: ssl.SSLContext | None, login: tuple[str, str] | None = None, name: str = "x") -> bytes:
    """The broker's CONNACK to a CONNECT, or nothing when it ends the connection instead."""
    flags = 0x02 | (0xC0 if login else 0)
    body = text(b"MQTT") + bytes([4, flags, 0, 60]) + text(name.encode())
    body += b"".join(text(word.encode()) for word in login or ())
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as plain:
        try:
            with context.wrap_socket(plain, server_hostname="localhost") if context else plain as connection:
                connection.sendall(bytes([0x10, len(body)]) + body)
                return connection.recv(4)
        except (ssl.SSLError, ConnectionError):
            return b""


ACCEPTED = bytes([0x20, 2, 0, 0])
NOT_AUTHORISED = bytes([0x20, 2, 0, 5])


@pytest.mark.parametrize(
    ("name", "login", "expected"),
    [
        ("right", ("server", PASSWORDS["server"]), ACCEPTED),
        ("wrong", ("server", "guessed"), NOT_AUTHORISED),
        ("another's", ("server", PASSWORDS["north-1"]), NOT_AUTHORISED),
        ("empty", ("server", ""), NOT_AUTHORISED),
        ("of nobody", ("nobody", "x"), NOT_AUTHORISED),
        ("a login without a password", ("north-2", ""), NOT_AUTHORISED),
        ("none", None, NOT_AUTHORISED),
    ],
)
def test_the_password_decides(broker: ShippedBroker, name: str, login: tuple[str, str] | None, expected: bytes) -> None:
    assert answer(broker.passwords, broker.context(), login) == expected


def test_nobody_comes_in_without_a_name_whatever_it_is_called(
    authorities: tuple[SigningAuthority, SigningAuthority], tmp_path: Path
) -> None:
    """Two settings refuse it; this is the one of them that says so."""
    made = ShippedBroker(folder=tmp_path, clients=authorities[0], own=authorities[1])
    with made.start(change={"use_username_as_clientid true": ""}):
        assert answer(made.passwords, made.context()) == NOT_AUTHORISED


def test_a_certificate_is_needed_and_it_names_the_login(broker: ShippedBroker, tmp_path: Path) -> None:
    strangers = SigningAuthority(tmp_path / "strangers")
    good = broker.clients.issue("north-1")
    known = broker.context(good)
    assert answer(broker.certificates, known) == ACCEPTED
    assert answer(broker.certificates, known, ("server", "whatever")) == ACCEPTED, "it comes in, but as north-1: below"
    assert answer(broker.certificates, broker.context()) == b""
    assert answer(broker.certificates, broker.context(), ("server", PASSWORDS["server"])) == b""
    assert answer(broker.certificates, broker.context(strangers.issue("north-1"))) == b""
    assert answer(broker.certificates, broker.context(broker.own.issue("server"))) == b""
    assert answer(broker.certificates, broker.context(broker.clients.issue("late", expired=True))) == b""


def test_a_certificate_and_another_login_beside_it_is_the_certificate(broker: ShippedBroker) -> None:
    context = broker.context(broker.clients.issue("north-1"))
    login = ("server", PASSWORDS["server"])
    with broker.spy() as spy, Client("x", broker.certificates, login=login, tls=context) as client:
        spy.subscribe(("#", 1))
        client.publish(HEAD, b"as the server")
        client.publish(f"{ROOT}/reader/north-1/counts", b"as itself")
        assert spy.next() == (f"{ROOT}/reader/north-1/counts", b"as itself")


@pytest.mark.parametrize("port", ["certificates", "passwords"])
def test_neither_port_speaks_without_tls_or_with_an_old_one(broker: ShippedBroker, port: str) -> None:
    number = broker.certificates if port == "certificates" else broker.passwords
    old = broker.context(broker.clients.issue("north-1"))
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    assert answer(number, None, ("server", PASSWORDS["server"])) == b""
    assert answer(number, old, ("server", PASSWORDS["server"])) == b""


def test_a_client_does_not_take_another_broker_for_this_one(broker: ShippedBroker) -> None:
    stranger = broker.context(ca=broker.clients.ca)
    assert answer(broker.passwords, stranger, ("server", PASSWORDS["server"])) == b""


def test_a_revoked_certificate_stays_out(
    authorities: tuple[SigningAuthority, SigningAuthority], tmp_path: Path
) -> None:
    clients, own_authority = authorities
    stolen, good = clients.issue("north-1"), clients.issue("north-2")
    made = ShippedBroker(folder=tmp_path, clients=clients, own=own_authority)
    (tmp_path / "revoked.pem").write_bytes(clients.revoke(stolen).read_bytes())
    with made.start(change={"# crlfile": "crlfile"}):
        assert answer(made.certificates, made.context(stolen)) == b""
        assert answer(made.certificates, made.context(good)) == ACCEPTED


def test_the_largest_message_passes_and_a_larger_one_does_not(broker: ShippedBroker) -> None:
    snapshot = f"{ROOT}/status/17/snapshot"
    with broker.client("server") as server, broker.client("north-1") as reader:
        reader.subscribe((snapshot, 1))
        server.publish(snapshot, bytes(512 << 10))
        server.publish(snapshot, bytes((512 << 10) + 1))
        server.publish(snapshot, b"the next")
        assert [len(reader.next()[1]), reader.next()[1]] == [512 << 10, b"the next"]


def test_a_packet_that_is_too_large_ends_its_connection(broker: ShippedBroker) -> None:
    with broker.client("north-1") as reader:
        reader.paho.publish(f"{ROOT}/reader/north-1/state", bytes(600 << 10), 1)
        reader.ended.get(timeout=SECONDS)


def test_qos_2_is_not_spoken(broker: ShippedBroker) -> None:
    with broker.client("north-1") as reader:
        reader.paho.publish(f"{ROOT}/reader/north-1/state", b"x", 2)
        reader.ended.get(timeout=SECONDS)


def test_a_returning_reader_gets_the_rings_of_many_lists_at_once(
    authorities: tuple[SigningAuthority, SigningAuthority], tmp_path: Path
) -> None:
    topics = {f"{ROOT}/status/{number}/delta/{place}" for number in range(40) for place in range(64)}
    made = ShippedBroker(folder=tmp_path, clients=authorities[0], own=authorities[1])
    with made.start(), made.client("server") as server, made.client("north-1") as reader:
        sent = [server.paho.publish(topic, b"delta", 1, retain=True) for topic in sorted(topics)]
        for one in sent:
            one.wait_for_publish(SECONDS)
        reader.subscribe((f"{ROOT}/status/+/delta/+", 1), (HEAD, 0))
        heard = {reader.next()[0] for _ in topics}
    assert heard == topics


def test_nothing_is_kept_on_disk(broker: ShippedBroker, authorities: tuple[SigningAuthority, SigningAuthority]) -> None:
    with broker.client("server") as server:
        server.publish(HEAD, b"kept", retain=True)
    assert not list(broker.folder.rglob("*.db"))
