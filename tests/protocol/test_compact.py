"""The compact form of a status list: one form for one list, small, and read strictly."""

import random
from collections.abc import Sequence
from math import comb, log2

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.issuing import NOW, Issuer, make_issuer

from waypass_protocol import cbor
from waypass_protocol.bits import LIST_BYTES, LIST_INDEXES, set_status, status_at
from waypass_protocol.compact import decode_compact, encode_compact, remainder_bits
from waypass_protocol.cose import Header
from waypass_protocol.errors import BadSignature, Malformed
from waypass_protocol.keys import sign_envelope
from waypass_protocol.status import read_snapshot, sign_compact, sign_snapshot

LAST = LIST_INDEXES - 1


def packed(statuses: dict[int, int]) -> bytes:
    """A list in which these indexes have these statuses."""
    made = bytearray(LIST_BYTES)
    for idx, status in statuses.items():
        set_status(made, idx, status)
    return bytes(made)


def withdrawn(count: int, seed: int = 1) -> bytes:
    """A list in which so many random indexes are invalid."""
    return packed(dict.fromkeys(random.Random(seed).sample(range(LIST_INDEXES), count), 1))


def test_an_empty_list_is_an_empty_map() -> None:
    assert encode_compact(bytes(LIST_BYTES)) == {}
    assert decode_compact({}) == bytes(LIST_BYTES)


@pytest.mark.parametrize(
    ("name", "statuses", "form"),
    [
        # One index: k is 19, and the gap is the index itself.
        ("first", {0: 1}, {1: [bytes(3), b"\x80"]}),
        ("last", {LAST: 2}, {2: [b"\xff\xff\xe0", b"\x40"]}),
        # Two: k is 18; gaps 5 and 0.
        ("neighbours", {5: 1, 6: 1}, {1: [b"\x00\x01\x40\x00\x00", b"\xc0"]}),
        ("two statuses", {0: 3, 1: 1}, {1: [b"\x00\x00\x20", b"\x80"], 3: [bytes(3), b"\x80"]}),
    ],
)
def test_a_form_is_what_the_page_says(name: str, statuses: dict[int, int], form: dict[int, list[bytes]]) -> None:
    assert encode_compact(packed(statuses)) == form, name
    assert decode_compact(form) == packed(statuses), name


@settings(deadline=None, max_examples=40)
@given(
    indexes=st.lists(st.integers(0, LAST), unique=True, max_size=60),
    run=st.tuples(st.integers(0, LAST), st.integers(0, 3000), st.integers(1, 3)),
    statuses=st.lists(st.integers(1, 3), min_size=60, max_size=60),
)
def test_what_is_encoded_is_read_again(indexes: list[int], run: tuple[int, int, int], statuses: list[int]) -> None:
    """Scattered indexes of all statuses, and a run of one."""
    start, length, status = run
    made = dict.fromkeys(range(start, min(start + length, LIST_INDEXES)), status) | dict(
        zip(indexes, statuses, strict=False)
    )
    whole = packed(made)
    form = encode_compact(whole)
    assert decode_compact(form) == whole
    assert decode_compact(cbor.decode(cbor.encode(form))) == whole


@pytest.mark.parametrize("count", [1, 255, 1971, 1972, 10_417, 52_429, 400_000, LIST_INDEXES])
def test_every_density_is_read_again(count: int) -> None:
    whole = withdrawn(count)
    assert decode_compact(encode_compact(whole)) == whole


def test_a_list_with_one_in_a_hundred_withdrawn_is_near_the_bound() -> None:
    count = 10_417
    size = sum(map(len, encode_compact(withdrawn(count))[1]))
    assert size <= 1.01 * log2(comb(LIST_INDEXES, count)) / 8


@pytest.mark.parametrize(("count", "bits"), [(1, 19), (1971, 9), (1972, 8), (10_417, 6), (600_000, 0), (1 << 20, 0)])
def test_the_remainder_is_as_long_as_the_count_says(count: int, bits: int) -> None:
    assert remainder_bits(count) == bits


ONE = [bytes(3), b"\x80"]
MANY = encode_compact(withdrawn(10_417))[1]


@pytest.mark.parametrize(
    ("name", "form", "message"),
    [
        ("a list", [], "expected a map of statuses, got list"),
        ("status 0", {0: ONE}, "expected statuses 1 to 3, got 0"),
        ("status 4", {4: ONE}, "expected statuses 1 to 3, got 4"),
        ("a status as text", {"1": ONE}, "expected statuses 1 to 3, got '1'"),
        ("one string", {1: [bytes(3)]}, "expected an array of two byte strings"),
        ("a bare string", {1: b"\x80"}, "expected an array of two byte strings"),
        ("text", {1: ["", b"\x80"]}, "expected an array of two byte strings"),
        ("no quotients", {1: [b"", b""]}, "bytes of quotients, the last of them not 0"),
        ("a byte of zeros at the end", {1: [bytes(3), b"\x80\x00"]}, "bytes of quotients, the last of them not 0"),
        ("too many quotients", {1: [b"", b"\xff" * 262_145]}, "expected 1 to 262144 bytes of quotients"),
        ("a remainder too short", {1: [bytes(2), b"\x80"]}, "expected 3 bytes of remainders for 1 indexes, got 2"),
        ("a remainder too long", {1: [bytes(4), b"\x80"]}, "expected 3 bytes of remainders for 1 indexes, got 4"),
        ("a bit after the remainders", {1: [b"\x00\x00\x10", b"\x80"]}, "expected zero bits after the last remainder"),
        ("beyond the list", {1: [bytes(3), b"\x20"]}, f"expected indexes below {LIST_INDEXES}, got {LIST_INDEXES}"),
        ("far beyond the list", {1: [bytes(3), bytes(1000) + b"\x01"]}, f"expected indexes below {LIST_INDEXES}"),
        ("more ones than indexes", {1: [b"", b"\xff" * 131_073]}, f"expected indexes below {LIST_INDEXES}"),
        ("an index under two statuses", {1: ONE, 2: ONE}, "an index stands under two statuses"),
        ("many under two statuses", {2: MANY, 3: MANY}, "an index stands under two statuses"),
    ],
)
def test_what_is_not_a_form_is_refused(name: str, form: object, message: str) -> None:
    with pytest.raises(Malformed, match=message):
        decode_compact(form)


def test_a_list_of_another_size_is_not_encoded() -> None:
    with pytest.raises(Malformed, match="expected 262144 packed bytes, got 3"):
        encode_compact(bytes(3))


class TestMessage:
    """The signed message around it."""

    issuer: Issuer = make_issuer()

    def both(self, statuses: dict[int, int]) -> Sequence[bytes]:
        """A list in its two forms."""
        held = self.issuer.status_list()
        held.packed = packed(statuses)
        return held.snapshot(), held.compact()

    def test_both_forms_say_the_same(self) -> None:
        standard, compact = (
            read_snapshot(each, self.issuer.trust, NOW) for each in self.both({5: 1, 70_000: 2, LAST: 3})
        )
        assert standard == compact
        assert [status_at(compact.packed, idx) for idx in (4, 5, 70_000, LAST)] == [0, 1, 2, 3]

    def test_the_header_says_which_it_is(self) -> None:
        standard, compact = self.both({5: 1})
        assert [Header.COMPACT.begins(each) for each in (standard, compact)] == [False, True]
        assert [Header.SNAPSHOT.begins(each) for each in (standard, compact)] == [True, False]

    def test_a_list_in_the_other_form_is_refused(self) -> None:
        """The standard's list under the compact header, and the other way round."""
        held = self.issuer.status_list()
        snapshot = read_snapshot(held.snapshot(), self.issuer.trust, NOW)
        for sign, other in ((sign_snapshot, Header.COMPACT), (sign_compact, Header.SNAPSHOT)):
            payload = cbor.decode(sign(snapshot, self.issuer.status)).value[2]
            with pytest.raises(Malformed, match="snapshot: expected fields"):
                read_snapshot(sign_envelope(payload, other, self.issuer.status), self.issuer.trust, NOW)

    def test_another_signature_is_refused(self) -> None:
        _, compact = self.both({5: 1})
        with pytest.raises(BadSignature):
            read_snapshot(compact[:-1] + bytes([compact[-1] ^ 1]), self.issuer.trust, NOW)
