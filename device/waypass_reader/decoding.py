"""From a frame to the texts of the QR codes in it.

The stages are tried in this order, and the first that finds any text is the last one tried:

1. `plain`: zxing-cpp on the frame, also turned, mirrored, scaled down, and light on dark.
2. `doubled`: zxing-cpp on the frame enlarged twice by repeating pixels. It reads codes whose modules are only two or
   three pixels wide, which the first stage finds but can't sample.
3. `zbar`: pyzbar on the frame, whose detector differs. Left out where the system has no zbar library, which
   `waypass_reader.libraries` reports at start.

All stages look for QR Code Model 2 only. With Micro QR or rMQR allowed, clutter is sometimes read as a code.

Light on dark is tried in the first stage only. There it costs 0.3 ms of 1.1 for an empty 640x480 frame; in the second
it would cost 1 ms more, and read no photograph of a code that the first had not read.

A text is the symbol's bytes as they are when they are ASCII, which every Waypass text is; neither a character set
that the symbol declares nor one that a library guesses can change it. Other bytes are no Waypass text, and are given
as the library understands them. A text over 1,024 characters is cut after one more: enough to be refused for its
length, and all that anything behind this module has to handle.

`decode_frame` raises nothing for any picture. Whether a text is a pass is not looked at here.
"""

import functools
import importlib
from dataclasses import dataclass
from enum import StrEnum
from types import ModuleType
from typing import Final

import cv2
import numpy as np
import zxingcpp

from waypass_reader.frames.base import Pixels

TEXT_LIMIT: Final = 1024
"""The longest text that a Waypass code may hold, in characters."""

# zxing-cpp takes at most 65,535 pixels a side, and the second stage doubles them.
_LONGEST_SIDE: Final = 32_767
# Above this a frame is not doubled: it is a photograph whose modules are wide enough, and the copy would be huge.
_LARGEST_DOUBLED: Final = 16_000_000


class Stage(StrEnum):
    """Which stage found a text."""

    PLAIN = "plain"
    DOUBLED = "doubled"
    ZBAR = "zbar"


@dataclass(frozen=True, kw_only=True, slots=True)
class Sighting:
    """A code's text, and the stage that found it. Never empty."""

    text: str
    stage: Stage


def decode_frame(pixels: Pixels, *, limit: int | None = TEXT_LIMIT) -> list[Sighting]:
    """The different texts in a grey frame (rows x columns), in the order in which the library gives them.

    Texts over `limit` characters are cut to `limit` + 1; `None` leaves them whole. No text, an empty list; the same
    for an array that is no picture."""
    if not _is_picture(pixels):
        return []
    frame = np.ascontiguousarray(pixels)
    for stage, texts in ((Stage.PLAIN, read_plain), (Stage.DOUBLED, read_doubled), (Stage.ZBAR, read_zbar)):
        found = dict.fromkeys(text if limit is None else text[: limit + 1] for text in texts(frame) if text)
        if found:
            return [Sighting(text=text, stage=stage) for text in found]
    return []


def read_plain(frame: Pixels) -> list[str]:
    """The first stage alone."""
    return _read_zxing(frame, light_on_dark=True)


def read_doubled(frame: Pixels) -> list[str]:
    """The second stage alone."""
    if frame.size > _LARGEST_DOUBLED:
        return []
    doubled = cv2.resize(frame, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    return _read_zxing(doubled.astype(np.uint8, copy=False), light_on_dark=False)


def read_zbar(frame: Pixels) -> list[str]:
    """The third stage alone; finds nothing where zbar is not installed."""
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


def _is_picture(pixels: Pixels) -> bool:
    return pixels.ndim == 2 and pixels.dtype == np.uint8 and 0 < min(pixels.shape) <= max(pixels.shape) <= _LONGEST_SIDE


def _read_zxing(frame: Pixels, *, light_on_dark: bool) -> list[str]:
    codes = zxingcpp.read_barcodes(
        frame,
        formats=zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCodeModel2]),
        try_invert=light_on_dark,
        text_mode=zxingcpp.TextMode.Plain,
    )
    return [code.bytes.decode("ascii") if code.bytes.isascii() else code.text for code in codes]


@functools.cache
def _zbar() -> ModuleType | None:
    """pyzbar, or None where it or the system's library is missing; that was reported at start.

    Only QR codes are asked of it. With the others allowed it also prints warnings about pictures without a code."""
    try:
        return importlib.import_module("pyzbar.pyzbar")
    except (ImportError, OSError):
        return None
