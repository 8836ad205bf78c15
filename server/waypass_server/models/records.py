"""What is recorded about the work itself: notices to holders, emergency withdrawals, and the log of every change."""

from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text, event, text
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Mapped, Mapper, mapped_column

from waypass_server.errors import ServerError
from waypass_server.models.base import ID, Base, Id, Seconds, stored


class NoticeKind(StrEnum):
    """What a notice tells the holder."""

    ENTRY = "entry"
    ENTRY_ENDED = "entry-ended"
    OBJECTION_DECIDED = "objection-decided"
    EXEMPTION = "exemption"
    EXEMPTION_ENDED = "exemption-ended"
    FACT = "fact"
    FACT_WITHDRAWN = "fact-withdrawn"
    FACT_REINSTATED = "fact-reinstated"
    WITHDRAWAL = "withdrawal"
    PAPER_REPLACED = "paper-replaced"
    WALLET_REPLACED = "wallet-replaced"


class WithdrawalState(StrEnum):
    """Past its limits, an emergency withdrawal waits for a second person."""

    WAITING = "waiting"
    DONE = "done"


_WAITS = text("delivered_at IS NULL")


class Notice(Base):
    """A notice to a holder. It is sent after the change that wrote it is committed; `delivered_at` is the record of
    that.
    """

    __tablename__ = "notices"
    # Of those that wait alone: they are found in their order however many were delivered before.
    __table_args__ = (Index("ix_notices_waiting", "id", sqlite_where=_WAITS, postgresql_where=_WAITS),)

    id: Mapped[Id]
    person_id: Mapped[int] = mapped_column(ID, ForeignKey("people.id"), index=True)
    entry_id: Mapped[int | None] = mapped_column(ID, ForeignKey("entries.id"))
    kind: Mapped[NoticeKind] = mapped_column(stored(NoticeKind))
    content: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[Seconds]
    delivered_at: Mapped[Seconds | None]
    delivery: Mapped[str | None] = mapped_column(String(200))


class EmergencyWithdrawal(Base):
    """All live passes of a person made invalid by one person, for a stated reason. It blocks no new pass."""

    __tablename__ = "emergency_withdrawals"

    id: Mapped[Id]
    network_id: Mapped[int] = mapped_column(ID, ForeignKey("networks.id"))
    person_id: Mapped[int] = mapped_column(ID, ForeignKey("people.id"), index=True)
    reason: Mapped[str] = mapped_column(Text)
    state: Mapped[WithdrawalState] = mapped_column(stored(WithdrawalState))
    asked_by: Mapped[int] = mapped_column(ID, ForeignKey("staff.id"))
    asked_at: Mapped[Seconds]
    confirmed_by: Mapped[int | None] = mapped_column(ID, ForeignKey("staff.id"))
    done_at: Mapped[Seconds | None] = mapped_column(index=True)
    passes: Mapped[int | None]


class ReplacedPaper(Base):
    """A live paper pass of a person that staff took away by making a new one. It counts as a withdrawal of theirs does
    (`withdrawals`), and is forgotten when it counts no more.
    """

    __tablename__ = "replaced_papers"

    id: Mapped[Id]
    network_id: Mapped[int] = mapped_column(ID, ForeignKey("networks.id"))
    person_id: Mapped[int] = mapped_column(ID, ForeignKey("people.id"), index=True)
    replaced_by: Mapped[int] = mapped_column(ID, ForeignKey("staff.id"))
    at: Mapped[Seconds] = mapped_column(index=True)


class Event(Base):
    """One change: who did what to which record, and when. `details` holds ids, states and numbers; never a name."""

    __tablename__ = "events"

    id: Mapped[Id]
    network_id: Mapped[int] = mapped_column(ID, ForeignKey("networks.id"))
    at: Mapped[Seconds]
    actor: Mapped[str] = mapped_column(String(20))
    staff_id: Mapped[int | None] = mapped_column(ID, ForeignKey("staff.id"))
    what: Mapped[str] = mapped_column(String(60))
    subject: Mapped[str] = mapped_column(String(40))
    subject_id: Mapped[int] = mapped_column(ID)
    details: Mapped[dict[str, Any]] = mapped_column(JSON)


class LogIsAppendOnly(ServerError):
    """Something tried to change or delete an event."""


def _refuse(_mapper: Mapper[Event], _connection: Connection, target: Event) -> None:
    raise LogIsAppendOnly(f"event {target.id}: the log is only ever added to")


event.listen(Event, "before_update", _refuse)
event.listen(Event, "before_delete", _refuse)
