"""The closed sets that a decision is made of, and the one of what staff do instead (wire format §8, §9)."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from waypass_protocol.passes import Place


class Outcome(StrEnum):
    """What the gate does."""

    OPEN = "open"
    ASSIST = "assist"
    REFUSE = "refuse"


class Shown(StrEnum):
    """The aspect of the screen that faces the holder."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"
    GREY = "grey"


class Reason(StrEnum):
    """Why; the order is that of the rules."""

    NOT_WAYPASS = "not-waypass"
    MALFORMED = "malformed"
    CLOCK_UNTRUSTED = "clock-untrusted"
    UNKNOWN_KEY = "unknown-key"
    BAD_SIGNATURE = "bad-signature"
    UNBOUND_COPY = "unbound-copy"
    NOT_YET_VALID = "not-yet-valid"
    EXPIRED = "expired"
    STALE_PRESENTATION = "stale-presentation"
    STATUS_UNKNOWN = "status-unknown"
    LISTS_TOO_OLD = "lists-too-old"
    SUPERSEDED = "superseded"
    SUSPENDED = "suspended"
    SCOPE_MISSING = "scope-missing"
    RED = "red"
    YELLOW = "yellow"
    SEEN_ALREADY = "seen-already"
    IDENTITY_CHECK = "identity-check"
    GREEN = "green"


class OverrideReason(StrEnum):
    """Why staff opened a lane by hand. Not a decision about a pass: nobody's code stands behind it."""

    IDENTITY_CHECKED = "identity-checked"
    GATE_FAULT = "gate-fault"
    NEEDS_HELP = "needs-help"
    CHECKED_BY_HAND = "checked-by-hand"
    CROWDING = "crowding"


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """One answer of `decide`.

    `aspect` is what the screen that faces the holder shows. `place` is set on `open` only, for the re-entry memory,
    and goes nowhere else; `hint` is set on `identity-check` only, for the staff's eyes, and is never logged.
    """

    outcome: Outcome
    reason: Reason
    aspect: Shown
    place: Place | None = None
    hint: str | None = None


_REFUSED_GREY = frozenset({Reason.NOT_WAYPASS, Reason.MALFORMED, Reason.BAD_SIGNATURE, Reason.UNBOUND_COPY})


def outcome_of(reason: Reason) -> Outcome:
    """The outcome that belongs to a reason."""
    if reason is Reason.GREEN:
        return Outcome.OPEN
    return Outcome.REFUSE if reason is Reason.RED or reason in _REFUSED_GREY else Outcome.ASSIST


def shown_for(reason: Reason) -> Shown:
    """The aspect that belongs to a reason: red for a red pass alone, grey for a refusal that is no verdict."""
    match outcome_of(reason):
        case Outcome.OPEN:
            return Shown.GREEN
        case Outcome.ASSIST:
            return Shown.YELLOW
        case Outcome.REFUSE:
            return Shown.RED if reason is Reason.RED else Shown.GREY


# Made once: deciding allocates no decision but an opening one and one that shows a hint.
DECISIONS: Mapping[Reason, Decision] = MappingProxyType(
    {reason: Decision(outcome=outcome_of(reason), reason=reason, aspect=shown_for(reason)) for reason in Reason}
)
