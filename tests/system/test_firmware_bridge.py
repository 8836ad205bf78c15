"""A centre's broker, a station's, the bridge between them and a reader, all on the shipped files."""

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.brokers import needs_mosquitto
from tests.support.certificates import SigningAuthority
from tests.support.issuing import HOUR, SCOPE, URI, IssuedList, Issuer, make_issuer, write_trust
from tests.support.mqtt import Client
from tests.support.publishing import wait_for
from tests.support.shipped_brokers import ShippedBroker

from waypass_protocol.messages import StateMessage, read_message
from waypass_protocol.topics import Topics
from waypass_simulator.processes import Program

pytestmark = needs_mosquitto

TOPICS = Topics("metro")
READER = [sys.executable, "-c", "from waypass_reader.cli import main; main()"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """Two brokers, the second one with the bridge; `stack` ends what a test starts."""

    centre: ShippedBroker
    centre_program: Program
    station: ShippedBroker
    station_program: Program
    stack: ExitStack

    def at_centre(self, login: str, *filters: str) -> Client:
        """A client of the centre's broker."""
        return self._client(self.centre, login, filters)

    def at_station(self, login: str, *filters: str) -> Client:
        """A client of the station's broker."""
        return self._client(self.station, login, filters)

    def _client(self, broker: ShippedBroker, login: str, filters: tuple[str, ...]) -> Client:
        client = self.stack.enter_context(broker.client(login))
        if filters:
            client.subscribe(*((topic, 1) for topic in filters))
        return client


@pytest.fixture
def line(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Line]:
    """A parameter is the bridge's login at the centre."""
    authorities = {name: SigningAuthority(tmp_path / name) for name in ("clients", "own", "station-clients", "box")}
    centre = ShippedBroker(folder=tmp_path / "centre", clients=authorities["clients"], own=authorities["own"])
    station = ShippedBroker(folder=tmp_path / "station", clients=authorities["station-clients"], own=authorities["box"])
    with ExitStack() as stack:
        first = stack.enter_context(centre.start())
        station.bridge_to(centre, getattr(request, "param", "bridge-north"))
        second = stack.enter_context(station.start(acl="station-acl"))
        yield Line(centre=centre, centre_program=first, station=station, station_program=second, stack=stack)


def wait_for_bridge(server: Client, witness: Client) -> None:
    """Until what the server says arrives at the station."""

    def arrived() -> bool:
        server.publish(TOPICS.head, b"is anybody there?", qos=0)
        return not witness.messages.empty()

    wait_for(arrived, "a head at the station")


@pytest.mark.parametrize("line", ["bridge-north", "wide"], indirect=True)
def test_status_goes_inwards_and_reports_outwards_and_nothing_else(line: Line) -> None:
    server = line.at_centre("server", f"{TOPICS.root}/reader/#")
    spy = line.stack.enter_context(line.centre.spy())
    spy.subscribe(("#", 1))
    page = line.at_station("station", f"{TOPICS.root}/#")
    wait_for_bridge(server, page)

    for topic in (TOPICS.snapshot("17"), TOPICS.delta("17", 3)):
        server.publish(topic, b"status", retain=True)
    spy.publish(TOPICS.reader("north-1", "state"), b"from the centre")
    spy.publish(f"{TOPICS.root}/other", b"from the centre")
    server.publish(TOPICS.head, b"all of it", retain=True, qos=0)
    inwards = {page.next() for _ in range(2)}
    while (message := page.next())[1] != b"all of it":
        inwards.add(message)
    expected = {(TOPICS.snapshot("17"), b"status"), (TOPICS.delta("17", 3), b"status")}
    assert inwards - {(TOPICS.head, b"is anybody there?")} == expected

    reader = line.at_station("north-1")
    station_spy = line.stack.enter_context(line.station.spy())
    reader.publish(TOPICS.reader("north-1", "live"), b"somebody came", qos=0)
    reader.publish(TOPICS.reentry("north-1"), b"a mark", qos=0)
    station_spy.publish(TOPICS.snapshot("17"), b"from the station")
    station_spy.publish(TOPICS.head, b"from the station")
    for leaf in ("presence", "state", "counts"):
        reader.publish(TOPICS.reader("north-1", leaf), leaf.encode())
    outwards = [server.next() for _ in range(4)]
    assert outwards == [
        (TOPICS.reader("north-1", "state"), b"from the centre"),
        *((TOPICS.reader("north-1", leaf), leaf.encode()) for leaf in ("presence", "state", "counts")),
    ]
    heard = set()
    while (message := spy.next()) != (TOPICS.reader("north-1", "counts"), b"counts"):
        heard.add(message[1])
    assert not heard & {b"somebody came", b"a mark", b"from the station"}
    assert any(page.next() == (TOPICS.reader("north-1", "live"), b"somebody came") for _ in range(20))


def test_a_station_speaks_for_its_own_readers_only(line: Line) -> None:
    server = line.at_centre("server", f"{TOPICS.root}/reader/#")
    wait_for_bridge(server, line.at_station("station", TOPICS.head))
    line.at_station("east-1").publish(TOPICS.reader("east-1", "state"), b"of another station")
    line.at_station("north-2").publish(TOPICS.reader("north-2", "state"), b"its own")
    assert server.next() == (TOPICS.reader("north-2", "state"), b"its own")


def test_who_comes_late_to_the_station_gets_what_is_retained(line: Line) -> None:
    server = line.at_centre("server")
    for topic in (TOPICS.head, TOPICS.snapshot("17"), TOPICS.delta("17", 3)):
        server.publish(topic, b"now", retain=True)
    page = line.at_station("station", f"{TOPICS.root}/#")
    first = {page.next()[0] for _ in range(3)}
    late = line.at_station("north-1", f"{TOPICS.root}/#")
    retained = [late.message() for _ in range(3)]
    assert first == {topic for topic, _, _, _ in retained}
    assert all(is_retained for _, _, _, is_retained in retained)


def test_counts_wait_at_the_station_while_the_line_is_down(line: Line) -> None:
    wait_for_bridge(line.at_centre("server"), line.at_station("station", TOPICS.head))
    reader = line.at_station("north-1")
    line.centre_program.kill()
    for leaf in ("live", "counts"):
        reader.publish(TOPICS.reader("north-1", leaf), leaf.encode())
    line.station_program.pause()  # so that the server is there before the bridge
    line.stack.enter_context(line.centre.start())
    server = line.at_centre("server", f"{TOPICS.root}/reader/#")
    line.station_program.resume()
    assert server.next() == (TOPICS.reader("north-1", "counts"), b"counts")


def write_reader(folder: Path, issuer: Issuer, station: ShippedBroker) -> Path:
    """A reader's folder, with a certificate for the station's broker."""
    write_trust(issuer, folder)
    (folder / "frames").mkdir()
    identity = station.clients.issue("north-1")
    config = folder / "reader.toml"
    config.write_text(
        'reader = "north-1"\nnetwork = "metro"\nkeys = "trust.json"\nstate = "state"\n'
        f'scope = {SCOPE}\nclock = "assume-synchronised"\n'
        f'[broker]\nhost = "localhost"\nport = {station.certificates}\nca = "{station.own.ca}"\n'
        f'certificate = "{identity.certificate}"\nkey = "{identity.key}"\n'
        '[[lane]]\nname = "lane-1"\ndisplay = "lines"\nturnstile = { pins = "mock" }\n'
        'source = { kind = "folder", path = "frames", follow = true }\n',
        encoding="utf-8",
    )
    return config


def publish(server: Client, issued: IssuedList, *, snapshot: bytes, delta: bytes, head: bytes) -> None:
    server.publish(TOPICS.snapshot("17"), snapshot, retain=True)
    server.publish(TOPICS.delta("17", issued.version), delta, retain=True)
    server.publish(TOPICS.head, head, qos=0, retain=True)


def test_a_reader_behind_a_station_broker_holds_what_the_centre_published(line: Line, tmp_path: Path) -> None:
    now = int(time.time())
    issuer = make_issuer(nbf=now - 24 * HOUR)
    issued = issuer.status_list()
    server = line.at_centre("server", f"{TOPICS.root}/reader/+/state")
    snapshot = issued.snapshot(iat=now)
    delta = issued.change(7, iat=now)
    publish(server, issued, snapshot=snapshot, delta=delta, head=issuer.head(issued, sequence=1, iat=now))
    folder = tmp_path / "reader"
    folder.mkdir()
    with Program([*READER, "run", "--config", write_reader(folder, issuer, line.station)]) as reader:
        held: dict[str, int] = {}
        while held.get(URI) != 2:
            topic, payload = server.next()
            assert topic == TOPICS.reader("north-1", "state")
            message = read_message("state", payload)
            assert isinstance(message, StateMessage)
            held = {row.uri: row.version for row in message.lists}
        assert reader.terminate() == 0
