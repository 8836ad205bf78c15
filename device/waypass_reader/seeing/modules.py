"""From beliefs about a symbol's modules to its codewords and its text.

A belief is a number for each module: above 0 light, below 0 dark, and the farther from 0 the surer (it is the logarithm
of a likelihood ratio). In this order:

1. The format word that both copies speak for most gives the error correction and the mask.
2. Each block is corrected as it is, then with more and more of its least sure codewords erased.
3. What a corrected block says is certain from then on, and helps to see the other modules.
4. When all blocks are corrected, the symbol is drawn cleanly and zxing-cpp reads it, which checks all of it again.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from waypass_reader.seeing.correction import correct
from waypass_reader.seeing.stages import read_clean
from waypass_reader.seeing.symbol import (
    Block,
    blocks_of,
    data_places,
    format_places,
    format_words,
    known_modules,
    mask_pattern,
    version_modules,
)

Beliefs = NDArray[np.float32]

CERTAIN: Final = 50.0
# With erasures, so many correction codewords must agree without having been used. Two stand for a chance of 2^-16 in
# one block, and every symbol has to pass again as a whole.
_SPARE: Final = 4
_QUIET: Final = 4
_DRAWN_MODULE: Final = 3


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Reading:
    """What the blocks say: for each module that they fix a belief of `CERTAIN`, with its sign, and 0 for the others.

    `agreement` is how far both copies speak for the format word: 1 when nothing speaks against it. `text` is there when
    all blocks were corrected and the drawn symbol was read."""

    certain: Beliefs
    blocks_read: int
    agreement: float
    text: str | None


def known_beliefs(version: int) -> Beliefs:
    """What is believed of every symbol of that version: `CERTAIN` with a sign, or 0."""
    rows, columns, values = version_modules(version)
    grid = known_modules(version).copy()
    grid[rows, columns] = values
    return np.asarray(np.nan_to_num((2 * grid - 1) * CERTAIN, nan=0.0), np.float32)


def read_modules(beliefs: Beliefs, version: int) -> Reading:
    """Steps 1 to 4, for beliefs of the version's side x side."""
    rows, columns = format_places(version)
    heard = beliefs[rows, columns]
    for_words = [(float(heard @ (2 * np.tile(word, 2) - 1)), form, word) for form, word in format_words()]
    heard_for, form, word = max(for_words, key=lambda each: each[0])
    rows, columns = data_places(version)
    masked = mask_pattern(version, form.mask)[rows, columns]
    speaks = np.where(masked, -1, 1) * beliefs[rows, columns]
    codewords = np.packbits(speaks < 0)
    sureness = np.abs(speaks).reshape(-1, 8).min(axis=1)
    fixed = np.zeros(len(codewords), np.bool_)
    blocks = blocks_of(version, form.level)
    read = 0
    for block in blocks:
        right = _corrected(codewords[block.places], block, sureness[block.places])
        if right is not None:
            codewords[block.places] = right
            fixed[block.places] = True
            read += 1
    certain = np.zeros_like(beliefs)
    if read:
        bits = np.repeat(fixed, 8)
        dark = np.unpackbits(codewords).astype(np.bool_) ^ masked
        certain[rows[bits], columns[bits]] = np.where(dark[bits], -CERTAIN, CERTAIN)
        rows, columns = format_places(version)
        certain[rows, columns] = (2 * np.tile(word, 2) - 1) * CERTAIN
    text = _draw_and_read(certain, version) if read == len(blocks) else None
    agreement = heard_for / (float(np.abs(heard).sum()) + 1e-6)
    return Reading(certain=certain, blocks_read=read, agreement=agreement, text=text)


def _corrected(codewords: NDArray[np.uint8], block: Block, sureness: NDArray[np.float32]) -> NDArray[np.uint8] | None:
    """Step 2."""
    right = correct(codewords, block.correction)
    if right is not None:
        return right
    least_sure = [int(place) for place in np.argsort(sureness)]
    for count in range(2, block.correction - _SPARE + 1, 2):
        right = correct(codewords, block.correction, erased=least_sure[:count], spare=_SPARE)
        if right is not None:
            return right
    return None


def _draw_and_read(certain: Beliefs, version: int) -> str | None:
    """Step 4. Modules that nothing fixes are remainder bits, and mean nothing."""
    light = (certain + known_beliefs(version)) >= 0
    picture = np.pad(light, _QUIET, constant_values=True).astype(np.uint8) * 255
    drawn = np.kron(picture, np.ones((_DRAWN_MODULE, _DRAWN_MODULE), np.uint8)).astype(np.uint8)
    texts = read_clean(drawn)
    return texts[0] if len(texts) == 1 and texts[0] else None
