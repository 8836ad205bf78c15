"""A folder of status messages, as they came over MQTT, offered to a status store.

1. `*.snapshot`, `*.compact` and `*.delta` arrive first, in the order of their names; no other file but `*.head` is
   looked at.
2. Then the heads, the highest sequence first, so that only that one counts: whatever is below it is ignored, and an
   older head can't renew a list that a newer one does not name. Among equal sequences the newest comes last and stays.
   A head that does not verify has no sequence to speak of; it comes at the end, to be refused.
3. Nothing in a folder stops the run, not even a pipe that nobody writes into. What is refused or ignored is a
   `Complaint` with the file's name.

A folder that is missing, empty or holds nothing genuine leaves the store as it was: the status is unknown.
"""

import errno
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from waypass_protocol.assembly import Kind, Receipt, StatusStore
from waypass_protocol.errors import ProtocolError
from waypass_protocol.keys import TrustSet
from waypass_protocol.status import MAX_SNAPSHOT, read_head

_PART_KINDS = {".snapshot": Kind.SNAPSHOT, ".compact": Kind.SNAPSHOT, ".delta": Kind.DELTA}
_HEAD_SUFFIX = ".head"


@dataclass(frozen=True, kw_only=True, slots=True)
class Complaint:
    """What was not taken, and why; `what` is a file's name or the folder itself."""

    what: str
    why: str

    def __str__(self) -> str:
        """One line for the person who looks after the gate."""
        return f"{self.what}: {self.why}"


def load_folder(store: StatusStore, folder: Path, *, trust: TrustSet, now: int) -> Iterator[Complaint]:
    """Offer the folder's messages to the store as arriving at `now`, and say what was not taken."""
    try:
        paths = sorted(folder.iterdir(), key=lambda path: path.name)
    except OSError as error:
        yield Complaint(what=f"status folder {folder}", why=f"can't be listed ({error.strerror})")
        return
    parts = [path for path in paths if path.suffix in _PART_KINDS]
    heads = [path for path in paths if path.suffix == _HEAD_SUFFIX]
    if not parts and not heads:
        yield Complaint(what=f"status folder {folder}", why="holds no *.snapshot, *.compact, *.delta or *.head")
    arrivals = [(path, _PART_KINDS[path.suffix]) for path in parts]
    arrivals += [(path, Kind.HEAD) for path in _heads_in_order(heads, trust, now)]
    for path, kind in arrivals:
        yield from _offer(store, path, kind, now)


def _offer(store: StatusStore, path: Path, kind: Kind, now: int) -> Iterator[Complaint]:
    try:
        data = _read(path)
    except OSError as error:
        yield Complaint(what=path.name, why=f"can't be read ({error.strerror})")
        return
    receipt = store.receive(kind, data, now=now)
    if why := _complaint(receipt, data):
        yield Complaint(what=path.name, why=why)


def _complaint(receipt: Receipt, data: bytes) -> str:
    """Why a message was refused or ignored; empty when it was taken without a remark."""
    if receipt.reports:
        verb = "kept, but reported" if receipt.kept else "refused"
        reasons = ", ".join(report.value for report in receipt.reports)
        return f"{verb}: {reasons} ({receipt.detail})" if receipt.detail else f"{verb}: {reasons}"
    if not data:
        return "ignored: empty"
    return "" if receipt.kept else f"ignored: {receipt.detail}"


def _heads_in_order(paths: list[Path], trust: TrustSet, now: int) -> list[Path]:
    """Rule 2."""

    def place(path: Path) -> tuple[int, int]:
        try:
            head = read_head(_read(path), trust, now)
        except (OSError, ProtocolError):
            return (1, 0)
        return (-head.sequence, head.iat)

    return sorted(paths, key=place)


def _read(path: Path) -> bytes:
    """A file's bytes, one more than any message may have at most. Raises `OSError`."""
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # a folder says by itself that it is none
        raise OSError(errno.EINVAL, "not a file")
    with path.open("rb") as file:
        return file.read(MAX_SNAPSHOT + 1)
