"""Snapshots, deltas and heads of a foreign issuer in a status folder, as the wire format says (§4).

Each case has a list of its own, and all lists stand in one folder under one head; so one run judges them all.
What a list came to is seen from three passes: one that only the right result withdraws, one that it leaves valid, and
their age, which is known only while version and digest are the ones that the head names.
"""

import gzip
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.system.commands import Station
from tests.system.foreign import (
    AT,
    CHANGES,
    DAY,
    DELTA_TYPE,
    DROP,
    HEAD_TYPE,
    INDEXES,
    PACKED,
    PASS_KEY,
    ROWS,
    SEQUENCE,
    STATUS,
    STATUS_KEY,
    STATUS_LIST_TYPE,
    STRANGER,
    URI,
    VERSION,
    Key,
    Pairs,
    Raw,
    Tag,
    delta,
    encode,
    head,
    indexes,
    initial,
    pack,
    paper,
    row,
    sign1_parts,
    snapshot,
    status_claim,
    status_header,
    text,
    trust_set,
    varint,
)

LENIENT = {"identity_check_paper": False}
FIVE = pack({5: 1})
EMPTY = bytes(PACKED)

OLD = Key(name="status, to now", uses=("status",), exp=AT)
UNBORN = Key(name="status, from the next second", uses=("status",), nbf=AT + 1)
LAST = Key(name="status, to the next second", uses=("status",), exp=AT + 1)
KEYS = (PASS_KEY, STATUS_KEY, OLD, UNBORN, LAST)


def forged(data: bytes) -> bytes:
    """The last bit of the signature is other."""
    return data[:-1] + bytes([data[-1] ^ 1])


# Messages about one list, each refused

Make = Callable[[str], bytes]  # a message about the list with this URI


def not_numbers(number: int) -> dict[str, Any]:
    """Values that are no unsigned integer in its shortest form."""
    return {
        "null": None,
        "true": True,
        "float": float(number),
        "text": str(number),
        "negative": -1 - number,
        "bignum": Tag(2, b"\x02"),
        "too wide": Raw(initial(0, number, width=8)),
        "missing": DROP,
    }


def stored(packed: bytes, blocks: int) -> bytes:
    """A zlib stream of `packed` with so many empty blocks in it."""
    deflate = zlib.compressobj()
    start = deflate.compress(packed) + deflate.flush(zlib.Z_FULL_FLUSH)
    return start + b"\x00\x00\x00\xff\xff" * blocks + deflate.flush()


def snapshot_of_size(uri: str, size: int) -> bytes:
    """A good snapshot of version 2 with index 5 withdrawn, of exactly `size` bytes."""
    for ttl in (1, 100, 1000, 100_000, 1 << 40):  # stored blocks go in steps of five bytes; `ttl` takes up the rest
        whole = snapshot(uri, 2, changes={65533: {"bits": 2, "lst": stored(FIVE, 20_000)}, 65534: ttl})
        if (size - len(whole)) % 5 == 0:
            blocks = 20_000 + (size - len(whole)) // 5
            whole = snapshot(uri, 2, changes={65533: {"bits": 2, "lst": stored(FIVE, blocks)}, 65534: ttl})
            assert len(whole) == size
            return whole
    raise AssertionError(size)


def status_list(lst: Any, **more: Any) -> dict[Any, Any]:
    """A change to a snapshot's status list."""
    return {65533: {"bits": 2, "lst": lst} | more}


def bad_snapshots() -> dict[str, Make]:
    """Snapshots of version 2 with index 5 withdrawn that must change nothing."""
    changes: dict[str, Mapping[Any, Any]] = {
        "expires now": {4: AT},
        "expired": {4: AT - 1},
        "iat 61 s ahead": {6: AT + 61},
        "bits 1": status_list(zlib.compress(FIVE), bits=1),
        "bits 4": status_list(zlib.compress(FIVE), bits=4),
        "bits 8": status_list(zlib.compress(FIVE * 4), bits=8),
        "no bits": {65533: {"lst": zlib.compress(FIVE)}},
        "no lst": {65533: {"bits": 2}},
        "lst as text": status_list("x"),
        "aggregation": status_list(zlib.compress(FIVE), aggregation_uri="wp:all"),
        "not compressed": status_list(FIVE),
        "raw deflate": status_list(zlib.compress(FIVE)[2:-4]),
        "gzip": status_list(gzip.compress(FIVE)),
        "a byte short": status_list(zlib.compress(FIVE[:-1])),
        "a byte long": status_list(zlib.compress(FIVE + b"\0")),
        "a bomb": status_list(zlib.compress(bytes(100_000_000))),
        "cut": status_list(zlib.compress(FIVE)[:-1]),
        "without its checksum": status_list(zlib.compress(FIVE)[:-4]),
        "wrong checksum": status_list(forged(zlib.compress(FIVE))),
        "leftover": status_list(zlib.compress(FIVE) + b"\0"),
        "two streams": status_list(zlib.compress(FIVE[:9]) + zlib.compress(FIVE[9:])),
        "nothing": status_list(b""),
        "unknown claim": {-70099: 0},
        "network": {1: "metro"},
        "head's claim": {SEQUENCE: 1},
        "no status list": {65533: DROP},
        "uri in bytes": {2: b"wp:1"},
        "no uri": {2: DROP},
        "other uri": {2: "wp:elsewhere"},
    }
    for name, claim in (("version", VERSION), ("iat", 6), ("exp", 4)):
        number = 2 if claim == VERSION else AT
        changes |= {f"{name}: {kind}": {claim: value} for kind, value in not_numbers(number).items()}
    out: dict[str, Make] = {name: partial(changed_snapshot, change=change) for name, change in changes.items()}
    for name in shared_faults(b"whole"):
        out[name] = partial(faulty_snapshot, name=name)
    for name, header in other_headers(STATUS_LIST_TYPE, DELTA_TYPE).items():
        out[name] = partial(snapshot, version=2, packed=FIVE, protected=header)
    for name, key in OTHER_KEYS.items():
        out[name] = partial(snapshot, version=2, packed=FIVE, key=key)
    return out | {"of 524,289 bytes": lambda uri: snapshot_of_size(uri, 524_289)}


def changed_snapshot(uri: str, *, change: Mapping[Any, Any]) -> bytes:
    return snapshot(uri, 2, FIVE, change)


def faulty_snapshot(uri: str, *, name: str) -> bytes:
    return shared_faults(snapshot(uri, 2, FIVE))[name]


def faulty_delta(uri: str, *, name: str) -> bytes:
    return shared_faults(delta(uri, 2, {1: indexes(5)}))[name]


def changed_delta(uri: str, *, change: Mapping[Any, Any]) -> bytes:
    return delta(uri, 2, {1: indexes(5)}, change)


OTHER_KEYS = {"stranger": STRANGER, "other use": PASS_KEY, "key at its end": OLD, "key before its start": UNBORN}


def other_headers(media_type: str, another: str) -> dict[str, dict[int, Any]]:
    """Protected headers that a message of `media_type` does not have."""
    good = status_header(media_type)
    return {
        "another message's type": status_header(another),
        "the standard's type for JWT": status_header("application/statuslist+jwt"),
        "short type": status_header(media_type.removeprefix("application/")),
        "type in capitals": status_header(media_type.upper()),
        "type as number": good | {16: 1},
        "type as bytes": good | {16: media_type.encode()},
        "no type": {1: -8, 4: STATUS_KEY.kid},
        "no kid": {key: value for key, value in good.items() if key != 4},
        "kid of 7": good | {4: STATUS_KEY.kid[:7]},
        "kid of 9": good | {4: STATUS_KEY.kid + b"\0"},
        "unknown header": good | {99: 0},
        "content type": good | {3: media_type},
        **{f"alg {alg}": good | {1: alg} for alg in (-7, -9, 0)},
    }


def shared_faults(whole: bytes) -> dict[str, bytes]:
    """What breaks any signed message; `whole` is a good one."""
    parts = sign1_parts(STATUS_KEY.sign, status_header("x"), {2: URI})
    return {
        "forged": forged(whole),
        "cut in half": whole[: len(whole) // 2],
        "a byte over": whole + b"\0",
        "twice": whole + whole,
        "untagged": whole[1:],
        "tag in two bytes": b"\xd8\x12" + whole[1:],
        "array length in two bytes": b"\xd2\x98\x04" + whole[2:],
        "as QR text": text(whole[:500]).encode(),
        "text": b"not a status message",
        "a zero byte": b"\0",
        "empty": b"",
        "three parts": encode(Tag(18, parts[:3])),
    }


def bad_deltas() -> dict[str, Make]:
    """Deltas to version 2 that must be refused whole."""
    five = indexes(5)
    big = indexes(INDEXES)
    changes: dict[str, Any] = {
        "index twice": {1: varint(5) + varint(0)},
        "not shortest": {1: b"\x85\x00"},
        "not shortest, difference": {1: varint(5) + b"\x81\x80\x00"},
        "cut": {1: varint(5) + b"\x80"},
        "index 2^20": {1: five + varint(INDEXES - 5)},
        "first index 2^20": {1: big},
        "index 2^32 + 5": {1: varint((1 << 32) + 5)},
        "index 2^64 + 5": {1: varint((1 << 64) + 5)},
        "endless": {1: b"\xff" * 1000},
        "in two statuses": {1: five, 2: five},
        "in two statuses, 0 among them": {0: five, 1: five},
        "status 4": {1: five, 4: indexes(6)},
        "status -1": {1: five, -1: indexes(6)},
        "status true": Pairs(((1, five), (True, indexes(6)))),
        "status text": Pairs(((1, five), ("2", indexes(6)))),
        "status twice": Pairs(((1, five), (1, indexes(6)))),
        "statuses not in order": Pairs(((2, indexes(6)), (1, five))),
        "status too wide": Pairs(((Raw(b"\x18\x01"), five),)),
        "indexes as array": {1: [5]},
        "indexes as text": {1: "\x05"},
        "indexes in chunks": {1: Raw(b"\x5f" + encode(five) + b"\xff")},
        "null": None,
        "array": [five],
    }
    claims: dict[str, Mapping[Any, Any]] = {
        "no changes": {CHANGES: DROP},
        "unknown claim": {-70099: 0},
        "exp": {4: AT + DAY},
        "iat 61 s ahead": {6: AT + 61},
        "no uri": {2: DROP},
        "uri in bytes": {2: b"wp:1"},
        "other uri": {2: "wp:elsewhere"},
        "version 3, a gap": {VERSION: 3},
        "version 1, held": {VERSION: 1},
        "version 0, below": {VERSION: 0},
    }
    claims |= {name: {CHANGES: value} for name, value in changes.items()}
    for name, claim in (("version", VERSION), ("iat", 6)):
        number = 2 if claim == VERSION else AT
        claims |= {f"{name}: {kind}": {claim: value} for kind, value in not_numbers(number).items()}
    out: dict[str, Make] = {name: partial(changed_delta, change=change) for name, change in claims.items()}
    for name in shared_faults(b"whole"):
        out[name] = partial(faulty_delta, name=name)
    for name, header in other_headers(DELTA_TYPE, HEAD_TYPE).items():
        out[name] = partial(delta, version=2, statuses={1: five}, protected=header)
    for name, key in OTHER_KEYS.items():
        out[name] = partial(delta, version=2, statuses={1: five}, key=key)
    return out | {"of 524,289 bytes": lambda uri: delta_of_size(uri, 524_289)}


# What a large delta takes beside its indexes and its URI
DELTA_OVERHEAD = len(delta("", 2, {1: bytes(100_000)})) - 100_000


def delta_of_size(uri: str, size: int) -> bytes:
    """A delta of exactly `size` bytes; only its many indexes make it so."""
    overhead = len(delta(uri, 2, {1: bytes(100_000)})) - 100_000
    return delta(uri, 2, {1: b"\x01" * (size - overhead)})


# Lists and what they come to


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """Files of one list in the order of their names, the head's row, and the statuses that must be held then.

    `expected` maps an index to a reason.
    """

    uri: str
    files: Sequence[tuple[str, bytes]]
    row: list[Any] | None
    expected: Mapping[int, str]


WITHDRAWN, KEPT, UNKNOWN, AGELESS = "superseded", "green", "status-unknown", "lists-too-old"


def refused() -> dict[str, Case]:
    """Each bad message beside a good version 1: the list stays as it was, and current."""
    out: dict[str, Case] = {}
    for kind, table in (("snapshot", bad_snapshots()), ("delta", bad_deltas())):
        for number, (name, make) in enumerate(table.items()):
            uri = f"wp:{kind[0]}{number}"
            files = [("snapshot", snapshot(uri, 1)), (kind, make(uri))]
            out[f"{kind}: {name}"] = Case(uri=uri, files=files, row=row(uri, 1), expected={5: KEPT, 9: KEPT})
    return out


def chain(uri: str, first: int, last: int) -> list[tuple[str, bytes]]:
    """Deltas first..last; the one to version n withdraws index n."""
    return [("delta", delta(uri, version, {1: indexes(version)})) for version in range(first, last + 1)]


def chained(last: int) -> bytes:
    """The list after the deltas 2..last."""
    return pack(dict.fromkeys(range(2, last + 1), 1))


Files = Callable[[str], Sequence[tuple[str, bytes]]]


def named(version: int, held: bytes) -> Callable[[str], list[Any]]:
    """The row that a head has for a list."""
    return lambda uri: row(uri, version, held)


class Table:
    """Cases by name; each gets a list of its own."""

    def __init__(self) -> None:
        self.cases: dict[str, Case] = {}

    def add(
        self, name: str, files: Files, head_row: Callable[[str], list[Any]] | None, expected: Mapping[int, str]
    ) -> None:
        """A case from its files, its head's row and its reasons."""
        uri = f"wp:t{len(self.cases)}"
        made = None if head_row is None else head_row(uri)
        self.cases[name] = Case(uri=uri, files=files(uri), row=made, expected=expected)

    def one(self, name: str, make: Callable[[str], tuple[str, bytes]], *, version: int = 2, held: bytes = FIVE) -> None:
        """A message after version 1 that makes the list `held`."""
        self.add(
            name,
            lambda uri: [("snapshot", snapshot(uri, 1)), make(uri)],
            named(version, held),
            {5: WITHDRAWN, 9: KEPT},
        )


def taken() -> dict[str, Case]:
    """Messages that count, and how a list is put together from them."""
    table = Table()
    add_messages(table)
    add_assemblies(table)
    return table.cases


def add_messages(table: Table) -> None:
    """Single messages at the edge of what is allowed."""
    table.one("snapshot", lambda u: ("snapshot", snapshot(u, 2, FIVE)))
    table.one("snapshot, expires in a second", lambda u: ("snapshot", snapshot(u, 2, FIVE, {4: AT + 1})))
    table.one("snapshot, iat 60 s ahead", lambda u: ("snapshot", snapshot(u, 2, FIVE, {6: AT + 60})))
    table.one("snapshot, versions skipped", lambda u: ("snapshot", snapshot(u, 900, FIVE)), version=900)
    table.one(
        "snapshot, version 2^64 - 1", lambda u: ("snapshot", snapshot(u, (1 << 64) - 1, FIVE)), version=(1 << 64) - 1
    )
    table.one("snapshot, last second of its key", lambda u: ("snapshot", snapshot(u, 2, FIVE, key=LAST)))
    table.one(
        "snapshot, alg -19",
        lambda u: ("snapshot", snapshot(u, 2, FIVE, protected=status_header(STATUS_LIST_TYPE) | {1: -19})),
    )
    table.one("snapshot of 524,288 bytes", lambda u: ("snapshot", snapshot_of_size(u, 524_288)))
    table.one(
        "snapshot, not packed tight", lambda u: ("snapshot", snapshot(u, 2, FIVE, status_list(zlib.compress(FIVE, 0))))
    )
    table.one("delta", lambda u: ("delta", delta(u, 2, {1: indexes(5)})))
    table.one("delta, iat 60 s ahead", lambda u: ("delta", delta(u, 2, {1: indexes(5)}, {6: AT + 60})))
    table.one("delta, last second of its key", lambda u: ("delta", delta(u, 2, {1: indexes(5)}, key=LAST)))
    table.one(
        "delta, last index",
        lambda u: ("delta", delta(u, 2, {1: indexes(5, INDEXES - 1)})),
        held=pack({5: 1, INDEXES - 1: 1}),
    )
    table.one(
        "delta, all statuses",
        lambda u: ("delta", delta(u, 2, {0: indexes(0), 1: indexes(5), 2: indexes(6), 3: indexes(7)})),
        held=pack({5: 1, 6: 2, 7: 3}),
    )
    table.one("delta, with an empty status", lambda u: ("delta", delta(u, 2, {0: b"", 1: indexes(5)})))
    wide = tuple(range(5, 40_000, 2)[:12_000:3])
    table.one("delta, many", lambda u: ("delta", delta(u, 2, {1: indexes(*wide)})), held=pack(dict.fromkeys(wide, 1)))


def add_assemblies(table: Table) -> None:
    """Snapshots and deltas in any order, with gaps, and what the head says of them."""
    many = 524_288 - DELTA_OVERHEAD
    table.add(
        "delta of 524,288 bytes",
        lambda u: [("snapshot", snapshot(u, 1)), ("delta", delta_of_size(u, 524_288))],
        lambda u: row(u, 2, pack(dict.fromkeys(range(1, many - len(u) + 1), 1))),
        {5: WITHDRAWN, INDEXES - 1: KEPT},
    )
    table.add(
        "delta without changes",
        lambda u: [("snapshot", snapshot(u, 1, FIVE)), ("delta", delta(u, 2, {}))],
        named(2, FIVE),
        {5: WITHDRAWN, 9: KEPT},
    )
    table.add(
        "delta restores",
        lambda u: [("snapshot", snapshot(u, 1, FIVE)), ("delta", delta(u, 2, {0: indexes(5)}))],
        named(2, EMPTY),
        {5: KEPT, 9: KEPT},
    )
    table.add(
        "delta from 2 to 1",
        lambda u: [("snapshot", snapshot(u, 1, pack({5: 2}))), ("delta", delta(u, 2, {1: indexes(5)}))],
        named(2, FIVE),
        {5: WITHDRAWN, 9: KEPT},
    )
    table.add("version 0", lambda u: [("snapshot", snapshot(u, 0, FIVE))], named(0, FIVE), {5: WITHDRAWN, 9: KEPT})
    table.add(
        "deltas 2 to 6",
        lambda u: [("snapshot", snapshot(u, 1)), *chain(u, 2, 6)],
        named(6, chained(6)),
        {1: KEPT, 2: WITHDRAWN, 6: WITHDRAWN, 7: KEPT},
    )
    table.add(
        "deltas first",
        lambda u: [*chain(u, 2, 6), ("snapshot", snapshot(u, 1))],
        named(6, chained(6)),
        {6: WITHDRAWN, 7: KEPT},
    )
    table.add(
        "deltas backwards",
        lambda u: [*chain(u, 2, 6)[::-1], ("snapshot", snapshot(u, 1))],
        named(6, chained(6)),
        {6: WITHDRAWN, 7: KEPT},
    )
    table.add(
        "snapshot among its deltas",
        lambda u: [*chain(u, 4, 6), ("snapshot", snapshot(u, 1)), *chain(u, 2, 3)],
        named(6, chained(6)),
        {6: WITHDRAWN, 7: KEPT},
    )
    table.add(
        "gap",
        lambda u: [("snapshot", snapshot(u, 1)), *chain(u, 2, 3), *chain(u, 5, 6)],
        named(3, chained(3)),
        {3: WITHDRAWN, 5: KEPT},
    )
    table.add(
        "gap, and the head knows",
        lambda u: [("snapshot", snapshot(u, 1)), *chain(u, 2, 3), *chain(u, 5, 6)],
        named(6, chained(6)),
        {3: AGELESS, 9: AGELESS},
    )
    table.add(
        "gap closed by a snapshot",
        lambda u: [("snapshot", snapshot(u, 1)), *chain(u, 3, 6), ("snapshot", snapshot(u, 4, chained(4)))],
        named(6, chained(6)),
        {6: WITHDRAWN, 7: KEPT},
    )
    table.add("deltas only", lambda u: chain(u, 2, 6), named(6, chained(6)), {6: UNKNOWN})
    table.add("delta 1 is no snapshot", lambda u: chain(u, 1, 6), named(6, chained(6)), {6: UNKNOWN})
    table.add(
        "older snapshot as base",
        lambda u: [("snapshot", snapshot(u, 3, chained(3))), *chain(u, 2, 6), ("snapshot", snapshot(u, 1))],
        named(6, chained(6)),
        {6: WITHDRAWN, 7: KEPT},
    )
    table.add(
        "older snapshot last",
        lambda u: [("snapshot", snapshot(u, 3, chained(3))), ("snapshot", snapshot(u, 2, FIVE))],
        named(3, chained(3)),
        {3: WITHDRAWN, 5: KEPT},
    )
    table.add(
        "same version again",
        lambda u: [("snapshot", snapshot(u, 3, chained(3)))] * 2,
        named(3, chained(3)),
        {3: WITHDRAWN, 5: KEPT},
    )
    table.add(
        "same version, other bits",
        lambda u: [("snapshot", snapshot(u, 3, chained(3))), ("snapshot", snapshot(u, 3, FIVE))],
        named(3, chained(3)),
        {3: WITHDRAWN, 5: KEPT},
    )
    table.add(
        "snapshot over deltas",
        lambda u: [("snapshot", snapshot(u, 1)), *chain(u, 2, 3), ("snapshot", snapshot(u, 9, FIVE))],
        named(9, FIVE),
        {3: KEPT, 5: WITHDRAWN},
    )
    table.add(
        "64 deltas",
        lambda u: [("snapshot", snapshot(u, 1)), *chain(u, 2, 65)],
        named(65, chained(65)),
        {65: WITHDRAWN, 66: KEPT},
    )
    table.add(
        "64 deltas first",
        lambda u: [*chain(u, 2, 65), ("snapshot", snapshot(u, 1))],
        named(65, chained(65)),
        {65: WITHDRAWN, 66: KEPT},
    )
    table.add(
        "65 deltas first",
        lambda u: [*chain(u, 2, 66), ("snapshot", snapshot(u, 1))],
        named(1, EMPTY),
        {2: KEPT, 66: KEPT},
    )
    table.add(
        "200 deltas, a late base",
        lambda u: [("snapshot", snapshot(u, 137, chained(137))), *chain(u, 2, 201)],
        named(201, chained(201)),
        {2: WITHDRAWN, 201: WITHDRAWN, 202: KEPT},
    )
    table.add("no head names it", lambda u: [("snapshot", snapshot(u, 1, FIVE))], None, {5: AGELESS, 9: AGELESS})
    table.add(
        "the head is behind", lambda u: [("snapshot", snapshot(u, 2, FIVE))], named(1, EMPTY), {5: AGELESS, 9: AGELESS}
    )
    table.add(
        "the head is ahead", lambda u: [("snapshot", snapshot(u, 2, FIVE))], named(3, FIVE), {5: AGELESS, 9: AGELESS}
    )
    table.add("other digest", lambda u: [("snapshot", snapshot(u, 2, FIVE))], named(2, EMPTY), {5: AGELESS, 9: AGELESS})
    table.add("not held", lambda _: [], named(2, EMPTY), {5: UNKNOWN})
    table.add(
        "no such ending",
        lambda u: [("snapshot.old", snapshot(u, 1)), ("SNAPSHOT", snapshot(u, 1)), ("cbor", snapshot(u, 1))],
        named(1, EMPTY),
        {5: UNKNOWN},
    )


def file_name(number: int, place: int, ending: str) -> str:
    return f"{number:04}-{place:04}.{ending}"


@pytest.fixture(scope="module")
def cases() -> dict[str, Case]:
    return {f"refused {name}": case for name, case in refused().items()} | {
        f"taken {name}": case for name, case in taken().items()
    }


@pytest.fixture(scope="module")
def assembled(cases: dict[str, Case], tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[int, str]]:
    """For each case, index -> reason."""
    files = {"0.head": head([case.row for case in cases.values() if case.row])}
    asked: list[tuple[str, int, str]] = []
    for number, (name, case) in enumerate(cases.items()):
        files |= {file_name(number, place, ending): data for place, (ending, data) in enumerate(case.files)}
        asked += [(name, index, paper({STATUS: status_claim(index, case.uri)})) for index in case.expected]
    station = Station(folder=tmp_path_factory.mktemp("assembly"), trust=trust_set([key.jwk() for key in KEYS]))
    station.hold(files)
    answer = station.check([question for _, _, question in asked], policy=LENIENT)
    out: dict[str, dict[int, str]] = {}
    for (name, index, _), reason in zip(asked, answer.reasons, strict=True):
        out.setdefault(name, {})[index] = reason
    return out


def test_each_list_comes_to_what_the_paper_says(cases: dict[str, Case], assembled: dict[str, dict[int, str]]) -> None:
    wrong = {name: found for name, found in assembled.items() if found != dict(cases[name].expected)}
    assert wrong == {}
    assert len(assembled) > 150


# Heads, each in a folder of its own

ONE = {"a.snapshot": snapshot(URI, 1, FIVE)}
GOOD = row(URI, 1, FIVE)
ASKED = [paper({STATUS: status_claim(index)}) for index in (5, 9)]
HeadCase = tuple[str, dict[str, bytes], list[str]]


def of_size(size: int) -> bytes:
    """A good head of exactly `size` bytes, filled up with rows of other lists."""
    rows = [GOOD, *(row(f"wp:{number:05}", 1) for number in range((size - 400) // 45))]
    lacking = size - len(head([*rows, row("w" * 100, 1)]))
    whole = head([*rows, row("w" * (100 + lacking), 1)])
    if len(whole) != size:  # the longer name took a longer length
        whole = head([*rows, row("w" * (100 + lacking - len(whole) + size), 1)])
    assert len(whole) == size
    return whole


def bad_heads() -> dict[str, bytes]:
    """Heads that would renew the list if they were taken."""
    digest = GOOD[2]
    spoiled: dict[str, bytes] = {
        "other network": head([GOOD], changes={1: "harbour"}),
        "network in bytes": head([GOOD], changes={1: b"metro"}),
        "no network": head([GOOD], changes={1: DROP}),
        "no iat": head([GOOD], changes={6: DROP}),
        "iat as float": head([GOOD], iat=float(AT)),
        "no sequence": head([GOOD], changes={SEQUENCE: DROP}),
        "sequence true": head([GOOD], sequence=True),
        "sequence negative": head([GOOD], sequence=-1),
        "no rows claim": head([GOOD], changes={ROWS: DROP}),
        "rows as map": head({0: GOOD}),
        "unknown claim": head([GOOD], changes={-70099: 0}),
        "exp": head([GOOD], changes={4: AT + DAY}),
        "row of 2": head([GOOD[:2]]),
        "row of 4": head([[*GOOD, 0]]),
        "digest of 31": head([[URI, 1, digest[:31]]]),
        "digest of 33": head([[URI, 1, digest + b"\0"]]),
        "digest as text": head([[URI, 1, digest.hex()]]),
        "version as float": head([[URI, 1.0, digest]]),
        "version true": head([[URI, True, digest]]),
        "version too wide": head([[URI, Raw(b"\x18\x01"), digest]]),
        "uri in bytes": head([[URI.encode(), 1, digest]]),
        "a good row and a bad one": head([GOOD, ["wp:2", 1, b""]]),
        "indefinite rows": head(Raw(b"\x9f" + encode(GOOD) + b"\xff")),
        "of 65,537 bytes": of_size(65_537),
        "of a megabyte": of_size(65_536) + bytes(1_000_000),
    }
    spoiled |= shared_faults(head([GOOD]))
    spoiled |= {name: head([GOOD], protected=header) for name, header in other_headers(HEAD_TYPE, DELTA_TYPE).items()}
    return spoiled | {name: head([GOOD], key=key) for name, key in OTHER_KEYS.items()}


def head_cases() -> list[HeadCase]:
    """What one head, or several, make of a list at version 1."""
    current, ageless = [WITHDRAWN, KEPT], [AGELESS] * 2
    untrusted = ["clock-untrusted"] * 2
    late, later = AT + 60, AT + 61
    return [
        ("no rows", ONE | {"b.head": head([])}, ageless),
        ("other digest", ONE | {"b.head": head([[URI, 1, forged(GOOD[2])]])}, ageless),
        ("good", ONE | {"b.head": head([GOOD])}, current),
        ("before its list", {"0.head": head([GOOD])} | ONE, current),
        ("alg -19", ONE | {"b.head": head([GOOD], protected=status_header(HEAD_TYPE) | {1: -19})}, current),
        ("sequence 0", ONE | {"b.head": head([GOOD], sequence=0)}, current),
        ("of 65,536 bytes", ONE | {"b.head": of_size(65_536)}, current),
        ("60 s ahead", ONE | {"b.head": head([GOOD], iat=late)}, current),
        ("61 s ahead", ONE | {"b.head": head([GOOD], iat=later)}, untrusted),
        ("61 s ahead, other network", ONE | {"b.head": head([GOOD], iat=later, changes={1: "harbour"})}, ageless),
        ("61 s ahead, forged", ONE | {"b.head": forged(head([GOOD], iat=later))}, ageless),
        ("61 s ahead, other use", ONE | {"b.head": head([GOOD], iat=later, key=PASS_KEY)}, ageless),
        (
            "good, and one far ahead",
            ONE | {"b.head": head([GOOD]), "c.head": head([], sequence=2, iat=AT + DAY)},
            untrusted,
        ),
        (
            "far ahead, of a lower sequence",
            ONE | {"b.head": head([GOOD], sequence=5), "c.head": head([], iat=AT + DAY)},
            untrusted,
        ),
        ("lower sequence after", ONE | {"b.head": head([], sequence=2), "c.head": head([GOOD])}, ageless),
        ("no head", ONE, ageless),
        ("head only", {"b.head": head([GOOD])}, [UNKNOWN] * 2),
        ("nothing", {}, [UNKNOWN] * 2),
        (
            "other files",
            ONE | {"b.head": head([GOOD]), "README": b"x", ".hidden": b"y", "b.head~": b"", "z.json": b"{"},
            current,
        ),
    ]


@pytest.mark.parametrize(
    ("name", "files", "reasons"), head_cases(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_head_renews_what_it_names(name: str, files: dict[str, bytes], reasons: list[str], tmp_path: Path) -> None:
    station = Station(folder=tmp_path, trust=trust_set([key.jwk() for key in KEYS]))
    station.hold(files)
    assert station.check(ASKED, policy=LENIENT).reasons == reasons


def test_a_bad_head_renews_nothing_and_is_named(tmp_path: Path) -> None:
    station = Station(folder=tmp_path, trust=trust_set([key.jwk() for key in KEYS]))
    heads = {f"{name.replace('/', ' ')}.head": data for name, data in bad_heads().items()}
    station.hold(ONE | heads)
    answer = station.check(ASKED, policy=LENIENT)
    assert answer.reasons == [AGELESS] * 2
    assert [name for name in heads if name not in answer.stderr] == []
