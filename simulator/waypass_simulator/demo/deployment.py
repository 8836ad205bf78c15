"""A whole deployment on this machine: broker, server and readers as programs of their own, in one folder.

1. everything listens on 127.0.0.1, on ports that were free
2. nothing is shared with another deployment: database, keys, configuration and state are in the folder
3. each program is started, stopped and killed by its own process id; leaving the `with` block ends them all
"""

import json
import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from waypass_protocol.topics import Topics
from waypass_simulator.api import Api
from waypass_simulator.demo.gate import NETWORK, OPEN_SECONDS, RIDE, Gate, Pages, Setting
from waypass_simulator.errors import SimulatorError
from waypass_simulator.processes import Program, Stream, free_port, wait_for_port

START_SECONDS = 60.0
CITY = ["harbour", "museum", "university", "market", "airport", "park"]
"""The stations of the readers elsewhere."""

AUTHORITY = "Transit Office"
AUTHORITY_CONTACT = "objections@transit.example, desk 4, city hall"

_NETWORK_TOML = f"""\
name = "metro"

[[scopes]]
number = 1
name = "ride"
needs_evidence = true

[[scopes]]
number = 2
name = "hospital"
essential = true

[[scopes]]
number = 3
name = "priority lane"
by_grant = true

[[authorities]]
name = "{AUTHORITY}"
contact = "{AUTHORITY_CONTACT}"

[[staff]]
name = "dora"
desk = "counter"
roles = ["desk"]

[[staff]]
name = "pavel"
desk = "casework"
roles = ["proposer", "approver"]
authority = "{AUTHORITY}"

[[staff]]
name = "anna"
desk = "approvals"
roles = ["approver", "admin"]

[[staff]]
name = "mira"
desk = "supervision"
roles = ["approver"]

[[staff]]
name = "rosa"
desk = "objections"
roles = ["reviewer"]

[[staff]]
name = "otto"
desk = "operations"
roles = ["ops"]
"""


def console_script(name: str) -> Path:
    """One of the project's commands, beside the Python that runs this."""
    path = Path(sys.executable).parent / name
    if not path.exists():
        raise SimulatorError(f"expected {name} beside {sys.executable}; install the project into this environment")
    return path


def run(*arguments: str | Path, stdin: str | None = None, timeout: float = START_SECONDS) -> Program:
    """Run one of the project's commands to its end. Raises `SimulatorError` when it says 2."""
    with Program([console_script(str(arguments[0])), *arguments[1:]], stdin=stdin) as program:
        if program.wait(timeout=timeout) == 2:
            raise SimulatorError(f"{' '.join(map(str, arguments[:3]))}: {program.text(Stream.STDERR)}")
    return program


@dataclass(kw_only=True)
class Deployment:
    """The programs of one demonstration. `folder` is new and empty; `evidence_signers` are certificates (DER).

    With `pages` the gates serve theirs, and the station's box runs. `city`: how many readers there are elsewhere, which
    hold the lists as every reader does and have neither camera nor people (`waypass fleet`). `keep`: how many lines of
    each program are held.
    """

    folder: Path
    evidence_signers: Mapping[str, bytes] = field(default_factory=dict)
    gate_names: Sequence[str] = ("gate-a", "gate-b")
    pages: bool = False
    city: int = 0
    open_seconds: float = OPEN_SECONDS
    keep: int | None = None

    def __post_init__(self) -> None:
        """Choose ports; nothing is started."""
        self.broker_port = free_port()
        self.server_port = free_port()
        self.station_port = free_port()
        self.pages_ports = {name: free_port() for name in self.gate_names}
        self.station_key = secrets.token_urlsafe(15)
        self.station: Program | None = None
        self.topics = Topics(NETWORK)
        self.tokens: dict[str, str] = {}
        self.gates: dict[str, Gate] = {}
        self.broker: Program | None = None
        self.server: Program | None = None
        self.fleet: Program | None = None

    @property
    def address(self) -> str:
        """The server's HTTP address."""
        return f"http://127.0.0.1:{self.server_port}"

    def staff(self, name: str) -> Api:
        """A member of staff at their own screen."""
        return Api(self.address, token=self.tokens[name])

    @property
    def configuration(self) -> Path:
        """The server's configuration file."""
        return self.folder / "server.toml"

    def start(self, note: Callable[[str], None] = lambda _: None) -> None:
        """Start broker, server and readers, and `note` each that runs.

        Raises `ProgramError` or `SimulatorError` with what they said.
        """
        self._write_server_files()
        # What does not wait for each other goes on at the same time: people wait for the first gate.
        with ThreadPoolExecutor(max_workers=4) as pool:
            broker = pool.submit(self.start_broker)
            keys = pool.submit(self._make_keys)
            migrated = pool.submit(run, "waypass-server", "migrate", "--config", self.configuration)
            broker.result()
            note(f"The broker listens at 127.0.0.1:{self.broker_port}.")
            keys.result()
            gates = {name: pool.submit(self._launch_gate, name) for name in self.gate_names}
            migrated.result()
            self._apply_network()
            self.start_server()
            note(f"The server has its keys, database and staff, and listens at {self.address}.")
            for gate in gates.values():
                gate.result()
        self.gates = {name: self.gates[name] for name in self.gate_names}
        if self.pages:
            self.start_station()
        for name in self.gate_names:
            self.gates[name].wait_ready()
            note(f"{name} looks at its camera.")

    def _make_keys(self) -> None:
        keys = ("--network", NETWORK, "--dir", self.folder / "keys")
        run("waypass-server", "keys", "make", "--use", "pass", "--use", "status", "--days", "30", *keys)
        run("waypass-server", "keys", "make", "--use", "log", "--days", "30", *keys)

    def _apply_network(self) -> None:
        """Network and staff, with the command that an operator uses."""
        applied = run(
            "waypass-server", "network", "apply", "--config", self.configuration, self.folder / "network.toml", "--json"
        )
        for line in applied.lines(Stream.STDOUT):
            row = json.loads(line)
            if row["what"] == "staff":
                self.tokens[row["name"]] = row["token"]

    def start_broker(self) -> None:
        """Start the embedded broker, empty, on the deployment's port."""
        arguments: list[str | Path] = [console_script("waypass-server"), "broker", "--port", str(self.broker_port)]
        self.broker = Program(arguments, keep=self.keep)
        wait_for_port("127.0.0.1", self.broker_port, timeout=START_SECONDS, program=self.broker)

    def kill_broker(self) -> None:
        """SIGKILL: the broker is gone, and all that it retained."""
        if self.broker is not None:
            self.broker.close()
            self.broker = None

    def start_server(self) -> None:
        """Start the server and wait until it listens."""
        arguments: list[str | Path] = [console_script("waypass-server"), "serve", "--config", self.configuration]
        self.server = Program(arguments, keep=self.keep)
        self.server.wait_for_line("listening", timeout=START_SECONDS)

    def kill_server(self) -> None:
        """SIGKILL."""
        if self.server is not None:
            self.server.close()
            self.server = None

    def start_station(self) -> None:
        """Start the station's box: the staff's page, with overrides that go to the gates' own pages."""
        lines = [
            'station = "north"',
            f'network = "{NETWORK}"',
            f"port = {self.station_port}",
            f"key_file = {json.dumps(str(self._station_key_file))}",
            f'[broker]\nhost = "127.0.0.1"\nport = {self.broker_port}',
            *(f'[[reader]]\nid = "{name}"\npages = "{self.pages_address(name)}"' for name in self.gate_names),
        ]
        configuration = self.folder / "station.toml"
        configuration.write_text("\n".join(lines) + "\n", encoding="utf-8")
        arguments: list[str | Path] = [console_script("waypass-reader"), "station", "--config", configuration]
        self.station = Program(arguments, keep=self.keep)

    def kill_station(self) -> None:
        """SIGKILL."""
        if self.station is not None:
            self.station.close()
            self.station = None

    def start_city(self) -> None:
        """Start the readers elsewhere, if there are any. Returns at once."""
        if not self.city:
            return
        settings = {
            "keys": f"{self.gate_names[0]}/keys.jwks",
            "brokers": [f"127.0.0.1:{self.broker_port}"],
            "readers": self.city,
            "prefix": "city",
            "stations": CITY,
            "scope": RIDE,
        }
        configuration = self.folder / "city.toml"
        lines = (f"{name} = {json.dumps(value)}" for name, value in settings.items())
        configuration.write_text("\n".join(lines) + "\n", encoding="utf-8")
        self.fleet = Program([console_script("waypass"), "fleet", "--config", configuration], keep=self.keep)

    def kill_city(self) -> None:
        """SIGKILL."""
        if self.fleet is not None:
            self.fleet.close()
            self.fleet = None

    def close(self) -> None:
        """End every program of this deployment."""
        self.kill_city()
        self.kill_station()
        for gate in self.gates.values():
            gate.close()
        self.kill_server()
        self.kill_broker()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write_server_files(self) -> None:
        signers = self.folder / "signers"
        signers.mkdir()
        for name, der in self.evidence_signers.items():
            (signers / f"{name}.der").write_bytes(der)
        (self.folder / "network.toml").write_text(_NETWORK_TOML, encoding="utf-8")
        settings = {
            "network": NETWORK,
            "port": self.server_port,
            "broker": f"mqtt://127.0.0.1:{self.broker_port}",
            "evidence_signers": "signers",
            "minimum_notice": 1,
            "checkpoint_after": 2,
        }
        if self.pages:
            self._station_key_file.write_text(f"{self.station_key}\n", encoding="utf-8")
            self._station_key_file.chmod(0o600)
        lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
        self.configuration.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def pages_address(self, gate: str) -> str:
        """Where a gate's reader serves its pages."""
        return f"http://127.0.0.1:{self.pages_ports[gate]}"

    @property
    def _station_key_file(self) -> Path:
        return self.folder / "station-key"

    def _launch_gate(self, name: str) -> None:
        """Enrol a reader as an operator would, then point it at frames of this machine, and start it."""
        folder = self.folder / name
        run(
            *("waypass-server", "reader", "enrol", name, "--scope", str(RIDE), "--out", folder),
            *("--keys", self.folder / "keys", "--broker", f"127.0.0.1:{self.broker_port}"),
        )
        pages = Pages(port=self.pages_ports[name], station_key_file=self._station_key_file) if self.pages else None
        gate = Gate(
            name=name,
            folder=folder,
            program=console_script("waypass-reader"),
            broker_port=self.broker_port,
            setting=Setting(open_seconds=self.open_seconds, pages=pages, keep=self.keep),
        )
        self.gates[name] = gate
        gate.launch()
