"""The life of an entry: its states, what moves it from one to the next, and who may do that. Pure: no clock, no
database.

    proposed -> approved -> notified -> in-effect -> ended
       |           ^            |          |
       +-> held ---+            +-> suspended (an objection within the notice period)

Held: approved by the second person, and past a limit (`worsening`), so that a third one has to confirm it.

An action is allowed only in this order of rules; the first that fails decides:

1. the actor is of the kind that the action is for, and staff have one of its roles (`NotAllowed`)
2. the entry is in a state that the action starts from (`WrongState`)
3. staff who proposed, approved or confirmed the entry do not take the steps that need another person (`SamePerson`)
4. an undo comes within 24 h of approval, or of taking effect (`TooLate`)

Doing again what has already come about, by the same person where it matters, is no error and changes nothing
(`already_done`). That a period has passed or a notice was delivered is for the caller to know; see `scheduler`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from waypass_server.errors import ServerError
from waypass_server.roles import Role

UNDO_PERIOD = 24 * 3600
CONFIRMATION_PERIOD = 90 * 24 * 3600


class State(StrEnum):
    """Where an entry is in its life. Only `IN_EFFECT` has an effect."""

    PROPOSED = "proposed"
    HELD = "held"
    APPROVED = "approved"
    NOTIFIED = "notified"
    SUSPENDED = "suspended"
    IN_EFFECT = "in-effect"
    ENDED = "ended"


class End(StrEnum):
    """Why an entry ended."""

    EXPIRED = "expired"
    LIFTED = "lifted"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"
    DISMISSED = "dismissed"


class Action(StrEnum):
    """What moves an entry, or keeps it where it is with something recorded."""

    APPROVE = "approve"
    HOLD = "hold"
    CONFIRM = "confirm"
    NOTIFY = "notify"
    TAKE_EFFECT = "take-effect"
    SUSPEND = "suspend"
    UPHOLD = "uphold"
    RECONFIRM = "reconfirm"
    LIFT = "lift"
    WITHDRAW = "withdraw"
    UNDO = "undo"
    DISMISS = "dismiss"
    EXPIRE = "expire"
    LAPSE = "lapse"


class Kind(StrEnum):
    """Whose doing an action is."""

    STAFF = "staff"
    HOLDER = "holder"
    SYSTEM = "system"


class LifeError(ServerError):
    """The root of what this module refuses."""


class NotAllowed(LifeError):
    """The actor's roles do not include one that the action needs."""


class WrongState(LifeError):
    """The entry is not where the action starts from."""


class SamePerson(LifeError):
    """The step needs somebody who has not already acted on this entry."""


class TooLate(LifeError):
    """The period for this action is over."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Actor:
    """Who acts. `staff_id` and `roles` are set for staff only."""

    kind: Kind
    staff_id: int | None = None
    roles: frozenset[Role] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class Life:
    """As much of an entry as the rules look at. Times are UNIX seconds."""

    state: State
    proposed_by: int
    approved_by: int | None = None
    approved_at: int | None = None
    confirmed_by: int | None = None
    effective_at: int | None = None
    end: End | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """One action: `target` None leaves the entry where it is; `other` needs neither proposer nor approver."""

    sources: frozenset[State]
    target: State | None
    kind: Kind = Kind.STAFF
    roles: frozenset[Role] = frozenset()
    end: End | None = None
    other: bool = False


_ALIVE = frozenset(State) - {State.ENDED}
_DECIDED = _ALIVE - {State.PROPOSED}
_SIDES = frozenset({Role.PROPOSER, Role.APPROVER})
_REVIEW = frozenset({Role.REVIEWER})

RULES: Mapping[Action, Rule] = {
    Action.APPROVE: Rule(
        sources=frozenset({State.PROPOSED}), target=State.APPROVED, roles=frozenset({Role.APPROVER}), other=True
    ),
    Action.HOLD: Rule(
        sources=frozenset({State.PROPOSED}), target=State.HELD, roles=frozenset({Role.APPROVER}), other=True
    ),
    Action.CONFIRM: Rule(
        sources=frozenset({State.HELD}), target=State.APPROVED, roles=frozenset({Role.APPROVER}), other=True
    ),
    Action.NOTIFY: Rule(sources=frozenset({State.APPROVED}), target=State.NOTIFIED, kind=Kind.SYSTEM),
    Action.TAKE_EFFECT: Rule(sources=frozenset({State.NOTIFIED}), target=State.IN_EFFECT, kind=Kind.SYSTEM),
    Action.SUSPEND: Rule(sources=frozenset({State.NOTIFIED}), target=State.SUSPENDED, kind=Kind.HOLDER),
    Action.UPHOLD: Rule(sources=frozenset({State.SUSPENDED}), target=State.NOTIFIED, roles=_REVIEW, other=True),
    Action.RECONFIRM: Rule(sources=_DECIDED - {State.HELD}, target=None, roles=frozenset({Role.PROPOSER})),
    Action.LIFT: Rule(sources=_DECIDED, target=State.ENDED, roles=_REVIEW, end=End.LIFTED, other=True),
    Action.WITHDRAW: Rule(sources=_ALIVE, target=State.ENDED, roles=_SIDES, end=End.WITHDRAWN),
    # Whoever sees the mistake puts it right: restoring is never harder than withdrawing.
    Action.UNDO: Rule(sources=_DECIDED, target=State.ENDED, roles=_SIDES | _REVIEW | {Role.OPS}, end=End.WITHDRAWN),
    Action.DISMISS: Rule(sources=_ALIVE, target=State.ENDED, roles=_SIDES | _REVIEW, end=End.DISMISSED),
    Action.EXPIRE: Rule(sources=_ALIVE, target=State.ENDED, kind=Kind.SYSTEM, end=End.EXPIRED),
    Action.LAPSE: Rule(sources=_ALIVE, target=State.ENDED, kind=Kind.SYSTEM, end=End.LAPSED),
}


def after(action: Action, life: Life, actor: Actor, now: int) -> State:
    """The state that the action leads to. Raises `NotAllowed`, `WrongState`, `SamePerson` or `TooLate`."""
    rule = RULES[action]
    check_actor(action, actor)
    if life.state not in rule.sources:
        places = ", ".join(sorted(state.value for state in rule.sources))
        raise WrongState(f"{action.value}: expected an entry that is {places}, this one is {_where(life)}")
    if rule.other:
        check_other_person(action.value, life, actor)
    if action is Action.UNDO:
        _check_undo_period(life, now)
    return rule.target or life.state


def refusal(action: Action, life: Life, actor: Actor, now: int) -> LifeError | None:
    """Why the action cannot be taken, or None: for whoever shows what can be done before somebody tries."""
    try:
        after(action, life, actor, now)
    except LifeError as error:
        return error
    return None


def undo_until(life: Life) -> int:
    """The last second at which an entry that was approved can be undone (rule 4)."""
    return max(moment for moment in (life.approved_at, life.effective_at, 0) if moment is not None) + UNDO_PERIOD


def check_actor(action: Action, actor: Actor) -> None:
    """Rule 1. Raises `NotAllowed`."""
    rule = RULES[action]
    if actor.kind is not rule.kind:
        raise NotAllowed(f"{action.value}: expected {rule.kind.value} to do it, got {actor.kind.value}")
    if rule.kind is Kind.STAFF and not actor.roles & rule.roles:
        needed = " or ".join(sorted(role.value for role in rule.roles))
        raise NotAllowed(f"{action.value}: expected somebody with the role {needed}")


def check_other_person(what: str, life: Life, actor: Actor) -> None:
    """Rule 3. Raises `SamePerson`."""
    if actor.staff_id == life.proposed_by:
        raise SamePerson(f"{what}: expected another person than the one who proposed the entry")
    if actor.staff_id == life.approved_by:
        raise SamePerson(f"{what}: expected another person than the one who approved the entry")
    if life.confirmed_by is not None and actor.staff_id == life.confirmed_by:
        raise SamePerson(f"{what}: expected another person than the one who confirmed the entry")


def already_done(action: Action, life: Life, actor: Actor) -> bool:
    """Whether the action was taken before, so that repeating it has nothing left to do."""
    rule = RULES[action]
    if rule.target is State.ENDED:
        return life.state is State.ENDED and life.end is rule.end
    if action is Action.APPROVE:
        return life.approved_by is not None and life.approved_by == actor.staff_id and life.state is not State.ENDED
    if action is Action.CONFIRM:
        return life.confirmed_by is not None and life.confirmed_by == actor.staff_id and life.state is not State.ENDED
    return False


def _check_undo_period(life: Life, now: int) -> None:
    late = now - undo_until(life)
    if late > 0:
        came = UNDO_PERIOD + late
        raise TooLate(f"undo: expected it within {UNDO_PERIOD} s, got {came} s; lift or withdraw the entry instead")


def _where(life: Life) -> str:
    return life.state.value if life.end is None else f"{life.state.value} ({life.end.value})"
