"""Requests that were carried out, so that the same one sent again is not carried out twice."""

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from waypass_server.models.base import ID, Base, Id, Seconds


class DoneRequest(Base):
    """One request of a member of staff that came with a key: by the hash of the key and of what was asked, and the id
    of the record that came of it. Nothing of what it said stands here.
    """

    __tablename__ = "done_requests"
    __table_args__ = (UniqueConstraint("staff_id", "key_hash"),)

    id: Mapped[Id]
    staff_id: Mapped[int] = mapped_column(ID, ForeignKey("staff.id"))
    key_hash: Mapped[str] = mapped_column(String(64))
    request_hash: Mapped[str] = mapped_column(String(64))
    record_id: Mapped[int] = mapped_column(ID)
    at: Mapped[Seconds] = mapped_column(index=True)
