"""The station box's configuration: what it sets, what each fault is told as, and the one that ships."""

import shutil
from pathlib import Path

import pytest
from pydantic import BaseModel

from waypass_reader.errors import ConfigurationError
from waypass_reader.station.config import ReaderOfStation, StationTable, load_station
from waypass_reader.tables import BrokerTable

SHIPPED = Path(__file__).resolve().parents[2] / "firmware-config" / "station.toml"
TOP = 'station = "north"\nnetwork = "metro"\nkey_file = "station-key"\n'
BROKER = '[broker]\nhost = "127.0.0.1"\n'
READER = '[[reader]]\nid = "gate-a"\n'
KEY = "0123456789abcdef"


def write(folder: Path, text: str, *, key: str = KEY) -> Path:
    (folder / "station-key").write_text(f"{key}\nnever read\n", encoding="utf-8")
    path = folder / "station.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_small_file_has_defaults_for_the_rest(tmp_path: Path) -> None:
    table, key = load_station(write(tmp_path, TOP + BROKER + READER))
    assert key == KEY
    assert (table.station, table.network, table.host, table.port) == ("north", "metro", "127.0.0.1", 8470)
    assert (table.language, table.broker.port, table.pages()) == ("en", 1883, {})


def test_everything_can_be_set(tmp_path: Path) -> None:
    more = 'host = "0.0.0.0"\nport = 0\nlanguage = "zh"\n'
    broker = 'username = "station"\npassword_file = "secret"\nca = "/etc/ca.pem"\nport = 8884\n'
    readers = READER + 'pages = "http://127.0.0.1:8480"\n' + '[[reader]]\nid = "gate-b"\npages = "https://b.local/x/"\n'
    table, _ = load_station(write(tmp_path, TOP + more + BROKER + broker + readers))
    assert (table.host, table.port, table.language) == ("0.0.0.0", 0, "zh")
    assert (table.broker.username, table.broker.password_file) == ("station", tmp_path / "secret")
    assert table.pages() == {"gate-a": "http://127.0.0.1:8480", "gate-b": "https://b.local/x/"}


FAULTS: list[tuple[str, str, str]] = [
    ("no station", TOP.replace("station =", "#") + BROKER + READER, "station: Field required"),
    ("no network", TOP.replace("network =", "#") + BROKER + READER, "network: Field required"),
    ("no key", TOP.replace("key_file =", "#") + BROKER + READER, "key_file: Field required"),
    ("no broker", TOP + READER, "broker: Field required"),
    ("no reader", TOP + BROKER, "reader: Field required"),
    (
        "an unknown key",
        TOP + 'color = "red"\n' + BROKER + READER,
        "unknown key 'color'; expected keys among broker, host",
    ),
    ("an unknown broker key", TOP + BROKER + "tls = true\n" + READER, "broker: unknown key 'tls'"),
    (
        "a reader's unknown key",
        TOP + BROKER + READER + "lane = 1\n",
        "unknown key 'lane'; expected keys among id, pages",
    ),
    ("a station with a slash", TOP.replace("north", "north/1") + BROKER + READER, "station: expected"),
    ("a reader that is a wildcard", TOP + BROKER + READER.replace("gate-a", "+"), "reader.0.id: id: expected"),
    ("a reader twice", TOP + BROKER + READER + READER, "each reader stands here once"),
    ("a port of text", TOP + 'port = "8470"\n' + BROKER + READER, "port: Input should be a valid integer"),
    ("a port too high", TOP + "port = 65536\n" + BROKER + READER, "port: Input should be less than or equal to 65535"),
    (
        "an unknown language",
        TOP + 'language = "tlh"\n' + BROKER + READER,
        "language: Input should be 'en', 'zh' or 'ar'",
    ),
    ("not TOML", "station = ", "not TOML"),
]


@pytest.mark.parametrize(("name", "text", "message"), FAULTS, ids=[fault[0] for fault in FAULTS])
def test_a_fault_is_told(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_station(write(tmp_path, text))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "gate-a.local:8480",
        "ftp://gate-a.local",
        "http://",
        "http://gate-a.local:0",
        "http://gate-a.local:port",
        "http://gate-a.local:99999",
        "http://me:secret@gate-a.local",
        "http://gate-a.local/?a=b",
        "http://gate-a.local/#top",
        "http://[::1",
        "http://gate-a.local/a b\\n",
        "http://通道.local",
    ],
)
def test_an_address_of_pages_is_one_that_can_be_asked(tmp_path: Path, address: str) -> None:
    with pytest.raises(ConfigurationError, match=r"reader\.0\.pages: expected an address such as http://127"):
        load_station(write(tmp_path, TOP + BROKER + READER + f'pages = "{address}"\n'))


def test_a_key_that_could_be_guessed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="expected a first line of 16 to 256 letters"):
        load_station(write(tmp_path, TOP + BROKER + READER, key="letmein"))


def test_a_key_that_is_not_there_is_told(tmp_path: Path) -> None:
    path = write(tmp_path, TOP + BROKER + READER)
    (tmp_path / "station-key").unlink()
    with pytest.raises(ConfigurationError, match=r"station-key: can't be read \(No such file"):
        load_station(path)


def test_the_shipped_configuration_is_read(tmp_path: Path) -> None:
    shutil.copy(SHIPPED, tmp_path / "station.toml")
    (tmp_path / "station-key").write_text(f"{KEY}\n", encoding="utf-8")
    table, _ = load_station(tmp_path / "station.toml")
    assert (table.station, table.network, table.host, table.port) == ("north", "metro", "127.0.0.1", 8470)
    assert list(table.pages()) == [reader.id for reader in table.readers]


@pytest.mark.parametrize("table", [StationTable, BrokerTable, ReaderOfStation])
def test_every_key_stands_in_it(table: type[BaseModel]) -> None:
    text = SHIPPED.read_text(encoding="utf-8")
    names = {field.alias or name for name, field in table.model_fields.items()}
    assert [name for name in names if f"{name} = " not in text and f"{name}]" not in text] == []
