"""`waypass fleet`: many readers, until SIGTERM, SIGINT or `--seconds` are over.

What it was given is read before anything connects; what cannot be used is a `UsageError` that names the option. Events
go to `--events FILE`, one JSON object a line (`events`); the last line on standard output is what all readers hold.
"""

import asyncio
import json
import signal
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from waypass_protocol.admission import Gate
from waypass_protocol.errors import ProtocolError
from waypass_protocol.keys import read_trust_set
from waypass_protocol.passes import PASS_PREFIX, decode_base45, parse_pass, read_pass
from waypass_protocol.policy import policy_from_mapping
from waypass_simulator.errors import UsageError
from waypass_simulator.fleet.events import WrittenEvents
from waypass_simulator.fleet.fleet import Fleet, FleetPlan
from waypass_simulator.fleet.habits import Habit
from waypass_simulator.fleet.link import Address
from waypass_simulator.fleet.reader import FleetReader, ShownPass

FLUSH_SECONDS = 0.05


class Settings(BaseModel):
    """What a fleet is told, as keys of its TOML file; relative paths are meant from the folder that the file is in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    keys: Path
    """The network's trust set (JWKS)."""
    brokers: Annotated[list[str], Field(min_length=1)]
    """HOST:PORT each; dealt out in turn."""
    readers: Annotated[int, Field(ge=0)] = 10
    light: Annotated[int, Field(ge=0)] = 0
    prefix: str = "fleet"
    """A reader's name is this, a dash and a number."""
    stations: Annotated[list[str], Field(min_length=1)] = ["fleet"]
    """Dealt out in turn."""
    seed: int = 0
    habits: Annotated[list[Habit], Field(min_length=1)] = [Habit.STEADY]
    """Dealt out in turn."""
    pace: Annotated[float, Field(gt=0)] = 20.0
    """About how many seconds lie between two things that happen to a reader."""
    calm_after: Annotated[float, Field(gt=0)] | None = None
    """Nothing happens to a reader later than so many seconds after the start."""
    seconds: Annotated[float, Field(gt=0)] | None = None
    passes: Path | None = None
    """A pass a line, see `read_passes`."""
    shows: Annotated[float, Field(ge=0)] = 1.0
    """How many of them a second are shown at each gate."""
    scope: int = 1
    policy: dict[str, Any] = {}
    events: Path | None = None
    only: list[str] = []
    """The events that are written; all, when it is empty."""


def read_settings(file: Path | None, given: Mapping[str, object]) -> Settings:
    """The file's settings, and those that were `given` before them. Raises `UsageError`."""
    values: dict[str, Any] = {}
    folder = Path()
    if file is not None:
        folder = file.parent
        try:
            values = tomllib.loads(file.read_text(encoding="utf-8"))
        except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UsageError(f"--config {file}: expected a TOML file: {error}") from None
    for name in {"keys", "passes", "events"} & values.keys():
        values[name] = folder / str(values[name])
    try:
        return Settings(**(values | dict(given)))
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False)
        told = "; ".join(
            f"{'.'.join(map(str, each['loc']))}: {each['msg']}, got {each['input']!r}" for each in problems
        )
        raise UsageError(f"fleet: {told}") from None


def plan_of(told: Settings) -> FleetPlan:
    """The fleet that was asked for. Raises `UsageError`."""
    try:
        trust = read_trust_set(told.keys.read_bytes())
        policy = policy_from_mapping(told.policy)
    except (OSError, ProtocolError) as error:
        raise UsageError(f"fleet: {error}") from None
    return FleetPlan(
        trust=trust,
        addresses=[address_of(each) for each in told.brokers],
        readers=told.readers,
        light=told.light,
        prefix=told.prefix,
        stations=told.stations,
        seed=told.seed,
        habits=told.habits,
        pace=told.pace,
        calm_after=told.calm_after,
        gate=Gate(trust=trust, scope=told.scope, policy=policy),
        passes=[] if told.passes is None else read_passes(told.passes),
        shows=told.shows,
    )


def run(told: Settings, make_reader: Callable[..., FleetReader] = FleetReader) -> None:
    """Run the fleet. Raises `UsageError`."""
    plan = replace(plan_of(told), make_reader=make_reader)
    if told.events is None:
        asyncio.run(_run(plan, WrittenEvents(sys.stdout, only=frozenset({"end"})), told.seconds))
        return
    try:
        file = told.events.open("w", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--events {told.events}: {error.strerror}") from None
    with file:
        summary = asyncio.run(_run(plan, WrittenEvents(file, only=frozenset(told.only)), told.seconds))
    print(json.dumps(summary))  # noqa: T201 - the command's result


async def _run(plan: FleetPlan, events: WrittenEvents, seconds: float | None) -> dict[str, object]:
    fleet, loop = Fleet(plan, events), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, fleet.stop)
    if seconds is not None:
        loop.call_later(seconds, fleet.stop)
    flushing = asyncio.create_task(_flush(events))
    print(f"fleet: {plan.readers} readers and {plan.light} light ones", file=sys.stderr, flush=True)  # noqa: T201
    try:
        await fleet.run()
    finally:
        flushing.cancel()
    return fleet.summary()


async def _flush(events: WrittenEvents) -> None:
    """Who waits for an event sees it soon, and no reader waits for the disk."""
    while True:
        await asyncio.sleep(FLUSH_SECONDS)
        events.flush()


def address_of(text: str) -> Address:
    """HOST:PORT. Raises `UsageError`."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise UsageError(f"--broker: expected HOST:PORT, got {text!r}")
    return Address(host=host, port=int(port))


def read_passes(path: Path) -> list[ShownPass]:
    """A pass a line: a paper pass as the text of its code, a bound one as its COSE_Sign1 and the holder's private key,
    both in hex. Raises `UsageError`, which names the line and nothing of the pass."""
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--passes {path}: {error}") from None
    shown = []
    for number, line in enumerate(lines):
        try:
            shown.append(_read_pass(number, line))
        except (ProtocolError, ValueError):
            expected = "expected the text of a paper pass, or a bound pass and its key in hex"
            raise UsageError(f"--passes {path}: line {number + 1}: {expected}") from None
    return shown


def _read_pass(number: int, line: str) -> ShownPass:
    """Raises `ProtocolError` or `ValueError`."""
    if line.startswith(PASS_PREFIX):
        return ShownPass(number=number, data=decode_base45(line, PASS_PREFIX), uri=read_pass(line).pass_.place.uri)
    data, private = (bytes.fromhex(each) for each in line.split(" "))
    key = int.from_bytes(private, "big")
    return ShownPass(number=number, data=data, uri=parse_pass(data).pass_.place.uri, private=key)
