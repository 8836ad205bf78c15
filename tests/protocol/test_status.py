"""Snapshots, deltas and heads: size, form, key and signature, in that order."""

import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.issuing import NOW, make_issuer, signer

from waypass_protocol import bits, cose
from waypass_protocol.cose import Header
from waypass_protocol.errors import BadSignature, Malformed, TooLarge, UnknownKey
from waypass_protocol.keys import TrustSet, sign_envelope
from waypass_protocol.status import (
    MAX_DELTA,
    MAX_HEAD,
    MAX_SNAPSHOT,
    Delta,
    Head,
    HeadRow,
    Snapshot,
    decode_indexes,
    encode_indexes,
    largest_head,
    read_delta,
    read_head,
    read_snapshot,
    sign_delta,
    sign_head,
    sign_snapshot,
)

ISSUER = make_issuer()
LST = zlib.compress(bytes(bits.LIST_BYTES))
SNAPSHOT: dict[Any, Any] = {
    2: "wp:17",
    4: NOW + 3600,
    6: NOW,
    65533: {"bits": 2, "lst": LST},
    65534: 900,
    -70010: 7,
}
DELTA: dict[Any, Any] = {2: "wp:17", 6: NOW, -70010: 8, -70011: {1: b"\x05\x01", 0: b"\x09"}}
ROW: list[Any] = ["wp:17", 7, bytes(32)]
HEAD: dict[Any, Any] = {1: "metro", 6: NOW, -70012: 3, -70013: [ROW]}
KINDS: list[tuple[Header, dict[Any, Any], Callable[[bytes, TrustSet, int], object]]] = [
    (Header.SNAPSHOT, SNAPSHOT, read_snapshot),
    (Header.DELTA, DELTA, read_delta),
    (Header.HEAD, HEAD, read_head),
]
READ = {header: read for header, _, read in KINDS}
WHOLE = {header: fields for header, fields, _ in KINDS}
MISSING = object()


def signed(header: Header, payload: object) -> bytes:
    """A message with any payload, signed by the network's status key."""
    data = payload if isinstance(payload, bytes) else cbor2.dumps(payload, canonical=True)
    return sign_envelope(data, header, ISSUER.status)


def changed(header: Header, field: Any, value: object) -> dict[Any, Any]:
    """The payload of a kind with one field changed, added or (MISSING) dropped."""
    fields = {**WHOLE[header], field: value}
    return {name: each for name, each in fields.items() if each is not MISSING}


def payload_of(header: Header) -> bytes:
    """A good payload of a kind."""
    return cbor2.dumps(WHOLE[header], canonical=True)


def rows(*given: object) -> dict[Any, Any]:
    return changed(Header.HEAD, -70013, list(given))


def changes(given: object) -> dict[Any, Any]:
    return changed(Header.DELTA, -70011, given)


def status_list(**given: object) -> dict[Any, Any]:
    return changed(Header.SNAPSHOT, 65533, {"bits": 2, "lst": LST, **given})


S, D, H = Header.SNAPSHOT, Header.DELTA, Header.HEAD
BAD: list[tuple[str, Header, object, str]] = [
    *(
        (f"{header.name} without {field}", header, changed(header, field, MISSING), "expected fields")
        for header, fields, _ in KINDS
        for field in fields
    ),
    *((f"{header.name} with an issuer's mark", header, changed(header, 7, b"1"), "expected fields") for header in READ),
    *((f"{header.name} with a name", header, changed(header, "issued", 1), "expected fields") for header in READ),
    *((f"{header.name} as an array", header, [], "expected a map, got list") for header in READ),
    *((f"{header.name} and more", header, payload_of(header) + b"\0", "left over") for header in READ),
    *((f"{header.name}: iat as text", header, changed(header, 6, "now"), "expected an unsigned") for header in READ),
    *((f"{header.name}: iat below zero", header, changed(header, 6, -1), "expected an unsigned") for header in READ),
    ("snapshot: uri a number", S, changed(S, 2, 17), "expected the list's URI as text, got int"),
    ("snapshot: exp as bytes", S, changed(S, 4, b"1"), "claim 4: expected an unsigned integer, got bytes"),
    ("snapshot: ttl below zero", S, changed(S, 65534, -1), "claim 65534: expected an unsigned integer"),
    ("snapshot: version as text", S, changed(S, -70010, "7"), "claim -70010: expected an unsigned integer, got str"),
    ("snapshot: list an array", S, changed(S, 65533, [2, LST]), "expected a status list {bits, lst}"),
    ("snapshot: list with more", S, status_list(aggregation_uri="a"), "expected a status list {bits, lst}"),
    ("snapshot: 1 bit", S, status_list(bits=1), "expected 2 bits, got 1"),
    ("snapshot: bits as text", S, status_list(bits="2"), "expected 2 bits, got '2'"),
    ("snapshot: lst as text", S, status_list(lst="a"), "expected lst as a byte string, got str"),
    ("snapshot: lst empty", S, status_list(lst=b""), "expected a zlib stream of exactly 262144 bytes"),
    ("snapshot: lst not zlib", S, status_list(lst=b"abc"), "not a zlib stream"),
    ("snapshot: lst a byte short", S, status_list(lst=zlib.compress(bytes(262_143))), "exactly 262144 bytes"),
    ("snapshot: lst a byte long", S, status_list(lst=zlib.compress(bytes(262_145))), "exactly 262144 bytes"),
    ("delta: version 0", D, changed(D, -70010, 0), "expected a version from 1 on, got 0"),
    ("delta: uri as bytes", D, changed(D, 2, b"wp:17"), "expected the list's URI as text, got bytes"),
    ("delta: changes an array", D, changes([]), "expected a map of changes"),
    ("delta: status 4", D, changes({4: b"\x05"}), "expected changes as {status 0 to 3: byte string}"),
    ("delta: status below zero", D, changes({-1: b"\x05"}), "expected changes as {status 0 to 3: byte string}"),
    ("delta: status by name", D, changes({"1": b"\x05"}), "expected changes as {status 0 to 3: byte string}"),
    ("delta: indexes an array", D, changes({1: [5]}), "expected changes as {status 0 to 3: byte string}"),
    ("delta: an index under two statuses", D, changes({0: b"\x05", 1: b"\x05"}), "stands under two statuses"),
    ("delta: an index beyond the list", D, changes({1: b"\x80\x80\x40"}), "expected indexes below 1048576"),
    ("head: network a number", H, changed(H, 1, 5), "expected the network as text, got int"),
    ("head: sequence as text", H, changed(H, -70012, "3"), "sequence: expected an unsigned integer, got str"),
    ("head: rows a map", H, changed(H, -70013, {}), "expected a list of rows"),
    ("head: a row of two", H, rows(ROW[:2]), r"expected rows \[uri, version, sha256\]"),
    ("head: a row of four", H, rows([*ROW, 0]), r"expected rows \[uri, version, sha256\]"),
    ("head: a row as map", H, rows({}), r"expected rows \[uri, version, sha256\]"),
    ("head: a uri that is a map", H, rows([{}, 7, bytes(32)]), "expected the list's URI as text, got dict"),
    ("head: a version below zero", H, rows(["wp:17", -1, bytes(32)]), "version: expected an unsigned integer"),
    ("head: a digest of 31 bytes", H, rows(["wp:17", 7, bytes(31)]), "expected a digest of 32 bytes"),
    ("head: a digest as text", H, rows(["wp:17", 7, "a" * 32]), "expected a digest of 32 bytes"),
    ("head: a list in two rows", H, rows(ROW, ["wp:17", 8, bytes(32)]), "a list stands in two rows"),
    ("head: a checkpoint that is a number", H, changed(H, -70014, 5), "expected the checkpoint as a string"),
]


@pytest.mark.parametrize(("name", "header", "payload", "message"), BAD, ids=[case[0] for case in BAD])
def test_refuses(name: str, header: Header, payload: object, message: str) -> None:
    with pytest.raises(Malformed, match=f"({header.name.lower()}|delta|status list|CBOR): .*{message}"):
        READ[header](signed(header, payload), ISSUER.trust, NOW)


@pytest.mark.parametrize("asked", READ)
@pytest.mark.parametrize("given", [*READ, Header.PASS])
def test_one_kind_is_never_read_as_another(asked: Header, given: Header) -> None:
    data = signed(given, WHOLE.get(given, SNAPSHOT))
    if asked is given:
        READ[asked](data, ISSUER.trust, NOW)
    else:
        with pytest.raises(Malformed, match="COSE: expected"):
            READ[asked](data, ISSUER.trust, NOW)


@pytest.mark.parametrize("header", READ)
def test_the_status_key_counts_and_no_other(header: Header) -> None:
    payload = payload_of(header)
    with pytest.raises(UnknownKey, match="is not trusted for status"):
        READ[header](sign_envelope(payload, header, ISSUER.passes), ISSUER.trust, NOW)
    with pytest.raises(UnknownKey, match="is not in the trust set of metro"):
        READ[header](sign_envelope(payload, header, signer(99)), ISSUER.trust, NOW)
    key = ISSUER.trust.keys[ISSUER.status.kid]
    for now in (key.nbf - 1, key.exp):
        with pytest.raises(UnknownKey, match=f"not at {now}"):
            READ[header](signed(header, payload), ISSUER.trust, now)


@pytest.mark.parametrize("header", READ)
def test_a_foreign_signature_under_a_known_kid_does_not_verify(header: Header) -> None:
    payload = payload_of(header)
    protected = cose.protected_header(header, algorithm=cose.EDDSA, kid=ISSUER.status.kid)
    signature = ISSUER.passes.sign(cose.sig_structure(protected, payload))
    with pytest.raises(BadSignature, match="does not verify"):
        READ[header](cose.assemble(protected, payload, signature), ISSUER.trust, NOW)


@pytest.mark.parametrize("header", [S, D])
def test_nothing_is_unpacked_before_the_signature_verifies(header: Header) -> None:
    """Otherwise an unsigned message could make a reader allocate."""
    broken = status_list(lst=b"not zlib") if header is S else changes({1: b"\x80"})
    data = sign_envelope(cbor2.dumps(broken, canonical=True), header, signer(99))
    with pytest.raises(UnknownKey):
        READ[header](data, ISSUER.trust, NOW)


@pytest.mark.parametrize(("header", "limit"), [(S, MAX_SNAPSHOT), (D, MAX_DELTA), (H, MAX_HEAD)])
def test_nothing_over_its_size_is_parsed(header: Header, limit: int) -> None:
    with pytest.raises(TooLarge, match=f"{header.name.lower()}: expected at most {limit} bytes, got {limit + 1}"):
        READ[header](bytes(limit + 1), ISSUER.trust, NOW)
    with pytest.raises(Malformed, match="left over"):
        READ[header](bytes(limit), ISSUER.trust, NOW)


def test_what_was_kept_is_judged_no_earlier_than_its_own_time() -> None:
    """After a start without network and with a clock in 1970 the key would not be trusted yet."""
    for data, read in (
        (signed(S, SNAPSHOT), read_snapshot),
        (signed(D, DELTA), read_delta),
        (signed(H, HEAD), read_head),
    ):
        with pytest.raises(UnknownKey):
            read(data, ISSUER.trust, 0)
        assert read(data, ISSUER.trust, 0, restored=True) == read(data, ISSUER.trust, NOW)


PACKED = bytes(range(256)) * 1024
KID = ISSUER.status.kid


def test_each_reads_back() -> None:
    snapshot = Snapshot(uri="wp:17", version=7, iat=NOW, exp=NOW + 1, ttl=900, packed=PACKED, kid=KID)
    assert read_snapshot(sign_snapshot(snapshot, ISSUER.status), ISSUER.trust, NOW) == snapshot
    delta = Delta(uri="wp:17", version=8, iat=NOW, changes={0: [0, 128, 2**20 - 1], 2: [1], 3: []}, kid=KID)
    assert read_delta(sign_delta(delta, ISSUER.status), ISSUER.trust, NOW) == delta
    rows = (HeadRow(uri="wp:17", version=7, digest=bytes(32)), HeadRow(uri="", version=0, digest=b"1" * 32))
    head = Head(network="metro", iat=NOW, sequence=3, rows=rows, kid=KID)
    assert read_head(sign_head(head, ISSUER.status), ISSUER.trust, NOW) == head


@pytest.mark.parametrize("checkpoint", [b"log", "log"])
def test_a_head_may_hold_the_reserved_checkpoint(checkpoint: object) -> None:
    assert read_head(signed(H, changed(H, -70014, checkpoint)), ISSUER.trust, NOW).sequence == 3


def test_does_not_sign_a_head_over_its_size() -> None:
    """Whatever the versions, `largest_head` has said so before; and a checkpoint gives way."""
    uris = [f"wp:{number}" for number in range(2000)]
    fit = max(number for number in range(0, 2000, 5) if largest_head("metro", uris[:number]) <= MAX_HEAD)
    assert 1200 < fit < 1400
    rows = [HeadRow(uri=uri, version=(1 << 64) - 1, digest=bytes(32)) for uri in uris]
    head = Head(network="metro", iat=NOW, sequence=1, rows=tuple(rows[:fit]), checkpoint="log" * 300)
    assert read_head(sign_head(head, ISSUER.status), ISSUER.trust, NOW).rows == head.rows
    with pytest.raises(TooLarge, match=r"head: expected at most 65536 bytes, got \d+ with 1500 rows"):
        sign_head(replace(head, rows=tuple(rows[:1500])), ISSUER.status)


def test_does_not_sign_what_a_reader_refuses() -> None:
    with pytest.raises(Malformed, match="expected 262144 packed bytes, got 3"):
        sign_snapshot(Snapshot(uri="a", version=1, iat=0, exp=1, ttl=0, packed=b"abc"), ISSUER.status)
    for indexes in ({1: [5, 5]}, {1: [5, 4]}, {1: [-1]}, {1: [2**20]}, {0: [5], 1: [5]}, {4: [1]}):
        with pytest.raises(Malformed, match="delta: "):
            sign_delta(Delta(uri="a", version=1, iat=0, changes=indexes), ISSUER.status)
    row = HeadRow(uri="a", version=1, digest=b"")
    with pytest.raises(Malformed, match="expected a digest of 32 bytes"):
        sign_head(Head(network="metro", iat=0, sequence=0, rows=(row,)), ISSUER.status)


@pytest.mark.parametrize(
    ("text", "indexes"),
    [
        ("", []),
        ("00", [0]),
        ("0001", [0, 1]),
        ("7f", [127]),
        ("8001", [128]),
        ("ff7f", [16_383]),
        ("808001", [16_384]),
        ("ffff3f", [2**20 - 1]),
        ("05018001", [5, 6, 134]),
    ],
)
def test_indexes_are_leb128_differences(text: str, indexes: list[int]) -> None:
    assert decode_indexes(bytes.fromhex(text)) == indexes
    assert encode_indexes(indexes) == bytes.fromhex(text)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("an index twice", "0500", "ascending order, each once"),
        ("zero twice", "0000", "ascending order, each once"),
        ("zero in two bytes", "8000", "not in its shortest form"),
        ("5 in two bytes", "8500", "not in its shortest form"),
        ("128 in three bytes", "808100", "not in its shortest form"),
        ("four bytes", "80808001", "a varint of more than 3 bytes"),
        ("no end", "ffffffff", "a varint of more than 3 bytes"),
        ("cut off", "0580", "the last varint is cut off"),
        ("2^20", "808040", "expected indexes below 1048576, got 1048576"),
        ("2^20 by the second", "ffff3f01", "expected indexes below 1048576, got 1048576"),
    ],
)
def test_refuses_other_spellings_of_indexes(name: str, text: str, message: str) -> None:
    with pytest.raises(Malformed, match="^delta: .*" + message):
        decode_indexes(bytes.fromhex(text))


@given(st.sets(st.integers(0, 2**20 - 1), max_size=200))
def test_indexes_read_back(indexes: set[int]) -> None:
    assert decode_indexes(encode_indexes(sorted(indexes))) == sorted(indexes)


@given(st.binary(max_size=40))
def test_indexes_have_one_spelling(data: bytes) -> None:
    try:
        indexes = decode_indexes(data)
    except Malformed:
        return
    assert encode_indexes(indexes) == data
    assert indexes == sorted(set(indexes))


def test_a_delta_changes_what_it_names_and_nothing_else() -> None:
    delta = Delta(uri="a", version=2, iat=0, changes={1: [5], 0: [6], 2: [2**20 - 1]})
    after = delta.apply(PACKED)
    assert [bits.status_at(after, idx) for idx in (5, 6, 2**20 - 1)] == [1, 0, 2]
    different = [number for number, (old, new) in enumerate(zip(PACKED, after, strict=True)) if old != new]
    assert set(different) <= {1, 2**18 - 1}
    assert delta.agrees_with(after)
    assert not delta.agrees_with(PACKED)
