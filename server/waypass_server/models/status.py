"""Passes, the status lists that they stand in, and what was published of each list.

What the tables promise:

1. A pass is a place (list, index), a person and what it says; neither its text nor its holder's key is stored.
2. A place is used once: the pair (list, index) is unique among passes, and its bit in `status_blocks` stays when the
   pass is forgotten; a bit does not say whose it was, or when. Decoys are never passes.
3. `status_changes` is the outbox: its rows are written in the transaction that changes the passes, and are taken away
   in the transaction that stores the signed delta which carries them.
4. What is signed as a version is stored before it is published, once a version: (list, version) is a primary key.
5. Of a list that ended nothing stays but its row, so that its name is not given to another.

Times are whole UNIX seconds.
"""

from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, LargeBinary, SmallInteger, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from waypass_server.models.base import ID, Base, Id, Seconds, stored


class PassKind(StrEnum):
    """How a pass is carried."""

    BOUND = "bound"
    PAPER = "paper"


class StatusList(Base):
    """A list of 2^20 indexes. `name` is its LIST in topics; `closed`: no new pass gets a place in it; `ended_at`: when
    its last pass was forgotten; `cleared`: since then nothing of it is on the broker."""

    __tablename__ = "status_lists"
    __table_args__ = (UniqueConstraint("network_id", "name"), UniqueConstraint("uri"))

    id: Mapped[Id]
    network_id: Mapped[int] = mapped_column(ID, ForeignKey("networks.id"))
    name: Mapped[str] = mapped_column(String(64))
    uri: Mapped[str] = mapped_column(String(255))
    allocated: Mapped[int] = mapped_column(default=0)
    closed: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[Seconds]
    ended_at: Mapped[Seconds | None]
    cleared: Mapped[bool] = mapped_column(default=False)


class Block(Base):
    """1,024 neighbouring indexes of a list, from 1024 times `number` on: a bit for each that was ever given out or is a
    decoy, counted from the least significant of the first byte, and how many are `free`."""

    __tablename__ = "status_blocks"

    list_id: Mapped[int] = mapped_column(ID, ForeignKey("status_lists.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    free: Mapped[int]
    used: Mapped[bytes] = mapped_column(LargeBinary(128))


class Decoy(Base):
    """An index that no pass ever gets, so that the publisher can flip it to and fro."""

    __tablename__ = "status_decoys"

    list_id: Mapped[int] = mapped_column(ID, ForeignKey("status_lists.id"), primary_key=True)
    idx: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)


class PassRow(Base):
    """One pass. `aspects` maps scope numbers (as text) to 0, 1 or 2."""

    __tablename__ = "passes"
    __table_args__ = (UniqueConstraint("list_id", "idx"), Index("ix_passes_person_id_exp", "person_id", "exp"))

    id: Mapped[Id]
    person_id: Mapped[int] = mapped_column(ID, ForeignKey("people.id"))
    list_id: Mapped[int] = mapped_column(ID, ForeignKey("status_lists.id"))
    idx: Mapped[int]
    kind: Mapped[PassKind] = mapped_column(stored(PassKind))
    aspects: Mapped[dict[str, Any]] = mapped_column(JSON)
    iat: Mapped[Seconds]
    exp: Mapped[Seconds] = mapped_column(index=True)
    status: Mapped[int] = mapped_column(SmallInteger, default=0)
    created_at: Mapped[Seconds]


class Challenge(Base):
    """A nonce that a wallet may prove its holder keys against, once. Only its SHA-256 is stored."""

    __tablename__ = "pass_challenges"

    digest: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    wallet_id: Mapped[int] = mapped_column(ID, ForeignKey("wallets.id"), index=True)
    expires_at: Mapped[Seconds] = mapped_column(index=True)


class StatusChange(Base):
    """The outbox: an index whose new status is committed and not yet in a version."""

    __tablename__ = "status_changes"

    id: Mapped[Id]
    list_id: Mapped[int] = mapped_column(ID, ForeignKey("status_lists.id"))
    idx: Mapped[int]
    status: Mapped[int] = mapped_column(SmallInteger)
    committed_at: Mapped[Seconds]


class ListVersion(Base):
    """The newest version of a list; `digest` is the SHA-256 of its packed bytes. Apart from `status_lists`, so that
    issuing and publishing do not wait for each other."""

    __tablename__ = "status_versions"

    list_id: Mapped[int] = mapped_column(ID, ForeignKey("status_lists.id"), primary_key=True)
    version: Mapped[int] = mapped_column(ID)
    digest: Mapped[bytes] = mapped_column(LargeBinary(32))


class StoredDelta(Base):
    """The signed delta that leads to `version`, byte for byte as it is published."""

    __tablename__ = "status_deltas"

    list_id: Mapped[int] = mapped_column(ID, ForeignKey("status_lists.id"), primary_key=True)
    version: Mapped[int] = mapped_column(ID, primary_key=True, autoincrement=False)
    signed: Mapped[bytes] = mapped_column(LargeBinary)
    iat: Mapped[Seconds]


class StoredSnapshot(Base):
    """The newest signed snapshot of a list; with the deltas after it, it rebuilds the list. `compact` is the same in
    its compact form, where that is smaller."""

    __tablename__ = "status_snapshots"

    list_id: Mapped[int] = mapped_column(ID, ForeignKey("status_lists.id"), primary_key=True)
    version: Mapped[int] = mapped_column(ID)
    signed: Mapped[bytes] = mapped_column(LargeBinary)
    kid: Mapped[bytes] = mapped_column(LargeBinary(8))
    iat: Mapped[Seconds]
    exp: Mapped[Seconds]
    compact: Mapped[bytes | None] = mapped_column(LargeBinary)


RESTORED = "restored"
"""The `holder` of a network whose database was put back from a copy: nobody, until its lists were moved forward."""


class PublishedHead(Base):
    """The sequence of the newest head of a network, and which publisher may continue it (`holder`)."""

    __tablename__ = "status_heads"

    network_id: Mapped[int] = mapped_column(ID, ForeignKey("networks.id"), primary_key=True)
    sequence: Mapped[int] = mapped_column(ID)
    holder: Mapped[str] = mapped_column(String(32))
