"""The log of changes for those who look it through: newest first, by kind, by authority, by time, a page at a time.

1. an event is of an authority when a member of its staff did it, or when it is about an entry, an objection, a basis or
   a rule set of that authority
2. each event comes with its leaf's number in the public log, once it has one; those that have none by rule
   (`publiclog.store.UNLOGGED`), and those of people who were forgotten, are without
3. when a wallet fetched passes is not in it: that is nobody's doing but the holder's, and when somebody is on their way
   is nobody's business
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, and_, or_, select
from sqlalchemy.orm import Session

from waypass_server.models.lists_of_people import Basis, BasisVersion, Entry, Objection
from waypass_server.models.network import Staff
from waypass_server.models.public_log import LogOpening
from waypass_server.models.records import Event
from waypass_server.models.rules import RuleProposal, RuleSet

OF_WALLETS = frozenset({"passes.issued"})
"""Rule 3."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Filter:
    """What is wanted. `subjects` empty: of every kind; `authority_id` None: of anybody. Times are UNIX seconds, `until`
    exclusive. `before`: only events with a lower id than this, 0 for the newest.
    """

    subjects: tuple[str, ...] = ()
    authority_id: int | None = None
    since: int | None = None
    until: int | None = None
    before: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """An event, and the number of its leaf (rule 2)."""

    event: Event
    leaf: int | None


def read(session: Session, network_id: int, wanted: Filter, *, most: int) -> Sequence[Line]:
    """The newest events that are wanted."""
    query = (
        select(Event, LogOpening.idx)
        .outerjoin(LogOpening, LogOpening.event_id == Event.id)
        .where(Event.network_id == network_id, Event.what.not_in(OF_WALLETS), *_conditions(wanted))
    )
    rows = session.execute(query.order_by(Event.id.desc()).limit(most))
    return [Line(event=event, leaf=leaf) for event, leaf in rows]


def _conditions(wanted: Filter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.before:
        found.append(Event.id < wanted.before)
    if wanted.subjects:
        found.append(Event.subject.in_(wanted.subjects))
    if wanted.since is not None:
        found.append(Event.at >= wanted.since)
    if wanted.until is not None:
        found.append(Event.at < wanted.until)
    if wanted.authority_id is not None:
        found.append(_of_authority(wanted.authority_id))
    return found


def _of_authority(authority_id: int) -> ColumnElement[bool]:
    """Rule 1."""
    theirs = select(Entry.id).join(BasisVersion, BasisVersion.id == Entry.basis_version_id)
    theirs = theirs.join(Basis, Basis.id == BasisVersion.basis_id).where(Basis.authority_id == authority_id)
    proposals = select(RuleProposal.id).join(Basis, Basis.id == RuleProposal.basis_id)
    records: dict[str, Select[int]] = {
        "entry": theirs,
        "objection": select(Objection.id).where(Objection.entry_id.in_(theirs)),
        "basis": select(Basis.id).where(Basis.authority_id == authority_id),
        "rule-set": select(RuleSet.id).where(RuleSet.authority_id == authority_id),
        "rule-proposal": proposals.where(Basis.authority_id == authority_id),
    }
    staff = select(Staff.id).where(Staff.authority_id == authority_id)
    about = [and_(Event.subject == name, Event.subject_id.in_(query)) for name, query in records.items()]
    return or_(Event.staff_id.in_(staff), *about)
