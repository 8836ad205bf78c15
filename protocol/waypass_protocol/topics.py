"""MQTT topics of one network (wire format §5), built and read back in one place."""

import re
from dataclasses import dataclass

from waypass_protocol.assembly import Kind
from waypass_protocol.errors import Malformed
from waypass_protocol.names import check_name
from waypass_protocol.status import DELTA_RING


@dataclass(frozen=True, kw_only=True, slots=True)
class StatusTopic:
    """What a topic under `status` or `head` carries; `list_name` is empty for the head."""

    kind: Kind
    list_name: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReaderTopic:
    """A topic under `reader/ID`; `leaf` is presence, state, live or counts."""

    reader: str
    leaf: str


READER_LEAVES = ("presence", "state", "live", "counts")
REENTRY_LEAF = "reentry"


class Topics:
    """The topics of one network. Raises `Malformed` for a name that cannot be a topic level."""

    def __init__(self, network: str) -> None:
        self.root = f"waypass/1/{check_name(network, what='network')}"
        self.head = f"{self.root}/head"
        self.log_checkpoint = f"{self.root}/log/checkpoint"
        self.all_deltas = f"{self.root}/status/+/delta/+"
        self.all_snapshots = f"{self.root}/status/+/snapshot"
        self.all_compact = f"{self.root}/status/+/compact"

    def snapshot(self, list_name: str) -> str:
        """Where a list's snapshot is retained."""
        return f"{self.root}/status/{check_name(list_name, what='list')}/snapshot"

    def compact(self, list_name: str) -> str:
        """Where the smaller form of a list's snapshot is retained, for thin links."""
        return f"{self.root}/status/{check_name(list_name, what='list')}/compact"

    def delta(self, list_name: str, version: int) -> str:
        """The place of a version in a list's ring."""
        return f"{self.root}/status/{check_name(list_name, what='list')}/delta/{version % DELTA_RING}"

    def reader(self, reader: str, leaf: str) -> str:
        """A reader's own topic; `+` as reader subscribes to all."""
        name = reader if reader == "+" else check_name(reader, what="reader")
        if leaf not in READER_LEAVES:
            raise Malformed(f"topic: expected a leaf among {', '.join(READER_LEAVES)}, got {leaf!r}")
        return f"{self.root}/reader/{name}/{leaf}"

    def reentry(self, reader: str) -> str:
        """Where a reader tells the others of its station that a pass opened a lane; `+` as reader subscribes to all.

        Not one of a reader's leaves: it says nothing to staff or server, and is for the station's readers alone.
        """
        name = reader if reader == "+" else check_name(reader, what="reader")
        return f"{self.root}/reader/{name}/{REENTRY_LEAF}"

    def read_reentry(self, topic: str) -> str | None:
        """Whose such topic it is; None for any other. Raises `Malformed` for a reader that can't be one."""
        start, end = f"{self.root}/reader/", f"/{REENTRY_LEAF}"
        if not (topic.startswith(start) and topic.endswith(end)):
            return None
        return check_name(topic[len(start) : -len(end)], what="reader")

    def read_status(self, topic: str) -> StatusTopic:
        """What a topic carries. Raises `Malformed` for one that carries no status message of this network."""
        if topic == self.head:
            return StatusTopic(kind=Kind.HEAD)
        rest = topic.removeprefix(f"{self.root}/status/")
        match = re.fullmatch(r"([A-Za-z0-9][A-Za-z0-9._-]{0,63})/(snapshot|compact|delta/(0|[1-9][0-9]?))", rest)
        if rest == topic or match is None or (match[3] is not None and int(match[3]) >= DELTA_RING):
            raise Malformed(f"topic: expected a status topic of {self.root}, got {topic!r}")
        return StatusTopic(kind=Kind.DELTA if match[3] else Kind.SNAPSHOT, list_name=match[1])

    def read_reader(self, topic: str) -> ReaderTopic:
        """Whose topic it is. Raises `Malformed` for one that is no reader's of this network."""
        parts = topic.removeprefix(f"{self.root}/reader/").split("/")
        if not topic.startswith(f"{self.root}/reader/") or len(parts) != 2 or parts[1] not in READER_LEAVES:
            raise Malformed(f"topic: expected a reader's topic of {self.root}, got {topic!r}")
        return ReaderTopic(reader=check_name(parts[0], what="reader"), leaf=parts[1])
