"""The reader's link over real brokers: what it asks for, what it says, and what it does when the broker goes."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.brokers import BROKERS, BrokerKind, LocalBroker, mosquitto_program
from tests.support.certificates import Authority, make_authority
from tests.support.issuing import HOUR, NOW, URI, IssuedList, Issuer, make_issuer
from tests.support.publishing import WAIT_SECONDS, Publisher, wait_for
from tests.support.refusing_broker import RefusingBroker

from waypass_protocol import bits
from waypass_protocol.assembly import StatusStore
from waypass_protocol.messages import LaneState, LiveMessage, MinuteCounts, StateMessage
from waypass_protocol.topics import Topics
from waypass_reader.broker_address import BrokerAddress
from waypass_reader.clock import ManualClock
from waypass_reader.disk import Disk, RecordingDisk, SystemDisk
from waypass_reader.errors import ConfigurationError
from waypass_reader.inbox import StatusInbox
from waypass_reader.link import MAX_PAYLOAD, STATE_EVERY_NS, StatusLink
from waypass_reader.log import RecordingLog
from waypass_reader.store_files import DiskKeeper
from waypass_server.broker.access import password_line
from waypass_simulator.processes import Program, free_port, wait_for_port

READER = "gate-1"


@dataclass(frozen=True, kw_only=True, slots=True)
class Linked:
    """A reader's inbox and link, with a clock that the test moves."""

    store: StatusStore
    link: StatusLink
    inbox: StatusInbox
    clock: ManualClock
    log: RecordingLog

    def version(self, uri: str = URI) -> int | None:
        held = self.store.view.get(uri)
        return held.version if held else None

    def passing(self) -> bool:
        """Time passes while something is waited for: the reader's own pauses are measured with this clock."""
        self.clock.advance(0.02)
        return True

    def withdrawn(self, idx: int) -> bool:
        return bits.status_at(self.store.view[URI].packed, idx) == bits.INVALID


def make_linked(
    issuer: Issuer,
    folder: Path,
    port: int,
    *,
    now: int = NOW,
    synchronised: bool = True,
    before_state: Callable[[], None] = lambda: None,
    compact: bool = False,
    disk: Disk | None = None,
) -> Linked:
    log, clock = RecordingLog(), ManualClock(now, synchronised=synchronised)
    keeper = DiskKeeper(folder, log=log, disk=disk)
    store = StatusStore(trust=issuer.trust, keeper=keeper, floors=keeper.floors)
    inbox = StatusInbox(store=store, keeper=keeper, clock=clock, log=log)
    inbox.restore()

    def state() -> StateMessage:
        before_state()
        return StateMessage(at=clock.now(), software="test", clock_trusted=True, lists=inbox.said())

    link = StatusLink(
        address=BrokerAddress(host="127.0.0.1", port=port),
        topics=Topics(issuer.network),
        reader=READER,
        inbox=inbox,
        clock=clock,
        log=log,
        state=state,
        compact=compact,
    )
    return Linked(store=store, link=link, inbox=inbox, clock=clock, log=log)


@pytest.fixture
def issuer() -> Issuer:
    return make_issuer()


@pytest.fixture
def issued(issuer: Issuer) -> IssuedList:
    return issuer.status_list()


@pytest.fixture(params=BROKERS)
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LocalBroker]:
    kind: BrokerKind = request.param
    with LocalBroker(kind, tmp_path) as running:
        yield running


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as open_things:
        yield open_things


def connect(stack: ExitStack, issuer: Issuer, folder: Path, broker: LocalBroker, **how: int) -> Linked:
    linked = make_linked(issuer, folder, broker.port, **how)  # type: ignore[arg-type]  # a bool is an int
    linked.link.start()
    stack.callback(linked.link.close)
    return linked


def publisher(stack: ExitStack, issuer: Issuer, broker: LocalBroker) -> Publisher:
    return stack.enter_context(Publisher(issuer, broker.host, broker.port))


def test_a_new_reader_rebuilds_the_present_from_what_is_retained(
    stack: ExitStack, broker: LocalBroker, issuer: Issuer, issued: IssuedList, tmp_path: Path
) -> None:
    server = publisher(stack, issuer, broker)
    server.snapshot(issued)
    for idx in (7, 8):
        server.change(issued, idx, iat=NOW)
    server.head(issued, sequence=1, iat=NOW)
    reader = connect(stack, issuer, tmp_path / "state", broker)
    wait_for(lambda: reader.version() == 3, "version 3 in the reader's memory")
    wait_for(lambda: reader.passing() and server.version(READER, URI) == 3, "a state that says so")
    wait_for(lambda: reader.store.view[URI].renewed == NOW, "the list is renewed by the head")
    assert reader.withdrawn(7)
    assert reader.inbox.reports() == {}


def test_a_change_reaches_the_reader_and_its_state_says_so(
    stack: ExitStack, broker: LocalBroker, issuer: Issuer, issued: IssuedList, tmp_path: Path
) -> None:
    server = publisher(stack, issuer, broker)
    server.snapshot(issued)
    server.head(issued, sequence=1, iat=NOW)
    reader = connect(stack, issuer, tmp_path / "state", broker)
    wait_for(lambda: reader.version() == 1, "version 1")
    for sequence, idx in enumerate(range(20, 25), start=2):
        server.change(issued, idx, iat=NOW)
        server.head(issued, sequence=sequence, iat=NOW)
        wait_for(lambda: reader.version() == issued.version, "the change in memory")
    wait_for(lambda: reader.passing() and server.version(READER, URI) == issued.version, "the newest state")
    assert all(reader.withdrawn(idx) for idx in range(20, 25))


def test_a_reader_says_what_is_on_its_disk_and_the_rest_as_soon_as_it_is(
    stack: ExitStack, broker: LocalBroker, issuer: Issuer, issued: IssuedList, tmp_path: Path
) -> None:
    server, disk = publisher(stack, issuer, broker), RecordingDisk()
    server.snapshot(issued)
    server.head(issued, sequence=1, iat=NOW)
    reader = make_linked(issuer, tmp_path / "state", broker.port, disk=disk)
    reader.link.start()
    stack.callback(reader.link.close)
    wait_for(lambda: reader.passing() and server.version(READER, URI) == 1, "a state that says version 1")
    disk.full = True
    server.change(issued, 42, iat=NOW)
    server.head(issued, sequence=2, iat=NOW + 1)
    wait_for(lambda: reader.version() == 2 and reader.store.view[URI].renewed == NOW + 1, "the change, in memory alone")
    said = len(server.heard(READER, "state"))
    wait_for(lambda: reader.passing() and len(server.heard(READER, "state")) > said, "a state after it")
    assert server.version(READER, URI) == 1
    disk.full, since = False, reader.clock.now()
    wait_for(lambda: reader.passing() and server.version(READER, URI) == 2, "a state that says version 2")
    assert reader.clock.now() - since < STATE_EVERY_NS / 10**9 / 2, "which did not wait until one was due"


class StuckDisk(SystemDisk):
    """Its writing comes back only when it is told to."""

    def __init__(self) -> None:
        self.sticks = False
        self.stuck = threading.Event()
        self.let_go = threading.Event()

    def write(self, path: Path, data: bytes) -> None:
        if self.sticks:
            self.stuck.set()
            self.let_go.wait()
        super().write(path, data)


def test_a_lane_does_not_wait_for_the_disk(
    stack: ExitStack, broker: LocalBroker, issuer: Issuer, issued: IssuedList, tmp_path: Path
) -> None:
    server, disk = publisher(stack, issuer, broker), StuckDisk()
    server.snapshot(issued)
    server.head(issued, sequence=1, iat=NOW)
    reader = make_linked(issuer, tmp_path / "state", broker.port, disk=disk)
    reader.link.start()
    stack.callback(reader.link.close)
    stack.callback(disk.let_go.set)
    wait_for(lambda: reader.passing() and server.version(READER, URI) == 1, "a state that says version 1")
    disk.sticks = True
    server.change(issued, 42, iat=NOW)
    assert disk.stuck.wait(WAIT_SECONDS)
    # A state is due meanwhile, and whoever says it waits for the disk.
    saying = [threading.Thread(target=reader.link._say_state_if_due, daemon=True)]
    reader.clock.advance(STATE_EVERY_NS / 10**9)
    broken = LiveMessage(lane="north", state=LaneState.OUT_OF_ORDER, outcome=None, reason=None, aspect=None)
    saying.append(threading.Thread(target=reader.link.say_live, args=(broken,), daemon=True))
    saying.append(threading.Thread(target=reader.link.say_state_soon, daemon=True))
    for thread in saying:
        thread.start()
    for thread in saying[1:]:
        thread.join(WAIT_SECONDS)
        assert not thread.is_alive(), "it waits for the disk"
    disk.let_go.set()
    wait_for(lambda: server.heard(READER, "live") == [broken], "the lane's word at the broker")


def test_on_a_thin_link_snapshots_come_in_the_smaller_form(
    stack: ExitStack, broker: LocalBroker, issuer: Issuer, issued: IssuedList, tmp_path: Path
) -> None:
    """Whichever that is; and the other topic is left alone."""
    server = publisher(stack, issuer, broker)
    other = issuer.status_list("wp:18")
    issued.change(7)
    server.publish(server.topics.compact("17"), issued.compact())
    server.publish(server.topics.compact("18"), other.snapshot())
    for name in ("17", "18"):
        server.publish(server.topics.snapshot(name), b"not for a thin link")
    server.head(issued, other, sequence=1, iat=NOW)
    reader = connect(stack, issuer, tmp_path / "state", broker, compact=True)
    wait_for(lambda: reader.version() == 2 and reader.version("wp:18") == 1, "both lists")
    said = {URI: 2, "wp:18": 1}
    wait_for(lambda: reader.passing() and all(server.version(READER, each) == said[each] for each in said), "a state")
    assert reader.withdrawn(7)
    assert reader.inbox.reports() == {}
    again = make_linked(issuer, tmp_path / "state", broker.port)
    assert (again.version(), again.withdrawn(7)) == (2, True), "from disk, without network"


def test_a_snapshot_is_subscribed_only_while_it_is_needed(
    stack: ExitStack, broker: LocalBroker, issuer: Issuer, issued: IssuedList, tmp_path: Path
) -> None:
    server = publisher(stack, issuer, broker)
    server.snapshot(issued)
    server.head(issued, sequence=1, iat=NOW)
    reader = connect(stack, issuer, tmp_path / "state", broker)
    wait_for(lambda: reader.version() == 1, "version 1")
    server.change(issued, 7, iat=NOW)
    wait_for(lambda: reader.version() == 2, "version 2")
    messages = tmp_path / "state" / "messages"
    server.snapshot(issued)  # republished: nobody needs it
    server.change(issued, 8, iat=NOW)
    wait_for(lambda: reader.version() == 3, "version 3")
    assert [path.name.partition("-")[2] for path in messages.glob("*.snapshot")] == ["1.snapshot"]


def test_a_gap_is_closed_by_the_snapshot_after_a_moment(
    stack: ExitStack, broker: LocalBroker, issuer: Issuer, issued: IssuedList, tmp_path: Path
) -> None:
    server = publisher(stack, issuer, broker)
    server.snapshot(issued)
    server.head(issued, sequence=1, iat=NOW)
    reader = connect(stack, issuer, tmp_path / "state", broker)
    wait_for(lambda: reader.version() == 1, "version 1")
    issued.change(7)  # its delta is never published
    server.snapshot(issued)
    server.change(issued, 8, iat=NOW)
    server.head(issued, sequence=2, iat=NOW)
    wait_for(lambda: reader.store.head is not None and reader.store.head.sequence == 2, "the head")
    assert reader.version() == 1
    wait_for(lambda: reader.passing() and reader.version() == 3, "snapshot 2 and delta 3")
    assert reader.withdrawn(7)


def test_the_broker_is_killed_and_the_reader_catches_up(
    stack: ExitStack, broker: LocalBroker, issuer: Issuer, issued: IssuedList, tmp_path: Path
) -> None:
    with Publisher(issuer, broker.host, broker.port) as server:
        server.snapshot(issued)
        server.head(issued, sequence=1, iat=NOW)
        reader = connect(stack, issuer, tmp_path / "state", broker)
        wait_for(lambda: reader.version() == 1, "version 1")
    broker.kill()
    wait_for(lambda: not reader.link.connected, "the loss is noticed")
    assert reader.version() == 1
    broker.start()
    server = publisher(stack, issuer, broker)  # the broker came back empty
    server.snapshot(issued)
    server.change(issued, 7, iat=NOW)
    server.head(issued, sequence=2, iat=NOW)
    wait_for(lambda: reader.version() == 2, "the change, after the reconnection")
    wait_for(lambda: server.presence(READER) == "online", "presence is retained again")
    lost = [event for event in reader.log.events if "lost" in event]
    assert lost == ["the connection to the broker is lost; the gate decides by its policy"]


def test_an_error_that_nobody_foresaw_leaves_no_reader_deaf(
    stack: ExitStack, broker: LocalBroker, issuer: Issuer, issued: IssuedList, tmp_path: Path
) -> None:
    broken = True

    def fail() -> None:
        if broken:
            raise RuntimeError(f"at index {issued.version}")

    server = publisher(stack, issuer, broker)
    server.snapshot(issued)
    server.head(issued, sequence=1, iat=NOW)
    reader = make_linked(issuer, tmp_path / "state", broker.port, before_state=fail)
    reader.link.start()
    stack.callback(reader.link.close)
    wait_for(lambda: reader.version() == 1, "version 1 in spite of a state that can't be told")
    server.change(issued, 7, iat=NOW)
    wait_for(lambda: reader.version() == 2, "the next change")
    assert ("an unforeseen error in the link to the broker", {"kind": "RuntimeError"}) in reader.log.lines
    broken = False
    wait_for(lambda: reader.passing() and server.version(READER, URI) == 2, "the state, once it can be told")


def test_no_broker_at_start_is_said_once_and_tried_again(
    stack: ExitStack, issuer: Issuer, issued: IssuedList, tmp_path: Path
) -> None:
    reader = make_linked(issuer, tmp_path / "state", free_port())
    reader.link.start()
    stack.callback(reader.link.close)
    event = "the broker can't be reached; the gate decides by its policy"
    wait_for(lambda: reader.log.events == [event], "one line about it")
    assert not reader.link.connected


def test_presence_is_online_then_offline_when_it_leaves(
    stack: ExitStack, broker: LocalBroker, issuer: Issuer, tmp_path: Path
) -> None:
    server = publisher(stack, issuer, broker)
    reader = make_linked(issuer, tmp_path / "state", broker.port)
    reader.link.start()
    wait_for(lambda: server.presence(READER) == "online", "online")
    reader.link.close()
    wait_for(lambda: server.presence(READER) == "offline", "offline")
    late = publisher(stack, issuer, broker)
    wait_for(lambda: late.presence(READER) == "offline", "the last word is retained")


def test_live_and_counts_are_heard_and_counts_wait_for_a_connection(
    stack: ExitStack, broker: LocalBroker, issuer: Issuer, tmp_path: Path
) -> None:
    server = publisher(stack, issuer, broker)
    reader = make_linked(issuer, tmp_path / "state", broker.port)
    minute = MinuteCounts(start=NOW, outcomes={"open": 3})
    live = LiveMessage(lane="north", state=LaneState.IDLE, outcome=None, reason=None, aspect=None)
    reader.link.say_live(live)  # nobody is there: gone
    reader.link.say_counts([minute])
    reader.link.start()
    stack.callback(reader.link.close)
    wait_for(lambda: server.heard(READER, "counts") == [minute], "the counts that waited")
    assert server.heard(READER, "live") == []
    reader.link.say_live(live)
    wait_for(lambda: server.heard(READER, "live") == [live], "live")


def test_that_somebody_waits_is_said_anew_until_nobody_does(
    stack: ExitStack, broker: LocalBroker, issuer: Issuer, tmp_path: Path
) -> None:
    server = publisher(stack, issuer, broker)
    reader = connect(stack, issuer, tmp_path / "state", broker)
    wait_for(lambda: len(server.heard(READER, "state")) == 1, "the state at the connection")

    def live(state: LaneState, lane: str = "north") -> LiveMessage:
        return LiveMessage(lane=lane, state=state, outcome=None, reason=None, aspect=None)

    waits = live(LaneState.WAIT)
    for message in (live(LaneState.OPEN, "south"), waits):
        reader.link.say_live(message)
    reader.clock.advance(5)  # whoever came back to the broker after the reader hears it too
    wait_for(lambda: len(server.heard(READER, "live")) == 3, "the one that waits, said anew")
    reader.clock.advance(5)
    wait_for(lambda: len(server.heard(READER, "live")) == 4, "and again")
    assert server.heard(READER, "live")[2:] == [waits, waits], "and not the one that is open"
    reader.link.say_live(live(LaneState.IDLE))
    wait_for(lambda: server.heard(READER, "live")[4:] == [live(LaneState.IDLE)], "nobody waits")
    states = len(server.heard(READER, "state"))
    reader.clock.advance(30)
    wait_for(lambda: len(server.heard(READER, "state")) > states, "another state")
    assert server.heard(READER, "live")[4:] == [live(LaneState.IDLE)]


def test_a_lane_that_fails_is_in_the_state_and_people_who_come_are_not(
    stack: ExitStack, broker: LocalBroker, issuer: Issuer, tmp_path: Path
) -> None:
    server = publisher(stack, issuer, broker)
    reader = connect(stack, issuer, tmp_path / "state", broker)
    wait_for(lambda: len(server.heard(READER, "state")) == 1, "the state at the connection")

    def say(state: LaneState) -> None:
        reader.clock.advance(1.0)
        reader.link.say_live(LiveMessage(lane="north", state=state, outcome=None, reason=None, aspect=None))

    for state in (LaneState.OPEN, LaneState.IDLE, LaneState.WAIT, LaneState.IDLE):
        say(state)
    wait_for(lambda: len(server.heard(READER, "live")) == 4, "four times live")
    say(LaneState.OUT_OF_ORDER)
    wait_for(lambda: len(server.heard(READER, "state")) == 2, "the state after the failure")
    for state in (LaneState.OPEN, LaneState.OUT_OF_ORDER):  # staff let somebody through all the same
        say(state)
    wait_for(lambda: len(server.heard(READER, "live")) == 7, "seven times live")
    assert len(server.heard(READER, "state")) == 2
    say(LaneState.IDLE)
    wait_for(lambda: len(server.heard(READER, "state")) == 3, "the state after the repair")


def test_everything_is_asked_for_again_when_the_clock_is_right(
    stack: ExitStack, broker: LocalBroker, issuer: Issuer, issued: IssuedList, tmp_path: Path
) -> None:
    """A board without a battery starts in the past; the status messages are then from the future."""
    server = publisher(stack, issuer, broker)
    server.snapshot(issued)
    server.head(issued, sequence=1, iat=NOW)
    reader = connect(stack, issuer, tmp_path / "state", broker, now=NOW - 10 * HOUR, synchronised=False)
    wait_for(lambda: "from-the-future" in reader.inbox.reports(), "the head is refused")
    assert not reader.store.clock_trusted(NOW - 10 * HOUR, synchronised=True)
    reader.clock.step(NOW)
    wait_for(lambda: reader.version() == 1, "all again, and taken now")


def test_a_clock_before_every_key_is_no_dead_end(
    stack: ExitStack, broker: LocalBroker, issuer: Issuer, issued: IssuedList, tmp_path: Path
) -> None:
    server = publisher(stack, issuer, broker)
    server.snapshot(issued)
    server.head(issued, sequence=1, iat=NOW)
    reader = connect(stack, issuer, tmp_path / "state", broker, now=1000, synchronised=False)
    wait_for(lambda: "unknown-key" in reader.inbox.reports(), "the head is refused")
    reader.clock.step(NOW)
    wait_for(lambda: reader.version() == 1, "all again, and taken now")


def test_forged_and_misplaced_messages_change_nothing(
    stack: ExitStack, broker: LocalBroker, issuer: Issuer, issued: IssuedList, tmp_path: Path
) -> None:
    server = publisher(stack, issuer, broker)
    server.snapshot(issued)
    server.head(issued, sequence=1, iat=NOW)
    reader = connect(stack, issuer, tmp_path / "state", broker)
    wait_for(lambda: reader.version() == 1, "version 1")
    forged = make_issuer(number=9).status_list()
    other = issuer.status_list("wp:18")
    server.publish(server.topics.delta("17", 2), forged.change(5))
    server.publish(server.topics.delta("17", 3), other.change(5))
    server.publish(server.topics.delta("17", 4), b"\xff" * 100)
    server.publish(f"{server.topics.root}/status/17/delta/99", b"x")
    server.publish(server.topics.delta("17", 5), b"", retain=False)
    expected = {"unknown-key": 1, "wrong-place": 2, "malformed": 1}
    # At least so often: QoS 1 may deliver a message twice.
    wait_for(lambda: _covers(reader.inbox.reports(), expected), f"{expected}")
    assert reader.inbox.reports().keys() == expected.keys()
    assert reader.version() == 1
    server.change(issued, 7, iat=NOW)
    wait_for(lambda: reader.version() == 2, "the genuine change goes on")


def test_a_message_larger_than_any_is_refused_whatever_its_topic(
    stack: ExitStack, broker: LocalBroker, issuer: Issuer, issued: IssuedList, tmp_path: Path
) -> None:
    server = publisher(stack, issuer, broker)
    server.snapshot(issued)
    server.head(issued, sequence=1, iat=NOW)
    reader = connect(stack, issuer, tmp_path / "state", broker)
    wait_for(lambda: reader.passing() and reader.version() == 1, "the list")
    server.publish(f"{server.topics.root}/status/17/delta/99", bytes(MAX_PAYLOAD + 1))
    wait_for(lambda: reader.inbox.reports() != {}, "a report")
    assert reader.inbox.reports() == {"too-large": 1}  # and not that its topic is none
    assert f"expected at most {MAX_PAYLOAD} bytes, got {MAX_PAYLOAD + 1}" in str(reader.log.lines)
    server.change(issued, 7, iat=NOW)
    wait_for(lambda: reader.version() == 2, "the genuine change goes on")


@pytest.mark.parametrize("refused", ["head", "status/+/delta/+"])
def test_a_subscription_that_the_broker_refuses_is_told(
    stack: ExitStack, issuer: Issuer, tmp_path: Path, refused: str
) -> None:
    topic = f"{Topics(issuer.network).root}/{refused}"
    broker = stack.enter_context(RefusingBroker(topic))
    linked = connect(stack, issuer, tmp_path / "state", broker)  # type: ignore[arg-type]  # all that it has is a port
    wait_for(lambda: linked.link.trouble != "ok", "the refusal")
    assert linked.link.trouble == f"the broker refuses to give {topic}; look at its access list"
    assert linked.log.events.count("the broker refused a subscription") == 1
    assert linked.link.connected
    broker.refused = ""
    broker.drop()
    wait_for(lambda: linked.link.trouble == "ok" and linked.link.connected, "another connection, where it may")


def _covers(counts: Mapping[str, int], least: Mapping[str, int]) -> bool:
    return all(counts.get(reason, 0) >= number for reason, number in least.items())


def test_no_message_of_a_reader_holds_a_key_or_an_index(
    stack: ExitStack, broker: LocalBroker, issuer: Issuer, issued: IssuedList, tmp_path: Path
) -> None:
    server = publisher(stack, issuer, broker)
    server.snapshot(issued)
    server.head(issued, sequence=1, iat=NOW)
    reader = connect(stack, issuer, tmp_path / "state", broker)
    wait_for(lambda: reader.passing() and server.version(READER, URI) == 1, "a state")
    kids = [kid.hex().encode() for kid in issuer.trust.keys]
    for topic, data in server.raw():
        assert topic.startswith(f"{server.topics.root}/reader/{READER}/")
        assert not any(kid in data for kid in kids)


def link_to(linked: Linked, issuer: Issuer, address: BrokerAddress) -> StatusLink:
    """A link of the same reader to another address."""
    return StatusLink(
        address=address,
        topics=Topics(issuer.network),
        reader=READER,
        inbox=linked.inbox,
        clock=linked.clock,
        log=linked.log,
        state=lambda: StateMessage(at=0, software="", clock_trusted=False),
    )


@pytest.mark.parametrize("password", ["right", "wrong"])
def test_a_reader_logs_in_with_the_password_of_its_file(
    stack: ExitStack, issuer: Issuer, tmp_path: Path, password: str
) -> None:
    logins = tmp_path / "passwords"
    lines = [password_line("server", "x"), password_line(READER, "right")]
    logins.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    broker = stack.enter_context(LocalBroker(BrokerKind.EMBEDDED, tmp_path, passwords=logins))
    (tmp_path / "secret").write_text(f"{password}\n", encoding="utf-8")
    linked = make_linked(issuer, tmp_path / "state", broker.port)
    where = BrokerAddress(host=broker.host, port=broker.port, username=READER, password_file=tmp_path / "secret")
    link = link_to(linked, issuer, where)
    link.start()
    stack.callback(link.close)
    expected = "connected" if password == "right" else "the broker refused this reader"
    wait_for(lambda: expected in linked.log.events, expected)
    assert link.connected is (password == "right")


@pytest.mark.mosquitto
@pytest.mark.skipif(mosquitto_program() is None, reason="the mosquitto program is not installed")
@pytest.mark.parametrize("trusted", [True, False])
def test_tls_connects_to_a_broker_that_the_ca_vouches_for_and_to_no_other(
    stack: ExitStack, issuer: Issuer, tmp_path: Path, trusted: bool
) -> None:
    ours, theirs = make_authority(tmp_path / "ours"), make_authority(tmp_path / "theirs")
    port = start_tls_broker(stack, ours, tmp_path)
    linked = make_linked(issuer, tmp_path / "state", port)
    link = link_to(linked, issuer, BrokerAddress(host="localhost", port=port, ca=(ours if trusted else theirs).ca))
    link.start()
    stack.callback(link.close)
    expected = "connected" if trusted else "the broker can't be reached; the gate decides by its policy"
    wait_for(lambda: expected in linked.log.events, expected)
    assert link.connected is trusted


def start_tls_broker(stack: ExitStack, authority: Authority, folder: Path) -> int:
    """Mosquitto with TLS; its port."""
    port = free_port()
    settings = folder / "tls.conf"
    settings.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n"
        f"certfile {authority.certificate}\nkeyfile {authority.key}\n"
        "user root\n",  # started as root it would become somebody who may not read these files
        encoding="utf-8",
    )
    program = stack.enter_context(Program([str(mosquitto_program()), "-c", settings]))
    wait_for_port("127.0.0.1", port, timeout=20.0, program=program)
    return port


@pytest.mark.parametrize(
    ("name", "address", "message"),
    [
        ("no password file", {"username": "gate-1", "password_file": Path("none")}, "password_file none can't be read"),
        ("no certificates", {"ca": Path("none.pem")}, "broker: its TLS files can't be used"),
    ],
)
def test_files_of_no_use_are_named_at_start(
    issuer: Issuer, tmp_path: Path, name: str, address: dict[str, object], message: str
) -> None:
    linked = make_linked(issuer, tmp_path / "state", 1)
    with pytest.raises(ConfigurationError, match=message):
        link_to(linked, issuer, BrokerAddress(host="127.0.0.1", port=1, **address))  # type: ignore[arg-type]  # by name
