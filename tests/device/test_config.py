"""The reader's configuration file: what it sets, and what each fault is told as."""

from pathlib import Path

import pytest
from tests.support.issuing import make_issuer, write_trust

from waypass_protocol.policy import Policy, WhenStale
from waypass_reader.config import load_config
from waypass_reader.errors import ConfigurationError
from waypass_reader.frames import CameraConfig, FolderConfig
from waypass_reader.turnstile import Pins

LANE = """
[[lane]]
name = "north"
display = "lines"
source = { kind = "folder", path = "frames", follow = true }
turnstile = { pins = "mock" }
"""
TOP = """
reader = "gate-1"
network = "metro"
keys = "trust.json"
state = "state"
scope = 1
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_trust(make_issuer(), tmp_path)
    return tmp_path


def write(folder: Path, text: str) -> Path:
    path = folder / "reader.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_small_file_has_defaults_for_the_rest(folder: Path) -> None:
    table, trust = load_config(write(folder, TOP + LANE))
    assert (table.reader, table.network, table.scope, table.broker) == ("gate-1", "metro", 1, None)
    assert (table.policy, table.clock, table.language) == (Policy(), "system", "en")
    assert table.state == folder / "state"
    (lane,) = table.lanes
    assert lane.source == FolderConfig(path=folder / "frames", follow=True)
    assert (lane.turnstile.kind, lane.turnstile.open_seconds) == (Pins.MOCK, 5.0)
    assert trust.network == "metro"


def test_everything_can_be_set(folder: Path) -> None:
    login = 'username = "gate-1"\npassword_file = "secret"\nca = "/etc/ca.pem"\n'
    broker = f'[broker]\nhost = "broker.local"\nport = 8883\n{login}'
    lanes = LANE + LANE.replace("north", "south").replace(
        '"mock"', '"gpio", relay = 5, lamp_go = 6, lamp_wait = 7'
    ).replace('kind = "folder", path = "frames", follow = true', 'kind = "camera", device = "/dev/video2"')
    text = (
        TOP
        + 'policy = { fresh = 60, when_stale = "assist" }\nclock = "assume-synchronised"\nlanguage = "zh"\n'
        + broker
    )
    table, _ = load_config(write(folder, text + lanes))
    assert table.policy == Policy(fresh=60, when_stale=WhenStale.ASSIST)
    assert table.broker is not None
    address = table.broker.address()
    assert (address.host, address.port, address.password_file) == ("broker.local", 8883, folder / "secret")
    assert address.ca == Path("/etc/ca.pem")
    assert table.lanes[1].source == CameraConfig(device="/dev/video2")
    assert table.lanes[1].turnstile.numbers == (5, 6, 7)


def test_pages_stay_on_this_machine_unless_it_is_said(folder: Path) -> None:
    table, _ = load_config(write(folder, TOP + LANE))
    assert table.pages is None
    table, _ = load_config(write(folder, TOP + "[pages]\n" + LANE))
    assert table.pages is not None
    assert (table.pages.host, table.pages.port, table.pages.station_key_file) == ("127.0.0.1", 8480, None)
    own = '[pages]\nhost = "0.0.0.0"\nport = 0\nstation_key_file = "station-key"\n'
    table, _ = load_config(write(folder, TOP + own + LANE))
    assert table.pages is not None
    assert (table.pages.host, table.pages.port) == ("0.0.0.0", 0)
    assert table.pages.station_key_file == folder / "station-key"


def test_the_policy_may_be_a_file(folder: Path) -> None:
    (folder / "policy.json").write_text('{"reentry": 5}', encoding="utf-8")
    table, _ = load_config(write(folder, TOP + 'policy = "policy.json"\n' + LANE))
    assert table.policy == Policy(reentry=5)


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        (
            "an unknown key",
            "scope = 1",
            "scope = 1\nscop = 2",
            "unknown key 'scop'; expected keys among broker, clock, keys",
        ),
        (
            "an unknown lane key",
            'name = "north"',
            'nam = "n"',
            "lane.0: unknown key 'nam'; expected keys among display, name",
        ),
        ("an unknown turnstile key", '"mock"', '"mock", lamp_red = 4', "lane.0.turnstile: unknown key 'lamp_red'"),
        ("an unknown source key", "follow", "folow", "lane.0.source: source: a folder has no setting 'folow'"),
        ("an unknown kind", '"folder"', '"telescope"', "expected a kind of camera, picamera, video, folder"),
        (
            "a source of text",
            '{ kind = "folder", path = "frames", follow = true }',
            '"x"',
            "expected a table with kind",
        ),
        ("an unknown policy key", "scope = 1", "scope = 1\npolicy = { frish = 1 }", "policy: unknown key 'frish'"),
        ("no policy file", "scope = 1", 'scope = 1\npolicy = "none.json"', "can't be read (No such file"),
        ("a missing key", "scope = 1", "", "scope: Field required"),
        ("a scope as text", "scope = 1", 'scope = "1"', "scope: Input should be a valid integer"),
        ("a negative scope", "scope = 1", "scope = -1", "scope: Input should be greater than or equal to 0"),
        ("a name that is no topic level", '"gate-1"', '"gate/1"', "reader: expected 1 to 64 letters, digits"),
        ("no lane", LANE, "", "lane: Field required"),
        ("lanes of one name", LANE, LANE + LANE, "each lane needs a name of its own"),
        ("unknown pins", '"mock"', '"simulated"', "lane.0.turnstile.pins: Input should be 'gpio' or 'mock'"),
        ("no pins", '{ pins = "mock" }', "{ }", "lane.0.turnstile.pins: Field required"),
        ("a pin twice", '"mock"', '"mock", relay = 22', "relay, lamp_go and lamp_wait need three different pins"),
        ("a pin that is none", '"mock"', '"mock", relay = 28', "lane.0.turnstile.relay: Input should be less than"),
        (
            "an unknown display",
            '"lines"',
            '"projector"',
            "lane.0.display: Input should be 'terminal', 'lines' or 'none'",
        ),
        ("an unknown clock", "scope = 1", 'scope = 1\nclock = "sundial"', "clock: Input should be 'system' or"),
        ("another network", '"metro"', '"tram"', "network: expected 'metro', which the keys are for, got 'tram'"),
        ("no keys", '"trust.json"', '"none.json"', "none.json: can't be read (No such file or directory)"),
        ("no TOML", "scope = 1", "scope == 1", "not TOML"),
        (
            "an unknown pages key",
            LANE,
            "[pages]\nkey = 1" + LANE,
            "pages: unknown key 'key'; expected keys among host, port",
        ),
        ("a port of pages out of range", LANE, "[pages]\nport = 70000" + LANE, "pages.port: Input should be less"),
        ("a port out of range", LANE, '[broker]\nhost = "x"\nport = 70000' + LANE, "broker.port: Input should be less"),
        (
            "a lonely password",
            LANE,
            '[broker]\nhost = "x"\npassword_file = "p"' + LANE,
            "password_file needs a username",
        ),
        ("a lonely key", LANE, '[broker]\nhost = "x"\nca = "c"\nkey = "k"' + LANE, "certificate and key go together"),
        ("a certificate without TLS", LANE, '[broker]\nhost = "x"\nkey = "k"' + LANE, "certificate and key need a ca"),
    ],
)
def test_a_fault_is_named_with_its_key(folder: Path, name: str, old: str, new: str, message: str) -> None:
    text = (TOP + LANE).replace(old, new, 1)
    assert text != TOP + LANE, name
    with pytest.raises(ConfigurationError) as caught:
        load_config(write(folder, text))
    assert message in str(caught.value)


def test_lanes_on_one_board_need_pins_of_their_own(folder: Path) -> None:
    lane = LANE.replace('"mock"', '"gpio"')
    with pytest.raises(ConfigurationError, match="each lane needs pins of its own"):
        load_config(write(folder, TOP + lane + lane.replace("north", "south")))


def test_mock_pins_are_shared_by_nobody(folder: Path) -> None:
    table, _ = load_config(write(folder, TOP + LANE + LANE.replace("north", "south")))
    assert len(table.lanes) == 2


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"configuration .*none\.toml: can't be read \(No such file"):
        load_config(tmp_path / "none.toml")


def test_every_key_is_explained() -> None:
    from waypass_reader import config

    tables = (config.ReaderTable, config.BrokerTable, config.PagesTable, config.LaneTable, config.TurnstileTable)
    for table in tables:
        for name, field in table.model_fields.items():
            assert field.description, f"{table.__name__}.{name}"
