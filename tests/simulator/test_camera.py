"""The simulated gate camera: a seed gives the same pictures again, and a reader reads what one would expect it to."""

import math
from pathlib import Path

import numpy as np
import pytest

from waypass_reader.decoding import decode_frame
from waypass_reader.frames import FolderConfig, open_source
from waypass_simulator.camera import HD, VGA, FrameSize, empty_frames, walk_up
from waypass_simulator.carriers import Carrier, code_modules
from waypass_simulator.difficulty import EASY, HARD, LEVELS, MEDIUM, Difficulty, Level
from waypass_simulator.frame_folder import FrameFolder
from waypass_simulator.optics import Picture
from waypass_simulator.poses import draw_hand

BOUND = "WP2:" + "3L5TZ9 K$W:0.XB/" * 28  # as long as a bound presentation
PAPER = "WP1:" + "3L5TZ9 K$W:0.XB/" * 13


def seeded(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def first_read(frames: list[Picture], text: str) -> int | None:
    """The first frame that gives the text; any other text is a failure."""
    for number, frame in enumerate(frames):
        texts = [sighting.text for sighting in decode_frame(frame)]
        assert set(texts) <= {text}
        if texts:
            return number
    return None


@pytest.mark.parametrize("size", [VGA, HD])
@pytest.mark.parametrize("carrier", list(Carrier))
def test_frames_are_grey_pictures_of_the_asked_size(size: FrameSize, carrier: Carrier) -> None:
    frames = walk_up(PAPER, seeded(1), difficulty=MEDIUM, carrier=carrier, size=size, frames=2)
    assert [(frame.dtype, frame.shape, frame.flags.c_contiguous) for frame in frames] == [
        (np.dtype(np.uint8), (size.height, size.width), True)
    ] * 2


@pytest.mark.parametrize("difficulty", list(LEVELS.values()))
def test_a_seed_gives_the_same_pictures_again(difficulty: Difficulty) -> None:
    first = walk_up(BOUND, seeded(5), difficulty=difficulty, frames=2)
    again = walk_up(BOUND, seeded(5), difficulty=difficulty, frames=2)
    other = walk_up(BOUND, seeded(6), difficulty=difficulty, frames=2)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])
    assert not np.array_equal(first[0], first[1])


@pytest.mark.parametrize(("carrier", "text"), [(Carrier.PHONE, BOUND), (Carrier.PAPER, PAPER)])
def test_easy_walk_ups_are_all_read(carrier: Carrier, text: str) -> None:
    for seed in range(8):
        frames = walk_up(text, seeded(seed), difficulty=EASY, carrier=carrier, frames=2)
        assert first_read(frames, text) is not None, f"seed {seed}"


def test_levels_are_harder_one_after_the_other() -> None:
    read = {
        level: sum(
            first_read(walk_up(BOUND, seeded(seed), difficulty=difficulty, frames=1), BOUND) is not None
            for seed in range(8)
        )
        for level, difficulty in LEVELS.items()
    }
    assert read[Level.EASY] > read[Level.MEDIUM] > read[Level.HARD]


def test_easy_walk_ups_are_read_in_high_definition() -> None:
    frames = walk_up(BOUND, seeded(0), difficulty=EASY, size=HD, frames=1)
    assert first_read(frames, BOUND) == 0


@pytest.mark.parametrize("level", list(Level))
def test_nothing_is_read_where_there_is_no_code(level: Level) -> None:
    for seed in range(10):
        for frame in empty_frames(seeded(seed), difficulty=LEVELS[level], frames=1):
            assert decode_frame(frame) == []


def test_people_move_through_empty_frames() -> None:
    moved = 0
    for seed in range(5):
        first, *_, last = empty_frames(seeded(seed), difficulty=EASY, frames=6)
        moved += bool(np.abs(first.astype(int) - last.astype(int)).max() > 60)
    assert moved >= 3


def test_a_hand_comes_to_rest_and_keeps_the_code_in_view() -> None:
    for seed in range(20):
        hand = draw_hand(seeded(seed), HARD, code_mm=62, width=VGA.width, height=VGA.height)
        early = np.linalg.norm(hand.position(0.01) - hand.position(0.0))
        late = np.linalg.norm(hand.position(2.01) - hand.position(2.0))
        assert late < early
        corners = np.array([(x, y, 1) for x in (-31, 31) for y in (-31, 31)]).T
        u, v, w = hand.homography(2.0, width=VGA.width, height=VGA.height) @ corners
        assert np.all((u / w > -40) & (u / w < VGA.width + 40) & (v / w > -40) & (v / w < VGA.height + 40))


@pytest.mark.parametrize(
    ("carrier", "text", "version"), [(Carrier.PHONE, BOUND, 11), (Carrier.PAPER, BOUND, 13), (Carrier.PAPER, PAPER, 8)]
)
def test_codes_are_as_large_as_the_wire_format_says(carrier: Carrier, text: str, version: int) -> None:
    modules = code_modules(text, carrier)
    assert modules.shape == (17 + 4 * version + 8,) * 2
    assert modules[:4].min() == 1


def test_texts_outside_of_alphanumeric_mode_have_a_code_too() -> None:
    text = "HC1:lower case, too"
    assert first_read(walk_up(text, seeded(3), difficulty=EASY, frames=3), text) is not None


def test_a_text_too_long_for_a_code_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a text that fits into a QR code, got 5000 characters"):
        walk_up("A" * 5000, seeded(1), difficulty=EASY)


@pytest.mark.parametrize("level", list(Level))
def test_levels_hold_ranges_that_can_be_drawn_from(level: Level) -> None:
    difficulty = LEVELS[level]
    for name in Difficulty.__dataclass_fields__:
        value = getattr(difficulty, name)
        if isinstance(value, tuple):
            low, high = value
            assert math.isfinite(low), name
            assert low <= high, name


def test_a_frame_folder_is_a_camera_for_the_reader(tmp_path: Path) -> None:
    folder = FrameFolder(tmp_path / "gate")
    shown = walk_up(BOUND, seeded(2), difficulty=EASY, frames=3)
    with open_source(FolderConfig(path=tmp_path / "gate", follow=True, consume=True)) as source:
        for picture in shown:
            folder.show(picture)
            frame = source.next_frame(20.0)
            assert frame is not None
            assert np.array_equal(frame.pixels, picture)
    assert list((tmp_path / "gate").iterdir()) == []
