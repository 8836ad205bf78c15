"""Two server processes on one PostgreSQL: one publishes, the other stands by and takes over when that one is killed.

The publishing one is killed (SIGKILL) in the middle of traffic, several times, each time after another number of
commits. A listener at the broker remembers every message. What must hold:

- no version has two contents: not as a delta, not as a snapshot, not in any head; and no head's number comes twice
- every committed change arrives, and a gate that was there from the beginning holds what the database says
- the gate finds nothing to refuse
"""

import hashlib
import random
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select
from tests.server.publishing import YEAR, Gate, add_network, issue, key_seed, make_services, pass_bits
from tests.support.brokers import BrokerKind, LocalBroker, needs_mosquitto
from tests.support.databases import database_url, put_on_postgresql
from tests.support.issuing import NETWORK
from tests.support.postgresql import Cluster, needs_postgresql
from tests.support.publishing import wait_for

from waypass_protocol import bits
from waypass_protocol.keys import TrustSet, Use
from waypass_protocol.status import read_delta, read_head, read_snapshot
from waypass_protocol.topics import Topics
from waypass_server.bus import BusSettings, Message, MqttBus
from waypass_server.key_folder import KeyFolder
from waypass_server.keyring import make_key, write_key
from waypass_server.models.status import PassRow
from waypass_server.passes import take_away
from waypass_server.services import Services, SystemClock
from waypass_simulator.processes import Program

pytestmark = [needs_postgresql, *needs_mosquitto]

SERVE = "import sys; from waypass_server.cli import main; sys.argv[1:] = ['serve', '--config', {!r}]; main()"
KILLS = 3
PASSES = 100
WAIT = 60.0


class Server:
    """One of the two processes."""

    def __init__(self, config: Path) -> None:
        self._config = config
        # Kept connections would be closed by a server that is left alone, and asked just then.
        self._http = httpx.Client(verify=False, timeout=WAIT, limits=httpx.Limits(max_keepalive_connections=0))
        self.program = self._begun()
        self.address = ""

    def publisher(self) -> str:
        """What it says of its publisher."""
        return str(self._http.get(f"{self.address}/health").json()["publisher"])

    def again(self) -> None:
        """A new process, after `kill`."""
        self.program.close()
        self.program = self._begun()
        self.wait()

    def close(self) -> None:
        """End the process that there is."""
        self.program.close()
        self._http.close()

    def wait(self) -> None:
        """Until it listens."""
        self.address = self.program.wait_for_line(r"server: listening on (http://\S+)", timeout=WAIT)[1]

    def _begun(self) -> Program:
        return Program([sys.executable, "-c", SERVE.format(str(self._config))])


class LiveGate(Gate):
    """A gate whose clock goes."""

    def _take(self, message: Message) -> None:
        self.now = int(time.time())
        super()._take(message)


class Listener:
    """Everything that was ever published, by what it says it is."""

    def __init__(self, bus: MqttBus, trust: TrustSet) -> None:
        self._trust = trust
        self._topics = Topics(NETWORK)
        self.deltas: dict[tuple[str, int], set[bytes]] = defaultdict(set)
        self.lists: dict[tuple[str, int], set[bytes]] = defaultdict(set)
        self.heads: dict[int, set[bytes]] = defaultdict(set)
        bus.subscribe(self._topics.head, self._head)
        bus.subscribe(self._topics.all_deltas, self._delta)
        bus.subscribe(self._topics.all_snapshots, self._snapshot)

    def _delta(self, message: Message) -> None:
        delta = read_delta(message.payload, self._trust, int(time.time()))
        self.deltas[delta.uri, delta.version].add(message.payload)

    def _snapshot(self, message: Message) -> None:
        snapshot = read_snapshot(message.payload, self._trust, int(time.time()))
        self.lists[snapshot.uri, snapshot.version].add(hashlib.sha256(snapshot.packed).digest())

    def _head(self, message: Message) -> None:
        head = read_head(message.payload, self._trust, int(time.time()))
        self.heads[head.sequence].add(message.payload)
        for row in head.rows:
            self.lists[row.uri, row.version].add(row.digest)


class Traffic:
    """Withdrawals, one a transaction, and passes for them, committed by a process that publishes nothing."""

    def __init__(self, services: Services, draw: random.Random) -> None:
        self._services = services
        self._draw = draw
        self._stopping = threading.Event()
        self._grew = threading.Condition()
        self.committed = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def wait(self, more: int) -> None:
        """Until so many more are committed."""
        with self._grew:
            aim = self.committed + more
            assert self._grew.wait_for(lambda: self.committed >= aim, WAIT)

    def stop(self) -> None:
        """After the one that is under way."""
        self._stopping.set()
        self._thread.join(WAIT)

    def _run(self) -> None:
        passes: list[int] = []
        while not self._stopping.wait(0.03):  # the pace of the traffic; nothing is waited for
            if not passes:
                issue(self._services, PASSES)
                with self._services.database.reading() as session:
                    passes = list(session.scalars(select(PassRow.id).where(PassRow.status == bits.VALID)))
                self._draw.shuffle(passes)
            with self._services.change() as session:
                take_away(session, [session.get_one(PassRow, passes.pop())], self._services.now())
            with self._grew:
                self.committed += 1
                self._grew.notify_all()


@pytest.fixture
def services(tmp_path: Path, postgresql: Cluster) -> Iterator[Services]:
    put_on_postgresql(tmp_path, postgresql)
    for use in (Use.PASS, Use.STATUS):
        seed = key_seed(use.value)
        begin = int(time.time()) - YEAR
        key = make_key(network=NETWORK, uses=frozenset({use}), nbf=begin, exp=begin + 2 * YEAR, private=seed)
        write_key(tmp_path / "keys", key, seed)
    made = replace(make_services(tmp_path, issuer_keys=KeyFolder(tmp_path / "keys")), clock=SystemClock())
    add_network(made)
    yield made
    made.database.close()


@pytest.mark.timeout(600)
def test_the_publishing_process_is_killed_in_the_middle_of_traffic(tmp_path: Path, services: Services) -> None:
    draw = random.Random(20261126)
    trust = KeyFolder(tmp_path / "keys").trust_set()
    with ExitStack() as stack:
        broker = stack.enter_context(LocalBroker(BrokerKind.MOSQUITTO, tmp_path))
        config = tmp_path / "server.toml"
        config.write_text(
            f'network = "{NETWORK}"\nport = 0\nbroker = "mqtt://127.0.0.1:{broker.port}"\n'
            f'database_url = "{database_url(tmp_path)}"\n',
            encoding="utf-8",
        )
        bus = MqttBus(BusSettings(client_id="listener", host=broker.host, port=broker.port))
        gate = LiveGate(bus, trust)
        listener = Listener(bus, trust)
        bus.start()
        stack.callback(bus.stop)
        servers = [Server(config), Server(config)]
        for server in servers:
            stack.callback(server.close)
        for server in servers:
            server.wait()
        traffic = Traffic(services, draw)
        stack.callback(traffic.stop)
        for kill in range(KILLS):
            wait_for(lambda: sorted(roles(servers)) == ["ok", "stand-by"], "one of them publishes", seconds=WAIT)
            publishing, other = sorted(servers, key=Server.publisher)
            traffic.wait(draw.randrange(5, 30))
            publishing.program.kill()
            wait_for(partial(publishes, other), "the other takes over", seconds=WAIT)
            traffic.wait(5)
            if kill < KILLS - 1:
                publishing.again()
        traffic.stop()
        wait_for(lambda: gate.agrees_with(services), "the gate holds what is committed", seconds=WAIT)
    assert gate.refused == []
    for what, said in (("delta", listener.deltas), ("list", listener.lists), ("head", listener.heads)):
        assert [key for key, contents in said.items() if len(contents) != 1] == [], f"{what}: more than one content"
    statuses = list(pass_bits(services)["wp:1"].values())
    assert statuses.count(bits.INVALID) == traffic.committed
    newest = max(version for _, version in listener.deltas)
    assert {version for _, version in listener.deltas} == set(range(2, newest + 1)), "no version was left out"


def publishes(server: Server) -> bool:
    return server.publisher() == "ok"


def roles(servers: list[Server]) -> list[str]:
    return [server.publisher() for server in servers]
