"""Rule sets and their versions, and the entries that rules propose.

What a version says (rules, form) is one JSON value, as `rule_text` writes it: it is never edited, a change is a new
version. `shadow` is what the newest shadow run counted, numbers only.
"""

from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from waypass_server.models.base import ID, Base, Id, Seconds, stored
from waypass_server.models.lists_of_people import Basis
from waypass_server.models.network import Authority
from waypass_server.models.people import Person


class RuleSetState(StrEnum):
    """Where a version is: proposed by one person, put in force by another, replaced by the next or ended."""

    PROPOSED = "proposed"
    IN_FORCE = "in-force"
    REPLACED = "replaced"
    ENDED = "ended"


class ProposalState(StrEnum):
    """What became of an entry that a rule proposed."""

    OPEN = "open"
    TAKEN_UP = "taken-up"
    TURNED_DOWN = "turned-down"


class RuleSet(Base):
    """Rules of one authority about one matter. What they say is in the versions."""

    __tablename__ = "rule_sets"
    __table_args__ = (UniqueConstraint("network_id", "title"),)

    id: Mapped[Id]
    network_id: Mapped[int] = mapped_column(ID, ForeignKey("networks.id"))
    authority_id: Mapped[int] = mapped_column(ID, ForeignKey("authorities.id"))
    title: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[Seconds]

    authority: Mapped[Authority] = relationship()
    versions: Mapped[list["RuleSetVersion"]] = relationship(back_populates="rule_set", order_by="RuleSetVersion.number")


class RuleSetVersion(Base):
    """What a rule set says from its approval on."""

    __tablename__ = "rule_set_versions"
    __table_args__ = (UniqueConstraint("rule_set_id", "number"),)

    id: Mapped[Id]
    rule_set_id: Mapped[int] = mapped_column(ID, ForeignKey("rule_sets.id"))
    number: Mapped[int]
    text: Mapped[dict[str, Any]] = mapped_column(JSON)
    state: Mapped[RuleSetState] = mapped_column(stored(RuleSetState), index=True)
    proposed_by: Mapped[int] = mapped_column(ID, ForeignKey("staff.id"))
    proposed_at: Mapped[Seconds]
    shadow: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    shadow_at: Mapped[Seconds | None]
    approved_by: Mapped[int | None] = mapped_column(ID, ForeignKey("staff.id"))
    approved_at: Mapped[Seconds | None]
    ended_by: Mapped[int | None] = mapped_column(ID, ForeignKey("staff.id"))
    ended_at: Mapped[Seconds | None]

    rule_set: Mapped[RuleSet] = relationship(back_populates="versions")


class RuleProposal(Base):
    """An entry that a rule proposes for a person: once for each version. Nothing comes of it but what people do."""

    __tablename__ = "rule_proposals"
    __table_args__ = (UniqueConstraint("version_id", "rule", "person_id"),)

    id: Mapped[Id]
    version_id: Mapped[int] = mapped_column(ID, ForeignKey("rule_set_versions.id"))
    rule: Mapped[str] = mapped_column(String(40))
    person_id: Mapped[int] = mapped_column(ID, ForeignKey("people.id"), index=True)
    basis_id: Mapped[int] = mapped_column(ID, ForeignKey("bases.id"))
    state: Mapped[ProposalState] = mapped_column(stored(ProposalState), index=True)
    made_at: Mapped[Seconds]
    decided_by: Mapped[int | None] = mapped_column(ID, ForeignKey("staff.id"))
    decided_at: Mapped[Seconds | None]
    entry_id: Mapped[int | None] = mapped_column(ID, ForeignKey("entries.id"))

    version: Mapped[RuleSetVersion] = relationship()
    person: Mapped[Person] = relationship()
    basis: Mapped[Basis] = relationship()
