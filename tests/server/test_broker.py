"""The embedded broker: its command, its topic rules, and the session rules of `broker.sessions`, with real clients."""

import random
import re
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from queue import Queue

import pytest
from tests.support.brokers import BrokerKind, LocalBroker, start_embedded
from tests.support.mqtt import SECONDS, Client, RawClient

from waypass_server.broker import BrokerSettings, bind
from waypass_server.broker.access import SERVER_LOGIN, may_publish, password_line, read_passwords
from waypass_server.broker.sessions import PACKET_LIMIT, UNSENT_LIMIT
from waypass_server.errors import ConfigurationError
from waypass_simulator.processes import Program, ProgramError, Stream

MODULE = [sys.executable, "-m", "waypass_server.commands.broker"]
NOT_AUTHORISED = 135


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """An open broker for all tests that do not hurt it; each test has topics of its own."""
    with LocalBroker(BrokerKind.EMBEDDED, tmp_path_factory.mktemp("broker")) as broker:
        yield broker.port


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A broker with logins: `server`, `gate-1`, `gate-2`; the password is the name backwards."""
    folder = tmp_path_factory.mktemp("guarded")
    file = folder / "passwords"
    lines = [password_line(name, name[::-1]) for name in (SERVER_LOGIN, "gate-1", "gate-2")]
    file.write_text("# logins\n\n" + "\n".join(lines) + "\n", encoding="utf-8")
    with LocalBroker(BrokerKind.EMBEDDED, folder, passwords=file) as broker:
        yield broker.port


@pytest.fixture
def topic(request: pytest.FixtureRequest) -> str:
    """The beginning of topics that only this test uses."""
    return f"test/{request.node.name}"


def login(name: str) -> tuple[str, str]:
    return name, name[::-1]


def memory_of(pid: int) -> int:
    """Resident bytes."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(encoding="ascii"))
    assert found
    return int(found[1]) * 1024


# The command.


def test_it_says_where_it_listens_and_ends_on_sigterm() -> None:
    with Program([*MODULE, "broker", "--port", "0"]) as program:
        port = int(program.wait_for_line(r"^broker: listening on 127\.0\.0\.1:(\d+)$", timeout=SECONDS)[1])
        with Client("somebody", port) as client:
            assert client.answer == 0
            assert program.terminate() == 0
        assert program.text(Stream.STDOUT) == ""
        assert len(program.lines(Stream.STDERR)) == 1


def test_it_ends_on_sigterm_with_a_client_that_does_not_read() -> None:
    with Program([*MODULE, "broker", "--port", "0"]) as program:
        port = int(program.wait_for_line(r"listening on .*:(\d+)$", timeout=SECONDS)[1])
        with RawClient(port) as deaf, Client("talker", port) as talker:
            deaf.connect("deaf")
            deaf.subscribe("loud/#", 1)
            for _ in range(20):
                talker.publish("loud/noise", bytes(512 << 10))
            assert program.terminate() == 0


def test_it_listens_on_ipv6_loopback() -> None:
    with Program([*MODULE, "broker", "--host", "::1", "--port", "0"]) as program:
        port = int(program.wait_for_line(r"^broker: listening on \[::1\]:(\d+)$", timeout=SECONDS)[1])
        socket.create_connection(("::1", port), timeout=SECONDS).close()


def test_a_port_in_use_is_named(port: int) -> None:
    with Program([*MODULE, "broker", "--port", str(port)]) as program:
        assert program.wait(timeout=SECONDS) == 2
        assert program.text(Stream.STDERR) == f"broker: cannot listen on 127.0.0.1:{port}: Address already in use\n"


@pytest.mark.parametrize(
    ("host", "port", "message"),
    [
        ("127.0.0.1", 65_536, "broker: expected a port from 0 to 65535, got 65536"),
        ("127.0.0.1", -1, "broker: expected a port from 0 to 65535, got -1"),
        ("0.0.0.0", 0, "broker: expected --passwords FILE to listen on 0.0.0.0:0; without it only loopback is served"),
        ("::", 0, "broker: expected --passwords FILE to listen on [::]:0; without it only loopback is served"),
        ("no-such-host.invalid", 0, "broker: cannot listen on no-such-host.invalid:0"),
    ],
)
def test_places_where_it_does_not_listen(host: str, port: int, message: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        bind(BrokerSettings(host=host, port=port))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_places_where_it_listens_without_passwords(host: str) -> None:
    with bind(BrokerSettings(host=host, port=0)) as listening:
        assert listening.getsockname()[1] > 0


def test_a_wrong_option_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    with Program([*MODULE, "broker", "--passwords", tmp_path / "missing"]) as program:
        assert program.wait(timeout=SECONDS) == 2
        (line,) = program.lines(Stream.STDERR)
        assert line.startswith(f"password file {tmp_path / 'missing'}: cannot be read")


def test_password_lines_let_their_owners_in(tmp_path: Path) -> None:
    with (
        Program([*MODULE, "broker-password", "server", "--generate"]) as generated,
        Program([*MODULE, "broker-password", "gate-1"], stdin="s3cret\n") as given,
    ):
        assert (generated.wait(timeout=SECONDS), given.wait(timeout=SECONDS)) == (0, 0)
        password = generated.lines(Stream.STDERR)[0].removeprefix("password: ")
        text = generated.text(Stream.STDOUT) + given.text(Stream.STDOUT)
    assert password not in text
    assert "s3cret" not in text
    file = tmp_path / "passwords"
    file.write_text(text, encoding="utf-8")
    with LocalBroker(BrokerKind.EMBEDDED, tmp_path, passwords=file) as broker:
        for credentials, answer in [
            (("server", password), 0),
            (("gate-1", "s3cret"), 0),
            (("gate-1", "s3cre"), NOT_AUTHORISED),
            (("server", "s3cret"), NOT_AUTHORISED),
        ]:
            with Client("me", broker.port, login=credentials) as client:
                assert client.answer == answer


def test_a_password_line_needs_a_name_that_can_be_a_topic_level() -> None:
    with Program([*MODULE, "broker-password", "gate/1"], stdin="s3cret\n") as program:
        assert program.wait(timeout=SECONDS) == 2
        assert "expected a name of 1 to 64 letters, digits" in program.text(Stream.STDERR)


# Who may do what.

GOOD_HASH = password_line("x", "x").removeprefix("x:")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("no colon", "server\n", "line 1: expected NAME:ARGON2-HASH"),
        ("plain password", "server:secret\n", "line 1: expected NAME:ARGON2-HASH"),
        ("bad name", f"server:{GOOD_HASH}\ngate/1:{GOOD_HASH}\n", "line 2: expected NAME:ARGON2-HASH"),
        ("twice", f"server:{GOOD_HASH}\n\nserver:{GOOD_HASH}\n", "line 3: expected each name once, got server again"),
        ("no server", f"gate-1:{GOOD_HASH}\n", "expected a line for the login 'server', got none"),
        ("empty", "# nobody\n", "expected a line for the login 'server', got none"),
    ],
)
def test_password_files_that_are_refused(name: str, text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "passwords"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        read_passwords(file)


@pytest.mark.parametrize(
    ("who", "where", "allowed"),
    [
        ("server", "waypass/1/metro/head", True),
        ("server", "waypass/1/metro/status/17/delta/3", True),
        ("server", "waypass/1/metro/reader/gate-1/state", True),
        ("server", "waypass/2/metro/head", False),
        ("server", "other/head", False),
        ("gate-1", "waypass/1/metro/reader/gate-1/state", True),
        ("gate-1", "waypass/1/harbour/reader/gate-1/presence", True),
        ("gate-1", "waypass/1/metro/reader/gate-1", False),
        ("gate-1", "waypass/1/metro/reader/gate-2/state", False),
        ("gate-1", "waypass/1/metro/reader/gate-11/state", False),
        ("gate-1", "waypass/1/metro/head", False),
        ("gate-1", "waypass/1/metro/status/17/snapshot", False),
        ("gate-1", "waypass/1/metro/status/reader/gate-1/x", False),
        ("gate-1", "waypass/1/reader/gate-1/state", False),
        ("gate-1", "gate-1", False),
        ("gate-1", "", False),
    ],
)
def test_where_a_login_may_publish(who: str, where: str, allowed: bool) -> None:
    assert may_publish(who, where) is allowed


@pytest.mark.parametrize(
    ("name", "credentials"),
    [
        ("no login", None),
        ("unknown name", ("nobody", "x")),
        ("wrong password", ("gate-1", "gate-1")),
        ("empty password", ("gate-1", "")),
        ("password of another", ("gate-1", "2-etag")),
    ],
)
def test_who_is_not_let_in(name: str, credentials: tuple[str, str] | None, guarded: int) -> None:
    with Client("stranger", guarded, login=credentials) as client:
        assert client.answer == NOT_AUTHORISED


def test_topic_rules_hold_for_publications_and_wills(guarded: int) -> None:
    forged = ("waypass/1/metro/head", b"forged will")
    with Client("watcher", guarded, login=login("server")) as server:
        server.subscribe(("waypass/1/#", 1))
        with Client("gate", guarded, login=login("gate-1"), will=forged) as gate:
            gate.publish("waypass/1/metro/head", b"forged", retain=True)
            gate.publish("waypass/1/metro/status/17/snapshot", b"forged", retain=True)
            gate.publish("waypass/1/metro/reader/gate-2/state", b"forged", retain=True)
            gate.publish("waypass/1/metro/reader/gate-1/state", b"mine", retain=True)
            assert server.next() == ("waypass/1/metro/reader/gate-1/state", b"mine")
            gate.paho.socket().close()  # type: ignore[union-attr]  # connected; this is a crash, so the will is due
        with Client("gate", guarded, login=login("gate-1")) as gate:
            gate.publish("waypass/1/metro/reader/gate-1/state", b"back", retain=True)
            assert server.next() == ("waypass/1/metro/reader/gate-1/state", b"back")
        server.publish("waypass/1/metro/head", b"true", retain=True)
        assert server.next() == ("waypass/1/metro/head", b"true")
    with Client("late", guarded, login=login("gate-2")) as late:
        late.subscribe(("waypass/1/#", 1))
        held = dict([late.next(), late.next()])
        assert held == {"waypass/1/metro/reader/gate-1/state": b"back", "waypass/1/metro/head": b"true"}


def test_a_login_cannot_end_the_connection_of_another(guarded: int) -> None:
    mine = "waypass/1/metro/reader/gate-1/alive"
    with Client("same-id", guarded, login=login("gate-1")) as gate:
        gate.subscribe((mine, 1))
        with Client("same-id", guarded, login=login("gate-2")) as other:
            assert other.answer == 0
        with Client("same-id", guarded, login=("gate-1", "wrong")) as stranger:
            assert stranger.answer == NOT_AUTHORISED
        gate.publish(mine, b"still here")
        assert gate.next() == (mine, b"still here")


# The rules of sessions.


def test_a_second_connection_ends_the_first_whose_will_comes_before(port: int, topic: str) -> None:
    presence = f"{topic}/presence"
    with Client("watcher-of-presence", port) as watcher:
        watcher.subscribe((presence, 1))
        with Client("gate-twice", port, will=(presence, b"offline")) as first:
            first.publish(presence, b"online 1", retain=True)
            with Client("gate-twice", port, will=(presence, b"offline")) as second:
                second.publish(presence, b"online 2", retain=True)
                first.ended.get(timeout=SECONDS)
                assert [watcher.next()[1] for _ in range(3)] == [b"online 1", b"offline", b"online 2"]
                second.publish(presence, b"still online", retain=True)
                assert watcher.next()[1] == b"still online"


def test_nothing_is_sent_before_a_client_subscribes(port: int, topic: str) -> None:
    with Client("eager", port) as eager:
        eager.subscribe((f"{topic}/#", 1))
        eager.publish(f"{topic}/held", b"held", retain=True)
        assert eager.next() == (f"{topic}/held", b"held")
        with Client("newcomer", port) as newcomer:
            newcomer.subscribe(("newcomer/own", 1))
            newcomer.publish("newcomer/own", b"first")
            assert newcomer.next() == ("newcomer/own", b"first")


def test_what_was_sent_before_a_crash_is_handled_before_the_will(port: int, topic: str) -> None:
    with Client("watcher-of-crash", port) as watcher:
        watcher.subscribe((f"{topic}/#", 1))
        with RawClient(port) as gate:
            gate.connect("crasher", will=(f"{topic}/state", b"will"))
            for number in range(1, 101):
                gate.publish(f"{topic}/state", b"%d" % number, packet_id=number)
            gate.read(4)  # the first acknowledgement; 99 messages are still on their way
        seen: list[bytes] = []
        while seen[-1:] != [b"will"]:
            seen.append(watcher.next()[1])
        assert seen == [*(b"%d" % number for number in range(1, len(seen))), b"will"]
    with Client("later", port) as later:
        later.subscribe((f"{topic}/state", 1))
        assert later.next()[1] == b"will"


def test_the_will_of_a_silent_client_is_published(port: int, topic: str) -> None:
    with Client("watcher-of-silence", port) as watcher, RawClient(port) as silent:
        watcher.subscribe((f"{topic}/#", 1))
        silent.connect("silent", keepalive=1, will=(f"{topic}/presence", b"offline"))
        assert watcher.message() == (f"{topic}/presence", b"offline", 1, False)
        assert silent.at_end()


def test_the_will_of_a_killed_program_is_published(port: int, topic: str) -> None:
    script = (
        "import sys, paho.mqtt.client as m\n"
        "c = m.Client(m.CallbackAPIVersion.VERSION2, client_id='killed', protocol=m.MQTTv311)\n"
        f"c.will_set('{topic}/presence', b'offline', qos=1, retain=True)\n"
        "c.on_connect = lambda *_: print('connected', file=sys.stderr)\n"
        f"c.connect('127.0.0.1', {port}, 30)\n"
        "c.loop_forever()\n"
    )
    with Client("watcher-of-kill", port) as watcher, Program([sys.executable, "-c", script]) as program:
        watcher.subscribe((f"{topic}/#", 1))
        program.wait_for_line("connected", timeout=SECONDS)
        program.kill()
        assert watcher.next() == (f"{topic}/presence", b"offline")


def test_a_client_that_leaves_in_order_has_no_will(port: int, topic: str) -> None:
    with Client("watcher-of-order", port) as watcher:
        watcher.subscribe((f"{topic}/#", 1))
        Client("orderly", port, will=(f"{topic}/presence", b"offline")).close()
        watcher.publish(f"{topic}/fence", b"")
        assert watcher.next() == (f"{topic}/fence", b"")


def test_a_client_that_does_not_read_is_cut_off_and_holds_up_nobody(tmp_path: Path) -> None:
    payload = bytes(512 << 10)
    count = UNSENT_LIMIT // len(payload) * 2
    with (
        LocalBroker(BrokerKind.EMBEDDED, tmp_path) as broker,
        RawClient(broker.port) as deaf,
        Client("reads", broker.port) as reads,
        Client("writes", broker.port) as writes,
    ):
        before = memory_of(broker.program.pid)
        deaf.connect("deaf", will=("presence/deaf", b"offline"))
        deaf.subscribe("status/#", 1)
        reads.subscribe(("status/#", 1), ("presence/#", 1))
        arrived: Queue[str] = Queue()
        for _ in range(count):
            writes.publish("status/17/snapshot", payload)
        for _ in range(count + 1):
            arrived.put(reads.next()[0])
        topics = [arrived.get() for _ in range(count + 1)]
        assert topics.count("presence/deaf") == 1
        # The limit, and as much again for copies on their way; not the 64 MiB that were published to it.
        assert memory_of(broker.program.pid) - before < 2 * UNSENT_LIMIT


@pytest.mark.parametrize(
    ("sent", "granted", "arrives"), [(0, 0, 0), (0, 1, 0), (1, 0, 0), (1, 1, 1), (2, 1, 1), (1, 2, 1), (2, 2, 1)]
)
def test_a_message_has_the_lesser_qos(sent: int, granted: int, arrives: int, port: int, topic: str) -> None:
    with Client(f"qos-{sent}-{granted}", port) as client:
        assert client.subscribe((f"{topic}/#", granted)) == [min(granted, 1)]
        client.publish(f"{topic}/x", b"live", qos=sent, retain=True)
        assert client.message() == (f"{topic}/x", b"live", arrives, False)
        client.subscribe((f"{topic}/x", granted))
        assert client.message() == (f"{topic}/x", b"live", arrives, True)


def test_overlapping_filters_give_one_copy_of_the_highest_qos(port: int, topic: str) -> None:
    with Client("overlaps", port) as client:
        client.subscribe((f"{topic}/#", 0), (f"{topic}/+/delta/+", 1), (f"{topic}/17/#", 0))
        client.publish(f"{topic}/17/delta/1", b"once", qos=1)
        client.publish(f"{topic}/fence", b"", qos=1)
        assert client.message() == (f"{topic}/17/delta/1", b"once", 1, False)
        assert client.message() == (f"{topic}/fence", b"", 0, False)


def test_subscribing_again_changes_the_qos_and_unsubscribing_ends_it(port: int, topic: str) -> None:
    with Client("again", port) as client:
        for qos in (1, 0, 1):
            assert client.subscribe((f"{topic}/x", qos)) == [qos]
            client.publish(f"{topic}/x", b"", qos=1)
            assert client.message() == (f"{topic}/x", b"", qos, False)
        client.subscribe((f"{topic}/fence", 1))
        client.paho.unsubscribe(f"{topic}/x")
        client.publish(f"{topic}/x", b"", qos=1)
        client.publish(f"{topic}/fence", b"", qos=1)
        assert client.next() == (f"{topic}/fence", b"")


@pytest.mark.parametrize("topic_filter", ["a/#/b", "a#", "a/b+", "+a/b", "##"])
def test_filters_that_cannot_be_are_refused(topic_filter: str, port: int) -> None:
    with RawClient(port) as client:
        client.connect("bad-filter")
        assert client.subscribe(topic_filter, 1) == b"\x90\x03\x00\x01\x80"


@pytest.mark.parametrize("where", ["$SYS/x", "a/#", "a/+/b", ""])
def test_topics_that_cannot_be_end_the_connection(where: str, port: int) -> None:
    with RawClient(port) as client:
        client.connect("bad-topic")
        client.publish(where, b"x", packet_id=1)
        assert client.at_end()


def test_a_will_for_a_topic_that_cannot_be_is_refused_at_once(port: int) -> None:
    with RawClient(port) as client:
        assert client.connect("bad-will", will=("a/#", b"x")) == b""


def test_a_late_joiner_gets_all_that_is_retained_once(port: int, topic: str) -> None:
    held = {f"{topic}/{a}/delta/{n}": bytes([a, n]) * 150 for a in range(4) for n in range(64)}
    held |= {f"{topic}/{a}/snapshot": bytes([a]) * 100_000 for a in range(4)}
    with Client("fills", port) as fills:
        for where, payload in held.items():
            fills.publish(where, payload, retain=True)
    with Client("late", port) as late:
        late.subscribe((f"{topic}/+/delta/+", 1), (f"{topic}/+/snapshot", 1))
        messages = [late.message() for _ in range(260)]
        assert {where: payload for where, payload, _, _ in messages} == held
        assert {(qos, retained) for _, _, qos, retained in messages} == {(1, True)}
        late.publish(f"{topic}/0/delta/0", b"fence")
        assert late.message() == (f"{topic}/0/delta/0", b"fence", 1, False)


def test_a_packet_over_the_limit_ends_the_connection(port: int) -> None:
    with RawClient(port) as client:
        client.connect("huge")
        client.socket.sendall(b"\x30" + bytes([0xFF, 0xFF, 0xFF, 0x7F]) + b"\x00\x01x")
        assert client.at_end()
    with RawClient(port) as client:
        client.socket.sendall(b"\x10" + bytes([0xFF, 0xFF, 0xFF, 0x7F]))
        assert client.at_end()
    assert PACKET_LIMIT >= 512 << 10


def test_a_connection_that_says_nothing_is_ended(port: int) -> None:
    with RawClient(port) as client:
        assert client.at_end()


def test_noise_harms_nobody(port: int, topic: str) -> None:
    noise = random.Random(17)
    with Client("unharmed", port) as client:
        client.subscribe((f"{topic}/#", 1))
        for number in range(300):
            with RawClient(port) as raw:
                if number % 2:
                    raw.connect(f"noise-{number}")
                raw.socket.sendall(noise.randbytes(noise.randint(1, 60)))
        client.publish(f"{topic}/x", b"fine", qos=1)
        assert client.next() == (f"{topic}/x", b"fine")


def test_a_broker_that_was_killed_comes_back_empty_on_the_same_port(tmp_path: Path) -> None:
    with LocalBroker(BrokerKind.EMBEDDED, tmp_path) as broker:
        with Client("before", broker.port) as before:
            before.publish("head", b"old", retain=True)
            broker.kill()
            before.ended.get(timeout=SECONDS)
        broker.start()
        with Client("after", broker.port) as after:
            after.subscribe(("#", 1))
            after.publish("fence", b"")
            assert after.next() == ("fence", b"")


def test_starting_a_broker_on_a_busy_port_is_reported_by_the_helper(port: int) -> None:
    with pytest.raises(ProgramError, match="but it ended"):
        start_embedded("127.0.0.1", port)
