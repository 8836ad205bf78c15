"""The shadow run: how many people would change colour if a version of a rule set were in force. It changes nothing.

Everybody in the network is weighed twice by the function that everybody's colours come from (`aspects.weigh`): as
things are, and with the version in place of what its rule set has in force. Whom it does not make worse now, but
within `AHEAD` by the clock, or once what hides it (another fact, an entry, an exemption) is over, is `later`, by the
facts that are known; what staff recorded themselves is followed for as long as it lasts, since they said when. The
limits count them too: rules that wait for their hour are no way past, and none waits for a date that is further away
(`rule_dates`). What is kept are numbers: no person, no reference.

A run is some hours old when it is approved by, and people's facts have changed meanwhile. What it saw is known exactly:
how far the public log was, whose leaves are numbered in the order of the commits (`publiclog.store`). So `not_counted`
looks again at whom later leaves are about, and at nobody else; and a run that saw other scopes or other rules in force
than there are now serves for nothing (`check_ground`).
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from waypass_protocol.passes import Aspect
from waypass_server.aspects import Ground, Known, Standing, ground_of, known_about, weigh, worsens
from waypass_server.facts import facts_of
from waypass_server.many_rows import AnyRow, among, rows_of
from waypass_server.models.lists_of_people import Fact
from waypass_server.models.people import Person
from waypass_server.models.public_log import LogOpening, LogTree
from waypass_server.models.records import Event
from waypass_server.models.rules import RuleSetVersion
from waypass_server.passes import aspects_said, live_passes_of, says_too_much
from waypass_server.refusals import Conflict
from waypass_server.rules import RuleSetInForce

AT_ONCE = 500
AHEAD = 30 * 24 * 3600
"""Seconds: the longer window of the limits."""
_CAME, _RECORDED, _REINSTATED, _WITHDRAWN = "person.registered", "fact.recorded", "fact.reinstated", "fact.withdrawn"


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
    only later. `log_size` and `ground` are what it saw: the public log's leaves, and scopes and rules in force.
    """

    at: int
    log_size: int
    ground: dict[str, Any]
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
        seen = {"log_size": self.log_size, "ground": self.ground}
        return {**{name: getattr(self, name) for name in names}, "scopes": scopes, "rules": dict(self.rules), **seen}


def run(session: Session, version: RuleSetVersion, now: int) -> Shadow:
    """Count. Reads everybody, some hundreds at once, in a session that sees one moment (`Database.reading`); nothing of
    it is kept.
    """
    network_id = version.rule_set.network_id
    candidate = RuleSetInForce.of(version)
    ground, then = _grounds(session, network_id, candidate)
    log_size = session.scalars(select(LogTree.size).where(LogTree.network_id == network_id)).one_or_none() or 0
    scopes = {scope.number: ScopeCount() for scope in ground.scopes}
    shadow = Shadow(at=now, log_size=log_size, ground=_ground_as_json(ground), scopes=scopes)
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


def check_ground(session: Session, version: RuleSetVersion) -> None:
    """Raises `Conflict` unless the version's shadow run saw the scopes and the rules in force that there are now."""
    ground = ground_of(session, version.rule_set.network_id)
    if version.shadow is None or version.shadow.get("ground") != _ground_as_json(ground):
        raise Conflict(
            "approve: expected the scopes and the other rules that the shadow run saw in force, they have changed "
            "since; run it again, look at it, then approve"
        )


def not_counted(session: Session, version: RuleSetVersion, now: int) -> int:
    """How many people the version would make worse, at once or later, whom its shadow run has not counted: of those who
    came since, or whose facts were recorded, reinstated or withdrawn. Whoever lost a fact counts in any case, since
    what rules saw of it may be gone. The network is locked (`worsening.lock_network`) and the ground is the run's
    (`check_ground`).
    """
    kept = version.shadow or {}
    network_id, since, log_size = version.rule_set.network_id, int(kept["at"]), int(kept["log_size"])
    ground, then = _grounds(session, network_id, RuleSetInForce.of(version))
    later = LogOpening.network_id == network_id, LogOpening.idx >= log_size
    what = Event.what.in_((_CAME, _RECORDED, _REINSTATED, _WITHDRAWN))
    changes = select(LogOpening.person_id, Event.what, Event.subject_id).join(Event, Event.id == LogOpening.event_id)
    whom = changes.where(*later, what, LogOpening.person_id.is_not(None))
    people = rows_of(session, whom.with_only_columns(LogOpening.person_id).distinct())
    found = 0
    for at in range(0, len(people), AT_ONCE):
        page = [row.person_id for row in people[at : at + AT_ONCE]]
        changed = _by_person(rows_of(session, changes.where(among(session, LogOpening.person_id, page), *later, what)))
        facts = facts_of(session, page, since)
        for person_id in page:
            known = [fact for fact in facts[person_id] if fact.valid_until > now]
            if _worse_later(ground, then, known, now):
                seen = _facts_seen(facts[person_id], changed[person_id], now)
                found += seen is None or not _worse_later(ground, then, seen, since)
    return found


def _grounds(session: Session, network_id: int, candidate: RuleSetInForce) -> tuple[Ground, Ground]:
    """As it is, and with the candidate in place of what its rule set has in force."""
    ground = ground_of(session, network_id)
    others = [each for each in ground.rule_sets if each.rule_set_id != candidate.rule_set_id]
    return ground, Ground(scopes=ground.scopes, rule_sets=[*others, candidate])


def _ground_as_json(ground: Ground) -> dict[str, Any]:
    scopes = [[scope.number, scope.essential, scope.by_grant, scope.needs_evidence] for scope in ground.scopes]
    return {"scopes": scopes, "versions": [each.version_id for each in ground.rule_sets]}


def _facts_seen(facts: Sequence[Fact], changed: Sequence[AnyRow], now: int) -> Sequence[Fact] | None:
    """Those of somebody's facts that the run saw; None where that is not known, or the run did not see the person."""
    what: dict[str, set[int]] = defaultdict(set)
    for row in changed:
        what[row.what].add(row.subject_id)
    seen = [fact for fact in facts if fact.id not in what[_RECORDED] | what[_REINSTATED]]
    # What is over may be forgotten, and what was withdrawn is.
    gone = any(fact.valid_until <= now for fact in seen) or what[_WITHDRAWN] - what[_RECORDED]
    return None if what[_CAME] or gone else seen


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
    noted = (fact.valid_until for fact in facts if fact.recorded_by is not None and fact.digest is None)
    return worsens((ground, facts), (then, facts), since=now, until=max([now + AHEAD, *noted]))


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
