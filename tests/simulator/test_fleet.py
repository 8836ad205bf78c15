"""Many readers in one process, at real brokers: each holds what was published, whatever happens to it."""

import asyncio
import json
import random
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from tests.support.brokers import BROKERS, BrokerKind, LocalBroker
from tests.support.fleets import wait_until_held
from tests.support.issuing import HOUR, SCOPE, Issuer, make_issuer, write_trust
from tests.support.publishing import Publisher, wait_for

from waypass_protocol.admission import Gate
from waypass_protocol.policy import Policy
from waypass_simulator.cli import main
from waypass_simulator.errors import UsageError
from waypass_simulator.fleet.command import plan_of, read_passes, read_settings
from waypass_simulator.fleet.events import HeardEvents, Settling
from waypass_simulator.fleet.fleet import Fleet, FleetPlan, running
from waypass_simulator.fleet.habits import Habit, Step, joins_at, steps_of
from waypass_simulator.fleet.link import Address
from waypass_simulator.processes import Program, Stream

POLICY = Policy(identity_check_paper=False)


@pytest.fixture(scope="module", params=BROKERS)
def broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBroker]:
    kind: BrokerKind = request.param
    with LocalBroker(kind, tmp_path_factory.mktemp("broker")) as running_broker:
        yield running_broker


@pytest.fixture
def issuer(request: pytest.FixtureRequest) -> Issuer:
    """A network of the test's own, so that tests can share a broker."""
    return make_issuer(f"net-{random.Random(request.node.nodeid).randrange(10**9)}")


def now() -> int:
    return int(time.time())


def plan(issuer: Issuer, broker: LocalBroker, **members: object) -> FleetPlan:
    address = Address(host=broker.host, port=broker.port)
    gate = Gate(trust=issuer.trust, scope=SCOPE, policy=POLICY)
    settings: dict[str, object] = {"trust": issuer.trust, "addresses": [address], "readers": 8, "gate": gate}
    return FleetPlan(**(settings | members))  # type: ignore[arg-type]


def test_every_reader_verifies_and_holds_what_is_published(broker: LocalBroker, issuer: Issuer) -> None:
    events = HeardEvents()
    with (
        Publisher(issuer, broker.host, broker.port) as publisher,
        running(plan(issuer, broker, light=4), events) as fleet,
    ):
        lists = [issuer.status_list(f"wp:{number}") for number in (1, 2)]
        for each in lists:
            publisher.snapshot(each, iat=now())
        publisher.head(*lists, sequence=1, iat=now())
        wait_until_held(fleet, *lists)
        for idx in range(20):
            publisher.change(lists[idx % 2], 1000 + idx, iat=now())
        publisher.head(*lists, sequence=2, iat=now())
        wait_until_held(fleet, *lists)
        wait_for(lambda: publisher.version("fleet-8", "wp:2") == 11, "the last reader says what it holds")
        wait_for(lambda: all(light.heads >= 2 for light in fleet.light), "light ones take heads")
    end = events.of("end")[0]
    assert {reader["lists"]["wp:1"][0] for reader in end["readers"]} == {11}
    assert {reader["lists"]["wp:1"][1] for reader in end["readers"]} == {lists[0].row().digest.hex()}
    assert end["readers"][0]["reports"] == {}
    assert publisher.presence("fleet-1") == "offline"
    settled = [each["version"] for each in events.of("settled") if each["list"] == "wp:2"]
    assert settled[-1] == 11
    swaps = [each["version"] for each in events.of("swap") if (each["reader"], each["list"]) == ("fleet-3", "wp:1")]
    assert swaps == sorted(set(swaps))


def test_whatever_happens_to_readers_they_come_back_to_the_present(broker: LocalBroker, issuer: Issuer) -> None:
    events = HeardEvents()
    chosen = plan(issuer, broker, readers=18, habits=list(Habit), pace=0.8, calm_after=4.0, seed=7)
    with (
        Publisher(issuer, broker.host, broker.port) as publisher,
        running(chosen, events) as fleet,
    ):
        issued = issuer.status_list()
        publisher.snapshot(issued, iat=now())
        publisher.head(issued, sequence=1, iat=now())
        for sequence in range(2, 42):
            publisher.change(issued, 1000 + sequence, iat=now())
            publisher.head(issued, sequence=sequence, iat=now())
            time.sleep(0.1)  # the fleet's mishaps are by schedule, not by event
            if sequence == 32:
                publisher.snapshot(issued, iat=now())
        wait_until_held(fleet, issued)
    happened = {kind for member in fleet.full for kind in member.happened}
    assert happened == {"sleeper", "flapping", "rebooting", "clock", "disk", "full-rebooting", "broken-rebooting"}
    assert any(each["restored"] for each in events.of("swap"))
    late = [member for member in fleet.full if member.reader.name == "fleet-2"]
    first = next(each for each in events.of("swap") if each["reader"] == late[0].reader.name)
    assert first["version"] > 1, "the late one joined when the others had been there for long"


def test_readers_decide_passes_and_tell_what_opened(broker: LocalBroker, issuer: Issuer, tmp_path: Path) -> None:
    passes = tmp_path / "passes"
    bound = [issuer.bound(idx=idx, iat=now() - HOUR).hex() for idx in (1, 3)]
    paper = [issuer.paper(idx=idx, iat=now() - HOUR) for idx in (0, 2)]
    holder = f"{1001:064x}"
    lines = [*paper, *(f"{each} {holder}" for each in bound)]
    passes.write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
    shown = read_passes(passes)
    events = HeardEvents()
    with (
        Publisher(issuer, broker.host, broker.port) as publisher,
        running(plan(issuer, broker, readers=2, passes=shown, shows=50.0), events) as fleet,
    ):
        issued = issuer.status_list()
        issued.change(0, 1)
        publisher.snapshot(issued, iat=now())
        publisher.head(issued, sequence=1, iat=now())
        wait_for(lambda: len(events.of("open")) > 20, "passes open")
    assert {each["pass"] for each in events.of("open")} == {1, 3}, "the paper one and the bound one that are valid"
    reasons = fleet.summary()["decisions"]
    assert reasons["superseded"] > 0
    assert set(reasons) <= {"green", "superseded", "status-unknown", "lists-too-old"}
    said = json.dumps(events.all)
    assert all(text not in said for text in (*paper, *bound, holder))


def test_the_command_runs_until_it_is_told_to_end(broker: LocalBroker, issuer: Issuer, tmp_path: Path) -> None:
    trust, told = write_trust(issuer, tmp_path), tmp_path / "events"
    arguments = ["--keys", trust, "--broker", f"{broker.host}:{broker.port}", "--readers", "3", "--events", told]
    script = "from waypass_simulator.cli import main; main()"
    with Publisher(issuer, broker.host, broker.port) as publisher, Program(_python(script, *arguments)) as program:
        issued = issuer.status_list()
        publisher.snapshot(issued, iat=now())
        publisher.head(issued, sequence=1, iat=now())
        wait_for(lambda: told.exists() and '"settled"' in told.read_text(), "all hold the list")
        assert program.terminate() == 0
    summary = json.loads(program.lines(Stream.STDOUT)[-1])
    assert [reader["lists"][issued.uri][0] for reader in summary["readers"]] == [1, 1, 1]


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("no broker", [], "fleet: brokers: Field required"),
        ("no port", ["--broker", "127.0.0.1"], "--broker: expected HOST:PORT, got '127.0.0.1'"),
        ("unknown habit", ["--broker", "a:1", "--habit", "lazy"], "fleet: habits.0: Input should be 'steady', 'late'"),
        ("negative", ["--broker", "a:1", "--readers", "-1"], "fleet: readers: Input should be greater than or equal"),
        ("no file", ["--config", "none"], "--config none: expected a TOML file"),
    ],
)
def test_bad_use_is_said_in_one_line(
    name: str,
    arguments: list[str],
    message: str,
    issuer: Issuer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trust = write_trust(issuer, tmp_path)
    monkeypatch.setattr("sys.argv", ["waypass", "fleet", "--keys", str(trust), *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_a_file_of_settings_is_read_strictly(issuer: Issuer, tmp_path: Path) -> None:
    trust, file = write_trust(issuer, tmp_path), tmp_path / "fleet.toml"
    file.write_text('keys = "trust.json"\nbrokers = ["a:1"]\nreaders = 3\npolicy = { stale = 5 }\n', encoding="utf-8")
    settings = read_settings(file, {"readers": 4})
    assert (settings.keys, settings.readers) == (trust, 4)
    chosen = plan_of(settings)
    assert chosen.gate is not None
    assert chosen.gate.policy.stale == 5
    file.write_text('keys = "trust.json"\nbrokers = ["a:1"]\ncolour = 1\n', encoding="utf-8")
    with pytest.raises(UsageError, match="colour: Extra inputs are not permitted"):
        read_settings(file, {})
    file.write_text('keys = "trust.json"\nbrokers = ["a:1"]\npolicy = { stales = 5 }\n', encoding="utf-8")
    with pytest.raises(UsageError, match="policy: unknown key 'stales'"):
        plan_of(read_settings(file, {}))


def test_a_file_of_passes_names_the_line_and_not_the_pass(tmp_path: Path) -> None:
    passes = tmp_path / "passes"
    for line in ("WP1:NOTHING", "NOTHING", "00 00", "zz 00"):
        passes.write_text(f"{line}\n", encoding="ascii")
        with pytest.raises(UsageError, match="line 1: expected the text of a paper pass, or") as refused:
            read_passes(passes)
        assert line not in str(refused.value)
    with pytest.raises(UsageError, match="No such file"):
        read_passes(tmp_path / "none")


def test_steps_come_from_the_seed_and_end_before_the_calm() -> None:
    for habit in Habit:
        steps, again = ([*steps_of(habit, random.Random(5), pace=3.0, until=60.0)] for _ in range(2))
        assert steps == again
        assert bool(steps) is (habit not in (Habit.STEADY, Habit.LATE))
        assert all(_over(before) <= after.at for before, after in pairwise(steps))
        assert all(_over(step) <= 60.0 for step in steps)
    assert joins_at(Habit.STEADY, random.Random(5), 60.0) == 0.0
    assert 18.0 <= joins_at(Habit.LATE, random.Random(5), 60.0) <= 42.0


def _over(step: Step) -> float:
    return step.at + step.lasts


def test_settled_is_told_when_the_last_reader_has_it() -> None:
    events = HeardEvents()
    settling = Settling(events, readers=2)
    for version, at_ns, restored in ((1, 10, False), (2, 20, True), (2, 30, False), (2, 40, False)):
        settling.tell("swap", list="wp:1", version=version, at_ns=at_ns, restored=restored)
    told = events.of("settled")
    assert [(each["version"], each["first_ns"], each["last_ns"]) for each in told] == [(2, 30, 40)]


def test_a_fleet_that_was_told_to_end_before_it_began_does_nothing(issuer: Issuer) -> None:
    fleet = Fleet(
        FleetPlan(trust=issuer.trust, addresses=[Address(host="127.0.0.1", port=1)], readers=1), HeardEvents()
    )
    fleet.stop()
    asyncio.run(fleet.run())
    assert fleet.full[0].link.connections == 0


def _python(script: str, *arguments: object) -> list[str]:
    import sys

    return [sys.executable, "-c", script, "fleet", *map(str, arguments)]
