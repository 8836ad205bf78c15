"""Ids of rows, kept in little memory until they are needed in their order."""

from collections.abc import Iterable, Iterator

_BITS = 1 << 16


class Numbers:
    """Whole numbers from 0 on: each comes back once, rising. A bit for each where they are dense, as ids are; so what
    it takes grows with the table that they are of, and not with how many are added.
    """

    def __init__(self) -> None:
        self._blocks: dict[int, bytearray] = {}

    def add(self, numbers: Iterable[int]) -> None:
        """Keep these too."""
        for number in numbers:
            block = self._blocks.setdefault(number // _BITS, bytearray(_BITS // 8))
            block[number % _BITS // 8] |= 1 << number % 8

    def __iter__(self) -> Iterator[int]:
        for place in sorted(self._blocks):
            for at, bits in enumerate(self._blocks[place]):
                if bits:
                    yield from (place * _BITS + at * 8 + bit for bit in range(8) if bits >> bit & 1)
