"""The steps of an inspection, and how they say a time."""

from dataclasses import dataclass, field
from datetime import UTC, datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One step. `ok` is None where nothing could be checked; `fields` are what it found, by name."""

    name: str
    ok: bool | None
    says: str
    fields: dict[str, object] = field(default_factory=dict)


def moment(seconds: int) -> str:
    """UNIX seconds and the same as a date, where there is one."""
    try:
        return f"{seconds} ({datetime.fromtimestamp(seconds, tz=UTC):%Y-%m-%d %H:%M:%SZ})"
    except (OverflowError, ValueError, OSError):
        return f"{seconds} (beyond the calendar)"
