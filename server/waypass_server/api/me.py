"""The holder's own view: where they stand and why, what they were told, and what they may say to it."""

from typing import Any

from fastapi import APIRouter, Response
from pydantic import Field
from sqlalchemy import or_, select

from waypass_server import facts, objections
from waypass_server.api.access import HolderHere, ServicesHere
from waypass_server.api.facts import FactOut
from waypass_server.api.forms import (
    CertificateText,
    EntryForHolder,
    IdInPath,
    Input,
    ObjectionOut,
    Output,
    Words,
)
from waypass_server.api.standing import ScopeStanding, explain
from waypass_server.models.lists_of_people import Entry, Fact
from waypass_server.models.people import Person
from waypass_server.models.records import Notice, NoticeKind
from waypass_server.problems import RESPONSES

router = APIRouter(prefix="/api/v1/me", tags=["holder"], responses=RESPONSES)


class MeOut(Output):
    """Every scope with the aspect and its reasons; entries since they were announced; facts that are kept."""

    network: str
    now: float
    until: int | None = Field(description="The next second at which something may change by itself.")
    scopes: list[ScopeStanding]
    entries: list[EntryForHolder]
    facts: list[FactOut]


class CertificateForm(Input):
    """A health certificate."""

    text: CertificateText


class ObjectionForm(Input):
    """What the person says, in their own words."""

    text: Words


class NoticeOut(Output):
    """A notice and when it was delivered."""

    id: int
    kind: NoticeKind
    content: dict[str, Any]
    created_at: int
    delivered_at: int | None


@router.get("", summary="Where I stand in every scope, and why")
def read_me(holder: HolderHere, here: ServicesHere) -> MeOut:
    """Each reason names who answers for it and how to object."""
    with here.database.reading() as session:
        person = session.get_one(Person, holder.person_id)
        scopes, until = explain(session, person, here.now())
        entries = session.scalars(
            select(Entry).where(Entry.person_id == person.id, Entry.notified_at.is_not(None)).order_by(Entry.id)
        )
        kept = session.scalars(select(Fact).where(Fact.person_id == person.id).order_by(Fact.id))
        return MeOut(
            network=here.settings.network,
            now=here.clock.now(),
            until=until,
            scopes=scopes,
            entries=[EntryForHolder.of(entry) for entry in entries],
            facts=[FactOut.of(fact) for fact in kept],
        )


@router.get("/notices", summary="What I was told")
def read_notices(holder: HolderHere, here: ServicesHere) -> list[NoticeOut]:
    """Oldest first. An announced entry is here from its recorded delivery on, when it can be objected to."""
    announced = or_(Notice.kind != NoticeKind.ENTRY, Notice.delivered_at.is_not(None))
    query = select(Notice).where(Notice.person_id == holder.person_id, announced).order_by(Notice.id)
    with here.database.reading() as session:
        notices = session.scalars(query)
        return [
            NoticeOut(
                id=notice.id,
                kind=notice.kind,
                content=notice.content,
                created_at=notice.created_at,
                delivered_at=notice.delivered_at,
            )
            for notice in notices
        ]


@router.post(
    "/evidence",
    status_code=201,
    summary="Hand in a health certificate",
    responses={200: {"model": FactOut, "description": "It was known."}},
)
def hand_in_evidence(body: CertificateForm, response: Response, holder: HolderHere, here: ServicesHere) -> FactOut:
    """Verified against the operator's signers; only what a decision needs is kept, no name and no birth date."""
    now = here.now()
    evidence = facts.check(body.text, signers=here.evidence_signers, now=now)
    with here.change() as session:
        person = session.get_one(Person, holder.person_id)
        fact, new = facts.hand_in(session, person=person, evidence=evidence, actor=holder.actor(), now=now)
        response.status_code = 201 if new else 200
        return FactOut.of(fact)


@router.post("/entries/{entry_id}/objection", status_code=201, summary="Object to an entry")
def make_objection(entry_id: IdInPath, body: ObjectionForm, holder: HolderHere, here: ServicesHere) -> ObjectionOut:
    """From notification on. Made before the entry takes effect, it suspends the entry until a reviewer has decided."""
    with here.change() as session:
        objection = objections.object_to(
            session, person_id=holder.person_id, entry_id=entry_id, text=body.text, now=here.now()
        )
        return ObjectionOut.of(objection)
