"""Places that are drawn ahead: each given out once, of a list that is open, and none of a transaction that failed."""

import random
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session
from tests.server.publishing import add_network, make_services

from waypass_protocol.bits import LIST_INDEXES
from waypass_server.indexes import BLOCK, Allocator, ListRules, Places, blocks_with
from waypass_server.models.status import Block, ListVersion, PassKind, StatusList
from waypass_server.reserve import Reserve
from waypass_server.services import Services

pytestmark = pytest.mark.both_stores

NOW = 1_800_000_000
RULES = ListRules(decoys=8)


@pytest.fixture
def services(tmp_path: Path) -> Services:
    made = make_services(tmp_path)
    add_network(made)
    return made


def allocator(reserve: Reserve | None = None, rules: ListRules = RULES, seed: int = 3) -> Allocator:
    return Allocator(uri_prefix="wp:", draw=random.Random(seed), rules=rules, reserve=reserve or Reserve())


def take(services: Services, of: Allocator, count: int, now: int = NOW) -> Places:
    with services.database.changing() as session:
        return of.allocate(session, 1, count, now)


class _Gone(Exception):
    """The machine is, in the middle of a transaction."""


def take_in_vain(services: Services, of: Allocator, count: int, *, nested: bool = False) -> Places:
    """Places of a transaction that is rolled back."""
    try:
        with services.database.changing() as session:
            with session.begin_nested() if nested else nullcontext():
                places = of.allocate(session, 1, count, NOW)
            raise _Gone
    except _Gone:
        return places


def used(session: Session, list_id: int = 1) -> set[int]:
    """All indexes that the database says are used."""
    blocks = session.execute(select(Block.number, Block.used).where(Block.list_id == list_id)).all()
    bits = {number: int.from_bytes(stored, "little") for number, stored in blocks}
    return {BLOCK * number + place for number, each in bits.items() for place in range(BLOCK) if each >> place & 1}


def test_nothing_is_given_out_twice_and_all_of_it_is_used_before(services: Services) -> None:
    of = allocator()
    given: list[int] = []
    for _ in range(40):
        given += take(services, of, 50).indexes
        with services.database.reading() as session:
            assert used(session) >= set(given)
    assert len(set(given)) == 2000
    with services.database.reading() as session:
        in_blocks = used(session)
        allocated = session.scalar(select(StatusList.allocated))
        counted = BLOCK * 1024 - (session.scalar(select(func.sum(Block.free))) or 0)
    assert allocated == len(in_blocks) - RULES.decoys == counted - RULES.decoys
    assert 2000 < allocated < 2 * 8192, "twice as many each time, up to the most"


def test_places_of_one_draw_are_in_no_order(services: Services) -> None:
    of = allocator()
    take(services, of, 1000)
    places = take(services, of, 1000).indexes
    rising = sum(first < second for first, second in pairwise(places))
    assert 400 < rising < 600
    quarters = [sum(idx // (LIST_INDEXES // 4) == quarter for idx in places) for quarter in range(4)]
    assert min(quarters) > 180


def test_many_are_drawn_among_the_free_ones_only(services: Services) -> None:
    take(services, allocator(Reserve(most=0)), 1)
    free = set(random.Random(7).sample(range(LIST_INDEXES), LIST_INDEXES // 5))
    taken_away = [
        {**row, "free": BLOCK - row["free"], "used": bytes(byte ^ 0xFF for byte in row["used"])}
        for row in blocks_with(1, free)
    ]
    with services.database.changing() as session:
        session.execute(update(Block), taken_away)
    places = take(services, allocator(Reserve(most=0)), 5000).indexes
    assert len(set(places)) == 5000
    assert set(places) <= free
    with services.database.reading() as session:
        assert used(session) == set(range(LIST_INDEXES)) - free | set(places)


def test_what_was_rolled_back_is_not_given_out(services: Services) -> None:
    reserve = Reserve()
    of = allocator(reserve)
    take(services, of, 1)
    take_in_vain(services, of, 100)
    assert reserve.take((1, PassKind.BOUND), 2) is None, "one of the first draw, none of the second"


def test_a_savepoint_is_no_commit(services: Services) -> None:
    reserve = Reserve()
    take_in_vain(services, allocator(reserve), 100, nested=True)
    assert reserve.take((1, PassKind.BOUND), 1) is None


def test_what_was_given_out_and_rolled_back_is_nobodys(services: Services) -> None:
    of = allocator()
    take(services, of, 100)
    lost = take_in_vain(services, of, 50).indexes
    later = [idx for _ in range(20) for idx in take(services, of, 50).indexes]
    assert not set(lost) & set(later)


def test_nothing_is_given_out_of_a_list_that_another_process_closed(services: Services) -> None:
    of = allocator()
    take(services, of, 100)
    with services.database.changing() as session:
        session.execute(update(StatusList).values(closed=True))
    assert take(services, of, 50).uri == "wp:2"
    assert take(services, of, 50).uri == "wp:2"


def test_nothing_is_kept_of_a_list_that_is_too_old(services: Services) -> None:
    rules = ListRules(decoys=8, oldest=3600)
    of = allocator(rules=rules)
    take(services, of, 100)
    with services.database.reading() as session:
        before = session.scalar(select(StatusList.allocated)) or 0
    assert [take(services, of, 50, NOW + 3600).uri for _ in range(4)] == ["wp:1"] * 4, "nobody can hold the second yet"
    with services.database.changing() as session:
        assert session.scalar(select(StatusList.allocated).where(StatusList.id == 1)) == before + 200
        session.add(ListVersion(list_id=2, version=1, digest=bytes(32)))
    assert take(services, of, 50, NOW + 3600).uri == "wp:2"


def test_a_list_is_not_drawn_ahead_past_its_fullness(services: Services) -> None:
    of = allocator(rules=ListRules(full=120, brim=LIST_INDEXES - 8, decoys=8))
    take(services, of, 100)
    with services.database.reading() as session:
        assert session.scalar(select(StatusList.allocated)) == 120


def test_two_processes_have_reserves_of_their_own(services: Services) -> None:
    both = allocator(seed=1), allocator(seed=1)
    given = [idx for _ in range(15) for of in both for idx in take(services, of, 60).indexes]
    assert len(set(given)) == len(given) == 1800
