"""The station as its page shows it: every word and every tone decided here, so that the page only draws.

A tone says how much a thing wants of somebody who looks up from across the hall:

- `now`: a person waits. Nothing else on the page looks like that
- `soon`: something is broken or not known, and no one is held up by it at this moment
- `calm`: all is well

The colour that a holder saw is not shown: others stand in the hall too, and the instruction says what there is to do.
A reader's own page, which is opened at one gate to see what is wrong there, has the reason's code too (`codes`), and no
word of a broker (`broker`): it hears its lanes without one.
"""

from collections.abc import Callable
from typing import Any

from waypass_protocol.messages import LaneState
from waypass_protocol.policy import Policy
from waypass_protocol.reasons import Outcome
from waypass_reader.station import words
from waypass_reader.station.board import OK, Contact, LaneView, ReaderView, StationView
from waypass_reader.station.words import Speech
from waypass_reader.words import instruction

NOW, SOON, CALM = "now", "soon", "calm"

CanOpen = Callable[[str], bool]


def show_station(
    view: StationView, speech: Speech, can_open: CanOpen, *, codes: bool = False, broker: bool = True
) -> dict[str, Any]:
    """The station as JSON for the page. `can_open` tells whether a reader's lanes can be opened from it."""
    waiting = view.waiting
    heard = [reader.contact is Contact.ONLINE for reader in view.readers]
    people = sum(lane.people_a_minute for reader in view.readers for lane in reader.lanes)
    lost = view.broker_lost
    return {
        "waiting": len(waiting),
        "tone": NOW if waiting else CALM if all(heard) else SOON,
        "summary": _summary(waiting, heard, speech),
        "people": speech.count(words.PEOPLE, people) if any(heard) else "",
        "broker": _show_broker(lost, speech) if broker else _fact("", True),
        "broker_lost": "" if lost is None else speech.say(words.BROKER_LOST_TEXT, time=speech.duration(lost)),
        "readers": [_show_reader(each, speech, can_open(each.reader), codes) for each in view.readers],
    }


def _show_broker(lost: int | None, speech: Speech) -> dict[str, str]:
    return _fact(speech.say(words.BROKER_REACHED if lost is None else words.BROKER_LOST), lost is None)


def _summary(waiting: list[tuple[str, str]], heard: list[bool], speech: Speech) -> str:
    """Whoever is not heard may have somebody waiting: that nobody does is said of the others only."""
    match waiting:
        case [] if all(heard):
            return speech.say(words.NOBODY_WAITS)
        case [] if any(heard):
            return speech.say(words.NOBODY_HEARD_WAITS)
        case []:
            return speech.say(words.NOT_KNOWN_WHO_WAITS)
        case [(reader, lane)]:
            return speech.say(words.ONE_WAITS, reader=reader, lane=lane)
        case _:
            return speech.say(words.SEVERAL_WAIT, n=len(waiting))


def _show_reader(reader: ReaderView, speech: Speech, can_open: bool, codes: bool) -> dict[str, Any]:
    # What is not known of a reader that is not there is no news: that it is not there says it.
    clock = (
        []
        if reader.clock_trusted is None
        else [_fact(speech.say(words.CLOCKS[reader.clock_trusted]), reader.clock_trusted)]
    )
    return {
        "id": reader.reader,
        "contact": _fact(speech.say(words.CONTACTS[reader.contact]), reader.contact is Contact.ONLINE),
        "facts": [
            *clock,
            _show_lists(reader, speech),
            *(_fact(speech.say(words.TROUBLE, part=part, what=said), False) for part, said in reader.trouble.items()),
        ],
        "lanes": [_show_lane(lane, speech, can_open, codes) for lane in reader.lanes],
    }


def _show_lists(reader: ReaderView, speech: Speech) -> dict[str, str]:
    """Old is what is over the default of a gate's `fresh`; the gate itself may have another."""
    if reader.lists == 0:
        return _fact(speech.say(words.LISTS_NONE), False)
    if reader.list_age is None:
        return _fact(speech.say(words.LISTS_UNKNOWN), False)
    text = speech.say(words.LISTS_AGE, age=speech.duration(reader.list_age))
    return _fact(text, reader.list_age <= Policy().fresh)


def _show_lane(lane: LaneView, speech: Speech, can_open: bool, codes: bool) -> dict[str, Any]:
    doing = speech.say(
        words.BY_STAFF if lane.by_staff and lane.state is LaneState.OPEN else words.LANE_STATES[lane.state]
    )
    waits = lane.state is LaneState.WAIT
    well = lane.state in (LaneState.IDLE, LaneState.OPEN)
    return {
        "name": lane.name,
        "state": lane.state.value if lane.state else "unknown",
        "tone": NOW if waits else CALM if well else SOON,
        "doing": doing,
        "time": f"{lane.seconds // 60}:{lane.seconds % 60:02}" if waits else "",
        "said": _said(lane, speech),
        "code": speech.say(words.REASON, code=lane.reason.value) if codes and lane.reason is not None else "",
        "people": "" if lane.state is None else speech.count(words.PEOPLE, lane.people_a_minute),
        "camera": _show_camera(lane.camera, speech),
        "can_open": can_open,
    }


def _said(lane: LaneView, speech: Speech) -> str:
    """The one instruction while somebody waits; what was, for a moment after."""
    told = instruction(lane.reason) if lane.reason is not None else None
    spoken = "" if told is None else told.spoken(speech.language)
    if lane.state is LaneState.WAIT:
        return spoken
    if lane.state is LaneState.OPEN:
        return ""
    if lane.unasked:
        return speech.say(words.LAST_UNASKED)
    if lane.by_staff:
        return speech.say(words.LAST_BY_STAFF)
    if lane.outcome is Outcome.OPEN:
        return speech.say(words.LAST_OPENED)
    return speech.say(words.LAST, what=spoken) if spoken else ""


def _show_camera(camera: str, speech: Speech) -> dict[str, str]:
    if not camera:
        return _fact("", True)
    if camera == OK:
        return _fact(speech.say(words.CAMERA_WORKS), True)
    return _fact(speech.say(words.CAMERA_WRONG, what=camera), False)


def _fact(text: str, well: bool) -> dict[str, str]:
    return {"text": text, "tone": CALM if well else SOON}
