"""The schema of `reader.toml` is the one that the code says, and judges as the reader does."""

import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from scripts.reader_schema import SCHEMA, as_text, make_schema

from waypass_reader.config import ReaderTable

SHIPPED = SCHEMA.with_name("reader.toml")
TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
}
NOTES = {"$schema", "$defs", "title", "description", "default"}

Rule = Callable[[Any, Any], bool]
RULES: Mapping[str, Rule] = {
    "type": lambda value, wanted: isinstance(value, TYPES[wanted]) and (wanted == "boolean") is isinstance(value, bool),
    "const": lambda value, wanted: bool(value == wanted),
    "enum": lambda value, wanted: value in wanted,
    "pattern": lambda value, wanted: not isinstance(value, str) or re.search(wanted, value) is not None,
    "minLength": lambda value, wanted: not isinstance(value, str) or len(value) >= wanted,
    "minItems": lambda value, wanted: len(value) >= wanted,
    "minimum": lambda value, wanted: bool(value >= wanted),
    "maximum": lambda value, wanted: bool(value <= wanted),
    "exclusiveMinimum": lambda value, wanted: bool(value > wanted),
    "required": lambda value, wanted: set(wanted) <= set(value),
}


def accepts(schema: Mapping[str, Any], value: Any, whole: Mapping[str, Any]) -> bool:
    """JSON Schema as far as this schema uses it; a keyword that is not known here is a KeyError."""
    if "$ref" in schema and not accepts(whole["$defs"][schema["$ref"].removeprefix("#/$defs/")], value, whole):
        return False
    if "anyOf" in schema and not any(accepts(one, value, whole) for one in schema["anyOf"]):
        return False
    if "type" in schema and not RULES["type"](value, schema["type"]):
        return False
    properties = schema.get("properties", {})
    if "properties" in schema and (schema["additionalProperties"] or not set(value) <= set(properties)):
        return False
    members = [(properties[name], value[name]) for name in properties if name in value]
    members += [(schema["items"], one) for one in value] if "items" in schema else []
    handled = {"$ref", "anyOf", "type", "properties", "additionalProperties", "items"} | NOTES
    rules = [(RULES[name], wanted) for name, wanted in schema.items() if name not in handled]
    return all(rule(value, wanted) for rule, wanted in rules) and all(accepts(one, at, whole) for one, at in members)


def changed(document: Any, key: str, value: object) -> Any:
    """The document with another value at a dotted key, without it for None, and as it is for no key."""
    if key:
        *path, last = key.split(".")
        place = document
        for step in path:
            place = place[int(step) if step.isdecimal() else step]
        if value is None:
            del place[last]
        else:
            place[last] = value
    return document


def read(document: Mapping[str, Any], folder: Path) -> bool:
    """Whether the reader takes it."""
    try:
        ReaderTable.model_validate(document, context={"folder": folder})
    except ValidationError:
        return False
    return True


def test_the_file_is_what_the_code_says() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == as_text(make_schema()), "run scripts/reader_schema.py"


def test_every_key_is_described() -> None:
    schema = make_schema()
    tables = [schema, *schema["$defs"].values()]
    bare = [
        name
        for table in tables
        for name, key in table["properties"].items()
        if "description" not in key and name != "kind"
    ]
    assert bare == []


CASES: list[tuple[str, str, Any, bool]] = [
    ("as shipped", "", {}, True),
    ("no broker", "broker", None, True),
    ("a policy in a file", "policy", "policy.json", True),
    ("a policy that is a number", "policy", 3, False),
    ("an unknown policy key", "policy.frsh", 3, False),
    ("a policy time below 0", "policy.fresh", -1, False),
    ("a policy time with a fraction", "policy.fresh", 1.5, False),
    ("an unknown when_stale", "policy.when_stale", "refuse", False),
    ("a policy choice as a number", "policy.identity_check_paper", 1, False),
    ("a name with a slash", "reader", "north/1", False),
    ("a network with a wildcard", "network", "+", False),
    ("a lane's name with a space", "lane.0.name", "lane 1", False),
    ("an unknown key", "color", "red", False),
    ("no scope", "scope", None, False),
    ("a scope below 0", "scope", -1, False),
    ("a scope as text", "scope", "1", False),
    ("an unknown clock", "clock", "sundial", False),
    ("an unknown language", "language", "tlh", False),
    ("another language", "language", "ar", True),
    ("no other languages", "also", [], True),
    ("two other languages", "also", ["zh", "ar"], True),
    ("an unknown other language", "also", ["tlh"], False),
    ("no lane", "lane", [], False),
    ("an unknown display", "lane.0.display", "neon", False),
    ("a port of none", "broker.port", 0, False),
    ("an empty host", "broker.host", "", False),
    ("a broker's login", "broker.username", "north-1", True),
    ("an unknown broker key", "broker.tls", True, False),
    ("no pages", "pages", None, True),
    ("pages as they come", "pages", {}, True),
    ("a free port for pages", "pages.port", 0, True),
    ("a port below 0 for pages", "pages.port", -1, False),
    ("no host for pages", "pages.host", "", False),
    ("a key for staff", "pages.station_key_file", "station-key", True),
    ("a key that is a number", "pages.station_key_file", 5, False),
    ("an unknown pages key", "pages.key", "k", False),
    ("no metrics", "metrics", None, True),
    ("metrics as they come", "metrics", {}, True),
    ("metrics for whoever asks", "metrics.beyond_loopback", True, True),
    ("an unknown metrics key", "metrics.path", "/m", False),
    ("a pin that no board has", "lane.0.turnstile.relay", 28, False),
    ("other pins", "lane.0.turnstile.relay", 5, True),
    ("an endless pulse", "lane.0.turnstile.pulse_seconds", 61, False),
    ("no pulse", "lane.0.turnstile.pulse_seconds", 0, False),
    ("no pins", "lane.0.turnstile.pins", None, False),
    ("a tonal buzzer", "lane.0.sounder", {"kind": "tonal"}, True),
    ("a buzzer on another pin", "lane.0.sounder", {"kind": "buzzer", "pin": 13}, True),
    ("a sounder without a kind", "lane.0.sounder", {"pin": 13}, False),
    ("an unknown sounder", "lane.0.sounder", {"kind": "siren"}, False),
    ("a sounder on a pin that no board has", "lane.0.sounder", {"kind": "tonal", "pin": 28}, False),
    ("an unknown sounder key", "lane.0.sounder", {"kind": "tonal", "red": True}, False),
    ("a synthetic voice", "lane.0.speech", {"kind": "espeak-ng", "languages": ["ar", "en"]}, True),
    ("recorded words", "lane.0.speech", {"kind": "recorded", "folder": "words", "device": "hw:1"}, True),
    ("an unknown voice", "lane.0.speech", {"kind": "parrot"}, False),
    ("a voice without a language", "lane.0.speech", {"kind": "espeak-ng", "languages": []}, False),
    ("a voice that races", "lane.0.speech", {"kind": "espeak-ng", "words_a_minute": 401}, False),
    ("a voice that says what it is told", "lane.0.speech", {"kind": "espeak-ng", "say": "red"}, False),
    ("a camera with a path", "lane.0.source.path", "film.mp4", False),
    ("a tiny picture", "lane.0.source.width", 15, False),
    ("a rate of none", "lane.0.source.frames_per_second", 0, False),
    ("a rate with a fraction", "lane.0.source.frames_per_second", 7.5, True),
    ("a pixel format of five letters", "lane.0.source.pixel_format", "MJPEG", False),
    ("an unknown source", "lane.0.source", {"kind": "eye"}, False),
    ("a source without a kind", "lane.0.source", {"device": "/dev/video0"}, False),
    ("a Raspberry Pi camera", "lane.0.source", {"kind": "picamera", "number": 1}, True),
    ("a camera below 0", "lane.0.source", {"kind": "picamera", "number": -1}, False),
    ("a video", "lane.0.source", {"kind": "video", "path": "film.mp4", "loop": True}, True),
    ("a video without a path", "lane.0.source", {"kind": "video"}, False),
    ("a camera that may be still", "lane.0.source.frozen_seconds", 0, True),
    ("a camera frozen for less than nothing", "lane.0.source.frozen_seconds", -1, False),
    ("a scanner", "lane.0.source", {"kind": "serial", "device": "/dev/ttyACM1", "baud": 115_200}, True),
    ("a scanner of an odd rate", "lane.0.source", {"kind": "serial", "baud": 9601}, False),
    ("a scanner that types", "lane.0.source", {"kind": "wedge", "device": "/dev/input/event3"}, True),
    ("a scanner that types nowhere", "lane.0.source", {"kind": "wedge"}, False),
    ("a pipe", "lane.0.source", {"kind": "pipe", "path": "eye", "frozen_seconds": 0}, True),
    ("a pipe without a path", "lane.0.source", {"kind": "pipe"}, False),
    ("a folder", "lane.0.source", {"kind": "folder", "path": "in", "follow": True, "consume": True}, True),
    ("a folder that is a truth", "lane.0.source", {"kind": "folder", "path": True}, False),
]


@pytest.mark.parametrize(("name", "key", "value", "good"), CASES, ids=[case[0] for case in CASES])
def test_schema_and_reader_judge_alike(tmp_path: Path, name: str, key: str, value: object, good: bool) -> None:
    (tmp_path / "policy.json").write_text("{}", encoding="utf-8")
    document = changed(tomllib.loads(SHIPPED.read_text(encoding="utf-8")), key, value)
    schema = make_schema()
    assert (accepts(schema, document, schema), read(document, tmp_path)) == (good, good)
