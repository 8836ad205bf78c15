"""A network, what it is made of, and who works for it."""

from typing import Any

from sqlalchemy import JSON, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from waypass_server.models.base import ID, Base, Id, Seconds
from waypass_server.roles import Role


class Network(Base):
    """One deployment: a city's metro, a hospital group."""

    __tablename__ = "networks"

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[Seconds]


class Scope(Base):
    """A service class of a network; `number` is what stands in passes.

    `essential`: accepts red for health only. `by_grant`: only people with a grant get passes for it.
    `needs_evidence`: yellow without a current health certificate.
    """

    __tablename__ = "scopes"
    __table_args__ = (UniqueConstraint("network_id", "number"), UniqueConstraint("network_id", "name"))

    id: Mapped[Id]
    network_id: Mapped[int] = mapped_column(ID, ForeignKey("networks.id"))
    number: Mapped[int] = mapped_column(ID)
    name: Mapped[str] = mapped_column(String(100))
    essential: Mapped[bool]
    by_grant: Mapped[bool]
    needs_evidence: Mapped[bool]


class Authority(Base):
    """An organisation that may propose entries; `contact` is where somebody answers for them."""

    __tablename__ = "authorities"
    __table_args__ = (UniqueConstraint("network_id", "name"),)

    id: Mapped[Id]
    network_id: Mapped[int] = mapped_column(ID, ForeignKey("networks.id"))
    name: Mapped[str] = mapped_column(String(200))
    contact: Mapped[str] = mapped_column(String(500))


class Staff(Base):
    """A named person who works for the network, or for one of its authorities. The token itself is not kept."""

    __tablename__ = "staff"
    __table_args__ = (UniqueConstraint("network_id", "name"),)

    id: Mapped[Id]
    network_id: Mapped[int] = mapped_column(ID, ForeignKey("networks.id"))
    name: Mapped[str] = mapped_column(String(200))
    desk: Mapped[str] = mapped_column(String(200))
    authority_id: Mapped[int | None] = mapped_column(ID, ForeignKey("authorities.id"))
    roles: Mapped[list[Any]] = mapped_column(JSON)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[Seconds]
    left_at: Mapped[Seconds | None]

    def has(self, role: Role) -> bool:
        """Whether this person has the role."""
        return role.value in self.roles
