"""Scanners that are not there, for tests, demonstrations and dry runs.

`PtyScanner` is a real serial line, whose other end this program holds. `PipeKeyboard` sends the very events that the
kernel's input devices send, through a named pipe: all of a keyboard but the grabbing, which `open_wedge` takes as
an argument.
"""

import os
import tty
from collections.abc import Iterable, Iterator
from pathlib import Path

from waypass_reader.scanners.wedge import EV_KEY, EV_SYN, EVENT, PLAIN, PRESSED, RELEASED, SHIFTED

LEFT_SHIFT, ENTER = 42, 28


class PtyScanner:
    """A scanner on a pseudo terminal. `path` is its device."""

    def __init__(self) -> None:
        self._near, far = os.openpty()
        tty.setraw(far)
        self.path = Path(os.ttyname(far))
        self._far: int | None = far  # held, so that the line stands before and after somebody opens it

    def scan(self, text: str, *, ending: str = "\r") -> None:
        """It reads a code."""
        self.send((text + ending).encode())

    def send(self, data: bytes) -> None:
        """Any bytes."""
        while data:
            data = data[os.write(self._near, data) :]

    def unplug(self) -> None:
        """Somebody pulls the cable."""
        if self._far is not None:
            os.close(self._far)
            os.close(self._near)
            self._far = None


class PipeKeyboard:
    """A scanner that types into a named pipe at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)
        # For reading too, so that it opens before anybody reads.
        self._pipe: int | None = os.open(path, os.O_RDWR)

    def scan(self, text: str) -> None:
        """It reads a code and types it, with Enter."""
        self.send(*typed(text), (ENTER, PRESSED), (ENTER, RELEASED))

    def scan_all(self, texts: Iterable[str]) -> None:
        """One code after the other."""
        for text in texts:
            self.scan(text)

    def send(self, *keys: tuple[int, int]) -> None:
        """Keys and whether they are pressed, each with the event that ends a packet."""
        for code, value in keys:
            self.send_events((EV_KEY, code, value), (EV_SYN, 0, 0))

    def send_events(self, *events: tuple[int, int, int]) -> None:
        """Any events: type, code, value."""
        if self._pipe is not None:
            os.write(self._pipe, b"".join(EVENT.pack(0, 0, *event) for event in events))

    def unplug(self) -> None:
        """Somebody pulls the cable; the device's file goes with it."""
        if self._pipe is not None:
            os.close(self._pipe)
            self.path.unlink()
            self._pipe = None


def typed(text: str) -> Iterator[tuple[int, int]]:
    """The keys that type a text on a US keyboard. KeyError for a letter that it does not have."""
    plain = {letter: code for code, letter in reversed(list(PLAIN.items()))}
    shifted = {letter: code for code, letter in reversed(list(SHIFTED.items()))}
    for letter in text:
        if letter in plain:
            yield from ((plain[letter], PRESSED), (plain[letter], RELEASED))
        else:
            code = shifted[letter]
            yield from ((LEFT_SHIFT, PRESSED), (code, PRESSED), (code, RELEASED), (LEFT_SHIFT, RELEASED))
