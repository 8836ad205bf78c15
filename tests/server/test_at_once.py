"""Several requests at the same moment, on both databases: issuing, forgetting, allocation, and a person's passes.

What people decide at the same moment is in `test_decisions_at_once`.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import func, select, update
from tests.server.publishing import WALLET, add_network, issue, make_services
from tests.support.at_once import together
from tests.support.issuing import NOW

from waypass_protocol.bits import INVALID, LIST_INDEXES
from waypass_protocol.passes import Aspect
from waypass_server.forgetting import KEPT, forget
from waypass_server.indexes import ListRules
from waypass_server.issuing import NonceRefused, make_nonce, use_nonce
from waypass_server.models.status import Block, Challenge, PassRow, StatusChange, StatusList
from waypass_server.passes import live_passes, worsen_passes
from waypass_server.services import Services, SetClock

pytestmark = pytest.mark.both_stores

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
    """All of them three times; what one raises is raised."""
    assert together(*(lambda work=work: [work() for _ in range(3)] for work in works)).refused == []


def test_passes_that_are_issued_at_once_have_places_of_their_own(services: Services) -> None:
    at_once(*(lambda person=person: issue(services, 20, person=person) for person in range(1, PEOPLE + 1)))
    with services.database.reading() as session:
        places = session.execute(select(PassRow.list_id, PassRow.idx)).all()
        allocated = session.scalar(select(StatusList.allocated))
    assert len(places) == len(set(places)) == 1 + 3 * 20 * PEOPLE
    assert (allocated or 0) >= len(places), "and what is drawn ahead"


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
        free = session.scalar(select(func.sum(Block.free)))
        allocated = session.scalar(select(StatusList.allocated)) or 0
        kept = set(session.execute(select(PassRow.list_id, PassRow.idx)).all())
    assert len(kept) == 60
    assert allocated >= 121
    assert free == LIST_INDEXES - ListRules().decoys - allocated, "the 61 that were forgotten stay used"


def test_the_first_passes_at_once_open_one_list(tmp_path: Path, clock: SetClock) -> None:
    services = make_services(tmp_path, clock=clock)
    add_network(services, people=PEOPLE)
    outcome = together(
        *(lambda person=person: issue(services, 2, person=person) for person in range(1, PEOPLE + 1)),
        linger=services.database,
    )
    assert outcome.refused == []
    with services.database.reading() as session:
        assert session.scalars(select(StatusList.uri)).all() == ["wp:1"]


def test_a_list_that_is_full_has_one_successor(services: Services) -> None:
    with services.database.changing() as session:
        session.execute(update(StatusList).values(allocated=ListRules().full))
    outcome = together(
        *(lambda person=person: issue(services, 2, person=person) for person in range(1, PEOPLE + 1)),
        linger=services.database,
    )
    assert outcome.refused == []
    with services.database.reading() as session:
        assert session.scalars(select(StatusList.uri).order_by(StatusList.id)).all() == ["wp:1", "wp:2"]


def test_a_list_that_is_too_old_is_followed_by_one_whoever_has_places_of_it(
    services: Services, clock: SetClock
) -> None:
    """Each of them takes of what was drawn ahead, finds that the list is too old, and goes on to open the next one:
    whoever held the old one meanwhile would wait for all others who do."""
    for person in range(1, PEOPLE + 1):
        issue(services, 40, person=person)
    clock.advance(ListRules().oldest)
    outcome = together(
        *(lambda person=person: issue(services, 2, person=person) for person in range(1, PEOPLE + 1)),
        linger=services.database,
    )
    assert outcome.refused == []
    with services.database.reading() as session:
        assert session.scalars(select(StatusList.uri).order_by(StatusList.id)).all() == ["wp:1", "wp:2"]


def test_a_nonce_that_comes_twice_at_once_counts_once(services: Services) -> None:
    with services.database.changing() as session:
        nonce = make_nonce(session, services, WALLET, NOW)

    def use() -> None:
        with services.database.changing() as session:
            use_nonce(session, WALLET, nonce, NOW)

    outcome = together(use, use, use, linger=services.database)
    assert [type(error) for error in outcome.refused] == [NonceRefused] * 2


def test_of_nonces_that_are_asked_for_at_once_one_counts(services: Services) -> None:
    def ask() -> None:
        with services.database.changing() as session:
            make_nonce(session, services, WALLET, NOW)

    assert together(ask, ask, ask, linger=services.database).refused == []
    with services.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Challenge)) == 1
