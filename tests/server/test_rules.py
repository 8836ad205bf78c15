"""What rules see, and that nothing that a rule returns is more than yellow."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waypass_protocol.passes import Aspect
from waypass_server import aspects, rules
from waypass_server.aspects import Ground, Known, ScopeRules
from waypass_server.certlogic import CertLogicError, Expression
from waypass_server.models.lists_of_people import Effect, Fact, Weight
from waypass_server.models.rules import RuleSetVersion
from waypass_server.rule_text import EntryToPropose, Rule, RuleText, from_json, to_json
from waypass_server.rules import RuleSetInForce

NOW = 1_800_000_000
DAY = 86_400
SCOPES = [ScopeRules(number=1), ScopeRules(number=2, essential=True), ScopeRules(number=3, needs_evidence=True)]
G, Y = Aspect.GREEN, Aspect.YELLOW
UNTOUCHED = {1: G, 2: G, 3: Y}


def rule_set(*found: Rule) -> RuleSetInForce:
    ready = tuple((each, Expression.of(each.logic)) for each in found)
    return RuleSetInForce(rule_set_id=7, version_id=8, rules=ready)


def rule(logic: Any, gives: Weight = Weight.YELLOW, **changes: Any) -> Rule:
    return Rule(**{"id": "r", "reason": "r", "gives": gives, "scopes": (1, 3), "logic": logic, **changes})


def fact(kind: str = "exposure", number: int = 1, **changes: Any) -> Fact:
    same = {"source": "s", "weight": Weight.NONE, "scopes": [], "valid_from": NOW, "valid_until": NOW + DAY}
    return Fact(**{"id": number, "kind": kind, "recorded_at": NOW, **same, **changes})


def standing(given: Rule, *facts: Fact) -> aspects.Standing:
    return aspects.weigh(Ground(scopes=SCOPES, rule_sets=[rule_set(given)]), Known(facts=facts), NOW)


@pytest.mark.parametrize(
    ("name", "logic", "gives", "expected"),
    [
        ("true", True, Weight.YELLOW, {1: Y, 2: G, 3: Y}),
        ("false", False, Weight.YELLOW, UNTOUCHED),
        ("the word red", "red", Weight.YELLOW, {1: Y, 2: G, 3: Y}),
        ("a number", 2, Weight.YELLOW, {1: Y, 2: G, 3: Y}),
        ("an array of reds", ["red", 2], Weight.YELLOW, {1: Y, 2: G, 3: Y}),
        ("nothing", "", Weight.YELLOW, UNTOUCHED),
        ("null", {"var": "red"}, Weight.YELLOW, UNTOUCHED),
        ("neither true nor false", {"plusTime": ["2021-01-01", 0, "day"]}, Weight.YELLOW, {1: Y, 2: G, 3: Y}),
        ("it fails", {"<": ["red", 1]}, Weight.YELLOW, {1: Y, 2: G, 3: Y}),
        ("evidence", True, Weight.ADMITS, {1: G, 2: G, 3: G}),
        ("no evidence", False, Weight.ADMITS, UNTOUCHED),
        ("failing gives no evidence", {"<": ["red", 1]}, Weight.ADMITS, UNTOUCHED),
        ("one that only proposes", True, Weight.NONE, UNTOUCHED),
    ],
)
def test_what_a_rule_gives(name: str, logic: Any, gives: Weight, expected: dict[int, Aspect]) -> None:
    assert standing(rule(logic, gives)).aspects == expected


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "red", "yellow", "2"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.builds(lambda each: {"!": [each]}, inner)
        | st.builds(lambda one, other: {"<": [one, other]}, inner, inner)
        | st.builds(lambda one, other, third: {"if": [one, other, third]}, inner, inner, inner)
        | st.builds(lambda path: {"var": path}, st.sampled_from(["facts", "survey", "facts.exposure", "external", "x"]))
    ),
    max_leaves=8,
)


@given(VALUES, st.sampled_from(Weight), st.booleans())
def test_no_rule_makes_red(logic: Any, gives: Weight, proposes: bool) -> None:
    entry = EntryToPropose(basis_id=1, effect=Effect.RED, scopes=(1, 2, 3)) if proposes else None
    found = standing(rule(logic, gives, scopes=(1, 2, 3), proposes=entry), fact())
    assert max(found.aspects.values()) <= Aspect.YELLOW
    assert all(cause.aspect <= Aspect.YELLOW for causes in found.why.values() for cause in causes)


def test_there_is_no_weight_for_red() -> None:
    assert {weight.value for weight in Weight} == {"admits", "yellow", "none"}


@pytest.mark.parametrize(
    ("name", "logic", "facts", "expected"),
    [
        ("the newest first", {"===": [{"var": "facts.exposure.0.source"}, "new"]},
         [fact(number=1, source="old", valid_from=NOW - 9), fact(number=2, source="new")], Y),
        ("by kind", {"var": "facts.test.0"}, [fact("exposure")], G),
        ("what a test says", {"===": [{"var": "facts.test.0.result"}, "positive"]},
         [fact("test", details={"result": "positive"})], Y),
        ("its period", {"===": [{"var": "facts.exposure.0.until"}, "2027-01-16T08:00:00Z"]}, [fact()], Y),
        ("answers to its own form", {"var": "survey.cough"},
         [fact("survey", details={"rule_set": 7, "answers": {"cough": True}})], Y),
        ("not those to another", {"var": "survey.cough"},
         [fact("survey", details={"rule_set": 6, "answers": {"cough": True}})], G),
        ("but they are facts", {"var": "facts.survey.0.answers.cough"},
         [fact("survey", details={"rule_set": 6, "answers": {"cough": True}})], Y),
        ("facts to come are not seen", {"var": "facts.exposure.0"}, [fact(valid_from=NOW + 1)], G),
        ("details cannot stand in for what is known", {"===": [{"var": "facts.test.0.source"}, "s"]},
         [fact("test", details={"source": "another", "result": "x"})], Y),
        ("a fact of before there were details", {"var": "facts.test.0.result"}, [fact("test", details=None)], G),
        ("no more than fifty", {"var": "facts.exposure.50"}, [fact(number=each) for each in range(60)], G),
        ("nothing of the person", {"var": "facts.exposure.0.person_id"}, [fact(person_id=9)], G),
    ],
)  # fmt: skip
def test_what_a_rule_sees(name: str, logic: Any, facts: list[Fact], expected: Aspect) -> None:
    assert standing(rule(logic), *facts).aspects[1] is expected


def test_the_text_of_a_version_is_stored_whole() -> None:
    entry = EntryToPropose(basis_id=1, effect=Effect.RED, scopes=(1,))
    text = RuleText(citation="Act 7", rules=(rule({"if": [{"var": "x"}, 1, [True, "a"]]}, proposes=entry), rule(False)))
    assert from_json(json.loads(json.dumps(to_json(text)))) == text


@given(VALUES)
def test_a_stored_rule_is_the_rule(logic: Any) -> None:
    """1 and true, arrays and texts: what two people approved is what is evaluated."""
    stored = from_json(json.loads(json.dumps(to_json(RuleText(citation="c", rules=(rule(logic),))))))
    assert json.dumps(stored.rules[0].logic) == json.dumps(logic)
    try:
        assert Expression.of(stored.rules[0].logic).evaluate(None) == Expression.of(logic).evaluate(None)
    except CertLogicError:
        return


def test_logic_that_can_no_longer_be_used_fails_alone() -> None:
    """Stored by a version with other limits: yellow, and every other rule goes on."""
    text = RuleText(citation="c", rules=(rule({"map": [1]}, id="old"), rule(True, Weight.ADMITS, id="well")))
    version = RuleSetVersion(id=8, rule_set_id=7, text=to_json(text))
    results, _ = rules.apply([RuleSetInForce.of(version)], [], NOW)
    assert [(each.rule, each.weight, each.failed) for each in results] == [
        ("old", Weight.YELLOW, True),
        ("well", Weight.ADMITS, False),
    ]
