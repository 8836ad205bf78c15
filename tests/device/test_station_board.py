"""The board of a station: tables of what readers say and when, and what its staff then see."""

from dataclasses import replace

import pytest

from waypass_protocol.messages import (
    HeldRow,
    LaneState,
    LiveMessage,
    MinuteCounts,
    PassageEnd,
    Presence,
    PresenceMessage,
    ReaderMessage,
    StateMessage,
)
from waypass_protocol.reasons import Outcome, Reason, outcome_of, shown_for
from waypass_reader.station.board import (
    LAST_SECONDS,
    MAX_LANES,
    MAX_READERS,
    SILENT_SECONDS,
    Contact,
    LaneView,
    Moment,
    StationBoard,
    StationView,
)

NOW = 1_700_000_000.0


class Told:
    """A board, and a clock that the test moves."""

    def __init__(self, *readers: str) -> None:
        self.seconds = 0.0
        self.board = StationBoard(station="north", readers=readers or ("gate-a", "gate-b"), started=self.moment())
        self.board.broker(True, self.moment())

    def moment(self) -> Moment:
        return Moment(at=NOW + self.seconds, ns=int((1000 + self.seconds) * 1e9))

    def say(self, message: ReaderMessage, *, reader: str = "gate-a", retained: bool = False) -> None:
        self.board.take(reader, message, self.moment(), retained=retained)

    def later(self, seconds: float) -> "Told":
        self.seconds += seconds
        return self

    def view(self) -> StationView:
        return self.board.view(self.moment())

    def lane(self, reader: str = "gate-a", lane: str = "lane-1") -> LaneView:
        (found,) = [
            one for each in self.view().readers if each.reader == reader for one in each.lanes if one.name == lane
        ]
        return found


def state(
    *,
    lanes: dict[str, LaneState] | None = None,
    ages: tuple[int | None, ...] = (40,),
    station: str = "north",
    **more: object,
) -> StateMessage:
    rows = tuple(
        HeldRow(uri=f"wp:{number}", version=1, digest="0" * 64, age=age, since=NOW) for number, age in enumerate(ages)
    )
    values: dict[str, object] = {"at": NOW, "software": "waypass-reader 1", "clock_trusted": True} | more
    return StateMessage(
        **values,  # type: ignore[arg-type]
        station=station,
        lists=rows,
        lanes={"lane-1": LaneState.IDLE} if lanes is None else lanes,
    )


def live(doing: LaneState, reason: Reason | None = None, *, lane: str = "lane-1") -> LiveMessage:
    return LiveMessage(
        lane=lane,
        state=doing,
        outcome=None if reason is None else outcome_of(reason),
        reason=reason,
        aspect=None if reason is None else shown_for(reason),
    )


ONLINE = PresenceMessage(presence=Presence.ONLINE)
OFFLINE = PresenceMessage(presence=Presence.OFFLINE)
IDLE = live(LaneState.IDLE)
OPEN = live(LaneState.OPEN, Reason.GREEN)
WAIT = live(LaneState.WAIT, Reason.EXPIRED)
BY_STAFF = live(LaneState.OPEN)
BROKEN = live(LaneState.OUT_OF_ORDER)
BROKEN_STATE = state(lanes={"lane-1": LaneState.OUT_OF_ORDER})


def talking(*readers: str) -> Told:
    """A station whose readers have said that they are there, and how they are."""
    told = Told(*readers)
    for reader in readers or ("gate-a", "gate-b"):
        told.say(ONLINE, reader=reader, retained=True)
        told.say(state(), reader=reader, retained=True)
    return told


# What gate-a says, each after so many seconds; and what its lane then is, so many seconds after the last word.
LANE_CASES: list[tuple[str, list[tuple[float, ReaderMessage]], float, LaneState | None, Reason | None]] = [
    ("nothing yet: as the state says", [], 0, LaneState.IDLE, None),
    ("a lane that waits", [(1, WAIT)], 0, LaneState.WAIT, Reason.EXPIRED),
    ("it waits for long", [(1, WAIT)], SILENT_SECONDS - 1, LaneState.WAIT, Reason.EXPIRED),
    ("another one waits", [(1, WAIT), (5, live(LaneState.WAIT, Reason.RED))], 0, LaneState.WAIT, Reason.RED),
    ("an open lane", [(1, OPEN)], 0, LaneState.OPEN, Reason.GREEN),
    ("waited, then idle", [(1, WAIT), (9, IDLE)], LAST_SECONDS - 1, LaneState.IDLE, Reason.EXPIRED),
    ("what was is forgotten", [(1, WAIT), (9, IDLE)], LAST_SECONDS, LaneState.IDLE, None),
    ("idle again and again is no news", [(1, WAIT), (9, IDLE), (10, IDLE)], LAST_SECONDS - 10, LaneState.IDLE, None),
    ("waited, opened by staff", [(1, WAIT), (9, BY_STAFF)], 0, LaneState.OPEN, None),
    ("a state does not end waiting", [(1, WAIT), (9, state())], 0, LaneState.WAIT, Reason.EXPIRED),
    ("out of order by live", [(1, BROKEN)], 0, LaneState.OUT_OF_ORDER, None),
    ("out of order by state", [(1, BROKEN_STATE)], 0, LaneState.OUT_OF_ORDER, None),
    (
        "a state ends waiting at a broken lane",
        [(1, WAIT), (9, BROKEN_STATE)],
        0,
        LaneState.OUT_OF_ORDER,
        Reason.EXPIRED,
    ),
    ("works again by state", [(1, BROKEN), (9, state())], 0, LaneState.IDLE, None),
    ("broken, and open by staff", [(1, BROKEN), (9, BY_STAFF), (9, BROKEN_STATE)], 0, LaneState.OPEN, None),
    ("gone", [(1, WAIT), (9, OFFLINE)], 0, None, None),
    ("gone and back: nothing left over", [(1, WAIT), (9, OFFLINE), (9, ONLINE)], 0, LaneState.IDLE, None),
    ("silent", [(1, WAIT)], SILENT_SECONDS, None, None),
    ("counts say nothing of a lane", [(1, MinuteCounts(start=60, outcomes={"open": 9}))], 0, LaneState.IDLE, None),
]


@pytest.mark.parametrize(("name", "said", "after", "doing", "reason"), LANE_CASES, ids=[case[0] for case in LANE_CASES])
def test_what_a_lane_does(
    name: str,
    said: list[tuple[float, ReaderMessage]],
    after: float,
    doing: LaneState | None,
    reason: Reason | None,
) -> None:
    told = talking()
    for seconds, message in said:
        told.later(seconds).say(message)
    lane = told.later(after).lane()
    assert (lane.state, lane.reason) == (doing, reason)


def test_idle_again_and_again_does_not_prolong_what_is_shown() -> None:
    told = talking()
    told.say(WAIT)
    told.say(IDLE)
    told.later(LAST_SECONDS - 1).say(IDLE)
    assert told.lane().reason is Reason.EXPIRED
    assert told.later(1).lane().reason is None


def test_a_lane_says_for_how_long_it_waits_whoever_waits() -> None:
    told = talking()
    told.say(WAIT)
    told.later(20).say(live(LaneState.WAIT, Reason.RED))
    assert told.later(14).lane().seconds == 34
    told.say(IDLE)
    assert told.later(3).lane().seconds == 3


def test_who_waits_is_named_by_reader_and_lane() -> None:
    told = talking()
    assert told.view().waiting == []
    told.say(WAIT, reader="gate-b")
    assert told.view().waiting == [("gate-b", "lane-1")]


def test_an_opening_without_an_outcome_is_one_by_staff() -> None:
    told = talking()
    told.say(OPEN)
    assert (told.lane().by_staff, told.lane().outcome) == (False, Outcome.OPEN)
    told.say(IDLE)
    told.say(BY_STAFF)
    assert (told.lane().by_staff, told.lane().outcome) == (True, None)
    told.say(IDLE)
    assert told.later(LAST_SECONDS).lane().by_staff is False


def test_an_open_lane_that_is_opened_again_lets_two_people_through() -> None:
    told = talking()
    told.say(OPEN)
    told.later(2).say(BY_STAFF)
    assert told.lane().people_a_minute == 2
    assert told.lane().seconds == 2


def test_people_a_minute_are_the_openings_of_the_last_minute() -> None:
    told = talking()
    for message in (OPEN, IDLE, BY_STAFF, IDLE, WAIT, IDLE):
        told.later(10).say(message)
    assert told.lane().people_a_minute == 2
    assert told.later(9).lane().people_a_minute == 2
    assert told.later(1).lane().people_a_minute == 1
    assert told.later(20).lane().people_a_minute == 0
    assert told.lane(reader="gate-b").people_a_minute == 0


@pytest.mark.parametrize(
    ("name", "ages", "age"),
    [
        ("the oldest counts", (40, 70, 10), 70 + 25),
        ("one of unknown age", (40, None), None),
        ("no list", (), None),
        ("a head that is ahead of the reader's clock", (-30,), 0),
    ],
)
def test_the_lists_age_between_state_messages(name: str, ages: tuple[int | None, ...], age: int | None) -> None:
    told = talking()
    told.say(state(ages=ages))
    told.later(25)
    (reader, _) = told.view().readers
    assert (reader.lists, reader.list_age) == (len(ages), age)


@pytest.mark.parametrize(("retained", "age"), [(True, 40 + 300), (False, 40)])
def test_a_retained_state_is_as_old_as_it_says(retained: bool, age: int) -> None:
    told = Told()
    told.say(state(at=NOW - 300), retained=retained)
    assert told.view().readers[0].list_age == age


def test_a_new_state_replaces_the_old_one_and_its_lanes() -> None:
    told = talking()
    told.say(WAIT)
    told.say(state(lanes={"lane-10": LaneState.IDLE, "lane-9": LaneState.IDLE}, ages=(3,)))
    (reader, _) = told.view().readers
    assert [lane.name for lane in reader.lanes] == ["lane-9", "lane-10"]
    assert reader.list_age == 3


def test_what_is_not_well_is_told_and_what_is_well_is_not() -> None:
    told = talking()
    told.say(
        state(
            clock_trusted=False,
            health={"disk": "full", "display": "ok", "camera lane-1": "no frame for 5 s", "camera lane-2": "ok"},
            lanes={"lane-1": LaneState.OUT_OF_ORDER, "lane-2": LaneState.IDLE, "lane-3": LaneState.IDLE},
        )
    )
    (reader, _) = told.view().readers
    assert reader.clock_trusted is False
    assert reader.trouble == {"disk": "full"}
    assert [lane.camera for lane in reader.lanes] == ["no frame for 5 s", "ok", ""]


def test_of_a_reader_that_is_not_there_only_the_age_of_its_lists_is_known() -> None:
    told = talking()
    told.later(10).say(OFFLINE)
    (reader, _) = told.view().readers
    assert (reader.contact, reader.clock_trusted, reader.list_age) == (Contact.OFFLINE, None, 50)
    assert told.lane().camera == ""


CONTACTS: list[tuple[str, list[ReaderMessage], float, Contact]] = [
    ("never heard", [], 0, Contact.UNHEARD),
    ("a state alone, left over from yesterday", [state()], 0, Contact.UNHEARD),
    ("online", [ONLINE], 0, Contact.ONLINE),
    ("online, and almost silent", [ONLINE], SILENT_SECONDS - 1, Contact.ONLINE),
    ("silent", [ONLINE], SILENT_SECONDS, Contact.SILENT),
    ("offline", [ONLINE, OFFLINE], 0, Contact.OFFLINE),
    ("offline for long", [OFFLINE], 10 * SILENT_SECONDS, Contact.OFFLINE),
]


@pytest.mark.parametrize(("name", "said", "after", "contact"), CONTACTS, ids=[case[0] for case in CONTACTS])
def test_whether_a_reader_is_there(name: str, said: list[ReaderMessage], after: float, contact: Contact) -> None:
    told = Told()
    for message in said:
        told.say(message)
    assert told.later(after).view().readers[0].contact is contact


def test_a_word_ends_a_silence() -> None:
    told = talking()
    told.later(SILENT_SECONDS).say(WAIT)
    assert told.view().readers[0].contact is Contact.ONLINE
    assert told.lane().state is LaneState.WAIT


def test_without_the_broker_nothing_is_known_until_it_is_said_again() -> None:
    told = talking()
    told.say(WAIT)
    told.later(5).board.broker(False, told.moment())
    told.later(7).board.broker(False, told.moment())
    view = told.later(2).view()
    assert view.broker_lost == 9
    assert view.waiting == []
    assert [reader.contact for reader in view.readers] == [Contact.UNHEARD] * 2
    assert told.lane().state is None
    assert view.readers[0].list_age == 40 + 14

    told.board.broker(True, told.moment())
    assert told.view().broker_lost is None
    assert told.lane().state is None
    told.say(ONLINE, retained=True)
    assert told.lane().state is LaneState.IDLE
    assert told.lane(reader="gate-b").state is None


def test_before_the_first_connection_the_broker_is_out_of_reach() -> None:
    started = Moment(at=NOW, ns=0)
    board = StationBoard(station="north", readers=["gate-a"], started=started)
    assert board.view(Moment(at=NOW + 3, ns=3 * 10**9)).broker_lost == 3


def test_listed_readers_come_first_then_those_of_the_station_and_no_others() -> None:
    told = talking("gate-z", "gate-b")
    for reader, station in (("gate-d", "north"), ("gate-c", "north"), ("gate-a", "south")):
        told.say(ONLINE, reader=reader)
        told.say(state(station=station), reader=reader)
    told.say(ONLINE, reader="gate-e")
    told.say(state(station="south"), reader="gate-b")
    assert [reader.reader for reader in told.view().readers] == ["gate-z", "gate-b", "gate-c", "gate-d"]


def test_a_live_word_of_a_lane_that_the_state_does_not_name_is_not_shown() -> None:
    told = talking()
    told.say(live(LaneState.WAIT, Reason.RED, lane="lane-7"))
    assert told.view().waiting == []


def test_a_lane_is_known_by_its_live_word_until_a_state_comes() -> None:
    told = Told()
    told.say(ONLINE)
    told.say(WAIT)
    assert told.view().waiting == [("gate-a", "lane-1")]


def test_nobody_fills_the_memory() -> None:
    told = Told()
    told.say(ONLINE)
    for number in range(MAX_LANES + 10):
        told.say(live(LaneState.WAIT, Reason.RED, lane=f"lane-{number}"))
    for number in range(MAX_READERS + 10):
        told.say(state(), reader=f"other-{number}")
    view = told.view()
    assert len(view.waiting) == MAX_LANES
    assert len(view.readers) == 2 + MAX_READERS


def test_lanes_with_odd_names_are_sorted_all_the_same() -> None:
    told = talking()
    names = ["9" * 5000, "", "lane-٣", "1", "北"]
    told.say(state(lanes=dict.fromkeys(names, LaneState.IDLE)))
    (reader, _) = told.view().readers
    assert sorted(lane.name for lane in reader.lanes) == sorted(names)


def test_whoever_walked_through_unasked_is_shown_for_a_moment_and_changes_nothing_else() -> None:
    told = talking()
    told.say(WAIT)
    told.later(1).say(replace(WAIT, passage=PassageEnd.UNASKED))
    lane = told.lane()
    assert (lane.state, lane.reason, lane.unasked, lane.seconds) == (LaneState.WAIT, Reason.EXPIRED, True, 1)
    told.later(LAST_SECONDS)
    assert not told.lane().unasked


@pytest.mark.parametrize(
    ("presence", "retained", "doing"),
    [(ONLINE, True, LaneState.WAIT), (ONLINE, False, LaneState.IDLE), (OFFLINE, True, None)],
    ids=["asked for twice", "the reader came anew", "the reader is gone"],
)
def test_a_retained_presence_that_is_known_is_no_news(
    presence: PresenceMessage, retained: bool, doing: LaneState | None
) -> None:
    told = talking()
    told.later(1).say(WAIT)
    told.later(1).say(presence, retained=retained)
    assert told.lane().state == doing


def test_what_was_is_still_said_when_presence_is_asked_for_twice() -> None:
    told = talking()
    told.later(1).say(WAIT)
    told.later(1).say(IDLE)
    told.later(1).say(ONLINE, retained=True)
    assert told.lane().reason is Reason.EXPIRED


def test_a_reader_that_was_gone_and_is_back_has_nothing_left_over_however_that_was_heard() -> None:
    told = talking()
    told.later(1).say(WAIT)
    told.later(1).say(OFFLINE, retained=True)
    told.later(1).say(ONLINE, retained=True)
    assert told.lane().state is LaneState.IDLE
