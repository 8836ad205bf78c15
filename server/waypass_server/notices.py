"""Notices to holders: the edge where they leave the server, and an outbox of files.

A notice is sent after the change that wrote it was committed, and its delivery is recorded afterwards. A crash in
between sends it again, so a sender must take the same `notice_id` twice without telling the holder twice.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from waypass_server.errors import ServerError


class NoticeNotSent(ServerError):
    """The notice could not be handed over; it is tried again later."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OutgoingNotice:
    """One notice. `reference` is the person's opaque reference; `content` is what the holder is told."""

    notice_id: int
    network: str
    reference: str
    kind: str
    created_at: int
    content: Mapping[str, object]


class NoticeSender(Protocol):
    """Hands notices to whoever reaches the holder: a letter shop, a message gateway, a folder."""

    def send(self, notice: OutgoingNotice) -> str:
        """Deliver one notice and return a short receipt for the record. Raises `NoticeNotSent`."""
        ...


class FileOutbox:
    """One JSON file a notice, named by its id and readable by its owner alone: it holds a person's reasons.

    A file is there whole or not at all, also after a power cut; a second sending replaces it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def send(self, notice: OutgoingNotice) -> str:
        """Write the file; the receipt is its name. Raises `NoticeNotSent`."""
        name = f"{notice.notice_id:012d}.json"
        part = self._folder / f".{name}.part"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with open(part, "w", encoding="utf-8", opener=_for_owner_alone) as file:
                json.dump(asdict(notice), file, ensure_ascii=False, indent=2)
                file.flush()
                os.fsync(file.fileno())
            part.replace(self._folder / name)
            _sync(self._folder)
        except OSError as error:
            raise NoticeNotSent(f"notices: {part.parent} cannot be written: {error.strerror}") from error
        return name


def _sync(folder: Path) -> None:
    """A delivery is recorded once this has returned: the file's name must be on the disk by then, too."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _for_owner_alone(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


class MemoryOutbox:
    """Keeps notices in memory; `refuse` makes it fail as a full disk would. For tests and dry runs."""

    def __init__(self) -> None:
        self.sent: dict[int, OutgoingNotice] = {}
        self.refuse = False

    def send(self, notice: OutgoingNotice) -> str:
        """Keep it; the receipt is its id."""
        if self.refuse:
            raise NoticeNotSent("notices: told to refuse")
        self.sent[notice.notice_id] = notice
        return str(notice.notice_id)
