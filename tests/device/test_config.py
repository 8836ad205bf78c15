"""The reader's configuration file: what it sets, and what each fault is told as."""

from pathlib import Path

import pytest
from tests.support.issuing import make_issuer, write_trust

from waypass_protocol.policy import Policy, WhenStale
from waypass_protocol.reasons import OverrideReason
from waypass_reader.config import SpeechTable, load_config
from waypass_reader.errors import ConfigurationError
from waypass_reader.frames import CameraConfig, FolderConfig
from waypass_reader.inputs import LaneContacts, Level, ReaderContacts
from waypass_reader.lane_machine import Timing
from waypass_reader.simulated_turnstile import Flaw, Mechanics
from waypass_reader.sounder import Kind
from waypass_reader.speech import EspeakVoice, RecordedVoice
from waypass_reader.turnstile import Pins
from waypass_reader.words import Language

LANE = """
[[lane]]
name = "north"
display = "lines"
source = { kind = "folder", path = "frames", follow = true }
turnstile = { pins = "mock" }
"""
SECOND = 10**9
OWN_PIN = "each output and input needs a pin of its own"
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
    login += 'others = ["two.local:8884", "[::1]:8885"]\n'
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
    assert address.places[1:] == (("two.local", 8884), ("::1", 8885))
    assert address.ca == Path("/etc/ca.pem")
    assert table.lanes[1].source == CameraConfig(device="/dev/video2")
    assert table.lanes[1].turnstile.numbers == (5, 6, 7)


TIMES: list[tuple[str, str, Timing]] = [
    ("as ever", "", Timing(open_ns=5 * SECOND)),
    ("a sensor", "sensor = 23", Timing(open_ns=5 * SECOND, sensor=True, stuck_ns=10 * SECOND)),
    ("wide", "wide = true", Timing(open_ns=15 * SECOND, quiet_ns=SECOND, stuck_ns=60 * SECOND)),
    (
        "wide, and in haste",
        "wide = true, open_seconds = 5",
        Timing(open_ns=5 * SECOND, quiet_ns=SECOND, stuck_ns=60 * SECOND),
    ),
    (
        "all said",
        "sensor = 23, open_seconds = 8, quiet_seconds = 2, stuck_seconds = 30",
        Timing(open_ns=8 * SECOND, sensor=True, quiet_ns=2 * SECOND, stuck_ns=30 * SECOND),
    ),
]


@pytest.mark.parametrize(("name", "keys", "timing"), TIMES, ids=[case[0] for case in TIMES])
def test_a_lane_has_the_times_that_are_said(folder: Path, name: str, keys: str, timing: Timing) -> None:
    lane = LANE.replace('"mock"', f'"mock", {keys}') if keys else LANE
    table, _ = load_config(write(folder, TOP + lane))
    assert table.lanes[0].turnstile.timing() == timing


def test_inputs_are_what_is_said(folder: Path) -> None:
    inputs = '[inputs]\npins = "mock"\ncrowd_key = 25\nrelease = 24\nactive = "high"'
    lane = LANE.replace(
        '"mock"',
        '"mock", sensor = 23, relay_sense = 26, button = 5, key = 6, key_reason = "gate-fault", '
        'simulated = { flaw = "relay-stuck" }',
    )
    table, _ = load_config(write(folder, TOP + inputs + lane))
    turnstile = table.lanes[0].turnstile
    assert table.inputs is not None
    assert table.inputs.contacts() == ReaderContacts(crowd_key=25, release=24, active=Level.HIGH)
    assert turnstile.contacts() == LaneContacts(
        sensor=23, button=5, key=6, button_reason=OverrideReason.NEEDS_HELP, key_reason=OverrideReason.GATE_FAULT
    )
    assert (turnstile.wiring().relay_sense, turnstile.wiring().sense_active_low) == (26, True)
    assert turnstile.mechanics() == Mechanics(relay=17, sensor=23, relay_sense=26, flaw=Flaw.RELAY_STUCK)


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
            "unknown key 'scop'; expected keys among also, broker, clock, inputs, keys",
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
        (
            "another address without a port",
            LANE,
            '[broker]\nhost = "x"\nothers = ["y"]' + LANE,
            "broker.others.0: expected HOST:PORT, got 'y'",
        ),
        ("a port out of range", LANE, '[broker]\nhost = "x"\nport = 70000' + LANE, "broker.port: Input should be less"),
        (
            "a lonely password",
            LANE,
            '[broker]\nhost = "x"\npassword_file = "p"' + LANE,
            "password_file needs a username",
        ),
        (
            "an input on an output's pin",
            '"mock"',
            '"mock", sensor = 22',
            "each output and input needs a pin of its own",
        ),
        (
            "two inputs on one pin",
            '"mock"',
            '"mock", key = 5, button = 5',
            "each output and input needs a pin of its own",
        ),
        ("people on real pins", '"mock"', '"gpio", simulated = {}', 'simulated needs pins = "mock"'),
        ("an unknown flaw", '"mock"', '"mock", simulated = { flaw = "tired" }', "flaw: Input should be 'none'"),
        ("an unknown reason", '"mock"', '"mock", button_reason = "mood"', "button_reason: Input should be"),
        ("an unknown level", '"mock"', '"mock", active = "hot"', "active: Input should be 'low' or 'high'"),
        (
            "two keys on one pin",
            LANE,
            '[inputs]\npins = "mock"\ncrowd_key = 5\nrelease = 5' + LANE,
            "crowd_key and release need two different pins",
        ),
        (
            "an input of the reader on a lane's pin",
            LANE,
            '[inputs]\npins = "mock"\nrelease = 5' + LANE.replace('"mock"', '"mock", sensor = 5'),
            "each lane needs pins of its own",
        ),
        (
            "a box without a broker",
            LANE,
            '[station_box]\naddress = "http://127.0.0.1:8470"\nkey_file = "k"' + LANE,
            "station_box needs a broker",
        ),
        (
            "a box that is nowhere",
            LANE,
            '[broker]\nhost = "x"\n[station_box]\naddress = "box"\nkey_file = "k"' + LANE,
            "station_box.address: expected an address such as http://127.0.0.1:8480, got 'box'",
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
    from waypass_reader import config, tables

    every = (config.ReaderTable, tables.BrokerTable, config.PagesTable, config.LaneTable, config.TurnstileTable)
    for table in every:
        for name, field in table.model_fields.items():
            assert field.description, f"{table.__name__}.{name}"


TELLING = LANE.replace('{ pins = "mock" }', '{ pins = "gpio" }')


def test_a_lane_may_sound_and_speak(folder: Path) -> None:
    more = 'sounder = { kind = "buzzer" }\nspeech = { kind = "recorded", folder = "words", device = "hw:1" }\n'
    table, _ = load_config(write(folder, TOP + TELLING + more))
    (lane,) = table.lanes
    assert lane.sounder is not None
    assert lane.speech is not None
    assert (lane.sounder.sounds_as, lane.sounder.pin, lane.numbers) == (Kind.BUZZER, 12, (17, 27, 22, 12))
    assert lane.speech.voice() == RecordedVoice(folder=folder / "words", device="hw:1")
    assert table.spoken_by(lane.speech) == (Language.ENGLISH, Language.CHINESE)


@pytest.mark.parametrize(
    ("setting", "large", "below"),
    [
        ("", Language.ENGLISH, [Language.CHINESE]),
        ('language = "zh"', Language.CHINESE, [Language.ENGLISH]),
        ('language = "ar"', Language.ARABIC, [Language.ENGLISH]),
        ('language = "ar"\nalso = []', Language.ARABIC, []),
        ('language = "en"\nalso = ["ar", "zh"]', Language.ENGLISH, [Language.ARABIC, Language.CHINESE]),
    ],
)
def test_a_screen_speaks_one_language_large_and_others_below(
    folder: Path, setting: str, large: Language, below: list[Language]
) -> None:
    speech = 'speech = { kind = "espeak-ng", words_a_minute = 120 }\n'
    table, _ = load_config(write(folder, TOP + setting + LANE + speech))
    (lane,) = table.lanes
    assert lane.speech is not None
    assert lane.speech.voice() == EspeakVoice(words_a_minute=120)
    assert (table.spoken, list(table.spoken_also)) == (large, below)
    assert list(table.spoken_by(lane.speech)) == [large, *below]
    only = SpeechTable(kind="espeak-ng", languages=["zh"])
    assert table.spoken_by(only) == (Language.CHINESE,)


@pytest.mark.parametrize(
    ("name", "top", "lane", "message"),
    [
        ("a pin twice in a lane", "", 'sounder = { kind = "tonal", pin = 17 }', "sounder: needs a pin of its own"),
        (
            "a pin twice in a reader",
            "",
            'sounder = { kind = "tonal" }\n' + TELLING.replace("north", "south") + "",
            "each lane needs pins of its own",
        ),
        ("words of no folder", "", 'speech = { kind = "recorded" }', "recorded needs folder"),
        ("a folder of no words", "", 'speech = { kind = "espeak-ng", folder = "x" }', "espeak-ng takes no folder"),
        (
            "a device of no words",
            "",
            'speech = { kind = "espeak-ng", device = "hw:1" }',
            "device is for recorded words",
        ),
        ("a voice of no kind", "", "speech = {}", "lane.0.speech.kind: Field required"),
        ("a language twice", 'also = ["zh", "zh"]', "", "also: expected languages that are not said yet"),
        ("the large language again", 'also = ["en"]', "", "also: expected languages that are not said yet"),
        ("an unknown language", 'also = ["tlh"]', "", "also.0: Input should be 'en', 'zh' or 'ar'"),
    ],
)
def test_what_tells_people_is_read_as_strictly(folder: Path, name: str, top: str, lane: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        load_config(write(folder, TOP + top + TELLING + lane))
    assert message in str(error.value), name
