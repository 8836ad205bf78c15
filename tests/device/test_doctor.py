"""`waypass-reader doctor`: each thing well, each thing broken, and the command as a process."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.device.test_inbox import feed, start
from tests.device.test_run import COMMAND, READY, Gate, gate  # noqa: F401 - a fixture
from tests.support.brokers import BrokerKind, LocalBroker
from tests.support.issuing import HOUR, NOW, make_issuer

from waypass_protocol.assembly import Kind
from waypass_reader.clock import ManualClock
from waypass_reader.config import load_config
from waypass_reader.doctor.checks import DAY, examine, look_at_clock, look_at_keys, look_at_port, look_at_state
from waypass_reader.doctor.findings import Finding, library_findings
from waypass_reader.libraries import missing_libraries
from waypass_simulator.processes import Program, Stream, free_port


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[LocalBroker]:
    with LocalBroker(BrokerKind.EMBEDDED, tmp_path) as running:
        yield running


def ask(gate: Gate) -> tuple[int, dict[str, dict[str, Any]]]:  # noqa: F811
    """The command's exit code, and its findings by part."""
    with Program([*COMMAND, "doctor", "--config", gate.config, "--json"]) as program:
        code = program.wait(timeout=60)
        found = [json.loads(line) for line in program.lines(Stream.STDOUT)]
        assert found, program.text(Stream.STDERR)
        return code, {each["part"]: each for each in found}


def test_a_reader_that_has_all_it_needs_is_well(gate: Gate, broker: LocalBroker) -> None:  # noqa: F811
    gate.configure(port=broker.port, pages=f"[pages]\nport = {free_port()}\n[metrics]\nport = {free_port()}\n")
    run = start(gate.folder / "state", gate.issuer, now=gate.now)
    issued = gate.issuer.status_list()
    run.inbox.take(Kind.SNAPSHOT, issued.snapshot(iat=gate.now))
    run.inbox.take(Kind.HEAD, gate.issuer.head(issued, iat=gate.now))
    before = sorted((path.name, path.stat().st_mtime_ns) for path in (gate.folder / "state").rglob("*"))
    gate.show("1", "https://example.org")
    code, found = ask(gate)
    assert [each["part"] for each in found.values() if not each["well"]] == []
    assert code == 0
    assert list(found) == [
        "library cv2",
        "library zxingcpp",
        "library pyzbar.pyzbar",
        "keys for pass",
        "keys for status",
        "clock",
        "state folder",
        "list wp:17",
        "camera north",
        "pins north",
        "broker",
        "pages",
        "metrics",
    ]
    # It took no picture and moved no message.
    assert (gate.folder / "frames" / "1.png").exists()
    assert sorted((path.name, path.stat().st_mtime_ns) for path in (gate.folder / "state").rglob("*")) == before


def test_a_reader_that_lacks_everything_is_told_what_to_do(gate: Gate) -> None:  # noqa: F811
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        gate.configure(
            port=free_port(),
            pages=f"[metrics]\nport = {port}\n",
            source='{ kind = "camera", device = "/dev/no-camera" }',
            more='[[lane]]\nname = "south"\nsource = { kind = "serial", device = "/dev/null" }\n'
            'turnstile = { pins = "gpio", relay = 1, lamp_go = 2, lamp_wait = 3 }\n',
        )
        code, found = ask(gate)
    assert code == 1
    told = {part: each["says"] for part, each in found.items() if not each["well"]}
    assert told.keys() == {"lists", "camera north", "camera south", "pins south", "broker", "metrics"}
    assert "there is no such device" in told["camera north"]
    assert "can't be used as a serial line" in told["camera south"]
    assert "lgpio" in told["pins south"]
    assert "can't be reached" in told["broker"]
    assert "can't be listened at (Address already in use)" in told["metrics"]
    assert all(each["remedy"] for each in found.values() if not each["well"])


def test_each_address_of_the_broker_is_looked_at(gate: Gate, broker: LocalBroker) -> None:  # noqa: F811
    nobody = free_port()
    gate.configure(port=broker.port, pages=f'others = ["127.0.0.1:{nobody}"]\n')
    _, found = ask(gate)
    assert found[f"broker 127.0.0.1:{broker.port}"]["says"] == f"127.0.0.1:{broker.port} takes this reader"
    assert "can't be reached" in found[f"broker 127.0.0.1:{nobody}"]["says"]


def test_beside_a_reader_that_runs_its_own_pages_are_well(gate: Gate) -> None:  # noqa: F811
    gate.configure(pages=f"[pages]\nport = {free_port()}\n")
    with gate.run() as reader:
        reader.wait_for_line(READY, timeout=30)
        _, found = ask(gate)
        assert found["pages"]["says"].endswith("is a reader's already; it seems to run")
        assert found["pages"]["well"]
        assert reader.terminate() == 0


def test_for_people_it_says_what_to_do_on_a_line_of_its_own(gate: Gate) -> None:  # noqa: F811
    gate.configure()
    with Program([*COMMAND, "doctor", "--config", gate.config]) as program:
        assert program.wait(timeout=60) == 1
        lines = program.lines(Stream.STDOUT)
    at = next(number for number, line in enumerate(lines) if line.startswith("MEND  lists: none is held"))
    assert lines[at + 1].startswith("      -> let the reader run with its broker")
    assert "ok    camera north: can be opened" in lines


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("no such file", ["--config", "nowhere.toml"], "configuration nowhere.toml: can't be read"),
        ("no file", [], "Missing option '--config'"),
    ],
)
def test_bad_use_is_exit_code_2(name: str, arguments: list[str], message: str) -> None:
    with Program([*COMMAND, "doctor", *arguments]) as program:
        assert program.wait(timeout=60) == 2, name
        assert message in program.text(Stream.STDERR)


@pytest.mark.parametrize(
    ("name", "now", "well", "says"),
    [
        ("in their time", NOW, True, "1 valid, for 730 days more"),
        ("soon over", NOW + 730 * DAY - 10 * DAY, False, "1 valid, for 10 days more"),
        ("over", NOW + 730 * DAY, False, "none is valid now"),
        ("not yet", NOW - 366 * DAY, False, "none is valid now"),
    ],
)
def test_keys_are_looked_at_for_each_use(name: str, now: int, well: bool, says: str) -> None:
    found = list(look_at_keys(make_issuer().trust, now))
    assert [each.part for each in found] == ["keys for pass", "keys for status"], name
    assert {(each.well, each.says) for each in found} == {(well, says)}


def test_a_clock_that_nobody_vouches_for_needs_mending() -> None:
    assert look_at_clock(ManualClock(NOW)).says == "2027-01-15 08:00:00 UTC, synchronised"
    found = look_at_clock(ManualClock(NOW, synchronised=False))
    assert (found.well, "timedatectl set-ntp true" in found.remedy) == (False, True)


def test_lists_that_are_too_old_need_mending(gate: Gate) -> None:  # noqa: F811
    gate.configure()
    feed(start(gate.folder / "state", gate.issuer), gate.issuer, gate.issuer.status_list(), 7)
    table, trust = load_config(gate.config)
    for now, well in ((NOW + 10, True), (NOW + 25 * HOUR, False)):
        found = {each.part: each for each in examine(table, gate.issuer.trust, clock=ManualClock(now))}
        assert found["list wp:17"].well is well
        assert found["list wp:17"].says == f"version 2, {now - NOW} s old"
    assert trust.network == "metro"


def test_a_state_folder_that_is_none_needs_mending(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    assert not look_at_state(tmp_path / "file").well
    assert not look_at_state(tmp_path / "file" / "state").well
    assert look_at_state(tmp_path / "new" / "state").says.endswith("is not there yet; the reader makes it")
    assert not (tmp_path / "new").exists()
    assert not look_at_state(Path("/proc/self")).well


def test_a_port_that_another_program_has_needs_mending() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        taken.settimeout(0.1)
        assert "Address already in use" in look_at_port("pages", "127.0.0.1", taken.getsockname()[1]).says


def test_a_missing_library_is_said_with_what_to_install() -> None:
    def none(module: str) -> object:
        raise ImportError(f"No module named {module!r}")

    found = library_findings(missing_libraries(none))
    assert [each.well for each in found] == [False] * 3
    assert "apt-get install libzbar0" in found[2].remedy
    assert found[2].says.endswith("; fewer codes are read")


@pytest.mark.parametrize(("well", "remedy"), [(True, "do this"), (False, "")])
def test_a_finding_has_a_remedy_when_it_needs_one(well: bool, remedy: str) -> None:
    with pytest.raises(ValueError, match="expected a remedy for what is not well alone"):
        Finding(part="x", well=well, says="y", remedy=remedy)
