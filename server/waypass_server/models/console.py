"""Who is signed in at the console, what was sent from its forms, and which tokens were tried in vain.

No token stands here: a session is found by the SHA-256 of what its cookie holds, and a form by that of its key.
"""

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from waypass_server.models.base import ID, Base, Id, Seconds


class ConsoleSession(Base):
    """A member of staff at a browser, until `ends_at` or until nothing came for a while (`seen_at`).

    `signed_in_with` is the hash of the staff token that was used: when that is replaced, the session is void.
    """

    __tablename__ = "console_sessions"

    id: Mapped[Id]
    staff_id: Mapped[int] = mapped_column(ID, ForeignKey("staff.id"))
    secret_hash: Mapped[str] = mapped_column(String(64), unique=True)
    signed_in_with: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[Seconds]
    seen_at: Mapped[Seconds]
    ends_at: Mapped[Seconds] = mapped_column(index=True)


class Submission(Base):
    """A form that was sent and carried out: `leads_to` is the page that came of it. Sent again, it only leads there."""

    __tablename__ = "console_submissions"
    __table_args__ = (UniqueConstraint("staff_id", "key_hash"),)

    id: Mapped[Id]
    staff_id: Mapped[int] = mapped_column(ID, ForeignKey("staff.id"))
    key_hash: Mapped[str] = mapped_column(String(64))
    leads_to: Mapped[str] = mapped_column(String(200))
    at: Mapped[Seconds] = mapped_column(index=True)


class FailedSignIn(Base):
    """A token that was tried and is none; forgotten when the window has passed. `source` is a keyed hash of the
    address.
    """

    __tablename__ = "failed_sign_ins"
    __table_args__ = (Index("ix_failed_sign_ins_source_at", "source", "at"),)

    id: Mapped[Id]
    at: Mapped[Seconds]
    source: Mapped[str] = mapped_column(String(64))
