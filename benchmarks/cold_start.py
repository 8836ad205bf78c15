"""From nothing: all lists of 10^8 passes to an empty broker, and a reader with none of them to its first decision.

What runs: Mosquitto with the limits of `firmware-config`, empty; the server's own publisher in this process, on a
SQLite file; and `waypass-reader run`, a process of its own, through a relay that counts what crosses it. The database
is filled directly: 96 lists (or as many as `--passes` needs) with `--withdrawn` statuses at random, each at version
1000 with a snapshot of version 992 and a full ring of 64 deltas of 8 changes, and one pass in each list, so that none
of them ends.

- `publish_s`, `publish_mb`: from a connection to the empty broker until it has acknowledged everything: snapshots in
  both forms, rings and the head. Signed before; `load_s` is what the publisher needed to read its database
- `reader_standard_s`, `reader_compact_s`: from the start of the reader's program, whose state folder is empty, until
  its own state message says that it holds every list and knows its age; `_connected_s`: from its connection on. `_mb`
  is what came to it until the link fell silent, `_up_mb` what it sent: mostly its state, which names every list
- `restart_s` and so on: the same for a second start on the same folder (it reads its disk first)
- `away_s` and so on: the same when the reader comes back after `--changes` passes were withdrawn one after the other,
  each in a version of its own: 3,600 are one a second for an hour

Everything shares the machine's cores: broker, relay, reader and this script.
"""

import hashlib
import json
import random
import secrets
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import insert, select

from full_lists import Network as Lists
from full_lists import draw_network
from propagation import DEADLINE, HOST, NETWORK, make_services
from waypass_protocol import bits
from waypass_protocol.keys import Signer, Use
from waypass_protocol.messages import StateMessage, read_message
from waypass_protocol.names import list_name
from waypass_protocol.status import DELTA_RING, Delta, sign_delta
from waypass_protocol.topics import Topics
from waypass_server.bus import BusSettings, Message, MqttBus, Receipt
from waypass_server.models.network import Network
from waypass_server.models.people import Person
from waypass_server.models.status import (
    Decoy,
    ListVersion,
    PassKind,
    PassRow,
    StatusChange,
    StatusList,
    StoredDelta,
    StoredSnapshot,
)
from waypass_server.publisher import Publication, Publisher
from waypass_server.services import Services
from waypass_server.versions import make_snapshot
from waypass_simulator.brokers import mosquitto_program
from waypass_simulator.processes import Program, Stream, free_port, wait_for_port
from waypass_simulator.relay import Relay

READER = "gate-1"
VERSION, SNAPSHOT, CHANGES, DECOYS = 1000, 992, 8, 1024
PATIENCE = 600.0
SILENCE = 2.0
LIMITS = """set_tcp_nodelay true
message_size_limit 524288
max_packet_size 526336
max_queued_messages 10000
persistence false
"""

Result = dict[str, Any]


def main(
    as_json: Annotated[bool, typer.Option("--json", help="One object.")] = False,
    passes: Annotated[int, typer.Option(min=1, help="How many passes live.")] = 10**8,
    withdrawn: Annotated[int, typer.Option(min=0, help="How many of them are withdrawn.")] = 10**6,
    changes: Annotated[int, typer.Option(min=0, help="How many are withdrawn while the reader is away.")] = 3600,
) -> None:
    """Measure cold starts."""
    result = measure(passes, withdrawn, changes)
    if as_json:
        print(json.dumps(result))
        return
    table = Table("what", "figure")
    for name, figure in result.items():
        table.add_row(name.replace("_", " "), str(figure))
    Console().print(table)


def measure(passes: int, withdrawn: int, changes: int) -> Result:
    """Everything, one after the other."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="waypass-cold-")))
        services = make_services(folder)
        stack.callback(services.database.close)
        lists = draw_network(passes, withdrawn)
        fill(services, lists)
        port = stack.enter_context(running_mosquitto(folder))
        bus = CountingBus(BusSettings(client_id="bench-server", host=HOST, port=port))
        steps = Steps()
        publisher = Publisher(services, bus, monotonic=steps)
        load_s = seconds(publisher.turn)
        bus.start()
        stack.callback(bus.stop)
        assert bus.wait_connected(timeout=DEADLINE)
        watch = Watch(BusSettings(client_id="bench-watch", host=HOST, port=port))
        publisher.listen(watch.published)
        stack.callback(watch.bus.stop)
        publish_s = seconds(lambda: publish_all(publisher, bus))
        result: Result = {
            "passes": passes,
            "withdrawn": withdrawn,
            "lists": len(lists.packed),
            "load_s": round(load_s, 2),
            "publish_s": round(publish_s, 2),
            "publish_mb": megabytes(bus.sent),
        }
        relay = stack.enter_context(Relay(port))
        for form in ("standard", "compact"):
            home = make_home(folder / form, services, relay.port, form)
            result |= named(f"reader_{form}", start_reader(home, relay, watch))
        result |= named("restart", start_reader(folder / "compact", relay, watch))
        for number in range(changes):
            steps.now += 1.0
            withdraw_one(services, number)
            publisher.turn()
        publish_marker(bus)
        result["away_changes"] = changes
        return result | named("away", start_reader(folder / "compact", relay, watch))


class Steps:
    """A monotonic clock that is put forward by hand, so that the publisher never waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


class CountingBus(MqttBus):
    """A bus that knows how many bytes of topics and payloads it was given."""

    sent = 0

    def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool) -> Receipt:
        """Publish and count."""
        self.sent += len(topic) + len(payload)
        return super().publish(topic, payload, qos=qos, retain=retain)


class Watch:
    """Hears the reader's state, and knows when it holds every list as it was published last, and its age."""

    def __init__(self, settings: BusSettings) -> None:
        self._rows: dict[str, int] = {}
        self._changed = threading.Condition()
        self._state: StateMessage | None = None
        self.bus = MqttBus(settings)
        self.bus.subscribe(Topics(NETWORK).reader(READER, "state"), self._take)
        self.bus.start()

    def wait_for(self, *, since: float) -> float:
        """When the first state of this kind came that was said after `since` (UNIX seconds)."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._holds_all(since), PATIENCE):
                held = 0 if self._state is None else len(self._state.lists)
                raise SystemExit(f"expected {len(self._rows)} lists as published within {PATIENCE} s, got {held}")
        return time.time()

    def _holds_all(self, since: float) -> bool:
        state = self._state
        if state is None or state.at < since:
            return False
        return {row.uri: row.version for row in state.lists if row.age is not None} == self._rows

    def published(self, publication: Publication) -> None:
        """The publisher made this."""
        self._rows = {row.uri: row.version for row in publication.rows}

    def _take(self, message: Message) -> None:
        state = read_message("state", message.payload)
        assert isinstance(state, StateMessage)
        with self._changed:
            self._state = state
            self._changed.notify_all()


def fill(services: Services, lists: Lists) -> None:
    """The lists in the database, as a publisher left them."""
    now = services.now()
    signer = services.keys.signer(Use.STATUS, now)
    with services.database.changing() as session:
        network = Network(name=NETWORK, created_at=now)
        session.add(network)
        session.flush()
        person = Person(network_id=network.id, reference="p-1", created_at=now, reassess_at=None)
        session.add(person)
        session.flush()
        for number, (uri, after) in enumerate(zip(lists.uris(), lists.packed, strict=True)):
            row = StatusList(
                network_id=network.id, name=list_name(uri), uri=uri, allocated=0, closed=True, created_at=now
            )
            session.add(row)
            session.flush()
            draw = random.Random(number)
            before, deltas = history(uri, lists.indexes[number], after, now, signer, draw)
            snapshot = make_snapshot(row.name, uri, SNAPSHOT, before, now=now, signer=signer)
            stored = {name: getattr(snapshot, name) for name in ("version", "signed", "kid", "iat", "exp", "compact")}
            session.add(StoredSnapshot(list_id=row.id, **stored))
            session.add(ListVersion(list_id=row.id, version=VERSION, digest=hashlib.sha256(after).digest()))
            session.execute(insert(StoredDelta), [{"list_id": row.id, **delta} for delta in deltas])
            free = (idx for idx in range(bits.LIST_INDEXES) if bits.status_at(after, idx) == bits.VALID)
            spare = [next(free) for _ in range(DECOYS + 1)]
            session.execute(insert(Decoy), [{"list_id": row.id, "idx": idx} for idx in spare[1:]])
            session.add(alive(person.id, row.id, spare[0], now))


def history(
    uri: str, withdrawn: list[int], after: bytes, now: int, signer: Signer, draw: random.Random
) -> tuple[bytes, list[dict[str, object]]]:
    """The list at the version of its snapshot, and the ring that leads to what it is now."""
    changed = draw.sample(withdrawn, CHANGES * DELTA_RING)
    before = bytearray(after)
    deltas: list[dict[str, object]] = []
    for at, version in enumerate(range(VERSION - DELTA_RING + 1, VERSION + 1)):
        indexes = sorted(changed[CHANGES * at : CHANGES * (at + 1)])
        delta = Delta(uri=uri, version=version, iat=now, changes={bits.INVALID: indexes})
        deltas.append({"version": version, "signed": sign_delta(delta, signer), "iat": now})
        if version > SNAPSHOT:
            for idx in indexes:
                bits.set_status(before, idx, bits.VALID)
    return bytes(before), deltas


def alive(person: int, list_id: int, idx: int, now: int) -> PassRow:
    """A pass, so that its list has not ended."""
    aspects = {"1": 0}
    times = {"iat": now, "exp": now + 86_400, "created_at": now}
    return PassRow(person_id=person, list_id=list_id, idx=idx, kind=PassKind.BOUND, aspects=aspects, status=0, **times)


def publish_all(publisher: Publisher, bus: CountingBus) -> None:
    """Fill the broker, and wait until it has taken everything."""
    publisher.connected()
    publisher.turn()
    publish_marker(bus)


def publish_marker(bus: CountingBus) -> None:
    """A message of its own: once it is acknowledged, so is everything before."""
    bus.publish(f"{Topics(NETWORK).root}/bench/done", secrets.token_bytes(8), qos=1, retain=False).wait(
        timeout=PATIENCE
    )


def withdraw_one(services: Services, number: int) -> None:
    """One more index of some list is invalid, committed as the server commits it."""
    draw = random.Random(number)
    with services.change() as session:
        ids = session.scalars(select(StatusList.id).order_by(StatusList.id)).all()
        list_id = draw.choice(ids)
        idx = draw.randrange(bits.LIST_INDEXES)
        session.add(StatusChange(list_id=list_id, idx=idx, status=bits.INVALID, committed_at=services.now()))


@contextmanager
def running_mosquitto(folder: Path) -> Iterator[int]:
    """Mosquitto with the limits of `firmware-config/mosquitto`, for everybody; its port."""
    port = free_port(HOST)
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {port} {HOST}\nallow_anonymous true\n{LIMITS}", encoding="utf-8")
    with Program([mosquitto_program() or "mosquitto", "-c", str(config)]) as program:
        wait_for_port(HOST, port, timeout=DEADLINE, program=program)
        yield port


def make_home(folder: Path, services: Services, port: int, form: str) -> Path:
    """A reader's folder, with nothing of any list in it."""
    (folder / "frames").mkdir(parents=True)
    (folder / "keys.jwks").write_text(services.keys.trust_set().to_json(), encoding="utf-8")
    (folder / "reader.toml").write_text(
        f"""
reader = "{READER}"
network = "{NETWORK}"
keys = "keys.jwks"
state = "state"
scope = 1
clock = "assume-synchronised"
status_form = "{form}"

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
    return folder


def start_reader(home: Path, relay: Relay, watch: Watch) -> Result:
    """From its start until it can decide about every pass, and until nothing crosses the link to it any more."""
    before, start = (relay.passed_back, relay.passed_on), time.time()
    command = [Path(sys.executable).with_name("waypass-reader"), "run", "--config", home / "reader.toml"]
    with Program([str(part) for part in command]) as program:
        program.wait_for_line('"connected"', timeout=PATIENCE, stream=Stream.STDERR)
        connected = time.time()
        done = watch.wait_for(since=start)
        crossed = (-1, -1)
        while crossed != (relay.passed_back, relay.passed_on):
            crossed = relay.passed_back, relay.passed_on
            time.sleep(SILENCE)
        program.terminate(timeout=DEADLINE)
    came, went = (megabytes(after - already) for after, already in zip(crossed, before, strict=True))
    return {"s": round(done - start, 2), "connected_s": round(done - connected, 2), "mb": came, "up_mb": went}


def named(name: str, measured: Result) -> Result:
    """The figures of a start."""
    return {f"{name}_{what}": figure for what, figure in measured.items()}


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def megabytes(count: int) -> float:
    """MB of 10^6 bytes."""
    return round(count / 1e6, 2)


if __name__ == "__main__":
    typer.run(main)
