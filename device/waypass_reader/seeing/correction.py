"""Reed-Solomon correction of one block, of errors and of erasures, over the field of QR codes (GF(256), 0x11D).

`correct` gives the block put right, or None when there is more wrong than the code can tell: erasures count once,
errors twice, against the block's correction codewords. `spare` keeps that many of them unused. They stand against a
block that is put right wrongly, which would otherwise happen by chance when everything is erased that can be.

The reader has no library for this among its dependencies, and what is needed is a page (decision record 0014).
"""

import functools
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

Codewords = NDArray[np.uint8]

_ORDER: Final = 255


@functools.cache
def _tables() -> tuple[list[int], list[int]]:
    exponents = [1] * (2 * _ORDER)
    logarithms = [0] * 256
    value = 1
    for power in range(_ORDER):
        exponents[power] = exponents[power + _ORDER] = value
        logarithms[value] = power
        value = value << 1 ^ (0x11D if value & 0x80 else 0)
    return exponents, logarithms


@functools.cache
def _powers(length: int, correction: int) -> NDArray[np.intp]:
    """Exponents of the place of each codeword, for each syndrome."""
    return np.outer(np.arange(correction), np.arange(length - 1, -1, -1)) % _ORDER


def _syndromes(block: Codewords, correction: int) -> list[int]:
    exponents, logarithms = (np.array(table) for table in _tables())
    terms = exponents[logarithms[block][None, :] + _powers(len(block), correction)]
    terms[:, block == 0] = 0
    return [int(value) for value in np.bitwise_xor.reduce(terms, axis=1)]


def _times(one: Sequence[int], other: Sequence[int]) -> list[int]:
    """Product of two polynomials, lowest power first."""
    exponents, logarithms = _tables()
    product = [0] * (len(one) + len(other) - 1)
    for i, a in enumerate(one):
        if a:
            for j, b in enumerate(other):
                if b:
                    product[i + j] ^= exponents[logarithms[a] + logarithms[b]]
    return product


def _at(polynomial: Sequence[int], power: int) -> int:
    """The polynomial's value at the generator's given power."""
    exponents, logarithms = _tables()
    value = 0
    for place, factor in enumerate(polynomial):
        if factor:
            value ^= exponents[(logarithms[factor] + place * power) % _ORDER]
    return value


def _locator(syndromes: Sequence[int], erased: Sequence[int]) -> list[int]:
    """Berlekamp and Massey's polynomial whose roots are the wrong places; it begins with the erased ones."""
    exponents, logarithms = _tables()
    current = [1]
    for power in erased:
        current = _times(current, [1, exponents[power]])
    previous = list(current)
    length = len(erased)
    for step in range(len(erased), len(syndromes)):
        previous.insert(0, 0)
        gap = 0
        for place, factor in enumerate(current):
            if factor and place <= step and syndromes[step - place]:
                gap ^= exponents[logarithms[factor] + logarithms[syndromes[step - place]]]
        if not gap:
            continue
        scaled = [exponents[logarithms[value] + logarithms[gap]] if value else 0 for value in previous]
        if 2 * length <= step + len(erased):
            back = _ORDER - logarithms[gap]
            previous = [exponents[logarithms[value] + back] if value else 0 for value in current]
            length = step + 1 + len(erased) - length
        size = max(len(current), len(scaled))
        current = [(current[i] if i < len(current) else 0) ^ (scaled[i] if i < len(scaled) else 0) for i in range(size)]
    while len(current) > 1 and current[-1] == 0:
        current.pop()
    return current


def correct(block: Codewords, correction: int, *, erased: Sequence[int] = (), spare: int = 0) -> Codewords | None:
    """The block put right, its correction codewords too; None when it can't be. `erased` are places in it."""
    exponents, logarithms = _tables()
    syndromes = _syndromes(block, correction)
    if not any(syndromes):
        return block
    if len(erased) > correction - spare:
        return None
    length = len(block)
    powers = [length - 1 - place for place in erased]
    locator = _locator(syndromes, powers)
    wrong = len(locator) - 1
    if 2 * wrong - len(erased) > correction - spare:
        return None
    places = [place for place in range(length) if _at(locator, -(length - 1 - place) % _ORDER) == 0]
    if len(places) != wrong:
        return None
    # Forney: how far each wrong place is off.
    evaluator = _times(syndromes, locator)[:correction]
    slope = [factor if place % 2 == 0 else 0 for place, factor in enumerate(locator[1:])]
    right = block.copy()
    for place in places:
        power = length - 1 - place
        above, below = _at(evaluator, -power % _ORDER), _at(slope, -power % _ORDER)
        if below == 0:
            return None
        if above:
            right[place] ^= exponents[(logarithms[above] + power - logarithms[below]) % _ORDER]
    return None if any(_syndromes(right, correction)) else right
