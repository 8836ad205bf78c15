"""Places for passes: random, never twice, never a decoy, and a new list in time."""

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from tests.server.publishing import add_network, make_services

from waypass_protocol.bits import INVALID, LIST_BYTES, LIST_INDEXES, VALID, set_status
from waypass_server.decoys import SMALLEST, Decoys
from waypass_server.indexes import Allocator, ListRules, Places, decoys_of
from waypass_server.models.status import ListVersion, PassKind, PassRow, StatusList
from waypass_server.services import Services

NOW = 1_800_000_000


@pytest.fixture
def services(tmp_path: Path) -> Services:
    made = make_services(tmp_path)
    add_network(made)
    return made


def take(services: Services, allocator: Allocator, count: int) -> Places:
    """Places, and the passes that take them."""
    with services.database.changing() as session:
        places = allocator.allocate(session, 1, count, NOW)
        session.add_all(
            PassRow(
                person_id=1,
                list_id=places.list_id,
                idx=idx,
                kind=PassKind.BOUND,
                aspects={"1": 0},
                iat=NOW,
                exp=NOW + 3600,
                status=0,
                created_at=NOW,
            )
            for idx in places.indexes
        )
    return places


class Narrow(random.Random):
    """Draws among a few indexes, so that drawing the same one again is the rule."""

    def __init__(self, size: int) -> None:
        super().__init__(1)
        self.size = size

    def sample(self, population, k, *, counts=None):  # type: ignore[no-untyped-def]  # random.Random's own, any population
        if isinstance(population, range) and len(population) == LIST_INDEXES:
            return super().sample(range(self.size), min(k, self.size))
        return super().sample(population, k, counts=counts)


def test_no_index_is_given_twice_and_none_is_a_decoy(services: Services) -> None:
    allocator = Allocator(uri_prefix="wp:", draw=Narrow(200), rules=ListRules(decoys=50))
    given_out: list[int] = []
    for count in (60, 60, 30):
        given_out += take(services, allocator, count).indexes
    with services.database.reading() as session:
        decoys = set(decoys_of(session, 1))
    assert len(decoys) == 50
    assert sorted([*given_out, *decoys]) == list(range(200)), "all 200 that can be drawn, each for one thing"


def test_indexes_are_spread_over_the_whole_list(services: Services) -> None:
    places = take(services, Allocator(uri_prefix="wp:", draw=random.Random(3)), 400)
    assert len(set(places.indexes)) == 400
    quarters = [sum(idx // (LIST_INDEXES // 4) == quarter for idx in places.indexes) for quarter in range(4)]
    assert min(quarters) > 60
    assert list(places.indexes) != sorted(places.indexes)


def test_a_full_list_is_followed_by_a_new_one_once_that_is_published(services: Services) -> None:
    allocator = Allocator(
        uri_prefix="https://status.example/status-lists/",
        draw=random.Random(3),
        rules=ListRules(full=10, brim=16, decoys=8),
    )
    uris = [take(services, allocator, 4).uri[-1] for _ in range(3)]
    assert uris == ["1", "1", "1"], "over 10, but nobody can hold the second list yet"
    with services.database.changing() as session:
        session.add(ListVersion(list_id=2, version=1, digest=bytes(32)))
    assert take(services, allocator, 4).uri == "https://status.example/status-lists/2"
    with services.database.reading() as session:
        rows = session.execute(select(StatusList.name, StatusList.allocated, StatusList.closed)).all()
    assert [tuple(row) for row in rows] == [("1", 12, True), ("2", 4, False)]


def test_a_list_is_not_filled_over_its_brim(services: Services) -> None:
    allocator = Allocator(uri_prefix="wp:", draw=random.Random(3), rules=ListRules(full=10, brim=12, decoys=8))
    assert [take(services, allocator, 4).uri for _ in range(4)] == ["wp:1", "wp:1", "wp:1", "wp:2"]
    with services.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(StatusList)) == 2


CHANGES = st.dictionaries(st.integers(10_000, 20_000), st.just(INVALID), min_size=1, max_size=20)


@settings(deadline=None)
@given(rounds=st.lists(CHANGES, max_size=30), size=st.integers(0, 40), seed=st.integers(0, 99))
def test_decoys_fill_up_small_deltas_with_what_changes(rounds: list[dict[int, int]], size: int, seed: int) -> None:
    """Whatever the changes: every decoy in a delta is a real change of its bit, and the cover never runs dry."""
    packed = bytearray(LIST_BYTES)
    decoys = Decoys(range(size), bytes(packed), random.Random(seed))
    statuses = dict.fromkeys(range(size), VALID)
    for changes in rounds:
        filled = decoys.fill(changes)
        cover = {idx: status for idx, status in filled.items() if idx not in changes}
        assert {idx: status for idx, status in filled.items() if idx in changes} == changes
        assert all(idx in statuses and statuses[idx] != status for idx, status in cover.items())
        raised = sum(status == INVALID for status in cover.values())
        room = sum(status == VALID for status in statuses.values())
        assert raised == max(0, min(SMALLEST - len(changes), room))
        statuses.update(cover)
        decoys.keep(filled)
        for idx, status in filled.items():
            set_status(packed, idx, status)
        if size >= 4 * SMALLEST:
            assert sum(status == INVALID for status in statuses.values()) <= size // 2 + SMALLEST
    again = Decoys(range(size), bytes(packed), random.Random(seed))
    assert set(again.fill({10_000: INVALID})) - {10_000} <= set(range(size))
