"""What the rule sets in force make of one person's facts. `apply` is pure.

A rule sees this and nothing else, of the facts in force now, the newest first, at most `MOST` of a kind:

    {"external": {"validationClock": the time of now},
     "facts": {"test": [...], "vaccination": [...], "recovery": [...], "exposure": [...], "survey": [...]},
     "survey": the newest answers to this rule set's own form, or null}

    a fact: {"source", "weight", "from", "until", ...}, and by kind
    test: disease, result, sampled, type     vaccination: disease, dose, doses_in_series, on, product
    recovery: disease, first_positive_on, from_day, until_day      survey: rule_set, answers

It does not see who the person is, nor anybody else's facts, nor entries: nothing can be counted up over people.

1. a rule whose logic counts as true gives its weight: yellow, evidence or nothing, and proposes its entry if it has one
2. a rule that cannot be evaluated is technical trouble: one that gives yellow gives it, as having failed; evidence is
   not given and nothing is proposed
3. nothing that a rule returns is more than yellow: what it returns is only asked whether it counts as true
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from waypass_server.certlogic import CertLogicError, ClockText, Expression, is_true
from waypass_server.many_rows import as_text, table_of
from waypass_server.models.lists_of_people import Fact, Weight
from waypass_server.models.rules import RuleSet, RuleSetState, RuleSetVersion
from waypass_server.rule_text import EntryToPropose, Rule, from_json

MOST = 50
KINDS = ("test", "vaccination", "recovery", "exposure", "survey")


@dataclass(frozen=True, kw_only=True, slots=True)
class RuleSetInForce:
    """One version, ready to be applied. None stands for logic that can no longer be used."""

    rule_set_id: int
    version_id: int
    rules: tuple[tuple[Rule, Expression | None], ...]

    @staticmethod
    def of(version: RuleSetVersion) -> "RuleSetInForce":
        """From a row."""
        return _made_ready(version.rule_set_id, version.id, version.text)


@dataclass(frozen=True, kw_only=True, slots=True)
class RuleResult:
    """A rule that counts as true, or that could not be evaluated (`failed`)."""

    version_id: int
    rule: str
    weight: Weight
    scopes: frozenset[int]
    failed: bool = False
    proposes: EntryToPropose | None = None


_sets, _versions = table_of(RuleSet), table_of(RuleSetVersion)
_IN_FORCE = (
    select(_versions.c.rule_set_id, _versions.c.id, as_text(_versions.c.text))
    .join(_sets, _sets.c.id == _versions.c.rule_set_id)
    .where(_sets.c.network_id == bindparam("network"), _versions.c.state == RuleSetState.IN_FORCE)
    .order_by(_versions.c.id)
)


def in_force(session: Session, network_id: int) -> list[RuleSetInForce]:
    """The network's rule sets in force."""
    session.flush()
    rows = session.connection().execute(_IN_FORCE, {"network": network_id})
    return [_in_force(rule_set_id, version_id, text) for rule_set_id, version_id, text in rows]


@lru_cache(maxsize=256)
def _in_force(rule_set_id: int, version_id: int, text: str) -> RuleSetInForce:
    """A version is never edited, and everybody who is issued a pass is judged by it."""
    return _made_ready(rule_set_id, version_id, json.loads(text))


def _made_ready(rule_set_id: int, version_id: int, text: dict[str, Any]) -> RuleSetInForce:
    ready = tuple((rule, _ready(rule)) for rule in from_json(text).rules)
    return RuleSetInForce(rule_set_id=rule_set_id, version_id=version_id, rules=ready)


def apply(
    rule_sets: Sequence[RuleSetInForce], facts: Sequence[Fact], now: int
) -> tuple[tuple[RuleResult, ...], int | None]:
    """What the rules give for the facts that are in force at `now`, and the next second at which that may change by
    the clock alone. (That facts come and go is known to whoever has the facts.)
    """
    results: list[RuleResult] = []
    changes: list[int] = []
    seen = _seen(facts, now) if rule_sets else {}
    for rule_set in rule_sets:
        data = {**seen, "survey": _answers(facts, rule_set.rule_set_id)}
        for rule, expression in rule_set.rules:
            result, changes_in = _apply_rule(rule_set.version_id, rule, expression, data)
            results += [] if result is None else [result]
            changes += [] if changes_in is None else [now + changes_in]
    return tuple(results), min(changes, default=None)


def _apply_rule(
    version_id: int, rule: Rule, expression: Expression | None, data: dict[str, Any]
) -> tuple[RuleResult | None, int | None]:
    scopes = frozenset(rule.scopes)
    failed = RuleResult(
        version_id=version_id,
        rule=rule.id,
        weight=Weight.YELLOW if rule.gives is Weight.YELLOW else Weight.NONE,
        scopes=scopes,
        failed=True,
    )
    if expression is None:
        return failed, None
    try:
        watched = expression.watch(data)
        if not is_true(watched.value, "rule"):
            return None, watched.changes_in
    except CertLogicError as error:
        return failed, error.changes_in
    result = RuleResult(version_id=version_id, rule=rule.id, weight=rule.gives, scopes=scopes, proposes=rule.proposes)
    return result, watched.changes_in


def _ready(rule: Rule) -> Expression | None:
    """It was checked when it was proposed, by the limits of then; one rule is not to stop all others for everybody."""
    try:
        return Expression.of(rule.logic)
    except CertLogicError:
        return None


def _seen(facts: Sequence[Fact], now: int) -> dict[str, Any]:
    newest = sorted(facts, key=lambda fact: (fact.valid_from, fact.id), reverse=True)
    by_kind = {kind: [_fact(fact) for fact in newest if fact.kind == kind][:MOST] for kind in KINDS}
    return {"external": {"validationClock": ClockText(when(now))}, "facts": by_kind}


def _fact(fact: Fact) -> dict[str, Any]:
    same = {"source": fact.source, "weight": fact.weight.value}
    return {**(fact.details or {}), **same, "from": when(fact.valid_from), "until": when(fact.valid_until)}


def _answers(facts: Sequence[Fact], rule_set_id: int) -> dict[str, Any] | None:
    given = [fact for fact in facts if fact.details is not None and fact.details.get("rule_set") == rule_set_id]
    newest = max(given, key=lambda fact: (fact.recorded_at, fact.id), default=None)
    return None if newest is None or newest.details is None else newest.details["answers"]


def when(seconds: int) -> str:
    """A time as rules read it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
