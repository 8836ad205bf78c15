"""Re-entry memory: one pass opens one lane of a station within the re-entry time, and nothing of it is kept after.

What is remembered is an HMAC-SHA-256 of (uri, idx) under a random key that lives in memory and changes every ten
minutes, so that neither a memory dump of yesterday nor a neighbour's reader tells who passed. After a change the
previous key is still asked until everything that it marked is forgotten.

Keys are an argument: `new_key` is called for 32 random bytes. One thread writes; any thread reads.

What an opening left can be taken back by its memo, when nobody walked through: a memo holds marks, and no place.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from waypass_protocol.passes import Place

KEY_LIFE = 600


StationMark = tuple[str, bytes]
"""The name of a station's key, and a mark under it (`waypass_protocol.station_reentry`)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Memo:
    """What one opening left: the mark in the reader's own memory and its second, and those for the station's others."""

    mark: bytes = field(repr=False)
    at: int
    shared: tuple[StationMark, ...] = field(default=(), repr=False)


class ReentryView(Protocol):
    """What `decide` asks."""

    def opened_within(self, place: Place, seconds: int, now: int) -> bool:
        """Whether this place opened a lane less than `seconds` before `now`."""
        ...


class NoReentry:
    """A view that remembers nothing: for checks that judge each text by itself."""

    def opened_within(self, place: Place, seconds: int, now: int) -> bool:  # noqa: ARG002 - the interface's shape
        """Never."""
        return False


@dataclass(kw_only=True, slots=True)
class _Epoch:
    """The marks made under one key, with the second of the newest opening.

    `keyed` is an HMAC that has read its key and nothing else; a copy of it is much cheaper than a new one.
    """

    keyed: hmac.HMAC
    since: int
    opened: dict[bytes, int] = field(default_factory=dict)


class ReentryMemory:
    """The memory of one station's reader; `reentry` is the re-entry time in seconds."""

    def __init__(self, *, reentry: int, new_key: Callable[[], bytes], now: int) -> None:
        self._reentry = reentry
        self._new_key = new_key
        self._epochs = [self._new_epoch(now)]

    def opened_within(self, place: Place, seconds: int, now: int) -> bool:
        """Whether this place opened a lane less than `seconds` before `now`.

        An opening ahead of `now` counts too: a clock that was set back must not let one code in twice.
        """
        for epoch in self._epochs:
            if epoch.opened:
                opened = epoch.opened.get(mark_of(epoch.keyed, place))
                if opened is not None and now - opened < seconds:
                    return True
        return False

    def remember(self, place: Place, now: int) -> Memo:
        """Note that this place opened a lane at `now`."""
        self.forget(now)
        if not 0 <= now - self._epochs[0].since < KEY_LIFE:
            self._epochs.insert(0, self._new_epoch(now))
        # Once only, under whichever key: the newest opening counts, and stands last, in the order of the times.
        for epoch in self._epochs:
            epoch.opened.pop(mark_of(epoch.keyed, place), None)
        newest = self._epochs[0]
        mark = mark_of(newest.keyed, place)
        newest.opened[mark] = now
        return Memo(mark=mark, at=now)

    def take_back(self, memo: Memo) -> None:
        """Nobody walked through; an opening after that one stays."""
        for epoch in self._epochs:
            if epoch.opened.get(memo.mark) == memo.at:
                del epoch.opened[memo.mark]

    def __len__(self) -> int:
        """How many openings are remembered."""
        return sum(len(epoch.opened) for epoch in self._epochs)

    def _new_epoch(self, now: int) -> _Epoch:
        return _Epoch(keyed=hmac.new(self._new_key(), digestmod="sha256"), since=now)

    def forget(self, now: int) -> None:
        """Drop what is past the re-entry time; a quiet station calls it now and then, `remember` does each time.

        Marks are in the order of their times but for clock steps.
        """
        for epoch in self._epochs:
            while epoch.opened:
                mark, opened = next(iter(epoch.opened.items()))
                if now - opened < self._reentry:
                    break
                del epoch.opened[mark]
        self._epochs = [epoch for number, epoch in enumerate(self._epochs) if number == 0 or epoch.opened]


def mark_of(keyed: hmac.HMAC, place: Place) -> bytes:
    """The mark of a place, under an HMAC-SHA-256 that has read its key and nothing else."""
    mac = keyed.copy()
    mac.update(place.idx.to_bytes(8, "big") + place.uri.encode())
    return mac.digest()
