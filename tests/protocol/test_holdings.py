"""What a reader says of its lists: what its disk holds, with the age that this has."""

import pytest

from waypass_protocol.assembly import HeldList
from waypass_protocol.holdings import Holdings
from waypass_protocol.messages import HeldRow

NOW = 1_800_000_000.5


def held(version: int, *, uri: str = "wp:17", renewed: int | None = None) -> dict[str, HeldList]:
    return {uri: HeldList(uri=uri, version=version, packed=b"", digest=bytes([version]) * 32, renewed=renewed)}


def row(version: int, *, age: int | None, since: float, uri: str = "wp:17") -> HeldRow:
    return HeldRow(uri=uri, version=version, digest=(bytes([version]) * 32).hex(), age=age, since=since)


@pytest.fixture
def holdings() -> Holdings:
    """Of a reader with version 1, swapped in at `NOW` and on its disk."""
    made = Holdings()
    made.swapped(held(1), now=NOW)
    made.written(held(1, renewed=int(NOW)), made.behind)
    return made


def test_nothing_is_said_of_what_is_in_memory_alone() -> None:
    holdings = Holdings()
    holdings.swapped(held(1), now=NOW)
    assert holdings.rows(held(1), now=NOW + 3) == (row(1, age=None, since=NOW),)
    assert (holdings.said(now=NOW), holdings.behind) == ((), frozenset({"wp:17"}))
    assert not holdings.written(held(1), ())
    assert holdings.written(held(1), ["wp:17", "wp:18"])
    assert not holdings.written(held(1), ["wp:17"]), "no news"
    assert holdings.said(now=NOW + 3) == holdings.rows(held(1), now=NOW + 3)


def test_the_version_before_is_said_until_the_next_is_written(holdings: Holdings) -> None:
    for version in (2, 3):
        holdings.swapped(held(version), now=NOW + version)
        holdings.renewed(held(version, renewed=int(NOW) + 10))
        assert holdings.said(now=NOW + 20) == (row(1, age=20, since=NOW),)
        assert holdings.rows(held(version), now=NOW + 20) == (row(version, age=None, since=NOW + version),)
    assert holdings.written(held(3, renewed=int(NOW) + 10), ["wp:17"])
    assert holdings.said(now=NOW + 20) == (row(3, age=10, since=NOW + 3),)


@pytest.mark.parametrize(("renewed", "age"), [(int(NOW) + 8, 12), (None, None)])
def test_a_head_changes_the_age_of_what_is_said_when_it_is_of_that(
    holdings: Holdings, renewed: int | None, age: int | None
) -> None:
    holdings.renewed(held(1, renewed=renewed))
    assert holdings.said(now=NOW + 20) == (row(1, age=age, since=NOW),)


def test_what_is_dropped_is_not_said(holdings: Holdings) -> None:
    other = held(1, uri="wp:18")
    holdings.swapped(other, now=NOW)
    holdings.dropped(["wp:17", "wp:18"])
    assert (holdings.said(now=NOW), holdings.behind) == ((), frozenset())


def test_a_list_in_other_bits_of_its_version_is_another_one(holdings: Holdings) -> None:
    mended = {"wp:17": HeldList(uri="wp:17", version=1, packed=b"", digest=b"m" * 32, renewed=int(NOW) + 5)}
    holdings.swapped(mended, now=NOW + 5)
    holdings.renewed(mended)
    assert holdings.said(now=NOW + 5) == (row(1, age=5, since=NOW),)
    holdings.written(mended, ["wp:17"])
    assert [(each.digest, each.age) for each in holdings.said(now=NOW + 5)] == [((b"m" * 32).hex(), 0)]
