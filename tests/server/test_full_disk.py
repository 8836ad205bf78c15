"""A server whose disk is really full: what can't be stored is refused whole, and what was committed leaves later."""

import random
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError
from tests.server.publishing import (
    TRUST,
    Gate,
    add_network,
    issue,
    make_services,
    memory_bus,
    pass_bits,
    take_away_some,
)
from tests.support.publishing import wait_for
from tests.support.small_disk import fill, small_disk

from waypass_server.bus import MemoryBroker
from waypass_server.models.status import StatusChange
from waypass_server.publisher import Pace, Publisher
from waypass_server.services import Services

PEOPLE, PASSES = 3, 900


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "small", "8m") as folder:
        yield folder


def waiting(services: Services) -> int:
    with services.database.reading() as session:
        return session.scalar(select(func.count()).select_from(StatusChange)) or 0


def invalid(services: Services) -> int:
    return sum(status != 0 for places in pass_bits(services).values() for status in places.values())


def test_what_a_full_disk_refuses_is_not_there_and_what_it_took_leaves_when_there_is_room(disk: Path) -> None:
    with ExitStack() as stack:
        services = make_services(disk)
        stack.callback(services.database.close)
        add_network(services, people=PEOPLE)
        for person in range(1, PEOPLE + 1):
            issue(services, PASSES, person=person)
        draw = random.Random(1)
        take_away_some(services, 20, draw=draw)  # committed, and in no version yet
        filler = disk / "filler"
        fill(filler)
        refuse_and_take(services, draw)
        bus = stack.enter_context(memory_bus(MemoryBroker()))
        gate = Gate(bus, TRUST)
        publisher = Publisher(services, bus, pace=Pace(gather=0.0, retry=0.05, poll=0.05))
        publisher.start()
        stack.callback(publisher.stop)
        threading.Event().wait(0.5)  # it tries, and tries again
        assert publisher.failure is None
        filler.unlink()
        wait_for(lambda: waiting(services) == 0 and gate.agrees_with(services), "all of it at the gate")
        assert gate.refused == []
        assert {held.version for held in gate.store.view.values()} == {2}


def refuse_and_take(services: Services, draw: random.Random) -> None:
    """Small changes may still fit into what SQLite has reserved; each is there whole, or not at all."""
    refused = 0
    for count in (1500, 500, 100, 20, 1):
        before, waited = invalid(services), waiting(services)
        try:
            take_away_some(services, count, draw=draw)
            added = count
        except OperationalError as error:
            assert "database or disk is full" in str(error)  # noqa: PT017 - smaller ones may go
            refused, added = refused + 1, 0
        assert (invalid(services), waiting(services)) == (before + added, waited + added)
    assert refused
