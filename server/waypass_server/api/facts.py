"""Facts that staff record: exposure notices and survey answers. Certificates: see `me` and `desk`."""

from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field

from waypass_server import facts
from waypass_server.api.access import ServicesHere, StaffMember, staff_with
from waypass_server.api.forms import IdInPath, Input, Instant, Line, Output, Reference, ScopeNumber, Words
from waypass_server.api.once import OnceHere
from waypass_server.facts import Report
from waypass_server.models.lists_of_people import Fact, Weight
from waypass_server.people import find_person
from waypass_server.problems import RESPONSES
from waypass_server.roles import Role

router = APIRouter(prefix="/api/v1/facts", tags=["facts"], responses=RESPONSES)

Recorder = Annotated[StaffMember, Depends(staff_with(Role.DESK, Role.PROPOSER))]
Remover = Annotated[StaffMember, Depends(staff_with(Role.DESK, Role.PROPOSER, Role.REVIEWER))]


class ReportKind(StrEnum):
    """What staff may record."""

    EXPOSURE = "exposure"
    SURVEY = "survey"


class NewFact(Input):
    """An exposure notice or a survey answer, for at most 14 days. No scopes means every scope."""

    person: Reference
    kind: ReportKind
    source: Line
    reason: Words
    yellow: bool
    scopes: tuple[ScopeNumber, ...] = ()
    valid_from: Instant | None = None
    valid_until: Instant


class FactOut(Output):
    """A fact; `weight` is what it does."""

    id: int
    kind: str
    source: str
    weight: Weight
    scopes: list[int]
    reason: str
    valid_from: int
    valid_until: int
    withdrawn_at: int | None
    rule_set: int | None = Field(default=None, description="For answers to a form that count: its rule set.")

    @staticmethod
    def of(fact: Fact) -> "FactOut":
        """From a row."""
        return FactOut(
            id=fact.id,
            kind=fact.kind,
            source=fact.source,
            weight=fact.weight,
            scopes=fact.scopes,
            reason=fact.reason,
            valid_from=fact.valid_from,
            valid_until=fact.valid_until,
            withdrawn_at=fact.withdrawn_at,
            rule_set=(fact.details or {}).get("rule_set"),
        )


@router.post("", status_code=201, summary="Record an exposure notice or a survey answer")
def record_fact(body: NewFact, member: Recorder, here: ServicesHere, once: OnceHere) -> FactOut:
    """Makes yellow at most. The holder is told."""
    now = here.now()
    report = Report(
        kind=body.kind.value,
        source=body.source,
        reason=body.reason,
        yellow=body.yellow,
        scopes=body.scopes,
        valid_from=now if body.valid_from is None else body.valid_from,
        valid_until=body.valid_until,
    )
    with here.change() as session:
        person = find_person(session, member.network_id, body.person)
        actor = member.actor()
        fact = once.do(
            session,
            member,
            now,
            Fact,
            lambda: facts.report(session, person=person, given=report, actor=actor, now=now),
        )
        return FactOut.of(fact)


@router.post("/{fact_id}/withdraw", summary="Withdraw a fact")
def withdraw_fact(fact_id: IdInPath, member: Remover, here: ServicesHere) -> FactOut:
    """One person is enough, and the holder is told; again changes nothing."""
    with here.change() as session:
        fact = facts.withdraw(
            session, network_id=member.network_id, fact_id=fact_id, actor=member.actor(), now=here.now()
        )
        return FactOut.of(fact)


@router.post("/{fact_id}/reinstate", summary="Let a certificate that was withdrawn count again")
def reinstate_fact(fact_id: IdInPath, member: Remover, here: ServicesHere) -> FactOut:
    """One person is enough, as for withdrawing, and the holder is told; again changes nothing. Refused when somebody
    else handed the certificate in since. Exposure notices and answers are recorded anew instead.
    """
    with here.change() as session:
        fact = facts.reinstate(
            session, network_id=member.network_id, fact_id=fact_id, actor=member.actor(), now=here.now()
        )
        return FactOut.of(fact)
