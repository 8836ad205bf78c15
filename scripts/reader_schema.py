"""Writes firmware-config/reader.schema.json and station.schema.json: what may stand in `reader.toml` and in
`station.toml`, for editors and deployment tools.

1. tables that are pydantic models come from the models
2. the policy and the frame sources are read by functions of their own: their names, types and defaults come from their
   records, and their ranges and descriptions from the tables below. A setting without a description ends this script
3. TOML has no null, so a key that may be absent is not described as null
4. `--check` writes nothing; exit code 1 when a file differs

A schema cannot say everything: that password_file needs a username, that pins and lane names differ, that files are
there. `waypass-reader run` and `waypass-reader station` say the rest. Run it with the project's Python.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args, get_type_hints

from waypass_protocol.policy import Policy
from waypass_reader.config import ReaderTable
from waypass_reader.frames.configuration import BAUDS, KINDS
from waypass_reader.station.config import StationTable

SCHEMA = Path(__file__).resolve().parent.parent / "firmware-config" / "reader.schema.json"
STATION_SCHEMA = SCHEMA.with_name("station.schema.json")

NAME = {"pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"}
ADDRESS = {"pattern": r"^https?://[^/?#@\s]"}
PIXELS = {"minimum": 16, "maximum": 8192}
RATE = {"exclusiveMinimum": 0, "maximum": 1000}
SECONDS = {"minimum": 0}

JSON_TYPES: Mapping[object, str] = {str: "string", Path: "string", int: "integer", float: "number", bool: "boolean"}

POLICY: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "fresh": ("Up to this age, in seconds, a list is fresh.", SECONDS),
    "stale": ("Beyond this age, in seconds, nothing opens without staff.", SECONDS),
    "when_stale": ("What happens to a green pass between fresh and stale.", {}),
    "reentry": ("For so many seconds a pass that opened a lane here does not open another.", SECONDS),
    "identity_check_paper": ("Whether staff compare the hint of a paper pass with an identity document.", {}),
    "presentation_past": ("How old a presentation may be, in seconds.", SECONDS),
    "presentation_future": ("How far a presentation may be ahead of this clock, in seconds.", SECONDS),
    "clock_skew": ("How far the issuer's clock may be ahead, in seconds.", SECONDS),
}

SOURCES: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "device": ("The device's path; of a camera also its number.", {}),
    "baud": ("The scanner's rate on its line; over USB any will do.", {"enum": list(BAUDS)}),
    "number": ("Which camera module, where there are several.", {"minimum": 0}),
    "width": ("Pixels; the camera picks the nearest that it has.", PIXELS),
    "height": ("Pixels; the camera picks the nearest that it has.", PIXELS),
    "frames_per_second": ("The rate asked for; of a video the rate to play it at, instead of its own.", RATE),
    "pixel_format": ("The four letters of the format asked for.", {"pattern": "^[\\x00-\\x7f]{4}$"}),
    "stall_seconds": ("A camera that gives no frame for so long is lost.", RATE),
    "frozen_seconds": (
        "A camera that shows one and the same picture, to the last bit, for so long is lost; 0: it may.",
        {"minimum": 0, "maximum": 1000},
    ),
    "exposure_for_codes": ("Whether the exposure is corrected for telephones in the dark and paper in the sun.", {}),
    "path": ("The file, folder or named pipe; beside reader.toml when it is not absolute.", {"minLength": 1}),
    "paced": ("Whether the video runs at its rate, or as fast as the reader asks.", {}),
    "loop": ("Whether the video begins again at its end.", {}),
    "follow": ("Whether pictures may still arrive.", {}),
    "consume": ("Whether a picture is removed when it was read.", {}),
}


def make_schema() -> dict[str, Any]:
    """The schema of `reader.toml`."""
    schema: dict[str, Any] = _plain(ReaderTable.model_json_schema())
    tables = schema["$defs"]
    for record in KINDS.values():
        del tables[record.__name__]
    del tables["WhenStale"]
    tables["Policy"] = _table(Policy, POLICY)
    for kind, record in KINDS.items():
        tables[f"Source-{kind}"] = _source(kind, record)
    lane = tables["LaneTable"]["properties"]
    lane["name"] |= NAME
    lane["source"]["anyOf"] = [{"$ref": f"#/$defs/Source-{kind}"} for kind in KINDS]
    for name in ("reader", "network", "station"):
        schema["properties"][name] |= NAME
    policy = schema["properties"]["policy"]
    policy.pop("$ref")
    policy |= {"anyOf": [{"$ref": "#/$defs/Policy"}, {"type": "string"}]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "reader.toml",
        **schema,
        "$defs": dict(sorted(tables.items())),
    }


def make_station_schema() -> dict[str, Any]:
    """The schema of `station.toml`."""
    schema: dict[str, Any] = _plain(StationTable.model_json_schema(by_alias=True))
    for name in ("station", "network"):
        schema["properties"][name] |= NAME
    reader = schema["$defs"]["ReaderOfStation"]["properties"]
    reader["id"] |= NAME
    reader["pages"] |= ADDRESS
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "station.toml", **schema}


def as_text(schema: Mapping[str, Any]) -> str:
    """The file's text."""
    return json.dumps(schema, indent=2) + "\n"


def _source(kind: str, record: type[Any]) -> dict[str, Any]:
    table = _table(record, SOURCES)
    table["properties"] = {"kind": {"const": kind}} | table["properties"]
    table["required"] = ["kind", *table.get("required", [])]
    return table


def _table(record: type[Any], described: Mapping[str, tuple[str, Mapping[str, object]]]) -> dict[str, Any]:
    """The schema of a record that a function reads."""
    hints = get_type_hints(record)
    properties: dict[str, Any] = {}
    required = []
    for field in fields(record):
        description, limits = described[field.name]
        properties[field.name] = {"description": description, **_type(hints[field.name]), **limits}
        if field.default is MISSING:
            required.append(field.name)
        elif field.default is not None:
            properties[field.name]["default"] = field.default
    table: dict[str, Any] = {"type": "object", "additionalProperties": False, "properties": properties}
    return table | ({"required": required} if required else {})


def _type(hint: object) -> dict[str, Any]:
    (kind,) = {*(get_args(hint) if isinstance(hint, UnionType) else (hint,))} - {NoneType}
    if isinstance(kind, type) and issubclass(kind, Enum):
        return {"enum": [member.value for member in kind]}
    return {"type": JSON_TYPES[kind]}


def _plain(node: Any) -> Any:
    """Without pydantic's titles and nulls, which tell a reader of the schema nothing."""
    if isinstance(node, list):
        return [_plain(one) for one in node]
    if not isinstance(node, dict):
        return node
    table = dict(_members(node))
    if table.get("anyOf") and len(table["anyOf"]) == 1:
        (only,) = table.pop("anyOf")
        table |= only
    return table


def _members(node: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in node.items():
        if name == "anyOf":
            yield name, [_plain(one) for one in value if one != {"type": "null"}]
        elif not (
            (name == "title" and isinstance(value, str))
            or (name == "default" and value is None)
            or (name == "format" and value == "path")
        ):
            yield name, _plain(value)


def main() -> int:
    """Write the files, or compare them."""
    arguments = argparse.ArgumentParser(description="Write the schemas in firmware-config.")
    arguments.add_argument("--check", action="store_true", help="write nothing; exit code 1 when a file differs")
    check = arguments.parse_args().check
    faults = 0
    for path, make in ((SCHEMA, make_schema), (STATION_SCHEMA, make_station_schema)):
        text = as_text(make())
        if not check:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            sys.stderr.write(f"{path.name} is not what the configuration's code says; run scripts/reader_schema.py\n")
            faults += 1
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
