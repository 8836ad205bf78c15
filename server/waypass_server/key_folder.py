"""The folder of issuer keys, as a running server follows it.

1. every `every` seconds at most, when somebody asks for a key, the folder is looked at; when a file came, went or
   changed, all of it is read anew by the rules of `keyring`. So a key that was made or retired counts within seconds,
   and one that begins or ends counts at its second
2. a folder that cannot be read (`KeyringError`), or that now holds the keys of another network, leaves in force what
   was read before: one damaged file does not stop gates. It is logged once, and `trouble` says it until it is mended

Any thread may ask.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from waypass_protocol.keys import Signer, TrustSet, Use
from waypass_server.keyring import IssuerKey, Keyring, KeyringError, read_keyring

EVERY = 2.0
"""Seconds."""

_log = logging.getLogger(__name__)

_Seen = frozenset[tuple[str, int, int, int]]


class KeyFolder:
    """`IssuerKeys` under the module's rules. Making one reads the folder. Raises `KeyringError`."""

    def __init__(self, folder: Path, *, every: float = EVERY, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._every = every
        self._monotonic = monotonic
        self._lock = threading.Lock()
        # Looked at before it is read: a change in between is seen at the next look.
        self._seen = _look(folder)
        self._ring = read_keyring(folder)
        self._look_at = monotonic() + every
        self.trouble: str | None = None
        """Why the folder as it is now does not count (rule 2), or None."""

    @property
    def network(self) -> str:
        """The network whose keys these are."""
        return self._ring.network

    def signer(self, use: Use, now: int) -> Signer:
        """The key that signs for `use` at `now`. Raises `NoSigner`."""
        return self._present().signer(use, now)

    def all(self) -> Sequence[IssuerKey]:
        """Every key, by its beginning."""
        return self._present().all()

    def trusted(self, use: Use, now: int) -> frozenset[bytes]:
        """The `kid`s whose signatures readers with the present trust set accept for `use` at `now`."""
        return self._present().trusted(use, now)

    def trust_set(self) -> TrustSet:
        """What readers must trust."""
        return self._present().trust_set()

    def _present(self) -> Keyring:
        with self._lock:
            moment = self._monotonic()
            if moment >= self._look_at:
                self._look_at = moment + self._every
                self._follow()
            return self._ring

    def _follow(self) -> None:
        seen = _look(self._folder)
        if seen == self._seen:
            return
        self._seen = seen
        try:
            ring = read_keyring(self._folder)
            if ring.network != self._ring.network:
                raise KeyringError(f"keys: expected keys of network {self._ring.network}, got {ring.network}")
        except KeyringError as error:
            _log.error("the keys stay as they were: %s", error)
            self.trouble = str(error)
            return
        self._ring, self.trouble = ring, None
        _log.info("the keys were read anew: %d keys", len(ring.keys))


def _look(folder: Path) -> _Seen:
    """Which files there are, and what changes with each change of one."""
    try:
        with os.scandir(folder) as entries:
            found = [(entry.name, entry.stat()) for entry in entries]
    except OSError:  # a file went while the folder was listed, or there is none: reading it says what is wrong
        return frozenset()
    return frozenset((name, stat.st_ino, stat.st_size, stat.st_mtime_ns) for name, stat in found)
