"""The single-frame stages: from a grey picture to the texts of the QR codes in it, cheapest first.

1. `plain`: zxing-cpp on the picture, also turned, mirrored, scaled down, and light on dark.
2. `doubled`: zxing-cpp on the picture enlarged twice by repeating pixels. It reads codes whose modules are only two or
   three pixels wide, which the first stage finds but can't sample.
3. `sharpened`: zxing-cpp on the picture sharpened and enlarged twice with smooth edges, against blur.
4. `threshold`: zxing-cpp on the picture enlarged likewise, and made black and white by each place's surroundings,
   against shade.
5. `zbar`: pyzbar, whose detector differs. Left out where the system has no zbar library, which
   `waypass_reader.libraries` reports at start.

The stage `wechat` comes after these where a gate is set up with it: `waypass_reader.seeing.wechat`.
What joins frames has the stage `joined`; it is not here but in `waypass_reader.seeing.joining`.

All stages look for QR Code Model 2 only. With Micro QR or rMQR allowed, clutter is sometimes read as a code. Light on
dark is tried in the first stage only; in the others it costs as much again, and read no picture that the first had not.

A text is the symbol's bytes as they are when they are ASCII, which every Waypass text is; neither a character set
that the symbol declares nor one that a library guesses can change it. Other bytes are no Waypass text, and are given
as the library understands them. A text over 1,024 characters is cut after one more: enough to be refused for its
length, and all that anything behind this module has to handle.
"""

import functools
import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import ModuleType
from typing import Any, Final

import cv2
import numpy as np
import zxingcpp

from waypass_reader.frames.base import Pixels
from waypass_reader.seeing.wechat import ReadFrame

TEXT_LIMIT: Final = 1024
"""The longest text that a Waypass code may hold, in characters."""

# zxing-cpp takes at most 65,535 pixels a side, and some stages double them.
_LONGEST_SIDE: Final = 32_767
# Above this a picture is not doubled: it is a photograph whose modules are wide enough, and the copy would be huge.
_LARGEST_DOUBLED: Final = 16_000_000


class Stage(StrEnum):
    """Which stage found a text."""

    PLAIN = "plain"
    DOUBLED = "doubled"
    SHARPENED = "sharpened"
    THRESHOLD = "threshold"
    ZBAR = "zbar"
    WECHAT = "wechat"
    JOINED = "joined"


@dataclass(frozen=True, kw_only=True, slots=True)
class Sighting:
    """A code's text, and the stage that found it. Never empty."""

    text: str
    stage: Stage


def decode_frame(
    pixels: Pixels, *, limit: int | None = TEXT_LIMIT, more: Mapping[Stage, ReadFrame] | None = None
) -> list[Sighting]:
    """The different texts in a grey frame (rows x columns), in the order in which the library gives them; all of the
    first stage that finds any. `more` are stages after the others.

    Texts over `limit` characters are cut to `limit` + 1; `None` leaves them whole. No text, an empty list; the same
    for an array that is no picture: nothing raises here."""
    if not is_picture(pixels):
        return []
    frame = np.ascontiguousarray(pixels)
    for stage, read in {**STAGES, **(more or {})}.items():
        found = sightings_of(read(frame), stage, limit=limit)
        if found:
            return found
    return []


def sightings_of(texts: Iterable[str], stage: Stage, *, limit: int | None = TEXT_LIMIT) -> list[Sighting]:
    """The texts as sightings: each once, none empty, none too long."""
    cut = dict.fromkeys(text if limit is None else text[: limit + 1] for text in texts if text)
    return [Sighting(text=text, stage=stage) for text in cut]


def is_picture(pixels: Pixels) -> bool:
    """Whether an array is a grey picture of a size that the libraries take."""
    return pixels.ndim == 2 and pixels.dtype == np.uint8 and 0 < min(pixels.shape) <= max(pixels.shape) <= _LONGEST_SIDE


def read_plain(frame: Pixels) -> list[str]:
    """The first stage alone."""
    return _texts(read_zxing(frame, light_on_dark=True))


def read_doubled(frame: Pixels) -> list[str]:
    """The second stage alone."""
    if frame.size > _LARGEST_DOUBLED:
        return []
    doubled = cv2.resize(frame, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    return _texts(read_zxing(doubled.astype(np.uint8, copy=False)))


def read_sharpened(frame: Pixels) -> list[str]:
    """The third stage alone."""
    if frame.size > _LARGEST_DOUBLED:
        return []
    sharp = cv2.addWeighted(frame, 2.5, cv2.GaussianBlur(frame, (0, 0), 2), -1.5, 0)
    return _texts(read_zxing(_enlarged(sharp.astype(np.uint8, copy=False))))


def read_threshold(frame: Pixels) -> list[str]:
    """The fourth stage alone."""
    if frame.size > _LARGEST_DOUBLED:
        return []
    black_and_white = cv2.adaptiveThreshold(_enlarged(frame), 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY, 31, 0)
    return _texts(read_zxing(black_and_white.astype(np.uint8, copy=False)))


def _enlarged(frame: Pixels) -> Pixels:
    return np.asarray(cv2.resize(frame, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC), np.uint8)


def read_zbar(frame: Pixels) -> list[str]:
    """The fifth stage alone; finds nothing where zbar is not installed."""
    zbar = _zbar()
    if zbar is None:
        return []
    try:
        codes = zbar.decode(frame, symbols=[zbar.ZBarSymbol.QRCODE])
    except (ValueError, zbar.PyZbarError):
        # ValueError: a code that is one part of several (structured append) has no direction in zbar's answer, and
        # pyzbar takes that badly. Such a code is no Waypass code.
        return []
    return [code.data.decode("utf-8", errors="replace") for code in codes]


STAGES: Final[dict[Stage, ReadFrame]] = {
    Stage.PLAIN: read_plain,
    Stage.DOUBLED: read_doubled,
    Stage.SHARPENED: read_sharpened,
    Stage.THRESHOLD: read_threshold,
    Stage.ZBAR: read_zbar,
}
"""The single-frame stages that need nothing of their own, in their order."""


def installed_stages() -> tuple[Stage, ...]:
    """The single-frame stages that have what they need on this machine, in their order."""
    return tuple(stage for stage in STAGES if stage is not Stage.ZBAR or _zbar() is not None)


def read_zxing(frame: Pixels, *, light_on_dark: bool = False, failed_too: bool = False) -> list[Any]:
    """zxing-cpp's codes; with `failed_too` also those that it found and could not read."""
    return list(
        zxingcpp.read_barcodes(
            frame,
            formats=zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCodeModel2]),
            try_invert=light_on_dark,
            text_mode=zxingcpp.TextMode.Plain,
            return_errors=failed_too,
        )
    )


def read_clean(picture: Pixels) -> list[str]:
    """The text of a symbol that was drawn, not seen: nothing but its modules and their quiet zone."""
    # Not QRCodeModel2: together with is_pure, zxing-cpp 3.1 then gives a code without format or content. What was
    # drawn is Model 2.
    codes = zxingcpp.read_barcodes(
        picture,
        formats=zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode]),
        is_pure=True,
        text_mode=zxingcpp.TextMode.Plain,
    )
    return _texts(code for code in codes if code.valid)


def text_of(code: Any) -> str:
    """What a code of zxing-cpp holds."""
    return code.bytes.decode("ascii") if code.bytes.isascii() else str(code.text)


def _texts(codes: Iterable[Any]) -> list[str]:
    return [text_of(code) for code in codes]


@functools.cache
def _zbar() -> ModuleType | None:
    """pyzbar, or None where it or the system's library is missing; that was reported at start.

    Only QR codes are asked of it. With the others allowed it also prints warnings about pictures without a code."""
    try:
        return importlib.import_module("pyzbar.pyzbar")
    except (ImportError, OSError):
        return None
