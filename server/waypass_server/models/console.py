"""Who is signed in at the console, what was sent from its forms, and the files that wait to be imported.

No token stands here: a session is found by the SHA-256 of what its cookie holds, and a form by that of its key.
"""

from typing import Any

from sqlalchemy import JSON, ForeignKey, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from waypass_server.models.base import ID, Base, Id, Seconds, stored
from waypass_server.models.bulk import ImportKind
from waypass_server.ways import Way


class ConsoleSession(Base):
    """A member of staff at a browser, until `ends_at` or until nothing came for a while (`seen_at`).

    `signed_in_with` is the hash of the staff token that was used: when that is replaced, the session is void. It is
    empty for every other way.
    """

    __tablename__ = "console_sessions"

    id: Mapped[Id]
    staff_id: Mapped[int] = mapped_column(ID, ForeignKey("staff.id"))
    secret_hash: Mapped[str] = mapped_column(String(64), unique=True)
    way: Mapped[Way] = mapped_column(stored(Way))
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


class WaitingFile(Base):
    """A file that a member of staff has brought, and what a look at it found (`bulk.waiting`). `digest` is the SHA-256
    by which an import knows it, `form` how it is written, `whole` whether all of it is to be taken or nothing. What it
    is called is not kept: that may name somebody.
    """

    __tablename__ = "waiting_files"
    # A number is given once: a page that shows an earlier file must not lead to a later one.
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[Id]
    staff_id: Mapped[int] = mapped_column(ID, ForeignKey("staff.id"), index=True)
    kind: Mapped[ImportKind] = mapped_column(stored(ImportKind))
    form: Mapped[str] = mapped_column(String(20))
    digest: Mapped[str] = mapped_column(String(64))
    size: Mapped[int] = mapped_column(ID)
    whole: Mapped[bool]
    seen: Mapped[dict[str, Any]] = mapped_column(JSON)
    at: Mapped[Seconds] = mapped_column(index=True)


class FilePart(Base):
    """Some bytes of a file that waits; parts are numbered from 0."""

    __tablename__ = "waiting_file_parts"

    file_id: Mapped[int] = mapped_column(ID, ForeignKey("waiting_files.id"), primary_key=True)
    number: Mapped[int] = mapped_column(ID, primary_key=True, autoincrement=False)
    data: Mapped[bytes] = mapped_column(LargeBinary)
