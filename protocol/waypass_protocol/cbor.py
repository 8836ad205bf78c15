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
        end = _item_end(data, nesting)
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


def _item_end(data: bytes, nesting: int) -> int:  # noqa: C901, PLR0912 - one loop, for its speed
    """Check the item that `data` begins with and return where it ends.

    `left` counts the items still to come in the innermost container (for a map, keys and values). `last` is the key
    before in a map, None elsewhere. `outer` holds the same two of the containers around it.
    """
    outer: list[tuple[int, bytes | None]] = []
    left, last = 1, None
    pos = 0
    while True:
        while not left:
            if not outer:
                return pos
            left, last = outer.pop()
        left -= 1
        start = pos
        head = data[pos]
        pos += 1
        major = head >> 5
        value = head & 31
        if value > 23:
            value, pos = _argument(data, pos, value)
        if _BYTES <= major <= _TEXT:
            end = pos + value
            if end > len(data):
                raise Malformed(f"CBOR: a string of {value} bytes where {len(data) - pos} are left")
            if major == _TEXT:
                _check_text(data[pos:end])
            pos = end
        if last is not None and left & 1:
            if major > _TEXT or major == _BYTES:
                raise Malformed("CBOR: expected an integer or text as map key")
            key = data[start:pos]
            if key <= last:
                raise Malformed("CBOR: expected map keys in ascending order, each once")
            last = key
        elif major > _TEXT:
            if major == _SIMPLE:
                raise Malformed(f"CBOR: expected integers, strings, arrays and maps, got 0x{head:02x}, simple or float")
            if major == _TAG and value != _SIGN1_TAG:
                raise Malformed(f"CBOR: expected no tag but {_SIGN1_TAG}, got {value}")
            if len(outer) == nesting:
                raise Malformed(f"CBOR: nesting deeper than {nesting}")
            outer.append((left, last))
            left, last = (2 * value, b"") if major == _MAP else (value if major == _ARRAY else 1, None)


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
