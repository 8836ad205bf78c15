"""How readers stand to what was published, as a table; and the watch that feeds it from a bus and a publisher."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.server.publishing import add_network, issue, make_services, memory_bus, take_away_some
from tests.support.issuing import NETWORK, NOW
from tests.support.publishing import wait_for

from waypass_protocol.messages import HeldRow, Presence, PresenceMessage, StateMessage, encode_message
from waypass_protocol.status import HeadRow
from waypass_protocol.topics import Topics
from waypass_server.bus import MemoryBroker, Message
from waypass_server.fleet import KEPT_DIGESTS, MOST, NO_STATION, QUIET, Fleet, ReaderView, Stand
from waypass_server.fleet_watch import FleetWatch
from waypass_server.publisher import Pace, Publication, Publisher
from waypass_server.services import SetClock

ONE, TWO = "wp:1", "wp:2"
ONLINE = PresenceMessage(presence=Presence.ONLINE)
OFFLINE = PresenceMessage(presence=Presence.OFFLINE)
TOPICS = Topics(NETWORK)


def digest(uri: str, version: int) -> bytes:
    return f"{uri} {version}".encode().ljust(32, b".")


def row(uri: str = ONE, version: int = 5) -> HeadRow:
    return HeadRow(uri=uri, version=version, digest=digest(uri, version))


def held(uri: str = ONE, version: int = 5, *, other: bool = False, age: int | None = 3) -> HeldRow:
    bits = digest("other", version) if other else digest(uri, version)
    return HeldRow(uri=uri, version=version, digest=bits.hex(), age=age, since=NOW)


def state(*rows: HeldRow, **members: Any) -> StateMessage:
    values: dict[str, Any] = {"at": NOW, "software": "reader", "clock_trusted": True, "station": "north", **members}
    return StateMessage(lists=rows, **values)


def fleet(*versions: int, uri: str = ONE) -> Fleet:
    """Where these versions were published one after the other."""
    model = Fleet()
    for version in versions:
        model.published([row(uri, version)], committed_at=None)
    return model


def only(model: Fleet, now: float = NOW) -> ReaderView:
    (reader,) = model.view(now).readers
    return reader


def test_a_list_that_has_ended_is_no_alarm_while_a_reader_still_holds_it() -> None:
    """Neither one that this server published, nor one that ended before it started; other bits are one all the same."""
    model = Fleet()
    model.published([row(ONE, 5), row(TWO, 5)], committed_at=None)
    model.published([row(ONE, 6)], committed_at=None, ended=frozenset({TWO, "wp:9"}))
    model.presence("gate-a", ONLINE)
    for rows, stand in (
        ([held(version=6), held(TWO)], Stand.CURRENT),
        ([held(version=6), held("wp:9")], Stand.CURRENT),
        ([held(version=6), held(TWO, other=True)], Stand.DIFFERS),
        ([held(version=6), held(TWO, version=6)], Stand.DIFFERS),
        ([held(version=6), held("wp:8")], Stand.DIFFERS),
    ):
        model.state("gate-a", state(*rows), now=NOW, retained=False)
        assert only(model).stand is stand, rows


@pytest.mark.parametrize(
    ("name", "rows", "presence", "later", "stand"),
    [
        ("what is published", [held()], ONLINE, 0, Stand.CURRENT),
        ("one version less", [held(version=4)], ONLINE, 0, Stand.BEHIND),
        ("a version before the server started", [held(version=1)], ONLINE, 0, Stand.BEHIND),
        ("nothing", [], ONLINE, 0, Stand.BEHIND),
        ("the version with other bits", [held(other=True)], ONLINE, 0, Stand.DIFFERS),
        ("an older version with other bits", [held(version=4, other=True)], ONLINE, 0, Stand.DIFFERS),
        ("a version that was never published", [held(version=6)], ONLINE, 0, Stand.DIFFERS),
        ("a list that was never published", [held(), held(TWO)], ONLINE, 0, Stand.DIFFERS),
        ("current when it left", [held()], OFFLINE, 0, Stand.OFFLINE),
        ("other bits when it left", [held(other=True)], OFFLINE, 0, Stand.DIFFERS),
        ("heard just in time", [held()], ONLINE, QUIET, Stand.CURRENT),
        ("not heard for too long", [held()], ONLINE, QUIET + 1, Stand.QUIET),
        ("offline and not heard", [held()], OFFLINE, QUIET + 1, Stand.OFFLINE),
    ],
)
def test_how_a_reader_stands(
    name: str, rows: list[HeldRow], presence: PresenceMessage, later: int, stand: Stand
) -> None:
    model = fleet(4, 5)
    model.presence("gate-a", presence)
    model.state("gate-a", state(*rows), now=NOW, retained=False)
    assert only(model, NOW + later).stand is stand


def test_two_lists_must_both_be_current() -> None:
    model = Fleet()
    model.published([row(ONE), row(TWO)], committed_at=None)
    model.presence("gate-a", ONLINE)
    model.state("gate-a", state(held(ONE)), now=NOW, retained=False)
    assert only(model).stand is Stand.BEHIND
    model.state("gate-a", state(held(ONE), held(TWO)), now=NOW, retained=False)
    assert only(model).stand is Stand.CURRENT


def test_before_anything_was_published_nobody_is_current_and_nobody_is_an_alarm() -> None:
    model = Fleet()
    model.presence("gate-a", ONLINE)
    model.state("gate-a", state(held()), now=NOW, retained=False)
    assert model.view(NOW).push is None
    assert only(model).stand is Stand.BEHIND


def test_a_reader_that_said_nothing_yet() -> None:
    model = fleet(5)
    model.presence("gate-a", ONLINE)
    reader = only(model)
    assert (reader.stand, reader.station, reader.heard_at) == (Stand.UNKNOWN, NO_STATION, None)


def test_what_cannot_be_read_is_an_alarm_until_something_can() -> None:
    model = fleet(5)
    model.presence("gate-a", ONLINE)
    model.unreadable("gate-a")
    assert only(model).stand is Stand.UNREADABLE
    model.state("gate-a", state(held()), now=NOW, retained=False)
    assert only(model).stand is Stand.CURRENT


def acknowledged(*, known: bool = True, committed_at: float | None = NOW + 10, retained: bool = False) -> float | None:
    """How long a reader took that says 2.5 s after the commit that it holds the next version."""
    model = fleet(4)
    model.presence("gate-a", ONLINE)
    if known:
        model.state("gate-a", state(held(version=4)), now=NOW, retained=True)
    model.published([row()], committed_at=committed_at)
    model.state("gate-a", state(held()), now=NOW + 12.5, retained=retained)
    assert only(model, NOW + 13).stand is Stand.CURRENT
    return only(model, NOW + 13).took


@pytest.mark.parametrize(
    ("name", "given", "took"),
    [
        ("from the commit to the message", {}, 2.5),
        ("nobody said when it was committed", {"committed_at": None}, None),
        ("kept by the broker: it may be old", {"retained": True}, None),
        ("a clock that is behind makes nothing of it", {"committed_at": NOW + 100}, 0.0),
        ("a reader that was heard first after the change", {"known": False}, None),
    ],
)
def test_how_long_a_reader_took(name: str, given: dict[str, Any], took: float | None) -> None:
    assert acknowledged(**given) == took


def test_the_time_stays_and_is_forgotten_with_the_next_change() -> None:
    model = fleet(4)
    model.presence("gate-a", ONLINE)
    model.state("gate-a", state(held(version=4)), now=NOW, retained=False)
    model.published([row()], committed_at=NOW)
    model.state("gate-a", state(held()), now=NOW + 1, retained=False)
    model.state("gate-a", state(held()), now=NOW + 31, retained=False)
    assert only(model, NOW + 31).took == 1
    model.published([row(version=6)], committed_at=NOW + 40)
    assert (only(model, NOW + 40).stand, only(model, NOW + 40).took) == (Stand.BEHIND, None)


def test_the_same_again_is_no_new_push() -> None:
    model = fleet(5)
    push = model.view(NOW).push
    assert not model.published([row()], committed_at=NOW)
    assert model.view(NOW).push == push


def test_readers_by_station_and_what_is_wrong_first() -> None:
    model = fleet(5)
    for name, station in (("b", "south"), ("a", "south"), ("c", "north"), ("d", "")):
        model.presence(name, ONLINE)
        health = {"disk": "ok", "camera lane-1": "no frames"}
        model.state(name, state(held(), station=station, health=health), now=NOW, retained=False)
    model.presence("b", OFFLINE)
    view = model.view(NOW)
    assert [(one.name, [each.reader for each in one.readers]) for one in view.stations] == [
        ("north", ["c"]),
        ("south", ["a", "b"]),
        (NO_STATION, ["d"]),
    ]
    assert [one.worst for one in view.stations] == [Stand.CURRENT, Stand.OFFLINE, Stand.CURRENT]
    assert view.readers[0].health == (("camera lane-1", "no frames"), ("disk", "ok"))
    assert (view.count(Stand.CURRENT), view.count(Stand.OFFLINE, Stand.CURRENT)) == (3, 4)


def test_the_age_of_a_list_is_counted_from_when_it_was_said() -> None:
    model = fleet(5)
    model.state("gate-a", state(held(age=7)), now=NOW + 100, retained=False)
    model.state("gate-b", state(held(age=None)), now=NOW + 100, retained=False)
    model.state("gate-c", state(held(age=7), at=NOW - 50), now=NOW + 100, retained=True)
    ages = [reader.lists[0].renewed_at for reader in model.view(NOW + 100).readers]
    assert ages == [NOW + 93, None, NOW - 57]


def test_a_reader_that_the_broker_forgets_is_forgotten() -> None:
    model = fleet(5)
    model.presence("gate-a", ONLINE)
    model.forget("gate-a")
    model.forget("gate-b")
    assert model.view(NOW).readers == []


def test_neither_readers_nor_digests_grow_for_ever() -> None:
    model = fleet(*range(1, KEPT_DIGESTS + 10))
    for number in range(MOST + 5):
        model.presence(f"r-{number}", ONLINE)
        model.state(f"r-{number}", state(held(version=1, other=True)), now=NOW, retained=False)
    readers = model.view(NOW).readers
    assert len(readers) == MOST
    assert {reader.stand for reader in readers} == {Stand.BEHIND}, "what is no longer known is not compared"


# The watch


def message(leaf: str, payload: bytes, reader: str = "gate-a") -> Message:
    return Message(topic=TOPICS.reader(reader, leaf), payload=payload, retained=False)


def test_from_a_commit_to_a_reader_that_turns_current(tmp_path: Path) -> None:
    """The publisher's own account of what it made, and a reader's message over a bus."""
    clock = SetClock(NOW)
    services = make_services(tmp_path, clock=clock)
    add_network(services)
    issue(services, 20)
    watch = FleetWatch(NETWORK, clock)
    with memory_bus(MemoryBroker()) as bus:
        watch.attach(bus)
        publisher = Publisher(services, bus)
        publisher.listen(watch.published)
        services.nudge.listen(publisher.nudge)
        publisher.turn()
        first = watch.view().push
        assert first is not None
        assert (first.number, first.committed_at) == (0, None)
        bus.publish(TOPICS.reader("gate-a", "presence"), encode_message(ONLINE), qos=1, retain=True)
        bus.publish(TOPICS.reader("gate-a", "state"), encode_message(state()), qos=1, retain=True)
        wait_for(lambda: watch.view().count(Stand.BEHIND) == 1, "a reader that is behind")
        take_away_some(services, 3, draw=services.indexes)
        clock.advance(0.25)
        publisher.turn()
        push = watch.view().push
        assert push is not None
        assert (push.number, push.committed_at) == (1, NOW)
        rows = [_as_held(services_row) for services_row in _published(publisher)]
        clock.advance(0.5)
        bus.publish(TOPICS.reader("gate-a", "state"), encode_message(state(*rows)), qos=1, retain=True)
        wait_for(lambda: watch.view().count(Stand.CURRENT) == 1, "a reader that is current")
    assert watch.view().readers[0].took == 0.75


def _published(publisher: Publisher) -> tuple[HeadRow, ...]:
    """What the publisher says is current."""
    said: list[Publication] = []
    publisher.listen(said.append)
    publisher.connected()
    publisher.turn()
    return said[-1].rows


def _as_held(published: HeadRow) -> HeldRow:
    return HeldRow(uri=published.uri, version=published.version, digest=published.digest.hex(), age=0, since=NOW)


def test_a_change_without_passes_says_nothing(tmp_path: Path) -> None:
    """Somebody rang the bell for something else; the next change has its own time."""
    clock = SetClock(NOW)
    services = make_services(tmp_path, clock=clock)
    add_network(services)
    issue(services, 20)
    said: list[Publication] = []
    with memory_bus(MemoryBroker()) as bus:
        publisher = Publisher(services, bus)
        publisher.listen(said.append)
        services.nudge.listen(publisher.nudge)
        publisher.turn()
        with services.change():
            pass
        publisher.turn()
        clock.advance(60)
        take_away_some(services, 3, draw=services.indexes)
        publisher.turn()
    assert [one.committed_at for one in said] == [None, NOW + 60]


def test_a_change_that_is_found_before_anybody_says_so_has_the_second_of_its_own(tmp_path: Path) -> None:
    """The publisher looks by itself too: whoever commits just then rings a bell that has been answered."""
    clock = SetClock(NOW + 0.25)
    services = make_services(tmp_path, clock=clock)
    add_network(services)
    issue(services, 20)
    said: list[Publication] = []
    with memory_bus(MemoryBroker()) as bus:
        publisher = Publisher(services, bus, pace=Pace(gather=0.0, poll=0.0, head_every=60.0), monotonic=clock.now)
        publisher.listen(said.append)
        publisher.turn()
        clock.advance(2)
        take_away_some(services, 3, draw=services.indexes)
        clock.advance(1)
        publisher.turn()  # a look
        publisher.nudge()
        publisher.turn()
        take_away_some(services, 3, draw=services.indexes)
        clock.advance(60)
        publisher.turn()  # with a head
        clock.advance(60)
        publisher.turn()
    assert [one.committed_at for one in said] == [None, NOW + 2, NOW + 3, None]


@pytest.mark.parametrize(
    ("name", "leaf", "payload", "stand"),
    [
        ("not JSON", "state", b"{", Stand.UNREADABLE),
        ("another member", "state", b'{"at": 1}', Stand.UNREADABLE),
        ("neither here nor gone", "presence", b'{"presence": "away"}', Stand.UNREADABLE),
        ("a good one", "presence", encode_message(ONLINE), Stand.UNKNOWN),
    ],
)
def test_what_comes_over_the_bus(name: str, leaf: str, payload: bytes, stand: Stand) -> None:
    watch = FleetWatch(NETWORK, SetClock(NOW))
    watch.take(message(leaf, payload))
    assert [reader.stand for reader in watch.view().readers] == [stand]
    watch.take(message(leaf, b""))
    assert watch.view().readers == []


@pytest.mark.parametrize(
    "topic", [TOPICS.head, "waypass/1/tram/reader/gate-a/state", f"{TOPICS.root}/reader/a b/state"]
)
def test_topics_of_others_are_passed_over(topic: str) -> None:
    watch = FleetWatch(NETWORK, SetClock(NOW))
    watch.take(Message(topic=topic, payload=encode_message(ONLINE), retained=False))
    assert watch.view().readers == []


def test_an_unreadable_reader_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    watch = FleetWatch(NETWORK, SetClock(NOW))
    for _ in range(3):
        watch.take(message("state", b"{"))
    watch.take(message("state", encode_message(state(held()))))
    watch.take(message("state", b"{"))
    assert len(caplog.messages) == 2
    assert caplog.messages[0].startswith("reader gate-a: state: expected")


def test_whoever_watches_is_woken_by_each_change_and_by_the_end() -> None:
    async def go() -> list[bool]:
        watch = FleetWatch(NETWORK, SetClock(NOW))
        woken = []
        with watch.watching() as changed:
            for step in (
                lambda: watch.take(message("presence", encode_message(ONLINE))),
                lambda: watch.published(Publication(rows=(row(),), committed_at=None)),
                watch.close,
            ):
                await asyncio.to_thread(step)
                await asyncio.wait_for(changed.wait(), 15)
                changed.clear()
                woken.append(watch.closed)
            assert watch.watchers == 1
        assert watch.watchers == 0
        return woken

    assert asyncio.run(go()) == [False, False, True]
