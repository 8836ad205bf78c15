"""Steps of many entries' lives in a few statements: what `entries` does for one, with the same rows, notices and log.

From which state a step goes and where it leads is said by `life.RULES` and nowhere else; an entry that is not there any
more when it is locked is left out. Whose doing it is was checked by whoever calls. Entries are locked first, then
people, then the log, each by rising ids (`database`).

People are not reassessed here, but looked at again no later than they have to be (`look_again`): the scheduler does it.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import case, select, update
from sqlalchemy.orm import Session, joinedload

from waypass_server import events, life
from waypass_server.entries import OVER, describe, logged
from waypass_server.events import ManyOf
from waypass_server.life import CONFIRMATION_PERIOD, Action, Actor, End, State
from waypass_server.many_rows import AnyRow, add_rows, among, as_text, change_rows, on_postgresql, rows_of
from waypass_server.models.lists_of_people import (
    Basis,
    BasisVersion,
    CaseState,
    Entry,
    Objection,
    ObjectionState,
)
from waypass_server.models.people import Person
from waypass_server.models.records import Notice, NoticeKind

_COLUMNS = (
    Entry.id,
    Entry.network_id,
    Entry.person_id,
    Entry.basis_version_id,
    Entry.effect,
    as_text(Entry.scopes).label("scopes_text"),
    Entry.reason,
    Entry.case_reference,
    Entry.case_state,
    Entry.starts_at,
    Entry.ends_at,
    Entry.notified_at,
    Entry.state,
    Entry.end,
)
_Many = Sequence[AnyRow]
_LOCKED_AT_ONCE = 10_000


def hold(session: Session, ids: Sequence[int], *, actor: Actor, approved_at: int, now: int) -> int:
    """They are held past a limit, for a third person; how many."""
    rows = _lock(session, ids, life.RULES[Action.HOLD].sources)
    _set(session, rows, state=State.HELD, approved_by=actor.staff_id, approved_at=approved_at)
    _log(session, rows, "entry.held", State.HELD, actor, now)
    return len(rows)


def approve(
    session: Session,
    ids: Sequence[int],
    *,
    approved_by: int,
    approved_at: int,
    confirmer: int | None,
    actor: Actor,
    now: int,
) -> int:
    """They are approved, and with `confirmer` confirmed by a third person; the holders are told. How many."""
    action = Action.APPROVE if confirmer is None else Action.CONFIRM
    sources = life.RULES[Action.APPROVE].sources | life.RULES[action].sources
    rows = _lock(session, ids, sources)
    values = {"approved_by": approved_by, "approved_at": approved_at, "confirmed_by": confirmer, "confirmed_at": now}
    _set(session, rows, state=State.APPROVED, **values)
    versions = _versions(session, rows)
    told = [(row, describe(row, versions[row.basis_version_id], now)) for row in rows]
    _tell(session, told, NoticeKind.ENTRY, now)
    look_again(session, {row.person_id: now + CONFIRMATION_PERIOD for row in rows})
    what = "entry.approved" if confirmer is None else "entry.confirmed"
    _log(session, rows, what, State.APPROVED, actor, now, versions)
    return len(rows)


def begin_notice(session: Session, ids: Sequence[int], *, actor: Actor, now: int) -> int:
    """Their notices were delivered, and the basis's period begins; how many. Of one that ended while its notice was on
    its way the holder is told the end as well.
    """
    found = _lock(session, ids, {*life.RULES[Action.NOTIFY].sources, State.ENDED})
    _tell_ended_meanwhile(session, [row for row in found if row.state is State.ENDED], actor, now)
    rows = [row for row in found if row.state is not State.ENDED]
    versions = _versions(session, rows)
    moments: dict[int, int] = {}
    logged_: dict[int, dict[str, Any]] = {}
    said = []
    for version_id, version in versions.items():
        mine = [row for row in rows if row.basis_version_id == version_id]
        earliest = now + version.notice
        begins = case((Entry.starts_at > earliest, Entry.starts_at), else_=earliest)
        _set(session, mine, state=State.NOTIFIED, notified_at=now, takes_effect_at=begins)
        for row in mine:
            at = max(row.starts_at, earliest)
            moments[row.person_id] = min(at, moments.get(row.person_id, at))
            details = logged_.setdefault(at, {"takes_effect_at": at})
            said.append(ManyOf(row.id, row.person_id, details))
    look_again(session, moments)
    _record(session, rows, "entry.notified", said, actor, now)
    return len(rows)


def take_effect(session: Session, people: Sequence[int], *, actor: Actor, now: int) -> int:
    """The notice period is over for those of these people's entries for which it is; how many. None of them ends now:
    that was looked at before. The people are reassessed by whoever calls.
    """
    if not people:
        return 0
    due = select(Entry.id).where(among(session, Entry.person_id, people), Entry.takes_effect_at <= now)
    sources = life.RULES[Action.TAKE_EFFECT].sources
    rows = _lock(session, session.scalars(due.where(Entry.state.in_(sources))).all(), sources)
    _set(session, rows, state=State.IN_EFFECT, effective_at=now)
    _log(session, rows, "entry.in-effect", State.IN_EFFECT, actor, now)
    return len(rows)


def end(session: Session, ids: Sequence[int], action: Action, *, actor: Actor, now: int) -> int:
    """They end: withdrawn, undone, expired or lapsed; who was told of one is told that it ended. How many. The people
    are looked at again at once.
    """
    rule = life.RULES[action]
    rows = _lock(session, ids, rule.sources)
    _set(session, rows, state=State.ENDED, end=rule.end, ended_at=now)
    open_ = among(session, Objection.entry_id, (row.id for row in rows)), Objection.state == ObjectionState.OPEN
    moot = update(Objection).where(*open_).values(state=ObjectionState.MOOT)
    session.execute(moot.execution_options(synchronize_session=False))
    # A notice that has not left yet is not sent any more (`delivery`): there is no end to tell of.
    _tell_end(session, [(row, rule.end) for row in rows if row.notified_at is not None], now)
    look_again(session, {row.person_id: now for row in rows})
    _log(session, rows, f"entry.{action.value}", State.ENDED, actor, now)
    return len(rows)


def _tell_ended_meanwhile(session: Session, rows: _Many, actor: Actor, now: int) -> None:
    """The first notice reached the holder after all."""
    _set(session, rows, notified_at=now)
    _tell_end(session, [(row, row.end) for row in rows], now)
    _log(session, rows, "entry.notified", State.ENDED, actor, now)


def _tell_end(session: Session, ended: Sequence[tuple[AnyRow, End | None]], now: int) -> None:
    told = [(row, {"entry": row.id, "end": str(end), "reason": row.reason}) for row, end in ended]
    _tell(session, told, NoticeKind.ENTRY_ENDED, now)


def tell_cases(session: Session, outcomes: Mapping[int, CaseState], *, actor: Actor, now: int) -> int:
    """What became of the source cases of these entries is recorded; dismissed, or won by the person, ends them. How
    many were changed.
    """
    found = _lock(session, list(outcomes), life.RULES[Action.DISMISS].sources)
    rows = [row for row in found if row.case_state is not outcomes[row.id]]
    for state in CaseState:
        mine = [row for row in rows if outcomes[row.id] is state]
        _set(session, mine, case_state=state)
        _log(session, mine, "entry.case", None, actor, now, case=state.value)
    end(session, [row.id for row in rows if outcomes[row.id] in OVER], Action.DISMISS, actor=actor, now=now)
    return len(rows)


def lock_first(session: Session, entries: Iterable[int], people: Iterable[int]) -> None:
    """Lock what a transaction of several steps is about to change, both by rising ids: what its steps lock by
    themselves would be in the order of the steps. On SQLite a change has the writer's lock from its beginning.
    """
    if on_postgresql(session):
        for ids, column in ((entries, Entry.id), (people, Person.id)):
            rest = iter(ids)
            while some := list(islice(rest, _LOCKED_AT_ONCE)):
                query = select(column).where(among(session, column, some)).order_by(column)
                rows_of(session, query.with_for_update(key_share=True))


def look_again(session: Session, moments: Mapping[int, int]) -> None:
    """Look at each of these people at this second at the latest."""
    query = select(Person.id, Person.reassess_at).where(among(session, Person.id, moments)).order_by(Person.id)
    rows = rows_of(session, query.with_for_update(key_share=True))
    earlier = [
        (moments[person_id], person_id)
        for person_id, planned in rows
        if planned is None or planned > moments[person_id]
    ]
    change_rows(session, Person, ("reassess_at",), earlier)


def _lock(session: Session, ids: Sequence[int], sources: Iterable[State]) -> _Many:
    if not ids:
        return []
    query = select(*_COLUMNS).where(among(session, Entry.id, ids), Entry.state.in_(sources)).order_by(Entry.id)
    return rows_of(session, query.with_for_update(key_share=True))


def _set(session: Session, rows: _Many, **values: Any) -> None:
    if rows:
        change = update(Entry).where(among(session, Entry.id, (row.id for row in rows))).values(**values)
        session.execute(change.execution_options(synchronize_session=False))


def _versions(session: Session, rows: _Many) -> dict[int, BasisVersion]:
    wanted = {row.basis_version_id for row in rows}
    query = select(BasisVersion).where(BasisVersion.id.in_(wanted))
    query = query.options(joinedload(BasisVersion.basis).joinedload(Basis.authority))
    return {version.id: version for version in session.scalars(query)}


def _tell(session: Session, told: Sequence[tuple[AnyRow, dict[str, object]]], kind: NoticeKind, now: int) -> None:
    rows = [(row.person_id, row.id, kind.value, json.dumps(content), now) for row, content in told]
    add_rows(session, Notice, ("person_id", "entry_id", "kind", "content", "created_at"), rows)


def _log(
    session: Session,
    rows: _Many,
    what: str,
    state: State | None,
    actor: Actor,
    now: int,
    versions: Mapping[int, BasisVersion] | None = None,
    **more: object,
) -> None:
    """`state`: the one that they are in now; None is the one that they were in. `more` is said of each of them."""
    if versions is None:
        versions = _versions(session, rows)
    alike: dict[tuple[object, ...], dict[str, Any]] = {}
    said = []
    for row in rows:
        stays = state or row.state
        key = row.basis_version_id, row.effect, row.scopes_text, row.starts_at, row.ends_at, stays
        details = alike.get(key)
        if details is None:
            details = alike[key] = logged(row, versions[row.basis_version_id], stays) | more
        said.append(ManyOf(row.id, row.person_id, details))
    _record(session, rows, what, said, actor, now)


def _record(session: Session, rows: _Many, what: str, said: Sequence[ManyOf], actor: Actor, now: int) -> None:
    if rows:
        network_id = rows[0].network_id
        events.record_many(session, network_id=network_id, at=now, actor=actor, what=what, subject="entry", rows=said)
