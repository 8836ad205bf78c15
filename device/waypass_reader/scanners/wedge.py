"""2D scanners that type: Linux input devices, read with the standard library's struct and one ioctl.

1. the device is grabbed (EVIOCGRAB), so that what it types goes nowhere else: neither into a console, where it would be
   a command, nor into another program. A device that can't be grabbed is not read
2. keys are those of a US keyboard, with either shift; a text ends with Enter of either pad. Repeats and releases
   type nothing. Any other key, or any with ctrl, alt or meta held, makes what is being typed no text
3. the kernel says when it dropped events (SYN_DROPPED); what was being typed is then no text

Whether caps lock is on is the scanner's own affair: it is not looked at.
"""

import errno
import fcntl
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from waypass_reader.errors import SourceError
from waypass_reader.frames.configuration import WedgeConfig
from waypass_reader.scanners.devices import DeviceLine, open_device
from waypass_reader.scanners.texts import TextBuilder, TextSource

# struct input_event: two longs of time, type, code, value.
EVENT: Final = struct.Struct("@llHHi")
EV_SYN, EV_KEY = 0, 1
SYN_DROPPED = 3
RELEASED, PRESSED = 0, 1
# _IOW('E', 0x90, int)
EVIOCGRAB: Final = 0x40044590

_ENTER = frozenset({28, 96})
_SHIFT = frozenset({42, 54})
_OTHER_MODIFIERS = frozenset({29, 97, 56, 100, 125, 126})
# Lock keys change nothing that is looked at.
_SILENT = frozenset({58, 69, 70})


def _rows(*rows: tuple[int, str]) -> dict[int, str]:
    return {first + place: letter for first, letters in rows for place, letter in enumerate(letters)}


# Key codes stand in rows, as the keys do. A text of Waypass needs shift for letters and for $ % * + and :.
PLAIN: Final[Mapping[int, str]] = _rows(
    (2, "1234567890-="),
    (16, "qwertyuiop[]"),
    (30, "asdfghjkl;'`"),
    (43, "\\zxcvbnm,./"),
    (55, "*"),
    (57, " "),
    (71, "789-456+1230."),
    (98, "/"),
)
SHIFTED: Final[Mapping[int, str]] = {
    **PLAIN,
    **_rows((2, "!@#$%^&*()_+"), (16, "QWERTYUIOP{}"), (30, 'ASDFGHJKL:"~'), (43, "|ZXCVBNM<>?")),
}


class KeyReading:
    """Events to texts: rules 2 and 3."""

    def __init__(self) -> None:
        self._rest = b""
        self._text = TextBuilder()
        self._held: set[int] = set()

    def take(self, piece: bytes) -> list[str | None]:
        """The texts that this piece completes."""
        data = self._rest + piece
        whole = len(data) - len(data) % EVENT.size
        self._rest = data[whole:]
        texts: list[str | None] = []
        for _, _, kind, code, value in EVENT.iter_unpack(data[:whole]):
            if (kind, code) == (EV_SYN, SYN_DROPPED):
                self._held.clear()
                self._text.spoil()
            elif kind == EV_KEY:
                texts += self._key(code, value)
        return texts

    def drop(self) -> None:
        """Begin a new text; a shift that is held stays held."""
        self._text.drop()

    def _key(self, code: int, value: int) -> list[str | None]:
        if code in _SHIFT | _OTHER_MODIFIERS:
            # At most as many as there are modifiers.
            (self._held.discard if value == RELEASED else self._held.add)(code)
        elif value == PRESSED and code in _ENTER:
            return self._text.end()
        elif value == PRESSED and code not in _SILENT:
            self._type(code)
        return []

    def _type(self, code: int) -> None:
        letter = (SHIFTED if self._held & _SHIFT else PLAIN).get(code)
        if letter is None or self._held & _OTHER_MODIFIERS:
            self._text.spoil()
        else:
            self._text.add(letter)


def grab(descriptor: int) -> None:
    """Take an input device for this program alone. Raises `OSError`."""
    fcntl.ioctl(descriptor, EVIOCGRAB, 1)


def open_wedge(config: WedgeConfig, *, clock_ns: Callable[[], int], take: Callable[[int], None] = grab) -> TextSource:
    """Opens and grabs the input device that the configuration names; raises `SourceError`."""
    name = f"scanner {config.device}"
    descriptor = open_device(Path(config.device), name=name, like="/dev/input/by-id/*", group="input")
    line = DeviceLine(descriptor, name=name)
    try:
        take(descriptor)
    except OSError as error:
        line.close()
        busy = "another program has grabbed it" if error.errno == errno.EBUSY else "it is no input device"
        raise SourceError(f"{name}: can't be grabbed ({busy}: {error.strerror}); it is not read ungrabbed") from error
    return TextSource(line, KeyReading(), name=name, clock_ns=clock_ns)
