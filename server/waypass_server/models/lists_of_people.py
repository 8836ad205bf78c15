"""Why anyone may be listed, who is, what they said to it, and what else is known: the records of the lists.

Nothing here refers to a name, a place or a trip. Reasons are the plain words for the person concerned.
"""

from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from waypass_server.life import CONFIRMATION_PERIOD, End, Life, State
from waypass_server.models.base import ID, Base, Id, Seconds, stored
from waypass_server.models.network import Authority
from waypass_server.models.people import Person


class Effect(StrEnum):
    """What an entry does in its scopes."""

    RED = "red"
    YELLOW = "yellow"
    GRANT = "grant"


class Exclusion(StrEnum):
    """Whom or what a basis never covers; a proposer states that each was looked at."""

    MINORS = "minors"
    MEDICAL_TRAVEL = "medical-travel"
    HEARING = "hearing"


class VersionState(StrEnum):
    """Where a version of a basis is: one person proposes it, another puts it in force, the next one replaces it."""

    PROPOSED = "proposed"
    IN_FORCE = "in-force"
    REPLACED = "replaced"


class CaseState(StrEnum):
    """The outcome of the case that an entry rests on."""

    OPEN = "open"
    UPHELD = "upheld"
    DISMISSED = "dismissed"
    WON = "won"


class ObjectionState(StrEnum):
    """What became of an objection. `LAPSED`: nobody decided in time, and the entry lapsed with it."""

    OPEN = "open"
    UPHELD = "upheld"
    LIFTED = "lifted"
    LAPSED = "lapsed"
    MOOT = "moot"


class Weight(StrEnum):
    """What a fact does: opens scopes that need evidence, makes yellow, or is only kept."""

    ADMITS = "admits"
    YELLOW = "yellow"
    NONE = "none"


class Basis(Base):
    """Why anyone may be listed at all. What it says is in its versions."""

    __tablename__ = "bases"

    id: Mapped[Id]
    network_id: Mapped[int] = mapped_column(ID, ForeignKey("networks.id"))
    authority_id: Mapped[int] = mapped_column(ID, ForeignKey("authorities.id"))
    created_at: Mapped[Seconds]

    authority: Mapped[Authority] = relationship()
    versions: Mapped[list["BasisVersion"]] = relationship(back_populates="basis", order_by="BasisVersion.number")


class BasisVersion(Base):
    """The text and bounds of a basis. Never edited once in force: a change is a new version. Periods are seconds."""

    __tablename__ = "basis_versions"
    __table_args__ = (UniqueConstraint("basis_id", "number"),)

    id: Mapped[Id]
    basis_id: Mapped[int] = mapped_column(ID, ForeignKey("bases.id"))
    number: Mapped[int]
    title: Mapped[str] = mapped_column(String(200))
    citation: Mapped[str] = mapped_column(String(500))
    health: Mapped[bool]
    effects: Mapped[list[Any]] = mapped_column(JSON)
    scopes: Mapped[list[Any]] = mapped_column(JSON)
    longest: Mapped[Seconds]
    notice: Mapped[Seconds]
    objection_deadline: Mapped[Seconds]
    exclusions: Mapped[list[Any]] = mapped_column(JSON)
    state: Mapped[VersionState] = mapped_column(stored(VersionState))
    proposed_by: Mapped[int] = mapped_column(ID, ForeignKey("staff.id"))
    proposed_at: Mapped[Seconds]
    approved_by: Mapped[int | None] = mapped_column(ID, ForeignKey("staff.id"))
    approved_at: Mapped[Seconds | None]

    basis: Mapped[Basis] = relationship(back_populates="versions")


class Entry(Base):
    """One person on one basis; see `life` for its states. Times are UNIX seconds. `batch_id`: the batch that it came
    in, if it was imported.
    """

    __tablename__ = "entries"
    __table_args__ = (Index("ix_entries_batch_id_id", "batch_id", "id"),)

    id: Mapped[Id]
    network_id: Mapped[int] = mapped_column(ID, ForeignKey("networks.id"))
    person_id: Mapped[int] = mapped_column(ID, ForeignKey("people.id"), index=True)
    basis_version_id: Mapped[int] = mapped_column(ID, ForeignKey("basis_versions.id"))
    effect: Mapped[Effect] = mapped_column(stored(Effect))
    scopes: Mapped[list[Any]] = mapped_column(JSON)
    reason: Mapped[str] = mapped_column(Text)
    case_reference: Mapped[str] = mapped_column(String(200))
    case_state: Mapped[CaseState] = mapped_column(stored(CaseState))
    starts_at: Mapped[Seconds]
    ends_at: Mapped[Seconds]
    state: Mapped[State] = mapped_column(stored(State), index=True)
    proposed_by: Mapped[int] = mapped_column(ID, ForeignKey("staff.id"))
    proposed_at: Mapped[Seconds]
    approved_by: Mapped[int | None] = mapped_column(ID, ForeignKey("staff.id"))
    approved_at: Mapped[Seconds | None] = mapped_column(index=True)
    confirmed_by: Mapped[int | None] = mapped_column(ID, ForeignKey("staff.id"))
    notified_at: Mapped[Seconds | None]
    takes_effect_at: Mapped[Seconds | None]
    effective_at: Mapped[Seconds | None]
    confirmed_at: Mapped[Seconds | None]
    ended_at: Mapped[Seconds | None]
    end: Mapped[End | None] = mapped_column(stored(End))
    batch_id: Mapped[int | None] = mapped_column(ID, ForeignKey("batches.id"))

    person: Mapped[Person] = relationship()
    version: Mapped[BasisVersion] = relationship()
    objections: Mapped[list["Objection"]] = relationship(back_populates="entry", order_by="Objection.id")

    def life(self) -> Life:
        """As much of it as the rules look at."""
        return Life(
            state=self.state,
            proposed_by=self.proposed_by,
            approved_by=self.approved_by,
            approved_at=self.approved_at,
            confirmed_by=self.confirmed_by,
            effective_at=self.effective_at,
            end=self.end,
        )

    def confirm_by(self) -> int | None:
        """When it lapses unless its source is asked again; None before approval."""
        return None if self.confirmed_at is None else self.confirmed_at + CONFIRMATION_PERIOD


class Objection(Base):
    """What a person says to an entry, and what a reviewer decided. `decide_by` comes from the basis."""

    __tablename__ = "objections"

    id: Mapped[Id]
    entry_id: Mapped[int] = mapped_column(ID, ForeignKey("entries.id"), index=True)
    text: Mapped[str] = mapped_column(Text)
    made_at: Mapped[Seconds]
    suspends: Mapped[bool]
    decide_by: Mapped[Seconds]
    state: Mapped[ObjectionState] = mapped_column(stored(ObjectionState), index=True)
    decided_by: Mapped[int | None] = mapped_column(ID, ForeignKey("staff.id"))
    decided_at: Mapped[Seconds | None]
    answer: Mapped[str | None] = mapped_column(Text)

    entry: Mapped[Entry] = relationship(back_populates="objections")


class Exemption(Base):
    """Lets one person through for a while, whatever the entries say."""

    __tablename__ = "exemptions"

    id: Mapped[Id]
    person_id: Mapped[int] = mapped_column(ID, ForeignKey("people.id"), index=True)
    reason: Mapped[str] = mapped_column(Text)
    starts_at: Mapped[Seconds]
    ends_at: Mapped[Seconds]
    granted_by: Mapped[int] = mapped_column(ID, ForeignKey("staff.id"))
    granted_at: Mapped[Seconds]


_COUNTS = text("withdrawn_at IS NULL")
_KEPT = text("withdrawn_at IS NOT NULL AND details IS NOT NULL")


class Fact(Base):
    """Status data with a source and a validity. Makes yellow at most: there is no weight that makes red.

    `scopes` empty means every scope. `digest` is set for certificates: the same one is one fact that counts. `details`
    is what rules see of a certificate or of a form's answers; never a name or a birth date.
    """

    __tablename__ = "facts"
    __table_args__ = (
        Index("ix_facts_digest", "network_id", "digest", unique=True, sqlite_where=_COUNTS, postgresql_where=_COUNTS),
        # Of those that were withdrawn and can be reinstated alone: they are found when they are over.
        Index("ix_facts_kept_details", "valid_until", sqlite_where=_KEPT, postgresql_where=_KEPT),
    )

    id: Mapped[Id]
    network_id: Mapped[int] = mapped_column(ID, ForeignKey("networks.id"))
    person_id: Mapped[int] = mapped_column(ID, ForeignKey("people.id"), index=True)
    kind: Mapped[str] = mapped_column(String(40))
    source: Mapped[str] = mapped_column(String(200))
    weight: Mapped[Weight] = mapped_column(stored(Weight))
    scopes: Mapped[list[Any]] = mapped_column(JSON)
    reason: Mapped[str] = mapped_column(Text)
    valid_from: Mapped[Seconds]
    valid_until: Mapped[Seconds]
    digest: Mapped[str | None] = mapped_column(String(64))
    details: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    recorded_by: Mapped[int | None] = mapped_column(ID, ForeignKey("staff.id"))
    recorded_at: Mapped[Seconds]
    withdrawn_at: Mapped[Seconds | None]
