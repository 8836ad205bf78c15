"""What the keeper of status messages does to a disk: four acts, and nothing else.

`write` comes back when the bytes are on the medium. That a file has a new name, or none any more, is certain only after
`sync_folder`. All raise `OSError`.

`RecordingDisk` does the same and remembers it act by act, so that a test can cut the power between any two of them; and
it can be full or broken.
"""

import errno
import os
import shutil
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol


class Disk(Protocol):
    """A file system."""

    def write(self, path: Path, data: bytes) -> None:
        """These bytes are in the file, which is made when it is not there; one that is there is written in place, so
        that no room is needed where it is as long already."""

    def rename(self, path: Path, new: Path) -> None:
        """The file has another name; one that had this name is gone."""

    def remove(self, path: Path) -> None:
        """The file is gone, or was not there."""

    def sync_folder(self, folder: Path) -> None:
        """The names in this folder are as they were made."""


class SystemDisk:
    """The machine's own."""

    def write(self, path: Path, data: bytes) -> None:
        """Written and synced. What is there is cut last, if at all: a block that is let go may be another's then."""
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o666), "wb") as file:
            file.write(data)
            file.truncate()
            file.flush()
            os.fsync(file.fileno())

    def rename(self, path: Path, new: Path) -> None:
        """In one step."""
        path.replace(new)

    def remove(self, path: Path) -> None:
        """Gone."""
        path.unlink(missing_ok=True)

    def sync_folder(self, folder: Path) -> None:
        """Synced."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class Act(StrEnum):
    """What was done."""

    WRITE = "write"
    RENAME = "rename"
    REMOVE = "remove"
    SYNC_FOLDER = "sync-folder"


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One act. `new` is a file's new name, `data` what was written."""

    act: Act
    path: Path
    new: Path | None = None
    data: bytes = b""


class RecordingDisk:
    """A real disk that remembers what was done to it. While it is `full`, what needs room is cut in half and fails;
    while it is `broken`, all that is written."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.full = False
        self.broken = False
        self._disk = SystemDisk()

    def write(self, path: Path, data: bytes) -> None:
        """Written, synced and remembered; or ENOSPC or EIO."""
        room = path.stat().st_size if path.exists() else 0
        if self.broken or (self.full and len(data) > room):
            path.write_bytes(data[: len(data) // 2])
            number = errno.EIO if self.broken else errno.ENOSPC
            raise OSError(number, os.strerror(number))
        self._disk.write(path, data)
        self.steps.append(Step(act=Act.WRITE, path=path, data=data))

    def rename(self, path: Path, new: Path) -> None:
        """Done and remembered."""
        self._disk.rename(path, new)
        self.steps.append(Step(act=Act.RENAME, path=path, new=new))

    def remove(self, path: Path) -> None:
        """Done and remembered."""
        self._disk.remove(path)
        self.steps.append(Step(act=Act.REMOVE, path=path))

    def sync_folder(self, folder: Path) -> None:
        """Done and remembered."""
        self._disk.sync_folder(folder)
        self.steps.append(Step(act=Act.SYNC_FOLDER, path=folder))


def put_aside(path: Path, folder: Path, *, most: int) -> None:
    """Move what is damaged, file or folder, into `folder`, where at most so many things stay. Raises `OSError`."""
    folder.mkdir(exist_ok=True)
    kept = sorted(folder.iterdir(), key=lambda each: each.lstat().st_mtime_ns)
    # As many as may stay beside this one.
    for old in [*kept[: max(len(kept) - most + 1, 0)], folder / path.name]:
        if old.is_dir() and not old.is_symlink():
            shutil.rmtree(old)
        else:
            old.unlink(missing_ok=True)
    path.replace(folder / path.name)
