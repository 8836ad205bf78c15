"""`waypass-reader doctor`: each thing well, each thing broken, and the command as a process."""

import json
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gpiozero
import pytest
from gpiozero.pins.mock import MockFactory
from tests.device.test_inbox import feed, start
from tests.device.test_run import COMMAND, READY, Gate, gate  # noqa: F401 - a fixture
from tests.support.brokers import BrokerKind, LocalBroker
from tests.support.issuing import HOUR, NOW, make_issuer
from tests.support.publishing import Publisher
from tests.support.refusing_broker import RefusingBroker

from waypass_protocol.assembly import Kind
from waypass_reader.clock import ManualClock
from waypass_reader.config import InputsTable, LaneTable, StationBoxTable, load_config
from waypass_reader.doctor.checks import DAY, examine, look_at_clock, look_at_keys, look_at_state
from waypass_reader.doctor.findings import Finding, library_findings
from waypass_reader.doctor.lanes import look_at_eyes, look_at_inputs, look_at_pins, look_at_speech
from waypass_reader.doctor.network import look_at_box, look_at_broker, look_at_port
from waypass_reader.libraries import missing_libraries
from waypass_reader.log import RecordingLog
from waypass_reader.mock_pins import make_factory
from waypass_reader.speech import file_name
from waypass_reader.state_lock import hold_state
from waypass_reader.station.keys import KeyPages, KeyRing
from waypass_reader.web import KeyGuard, Routes, WebServer
from waypass_reader.words import Language, Saying
from waypass_simulator.processes import Program, Stream, free_port

MANUAL = Path(__file__).resolve().parents[2] / "docs" / "operations.md"


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
    with Publisher(gate.issuer, broker.host, broker.port) as server:
        server.head(issued, sequence=1, iat=gate.now)
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
        "stage wechat",
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
    with Publisher(gate.issuer, broker.host, broker.port) as server:
        server.head(gate.issuer.status_list(), sequence=1, iat=gate.now)
        _, found = ask(gate)
    place = f"127.0.0.1:{broker.port}"
    assert found[f"broker {place}"]["says"] == f"{place} takes this reader and gives it heads and lists"
    assert "can't be reached" in found[f"broker 127.0.0.1:{nobody}"]["says"]


def test_a_broker_that_gives_no_head_needs_mending(gate: Gate, broker: LocalBroker) -> None:  # noqa: F811
    """The server does not run, or the broker grants a subscription and keeps its messages back."""
    gate.configure(port=broker.port)
    (found,) = look_at_broker(load_config(gate.config)[0])
    assert (found.well, "takes this reader, and no waypass/1/metro/head came within" in found.says) == (False, True)
    assert "access list lets this reader read that topic" in found.remedy


@pytest.mark.parametrize(
    "topic", ["head", "status/+/delta/+", "status/doctor/snapshot", "status/doctor/compact", "reader/+/reentry"]
)
def test_a_subscription_that_is_refused_is_named(gate: Gate, topic: str) -> None:  # noqa: F811
    compact = 'status_form = "compact"\n' if "compact" in topic else ""
    with RefusingBroker(f"waypass/1/metro/{topic}") as broker:
        gate.configure(
            pages=f'[broker]\nhost = "127.0.0.1"\nport = {broker.port}\n'
            f'[station_box]\naddress = "http://127.0.0.1:{free_port()}"\nkey_file = "station-key"\n'
        )
        gate.config.write_text(compact + gate.config.read_text(encoding="utf-8"), encoding="utf-8")
        (found,) = look_at_broker(load_config(gate.config)[0])
    assert found.says.endswith(f"takes this reader and refuses to give waypass/1/metro/{topic}")
    assert "access list" in found.remedy


def test_a_login_that_a_running_reader_has_is_not_used_beside_it(gate: Gate) -> None:  # noqa: F811
    nobody = free_port()
    gate.configure(port=nobody, pages='username = "gate-1"\n')
    (gate.folder / "state").mkdir()
    table, trust = load_config(gate.config)

    def broker_finding() -> Finding:
        findings = examine(table, trust, clock=ManualClock(gate.now))
        return next(each for each in findings if each.part == "broker")

    with hold_state(table.state):
        assert broker_finding().says.startswith("not asked, since the reader runs")
    assert "can't be reached" in broker_finding().says


def test_beside_a_reader_that_runs_its_own_pages_are_well(gate: Gate) -> None:  # noqa: F811
    gate.configure(pages=f"[pages]\nport = {free_port()}\n")
    with gate.run() as reader:
        reader.wait_for_line(READY, timeout=30)
        _, found = ask(gate)
        assert found["pages"]["says"].endswith("is a reader's already; it seems to run")
        assert found["pages"]["well"]
        assert reader.terminate() == 0


def test_beside_a_reader_that_runs_a_pipe_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "camera"
    os.mkfifo(path)
    reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    writing = os.open(path, os.O_WRONLY)
    try:
        os.write(writing, b"YUV4MPEG2 W18 H16 Cmono\nFRAME\n")
        found = look_at_eyes(lane_of(source={"kind": "pipe", "path": str(path)}))
        assert (found.well, found.says) == (
            True,
            f"{path} is a named pipe and may be read; its frames are left to the reader",
        )
        assert os.read(reading, 4096) == b"YUV4MPEG2 W18 H16 Cmono\nFRAME\n"
    finally:
        os.close(writing)
        os.close(reading)


@pytest.mark.parametrize(
    ("name", "message"), [("nothing", "can't be opened: No such file or directory"), ("file", "is no named pipe")]
)
def test_a_pipe_that_is_none_needs_mending(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    found = look_at_eyes(lane_of(source={"kind": "pipe", "path": str(tmp_path / name)}))
    assert (found.well, message in found.says) == (False, True)


TURNSTILE: dict[str, Any] = {
    "pins": "gpio",
    "relay": 17,
    "lamp_go": 27,
    "lamp_wait": 22,
    "sensor": 23,
    "relay_sense": 13,
    "button": 5,
    "key": 6,
}


def lane_of(**settings: Any) -> LaneTable:
    return LaneTable.model_validate(
        {"name": "north", "source": {"kind": "folder", "path": "frames"}, "turnstile": TURNSTILE, **settings}
    )


@pytest.mark.parametrize("number", [17, 27, 22, 23, 13, 5, 6, 12])
def test_a_pin_that_is_taken_is_named_whatever_it_is_for(number: int) -> None:
    lane = lane_of(sounder={"kind": "buzzer", "pin": 12})
    factory = make_factory()
    with gpiozero.DigitalInputDevice(number, pull_up=True, pin_factory=factory):
        taken = look_at_pins(lane, make_pins=lambda _pins: factory)
    assert (taken.well, f"pin {number} can't be used" in taken.says) == (False, True)
    # All that it had meanwhile was given back.
    assert look_at_pins(lane, make_pins=lambda _pins: factory) == Finding(
        part="pins north",
        well=True,
        says="can be had: relay 17, lamp_go 27, lamp_wait 22, relay_sense 13, sensor 23, button 5, key 6, sounder 12",
    )


@pytest.mark.parametrize("number", [25, 24])
def test_a_taken_pin_that_lanes_share_is_named(number: int) -> None:
    table = InputsTable(pins="gpio", crowd_key=25, release=24)
    factory = MockFactory()
    with gpiozero.DigitalInputDevice(number, pull_up=True, pin_factory=factory):
        assert f"pin {number} can't be used" in look_at_inputs(table, make_pins=lambda _pins: factory).says
    assert look_at_inputs(table, make_pins=lambda _pins: factory).says == "can be had: crowd_key 25, release 24"


def test_what_run_would_refuse_is_not_called_well(gate: Gate) -> None:  # noqa: F811
    (gate.folder / "words").mkdir()
    speech = 'speech = { kind = "recorded", folder = "words" }\n'
    gate.configure(pages=f'[pages]\nport = {free_port()}\nstation_key_file = "no-such-key"\n', more=speech)
    code, found = ask(gate)
    assert code == 1
    assert "no-such-key: can't be read" in found["station key"]["says"]
    assert "missing go.en.wav, please-wait.en.wav" in found["speech north"]["says"]
    with gate.run() as reader:
        assert reader.wait(timeout=60) == 2
    (gate.folder / "no-such-key").write_text("a-key-of-this-station\n", encoding="utf-8")
    for saying in Saying:
        for language in (Language.ENGLISH, Language.CHINESE):
            (gate.folder / "words" / file_name(saying, language)).write_bytes(b"RIFF")
    _, found = ask(gate)
    assert (found["station key"]["well"], found["speech north"]["says"]) == (True, "every word is there, in en, zh")


def test_metrics_beyond_loopback_are_not_called_well(gate: Gate) -> None:  # noqa: F811
    gate.configure(pages=f'[metrics]\nhost = "0.0.0.0"\nport = {free_port()}\n')
    table, trust = load_config(gate.config)
    found = {each.part: each for each in examine(table, trust, clock=ManualClock(gate.now))}
    assert (found["metrics"].well, "expected host as an address of loopback" in found["metrics"].says) == (False, True)


@pytest.mark.parametrize(("program", "well"), [(None, False), ("/usr/bin/espeak-ng", True)])
def test_the_program_that_speaks_is_looked_for(program: str | None, well: bool) -> None:
    lane = lane_of(speech={"kind": "espeak-ng"})
    words, found = look_at_speech(lane, (Language.ENGLISH,), which=lambda _name: program)
    assert words.well
    assert (found.well, found.part) == (well, "speech program north")
    assert well or "apt-get install espeak-ng" in found.says


@pytest.mark.parametrize(
    ("name", "key", "well", "says"),
    [
        ("the station's", "the-key-of-the-station", True, "gives its keys, 1 now"),
        ("another", "another-key-altogether", False, "expected 200 for its keys, got 401"),
        ("too short", "short", False, "expected a first line of 16 to 256 letters"),
    ],
)
def test_the_station_box_is_asked_for_its_keys(tmp_path: Path, name: str, key: str, well: bool, says: str) -> None:
    clock = ManualClock(NOW)
    ring = KeyRing(new_bytes=os.urandom, now_ns=clock.monotonic_ns())
    guard = KeyGuard("the-key-of-the-station", monotonic_ns=clock.monotonic_ns)
    pages = KeyPages(ring, guard=guard, monotonic_ns=clock.monotonic_ns)
    box = WebServer(host="127.0.0.1", port=0, routes=Routes(pages.routes()), log=RecordingLog())
    box.start()
    (tmp_path / "station-key").write_text(f"{key}\n", encoding="utf-8")
    table = StationBoxTable(address=box.address, key_file=tmp_path / "station-key")
    try:
        found = look_at_box(table)
        assert (found.part, found.well, says in found.says) == ("station box", well, True), name
        assert key not in found.says
    finally:
        box.close()
    assert not look_at_box(table).well


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


def test_the_manual_names_each_thing_that_is_looked_at(gate: Gate) -> None:  # noqa: F811
    (gate.folder / "state").mkdir()
    gate.configure(
        port=free_port(),
        pages=f'[pages]\nport = {free_port()}\nstation_key_file = "station-key"\n[metrics]\nport = {free_port()}\n'
        f'[station_box]\naddress = "http://127.0.0.1:{free_port()}"\nkey_file = "station-key"\n'
        '[inputs]\npins = "mock"\ncrowd_key = 25\n',
        more='speech = { kind = "espeak-ng" }\n',
    )
    rows = [line.split("|")[1] for line in MANUAL.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall("`([^`]+)`", row)}
    _, found = ask(gate)
    assert len(found) == 19
    # "camera north" is the camera of a lane.
    assert [part for part in found if not {part, part.rpartition(" ")[0], part.partition(" ")[0]} & named] == []


@pytest.mark.parametrize(("well", "remedy"), [(True, "do this"), (False, "")])
def test_a_finding_has_a_remedy_when_it_needs_one(well: bool, remedy: str) -> None:
    with pytest.raises(ValueError, match="expected a remedy for what is not well alone"):
        Finding(part="x", well=well, says="y", remedy=remedy)
