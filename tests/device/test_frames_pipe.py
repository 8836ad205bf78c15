"""A named pipe as a camera: real pipes, a writer in this process."""

import os
import time
from pathlib import Path

import numpy as np
import pytest

from waypass_reader.errors import SourceError, SourceLost
from waypass_reader.frames import Frame, FrameSource, PipeConfig, open_source
from waypass_reader.frames.pipe import Layout, read_stream_header

DEADLINE = 20.0
GREY = np.arange(16 * 18, dtype=np.uint32).astype(np.uint8).reshape(16, 18)


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    path = tmp_path / "camera"
    os.mkfifo(path)
    return path


def open_pipe(path: Path, *, stall_seconds: float = DEADLINE) -> FrameSource:
    return open_source(PipeConfig(path=path, stall_seconds=stall_seconds, frozen_seconds=0))


def wait_for(source: FrameSource) -> Frame:
    frame = source.next_frame(DEADLINE)
    assert frame is not None
    return frame


@pytest.mark.parametrize(
    ("header", "colour"),
    [
        (b"YUV4MPEG2 W18 H16 F30:1 Cmono", 0),
        (b"YUV4MPEG2 W18 H16 F25:1 Ip A1:1 C420jpeg XYSCSS=420JPEG", 2 * 9 * 8),
        (b"YUV4MPEG2 H16 W18", 2 * 9 * 8),
        (b"YUV4MPEG2 W18 H16 C422", 2 * 9 * 16),
        (b"YUV4MPEG2 W18 H16 C444", 2 * 18 * 16),
    ],
)
def test_the_grey_plane_of_each_frame_is_given(pipe: Path, header: bytes, colour: int) -> None:
    with open_pipe(pipe) as source, pipe.open("wb", buffering=0) as writer:
        writer.write(header + b"\n")
        for number in range(3):
            before = time.monotonic_ns()
            writer.write(b"FRAME\n" + (GREY + number).astype(np.uint8).tobytes() + bytes(colour))
            frame = wait_for(source)
            assert np.array_equal(frame.pixels, GREY + number)
            assert frame.pixels.flags.c_contiguous
            assert (frame.number, frame.at_ns >= before) == (number, True)


def test_a_frame_that_comes_in_pieces_is_one_frame(pipe: Path) -> None:
    with open_pipe(pipe) as source, pipe.open("wb", buffering=0) as writer:
        stream = b"YUV4MPEG2 W18 H16 Cmono\nFRAME Ip\n" + GREY.tobytes()
        for at in range(0, len(stream), 7):
            writer.write(stream[at : at + 7])
        assert np.array_equal(wait_for(source).pixels, GREY)


def test_an_odd_picture_has_rounded_colour_planes() -> None:
    assert read_stream_header(b"YUV4MPEG2 W17 H17 C420mpeg2") == Layout(
        width=17, height=17, frame_bytes=17 * 17 + 2 * 9 * 9
    )


def test_without_a_writer_there_is_no_frame_yet(pipe: Path) -> None:
    with open_pipe(pipe) as source:
        assert source.next_frame(0) is None
        assert not source.ended


def test_a_writer_that_never_comes_is_a_lost_camera(pipe: Path) -> None:
    with open_pipe(pipe, stall_seconds=0.05) as source, pytest.raises(SourceLost, match=r"no frame for 0\.05 s"):
        source.next_frame(DEADLINE)


def test_a_writer_that_ended_is_a_lost_camera_and_another_may_come(pipe: Path) -> None:
    for _ in range(2):
        with open_pipe(pipe) as source:
            with pipe.open("wb", buffering=0) as writer:
                writer.write(b"YUV4MPEG2 W18 H16 Cmono\nFRAME\n" + GREY.tobytes())
                assert np.array_equal(wait_for(source).pixels, GREY)
            with pytest.raises(SourceLost, match="the program that writes it has ended"):
                source.next_frame(DEADLINE)


@pytest.mark.parametrize(
    ("stream", "message"),
    [
        (b"RIFF\n", "expected a stream that begins with YUV4MPEG2, got b'RIFF'"),
        (b"YUV4MPEG2 H16\n", "expected a width of 16 to 8192 pixels, got b''"),
        (b"YUV4MPEG2 W18 H8193\n", "expected a height of 16 to 8192 pixels, got b'8193'"),
        (b"YUV4MPEG2 W18 H16 C420p10\n", "expected a colour space among mono, 420, .*, got '420p10'"),
        (b"YUV4MPEG2 W18 H16 " + b"X" * 300, "expected a line of at most 256 bytes"),
        (b"YUV4MPEG2 W18 H16 Cmono\nFRAMES\n", "expected a line that begins with FRAME, got b'FRAMES'"),
    ],
)
def test_what_is_no_such_stream_is_a_lost_camera(pipe: Path, stream: bytes, message: str) -> None:
    with open_pipe(pipe) as source, pipe.open("wb", buffering=0) as writer:
        writer.write(stream)
        with pytest.raises(SourceLost, match=message):
            source.next_frame(DEADLINE)


@pytest.mark.parametrize(("make", "message"), [("file", "is no named pipe"), ("nothing", "No such file or directory")])
def test_what_is_no_pipe_is_not_opened(tmp_path: Path, make: str, message: str) -> None:
    path = tmp_path / "camera"
    if make == "file":
        path.write_bytes(b"")
    with pytest.raises(SourceError, match=message):
        open_pipe(path)
