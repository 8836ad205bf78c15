"""Status lists of a whole network, drawn at random: the material of `status_list.py` and `cold_start.py`.

N passes stand at random places of as few lists as hold them, and r of all places are withdrawn, each with the same
chance; so lists differ by chance, as they do on a network. The bound is log2 C(N, r): no code takes fewer bits on
average, whoever knows N and r.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, lgamma, log

import numpy as np

from waypass_protocol import bits


@dataclass(frozen=True, kw_only=True, slots=True)
class Network:
    """`packed` of each list, and the indexes that are withdrawn in it, ascending."""

    passes: int
    withdrawn: int
    packed: tuple[bytes, ...]
    indexes: tuple[list[int], ...]

    @property
    def bound_bytes(self) -> float:
        """log2 C(N, r), in bytes."""
        n, r = self.passes, self.withdrawn
        return (lgamma(n + 1) - lgamma(r + 1) - lgamma(n - r + 1)) / log(2) / 8

    def uris(self) -> Iterator[str]:
        """The lists' URIs."""
        return (f"wp:{number}" for number in range(1, len(self.packed) + 1))


def draw_network(passes: int, withdrawn: int, *, seed: int = 1) -> Network:
    """So many passes in as few lists as hold them, so many of them withdrawn."""
    lists = ceil(passes / bits.LIST_INDEXES)
    draw = np.random.default_rng(seed)
    drawn = draw.choice(lists * bits.LIST_INDEXES, withdrawn, replace=False, shuffle=False)
    drawn.sort()
    ends = np.searchsorted(drawn, np.arange(1, lists + 1) * bits.LIST_INDEXES)
    packed, indexes = [], []
    for number, (start, end) in enumerate(zip([0, *ends], ends, strict=False)):
        own = drawn[start:end] - number * bits.LIST_INDEXES
        statuses = np.zeros(bits.LIST_INDEXES, dtype=np.uint8)
        statuses[own] = bits.INVALID
        quarters = statuses.reshape(-1, 4) << np.array([0, 2, 4, 6], dtype=np.uint8)
        packed.append(np.bitwise_or.reduce(quarters, axis=1).astype(np.uint8).tobytes())
        indexes.append([int(idx) for idx in own])
    return Network(passes=passes, withdrawn=withdrawn, packed=tuple(packed), indexes=tuple(indexes))
