"""How long a committed change takes to the gates: commit -> swapped in the last reader's memory, over a real broker.

What runs: a broker process (the embedded one or Mosquitto), readers, and in this process the server's own publisher on
a SQLite file with full synchronisation. One reader is a reader process (`waypass-reader run` on an empty folder of
pictures); more are a fleet (`waypass fleet`), one process in which each reader has a connection and a status store of
its own and verifies every signature and digest itself, with nothing shared.

For each change one pass is withdrawn; the time of its commit is taken when the transaction has returned and before the
publisher is woken, the time of the swap is what the readers report (one machine, one clock). Changes come one at a
time, further apart than the 0.2 s that followers gather, and than all of a fleet needs to say what it holds.

Beside each change a bare message of a delta's size goes through the same broker, from this process to as many bare
sockets (`bare_subscribers`): publish -> the last socket has it.

The simulator's own share: `fleet_swaps_cpu_ms` (median) is what a fleet's process computes between its first swap and
its last, which nobody waits for at a station, where each reader has a processor of its own; `fleet_cpu_ms` is all that
it uses for a change, head, state and keeping connections included.
"""

import json
import os
import random
import secrets
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path
from statistics import median, quantiles
from typing import Annotated, Any, Protocol

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
from waypass_simulator.fleet.events import Tail
from waypass_simulator.processes import Program, Stream, free_port, wait_for_port

NETWORK, READER, LIST_URI = "bench", "gate-1", "wp:1"
HOST = "127.0.0.1"
WARM_UP = 5
APART = 0.25
SAYING = 1.0
"""Seconds in which a fleet says what it holds after a change."""
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
    readers: Annotated[
        list[int] | None, typer.Option(min=1, help="How many; may be given again. By default 1.")
    ] = None,
    changes: Annotated[int, typer.Option(min=10, help="How many changes are measured.")] = 200,
    fleets: Annotated[int, typer.Option(min=1, help="In how many processes a fleet's readers are.")] = 1,
) -> None:
    """Measure the way of a change to the last of all readers."""
    results = [measure(kind, changes, many, fleets) for many in readers or [1] for kind in broker or list(Broker)]
    if as_json:
        # The last line is the slowest one, so that one line speaks for all.
        for result in sorted(results, key=lambda each: float(str(each["p99_ms"]))):
            print(json.dumps(result))
        return
    names = ("broker", "readers", "p50_ms", "p99_ms", "bare_p50_ms", "bare_p99_ms", "fleet_cpu_ms")
    table = Table(*(name.replace("_", " ") for name in names))
    for result in results:
        table.add_row(*(str(result.get(name, "")) for name in names))
    Console().print(table)


def measure(kind: Broker, changes: int, many: int, fleets: int) -> dict[str, object]:
    """Run everything for one broker and so many readers; the line of results."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="waypass-propagation-")))
        port = stack.enter_context(running_broker(kind, folder))
        services = make_services(folder)
        stack.callback(services.database.close)
        withdrawn = prepare(services, changes + WARM_UP)
        bus = MqttBus(BusSettings(client_id="bench-server", host=HOST, port=port))
        moment = Moment()
        services.nudge.listen(moment.committed)  # before the publisher's: nothing has been woken yet
        publisher = Publisher(services, bus)
        services.nudge.listen(publisher.nudge)
        publisher.start()
        bus.start()
        stack.callback(bus.stop)
        stack.callback(publisher.stop)
        if many == 1:
            readers: Readers = stack.enter_context(one_reader(folder, port, services))
        else:
            readers = stack.enter_context(fleet(folder, port, many, fleets))
        readers.wait_for(1)
        bare = stack.enter_context(bare_subscribers(bus, port, many))
        took, floor = [], []
        for number, pass_id in enumerate(withdrawn):
            floor.append(bare.echo())
            withdraw(services, pass_id)
            took.append(readers.wait_for(number + 2) - moment.commit)
            # Not at a fixed beat, so that no other clock of the system falls into step with it.
            time.sleep(APART + (SAYING if many > 1 else 0.0) + random.uniform(0.0, 0.05))
        share = readers.share(2 + WARM_UP, changes + WARM_UP + 1)
    return {
        "broker": kind.value,
        "readers": many,
        "changes": changes,
        **percentiles(took[WARM_UP:], ""),
        **percentiles(floor[WARM_UP:], "bare_"),
        **share,
    }


class Moment:
    """When the newest change was committed, in seconds of the monotonic clock."""

    def __init__(self) -> None:
        self.commit = 0.0

    def committed(self) -> None:
        """A transaction has returned."""
        self.commit = time.monotonic()


class Readers(Protocol):
    """Whoever swaps versions in."""

    def wait_for(self, version: int) -> float:
        """When the last of them did (seconds of the monotonic clock)."""
        ...

    def share(self, first: int, last: int) -> dict[str, object]:
        """The simulator's own, from one version to another; empty where there is none."""
        ...


class OneReader:
    """A reader process, by what it says of itself."""

    def __init__(self, other: MqttBus) -> None:
        """Listens on a bus of its own."""
        self._changed = threading.Condition()
        self._swapped: dict[int, float] = {}
        other.subscribe(Topics(NETWORK).reader(READER, "state"), self._take_state)

    def wait_for(self, version: int) -> float:
        """See `Readers`. It says UNIX seconds; this machine's two clocks are compared at this moment."""
        with self._changed:
            if not self._changed.wait_for(lambda: version in self._swapped, DEADLINE):
                raise SystemExit(f"the reader did not hold version {version} within {DEADLINE} s")
            return self._swapped[version] - time.time() + time.monotonic()

    def share(self, first: int, last: int) -> dict[str, object]:  # noqa: ARG002 - see `Readers`
        """None: it is the product itself."""
        return {}

    def _take_state(self, message: Message) -> None:
        state = read_message("state", message.payload)
        assert isinstance(state, StateMessage)
        with self._changed:
            for row in state.lists:
                if row.uri == LIST_URI:
                    self._swapped[row.version] = row.since
            self._changed.notify_all()


class FleetReaders:
    """A fleet in one or several processes, by the events that each writes."""

    def __init__(self, programs: Mapping[Path, Program]) -> None:
        """Programs by their files of events."""
        self._programs = programs
        self._tails = [Tail(events) for events in programs]
        self._settled: dict[int, list[Mapping[str, Any]]] = {}

    def wait_for(self, version: int) -> float:
        """See `Readers`."""
        deadline = time.monotonic() + DEADLINE
        while len(self._settled.get(version, ())) < len(self._tails):
            ended = [each for each in self._programs.values() if each.exit_code is not None]
            if time.monotonic() > deadline or ended:
                words = "".join(each.text(Stream.STDERR) for each in ended)
                raise SystemExit(f"the fleet did not hold version {version} within {DEADLINE} s\n{words}")
            time.sleep(0.02)
            for tail in self._tails:
                for event in tail.new():
                    self._settled.setdefault(event["version"], []).append(event)
        return max(float(each["last_ns"]) for each in self._settled[version]) / 1e9

    def share(self, first: int, last: int) -> dict[str, object]:
        """See `Readers`; of all processes together, and of the one that computes most."""
        at_start, at_end = (sum(each["cpu_ms"] for each in self._settled[version]) for version in (first, last))
        swaps = [max(each["swaps_cpu_ms"] for each in self._settled[version]) for version in range(first, last + 1)]
        return {
            "fleets": len(self._tails),
            "fleet_cpu_ms": round((at_end - at_start) / (last - first), 1),
            "fleet_swaps_cpu_ms": round(median(swaps), 1),
        }


class Bare:
    """Bare subscribers, and how long a message takes to the last of them."""

    def __init__(self, bus: MqttBus, topic: str, program: Program) -> None:
        self._bus = bus
        self._topic = topic
        self._program = program
        self._sent = 0

    def echo(self) -> float:
        """Seconds from publishing a message of a delta's size to the last one's having it."""
        self._sent += 1
        start = time.monotonic()
        self._bus.publish(self._topic, secrets.token_bytes(DELTA_BYTES), qos=1, retain=True)
        line = self._program.wait_for_line(
            rf'"got": {self._sent},', timeout=DEADLINE, stream=Stream.STDOUT, start=self._sent - 1
        )
        return float(json.loads(line.string)["last_ns"]) / 1e9 - start


@contextmanager
def fleet(folder: Path, port: int, many: int, fleets: int) -> Iterator[FleetReaders]:
    """So many readers in so many processes."""
    programs: dict[Path, Program] = {}
    with ExitStack() as stack:
        for number in range(fleets):
            mine = (many + number) // fleets
            settings, events = folder / f"fleet-{number}.toml", folder / f"events-{number}"
            settings.write_text(
                f'keys = "keys.jwks"\nbrokers = ["{HOST}:{port}"]\nreaders = {mine}\nprefix = "fleet-{number}"\n'
                f'events = "{events.name}"\nonly = ["settled"]\n',
                encoding="utf-8",
            )
            command: list[str | Path] = [Path(sys.executable).with_name("waypass"), "fleet", "--config", settings]
            programs[events] = stack.enter_context(Program(command))
        for program in programs.values():
            program.wait_for_line("^fleet: ", timeout=DEADLINE, stream=Stream.STDERR)
        yield FleetReaders(programs)


@contextmanager
def bare_subscribers(bus: MqttBus, port: int, many: int) -> Iterator[Bare]:
    """So many bare sockets in a process of their own."""
    topic = f"{Topics(NETWORK).root}/bench/echo"
    script = Path(__file__).with_name("bare_subscribers.py")
    with Program(
        [sys.executable, script, "--port", str(port), "--topic", topic, "--subscribers", str(many)]
    ) as program:
        program.wait_for_line("^subscribed", timeout=DEADLINE, stream=Stream.STDERR)
        yield Bare(bus, topic, program)


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
def one_reader(folder: Path, port: int, services: Services) -> Iterator[OneReader]:
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
    other = MqttBus(BusSettings(client_id="bench-watch", host=HOST, port=port))
    watch = OneReader(other)
    other.start()
    try:
        with Program([str(part) for part in command]) as program:
            program.wait_for_line("ready", timeout=DEADLINE, stream=Stream.STDERR)
            yield watch
    finally:
        other.stop()


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
