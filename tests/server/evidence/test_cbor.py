"""CBOR from outside: what is let through, what is refused and why."""

import math

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from waypass_server.evidence.cbor import decode
from waypass_server.evidence.errors import UnreadableError

GOOD = [
    ("integer", "1864", 100),
    ("wide integer", "1b00000000000000ff", 255),
    ("negative", "390103", -260),
    ("float", "fb41d8000000000000", 1610612736.0),
    ("half float", "f93c00", 1.0),
    ("null, true and false", "83f6f5f4", [None, True, False]),
    ("any key order", "a304016161f62001", {4: 1, "a": None, -1: 1}),
    ("indefinite map and list", "bf617a9f01ffff", {"z": [1]}),
    ("indefinite text", "7f61616162ff", "ab"),
    ("indefinite bytes", "5f4161ff", b"a"),
    ("empty indefinite map", "bfff", {}),
]

BAD = [
    ("nothing", "", "thing: expected 1 bytes at 0, got 0"),
    ("left over", "0000", "1 bytes are left over"),
    ("text cut off", "6461", "expected 4 bytes at 1, got 1"),
    ("argument cut off", "19ff", "expected 2 bytes at 1, got 1"),
    ("list longer than the bytes", "9bffffffffffffffff", "expected 1 bytes at 9, got 0"),
    ("text longer than the bytes", "7b7fffffffffffffff61", "expected 9223372036854775807 bytes at 9, got 1"),
    ("reserved head", "1c", "byte 0x1c at 0 does not start an item"),
    ("indefinite integer", "1f", "byte 0x1f at 0 does not start an item"),
    ("break alone", "ff", "byte 0xff at 0 does not start an item"),
    ("indefinite list without end", "9f01", "expected 1 bytes at 2, got 0"),
    ("odd indefinite map", "bf01ff", "byte 0xff at 2 does not start an item"),
    ("text in indefinite bytes", "5f6161ff", "an indefinite string holds other than definite pieces"),
    ("indefinite in indefinite", "5f5f4161ffff", "an indefinite string holds other than definite pieces"),
    ("undefined", "f7", "expected false, true, null or a float, got simple value 23"),
    ("simple value", "f8ff", "expected false, true, null or a float, got simple value 255"),
    ("not UTF-8", "61ff", "a text is not UTF-8 or a date does not exist"),
    ("bytes as key", "a1414100", "expected major type 0 or 1 or 3"),
    ("list as key", "a1800000", "expected major type 0 or 1 or 3"),
    ("float as key", "a1f93c0000", "expected major type 0 or 1 or 3"),
    ("same key twice", "a201000101", "expected 2 different map keys, got 1"),
    ("same key in two spellings", "a20100180101", "expected 2 different map keys, got 1"),
    ("same key twice, deep inside", "8181a1616181a200000001", "expected 3 different map keys, got 2"),
    ("big number", "c249010000000000000000", "tag 2 has no place here"),
    ("regular expression", "d823612e", "tag 35 has no place here"),
    ("shared reference", "d81c81d81d00", "tag 28 has no place here"),
    ("13 levels", "81" * 12 + "00", "expected at most 12 levels of nesting"),
    ("very deep", "81" * 5000, "expected at most 12 levels of nesting"),
]


@pytest.mark.parametrize(("name", "data", "value"), GOOD, ids=[row[0] for row in GOOD])
def test_good(name: str, data: str, value: object) -> None:
    assert decode(bytes.fromhex(data), what="thing") == value


@pytest.mark.parametrize(("name", "data", "words"), BAD, ids=[row[0] for row in BAD])
def test_bad(name: str, data: str, words: str) -> None:
    with pytest.raises(UnreadableError, match=words) as caught:
        decode(bytes.fromhex(data), what="thing")
    assert caught.value.reason == "cbor"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2021-02-30T00:00:00Z", "a date does not exist"),
        ("0000-01-01T00:00:00Z", "a date does not exist"),
        ("2021-01-01T00:00:00+99:99", "a date does not exist"),
        ("yesterday", "a date does not exist"),
    ],
)
def test_tagged_dates_that_do_not_exist(text: str, words: str) -> None:
    with pytest.raises(UnreadableError, match=words):
        decode(cbor2.dumps(cbor2.CBORTag(0, text)), what="thing", tags={0})


def test_a_tagged_date_is_a_text() -> None:
    with pytest.raises(UnreadableError, match="expected major type 3"):
        decode(bytes.fromhex("c000"), what="thing", tags={0})


keys = st.integers(-9, 9) | st.text(max_size=3)
leaves = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text() | st.binary()
lists = st.lists(leaves | st.lists(leaves, max_size=3), max_size=4)
values = leaves | lists | st.dictionaries(keys, leaves | lists | st.dictionaries(keys, lists, max_size=3), max_size=4)


@given(values)
def test_what_cbor2_writes_is_read_back(value: object) -> None:
    assert decode(cbor2.dumps(value), what="thing") == value


def test_not_a_number_is_read() -> None:
    value = decode(bytes.fromhex("f97e00"), what="thing")
    assert isinstance(value, float)
    assert math.isnan(value)
