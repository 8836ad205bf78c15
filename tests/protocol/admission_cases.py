"""The twenty rules of wire format §6, written down a second time as a table, and texts and gates made to meet them.

A `Case` says in plain values what is true of a text and of the gate before which it is held. `RULES` says, for each
rule, what to change in a case that opens so that the rule applies, and when it applies. `decide_case` builds the text
and the gate and asks the real `decide`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from functools import lru_cache
from typing import Any

from tests.support.issuing import HOUR, NOW, SCOPE, URI, holder, make_issuer, signer

from waypass_protocol import bits
from waypass_protocol.admission import Gate, decide
from waypass_protocol.assembly import HeldList
from waypass_protocol.passes import Aspect, Pass, Place, pass_text, sign_pass
from waypass_protocol.policy import Policy, WhenStale
from waypass_protocol.presentation import present
from waypass_protocol.reasons import Decision, Outcome, Reason, Shown
from waypass_protocol.reentry import ReentryMemory

ISSUER = make_issuer()
HINT = "A. B., 1990"


class Form(Enum):
    """How a pass is shown."""

    PRESENTED = "a bound pass in a presentation"
    COPY = "a bound pass by itself"
    PAPER = "a paper pass"


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """A text and a gate; times are seconds from now. As it stands, this case opens."""

    waypass: bool = True
    well_formed: bool = True
    clock_trusted: bool = True
    key_known: bool = True
    signature_good: bool = True
    form: Form = Form.PRESENTED
    iat: int = -HOUR
    nbf: int | None = None
    exp: int = HOUR
    t: int = 0
    held: bool = True
    idx: int = 5
    age: int | None = 0
    status: int = bits.VALID
    aspect: Aspect | None = Aspect.GREEN
    opened: int | None = None
    when_stale: WhenStale = WhenStale.OPEN
    identity_check: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """One row of the table; `holds` is the row's own condition, whatever the rows before it say."""

    number: int
    reason: Reason
    outcome: Outcome
    shown: Shown
    changes: Mapping[str, Any]
    holds: Callable[[Case], bool]


def _row(number: int, reason: str, outcome: str, shown: str, holds: Callable[[Case], bool], **changes: Any) -> Rule:
    return Rule(
        number=number,
        reason=Reason(reason),
        outcome=Outcome(outcome),
        shown=Shown(shown),
        changes=changes,
        holds=holds,
    )


def _starts(case: Case) -> int:
    return max(case.iat, case.iat if case.nbf is None else case.nbf)


def _listed(case: Case) -> bool:
    return case.held and case.idx < 2**20


def _over(case: Case, seconds: int) -> bool:
    return case.age is not None and case.age > seconds


_PAPER, _COPY, _SHOWN = Form.PAPER, Form.COPY, Form.PRESENTED
_ASSIST = WhenStale.ASSIST

RULES: tuple[Rule, ...] = (
    _row(1, "not-waypass", "refuse", "grey", lambda c: not c.waypass, waypass=False),
    _row(2, "malformed", "refuse", "grey", lambda c: not c.well_formed, well_formed=False),
    _row(3, "clock-untrusted", "assist", "yellow", lambda c: not c.clock_trusted, clock_trusted=False),
    _row(4, "unknown-key", "assist", "yellow", lambda c: not c.key_known, key_known=False),
    _row(5, "bad-signature", "refuse", "grey", lambda c: not c.signature_good, signature_good=False),
    _row(6, "unbound-copy", "refuse", "grey", lambda c: c.form is _COPY, form=_COPY),
    _row(7, "not-yet-valid", "assist", "yellow", lambda c: _starts(c) > 60, nbf=61),
    _row(8, "expired", "assist", "yellow", lambda c: c.exp <= 0, exp=0),
    _row(9, "stale-presentation", "assist", "yellow", lambda c: c.form is _SHOWN and not -45 <= c.t <= 15, t=-46),
    _row(10, "status-unknown", "assist", "yellow", lambda c: not _listed(c), held=False),
    _row(11, "lists-too-old", "assist", "yellow", lambda c: c.age is None or c.age > 86_400, age=86_401),
    _row(12, "superseded", "assist", "yellow", lambda c: _listed(c) and c.status == 1, status=1),
    _row(13, "suspended", "assist", "yellow", lambda c: _listed(c) and c.status in (2, 3), status=2),
    _row(14, "scope-missing", "assist", "yellow", lambda c: c.aspect is None, aspect=None),
    _row(15, "red", "refuse", "red", lambda c: c.aspect is Aspect.RED, aspect=Aspect.RED),
    _row(16, "yellow", "assist", "yellow", lambda c: c.aspect is Aspect.YELLOW, aspect=Aspect.YELLOW),
    _row(17, "seen-already", "assist", "yellow", lambda c: c.opened is not None and c.opened < 120, opened=0),
    _row(
        18,
        "lists-too-old",
        "assist",
        "yellow",
        lambda c: _over(c, 900) and c.when_stale is _ASSIST,
        age=901,
        when_stale=_ASSIST,
    ),
    _row(19, "identity-check", "assist", "yellow", lambda c: c.form is _PAPER and c.identity_check, form=_PAPER),
    _row(20, "green", "open", "green", lambda _: True),
)


def first_rule(case: Case) -> Rule:
    """The first row that applies."""
    return next(rule for rule in RULES if rule.holds(case))


def decide_case(case: Case) -> Decision:
    """Build the text and the gate of a case, and ask."""
    policy = Policy(when_stale=case.when_stale, identity_check_paper=case.identity_check)
    place = Place(uri=URI, idx=case.idx)
    reentry = ReentryMemory(reentry=policy.reentry, new_key=lambda: b"k" * 32, now=NOW - HOUR)
    if case.opened is not None:
        reentry.remember(place, NOW - case.opened)
    return decide(
        text_of(case),
        now=NOW,
        clock_trusted=case.clock_trusted,
        gate=Gate(trust=ISSUER.trust, scope=SCOPE, policy=policy),
        lists={URI: _held(case)} if case.held else {},
        reentry=reentry,
    )


def text_of(case: Case) -> str:
    """The text of a case."""
    bare = replace(case, held=True, age=0, status=0, opened=None, when_stale=WhenStale.OPEN, identity_check=True)
    return _text(replace(bare, clock_trusted=True))


@lru_cache(maxsize=4096)
def _text(case: Case) -> str:
    pass_ = Pass(
        iat=NOW + case.iat,
        nbf=None if case.nbf is None else NOW + case.nbf,
        exp=NOW + case.exp,
        place=Place(uri=URI, idx=case.idx),
        aspects={SCOPE + 1: Aspect.GREEN} if case.aspect is None else {SCOPE: case.aspect},
        holder=None if case.form is Form.PAPER else holder().key,
        hint=HINT if case.form is Form.PAPER else None,
    )
    data = sign_pass(pass_, ISSUER.passes if case.key_known else signer(99))
    if not case.signature_good:
        data = data[:-1] + bytes([data[-1] ^ 1])
    if case.form is Form.PRESENTED:
        text = present(data, t=NOW + case.t, network=ISSUER.network, holder=holder())
    else:
        text = pass_text(data)
    if not case.well_formed:
        text += "_"
    return text if case.waypass else "HC1:" + text[4:]


def _held(case: Case) -> HeldList:
    renewed = None if case.age is None else NOW - case.age
    packed = bytearray(bits.LIST_BYTES)
    if case.idx < bits.LIST_INDEXES:
        bits.set_status(packed, case.idx, case.status)
    return HeldList(uri=URI, version=1, packed=bytes(packed), digest=b"", renewed=renewed)
