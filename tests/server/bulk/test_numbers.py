"""Ids that are kept until they are needed in their order."""

from hypothesis import given
from hypothesis import strategies as st

from waypass_server.bulk.numbers import Numbers


@given(st.lists(st.lists(st.integers(0, 300_000) | st.integers(0, 1 << 53))))
def test_they_come_back_rising_and_once(lots: list[list[int]]) -> None:
    kept = Numbers()
    for some in lots:
        kept.add(some)
    assert list(kept) == sorted({number for some in lots for number in some})
