"""Mosquitto on the files of `firmware-config/mosquitto`, as they are shipped.

Only these things differ from a station's box: the folder, the two ports, the address (loopback), the user when the
tests are root, and two more logins, which may do anything: `spy` stands for whoever looks into the broker itself,
`wide` is for a bridge that is held by nothing but its own settings.
"""

import os
import ssl
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.brokers import mosquitto_program
from tests.support.certificates import Identity, SigningAuthority
from tests.support.mqtt import Client

from waypass_simulator.processes import Program, free_port, wait_for_port

SHIPPED = Path(__file__).resolve().parents[2] / "firmware-config" / "mosquitto"
PLACE = "/etc/mosquitto/waypass"
PASSWORDS = {"server": "server's own", "spy": "sees all", "north-1": "north-1's own"}
MORE_LOGINS = "".join(f"\nuser {login}\ntopic readwrite #\n" for login in ("spy", "wide"))


@dataclass(kw_only=True)
class ShippedBroker:
    """A folder that stands for `/etc/mosquitto/waypass`; `start` runs Mosquitto on it."""

    folder: Path
    clients: SigningAuthority
    own: SigningAuthority
    certificates: int = field(default_factory=free_port)
    passwords: int = field(default_factory=free_port)

    def start(self, *, acl: str = "acl", change: dict[str, str] | None = None) -> Program:
        """Mosquitto, once it listens on both ports; `change` replaces texts of the configuration."""
        (self.folder / "conf.d").mkdir(parents=True, exist_ok=True)
        broker = self.own.issue("localhost", file=f"broker-{self.certificates}")
        for source, name in (
            (broker.certificate, "broker.pem"),
            (broker.key, "broker.key"),
            (self.clients.ca, "clients.pem"),
        ):
            (self.folder / name).write_bytes(source.read_bytes())
        (self.folder / "acl").write_text((SHIPPED / acl).read_text(encoding="utf-8") + MORE_LOGINS, encoding="utf-8")
        make_password_file(self.folder / "passwords")
        changes = {
            PLACE: str(self.folder),
            "listener 8883": f"listener {self.certificates} 127.0.0.1",
            "listener 8884": f"listener {self.passwords} 127.0.0.1",
            **(change or {}),
        }
        settings = self.folder / "mosquitto.conf"
        settings.write_text(_user() + changed(SHIPPED / "mosquitto.conf", changes), encoding="utf-8")
        program = Program([str(mosquitto_program()), "-c", settings])
        with program.closed_on_error():
            for port in (self.certificates, self.passwords):
                wait_for_port("127.0.0.1", port, timeout=20.0, program=program)
        return program

    def bridge_to(self, centre: "ShippedBroker", login: str) -> None:
        """Put the shipped bridge into `conf.d`, with a certificate for this login; before `start`."""
        (self.folder / "conf.d").mkdir(parents=True)
        bridge = centre.clients.issue(login, file="bridge")
        for source, name in (
            (centre.own.ca, "centre.pem"),
            (bridge.certificate, "bridge.pem"),
            (bridge.key, "bridge.key"),
        ):
            (self.folder / name).write_bytes(source.read_bytes())
        changes = {PLACE: str(self.folder), "broker.example.org:8883": f"localhost:{centre.certificates}"}
        settings = changed(SHIPPED / "station-bridge.conf", changes)
        (self.folder / "conf.d" / "station-bridge.conf").write_text(settings, encoding="utf-8")

    def context(self, identity: Identity | None = None, *, ca: Path | None = None) -> ssl.SSLContext:
        """What a client knows: the broker's authority, and perhaps its own certificate."""
        context = ssl.create_default_context(cafile=ca or self.own.ca)
        if identity:
            context.load_cert_chain(identity.certificate, identity.key)
        return context

    def client(
        self, login: str, *, client_id: str = "", password: str = "", will: tuple[str, bytes] | None = None
    ) -> Client:
        """A client with a certificate for this login, or with a password, at the port for it."""
        name = client_id or f"client of {login}"
        if password:
            return Client(name, self.passwords, login=(login, password), will=will, tls=self.context())
        return Client(name, self.certificates, will=will, tls=self.context(self.clients.issue(login)))

    def spy(self) -> Client:
        """The one who may do anything."""
        return self.client("spy", password=PASSWORDS["spy"])


def changed(file: Path, changes: dict[str, str]) -> str:
    """A shipped file's text with these replacements, each of which must find its text."""
    text = file.read_text(encoding="utf-8")
    for old, new in changes.items():
        assert old in text, f"{file.name} has no {old!r} any more"
        text = text.replace(old, new)
    return text


def make_password_file(file: Path) -> None:
    """With Mosquitto's own program."""
    file.write_text("".join(f"{name}:{password}\n" for name, password in PASSWORDS.items()), encoding="utf-8")
    file.chmod(0o600)
    subprocess.run(["mosquitto_passwd", "-U", file], check=True, capture_output=True, timeout=60)


def _user() -> str:
    # Started as root it would become somebody who may not read these files.
    return "user root\n" if os.getuid() == 0 else ""
