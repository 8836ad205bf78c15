"""Looks at each thing that a reader's configuration names: keys, clock, state folder, lists, lanes, broker, ports.

1. nothing is changed that a reader keeps or sees: kept messages are read and not moved, a folder's pictures stay, a
   barrier does not turn
2. nothing is waited for longer than `PATIENCE_SECONDS`
3. the broker is asked under another client id than the reader's, so that a reader that runs is not thrown out
"""

import contextlib
import http.client
import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from waypass_protocol.assembly import Kind, MemoryKeeper, StatusStore
from waypass_protocol.keys import TrustSet, Use
from waypass_protocol.status import MAX_SNAPSHOT
from waypass_reader.broker_address import BrokerAddress, secure
from waypass_reader.clock import Clock
from waypass_reader.config import LaneTable, ReaderTable
from waypass_reader.doctor.findings import Finding
from waypass_reader.errors import ReaderError, SourceLost
from waypass_reader.frames import FolderConfig, SerialConfig, VideoConfig, WedgeConfig, open_source
from waypass_reader.turnstile import GpioTurnstile, Pins, make_pin_factory
from waypass_reader.web.answers import STRICT_HEADERS

PATIENCE_SECONDS = 5.0
DAY = 86_400
SOON_DAYS = 30
LEAST_BYTES = 16 * 1024 * 1024
_BUSY = "if the reader is running, it has it: stop the reader and look again"


def examine(table: ReaderTable, trust: TrustSet, *, clock: Clock) -> list[Finding]:
    """Everything, one after the other."""
    now = int(clock.now())
    findings = [*look_at_keys(trust, now), look_at_clock(clock), look_at_state(table.state)]
    findings += look_at_lists(table, trust, now)
    for lane in table.lanes:
        findings += [look_at_eyes(lane), look_at_pins(lane)]
    findings += look_at_broker(table)
    for what, server in (("pages", table.pages), ("metrics", table.metrics)):
        if server is not None:
            findings.append(look_at_port(what, server.host, server.port))
    return findings


def look_at_keys(trust: TrustSet, now: int) -> Iterator[Finding]:
    """A pass and a status can be verified now, and in a month."""
    fresh = "get the network's new trust set (`waypass-server keys export`) and restart the reader"
    for use in (Use.PASS, Use.STATUS):
        part = f"keys for {use.value}"
        valid = [key for key in trust.keys.values() if use in key.uses and key.nbf <= now < key.exp]
        if not valid:
            yield Finding(part=part, well=False, says="none is valid now", remedy=f"look at the clock, or {fresh}")
            continue
        days = (max(key.exp for key in valid) - now) // DAY
        says = f"{len(valid)} valid, for {days} days more"
        well = days >= SOON_DAYS
        yield Finding(part=part, well=well, says=says, remedy="" if well else fresh)


def look_at_clock(clock: Clock) -> Finding:
    """Somebody vouches for it."""
    said = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(clock.now()))
    if clock.synchronised():
        return Finding(part="clock", well=True, says=f"{said}, synchronised")
    return Finding(
        part="clock",
        well=False,
        says=f"{said}, not synchronised: until a head arrives the gate calls staff for everybody",
        remedy="turn on a time service (timedatectl set-ntp true) and let it reach its server; a clock with a battery "
        "keeps the time through power cuts",
    )


def look_at_state(folder: Path) -> Finding:
    """It can be written, and has room."""
    part = "state folder"
    if not folder.exists():
        parent = next(each for each in folder.resolve().parents if each.exists())
        if os.access(parent, os.W_OK) and parent.is_dir():
            return Finding(part=part, well=True, says=f"{folder} is not there yet; the reader makes it")
        return Finding(
            part=part,
            well=False,
            says=f"{folder} is not there, and can't be made in {parent}",
            remedy="make it, for the reader's user",
        )
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Finding(
            part=part,
            well=False,
            says=f"{folder} can't be written ({error.strerror})",
            remedy="give it to the reader's user, make room, or look whether the card became read-only (dmesg)",
        )
    says = f"{folder} can be written, {free // 2**20} MiB free"
    if free < LEAST_BYTES:
        return Finding(part=part, well=False, says=says, remedy=f"make room: {LEAST_BYTES // 2**20} MiB or more")
    return Finding(part=part, well=True, says=says)


def look_at_lists(table: ReaderTable, trust: TrustSet, now: int) -> Iterator[Finding]:
    """What an earlier run kept, as a start without network would have it."""
    store = StatusStore(trust=trust, keeper=MemoryKeeper(), clock_skew=table.policy.clock_skew)
    for path, kind in _kept(table.state / "messages"):
        with contextlib.suppress(OSError), path.open("rb") as file:
            store.restore(kind, file.read(MAX_SNAPSHOT + 1), now=now)
    if not store.view:
        yield Finding(
            part="lists",
            well=False,
            says="none is held: without the broker every pass needs staff",
            remedy="let the reader run with its broker until it holds them; look at the broker below",
        )
    for held in store.view.values():
        age = held.age(now)
        well = age is not None and age <= table.policy.stale
        yield Finding(
            part=f"list {held.uri}",
            well=well,
            says=f"version {held.version}, " + ("of unknown age" if age is None else f"{age} s old"),
            remedy="" if well else "it is too old to open by; look at the broker below and at the server's publisher",
        )


def _kept(folder: Path) -> list[tuple[Path, Kind]]:
    """The kept messages in the order in which they are restored."""
    kinds = {".delta": (0, Kind.DELTA), ".snapshot": (1, Kind.SNAPSHOT), ".head": (2, Kind.HEAD)}
    try:
        paths = [path for path in folder.iterdir() if path.suffix in kinds and path.is_file()]
    except OSError:
        return []
    paths.sort(key=lambda path: (kinds[path.suffix][0], len(path.name), path.name))
    return [(path, kinds[path.suffix][1]) for path in paths]


def look_at_eyes(lane: LaneTable) -> Finding:
    """A camera gives a frame; a scanner, a video or a folder can be opened."""
    part = f"camera {lane.name}"
    config = lane.source
    try:
        with open_source(config) as source:
            if isinstance(config, FolderConfig | VideoConfig | SerialConfig | WedgeConfig):
                return Finding(part=part, well=True, says="can be opened")
            deadline = time.monotonic() + PATIENCE_SECONDS
            while time.monotonic() < deadline:
                frame = source.next_frame(0.2)
                if frame is not None and hasattr(frame, "pixels"):
                    height, width = frame.pixels.shape
                    return Finding(part=part, well=True, says=f"gives frames of {width}x{height}")
            raise SourceLost(f"no frame within {PATIENCE_SECONDS:g} s, or one that never changes")
    except ReaderError as error:
        return Finding(part=part, well=False, says=str(error), remedy=f"do what is said there; {_BUSY}")


def look_at_pins(lane: LaneTable) -> Finding:
    """They can be had; nothing is pulled."""
    part = f"pins {lane.name}"
    if lane.turnstile.kind is Pins.MOCK:
        return Finding(part=part, well=True, says="mock: a dry run, nothing turns")
    try:
        GpioTurnstile(lane.turnstile.wiring(), factory=make_pin_factory(lane.turnstile.kind)).close()
    except ReaderError as error:
        return Finding(
            part=part,
            well=False,
            says=str(error),
            remedy=f"see firmware-config/wiring.md; the reader's user belongs to the group gpio; {_BUSY}",
        )
    numbers = ", ".join(str(number) for number in lane.turnstile.numbers)
    return Finding(part=part, well=True, says=f"{numbers} can be driven")


def look_at_broker(table: ReaderTable) -> list[Finding]:
    """It takes this reader's login, at each of its addresses."""
    if table.broker is None:
        return [Finding(part="broker", well=True, says="none is configured; the gate decides by what it holds")]
    address = table.broker.address()
    return [
        _look_at_place(
            replace(address, host=host, port=port, others=()),
            part=f"broker {host}:{port}" if address.others else "broker",
            client_id=f"waypass-{table.reader}-doctor",
        )
        for host, port in address.places
    ]


def _look_at_place(address: BrokerAddress, *, part: str, client_id: str) -> Finding:
    place = f"{address.host}:{address.port}"
    try:
        answer = _connect(address, client_id=client_id)
    except (OSError, ReaderError) as error:
        return Finding(
            part=part,
            well=False,
            says=f"{place} can't be reached ({error})",
            remedy="look whether it runs and listens there, at cable and firewall, and at ca, certificate and key",
        )
    if answer is None:
        return Finding(
            part=part,
            well=False,
            says=f"{place} took the connection and said nothing for {PATIENCE_SECONDS:g} s",
            remedy="look whether that is an MQTT broker, and whether it wants TLS (ca)",
        )
    if answer.is_failure:
        return Finding(
            part=part,
            well=False,
            says=f"{place} refused this reader ({answer})",
            remedy="look at username and password_file here, and at the broker's own list of readers",
        )
    return Finding(part=part, well=True, says=f"{place} takes this reader")


def _connect(address: BrokerAddress, *, client_id: str) -> Any:
    """The broker's answer, or None. Raises `OSError` and `ConfigurationError`."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=mqtt.MQTTv311)
    client.connect_timeout = PATIENCE_SECONDS
    answers: list[Any] = []
    answered = threading.Event()

    def note(_client: mqtt.Client, _data: Any, _flags: Any, code: Any, _properties: Any) -> None:
        answers.append(code)
        answered.set()

    client.on_connect = note
    secure(client, address)
    client.connect(address.host, address.port)
    client.loop_start()
    answered.wait(PATIENCE_SECONDS)
    client.disconnect()
    client.loop_stop()
    return answers[0] if answers else None


def look_at_port(what: str, host: str, port: int) -> Finding:
    """It is free, or this reader's own pages stand there."""
    place = f"{host}:{port}"
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()
    except OSError as error:
        if _is_a_readers(host, port):
            return Finding(part=what, well=True, says=f"{place} is a reader's already; it seems to run")
        return Finding(
            part=what,
            well=False,
            says=f"{place} can't be listened at ({error.strerror})",
            remedy=f"choose another host or port under [{what}], or end the program that has it (ss -ltnp)",
        )
    return Finding(part=what, well=True, says=f"{place} is free")


def _is_a_readers(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=PATIENCE_SECONDS)
    try:
        connection.request("GET", "/")
        found = connection.getresponse().getheader("Content-Security-Policy")
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return found == STRICT_HEADERS["Content-Security-Policy"]
