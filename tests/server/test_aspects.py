"""The one function that says where somebody stands: tables, and what must hold for any combination."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waypass_protocol.passes import Aspect
from waypass_server.aspects import CauseKind, EntryInForce, FactInForce, ScopeRules, judge
from waypass_server.models.lists_of_people import Effect, Weight

G, Y, R = Aspect.GREEN, Aspect.YELLOW, Aspect.RED

RIDE = ScopeRules(number=1)
HOSPITAL = ScopeRules(number=2, essential=True)
PRIORITY = ScopeRules(number=3, by_grant=True)
ARENA = ScopeRules(number=4, needs_evidence=True)
SCOPES = (RIDE, HOSPITAL, PRIORITY, ARENA)


def red(*scopes: int, health: bool = False) -> EntryInForce:
    return EntryInForce(entry_id=1, effect=Effect.RED, scopes=frozenset(scopes), health=health)


def yellow(*scopes: int) -> EntryInForce:
    return EntryInForce(entry_id=2, effect=Effect.YELLOW, scopes=frozenset(scopes), health=False)


def grant(*scopes: int) -> EntryInForce:
    return EntryInForce(entry_id=3, effect=Effect.GRANT, scopes=frozenset(scopes), health=False)


def fact(weight: Weight, *scopes: int) -> FactInForce:
    return FactInForce(fact_id=4, weight=weight, scopes=frozenset(scopes))


@pytest.mark.parametrize(
    ("name", "entries", "facts", "exemptions", "expected"),
    [
        ("nothing", [], [], [], {1: G, 2: G, 4: Y}),
        ("red in its scopes only", [red(1)], [], [], {1: R, 2: G, 4: Y}),
        ("the worst of two", [yellow(1), red(1), yellow(2)], [], [], {1: R, 2: Y, 4: Y}),
        ("essential takes no red without health", [red(1, 2)], [], [], {1: R, 2: G, 4: Y}),
        ("essential takes red for health", [red(2, health=True)], [], [], {1: G, 2: R, 4: Y}),
        ("essential takes yellow", [yellow(2)], [], [], {1: G, 2: Y, 4: Y}),
        ("a grant opens its scope", [grant(3)], [], [], {1: G, 2: G, 3: G, 4: Y}),
        ("a grant elsewhere opens nothing", [grant(1)], [], [], {1: G, 2: G, 4: Y}),
        ("red beside a grant", [grant(3), red(3)], [], [], {1: G, 2: G, 3: R, 4: Y}),
        ("red without a grant: still not there", [red(3)], [], [], {1: G, 2: G, 4: Y}),
        ("evidence", [], [fact(Weight.ADMITS)], [], {1: G, 2: G, 4: G}),
        ("evidence for another scope", [], [fact(Weight.ADMITS, 1)], [], {1: G, 2: G, 4: Y}),
        ("a fact that does nothing", [], [fact(Weight.NONE)], [], {1: G, 2: G, 4: Y}),
        ("an exposure everywhere", [], [fact(Weight.YELLOW)], [], {1: Y, 2: Y, 4: Y}),
        ("an exposure in one scope", [], [fact(Weight.YELLOW, 1)], [], {1: Y, 2: G, 4: Y}),
        ("evidence does not undo an exposure", [], [fact(Weight.ADMITS), fact(Weight.YELLOW)], [], {1: Y, 2: Y, 4: Y}),
        ("evidence does not undo red", [red(4)], [fact(Weight.ADMITS)], [], {1: G, 2: G, 4: R}),
        ("an exemption outranks red", [red(1)], [fact(Weight.YELLOW)], [9], {1: G, 2: G, 4: G}),
        ("an exemption grants nothing", [], [], [9], {1: G, 2: G, 4: G}),
    ],
)
def test_aspects(
    name: str,
    entries: list[EntryInForce],
    facts: list[FactInForce],
    exemptions: list[int],
    expected: dict[int, Aspect],
) -> None:
    aspects, _ = judge(SCOPES, entries=entries, facts=facts, exemptions=exemptions)
    assert aspects == expected


def test_everything_that_contributes_is_named() -> None:
    _, why = judge(
        [PRIORITY],
        entries=[grant(3), red(3), yellow(3)],
        facts=[fact(Weight.YELLOW), fact(Weight.NONE)],
        exemptions=[9],
    )
    assert [(cause.kind, cause.aspect, cause.record_id) for cause in why[3]] == [
        (CauseKind.EXEMPTION, G, 9),
        (CauseKind.GRANT, G, 3),
        (CauseKind.ENTRY, R, 1),
        (CauseKind.ENTRY, Y, 2),
        (CauseKind.FACT, Y, 4),
    ]


SCOPE_SETS = st.frozensets(st.integers(1, 4))
SOME_SCOPES = st.lists(
    st.builds(
        ScopeRules,
        number=st.integers(1, 4),
        essential=st.booleans(),
        by_grant=st.booleans(),
        needs_evidence=st.booleans(),
    ),
    unique_by=lambda scope: scope.number,
)
SOME_FACTS = st.lists(
    st.builds(FactInForce, fact_id=st.integers(1, 9), weight=st.sampled_from(Weight), scopes=SCOPE_SETS)
)
SOME_ENTRIES = st.lists(
    st.builds(
        EntryInForce,
        entry_id=st.integers(1, 9),
        effect=st.sampled_from(Effect),
        scopes=SCOPE_SETS,
        health=st.booleans(),
    )
)


@given(scopes=SOME_SCOPES, facts=SOME_FACTS, exemptions=st.lists(st.integers(1, 9)))
def test_no_combination_of_facts_makes_red(
    scopes: list[ScopeRules], facts: list[FactInForce], exemptions: list[int]
) -> None:
    aspects, _ = judge(scopes, entries=[], facts=facts, exemptions=exemptions)
    assert R not in aspects.values()


@given(scopes=SOME_SCOPES, entries=SOME_ENTRIES, facts=SOME_FACTS)
def test_what_must_hold_for_any_combination(
    scopes: list[ScopeRules], entries: list[EntryInForce], facts: list[FactInForce]
) -> None:
    aspects, why = judge(scopes, entries=entries, facts=facts, exemptions=[])
    reds = [entry for entry in entries if entry.effect is Effect.RED]
    granted = {scope for entry in entries if entry.effect is Effect.GRANT for scope in entry.scopes}
    for scope in scopes:
        assert (scope.number in aspects) == (not scope.by_grant or scope.number in granted)
        if scope.number not in aspects:
            continue
        if aspects[scope.number] is R:
            assert any(scope.number in entry.scopes and (entry.health or not scope.essential) for entry in reds)
        if aspects[scope.number] is not G:
            assert aspects[scope.number] in [cause.aspect for cause in why[scope.number]]
    exempt, _ = judge(scopes, entries=entries, facts=facts, exemptions=[1])
    assert set(exempt.values()) <= {G}
    assert exempt.keys() == aspects.keys()
