"""The schema of `station.toml` is the one that the code says, and judges as the box does."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from scripts.reader_schema import STATION_SCHEMA, as_text, make_station_schema
from tests.device.test_reader_schema import accepts, changed

from waypass_reader.station.config import StationTable

SHIPPED = STATION_SCHEMA.with_name("station.toml")


def read(document: Mapping[str, Any], folder: Path) -> bool:
    """Whether the box takes it."""
    try:
        StationTable.model_validate(document, context={"folder": folder})
    except ValidationError:
        return False
    return True


def test_the_file_is_what_the_code_says() -> None:
    assert STATION_SCHEMA.read_text(encoding="utf-8") == as_text(make_station_schema()), "run scripts/reader_schema.py"


def test_every_key_is_described() -> None:
    schema = make_station_schema()
    tables = [schema, *schema["$defs"].values()]
    assert [name for table in tables for name, key in table["properties"].items() if "description" not in key] == []


CASES: list[tuple[str, str, Any, bool]] = [
    ("as shipped", "", {}, True),
    ("a name with a slash", "station", "north/1", False),
    ("a network with a wildcard", "network", "+", False),
    ("an unknown key", "color", "red", False),
    ("no key file", "key_file", None, False),
    ("a free port", "port", 0, True),
    ("a port beyond all", "port", 65_536, False),
    ("no host", "host", "", False),
    ("another language", "language", "ar", True),
    ("an unknown language", "language", "tlh", False),
    ("no broker", "broker", None, False),
    ("an unknown broker key", "broker.tls", True, False),
    ("no readers", "reader", [], False),
    ("a reader with a space", "reader.0.id", "gate a", False),
    ("a reader without pages", "reader.0.pages", None, True),
    ("pages over TLS", "reader.0.pages", "https://gate-a.example", True),
    ("pages without a scheme", "reader.0.pages", "gate-a:8480", False),
    ("an unknown reader key", "reader.0.lane", "north", False),
]


@pytest.mark.parametrize(("name", "key", "value", "good"), CASES, ids=[case[0] for case in CASES])
def test_schema_and_box_judge_alike(tmp_path: Path, name: str, key: str, value: object, good: bool) -> None:
    document = changed(tomllib.loads(SHIPPED.read_text(encoding="utf-8")), key, value)
    schema = make_station_schema()
    assert (accepts(schema, document, schema), read(document, tmp_path)) == (good, good), name
