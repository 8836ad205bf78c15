"""Places for passes: random, never twice, never a decoy, and a new list in time."""

import random
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, update
from tests.server.publishing import add_network, make_services

from waypass_protocol.bits import INVALID, LIST_BYTES, LIST_INDEXES, VALID, set_status
from waypass_protocol.status import MAX_HEAD, largest_head
from waypass_server.decoys import SMALLEST, Decoys
from waypass_server.indexes import (
    BLOCK,
    Allocator,
    ListRules,
    Places,
    PrefixTaken,
    TooManyLists,
    blocks_with,
    check_prefix,
    decoys_of,
)
from waypass_server.models.network import Network
from waypass_server.models.status import Block, ListVersion, PassKind, PassRow, StatusList
from waypass_server.services import Services

pytestmark = pytest.mark.both_stores

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


def use_all_but(services: Services, free: Iterable[int], *, list_id: int = 1) -> None:
    """Let every index of a list be used, those aside."""
    rows = [
        {**row, "free": BLOCK - row["free"], "used": bytes(byte ^ 0xFF for byte in row["used"])}
        for row in blocks_with(list_id, free)
    ]
    with services.database.changing() as session:
        session.execute(update(Block), rows)


def test_no_index_is_given_twice_and_none_is_a_decoy(services: Services) -> None:
    """A list of which all but 200 are used, and 50 of those are decoys: the rest is given out, to the last one."""
    allocator = Allocator(uri_prefix="wp:", draw=random.Random(3), rules=ListRules(decoys=50))
    with services.database.changing() as session:
        allocator.open_list(session, 1, NOW)
        decoys = set(decoys_of(session, 1))
    others = random.Random(4).sample(sorted(set(range(LIST_INDEXES)) - decoys), 150)
    use_all_but(services, others)
    given_out: list[int] = []
    for count in (60, 1, 60, 29):
        given_out += take(services, allocator, count).indexes
    assert len(decoys) == 50
    assert sorted(given_out) == sorted(others)
    with services.database.reading() as session:
        assert session.scalar(select(func.sum(Block.free))) == 0


def test_every_free_index_has_the_same_chance(services: Services) -> None:
    """One free index in a block of its own is drawn as often as each of 1,024 in another."""
    allocator = Allocator(uri_prefix="wp:", draw=random.Random(3), rules=ListRules(decoys=1))
    with services.database.changing() as session:
        allocator.open_list(session, 1, NOW)
    free = [5, *range(BLOCK, 2 * BLOCK)]
    drawn: Counter[int] = Counter()
    for _ in range(30):
        use_all_but(services, free)
        with services.database.changing() as session:
            drawn.update(allocator.allocate(session, 1, 700, NOW).indexes)
    assert drawn.keys() == set(free)
    assert 12 <= drawn[5] <= 28, "20.5 times of 30 are to be expected"


def test_a_rule_for_blocks_counts_what_is_free() -> None:
    rows = blocks_with(7, [0, 1, BLOCK - 1, BLOCK, LIST_INDEXES - 1])
    assert [(row["number"], row["free"]) for row in rows if row["free"] != BLOCK] == [
        (0, 1021),
        (1, 1023),
        (1023, 1023),
    ]
    assert rows[0]["used"] == b"\x03" + bytes(126) + b"\x80"


def test_an_old_list_is_followed_by_a_new_one(services: Services) -> None:
    rules = ListRules(oldest=3600, decoys=1)
    allocator = Allocator(uri_prefix="wp:", draw=random.Random(3), rules=rules)
    with services.database.changing() as session:
        allocator.open_list(session, 1, NOW)
        assert allocator.allocate(session, 1, 1, NOW + 3599).uri == "wp:1"
        assert allocator.allocate(session, 1, 1, NOW + 3600).uri == "wp:1", "nobody can hold the second list yet"
        session.add(ListVersion(list_id=2, version=1, digest=bytes(32)))
        assert allocator.allocate(session, 1, 1, NOW + 3600).uri == "wp:2"
        session.flush()
        assert session.scalars(select(StatusList.closed).order_by(StatusList.id)).all() == [True, False]


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


def test_paper_passes_have_lists_of_their_own(services: Services) -> None:
    """A list that was opened when there was one for all goes on as one of bound passes."""
    both = {
        kind: Allocator(uri_prefix="wp:", draw=random.Random(3), rules=ListRules(full=10, brim=10, decoys=8), kind=kind)
        for kind in (PassKind.BOUND, PassKind.PAPER)
    }
    with services.database.changing() as session:
        found = [both[kind].allocate(session, 1, 6, NOW).uri for kind in (*PassKind, *PassKind)]
    assert found == ["wp:1", "wp:p1", "wp:2", "wp:p2"]


def test_another_networks_lists_for_paper_take_the_prefix_too(services: Services) -> None:
    with services.database.changing() as session:
        paper = Allocator(uri_prefix="wp:", draw=random.Random(3), kind=PassKind.PAPER)
        paper.open_list(session, 1, NOW)
        session.add(Network(id=2, name="buses", created_at=NOW))
        session.flush()
        with pytest.raises(PrefixTaken, match=r"got 'wp:', which is that of network metro"):
            check_prefix(session, 2, "wp:")


def test_no_list_is_opened_that_a_head_could_not_name(services: Services) -> None:
    """With a long prefix a head names some 260 lists. The open one is filled up to its brim before that counts."""
    prefix = f"https://{'h' * 191}/"
    allocator = Allocator(uri_prefix=prefix, draw=random.Random(3), rules=ListRules(full=6, brim=9, decoys=8))
    assert take(services, allocator, 6).uri == f"{prefix}1"
    with services.database.changing() as session:
        ended = _bare_list(f"{prefix}2", 2)
        ended.ended_at = NOW
        session.add_all([ended, *(_bare_list(f"{prefix}{number}", number) for number in range(3, 264))])
    with services.database.reading() as session:
        alive = session.scalars(select(StatusList.uri).where(StatusList.ended_at.is_(None))).all()
    assert largest_head("metro", alive) <= MAX_HEAD < largest_head("metro", [*alive, f"{prefix}264"])
    assert take(services, allocator, 3).uri == f"{prefix}1"
    with pytest.raises(TooManyLists, match=r"heads of at most 65536 bytes, with 263 lists they could have 65\d\d\d"):
        take(services, allocator, 1)
    with services.database.changing() as session:
        session.execute(update(StatusList).where(StatusList.name == "7").values(ended_at=NOW))
    assert take(services, allocator, 1).uri == f"{prefix}264"


def _bare_list(uri: str, number: int) -> StatusList:
    return StatusList(network_id=1, name=str(number), uri=uri, allocated=0, closed=True, created_at=NOW, ended_at=None)


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
