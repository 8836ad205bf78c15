"""What holders are told.

`tell` writes a notice in the transaction of the change that it is about; it leaves after the commit (`delivery`).
"""

from sqlalchemy.orm import Session

from waypass_server.life import Actor, Kind
from waypass_server.models.records import Notice, NoticeKind

SYSTEM = Actor(kind=Kind.SYSTEM)


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
