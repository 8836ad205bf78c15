"""People, as opaque references and nothing else, and how their wallets come to them.

There is no name, picture, place or contact here, and no column may be added for one.
"""

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from waypass_server.models.base import ID, Base, Id, Seconds


class Person(Base):
    """One person. `reassess_at` is the next second at which something about them changes by itself."""

    __tablename__ = "people"
    __table_args__ = (UniqueConstraint("network_id", "reference"),)

    id: Mapped[Id]
    network_id: Mapped[int] = mapped_column(ID, ForeignKey("networks.id"))
    reference: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[Seconds]
    reassess_at: Mapped[Seconds | None] = mapped_column(index=True)


class DeskCode(Base):
    """A single-use code that a desk hands to a person. Only its hash is kept."""

    __tablename__ = "desk_codes"

    id: Mapped[Id]
    person_id: Mapped[int] = mapped_column(ID, ForeignKey("people.id"), index=True)
    code_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[Seconds]
    expires_at: Mapped[Seconds] = mapped_column(index=True)
    used_at: Mapped[Seconds | None]


class Wallet(Base):
    """A wallet that a person enrolled; `ended_at` once another took its place. The token itself is not kept."""

    __tablename__ = "wallets"

    id: Mapped[Id]
    person_id: Mapped[int] = mapped_column(ID, ForeignKey("people.id"), index=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[Seconds]
    ended_at: Mapped[Seconds | None] = mapped_column(index=True)


class FailedEnrolment(Base):
    """A code that was tried and is none; forgotten when the window has passed. `source` is a keyed hash of the
    address.
    """

    __tablename__ = "failed_enrolments"
    __table_args__ = (Index("ix_failed_enrolments_at_source", "at", "source"),)

    id: Mapped[Id]
    at: Mapped[Seconds]
    source: Mapped[str] = mapped_column(String(64))
