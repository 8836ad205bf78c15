"""The one function that decides who passes (wire format §6).

The rules in their order; the first that applies wins. Nothing else in the repository decides.

1. no Waypass prefix: refuse                    11. the list's age is over `stale`, or unknown: assist
2. breaks a rule of form: refuse                12. status 1: assist, superseded
3. the clock is not trusted: assist             13. status 2 or 3: assist, suspended
4. no trusted key: assist                       14. the gate's scope is not in the pass: assist
5. a signature does not verify: refuse          15. red: refuse
6. a bound pass without a presentation: refuse  16. yellow: assist
7. not yet valid: assist                        17. opened a lane of this station a moment ago: assist
8. expired: assist                              18. older than `fresh` where the gate then assists: assist
9. presentation too old or ahead: assist        19. paper where the gate checks identity: assist
10. the list is not held: assist                20. otherwise: open

Time is an argument, in UNIX seconds. `decide` never raises for any text, and remembers nothing: a lane that opens
tells the re-entry memory itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from waypass_protocol import bits
from waypass_protocol.assembly import HeldList
from waypass_protocol.errors import BadSignature, Malformed, NotWaypass, UnknownKey
from waypass_protocol.keys import TrustSet, Use
from waypass_protocol.passes import PASS_PREFIX, Pass, SignedPass, read_pass
from waypass_protocol.policy import Policy, WhenStale
from waypass_protocol.presentation import PRESENTATION_PREFIX, Presentation, read_presentation
from waypass_protocol.reasons import DECISIONS, Decision, Reason
from waypass_protocol.reentry import ReentryView

# Looked up once: Python 3.11 takes its time over the members of an enum, and these are on the way of every opening.
_OPEN = DECISIONS[Reason.GREEN]
_REASON_OF_ASPECT = (None, Reason.YELLOW, Reason.RED)  # by the number of the aspect


@dataclass(frozen=True, kw_only=True, slots=True)
class Gate:
    """What a gate is set up with: whom it trusts, the scope that it guards, its policy."""

    trust: TrustSet
    scope: int
    policy: Policy


def decide(
    text: str,
    *,
    now: int,
    clock_trusted: bool,
    gate: Gate,
    lists: Mapping[str, HeldList],
    reentry: ReentryView,
) -> Decision:
    """Decide one text at `now`. `lists` are the held status lists by URI, `reentry` what opened here before."""
    try:
        signed_pass, presentation = _read(text)  # rules 1, 2
        if not clock_trusted:
            return DECISIONS[Reason.CLOCK_UNTRUSTED]  # rule 3
        _check_signatures(signed_pass, presentation, gate.trust, now)  # rules 4, 5
    except NotWaypass:
        return DECISIONS[Reason.NOT_WAYPASS]
    except Malformed:
        return DECISIONS[Reason.MALFORMED]
    except UnknownKey:
        return DECISIONS[Reason.UNKNOWN_KEY]
    except BadSignature:
        return DECISIONS[Reason.BAD_SIGNATURE]
    pass_ = signed_pass.pass_
    reason = (
        _judge_binding_and_times(pass_, presentation, now, gate.policy)  # rules 6 to 9
        or _judge_status(pass_, now, gate.policy, lists)  # rules 10 to 13
        or _judge_aspect(pass_, gate.scope)  # rules 14 to 16
        or _judge_moment(pass_, now, gate.policy, lists, reentry)  # rules 17 to 19
    )
    if reason is None:  # rule 20
        return Decision(outcome=_OPEN.outcome, reason=_OPEN.reason, aspect=_OPEN.aspect, place=pass_.place)
    if reason is Reason.IDENTITY_CHECK:
        return replace(DECISIONS[reason], hint=pass_.hint)
    return DECISIONS[reason]


def _read(text: str) -> tuple[SignedPass, Presentation | None]:
    """Rules 1 and 2. Raises `NotWaypass` or `Malformed`."""
    if text.startswith(PRESENTATION_PREFIX):
        presentation = read_presentation(text)
        return presentation.signed_pass, presentation
    if text.startswith(PASS_PREFIX):
        return read_pass(text), None
    raise NotWaypass(f"the text begins with neither {PASS_PREFIX} nor {PRESENTATION_PREFIX}")


def _check_signatures(signed_pass: SignedPass, presentation: Presentation | None, trust: TrustSet, now: int) -> None:
    """Rules 4 and 5. Raises `UnknownKey` or `BadSignature`."""
    trust.find(signed_pass.envelope.kid, Use.PASS, now).verify(signed_pass.envelope)
    if presentation is not None:
        presentation.verify(trust.network)


def _judge_binding_and_times(pass_: Pass, presentation: Presentation | None, now: int, policy: Policy) -> Reason | None:
    if pass_.holder is not None and presentation is None:
        return Reason.UNBOUND_COPY
    starts = pass_.iat if pass_.nbf is None else max(pass_.iat, pass_.nbf)
    if starts - now > policy.clock_skew:
        return Reason.NOT_YET_VALID
    if now >= pass_.exp:
        return Reason.EXPIRED
    if presentation is not None:
        ahead = presentation.t - now
        if not -policy.presentation_past <= ahead <= policy.presentation_future:
            return Reason.STALE_PRESENTATION
    return None


def _judge_status(pass_: Pass, now: int, policy: Policy, lists: Mapping[str, HeldList]) -> Reason | None:
    held = lists.get(pass_.place.uri)
    if held is None or pass_.place.idx >= bits.LIST_INDEXES:
        return Reason.STATUS_UNKNOWN
    age = held.age(now)
    if age is None or age > policy.stale:
        return Reason.LISTS_TOO_OLD
    status = bits.status_at(held.packed, pass_.place.idx)
    if status == bits.INVALID:
        return Reason.SUPERSEDED
    return None if status == bits.VALID else Reason.SUSPENDED


def _judge_aspect(pass_: Pass, scope: int) -> Reason | None:
    aspect = pass_.aspects.get(scope)
    return Reason.SCOPE_MISSING if aspect is None else _REASON_OF_ASPECT[aspect]


def _judge_moment(
    pass_: Pass, now: int, policy: Policy, lists: Mapping[str, HeldList], reentry: ReentryView
) -> Reason | None:
    if reentry.opened_within(pass_.place, policy.reentry, now):
        return Reason.SEEN_ALREADY
    # Rule 11 has let only known ages through.
    age = lists[pass_.place.uri].age(now) or 0
    if age > policy.fresh and policy.when_stale is WhenStale.ASSIST:
        return Reason.LISTS_TOO_OLD
    if pass_.holder is None and policy.identity_check_paper:
        return Reason.IDENTITY_CHECK
    return None
