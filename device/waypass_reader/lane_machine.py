"""What one lane does, written out: its states, what can happen to it, and what follows. Pure: time is an argument.

| state | what it is |
| --- | --- |
| `idle` | nobody is there |
| `seen` | a code is in view, and not decided yet |
| `decided` | it is known what to do, and the barrier has not done it yet; staff and the crowd's key begin here too |
| `open` | somebody may walk through: as many as there are openings that nobody has used |
| `passed` | the last of them walked through, or their time is over and no sensor can tell; it is about to close |
| `annulled` | their time is over and nobody walked through; it is about to close |
| `waiting` | somebody waits for staff |
| `out-of-order` | it can't see, can't be driven, or its sensor is stuck |

| event | in | then | and |
| --- | --- | --- | --- |
| `saw` | idle, waiting | seen | |
| `decided-open` | idle, seen, waiting | decided | open the barrier |
| | open, passed | the same | open the barrier: for one more |
| | out of order | the same | nothing: the fault came while the code was judged |
| `decided-wait` | idle, seen, waiting | decided | light *please wait*; while it is open nothing changes |
| `staff`, `key-on` | any | decided (open and passed stay) | open the barrier, also out of order |
| `obeyed` | decided | open, or waiting | the barrier did what it was told |
| | open, passed | open | one more may go through |
| `barrier-failed` | idle, seen, decided, waiting | out of order | what was wanted is given up; close: lamps go off |
| | open, passed, annulled | the same | out of order when it has closed |
| `stayed-shut` | open | annulled | it never opened: every opening that is not used is over; close |
| | any other | | as if the barrier had failed |
| `camera-lost` | idle, seen, waiting | out of order | close; the same while somebody walks through |
| `sensor-on` | open | open, or passed | the oldest opening that is not used is: one passage |
| | idle, seen, decided, waiting, out of order | the same | somebody walked through unasked; not in an emergency |
| | passed | the same | luggage of whoever passed |
| `sensor-off` | passed | passed | close, after `quiet` without it |
| `time` | open | annulled; passed where no sensor can tell | every opening that is not used is over; close |
| | passed | passed | close, when the sensor was quiet for long enough |
| | any | | a sensor that is on for `stuck` is stuck: a fault, as if it had been told; close, as for the others |
| `closed` | seen, waiting, passed, annulled | idle, or out of order | with the crowd's key decided: open anew |
| `left` | seen, waiting | the same | close |
| `mended` | out of order | idle, if nothing else is wrong | camera and barrier work; elsewhere it is noted |
| | decided | idle, or out of order | whoever drives the lane never had an answer: what was wanted is given up |
| `key-off` | open | annulled | close, unless a pass or staff opened it besides |
| `release-on`, `release-off` | any | the same | noted, and nothing else: the release is hardware |

What ends an opening before its time (`stayed-shut`, `key-off`) makes it passed while somebody is in the sensor, or was
there less than `quiet` ago: it closes behind them. What stands in no row changes nothing. Rules that hold whatever
happens:

1. It is open only after a decision that opens, staff, or the crowd's key, and only when the barrier obeyed.
2. An opening ends once: as passed, as annulled, or, where no sensor can tell, as opened. So there are never two
   passages for one opening. An opening of the crowd's key is no one's, and only its passages are counted.
3. An open lane does not close while its sensor is on: that is a person. Only one that is stuck does not count.
4. What an annulled pass left in the re-entry memory is taken back, so that the same person may try again; but not after
   `DOUBTED` openings in a row that nobody used. A sensor that sees nobody would else let one code in again and again.
   A barrier that stayed shut says nothing of the sensor; its lane opens for no pass until it is mended.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from waypass_protocol.messages import PassageEnd

DOUBTED = 5


class Phase(StrEnum):
    """A lane's state; the module's docstring has the table."""

    IDLE = "idle"
    SEEN = "seen"
    DECIDED = "decided"
    OPEN = "open"
    PASSED = "passed"
    ANNULLED = "annulled"
    WAITING = "waiting"
    OUT_OF_ORDER = "out-of-order"


class Event(StrEnum):
    """What can happen to a lane."""

    SAW = "saw"
    DECIDED_OPEN = "decided-open"
    DECIDED_WAIT = "decided-wait"
    STAFF = "staff"
    OBEYED = "obeyed"
    CLOSED = "closed"
    SENSOR_ON = "sensor-on"
    SENSOR_OFF = "sensor-off"
    TIME = "time"
    LEFT = "left"
    CAMERA_LOST = "camera-lost"
    BARRIER_FAILED = "barrier-failed"
    STAYED_SHUT = "stayed-shut"
    MENDED = "mended"
    KEY_ON = "key-on"
    KEY_OFF = "key-off"
    RELEASE_ON = "release-on"
    RELEASE_OFF = "release-off"


class Source(StrEnum):
    """On whose word it opens."""

    PASS = "pass"
    STAFF = "staff"
    CROWD = "crowd"


class Fault(StrEnum):
    """What puts a lane out of order."""

    CAMERA = "camera"
    BARRIER = "barrier"
    SENSOR = "sensor"


class Do(StrEnum):
    """What whoever drives the lane does next. `OPEN`, `WAIT` and `CLOSE` are for the barrier, and are answered by
    `obeyed`, `obeyed` and `closed`, or by `barrier-failed`."""

    OPEN = "open"
    WAIT = "wait"
    CLOSE = "close"
    SHOW_IDLE = "show-idle"
    SHOW_OUT_OF_ORDER = "show-out-of-order"


@dataclass(frozen=True, kw_only=True, slots=True)
class Opening:
    """One opening that the barrier obeyed. `ticket` is its number, by which whoever drives the lane knows it again."""

    ticket: int
    source: Source


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """An opening is over (`ticket`), or somebody walked through without one (None). `take_back`: rule 4."""

    ticket: int | None
    how: PassageEnd | None
    take_back: bool = False


Effect = Do | Ended


@dataclass(frozen=True, kw_only=True, slots=True)
class Timing:
    """One lane's times. `sensor`: whether it has one. `quiet_ns`: how long the sensor is off before it closes."""

    open_ns: int
    sensor: bool = False
    quiet_ns: int = 0
    stuck_ns: int = 10 * 10**9


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneNow:
    """A lane at a moment. `wish` is what it is decided to open for, None for *please wait*; `owed` are the openings
    that nobody has used, the oldest first; `unused` is how many were annulled in a row."""

    phase: Phase = Phase.IDLE
    wish: Source | None = None
    owed: tuple[Opening, ...] = ()
    closes_ns: int | None = None
    sensor_on_ns: int | None = None
    quiet_since_ns: int | None = None
    faults: frozenset[Fault] = frozenset()
    crowd: bool = False
    released: bool = False
    unused: int = 0
    tickets: int = 0

    @property
    def sensor_doubted(self) -> bool:
        """Rule 4: its sensor may be one that sees nobody."""
        return self.unused >= DOUBTED

    def due_ns(self, timing: Timing) -> int | None:
        """When it has to be told the time next, if nothing else happens."""
        times = []
        if self.sensor_on_ns is not None and Fault.SENSOR not in self.faults:
            times.append(self.sensor_on_ns + timing.stuck_ns)
        elif self.phase is Phase.OPEN and self.closes_ns is not None:
            times.append(self.closes_ns)
        elif self.phase is Phase.PASSED and self.quiet_since_ns is not None:
            times.append(self.quiet_since_ns + timing.quiet_ns)
        return min(times, default=None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """What an event made of a lane, and what is to be done, in this order."""

    lane: LaneNow
    effects: tuple[Effect, ...] = ()


_BEFORE_DECIDING = frozenset({Phase.IDLE, Phase.SEEN, Phase.WAITING})
_WALKING = frozenset({Phase.OPEN, Phase.PASSED})
_CLOSING = frozenset({Phase.SEEN, Phase.WAITING, Phase.PASSED, Phase.ANNULLED})


def step(lane: LaneNow, event: Event, *, at_ns: int, timing: Timing) -> Step:
    """What follows from an event at `at_ns` (monotonic)."""
    return _FOLLOWS[event](lane, at_ns, timing)


def _saw(lane: LaneNow, _at_ns: int, _timing: Timing) -> Step:
    return Step(lane=replace(lane, phase=Phase.SEEN) if lane.phase in {Phase.IDLE, Phase.WAITING} else lane)


def _decided_open(lane: LaneNow, _at_ns: int, _timing: Timing) -> Step:
    return _want(lane, Source.PASS) if lane.phase in _BEFORE_DECIDING | _WALKING else Step(lane=lane)


def _decided_wait(lane: LaneNow, _at_ns: int, _timing: Timing) -> Step:
    if lane.phase not in _BEFORE_DECIDING:
        return Step(lane=lane)
    return Step(lane=replace(lane, phase=Phase.DECIDED, wish=None), effects=(Do.WAIT,))


def _staff(lane: LaneNow, _at_ns: int, _timing: Timing) -> Step:
    return _want(lane, Source.STAFF)


def _key_on(lane: LaneNow, _at_ns: int, _timing: Timing) -> Step:
    return _want(replace(lane, crowd=True), Source.CROWD)


def _left(lane: LaneNow, _at_ns: int, _timing: Timing) -> Step:
    return Step(lane=lane, effects=(Do.CLOSE,) if lane.phase in {Phase.SEEN, Phase.WAITING} else ())


def _closed(lane: LaneNow, _at_ns: int, _timing: Timing) -> Step:
    return _settle(lane) if lane.phase in _CLOSING else Step(lane=lane)


def _camera_lost(lane: LaneNow, _at_ns: int, _timing: Timing) -> Step:
    return _break(lane, Fault.CAMERA)


def _barrier_failed(lane: LaneNow, _at_ns: int, _timing: Timing) -> Step:
    return _break(replace(lane, wish=None), Fault.BARRIER)


def _stayed_shut(lane: LaneNow, at_ns: int, timing: Timing) -> Step:
    """What it was told and did not do lets nobody through, whatever else can tell."""
    failed = _break(replace(lane, wish=None), Fault.BARRIER)
    if failed.lane.phase is not Phase.OPEN:
        return failed
    ended = tuple(
        Ended(ticket=each.ticket, how=None)
        if each.source is Source.CROWD
        else Ended(ticket=each.ticket, how=PassageEnd.ANNULLED, take_back=True)
        for each in lane.owed
    )
    return _cut_short(replace(failed.lane, owed=()), ended, at_ns, timing)


def _release_on(lane: LaneNow, _at_ns: int, _timing: Timing) -> Step:
    return Step(lane=replace(lane, released=True))


def _release_off(lane: LaneNow, _at_ns: int, _timing: Timing) -> Step:
    return Step(lane=replace(lane, released=False))


def _sensor_off(lane: LaneNow, at_ns: int, timing: Timing) -> Step:
    """It is not stuck; a lane that was out of order for that still has to be mended."""
    if lane.sensor_on_ns is not None:
        faults = lane.faults - {Fault.SENSOR}
        lane = replace(lane, sensor_on_ns=None, quiet_since_ns=at_ns, faults=faults)
    return _time(lane, at_ns, timing)


def _want(lane: LaneNow, source: Source) -> Step:
    """It is to open; what it does meanwhile goes on until the barrier has obeyed."""
    phase = lane.phase if lane.phase in _WALKING else Phase.DECIDED
    return Step(lane=replace(lane, phase=phase, wish=source), effects=(Do.OPEN,))


def _obeyed(lane: LaneNow, at_ns: int, timing: Timing) -> Step:
    """Rule 1."""
    if lane.wish is None:
        return Step(lane=replace(lane, phase=Phase.WAITING) if lane.phase is Phase.DECIDED else lane)
    opening = Opening(ticket=lane.tickets, source=lane.wish)
    return Step(
        lane=replace(
            lane,
            phase=Phase.OPEN,
            wish=None,
            owed=(*lane.owed, opening),
            tickets=lane.tickets + 1,
            closes_ns=at_ns + timing.open_ns,
            quiet_since_ns=None,
        )
    )


def _sensor_on(lane: LaneNow, at_ns: int, _timing: Timing) -> Step:
    """The sensor went on: rule 2, or somebody whom nothing let in."""
    if lane.sensor_on_ns is not None:
        return Step(lane=lane)
    lane = replace(lane, sensor_on_ns=at_ns, quiet_since_ns=None, unused=0)
    match lane.phase:
        case Phase.OPEN:
            first, *rest = lane.owed
            lane = replace(lane, phase=Phase.OPEN if rest else Phase.PASSED, owed=tuple(rest))
            return Step(lane=lane, effects=(Ended(ticket=first.ticket, how=PassageEnd.PASSED),))
        case Phase.PASSED | Phase.ANNULLED:
            return Step(lane=lane)
        case _ if lane.released:
            return Step(lane=lane)
        case _:
            return Step(lane=lane, effects=(Ended(ticket=None, how=PassageEnd.UNASKED),))


def _time(lane: LaneNow, at_ns: int, timing: Timing) -> Step:
    """What is due now: a stuck sensor first, because rule 3 asks for it."""
    effects: tuple[Effect, ...] = ()
    if lane.sensor_on_ns is not None and Fault.SENSOR not in lane.faults:
        if at_ns - lane.sensor_on_ns < timing.stuck_ns:
            return Step(lane=lane)
        broken = _break(lane, Fault.SENSOR)
        lane, effects = broken.lane, broken.effects
    if lane.phase is Phase.OPEN and lane.closes_ns is not None and at_ns >= lane.closes_ns:
        over = _end_all(lane, timing)
        return Step(lane=over.lane, effects=(*effects, *over.effects))
    if lane.phase is Phase.PASSED and _is_quiet(lane, at_ns, timing):
        return Step(lane=replace(lane, quiet_since_ns=None), effects=(*effects, Do.CLOSE))
    return Step(lane=lane, effects=effects)


def _is_quiet(lane: LaneNow, at_ns: int, timing: Timing) -> bool:
    if lane.quiet_since_ns is None:
        return Fault.SENSOR in lane.faults
    return at_ns - lane.quiet_since_ns >= timing.quiet_ns


def _end_all(lane: LaneNow, timing: Timing) -> Step:
    """The time is over: rules 2 and 4."""
    ended: list[Effect] = []
    unused = lane.unused
    tells = timing.sensor and Fault.SENSOR not in lane.faults
    for opening in lane.owed:
        if opening.source is Source.CROWD:
            ended.append(Ended(ticket=opening.ticket, how=None))
        elif not tells:
            ended.append(Ended(ticket=opening.ticket, how=PassageEnd.OPENED))
        else:
            unused += 1
            ended.append(Ended(ticket=opening.ticket, how=PassageEnd.ANNULLED, take_back=unused < DOUBTED))
    phase = Phase.ANNULLED if tells else Phase.PASSED
    lane = replace(lane, phase=phase, owed=(), closes_ns=None, quiet_since_ns=None, unused=unused)
    return Step(lane=lane, effects=(*ended, Do.CLOSE))


def _key_off(lane: LaneNow, at_ns: int, timing: Timing) -> Step:
    """The key is turned back: what it opened is over, and whoever has an opening of their own keeps it."""
    ended = tuple(Ended(ticket=each.ticket, how=None) for each in lane.owed if each.source is Source.CROWD)
    lane = replace(lane, crowd=False, owed=tuple(each for each in lane.owed if each.source is not Source.CROWD))
    if lane.phase is not Phase.OPEN or lane.owed:
        return Step(lane=lane, effects=ended)
    return _cut_short(lane, ended, at_ns, timing)


def _cut_short(lane: LaneNow, ended: tuple[Ended, ...], at_ns: int, timing: Timing) -> Step:
    """No opening is left before the time is over: rule 3."""
    lane = replace(lane, closes_ns=None)
    in_sensor = lane.sensor_on_ns is not None and Fault.SENSOR not in lane.faults
    if in_sensor or lane.quiet_since_ns is not None:
        then = _time(replace(lane, phase=Phase.PASSED), at_ns, timing)
        return Step(lane=then.lane, effects=(*ended, *then.effects))
    return Step(lane=replace(lane, phase=Phase.ANNULLED), effects=(*ended, Do.CLOSE))


def _settle(lane: LaneNow) -> Step:
    """The barrier is closed. While the key is turned it opens anew: a barrier lets one person through at a time."""
    if lane.crowd and Fault.BARRIER not in lane.faults:
        return _want(replace(lane, phase=Phase.DECIDED), Source.CROWD)
    return _rest(lane)


def _rest(lane: LaneNow) -> Step:
    if lane.faults:
        return Step(lane=replace(lane, phase=Phase.OUT_OF_ORDER), effects=(Do.SHOW_OUT_OF_ORDER,))
    return Step(lane=replace(lane, phase=Phase.IDLE), effects=(Do.SHOW_IDLE,))


def _break(lane: LaneNow, fault: Fault) -> Step:
    """Whoever walks through does so to the end."""
    lane = replace(lane, faults=lane.faults | {fault})
    if lane.phase in {Phase.OPEN, Phase.PASSED, Phase.ANNULLED, Phase.OUT_OF_ORDER}:
        return Step(lane=lane)
    if lane.phase is Phase.DECIDED and fault is not Fault.BARRIER:
        return Step(lane=lane)  # the barrier is answering at this moment
    return Step(lane=replace(lane, phase=Phase.OUT_OF_ORDER), effects=(Do.CLOSE, Do.SHOW_OUT_OF_ORDER))


def _mended(lane: LaneNow, _at_ns: int, _timing: Timing) -> Step:
    lane = replace(lane, faults=lane.faults - {Fault.CAMERA, Fault.BARRIER})
    if lane.phase is Phase.DECIDED:
        return _settle(replace(lane, wish=None))
    if lane.phase is not Phase.OUT_OF_ORDER or lane.faults:
        return Step(lane=lane)
    return _settle(lane)


_FOLLOWS: Mapping[Event, Callable[[LaneNow, int, Timing], Step]] = {
    Event.SAW: _saw,
    Event.DECIDED_OPEN: _decided_open,
    Event.DECIDED_WAIT: _decided_wait,
    Event.STAFF: _staff,
    Event.OBEYED: _obeyed,
    Event.CLOSED: _closed,
    Event.SENSOR_ON: _sensor_on,
    Event.SENSOR_OFF: _sensor_off,
    Event.TIME: _time,
    Event.LEFT: _left,
    Event.CAMERA_LOST: _camera_lost,
    Event.BARRIER_FAILED: _barrier_failed,
    Event.STAYED_SHUT: _stayed_shut,
    Event.MENDED: _mended,
    Event.KEY_ON: _key_on,
    Event.KEY_OFF: _key_off,
    Event.RELEASE_ON: _release_on,
    Event.RELEASE_OFF: _release_off,
}
