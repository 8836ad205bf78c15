"""Operations: emergency withdrawals, and the log of changes."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from sqlalchemy import select

from waypass_server import withdrawals
from waypass_server.api.access import Ops, ServicesHere, StaffMember, staff_with
from waypass_server.api.forms import AfterId, IdInPath, Input, Output, Reference, Words
from waypass_server.api.once import OnceHere
from waypass_server.models.records import EmergencyWithdrawal, Event, WithdrawalState
from waypass_server.people import find_person
from waypass_server.problems import RESPONSES
from waypass_server.roles import Role

router = APIRouter(prefix="/api/v1", tags=["operations"], responses=RESPONSES)

PAGE = 500

LogReader = Annotated[StaffMember, Depends(staff_with(Role.ADMIN, Role.REVIEWER, Role.OPS))]


class NewWithdrawal(Input):
    """Whose passes, and why."""

    person: Reference
    reason: Words


class WithdrawalOut(Output):
    """`waiting`: past a limit, a second person must confirm. `passes`: how many were made invalid."""

    id: int
    state: WithdrawalState
    reason: str
    passes: int | None
    asked_at: int
    done_at: int | None

    @staticmethod
    def of(row: EmergencyWithdrawal) -> "WithdrawalOut":
        """From a row."""
        return WithdrawalOut(
            id=row.id,
            state=row.state,
            reason=row.reason,
            passes=row.passes,
            asked_at=row.asked_at,
            done_at=row.done_at,
        )


class EventOut(Output):
    """One change: who did what to which record, and when."""

    id: int
    at: int
    actor: str
    staff: int | None
    what: str
    subject: str
    subject_id: int
    details: dict[str, Any]


@router.post("/withdrawals", status_code=201, summary="Make all live passes of a person invalid at once")
def ask_withdrawal(body: NewWithdrawal, member: Ops, here: ServicesHere, once: OnceHere) -> WithdrawalOut:
    """Blocks no new pass; the holder is told. At most 100 people a day and 3 a holder a month without a second
    person.
    """
    now = here.now()
    with here.change() as session:
        person = find_person(session, member.network_id, body.person)

        def make() -> EmergencyWithdrawal:
            return withdrawals.ask(
                session,
                person=person,
                reason=body.reason,
                staff_id=member.staff_id,
                actor=member.actor(),
                now=now,
            )

        return WithdrawalOut.of(once.do(session, member, now, EmergencyWithdrawal, make))


@router.post("/withdrawals/{withdrawal_id}/confirm", summary="Carry out a withdrawal that waits for a second person")
def confirm_withdrawal(withdrawal_id: IdInPath, member: Ops, here: ServicesHere) -> WithdrawalOut:
    """By another person than the one who asked."""
    with here.change() as session:
        row = withdrawals.confirm(
            session,
            network_id=member.network_id,
            withdrawal_id=withdrawal_id,
            staff_id=member.staff_id,
            actor=member.actor(),
            now=here.now(),
        )
        return WithdrawalOut.of(row)


@router.get("/events", summary="The log of changes, oldest first")
def read_events(member: LogReader, here: ServicesHere, after: AfterId = 0) -> list[EventOut]:
    """A page of at most 500; `after` is the last id of the page before."""
    query = select(Event).where(Event.network_id == member.network_id, Event.id > after).order_by(Event.id).limit(PAGE)
    with here.database.reading() as session:
        return [
            EventOut(
                id=event.id,
                at=event.at,
                actor=event.actor,
                staff=event.staff_id,
                what=event.what,
                subject=event.subject,
                subject_id=event.subject_id,
                details=event.details,
            )
            for event in session.scalars(query)
        ]
