"""How the server is, in words and numbers that are about nobody.

- it is `ok` when the database can be read, the broker is connected, the publisher publishes or stands by because
  another process does (`stand-by`), keys and folder are in order, and there are fewer than `MANY_LISTS` status lists
- it is `degraded` when it serves and something of that is missing: gates go on, and lists may be growing old
- it cannot serve (`Health.cannot_serve`) when the database cannot be read or the publisher has stopped for good

How many changes wait in the outbox is not told: small deltas are filled up so that nobody learns how many passes
changed. For how long the oldest has waited is what an operator acts on.
"""

from dataclasses import dataclass
from typing import Protocol

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from waypass_protocol.keys import Use
from waypass_server.bus import BusState
from waypass_server.keyring import NoSigner
from waypass_server.models.network import Network
from waypass_server.models.status import ListVersion, StatusChange, StatusList
from waypass_server.publisher import Trouble
from waypass_server.services import Services

OK = "ok"
STAND_BY = "stand-by"
MANY_LISTS = 120
"""Lists, from which on somebody has to look: a Mosquitto that was not told otherwise drops messages of a refill from
some 150 on, and each is 256 KiB in a reader."""


class PublisherVitals(Protocol):
    """What is asked of a publisher."""

    trouble: Trouble | None

    @property
    def standing_by(self) -> bool:
        """Whether another process publishes."""
        ...

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        ...


class BusVitals(Protocol):
    """What is asked of a message bus."""

    @property
    def state(self) -> BusState:
        """Now."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Vitals:
    """What runs beside the API; None where nothing does."""

    publisher: PublisherVitals | None = None
    bus: BusVitals | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Health:
    """One look. Each part is `ok` or says in a word what is the matter."""

    database: str
    publisher: str
    broker: str
    keys: str
    lists: str

    @property
    def ok(self) -> bool:
        """Whether every part is."""
        parts = {self.database, self.broker, self.keys, self.lists}
        return parts == {OK} and self.publisher in (OK, STAND_BY)

    @property
    def cannot_serve(self) -> bool:
        """Whether it must not be relied on."""
        return self.database != OK or self.publisher == "stopped"


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """Numbers of one look: the version of each list by name, for how many seconds the oldest change has waited, and
    how many lists have not ended."""

    versions: dict[str, int]
    oldest: int
    lists: int


def look(services: Services, vitals: Vitals) -> Health:
    """How the server is now."""
    return Health(
        database=_database(services),
        publisher=_publisher(vitals.publisher),
        broker=_broker(vitals.bus),
        keys=_keys(services),
        lists=_lists(services),
    )


def figures(services: Services) -> Figures:
    """The numbers now. Raises SQLAlchemy's errors when the database cannot be read."""
    of_network = Network.name == services.settings.network
    versions = (
        select(StatusList.name, ListVersion.version)
        .join(ListVersion, ListVersion.list_id == StatusList.id)
        .join(Network, Network.id == StatusList.network_id)
        .where(of_network)
    )
    oldest = (
        select(func.min(StatusChange.committed_at))
        .join(StatusList, StatusList.id == StatusChange.list_id)
        .join(Network, Network.id == StatusList.network_id)
        .where(of_network)
    )
    with services.database.reading() as session:
        since = session.scalar(oldest)
        found = {row.name: row.version for row in session.execute(versions)}
        lists = _count_lists(session, services)
    return Figures(versions=found, oldest=0 if since is None else max(0, services.now() - since), lists=lists)


def metrics(health: Health, figures: Figures | None) -> bytes:
    """The same in the text form of Prometheus; without figures when the database cannot be read."""
    registry = CollectorRegistry()
    parts = Gauge("waypass_server_up", "1 while this part is as it should be.", ["part"], registry=registry)
    for part in ("database", "publisher", "broker", "keys", "lists"):
        parts.labels(part).set(getattr(health, part) in (OK, STAND_BY))
    Gauge("waypass_server_publishes", "1 where the publisher is that publishes.", registry=registry).set(
        health.publisher == OK
    )
    if figures is not None:
        versions = Gauge("waypass_list_version", "The newest version of a status list.", ["list"], registry=registry)
        for name, version in figures.versions.items():
            versions.labels(name).set(version)
        Gauge("waypass_lists", "Status lists that have not ended.", registry=registry).set(figures.lists)
        text = "For how long the oldest committed change has waited for a version."
        Gauge("waypass_outbox_oldest_seconds", text, registry=registry).set(figures.oldest)
    return generate_latest(registry)


def _database(services: Services) -> str:
    try:
        with services.database.reading() as session:
            session.execute(select(Network.id).limit(1))
    except SQLAlchemyError:
        return "unavailable"
    return OK


def _lists(services: Services) -> str:
    try:
        with services.database.reading() as session:
            return OK if _count_lists(session, services) < MANY_LISTS else "many"
    except SQLAlchemyError:
        return OK  # nobody knows, and the database's part says so


def _count_lists(session: Session, services: Services) -> int:
    mine = Network.name == services.settings.network, StatusList.ended_at.is_(None)
    query = select(func.count()).select_from(StatusList).join(Network, Network.id == StatusList.network_id)
    return session.scalar(query.where(*mine)) or 0


def _publisher(publisher: PublisherVitals | None) -> str:
    if publisher is None:
        return "not-running"
    if not publisher.running:
        return "stopped"
    if publisher.trouble is not None:
        return publisher.trouble.value
    return STAND_BY if publisher.standing_by else OK


def _keys(services: Services) -> str:
    """Whether passes can be signed; for status lists the publisher says it."""
    if services.keys.trouble is not None:
        return "unreadable"
    try:
        services.keys.signer(Use.PASS, services.now())
    except NoSigner:
        return "no-key"
    return OK


def _broker(bus: BusVitals | None) -> str:
    if bus is None:
        return "not-running"
    return OK if bus.state is BusState.CONNECTED else bus.state.value
