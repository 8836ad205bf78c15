"""The strict scan: what RFC 8949 §4.2.1 calls deterministic, narrowed to what the wire format uses."""

from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from waypass_protocol import cbor
from waypass_protocol.errors import Malformed

GOOD = [
    ("zero", "00"),
    ("largest one-byte integer", "17"),
    ("24 in two bytes", "1818"),
    ("255", "18ff"),
    ("256", "190100"),
    ("65536", "1a00010000"),
    ("2^32", "1b0000000100000000"),
    ("2^64 - 1", "1bffffffffffffffff"),
    ("-1", "20"),
    ("-2^64", "3bffffffffffffffff"),
    ("no bytes", "40"),
    ("24 bytes", "5818" + "00" * 24),
    ("256 bytes", "590100" + "00" * 256),
    ("no text", "60"),
    ("two-byte text", "62c3a9"),
    ("text beyond the first plane", "64f09f9880"),
    ("empty array", "80"),
    ("empty map", "a0"),
    ("24 items", "9818" + "00" * 24),
    ("keys of three lengths", "a3010018180019ffff00"),
    ("positive before negative before text", "a30000200061" + "6100"),
    ("a long integer before a short negative one", "a219ffff002000"),
    ("tag 18", "d2820102"),
    ("six deep", "81" * 6 + "00"),
]

BAD = [
    ("nothing", "", "goes on after its 0 bytes"),
    ("one byte too many", "0000", "1 more are left over"),
    ("two items", "a0a0", "1 more are left over"),
    ("0 in two bytes", "1800", "0 is not in its shortest form"),
    ("23 in two bytes", "1817", "23 is not in its shortest form"),
    ("255 in three bytes", "1900ff", "255 is not in its shortest form"),
    ("65535 in five bytes", "1a0000ffff", "65535 is not in its shortest form"),
    ("2^32 - 1 in nine bytes", "1b00000000ffffffff", "4294967295 is not in its shortest form"),
    ("-1 in two bytes", "3800", "0 is not in its shortest form"),
    ("long head of a byte string", "580100", "1 is not in its shortest form"),
    ("long head of text", "780161", "1 is not in its shortest form"),
    ("long head of an array", "980100", "1 is not in its shortest form"),
    ("long head of a map", "b8010000", "1 is not in its shortest form"),
    ("long head of a tag", "d81280", "18 is not in its shortest form|expected no tag"),
    ("tag 18 in three bytes", "d9001280", "18 is not in its shortest form"),
    ("indefinite bytes", "5f4100ff", "indefinite lengths"),
    ("indefinite text", "7f6161ff", "indefinite lengths"),
    ("indefinite array", "9fff", "indefinite lengths"),
    ("indefinite map", "bfff", "indefinite lengths"),
    ("break alone", "ff", "indefinite lengths"),
    ("reserved head 28", "1c", "reserved heads"),
    ("reserved head 30", "5e", "reserved heads"),
    ("false", "f4", "simple or float"),
    ("true", "f5", "simple or float"),
    ("null", "f6", "simple or float"),
    ("undefined", "f7", "simple or float"),
    ("simple 255", "f8ff", "simple or float"),
    ("half float", "f93c00", "simple or float"),
    ("float", "fa47c35000", "simple or float"),
    ("double", "fb3ff199999999999a", "simple or float"),
    ("another tag", "c000", "expected no tag but 18, got 0"),
    ("bignum", "c249010000000000000000", "expected no tag but 18, got 2"),
    ("self-described", "d9d9f700", "expected no tag but 18, got 55799"),
    ("a key twice", "a2010001" + "00", "ascending order, each once"),
    ("keys descending", "a202000100", "ascending order, each once"),
    ("text before an integer", "a2616100" + "0100", "ascending order, each once"),
    ("length first (RFC 7049), not bytewise", "a2200019ffff00", "ascending order, each once"),
    ("a byte string as key", "a1410000", "integer or text as map key"),
    ("an array as key", "a18000", "integer or text as map key"),
    ("a map as key", "a1a000", "integer or text as map key"),
    ("a tag as key", "a1d20000", "integer or text as map key"),
    ("false as key", "a1f400", "integer or text as map key"),
    ("key without value", "a101", "goes on after its 2 bytes"),
    ("text that is not UTF-8", "61ff", "not UTF-8 at byte 0"),
    ("overlong UTF-8", "62c080", "not UTF-8 at byte 0"),
    ("half a surrogate pair", "63eda080", "not UTF-8 at byte 0"),
    ("text as a bad key", "a161ff00", "not UTF-8 at byte 0"),
    ("string past the end", "4200", "a string of 2 bytes where 1 are left"),
    ("2^64 - 1 bytes promised", "5bffffffffffffffff", "a string of 18446744073709551615 bytes where 0"),
    ("2^64 - 1 items promised", "9bffffffffffffffff00", "goes on after its 10 bytes"),
    ("2^64 - 1 pairs promised", "bbffffffffffffffff0000", "goes on after its 11 bytes"),
    ("head cut off", "19ff", "goes on after its 2 bytes"),
    ("long head cut off", "1b00", "goes on after its 2 bytes"),
    ("short head cut off", "18", "goes on after its 1 bytes"),
    ("array cut off", "8200", "goes on after its 2 bytes"),
    ("tag without content", "d2", "goes on after its 1 bytes"),
    ("seven deep", "81" * 7 + "00", "nesting deeper than 6"),
    ("seven deep through maps and tags", "d2" + "a100" * 3 + "81" * 3 + "00", "nesting deeper than 6"),
    ("ten thousand deep", "81" * 10_000, "nesting deeper than 6"),
]


@pytest.mark.parametrize(("name", "text"), GOOD)
def test_accepts(name: str, text: str) -> None:
    data = bytes.fromhex(text)
    assert cbor2.dumps(cbor.decode(data)) == data


@pytest.mark.parametrize(("name", "text", "message"), BAD)
def test_refuses(name: str, text: str, message: str) -> None:
    with pytest.raises(Malformed, match=message):
        cbor.decode(bytes.fromhex(text))


@pytest.mark.parametrize("cut", range(20))
def test_refuses_every_truncation(cut: int) -> None:
    whole = cbor.encode({1: [b"ab", "cd", -300], 2: cbor2.CBORTag(18, [70_000, 2**40])})
    assert len(whole) > 20
    with pytest.raises(Malformed):
        cbor.scan(whole[:cut])


def test_nesting_is_an_argument() -> None:
    cbor.scan(bytes.fromhex("8100"), nesting=1)
    with pytest.raises(Malformed, match="nesting deeper than 1"):
        cbor.scan(bytes.fromhex("818100"), nesting=1)


@pytest.mark.parametrize("value", [1.5, None, True, {-1: 0, 65535: 0}, {b"a": 0}, 2**64])
def test_encodes_nothing_that_it_would_refuse(value: object) -> None:
    """-1 before 65535 is the library's order (shortest first), not RFC 8949's."""
    with pytest.raises(Malformed):
        cbor.encode(value)


KEYS = st.integers(min_value=0, max_value=2**64 - 1) | st.text(max_size=30)
VALUES = st.recursive(
    st.integers(min_value=-(2**64), max_value=2**64 - 1) | st.binary(max_size=300) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


def _depth(value: object) -> int:
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    return 0


def _deterministic(value: Any) -> bytes:
    """RFC 8949 §4.2.1 written down a second time: shortest heads are the library's, the order of keys is ours."""
    if isinstance(value, list):
        return _head(4, len(value)) + b"".join(map(_deterministic, value))
    if isinstance(value, dict):
        pairs = sorted((cbor2.dumps(key), _deterministic(each)) for key, each in value.items())
        return _head(5, len(pairs)) + b"".join(key + each for key, each in pairs)
    return cbor2.dumps(value)


def _head(major: int, length: int) -> bytes:
    first, *rest = cbor2.dumps(length)
    return bytes([first | major << 5, *rest])


@given(VALUES)
def test_what_is_deterministic_comes_back(value: object) -> None:
    data = _deterministic(value)
    if _depth(value) > cbor.MAX_NESTING:
        with pytest.raises(Malformed, match="nesting"):
            cbor.scan(data)
    else:
        assert cbor.decode(data) == value


@given(st.binary(max_size=60))
def test_what_is_accepted_has_one_spelling(data: bytes) -> None:
    """Whatever the scan lets through, encoding it again gives the same bytes."""
    try:
        value = cbor.decode(data)
    except Malformed:
        return
    assert cbor2.dumps(value) == data


@given(VALUES, st.data())
def test_a_changed_byte_never_means_the_same(value: object, data: st.DataObject) -> None:
    whole = bytearray(_deterministic(value))
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        assert cbor.decode(bytes(whole)) != value
    except Malformed:
        return
