"""A person's standing: the aspect in every scope, and everything that contributes to it. One pure function decides.

For each scope of the network, in this order:

1. a scope by grant counts only for people with a grant in effect; without one it is absent, and no pass names it
2. under an exemption it is green, whatever else there is
3. otherwise it is the worst of:
   - the entries in effect that name it; red in an essential scope counts only from a basis of health
   - the facts in force that name it, or that name no scope: yellow, and never more
   - the rules in force that name it, over those facts: yellow, and never more
   - yellow, if it needs evidence and neither a health certificate nor a rule gives it
4. green when there is none of these

An entry is in effect by the clock, not by when somebody looked: from `takes_effect_at` until its end, or until its
reconfirmation or the decision on an objection is overdue, unless it is suspended or has ended.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from sqlalchemy import bindparam, exists, or_, select
from sqlalchemy.orm import Session, joinedload, selectinload

from waypass_protocol.passes import Aspect
from waypass_server import rules
from waypass_server.life import CONFIRMATION_PERIOD, State
from waypass_server.many_rows import table_of
from waypass_server.models.lists_of_people import Effect, Entry, Exemption, Fact, ObjectionState, Weight
from waypass_server.models.network import Scope
from waypass_server.models.people import Person
from waypass_server.rules import RuleResult, RuleSetInForce


class CauseKind(StrEnum):
    """What contributes to an aspect."""

    ENTRY = "entry"
    GRANT = "grant"
    FACT = "fact"
    EVIDENCE = "evidence"
    NO_EVIDENCE = "no-evidence"
    EXEMPTION = "exemption"
    RULE = "rule"


@dataclass(frozen=True, kw_only=True, slots=True)
class Cause:
    """One contribution. `record_id` is the id of the entry, fact, exemption or version of a rule set; None where
    something is lacking. `rule` is the rule's id there, `failed` that it could not be evaluated.
    """

    kind: CauseKind
    aspect: Aspect
    record_id: int | None = None
    rule: str | None = None
    failed: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """The aspects by scope number; a scope that is absent is not for this person. `until` is the next second at which
    anything may change by itself, or None. `rules`: what the rules gave, whether or not it counts somewhere.
    """

    aspects: Mapping[int, Aspect]
    why: Mapping[int, Sequence[Cause]]
    until: int | None
    rules: Sequence[RuleResult] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ScopeRules:
    """What a scope asks for."""

    number: int
    essential: bool = False
    by_grant: bool = False
    needs_evidence: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class EntryInForce:
    """An entry that is in effect now."""

    entry_id: int
    effect: Effect
    scopes: frozenset[int]
    health: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class FactInForce:
    """A fact that holds now. No scopes means every scope."""

    fact_id: int
    weight: Weight
    scopes: frozenset[int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Ground:
    """What is the same for everybody in a network: its scopes, and its rule sets in force."""

    scopes: Sequence[ScopeRules]
    rule_sets: Sequence[RuleSetInForce]


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """What is known about one person and may count at some time from now on."""

    entries: Sequence[Entry] = ()
    facts: Sequence[Fact] = ()
    exemptions: Sequence[Exemption] = ()


@dataclass(frozen=True, slots=True)
class EntryTimes:
    """An entry that has not ended, as far as the clock moves it. `decide_by`: when an objection that is open has to be
    decided. Times are UNIX seconds.
    """

    state: State
    takes_effect_at: int | None
    ends_at: int
    confirmed_at: int | None
    decide_by: int | None

    @staticmethod
    def of(entry: Entry) -> "EntryTimes":
        """From a row and its objections."""
        return EntryTimes(
            entry.state, entry.takes_effect_at, entry.ends_at, entry.confirmed_at, open_decision_deadline(entry)
        )

    def over_at(self) -> int:
        """When it counts no more."""
        moments = [self.ends_at]
        if self.confirmed_at is not None:
            moments.append(self.confirmed_at + CONFIRMATION_PERIOD)
        if self.decide_by is not None:
            moments.append(self.decide_by)
        return min(moments)

    def in_effect(self, now: int) -> bool:
        """Whether it has its effect at `now`, by the clock."""
        if self.state not in (State.NOTIFIED, State.IN_EFFECT) or self.takes_effect_at is None:
            return False
        return self.takes_effect_at <= now < self.over_at()

    def next(self) -> int:
        """The first second at which it may move by itself."""
        over_at = self.over_at()
        if self.state is State.NOTIFIED and self.takes_effect_at is not None:
            return min(over_at, self.takes_effect_at)
        return over_at


# Written once: to put a statement together takes longer than SQLite needs to answer it.
_ANYTHING = select(
    or_(
        *(
            exists().where(table_of(kind).c.person_id == bindparam("person"))  # the past ones too
            for kind in (Entry, Fact, Exemption)
        )
    )
)
_SCOPES = (
    select(*(table_of(Scope).c[name] for name in ("number", "essential", "by_grant", "needs_evidence")))
    .where(table_of(Scope).c.network_id == bindparam("network"))
    .order_by(table_of(Scope).c.number)
)

MOMENTS = 500
"""So many changes by the clock are followed for one person (`worsens`)."""

_STRENGTH = {Effect.RED: Aspect.RED, Effect.YELLOW: Aspect.YELLOW}


def judge(
    scopes: Iterable[ScopeRules],
    *,
    entries: Sequence[EntryInForce],
    facts: Sequence[FactInForce],
    exemptions: Sequence[int],
    rules: Sequence[RuleResult] = (),
) -> tuple[dict[int, Aspect], dict[int, tuple[Cause, ...]]]:
    """Aspects and causes by scope number, by the module's rules. `exemptions` are the ids of those in force."""
    aspects: dict[int, Aspect] = {}
    why: dict[int, tuple[Cause, ...]] = {}
    for scope in scopes:
        grants = _grants(scope, entries)
        if scope.by_grant and not grants:
            continue
        contributions = [*_from_entries(scope, entries), *_from_facts(scope, facts, rules)]
        aspect = max((cause.aspect for cause in contributions), default=Aspect.GREEN)
        exempt = [Cause(kind=CauseKind.EXEMPTION, aspect=Aspect.GREEN, record_id=one) for one in exemptions]
        aspects[scope.number] = Aspect.GREEN if exempt else aspect
        why[scope.number] = (*exempt, *grants, *contributions)
    return aspects, why


def standing_of(session: Session, person_id: int, now: int, *, as_if: Entry | None = None) -> Standing:
    """The standing of a person at `now` (UNIX seconds). `as_if`: an entry that counts as if it were in effect already,
    for whoever has to know what it would do.
    """
    network_id = session.get_one(Person, person_id).network_id
    # Of most people nothing is known, and that is seen in one query.
    session.flush()
    anything = session.connection().execute(_ANYTHING, {"person": person_id}).scalar_one()
    known = known_about(session, [person_id], now)[person_id] if anything else Known()
    return weigh(ground_of(session, network_id), known, now, as_if=as_if)


def ground_of(session: Session, network_id: int) -> Ground:
    """As it is in the database."""
    session.flush()
    scopes = [
        ScopeRules(number=number, essential=essential, by_grant=by_grant, needs_evidence=needs_evidence)
        for number, essential, by_grant, needs_evidence in session.connection().execute(
            _SCOPES, {"network": network_id}
        )
    ]
    return Ground(scopes=scopes, rule_sets=rules.in_force(session, network_id))


def known_about(session: Session, people: Sequence[int], now: int) -> dict[int, Known]:
    """What is known about each of these people, by id: a few queries, however many they are."""
    known: dict[int, tuple[list[Entry], list[Fact], list[Exemption]]] = {person: ([], [], []) for person in people}
    entries = select(Entry).where(Entry.person_id.in_(people), Entry.state != State.ENDED)
    for entry in session.scalars(entries.options(joinedload(Entry.version), selectinload(Entry.objections))):
        known[entry.person_id][0].append(entry)
    facts = select(Fact).where(Fact.person_id.in_(people), Fact.withdrawn_at.is_(None), Fact.valid_until > now)
    for fact in session.scalars(facts):
        known[fact.person_id][1].append(fact)
    exemptions = select(Exemption).where(Exemption.person_id.in_(people), Exemption.ends_at > now)
    for exemption in session.scalars(exemptions):
        known[exemption.person_id][2].append(exemption)
    return {
        person: Known(entries=entries_, facts=facts_, exemptions=exemptions_)
        for person, (entries_, facts_, exemptions_) in known.items()
    }


def weigh(ground: Ground, known: Known, now: int, *, as_if: Entry | None = None) -> Standing:
    """Where somebody stands at `now` of whom this is known."""
    in_force = [fact for fact in known.facts if fact.valid_from <= now]
    results, rules_change = rules.apply(ground.rule_sets, in_force, now)
    aspects, why = judge(
        ground.scopes,
        entries=[_in_force(entry) for entry in known.entries if entry is as_if or is_in_effect(entry, now)],
        facts=[_fact_in_force(fact) for fact in in_force],
        exemptions=[exemption.id for exemption in known.exemptions if exemption.starts_at <= now],
        rules=results,
    )
    moments = [_next_change(known.entries, known.facts, known.exemptions, now), rules_change]
    until = min((moment for moment in moments if moment is not None), default=None)
    return Standing(aspects=aspects, why=why, until=until, rules=results)


def worsens(
    before: tuple[Ground, Sequence[Fact]], after: tuple[Ground, Sequence[Fact]], *, since: int, until: int
) -> bool:
    """Whether facts and rules give somebody a worse aspect `after` than `before`, in any scope and at any second from
    `since` on and before `until`. Entries, grants and exemptions are left out: they come and go, and what is hidden by
    one today is not tomorrow.
    """
    sides = [(replace(ground, scopes=_for_everybody(ground)), facts) for ground, facts in (before, after)]
    now = since
    for _ in range(MOMENTS):
        was, then = (weigh(ground, Known(facts=_not_over(facts, now)), now) for ground, facts in sides)
        if any(aspect > was.aspects[number] for number, aspect in then.aspects.items()):
            return True
        moments = [moment for moment in (was.until, then.until) if moment is not None and moment < until]
        if not moments:
            return False
        now = min(moments)
    return True  # what moves this often is not followed any further, and nobody goes uncounted


def _not_over(facts: Sequence[Fact], now: int) -> Sequence[Fact]:
    return [fact for fact in facts if fact.valid_until > now]


def _for_everybody(ground: Ground) -> Sequence[ScopeRules]:
    return [replace(scope, by_grant=False) for scope in ground.scopes]


def is_in_effect(entry: Entry, now: int) -> bool:
    """Whether an entry has its effect at `now`, by the clock."""
    return EntryTimes.of(entry).in_effect(now)


def open_decision_deadline(entry: Entry) -> int | None:
    """When the entry lapses because an objection to it is not decided; None without an open objection."""
    return min((one.decide_by for one in entry.objections if one.state is ObjectionState.OPEN), default=None)


def _next_change(
    entries: Sequence[Entry], facts: Sequence[Fact], exemptions: Sequence[Exemption], now: int
) -> int | None:
    # A step that is overdue is due now; taking it is what ends its deadline.
    moments = [max(EntryTimes.of(entry).next(), now) for entry in entries]
    periods = [(fact.valid_from, fact.valid_until) for fact in facts]
    periods += [(exemption.starts_at, exemption.ends_at) for exemption in exemptions]
    moments += [moment for period in periods for moment in period if moment > now]
    return min(moments, default=None)


def _grants(scope: ScopeRules, entries: Sequence[EntryInForce]) -> list[Cause]:
    return [
        Cause(kind=CauseKind.GRANT, aspect=Aspect.GREEN, record_id=entry.entry_id)
        for entry in entries
        if entry.effect is Effect.GRANT and scope.number in entry.scopes
    ]


def _from_entries(scope: ScopeRules, entries: Sequence[EntryInForce]) -> list[Cause]:
    causes = []
    for entry in entries:
        aspect = _STRENGTH.get(entry.effect)
        if aspect is None or scope.number not in entry.scopes:
            continue
        # Checked when an entry is proposed too; a scope may have become essential since.
        if aspect is Aspect.RED and scope.essential and not entry.health:
            continue
        causes.append(Cause(kind=CauseKind.ENTRY, aspect=aspect, record_id=entry.entry_id))
    return causes


def _from_facts(scope: ScopeRules, facts: Sequence[FactInForce], rules: Sequence[RuleResult]) -> list[Cause]:
    causes = []
    for fact in facts:
        if fact.scopes and scope.number not in fact.scopes:
            continue
        if fact.weight is Weight.YELLOW:
            causes.append(Cause(kind=CauseKind.FACT, aspect=Aspect.YELLOW, record_id=fact.fact_id))
        elif fact.weight is Weight.ADMITS and scope.needs_evidence:
            causes.append(Cause(kind=CauseKind.EVIDENCE, aspect=Aspect.GREEN, record_id=fact.fact_id))
    causes += [_from_rule(result) for result in rules if _counts(result, scope)]
    if scope.needs_evidence and all(cause.aspect is Aspect.YELLOW for cause in causes):
        causes.append(Cause(kind=CauseKind.NO_EVIDENCE, aspect=Aspect.YELLOW))
    return causes


def _counts(result: RuleResult, scope: ScopeRules) -> bool:
    if scope.number not in result.scopes:
        return False
    return result.weight is Weight.YELLOW or (result.weight is Weight.ADMITS and scope.needs_evidence)


def _from_rule(result: RuleResult) -> Cause:
    """Yellow, or evidence: a rule gives nothing else, whatever it returned."""
    aspect = Aspect.YELLOW if result.weight is Weight.YELLOW else Aspect.GREEN
    return Cause(
        kind=CauseKind.RULE, aspect=aspect, record_id=result.version_id, rule=result.rule, failed=result.failed
    )


def _in_force(entry: Entry) -> EntryInForce:
    return EntryInForce(
        entry_id=entry.id, effect=entry.effect, scopes=frozenset(entry.scopes), health=entry.version.health
    )


def _fact_in_force(fact: Fact) -> FactInForce:
    return FactInForce(fact_id=fact.id, weight=fact.weight, scopes=frozenset(fact.scopes))
