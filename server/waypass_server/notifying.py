"""What holders are told, and the record that it reached them.

`tell` writes a notice in the transaction of the change that it is about. `deliver` sends what is not delivered yet,
outside of any transaction, and then records each delivery; the notice of an entry moves that entry to notified, and
only then does the basis's notice period begin. A notice that cannot be sent is tried again at the next call and keeps
no other from going.
"""

import logging

from sqlalchemy import select
from sqlalchemy.orm import Session

from waypass_server import events, life
from waypass_server.life import Action, Actor, Kind, State
from waypass_server.models.lists_of_people import Entry
from waypass_server.models.network import Network
from waypass_server.models.people import Person
from waypass_server.models.records import Notice, NoticeKind
from waypass_server.notices import NoticeNotSent, OutgoingNotice
from waypass_server.reassess import reassess
from waypass_server.services import Services

AT_ONCE = 100
SYSTEM = Actor(kind=Kind.SYSTEM)

_log = logging.getLogger(__name__)


def tell(
    session: Session,
    *,
    person_id: int,
    kind: NoticeKind,
    now: int,
    entry_id: int | None = None,
    content: dict[str, object],
) -> None:
    """Write a notice; it goes out after the commit."""
    notice = Notice(person_id=person_id, entry_id=entry_id, kind=kind, content=content, created_at=now)
    session.add(notice)


def deliver(services: Services) -> int:
    """Send what waits, oldest first; how many were delivered."""
    delivered = 0
    for notice_id, outgoing in _waiting(services):
        try:
            receipt = services.notices.send(outgoing)
        except NoticeNotSent as error:
            _log.warning("notice %d is not delivered yet: %s", notice_id, error)
            continue
        with services.change() as session:
            _record(session, notice_id, receipt, services.now())
        delivered += 1
    return delivered


def _waiting(services: Services) -> list[tuple[int, OutgoingNotice]]:
    query = (
        select(Notice, Person.reference, Network.name)
        .join(Person, Person.id == Notice.person_id)
        .join(Network, Network.id == Person.network_id)
        .where(Notice.delivered_at.is_(None), Network.name == services.settings.network)
        .order_by(Notice.id)
        .limit(AT_ONCE)
    )
    with services.database.reading() as session:
        return [
            (notice.id, _outgoing(notice, reference, network)) for notice, reference, network in session.execute(query)
        ]


def _outgoing(notice: Notice, reference: str, network: str) -> OutgoingNotice:
    return OutgoingNotice(
        notice_id=notice.id,
        network=network,
        reference=reference,
        kind=notice.kind.value,
        created_at=notice.created_at,
        content=notice.content,
    )


def _record(session: Session, notice_id: int, receipt: str, now: int) -> None:
    notice = session.get_one(Notice, notice_id, with_for_update=True)
    if notice.delivered_at is not None:
        return  # another process of the server was quicker
    notice.delivered_at = now
    notice.delivery = receipt
    if notice.kind is NoticeKind.ENTRY and notice.entry_id is not None:
        _begin_notice_period(session, session.get_one(Entry, notice.entry_id), now)


def _begin_notice_period(session: Session, entry: Entry, now: int) -> None:
    if entry.state is not State.APPROVED:
        return  # withdrawn before the notice had left
    entry.state = life.after(Action.NOTIFY, entry.life(), SYSTEM, now)
    entry.notified_at = now
    entry.takes_effect_at = max(entry.starts_at, now + entry.version.notice)
    events.record(
        session,
        network_id=entry.network_id,
        at=now,
        actor=SYSTEM,
        what="entry.notified",
        subject=("entry", entry.id),
        takes_effect_at=entry.takes_effect_at,
    )
    reassess(session, entry.person_id, now)
