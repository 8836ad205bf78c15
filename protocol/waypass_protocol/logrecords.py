"""What a leaf of the public log stands for: a record of one change, hidden behind a salted commitment.

    leaf = SHA-256(salt || record)

`salt` is 16 random bytes and `record` the deterministic CBOR of a map: `at` (UNIX seconds), `actor` (`staff`, `holder`
or `system`), `staff` (a number, for staff only), `what`, `subject` and `id` (which record changed), `details` (a map).
Without the salt a leaf says nothing of its record, not even to somebody who guesses it right; so the leaf of a person
whose record and salt are gone is noise.

A record is accepted only with exactly these members, each of its type (`Malformed`). Whole numbers, text, lists and
maps stand in `details`; truth is 1 or 0, a fraction is text, and what is not known is left out.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from waypass_protocol import cbor
from waypass_protocol.errors import BadProof, Malformed
from waypass_protocol.passes import read_uint

SALT_LENGTH = 16
LEAF_LENGTH = 32
MAX_RECORD = 16 * 1024
_ACTORS = ("staff", "holder", "system")
_REQUIRED = {"at", "actor", "what", "subject", "id", "details"}


@dataclass(frozen=True, kw_only=True, slots=True)
class LogRecord:
    """One change: who did what to which record, and when. `staff` is a number of the network's own."""

    at: int
    actor: str
    staff: int | None
    what: str
    subject: str
    subject_id: int
    details: Mapping[str, Any]

    def to_bytes(self) -> bytes:
        """The record as it is committed to. Raises `Malformed` for what cannot be read back."""
        fields: dict[str, object] = {
            "at": self.at,
            "actor": self.actor,
            "what": self.what,
            "subject": self.subject,
            "id": self.subject_id,
            "details": _plain(self.details),
        }
        if self.staff is not None:
            fields["staff"] = self.staff
        data = cbor.encode(fields)
        if len(data) > MAX_RECORD:
            raise Malformed(f"log record: expected at most {MAX_RECORD} bytes, got {len(data)}")
        return data


class RecordForm:
    """Records that are alike but for the number of what changed (`subject_id`): encoded once, filled in many times."""

    def __init__(self, record: LogRecord) -> None:
        """Raises `Malformed` for what cannot be read back."""
        data = replace(record, subject_id=0).to_bytes()
        # In the order of the encoding `at` and `id` are the first two members.
        cut = 1 + len(cbor.encode("at")) + len(cbor.encode(record.at)) + len(cbor.encode("id"))
        self._before, self._after = data[:cut], data[cut + 1 :]

    def with_id(self, subject_id: int) -> bytes:
        """The record of this number, as `LogRecord.to_bytes` writes it."""
        return self._before + _uint(subject_id) + self._after


def _uint(number: int) -> bytes:
    """A whole number from 0 on in CBOR. Written out because the library takes its time."""
    if number < 24:
        return number.to_bytes(1, "big")
    if number < 1 << 8:
        return b"\x18" + number.to_bytes(1, "big")
    if number < 1 << 16:
        return b"\x19" + number.to_bytes(2, "big")
    if number < 1 << 32:
        return b"\x1a" + number.to_bytes(4, "big")
    return b"\x1b" + number.to_bytes(8, "big")


def commit(salt: bytes, record: bytes) -> bytes:
    """The leaf of a record under a salt. Raises `Malformed` for a salt of another length: with it the two parts could
    be cut elsewhere.
    """
    if len(salt) != SALT_LENGTH:
        raise Malformed(f"log record: expected a salt of {SALT_LENGTH} bytes, got {len(salt)}")
    return hashlib.sha256(salt + record).digest()


def check_leaf(leaf: bytes, salt: bytes, record: bytes) -> None:
    """Check that the leaf is the commitment to this record. Raises `Malformed` or `BadProof`."""
    if commit(salt, record) != leaf:
        raise BadProof("log record: salt and record are not what the leaf commits to")


def read_record(data: bytes) -> LogRecord:
    """Read a record by the module's rules. Raises `Malformed`."""
    if len(data) > MAX_RECORD:
        raise Malformed(f"log record: expected at most {MAX_RECORD} bytes, got {len(data)}")
    fields = cbor.decode(data)
    if not isinstance(fields, dict) or not _REQUIRED <= fields.keys() <= _REQUIRED | {"staff"}:
        got = sorted(fields, key=str) if isinstance(fields, dict) else type(fields).__name__
        raise Malformed(f"log record: expected a map of {', '.join(sorted(_REQUIRED))}, got {got}")
    texts = {name: fields[name] for name in ("actor", "what", "subject")}
    if not all(isinstance(text, str) for text in texts.values()) or texts["actor"] not in _ACTORS:
        raise Malformed(f"log record: expected texts, and an actor among {', '.join(_ACTORS)}")
    if not isinstance(fields["details"], dict):
        raise Malformed("log record: expected details as a map of names")
    staff = read_uint(fields["staff"], "log record: staff") if "staff" in fields else None
    record = LogRecord(
        at=read_uint(fields["at"], "log record: at"),
        staff=staff,
        subject_id=read_uint(fields["id"], "log record: id"),
        details=fields["details"],
        **texts,
    )
    if record.to_bytes() != data:
        raise Malformed("log record: expected names as texts in all of the details")
    return record


def _plain(value: object) -> object:
    """`value` as a record holds it. Raises `Malformed` for what no record holds."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int | str | bytes):
        return value
    if isinstance(value, float):  # the wire's CBOR has none
        return repr(value)
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items() if each is not None}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value if each is not None]
    raise Malformed(f"log record: expected numbers, texts, lists and maps, got {type(value).__name__}")
