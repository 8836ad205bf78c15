"""What goes in and out of the API: types that several routers share.

Input has no fields besides those named (a typing error is no silent default), whole numbers are written as numbers,
and texts hold neither control characters nor halves of characters. Times are UNIX seconds.
"""

import unicodedata
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from waypass_server.life import End, State
from waypass_server.models.lists_of_people import (
    BasisVersion,
    CaseState,
    Effect,
    Entry,
    Exclusion,
    Objection,
    ObjectionState,
    VersionState,
)

_ALLOWED_CONTROLS = "\n\t"
_END_OF_TIME = 253_402_300_799


def _plain(text: str) -> str:
    stripped = text.strip()
    if not stripped:
        raise ValueError("expected some text, got none")
    if not stripped.isprintable() and any(
        unicodedata.category(one) in ("Cc", "Cs") and one not in _ALLOWED_CONTROLS for one in stripped
    ):
        raise ValueError("expected text without control characters")
    return stripped


Line = Annotated[str, Field(max_length=200), AfterValidator(_plain)]
Words = Annotated[str, Field(max_length=2000), AfterValidator(_plain)]
Reference = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", examples=["p-7f3a"], description="A person's opaque reference."
    ),
]
CertificateText = Annotated[
    str, Field(max_length=20_000, examples=["HC1:..."], description="A health certificate as its QR code holds it.")
]
"""The verifier's own limit is far below."""
Instant = Annotated[int, Field(strict=True, ge=0, le=_END_OF_TIME, description="UNIX seconds.")]
Period = Annotated[int, Field(strict=True, ge=0, le=10 * 366 * 86_400, description="Seconds.")]
ScopeNumber = Annotated[int, Field(strict=True, ge=0, lt=1 << 53)]
RecordId = Annotated[int, Field(strict=True, ge=1, lt=1 << 53)]
IdInPath = Annotated[int, Path(ge=1, lt=1 << 53)]
AfterId = Annotated[int, Query(ge=0, lt=1 << 53, description="The last id of the page before.")]


class Input(BaseModel):
    """The root of everything that comes in."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PersonInput(Input):
    """A body that names a person and nothing else."""

    person: Reference


class Output(BaseModel):
    """The root of everything that goes out."""

    model_config = ConfigDict(frozen=True)


class BasisForm(Input):
    """What a basis says; see the module `bases` for its rules."""

    title: Line
    citation: Annotated[str, Field(max_length=500), AfterValidator(_plain)]
    health: bool = False
    effects: Annotated[tuple[Effect, ...], Field(min_length=1)]
    scopes: Annotated[tuple[ScopeNumber, ...], Field(min_length=1)]
    longest: Annotated[Period, Field(ge=1, description="Longest duration of an entry, in seconds.")]
    notice: Annotated[Period, Field(description="Shortest notice before effect, in seconds.")]
    objection_deadline: Annotated[Period, Field(ge=1, description="Seconds to decide on an objection.")]
    exclusions: tuple[Exclusion, ...] = ()


class NewBasis(BasisForm):
    """A new basis of an authority, by the authority's name."""

    authority: Line


class BasisOut(Output):
    """One version of a basis."""

    id: int
    number: int
    state: VersionState
    authority: str
    contact: str
    title: str
    citation: str
    health: bool
    effects: list[Effect]
    scopes: list[int]
    longest: int
    notice: int
    objection_deadline: int
    exclusions: list[Exclusion]

    @staticmethod
    def of(version: BasisVersion) -> "BasisOut":
        """From a row."""
        same = ("number", "state", "title", "citation", "health", "effects", "scopes", "longest", "notice")
        values: dict[str, Any] = {name: getattr(version, name) for name in same}
        return BasisOut(
            id=version.basis_id,
            authority=version.basis.authority.name,
            contact=version.basis.authority.contact,
            objection_deadline=version.objection_deadline,
            exclusions=version.exclusions,
            **values,
        )


class CaseForm(Input):
    """The case that an entry rests on."""

    reference: Line
    state: CaseState = CaseState.OPEN


class CaseOut(Output):
    """The case that an entry rests on, and its outcome so far."""

    reference: str
    state: CaseState


class ObjectionOut(Output):
    """An objection and what became of it."""

    id: int
    entry: int
    text: str
    made_at: int
    suspends: bool
    decide_by: int
    state: ObjectionState
    decided_at: int | None
    answer: str | None

    @staticmethod
    def of(objection: Objection) -> "ObjectionOut":
        """From a row."""
        same = ("id", "text", "made_at", "suspends", "decide_by", "state", "decided_at", "answer")
        values: dict[str, Any] = {name: getattr(objection, name) for name in same}
        return ObjectionOut(entry=objection.entry_id, **values)


class EntryForHolder(Output):
    """An entry as its person sees it: all that it takes to understand it and to object."""

    id: int
    state: State
    end: End | None
    effect: Effect
    scopes: list[int]
    reason: str
    basis: str
    citation: str
    authority: str
    contact: str
    case: CaseOut
    starts_at: int
    ends_at: int
    notified_at: int | None
    takes_effect_at: int | None
    ended_at: int | None
    objections: list[ObjectionOut]
    how_to_object: str | None = Field(description="The call to make; None when there is nothing to object to.")

    @staticmethod
    def of(entry: Entry) -> "EntryForHolder":
        """From a row."""
        return EntryForHolder(**_entry_values(entry), how_to_object=how_to_object(entry))


class EntryForStaff(Output):
    """An entry as staff see it. `person` is the opaque reference; staff are named by id."""

    id: int
    person: str
    state: State
    end: End | None
    effect: Effect
    scopes: list[int]
    reason: str
    basis: str
    basis_id: int
    basis_version: int
    citation: str
    authority: str
    contact: str
    case: CaseOut
    starts_at: int
    ends_at: int
    proposed_by: int
    proposed_at: int
    approved_by: int | None
    approved_at: int | None
    confirmed_by: int | None
    notified_at: int | None
    takes_effect_at: int | None
    effective_at: int | None
    confirm_by: int | None
    ended_at: int | None
    batch: int | None
    objections: list[ObjectionOut]

    @staticmethod
    def of(entry: Entry) -> "EntryForStaff":
        """From a row."""
        return EntryForStaff(
            **_entry_values(entry),
            person=entry.person.reference,
            basis_id=entry.version.basis_id,
            basis_version=entry.version.number,
            proposed_by=entry.proposed_by,
            proposed_at=entry.proposed_at,
            approved_by=entry.approved_by,
            approved_at=entry.approved_at,
            confirmed_by=entry.confirmed_by,
            effective_at=entry.effective_at,
            confirm_by=entry.confirm_by(),
            batch=entry.batch_id,
        )


def how_to_object(entry: Entry) -> str | None:
    """The call that makes an objection, while one can be made."""
    undecided = any(objection.state is ObjectionState.OPEN for objection in entry.objections)
    if entry.state not in (State.NOTIFIED, State.IN_EFFECT) or undecided:
        return None
    return f"POST /api/v1/me/entries/{entry.id}/objection"


def _entry_values(entry: Entry) -> dict[str, Any]:
    version = entry.version
    same = ("id", "state", "end", "effect", "scopes", "reason", "starts_at", "ends_at", "notified_at")
    return {
        **{name: getattr(entry, name) for name in same},
        "takes_effect_at": entry.takes_effect_at,
        "ended_at": entry.ended_at,
        "basis": version.title,
        "citation": version.citation,
        "authority": version.basis.authority.name,
        "contact": version.basis.authority.contact,
        "case": CaseOut(reference=entry.case_reference, state=entry.case_state),
        "objections": [ObjectionOut.of(objection) for objection in entry.objections],
    }
