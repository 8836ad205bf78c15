"""Asking a reader to open a lane once: `POST lanes/LANE/override` at its pages, with the station's key.

The answer is one of `Opened`, and each is something else for the person who asked:

- `OPENED`: the lane is open for one person
- `UNREACHABLE`: nothing arrived at the reader, so nothing happened
- `UNCERTAIN`: it was asked and did not answer; the lane may be open
- `REFUSED`: another key is in the reader, or it takes no overrides
- `UNKNOWN_LANE`: it has no such lane
- `FAILED`: it answered something else

Nothing is tried again: somebody stands there and can see.
"""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol
from urllib.parse import quote, urlsplit

from waypass_protocol.reasons import OverrideReason

ANSWER_SECONDS = 3.0


class Opened(StrEnum):
    """What came of it."""

    OPENED = "opened"
    UNREACHABLE = "unreachable"
    UNCERTAIN = "uncertain"
    REFUSED = "refused"
    UNKNOWN_LANE = "unknown-lane"
    FAILED = "failed"


class Gates(Protocol):
    """The readers of a station, as far as staff may tell them something."""

    def can_ask(self, reader: str) -> bool:
        """Whether it is known where to ask this reader."""

    def open_once(self, reader: str, lane: str, reason: OverrideReason) -> Opened:
        """Ask it to open a lane for one person. May take seconds."""


@dataclass(frozen=True, kw_only=True)
class HttpGates:
    """Readers at their pages' addresses; `key` is the station's."""

    pages: Mapping[str, str]
    key: str = field(repr=False)
    timeout: float = ANSWER_SECONDS

    def can_ask(self, reader: str) -> bool:
        """Whether its address is configured."""
        return reader in self.pages

    def open_once(self, reader: str, lane: str, reason: OverrideReason) -> Opened:
        """One request, and no second one."""
        base = urlsplit(self.pages[reader])
        kind = http.client.HTTPSConnection if base.scheme == "https" else http.client.HTTPConnection
        connection = kind(base.hostname or "", base.port, timeout=self.timeout)
        try:
            try:
                connection.connect()
            except OSError:
                return Opened.UNREACHABLE
            headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
            path = f"{base.path.rstrip('/')}/lanes/{quote(lane, safe='')}/override"
            try:
                connection.request("POST", path, json.dumps({"reason": reason.value}), headers)
                return _meaning(connection.getresponse().status)
            except (OSError, http.client.HTTPException):
                return Opened.UNCERTAIN
        finally:
            connection.close()


class RecordingGates:
    """Readers that are not there: each answers what it was given. For tests, demonstrations and dry runs."""

    def __init__(self, answers: Mapping[str, Opened]) -> None:
        self._answers = answers
        self.asked: list[tuple[str, str, OverrideReason]] = []

    def can_ask(self, reader: str) -> bool:
        """Whether it has an answer."""
        return reader in self._answers

    def open_once(self, reader: str, lane: str, reason: OverrideReason) -> Opened:
        """Remember it, and answer."""
        self.asked.append((reader, lane, reason))
        return self._answers[reader]


def _meaning(status: int) -> Opened:
    match status:
        case 204:
            return Opened.OPENED
        case 401 | 403:
            return Opened.REFUSED
        case 404:
            return Opened.UNKNOWN_LANE
        case _:
            return Opened.FAILED
