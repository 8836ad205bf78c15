"""The limits of unpacking, at their edges."""

import tracemalloc
import zlib

import pytest

from waypass_server.evidence import UnreadableError
from waypass_server.evidence.transport import MAX_INFLATED, MAX_TEXT, inflate, without_prefix


def test_the_longest_text_and_the_largest_content_pass() -> None:
    assert len(without_prefix("HC1:" + "0" * (MAX_TEXT - 4))) == MAX_TEXT - 4
    assert inflate(zlib.compress(bytes(MAX_INFLATED))) == bytes(MAX_INFLATED)


def test_a_bomb_is_not_inflated_before_it_is_refused() -> None:
    bomb = zlib.compress(bytes(50_000_000))
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableError, match="at most 16384 bytes in the zlib stream"):
            inflate(bomb)
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 500_000
