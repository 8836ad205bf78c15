"""Settings: what an operator may write, and the message for each thing that cannot be used."""

from pathlib import Path

import pytest

from waypass_server.bus import Tls
from waypass_server.errors import ConfigurationError
from waypass_server.serving import bus_settings
from waypass_server.settings import Settings, load_settings


def write(folder: Path, text: str) -> Path:
    file = folder / "server.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_paths_are_meant_from_the_files_folder(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, 'network = "metro"\nevidence_signers = "signers"\n'), {})
    assert settings.database_url == f"sqlite:///{tmp_path}/waypass.db"
    assert settings.keys == tmp_path / "keys"
    assert settings.evidence_signers == tmp_path / "signers"
    assert settings.broker_password_file is None


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("absolute", "sqlite:////srv/waypass.db"),
        ("in memory", "sqlite:///:memory:"),
        ("another database", "postgresql://waypass:secret@db/waypass"),
    ],
)
def test_other_addresses_stay_as_they_are(tmp_path: Path, name: str, url: str) -> None:
    file = write(tmp_path, f'network = "metro"\ndatabase_url = "{url}"\n')
    assert load_settings(file, {}).database_url == url


def test_the_environment_overrides_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAYPASS_SERVER_PORT", "0")
    settings = load_settings(write(tmp_path, 'network = "metro"\nport = 8000\n'), {"WAYPASS_SERVER_PORT": "0"})
    assert settings.port == 0


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "unknown key",
            'network = "metro"\ndatabse_url = "x"',
            "unknown setting 'databse_url'; known are approval_elsewhere, broker",
        ),
        ("no network", "port = 1", "setting 'network': Field required"),
        ("a name that no topic can hold", 'network = "a/b"', "network: expected 1 to 64 letters"),
        ("another database", 'network = "m"\ndatabase_url = "mysql://x/y"', "expected sqlite or postgresql, got mysql"),
        (
            "no address",
            'network = "m"\ndatabase_url = "waypass.db"',
            "expected an address such as sqlite:///waypass.db",
        ),
        (
            "a prefix that names no list",
            'network = "m"\nstatus_uri_prefix = "https://status.example/?list="',
            "setting 'status_uri_prefix': .*that end with ':' or '/', such as 'wp:'",
        ),
        ("a prefix too long", f'network = "m"\nstatus_uri_prefix = "{"a" * 200}:"', "expected at most 200 ASCII"),
        ("a port that is none", 'network = "m"\nport = 65536', "setting 'port': .*less than or equal to 65535"),
        ("a life too long", 'network = "m"\npass_life = 604801', "setting 'pass_life': .*less than or equal to 604800"),
        ("gathering too long", 'network = "m"\ngather = 1.1', "setting 'gather': .*less than or equal to 1"),
        ("too few heads", 'network = "m"\nhead_every = 31', "setting 'head_every': .*less than or equal to 30"),
        ("too many heads", 'network = "m"\nhead_every = 0.5', "setting 'head_every': .*greater than or equal to 1"),
        *(
            (
                f"origin {origin}",
                f'network = "m"\norigin = "{origin}"',
                "setting 'origin': .*expected an origin",
            )
            for origin in (
                "ops.example.org",
                "http://ops.example.org",
                "https://ops.example.org/",
                "https://ops.example.org/ops",
                "https://user@ops.example.org",
                "HTTPS://ops.example.org",
                "https://ops.example.org:x",
                "https://",
                "",
            )
        ),
        ("not TOML", "network = metro", "expected TOML"),
    ],
)
def test_what_cannot_be_used(tmp_path: Path, name: str, text: str, message: str) -> None:
    file = write(tmp_path, text)
    with pytest.raises(ConfigurationError, match=f"server.toml: .*{message}"):
        load_settings(file, {})


def test_a_misspelt_variable(tmp_path: Path) -> None:
    refusal = "environment: unknown setting WAYPASS_SERVER_PROT; known are approval_elsewhere, broker"
    with pytest.raises(ConfigurationError, match=refusal):
        load_settings(write(tmp_path, 'network = "metro"'), {"WAYPASS_SERVER_PROT": "1", "WAYPASS_SHARED": "elsewhere"})


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent\.toml: expected a configuration file: No such file"):
        load_settings(tmp_path / "absent.toml", {})


def test_what_is_wrong_is_told_without_the_value(tmp_path: Path) -> None:
    file = write(tmp_path, 'network = "m"\ndatabase_url = "mysql://waypass:hunter2@x/y"')
    with pytest.raises(ConfigurationError) as refused:
        load_settings(file, {})
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("address", "host", "port", "tls"),
    [
        ("mqtt://broker.test", "broker.test", 1883, False),
        ("mqtt://127.0.0.1:41883", "127.0.0.1", 41883, False),
        ("mqtts://broker.test", "broker.test", 8883, True),
        ("mqtt://[::1]:1884/", "::1", 1884, False),
    ],
)
def test_the_brokers_address(address: str, host: str, port: int, tls: bool) -> None:
    found = bus_settings(Settings(network="metro", broker=address))
    assert (found.host, found.port, found.tls is not None) == (host, port, tls)
    assert found.client_id == "waypass-server-metro"


def test_several_addresses_of_a_broker() -> None:
    addresses = "mqtts://a.test:8884, mqtts://[::1]:8885,mqtts://c.test"
    found = bus_settings(Settings(network="metro", broker=addresses))
    assert found.places == (("a.test", 8884), ("::1", 8885), ("c.test", 8883))
    assert found.tls is not None


def test_addresses_with_and_without_tls_do_not_go_together() -> None:
    with pytest.raises(
        ConfigurationError, match="broker: expected all addresses with TLS or none, got 'mqtt://a,mqtts"
    ):
        bus_settings(Settings(network="metro", broker="mqtt://a,mqtts://b"))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1:1883",
        "mqtt://a,",
        "mqtt://a,b:1883",
        "http://x",
        "mqtt://",
        "mqtt://h:port",
        "mqtt://u:p@h",
        "mqtt://h/x",
    ],
)
def test_no_address_of_a_broker(address: str) -> None:
    with pytest.raises(ConfigurationError, match=r"broker: expected mqtt://HOST:PORT or mqtts://HOST:PORT, got"):
        bus_settings(Settings(network="metro", broker=address))


def test_certificates_for_the_broker(tmp_path: Path) -> None:
    file = tmp_path / "server.toml"
    said = 'broker_ca = "ca.pem"\nbroker_certificate = "own.pem"\nbroker_key = "own.key"\n'
    file.write_text(f'network = "metro"\nbroker = "mqtts://broker.example.org"\n{said}', encoding="utf-8")
    tls = bus_settings(load_settings(file, {})).tls
    assert tls == Tls(authority=tmp_path / "ca.pem", certificate=tmp_path / "own.pem", key=tmp_path / "own.key")


def test_a_certificate_without_tls_or_without_its_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"^broker_ca: expected mqtts:// in broker, got 'mqtt://broker'$"):
        bus_settings(Settings(network="metro", broker="mqtt://broker", broker_ca=tmp_path))
    for half in ({"broker_certificate": tmp_path}, {"broker_key": tmp_path}):
        with pytest.raises(ConfigurationError, match="broker_certificate, broker_key: expected both or none, got one"):
            bus_settings(Settings.model_validate({"network": "metro", "broker": "mqtts://broker"} | half))


def test_the_password_is_the_files_first_line(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("s3cret\n", encoding="utf-8")
    found = bus_settings(Settings(network="metro", broker_user="server", broker_password_file=file))
    assert (found.username, found.password) == ("server", "s3cret")
    file.write_text("", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="broker_password_file: expected one line with the password in"):
        bus_settings(Settings(network="metro", broker_user="server", broker_password_file=file))
