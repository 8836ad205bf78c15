"""Looks at each thing that a reader's configuration names: keys, clock, state folder, lists, lanes with all their pins
and words, broker, station box, pages, metrics.

1. nothing is changed that a reader keeps or sees: kept messages are read and not moved, a folder's pictures stay, a
   pipe is not opened, a barrier does not turn
2. nothing is waited for longer than `PATIENCE_SECONDS` (`network`, `lanes`)
3. the broker is asked under another client id than the reader's, and not at all where that would throw a reader out
   that runs (`network`)
4. whatever the reader would refuse to start with is looked at by the reader's own checks, so that nothing is well here
   that ends it there
"""

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from waypass_protocol.assembly import Kind, MemoryKeeper, StatusStore
from waypass_protocol.keys import TrustSet, Use
from waypass_protocol.status import MAX_SNAPSHOT
from waypass_reader.clock import Clock
from waypass_reader.config import MetricsTable, PagesTable, ReaderTable
from waypass_reader.doctor.findings import Finding
from waypass_reader.doctor.lanes import look_at_eyes, look_at_inputs, look_at_pins, look_at_seeing, look_at_speech
from waypass_reader.doctor.network import look_at_box, look_at_broker, look_at_port
from waypass_reader.errors import ReaderError
from waypass_reader.metrics import check_host
from waypass_reader.seeing.wechat import opencv_detector
from waypass_reader.state_lock import is_held
from waypass_reader.turnstile import Pins, make_pin_factory
from waypass_reader.web import read_key

DAY = 86_400
SOON_DAYS = 30
LEAST_BYTES = 16 * 1024 * 1024


def examine(
    table: ReaderTable, trust: TrustSet, *, clock: Clock, make_pins: Callable[[Pins], Any] = make_pin_factory
) -> list[Finding]:
    """Everything, one after the other."""
    now = int(clock.now())
    findings = [*look_at_keys(trust, now), look_at_clock(clock), look_at_state(table.state)]
    findings += look_at_lists(table, trust, now)
    for lane in table.lanes:
        findings += [look_at_eyes(lane), look_at_pins(lane, make_pins=make_pins)]
        if lane.speech is not None:
            findings += look_at_speech(lane, table.spoken_by(lane.speech))
    findings.append(look_at_seeing(table.seeing, make=opencv_detector()))
    if table.inputs is not None:
        findings.append(look_at_inputs(table.inputs, make_pins=make_pins))
    findings += look_at_broker(table, reader_runs=is_held(table.state))
    if table.station_box is not None:
        findings.append(look_at_box(table.station_box))
    if table.pages is not None:
        findings += look_at_pages(table.pages)
    if table.metrics is not None:
        findings.append(look_at_metrics(table.metrics))
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


def look_at_pages(table: PagesTable) -> Iterator[Finding]:
    """Their port, and the key that opens lanes from them."""
    yield look_at_port("pages", table.host, table.port)
    if table.station_key_file is None:
        return
    part = "station key"
    try:
        read_key(table.station_key_file)
    except ReaderError as error:
        remedy = f"put the key that staff share there (openssl rand -base64 24 > {table.station_key_file}, chmod 600)"
        yield Finding(part=part, well=False, says=str(error), remedy=remedy)
    else:
        yield Finding(part=part, well=True, says=f"{table.station_key_file} has one")


def look_at_metrics(table: MetricsTable) -> Finding:
    """Their address may be listened at, and is free."""
    try:
        check_host(table.host, beyond_loopback=table.beyond_loopback)
    except ReaderError as error:
        remedy = "do what is said there; the reader does not start with it"
        return Finding(part="metrics", well=False, says=str(error), remedy=remedy)
    return look_at_port("metrics", table.host, table.port)
