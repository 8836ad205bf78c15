"""Where frames and scans come from: cameras, the files that stand in for them, and scanners.

`open_source` opens what a configuration record names; everything else follows from the `Source` it returns.
"""

from waypass_reader.frames.base import Frame, FrameSource, Pixels, Scan, Source
from waypass_reader.frames.configuration import (
    CameraConfig,
    FolderConfig,
    PicameraConfig,
    PipeConfig,
    SerialConfig,
    SourceConfig,
    VideoConfig,
    WedgeConfig,
    read_source_config,
)
from waypass_reader.frames.opening import SourceOpener, open_source

__all__ = [
    "CameraConfig",
    "FolderConfig",
    "Frame",
    "FrameSource",
    "PicameraConfig",
    "PipeConfig",
    "Pixels",
    "Scan",
    "SerialConfig",
    "Source",
    "SourceConfig",
    "SourceOpener",
    "VideoConfig",
    "WedgeConfig",
    "open_source",
    "read_source_config",
]
