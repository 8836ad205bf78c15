"""Still pictures of every promised format become contiguous 8-bit grey, or an error that names the file."""

import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from waypass_reader.errors import SourceError
from waypass_reader.frames.base import Pixels
from waypass_reader.frames.pictures import decode_picture, is_picture_name, picture_paths, read_picture, to_grey

RNG = np.random.default_rng(7)
GREY: Pixels = cv2.GaussianBlur(RNG.integers(0, 256, (40, 60), dtype=np.uint8), (0, 0), 3).astype(np.uint8)


def encoded(suffix: str, picture: NDArray[Any] = GREY) -> bytes:
    done, data = cv2.imencode(suffix, picture)
    assert done
    return data.tobytes()


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 10)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize(("suffix", "tolerance"), [(".png", 0), (".bmp", 0), (".webp", 6), (".jpg", 6)])
def test_each_format_is_read(tmp_path: Path, suffix: str, tolerance: int) -> None:
    path = tmp_path / f"picture{suffix}"
    path.write_bytes(encoded(suffix))
    pixels = read_picture(path)
    assert pixels.dtype == np.uint8
    assert pixels.shape == GREY.shape
    assert pixels.flags.c_contiguous
    assert np.abs(pixels.astype(int) - GREY.astype(int)).max() <= tolerance


def test_the_content_counts_and_not_the_name(tmp_path: Path) -> None:
    path = tmp_path / "picture.jpg"
    path.write_bytes(encoded(".png"))
    assert np.array_equal(read_picture(path), GREY)


def test_sixteen_bits_become_eight() -> None:
    deep = GREY.astype(np.uint16) * 257
    assert np.array_equal(decode_picture(encoded(".png", deep), name="deep"), GREY)


def test_colour_becomes_grey() -> None:
    colours = np.zeros((1, 3, 3), np.uint8)
    colours[0] = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]  # blue, green, red
    assert decode_picture(encoded(".png", colours), name="colours").tolist() == [[29, 150, 76]]


def test_what_is_transparent_is_white() -> None:
    picture = np.zeros((1, 4, 4), np.uint8)
    picture[0] = [(0, 0, 0, 0), (0, 0, 0, 255), (255, 255, 255, 255), (0, 0, 0, 127)]
    assert decode_picture(encoded(".png", picture), name="alpha").tolist() == [[255, 0, 255, 128]]


def test_transparency_in_sixteen_bits() -> None:
    picture = np.zeros((1, 2, 4), np.uint16)
    picture[0, 1, 3] = 65535
    assert decode_picture(encoded(".png", picture), name="deep alpha").tolist() == [[255, 0]]


def test_one_pixel_of_webp_is_read(shared_dir: Path) -> None:
    pixels = read_picture(shared_dir / "qr-images" / "no-code" / "1x1.webp")
    assert pixels.shape == (1, 1)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
def test_a_part_of_a_picture_is_no_picture(tmp_path: Path, suffix: str, share: float) -> None:
    path = tmp_path / f"half{suffix}"
    data = encoded(suffix, RNG.integers(0, 256, (60, 60), dtype=np.uint8))
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(SourceError, match=rf"half{suffix}: not a whole PNG, JPEG, WebP or BMP picture"):
        read_picture(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty", b"", "the file is empty"),
        ("text", b"this is no picture, only a line of text", "not a whole PNG"),
        ("absurd size", png_header(200_000, 200_000), "not a picture that can be read"),
    ],
)
def test_other_files_are_refused_by_name(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / "bad.png"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=f"bad.png: {message}"):
        read_picture(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"nowhere.png: can't be read: No such file"):
        read_picture(tmp_path / "nowhere.png")


@pytest.mark.parametrize(
    ("name", "image", "message"),
    [
        ("fractions", np.zeros((2, 2), np.float32), "8 or 16 bits a channel, got float32"),
        ("two channels", np.zeros((2, 2, 2), np.uint8), "expected 1, 3 or 4 channels"),
        ("one dimension", np.zeros(4, np.uint8), "expected 1, 3 or 4 channels"),
    ],
)
def test_other_arrays_are_refused(name: str, image: NDArray[np.generic], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        to_grey(image)


def test_one_channel_may_have_its_own_dimension() -> None:
    assert np.array_equal(to_grey(GREY[:, :, None]), GREY)


def test_only_pictures_of_a_folder_are_listed_by_name(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.jpeg", ".hidden.png", "c.png.part", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "folder.png").mkdir()
    assert [path.name for path in picture_paths(tmp_path)] == ["a.jpeg", "b.PNG"]
    assert not is_picture_name("text.txt")
