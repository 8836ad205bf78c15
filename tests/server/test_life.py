"""The life of an entry, as a table: every action from every state, by everybody."""

import ast
from dataclasses import replace
from pathlib import Path

import pytest

from waypass_server import life
from waypass_server.life import (
    RULES,
    UNDO_PERIOD,
    Action,
    Actor,
    End,
    Kind,
    Life,
    NotAllowed,
    SamePerson,
    State,
    TooLate,
    WrongState,
)
from waypass_server.roles import Role

NOW = 1_800_000_000
PROPOSER, APPROVER, THIRD = 1, 2, 3

P, H, A, N, S, E, X = (
    State.PROPOSED,
    State.HELD,
    State.APPROVED,
    State.NOTIFIED,
    State.SUSPENDED,
    State.IN_EFFECT,
    State.ENDED,
)

# For each action, where it leads from each state, in their order; None is refused.
TABLE: dict[Action, tuple[State | None, ...]] = {
    Action.APPROVE: (A, None, None, None, None, None, None),
    Action.HOLD: (H, None, None, None, None, None, None),
    Action.CONFIRM: (None, A, None, None, None, None, None),
    Action.NOTIFY: (None, None, N, None, None, None, None),
    Action.TAKE_EFFECT: (None, None, None, E, None, None, None),
    Action.SUSPEND: (None, None, None, S, None, None, None),
    Action.UPHOLD: (None, None, None, None, N, None, None),
    Action.RECONFIRM: (None, None, A, N, S, E, None),
    Action.LIFT: (None, X, X, X, X, X, None),
    Action.WITHDRAW: (X, X, X, X, X, X, None),
    Action.UNDO: (None, X, X, X, X, X, None),
    Action.DISMISS: (X, X, X, X, X, X, None),
    Action.EXPIRE: (X, X, X, X, X, X, None),
    Action.LAPSE: (X, X, X, X, X, X, None),
}

ROLES: dict[Action, set[Role]] = {
    Action.APPROVE: {Role.APPROVER},
    Action.HOLD: {Role.APPROVER},
    Action.CONFIRM: {Role.APPROVER},
    Action.UPHOLD: {Role.REVIEWER},
    Action.RECONFIRM: {Role.PROPOSER},
    Action.LIFT: {Role.REVIEWER},
    Action.WITHDRAW: {Role.PROPOSER, Role.APPROVER},
    Action.UNDO: {Role.PROPOSER, Role.APPROVER, Role.REVIEWER, Role.OPS},
    Action.DISMISS: {Role.PROPOSER, Role.APPROVER, Role.REVIEWER},
}
SYSTEM_ACTIONS = {Action.NOTIFY, Action.TAKE_EFFECT, Action.EXPIRE, Action.LAPSE}

ENDS = {
    Action.LIFT: End.LIFTED,
    Action.WITHDRAW: End.WITHDRAWN,
    Action.UNDO: End.WITHDRAWN,
    Action.DISMISS: End.DISMISSED,
    Action.EXPIRE: End.EXPIRED,
    Action.LAPSE: End.LAPSED,
}


def entry(state: State, *, end: End | None = None) -> Life:
    """An entry in this state, approved and in effect just now where that applies."""
    approved = state is not P
    return Life(
        state=state,
        proposed_by=PROPOSER,
        approved_by=APPROVER if approved else None,
        approved_at=NOW if approved else None,
        effective_at=NOW if state is E else None,
        end=end or (End.EXPIRED if state is X else None),
    )


def staff(*roles: Role, staff_id: int = THIRD) -> Actor:
    return Actor(kind=Kind.STAFF, staff_id=staff_id, roles=frozenset(roles))


def somebody_for(action: Action) -> Actor:
    """An actor whom rule 1 lets through."""
    kind = RULES[action].kind
    return staff(*Role) if kind is Kind.STAFF else Actor(kind=kind)


def test_the_table_has_every_action() -> None:
    assert TABLE.keys() == RULES.keys() == set(Action)


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize(("column", "state"), list(enumerate(State)))
def test_where_each_action_leads(action: Action, column: int, state: State) -> None:
    expected = TABLE[action][column]
    if expected is None:
        with pytest.raises(WrongState, match=rf"^{action.value}: expected an entry that is .*, this one is {state}"):
            life.after(action, entry(state), somebody_for(action), NOW)
    else:
        assert life.after(action, entry(state), somebody_for(action), NOW) is expected


@pytest.mark.parametrize("action", Action)
def test_why_it_ended(action: Action) -> None:
    assert RULES[action].end is ENDS.get(action)
    assert (RULES[action].target is X) == (action in ENDS)


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("role", Role)
def test_who_may(action: Action, role: Role) -> None:
    if role in ROLES.get(action, set()):
        life.check_actor(action, staff(role))
    else:
        with pytest.raises(NotAllowed, match=rf"^{action.value}: expected"):
            life.check_actor(action, staff(role))


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("kind", [Kind.HOLDER, Kind.SYSTEM])
def test_what_holders_and_the_clock_do(action: Action, kind: Kind) -> None:
    allowed = SYSTEM_ACTIONS if kind is Kind.SYSTEM else {Action.SUSPEND}
    if action in allowed:
        life.check_actor(action, Actor(kind=kind))
    else:
        with pytest.raises(NotAllowed, match=f"got {kind.value}"):
            life.check_actor(action, Actor(kind=kind))


@pytest.mark.parametrize(
    ("action", "state", "who", "message"),
    [
        (Action.APPROVE, P, PROPOSER, "approve: expected another person than the one who proposed the entry"),
        (Action.UPHOLD, S, PROPOSER, "uphold: expected another person than the one who proposed the entry"),
        (Action.UPHOLD, S, APPROVER, "uphold: expected another person than the one who approved the entry"),
        (Action.HOLD, P, PROPOSER, "hold: expected another person than the one who proposed the entry"),
        (Action.CONFIRM, H, PROPOSER, "confirm: expected another person than the one who proposed the entry"),
        (Action.CONFIRM, H, APPROVER, "confirm: expected another person than the one who approved the entry"),
        (Action.LIFT, E, PROPOSER, "lift: expected another person than the one who proposed the entry"),
        (Action.LIFT, E, APPROVER, "lift: expected another person than the one who approved the entry"),
    ],
)
def test_steps_that_need_another_person(action: Action, state: State, who: int, message: str) -> None:
    with pytest.raises(SamePerson, match=f"^{message}$"):
        life.after(action, entry(state), staff(*Role, staff_id=who), NOW)


@pytest.mark.parametrize("action", [Action.LIFT, Action.UPHOLD])
def test_whoever_confirmed_what_was_held_has_a_part_in_it(action: Action) -> None:
    held = replace(entry(S), confirmed_by=THIRD)
    with pytest.raises(SamePerson, match=rf"^{action.value}: expected another person than the one who confirmed"):
        life.after(action, held, staff(*Role, staff_id=THIRD), NOW)
    assert life.after(action, held, staff(*Role, staff_id=4), NOW)


def test_no_action_that_makes_an_entry_stronger_is_one_persons() -> None:
    """From a proposal to effect: each step by staff needs somebody else than those before."""
    onwards = {action for action, rule in RULES.items() if rule.target in (A, H, N, E) and rule.kind is Kind.STAFF}
    assert onwards == {Action.APPROVE, Action.HOLD, Action.CONFIRM, Action.UPHOLD}
    assert all(RULES[action].other for action in onwards)


@pytest.mark.parametrize("action", [Action.WITHDRAW, Action.UNDO, Action.DISMISS])
@pytest.mark.parametrize("who", [PROPOSER, APPROVER, THIRD])
def test_restoring_never_needs_another_person(action: Action, who: int) -> None:
    assert life.after(action, entry(E), staff(*Role, staff_id=who), NOW) is X


@pytest.mark.parametrize(
    ("name", "approved_at", "effective_at", "allowed"),
    [
        ("a day after approval", NOW - UNDO_PERIOD, None, True),
        ("a second later", NOW - UNDO_PERIOD - 1, None, False),
        ("long approved, in effect since yesterday", NOW - 100 * UNDO_PERIOD, NOW - UNDO_PERIOD, True),
        ("in effect for longer", NOW - 100 * UNDO_PERIOD, NOW - UNDO_PERIOD - 1, False),
    ],
)
def test_undo_for_24_hours(name: str, approved_at: int, effective_at: int | None, allowed: bool) -> None:
    held = Life(
        state=E if effective_at else N,
        proposed_by=PROPOSER,
        approved_by=APPROVER,
        approved_at=approved_at,
        effective_at=effective_at,
    )
    if allowed:
        assert life.after(Action.UNDO, held, staff(Role.OPS), NOW) is X
    else:
        with pytest.raises(TooLate, match="undo: expected it within 86400 s, got 86401 s"):
            life.after(Action.UNDO, held, staff(Role.OPS), NOW)


@pytest.mark.parametrize(
    ("name", "action", "held", "who", "done"),
    [
        ("approved by the same person", Action.APPROVE, entry(N), APPROVER, True),
        ("approved by another person", Action.APPROVE, entry(N), THIRD, False),
        ("approved and ended", Action.APPROVE, entry(X), APPROVER, False),
        ("confirmed by the same person", Action.CONFIRM, replace(entry(A), confirmed_by=THIRD), THIRD, True),
        ("confirmed by another person", Action.CONFIRM, replace(entry(A), confirmed_by=THIRD), 4, False),
        ("confirmed and ended", Action.CONFIRM, replace(entry(X), confirmed_by=THIRD), THIRD, False),
        ("not confirmed yet", Action.CONFIRM, entry(H), THIRD, False),
        ("withdrawn again", Action.WITHDRAW, entry(X, end=End.WITHDRAWN), THIRD, True),
        ("undone after a withdrawal", Action.UNDO, entry(X, end=End.WITHDRAWN), THIRD, True),
        ("withdrawn after it expired", Action.WITHDRAW, entry(X, end=End.EXPIRED), THIRD, False),
        ("reconfirmed again", Action.RECONFIRM, entry(E), THIRD, False),
    ],
)
def test_what_counts_as_done_already(name: str, action: Action, held: Life, who: int, done: bool) -> None:
    assert life.already_done(action, held, staff(*Role, staff_id=who)) is done


def test_a_refusal_can_be_asked_for_before_somebody_tries() -> None:
    assert life.refusal(Action.LIFT, entry(E), staff(Role.REVIEWER), NOW) is None
    refused = life.refusal(Action.LIFT, entry(E), staff(Role.REVIEWER, staff_id=APPROVER), NOW)
    assert isinstance(refused, SamePerson)


def test_it_is_pure() -> None:
    """No clock, no database, no randomness: all that it imports are types."""
    tree = ast.parse(Path(life.__file__).read_text(encoding="utf-8"))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported == {"collections.abc", "dataclasses", "enum", "waypass_server.errors", "waypass_server.roles"}
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.Global)]
