"""Decoys: what fills up a small delta, so that it does not tell how many passes changed.

1. a delta with fewer than `SMALLEST` changes is filled up to that many with decoys that go from 0 to 1, as passes do
2. once more than half of a list's decoys are at 1, as many as were raised are lowered again, those first that were
   raised first; these come on top, because no pass ever goes back to 0 and they hide nothing

Which indexes are decoys is decided when the list is opened (`indexes`), and no pass ever gets one.
"""

import random
from array import array
from bisect import bisect_left
from collections.abc import Mapping, Sequence

from waypass_protocol.bits import INVALID, VALID, status_at

SMALLEST = 8


class Decoys:
    """The decoys of one list, ascending. `draw` must not be predictable outside tests."""

    def __init__(self, indexes: Sequence[int], packed: bytes, draw: random.Random) -> None:
        self._draw = draw
        self._all = array("I", indexes)
        self._raised = dict.fromkeys(idx for idx in indexes if status_at(packed, idx) != VALID)

    def fill(self, changes: Mapping[int, int]) -> dict[int, int]:
        """The changes (index to status) with the decoys that rule 1 and 2 add. Nothing is remembered before `keep`."""
        filled = dict(changes)
        missing = min(SMALLEST - len(changes), len(self._all) - len(self._raised))
        if missing <= 0:
            return filled
        while len(filled) < len(changes) + missing:
            idx = self._draw.choice(self._all)
            if idx not in self._raised:
                filled[idx] = INVALID
        if 2 * len(self._raised) > len(self._all):
            filled.update((idx, VALID) for idx, _ in zip(self._raised, range(missing), strict=False))
        return filled

    def keep(self, filled: Mapping[int, int]) -> None:
        """The delta that carries these changes is stored."""
        for idx, status in filled.items():
            if not self._knows(idx):
                continue
            if status == VALID:
                self._raised.pop(idx, None)
            else:
                self._raised[idx] = None

    def _knows(self, idx: int) -> bool:
        at = bisect_left(self._all, idx)
        return at < len(self._all) and self._all[at] == idx
