"""Notices leave, and it is recorded that they reached the holder.

What is not delivered yet is sent outside of any transaction, and then the deliveries are recorded, some at a time: a
crash in between sends those again. The notice of an entry moves that entry to notified, and only then does the basis's
notice period begin. A notice that cannot be sent is tried again at the next call and keeps no other from going.

An entry that has ended is announced to nobody any more: its notice is not sent. Where it was on its way when the entry
ended, the holder is told of the end too.
"""

import logging
from collections.abc import Mapping, Sequence

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from waypass_server import together
from waypass_server.life import State
from waypass_server.many_rows import among, change_rows, rows_of
from waypass_server.models.lists_of_people import Entry
from waypass_server.models.network import Network
from waypass_server.models.people import Person
from waypass_server.models.records import Notice, NoticeKind
from waypass_server.notices import NoticeNotSent, OutgoingNotice
from waypass_server.notifying import SYSTEM
from waypass_server.services import Services

AT_ONCE = 500

_log = logging.getLogger(__name__)


def deliver(services: Services, *, turns: int = 1) -> bool:
    """Send what waits, oldest first, and record it, `AT_ONCE` notices a turn; whether more may go at once."""
    after, some = 0, False
    for _ in range(turns):
        waiting = _waiting(services, after)
        receipts = _send(services, waiting)
        if receipts:
            with services.change() as session:
                _record(session, receipts, services.now())
        some = some or bool(receipts)
        if len(waiting) < AT_ONCE:
            return False
        after = waiting[-1].notice_id
    return some


def _send(services: Services, waiting: Sequence[OutgoingNotice]) -> dict[int, str]:
    """The receipts of those that were delivered."""
    receipts = {}
    for outgoing in waiting:
        try:
            receipts[outgoing.notice_id] = services.notices.send(outgoing)
        except NoticeNotSent as error:
            _log.warning("notice %d is not delivered yet: %s", outgoing.notice_id, error)
    return receipts


def _waiting(services: Services, after: int) -> list[OutgoingNotice]:
    still_true = or_(Notice.kind != NoticeKind.ENTRY, Entry.id.is_(None), Entry.state != State.ENDED)
    query = (
        select(Notice.id, Network.name, Person.reference, Notice.kind, Notice.created_at, Notice.content)
        .join(Person, Person.id == Notice.person_id)
        .join(Network, Network.id == Person.network_id)
        .outerjoin(Entry, Entry.id == Notice.entry_id)
        .where(Notice.delivered_at.is_(None), Notice.id > after, Network.name == services.settings.network, still_true)
        .order_by(Notice.id)
        .limit(AT_ONCE)
    )
    with services.database.reading() as session:
        return [
            OutgoingNotice(
                notice_id=notice_id,
                network=network,
                reference=reference,
                kind=kind.value,
                created_at=created_at,
                content=content,
            )
            for notice_id, network, reference, kind, created_at, content in rows_of(session, query)
        ]


def _record(session: Session, receipts: Mapping[int, str], now: int) -> None:
    """Those that another process of the server has recorded meanwhile are left out."""
    query = select(Notice.id, Notice.kind, Notice.entry_id)
    query = query.where(among(session, Notice.id, receipts), Notice.delivered_at.is_(None)).order_by(Notice.id)
    rows = rows_of(session, query.with_for_update(key_share=True))
    change_rows(session, Notice, ("delivered_at", "delivery"), [(now, receipts[row.id], row.id) for row in rows])
    announced = [row.entry_id for row in rows if row.kind is NoticeKind.ENTRY and row.entry_id is not None]
    together.begin_notice(session, announced, actor=SYSTEM, now=now)
