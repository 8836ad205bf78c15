"""The places at which the contract of brokers is held, each with the server's end and the readers' end.

embedded     `waypass-server broker` with its password file; both ends are the same broker
mosquitto    the shipped files: the server with a password, readers with certificates
bridged      two Mosquittos on the shipped files: the server at the centre, with a certificate, readers at the station
             behind the bridge
nats         three nodes on the shipped files: the server begins with the first, readers with the second

A site runs from its making to `close`. `kill` is SIGKILL for all of it, `start` starts it again on the same ports.
"""

import json
from abc import ABC, abstractmethod
from pathlib import Path

from tests.support.brokers import BrokerKind, LocalBroker
from tests.support.certificates import SigningAuthority
from tests.support.mqtt import Client
from tests.support.nats import NODES, NatsCluster
from tests.support.nats import PASSWORDS as NATS_PASSWORDS
from tests.support.shipped_brokers import PASSWORDS, ShippedBroker

from waypass_reader.broker_address import BrokerAddress
from waypass_server.broker.access import password_line
from waypass_server.bus import BusSettings
from waypass_server.serving import bus_settings
from waypass_server.settings import load_settings
from waypass_simulator.processes import Program

READERS = ("north-1", "north-2")


class Site(ABC):
    """See the module."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @abstractmethod
    def client(self, login: str, *, name: str = "", will: tuple[str, bytes] | None = None) -> Client:
        """A client at the end where this login belongs."""

    @abstractmethod
    def bus_settings(self) -> BusSettings:
        """What the server is set to."""

    @abstractmethod
    def address(self, reader: str) -> BrokerAddress:
        """What a reader is set to."""

    @abstractmethod
    def kill(self) -> None:
        """All of it, with SIGKILL."""

    @abstractmethod
    def start(self) -> None:
        """Again, on the same ports."""

    @abstractmethod
    def close(self) -> None:
        """For good."""

    def read_settings(self, **said: str | Path) -> BusSettings:
        """What a `server.toml` that says this sets the server to."""
        lines = (f"{name} = {json.dumps(str(value))}\n" for name, value in {"network": "metro", **said}.items())
        file = self.folder / "server.toml"
        file.write_text("".join(lines), encoding="utf-8")
        return bus_settings(load_settings(file, {}))

    def password_file(self, login: str, password: str) -> Path:
        """A file with this login's password."""
        file = self.folder / f"password of {login}"
        file.write_text(f"{password}\n", encoding="utf-8")
        return file


class EmbeddedSite(Site):
    """One process; each login's password is its name."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        passwords = folder / "passwords"
        lines = (password_line(login, login) for login in ("server", *READERS))
        passwords.write_text("\n".join(lines), encoding="utf-8")
        self._broker = LocalBroker(BrokerKind.EMBEDDED, folder, passwords=passwords)

    def client(self, login: str, *, name: str = "", will: tuple[str, bytes] | None = None) -> Client:
        """See `Site`."""
        return Client(name or f"client of {login}", self._broker.port, login=(login, login), will=will)

    def bus_settings(self) -> BusSettings:
        """See `Site`."""
        return self.read_settings(
            broker=f"mqtt://127.0.0.1:{self._broker.port}",
            broker_user="server",
            broker_password_file=self.password_file("server", "server"),
        )

    def address(self, reader: str) -> BrokerAddress:
        """See `Site`."""
        secret = self.password_file(reader, reader)
        return BrokerAddress(host="127.0.0.1", port=self._broker.port, username=reader, password_file=secret)

    def kill(self) -> None:
        """See `Site`."""
        self._broker.kill()

    def start(self) -> None:
        """See `Site`."""
        self._broker.start()

    def close(self) -> None:
        """See `Site`."""
        self._broker.close()


class MosquittoSite(Site):
    """One Mosquitto, or with `bridged` two."""

    def __init__(self, folder: Path, *, bridged: bool = False) -> None:
        super().__init__(folder)
        self._centre = self._make("centre")
        self._edge = self._make("station") if bridged else self._centre
        if bridged:
            self._edge.bridge_to(self._centre, "bridge-north")
        self._programs: list[Program] = []
        self.start()

    def client(self, login: str, *, name: str = "", will: tuple[str, bytes] | None = None) -> Client:
        """See `Site`."""
        if login == "server":
            return self._centre.client(login, client_id=name, password=PASSWORDS[login], will=will)
        return self._edge.client(login, client_id=name, will=will)

    def bus_settings(self) -> BusSettings:
        """See `Site`."""
        if self._edge is not self._centre:  # with a certificate there, with a password here
            identity = self._centre.clients.issue("server")
            return self.read_settings(
                broker=f"mqtts://localhost:{self._centre.certificates}",
                broker_ca=self._centre.own.ca,
                broker_certificate=identity.certificate,
                broker_key=identity.key,
            )
        return self.read_settings(
            broker=f"mqtts://localhost:{self._centre.passwords}",
            broker_user="server",
            broker_password_file=self.password_file("server", PASSWORDS["server"]),
            broker_ca=self._centre.own.ca,
        )

    def address(self, reader: str) -> BrokerAddress:
        """See `Site`."""
        identity = self._edge.clients.issue(reader)
        return BrokerAddress(
            host="localhost",
            port=self._edge.certificates,
            ca=self._edge.own.ca,
            certificate=identity.certificate,
            key=identity.key,
        )

    def kill(self) -> None:
        """See `Site`."""
        for program in self._programs:
            program.kill()

    def start(self) -> None:
        """See `Site`."""
        self.close()
        self._programs = [self._centre.start()]
        if self._edge is not self._centre:
            self._programs.append(self._edge.start(acl="station-acl"))

    def close(self) -> None:
        """See `Site`."""
        for program in self._programs:
            program.close()

    def _make(self, name: str) -> ShippedBroker:
        clients, own = (SigningAuthority(self.folder / f"{name} {what}") for what in ("clients", "own"))
        return ShippedBroker(folder=self.folder / name, clients=clients, own=own)


class NatsSite(Site):
    """Three nodes."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.cluster = NatsCluster(folder)
        self.start()

    def client(self, login: str, *, name: str = "", will: tuple[str, bytes] | None = None) -> Client:
        """See `Site`."""
        return self.cluster.client(login, 1 if login == "server" else 2, name=name, will=will)

    def bus_settings(self) -> BusSettings:
        """See `Site`."""
        return self.server_at(1)

    def server_at(self, node: int) -> BusSettings:
        """A server that begins with this node."""
        return self.read_settings(
            broker=",".join(f"mqtts://{host}:{port}" for host, port in self._places(node)),
            broker_user="server",
            broker_password_file=self.password_file("server", NATS_PASSWORDS["server"]),
            broker_ca=self.cluster.own.ca,
        )

    def address(self, reader: str) -> BrokerAddress:
        """See `Site`."""
        return self.reader_at(reader, 2)

    def reader_at(self, reader: str, node: int) -> BrokerAddress:
        """A reader that begins with this node."""
        first, *others = self._places(node)
        return BrokerAddress(
            host=first[0],
            port=first[1],
            others=tuple(others),
            username=reader,
            password_file=self.password_file(reader, NATS_PASSWORDS[reader]),
            ca=self.cluster.own.ca,
        )

    def kill(self) -> None:
        """See `Site`."""
        self.cluster.kill(*NODES)

    def start(self) -> None:
        """See `Site`."""
        self.cluster.start(*NODES)
        self.cluster.wait_until_serving(*NODES)

    def close(self) -> None:
        """See `Site`."""
        self.cluster.close()

    def _places(self, first: int) -> list[tuple[str, int]]:
        order = [first, *(node for node in NODES if node != first)]
        return [("localhost", self.cluster.ports[node]) for node in order]
