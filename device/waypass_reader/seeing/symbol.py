"""How a QR Code Model 2 symbol is laid out, as ISO/IEC 18004 has it.

What is here is what joining frames needs and no library gives: which modules are known before anything is read (finder,
timing and alignment patterns), in which order the others hold the codewords, which blocks these form, and the words
for format and version. Rows and columns count from the upper left module, without the quiet zone. A module is 1.0
where it is light and 0.0 where it is dark.

Mirrored symbols and Micro QR are not here: nobody shows them at a gate.
"""

import functools
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Grid: TypeAlias = NDArray[np.float32]
Flags: TypeAlias = NDArray[np.bool_]

LARGEST_VERSION: Final = 40
LEVELS: Final = "LMQH"
"""Error correction, in the order of the tables below."""

# Codewords of error correction in each block, and number of blocks, by level and version (ISO/IEC 18004, table 9).
_CORRECTION: Final = {
    "L": "7 10 15 20 26 18 20 24 30 18 20 24 26 30 22 24 28 30 28 28 "
    "28 28 30 30 26 28 30 30 30 30 30 30 30 30 30 30 30 30 30 30",
    "M": "10 16 26 18 24 16 18 22 22 26 30 22 22 24 24 28 28 26 26 26 "
    "26 28 28 28 28 28 28 28 28 28 28 28 28 28 28 28 28 28 28 28",
    "Q": "13 22 18 26 18 24 18 22 20 24 28 26 24 20 30 24 28 28 26 30 "
    "28 30 30 30 30 28 30 30 30 30 30 30 30 30 30 30 30 30 30 30",
    "H": "17 28 22 16 22 28 26 26 24 28 24 28 22 24 24 30 28 28 26 28 "
    "30 24 30 30 30 30 30 30 30 30 30 30 30 30 30 30 30 30 30 30",
}
_BLOCKS: Final = {
    "L": "1 1 1 1 1 2 2 2 2 4 4 4 4 4 6 6 6 6 7 8 8 9 9 10 12 12 12 13 14 15 16 17 18 19 19 20 21 22 24 25",
    "M": "1 1 1 2 2 4 4 4 5 5 5 8 9 9 10 10 11 13 14 16 17 17 18 20 21 23 25 26 28 29 31 33 35 37 38 40 43 45 47 49",
    "Q": "1 1 2 2 4 4 6 6 8 8 8 10 12 16 12 17 16 18 21 20 23 23 25 27 29 34 34 35 38 40 43 45 48 51 53 56 59 62 65 68",
    "H": "1 1 2 4 4 4 5 6 8 8 11 11 16 16 18 16 19 21 25 25 "
    "25 34 30 32 35 37 40 42 45 48 51 54 57 60 63 66 70 74 77 81",
}
_FORMAT_LEVEL: Final = {0b01: "L", 0b00: "M", 0b11: "Q", 0b10: "H"}
_FORMAT_MASK: Final = 0b101010000010010


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """Codewords that are corrected together: their places in the symbol's sequence, and how many of them correct."""

    places: NDArray[np.intp]
    correction: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Format:
    """What the format word says."""

    level: str
    mask: int


def side_of(version: int) -> int:
    """Modules a side."""
    return 17 + 4 * version


@functools.cache
def alignment_middles(version: int) -> tuple[tuple[int, int], ...]:
    """Row and column of each alignment pattern's middle."""
    if version == 1:
        return ()
    count = version // 7 + 2
    last = side_of(version) - 7
    step = 26 if version == 32 else (version * 4 + count * 2 + 1) // (count * 2 - 2) * 2
    middles = sorted({6, *(last - step * number for number in range(count - 1))})
    corners = {(6, 6), (6, last), (last, 6)}
    return tuple((row, column) for row in middles for column in middles if (row, column) not in corners)


@functools.cache
def known_modules(version: int) -> Grid:
    """The modules that every symbol of the version has alike; the others are NaN."""
    side = side_of(version)
    grid = np.full((side, side), np.nan, np.float32)
    rings = np.maximum(*np.abs(np.mgrid[-4:5, -4:5])).astype(np.float32)
    finder = np.select([rings == 2, rings == 4], [1.0, 1.0], 0.0)
    grid[6, :] = grid[:, 6] = np.arange(side) % 2
    for row, column in alignment_middles(version):
        grid[row - 2 : row + 3, column - 2 : column + 3] = rings[2:7, 2:7] == 1
    grid[:8, :8] = finder[1:, 1:]
    grid[:8, -8:] = finder[1:, :-1]
    grid[-8:, :8] = finder[:-1, 1:]
    grid[side - 8, 8] = 0.0
    grid.flags.writeable = False
    return grid


@functools.cache
def _is_data(version: int) -> Flags:
    side = side_of(version)
    free = np.isnan(known_modules(version))
    free[8, :9] = free[:9, 8] = free[8, -8:] = free[-8:, 8] = False
    if version >= 7:
        free[side - 11 : side - 8, :6] = free[:6, side - 11 : side - 8] = False
    return free


@functools.cache
def data_places(version: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the modules that hold the codewords' bits, in their order, without remainder bits."""
    side = side_of(version)
    free = _is_data(version)
    rows: list[int] = []
    columns: list[int] = []
    upwards = True
    for right in (column if column > 6 else column - 1 for column in range(side - 1, 0, -2)):
        for row in range(side - 1, -1, -1) if upwards else range(side):
            for column in (right, right - 1):
                if free[row, column]:
                    rows.append(row)
                    columns.append(column)
        upwards = not upwards
    whole = len(rows) // 8 * 8
    return np.array(rows[:whole], np.intp), np.array(columns[:whole], np.intp)


@functools.cache
def mask_pattern(version: int, mask: int) -> Flags:
    """Where the mask inverts a module."""
    i, j = np.mgrid[: side_of(version), : side_of(version)]
    return np.asarray(
        [
            (i + j) % 2,
            i % 2,
            j % 3,
            (i + j) % 3,
            (i // 2 + j // 3) % 2,
            i * j % 2 + i * j % 3,
            (i * j % 2 + i * j % 3) % 2,
            ((i + j) % 2 + i * j % 3) % 2,
        ][mask]
        == 0
    )


@functools.cache
def blocks_of(version: int, level: str) -> tuple[Block, ...]:
    """The blocks of a version and level, as places in the interleaved sequence."""
    correction = int(_CORRECTION[level].split()[version - 1])
    count = int(_BLOCKS[level].split()[version - 1])
    total = len(data_places(version)[0]) // 8
    short = total // count - correction
    longer = total % count
    data: list[list[int]] = [[] for _ in range(count)]
    place = 0
    for number in range(short + 1):
        for block in range(count):
            if number < short or block >= count - longer:
                data[block].append(place)
                place += 1
    return tuple(
        Block(
            places=np.array(data[block] + [place + block + count * number for number in range(correction)], np.intp),
            correction=correction,
        )
        for block in range(count)
    )


def _remainder(value: int, generator: int, bits: int) -> int:
    """The value shifted up by `bits`, and the remainder by a generator of that degree behind it."""
    rest = value << bits
    for shift in range(rest.bit_length() - 1, bits - 1, -1):
        if rest >> shift & 1:
            rest ^= generator << (shift - bits)
    return value << bits | rest


@functools.cache
def format_words() -> tuple[tuple[Format, NDArray[np.float32]], ...]:
    """Each format and its 15 modules, highest bit first, in the order of `format_places`."""
    words = []
    for data in range(32):
        word = _remainder(data, 0b10100110111, 10) ^ _FORMAT_MASK
        modules = np.array([1.0 - (word >> bit & 1) for bit in range(14, -1, -1)], np.float32)
        words.append((Format(level=_FORMAT_LEVEL[data >> 3], mask=data & 7), modules))
    return tuple(words)


@functools.cache
def format_places(version: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the two copies of the format word, one after the other, highest bit first."""
    side = side_of(version)
    near = [(8, 0), (8, 1), (8, 2), (8, 3), (8, 4), (8, 5), (8, 7), (8, 8), (7, 8)]
    near += [(row, 8) for row in range(5, -1, -1)]
    far = [(side - 1 - number, 8) for number in range(7)] + [(8, side - 8 + number) for number in range(8)]
    places = np.array(near + far, np.intp)
    return places[:, 0], places[:, 1]


@functools.cache
def version_modules(version: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """Rows, columns and values of both copies of the version word; empty below version 7."""
    if version < 7:
        return np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0, np.float32)
    word = _remainder(version, 0b1111100100101, 12)
    side = side_of(version)
    rows, columns, values = [], [], []
    for bit in range(18):
        row, column = bit // 3, side - 11 + bit % 3
        rows += [row, column]
        columns += [column, row]
        values += [1.0 - (word >> bit & 1)] * 2
    return np.array(rows, np.intp), np.array(columns, np.intp), np.array(values, np.float32)
