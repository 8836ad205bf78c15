"""The key that staff of a station share: compared in constant time, and few tries for whoever does not have it.

1. a key is the first line of a file, 16 to 256 printable ASCII characters; one that could be guessed is no key
2. an address that gave 5 wrong keys within a minute is not listened to until the minute is over (`429`), whatever it
   then gives. Other addresses are: whoever tries keys must not keep staff from opening a gate
3. no key at all is refused (`401`) and not counted
4. 256 addresses are remembered; the oldest is forgotten first

What came is repeated nowhere, and never logged.
"""

import hmac
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from waypass_reader.errors import ConfigurationError
from waypass_reader.settings_files import read_setting_file
from waypass_reader.web.answers import Problem

SHORTEST_KEY, LONGEST_KEY = 16, 256
WRONG_KEYS = 5
WINDOW_NS = 60 * 10**9
ADDRESSES = 256


@dataclass(kw_only=True, slots=True)
class _Tries:
    """Wrong keys of one address, and when the first of them came."""

    since_ns: int
    wrong: int = 0


class KeyGuard:
    """Asks for one key. Used from any thread; `monotonic_ns` is the clock that the minute is told by."""

    def __init__(self, key: str, *, monotonic_ns: Callable[[], int]) -> None:
        self._key = key.encode()
        self._monotonic_ns = monotonic_ns
        self._lock = threading.Lock()
        self._tries: OrderedDict[str, _Tries] = OrderedDict()

    def check(self, given: str | None, *, peer: str) -> None:
        """Raises `Problem` unless `given` is the key."""
        now_ns = self._monotonic_ns()
        with self._lock:
            self._refuse_if_tired(peer, now_ns)
            if given is not None and hmac.compare_digest(given.encode("utf-8", "surrogatepass"), self._key):
                self._tries.pop(peer, None)
                return
            if given is not None:
                self._note_wrong(peer, now_ns)
        raise Problem(
            HTTPStatus.UNAUTHORIZED,
            "expected Authorization: Bearer with the station's key",
            headers=(("WWW-Authenticate", "Bearer"),),
        )

    def _refuse_if_tired(self, peer: str, now_ns: int) -> None:
        """Rule 2."""
        tries = self._tries.get(peer)
        if tries is None:
            return
        left_ns = tries.since_ns + WINDOW_NS - now_ns
        if left_ns <= 0:
            del self._tries[peer]
        elif tries.wrong >= WRONG_KEYS:
            wait = str(left_ns // 10**9 + 1)
            raise Problem(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"expected the station's key, got {WRONG_KEYS} wrong ones; try again in {wait} s",
                headers=(("Retry-After", wait),),
            )

    def _note_wrong(self, peer: str, now_ns: int) -> None:
        self._tries.setdefault(peer, _Tries(since_ns=now_ns)).wrong += 1
        if len(self._tries) > ADDRESSES:
            self._tries.popitem(last=False)


def read_key(path: Path) -> str:
    """Rule 1. Raises `ConfigurationError`."""
    line = read_setting_file(path, "station key").partition(b"\n")[0].decode("utf-8", "replace").strip()
    if not SHORTEST_KEY <= len(line) <= LONGEST_KEY or not all("!" <= letter <= "~" for letter in line):
        raise ConfigurationError(
            f"station key {path}: expected a first line of {SHORTEST_KEY} to {LONGEST_KEY} letters, digits and "
            f"signs without blanks, got one of {len(line)}"
        )
    return line
