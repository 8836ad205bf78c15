"""A person's standing: the aspect in every scope, and everything that contributes to it. One pure function decides.

For each scope of the network, in this order:

1. a scope by grant counts only for people with a grant in effect; without one it is absent, and no pass names it
2. under an exemption it is green, whatever else there is
3. otherwise it is the worst of:
   - the entries in effect that name it; red in an essential scope counts only from a basis of health
   - the facts in force that name it, or that name no scope: yellow, and never more
   - yellow, if it needs evidence and there is no health certificate in force
4. green when there is none of these

An entry is in effect by the clock, not by when somebody looked: from `takes_effect_at` until its end, or until its
reconfirmation or the decision on an objection is overdue, unless it is suspended or has ended.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from waypass_protocol.passes import Aspect
from waypass_server.life import State
from waypass_server.models.lists_of_people import Effect, Entry, Exemption, Fact, ObjectionState, Weight
from waypass_server.models.network import Scope
from waypass_server.models.people import Person


class CauseKind(StrEnum):
    """What contributes to an aspect."""

    ENTRY = "entry"
    GRANT = "grant"
    FACT = "fact"
    EVIDENCE = "evidence"
    NO_EVIDENCE = "no-evidence"
    EXEMPTION = "exemption"


@dataclass(frozen=True, kw_only=True, slots=True)
class Cause:
    """One contribution. `record_id` is the id of the entry, fact or exemption; None where something is lacking."""

    kind: CauseKind
    aspect: Aspect
    record_id: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """The aspects by scope number; a scope that is absent is not for this person. `until` is the next second at which
    anything may change by itself, or None.
    """

    aspects: Mapping[int, Aspect]
    why: Mapping[int, Sequence[Cause]]
    until: int | None


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


_STRENGTH = {Effect.RED: Aspect.RED, Effect.YELLOW: Aspect.YELLOW}


def judge(
    scopes: Iterable[ScopeRules],
    *,
    entries: Sequence[EntryInForce],
    facts: Sequence[FactInForce],
    exemptions: Sequence[int],
) -> tuple[dict[int, Aspect], dict[int, tuple[Cause, ...]]]:
    """Aspects and causes by scope number, by the module's rules. `exemptions` are the ids of those in force."""
    aspects: dict[int, Aspect] = {}
    why: dict[int, tuple[Cause, ...]] = {}
    for scope in scopes:
        grants = _grants(scope, entries)
        if scope.by_grant and not grants:
            continue
        contributions = [*_from_entries(scope, entries), *_from_facts(scope, facts)]
        aspect = max((cause.aspect for cause in contributions), default=Aspect.GREEN)
        exempt = [Cause(kind=CauseKind.EXEMPTION, aspect=Aspect.GREEN, record_id=one) for one in exemptions]
        aspects[scope.number] = Aspect.GREEN if exempt else aspect
        why[scope.number] = (*exempt, *grants, *contributions)
    return aspects, why


def standing_of(session: Session, person_id: int, now: int, *, as_if: Entry | None = None) -> Standing:
    """The standing of a person at `now` (UNIX seconds). `as_if`: an entry that counts as if it were in effect already,
    for whoever has to know what it would do.
    """
    network_id = session.execute(select(Person.network_id).where(Person.id == person_id)).scalar_one()
    scopes = session.scalars(select(Scope).where(Scope.network_id == network_id).order_by(Scope.number)).all()
    entries = _living_entries(session, person_id)
    facts = session.scalars(
        select(Fact).where(Fact.person_id == person_id, Fact.withdrawn_at.is_(None), Fact.valid_until > now)
    ).all()
    exemptions = session.scalars(
        select(Exemption).where(Exemption.person_id == person_id, Exemption.ends_at > now)
    ).all()
    aspects, why = judge(
        [_scope_rules(scope) for scope in scopes],
        entries=[_in_force(entry) for entry in entries if entry is as_if or is_in_effect(entry, now)],
        facts=[_fact_in_force(fact) for fact in facts if fact.valid_from <= now],
        exemptions=[exemption.id for exemption in exemptions if exemption.starts_at <= now],
    )
    return Standing(aspects=aspects, why=why, until=_next_change(entries, facts, exemptions, now))


def is_in_effect(entry: Entry, now: int) -> bool:
    """Whether an entry has its effect at `now`, by the clock."""
    if entry.state not in (State.NOTIFIED, State.IN_EFFECT) or entry.takes_effect_at is None:
        return False
    limits = (entry.ends_at, entry.confirm_by(), open_decision_deadline(entry))
    return entry.takes_effect_at <= now < min(limit for limit in limits if limit is not None)


def open_decision_deadline(entry: Entry) -> int | None:
    """When the entry lapses because an objection to it is not decided; None without an open objection."""
    return min((one.decide_by for one in entry.objections if one.state is ObjectionState.OPEN), default=None)


def entry_deadlines(entry: Entry) -> list[int]:
    """Every second at which an entry that has not ended may move by itself."""
    moments = [entry.ends_at, entry.confirm_by(), open_decision_deadline(entry)]
    if entry.state is State.NOTIFIED:
        moments.append(entry.takes_effect_at)
    return [moment for moment in moments if moment is not None]


def _living_entries(session: Session, person_id: int) -> Sequence[Entry]:
    return session.scalars(select(Entry).where(Entry.person_id == person_id, Entry.state != State.ENDED)).all()


def _next_change(
    entries: Sequence[Entry], facts: Sequence[Fact], exemptions: Sequence[Exemption], now: int
) -> int | None:
    # A step that is overdue is due now; taking it is what ends its deadline.
    moments = [max(moment, now) for entry in entries for moment in entry_deadlines(entry)]
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


def _from_facts(scope: ScopeRules, facts: Sequence[FactInForce]) -> list[Cause]:
    causes = []
    admitted = False
    for fact in facts:
        if fact.scopes and scope.number not in fact.scopes:
            continue
        if fact.weight is Weight.YELLOW:
            causes.append(Cause(kind=CauseKind.FACT, aspect=Aspect.YELLOW, record_id=fact.fact_id))
        elif fact.weight is Weight.ADMITS and scope.needs_evidence:
            admitted = True
            causes.append(Cause(kind=CauseKind.EVIDENCE, aspect=Aspect.GREEN, record_id=fact.fact_id))
    if scope.needs_evidence and not admitted:
        causes.append(Cause(kind=CauseKind.NO_EVIDENCE, aspect=Aspect.YELLOW))
    return causes


def _scope_rules(scope: Scope) -> ScopeRules:
    return ScopeRules(
        number=scope.number,
        essential=scope.essential,
        by_grant=scope.by_grant,
        needs_evidence=scope.needs_evidence,
    )


def _in_force(entry: Entry) -> EntryInForce:
    return EntryInForce(
        entry_id=entry.id, effect=entry.effect, scopes=frozenset(entry.scopes), health=entry.version.health
    )


def _fact_in_force(fact: Fact) -> FactInForce:
    return FactInForce(fact_id=fact.id, weight=fact.weight, scopes=frozenset(fact.scopes))
