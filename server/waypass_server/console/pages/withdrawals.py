"""Emergency withdrawals: whose passes, why; a look at what it would do; then done at once, or waiting for a second
person past the limits of `withdrawals`.

A reference is only ever sent in a form, so that it does not end up in the log of addresses of whatever stands in front
of the server.
"""

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from waypass_server import withdrawals
from waypass_server.api.access import ServicesHere
from waypass_server.api.forms import IdInPath
from waypass_server.api.operations import NewWithdrawal
from waypass_server.console import forms
from waypass_server.console.access import Form, Ops, Posted
from waypass_server.console.forms import Filled, FormRefused
from waypass_server.console.once import make_key, once
from waypass_server.console.people import names_of_staff
from waypass_server.console.rendering import go, rendering, show
from waypass_server.console.sessions import SignedIn
from waypass_server.console.words import Speech
from waypass_server.models.people import Person
from waypass_server.models.records import EmergencyWithdrawal, WithdrawalState
from waypass_server.passes import live_passes
from waypass_server.people import find_person
from waypass_server.refusals import Problem, SamePerson
from waypass_server.withdrawals import A_HOLDER_A_MONTH, PEOPLE_A_DAY

router = APIRouter(prefix="/withdrawals")

NEWEST = 50
_TEXTS = ("person", "reason")


@router.get("")
def list_withdrawals(request: Request, me: Ops, here: ServicesHere) -> Response:
    """The newest, those that wait first."""
    of_network = EmergencyWithdrawal.network_id == me.member.network_id
    waits = EmergencyWithdrawal.state == WithdrawalState.WAITING
    newest = select(EmergencyWithdrawal).order_by(EmergencyWithdrawal.id.desc()).limit(NEWEST)
    with here.database.reading() as session:
        return show(
            request,
            "withdrawals.html",
            waiting=list(session.scalars(newest.where(of_network, waits))),
            done=list(session.scalars(newest.where(of_network, ~waits))),
            staff=names_of_staff(session, me.member.network_id),
        )


@router.get("/new")
def show_new(request: Request, _me: Ops) -> Response:
    """The form, with what a withdrawal does and what it does not do."""
    return _show_form(request, Filled())


@router.post("/check")
def check(request: Request, form: Posted, me: Ops, here: ServicesHere) -> Response:
    """What it would do; nothing is done yet."""
    speech = rendering(request).speech(request)
    try:
        body = forms.read(NewWithdrawal, {name: form.text(name) for name in _TEXTS}, speech)
        with here.database.reading() as session:
            person = _person(session, me, body, speech)
            return show(
                request,
                "withdrawal_check.html",
                body=body,
                live=len(live_passes(session, person.id, here.now())),
                past_limits=withdrawals.past_limits(session, person, here.now()),
                key=make_key(here.random_bytes),
                people_a_day=PEOPLE_A_DAY,
                a_holder_a_month=A_HOLDER_A_MONTH,
            )
    except FormRefused as refused:
        return _refill(request, form, refused)


@router.post("/new")
def ask(request: Request, form: Posted, me: Ops, here: ServicesHere) -> Response:
    """Withdraw at once, or wait for a second person."""
    speech = rendering(request).speech(request)
    try:
        body = forms.read(NewWithdrawal, {name: form.text(name) for name in _TEXTS}, speech)

        def act(session: Session) -> str:
            row = withdrawals.ask(
                session,
                person=_person(session, me, body, speech),
                reason=body.reason,
                staff_id=me.member.staff_id,
                actor=me.member.actor(),
                now=here.now(),
            )
            return f"/ops/withdrawals/{row.id}"

        return go(once(here, staff_id=me.member.staff_id, key=form.text("key"), act=act))
    except FormRefused as refused:
        return _refill(request, form, refused)


@router.get("/{withdrawal_id}")
def show_withdrawal(withdrawal_id: IdInPath, request: Request, me: Ops, here: ServicesHere) -> Response:
    """One withdrawal: done, or what it waits for."""
    with here.database.reading() as session:
        row = withdrawals.find_withdrawal(session, me.member.network_id, withdrawal_id, lock=False)
        return show(
            request,
            "withdrawal.html",
            row=row,
            person=session.get_one(Person, row.person_id),
            live=len(live_passes(session, row.person_id, here.now())),
            staff=names_of_staff(session, me.member.network_id),
            why_not=_why_not(session, row, me),
        )


@router.post("/{withdrawal_id}/confirm")
def confirm(withdrawal_id: IdInPath, _form: Posted, me: Ops, here: ServicesHere) -> Response:
    """By another person than the one who asked."""
    with here.change() as session:
        withdrawals.confirm(
            session,
            network_id=me.member.network_id,
            withdrawal_id=withdrawal_id,
            staff_id=me.member.staff_id,
            actor=me.member.actor(),
            now=here.now(),
        )
    return go(f"/ops/withdrawals/{withdrawal_id}", done="confirmed")


def _person(session: Session, me: SignedIn, body: NewWithdrawal, speech: Speech) -> Person:
    """Raises `FormRefused`."""
    words = {"person": speech("Nobody here has this reference. Check every character.")}
    try:
        return find_person(session, me.member.network_id, body.person)
    except Problem as problem:
        raise forms.at_field(problem, words) from None


def _why_not(session: Session, row: EmergencyWithdrawal, me: SignedIn) -> str | None:
    """Why whoever is signed in cannot confirm it: a word for the template."""
    try:
        withdrawals.check_confirmer(session, row, me.member.staff_id)
    except SamePerson:
        return "own"
    except Problem:
        return "desk"
    return None if row.state is WithdrawalState.WAITING else "done"


def _refill(request: Request, form: Form, refused: FormRefused) -> Response:
    return _show_form(request, Filled.of(form, texts=_TEXTS, errors=refused.errors), status=422)


def _show_form(request: Request, filled: Filled, *, status: int = 200) -> Response:
    limits = {"people_a_day": PEOPLE_A_DAY, "a_holder_a_month": A_HOLDER_A_MONTH}
    return show(request, "withdrawal_new.html", status=status, filled=filled, **limits)
