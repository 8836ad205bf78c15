"""Re-entry at Mosquitto on the shipped access lists: whether a reader learns that its words reach nobody.

The central `acl` takes a reader's words of re-entry and drops them, and grants the subscription to the others'. Only
what comes back tells the two lists apart.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.device.test_inbox import start
from tests.support.brokers import needs_mosquitto
from tests.support.certificates import SigningAuthority
from tests.support.issuing import NOW, make_issuer
from tests.support.publishing import wait_for
from tests.support.shipped_brokers import PASSWORDS, ShippedBroker

from waypass_protocol.keys import base64url
from waypass_protocol.messages import LaneState, LiveMessage, StateMessage
from waypass_protocol.topics import Topics
from waypass_reader.broker_address import BrokerAddress
from waypass_reader.clock import ManualClock, SystemClock
from waypass_reader.link import StatusLink
from waypass_reader.log import RecordingLog
from waypass_reader.sharing import BACK_SECONDS, CUT_OFF, UNHEARD, WELL, GivenKeys, Sharing

pytestmark = needs_mosquitto

READER = "north-1"
TOPICS = Topics("metro")
IDLE = LiveMessage(lane="north", state=LaneState.IDLE, outcome=None, reason=None, aspect=None)


class Gate:
    """A reader's link at a broker, and its part in the station's re-entry memory, whose time is the test's."""

    def __init__(self, broker: ShippedBroker, folder: Path) -> None:
        (folder / "password").write_text(PASSWORDS[READER], encoding="utf-8")
        self.clock = ManualClock(NOW)
        self.came_back = 0
        log, clock = RecordingLog(), SystemClock(synchronised=lambda: True)
        self.link = StatusLink(
            address=BrokerAddress(
                host="localhost",
                port=broker.passwords,
                username=READER,
                password_file=folder / "password",
                ca=broker.own.ca,
            ),
            topics=TOPICS,
            reader=READER,
            inbox=start(folder / "state", make_issuer()).inbox,
            clock=clock,
            log=log,
            state=lambda: StateMessage(at=time.time(), software="test", clock_trusted=True),
            hear_reentry=self._hear,
        )
        keys = [{"epoch": "0f" * 8, "key": base64url(bytes(32))}]
        self.sharing = Sharing(
            reader=READER,
            reentry=120,
            source=GivenKeys(json.dumps({"keys": keys, "next_in": 600}).encode()),
            publish=self.link.say_reentry,
            clock=self.clock,
            log=log,
            connected=lambda: self.link.connected,
        )
        self.sharing.ask()
        self.link.start()

    def _hear(self, reader: str, payload: bytes) -> None:
        self.sharing.hear(reader, payload)
        self.came_back += reader == READER

    def goes_on(self, seconds: float) -> None:
        """Time passes, and it looks."""
        self.clock.advance(seconds)
        self.sharing.forget()

    def is_heard(self) -> bool:
        """Whether a word came back by now; a moment has passed."""
        self.goes_on(0.01)
        return self.came_back > 0


@pytest.fixture(params=["acl", "station-acl"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ShippedBroker]:
    clients, own = (SigningAuthority(tmp_path / name) for name in ("clients", "own"))
    made = ShippedBroker(folder=tmp_path / request.param, clients=clients, own=own)
    with made.start(acl=request.param):
        yield made


def test_a_reader_learns_whether_its_words_come_back(broker: ShippedBroker, tmp_path: Path) -> None:
    gate = Gate(broker, tmp_path)
    assert gate.sharing.health == CUT_OFF
    try:
        wait_for(lambda: gate.link.connected, "it is connected")
        if broker.folder.name == "station-acl":
            wait_for(gate.is_heard, "a word comes back")
            gate.goes_on(2 * BACK_SECONDS)
            assert gate.sharing.health == WELL
            return
        with broker.spy() as spy:
            spy.subscribe((TOPICS.reader(READER, "live"), 0))
            for _ in range(int(BACK_SECONDS) + 1):
                gate.goes_on(1)
                # The broker takes one message after another: with this it has dealt with what was said before.
                gate.link.say_live(IDLE)
                assert spy.next()[0] == TOPICS.reader(READER, "live")
        assert (gate.came_back, gate.sharing.health) == (0, UNHEARD)
    finally:
        gate.link.close()
