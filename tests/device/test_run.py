"""`waypass-reader run` as a process: pictures in a folder, a broker of its own, restarts and faults."""

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.support.brokers import BROKERS, BrokerKind, LocalBroker
from tests.support.issuing import HOUR, SCOPE, URI, Issuer, make_issuer, write_status, write_trust
from tests.support.pictures import write_picture
from tests.support.publishing import Publisher, wait_for

from waypass_protocol.passes import Aspect
from waypass_simulator.processes import Program, Stream, free_port

COMMAND = [sys.executable, "-c", "from waypass_reader.cli import main; main()"]
READY = r'"event": "ready"'
SERVER_PACKAGES = (
    "fastapi",
    "sqlalchemy",
    "alembic",
    "uvicorn",
    "amqtt",
    "qrcode",
    "reportlab",
    "waypass_server",
    "waypass_simulator",
)
WITHOUT_SERVER = f"""
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {SERVER_PACKAGES!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}: nothing of the server is installed here")

sys.meta_path.insert(0, Refuse())
from waypass_reader.cli import main
main()
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Gate:
    """A reader's folder: configuration, keys, state and the pictures that its camera sees."""

    folder: Path
    issuer: Issuer
    now: int

    @property
    def config(self) -> Path:
        return self.folder / "reader.toml"

    def configure(self, *, port: int | None = None, source: str | None = None, more: str = "") -> None:
        source = source or '{ kind = "folder", path = "frames", follow = true, consume = true }'
        broker = "" if port is None else f'[broker]\nhost = "127.0.0.1"\nport = {port}\n'
        self.config.write_text(
            'reader = "gate-1"\nnetwork = "metro"\nkeys = "trust.json"\nstate = "state"\n'
            f'scope = {SCOPE}\nclock = "assume-synchronised"\npolicy = {{ identity_check_paper = false }}\n{broker}'
            f'[[lane]]\nname = "north"\ndisplay = "lines"\nsource = {source}\n'
            f'turnstile = {{ pins = "mock", open_seconds = 0.05, pulse_seconds = 0.01 }}\n{more}',
            encoding="utf-8",
        )

    def show(self, name: str, *texts: str) -> None:
        """A frame comes before the camera."""
        write_picture(self.folder / "frames" / f"{name}.png", *texts)

    def run(self, *command: str) -> Program:
        return Program([*(command or COMMAND), "run", "--config", self.config])

    def paper(self, idx: int = 5, aspect: Aspect = Aspect.GREEN) -> str:
        return self.issuer.paper(idx=idx, iat=self.now - HOUR, aspects={SCOPE: aspect})


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    now = int(time.time())
    issuer = make_issuer(nbf=now - 24 * HOUR)
    write_trust(issuer, tmp_path)
    (tmp_path / "frames").mkdir()
    return Gate(folder=tmp_path, issuer=issuer, now=now)


@pytest.fixture(params=BROKERS)
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LocalBroker]:
    kind: BrokerKind = request.param
    with LocalBroker(kind, tmp_path) as running:
        yield running


def decisions(program: Program) -> list[dict[str, Any]]:
    return [json.loads(line) for line in program.lines(Stream.STDOUT)]


def reasons(program: Program) -> list[str]:
    return [line["reason"] for line in decisions(program)]


def wait_for_reasons(program: Program, expected: list[str]) -> None:
    wait_for(lambda: len(reasons(program)) >= len(expected) or program.exit_code is not None, f"{expected}")
    assert reasons(program) == expected, program.text(Stream.STDERR)


def test_pictures_become_decisions_and_a_withdrawal_reaches_the_gate(gate: Gate, broker: LocalBroker) -> None:
    gate.configure(port=broker.port)
    issued = gate.issuer.status_list()
    with Publisher(gate.issuer, broker.host, broker.port) as server:
        server.snapshot(issued, iat=gate.now)
        server.head(issued, sequence=1, iat=gate.now)
        with gate.run() as reader:
            reader.wait_for_line(READY, timeout=30)
            wait_for(lambda: server.version("gate-1", URI) == 1, "the reader holds the list")
            gate.show("1", gate.paper())
            gate.show("2", gate.paper(6, Aspect.RED))
            wait_for_reasons(reader, ["green", "red"])
            server.change(issued, 7, iat=gate.now)
            server.head(issued, sequence=2, iat=gate.now)
            wait_for(lambda: server.version("gate-1", URI) == 2, "the withdrawal")
            gate.show("3", gate.paper(7))
            wait_for_reasons(reader, ["green", "red", "superseded"])
            first = decisions(reader)[0]
            assert list(first) == ["lane", "outcome", "reason", "aspect", "frame_to_decision_ms", "decode_ms", "at"]
            assert 0 < first["decode_ms"] <= first["frame_to_decision_ms"]

            def live() -> list[str]:
                heard = [getattr(message, "reason", None) for message in server.heard("gate-1", "live")]
                return [reason.value for reason in heard if reason is not None]

            wait_for(lambda: live() == ["green", "red", "superseded"], "the same three live")
            assert reader.terminate() == 0
            wait_for(lambda: server.presence("gate-1") == "offline", "presence is offline at a clean end")
            wait_for(lambda: len(server.heard("gate-1", "counts")) == 2, "the counts under way are sent at the end")
            for words in (reader.text(Stream.STDERR), reader.text(Stream.STDOUT)):
                assert "WP1:" not in words


def test_a_restart_without_network_still_decides(gate: Gate, broker: LocalBroker) -> None:
    gate.configure(port=broker.port)
    issued = gate.issuer.status_list()
    with Publisher(gate.issuer, broker.host, broker.port) as server, gate.run() as reader:
        server.snapshot(issued, iat=gate.now)
        server.change(issued, 7, iat=gate.now)
        server.head(issued, sequence=1, iat=gate.now)
        wait_for(lambda: server.version("gate-1", URI) == 2, "version 2")
        wait_for((gate.folder / "state" / "messages" / "newest.head").exists, "the head on disk")
        reader.kill()
    broker.kill()
    with gate.run() as reader:
        reader.wait_for_line("the broker can't be reached", timeout=30)
        gate.show("1", gate.paper())
        gate.show("2", gate.paper(7))
        wait_for_reasons(reader, ["green", "superseded"])
        assert reader.terminate() == 0


def test_a_killed_readers_last_will_says_offline(gate: Gate, broker: LocalBroker) -> None:
    gate.configure(port=broker.port)
    with Publisher(gate.issuer, broker.host, broker.port) as server, gate.run() as reader:
        wait_for(lambda: server.presence("gate-1") == "online", "online")
        reader.kill()
        wait_for(lambda: server.presence("gate-1") == "offline", "offline")


def test_no_broker_at_start_is_said_and_the_policy_decides(gate: Gate) -> None:
    gate.configure(port=free_port())
    gate.show("1", gate.paper())
    with gate.run() as reader:
        wait_for_reasons(reader, ["status-unknown"])
        line = reader.wait_for_line("the broker can't be reached; the gate decides by its policy", timeout=20)
        assert line
        assert reader.terminate() == 0


def test_a_reader_without_a_broker_ends_with_its_pictures(gate: Gate) -> None:
    gate.configure(source='{ kind = "folder", path = "frames" }')
    gate.show("1", "https://example.org")
    with gate.run() as reader:
        assert reader.wait(timeout=60) == 0
        assert reasons(reader) == ["not-waypass"]
        assert "no broker is configured" in reader.text(Stream.STDERR)


def test_a_camera_that_can_not_be_opened_leaves_the_other_lane_alone(gate: Gate) -> None:
    gate.configure(
        more='[[lane]]\nname = "south"\ndisplay = "lines"\nsource = { kind = "camera", device = "/dev/no-camera" }\n'
        'turnstile = { pins = "mock", relay = 1, lamp_go = 2, lamp_wait = 3 }\n'
    )
    with gate.run() as reader:
        found = reader.wait_for_line("the lane is out of order", timeout=30)
        told = json.loads(found.string)
        assert told["lane"] == "south"
        assert "/dev/no-camera" in told["cause"]
        gate.show("1", "https://example.org")
        wait_for_reasons(reader, ["not-waypass"])
        assert reader.terminate() == 0


def test_a_picture_that_can_not_be_read_is_passed_over(gate: Gate) -> None:
    gate.configure(source='{ kind = "folder", path = "frames" }')
    (gate.folder / "frames" / "1.png").write_bytes(b"no picture")
    gate.show("2", "https://example.org")
    with gate.run() as reader:
        assert reader.wait(timeout=60) == 0
        assert reasons(reader) == ["not-waypass"]
        assert "a frame can't be read" in reader.text(Stream.STDERR)


def test_damaged_state_files_are_reported_and_the_gate_runs(gate: Gate) -> None:
    gate.configure(source='{ kind = "folder", path = "frames" }')
    messages = gate.folder / "state" / "messages"
    messages.mkdir(parents=True)
    (messages / f"{'0' * 16}-1.snapshot").write_bytes(b"damaged")
    (gate.folder / "state" / "floors.0").write_bytes(b"damaged")
    gate.show("1", gate.paper())
    with gate.run() as reader:
        assert reader.wait(timeout=60) == 0
        assert reasons(reader) == ["status-unknown"]
        assert "a damaged file was set aside" in reader.text(Stream.STDERR)
        assert "a floors file is damaged" in reader.text(Stream.STDERR)


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("an unknown key", "scope = 1", "scop = 1", "unknown key 'scop'; expected keys among broker, clock, keys"),
        ("no pins here", '"mock"', '"gpio"', 'pins = "gpio" needs lgpio'),
        ("keys of another network", '"metro"', '"tram"', "expected 'metro', which the keys are for"),
        ("a state folder that is a file", '"state"', '"trust.json"', "can't be made (Not a directory)"),
    ],
)
def test_a_fault_of_the_set_up_ends_with_one_line_and_exit_code_2(
    gate: Gate, name: str, old: str, new: str, message: str
) -> None:
    gate.configure()
    gate.config.write_text(gate.config.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with gate.run() as reader:
        assert reader.wait(timeout=60) == 2, name
        (line,) = reader.lines(Stream.STDERR)
        assert line.startswith("waypass-reader: ")
        assert message in line


def test_check_and_run_work_where_nothing_of_the_server_is_installed(gate: Gate) -> None:
    gate.configure(source='{ kind = "folder", path = "frames" }', port=free_port())
    gate.show("1", gate.paper())
    bare = [sys.executable, "-c", WITHOUT_SERVER]
    with gate.run(*bare) as reader:
        assert reader.wait(timeout=60) == 0, reader.text(Stream.STDERR)
        assert reasons(reader) == ["status-unknown"]
    issued = gate.issuer.status_list()
    head = gate.issuer.head(issued, iat=gate.now)
    status = write_status(gate.folder / "status", snapshot=issued.snapshot(iat=gate.now), head=head)
    where = ["--keys", gate.folder / "trust.json", "--status", status, "--scope", SCOPE, "--at", gate.now]
    with Program([*bare, "check", *map(str, where), "--json", gate.paper()]) as check:
        assert check.wait(timeout=60) == 1
        assert [json.loads(line)["reason"] for line in check.lines(Stream.STDOUT)] == ["identity-check"]
