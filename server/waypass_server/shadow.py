"""The shadow run: how many people would change colour if a version of a rule set were in force. It changes nothing.

Everybody in the network is weighed twice by the function that everybody's colours come from (`aspects.weigh`): as
things are, and with the version in place of what its rule set has in force. Whom it does not make worse now, but
within `AHEAD` by the clock, or once what hides it (another fact, an entry, an exemption) is over, is `later`, by the
facts that are known. The limits count them too: rules that wait for their hour are no way past. What is kept are
numbers: no person, no reference.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from waypass_protocol.passes import Aspect
from waypass_server.aspects import Ground, Known, Standing, ground_of, known_about, weigh, worsens
from waypass_server.many_rows import AnyRow
from waypass_server.models.lists_of_people import Fact
from waypass_server.models.people import Person
from waypass_server.models.rules import RuleSetVersion
from waypass_server.passes import aspects_said, live_passes_of, says_too_much
from waypass_server.rules import RuleSetInForce

AT_ONCE = 500
AHEAD = 30 * 24 * 3600
"""Seconds: the longer window of the limits."""


@dataclass(kw_only=True, slots=True)
class ScopeCount:
    """One scope. `people`: who have an aspect in it; `worse` and `better`: whose would change; `yellow`: how many would
    be yellow, and `yellow_now` are; `passes`: live ones that name it, of which `invalid` would get status 1 for it.
    """

    people: int = 0
    worse: int = 0
    better: int = 0
    yellow_now: int = 0
    yellow: int = 0
    passes: int = 0
    invalid: int = 0


@dataclass(kw_only=True, slots=True)
class Shadow:
    """What a run counted at `at`. People are counted once, however many of their scopes change. `failed`: for whom a
    rule could not be evaluated; `proposals`: for whom an entry would be proposed; `later`: whom it would make worse
    only later.
    """

    at: int
    people: int = 0
    worse: int = 0
    later: int = 0
    better: int = 0
    failed: int = 0
    proposals: int = 0
    passes: int = 0
    invalid: int = 0
    scopes: dict[int, ScopeCount] = field(default_factory=dict)
    rules: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, Any]:
        """For the database and the API."""
        names = ("at", "people", "worse", "later", "better", "failed", "proposals", "passes", "invalid")
        scopes = {
            str(number): {name: getattr(count, name) for name in ScopeCount.__slots__}
            for number, count in sorted(self.scopes.items())
        }
        return {**{name: getattr(self, name) for name in names}, "scopes": scopes, "rules": dict(self.rules)}


def run(session: Session, version: RuleSetVersion, now: int) -> Shadow:
    """Count. Reads everybody, some hundreds at once; nothing of the session is kept."""
    network_id = version.rule_set.network_id
    ground = ground_of(session, network_id)
    candidate = RuleSetInForce.of(version)
    others = [each for each in ground.rule_sets if each.rule_set_id != candidate.rule_set_id]
    then = Ground(scopes=ground.scopes, rule_sets=[*others, candidate])
    shadow = Shadow(at=now, scopes={scope.number: ScopeCount() for scope in ground.scopes})
    of_most = _worse_later(ground, then, (), now)  # the same for everybody of whom no fact is known
    for people in _pages(session, network_id):
        known = known_about(session, people, now)
        passes = _by_person(live_passes_of(session, people, now))
        for person in people:
            before, after = _both(ground, then, known[person], now)
            worse = _count_person(shadow, before, after, candidate.version_id)
            facts = known[person].facts
            shadow.later += not worse and (_worse_later(ground, then, facts, now) if facts else of_most)
            _count_passes(shadow, before.aspects, after.aspects, passes.get(person, []))
        session.expunge_all()
    return shadow


def _pages(session: Session, network_id: int) -> Iterator[Sequence[int]]:
    last = 0
    while True:
        query = select(Person.id).where(Person.network_id == network_id, Person.id > last)
        page = session.scalars(query.order_by(Person.id).limit(AT_ONCE)).all()
        if not page:
            return
        yield page
        last = page[-1]


def _both(ground: Ground, then: Ground, known: Known, now: int) -> tuple[Standing, Standing]:
    return weigh(ground, known, now), weigh(then, known, now)


def _worse_later(ground: Ground, then: Ground, facts: Sequence[Fact], now: int) -> bool:
    return worsens((ground, facts), (then, facts), since=now, until=now + AHEAD)


def _count_person(shadow: Shadow, before: Standing, after: Standing, version_id: int) -> bool:
    """Whether somebody is worse off."""
    worse = better = False
    for number, aspect in after.aspects.items():
        was, count = before.aspects[number], shadow.scopes[number]
        count.people += 1
        count.yellow_now += was is Aspect.YELLOW
        count.yellow += aspect is Aspect.YELLOW
        count.worse += aspect > was
        count.better += aspect < was
        worse, better = worse or aspect > was, better or aspect < was
    mine = [result for result in after.rules if result.version_id == version_id]
    shadow.people += 1
    shadow.worse += worse
    shadow.better += better
    shadow.failed += any(result.failed for result in mine)
    shadow.proposals += any(result.proposes is not None for result in mine)
    shadow.rules.update(result.rule for result in mine if not result.failed)
    return worse


def _count_passes(
    shadow: Shadow, before: Mapping[int, Aspect], after: Mapping[int, Aspect], passes: Sequence[AnyRow]
) -> None:
    """Those that are too permissive as things are go in any case, and are not counted."""
    for row in passes:
        shadow.passes += 1
        new = says_too_much(row, after) and not says_too_much(row, before)
        shadow.invalid += new
        for scope, said in aspects_said(row).items():
            number = int(scope)
            if number in shadow.scopes:
                shadow.scopes[number].passes += 1
                shadow.scopes[number].invalid += new and said < after.get(number, Aspect.RED)


def _by_person(rows: Sequence[AnyRow]) -> Mapping[int, list[AnyRow]]:
    found: dict[int, list[AnyRow]] = {}
    for row in rows:
        found.setdefault(row.person_id, []).append(row)
    return found
