"""`waypass-server reader enrol`: the folder that a reader starts from."""

import json
from pathlib import Path

import pytest
from tests.server.publishing import KEYRING, TRUST, key_seed
from typer.testing import CliRunner

from waypass_reader.config import load_config
from waypass_reader.errors import ReaderError
from waypass_reader.web import read_key
from waypass_server.broker.access import read_passwords
from waypass_server.commands.reader import app
from waypass_server.errors import ServerError
from waypass_server.keyring import write_key


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A folder of keys."""
    for key in KEYRING.keys:
        write_key(tmp_path / "keys", key, key_seed(*key.uses))
    return tmp_path / "keys"


def test_a_reader_can_be_set_up_from_its_folder(tmp_path: Path, keys: Path) -> None:
    out = tmp_path / "gate-1"
    arguments = ["enrol", "gate-1", "--scope", "3", "--out", out, "--keys", keys, "--station", "north"]
    result = CliRunner().invoke(app, [str(argument) for argument in [*arguments, "--broker", "[::1]:1884", "--json"]])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {"reader": "gate-1", "network": "metro", "folder": str(out), "login": None}
    table, trust = load_config(out / "reader.toml")
    assert trust == TRUST
    assert (table.reader, table.network, table.scope, table.station) == ("gate-1", "metro", 3, "north")
    assert table.broker is not None
    assert (table.broker.host, table.broker.port, table.broker.username) == ("::1", 1884, None)
    assert sorted(path.name for path in out.iterdir()) == ["keys.jwks", "reader.toml"]


def test_a_cluster_has_several_addresses(tmp_path: Path, keys: Path) -> None:
    arguments = ["enrol", "gate-1", "--scope", "3", "--out", str(tmp_path / "gate-1"), "--keys", str(keys)]
    for place in ("a.example:1883", "b.example:1884", "[::1]:1885"):
        arguments += ["--broker", place]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    table, _ = load_config(tmp_path / "gate-1" / "reader.toml")
    assert table.broker is not None
    assert table.broker.address().places == (("a.example", 1883), ("b.example", 1884), ("::1", 1885))


def test_a_login_is_made_when_passwords_are_used(tmp_path: Path, keys: Path) -> None:
    out = tmp_path / "gate-1"
    arguments = ["enrol", "gate-1", "--scope", "1", "--out", out, "--keys", keys, "--password"]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    table, _ = load_config(out / "reader.toml")
    assert table.broker is not None
    assert table.broker.username == "gate-1"
    assert table.broker.password_file == out / "broker-password"
    assert (out / "broker-password").stat().st_mode & 0o777 == 0o600
    secret = (out / "broker-password").read_text().strip()
    assert secret not in result.output
    logins = tmp_path / "passwords"
    logins.write_text(result.stdout + result.stdout.replace("gate-1:", "server:"))
    assert set(read_passwords(logins)) == {"gate-1", "server"}


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("a name that is none", ["enrol", "a/b", "--scope", "1"], "reader: expected 1 to 64 letters"),
        ("the server's login", ["enrol", "server", "--scope", "1"], "expected another ID than the server's login"),
        ("a station that is none", ["enrol", "a", "--scope", "1", "--station", "b c"], "station: expected 1 to 64"),
        ("no keys", ["enrol", "a", "--scope", "1", "--keys", "none"], "keys: expected a folder at none"),
        ("no port", ["enrol", "a", "--scope", "1", "--broker", "here"], "broker: expected HOST:PORT, got 'here'"),
        (
            "a box that is none",
            ["enrol", "a", "--scope", "1", "--station-box", "here:8470", "none"],
            "station-box: expected an address such as http://10.0.0.5:8470, got 'here:8470'",
        ),
        (
            "no such key",
            ["enrol", "a", "--scope", "1", "--station-box", "http://b", "none"],
            "station-box: the key file none cannot be read",
        ),
        (
            "too many",
            ["enrol", "a", "--scope", "1", *["--broker", "here:1883"] * 18],
            "broker: expected at most 17 addresses, got 18",
        ),
        ("a port over", ["enrol", "a", "--scope", "1", "--broker", "here:70000"], "broker: expected HOST:PORT"),
    ],
)
def test_an_enrolment_is_refused_and_nothing_is_written(
    tmp_path: Path, keys: Path, name: str, arguments: list[str], message: str
) -> None:
    extra = [] if "--keys" in arguments else ["--keys", str(keys)]
    result = CliRunner().invoke(app, [*arguments, *extra, "--out", str(tmp_path / "out")])
    assert isinstance(result.exception, ServerError)
    assert message in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_a_reader_of_a_station_knows_its_box(tmp_path: Path, keys: Path) -> None:
    out = tmp_path / "gate-1"
    (tmp_path / "key").write_text("0123456789abcdef-north\nsecond line\n", encoding="utf-8")
    arguments = ["enrol", "gate-1", "--scope", "1", "--out", out, "--keys", keys, "--station", "north"]
    arguments += ["--station-box", "http://10.0.0.5:8470", tmp_path / "key"]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    table, _ = load_config(out / "reader.toml")
    assert table.station_box is not None
    assert (table.station_box.address, table.station_box.key_file) == ("http://10.0.0.5:8470", out / "station-key")
    assert read_key(out / "station-key") == read_key(tmp_path / "key")
    assert (out / "station-key").stat().st_mode & 0o777 == 0o600
    assert "0123456789abcdef" not in result.output


@pytest.mark.parametrize("key", ["short", "with blanks in it, and long enough", "x" * 257])
def test_a_station_key_that_no_reader_takes_is_refused(tmp_path: Path, keys: Path, key: str) -> None:
    (tmp_path / "key").write_text(f"{key}\n", encoding="utf-8")
    with pytest.raises(ReaderError, match="expected a first line of 16 to 256 letters"):
        read_key(tmp_path / "key")
    arguments = ["enrol", "a", "--scope", "1", "--out", tmp_path / "out", "--keys", keys]
    arguments += ["--station-box", "http://b", tmp_path / "key"]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    expected = f"expected a key of 16 to 256 letters, digits and signs without blanks, got one of {len(key)}"
    assert str(result.exception) == f"station-box: {expected}"
    assert not (tmp_path / "out").exists()


def test_a_reader_is_enrolled_once(tmp_path: Path, keys: Path) -> None:
    arguments = ["enrol", "gate-1", "--scope", "1", "--out", str(tmp_path / "gate-1"), "--keys", str(keys)]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    result = CliRunner().invoke(app, arguments)
    assert "expected a new folder, got one with a reader.toml" in str(result.exception)
