"""A reader's part in its station's re-entry memory, and the box that gives the keys for it."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPConnection
from itertools import count

import pytest
from tests.support.issuing import NOW, SCOPE, make_issuer
from tests.support.publishing import wait_for

from waypass_protocol.admission import Gate
from waypass_protocol.assembly import Kind, MemoryKeeper, StatusStore
from waypass_protocol.errors import Malformed
from waypass_protocol.keys import base64url
from waypass_protocol.messages import ReentryMessage, encode_message
from waypass_protocol.passes import Place
from waypass_protocol.policy import Policy
from waypass_protocol.reasons import Reason
from waypass_protocol.reentry import KEY_LIFE, Memo, ReentryMemory
from waypass_reader.clock import ManualClock
from waypass_reader.deciding import Desk, Judgement
from waypass_reader.log import RecordingLog
from waypass_reader.sharing import (
    ALONE,
    ASK_SECONDS,
    BACK_SECONDS,
    CUT_OFF,
    NOBODYS,
    UNHEARD,
    WELL,
    GivenKeys,
    HttpKeySource,
    KeysNotGiven,
    Sharing,
)
from waypass_reader.station.keys import KeyPages, KeyRing
from waypass_reader.web import KeyGuard, Routes, WebServer

KEY = "a-key-of-this-station"
A = Place(uri="wp:17", idx=5)


def counting_bytes() -> Callable[[int], bytes]:
    """Bytes that are never the same again."""
    numbers = count(1)
    return lambda size: next(numbers).to_bytes(size, "big")


@dataclass
class Station:
    """A box's keys, and readers that hear each other without a broker."""

    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW))
    log: RecordingLog = field(default_factory=RecordingLog)
    readers: dict[str, Sharing] = field(default_factory=dict)
    sources: dict[str, GivenKeys] = field(default_factory=dict)
    said: list[ReentryMessage] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    """What the readers' health said, each time that it changed."""
    connected: bool = True
    keeps_back: bool = False
    """The broker grants the subscription and sends nothing of it, as the central `acl` has it."""

    def __post_init__(self) -> None:
        self.ring = KeyRing(new_bytes=counting_bytes(), now_ns=self.clock.monotonic_ns())
        guard = KeyGuard(KEY, monotonic_ns=self.clock.monotonic_ns)
        self.pages = KeyPages(self.ring, guard=guard, monotonic_ns=self.clock.monotonic_ns)

    def reader(self, name: str) -> Sharing:
        def publish(message: ReentryMessage) -> None:
            if not self.connected:
                return
            self.said.append(message)
            for each in () if self.keeps_back else self.readers.values():  # a broker sends it to whoever said it too
                each.hear(name, encode_message(message))

        self.sources[name] = GivenKeys()
        self.readers[name] = Sharing(
            reader=name,
            reentry=120,
            source=self.sources[name],
            publish=publish,
            clock=self.clock,
            log=self.log,
            connected=lambda: self.connected,
            changed=lambda: self.changes.append(self.readers[name].health),
        )
        return self.readers[name]

    def give_keys(self, *names: str) -> None:
        keys, next_in = self.ring.keys(self.clock.monotonic_ns())
        rows = [{"epoch": each.epoch, "key": base64url(each.key)} for each in keys]
        for name in names or tuple(self.readers):
            self.sources[name].answer = json.dumps({"keys": rows, "next_in": next_in}).encode()
            self.readers[name].ask()


@pytest.fixture
def station() -> Station:
    return Station()


def opens(reader: Sharing, place: Place) -> Memo:
    memo = Memo(mark=b"own", at=NOW, shared=reader.marks(place))
    reader.tell(memo, opened=True)
    return memo


def test_what_one_reader_opened_the_other_knows_and_its_own_echo_is_dropped(station: Station) -> None:
    north, south = station.reader("north"), station.reader("south")
    station.give_keys()
    memo = opens(north, A)
    assert south.opened_within(A, 120, NOW)
    assert not north.opened_within(A, 120, NOW)
    assert (north.health, south.health, len(south)) == ("ok", "ok", 1)
    north.tell(memo, opened=False)
    assert not south.opened_within(A, 120, NOW)


def test_a_change_of_keys_between_two_readers_is_no_gap(station: Station) -> None:
    north, south = station.reader("north"), station.reader("south")
    station.give_keys()
    station.clock.advance(KEY_LIFE)
    station.give_keys("north")
    opens(north, A)
    assert south.opened_within(A, 120, int(station.clock.now()))


def test_without_a_box_a_reader_remembers_alone_and_says_so_once(station: Station) -> None:
    north = station.reader("north")
    for _ in range(3):
        north.ask()
    assert north.health == ALONE
    assert station.log.lines == [
        (
            "the station box gives no keys; re-entry is remembered alone",
            {"cause": "station box: it can't be reached (it is not there)"},
        )
    ]
    opens(north, A)
    assert station.said == []
    station.give_keys()
    assert (north.health, station.log.events[-1]) == ("ok", "the station box gives keys")


def test_an_answer_that_is_none_changes_nothing_and_is_not_repeated(station: Station) -> None:
    north = station.reader("north")
    station.give_keys()
    station.sources["north"].answer = b'{"keys": "secret"}'
    north.ask()
    assert north.health == "ok"
    assert "secret" not in json.dumps(station.log.lines)
    assert len(north.marks(A)) == 1


def test_keys_that_nobody_confirms_are_not_used_for_ever(station: Station) -> None:
    north = station.reader("north")
    station.give_keys()
    station.clock.advance(KEY_LIFE)
    north.forget()
    assert len(north.marks(A)) == 1
    station.clock.advance(1)
    north.forget()
    assert (north.marks(A), north.health) == ((), ALONE)


def test_a_mark_under_an_unknown_key_makes_it_ask_soon(station: Station) -> None:
    """The box has begun anew: its keys are others."""
    north = station.reader("north")
    source = station.sources["north"]
    north.start()
    try:
        wait_for(lambda: source.asked == 1, "it asks at the start")
        message = ReentryMessage(epoch="0f" * 8, mark="1e" * 32, opened=True)
        north.hear("south", encode_message(message))
        wait_for(lambda: source.asked == 2, "it asks again")
        assert len(north) == 0
    finally:
        north.close()


def passes_seconds(station: Station, reader: Sharing, seconds: int) -> None:
    """As the reader's main thread lets them pass."""
    for _ in range(seconds):
        station.clock.advance(1)
        reader.forget()


def test_without_a_connection_a_reader_remembers_alone_and_says_so(station: Station) -> None:
    north = station.reader("north")
    station.give_keys()
    north.forget()
    assert north.health == WELL
    station.connected = False
    north.forget()
    opens(north, A)
    assert north.health == CUT_OFF
    passes_seconds(station, north, 60)
    station.connected = True
    # What was said meanwhile is lost, and waited for by nobody.
    passes_seconds(station, north, 60)
    assert station.changes == [WELL, CUT_OFF, WELL]


def test_a_broker_that_keeps_marks_back_is_said_without_anybody_passing(station: Station) -> None:
    north, south = station.reader("north"), station.reader("south")
    station.keeps_back = True
    station.give_keys()
    north.forget()
    assert (north.health, [(each.mark, each.opened) for each in station.said]) == (WELL, [(NOBODYS, False)])
    passes_seconds(station, north, int(BACK_SECONDS))
    assert north.health == UNHEARD
    assert station.log.events[-1].startswith("what this reader says of re-entry does not come back")
    asked = len(station.said)
    passes_seconds(station, north, int(ASK_SECONDS))
    assert len(station.said) == asked + 1
    station.keeps_back = False
    passes_seconds(station, north, int(ASK_SECONDS))
    assert (north.health, len(south)) == (WELL, 0)
    assert station.log.events[-1] == "what this reader says of re-entry comes back"
    assert station.changes.count(UNHEARD) == 1


def test_a_mark_that_does_not_come_back_is_missed(station: Station) -> None:
    """The access list was changed while everybody stayed connected."""
    north = station.reader("north")
    station.give_keys()
    north.forget()
    passes_seconds(station, north, 300)
    assert (north.health, len(station.said)) == (WELL, 1)
    station.keeps_back = True
    opens(north, A)
    passes_seconds(station, north, int(BACK_SECONDS))
    assert north.health == UNHEARD
    station.keeps_back = False
    opens(north, A)
    assert north.health == WELL


def test_what_is_no_mark_is_refused(station: Station) -> None:
    with pytest.raises(Malformed, match="reentry: expected the members of a reentry message"):
        station.reader("north").hear("south", b'{"epoch": 5}')


def desk(others: Sharing | None, clock: ManualClock, log: RecordingLog) -> Desk:
    issuer = make_issuer()
    store = StatusStore(trust=issuer.trust, keeper=MemoryKeeper())
    issued = issuer.status_list()
    store.receive(Kind.SNAPSHOT, issued.snapshot(), now=NOW)
    store.receive(Kind.HEAD, issuer.head(issued, sequence=1, iat=NOW), now=NOW)
    return Desk(
        gate=Gate(trust=issuer.trust, scope=SCOPE, policy=Policy(identity_check_paper=False)),
        store=store,
        memory=ReentryMemory(reentry=120, new_key=lambda: bytes(32), now=NOW),
        clock=clock,
        log=log,
        others=others,
    )


def test_desks_of_one_station_open_one_lane_and_another_when_nobody_walked_through(station: Station) -> None:
    text = make_issuer().paper(idx=1)
    desks = [desk(station.reader(name), station.clock, station.log) for name in ("north", "south")]
    station.give_keys()

    def show(at: Desk) -> Judgement:
        judged = at.judge([text])
        if judged.memo is not None:
            at.opened(judged.memo)
        return judged

    first = show(desks[0])
    assert (first.decision.reason, first.decision.place) == (Reason.GREEN, None)
    assert [show(each).decision.reason for each in desks] == [Reason.SEEN_ALREADY] * 2
    assert first.memo is not None
    desks[0].take_back(first.memo)
    assert [show(desks[1]).decision.reason, show(desks[0]).decision.reason] == [Reason.GREEN, Reason.SEEN_ALREADY]
    station.clock.advance(120)
    for each in desks:
        each.forget()
    assert [len(each) for each in station.readers.values()] == [0, 0]


def test_a_forged_mark_asks_staff_and_opens_nothing(station: Station) -> None:
    """Somebody who has the keys and a reader's login at the broker."""
    text = make_issuer().paper(idx=1)
    north = station.reader("north")
    at = desk(north, station.clock, station.log)
    station.give_keys()
    for epoch, mark in north.marks(Place(uri="wp:17", idx=1)):
        north.hear("stolen", encode_message(ReentryMessage(epoch=epoch, mark=mark.hex(), opened=True)))
    assert at.judge([text]).decision.reason is Reason.SEEN_ALREADY
    assert at.judge([make_issuer().paper(idx=2)]).decision.reason is Reason.GREEN


def test_the_ring_has_two_keys_at_most_and_a_new_one_every_ten_minutes() -> None:
    ring = KeyRing(new_bytes=counting_bytes(), now_ns=0)
    second = 10**9
    (first,), left = ring.keys(0)
    assert left == KEY_LIFE
    assert ring.keys((KEY_LIFE - 1) * second) == ((first,), 1)
    (second_key, before), left = ring.keys(KEY_LIFE * second)
    assert (before, left) == (first, KEY_LIFE)
    assert second_key.key != first.key
    keys, _ = ring.keys(2 * KEY_LIFE * second)
    assert keys[1] == second_key
    later, left = ring.keys((20 * KEY_LIFE + 30) * second)
    assert (len(later), left) == (2, KEY_LIFE - 30)
    assert not {each.epoch for each in later} & {each.epoch for each in keys}


@pytest.fixture
def web(station: Station) -> WebServer:
    server = WebServer(host="127.0.0.1", port=0, routes=Routes(station.pages.routes()), log=RecordingLog())
    server.start()
    return server


def test_the_box_gives_keys_for_the_stations_key_and_for_no_other(station: Station, web: WebServer) -> None:
    try:
        north = Sharing(
            reader="north",
            reentry=120,
            source=HttpKeySource(address=f"{web.address}/", key=KEY),
            publish=station.said.append,
            clock=station.clock,
            log=station.log,
        )
        north.ask()
        ((epoch, _),) = north.marks(A)
        assert epoch == station.ring.keys(station.clock.monotonic_ns())[0][0].epoch
        with pytest.raises(KeysNotGiven, match="expected 200 for its keys, got 401"):
            HttpKeySource(address=web.address, key="another-key-altogether").ask()
        connection = HTTPConnection("127.0.0.1", web.port, timeout=20)
        connection.request("GET", "/reentry-keys")
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("Cache-Control")) == (401, "no-store")
        connection.close()
    finally:
        web.close()
    with pytest.raises(KeysNotGiven, match="station box: it can't be reached"):
        HttpKeySource(address=web.address, key=KEY).ask()
