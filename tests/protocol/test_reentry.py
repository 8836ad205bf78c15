"""Re-entry memory: seen again within the time, forgotten after it, under keys that change."""

from collections.abc import Callable

from hypothesis import example, given
from hypothesis import strategies as st

from waypass_protocol.passes import Place
from waypass_protocol.reentry import KEY_LIFE, NoReentry, ReentryMemory

A, B = Place(uri="wp:17", idx=5), Place(uri="wp:17", idx=6)


def counting_keys() -> Callable[[], bytes]:
    """Keys 0, 1, 2 ..., each 32 bytes."""
    numbers = iter(range(10_000))
    return lambda: next(numbers).to_bytes(32, "big")


def memory(now: int = 0) -> ReentryMemory:
    return ReentryMemory(reentry=120, new_key=counting_keys(), now=now)


def test_seen_until_the_time_is_over() -> None:
    remembered = memory()
    remembered.remember(A, 100)
    assert [remembered.opened_within(A, 120, now) for now in (100, 219, 220)] == [True, True, False]


def test_knows_a_pass_by_index_and_uri() -> None:
    remembered = memory()
    remembered.remember(A, 0)
    assert not remembered.opened_within(B, 120, 0)
    assert not remembered.opened_within(Place(uri="wp:18", idx=5), 120, 0)
    assert remembered.opened_within(Place(uri="wp:17", idx=5), 120, 0)


def test_no_time_means_never() -> None:
    remembered = memory()
    remembered.remember(A, 0)
    assert not remembered.opened_within(A, 0, 0)


def test_a_clock_set_back_lets_no_code_in_twice() -> None:
    remembered = memory(now=1_000)
    remembered.remember(A, 1_000)
    assert remembered.opened_within(A, 120, 500)


def test_is_seen_across_a_change_of_keys() -> None:
    remembered = memory()
    remembered.remember(A, KEY_LIFE - 1)
    remembered.remember(B, KEY_LIFE)
    assert remembered.opened_within(A, 120, KEY_LIFE + 100)
    assert remembered.opened_within(B, 120, KEY_LIFE + 100)


def test_the_same_pass_under_another_key_leaves_another_mark() -> None:
    """A key is asked for at the start, and again by the first opening after its life."""
    asked = []
    keys = counting_keys()

    def new_key() -> bytes:
        asked.append(keys())
        return asked[-1]

    remembered = ReentryMemory(reentry=120, new_key=new_key, now=0)
    for now in (0, KEY_LIFE - 1, KEY_LIFE, 2 * KEY_LIFE - 1, 2 * KEY_LIFE):
        remembered.remember(A, now)
    assert len(asked) == 3


def test_nothing_is_kept_past_its_time() -> None:
    remembered = memory()
    for number in range(50):
        remembered.remember(Place(uri="wp:17", idx=number), number)
    assert len(remembered) == 50
    remembered.forget(120 + 24)
    assert len(remembered) == 25
    remembered.forget(120 + 49)
    assert len(remembered) == 0


def test_an_opening_again_does_not_keep_others_longer() -> None:
    remembered = ReentryMemory(reentry=120, new_key=counting_keys(), now=0)
    remembered.remember(A, 0)
    remembered.remember(B, 10)
    remembered.remember(A, 100)
    remembered.forget(130)
    assert len(remembered) == 1
    assert remembered.opened_within(A, 120, 130)
    assert not remembered.opened_within(B, 120, 130)


def test_no_reentry_remembers_nothing() -> None:
    assert not NoReentry().opened_within(A, 10**9, 0)


@example([(0, 81), (0, 400), (0, 119)], 0, 0)  # the same place under the old key and the new one
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 400)), max_size=40), st.integers(0, 9), st.integers(0, 300))
def test_agrees_with_a_list_of_openings(openings: list[tuple[int, int]], asked: int, later: int) -> None:
    """With a clock that only goes forward, the memory is the plain list that it does not keep."""
    remembered, now, last = memory(), 0, {}
    for idx, step in openings:
        now += step
        remembered.remember(Place(uri="wp:17", idx=idx), now)
        last[idx] = now
    now += later
    expected = asked in last and now - last[asked] < 120
    assert remembered.opened_within(Place(uri="wp:17", idx=asked), 120, now) == expected
    remembered.forget(now)
    assert len(remembered) == sum(now - opened < 120 for opened in last.values())
