"""Joining: bursts that no single stage reads, glare and fingers, light on dark, and nothing where there is nothing.

The bursts are the simulator's, by seeds that were looked for: no frame of them is read by any stage alone.
"""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from waypass_reader.frames.base import Pixels
from waypass_reader.frames.pictures import read_picture
from waypass_reader.seeing.burst import read_burst
from waypass_reader.seeing.finding import find_symbol, level_for_scores
from waypass_reader.seeing.joining import Joiner
from waypass_reader.seeing.pose import scores
from waypass_reader.seeing.stages import Stage, decode_frame
from waypass_reader.seeing.symbol import side_of
from waypass_reader.seeing.texture import textured_quadrangles
from waypass_simulator.camera import HD, VGA, FrameSize, empty_frames, walk_up
from waypass_simulator.carriers import Carrier, code_modules
from waypass_simulator.difficulty import HARD, MEDIUM

TEXT = "WP2:" + "ABCDEFG:HIJK/12" * 30
FRAME_NS = 33_000_000


def hand(seed: int, *, carrier: Carrier = Carrier.PHONE, size: FrameSize = VGA) -> list[Pixels]:
    return list(walk_up(TEXT, np.random.default_rng(seed), difficulty=HARD, carrier=carrier, size=size))


def joined(frames: Sequence[Pixels]) -> str | None:
    joiner = Joiner()
    for number, frame in enumerate(frames):
        joiner.add(frame, at_ns=number * FRAME_NS)
    return joiner.read()


def laid(
    text: str = TEXT, *, module_px: float = 3.4, tilt: float = 0.0, blur: float = 1.0, noise: float = 3, seed: int = 1
) -> Pixels:
    """A code on a grey 640x480 ground, tilted: the right side is farther away."""
    modules = np.kron(code_modules(text, Carrier.PHONE), np.ones((6, 6), np.float32)) * 150 + 40
    side = float(len(modules))
    half = module_px * side / 12
    near, far = half, half * (1 - tilt)
    square = np.array([[0, 0], [side, 0], [side, side], [0, side]], np.float32)
    around = np.array([[-near, -near], [far, -far], [far, far], [-near, near]], np.float32)
    matrix = cv2.getPerspectiveTransform(square, around + np.array([320, 240], np.float32))
    frame = cv2.warpPerspective(cv2.GaussianBlur(modules, (0, 0), 2), matrix, (640, 480), borderValue=110)
    grain = np.random.default_rng(seed).standard_normal(frame.shape) * noise
    return np.asarray(np.clip(cv2.GaussianBlur(frame, (0, 0), blur) + grain, 0, 255), np.uint8)


UNREAD_ALONE = [(108, Carrier.PHONE), (111, Carrier.PAPER), (110, Carrier.PHONE)]


@pytest.mark.parametrize(("seed", "carrier"), UNREAD_ALONE)
def test_a_burst_that_no_frame_of_is_read_is_read(seed: int, carrier: Carrier) -> None:
    frames = hand(seed, carrier=carrier)
    assert [decode_frame(frame) for frame in frames] == [[]] * 5
    assert joined(frames) == TEXT


def test_a_large_frame_is_read_like_a_small_one() -> None:
    frames = [
        np.asarray(cv2.resize(frame, (1280, 960), interpolation=cv2.INTER_CUBIC), np.uint8)
        for frame in hand(UNREAD_ALONE[0][0])
    ]
    assert joined(frames) == TEXT


def with_glare(frame: Pixels, x: int, y: int, radius: int = 34) -> Pixels:
    spotted = frame.copy()
    cv2.circle(spotted, (x, y), radius, 255, -1)
    return np.asarray(cv2.GaussianBlur(spotted, (0, 0), 0.8), np.uint8)


def test_glare_that_wanders_leaves_each_module_to_some_frame() -> None:
    spots = [(270, 200), (300, 280), (360, 220), (330, 180), (380, 290)]
    frames = [with_glare(laid(seed=number), x, y) for number, (x, y) in enumerate(spots)]
    assert [decode_frame(frame) for frame in frames] == [[]] * 5
    assert joined(frames) == TEXT


def test_fingers_that_wander_leave_each_module_to_some_frame() -> None:
    frames = []
    for number in range(5):
        frame = laid(seed=number)
        x = 240 + 40 * number
        cv2.rectangle(frame, (x - 14, 200), (x + 14, 480), 90, -1)
        frames.append(frame)
    assert [decode_frame(frame) for frame in frames] == [[]] * 5
    assert joined(frames) == TEXT


def test_a_frame_from_before_the_symbol_was_found_counts_too() -> None:
    earlier, later = laid(seed=1), laid(seed=2)
    for x, y in ((210, 130), (386, 130), (210, 306)):  # its finders are covered
        cv2.rectangle(earlier, (x, y), (x + 44, y + 44), 110, -1)
    cv2.rectangle(later, (270, 200), (370, 300), 110, -1)
    assert find_symbol(earlier, thorough=False) is None
    assert joined([later]) is None
    assert joined([earlier, later]) == TEXT
    assert joined([255 - earlier, 255 - later]) == TEXT


def test_light_on_dark_is_joined_too() -> None:
    frames = [255 - frame for frame in hand(UNREAD_ALONE[0][0])]
    joiner = Joiner()
    for number, frame in enumerate(frames):
        joiner.add(frame, at_ns=number * FRAME_NS, thorough=True)
    assert joiner.read() == TEXT


@pytest.mark.parametrize("tilt", [0.0, 0.12, 0.25])
@pytest.mark.parametrize("length", [20, 120, 450])
def test_a_symbol_is_found_where_it_lies(tilt: float, length: int) -> None:
    text = TEXT[:length]
    found = find_symbol(laid(text, tilt=tilt, module_px=3.6))
    assert found is not None
    pose = found.pose
    modules = code_modules(text, Carrier.PHONE).shape[0] - 8
    assert side_of(pose.version) == modules
    half = 3.6 * (modules + 8) / 2
    inset = 4 / (modules + 8)
    # Only the upper left corner: the others depend on the tilt's perspective.
    expected = 320 - half + inset * half * (2 - tilt), 240 - half + inset * half * 2 * (1 - tilt / 2)
    assert np.hypot(*(pose.corners[0] - expected)) < 2 * 3.6


def test_a_symbol_that_is_light_on_dark_is_found_in_the_same_place() -> None:
    dark, light = find_symbol(laid()), find_symbol(255 - laid())
    assert dark is not None
    assert light is not None
    assert (dark.light_on_dark, light.light_on_dark) == (False, True)
    assert np.abs(dark.pose.corners - light.pose.corners).max() < 1
    assert find_symbol(255 - laid(), either_way=False) is None


def test_many_poses_score_as_each_of_them_does() -> None:
    frame = laid()
    found = find_symbol(frame)
    assert found is not None
    levelled, version = level_for_scores(frame), found.pose.version
    matrices = np.tile(found.pose.matrix, (150, 1, 1))
    matrices[:, 0, 2] += np.arange(150) - 75.0
    together = scores(levelled, matrices, version)
    assert np.allclose(together, [scores(levelled, each[None], version)[0] for each in matrices], atol=1e-5)
    assert int(np.argmax(together)) == int(np.argmax(scores(levelled, matrices, version, coarsely=True))) == 75


def test_an_area_is_looked_into_once() -> None:
    (quadrangle,) = textured_quadrangles(laid(blur=2.0))
    assert np.abs(quadrangle.mean(axis=0) - [320, 240]).max() < 12


class TestFrames:
    def test_frames_older_than_a_second_are_dropped(self) -> None:
        joiner = Joiner()
        for number in range(3):
            joiner.add(laid(), at_ns=number * 10**9)
        assert len(joiner) == 1

    def test_no_more_than_six_frames_are_kept(self) -> None:
        joiner = Joiner()
        for number in range(9):
            joiner.add(laid(), at_ns=number)
        assert len(joiner) == 6

    def test_none_is_kept_after_a_text_was_read(self) -> None:
        joiner = Joiner()
        joiner.add(laid(), at_ns=0)
        assert joiner.read() == TEXT
        assert len(joiner) == 0

    def test_a_frame_of_another_size_does_not_stop_it(self) -> None:
        joiner = Joiner()
        joiner.add(laid(), at_ns=0)
        joiner.add(laid()[:300, :500], at_ns=1)
        joiner.add(laid(), at_ns=2)
        assert joiner.read() == TEXT

    def test_nothing_to_read_is_no_text(self) -> None:
        assert Joiner().read(thorough=True) is None


class TestBurst:
    def test_it_counts_the_frames_that_it_looked_at(self) -> None:
        frames = [np.full((480, 640), 90, np.uint8), laid(), laid()]
        reading = read_burst(frames)
        assert [sighting.text for sighting in reading.sightings] == [TEXT]
        assert reading.frames_used == 2

    def test_what_only_joining_reads_has_its_stage(self) -> None:
        seed, carrier = UNREAD_ALONE[0]
        reading = read_burst(hand(seed, carrier=carrier))
        assert {sighting.stage for sighting in reading.sightings} == {Stage.JOINED}

    def test_no_frames_are_no_code(self) -> None:
        reading = read_burst([])
        assert (reading.sightings, reading.frames_used) == ((), 0)

    def test_a_text_is_cut_behind_the_limit(self) -> None:
        seed, carrier = UNREAD_ALONE[0]
        (sighting,) = read_burst(hand(seed, carrier=carrier), limit=10).sightings
        assert sighting.text == TEXT[:11]


class TestNothing:
    @pytest.mark.parametrize("seed", range(4))
    def test_a_hall_without_a_code(self, seed: int) -> None:
        size = HD if seed == 3 else VGA
        frames = empty_frames(np.random.default_rng(seed), difficulty=(MEDIUM, HARD)[seed % 2], size=size)
        assert read_burst(frames).sightings == ()

    @pytest.mark.shared
    @pytest.mark.timeout(900)
    def test_pictures_without_a_code(self, shared_dir: Path) -> None:
        folder = shared_dir / "qr-images" / "no-code"
        paths = [path for path in sorted(folder.iterdir()) if path.suffix != ".txt"]
        assert len(paths) == 21
        assert {path.name: read_burst([read_picture(path)]).sightings for path in paths} == {
            path.name: () for path in paths
        }

    @settings(max_examples=25, deadline=None)
    @given(st.integers(0, 2**32 - 1), st.integers(1, 400), st.integers(1, 400), st.integers(1, 9))
    def test_no_clutter_makes_it_raise_or_reads_as_a_code(self, seed: int, rows: int, columns: int, cell: int) -> None:
        rng = np.random.default_rng(seed)
        small: NDArray[np.uint8] = rng.integers(0, 256, (max(1, rows // cell), max(1, columns // cell)), dtype=np.uint8)
        small = np.where(small > 127, 255, 0).astype(np.uint8)
        picture = cv2.resize(small, (columns, rows), interpolation=cv2.INTER_NEAREST).astype(np.uint8)
        for _ in range(6):  # squares within squares, as in a code's corners
            x, y, module = (int(value) for value in rng.integers((0, 0, 1), (columns, rows, 6)))
            for squares, tone in ((9, 255), (7, 0), (5, 255), (3, 0)):
                half = squares * module // 2
                cv2.rectangle(picture, (x - half, y - half), (x + half, y + half), tone, -1)
        joiner = Joiner()
        joiner.add(picture, at_ns=0, thorough=True)
        assert joiner.read(thorough=True) is None
