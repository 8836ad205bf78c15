"""What is forgotten, when, and that an index is never given out again all the same."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import func, select
from tests.server.publishing import add_network, issue, make_services, take_away_some
from tests.server.test_indexes import use_all_but
from tests.support.issuing import NOW
from tests.support.office import HOUR, RIDE, Office

from waypass_server.forgetting import AT_ONCE, KEPT, forget
from waypass_server.indexes import BLOCK, Allocator, ListRules
from waypass_server.models import Base
from waypass_server.models.people import DeskCode, FailedEnrolment, Wallet
from waypass_server.models.records import ReplacedPaper
from waypass_server.models.status import Block, Challenge, PassRow, StatusChange, StatusList
from waypass_server.reserve import Reserve
from waypass_server.services import Services, SetClock
from waypass_server.withdrawals import DAY, MONTH

pytestmark = pytest.mark.both_stores

LIFE = 24 * HOUR


@pytest.fixture
def clock() -> SetClock:
    return SetClock(NOW)


@pytest.fixture
def services(tmp_path: Path, clock: SetClock) -> Services:
    made = make_services(tmp_path, clock=clock)
    add_network(made)
    return made


def count(services: Services, model: type[Base]) -> int:
    with services.database.reading() as session:
        return session.scalar(select(func.count()).select_from(model)) or 0


def places(services: Services) -> set[tuple[int, int]]:
    """What passes have."""
    with services.database.reading() as session:
        return {(row.list_id, row.idx) for row in session.execute(select(PassRow.list_id, PassRow.idx))}


def used(services: Services) -> set[tuple[int, int]]:
    """What is marked as given out or as a decoy."""
    with services.database.reading() as session:
        blocks = session.scalars(select(Block)).all()
    return {
        (block.list_id, block.number * BLOCK + place)
        for block in blocks
        for place in range(BLOCK)
        if block.used[place // 8] >> place % 8 & 1
    }


@pytest.mark.parametrize(("seconds", "forgotten"), [(LIFE + KEPT - 1, False), (LIFE + KEPT, True)])
def test_a_pass_is_forgotten_an_hour_after_it_expired(
    services: Services, clock: SetClock, seconds: int, forgotten: bool
) -> None:
    issue(services, 20)
    before, marked = places(services), used(services)
    assert before <= marked
    clock.advance(seconds)
    assert forget(services) == (20 if forgotten else 0)
    assert places(services) == (set() if forgotten else before)
    assert used(services) == marked
    assert count(services, PassRow) == (0 if forgotten else 20)
    assert forget(services) == 0


def test_only_what_is_over_goes_and_a_withdrawal_that_waits_still_leaves(services: Services, clock: SetClock) -> None:
    issue(services, 10)
    take_away_some(services, 4, draw=random.Random(1))
    clock.advance(KEPT + LIFE)
    issue(services, 3)
    assert forget(services) == 10
    assert (count(services, PassRow), count(services, StatusChange)) == (3, 4)


def test_a_batch_at_a_time(services: Services, clock: SetClock) -> None:
    for _ in range(3):  # nobody may have so many alive at once
        issue(services, AT_ONCE // 3 + 4)
        clock.advance(KEPT + LIFE)
    assert [forget(services) for _ in range(3)] == [AT_ONCE, 10, 0]


def test_what_stays_does_not_tell_the_order_in_which_passes_were_issued(services: Services, clock: SetClock) -> None:
    issue(services, 200)
    clock.advance(KEPT + LIFE)
    forget(services)
    with services.database.reading() as session:
        allocated = session.scalars(select(StatusList.allocated)).one()
    assert allocated >= 200, "and what is drawn ahead"
    assert len(used(services)) == allocated + ListRules().decoys
    assert [column.name for column in Block.__table__.columns] == ["list_id", "number", "free", "used"]


def test_an_index_is_not_given_out_again_after_its_pass_is_forgotten(services: Services, clock: SetClock) -> None:
    """Of 60 free indexes 20 are given out and forgotten: what is given out then are the other 40."""
    allocator = Allocator(uri_prefix="wp:", draw=random.Random(1))
    with services.database.changing() as session:
        allocator.open_list(session, 1, NOW)
    use_all_but(services, range(60))
    services = replace(services, reserve=Reserve(most=0))
    issue(services, 20)
    first = {idx for _, idx in places(services)}
    clock.advance(KEPT + LIFE)
    assert forget(services) == 20
    with services.database.changing() as session:
        found = allocator.allocate(session, 1, 40, services.now())
    assert {*first, *found.indexes} == set(range(60))


def test_codes_nonces_ended_wallets_and_wrong_codes_go(office: Office) -> None:
    person = office.person()
    office.do(person, "POST", "/me/challenge")
    office.call(None, "POST", "/enrol", code="0000-0000")
    office.person()  # a second telephone: the first wallet ends, and its nonce with it
    rows = {model: count(office.services, model) for model in (Challenge, DeskCode, Wallet, FailedEnrolment)}
    assert rows == {Challenge: 1, DeskCode: 2, Wallet: 2, FailedEnrolment: 1}
    office.later(1)
    assert count(office.services, Challenge) == 0
    office.later(600)
    assert (count(office.services, DeskCode), count(office.services, FailedEnrolment)) == (0, 0)
    assert count(office.services, Wallet) == 2
    office.later(KEPT)
    assert count(office.services, Wallet) == 1
    office.do(person, "GET", "/me")


def test_a_person_can_have_a_new_pass_after_the_old_ones_are_forgotten(office: Office) -> None:
    person = office.person()
    office.do("desk", "POST", "/paper-passes", person=person, scopes=[RIDE])
    office.later(31 * LIFE)
    assert count(office.services, PassRow) == 0
    office.do("desk", "POST", "/paper-passes", person=person, scopes=[RIDE])


def test_that_a_desk_replaced_a_paper_pass_goes_when_it_counts_no_more(office: Office) -> None:
    person = office.person()
    for _ in range(2):
        office.do("desk", "POST", "/paper-passes", person=person, scopes=[RIDE])
    office.later(MONTH + DAY - 1)
    assert count(office.services, ReplacedPaper) == 1
    office.later(1)
    assert count(office.services, ReplacedPaper) == 0
