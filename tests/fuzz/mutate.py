"""Mutations of valid inputs, with a seed: the same seed gives the same inputs, in the same order.

Half of the changes are of bytes: flips, cuts, insertions, doubled stretches, heads that promise too much. The other
half know the structure: an input that is CBOR (in byte strings too, so that a payload inside an envelope is reached) or
JSON is changed as a tree, one to three places at a time, and written again. Where the tree is written anew, everything
but the change is as valid as before, and the code behind the first check is reached.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import cbor2

MAX_LENGTH = 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class Seed:
    """A valid input. `layer` is put before each mutation of `body`; a target reads it as the way in."""

    body: bytes
    layer: bytes = b""


# Heads that promise much, indefinite lengths, simple values, floats, tags, and bytes that JSON cares about.
_STUBS = [
    *(bytes.fromhex(text) for text in ("5bffffffffffffffff", "9bffffffffffffffff", "bb7fffffffffffffff", "1b")),
    *(bytes.fromhex(text) for text in ("5f", "7f", "9f", "bf", "ff", "f4", "f6", "f97e00", "fb3ff0000000000000")),
    *(bytes.fromhex(text) for text in ("c0", "c249ffffffffffffffffff", "d2", "d903e6", "1800", "190000", "61ff")),
    *(b"\x81" * 8, b"\xa1\x00" * 8, b"\xd2" * 8, b"\x00" * 8),
]
_STUBS = [each if isinstance(each, bytes) else bytes([each]) for each in _STUBS]
_STUBS += [b"{", b"}", b"[" * 60, b'"', b"\\ud800", b"NaN", b"1e999", b"-", b"\xef\xbb\xbf", b"WP1:", b"\n"]

_NUMBERS = [0, 1, 2, 3, 4, 23, 24, 255, 256, 2**20 - 1, 2**20, 2**31, 2**53, 2**63, 2**64 - 1, -1, -8, -(2**64)]
_KEYS = [0, 1, 2, 3, 4, 5, 6, 8, 16, 65533, 65535, -1, -70001, -70003, -70014, "", "idx", "status_list"]


class Mutator:
    """Gives mutations of `seeds`, one after the other."""

    def __init__(self, seeds: Sequence[Seed], random: Random) -> None:
        self._random = random
        self._seeds = seeds
        self._trees = [_tree_of(seed.body) for seed in seeds]
        self._bytes: list[Callable[[bytearray], None]] = [
            self._flip,
            self._set,
            self._insert,
            self._delete,
            self._double,
            self._cut,
            self._stub,
        ]

    def next(self) -> bytes:
        """The next input."""
        pick = self._random.randrange(len(self._seeds))
        seed, tree = self._seeds[pick], self._trees[pick]
        if tree is not None and self._random.random() < 0.5:
            value, write = tree
            for _ in range(self._random.choice((1, 1, 1, 2, 3))):
                value = self._change(value, 0)
            body = write(value)
            if body is not None:
                return seed.layer + body[:MAX_LENGTH]
        data = bytearray(seed.body)
        for _ in range(self._random.choice((0, 1, 1, 1, 2, 2, 4, 8))):
            self._random.choice(self._bytes)(data)
        return seed.layer + bytes(data[:MAX_LENGTH])

    # Bytes

    def _flip(self, data: bytearray) -> None:
        if data:
            data[self._random.randrange(len(data))] ^= 1 << self._random.randrange(8)

    def _set(self, data: bytearray) -> None:
        if data:
            data[self._random.randrange(len(data))] = self._random.randrange(256)

    def _insert(self, data: bytearray) -> None:
        at = self._random.randrange(len(data) + 1)
        data[at:at] = self._random.randbytes(self._random.choice((1, 1, 2, 8)))

    def _delete(self, data: bytearray) -> None:
        at = self._random.randrange(len(data) + 1)
        del data[at : at + self._random.choice((1, 1, 2, 8, 40))]

    def _double(self, data: bytearray) -> None:
        at = self._random.randrange(len(data) + 1)
        end = at + self._random.choice((1, 2, 8, 40))
        data[end:end] = data[at:end]

    def _cut(self, data: bytearray) -> None:
        del data[self._random.randrange(len(data) + 1) :]

    def _stub(self, data: bytearray) -> None:
        at = self._random.randrange(len(data) + 1)
        stub = self._random.choice(_STUBS)
        data[at : at + self._random.choice((0, 1, len(stub)))] = stub

    # Trees

    def _change(self, value: Any, depth: int) -> Any:
        """`value` with one change somewhere in it."""
        if isinstance(value, cbor2.CBORTag):
            return cbor2.CBORTag(value.tag, self._change(value.value, depth + 1))
        if isinstance(value, bytes) and depth < 8:
            inside = _tree_of(value) if value and value[0] >> 5 in (4, 5, 6) else None
            if inside is not None:
                return inside[1](self._change(inside[0], depth + 1)) or value
        if isinstance(value, dict | list) and value and self._random.random() < 0.75:
            return self._inside(value, depth)
        return self._other(value)

    def _inside(self, value: dict[Any, Any] | list[Any], depth: int) -> Any:
        changed: Any = value.copy()
        pick = self._random.randrange(len(value))
        name: Any = list(value)[pick] if isinstance(value, dict) else pick
        how = self._random.randrange(8)
        if how == 0:
            del changed[name]
        elif how == 1 and isinstance(changed, list):
            changed.insert(pick, self._other(value[name]))
        elif how == 1:
            changed[self._random.choice(_KEYS)] = self._other(value[name])
        elif how == 2 and isinstance(changed, dict):
            changed[self._random.choice(_KEYS)] = changed.pop(name)
        else:
            changed[name] = self._change(value[name], depth + 1)
        return changed

    def _other(self, value: Any) -> Any:
        """Another value: of the same type as a rule, so that the check behind the type's is reached."""
        random = self._random
        if random.random() < 0.3:
            return random.choice((0, 1, -1, 1.5, True, None, "", "a", b"", b"\x00", [], {}, [value], {0: value}))
        if isinstance(value, bool):
            return not value
        if isinstance(value, int):
            return random.choice((random.choice(_NUMBERS), value + 1, value - 1, random.getrandbits(21)))
        if isinstance(value, str):
            return random.choice((value + "a", value[:-1], value * 30, "\ud7ff\x00", "\U0001f600" * 20, "1"))
        if isinstance(value, bytes):
            data = bytearray(value)
            random.choice(self._bytes)(data)
            return bytes(data)
        return random.choice((value, [], {}, 0))


_Tree = tuple[Any, Callable[[Any], bytes | None]]


def _tree_of(body: bytes) -> _Tree | None:
    """The body as a tree and how to write it again, or None when it is neither CBOR nor JSON."""
    try:
        return cbor2.loads(body), _write_cbor
    except (cbor2.CBORError, ValueError, OverflowError, RecursionError):
        pass
    try:
        return json.loads(body), _write_json
    except (ValueError, RecursionError):
        return None


def _write_cbor(value: Any) -> bytes | None:
    try:
        return cbor2.dumps(_ordered(value))
    except (cbor2.CBORError, ValueError, OverflowError, TypeError):
        return None


def _ordered(value: Any) -> Any:
    """Maps in RFC 8949's order, so that the strict scan does not stop every tree at once."""
    if isinstance(value, cbor2.CBORTag):
        return cbor2.CBORTag(value.tag, _ordered(value.value))
    if isinstance(value, list):
        return [_ordered(each) for each in value]
    if isinstance(value, dict):
        return {key: _ordered(value[key]) for key in sorted(value, key=cbor2.dumps)}
    return value


def _write_json(value: Any) -> bytes | None:
    try:
        return json.dumps(value).encode()
    except (TypeError, ValueError):
        return None
