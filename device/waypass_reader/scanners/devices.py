"""A scanner's device file: opened so that nothing hangs, read in pieces, and told when it is gone."""

import errno
import os
import select
from pathlib import Path

from waypass_reader.errors import SourceError, SourceLost
from waypass_reader.scanners.texts import PIECE_BYTES

_GONE = select.POLLERR | select.POLLHUP | select.POLLNVAL


class DeviceLine:
    """An open device file. Owns the descriptor."""

    def __init__(self, descriptor: int, *, name: str) -> None:
        self.descriptor = descriptor
        self._name = name
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)

    def read(self, timeout_seconds: float) -> bytes:
        """Some bytes, or none in time. Raises `SourceLost` when the other end is gone."""
        events = self._poll.poll(timeout_seconds * 1000)
        if not events:
            return b""
        try:
            piece = os.read(self.descriptor, PIECE_BYTES)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise SourceLost(f"{self._name}: gives no more ({error.strerror}); check its cable") from error
        if not piece or (events[0][1] & _GONE and not events[0][1] & select.POLLIN):
            raise SourceLost(f"{self._name}: gives no more (it is gone); check its cable")
        return piece

    def close(self) -> None:
        """Gives the device back."""
        os.close(self.descriptor)


def open_device(path: Path, *, name: str, like: str, group: str) -> int:
    """A descriptor of the device, for reading. Raises `SourceError`, which names others `like` it and the `group`."""
    try:
        return os.open(path, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise SourceError(f"{name}: {_why(error, like=like, group=group)}") from error


def _why(error: OSError, *, like: str, group: str) -> str:
    match error.errno:
        case errno.ENOENT | errno.ENXIO | errno.ENODEV:
            folder, _, pattern = like.rpartition("/")
            found = ", ".join(str(other) for other in sorted(Path(folder).glob(pattern))) or "none"
            return f"there is no such device (those like it here: {found}); check the cable, or set `device`"
        case errno.EACCES | errno.EPERM:
            return f"no permission; add the reader's user to the group `{group}` and log in again"
        case errno.EBUSY:
            return "another program is using it"
        case _:
            return f"can't be opened ({error.strerror})"
