"""`/staff/`: a reader's lanes for staff, at the reader itself, when neither a station box nor a broker is there.

It is the station's page (`waypass_reader.station.pages`) about one reader, with the same sign-in, sessions, words and
two steps to open a lane. What is different:

1. it hears the reader directly: what a lane says goes here and to the broker, and what the reader says of itself is
   asked every `STATE_SECONDS`
2. a lane is opened by a call, with no network between
3. the reason's code stands beside the instruction: whoever opens this page wants to know what this gate has
4. its cookie has the reader's name, since a browser keeps one jar for all ports of an address

Like the station box it holds everything in memory, forgets a lane's last answer after some seconds, and is there only
where a station key is configured.
"""

import secrets
from collections.abc import Mapping
from dataclasses import replace

from waypass_protocol.messages import LiveMessage, Presence, PresenceMessage, StateMessage
from waypass_protocol.reasons import OverrideReason
from waypass_reader.clock import Clock
from waypass_reader.link import Outlet
from waypass_reader.log import Log
from waypass_reader.pages.overrides import Openable
from waypass_reader.passage import NotOpened
from waypass_reader.station import words
from waypass_reader.station.board import Moment, StationBoard
from waypass_reader.station.gates import Opened
from waypass_reader.station.listener import Bulletin
from waypass_reader.station.pages import PageParts, StationPages
from waypass_reader.station.sessions import Sessions
from waypass_reader.web import KeyGuard, Route
from waypass_reader.words import Language

PLACE = "/staff"
STATE_SECONDS = 2.0


class OwnGates:
    """The lanes of this reader, as `waypass_reader.station.gates` has gates. Rule 2."""

    def __init__(self, reader: str, lanes: Mapping[str, Openable]) -> None:
        self._reader = reader
        self._lanes = lanes

    def can_ask(self, reader: str) -> bool:
        """It knows itself."""
        return reader == self._reader

    def open_once(self, reader: str, lane: str, reason: OverrideReason) -> Opened:  # noqa: ARG002 - the interface's shape
        """Open a lane for one person."""
        found = self._lanes.get(lane)
        if found is None:
            return Opened.UNKNOWN_LANE
        try:
            found.override(reason)
        except NotOpened:
            return Opened.FAILED
        return Opened.OPENED


class StaffBulletin:
    """What the reader and its lanes say, for the page; an outlet that hands on what lanes say."""

    def __init__(self, *, reader: str, station: str, clock: Clock, onward: Outlet) -> None:
        self._reader = reader
        self._clock = clock
        self._onward = onward
        started = Moment(at=clock.now(), ns=clock.monotonic_ns())
        self.bulletin = Bulletin(StationBoard(station=station, readers=[reader], started=started), clock)
        self.bulletin.broker(True)  # nothing stands between
        self.bulletin.hear(reader, PresenceMessage(presence=Presence.ONLINE))
        self._told: tuple[StateMessage, int] | None = None

    def say_live(self, message: LiveMessage) -> None:
        """What a lane does. It waits for no network, and no longer than a look at the board takes."""
        self._onward.say_live(message)
        self.bulletin.hear(self._reader, message)

    def say_state(self, message: StateMessage) -> None:
        """What the reader says of itself: each change of its lanes and parts, and its ages every `STATE_SECONDS`."""
        now_ns = self._clock.monotonic_ns()
        if self._told is not None:
            told, told_ns = self._told
            same = replace(message, at=told.at, lists=told.lists) == told
            if same and now_ns - told_ns < STATE_SECONDS * 1e9:
                return
        self._told = (message, now_ns)
        self.bulletin.hear(self._reader, message)


def staff_routes(
    said: StaffBulletin,
    *,
    reader: str,
    station: str,
    language: Language,
    lanes: Mapping[str, Openable],
    guard: KeyGuard,
    clock: Clock,
    log: Log,
) -> list[Route]:
    """Where the page is. `guard` is the one of the overrides: wrong keys count together."""
    pages = StationPages(
        PageParts(
            station=station,
            language=language,
            bulletin=said.bulletin,
            gates=OwnGates(reader, lanes),
            guard=guard,
            sessions=Sessions(new_token=secrets.token_urlsafe),
            clock=clock,
            log=log,
            words=words.OF_ONE_READER,
            cookie=f"waypass-staff-{reader}",
            codes=True,
            broker=False,
        )
    )
    return pages.routes(PLACE)
