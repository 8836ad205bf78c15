"""What a reader asks its broker for again: what was refused, and everything when a delta seems to be lost."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.support.brokers import BrokerKind, LocalBroker
from tests.support.hesitating_broker import HesitatingBroker
from tests.support.issuing import NETWORK, NOW, URI, make_issuer
from tests.support.publishing import wait_for
from tests.support.real_reader import RealReader

from waypass_protocol.assembly import Kind, MemoryKeeper, StatusStore
from waypass_protocol.topics import Topics
from waypass_reader.broker_address import BrokerAddress
from waypass_reader.snapshots import FIRST_GAP_NS, GapWatch
from waypass_simulator.processes import free_port

TOPICS = Topics(NETWORK)
SECONDS = 40.0


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[LocalBroker]:
    with LocalBroker(BrokerKind.EMBEDDED, tmp_path) as made:
        yield made


def test_what_the_broker_refuses_is_asked_for_again(tmp_path: Path) -> None:
    with HesitatingBroker(refusals=3) as broker:
        address = BrokerAddress(host="127.0.0.1", port=broker.port)
        with closing(RealReader("gate-1", address, tmp_path)) as reader:
            asked = [broker.asked.get(timeout=SECONDS) for _ in range(5)]
            assert reader.link.connected
    assert asked[:2] == [(TOPICS.head, False), (TOPICS.all_deltas, False)]
    assert sorted(asked[2:4]) == [(TOPICS.head, False), (TOPICS.all_deltas, True)]
    assert asked[4] == (TOPICS.head, True)
    assert reader.log.events.count("the broker refused a subscription") == 2


def test_the_next_address_is_tried_and_the_first_one_again(tmp_path: Path, broker: LocalBroker) -> None:
    nobody = free_port()
    address = BrokerAddress(host="127.0.0.1", port=nobody, others=(("127.0.0.1", broker.port),))
    with closing(RealReader("gate-1", address, tmp_path / "state")) as reader:
        wait_for(lambda: reader.link.connected, "a connection at the second address")
        broker.kill()
        wait_for(lambda: not reader.link.connected, "the end of it")
        broker.start()
        wait_for(lambda: reader.link.connected, "another connection, after both were tried")


def test_a_list_that_stays_behind_is_asked_for_after_longer_and_longer_pauses() -> None:
    issuer = make_issuer()
    issued = issuer.status_list()
    store = StatusStore(trust=issuer.trust, keeper=MemoryKeeper())
    gaps = GapWatch(store)
    store.receive(Kind.SNAPSHOT, issued.snapshot(), now=NOW)
    assert not gaps.due(0)
    assert not gaps.due(10 * FIRST_GAP_NS), "nothing is behind"
    lost = issued.change(7)
    store.receive(Kind.DELTA, issued.change(8), now=NOW)
    start = 20 * FIRST_GAP_NS
    asked = [second for second in range(60) if gaps.due(start + second * 10**9)]
    assert asked == [5, 15, 35]
    store.receive(Kind.DELTA, lost, now=NOW)
    assert store.view[URI].version == 3
    assert not gaps.due(start + 1000 * 10**9)


def test_a_head_that_names_more_than_is_held_is_a_gap_too() -> None:
    issuer = make_issuer()
    issued = issuer.status_list()
    store = StatusStore(trust=issuer.trust, keeper=MemoryKeeper())
    store.receive(Kind.SNAPSHOT, issued.snapshot(), now=NOW)
    issued.change(7)
    store.receive(Kind.HEAD, issuer.head(issued), now=NOW)
    gaps = GapWatch(store)
    assert [gaps.due(0), gaps.due(FIRST_GAP_NS - 1), gaps.due(FIRST_GAP_NS)] == [False, False, True]
    gaps.forget()
    assert not gaps.due(FIRST_GAP_NS + 1)


def test_lists_that_still_load_are_no_gap() -> None:
    issuer = make_issuer()
    lists = [issuer.status_list(uri=f"wp:{number}") for number in range(1, 5)]
    store = StatusStore(trust=issuer.trust, keeper=MemoryKeeper())
    store.receive(Kind.HEAD, issuer.head(*lists), now=NOW)
    gaps = GapWatch(store)
    at = 0
    for issued in lists[:3]:
        assert not gaps.due(at), "one more came within the pause"
        at += FIRST_GAP_NS - 1
        store.receive(Kind.SNAPSHOT, issued.snapshot(), now=NOW)
    assert [gaps.due(at), gaps.due(at + FIRST_GAP_NS - 1), gaps.due(at + FIRST_GAP_NS)] == [False, False, True]
