"""Which frame source a table of settings describes, and which tables are refused."""

from pathlib import Path

import pytest

from waypass_reader.errors import ConfigurationError
from waypass_reader.frames import (
    CameraConfig,
    FolderConfig,
    PicameraConfig,
    PipeConfig,
    SourceConfig,
    VideoConfig,
    read_source_config,
)


@pytest.mark.parametrize(
    ("name", "table", "expected"),
    [
        ("a camera by default", {"kind": "camera"}, CameraConfig(device="/dev/video0", width=1280, height=720)),
        (
            "a whole number stands for a fraction",
            {"kind": "camera", "device": "2", "width": 640, "height": 480, "frames_per_second": 15},
            CameraConfig(device="2", width=640, height=480, frames_per_second=15.0),
        ),
        ("a Raspberry Pi camera", {"kind": "picamera", "number": 1}, PicameraConfig(number=1)),
        (
            "a video",
            {"kind": "video", "path": "a.avi", "loop": True, "paced": False},
            VideoConfig(path=Path("a.avi"), loop=True, paced=False),
        ),
        (
            "an optional setting",
            {"kind": "video", "path": Path("a.avi"), "frames_per_second": 12.5},
            VideoConfig(path=Path("a.avi"), frames_per_second=12.5),
        ),
        (
            "a folder",
            {"kind": "folder", "path": "frames", "follow": True, "consume": True},
            FolderConfig(path=Path("frames"), follow=True, consume=True),
        ),
        ("another program", {"kind": "pipe", "path": "eye"}, PipeConfig(path=Path("eye"))),
    ],
)
def test_a_table_becomes_a_record(name: str, table: dict[str, object], expected: SourceConfig) -> None:
    assert read_source_config(table) == expected


@pytest.mark.parametrize(
    ("name", "table", "message"),
    [
        ("no kind", {}, "expected a kind of camera, picamera, video, folder, pipe, serial, wedge, got None"),
        ("another kind", {"kind": "webcam"}, "got 'webcam'"),
        ("a kind that is no text", {"kind": 3}, "got 3"),
        ("an unknown setting", {"kind": "camera", "devise": "0"}, "a camera has no setting 'devise'; it has device"),
        ("another kind's setting", {"kind": "folder", "path": "x", "loop": True}, "a folder has no setting 'loop'"),
        ("a missing setting", {"kind": "video"}, "a video needs the setting 'path'"),
        ("text for a number", {"kind": "camera", "width": "640"}, "expected width as int, got '640'"),
        ("truth for a number", {"kind": "picamera", "number": True}, "expected number as int, got True"),
        ("truth for a fraction", {"kind": "camera", "stall_seconds": True}, "expected stall_seconds as float"),
        ("a number for truth", {"kind": "folder", "path": "x", "follow": 1}, "expected follow as bool, got 1"),
        ("a number for text", {"kind": "camera", "device": 0}, "expected device as str, got 0"),
        ("a number for a path", {"kind": "folder", "path": 7}, "expected path as Path, got 7"),
        ("no size", {"kind": "camera", "width": 0}, "expected a width and height of 16 to 8192 pixels, got 0x720"),
        ("no rate", {"kind": "camera", "frames_per_second": 0}, "expected frames_per_second above 0"),
        ("no patience", {"kind": "picamera", "stall_seconds": -1.0}, "expected stall_seconds above 0"),
        ("a rate of a video", {"kind": "video", "path": "x", "frames_per_second": -2}, "got -2"),
        ("a pixel format", {"kind": "camera", "pixel_format": "JPEGS"}, "four letters, got 'JPEGS'"),
        ("a camera number", {"kind": "picamera", "number": -1}, "a camera number from 0, got -1"),
    ],
)
def test_other_tables_are_refused(name: str, table: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        read_source_config(table)
