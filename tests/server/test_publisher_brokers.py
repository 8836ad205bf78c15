"""The publisher over real brokers that are killed and come back empty."""

import random
import threading
from pathlib import Path

import pytest
from tests.server.publishing import TRUST, Gate, add_network, issue, make_services, take_away_some
from tests.support.brokers import BROKERS, BrokerKind, LocalBroker
from tests.support.issuing import NETWORK

from waypass_protocol.topics import Topics
from waypass_server.bus import BusSettings, Message, MqttBus
from waypass_server.publisher import Pace, Publisher
from waypass_server.services import Services

WAIT = 30.0


class Watcher:
    """A gate on a connection of its own, that can be waited for."""

    def __init__(self, broker: LocalBroker, name: str) -> None:
        self.bus = MqttBus(BusSettings(client_id=name, host=broker.host, port=broker.port))
        self.gate = Gate(self.bus, TRUST)
        self._changed = threading.Condition()
        self.bus.subscribe(f"{Topics(NETWORK).root}/#", self._woken)
        self.bus.start()

    def wait_for(self, services: Services, version: int) -> None:
        """Until it holds this version, renewed by a head, and what the database says."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._is_at(version), WAIT), self.gate.refused
        assert self.gate.agrees_with(services)

    def _is_at(self, version: int) -> bool:
        held = self.gate.store.view.get("wp:1")
        return held is not None and held.version == version and held.renewed is not None

    def _woken(self, _message: Message) -> None:
        # One thread of the bus runs all handlers in order, and the gate's were registered first.
        with self._changed:
            self._changed.notify_all()


@pytest.mark.parametrize("kind", BROKERS)
def test_a_killed_broker_is_refilled_with_what_changed_meanwhile(tmp_path: Path, kind: BrokerKind) -> None:
    services = make_services(tmp_path)
    add_network(services)
    issue(services, 60)
    draw = random.Random(5)
    with LocalBroker(kind, tmp_path) as broker:
        bus = MqttBus(BusSettings(client_id="server", host=broker.host, port=broker.port))
        publisher = Publisher(services, bus, pace=Pace(gather=0.0, poll=0.05))
        services.nudge.listen(publisher.nudge)
        gate = Watcher(broker, "gate")
        publisher.start()
        bus.start()
        gate.wait_for(services, 1)
        for version in range(2, 40):
            take_away_some(services, 1, draw=draw)
            gate.wait_for(services, version)
        broker.kill()
        take_away_some(services, 3, draw=draw)
        broker.start()
        gate.wait_for(services, 40)
        newcomer = Watcher(broker, "newcomer")
        newcomer.wait_for(services, 40)
        take_away_some(services, 1, draw=draw)
        newcomer.wait_for(services, 41)
        assert gate.gate.refused == newcomer.gate.refused == []
        publisher.stop()
        for each in (bus, gate.bus, newcomer.bus):
            each.stop()
