"""Limits on how many people may be worsened: how near each is, its alarms, and the changes under way."""

from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from waypass_server import worsening
from waypass_server.api.access import ServicesHere
from waypass_server.api.forms import IdInPath
from waypass_server.api.worsening import subjects
from waypass_server.console import forms
from waypass_server.console.access import AnySignedIn, LimitKeeper, Posted
from waypass_server.console.forms import Filled, FormRefused
from waypass_server.console.once import make_key, once
from waypass_server.console.people import names_of_staff
from waypass_server.console.rendering import go, rendering, show
from waypass_server.console.sessions import SignedIn
from waypass_server.models.lists_of_people import Basis, BasisVersion
from waypass_server.models.network import Authority
from waypass_server.models.worsening import Alarm, Level, LimitChange, Window
from waypass_server.refusals import Problem
from waypass_server.roles import Role
from waypass_server.services import Services
from waypass_server.worsening import Standing, Subject

router = APIRouter(prefix="/limits")

NEWEST = 20
_TEXTS = ("subject", "window", "value")


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """A change as the page shows it."""

    row: LimitChange
    state: str
    may_agree: bool


@router.get("")
def show_limits(request: Request, me: AnySignedIn, here: ServicesHere) -> Response:
    """Every limit, the nearest to its end first."""
    return _page(request, me, here, Filled())


@router.post("")
def propose(request: Request, form: Posted, me: LimitKeeper, here: ServicesHere) -> Response:
    """Another value for a limit."""
    speech = rendering(request).speech(request)
    try:
        level, of = _subject(form.text("subject"))
        value = forms.whole_number(form.text("value"), "value", speech)
        subject = Subject(network_id=me.member.network_id, level=level, id=of)
        words = {"value": speech("Write another number than the one in force, at least 1.")}

        def act(session: Session) -> str:
            window = Window.MONTH if form.text("window") == Window.MONTH else Window.DAY
            actor, now = me.member.actor(), here.now()
            try:
                worsening.propose(session, subject, window, value, staff_id=me.member.staff_id, actor=actor, now=now)
            except Problem as problem:
                raise forms.at_field(problem, words) from None
            return "/ops/limits"

        return go(once(here, staff_id=me.member.staff_id, key=form.text("key"), act=act), done="limit-proposed")
    except FormRefused as refused:
        return _page(request, me, here, Filled.of(form, texts=_TEXTS, errors=refused.errors), status=422)


@router.post("/{change_id}/agree")
def agree(change_id: IdInPath, _form: Posted, me: LimitKeeper, here: ServicesHere) -> Response:
    """By another person than those before."""
    with here.change() as session:
        change = worsening.find_change(session, me.member.network_id, change_id)
        elsewhere, member = here.settings.approval_elsewhere, me.member
        worsening.agree(
            session, change, staff_id=member.staff_id, actor=member.actor(), elsewhere=elsewhere, now=here.now()
        )
    return go("/ops/limits", done="limit-agreed")


@router.post("/{change_id}/withdraw")
def withdraw(change_id: IdInPath, _form: Posted, me: LimitKeeper, here: ServicesHere) -> Response:
    """One person is enough."""
    with here.change() as session:
        change = worsening.find_change(session, me.member.network_id, change_id)
        worsening.withdraw(session, change, actor=me.member.actor(), now=here.now())
    return go("/ops/limits", done="limit-withdrawn")


def _page(request: Request, me: SignedIn, here: Services, filled: Filled, *, status: int = 200) -> Response:
    now, network_id = here.now(), me.member.network_id
    changes = select(LimitChange).where(LimitChange.network_id == network_id).order_by(LimitChange.id.desc())
    alarms = select(Alarm).where(Alarm.network_id == network_id).order_by(Alarm.id.desc())
    with here.database.reading() as session:
        found = worsening.standings(session, subjects(session, network_id), now)
        return show(
            request,
            "limits.html",
            status=status,
            limits=sorted(found, key=_nearness, reverse=True),
            names=names_of_subjects(session, network_id),
            alarms=list(session.scalars(alarms.limit(NEWEST))),
            changes=[_change(session, row, me, here) for row in session.scalars(changes.limit(NEWEST))],
            staff=names_of_staff(session, network_id),
            filled=filled,
            key=make_key(here.random_bytes),
            public_for=worsening.PUBLIC_FOR,
            keeper=bool(me.member.roles & {Role.ADMIN, Role.APPROVER, Role.REVIEWER}),
        )


def names_of_subjects(session: Session, network_id: int) -> dict[tuple[Level, int], str]:
    """What each limit counts over, in the words of the network; a basis by its newest title."""
    authorities = session.execute(select(Authority.id, Authority.name).where(Authority.network_id == network_id))
    versions = session.execute(
        select(BasisVersion.basis_id, BasisVersion.title)
        .join(Basis, Basis.id == BasisVersion.basis_id)
        .where(Basis.network_id == network_id)
        .order_by(BasisVersion.number)
    )
    names = {(Level.AUTHORITY, number): name for number, name in authorities}
    return names | {(Level.BASIS, number): title for number, title in versions}


def _change(session: Session, row: LimitChange, me: SignedIn, here: Services) -> Change:
    return Change(row=row, state=worsening.state_of(row, here.now()), may_agree=_may_agree(session, row, me, here))


def _may_agree(session: Session, row: LimitChange, me: SignedIn, here: Services) -> bool:
    elsewhere = here.settings.approval_elsewhere
    try:
        worsening.check_agreeing(session, row, me.member.staff_id, elsewhere=elsewhere)
    except Problem:
        return False
    return worsening.waits(row)


def _nearness(one: Standing) -> float:
    return one.people / one.limit


def _subject(text: str) -> tuple[Level, int]:
    """From the form's choice, such as `basis-7`; what is none of them is refused where it is looked up."""
    level, _, number = text.partition("-")
    of = forms.record_id(number)
    return (Level(level), of) if level in (Level.BASIS, Level.AUTHORITY) else (Level.NETWORK, 0)
