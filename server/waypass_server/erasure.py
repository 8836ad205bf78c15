"""Forgetting one person, by the operator: for how long what was decided is kept is for law and operator to say.

1. an entry about the person has to have ended (`Conflict`): nobody is forgotten in the middle of an objection, and no
   entry goes that a gate still acts on
2. live passes get status 1 first, as with a withdrawal; their indexes are never given out again
3. then everything goes that says anything about the person: entries with their objections, exemptions, facts, notices,
   withdrawals, what rules proposed, passes, wallets, codes, and the reference itself
4. of the public log go record and salt of each leaf that concerns the person, and the event; the leaf stays, and nobody
   can say any more what it was (`publiclog.store`)
5. it is one transaction, and an event that names nobody

Copies of the database, and what was carried out of it (notices, exports), are the operator's to forget.
"""

from typing import Any

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from waypass_server import events
from waypass_server.life import State
from waypass_server.models.lists_of_people import Entry, Exemption, Fact, Objection
from waypass_server.models.people import DeskCode, Person, Wallet
from waypass_server.models.records import EmergencyWithdrawal, Event, Notice, ReplacedPaper
from waypass_server.models.rules import RuleProposal
from waypass_server.models.status import Challenge, PassRow
from waypass_server.notifying import SYSTEM
from waypass_server.passes import lock_person, withdraw_passes
from waypass_server.publiclog import store
from waypass_server.refusals import Conflict


def erase(session: Session, person: Person, now: int) -> int:
    """Forget the person; how many records of the log went. Raises `Conflict` (rule 1)."""
    network_id = person.network_id
    lock_person(session, person.id)
    _check_ended(session, person)
    withdraw_passes(session, person.id, now, reason="erasure")
    session.flush()
    for key, which in _rows_of(person.id):
        _delete(session, key, which)
    gone = store.forget_person(session, person.id)
    # Those without a leaf: that passes were issued.
    _delete(session, Event.id, (Event.subject == "person") & (Event.subject_id == person.id))
    _delete(session, Person.id, Person.id == person.id)
    session.expunge(person)
    events.record(
        session,
        network_id=network_id,
        at=now,
        actor=SYSTEM,
        what="person.forgotten",
        subject=("network", network_id),
        records=gone,
    )
    return gone


def _check_ended(session: Session, person: Person) -> None:
    """Rule 1."""
    alive = select(Entry.id).where(Entry.person_id == person.id, Entry.state != State.ENDED).order_by(Entry.id)
    found = session.scalars(alive).all()
    if found:
        numbers = ", ".join(map(str, found))
        raise Conflict(f"forget: expected a person without an entry that has not ended, there are {numbers}")


def _rows_of(person_id: int) -> list[tuple[InstrumentedAttribute[Any], ColumnElement[bool]]]:
    """Rule 3: what names a row, and which ones are the person's; those that refer to others come before them."""
    wallets = select(Wallet.id).where(Wallet.person_id == person_id)
    entries = select(Entry.id).where(Entry.person_id == person_id)
    return [
        (Challenge.digest, Challenge.wallet_id.in_(wallets)),
        (Wallet.id, Wallet.person_id == person_id),
        (DeskCode.id, DeskCode.person_id == person_id),
        (PassRow.id, PassRow.person_id == person_id),
        (Notice.id, Notice.person_id == person_id),
        (RuleProposal.id, RuleProposal.person_id == person_id),
        (Objection.id, Objection.entry_id.in_(entries)),
        (Entry.id, Entry.person_id == person_id),
        (Exemption.id, Exemption.person_id == person_id),
        (Fact.id, Fact.person_id == person_id),
        (EmergencyWithdrawal.id, EmergencyWithdrawal.person_id == person_id),
        (ReplacedPaper.id, ReplacedPaper.person_id == person_id),
    ]


def _delete(session: Session, key: InstrumentedAttribute[Any], which: ColumnElement[bool]) -> None:
    session.execute(delete(key.class_).where(which).execution_options(synchronize_session=False))
