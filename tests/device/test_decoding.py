"""The decoding pipeline: each stage by a picture that only it reads, what a text may be, and that it never raises.

The rates are lower bounds a little under what is measured: zxing-cpp and zbar read the same file the same way, but
another version of either may lose a picture.
"""

import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import qrcode
import qrcode.util
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray

from waypass_reader.decoding import TEXT_LIMIT, Sighting, Stage, decode_frame
from waypass_reader.errors import MissingLibrary
from waypass_reader.frames.base import Pixels
from waypass_reader.frames.pictures import read_picture
from waypass_reader.libraries import check_libraries, missing_libraries
from waypass_reader.seeing.stages import STAGES, read_zbar
from waypass_simulator.carriers import Carrier, code_modules

PASS_TEXT = "WP1:" + "ABCDEFGH" * 25

needs_zbar = pytest.mark.skipif(bool(missing_libraries()), reason="libzbar0 is not installed here")


def scene(text: str, *, module_px: float, degrees: float = 0.0, dark: int = 20, light: int = 200) -> Pixels:
    """A code in the middle of a 640x480 frame, turned."""
    modules = np.kron(code_modules(text, Carrier.PAPER), np.ones((8, 8), np.float32)) * (light - dark) + dark
    half = len(modules) / 2
    matrix = cv2.getRotationMatrix2D((half, half), degrees, module_px / 8)
    matrix[:, 2] += np.array([320 - half, 240 - half])
    smooth = cv2.GaussianBlur(modules, (0, 0), 4 / module_px)
    return np.asarray(cv2.warpAffine(smooth, matrix, (640, 480), borderValue=light), np.uint8)


def crisp(modules: NDArray[np.generic], module_px: int = 4) -> Pixels:
    """A symbol as a clean picture with a wide margin."""
    framed = cv2.copyMakeBorder(modules.astype(np.uint8), 6, 6, 6, 6, cv2.BORDER_CONSTANT, value=255)
    return np.kron(framed, np.ones((module_px, module_px))).astype(np.uint8)


def written(content: str | bytes, kind: zxingcpp.BarcodeFormat = zxingcpp.BarcodeFormat.QRCode) -> Pixels:
    """A symbol made by another library than the product's."""
    return crisp(np.array(zxingcpp.create_barcode(content, kind).to_image(scale=1)))


def with_thumb_on_corner() -> Pixels:
    """A finger covers the outer corner of the code's first finder pattern."""
    frame = scene(PASS_TEXT, module_px=5)
    corner = 320 - 57 * 5 // 2 + 4 * 5, 240 - 57 * 5 // 2 + 4 * 5
    cv2.circle(frame, (corner[0] - 20, corner[1] + 2), 25, 20, -1)
    return frame


def out_of_focus() -> Pixels:
    """Half a module of blur more than the first stages bear."""
    return np.asarray(cv2.GaussianBlur(scene(PASS_TEXT, module_px=3, degrees=20), (0, 0), 1.5), np.uint8)


def in_the_dark() -> Pixels:
    """Light and dark are fourteen steps of grey apart, in noise."""
    noise = 3 * np.random.default_rng(4).standard_normal((480, 640))
    return np.clip(scene(PASS_TEXT, module_px=4, degrees=10, dark=0, light=14) + noise, 0, 255).astype(np.uint8)


PICTURES = {
    Stage.PLAIN: scene(PASS_TEXT, module_px=5, degrees=20),
    Stage.DOUBLED: scene(PASS_TEXT, module_px=1.8, degrees=45),
    Stage.SHARPENED: out_of_focus(),
    Stage.THRESHOLD: in_the_dark(),
    Stage.ZBAR: with_thumb_on_corner(),
}


@pytest.mark.parametrize("stage", [*list(PICTURES)[:-1], pytest.param(Stage.ZBAR, marks=needs_zbar)])
def test_each_stage_reads_what_those_before_it_do_not(stage: Stage) -> None:
    picture = PICTURES[stage]
    order = list(STAGES)
    for earlier in order[: order.index(stage)]:
        assert STAGES[earlier](picture) == []
    assert STAGES[stage](picture) == [PASS_TEXT]
    assert decode_frame(picture) == [Sighting(text=PASS_TEXT, stage=stage)]


def test_no_code_gives_nothing() -> None:
    assert decode_frame(np.full((480, 640), 128, np.uint8)) == []


def test_all_codes_in_view_are_given_once_each() -> None:
    codes = [scene(f"WP1:CODE {number}", module_px=4) for number in (1, 2)]
    frame = np.vstack((np.hstack(codes), np.hstack(codes[::-1])))
    sightings = decode_frame(frame)
    assert sorted(sighting.text for sighting in sightings) == ["WP1:CODE 1", "WP1:CODE 2"]
    assert {sighting.stage for sighting in sightings} == {Stage.PLAIN}


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("light on dark", lambda frame: 255 - frame),
        ("mirrored", lambda frame: frame[:, ::-1]),
        ("upside down", lambda frame: frame[::-1, ::-1]),
        ("on its side", lambda frame: frame.T),
        ("a part of a larger array", lambda frame: np.pad(frame, 50, mode="edge")[50:-50, 50:-50]),
    ],
)
def test_a_code_reads_in_every_position(name: str, change: Callable[[Pixels], Pixels]) -> None:
    assert [sighting.text for sighting in decode_frame(change(PICTURES[Stage.PLAIN]))] == [PASS_TEXT]


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("signs of alphanumeric mode", "WP1:A B$C%D*E+F-G.H/I:J", "WP1:A B$C%D*E+F-G.H/I:J"),
        ("backslash and tilde, which other character sets replace", b"\\ ~ {}", "\\ ~ {}"),
        ("controls stay as they are", b"\x01\x10A", "\x01\x10A"),
        ("UTF-8 that says so", "Zürich 通行", "Zürich 通行"),
    ],
)
def test_texts_are_what_the_symbol_holds(name: str, content: str | bytes, text: str) -> None:
    assert [sighting.text for sighting in decode_frame(written(content))] == [text]


def test_bytes_beyond_ascii_are_given_as_the_library_understands_them() -> None:
    code = qrcode.QRCode()
    code.add_data(qrcode.util.QRData("Zürich 通行".encode(), mode=qrcode.util.MODE_8BIT_BYTE))
    picture = crisp(np.where(np.array(code.get_matrix()), 0, 255))
    assert [sighting.text for sighting in decode_frame(picture)] == ["Zürich 通行"]


@pytest.mark.parametrize(
    "kind",
    [
        zxingcpp.BarcodeFormat.MicroQRCode,
        zxingcpp.BarcodeFormat.RMQRCode,
        zxingcpp.BarcodeFormat.DataMatrix,
        zxingcpp.BarcodeFormat.Aztec,
        zxingcpp.BarcodeFormat.Code128,
    ],
)
def test_other_symbols_are_not_read(kind: zxingcpp.BarcodeFormat) -> None:
    picture = written("12345", kind)
    assert zxingcpp.read_barcodes(picture, formats=zxingcpp.BarcodeFormats([kind])) != []
    assert decode_frame(picture) == []


def test_a_text_of_the_limit_is_whole_and_a_longer_one_is_cut_after_one_more() -> None:
    for length in (TEXT_LIMIT, TEXT_LIMIT + 1, 2000):
        text = ("WP1:" + "0123456789" * 300)[:length]
        picture = written(text)
        assert decode_frame(picture)[0].text == text[: TEXT_LIMIT + 1]
        assert decode_frame(picture, limit=None)[0].text == text


@needs_zbar
def test_one_of_several_joined_codes_does_not_stop_zbar() -> None:
    settings_ = cv2.QRCodeEncoder.Params()
    settings_.mode = cv2.QRCodeEncoder_MODE_STRUCTURED_APPEND
    settings_.structure_number = 3
    for part in cv2.QRCodeEncoder.create(settings_).encodeStructuredAppend(PASS_TEXT):
        assert read_zbar(crisp(np.asarray(part))) == []


@needs_zbar
def test_a_code_without_content_is_no_text() -> None:
    code = qrcode.QRCode()
    code.add_data(qrcode.util.QRData(b"", mode=qrcode.util.MODE_8BIT_BYTE))
    picture = crisp(np.where(np.array(code.get_matrix()), 0, 255))
    assert read_zbar(picture) == [""]
    assert decode_frame(picture) == []


@settings(max_examples=150, deadline=None)
@given(
    npst.arrays(
        dtype=st.sampled_from([np.uint8, np.uint16, np.int8, np.float32, np.float64, np.bool_]),
        shape=npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=40),
    )
)
def test_no_array_makes_it_raise(array: NDArray[np.uint8]) -> None:
    assert decode_frame(array) == []


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 300), st.integers(1, 300), st.integers(1, 9), st.integers(0, 2))
def test_no_clutter_makes_it_raise_or_reads_as_a_code(seed: int, rows: int, columns: int, cell: int, kind: int) -> None:
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (max(1, rows // cell), max(1, columns // cell)), dtype=np.uint8)
    if kind:
        small = np.where(small > 127, 255, 0).astype(np.uint8)
    picture = cv2.resize(small, (columns, rows), interpolation=cv2.INTER_NEAREST).astype(np.uint8)
    if kind == 2:  # squares within squares, as in a code's corners
        for _ in range(4):
            x, y, module = (int(value) for value in rng.integers((0, 0, 1), (columns, rows, 6)))
            for size, tone in ((7, 0), (5, 255), (3, 0)):
                half = size * module // 2
                cv2.rectangle(picture, (x - half, y - half), (x + half, y + half), tone, -1)
    assert decode_frame(picture) == []


@pytest.mark.parametrize("shape", [(0, 0), (0, 9), (1, 1), (1, 32_767), (32_767, 1), (2, 40_000), (70_000, 3)])
def test_no_shape_makes_it_raise(shape: tuple[int, int]) -> None:
    assert decode_frame(np.zeros(shape, np.uint8)) == []


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(list(PICTURES)))
def test_a_damaged_code_gives_its_text_or_nothing(seed: int, stage: Stage) -> None:
    rng = np.random.default_rng(seed)
    picture = PICTURES[stage].copy()
    for _ in range(int(rng.integers(1, 8))):
        x, y, w, h = (int(value) for value in rng.integers((180, 100, 2, 2), (460, 380, 60, 60)))
        picture[y : y + h, x : x + w] = rng.integers(0, 256)
    assert {sighting.text for sighting in decode_frame(picture)} <= {PASS_TEXT}


class TestLibraries:
    def test_all_there(self) -> None:
        check_libraries(lambda name: name)

    def test_zbar_missing_names_the_system_package(self) -> None:
        def importer(name: str) -> object:
            if name.startswith("pyzbar"):
                raise ImportError("Unable to find zbar shared library")
            return importlib.import_module(name)

        with pytest.raises(MissingLibrary, match=r"Unable to find zbar shared library.*apt-get install libzbar0"):
            check_libraries(importer)
        assert [(one.library.module, one.library.needed) for one in missing_libraries(importer)] == [
            ("pyzbar.pyzbar", False)
        ]

    def test_without_zbar_the_other_stages_go_on(self, tmp_path: Path) -> None:
        for stage, picture in PICTURES.items():
            assert cv2.imwrite(str(tmp_path / f"{stage}.png"), picture)
        program = (
            "import sys; sys.modules['pyzbar.pyzbar'] = None\n"  # from here on, importing it fails
            "from pathlib import Path\n"
            "from waypass_reader.decoding import decode_frame\n"
            "from waypass_reader.frames.pictures import read_picture\n"
            "for name in sys.argv[1:]:\n"
            "    print([sighting.stage.value for sighting in decode_frame(read_picture(Path(name)))])\n"
        )
        names = [str(tmp_path / f"{stage}.png") for stage in PICTURES]
        done = subprocess.run([sys.executable, "-c", program, *names], capture_output=True, text=True, check=True)
        assert done.stdout.splitlines() == [*(f"['{stage}']" for stage in list(PICTURES)[:-1]), "[]"]

    def test_a_library_that_the_loader_refuses_counts_as_missing(self) -> None:
        def importer(name: str) -> object:
            raise OSError(f"{name}: wrong ELF class")

        with pytest.raises(MissingLibrary, match=r"cv2.*wrong ELF class.*zxingcpp.*pyzbar"):
            check_libraries(importer)
        assert [one.library.needed for one in missing_libraries(importer)] == [True, True, False]


@pytest.mark.shared
class TestSharedPictures:
    def test_photographs_of_codes(self, shared_dir: Path) -> None:
        read = total = 0
        for expected in sorted((shared_dir / "qr-images").glob("qrcode-*/*.txt")):
            for path in expected.parent.glob(f"{expected.stem}.*"):
                if path.suffix != ".txt":
                    texts = [sighting.text for sighting in decode_frame(read_picture(path), limit=None)]
                    read += expected.read_bytes().decode() in texts
                    total += 1
        assert total == 82
        assert read / total >= 0.92

    def test_no_text_where_there_is_no_code(self, shared_dir: Path) -> None:
        paths = [path for path in sorted((shared_dir / "qr-images" / "no-code").iterdir()) if path.suffix != ".txt"]
        assert len(paths) == 21
        assert {path.name: decode_frame(read_picture(path)) for path in paths} == {path.name: [] for path in paths}

    @pytest.mark.parametrize(("level", "first", "any_of_five"), [("medium", 0.70, 0.79), ("hard", 0.08, 0.12)])
    def test_bursts_of_a_gate_camera(self, shared_dir: Path, level: str, first: float, any_of_five: float) -> None:
        bursts = sorted(path for path in (shared_dir / "gate-frames" / level).iterdir() if path.is_dir())
        on_first, at_all = 0, 0
        for burst in bursts:
            text = (burst / "text.txt").read_text()
            frames = [decode_frame(read_picture(path)) for path in sorted(burst.glob("*.jpg"))]
            texts = [[sighting.text for sighting in sightings] for sightings in frames]
            assert {one for found in texts for one in found} <= {text}
            on_first += text in texts[0]
            at_all += any(text in found for found in texts)
        assert len(bursts) == 24
        assert on_first / len(bursts) >= first
        assert at_all / len(bursts) >= any_of_five
