"""What a reader says of itself: presence, state, live and counts (wire format §8), as JSON objects.

No pass, index, key or person has a member here. Each message is read strictly: exactly the members of its record,
each of its type, at most `MAX_MESSAGE` bytes, otherwise `Malformed`.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any, TypeVar

from waypass_protocol.errors import Malformed
from waypass_protocol.keys import read_json_object
from waypass_protocol.reasons import Outcome, Reason, Shown

_Choice = TypeVar("_Choice", bound=StrEnum)

MAX_MESSAGE = 64 * 1024
_SHA256_HEX = re.compile(r"[0-9a-f]{64}")
SMALLEST_COUNT = 5
# How openings by staff are counted: an outcome beside those of decisions, and reasons with this before their code.
OVERRIDE = "override"
# Upper bounds in milliseconds, frame to decision; the last bucket is open.
LATENCY_BOUNDS_MS = (5, 10, 15, 25, 50, 100, 200, 500)


class Presence(StrEnum):
    """The retained last word on a reader; `offline` is its last will."""

    ONLINE = "online"
    OFFLINE = "offline"


class LaneState(StrEnum):
    """What a lane is doing."""

    IDLE = "idle"
    OPEN = "open"
    WAIT = "wait"
    OUT_OF_ORDER = "out-of-order"


@dataclass(frozen=True, kw_only=True, slots=True)
class PresenceMessage:
    """A reader came or went."""

    presence: Presence


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldRow:
    """One list as a reader holds it. `digest` is hex SHA-256, `age` seconds or None, `since` when it was swapped in
    (UNIX seconds with fraction, the reader's clock)."""

    uri: str
    version: int
    digest: str
    age: int | None
    since: float


@dataclass(frozen=True, kw_only=True, slots=True)
class StateMessage:
    """A reader's state. `station` is where it stands, as configured; `lanes` maps lane names to their state; `health`
    maps names of parts to "ok" or what is wrong; `reports` counts refused messages by reason since start."""

    at: float
    software: str
    clock_trusted: bool
    station: str = ""
    lists: tuple[HeldRow, ...] = ()
    lanes: Mapping[str, LaneState] = field(default_factory=dict)
    health: Mapping[str, str] = field(default_factory=dict)
    reports: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveMessage:
    """A lane's present state for the station's own staff page; never stored. Open without an outcome: by staff."""

    lane: str
    state: LaneState
    outcome: Outcome | None
    reason: Reason | None
    aspect: Shown | None


@dataclass(frozen=True, kw_only=True, slots=True)
class MinuteCounts:
    """How many of each outcome in the minute that began at `start` (UNIX seconds)."""

    start: int
    outcomes: Mapping[str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class HourCounts:
    """Reasons of the hour that began at `start`, numbers under 5 merged into `fewer`; `latency` counts decisions by
    `LATENCY_BOUNDS_MS`, one more than there are bounds."""

    start: int
    reasons: Mapping[str, int]
    fewer: int
    latency: tuple[int, ...]


ReaderMessage = PresenceMessage | StateMessage | LiveMessage | MinuteCounts | HourCounts

_LEAF_TYPES: dict[str, tuple[type[Any], ...]] = {
    "presence": (PresenceMessage,),
    "state": (StateMessage,),
    "live": (LiveMessage,),
    "counts": (MinuteCounts, HourCounts),
}


def encode_message(message: ReaderMessage) -> bytes:
    """The JSON bytes of a message."""
    return json.dumps(asdict(message), separators=(",", ":"), sort_keys=True).encode()


def read_message(leaf: str, data: bytes) -> ReaderMessage:
    """Read the message of a reader's topic. Raises `Malformed`."""
    if len(data) > MAX_MESSAGE:
        raise Malformed(f"{leaf}: expected at most {MAX_MESSAGE} bytes, got {len(data)}")
    document = read_json_object(data, what=leaf)
    for record in _LEAF_TYPES.get(leaf, ()):
        if document.keys() == {each.name for each in fields(record)}:
            return _READERS[record](document, leaf)
    raise Malformed(f"{leaf}: expected the members of a {leaf} message, got {sorted(document)}")


def merge_small(reasons: Mapping[str, int]) -> tuple[dict[str, int], int]:
    """Counts by reason with those under 5 merged: the others, and the sum of the merged ones."""
    large = {reason: count for reason, count in reasons.items() if count >= SMALLEST_COUNT}
    return large, sum(reasons.values()) - sum(large.values())


def _presence(document: dict[str, Any], what: str) -> PresenceMessage:
    return PresenceMessage(presence=_choice(document, "presence", Presence, what))


def _state(document: dict[str, Any], what: str) -> StateMessage:
    rows = document["lists"]
    if not isinstance(rows, list):
        raise Malformed(f"{what}: expected lists as a list")
    lanes = _mapping(document, "lanes", str, what)
    try:
        states = {name: LaneState(state) for name, state in lanes.items()}
    except ValueError as error:
        raise Malformed(f"{what}: {error}") from None
    return StateMessage(
        at=_number(document, "at", what),
        software=_text(document, "software", what),
        clock_trusted=_flag(document, "clock_trusted", what),
        station=_text(document, "station", what),
        lists=tuple(_held_row(row, what) for row in rows),
        lanes=states,
        health=_mapping(document, "health", str, what),
        reports=_counts(document, "reports", what),
    )


def _held_row(row: Any, what: str) -> HeldRow:
    if not isinstance(row, dict) or row.keys() != {each.name for each in fields(HeldRow)}:
        raise Malformed(f"{what}: expected rows of uri, version, digest, age and since")
    return HeldRow(
        uri=_text(row, "uri", what),
        version=_count(row["version"], f"{what}: version"),
        digest=_digest(row["digest"], what),
        age=None if row["age"] is None else _age(row["age"], what),
        since=_number(row, "since", what),
    )


def _digest(value: object, what: str) -> str:
    if not isinstance(value, str) or _SHA256_HEX.fullmatch(value) is None:
        raise Malformed(f"{what}: expected digest as 64 lowercase hex digits, got {value!r}")
    return value


def _age(value: object, what: str) -> int:
    """Seconds; below zero where the head's clock is a little ahead of the reader's."""
    if not isinstance(value, int) or isinstance(value, bool) or not abs(value) < 2**63:
        raise Malformed(f"{what}: expected age in whole seconds, got {value!r}")
    return value


def _live(document: dict[str, Any], what: str) -> LiveMessage:
    return LiveMessage(
        lane=_text(document, "lane", what),
        state=_choice(document, "state", LaneState, what),
        outcome=None if document["outcome"] is None else _choice(document, "outcome", Outcome, what),
        reason=None if document["reason"] is None else _choice(document, "reason", Reason, what),
        aspect=None if document["aspect"] is None else _choice(document, "aspect", Shown, what),
    )


def _minute(document: dict[str, Any], what: str) -> MinuteCounts:
    return MinuteCounts(start=_count(document["start"], f"{what}: start"), outcomes=_counts(document, "outcomes", what))


def _hour(document: dict[str, Any], what: str) -> HourCounts:
    latency = document["latency"]
    if not isinstance(latency, list) or len(latency) != len(LATENCY_BOUNDS_MS) + 1:
        raise Malformed(f"{what}: expected latency as a list of {len(LATENCY_BOUNDS_MS) + 1} numbers")
    return HourCounts(
        start=_count(document["start"], f"{what}: start"),
        reasons=_counts(document, "reasons", what),
        fewer=_count(document["fewer"], f"{what}: fewer"),
        latency=tuple(_count(number, f"{what}: latency") for number in latency),
    )


_READERS: dict[type[Any], Callable[[dict[str, Any], str], ReaderMessage]] = {
    PresenceMessage: _presence,
    StateMessage: _state,
    LiveMessage: _live,
    MinuteCounts: _minute,
    HourCounts: _hour,
}


def _choice(document: dict[str, Any], name: str, choices: type[_Choice], what: str) -> _Choice:
    try:
        return choices(document[name])
    except ValueError:
        raise Malformed(f"{what}: expected {name} among {', '.join(choices)}, got {document[name]!r}") from None


def _text(document: dict[str, Any], name: str, what: str) -> str:
    value = document[name]
    if not isinstance(value, str):
        raise Malformed(f"{what}: expected {name} as text, got {value!r}")
    return value


def _flag(document: dict[str, Any], name: str, what: str) -> bool:
    value = document[name]
    if not isinstance(value, bool):
        raise Malformed(f"{what}: expected {name} true or false, got {value!r}")
    return value


def _number(document: dict[str, Any], name: str, what: str) -> float:
    value = document[name]
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < 2**53:
        raise Malformed(f"{what}: expected {name} as a number, got {value!r}")
    return value


def _count(value: object, what: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise Malformed(f"{what}: expected a whole number, got {value!r}")
    return value


def _mapping(document: dict[str, Any], name: str, kind: type, what: str) -> dict[str, Any]:
    value = document[name]
    if not isinstance(value, dict) or not all(isinstance(each, kind) for each in value.values()):
        raise Malformed(f"{what}: expected {name} as an object of {kind.__name__}")
    return value


def _counts(document: dict[str, Any], name: str, what: str) -> dict[str, int]:
    value = _mapping(document, name, int, what)
    return {key: _count(number, f"{what}: {name}") for key, number in value.items()}
