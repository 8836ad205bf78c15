"""How long a committed change takes to the gate: commit -> swapped in one reader's memory, over a real broker.

What runs: a broker process (the embedded one or Mosquitto), a reader process (`waypass-reader run` on an empty folder
of pictures), and in this process the server's own publisher on a SQLite file with full synchronisation. For each
change one pass is withdrawn; the time of its commit is taken when the transaction has returned and before the
publisher is woken, the time of the swap is what the reader reports (`since` in its `state` message; one machine, one
clock). Changes come one at a time, further apart than the 0.2 s that followers gather. Beside each change, a bare
message of a delta's size goes through the same broker, publish -> receive, between two clients of this process.
"""

import json
import os
import queue
import random
import secrets
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path
from statistics import quantiles
from typing import Annotated

import typer
from cryptography.hazmat.primitives.asymmetric import ec
from rich.console import Console
from rich.table import Table
from sqlalchemy import select

from waypass_protocol.bits import VALID
from waypass_protocol.keys import HolderSigner, Use
from waypass_protocol.messages import StateMessage, read_message
from waypass_protocol.topics import Topics
from waypass_server import migrations
from waypass_server.bus import BusSettings, Message, MqttBus
from waypass_server.database import Database
from waypass_server.evidence import SignerSet
from waypass_server.issuing import PassRequest, issue_bound
from waypass_server.keyring import Keyring, make_key
from waypass_server.models.network import Network, Scope
from waypass_server.models.people import Person
from waypass_server.models.status import PassRow
from waypass_server.notices import MemoryOutbox
from waypass_server.passes import take_away
from waypass_server.publisher import Publisher
from waypass_server.services import Services, SystemClock
from waypass_server.settings import Settings
from waypass_simulator.processes import Program, Stream, free_port, wait_for_port

NETWORK, READER, LIST_URI = "bench", "gate-1", "wp:1"
HOST = "127.0.0.1"
WARM_UP = 5
APART = 0.25
DEADLINE = 20.0
DELTA_BYTES = 190
YEAR = 365 * 86_400


class Broker(StrEnum):
    """Which broker."""

    EMBEDDED = "embedded"
    MOSQUITTO = "mosquitto"


def main(
    as_json: Annotated[bool, typer.Option("--json", help="One object a line.")] = False,
    broker: Annotated[list[Broker] | None, typer.Option(help="By default both.")] = None,
    changes: Annotated[int, typer.Option(min=10, help="How many changes are measured.")] = 200,
) -> None:
    """Measure the way of a change to one reader."""
    results = [measure(kind, changes) for kind in broker or list(Broker)]
    if as_json:
        # The last line is the slower broker's, so that one line speaks for all.
        for result in sorted(results, key=lambda each: float(str(each["p99_ms"]))):
            print(json.dumps(result))
        return
    table = Table("broker", "changes", "p50 ms", "p99 ms", "max ms", "bare p50 ms", "bare p99 ms")
    for result in results:
        names = ("broker", "changes", "p50_ms", "p99_ms", "max_ms", "bare_p50_ms", "bare_p99_ms")
        table.add_row(*(str(result[name]) for name in names))
    Console().print(table)


def measure(kind: Broker, changes: int) -> dict[str, object]:
    """Run everything for one broker; the line of results."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="waypass-propagation-")))
        port = stack.enter_context(running_broker(kind, folder))
        services = make_services(folder)
        stack.callback(services.database.close)
        withdrawn = prepare(services, changes + WARM_UP)
        bus = MqttBus(BusSettings(client_id="bench-server", host=HOST, port=port))
        other = MqttBus(BusSettings(client_id="bench-watch", host=HOST, port=port))
        watch = Watch(bus, other)
        services.nudge.listen(watch.committed)  # before the publisher's: nothing has been woken yet
        publisher = Publisher(services, bus)
        services.nudge.listen(publisher.nudge)
        publisher.start()
        for each in (bus, other):
            each.start()
            stack.callback(each.stop)
        stack.callback(publisher.stop)
        stack.enter_context(running_reader(folder, port, services))
        watch.wait_for(1)
        took, bare = [], []
        for number, pass_id in enumerate(withdrawn):
            bare.append(watch.echo())
            withdraw(services, pass_id)
            took.append(watch.wait_for(number + 2) - watch.commit)
            # Not at a fixed beat, so that no other clock of the system falls into step with it.
            time.sleep(APART + random.uniform(0.0, 0.05))
    return {
        "broker": kind.value,
        "readers": 1,
        "changes": changes,
        **percentiles(took[WARM_UP:], ""),
        **percentiles(bare[WARM_UP:], "bare_"),
    }


class Watch:
    """Sees when a change was committed, when the reader swapped its list, and how long a bare message takes."""

    def __init__(self, bus: MqttBus, other: MqttBus) -> None:
        """Publishes on `bus`, which is the server's, and listens on the other."""
        self._bus = bus
        self._topic = f"{Topics(NETWORK).root}/bench/echo"
        self._changed = threading.Condition()
        self._echoes: queue.SimpleQueue[float] = queue.SimpleQueue()
        self._swapped: dict[int, float] = {}
        self.commit = 0.0
        other.subscribe(self._topic, self._take_echo)
        other.subscribe(Topics(NETWORK).reader(READER, "state"), self._take_state)

    def committed(self) -> None:
        """A transaction has returned."""
        self.commit = time.time()

    def wait_for(self, version: int) -> float:
        """When the reader swapped this version in (UNIX seconds)."""
        with self._changed:
            if not self._changed.wait_for(lambda: version in self._swapped, DEADLINE):
                raise SystemExit(f"the reader did not hold version {version} within {DEADLINE} s")
            return self._swapped[version]

    def echo(self) -> float:
        """Seconds from publishing a message of a delta's size to receiving it."""
        start = time.perf_counter()
        self._bus.publish(self._topic, secrets.token_bytes(DELTA_BYTES), qos=1, retain=True)
        try:
            return self._echoes.get(timeout=DEADLINE) - start
        except queue.Empty:
            raise SystemExit(f"the broker did not pass a message on within {DEADLINE} s") from None

    def _take_echo(self, message: Message) -> None:
        arrived = time.perf_counter()
        if not message.retained:
            self._echoes.put(arrived)

    def _take_state(self, message: Message) -> None:
        state = read_message("state", message.payload)
        assert isinstance(state, StateMessage)
        with self._changed:
            for row in state.lists:
                if row.uri == LIST_URI:
                    self._swapped[row.version] = row.since
            self._changed.notify_all()


def make_services(folder: Path) -> Services:
    """A server's services on a new database in `folder`, and keys in memory."""
    now = int(time.time())
    pass_key, status_key = (
        make_key(network=NETWORK, uses=frozenset({use}), nbf=now - 60, exp=now + YEAR, private=secrets.token_bytes(32))
        for use in (Use.PASS, Use.STATUS)
    )
    keys = Keyring(NETWORK, [pass_key, status_key])
    (folder / "keys.jwks").write_text(keys.trust_set().to_json())
    database = Database(f"sqlite:///{folder / 'waypass.db'}")
    migrations.upgrade(database.engine)
    return Services(
        settings=Settings(network=NETWORK),
        database=database,
        clock=SystemClock(),
        random_bytes=secrets.token_bytes,
        indexes=random.SystemRandom(),
        keys=keys,
        evidence_signers=SignerSet.of([]),
        notices=MemoryOutbox(),
    )


def prepare(services: Services, passes: int) -> list[int]:
    """A network with one person and so many passes; the ids of the passes, in random order."""
    holder = HolderSigner(ec.generate_private_key(ec.SECP256R1())).key
    now = services.now()
    with services.database.changing() as session:
        network = Network(name=NETWORK, created_at=now)
        session.add(network)
        session.flush()
        scope = Scope(network_id=network.id, number=1, name="ride")
        scope.essential = scope.by_grant = scope.needs_evidence = False
        person = Person(network_id=network.id, reference="p-1", created_at=now, reassess_at=None)
        session.add_all([scope, person])
        session.flush()
        issue_bound(session, services, person.id, [PassRequest(holder=holder, scopes=(1,))] * passes, now)
        session.flush()
        ids = list(session.scalars(select(PassRow.id)))
    random.shuffle(ids)
    return ids


def withdraw(services: Services, pass_id: int) -> None:
    """One change, committed as the server commits it."""
    with services.change() as session:
        rows = session.scalars(select(PassRow).where(PassRow.id == pass_id, PassRow.status == VALID)).all()
        assert take_away(session, rows, services.now()) == 1


@contextmanager
def running_broker(kind: Broker, folder: Path) -> Iterator[int]:
    """A broker process; its port."""
    port = free_port(HOST)
    if kind is Broker.EMBEDDED:
        command = [sys.executable, "-m", "waypass_server.commands.broker", "broker", "--port", str(port)]
    else:
        config = folder / "mosquitto.conf"
        config.write_text(f"listener {port} {HOST}\nallow_anonymous true\nset_tcp_nodelay true\n")
        command = ["mosquitto", "-c", str(config)]
    with Program(command, environment={"PATH": _path()}) as program:
        wait_for_port(HOST, port, timeout=DEADLINE, program=program)
        yield port


@contextmanager
def running_reader(folder: Path, port: int, services: Services) -> Iterator[None]:
    """A reader process that waits for pictures and takes what the broker has."""
    (folder / "frames").mkdir()
    (folder / "reader.toml").write_text(
        f"""
reader = "{READER}"
network = "{services.settings.network}"
keys = "keys.jwks"
state = "state"
scope = 1
clock = "assume-synchronised"

[broker]
host = "{HOST}"
port = {port}

[[lane]]
name = "lane-1"
source = {{ kind = "folder", path = "frames", follow = true }}
turnstile = {{ pins = "mock" }}
display = "none"
""",
        encoding="utf-8",
    )
    command = [Path(sys.executable).with_name("waypass-reader"), "run", "--config", folder / "reader.toml"]
    with Program([str(part) for part in command]) as program:
        program.wait_for_line("ready", timeout=DEADLINE, stream=Stream.STDERR)
        yield


def percentiles(seconds: list[float], prefix: str) -> dict[str, float]:
    """p50, p99 and the largest, in milliseconds."""
    cuts = quantiles(seconds, n=100, method="inclusive")
    named = {"p50_ms": cuts[49], "p99_ms": cuts[98], "max_ms": max(seconds)}
    return {prefix + name: round(value * 1000, 2) for name, value in named.items()}


def _path() -> str:
    """Debian puts Mosquitto into a folder that is not on everybody's search path."""
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"


if __name__ == "__main__":
    typer.run(main)
