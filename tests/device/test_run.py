"""`waypass-reader run` as a process: pictures in a folder, a broker of its own, restarts and faults."""

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.brokers import BROKERS, BrokerKind, LocalBroker
from tests.support.issuing import HOUR, SCOPE, URI, Issuer, make_issuer, write_status, write_trust
from tests.support.pictures import write_picture
from tests.support.publishing import Publisher, wait_for

from waypass_protocol.messages import LaneState, LiveMessage, MinuteCounts, StateMessage
from waypass_protocol.passes import Aspect
from waypass_reader.words import Saying
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

    def configure(self, *, port: int | None = None, source: str | None = None, pages: str = "", more: str = "") -> None:
        source = source or '{ kind = "folder", path = "frames", follow = true, consume = true }'
        broker = "" if port is None else f'[broker]\nhost = "127.0.0.1"\nport = {port}\n'
        self.config.write_text(
            'reader = "gate-1"\nnetwork = "metro"\nkeys = "trust.json"\nstate = "state"\n'
            f'scope = {SCOPE}\nclock = "assume-synchronised"\npolicy = {{ identity_check_paper = false }}\n'
            f'station = "west"\n{broker}{pages}'
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
            times = ["frame_to_decision_ms", "decode_ms", "decide_ms", "frame_at_ns", "at"]
            assert list(first) == ["lane", "outcome", "reason", "aspect", *times]
            assert 0 < first["decode_ms"] < first["decode_ms"] + first["decide_ms"] <= first["frame_to_decision_ms"]
            assert 0 < first["frame_at_ns"] < time.monotonic_ns()

            def live() -> list[str]:
                heard = [getattr(message, "reason", None) for message in server.heard("gate-1", "live")]
                # Who waits is said again with each state.
                return [reason.value for reason, _ in groupby(heard) if reason is not None]

            wait_for(lambda: live() == ["green", "red", "superseded"], "the same three live")
            assert reader.terminate() == 0
            wait_for(lambda: server.presence("gate-1") == "offline", "presence is offline at a clean end")
            wait_for(lambda: len(server.heard("gate-1", "counts")) == 2, "the counts under way are sent at the end")
            for words in (reader.text(Stream.STDERR), reader.text(Stream.STDOUT)):
                assert "WP1:" not in words


KEY = "a-key-of-this-station"
PAGES = '[pages]\nport = 0\nstation_key_file = "station-key"\n'


class Pages:
    """A reader's own pages, at the address that its log names."""

    def __init__(self, reader: Program) -> None:
        line = json.loads(reader.wait_for_line(r'"event": "pages"', timeout=30).string)
        self.address = str(line["address"])

    def override(self, lane: str, body: object, *, key: str = KEY) -> int:
        headers = {"Authorization": f"Bearer {key}"}
        return httpx.post(f"{self.address}/lanes/{lane}/override", json=body, headers=headers, timeout=20).status_code

    @contextmanager
    def watching(self, lane: str) -> Iterator[Iterator[dict[str, Any]]]:
        """What a lane's screen shows, from now on; what the gate knows about itself apart."""
        with httpx.stream("GET", f"{self.address}/display/{lane}/events", timeout=20) as stream:
            lines = (line for line in stream.iter_lines() if line.startswith("data: "))
            events = (json.loads(line.removeprefix("data: ")) for line in lines)
            shown = ({name: value for name, value in event.items() if name != "gate"} for event in events)
            yield (event for event, _ in groupby(shown))

    def condition(self, lane: str) -> dict[str, Any]:
        """What the gate says of itself, as soon as it does."""
        with httpx.stream("GET", f"{self.address}/display/{lane}/events", timeout=20) as stream:
            lines = (line for line in stream.iter_lines() if line.startswith("data: "))
            events = (json.loads(line.removeprefix("data: ")) for line in lines)
            condition: dict[str, Any] = next(event["gate"] for event in events if "gate" in event)
            return condition

    @contextmanager
    def staff(self) -> Iterator[tuple[httpx.Client, Iterator[dict[str, Any]]]]:
        """Somebody who signed in at the reader, and what their page is told of the one lane."""
        with httpx.Client(base_url=f"{self.address}/staff/", headers={"Waypass-Page": "station"}, timeout=20) as client:
            assert client.post("sign-in", json={"key": KEY}).status_code == 204
            with client.stream("GET", "events") as stream:
                lines = (line for line in stream.iter_lines() if line.startswith("data: "))
                told = (json.loads(line.removeprefix("data: "))["readers"][0]["lanes"] for line in lines)
                yield client, (lanes[0] for lanes in told if lanes)


def test_a_lane_is_on_its_page_and_on_its_other_display_at_once(gate: Gate) -> None:
    (gate.folder / "station-key").write_text(f"{KEY}\n", encoding="utf-8")
    gate.configure(pages=PAGES)
    with gate.run() as reader:
        pages = Pages(reader)
        reader.wait_for_line(READY, timeout=30)
        with pages.watching("north") as screen:
            first = next(screen)
            while first["state"] != "idle":
                first = next(screen)
            gate.show("1", "https://example.org")
            assert next(screen) == {"state": "wait", "aspect": "grey"}
            wait_for_reasons(reader, ["not-waypass"])
            assert pages.override("north", {"reason": "checked-by-hand"}) == 204
            assert next(screen) == {"state": "open", "aspect": "green"}
            assert next(screen) == {"state": "idle", "aspect": None}
        assert reasons(reader) == ["not-waypass"]  # what staff do is no decision, and no line
        assert reader.terminate() == 0
        assert KEY not in reader.text(Stream.STDERR)


def test_staff_at_the_reader_see_its_lane_and_open_it_without_broker_or_box(gate: Gate) -> None:
    (gate.folder / "station-key").write_text(f"{KEY}\n", encoding="utf-8")
    gate.configure(pages=PAGES)
    with gate.run() as reader:
        pages = Pages(reader)
        assert pages.condition("north") == {
            "lists": {"count": 0, "age": None, "well": False},
            "clock": {"well": True},
            "camera": {"well": True},
            "by_hand": True,
        }
        with pages.staff() as (client, lane):
            gate.show("1", "https://example.org")
            waiting = next(each for each in lane if each["state"] == "wait")
            assert waiting["code"] == "Reason: not-waypass"
            assert waiting["said"] == "Another kind of code was shown; ask for the Waypass code."
            wish = {"reader": "gate-1", "lane": "north", "reason": "checked-by-hand"}
            assert client.post("override", json=wish).json()["words"] == "north of gate-1 is open for one person."
            assert next(each for each in lane if each["state"] == "open")["doing"] == "Opened by staff"
        assert reader.terminate() == 0
        assert KEY not in reader.text(Stream.STDERR)


def test_a_lane_sounds_and_one_whose_voice_is_missing_says_so_and_opens(gate: Gate) -> None:
    telling = 'sounder = { kind = "tonal" }\nspeech = { kind = "espeak-ng" }\n'
    gate.configure(source='{ kind = "folder", path = "frames" }', more=telling)
    gate.show("1", "https://example.org")
    with Program([*COMMAND, "run", "--config", gate.config], environment={"PATH": str(gate.folder)}) as reader:
        assert reader.wait(timeout=60) == 0
        assert reasons(reader) == ["not-waypass"]
        missing = json.loads(reader.wait_for_line("the lane does not speak", timeout=20).string)
        assert missing["lane"] == "north"
        assert missing["cause"] == "speech needs espeak-ng, which is not installed: apt-get install espeak-ng"


def test_a_lane_speaks_the_recorded_words_that_its_folder_has(gate: Gate) -> None:
    """`aplay` is a program of this test's own here, which writes down what it is given."""
    words, programs = gate.folder / "words", gate.folder / "programs"
    words.mkdir()
    programs.mkdir()
    for saying in Saying:
        (words / f"{saying}.zh.wav").touch()
    (programs / "aplay").write_text('#!/bin/sh\necho "$@" >> "$(dirname "$0")/played"\n', encoding="utf-8")
    (programs / "aplay").chmod(0o755)
    gate.configure(more='speech = { kind = "recorded", folder = "words", languages = ["zh"] }\n')
    path = f"{programs}:{os.environ['PATH']}"
    with Program([*COMMAND, "run", "--config", gate.config], environment={"PATH": path}) as reader:
        gate.show("1", "https://example.org")
        wait_for_reasons(reader, ["not-waypass"])
        played = programs / "played"
        wait_for(lambda: played.exists() and played.read_text().endswith("\n"), "the words are played")
        assert played.read_text(encoding="utf-8") == f"-q -- {words / 'please-wait.zh.wav'}\n"
        assert reader.terminate() == 0


def test_an_override_is_live_and_counted_and_the_state_says_nothing_of_it(gate: Gate, broker: LocalBroker) -> None:
    (gate.folder / "station-key").write_text(f"{KEY}\n", encoding="utf-8")
    camera = '{ kind = "camera", device = "/dev/no-camera" }'
    gate.configure(port=broker.port, pages=PAGES, source=camera)
    with Publisher(gate.issuer, broker.host, broker.port) as server, gate.run() as reader:
        pages = Pages(reader)
        wait_for(lambda: broken_in(server.state("gate-1")), "the state names the camera that is not there")
        state = server.state("gate-1")
        assert state is not None
        assert state.station == "west"
        assert "/dev/no-camera" in state.health["camera north"]
        assert pages.override("north", {"reason": "gate-fault"}) == 204
        by_staff = LiveMessage(lane="north", state=LaneState.OPEN, outcome=None, reason=None, aspect=None)
        wait_for(lambda: by_staff in server.heard("gate-1", "live"), "live")
        assert reader.terminate() == 0
        # A minute may end in between.
        wait_for(lambda: outcomes_at(server) == {"override": 1, "opened": 1}, "the counts under way, sent at the end")
        states = [message for message in server.heard("gate-1", "state") if isinstance(message, StateMessage)]
        assert all(message.lanes["north"] is not LaneState.OPEN for message in states)


def outcomes_at(server: Publisher) -> Counter[str]:
    """Of all the minutes that were told."""
    minutes = [message for message in server.heard("gate-1", "counts") if isinstance(message, MinuteCounts)]
    return sum((Counter(minute.outcomes) for minute in minutes), Counter())


def broken_in(state: StateMessage | None) -> bool:
    return state is not None and state.lanes.get("north") is LaneState.OUT_OF_ORDER


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


def test_a_gate_decides_by_what_its_disk_could_not_take_and_says_what_that_has(gate: Gate, broker: LocalBroker) -> None:
    gate.configure(port=broker.port)
    issued = gate.issuer.status_list()
    messages, gone = gate.folder / "state" / "messages", gate.folder / "state" / "gone"
    with Publisher(gate.issuer, broker.host, broker.port) as server, gate.run() as reader:
        server.snapshot(issued, iat=gate.now)
        server.head(issued, sequence=1, iat=gate.now)
        wait_for(lambda: server.version("gate-1", URI) == 1, "version 1")
        messages.rename(gone)  # root may write anywhere, but not into what is not there
        server.change(issued, 7, iat=gate.now)
        server.head(issued, sequence=2, iat=gate.now)
        wait_for(lambda: "can't be written" in disk_in(server.state("gate-1")), "the trouble is told")
        gate.show("1", gate.paper(7))
        wait_for_reasons(reader, ["superseded"])
        assert server.version("gate-1", URI) == 1
        gone.rename(messages)
        wait_for(lambda: server.version("gate-1", URI) == 2, "version 2")
        wait_for(lambda: disk_in(server.state("gate-1")) == "ok", "and that the disk works again")
        reader.kill()
    broker.kill()
    with gate.run() as reader:
        gate.show("2", gate.paper(7))
        wait_for_reasons(reader, ["superseded"])


def disk_in(state: StateMessage | None) -> str:
    return "" if state is None else state.health["disk"]


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
        (
            "an unknown key",
            "scope = 1",
            "scop = 1",
            "unknown key 'scop'; expected keys among also, broker, clock, inputs, keys",
        ),
        ("no pins here", '"mock"', '"gpio"', 'pins = "gpio" needs lgpio'),
        ("keys of another network", '"metro"', '"tram"', "expected 'metro', which the keys are for"),
        ("no key for staff", "[[lane]]", f"{PAGES}[[lane]]", "station-key: can't be read (No such file or directory)"),
        (
            "a key that could be guessed",
            "[[lane]]",
            '[pages]\nport = 0\nstation_key_file = "short-key"\n[[lane]]',
            "expected a first line of 16 to 256 letters",
        ),
        (
            "an address of pages that is none here",
            "[[lane]]",
            '[pages]\nhost = "203.0.113.1"\n[[lane]]',
            "pages: 203.0.113.1:8480 can't be listened at",
        ),
        (
            "a recorded word that is not there",
            "[[lane]]",
            '[[lane]]\nspeech = { kind = "recorded", folder = "frames" }',
            "expected a WAV file for each thing that is said, 14 in all; missing go.en.wav, please-wait.en.wav",
        ),
        (
            "a sounder on a pin of its own turnstile",
            "[[lane]]",
            '[[lane]]\nsounder = { kind = "buzzer", pin = 17 }',
            "sounder: needs a pin of its own",
        ),
        ("a state folder that is a file", '"state"', '"trust.json"', "can't be made (Not a directory)"),
    ],
)
def test_a_fault_of_the_set_up_ends_with_one_line_and_exit_code_2(
    gate: Gate, name: str, old: str, new: str, message: str
) -> None:
    (gate.folder / "short-key").write_text("1234\n", encoding="utf-8")
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


def test_a_second_reader_with_the_same_state_folder_ends_at_once_and_the_first_goes_on(gate: Gate) -> None:
    gate.configure()
    with gate.run() as first:
        first.wait_for_line(READY, timeout=30)
        with gate.run() as second:
            assert second.wait(timeout=30) == 2
            (line,) = second.lines(Stream.STDERR)
        assert line == (
            f"waypass-reader: state {gate.folder}/state: another reader runs with this folder; "
            "stop it, or set another `state`"
        )
        gate.show("1", gate.paper())
        wait_for_reasons(first, ["status-unknown"])
        first.kill()
    with gate.run() as third:
        third.wait_for_line(READY, timeout=30)
