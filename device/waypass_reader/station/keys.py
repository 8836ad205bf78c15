"""The station's re-entry keys: made here, kept in memory, given to readers that show the station's key.

1. `GET /reentry-keys` with `Authorization: Bearer STATION_KEY` (`401`; `429` after some wrong ones) gives the present
   key and the one before it, and in how many seconds there is another.
2. A key is 32 random bytes, made at start and every ten minutes; there are two at most. A key that has gone is nowhere.
3. The box gives keys and hears no marks: its login at the broker does not reach them. Who has both can try a list's
   2^20 indexes and learn which one passed, though not whose it is; readers have to have both.
"""

import threading
from collections.abc import Callable

from waypass_protocol.keys import base64url
from waypass_protocol.reentry import KEY_LIFE
from waypass_protocol.station_reentry import EPOCH_BYTES, KEY_BYTES, KEYS_GIVEN, StationKey
from waypass_reader.web import Answer, KeyGuard, Request, Route, json_answer

SECOND_NS = 10**9


class KeyRing:
    """Rule 2. `new_bytes` is called for so many random bytes; times are monotonic. Used from any thread."""

    def __init__(self, *, new_bytes: Callable[[int], bytes], now_ns: int) -> None:
        self._new_bytes = new_bytes
        self._lock = threading.Lock()
        self._keys = [self._make()]
        self._since_ns = now_ns

    def keys(self, now_ns: int) -> tuple[tuple[StationKey, ...], int]:
        """The keys, the present one first, and in how many seconds there is another."""
        with self._lock:
            lives = (now_ns - self._since_ns) // (KEY_LIFE * SECOND_NS)
            # After a long sleep the one before the present one is nobody's: it was made while nobody could ask.
            for _ in range(min(lives, KEYS_GIVEN)):
                self._keys = [self._make(), *self._keys][:KEYS_GIVEN]
            self._since_ns += lives * KEY_LIFE * SECOND_NS
            left = KEY_LIFE - (now_ns - self._since_ns) // SECOND_NS
            return tuple(self._keys), int(left)

    def _make(self) -> StationKey:
        return StationKey(epoch=self._new_bytes(EPOCH_BYTES).hex(), key=self._new_bytes(KEY_BYTES))


class KeyPages:
    """Rule 1."""

    def __init__(self, ring: KeyRing, *, guard: KeyGuard, monotonic_ns: Callable[[], int]) -> None:
        self._ring = ring
        self._guard = guard
        self._monotonic_ns = monotonic_ns

    def routes(self) -> list[Route]:
        """The one address."""
        return [Route(method="GET", path="/reentry-keys", handler=self._give)]

    def _give(self, request: Request) -> Answer:
        self._guard.check(request.bearer(), peer=request.peer)
        keys, next_in = self._ring.keys(self._monotonic_ns())
        rows = [{"epoch": each.epoch, "key": base64url(each.key)} for each in keys]
        return json_answer({"keys": rows, "next_in": next_in})
