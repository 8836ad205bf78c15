"""Does anything get lost, doubled, forged or let in while everything fails? A system under faults, judged at the end.

What runs: `waypass-server serve` on its own database with four status lists, Mosquitto, and a fleet (`chaos_fleet`)
of full readers, each with a store of its own that verifies every signature and digest and a disk as a gate has it, and
light connections that only take heads and stand for load. Half of the connections go over a cable that fails. Readers
join late, sleep, flap, reboot, have a wrong clock or a full disk, and reboot while their disk is full or broken
(`waypass_simulator.fleet.habits`); processes are killed and paused, cables
cut, held, delayed and reset (`chaos_faults`), and somebody hostile at the broker forges, replays, rolls back, reorders,
truncates and fills up messages (`waypass_simulator.faults.meddler`).

Meanwhile passes are withdrawn in transactions on the server's database, one by one and many at once, and every full
reader decides on real passes with the admission rule.

When the time is over the faults are taken back. `current_before_refill` is the share of lists at readers that are then
in the newest version soon; the rest is behind what the meddler left retained. Then the broker is started empty once
more, and everybody gets time to come to rest; `unrest` in the result says who did not. Then
`waypass_simulator.faults.checks` compares what every reader did with what a witness heard to be true, and that with the
server's database. The exit code is 1 when anything is breached, and also when something that should have happened did
not (`missing`), for then nothing was shown: in a run of five minutes and more each kind of fault, each habit and each
way to meddle.
"""

import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from chaos_faults import Faults, Targets
from chaos_system import SCOPE, ChaosServer, IssuedPass, make_services, prepare, served, waiting, withdraw
from waypass_protocol.keys import read_trust_set
from waypass_protocol.passes import Place
from waypass_server.services import Services
from waypass_simulator.brokers import BrokerKind, LocalBroker
from waypass_simulator.faults.checks import BREACHES, Facts, Judge
from waypass_simulator.faults.meddler import Meddler
from waypass_simulator.faults.witness import Truth, Witness
from waypass_simulator.fleet.events import Tail
from waypass_simulator.fleet.habits import Habit
from waypass_simulator.processes import Program, ProgramError, Stream
from waypass_simulator.relay import Relay

SPARE = 40
BURSTS, FEW = 60, 8
"""About how many times many passes are withdrawn in one transaction; and how many, at most, one by one between that."""
HABITS_THAT_ACT = tuple(habit for habit in Habit if habit not in (Habit.STEADY, Habit.LATE))
START_SECONDS = 240.0
REST_SECONDS = 240.0
WHOLE_SECONDS = 300.0
SOON_SECONDS = 30.0
ROUNDING = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """What is asked for. `stale`: the policy's seconds; `longest`: a fault's; `shows`: passes a second at each gate."""

    seconds: float
    readers: int
    light: int
    lists: int
    fleets: int
    changes: int
    shows: float
    stale: int
    longest: float
    seed: int


def main(
    minutes: Annotated[float, typer.Option(min=0.1, help="How long everything fails.")] = 10.0,
    readers: Annotated[int, typer.Option(min=1, help="Full readers.")] = 150,
    light: Annotated[int, typer.Option(min=0, help="Light connections besides.")] = 850,
    fleets: Annotated[int, typer.Option(min=1, help="In how many processes the readers are.")] = 1,
    changes: Annotated[int, typer.Option(min=1, help="How many passes are withdrawn.")] = 5000,
    stale: Annotated[int, typer.Option(min=3, help="Seconds after which lists are too old, at these gates.")] = 15,
    seed: Annotated[int, typer.Option(help="Faults and habits are drawn from it.")] = 20261126,
    as_json: Annotated[bool, typer.Option("--json", help="One object.")] = False,
) -> None:
    """Run the system under faults, and judge it."""
    told = Run(
        seconds=60 * minutes,
        readers=readers,
        light=light,
        lists=4,
        fleets=fleets,
        changes=changes,
        shows=0.3 if minutes >= 1 else 4.0,
        stale=stale,
        longest=stale / 3,
        seed=seed,
    )
    with tempfile.TemporaryDirectory(prefix="waypass-chaos-") as folder:
        result = Chaos(told, Path(folder)).run()
    if as_json:
        print(json.dumps(result))
    else:
        print_result(result)
    raise typer.Exit(0 if result["ok"] else 1)


@dataclass
class Chaos:
    """One run in one folder."""

    told: Run
    folder: Path
    withdrawn: dict[int, Place] = field(default_factory=dict)
    transactions: int = 0
    unrest: dict[str, Any] = field(default_factory=dict)

    def run(self) -> dict[str, Any]:
        """From nothing to the result."""
        told, rng = self.told, random.Random(self.told.seed)
        with ExitStack() as stack:
            broker = stack.enter_context(LocalBroker(BrokerKind.MOSQUITTO, self.folder))
            uplink, station = (stack.enter_context(Relay(broker.port)) for _ in range(2))
            services = make_services(self.folder, uplink.port, head_every=max(1.0, told.stale / 3))
            stack.callback(services.database.close)
            passes = prepare(services, passes=told.changes + SPARE, lists=told.lists)
            trust = read_trust_set((self.folder / "keys.jwks").read_bytes())
            witness = stack.enter_context(Witness(trust=trust, host=broker.host, port=broker.port, now=time.time))
            chance = random.Random(rng.random())
            meddler = Meddler(trust=trust, host=broker.host, port=broker.port, now=time.time, rng=chance)
            stack.callback(meddler.close)
            server = ChaosServer(self.folder)
            stack.callback(server.kill)
            server.start()
            self._write_passes(passes)
            fleets = [
                stack.enter_context(self._fleet(number, [broker.port, station.port])) for number in range(told.fleets)
            ]
            for fleet in fleets:
                fleet.wait_for_line("^fleet: ", timeout=START_SECONDS)
            faults = Faults(
                Targets(broker=broker, server=server, uplink=uplink, stations=[station], meddler=meddler),
                rng=random.Random(rng.random()),
                longest=told.longest,
                freeze=told.stale + ROUNDING + 0.3 * told.stale,
                meddles=min(2.0, told.seconds / 30),
            )
            self._torment(services, passes, faults, random.Random(rng.random()))
            meddler.close()
            before = self._current_soon(services)
            broker.kill()  # with it goes what the meddler left in the place of what is true
            broker.start()
            rested = self._come_to_rest(services, witness)
            # The server is asked last: what it says now is what everybody must have.
            truth, at_server = witness.truth(frozenset(served(services))), served(services)
            summary = _ended(fleets)
            judge = self._judge(
                Facts(
                    truth=truth,
                    withdrawn=self.withdrawn,
                    served=at_server,
                    silences=faults.silences,
                    stale=told.stale + ROUNDING,
                )
            )
        made = {
            "faults": dict.fromkeys(sorted(faults.kinds), 0) | faults.made,
            "meddled": dict.fromkeys(sorted(meddler.ways), 0) | meddler.done,
            "server_starts": server.starts,
            "current_before_refill": before,
            "rest_s": rested,
        }
        return self._result(judge, summary, truth, made)

    def _write_passes(self, passes: list[IssuedPass]) -> None:
        """In the form that a fleet reads; these are private keys, in a folder of our own."""
        lines = (f"{each.data.hex()} {each.private:064x}\n" for each in passes)
        (self.folder / "passes").write_text("".join(lines), encoding="ascii")

    def _fleet(self, number: int, ports: list[int]) -> Program:
        """The fleet of this number, with its share of the readers."""
        told = self.told
        settings = {
            "keys": "keys.jwks",
            "events": f"events-{number}",
            "prefix": f"fleet-{number}",
            "passes": "passes",
            "readers": (told.readers + number) // told.fleets,
            "light": (told.light + number) // told.fleets,
            "seed": told.seed + number,
            "shows": told.shows,
            "scope": SCOPE,
            "brokers": [f"127.0.0.1:{port}" for port in ports],
            "habits": [each.value for each in Habit],
            "pace": max(1.5, told.seconds / 20),
            "calm_after": told.seconds,
        }
        lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
        lines.append(f"policy = {{ identity_check_paper = false, fresh = {told.stale}, stale = {told.stale} }}")
        configuration = self.folder / f"fleet-{number}.toml"
        configuration.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return Program([sys.executable, Path(__file__).with_name("chaos_fleet.py"), configuration])

    def _torment(self, services: Services, passes: list[IssuedPass], faults: Faults, rng: random.Random) -> None:
        """Withdraw passes while everything fails, until the time is over and all are withdrawn."""
        start, told = time.monotonic(), self.told
        most = max(1, 2 * told.changes // BURSTS)
        faults.start()
        try:
            while len(self.withdrawn) < told.changes:
                at_once = rng.random() < 0.7
                first = len(self.withdrawn)
                burst = min(rng.randint(1, most if at_once else FEW), told.changes - first)
                due = start + (first + burst) / told.changes * told.seconds
                time.sleep(max(0.0, due - time.monotonic()))
                faults.check()
                # Many in one transaction, or a few, each in its own.
                step = burst if at_once else 1
                for start_at in range(first, first + burst, step):
                    chosen = range(start_at, start_at + step)
                    withdraw(services, [passes[number] for number in chosen])
                    self.transactions += 1
                    self.withdrawn |= {number: passes[number].place for number in chosen}
            time.sleep(max(0.0, start + told.seconds - time.monotonic()))
        finally:
            faults.stop()

    def _current_soon(self, services: Services) -> float:
        """The share of lists at readers that are in the server's newest version, before anything is refilled."""
        held: dict[tuple[str, str], int] = {}
        share, tails, deadline = 0.0, self._tails(), time.monotonic() + SOON_SECONDS
        while share < 1.0 and time.monotonic() < deadline:
            for event in chain.from_iterable(tail.new() for tail in tails):
                if event["event"] == "swap":
                    held[event["reader"], event["list"]] = event["version"]
            versions = {uri: version for uri, (version, _) in served(services).items()}
            current = sum(version == versions.get(uri) for (_, uri), version in held.items())
            share = current / (self.told.readers * len(versions))
            time.sleep(0.5)
        return round(share, 3)

    def _come_to_rest(self, services: Services, witness: Witness) -> float:
        """Until the outbox is empty, the witness heard all, and every reader holds it; or for `REST_SECONDS`."""
        start, tails = time.monotonic(), self._tails()
        held: dict[tuple[str, str], int] = {}
        while time.monotonic() - start < REST_SECONDS:
            for event in chain.from_iterable(tail.new() for tail in tails):
                if event["event"] == "swap":
                    held[event["reader"], event["list"]] = event["version"]
            versions = {uri: version for uri, (version, _) in served(services).items()}
            # A list that never changed has no delta that a witness could hear.
            heard = dict.fromkeys(versions, 1) | witness.newest()
            current = Counter(uri for (_, uri), version in held.items() if version == versions.get(uri))
            if waiting(services) == 0 and heard == versions and all(current[u] == self.told.readers for u in versions):
                break
            time.sleep(0.5)
        else:
            self.unrest = {
                "waiting": waiting(services),
                "server": versions,
                "witness": heard,
                "readers": dict(current),
                "witness_connection": witness.connection,
            }
        return round(time.monotonic() - start, 1)

    def _tails(self) -> list[Tail]:
        return [Tail(self.folder / f"events-{number}") for number in range(self.told.fleets)]

    def _judge(self, facts: Facts) -> Judge:
        judge = Judge(facts=facts)
        for event in chain.from_iterable(tail.new() for tail in self._tails()):
            judge.take(event)
        return judge

    def _result(
        self, judge: Judge, summary: Mapping[str, Any], truth: Truth, made: Mapping[str, Any]
    ) -> dict[str, Any]:
        told, readers = self.told, summary["readers"]
        result: dict[str, Any] = {
            "seconds": told.seconds,
            "readers": told.readers,
            "light": told.light,
            "lists": told.lists,
            "fleets": told.fleets,
            "changes": len(self.withdrawn),
            "transactions": self.transactions,
            "versions": sum(truth.newest.values()),
            "swaps": judge.seen["swap"],
            "decisions": summary["decisions"],
            "light_heads": summary["light"]["heads"],
            "connections": sum(each["connections"] for each in readers) + summary["light"]["connections"],
            "refused": _sums(readers, "reports"),
            "happened": dict.fromkeys((each.value for each in HABITS_THAT_ACT), 0) | _sums(readers, "happened"),
            **made,
            "fleet_cpu_s": round(summary["cpu_ms"] / 1000, 1),
            "breaches": {name: judge.breaches[name] for name in BREACHES},
            "examples": judge.examples,
        }
        if self.unrest:
            result["unrest"] = self.unrest
        result["missing"] = missing(result, whole=told.seconds >= WHOLE_SECONDS)
        result["ok"] = not result["missing"] and not any(result["breaches"].values())
        return result


def _ended(fleets: list[Program]) -> dict[str, Any]:
    """Let them end; what all of them hold and did."""
    summaries = []
    for fleet in fleets:
        if (code := fleet.terminate(timeout=60.0)) != 0:
            raise SystemExit(f"a fleet ended with {code}:\n{fleet.text(Stream.STDERR)}")
        summaries.append(json.loads(fleet.lines(Stream.STDOUT)[-1]))
    lights = [each["light"] for each in summaries]
    return {
        "readers": [reader for each in summaries for reader in each["readers"]],
        "light": {name: sum(each[name] for each in lights) for name in ("connections", "heads")},
        "decisions": _sums(summaries, "decisions"),
        "cpu_ms": sum(each["cpu_ms"] for each in summaries),
    }


def missing(result: Mapping[str, Any], *, whole: bool) -> list[str]:
    """What should have happened and did not; in a `whole` run everything that can."""
    expected: dict[str, Callable[[], bool]] = {
        "a pass that opens": lambda: result["decisions"].get("green", 0) > 0,
        "a pass that was withdrawn": lambda: result["decisions"].get("superseded", 0) > 0,
        "lists that are too old": lambda: result["decisions"].get("lists-too-old", 0) > 0,
        "a freeze": lambda: result["faults"].get("frozen", 0) > 0,
        "a killed process": lambda: result["faults"].get("broker killed", 0) + result["server_starts"] > 1,
        "a refused forgery": lambda: result["refused"].get("unknown-key", 0) > 0,
        "a refused impersonation": lambda: result["refused"].get("bad-signature", 0) > 0,
        "a refused fragment": lambda: result["refused"].get("malformed", 0) > 0,
        "reboots": lambda: result["happened"].get("rebooting", 0) > 0,
        "a reboot with a full disk": lambda: result["happened"].get("full-rebooting", 0) > 0,
        "a reboot with a broken disk": lambda: result["happened"].get("broken-rebooting", 0) > 0,
    }
    found = [name for name, happened in expected.items() if not happened()]
    if whole:
        found += [
            f"{part}: {name}"
            for part in ("faults", "meddled", "happened")
            for name, count in result[part].items()
            if count == 0
        ]
    return found


def _sums(readers: list[Mapping[str, Any]], name: str) -> dict[str, int]:
    sums: Counter[str] = Counter()
    for each in readers:
        sums.update(each[name])
    return dict(sorted(sums.items()))


def print_result(result: Mapping[str, Any]) -> None:
    """The tallies, for people."""
    table = Table("what", "how many")
    for name, value in result.items():
        if isinstance(value, Mapping):
            for part, count in value.items():
                table.add_row(f"{name}: {part}", str(count))
        else:
            table.add_row(name, str(value))
    console = Console()
    console.print(table)
    console.print("nothing was lost, doubled, forged or let in" if result["ok"] else "FAILED", style="bold")


if __name__ == "__main__":
    try:
        typer.run(main)
    except ProgramError as error:
        print(f"chaos: {error}", file=sys.stderr)
        sys.exit(1)
