"""Floors: written, read back strictly, and lapsing with the key that set them."""

import json
from typing import Any

import pytest

from waypass_protocol.errors import Malformed
from waypass_protocol.floors import Floors, Mark, read_floors

A, B = b"a" * 8, b"b" * 8
FLOORS = Floors(
    versions={"wp:1": Mark(value=7, kid=A), "wp:2": Mark(value=9, kid=B)},
    renewals={"wp:1": Mark(value=1_000, kid=B), "wp:2": Mark(value=1_001, kid=B)},
    sequence=Mark(value=5, kid=A),
    newest_head=Mark(value=1_002, kid=B),
)


@pytest.mark.parametrize("floors", [Floors(), FLOORS])
def test_reads_back_what_it_writes(floors: Floors) -> None:
    assert read_floors(floors.to_json()) == floors
    assert read_floors(floors.to_json().encode()) == floors


def test_each_value_lapses_with_its_key() -> None:
    left = FLOORS.without_keys_outside(frozenset({B}))
    assert left.versions == {"wp:2": Mark(value=9, kid=B)}
    assert left.sequence is None
    assert left.newest_head == FLOORS.newest_head


def test_a_renewal_lapses_with_the_version_that_it_renewed() -> None:
    """wp:1 was renewed by B, but its version was A's: an older list must not take over that age."""
    assert FLOORS.without_keys_outside(frozenset({B})).renewals == {"wp:2": Mark(value=1_001, kid=B)}


def test_all_lapse_and_none() -> None:
    assert FLOORS.without_keys_outside(frozenset()) == Floors()
    assert FLOORS.without_keys_outside(frozenset({A, B})) == FLOORS


def test_a_renewal_of_none_is_dropped() -> None:
    changed = FLOORS.with_renewals({"wp:1": None, "wp:3": Mark(value=1, kid=A), "wp:4": None})
    assert changed.renewals == {"wp:2": FLOORS.renewals["wp:2"], "wp:3": Mark(value=1, kid=A)}
    assert FLOORS.renewals.keys() == {"wp:1", "wp:2"}


def changed(**members: Any) -> str:
    return json.dumps({**json.loads(FLOORS.to_json()), **members})


KID = A.hex()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("nothing", "", "expected a JSON object"),
        ("cut short", FLOORS.to_json()[:-3], "expected a JSON object"),
        ("an array", "[]", "expected a JSON object, got list"),
        ("a member missing", '{"format": 1}', "expected members"),
        ("a member too many", changed(more=1), "expected members"),
        ("format 2", changed(format=2), "expected format 1, got 2"),
        ("format true", changed(format=True), "expected format 1, got True"),
        ("versions a list", changed(versions=[]), "versions: expected an object"),
        ("renewals null", changed(renewals=None), "renewals: expected an object"),
        ("a mark as number", changed(versions={"u": 1}), "versions: expected an object of value and kid"),
        ("a mark with more", changed(sequence={"value": 1, "kid": KID, "x": 1}), "sequence: expected an object of"),
        ("a value as text", changed(sequence={"value": "1", "kid": KID}), "sequence: expected a whole number"),
        ("a value true", changed(sequence={"value": True, "kid": KID}), "sequence: expected a whole number"),
        ("a value below zero", changed(newest_head={"value": -1, "kid": KID}), "newest_head: expected a whole number"),
        ("a fraction", changed(newest_head={"value": 1.5, "kid": KID}), "newest_head: expected a whole number"),
        ("a kid of 7 bytes", changed(sequence={"value": 1, "kid": KID[2:]}), "sequence: expected a kid of 8 bytes"),
        ("a kid that is no hex", changed(sequence={"value": 1, "kid": "xy"}), "sequence: expected a kid in hex"),
        ("a kid with spaces", changed(sequence={"value": 1, "kid": " " + KID}), "a kid in lowercase hex"),
        ("a kid in capitals", changed(sequence={"value": 1, "kid": "AB" * 8}), "a kid in lowercase hex"),
        ("a kid as number", changed(sequence={"value": 1, "kid": 8}), "sequence: expected a kid in hex, got 8"),
        ("sequence as list", changed(sequence=[1, KID]), "sequence: expected an object of value and kid"),
        ("a URI that cannot be written", changed().replace("wp:1", "\\ud800"), "surrogates not allowed"),
    ],
)
def test_refuses(name: str, text: str, message: str) -> None:
    with pytest.raises(Malformed, match="^floors.*" + message):
        read_floors(text)
