"""The publisher's seat on PostgreSQL: one at a time, given back in whatever way its holder ends."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.server.publishing import add_network, issue, make_services, memory_bus, take_away_some
from tests.support.databases import database_url, put_on_postgresql
from tests.support.issuing import NETWORK
from tests.support.postgresql import Cluster, needs_postgresql
from tests.support.publishing import wait_for

from waypass_server.bus import MemoryBroker
from waypass_server.database import Database
from waypass_server.errors import ConfigurationError
from waypass_server.indexes import PrefixTaken, check_prefix
from waypass_server.models.network import Network
from waypass_server.publisher import Pace, Publication, Publisher
from waypass_server.seat import AdvisorySeat, FreeSeat, seat_of, seat_taken
from waypass_server.services import Services

pytestmark = needs_postgresql


class Chair:
    """A process's seat, and what it was told."""

    def __init__(self, database: Database, network: str = NETWORK) -> None:
        self.heard = threading.Event()
        self.seat = AdvisorySeat(database, network)
        self.seat.start(moved=lambda: None, heard=self.heard.set)


@pytest.fixture
def services(tmp_path: Path, postgresql: Cluster) -> Services:
    put_on_postgresql(tmp_path, postgresql)
    made = make_services(tmp_path)
    add_network(made)
    return made


@pytest.fixture
def chairs(services: Services) -> Iterator[tuple[Chair, Chair]]:
    """The first one has it."""
    with ExitStack() as stack:
        first = Chair(services.database)
        stack.callback(first.seat.stop)
        wait_for(lambda: first.seat.held, "the first one has the seat")
        second = Chair(services.database)
        stack.callback(second.seat.stop)
        yield first, second


def test_who_leaves_makes_room(chairs: tuple[Chair, Chair]) -> None:
    first, second = chairs
    assert not second.seat.held
    first.seat.stop()
    wait_for(lambda: second.seat.held, "the second one has it")
    assert not first.seat.held


def test_a_connection_that_ends_is_noticed_and_somebody_has_the_seat(
    chairs: tuple[Chair, Chair], postgresql: Cluster
) -> None:
    first, second = chairs
    with postgresql.connect("tests") as connection:
        ended = connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid IN "
            "(SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'waypass-publisher metro %')"
        ).fetchall()
    assert ended == [(True,)]
    wait_for(lambda: first.seat.held != second.seat.held, "one of them has it")


def test_each_network_has_a_seat(services: Services, chairs: tuple[Chair, Chair]) -> None:
    other = Chair(services.database, "tram")
    wait_for(lambda: other.seat.held, "another network's seat is free")
    other.seat.stop()


def test_a_change_of_another_process_is_heard(services: Services, chairs: tuple[Chair, Chair]) -> None:
    issue(services, 3)
    for each in chairs:
        each.heard.clear()
    take_away_some(services, 1, draw=services.indexes)
    assert all(each.heard.wait(30.0) for each in chairs)


def test_nobody_moves_lists_forward_while_somebody_publishes(services: Services, chairs: tuple[Chair, Chair]) -> None:
    with (
        pytest.raises(ConfigurationError, match="expected that no server publishes for network metro, one does"),
        seat_taken(services.database, NETWORK),
    ):
        pass


def test_sqlite_has_a_free_one(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'waypass.db'}")
    assert isinstance(seat_of(database, NETWORK), FreeSeat)
    with seat_taken(database, NETWORK):
        pass


def test_a_publisher_without_the_seat_publishes_nothing_and_knows_what_is_current(
    services: Services, chairs: tuple[Chair, Chair]
) -> None:
    issue(services, 3)
    told: list[Publication] = []
    broker = MemoryBroker()
    with memory_bus(broker) as bus:
        pace = Pace(gather=0.0, poll=0.0)
        publishing = Publisher(services, bus, pace=pace, seat=chairs[0].seat)
        standing_by = Publisher(services, bus, pace=pace, seat=chairs[1].seat)
        standing_by.listen(told.append)
        standing_by.turn()
        assert broker.held("#") == {}
        publishing.turn()
        take_away_some(services, 1, draw=services.indexes)
        publishing.turn()
        standing_by.turn()
        assert [(row.uri, row.version) for row in told[-1].rows] == [("wp:1", 2)]
        assert (publishing.standing_by, standing_by.standing_by) == (False, True)


def test_another_network_with_the_same_prefix_is_refused(services: Services, tmp_path: Path) -> None:
    issue(services, 1)
    with services.database.changing() as session:
        session.add(Network(name="tram", created_at=0))
        session.flush()
        with pytest.raises(PrefixTaken, match="got 'wp:', which is that of network metro"):
            check_prefix(session, 2, "wp:")
        check_prefix(session, 2, "wp:tram:")
        check_prefix(session, 1, "wp:")
    assert database_url(tmp_path).startswith("postgresql")
