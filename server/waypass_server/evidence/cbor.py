"""CBOR as health certificates use it, decoded without trusting it.

Certificates come from many countries' software, so indefinite lengths, any key order and floating times are
accepted. Before `cbor2` sees the bytes, one pass over the heads refuses what this format has no use for:

1. nothing is left over and nothing is missing; lengths and counts stay within the bytes that are there
2. nesting is at most 12 deep
3. tags are only those that the caller names, and tag 0 (a date as text) holds a text
4. map keys are integers or texts; simple values are false, true and null
5. no map names a key twice, however it is spelled

So none of the many tags of cbor2 (regular expressions, MIME, shared references, big numbers) can be reached
from outside. Deterministic encoding is not asked for: that rule is for this project's own objects, see
`waypass_protocol`.
"""

from collections.abc import Collection

import cbor2

from waypass_server.evidence.errors import Reason, UnreadableError

MAX_DEPTH = 12

_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _OTHER = range(8)
_INDEFINITE = 31
_BREAK = 0xFF
_WIDTH = {24: 1, 25: 2, 26: 4, 27: 8}
_SIMPLE = {20, 21, 22}  # false, true, null
_FLOATS = {25, 26, 27}


def decode(data: bytes, *, what: str, tags: Collection[int] = ()) -> object:
    """The value of the one CBOR item in `data`.

    `what` names the item in messages; `tags` are those allowed in it.

    Raises:
        UnreadableError: with `Reason.CBOR`, when a rule above is broken.
    """
    heads = _Heads(data, what, frozenset(tags))
    heads.item(depth=1)
    if heads.at != len(data):
        raise heads.refusal(f"{len(data) - heads.at} bytes are left over")
    try:
        value: object = cbor2.loads(data)
    except (cbor2.CBORDecodeError, ValueError) as error:
        # The cause would repeat the text, so the message does not carry it.
        raise UnreadableError(Reason.CBOR, f"{what}: a text is not UTF-8 or a date does not exist") from error
    # The same key in two spellings is one key to cbor2: counting pairs finds it without decoding keys here.
    if (kept := _pairs(value)) != heads.pairs:
        raise UnreadableError(Reason.CBOR, f"{what}: expected {heads.pairs} different map keys, got {kept}")
    return value


def _pairs(value: object) -> int:
    if isinstance(value, dict):
        return len(value) + sum(_pairs(held) for held in value.values())
    if isinstance(value, list):
        return sum(_pairs(held) for held in value)
    if isinstance(value, cbor2.CBORTag):
        return _pairs(value.value)
    return 0


class _Heads:
    """One pass over the item heads of `data`; `at` is the next byte, `pairs` counts map entries."""

    def __init__(self, data: bytes, what: str, tags: frozenset[int]) -> None:
        self.data = data
        self.what = what
        self.tags = tags
        self.at = 0
        self.pairs = 0

    def refusal(self, message: str) -> UnreadableError:
        return UnreadableError(Reason.CBOR, f"{self.what}: {message}")

    def item(self, *, depth: int, only: tuple[int, ...] = ()) -> None:
        """Passes over one item; with `only`, one of those major types."""
        if depth > MAX_DEPTH:
            raise self.refusal(f"expected at most {MAX_DEPTH} levels of nesting")
        major, info, argument = self._head()
        if only and major not in only:
            raise self.refusal(f"expected major type {' or '.join(map(str, only))} at byte {self.at}, got {major}")
        if major in (_BYTES, _TEXT):
            self._string(major, argument)
        elif major in (_ARRAY, _MAP):
            self._container(major, argument, depth)
        elif major == _TAG:
            if argument not in self.tags:
                raise self.refusal(f"tag {argument} has no place here")
            self.item(depth=depth + 1, only=(_TEXT,) if argument == 0 else ())
        elif major == _OTHER and info not in _SIMPLE | _FLOATS:
            raise self.refusal(f"expected false, true, null or a float, got simple value {argument}")

    def _head(self) -> tuple[int, int, int | None]:
        """Major type, additional information and argument; the argument is None for an indefinite length."""
        initial = self._take(1)[0]
        major, info = initial >> 5, initial & 31
        if info in _WIDTH:
            return major, info, int.from_bytes(self._take(_WIDTH[info]), "big")
        if info < 24:
            return major, info, info
        if info == _INDEFINITE and major in (_BYTES, _TEXT, _ARRAY, _MAP):
            return major, info, None
        raise self.refusal(f"byte 0x{initial:02x} at {self.at - 1} does not start an item")

    def _take(self, count: int) -> bytes:
        if count > len(self.data) - self.at:
            raise self.refusal(f"expected {count} bytes at {self.at}, got {len(self.data) - self.at}")
        self.at += count
        return self.data[self.at - count : self.at]

    def _string(self, major: int, length: int | None) -> None:
        if length is not None:
            self._take(length)
            return
        while not self._ended():
            chunk_major, _info, chunk_length = self._head()
            if chunk_major != major or chunk_length is None:
                raise self.refusal("an indefinite string holds other than definite pieces of its type")
            self._take(chunk_length)

    def _container(self, major: int, count: int | None, depth: int) -> None:
        done = 0
        while not self._ended() if count is None else done < count:
            if major == _MAP:
                self.item(depth=depth + 1, only=(_UNSIGNED, _NEGATIVE, _TEXT))
                self.pairs += 1
            self.item(depth=depth + 1)
            done += 1

    def _ended(self) -> bool:
        if self.at < len(self.data) and self.data[self.at] == _BREAK:
            self.at += 1
            return True
        return False
