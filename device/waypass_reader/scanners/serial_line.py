"""2D scanners on a serial line, with the standard library's termios.

1. the line is set raw, 8 bits, no parity, one stop bit, no flow control, and is this program's alone
2. a text ends with CR or LF; empty lines are passed over, so CR LF is as good
3. a text is UTF-8 without control characters (Waypass texts are ASCII; a poster's need not be). Other bytes are no text
4. what the line held before it was opened is dropped
"""

import fcntl
import re
import termios
import tty
from collections.abc import Callable
from pathlib import Path

from waypass_protocol.passes import MAX_TEXT
from waypass_reader.errors import SourceError
from waypass_reader.frames.configuration import SerialConfig
from waypass_reader.scanners.devices import DeviceLine, open_device
from waypass_reader.scanners.texts import TextSource

_END = re.compile(rb"[\r\n]")
# A character has at most four bytes in UTF-8.
_MOST_BYTES = 4 * (MAX_TEXT + 1)


class LineReading:
    """Bytes to texts: rules 2 and 3."""

    def __init__(self) -> None:
        self._begun = bytearray()

    def take(self, piece: bytes) -> list[str | None]:
        """The texts that this piece completes."""
        texts: list[str | None] = []
        *ended, rest = _END.split(piece)
        for part in ended:
            self._add(part)
            if self._begun:
                texts.append(_text(bytes(self._begun)))
            self._begun.clear()
        self._add(rest)
        return texts

    def drop(self) -> None:
        """Begin a new line."""
        self._begun.clear()

    def _add(self, part: bytes) -> None:
        self._begun += part[: _MOST_BYTES - len(self._begun)]


def _text(line: bytes) -> str | None:
    """What a line says, cut; None where it is no text."""
    # A line of the greatest length may have been cut inside its last character.
    text = line.decode("utf-8", errors="ignore" if len(line) == _MOST_BYTES else "replace")
    if "\ufffd" in text or any(letter < " " or letter == "\x7f" for letter in text):
        return None
    return text[: MAX_TEXT + 1]


def open_serial(config: SerialConfig, *, clock_ns: Callable[[], int]) -> TextSource:
    """Opens the line that the configuration names; raises `SourceError`."""
    name = f"scanner {config.device}"
    descriptor = open_device(Path(config.device), name=name, like="/dev/serial/by-id/*", group="dialout")
    line = DeviceLine(descriptor, name=name)
    try:
        _set_raw(descriptor, config.baud)
    except termios.error as error:
        line.close()
        raise SourceError(f"{name}: can't be used as a serial line ({error.args[-1]}); set `device`") from error
    except OSError as error:
        line.close()
        raise SourceError(f"{name}: can't be had for this program alone ({error.strerror})") from error
    return TextSource(line, LineReading(), name=name, clock_ns=clock_ns)


def _set_raw(descriptor: int, baud: int) -> None:
    """Rules 1 and 4."""
    tty.setraw(descriptor, termios.TCSANOW)  # 8 bits, no parity, a read that waits for one byte
    settings = termios.tcgetattr(descriptor)
    settings[2] |= termios.CLOCAL | termios.CREAD
    settings[2] &= ~(termios.CSTOPB | termios.CRTSCTS)
    settings[4] = settings[5] = getattr(termios, f"B{baud}")
    termios.tcsetattr(descriptor, termios.TCSANOW, settings)
    fcntl.ioctl(descriptor, termios.TIOCEXCL)
    termios.tcflush(descriptor, termios.TCIFLUSH)
