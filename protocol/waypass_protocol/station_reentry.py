"""Re-entry memory of a station: which passes opened a lane of its other readers (wire format §9).

1. Readers tell each other marks, HMAC-SHA-256 of (uri, idx) under random keys that the station's own box makes anew
   every ten minutes. A key has a name, its epoch, which tells nothing about it.
2. A reader marks each opening under every key that the box gave it last, the present and the one before, so that
   another which has not heard of the newest key yet knows it all the same.
3. A mark counts from the moment that it came, by the clock of who hears it, and is forgotten after the re-entry time.
   One of an unknown epoch is dropped. At most `MAX_MARKS` are kept under one key; the oldest goes first.
4. A reader takes back only what it told itself: nobody walked through. What another told of the same pass stays.
5. A key that the box does not name any more marks nothing. It is asked until all under it is forgotten, then dropped.

A forged mark can at most make the gate ask staff (`seen-already`); nothing here can open one.

Pure: time is an argument. One thread at a time may change it; any thread may ask `opened_within` and `marks`.
"""

import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from waypass_protocol.errors import Malformed
from waypass_protocol.keys import read_base64url, read_json_object
from waypass_protocol.messages import ReentryMessage
from waypass_protocol.passes import Place
from waypass_protocol.reentry import KEY_LIFE, StationMark, mark_of

KEY_BYTES = 32
EPOCH_BYTES = 8
KEYS_GIVEN = 2
MAX_MARKS = 20_000
MAX_TELLERS = 8
MAX_ANSWER = 4096
_EPOCH = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, kw_only=True, slots=True)
class StationKey:
    """A key of the station and its name."""

    epoch: str
    key: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class StationKeys:
    """What the box gives: the present key and, but for the first ten minutes, the one before. `next_in` is in how many
    seconds it makes another."""

    keys: tuple[StationKey, ...]
    next_in: int


def read_station_keys(data: bytes) -> StationKeys:
    """Read the box's answer. Raises `Malformed`, which repeats nothing of it."""
    if len(data) > MAX_ANSWER:
        raise Malformed(f"station keys: expected at most {MAX_ANSWER} bytes, got {len(data)}")
    try:
        document = read_json_object(data, what="station keys")
    except Malformed:
        raise Malformed("station keys: expected one JSON object, with no member twice") from None
    match document:
        case {"keys": list(rows), "next_in": int(next_in), **others} if not others and 1 <= len(rows) <= KEYS_GIVEN:
            pass
        case _:
            raise Malformed(f"station keys: expected 1 to {KEYS_GIVEN} keys and next_in, and nothing else")
    if isinstance(next_in, bool) or not 0 <= next_in <= KEY_LIFE:
        raise Malformed(f"station keys: expected next_in of 0 to {KEY_LIFE} seconds")
    keys = tuple(_read_key(row) for row in rows)
    if len({each.epoch for each in keys}) != len(keys):
        raise Malformed("station keys: expected each epoch once")
    return StationKeys(keys=keys, next_in=next_in)


def _read_key(row: object) -> StationKey:
    match row:
        case {"epoch": str(epoch), "key": str(text), **others} if not others and _EPOCH.fullmatch(epoch):
            pass
        case _:
            raise Malformed("station keys: expected rows of epoch (16 lowercase hex digits) and key")
    try:
        key = read_base64url(text, length=KEY_BYTES, what="key")
    except Malformed:
        raise Malformed(f"station keys: expected a key of {KEY_BYTES} bytes in base64url") from None
    return StationKey(epoch=epoch, key=key)


@dataclass(kw_only=True, slots=True, eq=False)
class _Held:
    """One key, and each mark under it: which readers told it, and when each was heard."""

    epoch: str
    keyed: hmac.HMAC
    heard: dict[bytes, dict[str, int]] = field(default_factory=dict)


class StationReentry:
    """What one reader knows of the others; `reentry` is the re-entry time in seconds."""

    def __init__(self, *, reentry: int) -> None:
        self._reentry = reentry
        self._given: tuple[_Held, ...] = ()
        self._held: tuple[_Held, ...] = ()

    def use(self, keys: Sequence[StationKey]) -> None:
        """What the box gives now; with none, this reader marks nothing."""
        known = {each.epoch: each for each in self._held}
        given = tuple(
            known.get(key.epoch) or _Held(epoch=key.epoch, keyed=hmac.new(key.key, digestmod="sha256")) for key in keys
        )
        self._held = (*given, *(each for each in self._held if each not in given and each.heard))
        self._given = given

    def knows(self, epoch: str) -> bool:
        """Whether this key is held."""
        return any(each.epoch == epoch for each in self._held)

    def marks(self, place: Place) -> tuple[StationMark, ...]:
        """Rule 2."""
        return tuple((each.epoch, mark_of(each.keyed, place)) for each in self._given)

    def hear(self, reader: str, message: ReentryMessage, now: int) -> None:
        """Rules 3 and 4."""
        held = next((each for each in self._held if each.epoch == message.epoch), None)
        if held is None:
            return
        mark = bytes.fromhex(message.mark)
        # A new record in place of the old one: whoever asks at this moment sees either.
        told = {name: at for name, at in held.heard.get(mark, {}).items() if name != reader}
        if message.opened:
            told = dict([*told.items(), (reader, now)][-MAX_TELLERS:])
        if told:
            held.heard[mark] = told
        else:
            held.heard.pop(mark, None)
        if len(held.heard) > MAX_MARKS:
            del held.heard[next(iter(held.heard))]

    def opened_within(self, place: Place, seconds: int, now: int) -> bool:
        """Whether another reader said so less than `seconds` before `now`. One from ahead of `now` counts too."""
        for each in self._held:
            if each.heard:
                told = each.heard.get(mark_of(each.keyed, place), {})
                if any(now - at < seconds for at in told.values()):
                    return True
        return False

    def forget(self, now: int) -> None:
        """Drop what is past its time, and keys that have nothing left to tell."""
        for each in self._held:
            past = [m for m, told in each.heard.items() if all(now - at >= self._reentry for at in told.values())]
            for mark in past:
                del each.heard[mark]
        self._held = tuple(each for each in self._held if each in self._given or each.heard)

    def __len__(self) -> int:
        """How many marks are held."""
        return sum(len(each.heard) for each in self._held)
