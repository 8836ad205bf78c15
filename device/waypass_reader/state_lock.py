"""One reader a state folder: two would overwrite each other's floors, and a withdrawn pass could open a lane again.

The folder itself is locked (`flock`), so that nothing more lies in it and a lock never outlives its process.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from waypass_reader.errors import ConfigurationError

_LOCKS: Final = Path("/proc/locks")


@contextmanager
def hold_state(folder: Path) -> Iterator[None]:
    """Have the folder for this process alone; it is made. Raises `ConfigurationError` when another reader has it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileExistsError:
        raise ConfigurationError(f"state {folder}: can't be made (Not a directory)") from None
    except OSError as error:
        raise ConfigurationError(f"state {folder}: can't be made ({error.strerror})") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(
                f"state {folder}: another reader runs with this folder; stop it, or set another `state`"
            ) from None
        except OSError as error:
            raise ConfigurationError(f"state {folder}: can't be locked ({error.strerror})") from error
        yield
    finally:
        os.close(descriptor)


def is_held(folder: Path) -> bool:
    """Whether a reader has the folder now.

    The lock is not tried, which would keep a reader out that starts just then. The kernel's list of locks is read; it
    does not have those of other containers."""
    try:
        inode = folder.stat().st_ino
        rows = _LOCKS.read_text(encoding="ascii").splitlines()
    except OSError:
        return False
    # "1: FLOCK  ADVISORY  WRITE 4711 fe:01:393220 0 EOF"; whoever waits for one has "->" before the kind. The device is
    # not compared: what lies on top of others (overlay) gives another one than the kernel's list.
    locks = [row.split() for row in rows]
    return any(lock[1:2] == ["FLOCK"] and len(lock) > 5 and lock[5].split(":")[-1] == str(inode) for lock in locks)
