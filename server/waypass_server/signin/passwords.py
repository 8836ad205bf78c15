"""Passwords: what is accepted, and how they are hashed (argon2id).

1. at least `SHORTEST` characters and at most `LONGEST`; no rules about which ones
2. a password is compared in Unicode's form NFKC, so that it does not depend on the keyboard
3. where there is no hash to compare with, another one is computed in its place: the answer takes as long
4. at most `AT_ONCE` hashes are computed at the same time, each of which takes `memory` KiB
"""

import threading
import unicodedata

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from waypass_server.database import RandomBytes
from waypass_server.refusals import BadInput

SHORTEST = 12
LONGEST = 200
AT_ONCE = 4
SALT = 16


class Passwords:
    """Makes and compares hashes. The costs are argon2's: passes, memory in KiB, lanes."""

    def __init__(self, *, passes: int = 3, memory: int = 65_536, lanes: int = 4) -> None:
        hasher = Argon2Hasher(time_cost=passes, memory_cost=memory, parallelism=lanes)
        self._hash = PasswordHash((hasher,))
        self._room = threading.BoundedSemaphore(AT_ONCE)

    def make(self, password: str, random_bytes: RandomBytes) -> str:
        """A hash to keep. Raises `BadInput` by rule 1."""
        normal = normalised(password)
        if not SHORTEST <= len(normal) <= LONGEST:
            raise BadInput(f"password: expected {SHORTEST} to {LONGEST} characters, got {len(normal)}")
        with self._room:
            return self._hash.hash(normal, salt=random_bytes(SALT))

    def matches(self, password: str, hashed: str | None) -> bool:
        """Whether the hash is this password's; without one, no, after as long a time (rule 3)."""
        normal = normalised(password)
        with self._room:
            if hashed is None or len(normal) > LONGEST:
                self._hash.hash(normal[:LONGEST], salt=bytes(SALT))
                return False
            return self._hash.verify(normal, hashed)


def normalised(password: str) -> str:
    """Rule 2. A half of a character, which no encoding has, becomes a question mark."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "replace").decode()
