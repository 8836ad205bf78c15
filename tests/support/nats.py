"""A NATS cluster of three nodes on the files of `firmware-config/nats`, as they are shipped.

Only these things differ from three machines: folders, ports, addresses (loopback), the nodes' names, passwords that are
not hashed, and a log with the time.
"""

import re
import shutil
import ssl
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest
from tests.support.certificates import SigningAuthority
from tests.support.mqtt import Client
from tests.support.publishing import wait_for
from tests.support.shipped_brokers import changed

from waypass_simulator.processes import Program, Stream, free_port, wait_for_port

SHIPPED = Path(__file__).resolve().parents[2] / "firmware-config" / "nats"
NODES = (1, 2, 3)
PASSWORDS = {"server": "server's own", "station": "station's own", "north-1": "north-1's own", "north-2": "north-2's"}
START_SECONDS = 40.0


def nats_program() -> str | None:
    """Where the server is; Debian puts it into a folder that is not on everybody's search path."""
    return shutil.which("nats-server") or shutil.which("nats-server", path="/usr/sbin:/usr/local/sbin")


needs_nats = [
    pytest.mark.nats,
    pytest.mark.skipif(nats_program() is None, reason="the nats-server program is not installed"),
    # NATS 2.9 ends an MQTT connection when its cluster is too busy to store a message within four seconds; readers come
    # back, a test's own client does not. Tried again is only what was cut off or waited in vain: what is wrong fails.
    pytest.mark.flaky(reruns=2, only_rerun=["ConnectionEnded", "Empty", "expected within"]),
]
"""Marks for a test that starts NATS."""


class NatsCluster:
    """Three processes. `ports` are those of MQTT, by node; `own` is the authority behind their certificates."""

    def __init__(self, folder: Path) -> None:
        """Writes the files; `start` runs a node."""
        self.own = SigningAuthority(folder / "own")
        self.ports = {node: free_port() for node in NODES}
        self.programs: dict[int, Program] = {}
        self._numbers = count(1)
        self._folder = folder
        self._routes = {node: free_port() for node in NODES}
        nodes = SigningAuthority(folder / "nodes")
        for node in NODES:
            self._write(node, nodes)

    def start(self, *nodes: int) -> None:
        """Start these nodes; returns once they listen, which is before they can serve."""
        program = nats_program()
        assert program is not None
        for node in nodes:
            if (before := self.programs.get(node)) is not None:
                before.close()
            self.programs[node] = Program([program, "-c", self._folder / str(node) / "nats-server.conf"])
        for node in nodes:
            wait_for_port("127.0.0.1", self.ports[node], timeout=START_SECONDS, program=self.programs[node])

    def wait_until_serving(self, *nodes: int) -> None:
        """Until each of these takes a client and a subscription of QoS 1."""
        with ThreadPoolExecutor() as pool:
            for waiting in [pool.submit(self._wait_until_serving, node) for node in nodes]:
                waiting.result()

    def kill(self, *nodes: int) -> None:
        """SIGKILL."""
        for node in nodes:
            self.programs[node].kill()

    def leader(self, stream: str) -> int:
        """The node that said last that it leads this stream."""
        said = re.compile(rf"\] (\S+ \S+) \[INF\] .*new stream leader for 'WAYPASS > {re.escape(stream)}'")
        when = {node: said.findall(self.programs[node].text(Stream.STDERR)) for node in NODES}
        leaders = {node: times[-1] for node, times in when.items() if times}
        assert leaders, f"expected a node to have led {stream}, got none"
        return max(leaders, key=lambda node: leaders[node])

    def client(self, login: str, node: int, *, name: str = "", will: tuple[str, bytes] | None = None) -> Client:
        """A client with its password; without a name it gets one that no other has."""
        return self._connect(login, PASSWORDS[login], node, name=name, will=will)

    def knock(self, login: str, password: str) -> int:
        """The first node's answer to this login; without one it is not given."""
        with self._connect(login, password, NODES[0]) as client:
            return client.answer

    def _connect(
        self, login: str, password: str, node: int, *, name: str = "", will: tuple[str, bytes] | None = None
    ) -> Client:
        tls = ssl.create_default_context(cafile=self.own.ca)
        name = name or f"client {next(self._numbers)} of {login}"
        return Client(name, self.ports[node], login=(login, password) if login else None, will=will, tls=tls)

    def close(self) -> None:
        """End all."""
        for program in self.programs.values():
            program.close()

    def _wait_until_serving(self, node: int) -> None:
        wait_for(lambda: self._serves(node), f"node {node} serves", seconds=START_SECONDS)

    def _serves(self, node: int) -> bool:
        try:
            with self.client("station", node, name=f"is node {node} there") as client:
                return client.answer == 0 and client.subscribe(("waypass/1/metro/status/+/snapshot", 1)) == [1]
        except OSError:
            return False

    def _write(self, node: int, nodes: SigningAuthority) -> None:
        folder = self._folder / str(node)
        folder.mkdir()
        broker, route = (
            self.own.issue("localhost", file=f"broker-{node}"),
            nodes.issue("localhost", file=f"node-{node}"),
        )
        for source, name in (
            (broker.certificate, "broker.pem"),
            (broker.key, "broker.key"),
            (route.certificate, "node.pem"),
            (route.key, "node.key"),
            (nodes.ca, "nodes.pem"),
            (SHIPPED / "access.conf", "access.conf"),
        ):
            (folder / name).write_bytes(source.read_bytes())
        lines = (f'{login.replace("-", "_")}: "{password}"\n' for login, password in PASSWORDS.items())
        (folder / "passwords.conf").write_text("".join(lines), encoding="utf-8")
        changes = {
            "/etc/waypass-nats": str(folder),
            "/var/lib/waypass-nats": str(folder / "store"),
            'server_name: "waypass-1"': f'server_name: "waypass-{node}"',
            "logtime: false": "logtime: true",
            "127.0.0.1:4222": f"127.0.0.1:{free_port()}",
            "0.0.0.0:6222": f"127.0.0.1:{self._routes[node]}",
            "0.0.0.0:8884": f"127.0.0.1:{self.ports[node]}",
            **{f"broker-{other}.example.org:6222": f"localhost:{port}" for other, port in self._routes.items()},
        }
        text = changed(SHIPPED / "nats-server.conf", changes)
        (folder / "nats-server.conf").write_text(text, encoding="utf-8")
