"""What a station's staff see of its readers: fed with the readers' messages, asked at a moment.

1. Shown are the readers that the configuration lists, in its order, and then those whose state names this station.
2. A reader is online or offline by its presence. Online and without a word for `SILENT_SECONDS` it is silent. When the
   broker is lost, nobody is known to be online until they are heard again.
3. Lanes are those that the newest state names. What a lane does is what its last live message said; until there is one,
   what the state says. A live word counts for as long as its reader is online: a message that was lost with a
   connection must not leave a lane waiting for ever. A retained presence that says what is known says nothing new: the
   box asks for it twice.
4. The last outcome stays while the lane waits or is open, and then for `LAST_SECONDS`. So long stays too that somebody
   walked through unasked.
5. People a minute are the openings of the last minute. An opening without an outcome is one by staff.
6. The age of the lists is that of the oldest, and grows from the state message on. A retained state may be old itself,
   so its own time counts too. No list, or one of unknown age, makes the age unknown.

Pure: time is an argument (`Moment`). What rules 4 and 5 do not need any more is forgotten at the next look or word.
Sizes are bounded by `MAX_READERS` and `MAX_LANES`, whatever a broker brings.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from waypass_protocol.messages import (
    LaneState,
    LiveMessage,
    PassageEnd,
    Presence,
    PresenceMessage,
    ReaderMessage,
    StateMessage,
)
from waypass_protocol.names import natural_order
from waypass_protocol.reasons import Outcome, Reason

SECOND_NS = 10**9
MINUTE_NS = 60 * SECOND_NS
LAST_SECONDS = 15
# A reader says its state every 30 s.
SILENT_SECONDS = 100
MAX_READERS = 64
MAX_LANES = 64
MAX_OPENINGS = 600
OK = "ok"
_CAMERA = "camera "


class Contact(StrEnum):
    """What is known of a reader's connection."""

    ONLINE = "online"
    OFFLINE = "offline"
    SILENT = "silent"
    UNHEARD = "unheard"


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """A moment of the box: UNIX seconds, and nanoseconds that never go backwards."""

    at: float
    ns: int


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneView:
    """One lane now. `state` is None while nothing is known; `seconds` is how long it has been so. `outcome` and
    `reason` are of the last decision; `by_staff` says that the last opening was an override, `unasked` that somebody
    has just walked through whom nothing let in. `camera` is "ok", what is wrong, or empty when the reader does not
    say."""

    name: str
    state: LaneState | None
    seconds: int
    outcome: Outcome | None
    reason: Reason | None
    by_staff: bool
    people_a_minute: int
    camera: str
    unasked: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class ReaderView:
    """One reader now. `clock_trusted` and `list_age` are None while unknown; `lists` is how many it holds. `trouble`
    are the parts of it, cameras apart, that are not well."""

    reader: str
    contact: Contact
    clock_trusted: bool | None
    lists: int
    list_age: int | None
    trouble: Mapping[str, str]
    lanes: Sequence[LaneView]


@dataclass(frozen=True, kw_only=True, slots=True)
class StationView:
    """The whole station now. `broker_lost` is for how many seconds its broker has been out of reach, or None."""

    broker_lost: int | None
    readers: Sequence[ReaderView]

    @property
    def waiting(self) -> list[tuple[str, str]]:
        """Reader and lane of each lane where somebody waits for staff."""
        return [
            (reader.reader, lane.name)
            for reader in self.readers
            for lane in reader.lanes
            if lane.state is LaneState.WAIT
        ]


@dataclass(kw_only=True, slots=True)
class _Lane:
    """What live messages said of a lane; `state` is None without one that counts."""

    state: LaneState | None = None
    since_ns: int = 0
    outcome: Outcome | None = None
    reason: Reason | None = None
    by_staff: bool = False
    unasked_ns: int | None = None
    last_ns: int | None = None
    openings: deque[int] = field(default_factory=lambda: deque(maxlen=MAX_OPENINGS))


@dataclass(kw_only=True, slots=True)
class _Reader:
    """What is held of a reader."""

    presence: Presence | None = None
    heard_ns: int = 0
    state: StateMessage | None = None
    state_ns: int = 0
    # How old the state was when it came, in seconds.
    state_age: int = 0
    lanes: dict[str, _Lane] = field(default_factory=dict)

    def forget_live(self) -> None:
        """Rule 3."""
        self.lanes.clear()


class StationBoard:
    """The readers of one station; see the module's docstring. Not for several threads at once."""

    def __init__(self, *, station: str, readers: Sequence[str], started: Moment) -> None:
        self._station = station
        self._listed = tuple(readers)
        self._readers: dict[str, _Reader] = {name: _Reader() for name in readers}
        self._lost_ns: int | None = started.ns

    def broker(self, reachable: bool, now: Moment) -> None:
        """The broker is listened to, or lost. Rule 2."""
        if reachable:
            self._lost_ns = None
            return
        if self._lost_ns is None:
            self._lost_ns = now.ns
        for reader in self._readers.values():
            reader.presence = None
            reader.forget_live()

    def take(self, name: str, message: ReaderMessage, now: Moment, *, retained: bool = False) -> None:
        """What a reader said."""
        reader = self._readers.get(name)
        if reader is None:
            if len(self._readers) >= MAX_READERS + len(self._listed):
                return
            reader = self._readers[name] = _Reader()
        self._forget(now)
        reader.heard_ns = now.ns
        match message:
            case PresenceMessage():
                if not (retained and message.presence is reader.presence):
                    reader.forget_live()
                reader.presence = message.presence
            case StateMessage():
                self._take_state(reader, message, now, retained=retained)
            case LiveMessage():
                _take_live(reader, message, now)
            case _:
                pass  # counts: the centre's; the box has the openings

    def view(self, now: Moment) -> StationView:
        """The station at a moment."""
        self._forget(now)
        names = [*self._listed, *sorted(name for name in self._readers if name not in self._listed)]
        shown = [(name, self._readers[name]) for name in names if self._belongs(name)]
        return StationView(
            broker_lost=None if self._lost_ns is None else _seconds(now.ns - self._lost_ns),
            readers=[_view_reader(name, reader, now) for name, reader in shown],
        )

    def _forget(self, now: Moment) -> None:
        """Rules 4 and 5: what is not shown any more is not held either."""
        for reader in self._readers.values():
            for lane in reader.lanes.values():
                if lane.last_ns is not None and now.ns - lane.last_ns >= LAST_SECONDS * SECOND_NS:
                    lane.outcome, lane.reason, lane.by_staff = None, None, False
                if lane.unasked_ns is not None and now.ns - lane.unasked_ns >= LAST_SECONDS * SECOND_NS:
                    lane.unasked_ns = None
                while lane.openings and now.ns - lane.openings[0] >= MINUTE_NS:
                    lane.openings.popleft()

    def _take_state(self, reader: _Reader, message: StateMessage, now: Moment, *, retained: bool) -> None:
        reader.state, reader.state_ns = message, now.ns
        reader.state_age = max(0, int(now.at - message.at)) if retained else 0
        for name in [name for name in reader.lanes if name not in message.lanes]:
            del reader.lanes[name]
        for name, state in message.lanes.items():
            lane = reader.lanes.get(name)
            if lane is not None and _says_more(state, lane.state):
                _turn(lane, state, now)

    def _belongs(self, name: str) -> bool:
        """Rule 1."""
        if name in self._listed:
            return True
        state = self._readers[name].state
        return state is not None and state.station == self._station


def _take_live(reader: _Reader, message: LiveMessage, now: Moment) -> None:
    if reader.state is not None and message.lane not in reader.state.lanes:
        return
    lane = reader.lanes.get(message.lane)
    if lane is None:
        if len(reader.lanes) >= MAX_LANES:
            return
        lane = reader.lanes[message.lane] = _Lane()
    if message.passage is PassageEnd.UNASKED:
        lane.unasked_ns = now.ns
        if lane.state is not None:
            return  # the others are as they were
    if message.state in (LaneState.OPEN, LaneState.WAIT):
        lane.outcome, lane.reason = message.outcome, message.reason
        lane.by_staff = message.state is LaneState.OPEN and message.outcome is None
    if message.state is LaneState.OPEN:
        lane.openings.append(now.ns)
    # Whoever waits now may be another than the one before; the lane has been waiting all the same.
    if lane.state is not message.state:
        _turn(lane, message.state, now)


def _says_more(state: LaneState, live: LaneState | None) -> bool:
    """Whether a lane's state says what its live word does not: it says only whether the lane works. Staff may open one
    that does not, so an open lane is open until a live word ends it."""
    broken = LaneState.OUT_OF_ORDER
    return live is broken if state is not broken else live in (LaneState.IDLE, LaneState.WAIT)


def _turn(lane: _Lane, state: LaneState, now: Moment) -> None:
    lane.state, lane.since_ns = state, now.ns
    # What was answered stays for a while when the lane is idle again.
    lane.last_ns = None if state in (LaneState.OPEN, LaneState.WAIT) else now.ns


def _view_reader(name: str, reader: _Reader, now: Moment) -> ReaderView:
    contact = _contact(reader, now)
    state = reader.state
    rows = () if state is None else state.lists
    health = {} if state is None else state.health
    return ReaderView(
        reader=name,
        contact=contact,
        clock_trusted=state.clock_trusted if state is not None and contact is Contact.ONLINE else None,
        lists=len(rows),
        list_age=_list_age(reader, now),
        trouble={part: said for part, said in sorted(health.items()) if said != OK and not part.startswith(_CAMERA)},
        lanes=[
            _view_lane(lane, reader, contact, now)
            for lane in sorted(reader.lanes if state is None else state.lanes, key=natural_order)[:MAX_LANES]
        ],
    )


def _contact(reader: _Reader, now: Moment) -> Contact:
    """Rule 2."""
    if reader.presence is None:
        return Contact.UNHEARD
    if reader.presence is Presence.OFFLINE:
        return Contact.OFFLINE
    return Contact.SILENT if now.ns - reader.heard_ns >= SILENT_SECONDS * SECOND_NS else Contact.ONLINE


def _list_age(reader: _Reader, now: Moment) -> int | None:
    """Rule 6."""
    ages = [row.age for row in reader.state.lists] if reader.state is not None else []
    known = [age for age in ages if age is not None]
    if not known or len(known) != len(ages):
        return None
    return max(0, max(known) + reader.state_age + _seconds(now.ns - reader.state_ns))


def _view_lane(name: str, reader: _Reader, contact: Contact, now: Moment) -> LaneView:
    state = reader.state
    lane = reader.lanes.get(name) or _Lane()
    lasting = None if state is None else state.lanes.get(name)
    doing = (lane.state or lasting) if contact is Contact.ONLINE else None
    told = doing is not None and lane.state is not None
    return LaneView(
        name=name,
        state=doing,
        seconds=0 if lane.state is None or doing is None else _seconds(now.ns - lane.since_ns),
        outcome=lane.outcome if told else None,
        reason=lane.reason if told else None,
        by_staff=lane.by_staff and told,
        people_a_minute=len(lane.openings),
        unasked=lane.unasked_ns is not None and told,
        camera=state.health.get(_CAMERA + name, "") if state is not None and contact is Contact.ONLINE else "",
    )


def _seconds(ns: int) -> int:
    return ns // SECOND_NS
