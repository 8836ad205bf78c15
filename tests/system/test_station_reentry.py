"""Two readers, a broker and the station's box, all programs of their own: one code opens one lane of the station.

The readers' turnstiles are simulated on mock pins: at `gate-a` people walk through, at `gate-b` nobody does. What was
said before a change of the list has been heard when a reader holds the new list: a broker keeps the order.
"""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.support.brokers import BROKERS, BrokerKind, LocalBroker
from tests.support.issuing import HOUR, SCOPE, URI, IssuedList, Issuer, make_issuer, write_trust
from tests.support.pictures import write_picture
from tests.support.publishing import Publisher, wait_for

from waypass_protocol.messages import MinuteCounts, ReentryMessage, read_message
from waypass_reader.sharing import NOBODYS
from waypass_simulator.processes import Program, Stream, free_port

COMMAND = [sys.executable, "-c", "from waypass_reader.cli import main; main()"]
KEY = "the-key-of-station-north"
GATES = ("gate-a", "gate-b")
FLAWS = {"gate-a": "none", "gate-b": "nobody-walks"}


@dataclass(kw_only=True)
class Station:
    """Everything of one station."""

    folder: Path
    issuer: Issuer
    issued: IssuedList
    server: Publisher
    now: int
    readers: dict[str, Program] = field(default_factory=dict)
    sequence: int = 1
    shown: int = 0

    def configure(self, gate: str, *, broker: int, box: int) -> Path:
        folder = self.folder / gate
        (folder / "frames").mkdir(parents=True)
        write_trust(self.issuer, folder)
        (folder / "station-key").write_text(f"{KEY}\n", encoding="utf-8")
        path = folder / "reader.toml"
        path.write_text(
            f'reader = "{gate}"\nnetwork = "metro"\nkeys = "trust.json"\nstate = "state"\nscope = {SCOPE}\n'
            'clock = "assume-synchronised"\npolicy = { identity_check_paper = false }\nstation = "north"\n'
            f'[broker]\nhost = "127.0.0.1"\nport = {broker}\n'
            f'[station_box]\naddress = "http://127.0.0.1:{box}"\nkey_file = "station-key"\n'
            '[[lane]]\nname = "lane-1"\ndisplay = "lines"\n'
            'source = { kind = "folder", path = "frames", follow = true, consume = true }\n'
            '[lane.turnstile]\npins = "mock"\nopen_seconds = 0.3\npulse_seconds = 0.05\nsensor = 23\n'
            f'simulated = {{ walk_seconds = 0.1, turn_seconds = 0.05, flaw = "{FLAWS[gate]}" }}\n',
            encoding="utf-8",
        )
        return path

    def show(self, gate: str, idx: int) -> None:
        """Somebody holds a code before a camera."""
        self.shown += 1
        text = self.issuer.paper(idx=idx, iat=self.now - HOUR)
        write_picture(self.folder / gate / "frames" / f"{self.shown}.png", text)

    def reasons(self, gate: str) -> list[str]:
        return [json.loads(line)["reason"] for line in self.readers[gate].lines(Stream.STDOUT)]

    def wait_reasons(self, gate: str, expected: list[str]) -> None:
        wait_for(lambda: len(self.reasons(gate)) >= len(expected), f"{gate} decides {expected}")
        assert self.reasons(gate) == expected

    def told(self, gate: str) -> list[bool]:
        """What a reader told the others: that it opened, or took back. Not its words about nobody."""
        topic = self.server.topics.reentry(gate)
        messages = [read_message("reentry", data) for at, data in self.server.raw() if at == topic]
        marks = [each for each in messages if isinstance(each, ReentryMessage) and each.mark != NOBODYS]
        return [each.opened for each in marks]

    def wait_told(self, gate: str, expected: list[bool]) -> None:
        """Until it was said, and all readers have heard it."""
        wait_for(lambda: self.told(gate) == expected, f"{gate} tells {expected}")
        self.sequence += 1
        self.server.change(self.issued, 1000 + self.sequence, iat=self.now)
        self.server.head(self.issued, sequence=self.sequence, iat=self.now)
        for each in GATES:
            wait_for(lambda each=each: self.server.version(each, URI) == self.issued.version, f"{each} is current")  # type: ignore[misc]  # bound now

    def wait_sharing(self) -> None:
        for gate in GATES:

            def shares(gate: str = gate) -> bool:
                state = self.server.state(gate)
                return state is not None and state.health.get("re-entry") == "ok" and bool(state.lists)

            wait_for(shares, f"{gate} has keys and a list")


@contextmanager
def box_running(folder: Path, *, broker: int, box: int) -> Iterator[Program]:
    (folder / "station-key").write_text(f"{KEY}\n", encoding="utf-8")
    (folder / "station.toml").write_text(
        f'station = "north"\nnetwork = "metro"\nkey_file = "station-key"\nport = {box}\n'
        f'[broker]\nhost = "127.0.0.1"\nport = {broker}\n' + "".join(f'[[reader]]\nid = "{gate}"\n' for gate in GATES),
        encoding="utf-8",
    )
    with Program([*COMMAND, "station", "--config", folder / "station.toml"]) as program:
        program.wait_for_line('"event": "station"', timeout=30)
        yield program


@pytest.fixture(params=BROKERS)
def station(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Station]:
    kind: BrokerKind = request.param
    now = int(time.time())
    issuer = make_issuer(nbf=now - 24 * HOUR)
    box = free_port()
    (tmp_path / "broker").mkdir()
    with ExitStack() as stack:
        broker = stack.enter_context(LocalBroker(kind, tmp_path / "broker"))
        server = stack.enter_context(Publisher(issuer, broker.host, broker.port))
        issued = issuer.status_list()
        server.snapshot(issued, iat=now)
        server.head(issued, sequence=1, iat=now)
        made = Station(folder=tmp_path, issuer=issuer, issued=issued, server=server, now=now)
        stack.enter_context(box_running(tmp_path, broker=broker.port, box=box))
        for gate in GATES:
            config = made.configure(gate, broker=broker.port, box=box)
            made.readers[gate] = stack.enter_context(Program([*COMMAND, "run", "--config", config]))
        made.wait_sharing()
        yield made


def test_one_code_opens_one_lane_of_the_station(station: Station) -> None:
    station.show("gate-a", 5)
    station.wait_reasons("gate-a", ["green"])
    station.wait_told("gate-a", [True])
    station.show("gate-b", 5)
    station.wait_reasons("gate-b", ["seen-already"])

    # Nobody walks through at gate-b, so the same code opens gate-a.
    station.show("gate-b", 6)
    station.wait_reasons("gate-b", ["seen-already", "green"])
    station.wait_told("gate-b", [True, False])
    station.show("gate-a", 6)
    station.wait_reasons("gate-a", ["green", "green"])

    counted: dict[str, dict[str, int]] = {}
    for gate in GATES:
        assert station.readers[gate].terminate() == 0
        wait_for(lambda gate=gate: station.server.presence(gate) == "offline", "it says goodbye")  # type: ignore[misc]  # bound now
        counted[gate] = {}
        for each in station.server.heard(gate, "counts"):
            for name, number in each.outcomes.items() if isinstance(each, MinuteCounts) else ():
                counted[gate][name] = counted[gate].get(name, 0) + number
    assert counted["gate-a"].get("open") == 2
    assert counted["gate-a"].get("passed", 0) >= 1
    assert counted["gate-b"] == {"open": 1, "assist": 1, "annulled": 1}


def test_nothing_of_it_is_on_a_disk_or_in_a_log(station: Station) -> None:
    station.show("gate-a", 5)
    station.wait_reasons("gate-a", ["green"])
    station.wait_told("gate-a", [True])
    heard = [
        json.loads(data) for topic, data in station.server.raw() if topic == station.server.topics.reentry("gate-a")
    ]
    (mark,) = [each for each in heard if each["mark"] != NOBODYS]
    for gate in GATES:
        assert station.readers[gate].terminate() == 0
    written = [path.read_bytes() for path in station.folder.rglob("*") if path.is_file()]
    said = [station.readers[gate].text(stream).encode() for gate in GATES for stream in Stream]
    for secret in (mark["mark"], mark["epoch"]):
        assert not [data for data in written + said if secret.encode() in data or bytes.fromhex(secret) in data]
