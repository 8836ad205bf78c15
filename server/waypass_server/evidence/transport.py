"""From the text in a QR code to the signed bytes.

A text is taken apart only in this order; the first rule that fails decides:

1. at most 4,296 characters, the most that a QR code holds (`too-large`)
2. it starts with `HC1:` (`not-hcert`)
3. the rest is Base45, every character of it (`base45`)
4. that is one zlib stream, whole, with nothing after it (`compression`), of at most 16 KiB (`too-large`)

Real certificates hold about 300 to 800 bytes. What the bytes say is not looked at here.
"""

import zlib

import base45

from waypass_server.evidence.errors import Reason, UnreadableError

PREFIX = "HC1:"
MAX_TEXT = 4296
MAX_INFLATED = 16 * 1024


def unpack(text: str) -> bytes:
    """The signed bytes (COSE) in a certificate's text.

    Raises:
        UnreadableError: when one of the rules above is broken.
    """
    return inflate(from_base45(without_prefix(text)))


def without_prefix(text: str) -> str:
    """The Base45 part of a certificate's text (rules 1 and 2)."""
    if len(text) > MAX_TEXT:
        raise UnreadableError(Reason.TOO_LARGE, f"expected at most {MAX_TEXT} characters, got {len(text)}")
    if not text.startswith(PREFIX):
        raise UnreadableError(Reason.NOT_HCERT, f"expected a text that starts with {PREFIX}")
    return text[len(PREFIX) :]


def from_base45(text: str) -> bytes:
    """Decodes Base45 (rule 3)."""
    try:
        # As bytes: given a str, the library quietly drops newlines at its end.
        decoded: bytes = base45.b45decode(text.encode())
    except ValueError as error:
        raise UnreadableError(Reason.BASE45, "expected Base45 after the prefix") from error
    return decoded


def inflate(data: bytes) -> bytes:
    """Decompresses one zlib stream (rule 4)."""
    stream = zlib.decompressobj()
    try:
        inflated = stream.decompress(data, MAX_INFLATED + 1)
    except zlib.error as error:
        raise UnreadableError(Reason.COMPRESSION, f"expected a zlib stream: {error}") from error
    if len(inflated) > MAX_INFLATED:
        raise UnreadableError(Reason.TOO_LARGE, f"expected at most {MAX_INFLATED} bytes in the zlib stream")
    if not stream.eof:
        raise UnreadableError(Reason.COMPRESSION, "the zlib stream ends early")
    if stream.unused_data:
        raise UnreadableError(Reason.COMPRESSION, f"{len(stream.unused_data)} bytes are left over after zlib")
    return inflated
