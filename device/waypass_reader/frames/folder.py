"""A folder of pictures in the place of a camera.

1. Only files with a picture's suffix are taken, and none whose name begins with a dot.
2. They are taken in the order of their names, each once.
3. Without `follow` the folder is read through once, as it was when the source was opened, and then it has ended.
4. With `follow` it never ends. Pictures that arrive are taken in the order of their names among those that wait.
5. A writer writes under a name that rule 1 passes over, and renames the file when it is complete. A file that is no
   whole picture under its final name raises `SourceError` once and is passed over from then on.
6. With `consume`, a file is removed after it was read, and its name may be used again. Without it, a name is taken only
   once, also when the file is replaced.
"""

import os
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from waypass_reader.errors import SourceError, SourceLost
from waypass_reader.frames.base import Frame
from waypass_reader.frames.configuration import FolderConfig
from waypass_reader.frames.pictures import picture_paths, read_picture

# How often a folder is listed while nothing is there: a fraction of a camera's frame time.
_LOOK_SECONDS = 0.01


class FolderSource:
    """A frame source over a folder of pictures; see the module's docstring."""

    def __init__(self, config: FolderConfig, *, clock_ns: Callable[[], int]) -> None:
        self._config = config
        self._name = f"folder {config.path}"
        self._clock_ns = clock_ns
        self._number = 0
        self._taken: set[str] = set()
        self._closed = threading.Event()
        if not config.path.is_dir():
            raise SourceError(f"{self._name}: there is no such folder; make it, or set `path`")
        if config.consume and not os.access(config.path, os.W_OK):
            raise SourceError(f"{self._name}: no permission to remove files, which `consume` needs")
        self._waiting: deque[Path] = deque()
        self._look()

    @property
    def ended(self) -> bool:
        """Whether no picture will come any more: all were read and none is waited for, or the source was closed."""
        return self._closed.is_set() or not (self._waiting or self._config.follow)

    def next_frame(self, timeout_seconds: float) -> Frame | None:
        """The next picture. Raises `SourceError` for one that can't be read, `SourceLost` if the folder is gone."""
        deadline = self._clock_ns() + int(timeout_seconds * 1e9)
        while not self.ended:
            if not self._waiting:
                self._look()
            if self._waiting:
                return self._take(self._waiting.popleft())
            left = (deadline - self._clock_ns()) / 1e9
            if left <= 0:
                return None
            self._closed.wait(min(left, _LOOK_SECONDS))
        return None

    def close(self) -> None:
        """Ends the source; wakes whoever waits in `next_frame`."""
        self._closed.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _look(self) -> None:
        """Lists the folder, and queues what was not taken yet."""
        try:
            self._waiting.extend(path for path in picture_paths(self._config.path) if path.name not in self._taken)
        except OSError as error:
            raise SourceLost(f"{self._name}: can't be listed any more: {error.strerror}") from error

    def _take(self, path: Path) -> Frame:
        self._taken.add(path.name)
        pixels = read_picture(path)
        frame = Frame(pixels=pixels, at_ns=self._clock_ns(), number=self._number)
        self._number += 1
        if self._config.consume:
            try:
                path.unlink()
            except OSError as error:
                raise SourceError(f"picture {path}: can't be removed: {error.strerror}") from error
            self._taken.discard(path.name)
        return frame
