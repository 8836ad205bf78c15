"""Where frames come from: cameras, and the files that stand in for them.

`open_source` opens what a configuration record names; everything else follows from the `FrameSource` it returns.
"""

from waypass_reader.frames.base import Frame, FrameSource, Pixels
from waypass_reader.frames.configuration import (
    CameraConfig,
    FolderConfig,
    PicameraConfig,
    SourceConfig,
    VideoConfig,
    read_source_config,
)
from waypass_reader.frames.opening import open_source

__all__ = [
    "CameraConfig",
    "FolderConfig",
    "Frame",
    "FrameSource",
    "PicameraConfig",
    "Pixels",
    "SourceConfig",
    "VideoConfig",
    "open_source",
    "read_source_config",
]
