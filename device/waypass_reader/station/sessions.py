"""Who is signed in at the station's page: whoever typed the station's key, for as long as they use it.

1. A session is a random token that only the browser holds; here is its digest, in memory.
2. It ends after `IDLE_SECONDS` without use, when somebody signs out, or with the box. Watching is no use: a page that
   is left alone signs itself out.
3. At most `MOST_SESSIONS`; one more ends the one that was not used for longest.

The key itself, and how many wrong ones are listened to, is `waypass_reader.web.guard`. Time and randomness are
arguments. Used from any thread.
"""

import hashlib
import threading
from collections.abc import Callable

SECOND_NS = 10**9
# A shift.
IDLE_SECONDS = 12 * 3600
MOST_SESSIONS = 32


class Sessions:
    """The sessions of one box. `new_token` makes text that nobody can guess."""

    def __init__(self, *, new_token: Callable[[], str]) -> None:
        self._new_token = new_token
        self._lock = threading.Lock()
        # Digest of the token: when it was last used.
        self._used_ns: dict[bytes, int] = {}

    def begin(self, *, now_ns: int) -> str:
        """A new session's token."""
        token = self._new_token()
        with self._lock:
            self._forget(now_ns)
            if len(self._used_ns) >= MOST_SESSIONS:
                del self._used_ns[min(self._used_ns, key=lambda each: self._used_ns[each])]
            self._used_ns[_digest(token)] = now_ns
        return token

    def holds(self, token: str | None, *, now_ns: int, use: bool) -> bool:
        """Whether the token is of a session; `use` keeps it alive."""
        digest = _digest(token or "")
        with self._lock:
            self._forget(now_ns)
            if digest not in self._used_ns:
                return False
            if use:
                self._used_ns[digest] = now_ns
            return True

    def end(self, token: str | None) -> None:
        """Somebody signs out."""
        with self._lock:
            self._used_ns.pop(_digest(token or ""), None)

    def _forget(self, now_ns: int) -> None:
        oldest = now_ns - IDLE_SECONDS * SECOND_NS
        self._used_ns = {digest: used for digest, used in self._used_ns.items() if used > oldest}


def _digest(token: str) -> bytes:
    # What stands in a header comes as Latin-1, so that any byte of it can be encoded.
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
