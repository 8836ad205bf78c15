"""A symbol's layout against the library that makes codes, and the correction of its blocks."""

import numpy as np
import pytest
import qrcode
import qrcode.util
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from waypass_reader.seeing.correction import correct
from waypass_reader.seeing.modules import read_modules
from waypass_reader.seeing.symbol import (
    LARGEST_VERSION,
    blocks_of,
    data_places,
    format_places,
    format_words,
    known_modules,
    mask_pattern,
    side_of,
    version_modules,
)

CORRECTIONS = {"L": 1, "M": 0, "Q": 3, "H": 2}


def drawn(text: str, version: int, level: str, mask: int) -> NDArray[np.float32]:
    """1 is light. Made by another library than the one that is tested."""
    code = qrcode.QRCode(version=version, error_correction=CORRECTIONS[level], border=0, mask_pattern=mask)
    code.add_data(qrcode.util.QRData(text.encode(), mode=qrcode.util.MODE_ALPHA_NUM))
    code.make(fit=False)
    return 1 - np.array(code.get_matrix(), np.float32)


@pytest.mark.parametrize("level", "LMQH")
@pytest.mark.parametrize("version", range(1, LARGEST_VERSION + 1))
def test_every_version_and_level_is_laid_out_as_the_standard_has_it(version: int, level: str) -> None:
    mask = version % 8
    modules = drawn("A1:" * (1 + version // 3), version, level, mask)
    assert modules.shape == (side_of(version), side_of(version))
    known = known_modules(version)
    there = ~np.isnan(known)
    assert np.array_equal(known[there], modules[there])
    rows, columns = format_places(version)
    (word,) = [word for form, word in format_words() if (form.level, form.mask) == (level, mask)]
    assert np.array_equal(modules[rows, columns], np.tile(word, 2))
    rows, columns, values = version_modules(version)
    assert np.array_equal(modules[rows, columns], values)
    rows, columns = data_places(version)
    codewords = np.packbits((modules[rows, columns] == 0) ^ mask_pattern(version, mask)[rows, columns])
    blocks = blocks_of(version, level)
    assert sorted(place for block in blocks for place in block.places) == list(range(len(codewords)))
    for block in blocks:
        # A block of a symbol that was made right has nothing to correct.
        right = correct(codewords[block.places], block.correction)
        assert right is not None
        assert np.array_equal(right, codewords[block.places])


def block() -> NDArray[np.uint8]:
    """A block of 101 codewords, 20 of which correct."""
    modules = drawn("WAYPASS" * 40, 11, "L", 0)
    rows, columns = data_places(11)
    codewords = np.packbits((modules[rows, columns] == 0) ^ mask_pattern(11, 0)[rows, columns])
    return codewords[blocks_of(11, "L")[0].places]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 10), st.integers(0, 20))
def test_errors_count_twice_and_erasures_once(seed: int, errors: int, erasures: int) -> None:
    rng = np.random.default_rng(seed)
    good = block()
    places = rng.permutation(len(good))[: errors + erasures]
    bad = good.copy()
    bad[places[:errors]] ^= rng.integers(1, 256, errors, dtype=np.uint8)
    bad[places[errors:]] = rng.integers(0, 256, erasures, dtype=np.uint8)
    right = correct(bad, 20, erased=[int(place) for place in places[errors:]])
    if 2 * errors + erasures <= 20:
        assert right is not None
        assert (right == good).all()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_noise_is_not_put_right(seed: int) -> None:
    noise = np.random.default_rng(seed).integers(0, 256, 101, dtype=np.uint8)
    assert correct(noise, 20) is None
    assert correct(noise, 20, erased=range(16), spare=4) is None


def test_spare_codewords_are_not_used() -> None:
    bad = block()
    bad[:17] ^= 1
    assert correct(bad, 20, erased=range(17), spare=4) is None
    assert correct(bad, 20, erased=range(17), spare=2) is not None


@pytest.mark.parametrize("version", [1, 2, 7, 11, 15, 25])
@pytest.mark.parametrize("level", "LMQH")
def test_beliefs_become_text(version: int, level: str) -> None:
    text = "WP2:A" * (1 + version // 5)
    beliefs = (2 * drawn(text, version, level, 3) - 1) * 4
    reading = read_modules(beliefs, version)
    assert reading.text == text
    assert reading.blocks_read == len(blocks_of(version, level))
    assert reading.agreement == pytest.approx(1)


def test_what_is_not_believed_is_put_right() -> None:
    text = "WAYPASS" * 40
    beliefs = (2 * drawn(text, 11, "L", 2) - 1) * 4
    beliefs[20:28, 20:28] *= -0.1  # a patch that is wrong, and not sure
    assert read_modules(beliefs, 11).text == text


def test_blocks_that_can_not_be_corrected_leave_the_others_certain() -> None:
    beliefs = (2 * drawn("WAYPASS" * 40, 13, "M", 2) - 1) * 4
    blocks = blocks_of(13, "M")
    bits = (blocks[2].places[:, None] * 8 + np.arange(8)).ravel()
    rows, columns = (places[bits] for places in data_places(13))
    beliefs[rows[::2], columns[::2]] *= -1
    reading = read_modules(beliefs, 13)
    assert reading.text is None
    assert reading.blocks_read == len(blocks) - 1
    right = np.sign(reading.certain) == 2 * drawn("WAYPASS" * 40, 13, "M", 2) - 1
    assert right[reading.certain != 0].all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 20))
def test_noise_is_no_text(seed: int, version: int) -> None:
    side = side_of(version)
    beliefs = np.random.default_rng(seed).normal(size=(side, side)).astype(np.float32)
    reading = read_modules(beliefs, version)
    assert reading.text is None
    assert reading.agreement < 0.9
