"""Where many people stand at once: aspects and next look of each, by the rules of `aspects`, in a few queries and
without an object a row.

Most of many have entries and nothing else. Of those each kind of case is judged once; whoever has facts or exemptions
besides is weighed alone, as always.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from waypass_protocol.passes import Aspect
from waypass_server import rules
from waypass_server.aspects import EntryInForce, EntryTimes, Ground, ground_of, judge, known_about, weigh
from waypass_server.life import State
from waypass_server.many_rows import among, as_text, from_text, rows_of
from waypass_server.models.lists_of_people import (
    BasisVersion,
    Effect,
    Entry,
    Exemption,
    Fact,
    Objection,
    ObjectionState,
)
from waypass_server.rules import RuleResult

_Kind = tuple[Effect, str, bool]
"""Effect, scopes as they are stored, and whether the basis is one of health."""
_Entries = tuple[list[_Kind], list[int]]
"""What is in effect, and the next moment of each entry."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """The aspects by scope number, the next second at which anything may change by itself, and what rules gave."""

    aspects: Mapping[int, Aspect]
    until: int | None
    rules: Sequence[RuleResult]


def outlooks(session: Session, network_id: int, people: Sequence[int], now: int) -> dict[int, Outlook]:
    """Where each of these people stands at `now`, by id."""
    ground = ground_of(session, network_id)
    apart = _with_more(session, people, now)
    found = {}
    for person_id, known in known_about(session, sorted(apart), now).items() if apart else ():
        standing = weigh(ground, known, now)
        found[person_id] = Outlook(standing.aspects, standing.until, standing.rules)
    return found | _of_entries_alone(session, ground, [one for one in people if one not in apart], now)


def open_decisions(session: Session, people: Sequence[int]) -> dict[int, int]:
    """By when the first open objection to each of these people's entries has to be decided, by the entry's id."""
    query = (
        select(Objection.entry_id, func.min(Objection.decide_by))
        .join(Entry, Entry.id == Objection.entry_id)
        .where(among(session, Entry.person_id, people), Objection.state == ObjectionState.OPEN)
        .group_by(Objection.entry_id)
    )
    return dict(session.execute(query).all())


def _with_more(session: Session, people: Sequence[int], now: int) -> set[int]:
    """Those about whom more is known than entries."""
    facts = select(Fact.person_id).where(among(session, Fact.person_id, people), Fact.withdrawn_at.is_(None))
    exemptions = select(Exemption.person_id).where(among(session, Exemption.person_id, people), Exemption.ends_at > now)
    return {*session.scalars(facts.where(Fact.valid_until > now)), *session.scalars(exemptions)}


def _of_entries_alone(session: Session, ground: Ground, people: Sequence[int], now: int) -> dict[int, Outlook]:
    results, rules_change = rules.apply(ground.rule_sets, (), now)
    judged: dict[tuple[_Kind, ...], Mapping[int, Aspect]] = {}
    entries = _entries_of(session, people, now)
    nothing: _Entries = ([], [])
    found = {}
    for person_id in people:
        kinds, moments = entries.get(person_id, nothing)
        case = tuple(sorted(kinds))
        aspects = judged.get(case)
        if aspects is None:
            aspects = judged[case] = _judge(ground, case, results)
        until = min(moments, default=None)
        if rules_change is not None:
            until = rules_change if until is None else min(until, rules_change)
        found[person_id] = Outlook(aspects, until, results)
    return found


def _entries_of(session: Session, people: Sequence[int], now: int) -> Mapping[int, _Entries]:
    decisions = open_decisions(session, people)
    query = (
        select(
            Entry.person_id,
            Entry.id,
            Entry.effect,
            as_text(Entry.scopes),
            BasisVersion.health,
            Entry.state,
            Entry.takes_effect_at,
            Entry.ends_at,
            Entry.confirmed_at,
        )
        .join(BasisVersion, BasisVersion.id == Entry.basis_version_id)
        .where(among(session, Entry.person_id, people), Entry.state != State.ENDED)
    )
    found: dict[int, _Entries] = defaultdict(lambda: ([], []))
    for person_id, entry_id, effect, scopes, health, state, takes_effect, ends, confirmed in rows_of(session, query):
        moves = EntryTimes(state, takes_effect, ends, confirmed, decisions.get(entry_id))
        kinds, moments = found[person_id]
        moments.append(max(moves.next(), now))
        if moves.in_effect(now):
            kinds.append((effect, scopes, health))
    return found


def _judge(ground: Ground, case: Sequence[_Kind], results: Sequence[RuleResult]) -> Mapping[int, Aspect]:
    entries = [
        EntryInForce(entry_id=0, effect=effect, scopes=frozenset(from_text(scopes)), health=health)
        for effect, scopes, health in case
    ]
    return judge(ground.scopes, entries=entries, facts=(), exemptions=(), rules=results)[0]
