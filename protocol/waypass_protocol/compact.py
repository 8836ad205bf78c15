"""The compact form of a status list, for thin links (wire format §4): Golomb-Rice codes of the gaps between indexes.

Each status other than 0 that occurs has two byte strings. For its `count` indexes in ascending order, let each gap be
the index less the one before it (for the first, less -1), less 1, and `k` be `remainder_bits(count)`:

- the remainders: the low `k` bits of each gap, most significant bit first, one after the other
- the quotients: for each gap as many zero bits as the rest of it says, then a one bit

Both are filled up with zero bits to a whole byte. A list has exactly one such form; the first of these rules that a
form breaks makes it `Malformed`:

1. a map from statuses 1 to 3 to arrays of two byte strings, the remainders first
2. the quotients end with a byte that is not 0, and are no longer than a list can need
3. the remainders are as long as `count` says, and zero after their last bit
4. every index is below 2^20, and stands under one status only

`k` is fixed by `count`, so that there is nothing to choose and nothing to say. It is the one that is best for gaps at
random (A. Kiely, "Selecting the Golomb parameter in Rice coding", 2004). Remainders and quotients stand apart because
whole strings of one kind can be taken apart by a library's loops; that makes reading twice as fast.
"""

import re

from waypass_protocol.bits import INVALID, LIST_BYTES, LIST_INDEXES, RESERVED, set_status
from waypass_protocol.errors import Malformed

# No gap is longer than the list, and each index has one one bit.
_MOST_QUOTIENTS = 2 * LIST_INDEXES // 8
_NOT_VALID = re.compile(rb"[^\0]")
# For each byte of a packed list: the statuses in it other than 0, and where.
_HELD = tuple(
    tuple((byte >> 2 * place & 3, place) for place in range(4) if byte >> 2 * place & 3) for byte in range(256)
)
# What makes the character of a one bit the value of bit 0 to 7, and that of a zero bit 0.
_VALUE_OF_BIT = tuple(bytes(1 << bit if each == ord("1") else 0 for each in range(256)) for bit in range(8))


def remainder_bits(count: int) -> int:
    """`k`: how many bits of each gap are its remainder, where a list has `count` (from 1 on) such indexes."""
    return max((LIST_INDEXES * 77 // (80 * count)).bit_length() - 1, 0)


def encode_compact(packed: bytes) -> dict[int, list[bytes]]:
    """The compact form of a packed list. Raises `Malformed` when the list is not 262,144 bytes."""
    if len(packed) != LIST_BYTES:
        raise Malformed(f"compact: expected {LIST_BYTES} packed bytes, got {len(packed)}")
    found: dict[int, list[int]] = {status: [] for status in range(INVALID, RESERVED + 1)}
    for match in _NOT_VALID.finditer(packed):
        first = match.start() << 2
        for status, place in _HELD[packed[match.start()]]:
            found[status].append(first + place)
    return {status: _encode_indexes(indexes) for status, indexes in found.items() if indexes}


def decode_compact(form: object) -> bytes:
    """The packed list of a compact form, under the module's rules. Raises `Malformed`."""
    if not isinstance(form, dict):
        raise Malformed(f"compact: expected a map of statuses, got {type(form).__name__}")
    packed = bytearray(LIST_BYTES)
    for status, strings in form.items():
        if not isinstance(status, int) or not INVALID <= status <= RESERVED:
            raise Malformed(f"compact: expected statuses {INVALID} to {RESERVED}, got {status!r}")
        if not isinstance(strings, list) or len(strings) != 2 or not all(isinstance(each, bytes) for each in strings):
            raise Malformed("compact: expected an array of two byte strings for each status")
        # Until there is something in the list, nothing can stand under two statuses.
        write = _write_alone if packed.count(0) == LIST_BYTES else _write_beside
        write(packed, status, *_read_gaps(*strings))
    return bytes(packed)


def _write_alone(packed: bytearray, status: int, k: int, quotients: list[str], remainders: bytes | list[int]) -> None:
    """Write one status into an empty list. A gate that starts waits for this loop."""
    masks = tuple(status << 2 * place for place in range(4))
    idx = -1
    for quotient, remainder in zip(map(len, quotients), remainders, strict=True):
        idx += (quotient << k) + remainder + 1
        packed[idx >> 2] |= masks[idx & 3]


def _write_beside(packed: bytearray, status: int, k: int, quotients: list[str], remainders: bytes | list[int]) -> None:
    """The same where others are already. Raises `Malformed`."""
    idx = -1
    for quotient, remainder in zip(quotients, remainders, strict=True):
        idx += (len(quotient) << k) + remainder + 1
        if packed[idx >> 2] >> ((idx & 3) << 1) & 3:
            raise Malformed("compact: an index stands under two statuses")
        set_status(packed, idx, status)


def _read_gaps(remainders: bytes, quotients: bytes) -> tuple[int, list[str], bytes | list[int]]:
    """Rules 2 to 4 for one status: `k`, and for each index its zero bits and its remainder. Raises `Malformed`."""
    if not quotients or len(quotients) > _MOST_QUOTIENTS or not quotients[-1]:
        raise Malformed(f"compact: expected 1 to {_MOST_QUOTIENTS} bytes of quotients, the last of them not 0")
    written = _bits(quotients)
    zeros = written.split("1")
    filling, count = zeros.pop(), len(zeros)
    k = remainder_bits(count)
    size = (k * count + 7) // 8
    if len(remainders) != size:
        raise Malformed(f"compact: expected {size} bytes of remainders for {count} indexes, got {len(remainders)}")
    digits = _bits(remainders)
    if "1" in digits[k * count :]:
        raise Malformed("compact: expected zero bits after the last remainder")
    numbers = _read_numbers(digits[: k * count], k, count)
    # The sum first: it says where the last index would be, before anything is written.
    last = (len(written) - len(filling) - count << k) + sum(numbers) + count - 1
    if last >= LIST_INDEXES:
        raise Malformed(f"compact: expected indexes below {LIST_INDEXES}, got {last}")
    return k, zeros, numbers


def _read_numbers(digits: str, k: int, count: int) -> bytes | list[int]:
    """`count` numbers of `k` binary digits each."""
    if k > len(_VALUE_OF_BIT):  # a sparse list, with few numbers
        return [int(digits[at : at + k], 2) for at in range(0, k * count, k)]
    # Each digit of all numbers at once: every k-th character, translated to its value, all in one long integer.
    numbers = 0
    for bit, value in enumerate(_VALUE_OF_BIT[:k]):
        numbers |= int.from_bytes(digits[k - 1 - bit :: k].encode().translate(value), "big")
    return numbers.to_bytes(count, "big")


def _encode_indexes(indexes: list[int]) -> list[bytes]:
    """Remainders and quotients of ascending indexes."""
    k = remainder_bits(len(indexes))
    gaps = [idx - before - 1 for before, idx in zip([-1, *indexes], indexes, strict=False)]
    digits, mask = f"0{k}b", (1 << k) - 1
    remainders = "".join([format(gap & mask, digits) for gap in gaps]) if k else ""
    return [_whole_bytes(remainders), _whole_bytes("".join(["0" * (gap >> k) + "1" for gap in gaps]))]


def _bits(data: bytes) -> str:
    """The bits of a byte string as characters, most significant first."""
    return bin(int.from_bytes(b"\1" + data, "big"))[3:]


def _whole_bytes(digits: str) -> bytes:
    """The byte string of these bits, filled up with zero bits."""
    size = (len(digits) + 7) // 8
    return int(digits.ljust(8 * size, "0") or "0", 2).to_bytes(size, "big")
