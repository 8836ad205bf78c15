"""The readers of a network, each beside what was published: who is current, who is not, and what is wrong. Pure: it is
fed with what the publisher made and what readers say, and told the time.

How a reader stands is the first of these that applies:

1. `differs`: it holds a version that was published, with another digest; or a version that was never published. An
   alarm, also of a reader that has gone since. A list that has ended is held for a day more, and no alarm
2. `unreadable`: its newest message is not one of this version of the wire format
3. `offline`: its last word, or its last will, says so
4. `quiet`: it is said to be online, and nothing came from it for `QUIET` seconds (a bridge may be down)
5. `unknown`: it has not said what it holds
6. `behind`: a list is missing, or older than what is published
7. `current`: it holds every list in the published version, with the published digest

How long a reader took is counted from the commit of the change to the arrival of the message that says the reader
holds it, both by the server's clock. It is not known for a reader that was heard first after the change, nor from a
message that the broker had kept.

At most `MOST` readers are looked at, so that no broker can fill the memory.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from waypass_protocol.messages import HeldRow, LaneState, Presence, PresenceMessage, StateMessage
from waypass_protocol.names import natural_order
from waypass_protocol.status import HeadRow

QUIET = 75
"""Seconds; readers say their state every 30."""
MOST = 5000
MOST_ENDED = 500
"""Lists that have ended whose digests are remembered."""
KEPT_DIGESTS = 256
"""Versions of a list whose digests are remembered; a reader that is behind by more cannot be compared."""
NO_STATION = "station"
"""Where readers stand that do not say which station they belong to."""


class Stand(StrEnum):
    """How a reader stands to what was published, the worst first."""

    DIFFERS = "differs"
    UNREADABLE = "unreadable"
    OFFLINE = "offline"
    QUIET = "quiet"
    UNKNOWN = "unknown"
    BEHIND = "behind"
    CURRENT = "current"


ALARMS = frozenset({Stand.DIFFERS, Stand.UNREADABLE})
_WORST_FIRST = {stand: place for place, stand in enumerate(Stand)}


@dataclass(frozen=True, kw_only=True, slots=True)
class ListView:
    """A list as a reader holds it, beside what was published. `published` is None for a list of another network.

    `renewed_at` is when a head last said that it is current (the server's clock), or None.
    """

    uri: str
    version: int
    published: int | None
    digest: str
    differs: bool
    renewed_at: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ReaderView:
    """One reader now. `took` is how long it took to hold the last change; `heard_at` when its state was said."""

    reader: str
    station: str
    stand: Stand
    took: float | None
    heard_at: float | None
    online: bool
    clock_trusted: bool
    software: str
    lists: tuple[ListView, ...]
    lanes: tuple[tuple[str, LaneState], ...]
    health: tuple[tuple[str, str], ...]
    reports: tuple[tuple[str, int], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class StationView:
    """A station and its readers, by name."""

    name: str
    readers: tuple[ReaderView, ...]

    @property
    def worst(self) -> Stand:
        """How the reader stands that needs somebody most."""
        return min((reader.stand for reader in self.readers), key=_WORST_FIRST.__getitem__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Push:
    """A change that readers are to hold. `number` counts them since the server started."""

    number: int
    committed_at: float | None
    versions: tuple[tuple[str, int], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class FleetView:
    """All readers now; `push` is None until something was published."""

    push: Push | None
    stations: tuple[StationView, ...]

    @property
    def readers(self) -> list[ReaderView]:
        """Of all stations."""
        return [reader for station in self.stations for reader in station.readers]

    def count(self, *stands: Stand) -> int:
        """How many readers stand so."""
        return sum(reader.stand in stands for reader in self.readers)


@dataclass(kw_only=True, slots=True)
class _Reader:
    name: str
    online: bool = False
    readable: bool = True
    state: StateMessage | None = None
    heard_at: float | None = None
    known_since: int = -1
    """The number of the push that there was when it was first heard; what the broker had kept was said before."""
    holds: int = -1
    """The number of the newest push that it was seen to hold."""
    took: float | None = None


@dataclass(kw_only=True, slots=True)
class Fleet:
    """The model. One thread at a time uses it."""

    _readers: dict[str, _Reader] = field(default_factory=dict)
    _rows: dict[str, HeadRow] = field(default_factory=dict)
    _digests: dict[str, dict[int, str]] = field(default_factory=dict)
    _ended: frozenset[str] = frozenset()
    _push: Push | None = None

    def published(
        self, rows: Sequence[HeadRow], *, committed_at: float | None, ended: frozenset[str] = frozenset()
    ) -> bool:
        """This is current from now on, and these lists have ended; whether that is new."""
        self._ended = ended
        fresh = {row.uri: row for row in rows}
        if fresh == self._rows:
            return False
        self._rows = fresh
        for row in rows:
            digests = self._digests.setdefault(row.uri, {})
            digests[row.version] = row.digest.hex()
            while len(digests) > KEPT_DIGESTS:
                del digests[min(digests)]
        for uri in list(self._digests.keys() - fresh.keys())[MOST_ENDED:]:
            del self._digests[uri]
        number = 0 if self._push is None else self._push.number + 1
        versions = tuple((row.uri, row.version) for row in rows)
        self._push = Push(number=number, committed_at=committed_at, versions=versions)
        return True

    def presence(self, name: str, message: PresenceMessage) -> None:
        """A reader came or went."""
        reader = self._find(name)
        if reader is not None:
            reader.online = message.presence is Presence.ONLINE

    def state(self, name: str, message: StateMessage, *, now: float, retained: bool) -> None:
        """A reader says what it holds. `retained`: the broker had kept the message, so it may be old."""
        reader = self._find(name)
        if reader is None:
            return
        number = -1 if self._push is None else self._push.number
        if reader.state is None and not retained:
            reader.known_since = number
        reader.state, reader.readable = message, True
        reader.heard_at = min(message.at, now) if retained else now
        if self._push is not None and reader.holds < number and self._holds_all(message):
            reader.holds = number
            committed_at = self._push.committed_at
            timed = not retained and committed_at is not None and reader.known_since < number
            reader.took = max(0.0, now - committed_at) if timed and committed_at is not None else None

    def unreadable(self, name: str) -> None:
        """A reader sent what cannot be read."""
        reader = self._find(name)
        if reader is not None:
            reader.readable = False

    def forget(self, name: str) -> None:
        """The broker was told to forget a reader (an empty retained message)."""
        self._readers.pop(name, None)

    def view(self, now: float) -> FleetView:
        """All readers at `now`."""
        stations: dict[str, list[ReaderView]] = {}
        for name in sorted(self._readers, key=natural_order):
            view = self._view(self._readers[name], now)
            stations.setdefault(view.station, []).append(view)
        return FleetView(
            push=self._push,
            stations=tuple(StationView(name=name, readers=tuple(stations[name])) for name in sorted(stations)),
        )

    def _find(self, name: str) -> _Reader | None:
        if name not in self._readers and len(self._readers) >= MOST:
            return None
        return self._readers.setdefault(name, _Reader(name=name))

    def _holds_all(self, message: StateMessage) -> bool:
        held = {row.uri: row for row in message.lists}
        return all(
            uri in held and (held[uri].version, held[uri].digest) == (row.version, row.digest.hex())
            for uri, row in self._rows.items()
        )

    def _differs(self, row: HeldRow) -> bool:
        digests = self._digests.get(row.uri)
        if digests is None:
            return bool(self._rows) and row.uri not in self._ended
        known = digests.get(row.version)
        return row.version > max(digests) or (known is not None and known != row.digest)

    def _stand(self, reader: _Reader, now: float) -> Stand:
        message = reader.state
        if message is not None and any(self._differs(row) for row in message.lists):
            return Stand.DIFFERS
        if not reader.readable:
            return Stand.UNREADABLE
        if not reader.online:
            return Stand.OFFLINE
        if reader.heard_at is not None and now - reader.heard_at > QUIET:
            return Stand.QUIET
        if message is None:
            return Stand.UNKNOWN
        return Stand.CURRENT if self._rows and self._holds_all(message) else Stand.BEHIND

    def _view(self, reader: _Reader, now: float) -> ReaderView:
        message, stand = reader.state, self._stand(reader, now)
        number = 0 if self._push is None else self._push.number
        same: dict[str, Any] = {
            "reader": reader.name,
            "stand": stand,
            "took": reader.took if stand is Stand.CURRENT and reader.holds == number else None,
            "heard_at": reader.heard_at,
            "online": reader.online,
        }
        if message is None:
            return ReaderView(
                **same, station=NO_STATION, clock_trusted=True, software="", lists=(), lanes=(), health=(), reports=()
            )
        return ReaderView(
            **same,
            station=message.station or NO_STATION,
            clock_trusted=message.clock_trusted,
            software=message.software,
            lists=tuple(self._list_view(row, reader.heard_at or now) for row in message.lists),
            lanes=tuple(sorted(message.lanes.items(), key=lambda lane: natural_order(lane[0]))),
            health=_sorted(message.health),
            reports=tuple(sorted(message.reports.items())),
        )

    def _list_view(self, row: HeldRow, heard_at: float) -> ListView:
        published = self._rows.get(row.uri)
        return ListView(
            uri=row.uri,
            version=row.version,
            published=None if published is None else published.version,
            digest=row.digest,
            differs=self._differs(row),
            renewed_at=None if row.age is None else heard_at - row.age,
        )


def _sorted(health: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """What is wrong first."""
    return tuple(sorted(health.items(), key=lambda part: (part[1] == "ok", part[0])))
