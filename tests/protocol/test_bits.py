"""Packed status lists, beyond what the standard's own vectors show (`test_vectors`)."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waypass_protocol import bits
from waypass_protocol.errors import Malformed

INDEXES = st.integers(0, bits.LIST_INDEXES - 1)


def test_a_list_has_262144_bytes() -> None:
    assert bits.LIST_BYTES == 262_144


def test_index_n_is_in_byte_n_over_4_at_bit_2_n_mod_4() -> None:
    packed = bytearray(bits.LIST_BYTES)
    bits.set_status(packed, 5, 3)
    assert (packed[1], sum(packed)) == (0b00001100, 0b00001100)


@given(st.dictionaries(INDEXES, st.integers(0, 3), max_size=20), INDEXES)
def test_every_status_reads_back_and_no_other_changes(statuses: dict[int, int], other: int) -> None:
    packed = bytearray(b"\xe4" * bits.LIST_BYTES)  # index n has status n mod 4
    for idx, status in statuses.items():
        bits.set_status(packed, idx, status)
    whole = bytes(packed)
    for idx in {*statuses, other}:
        expected = statuses.get(idx, idx % 4)
        assert bits.status_at(whole, idx) == expected
        assert bits.status_of_width(whole, 2, idx) == expected


@pytest.mark.parametrize("width", [0, 3, 5, 16, -1])
def test_refuses_a_width_that_the_standard_does_not_have(width: int) -> None:
    with pytest.raises(Malformed, match=f"expected 1, 2, 4 or 8 bits, got {width}"):
        bits.status_of_width(bytes(4), width, 0)


@pytest.mark.parametrize(("width", "beyond"), [(1, 32), (2, 16), (4, 8), (8, 4)])
def test_refuses_an_index_outside(width: int, beyond: int) -> None:
    assert bits.status_of_width(bytes(4), width, beyond - 1) == 0
    for idx in (beyond, -1):
        with pytest.raises(Malformed, match=f"expected an index below {beyond}, got {idx}"):
            bits.status_of_width(bytes(4), width, idx)


FULL = bytes(range(256)) * 1024


@pytest.mark.parametrize("packed", [bytes(bits.LIST_BYTES), FULL])
def test_inflates_what_it_deflates(packed: bytes) -> None:
    assert bits.inflate(bits.deflate(packed)) == packed


@pytest.mark.parametrize(
    ("name", "lst", "message"),
    [
        ("nothing", b"", "exactly 262144 bytes"),
        ("not zlib", b"not zlib", "not a zlib stream"),
        ("raw deflate", zlib.compress(FULL, wbits=-15), "not a zlib stream"),
        ("gzip", zlib.compress(FULL, wbits=31), "not a zlib stream"),
        ("a byte short", zlib.compress(FULL[1:]), "exactly 262144 bytes"),
        ("a byte long", zlib.compress(FULL + b"\0"), "exactly 262144 bytes"),
        ("a gigabyte", zlib.compress(bytes(1 << 24)), "exactly 262144 bytes"),
        ("a byte after it", zlib.compress(FULL) + b"\0", "nothing after it"),
        ("a second stream", zlib.compress(FULL) * 2, "nothing after it"),
        ("without its checksum", zlib.compress(FULL)[:-4], "exactly 262144 bytes"),
        ("with another checksum", zlib.compress(FULL)[:-1] + b"\0", "not a zlib stream"),
        ("a preset dictionary", b"\x78\xbb\0\0\0\0", "not a zlib stream"),
    ],
)
def test_refuses_to_inflate(name: str, lst: bytes, message: str) -> None:
    with pytest.raises(Malformed, match=message):
        bits.inflate(lst)
