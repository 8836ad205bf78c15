"""Objections: what a person says to an entry, and the decision of a reviewer who had no part in it."""

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from waypass_server import objections
from waypass_server.api.access import ServicesHere
from waypass_server.api.forms import IdInPath
from waypass_server.api.review import Decision
from waypass_server.console import forms
from waypass_server.console.access import Posted, Reviewer
from waypass_server.console.forms import Filled, FormRefused
from waypass_server.console.once import make_key, once
from waypass_server.console.people import names_of_scopes, names_of_staff
from waypass_server.console.rendering import go, rendering, show
from waypass_server.console.sessions import SignedIn
from waypass_server.life import LifeError
from waypass_server.models.lists_of_people import Objection
from waypass_server.refusals import Problem
from waypass_server.services import Services

router = APIRouter(prefix="/objections")


@router.get("/{objection_id}")
def show_objection(objection_id: IdInPath, request: Request, me: Reviewer, here: ServicesHere) -> Response:
    """What was said, to which entry, and until when it must be decided."""
    return _show(request, me, here, objection_id, Filled())


@router.post("/{objection_id}")
def decide(objection_id: IdInPath, request: Request, form: Posted, me: Reviewer, here: ServicesHere) -> Response:
    """Lift the entry or uphold it, with an answer for the person."""
    speech = rendering(request).speech(request)
    lift = {"lift": True, "uphold": False}.get(form.text("decision"))
    try:
        body = forms.read(Decision, {"lift": lift, "answer": form.text("answer")}, speech)
    except FormRefused as refused:
        filled = Filled.of(form, texts=("decision", "answer"), errors=refused.errors)
        return _show(request, me, here, objection_id, filled, status=422)

    def act(session: Session) -> str:
        objections.decide(
            session,
            objections.find_objection(session, me.member.network_id, objection_id),
            lift=body.lift,
            answer=body.answer,
            actor=me.member.actor(),
            authority_id=me.member.authority_id,
            now=here.now(),
        )
        return f"/ops/objections/{objection_id}"

    return go(once(here, staff_id=me.member.staff_id, key=form.text("key"), act=act), done="decided")


def _show(
    request: Request, me: SignedIn, here: Services, objection_id: int, filled: Filled, *, status: int = 200
) -> Response:
    with here.database.reading() as session:
        objection = objections.find_objection(session, me.member.network_id, objection_id, lock=False)
        return show(
            request,
            "objection.html",
            status=status,
            objection=objection,
            entry=objection.entry,
            version=objection.entry.version,
            scopes=names_of_scopes(session, me.member.network_id),
            staff=names_of_staff(session, me.member.network_id),
            filled=filled,
            may=_may(session, objection, me),
            key=make_key(here.random_bytes),
        )


def _may(session: Session, objection: Objection, me: SignedIn) -> bool:
    try:
        member = me.member
        objections.check_reviewer(session, objection.entry, actor=member.actor(), authority_id=member.authority_id)
    except (Problem, LifeError):
        return False
    return True
