"""The reviewer's work: objections, exemptions, and a person's standing with its reasons."""

from typing import Annotated

from fastapi import APIRouter, Depends

from waypass_server import exemptions, lookups, objections
from waypass_server.api.access import Reviewer, ServicesHere, StaffMember, staff_with
from waypass_server.api.forms import IdInPath, Input, Instant, ObjectionOut, Output, PersonInput, Reference, Words
from waypass_server.api.once import OnceHere
from waypass_server.api.standing import ScopeStanding, explain
from waypass_server.models.lists_of_people import Exemption
from waypass_server.people import find_person
from waypass_server.problems import RESPONSES
from waypass_server.refusals import NotFound
from waypass_server.roles import Role

router = APIRouter(prefix="/api/v1", tags=["review"], responses=RESPONSES)

Overseer = Annotated[StaffMember, Depends(staff_with(Role.REVIEWER, Role.OPS))]


class Decision(Input):
    """What a reviewer decides, with an answer for the person."""

    lift: bool
    answer: Words


class NewExemption(Input):
    """For at most 72 h; starts now unless said."""

    person: Reference
    reason: Words
    starts_at: Instant | None = None
    ends_at: Instant


class ExemptionOut(Output):
    """An exemption and its period."""

    id: int
    reason: str
    starts_at: int
    ends_at: int


class StandingOut(Output):
    """A person's aspects and their reasons now. `until`: when something may change by itself."""

    scopes: list[ScopeStanding]
    until: int | None


@router.get("/objections", summary="Objections that wait for a decision, the most urgent first")
def read_objections(member: Reviewer, here: ServicesHere) -> list[ObjectionOut]:
    """Not decided by `decide_by`, the entry lapses."""
    with here.database.reading() as session:
        return [ObjectionOut.of(one) for one in objections.open_objections(session, member.network_id)]


@router.post("/objections/{objection_id}/decide", summary="Decide on an objection")
def decide(objection_id: IdInPath, body: Decision, member: Reviewer, here: ServicesHere) -> ObjectionOut:
    """By a reviewer who neither proposed nor approved the entry and does not work for its authority."""
    with here.change() as session:
        objection = objections.find_objection(session, member.network_id, objection_id)
        decided = objections.decide(
            session,
            objection,
            lift=body.lift,
            answer=body.answer,
            actor=member.actor(),
            authority_id=member.authority_id,
            now=here.now(),
        )
        return ObjectionOut.of(decided)


@router.post("/exemptions", status_code=201, summary="Let one person through for up to 72 h")
def grant_exemption(body: NewExemption, member: Reviewer, here: ServicesHere, once: OnceHere) -> ExemptionOut:
    """One reviewer is enough; it outranks red. The holder is told."""
    now = here.now()
    with here.change() as session:
        person = find_person(session, member.network_id, body.person)

        def make() -> Exemption:
            return exemptions.grant(
                session,
                person=person,
                reason=body.reason,
                starts_at=now if body.starts_at is None else body.starts_at,
                ends_at=body.ends_at,
                staff_id=member.staff_id,
                actor=member.actor(),
                now=now,
            )

        exemption = once.do(session, member, now, Exemption, make)
        return ExemptionOut(
            id=exemption.id, reason=exemption.reason, starts_at=exemption.starts_at, ends_at=exemption.ends_at
        )


@router.post("/exemptions/{exemption_id}/end", summary="End an exemption early")
def end_exemption(exemption_id: IdInPath, member: Reviewer, here: ServicesHere) -> ExemptionOut:
    """By whoever granted it, or by a reviewer who has no part in an entry about the person and does not work for the
    authority of one. The holder is told; ending it again changes nothing.
    """
    with here.change() as session:
        exemption = exemptions.end(
            session,
            network_id=member.network_id,
            exemption_id=exemption_id,
            actor=member.actor(),
            authority_id=member.authority_id,
            now=here.now(),
        )
        return ExemptionOut(
            id=exemption.id, reason=exemption.reason, starts_at=exemption.starts_at, ends_at=exemption.ends_at
        )


@router.post("/standing", summary="One person's standing, by the exact reference")
def read_standing(body: PersonInput, member: Overseer, here: ServicesHere) -> StandingOut:
    """A POST, so that references do not end up in the logs of addresses. That somebody looked is in the log."""
    now = here.now()
    with here.change() as session:
        person = lookups.look_up(
            session,
            network_id=member.network_id,
            reference=body.person,
            staff_id=member.staff_id,
            actor=member.actor(),
            now=now,
        )
        explained = None if person is None else explain(session, person, now)
    if explained is None:  # after the commit: that somebody looked stays
        raise NotFound("person: expected a reference that is known in this network, got another")
    scopes, until = explained
    return StandingOut(scopes=scopes, until=until)
