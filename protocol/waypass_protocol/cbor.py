"""Strict CBOR: the scan that runs before any library decodes, and the encoder whose output passes it.

`scan` accepts exactly the core deterministic encoding of RFC 8949 §4.2.1, narrowed to what the wire format uses:

1. unsigned and negative integers, byte and text strings, arrays, maps and tag 18; no floats, no simple values
2. every head in its shortest form; no indefinite lengths
3. map keys are integers or text, in ascending order of their encoded bytes, so none is there twice
4. text is UTF-8
5. containers and tags nest at most `nesting` deep
6. one item, with nothing left over

It looks at each byte once and allocates nothing that grows with a length that the input claims. Which keys a map may
have is not checked here: each record knows its own.
"""

from typing import Any

import cbor2

from waypass_protocol.errors import Malformed

MAX_NESTING = 6

_UINT, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)
_SIGN1_TAG = 18


def scan(data: bytes, *, nesting: int = MAX_NESTING) -> None:
    """Check that `data` is one deterministic item as the module says. Raises `Malformed`."""
    try:
        end = _item(data, 0, nesting)
    except IndexError:
        raise Malformed(f"CBOR: the item goes on after its {len(data)} bytes") from None
    if end != len(data):
        raise Malformed(f"CBOR: expected one item of {end} bytes, {len(data) - end} more are left over")


def decode(data: bytes, *, nesting: int = MAX_NESTING) -> Any:
    """Scan `data`, then let the library decode it. Raises `Malformed`."""
    scan(data, nesting=nesting)
    try:
        return cbor2.loads(data)
    except (cbor2.CBORError, ValueError, OverflowError) as error:  # no input is known that gets here
        raise Malformed(f"CBOR: {error}") from error


def encode(value: object) -> bytes:
    """Encode `value` deterministically.

    The library sorts map keys by length first (RFC 7049); for the keys of the wire format that is the same order as
    RFC 8949's. Where it is not, the scan says so here and nothing wrong leaves the house. Raises `Malformed`.
    """
    data = cbor2.dumps(value, canonical=True)
    scan(data)
    return data


def _item(data: bytes, pos: int, room: int) -> int:  # noqa: C901, PLR0912 - one loop, for its speed
    """Check the item at `pos` and return where it ends. `room` is how many containers may still open."""
    head = data[pos]
    pos += 1
    major = head >> 5
    value = head & 31
    if value > 23:
        value, pos = _argument(data, pos, value)
    if major <= _NEGATIVE:
        return pos
    if major <= _TEXT:
        end = pos + value
        if end > len(data):
            raise Malformed(f"CBOR: a string of {value} bytes where {len(data) - pos} are left")
        if major == _TEXT:
            _check_text(data[pos:end])
        return end
    if major == _SIMPLE:
        raise Malformed(f"CBOR: expected integers, strings, arrays and maps, got simple value or float 0x{head:02x}")
    if room == 0:
        raise Malformed(f"CBOR: nesting deeper than {MAX_NESTING}")
    room -= 1
    if major == _MAP:
        last = b""
        for _ in range(value):
            start = pos
            if data[pos] >> 5 not in (_UINT, _NEGATIVE, _TEXT):
                raise Malformed("CBOR: expected an integer or text as map key")
            pos = _item(data, pos, room)
            key = data[start:pos]
            if key <= last:
                raise Malformed("CBOR: expected map keys in ascending order, each once")
            last = key
            pos = _item(data, pos, room)
        return pos
    if major == _ARRAY:
        for _ in range(value):
            pos = _item(data, pos, room)
        return pos
    if value != _SIGN1_TAG:
        raise Malformed(f"CBOR: expected no tag but {_SIGN1_TAG}, got {value}")
    return _item(data, pos, room)


def _argument(data: bytes, pos: int, info: int) -> tuple[int, int]:
    """The argument that follows the head and where it ends; refuses longer forms than needed."""
    if info == 24:
        value = data[pos]
        if value < 24:
            raise Malformed(f"CBOR: {value} is not in its shortest form")
        return value, pos + 1
    if info > 27:
        raise Malformed("CBOR: indefinite lengths and reserved heads are not deterministic")
    width = 1 << (info - 24)
    end = pos + width
    if end > len(data):
        raise IndexError
    value = int.from_bytes(data[pos:end], "big")
    if value < 1 << (4 * width):
        raise Malformed(f"CBOR: {value} is not in its shortest form")
    return value, end


def _check_text(raw: bytes) -> None:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed(f"CBOR: text is not UTF-8 at byte {error.start}") from None
