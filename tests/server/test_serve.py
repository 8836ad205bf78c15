"""`waypass-server serve` as a process: what keeps it from starting, that it starts without a broker, and that it
stops.
"""

import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text
from typer.testing import CliRunner, Result

from waypass_server import serving
from waypass_server.application import app
from waypass_server.errors import ConfigurationError, ServerError
from waypass_server.indexes import PrefixTaken
from waypass_server.settings import load_settings

PROGRAM = [sys.executable, "-c", "from waypass_server.cli import main; main()"]
NETWORK = """
name = "metro"
[[scopes]]
number = 1
name = "ride"
[[staff]]
name = "Ada"
desk = "Central"
roles = ["desk"]
"""


def run(*arguments: str) -> Result:
    """A command to its end, in this process: starting one takes longer than most of what it does."""
    return CliRunner().invoke(app, arguments)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys, database and network as an operator makes them, and a broker's address where nobody listens."""
    folder = tmp_path_factory.mktemp("server")
    config = folder / "server.toml"
    config.write_text(f'network = "metro"\nport = 0\nbroker = "mqtt://127.0.0.1:{free_port()}"\n', encoding="utf-8")
    (folder / "network.toml").write_text(NETWORK, encoding="utf-8")
    keys = ("keys", "make", "--use", "pass", "--use", "status", "--days", "30", "--network", "metro")
    for command in (
        (*keys, "--dir", str(folder / "keys")),
        ("migrate", "--config", str(config)),
        ("network", "apply", "--config", str(config), str(folder / "network.toml")),
    ):
        done = run(*command)
        assert done.exit_code == 0, done.stderr
    return folder


@contextmanager
def running(config: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The server as a process, and its address."""
    process = subprocess.Popen([*PROGRAM, "serve", "--config", str(config)], stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        found = re.fullmatch(r"server: listening on (http://127\.0\.0\.1:\d+)\n", line)
        assert found, line
        yield process, found[1]
    finally:
        process.kill()
        process.communicate()


def test_it_serves_without_a_broker_and_stops_when_told(installation: Path) -> None:
    with running(installation / "server.toml") as (process, address):
        answer = httpx.get(f"{address}/api/v1/network", timeout=60)
        assert (answer.status_code, answer.json()["name"]) == (200, "metro")
        health = httpx.get(f"{address}/health", timeout=60)
        assert health.status_code == 200
        assert {**health.json(), "broker": "connecting"} == {
            "status": "degraded",
            "database": "ok",
            "publisher": "ok",
            "broker": "connecting",
            "keys": "ok",
            "lists": "ok",
        }
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Traceback" not in errors
    assert "/api/v1" not in errors, "there is no access log"


def test_a_page_that_is_live_does_not_keep_it_from_stopping(installation: Path) -> None:
    config = installation / "server.toml"
    token = json.loads(run("network", "token", "--config", str(config), "Ada", "--json").stdout)["token"]
    with running(config) as (process, address), httpx.Client(base_url=address, timeout=60) as browser:
        page = browser.get("/ops/sign-in").text
        csrf = re.search(r'name="csrf" value="([^"]+)"', page)
        assert csrf
        assert browser.post("/ops/sign-in", data={"csrf": csrf[1], "token": token}).status_code == 303
        with browser.stream("GET", "/ops/push/events") as stream:
            lines = stream.iter_lines()
            assert next(lines).startswith("data: ")
            process.send_signal(signal.SIGTERM)
            rest = list(lines)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Traceback" not in errors
    assert "graceful shutdown exceeded" not in errors, "nothing had to be cut off"
    assert [line for line in rest if line.startswith("event:")] == [], "it ends; the browser tries again by itself"


def test_the_database_is_for_its_owner_alone(installation: Path) -> None:
    assert stat.S_IMODE((installation / "waypass.db").stat().st_mode) == 0o600


def test_a_port_in_use(installation: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        environment = os.environ | {"WAYPASS_SERVER_PORT": str(port)}
        done = subprocess.run(
            [*PROGRAM, "serve", "--config", str(installation / "server.toml")],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env=environment,
        )
    assert done.returncode == 2
    assert done.stderr == f"waypass-server: 127.0.0.1:{port} cannot be listened on: Address already in use\n"


@pytest.mark.parametrize(
    ("name", "extra", "message"),
    [
        ("unknown key", "borker = 1", "unknown setting 'borker'; known are approval_elsewhere, broker, "),
        ("no keys", 'keys = "absent"', "keys: expected a folder at "),
        (
            "a passkey domain without an origin",
            'passkey_domain = "a.org"',
            "passkey_domain: expected the setting",
        ),
        (
            "a passkey domain elsewhere",
            'origin = "https://ops.example.org"\npasskey_domain = "example.net"',
            "passkey_domain: expected ops.example.org or a domain above it, got example.net",
        ),
        (
            "half a provider",
            'oidc_issuer = "https://a.org"',
            "oidc: expected the setting oidc_client_id and",
        ),
        (
            "a provider without an origin",
            'oidc_issuer = "https://a.org"\noidc_client_id = "w"\noidc_client_secret_file = "absent"',
            "oidc: expected the setting origin too",
        ),
        (
            "a provider without TLS",
            'origin = "https://b.org"\noidc_issuer = "http://a.org"\noidc_client_id = "w"\n'
            'oidc_client_secret_file = "absent"',
            "oidc_issuer: expected an https address",
        ),
        (
            "a provider without a secret",
            'origin = "https://b.org"\noidc_issuer = "https://a.org"\noidc_client_id = "w"\n'
            'oidc_client_secret_file = "absent"',
            "oidc_client_secret_file: expected one line with the secret in",
        ),
        ("no signers", 'evidence_signers = "absent"', "evidence_signers: expected a folder of certificates at"),
        (
            "no such broker",
            'broker = "localhost"',
            "broker: expected mqtt://HOST:PORT or mqtts",
        ),
        (
            "empty database",
            'database_url = "sqlite:///other.db"',
            "is empty; run: waypass-server migrate",
        ),
        ("another network", 'network = "tram"', "keys: expected keys of network tram, got metro"),
    ],
)
def test_what_keeps_it_from_starting(installation: Path, name: str, extra: str, message: str) -> None:
    config = installation / f"{name.replace(' ', '-')}.toml"
    first = "" if "network" in extra else 'network = "metro"\n'
    config.write_text(f"{first}port = 0\n{extra}\n", encoding="utf-8")
    with pytest.raises(ServerError, match=message):
        serving.run(load_settings(config, {}))


def test_before_the_network_is_defined(installation: Path) -> None:
    config = installation / "undefined.toml"
    config.write_text('network = "metro"\nport = 0\ndatabase_url = "sqlite:///undefined.db"\n', encoding="utf-8")
    assert run("migrate", "--config", str(config)).exit_code == 0
    with pytest.raises(ConfigurationError, match="network metro is not defined; run: waypass-server network apply"):
        serving.run(load_settings(config, {}))


def test_requests_that_wait_for_the_database_hold_no_withdrawal_up(installation: Path) -> None:
    """All connections of the API are out; publisher and scheduler have their own, and are still woken by it."""
    services = serving.make_services(load_settings(installation / "server.toml", {}))
    with ExitStack() as stack:
        behind = stack.enter_context(serving.apart(services))
        stack.callback(services.database.close)
        for _ in range(15):
            stack.enter_context(services.database.engine.connect())
        assert services.database.engine.pool.status().startswith("Pool size: 5  Connections in pool: 0")
        with behind.database.reading() as session:
            assert session.scalar(text("SELECT count(*) FROM networks")) == 1
        assert behind.nudge is services.nudge


def test_it_does_not_go_on_when_nothing_can_be_published(installation: Path) -> None:
    """It could issue passes and not withdraw them."""
    damaged = installation / "damaged.db"
    with sqlite3.connect(installation / "waypass.db") as source, sqlite3.connect(damaged) as copy:
        source.backup(copy)
    config = installation / "damaged.toml"
    text = (installation / "server.toml").read_text(encoding="utf-8")
    config.write_text(f'{text}database_url = "sqlite:///damaged.db"\n', encoding="utf-8")
    # Opens the first list, whichever test has run before this one.
    assert run("lists", "advance", "--config", str(config)).exit_code == 0
    with sqlite3.connect(damaged) as copy:
        assert copy.execute("UPDATE status_versions SET digest = zeroblob(32)").rowcount == 1
    with running(config) as (process, _):
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 2
    assert errors.splitlines()[-1].startswith("waypass-server: ")
    assert "Traceback" not in errors


def test_it_does_not_go_on_when_nothing_takes_its_course(installation: Path) -> None:
    """Entries would not take effect, and nothing would end; here over a notice of a kind that there is not."""
    damaged = installation / "unforeseen.db"
    with sqlite3.connect(installation / "waypass.db") as source, sqlite3.connect(damaged) as copy:
        source.backup(copy)
        copy.execute("INSERT INTO people (network_id, reference, created_at) VALUES (1, 'p-1', 1)")
        copy.execute("INSERT INTO notices (person_id, kind, content, created_at) VALUES (1, 'rumour', '{}', 1)")
    config = installation / "unforeseen.toml"
    text = (installation / "server.toml").read_text(encoding="utf-8")
    config.write_text(f'{text}database_url = "sqlite:///unforeseen.db"\n', encoding="utf-8")
    with running(config) as (process, _):
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 2
    last = "waypass-server: expected the scheduler to run until the end, it failed; the log says how"
    assert errors.splitlines()[-1] == last


def test_what_the_network_command_says(installation: Path, tmp_path: Path) -> None:
    config = str(installation / "server.toml")
    again = run("network", "apply", "--config", config, str(installation / "network.toml"), "--json")
    assert (again.exit_code, again.stdout) == (0, "")
    fresh = run("network", "token", "--config", config, "Ada", "--json")
    line = json.loads(fresh.stdout)
    assert (line["what"], line["name"], line["roles"], line["token"][:4]) == ("staff", "Ada", ["desk"], "wps_")
    shown = run("network", "show", "--config", config, "--json")
    assert [json.loads(one)["name"] for one in shown.stdout.splitlines()] == ["1 ride", "Ada"]
    assert "wps_" not in shown.stdout
    other = tmp_path / "other.toml"
    other.write_text('name = "tram"', encoding="utf-8")
    refused = run("network", "apply", "--config", config, str(other))
    assert isinstance(refused.exception, ServerError)
    assert "expected network metro as in" in str(refused.exception)


def test_a_prefix_that_is_another_networks(installation: Path, tmp_path: Path) -> None:
    copied = tmp_path / "installation"
    shutil.copytree(installation, copied)
    config = copied / "server.toml"
    assert run("lists", "advance", "--config", str(config)).exit_code == 0, "it has a list now"
    (copied / "network.toml").write_text('name = "tram"\n', encoding="utf-8")
    shutil.rmtree(copied / "keys")
    keys = ("keys", "make", "--use", "pass", "--use", "status", "--days", "30", "--network", "tram")
    assert run(*keys, "--dir", str(copied / "keys")).exit_code == 0
    config.write_text(config.read_text(encoding="utf-8").replace('"metro"', '"tram"'), encoding="utf-8")
    assert run("network", "apply", "--config", str(config), str(copied / "network.toml")).exit_code == 0
    refused = run("serve", "--config", str(config))
    assert isinstance(refused.exception, PrefixTaken)
    assert "expected one that no other network of the database has, got 'wp:', which is that of network metro" in str(
        refused.exception
    )
