"""Packed statuses, as the Token Status List standard packs them (draft-ietf-oauth-status-list §4).

With `bits` per status, index n is in byte n // (8 / bits), counted from the least significant bit. This project's own
lists have 2 bits and exactly 2^20 indexes; every width of the standard can be read.
"""

import zlib

from waypass_protocol.errors import Malformed

LIST_BITS = 2
LIST_INDEXES = 1 << 20
LIST_BYTES = LIST_INDEXES * LIST_BITS // 8

VALID, INVALID, SUSPENDED, RESERVED = range(4)


def status_at(packed: bytes, idx: int) -> int:
    """The status at `idx` of a 2-bit list. The caller has checked that `idx` is inside."""
    return packed[idx >> 2] >> ((idx & 3) << 1) & 3


def set_status(packed: bytearray, idx: int, status: int) -> None:
    """Write the status at `idx` of a 2-bit list."""
    shift = (idx & 3) << 1
    packed[idx >> 2] = packed[idx >> 2] & ~(3 << shift) | status << shift


def status_of_width(packed: bytes, bits: int, idx: int) -> int:
    """The status at `idx` of a list with 1, 2, 4 or 8 bits per status. Raises `Malformed`."""
    if bits not in (1, 2, 4, 8):
        raise Malformed(f"status list: expected 1, 2, 4 or 8 bits, got {bits}")
    per_byte = 8 // bits
    if not 0 <= idx < len(packed) * per_byte:
        raise Malformed(f"status list: expected an index below {len(packed) * per_byte}, got {idx}")
    return packed[idx // per_byte] >> (idx % per_byte * bits) & ((1 << bits) - 1)


def deflate(packed: bytes) -> bytes:
    """Compress a packed list as the standard asks: zlib (RFC 1950), highest level."""
    return zlib.compress(packed, 9)


def inflate(lst: bytes, size: int = LIST_BYTES) -> bytes:
    """Decompress a packed list of exactly `size` bytes with nothing after it. Raises `Malformed`.

    At most `size` + 1 bytes are ever produced, whatever the input promises.
    """
    stream = zlib.decompressobj()
    try:
        packed = stream.decompress(lst, size + 1)
    except zlib.error as error:
        raise Malformed(f"status list: not a zlib stream: {error}") from None
    if len(packed) != size or not stream.eof or stream.unused_data:
        raise Malformed(f"status list: expected a zlib stream of exactly {size} bytes and nothing after it")
    return packed
