"""The station box listens to real brokers: what reaches the board, what does not, and what a lost broker looks like."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.brokers import BROKERS, BrokerKind, LocalBroker
from tests.support.hesitating_broker import HesitatingBroker
from tests.support.mqtt import Client
from tests.support.publishing import wait_for

from waypass_protocol.messages import LaneState, Presence, PresenceMessage, StateMessage, encode_message
from waypass_protocol.topics import READER_LEAVES, Topics
from waypass_reader.broker_address import BrokerAddress
from waypass_reader.clock import SystemClock
from waypass_reader.log import RecordingLog
from waypass_reader.station.board import Contact, Moment, ReaderView, StationBoard
from waypass_reader.station.listener import Bulletin, Listener
from waypass_simulator.processes import free_port

TOPICS = Topics("metro")
ONLINE = encode_message(PresenceMessage(presence=Presence.ONLINE))
STATE = encode_message(
    StateMessage(at=0, station="north", software="x", clock_trusted=True, lanes={"lane-1": LaneState.IDLE})
)


class Heard:
    """A listener with its board."""

    def __init__(self, port: int, *others: int) -> None:
        clock = SystemClock(synchronised=lambda: True)
        started = Moment(at=clock.now(), ns=clock.monotonic_ns())
        self.bulletin = Bulletin(StationBoard(station="north", readers=["gate-a"], started=started), clock)
        self.log = RecordingLog()
        self.listener = Listener(
            address=BrokerAddress(host="127.0.0.1", port=port, others=tuple(("127.0.0.1", other) for other in others)),
            topics=TOPICS,
            name="waypass-station-north-1",
            bulletin=self.bulletin,
            clock=clock,
            log=self.log,
        )
        self.listener.start()

    def gate(self) -> ReaderView:
        return self.bulletin.view()[1].readers[0]

    def reached(self) -> bool:
        return self.bulletin.view()[1].broker_lost is None


@pytest.fixture(params=BROKERS)
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LocalBroker]:
    with LocalBroker(BrokerKind(request.param), tmp_path) as made:
        yield made


@pytest.fixture
def heard(broker: LocalBroker) -> Iterator[Heard]:
    made = Heard(broker.port)
    wait_for(made.reached, "a connection to the broker")
    yield made
    made.listener.close()


def test_what_was_said_before_and_what_is_said_now_reach_the_board(broker: LocalBroker) -> None:
    with Client("gate", broker.port) as gate:
        gate.publish(TOPICS.reader("gate-a", "presence"), ONLINE, retain=True)
        heard = Heard(broker.port)
        wait_for(lambda: heard.gate().contact is Contact.ONLINE, "a reader that was there before")
        gate.publish(TOPICS.reader("gate-a", "state"), STATE)
        wait_for(lambda: len(heard.gate().lanes) == 1, "its lanes")
        heard.listener.close()


@pytest.mark.parametrize(
    ("name", "topic", "payload"),
    [
        ("no JSON", TOPICS.reader("gate-a", "state"), b"\xff"),
        ("members of no message", TOPICS.reader("gate-a", "live"), b'{"pass":"WP1:ABC"}'),
        ("a message of another topic", TOPICS.reader("gate-a", "live"), ONLINE),
        ("too much", TOPICS.reader("gate-a", "counts"), b" " * 70_000),
        ("a reader with a name of nobody", f"{TOPICS.root}/reader/gate a/presence", ONLINE),
    ],
)
def test_what_is_no_message_is_dropped_and_not_repeated(
    broker: LocalBroker, heard: Heard, name: str, topic: str, payload: bytes
) -> None:
    with Client("gate", broker.port) as gate:
        for _ in range(3):
            gate.publish(topic, payload)
        gate.publish(TOPICS.reader("gate-a", "presence"), b"")
        gate.publish(TOPICS.reader("gate-a", "presence"), ONLINE)
        wait_for(lambda: heard.gate().contact is Contact.ONLINE, "what was said after")
    dropped = [values for event, values in heard.log.lines if event == "a message that is no reader's was dropped"]
    assert dropped == [{"broker": f"127.0.0.1:{broker.port}"}]


def test_what_the_broker_refuses_is_asked_for_again_and_once_more_when_it_is_granted() -> None:
    with HesitatingBroker(refusals=1) as broker:
        heard = Heard(broker.port)
        asked = [broker.asked.get(timeout=20.0) for _ in range(3 * len(READER_LEAVES))]
        wait_for(heard.reached, "the second answer grants everything")
        heard.listener.close()
    refused = [topic for topic, granted in asked if not granted]
    assert refused == [TOPICS.reader("+", READER_LEAVES[0])]


def test_the_next_address_is_tried(tmp_path: Path) -> None:
    with LocalBroker(BrokerKind.EMBEDDED, tmp_path) as broker:
        heard = Heard(free_port(), broker.port)
        wait_for(heard.reached, "a connection at the second address")
        heard.listener.close()


def test_a_broker_that_goes_is_told_and_one_that_comes_back_is_heard(broker: LocalBroker, heard: Heard) -> None:
    with Client("gate", broker.port) as gate:
        gate.publish(TOPICS.reader("gate-a", "presence"), ONLINE)
        wait_for(lambda: heard.gate().contact is Contact.ONLINE, "a reader")
    broker.kill()
    wait_for(lambda: not heard.reached(), "a lost broker")
    assert heard.gate().contact is Contact.UNHEARD
    broker.start()
    wait_for(heard.reached, "the broker again")
    with Client("gate", broker.port) as gate:
        gate.publish(TOPICS.reader("gate-a", "presence"), ONLINE)
        wait_for(lambda: heard.gate().contact is Contact.ONLINE, "a reader again")
    assert heard.log.events.count("the connection to the broker is lost; the page says so") == 1
