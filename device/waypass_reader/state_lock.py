"""One reader a state folder: two would overwrite each other's floors, and a withdrawn pass could open a lane again.

The folder itself is locked (`flock`), so that nothing more lies in it and a lock never outlives its process.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from waypass_reader.errors import ConfigurationError


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
