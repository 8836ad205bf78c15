"""A real server's publisher and real readers at a site of brokers."""

import random
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from queue import Empty

from tests.server.publishing import add_network, issue, make_services, take_away_some
from tests.support.broker_sites import Site
from tests.support.mqtt import Client, ConnectionEnded
from tests.support.publishing import WAIT_SECONDS, wait_for
from tests.support.real_reader import RealReader

from waypass_protocol.messages import Presence, PresenceMessage, StateMessage, read_message
from waypass_protocol.topics import Topics
from waypass_reader.broker_address import BrokerAddress
from waypass_server.bus import BusSettings, Message, MqttBus
from waypass_server.publisher import Pace, Publication, Publisher
from waypass_server.services import Services

TOPICS = Topics("metro")
FAILOVER_SECONDS = 60.0


def arrived(stack: ExitStack, site: Site, login: str, *, will: tuple[str, bytes] | None = None) -> Client:
    """A client. With most brokers here it ends another one of this login, and the next one after this ends it."""
    clients: list[Client] = []

    def is_taken() -> bool:
        clients.append(stack.enter_context(site.client(login, will=will)))
        return clients[-1].answer == 0

    wait_for(is_taken, f"{login} is let in")
    return clients[-1]


class House:
    """A real server's publisher on a database of its own, and the readers that listen to it."""

    def __init__(self, folder: Path, bus: BusSettings) -> None:
        self.services: Services = make_services(folder)
        add_network(self.services)
        issue(self.services, 400)
        self.bus = MqttBus(bus)
        self.publisher = Publisher(self.services, self.bus, pace=Pace(gather=0.0, poll=0.05))
        self.version = 0
        self.heard: dict[str, bytes] = {}
        self._draw = random.Random(5)
        self._folder = folder
        self._readers: list[RealReader] = []

    def start(self) -> None:
        """Publish from now on."""
        self.services.nudge.listen(self.publisher.nudge)
        for leaf in ("presence", "state"):
            self.bus.subscribe(TOPICS.reader("+", leaf), self._hear)
        self.publisher.listen(self._published)
        self.publisher.start()
        self.bus.start()

    def change(self, count: int = 1) -> None:
        """Withdraw some passes. Changes that come together may be one version."""
        take_away_some(self.services, count, draw=self._draw)

    def reader(self, name: str, address: BrokerAddress) -> RealReader:
        """One that knows nothing yet."""
        self._readers.append(RealReader(name, address, self._folder / f"{len(self._readers)} {name}"))
        return self._readers[-1]

    def wait_for(self, *readers: RealReader, seconds: float = WAIT_SECONDS) -> None:
        """Until each holds the present, renewed by a head, as the database has it."""
        for reader in readers:
            wait_for(partial(self._has_all, reader), f"version {self.version} and all changes", seconds=seconds)

    def _has_all(self, reader: RealReader) -> bool:
        return reader.is_at(self.version) and reader.agrees_with(self.services)

    def presence(self, name: str) -> Presence | None:
        """What the server knows of a reader."""
        said = self.heard.get(TOPICS.reader(name, "presence"))
        if said in (None, b"gone", b""):  # what another test's client left as its last will
            return None
        message = read_message("presence", said)
        return message.presence if isinstance(message, PresenceMessage) else None

    def says_present(self, name: str) -> bool:
        """Whether a reader told the server that it holds the present."""
        said = self.heard.get(TOPICS.reader(name, "state"))
        message = None if said is None else read_message("state", said)
        return isinstance(message, StateMessage) and [row.version for row in message.lists] == [self.version]

    def close(self) -> None:
        """Readers, publisher, bus, database."""
        for reader in self._readers:
            reader.close()
        self.publisher.stop()
        self.bus.stop()
        self.services.database.close()

    def _published(self, publication: Publication) -> None:
        self.version = publication.rows[0].version

    def _hear(self, message: Message) -> None:
        self.heard[message.topic] = message.payload


def house(stack: ExitStack, site: Site, folder: Path, bus: BusSettings) -> House:
    """It runs until the test ends; then the broker is made to forget it."""
    made = House(folder, bus)
    stack.callback(forget_house, site)
    made.start()
    stack.callback(made.close)
    return made


def forget_house(site: Site) -> None:
    """Nothing is left of it for the next one."""
    forget(site, TOPICS.head, TOPICS.snapshot("1"), *(TOPICS.delta("1", place) for place in range(64)))


def forget(site: Site, *topics: str) -> None:
    """Have the broker forget what it retains of these, even one that ends a connection meanwhile."""

    def is_forgotten() -> bool:
        with ExitStack() as visit:
            server = arrived(visit, site, "server")
            try:
                for topic in topics:
                    server.publish(topic, b"", retain=True)
            except (ConnectionEnded, Empty):
                return False
        return True

    wait_for(is_forgotten, "the broker takes what clears its topics", seconds=FAILOVER_SECONDS)
