"""Imports, and the batches of entries that came of them.

What the tables promise:

1. an import is known by the SHA-256 of its file: the same file is imported once for each kind, so that a second run of
   it finds the first. How many of its rows are handled stands in the transaction that handles them
2. a batch is what one import of entries proposed. It is approved as a whole; its entries then live as all others do
3. what was decided on a batch (`step`) is carried out on its entries a part at a time, in the order of their ids, and
   `reached` is the last one that it was carried out on: a crash in between loses and doubles nothing
"""

from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from waypass_server.models.base import ID, Base, Id, Seconds, stored


class ImportKind(StrEnum):
    """What the rows of a file are."""

    ENTRIES = "entries"
    FACTS = "facts"


class ImportState(StrEnum):
    """Whether the file was read to its end."""

    RUNNING = "running"
    DONE = "done"


class BatchState(StrEnum):
    """Where a batch is. `READING`: its import has not come to its end; `HELD`: past a limit, for a third person."""

    READING = "reading"
    PROPOSED = "proposed"
    HELD = "held"
    APPROVED = "approved"
    ENDED = "ended"


class BatchStep(StrEnum):
    """What is being carried out on the entries of a batch."""

    HOLD = "hold"
    APPROVE = "approve"
    END = "end"


class Import(Base):
    """One file. `rows` were handled: `added`, `known` (there already, nothing changed), `refused`, or `outcomes`."""

    __tablename__ = "imports"
    __table_args__ = (UniqueConstraint("network_id", "kind", "digest"),)

    id: Mapped[Id]
    network_id: Mapped[int] = mapped_column(ID, ForeignKey("networks.id"))
    kind: Mapped[ImportKind] = mapped_column(stored(ImportKind))
    digest: Mapped[str] = mapped_column(String(64))
    whole: Mapped[bool]
    staff_id: Mapped[int] = mapped_column(ID, ForeignKey("staff.id"))
    state: Mapped[ImportState] = mapped_column(stored(ImportState))
    rows: Mapped[int] = mapped_column(ID, default=0)
    added: Mapped[int] = mapped_column(ID, default=0)
    known: Mapped[int] = mapped_column(ID, default=0)
    refused: Mapped[int] = mapped_column(ID, default=0)
    begun_at: Mapped[Seconds]
    done_at: Mapped[Seconds | None]

    @property
    def outcomes(self) -> int:
        """Rows that said what became of the case of an entry that is there."""
        return self.rows - self.added - self.known - self.refused


class Batch(Base):
    """The entries of one import, for one decision. `entries`: how many were proposed."""

    __tablename__ = "batches"
    __table_args__ = (UniqueConstraint("import_id"), Index("ix_batches_network_id_state", "network_id", "state"))

    id: Mapped[Id]
    network_id: Mapped[int] = mapped_column(ID, ForeignKey("networks.id"))
    import_id: Mapped[int] = mapped_column(ID, ForeignKey("imports.id"))
    state: Mapped[BatchState] = mapped_column(stored(BatchState))
    entries: Mapped[int] = mapped_column(ID, default=0)
    proposed_by: Mapped[int] = mapped_column(ID, ForeignKey("staff.id"))
    proposed_at: Mapped[Seconds]
    approved_by: Mapped[int | None] = mapped_column(ID, ForeignKey("staff.id"))
    approved_at: Mapped[Seconds | None]
    confirmed_by: Mapped[int | None] = mapped_column(ID, ForeignKey("staff.id"))
    confirmed_at: Mapped[Seconds | None]
    ended_by: Mapped[int | None] = mapped_column(ID, ForeignKey("staff.id"))
    ended_at: Mapped[Seconds | None]
    step: Mapped[BatchStep | None] = mapped_column(stored(BatchStep), index=True)
    reached: Mapped[int] = mapped_column(ID, default=0)
