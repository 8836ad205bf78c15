"""Staff, for administrators: who works here, who has set up how they sign in, and links for those who have not.

One administrator asks for a link, a second one confirms and is shown it once; the rules are those of `signin.links`.
"""

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy import select

from waypass_server.api.access import ServicesHere
from waypass_server.api.forms import IdInPath
from waypass_server.api.staff import somebody
from waypass_server.console import qr
from waypass_server.console.access import Admin, Posted
from waypass_server.console.people import names_of_staff
from waypass_server.console.rendering import go, show
from waypass_server.models.network import Authority, Staff
from waypass_server.signin import links
from waypass_server.signin.credentials import held_by
from waypass_server.signin.places import enrolment_address

router = APIRouter(prefix="/staff")


@router.get("")
def show_staff(request: Request, me: Admin, here: ServicesHere) -> Response:
    """Everybody who works here, by name."""
    network_id = me.member.network_id
    query = select(Staff, Authority.name).outerjoin(Authority, Authority.id == Staff.authority_id)
    query = query.where(Staff.network_id == network_id, Staff.left_at.is_(None)).order_by(Staff.name)
    with here.database.reading() as session:
        waiting = links.waiting(session, network_id, here.now())
        has = held_by(session, Staff.network_id == network_id)
        return show(
            request,
            "staff.html",
            people=[
                (one, authority, has[one.id], waiting.get(one.id)) for one, authority in session.execute(query).all()
            ],
            names=names_of_staff(session, network_id),
        )


@router.post("/{staff_id}/ask")
def ask_for_link(staff_id: IdInPath, _form: Posted, me: Admin, here: ServicesHere) -> Response:
    """For somebody else; a second administrator has to confirm."""
    with here.database.changing() as session:
        staff = somebody(session, me.member, staff_id)
        links.ask(session, staff=staff, asked_by=me.member.staff_id, actor=me.member.actor(), now=here.now())
    return go("/ops/staff", done="link-asked")


@router.post("/{staff_id}/confirm")
def confirm_link(staff_id: IdInPath, request: Request, _form: Posted, me: Admin, here: ServicesHere) -> Response:
    """The link, shown once, to hand over."""
    with here.database.changing() as session:
        staff = somebody(session, me.member, staff_id)
        made = links.confirm(
            session,
            staff=staff,
            confirmed_by=me.member.staff_id,
            actor=me.member.actor(),
            random_bytes=here.random_bytes,
            now=here.now(),
        )
    link = enrolment_address(here.settings, made.secret)
    return show(request, "staff_link.html", name=staff.name, link=link, drawn=qr.draw(link), ends_at=made.ends_at)
