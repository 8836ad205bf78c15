"""Tokens and desk codes: how they are made, written and kept.

- A token is 256 random bits behind a prefix that says whose it is. It is shown once; the database has its SHA-256,
  which needs no slow hash because nobody can guess 256 bits.
- A desk code is eight characters of Crockford's base32 (40 bits) in two groups, `K7QM-4TZP`. It is typed by people:
  case, spaces and hyphens do not matter, and O, I and L are read as 0, 1 and 1. It lives ten minutes and works once,
  and attempts are limited, so 40 bits are enough.
"""

import hashlib
from collections.abc import Callable

from waypass_protocol.keys import base64url

STAFF_PREFIX = "wps_"
VOID = "void-"
"""What stands in place of the hash of a staff token that opens nothing any more: no hash begins so."""
WALLET_PREFIX = "wpw_"
CODE_LIFE = 600
CODE_LENGTH = 8

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_MISREAD = str.maketrans({"O": "0", "I": "1", "L": "1", "-": None, " ": None})


def make_token(prefix: str, random_bytes: Callable[[int], bytes]) -> str:
    """A new token."""
    return prefix + base64url(random_bytes(32))


def make_code(random_bytes: Callable[[int], bytes]) -> str:
    """A new desk code as it is shown."""
    number = int.from_bytes(random_bytes(5), "big")
    text = "".join(_ALPHABET[number >> 5 * place & 31] for place in reversed(range(CODE_LENGTH)))
    return f"{text[:4]}-{text[4:]}"


def read_code(typed: str) -> str | None:
    """A desk code as it was meant, or None when it cannot be one."""
    text = typed.strip().upper().translate(_MISREAD)
    if len(text) != CODE_LENGTH or any(letter not in _ALPHABET for letter in text):
        return None
    return f"{text[:4]}-{text[4:]}"


def hash_secret(secret: str) -> str:
    """What the database keeps of a token or code."""
    return hashlib.sha256(secret.encode()).hexdigest()
