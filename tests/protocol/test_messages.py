"""A reader's messages: written, read back strictly, and with room for no pass, index, key or person."""

import json
from dataclasses import replace
from typing import Any

import pytest

from waypass_protocol.errors import Malformed
from waypass_protocol.messages import (
    LATENCY_BOUNDS_MS,
    MAX_MESSAGE,
    HeldRow,
    HourCounts,
    LaneState,
    LiveMessage,
    MinuteCounts,
    Presence,
    PresenceMessage,
    ReaderMessage,
    StateMessage,
    encode_message,
    merge_small,
    read_message,
)
from waypass_protocol.reasons import Outcome, Reason, Shown

ROW = HeldRow(uri="wp:17", version=7, digest="0f" * 32, age=12, since=1_800_000_000.25)
STATE = StateMessage(
    at=1_800_000_001.5,
    software="0.1.0",
    clock_trusted=True,
    station="north",
    lists=(ROW, replace(ROW, uri="wp:18", age=None)),
    lanes={"1": LaneState.OPEN, "2": LaneState.OUT_OF_ORDER},
    health={"camera": "ok"},
    reports={"malformed": 3},
)
LIVE = LiveMessage(lane="1", state=LaneState.WAIT, outcome=Outcome.ASSIST, reason=Reason.EXPIRED, aspect=Shown.YELLOW)
MINUTE = MinuteCounts(start=1_800_000_000, outcomes={"open": 5})
HOUR = HourCounts(start=1_800_000_000, reasons={"green": 50}, fewer=3, latency=(0,) * (len(LATENCY_BOUNDS_MS) + 1))

MESSAGES: list[tuple[str, ReaderMessage]] = [
    ("presence", PresenceMessage(presence=Presence.ONLINE)),
    ("presence", PresenceMessage(presence=Presence.OFFLINE)),
    ("state", STATE),
    ("state", StateMessage(at=0, software="", clock_trusted=False, station="")),
    ("state", replace(STATE, lists=(replace(ROW, age=-60),))),
    ("live", LIVE),
    ("live", LiveMessage(lane="1", state=LaneState.OPEN, outcome=None, reason=None, aspect=None)),
    ("live", LiveMessage(lane="1", state=LaneState.IDLE, outcome=None, reason=None, aspect=None)),
    ("counts", MINUTE),
    ("counts", HOUR),
    ("counts", replace(MINUTE, outcomes={"override": 1})),
    ("counts", replace(HOUR, reasons={"override-needs-help": 5})),
]


@pytest.mark.parametrize(("leaf", "message"), MESSAGES)
def test_reads_back_what_it_writes(leaf: str, message: ReaderMessage) -> None:
    assert read_message(leaf, encode_message(message)) == message


def edited(message: ReaderMessage, **members: Any) -> bytes:
    return json.dumps({**json.loads(encode_message(message)), **members}).encode()


def row(**members: Any) -> bytes:
    return edited(STATE, lists=[{**json.loads(encode_message(STATE))["lists"][0], **members}])


BAD: list[tuple[str, str, bytes, str]] = [
    ("nothing", "state", b"", "expected a JSON object"),
    ("not UTF-8", "live", b"\xff", "expected a JSON object"),
    ("a list", "live", b"[]", "expected a JSON object, got list"),
    ("too long", "state", b" " * (MAX_MESSAGE + 1), "expected at most 65536 bytes, got 65537"),
    ("an unknown leaf", "door", b"{}", "expected the members of a door message"),
    ("a member missing", "presence", b"{}", "expected the members of a presence message"),
    ("a member too many", "live", edited(LIVE, **{"pass": "WP1:"}), "expected the members of a live message"),
    ("an index", "state", edited(STATE, idx=5), "expected the members of a state message"),
    ("a member twice", "presence", b'{"presence": "online", "presence": "offline"}', "a member stands twice"),
    ("counts of both kinds", "counts", edited(MINUTE, fewer=3), "expected the members of a counts message"),
    (
        "another presence",
        "presence",
        b'{"presence": "asleep"}',
        "expected presence among online, offline, got 'asleep'",
    ),
    ("presence a list", "presence", b'{"presence": []}', "expected presence among online, offline"),
    ("at as text", "state", edited(STATE, at="now"), "expected at as a number, got 'now'"),
    ("at NaN", "state", encode_message(STATE).replace(b"1800000001.5", b"NaN"), "expected a JSON object"),
    ("at beyond reason", "state", edited(STATE, at=2.0**60), "expected at as a number"),
    ("at true", "state", edited(STATE, at=True), "expected at as a number, got True"),
    ("clock as number", "state", edited(STATE, clock_trusted=1), "expected clock_trusted true or false, got 1"),
    ("software a number", "state", edited(STATE, software=1), "expected software as text, got 1"),
    ("a station null", "state", edited(STATE, station=None), "expected station as text, got None"),
    ("half a surrogate pair", "state", edited(STATE, software="\ud800"), "surrogates not allowed"),
    ("lists an object", "state", edited(STATE, lists={}), "expected lists as a list"),
    ("a row as list", "state", edited(STATE, lists=[[]]), "expected rows of uri, version, digest, age and since"),
    ("a row with more", "state", row(idx=5), "expected rows of uri, version, digest, age and since"),
    ("a version below zero", "state", row(version=-1), "version: expected a whole number, got -1"),
    ("a version without bounds", "state", row(version=2**63), "version: expected a whole number"),
    ("a digest of 31 bytes", "state", row(digest="0f" * 31), "expected digest as 64 lowercase hex digits"),
    ("a digest in capitals", "state", row(digest="0F" * 32), "expected digest as 64 lowercase hex digits"),
    ("a digest as number", "state", row(digest=5), "expected digest as 64 lowercase hex digits"),
    ("an age with a fraction", "state", row(age=1.5), "expected age in whole seconds, got 1.5"),
    ("an age as text", "state", row(age="1"), "expected age in whole seconds, got '1'"),
    ("since as text", "state", row(since="1"), "expected since as a number"),
    ("a uri null", "state", row(uri=None), "expected uri as text, got None"),
    ("a lane in no state", "state", edited(STATE, lanes={"1": "ajar"}), "'ajar' is not a valid LaneState"),
    ("a lane as number", "state", edited(STATE, lanes={"1": 1}), "expected lanes as an object of str"),
    ("lanes a list", "state", edited(STATE, lanes=[]), "expected lanes as an object of str"),
    ("health a number", "state", edited(STATE, health={"camera": 1}), "expected health as an object of str"),
    ("reports as text", "state", edited(STATE, reports={"malformed": "3"}), "expected reports as an object of int"),
    ("reports true", "state", edited(STATE, reports={"malformed": True}), "reports: expected a whole number, got True"),
    ("another outcome", "live", edited(LIVE, outcome="maybe"), "expected outcome among open, assist, refuse"),
    ("another reason", "live", edited(LIVE, reason="mood"), "expected reason among not-waypass"),
    ("another aspect", "live", edited(LIVE, aspect="blue"), "expected aspect among green, yellow, red, grey"),
    ("a lane's name a number", "live", edited(LIVE, lane=1), "expected lane as text, got 1"),
    ("a start with a fraction", "counts", edited(MINUTE, start=1.5), "start: expected a whole number, got 1.5"),
    ("a count below zero", "counts", edited(MINUTE, outcomes={"open": -1}), "outcomes: expected a whole number"),
    ("fewer as text", "counts", edited(HOUR, fewer="3"), "fewer: expected a whole number, got '3'"),
    ("a bucket missing", "counts", edited(HOUR, latency=[0] * 8), "expected latency as a list of 9 numbers"),
    ("a bucket as text", "counts", edited(HOUR, latency=["0"] * 9), "latency: expected a whole number"),
]


@pytest.mark.parametrize(("name", "leaf", "data", "message"), BAD, ids=[case[0] for case in BAD])
def test_refuses(name: str, leaf: str, data: bytes, message: str) -> None:
    with pytest.raises(Malformed, match=f"^{leaf}: .*{message}"):
        read_message(leaf, data)


def test_small_counts_are_merged() -> None:
    reasons = {"green": 50, "red": 4, "expired": 5, "malformed": 1}
    assert merge_small(reasons) == ({"green": 50, "expired": 5}, 5)
    assert merge_small({}) == ({}, 0)
