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

# The first heads of the major types from byte strings on; below are the integers.
_FIRST_STRING, _FIRST_TEXT, _FIRST_ARRAY, _FIRST_MAP, _FIRST_TAG, _FIRST_SIMPLE = range(0x40, 0x100, 0x20)
# The least argument that needs the form 24, 25, 26 or 27 of a head.
_LEAST = {24: 24, 25: 1 << 8, 26: 1 << 16, 27: 1 << 32}
_SIGN1_TAG = 18


def scan(data: bytes, *, nesting: int = MAX_NESTING) -> None:
    """Check that `data` is one deterministic item as the module says. Raises `Malformed`."""
    try:
        end = _item_end(data, nesting)
    except IndexError:
        raise Malformed(f"CBOR: the item goes on after its {len(data)} bytes") from None
    except UnicodeDecodeError as error:
        raise Malformed(f"CBOR: text is not UTF-8 at byte {error.start}") from None
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

    Maps whose keys are in order already are taken as they are, in half the time. The library sorts the keys of others
    by length first (RFC 7049); for the keys of the wire format that is the same order as RFC 8949's. Where it is not,
    the scan says so here and nothing wrong leaves the house. Raises `Malformed`.
    """
    data = cbor2.dumps(value)
    try:
        scan(data)
    except Malformed:
        data = cbor2.dumps(value, canonical=True)
        scan(data)
    return data


def byte_string(data: bytes) -> bytes:
    """`data` as a CBOR byte string. Written out because each decision needs some, and the library takes its time."""
    length = len(data)
    if length < 24:
        return bytes((0x40 | length,)) + data
    if length < 1 << 8:
        return bytes((0x58, length)) + data
    if length < 1 << 16:
        return b"\x59" + length.to_bytes(2, "big") + data
    return b"\x5a" + length.to_bytes(4, "big") + data


def unsigned(value: int) -> bytes:
    """`value`, from 0 and below 2^64, as a CBOR integer. Written out like `byte_string`."""
    if value < 24:
        return bytes((value,))
    if value < 1 << 8:
        return bytes((0x18, value))
    if value < 1 << 16:
        return b"\x19" + value.to_bytes(2, "big")
    return b"\x1a" + value.to_bytes(4, "big") if value < 1 << 32 else b"\x1b" + value.to_bytes(8, "big")


def head_length(length: int) -> int:
    """How many bytes of an encoded byte string of `length` bytes, head included, are its head."""
    if length <= 24:
        return 1
    if length < (1 << 8) + 2:
        return 2
    return 3 if length < (1 << 16) + 3 else 5


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
        value = head & 31
        if value > 23:
            if value > 27:
                raise Malformed("CBOR: indefinite lengths and reserved heads are not deterministic")
            pos += 1 << value - 24
            least = _LEAST[value]
            value = int.from_bytes(data[start + 1 : pos], "big")
            if pos > len(data):
                raise IndexError
            if value < least:
                raise Malformed(f"CBOR: {value} is not in its shortest form")
        if head >= _FIRST_STRING:
            if head < _FIRST_ARRAY:
                end = pos + value
                if end > len(data):
                    raise Malformed(f"CBOR: a string of {value} bytes where {len(data) - pos} are left")
                if head >= _FIRST_TEXT:
                    data[pos:end].decode()
                pos = end
            elif last is None or not left & 1:
                _check_container(head, value)
                if len(outer) == nesting:
                    raise Malformed(f"CBOR: nesting deeper than {nesting}")
                outer.append((left, last))
                if head >= _FIRST_TAG:
                    left, last = 1, None
                elif head >= _FIRST_MAP:
                    left, last = 2 * value, b""
                else:
                    left, last = value, None
                continue
        if last is not None and left & 1:
            if head >= _FIRST_ARRAY or _FIRST_STRING <= head < _FIRST_TEXT:
                raise Malformed("CBOR: expected an integer or text as map key")
            key = data[start:pos]
            if key <= last:
                raise Malformed("CBOR: expected map keys in ascending order, each once")
            last = key


def _check_container(head: int, value: int) -> None:
    """Refuse what is neither array nor map nor tag 18."""
    if head >= _FIRST_SIMPLE:
        raise Malformed(f"CBOR: expected integers, strings, arrays and maps, got 0x{head:02x}, simple or float")
    if head >= _FIRST_TAG and value != _SIGN1_TAG:
        raise Malformed(f"CBOR: expected no tag but {_SIGN1_TAG}, got {value}")
