"""The one function that decides: the table of its twenty rules, their edges, and which of two rules wins."""

from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.protocol.admission_cases import HINT, ISSUER, RULES, Case, Form, Rule, decide_case, first_rule, text_of
from tests.support.issuing import NOW, SCOPE, URI, holder

from waypass_protocol.admission import Gate, decide
from waypass_protocol.keys import TrustSet
from waypass_protocol.passes import Aspect, Place
from waypass_protocol.policy import Policy, WhenStale
from waypass_protocol.presentation import present
from waypass_protocol.reasons import DECISIONS, Outcome, Reason, Shown
from waypass_protocol.reentry import NoReentry

PAPER, COPY = Form.PAPER, Form.COPY


@pytest.mark.parametrize("rule", RULES, ids=[f"{rule.number}-{rule.reason}" for rule in RULES])
def test_each_rule_decides_alone(rule: Rule) -> None:
    case = replace(Case(), **rule.changes)
    assert [each.number for each in RULES if each.holds(case)] == sorted({rule.number, 20})
    decision = decide_case(case)
    assert (decision.reason, decision.outcome, decision.aspect) == (rule.reason, rule.outcome, rule.shown)


def both(first: Rule, second: Rule) -> Case | None:
    """A case in which both rules apply, or None where none exists."""
    for changes in ({**first.changes, **second.changes}, {**second.changes, **first.changes}):
        case = replace(Case(), **changes)
        if first.holds(case) and second.holds(case):
            return case
    return None


PAIRS = list(combinations(RULES, 2))
# A copy has no presentation, and neither it nor a presentation is on paper; a list that is not held has no status and
# no age; a status is one, and so is an aspect.
EXCLUSIVE = {(6, 9), (6, 19), (9, 19), (10, 12), (10, 13), (12, 13), (14, 15), (14, 16), (15, 16)}


def test_the_rules_that_exclude_each_other() -> None:
    assert {(one.number, two.number) for one, two in PAIRS if both(one, two) is None} == EXCLUSIVE


@pytest.mark.parametrize(("first", "second"), PAIRS, ids=[f"{a.number}-before-{b.number}" for a, b in PAIRS])
def test_the_first_of_two_rules_wins(first: Rule, second: Rule) -> None:
    case = both(first, second)
    if case is None:
        assert (first.number, second.number) in EXCLUSIVE
        return
    decision = decide_case(case)
    assert (decision.reason, decision.outcome, decision.aspect) == (first.reason, first.outcome, first.shown)


EDGES: list[tuple[str, dict[str, Any], str]] = [
    ("iat 60 s ahead", {"iat": 60}, "green"),
    ("iat 61 s ahead", {"iat": 61}, "not-yet-valid"),
    ("nbf 60 s ahead", {"nbf": 60}, "green"),
    ("nbf 61 s ahead", {"nbf": 61}, "not-yet-valid"),
    ("nbf passed, iat 61 s ahead", {"nbf": -5, "iat": 61}, "not-yet-valid"),
    ("a second before exp", {"exp": 1}, "green"),
    ("at exp", {"exp": 0}, "expired"),
    ("a second after exp", {"exp": -1}, "expired"),
    ("presented 45 s ago", {"t": -45}, "green"),
    ("presented 46 s ago", {"t": -46}, "stale-presentation"),
    ("presented 15 s ahead", {"t": 15}, "green"),
    ("presented 16 s ahead", {"t": 16}, "stale-presentation"),
    ("the last index", {"idx": 2**20 - 1}, "green"),
    ("the last index withdrawn", {"idx": 2**20 - 1, "status": 1}, "superseded"),
    ("one index past the list", {"idx": 2**20}, "status-unknown"),
    ("an index past all lists", {"idx": 2**64 - 1}, "status-unknown"),
    ("age stale", {"age": 86_400}, "green"),
    ("age over stale", {"age": 86_401}, "lists-too-old"),
    ("age unknown", {"age": None}, "lists-too-old"),
    ("age unknown, gate opens", {"age": None, "when_stale": WhenStale.OPEN}, "lists-too-old"),
    ("age below zero", {"age": -60}, "green"),
    ("status 2", {"status": 2}, "suspended"),
    ("status 3", {"status": 3}, "suspended"),
    ("age fresh, gate assists", {"age": 900, "when_stale": WhenStale.ASSIST}, "green"),
    ("age over fresh, gate assists", {"age": 901, "when_stale": WhenStale.ASSIST}, "lists-too-old"),
    ("age over fresh, gate opens", {"age": 901}, "green"),
    ("opened 119 s ago", {"opened": 119}, "seen-already"),
    ("opened 120 s ago", {"opened": 120}, "green"),
    ("paper, identity checked", {"form": PAPER}, "identity-check"),
    ("paper, identity not checked", {"form": PAPER, "identity_check": False}, "green"),
    ("paper has no time of presentation", {"form": PAPER, "identity_check": False, "t": -10_000}, "green"),
    ("a red copy", {"form": COPY, "aspect": Aspect.RED}, "unbound-copy"),
    ("red on paper", {"form": PAPER, "aspect": Aspect.RED}, "red"),
    ("red and expired is not red", {"aspect": Aspect.RED, "exp": 0}, "expired"),
    ("red and lists too old is not red", {"aspect": Aspect.RED, "age": 86_401}, "lists-too-old"),
    ("red and not current is not red", {"aspect": Aspect.RED, "status": 1}, "superseded"),
]


@pytest.mark.parametrize(("name", "changes", "reason"), EDGES, ids=[case[0] for case in EDGES])
def test_edges(name: str, changes: dict[str, Any], reason: str) -> None:
    case = replace(Case(), **changes)
    assert decide_case(case).reason == reason == first_rule(case).reason


CASES = st.builds(
    Case,
    waypass=st.sampled_from([True] * 9 + [False]),
    well_formed=st.sampled_from([True] * 9 + [False]),
    clock_trusted=st.sampled_from([True] * 9 + [False]),
    key_known=st.sampled_from([True] * 9 + [False]),
    signature_good=st.sampled_from([True] * 9 + [False]),
    form=st.sampled_from(Form),
    iat=st.sampled_from([-3600, -1, 60, 61]),
    nbf=st.sampled_from([None, -3600, 60, 61]),
    exp=st.sampled_from([3600, 3600, 62, 1, 0]),
    t=st.sampled_from([0, 0, -45, -46, 15, 16]),
    held=st.sampled_from([True] * 5 + [False]),
    idx=st.sampled_from([5, 0, 2**20 - 1, 2**20]),
    age=st.sampled_from([0, 900, 901, 86_400, 86_401, None]),
    status=st.sampled_from([0, 0, 0, 0, 1, 2, 3]),
    aspect=st.sampled_from([Aspect.GREEN, Aspect.GREEN, Aspect.GREEN, Aspect.YELLOW, Aspect.RED, None]),
    opened=st.sampled_from([None, None, 0, 119, 120]),
    when_stale=st.sampled_from(WhenStale),
    identity_check=st.booleans(),
).filter(lambda case: case.exp > case.iat)


@settings(max_examples=600, deadline=None)
@given(CASES)
def test_agrees_with_the_table_whatever_is_true_at_once(case: Case) -> None:
    rule = first_rule(case)
    decision = decide_case(case)
    assert (decision.reason, decision.outcome, decision.aspect) == (rule.reason, rule.outcome, rule.shown)
    assert (decision.place is not None) == (decision.outcome is Outcome.OPEN)
    assert (decision.hint is not None) == (decision.reason is Reason.IDENTITY_CHECK)


def test_an_opening_names_its_place_and_a_check_its_hint() -> None:
    assert decide_case(Case()).place == Place(uri=URI, idx=5)
    assert decide_case(Case(form=PAPER)).hint == HINT


# What rules 4 and 5 mean, beyond an unknown kid and a changed byte


def decided(text: str, *, trust: TrustSet = ISSUER.trust, now: int = NOW, scope: int = SCOPE) -> Reason:
    gate = Gate(trust=trust, scope=scope, policy=Policy())
    return decide(text, now=now, clock_trusted=True, gate=gate, lists={}, reentry=NoReentry()).reason


def test_a_key_past_its_time_is_unknown() -> None:
    key = ISSUER.trust.keys[ISSUER.passes.kid]
    text = text_of(Case())
    assert decided(text, now=key.exp) == Reason.UNKNOWN_KEY
    assert decided(text, now=key.nbf - 1) == Reason.UNKNOWN_KEY
    assert decided(text, now=key.exp - 1) == Reason.EXPIRED


def test_a_status_key_signs_no_pass() -> None:
    swapped = replace(ISSUER, passes=ISSUER.status)
    assert decided(swapped.paper()) == Reason.UNKNOWN_KEY


def test_a_presentation_of_another_network_does_not_verify() -> None:
    text = present(ISSUER.bound(), t=NOW, network="other", holder=holder())
    assert decided(text) == Reason.BAD_SIGNATURE


def test_a_presentation_by_another_holder_does_not_verify() -> None:
    text = present(ISSUER.bound(), t=NOW, network=ISSUER.network, holder=holder(2))
    assert decided(text) == Reason.BAD_SIGNATURE


def test_a_list_by_another_name_is_not_the_passs_list() -> None:
    assert decided(ISSUER.presentation(uri="wp:18")) == Reason.STATUS_UNKNOWN


# The closed sets


def test_every_reason_has_its_outcome_and_aspect() -> None:
    expected = {rule.reason: (rule.outcome, rule.shown) for rule in RULES}
    assert {reason: (each.outcome, each.aspect) for reason, each in DECISIONS.items()} == expected
    assert list(dict.fromkeys(rule.reason for rule in RULES)) == list(dict.fromkeys([*Reason]))


def test_red_is_shown_for_a_red_pass_alone() -> None:
    assert [reason for reason, each in DECISIONS.items() if each.aspect is Shown.RED] == [Reason.RED]


# Any text


ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=80)
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"


@settings(max_examples=400)
@given(ANY_TEXT | st.builds(str.__add__, st.sampled_from(["WP1:", "WP2:"]), ANY_TEXT | st.text(ALPHABET, max_size=300)))
def test_no_text_raises_and_none_opens(text: str) -> None:
    assert decided(text) in {Reason.NOT_WAYPASS, Reason.MALFORMED}


@pytest.mark.parametrize("prefix", ["", "WP1:", "WP2:"])
def test_a_text_of_ten_million_characters_is_refused(prefix: str) -> None:
    assert decided(prefix + "A" * 10_000_000) in {Reason.NOT_WAYPASS, Reason.MALFORMED}
