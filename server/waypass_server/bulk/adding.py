"""Rows of a file become entries or facts, some thousands in a few statements.

A row is held to the rules of `entries.propose` and `facts.report`, by the same functions; what breaks one is a
`BadRow`. What is there already (the same person, basis, case, effect and scopes for an entry that has not ended; the
same person, source, reason and end for a fact) is known and added no second time, so that a file that was mended can be
imported whole.

A row of an entry that is known may say what became of its case. Upheld is recorded; dismissed, or won by the person,
ends the entry, at once and without another person: restoring is never harder than withdrawing. Said again it is known.
Where rows of one file contradict each other, an outcome that ended the entry stands.
"""

import json
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from waypass_server import bases, entries, events, facts, together, worsening
from waypass_server.aspects import ground_of
from waypass_server.bases import Proposer
from waypass_server.bulk.errors import BadRow
from waypass_server.bulk.lines import AnyLine, EntryLine, FactLine
from waypass_server.entries import Proposal
from waypass_server.events import ManyOf
from waypass_server.facts import Report
from waypass_server.life import State
from waypass_server.many_rows import add_rows, among, new_ids
from waypass_server.models.bulk import ImportKind
from waypass_server.models.lists_of_people import BasisVersion, CaseState, Effect, Entry, Fact, Weight
from waypass_server.models.network import Scope
from waypass_server.models.people import Person
from waypass_server.models.records import Notice, NoticeKind
from waypass_server.people import known_scopes
from waypass_server.refusals import Problem
from waypass_server.together import look_again

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")
Numbered = tuple[int, AnyLine]
"""A row with its line."""

_AFTER_ALL = 1 << 62
"""Ids of facts that are not in the database yet, behind all that are."""


@dataclass(kw_only=True, slots=True)
class Judged:
    """Some rows, sorted: those to add, those that say what became of a case, how many are known, and those that are
    refused.
    """

    good: list[Any] = field(default_factory=list)
    outcomes: list["Outcome"] = field(default_factory=list)
    known: int = 0
    bad: list[BadRow] = field(default_factory=list)

    def people(self) -> set[int]:
        """Who is changed by the rows that are taken."""
        return {new.person_id for new in self.good} | {outcome.key[0] for outcome in self.outcomes}

    def entries(self) -> set[int]:
        """Entries that are there and are changed."""
        return {entry_id for outcome in self.outcomes for entry_id in outcome.entries}


def judge(session: Session, kind: ImportKind, rows: Sequence[Numbered], *, by: Proposer, now: int) -> Judged:
    """Sort rows; changes nothing."""
    people = _people(session, by.network_id, (row.person for _, row in rows))
    judging: Any = _judge_entries if kind is ImportKind.ENTRIES else _judge_facts
    judged: Judged = judging(session, rows, people, by, now)
    return judged


def add(session: Session, kind: ImportKind, judged: Judged, *, by: Proposer, batch_id: int | None, now: int) -> None:
    """Add the rows that were found good, and what they say of cases."""
    if judged.outcomes:
        together.lock_first(session, sorted(judged.entries()), sorted(judged.people()))
    if judged.good:
        if kind is ImportKind.ENTRIES:
            _add_entries(session, judged.good, by, batch_id, now)
        else:
            _add_facts(session, judged.good, by, now)
    if judged.outcomes:
        _tell_cases(session, judged.outcomes, by, now)


def _people(session: Session, network_id: int, references: Iterable[str]) -> Mapping[str, int]:
    """By their exact references."""
    query = select(Person.reference, Person.id).where(Person.network_id == network_id)
    found = session.execute(query.where(among(session, Person.reference, set(references))))
    return dict(found.all())


@dataclass(frozen=True, slots=True)
class _NewEntry:
    person_id: int
    version: BasisVersion
    proposal: Proposal


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the case of the entries with this key; `entries` are those of them that were there before."""

    key: "_EntryKey"
    state: CaseState
    entries: tuple[int, ...]


_EntryKey = tuple[int, int, Effect, tuple[int, ...], str]
"""What makes it the same entry: person, basis, effect, scopes and case."""


def _key_of(person_id: int, row: EntryLine) -> _EntryKey:
    return person_id, row.basis, row.effect, tuple(sorted(row.scopes)), row.case_reference


@dataclass(kw_only=True, slots=True)
class _Cases:
    """The entries that are there, by key: the states of their cases and their ids, and which have ended."""

    alive: dict[_EntryKey, set[CaseState]]
    ids: dict[_EntryKey, list[int]]
    ended: set[_EntryKey]

    def is_news(self, key: _EntryKey, state: CaseState) -> bool | None:
        """Whether a row says something new of what became of a case; None where it says nothing of that, as one does
        whose case is open, or there is no such entry.
        """
        before = self.alive.get(key)
        if state is CaseState.OPEN:
            return None
        if before is None:
            return False if state in entries.OVER and key in self.ended else None
        if before == {state} or before & entries.OVER:
            return False
        self.alive[key] = {state}
        return True


def _judge_entries(
    session: Session, rows: Sequence[tuple[int, EntryLine]], people: Mapping[str, int], by: Proposer, now: int
) -> Judged:
    judged = Judged()
    cases = _cases(session, list(people.values()), ended=any(row.case_state in entries.OVER for _, row in rows))
    versions: _Once[int, BasisVersion] = _Once(lambda basis_id: _version(session, by, basis_id))
    scopes = _scopes(session, by)
    for line, row in rows:
        person_id = people.get(row.person)
        key = None if person_id is None else _key_of(person_id, row)
        proposal = _proposal(row, now)
        try:
            version = versions.get(row.basis)
            # What became of a case needs none of what a proposal does: no look at exclusions, no time for notice.
            news = None if key is None else cases.is_news(key, row.case_state)
            if key is not None and news is not None:
                judged.known += not news
                judged.outcomes += [Outcome(key, row.case_state, tuple(cases.ids.get(key, ())))] if news else []
                continue
            entries.check_content(proposal, version, scopes.get(row.scopes), now)
        except Problem as problem:
            judged.bad.append(_bad(line, problem))
            continue
        if person_id is None or key is None:
            judged.bad.append(_nobody(line))
            continue
        if key in cases.alive:
            judged.known += 1
        else:
            cases.alive[key] = {row.case_state}
            judged.good.append(_NewEntry(person_id, version, proposal))
    return judged


def _cases(session: Session, people: Sequence[int], *, ended: bool) -> _Cases:
    """`ended`: those that have ended are asked for too."""
    found = _Cases(alive={}, ids={}, ended=set())
    for entry_id, key, state, case_state in _with_keys(session, people, ended=ended):
        if state is State.ENDED:
            found.ended.add(key)
        else:
            found.alive.setdefault(key, set()).add(case_state)
            found.ids.setdefault(key, []).append(entry_id)
    return found


def _with_keys(
    session: Session, people: Sequence[int], *, ended: bool
) -> Iterator[tuple[int, _EntryKey, State, CaseState]]:
    columns = (Entry.id, Entry.person_id, BasisVersion.basis_id, Entry.effect, Entry.scopes, Entry.case_reference)
    query = select(*columns, Entry.state, Entry.case_state).join(
        BasisVersion, BasisVersion.id == Entry.basis_version_id
    )
    query = query.where(among(session, Entry.person_id, people))
    if not ended:
        query = query.where(Entry.state != State.ENDED)
    for entry_id, person_id, basis_id, effect, scopes, case, state, case_state in session.execute(query):
        yield entry_id, (person_id, basis_id, effect, tuple(scopes), case), state, case_state


def _tell_cases(session: Session, outcomes: Sequence[Outcome], by: Proposer, now: int) -> None:
    wanted = {each.key: each.state for each in outcomes}
    people = sorted({key[0] for key in wanted})
    found = {entry_id: wanted[key] for entry_id, key, _, _ in _with_keys(session, people, ended=False) if key in wanted}
    together.tell_cases(session, found, actor=by.actor, now=now)


def _version(session: Session, by: Proposer, basis_id: int) -> BasisVersion:
    basis = bases.find_basis(session, by.network_id, basis_id)
    version = bases.version_in_force(basis)
    bases.check_authority(basis, by)
    return version


def _proposal(row: EntryLine, now: int) -> Proposal:
    return Proposal(
        person=row.person,
        basis_id=row.basis,
        effect=row.effect,
        scopes=row.scopes,
        reason=row.reason,
        case_reference=row.case_reference,
        case_state=row.case_state,
        starts_at=now if row.starts_at is None else row.starts_at,
        ends_at=row.ends_at,
        exclusions_checked=row.exclusions_checked,
    )


_ENTRY = (
    "id",
    "network_id",
    "person_id",
    "basis_version_id",
    "effect",
    "scopes",
    "reason",
    "case_reference",
    "case_state",
    "starts_at",
    "ends_at",
    "state",
    "proposed_by",
    "proposed_at",
    "batch_id",
)


def _add_entries(session: Session, good: Sequence[_NewEntry], by: Proposer, batch_id: int | None, now: int) -> None:
    rows, said, until = [], [], dict[int, int]()
    alike: dict[tuple[object, ...], tuple[str, dict[str, Any]]] = {}
    proposed = State.PROPOSED.value, by.staff_id, now, batch_id
    for entry_id, new in zip(new_ids(session, Entry, len(good)), good, strict=True):
        mine, version = new.proposal, new.version
        key = version.id, mine.effect, mine.scopes, mine.starts_at, mine.ends_at
        same = alike.get(key)
        if same is None:
            said_of_all = entries.logged(mine, version, State.PROPOSED)
            said_of_all["scopes"] = sorted(mine.scopes)
            same = alike[key] = json.dumps(sorted(mine.scopes)), said_of_all
        what = mine.effect.value, same[0], mine.reason, mine.case_reference, mine.case_state.value
        rows.append(
            (entry_id, by.network_id, new.person_id, version.id, *what, mine.starts_at, mine.ends_at, *proposed)
        )
        said.append(ManyOf(entry_id, new.person_id, same[1]))
        until[new.person_id] = min(mine.ends_at, until.get(new.person_id, mine.ends_at))
    add_rows(session, Entry, _ENTRY, rows)
    look_again(session, until)
    events.record_many(
        session, network_id=by.network_id, at=now, actor=by.actor, what="entry.proposed", subject="entry", rows=said
    )


@dataclass(frozen=True, slots=True)
class _NewFact:
    person_id: int
    report: Report

    def key(self) -> tuple[object, ...]:
        """What makes it the same fact."""
        mine = self.report
        weight = Weight.YELLOW if mine.yellow else Weight.NONE
        scopes = tuple(sorted(mine.scopes))
        return self.person_id, mine.kind, mine.source, weight, scopes, mine.reason, mine.valid_until


def _judge_facts(
    session: Session, rows: Sequence[tuple[int, FactLine]], people: Mapping[str, int], by: Proposer, now: int
) -> Judged:
    judged = Judged()
    known = _known_facts(session, list(people.values()), now)
    scopes = _scopes(session, by)
    for line, row in rows:
        report = _report(row, now)
        try:
            if report.scopes:
                scopes.get(report.scopes)
            facts.check_validity(report, now)
        except Problem as problem:
            judged.bad.append(_bad(line, problem))
            continue
        person_id = people.get(row.person)
        if person_id is None:
            judged.bad.append(_nobody(line))
            continue
        new = _NewFact(person_id, report)
        if new.key() in known:
            judged.known += 1
        else:
            known.add(new.key())
            judged.good.append(new)
    return judged


def _known_facts(session: Session, people: Sequence[int], now: int) -> set[tuple[object, ...]]:
    query = select(
        Fact.person_id, Fact.kind, Fact.source, Fact.weight, Fact.scopes, Fact.reason, Fact.valid_until
    ).where(among(session, Fact.person_id, people), Fact.withdrawn_at.is_(None), Fact.valid_until > now)
    return {(*row[:4], tuple(row[4]), *row[5:]) for row in session.execute(query)}


def _report(row: FactLine, now: int) -> Report:
    return Report(
        kind=row.kind.value,
        source=row.source,
        reason=row.reason,
        yellow=row.yellow,
        scopes=row.scopes,
        valid_from=now if row.valid_from is None else row.valid_from,
        valid_until=row.valid_until,
    )


_FACT = (
    "id",
    "network_id",
    "person_id",
    "kind",
    "source",
    "weight",
    "scopes",
    "reason",
    "valid_from",
    "valid_until",
    "recorded_by",
    "recorded_at",
)


def worsened_by(
    session: Session, judged: Judged, *, by: Proposer, now: int, besides: Container[int] = ()
) -> tuple[int, set[int]]:
    """How many people count for the facts that would be added: one for each yellow fact, and each person whom rules
    turn for one that is not. The latter too, less those that are counted already (`besides`).
    """
    return _worsened(session, [new for new in judged.good if isinstance(new, _NewFact)], by, now, besides)


def _worsened(
    session: Session, good: Sequence[_NewFact], by: Proposer, now: int, besides: Container[int]
) -> tuple[int, set[int]]:
    yellow = [new.person_id for new in good if new.report.yellow]
    turned: set[int] = set()
    ground = ground_of(session, by.network_id)
    if ground.rule_sets:
        others = {new.person_id for new in good}.difference(yellow)
        more: dict[int, list[Fact]] = {person_id: [] for person_id in others if person_id not in besides}
        before = facts.facts_of(session, more, now)
        for fact_id, new in enumerate(good, _AFTER_ALL):
            if new.person_id in more:
                fact = facts.fact_of(
                    new.report, network_id=by.network_id, person_id=new.person_id, staff_id=by.staff_id, now=now
                )
                fact.id = fact_id
                more[new.person_id].append(fact)
        for person_id, added in more.items():
            known = before[person_id]
            if facts.makes_worse(ground, known, [*known, *added], now):
                turned.add(person_id)
    return len(yellow) + len(turned), turned


def _add_facts(session: Session, good: Sequence[_NewFact], by: Proposer, now: int) -> None:
    worsening.lock_network(session, by.network_id)  # before anybody's facts are looked at
    people, _ = _worsened(session, good, by, now, ())
    facts.count_worsened(session, by.network_id, by.actor, people, now)
    rows, notices, said, moments = [], [], [], dict[int, int]()
    alike: dict[tuple[str, Weight], dict[str, Any]] = {}
    for fact_id, new in zip(new_ids(session, Fact, len(good)), good, strict=True):
        mine, weight = new.report, Weight.YELLOW if new.report.yellow else Weight.NONE
        what = mine.kind, mine.source, weight.value, json.dumps(sorted(mine.scopes)), mine.reason
        when = mine.valid_from, mine.valid_until, by.staff_id, now
        rows.append((fact_id, by.network_id, new.person_id, *what, *when))
        told = json.dumps(facts.describe(fact_id, mine))
        notices.append((new.person_id, NoticeKind.FACT.value, told, now))
        details = alike.setdefault((mine.kind, weight), {"kind": mine.kind, "weight": weight.value})
        said.append(ManyOf(fact_id, new.person_id, details))
        at = max(mine.valid_from, now)
        moments[new.person_id] = min(at, moments.get(new.person_id, at))
    add_rows(session, Fact, _FACT, rows)
    add_rows(session, Notice, ("person_id", "kind", "content", "created_at"), notices)
    look_again(session, moments)
    events.record_many(
        session, network_id=by.network_id, at=now, actor=by.actor, what="fact.recorded", subject="fact", rows=said
    )


class _Once(Generic[_Key, _Value]):
    """Looks each key up once; what was refused is refused again."""

    def __init__(self, look_up: Callable[[_Key], _Value]) -> None:
        self._look_up = look_up
        self._found: dict[_Key, _Value | Problem] = {}

    def get(self, key: _Key) -> _Value:
        """Raises what the look-up raised."""
        found = self._found.get(key)
        if found is None:
            try:
                found = self._look_up(key)
            except Problem as problem:
                found = problem
            self._found[key] = found
        if isinstance(found, Problem):
            raise found
        return found


def _scopes(session: Session, by: Proposer) -> _Once[tuple[int, ...], dict[int, Scope]]:
    return _Once(lambda numbers: known_scopes(session, by.network_id, list(numbers)))


def _bad(line: int, problem: Problem) -> BadRow:
    """A refusal of the domain, in the parts of its message: `column: expected .., got ..`."""
    column, _, rest = str(problem).partition(": ")
    rest = rest.removeprefix("expected ")
    expected, _, got = rest.partition(", got " if ", got " in rest else ", ")
    column = _COLUMN.get(column, column.partition(" ")[0])
    return BadRow(line=line, column=column, expected=expected, got=got or "another")


_COLUMN = {"case": "case_state"}


def _nobody(line: int) -> BadRow:
    return BadRow(line=line, column="person", expected="a reference that is known in this network", got="another")
