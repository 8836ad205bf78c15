"""Staff, for administrators: who works here, and the links with which they set up how they sign in."""

from fastapi import APIRouter
from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from waypass_server.api.access import Admin, ServicesHere, StaffMember
from waypass_server.api.forms import IdInPath, Output
from waypass_server.models.network import Staff
from waypass_server.problems import RESPONSES
from waypass_server.refusals import NotFound
from waypass_server.roles import Role
from waypass_server.signin import links
from waypass_server.signin.credentials import held_by
from waypass_server.signin.places import enrolment_address

router = APIRouter(prefix="/api/v1", tags=["staff"], responses=RESPONSES)


class StaffOut(Output):
    """Somebody who works here, and whether they have set up how they sign in."""

    id: int
    name: str
    desk: str
    roles: list[Role]
    enrolled: bool


class EnrolmentOut(Output):
    """An enrolment that waits for a second administrator."""

    staff: int
    ends_at: int


class LinkOut(Output):
    """The link, shown once."""

    link: str
    code: str = Field(description="What the link carries, to be pasted where no script runs.")
    ends_at: int


@router.get("/staff", summary="Who works here")
def list_staff(member: Admin, here: ServicesHere) -> list[StaffOut]:
    """Without those who have left."""
    query = select(Staff).where(Staff.network_id == member.network_id, Staff.left_at.is_(None)).order_by(Staff.id)
    with here.database.reading() as session:
        has = held_by(session, Staff.network_id == member.network_id)
        return [
            StaffOut(id=one.id, name=one.name, desk=one.desk, roles=one.roles, enrolled=has[one.id].complete)
            for one in session.scalars(query).all()
        ]


@router.post("/staff/{staff_id}/enrolment", status_code=201, summary="Ask for an enrolment link for somebody else")
def ask_for_link(staff_id: IdInPath, member: Admin, here: ServicesHere) -> EnrolmentOut:
    """A second administrator has to confirm. Links and questions before it are void."""
    with here.database.changing() as session:
        staff = somebody(session, member, staff_id)
        row = links.ask(session, staff=staff, asked_by=member.staff_id, actor=member.actor(), now=here.now())
        return EnrolmentOut(staff=row.staff_id, ends_at=row.ends_at)


@router.post("/staff/{staff_id}/enrolment/confirm", status_code=201, summary="Confirm, and get the link to hand over")
def confirm_link(staff_id: IdInPath, member: Admin, here: ServicesHere) -> LinkOut:
    """By another administrator than the one who asked, and not by the person that it is for."""
    with here.database.changing() as session:
        made = links.confirm(
            session,
            staff=somebody(session, member, staff_id),
            confirmed_by=member.staff_id,
            actor=member.actor(),
            random_bytes=here.random_bytes,
            now=here.now(),
        )
    return LinkOut(link=enrolment_address(here.settings, made.secret), code=made.secret, ends_at=made.ends_at)


def somebody(session: Session, member: StaffMember, staff_id: int) -> Staff:
    """Somebody of the network who works here. Raises `NotFound`."""
    staff = session.get(Staff, staff_id)
    if staff is None or staff.network_id != member.network_id or staff.left_at is not None:
        raise NotFound("staff: expected the number of somebody who works here, got another")
    return staff
