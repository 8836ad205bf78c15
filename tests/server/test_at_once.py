"""Several requests at the same moment, on whichever database the tests run."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import func, select
from tests.server.publishing import add_network, issue, make_services
from tests.support.issuing import NOW

from waypass_protocol.bits import INVALID
from waypass_protocol.passes import Aspect
from waypass_server.forgetting import KEPT, forget
from waypass_server.models.status import PassRow, StatusChange, StatusList, UsedIndex
from waypass_server.passes import live_passes, worsen_passes
from waypass_server.services import Services, SetClock

PEOPLE = 4


@pytest.fixture
def clock() -> SetClock:
    return SetClock(NOW)


@pytest.fixture
def services(tmp_path: Path, clock: SetClock) -> Services:
    made = make_services(tmp_path, clock=clock)
    add_network(made, people=PEOPLE)
    issue(made, 1)
    return made


def at_once(*works: Callable[[], object]) -> None:
    """All of them, from the same moment on; what one raises is raised."""
    begin = threading.Barrier(len(works))

    def run(work: Callable[[], object]) -> None:
        begin.wait(10.0)
        for _ in range(3):
            work()

    with ThreadPoolExecutor(len(works)) as pool:
        for future in [pool.submit(run, work) for work in works]:
            future.result(60.0)


def test_passes_that_are_issued_at_once_have_places_of_their_own(services: Services) -> None:
    at_once(*(lambda person=person: issue(services, 20, person=person) for person in range(1, PEOPLE + 1)))
    with services.database.reading() as session:
        places = session.execute(select(PassRow.list_id, PassRow.idx)).all()
        allocated = session.scalar(select(StatusList.allocated))
    assert len(places) == len(set(places)) == allocated == 1 + 3 * 20 * PEOPLE


def test_what_is_issued_while_a_person_gets_worse_is_taken_away_or_worse(services: Services) -> None:
    """Each change takes what is there; at the end one more finds exactly what was issued after the last."""

    def worsen() -> None:
        with services.change() as session:
            worsen_passes(session, 1, {1: Aspect.YELLOW, 2: Aspect.YELLOW}, NOW)

    at_once(lambda: issue(services, 20), worsen, lambda: issue(services, 20), worsen)
    worsen()
    with services.database.reading() as session:
        assert live_passes(session, 1, NOW) == []
        taken = session.scalar(select(func.count()).where(PassRow.status == INVALID))
        changes = session.execute(select(StatusChange.list_id, StatusChange.idx)).all()
    assert taken == len(changes) == len(set(changes)) == 121, "each once"


def test_forgetting_while_others_issue(services: Services, clock: SetClock) -> None:
    issue(services, 60)
    clock.advance(24 * 3600 + KEPT)
    at_once(lambda: forget(services), lambda: issue(services, 20), lambda: forget(services))
    with services.database.reading() as session:
        used = set(session.execute(select(UsedIndex.list_id, UsedIndex.idx)).all())
        kept = set(session.execute(select(PassRow.list_id, PassRow.idx)).all())
    assert (len(used), len(kept)) == (61, 60)
    assert used.isdisjoint(kept)
