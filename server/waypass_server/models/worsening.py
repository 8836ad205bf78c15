"""Limits on how many people may be worsened, the changes to them, and the public alarms when one is passed."""

from enum import StrEnum

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from waypass_server.models.base import ID, Base, Id, Seconds, stored


class Level(StrEnum):
    """Over whom a limit counts: the entries of one basis, of one authority, or of the network."""

    BASIS = "basis"
    AUTHORITY = "authority"
    NETWORK = "network"


class Window(StrEnum):
    """Over how long: sliding, up to now."""

    DAY = "day"
    MONTH = "month"

    @property
    def seconds(self) -> int:
        """24 hours, or 30 days."""
        return 86_400 if self is Window.DAY else 30 * 86_400


class WorsenedSum(Base):
    """How many approvals worsened somebody in one bucket of ten minutes. `bucket` is its first second."""

    __tablename__ = "worsened_sums"

    network_id: Mapped[int] = mapped_column(ID, ForeignKey("networks.id"), primary_key=True)
    level: Mapped[Level] = mapped_column(stored(Level), primary_key=True)
    subject_id: Mapped[int] = mapped_column(ID, primary_key=True)
    bucket: Mapped[Seconds] = mapped_column(primary_key=True)
    people: Mapped[int] = mapped_column(ID)


class LimitChange(Base):
    """Another value for a limit. In force from `in_force_at`, which is set when enough people have agreed; a raise is
    public until then. `subject_id` is the basis or the authority; 0 for the network.
    """

    __tablename__ = "limit_changes"
    __table_args__ = (Index("ix_limit_changes_subject", "network_id", "level", "subject_id", "window"),)

    id: Mapped[Id]
    network_id: Mapped[int] = mapped_column(ID, ForeignKey("networks.id"))
    level: Mapped[Level] = mapped_column(stored(Level))
    subject_id: Mapped[int] = mapped_column(ID)
    window: Mapped[Window] = mapped_column(stored(Window))
    value: Mapped[int] = mapped_column(ID)
    before: Mapped[int] = mapped_column(ID)
    proposed_by: Mapped[int] = mapped_column(ID, ForeignKey("staff.id"))
    proposed_at: Mapped[Seconds]
    second_by: Mapped[int | None] = mapped_column(ID, ForeignKey("staff.id"))
    second_at: Mapped[Seconds | None]
    third_by: Mapped[int | None] = mapped_column(ID, ForeignKey("staff.id"))
    third_at: Mapped[Seconds | None]
    in_force_at: Mapped[Seconds | None]
    withdrawn_at: Mapped[Seconds | None]


class Alarm(Base):
    """An approval that passed a limit: how many people it would have made, and how many may be. Public, and it names
    nobody.
    """

    __tablename__ = "alarms"
    __table_args__ = (Index("ix_alarms_network_id_at", "network_id", "at"),)

    id: Mapped[Id]
    network_id: Mapped[int] = mapped_column(ID, ForeignKey("networks.id"))
    at: Mapped[Seconds]
    level: Mapped[Level] = mapped_column(stored(Level))
    subject_id: Mapped[int] = mapped_column(ID)
    window: Mapped[Window] = mapped_column(stored(Window))
    people: Mapped[int] = mapped_column(ID)
    limit: Mapped[int] = mapped_column(ID)
