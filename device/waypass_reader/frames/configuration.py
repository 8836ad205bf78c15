"""Which camera, file or scanner a lane has, as frozen records, and how they are read from a table of settings.

A table is what stands in the reader's configuration file: `kind` (camera, picamera, video, folder, serial or wedge) and
the settings of that kind, by the names of the record's fields. Refused, as `ConfigurationError` that names the setting:
an unknown kind, a setting that the kind does not have, a missing one that has no default, another type, a value out
of range. Whether the device is there is not checked here: opening it does that.
"""

from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeAlias, get_args, get_type_hints

from waypass_reader.errors import ConfigurationError


def _require_size(width: int, height: int) -> None:
    if not (16 <= width <= 8192 and 16 <= height <= 8192):
        raise ConfigurationError(f"source: expected a width and height of 16 to 8192 pixels, got {width}x{height}")


def _require_rate(name: str, value: float | None) -> None:
    if value is not None and not 0 < value <= 1000:
        raise ConfigurationError(f"source: expected {name} above 0 and at most 1000, got {value}")


def _require_frozen(value: float) -> None:
    if not 0 <= value <= 1000:
        raise ConfigurationError(f"source: expected frozen_seconds of 0 to 1000, got {value}")


@dataclass(frozen=True, kw_only=True, slots=True)
class CameraConfig:
    """A USB or other V4L2 camera. `device` is its path, or a number for `/dev/videoN`; sizes are pixels.

    The camera picks the nearest size and rate that it has. `pixel_format` is the four letters of the format asked
    for: MJPG lets USB 2 cameras reach 30 frames a second at 1280x720. A camera that gives no frame for
    `stall_seconds` is lost; one whose frames are all the same to the last bit for `frozen_seconds` hangs or is covered,
    and is lost too (0: it may). `exposure_for_codes`: see `waypass_reader.frames.exposure`."""

    device: str = "/dev/video0"
    width: int = 1280
    height: int = 720
    frames_per_second: float = 30.0
    pixel_format: str = "MJPG"
    stall_seconds: float = 5.0
    frozen_seconds: float = 10.0
    exposure_for_codes: bool = False

    def __post_init__(self) -> None:
        _require_size(self.width, self.height)
        _require_rate("frames_per_second", self.frames_per_second)
        _require_rate("stall_seconds", self.stall_seconds)
        _require_frozen(self.frozen_seconds)
        if len(self.pixel_format) != 4 or not self.pixel_format.isascii():
            raise ConfigurationError(f"source: expected pixel_format as four letters, got {self.pixel_format!r}")


@dataclass(frozen=True, kw_only=True, slots=True)
class PicameraConfig:
    """A Raspberry Pi camera module; `number` tells them apart where there are several. The rest as for a camera."""

    number: int = 0
    width: int = 1280
    height: int = 720
    frames_per_second: float = 30.0
    stall_seconds: float = 5.0
    frozen_seconds: float = 10.0
    exposure_for_codes: bool = False

    def __post_init__(self) -> None:
        _require_size(self.width, self.height)
        _require_rate("frames_per_second", self.frames_per_second)
        _require_rate("stall_seconds", self.stall_seconds)
        _require_frozen(self.frozen_seconds)
        if self.number < 0:
            raise ConfigurationError(f"source: expected a camera number from 0, got {self.number}")


@dataclass(frozen=True, kw_only=True, slots=True)
class VideoConfig:
    """A video file: every frame once, in order, `loop` again and again.

    Paced by the file's own rate, or by `frames_per_second`; with `paced` false as fast as asked."""

    path: Path
    paced: bool = True
    frames_per_second: float | None = None
    loop: bool = False

    def __post_init__(self) -> None:
        _require_rate("frames_per_second", self.frames_per_second)


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderConfig:
    """A folder of pictures, by name. `follow`: pictures may still arrive; `consume`: read files are removed."""

    path: Path
    follow: bool = False
    consume: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class PipeConfig:
    """A named pipe into which another program writes frames as YUV4MPEG2; the rest as for a camera."""

    path: Path
    stall_seconds: float = 5.0
    frozen_seconds: float = 10.0

    def __post_init__(self) -> None:
        _require_rate("stall_seconds", self.stall_seconds)
        _require_frozen(self.frozen_seconds)


BAUDS = (9600, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800, 921_600)


@dataclass(frozen=True, kw_only=True, slots=True)
class SerialConfig:
    """A 2D scanner on a serial line, USB CDC mostly, which has no rate of its own and takes any.

    It has to end each text with CR or LF. A path under `/dev/serial/by-id` survives replugging."""

    device: str = "/dev/ttyACM0"
    baud: int = 9600

    def __post_init__(self) -> None:
        if self.baud not in BAUDS:
            raise ConfigurationError(f"source: expected baud among {', '.join(map(str, BAUDS))}, got {self.baud}")


@dataclass(frozen=True, kw_only=True, slots=True)
class WedgeConfig:
    """A 2D scanner that types what it reads, as a keyboard with US layout, and ends each text with Enter.

    `device` is its input device; a path under `/dev/input/by-id` survives replugging."""

    device: str


FrameConfig: TypeAlias = CameraConfig | PicameraConfig | VideoConfig | FolderConfig | PipeConfig
ScannerConfig: TypeAlias = SerialConfig | WedgeConfig
SourceConfig: TypeAlias = FrameConfig | ScannerConfig

KINDS: Mapping[str, type[SourceConfig]] = {
    "camera": CameraConfig,
    "picamera": PicameraConfig,
    "video": VideoConfig,
    "folder": FolderConfig,
    "pipe": PipeConfig,
    "serial": SerialConfig,
    "wedge": WedgeConfig,
}


def read_source_config(table: Mapping[str, object]) -> SourceConfig:
    """The record for a table of settings; raises `ConfigurationError` as the module's docstring says."""
    kind = table.get("kind")
    record = KINDS.get(kind) if isinstance(kind, str) else None
    if record is None:
        raise ConfigurationError(f"source: expected a kind of {', '.join(KINDS)}, got {kind!r}")
    known = {field.name: field for field in fields(record)}
    for name in table:
        if name != "kind" and name not in known:
            raise ConfigurationError(f"source: a {kind} has no setting {name!r}; it has {', '.join(known)}")
    hints = get_type_hints(record)
    settings: dict[str, Any] = {}
    for name, field in known.items():
        if name in table:
            settings[name] = _setting(name, table[name], hints[name])
        elif not _has_default(field):
            raise ConfigurationError(f"source: a {kind} needs the setting {name!r}")
    return record(**settings)


def _has_default(field: "Field[Any]") -> bool:
    return field.default is not MISSING


def _setting(name: str, value: object, hint: object) -> object:
    """The value in the field's own type. A whole number may stand for a fraction, a text for a path, no more."""
    wanted = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    if type(value) in wanted:  # not isinstance: True is no number here
        return value
    if Path in wanted and isinstance(value, str | Path):
        return Path(value)
    if float in wanted and type(value) is int:
        return float(value)
    words = " or ".join(kind.__name__ for kind in wanted if isinstance(kind, type) and kind is not NoneType)
    raise ConfigurationError(f"source: expected {name} as {words}, got {value!r}")
