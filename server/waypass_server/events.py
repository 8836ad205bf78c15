"""The log of changes: one row a change, in the change's own transaction, only ever added to.

Each event gets a leaf in the public log as the last thing before the commit (`publiclog.store`); so a session that
records events is one of `Database.changing`. What was recorded within a savepoint that is taken back is not recorded.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import event as happening
from sqlalchemy.orm import Session, SessionTransaction

from waypass_protocol.logrecords import LogRecord, RecordForm
from waypass_server.database import BEFORE_COMMIT, RANDOM_BYTES, RandomBytes
from waypass_server.life import Actor
from waypass_server.many_rows import add_rows, new_ids
from waypass_server.models.records import Event
from waypass_server.publiclog import store


def record(
    session: Session,
    *,
    network_id: int,
    at: int,
    actor: Actor,
    what: str,
    subject: tuple[str, int],
    **details: object,
) -> None:
    """Add one event. `subject` is a kind of record and its id; `details` are ids, states and numbers, never names."""
    event = Event(
        network_id=network_id,
        at=at,
        actor=actor.kind.value,
        staff_id=actor.staff_id,
        what=what,
        subject=subject[0],
        subject_id=subject[1],
        details=details,
    )
    session.add(event)
    _leaves_of(session).events.append(event)


@dataclass(frozen=True, slots=True)
class ManyOf:
    """One event of many that are alike: which record, whom it concerns, and what is to be said of it. Rows that share
    their `details` are encoded together.
    """

    subject_id: int
    person_id: int | None
    details: Mapping[str, Any] = field(default_factory=dict)


def record_many(
    session: Session,
    *,
    network_id: int,
    at: int,
    actor: Actor,
    what: str,
    subject: str,
    rows: Sequence[ManyOf],
) -> None:
    """Add an event for each row, with its leaf, in a few statements: for bulk. They are written before the commit,
    after those that were recorded one by one.
    """
    group = _Group(network_id=network_id, at=at, actor=actor, what=what, subject=subject, rows=rows)
    _leaves_of(session).groups.append(group)


_COLUMNS = ("id", "network_id", "at", "actor", "staff_id", "what", "subject", "subject_id", "details")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Group:
    """Events that are alike."""

    network_id: int
    at: int
    actor: Actor
    what: str
    subject: str
    rows: Sequence[ManyOf]

    def write(self, session: Session, random_bytes: RandomBytes) -> None:
        """Events and leaves."""
        kind, staff_id = self.actor.kind.value, self.actor.staff_id
        same = (self.network_id, self.at, kind, staff_id, self.what, self.subject)
        forms: dict[int, tuple[str, RecordForm]] = {}
        stored: list[tuple[object, ...]] = []
        changes: list[store.Change] = []
        for event_id, row in zip(new_ids(session, Event, len(self.rows)), self.rows, strict=True):
            form = forms.get(id(row.details))
            if form is None:
                form = forms[id(row.details)] = json.dumps(row.details), RecordForm(self._record(row.details))
            stored.append((event_id, *same, row.subject_id, form[0]))
            changes.append(store.Change(event_id, row.person_id, form[1].with_id(row.subject_id)))
        add_rows(session, Event, _COLUMNS, stored)
        store.append(session, self.network_id, changes, random_bytes)

    def _record(self, details: Mapping[str, Any]) -> LogRecord:
        return LogRecord(
            at=self.at,
            actor=self.actor.kind.value,
            staff=self.actor.staff_id,
            what=self.what,
            subject=self.subject,
            subject_id=0,
            details=details,
        )


@dataclass(slots=True)
class _Leaves:
    """The events that a session recorded; called before its commit. `savepoints` has how many there were when each
    of those began.
    """

    random_bytes: RandomBytes
    events: list[Event] = field(default_factory=list)
    groups: list[_Group] = field(default_factory=list)
    savepoints: WeakKeyDictionary[SessionTransaction, tuple[int, int]] = field(default_factory=WeakKeyDictionary)

    def follow(self, session: Session) -> None:
        """Know of the session's savepoints from now on."""
        happening.listen(session, "after_transaction_create", self._begun)
        happening.listen(session, "after_soft_rollback", self._taken_back)

    def _begun(self, _session: Session, transaction: SessionTransaction) -> None:
        if transaction.nested:
            self.savepoints[transaction] = len(self.events), len(self.groups)

    def _taken_back(self, _session: Session, transaction: SessionTransaction) -> None:
        if transaction.nested:
            # One that began before anything was recorded is not known here.
            events, groups = self.savepoints.get(transaction, (0, 0))
            del self.events[events:], self.groups[groups:]

    def __call__(self, session: Session) -> None:
        store.append_events(session, self.events, self.random_bytes)
        for group in self.groups:
            group.write(session, self.random_bytes)


def _leaves_of(session: Session) -> _Leaves:
    held = session.info.get(BEFORE_COMMIT)
    if held is None:
        held = session.info[BEFORE_COMMIT] = _Leaves(session.info[RANDOM_BYTES])
        held.follow(session)
    assert isinstance(held, _Leaves)
    return held
