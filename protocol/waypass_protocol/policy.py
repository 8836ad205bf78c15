"""A gate's policy: how old lists may be, how long a pass stays used, how far clocks may differ.

The JSON form (`command-line.md`) has only the keys below, each optional; an unknown key is `Malformed`.
"""

from dataclasses import dataclass, fields
from enum import StrEnum

from waypass_protocol.errors import Malformed
from waypass_protocol.keys import read_json_object


class WhenStale(StrEnum):
    """What a gate does with a green pass when its list is older than `fresh`."""

    OPEN = "open"
    ASSIST = "assist"


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """All times are in seconds."""

    fresh: int = 900
    stale: int = 86_400
    when_stale: WhenStale = WhenStale.OPEN
    reentry: int = 120
    identity_check_paper: bool = True
    presentation_past: int = 45
    presentation_future: int = 15
    clock_skew: int = 60


def read_policy(text: str | bytes) -> Policy:
    """Read a policy file. Raises `Malformed`."""
    return policy_from_mapping(read_json_object(text, what="policy"))


def policy_from_mapping(document: dict[str, object]) -> Policy:
    """Read a policy from decoded JSON or TOML. Raises `Malformed`."""
    known = {field.name for field in fields(Policy)}
    unknown = sorted(document.keys() - known)
    if unknown:
        raise Malformed(f"policy: unknown key {unknown[0]!r}; expected keys among {', '.join(sorted(known))}")
    values = {name: _read_value(name, value) for name, value in document.items()}
    return Policy(**values)  # type: ignore[arg-type]  # each value was read for its own field


def _read_value(name: str, value: object) -> object:
    if name == "when_stale":
        if not isinstance(value, str) or value not in set(WhenStale):
            raise Malformed(f"policy: expected when_stale 'open' or 'assist', got {value!r}")
        return WhenStale(value)
    if name == "identity_check_paper":
        if not isinstance(value, bool):
            raise Malformed(f"policy: expected identity_check_paper true or false, got {value!r}")
        return value
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Malformed(f"policy: expected {name} in whole seconds from 0 on, got {value!r}")
    return value
