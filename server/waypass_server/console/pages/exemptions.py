"""Exemptions: a reviewer lets one person through for up to 72 h, whatever the entries say; a reviewer ends it.

The person is named in the form, never in an address: the form comes from an entry by the entry's number, or from a
search.
"""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from waypass_server import entries, exemptions
from waypass_server.api.access import ServicesHere
from waypass_server.api.forms import AfterId, IdInPath
from waypass_server.api.review import NewExemption
from waypass_server.console import forms
from waypass_server.console.access import Form, Posted, Reviewer
from waypass_server.console.forms import Filled, FormRefused
from waypass_server.console.once import make_key, once
from waypass_server.console.people import names_of_staff
from waypass_server.console.rendering import go, rendering, show
from waypass_server.console.sessions import SignedIn
from waypass_server.console.words import Speech
from waypass_server.people import find_person
from waypass_server.refusals import Problem
from waypass_server.services import Services

router = APIRouter(prefix="/exemptions")

MOST = 200
USUAL = {"lasts": "24", "lasts_unit": "hours", "starts_unit": "hours"}
_TEXTS = ("person", "reason", "starts", "starts_unit", "lasts", "lasts_unit")


@router.get("")
def list_exemptions(request: Request, me: Reviewer, here: ServicesHere) -> Response:
    """Those in force or to come, the next to end first."""
    now, network_id = here.now(), me.member.network_id
    with here.database.reading() as session:
        found = exemptions.exemptions_now(session, network_id, now, most=MOST)
        mine = exemptions.may_end(
            session,
            [exemption for exemption, _ in found],
            actor=me.member.actor(),
            authority_id=me.member.authority_id,
        )
        return show(
            request,
            "exemptions.html",
            found=found,
            may_end=mine,
            staff=names_of_staff(session, network_id),
        )


@router.get("/new")
def show_new(request: Request, me: Reviewer, here: ServicesHere, entry: AfterId = 0) -> Response:
    """The form; with an entry's number, for its person."""
    values = dict(USUAL)
    if entry:
        with here.database.reading() as session:
            values["person"] = entries.find_entry(session, me.member.network_id, entry, lock=False).person.reference
    return _show(request, here, Filled(values=values))


@router.post("/form")
def show_for_person(request: Request, form: Posted, _me: Reviewer, here: ServicesHere) -> Response:
    """The form for a person who was just searched for."""
    return _show(request, here, Filled(values={**USUAL, "person": form.text("person")}))


@router.post("/new")
def grant(request: Request, form: Posted, me: Reviewer, here: ServicesHere) -> Response:
    """One reviewer is enough."""
    speech = rendering(request).speech(request)
    try:
        body = _read(form, here.now(), speech)

        def act(session: Session) -> str:
            try:
                _grant(session, body, me, here)
            except Problem as problem:
                raise forms.at_field(problem, _field_words(speech)) from None
            return "/ops/exemptions"

        return go(once(here, staff_id=me.member.staff_id, key=form.text("key"), act=act), done="exempted")
    except FormRefused as refused:
        return _show(request, here, Filled.of(form, texts=_TEXTS, errors=refused.errors), status=422)


@router.post("/{exemption_id}/end")
def end(exemption_id: IdInPath, _form: Posted, me: Reviewer, here: ServicesHere) -> Response:
    """Ended at once; ending it again changes nothing."""
    with here.change() as session:
        exemptions.end(
            session,
            network_id=me.member.network_id,
            exemption_id=exemption_id,
            actor=me.member.actor(),
            authority_id=me.member.authority_id,
            now=here.now(),
        )
    return go("/ops/exemptions", done="exemption-ended")


def _grant(session: Session, body: NewExemption, me: SignedIn, here: Services) -> None:
    now = here.now()
    exemptions.grant(
        session,
        person=find_person(session, me.member.network_id, body.person),
        reason=body.reason,
        starts_at=now if body.starts_at is None else body.starts_at,
        ends_at=body.ends_at,
        staff_id=me.member.staff_id,
        actor=me.member.actor(),
        now=now,
    )


def _read(form: Form, now: int, speech: Speech) -> NewExemption:
    """The API's body. Raises `FormRefused` with everything that is wrong."""
    errors: dict[str, str] = {}
    periods = {"starts": 0, "lasts": 1}
    for name in periods:
        if name == "starts" and not form.text(name):
            continue
        try:
            periods[name] = forms.period(form, name, speech)
        except FormRefused as refused:
            errors |= refused.errors
    starts_at = now + periods["starts"]
    values: dict[str, Any] = {name: form.text(name) for name in ("person", "reason")}
    values |= {"starts_at": starts_at, "ends_at": starts_at + periods["lasts"]}
    try:
        body = forms.read(NewExemption, values, speech)
    except FormRefused as refused:
        raise FormRefused({**refused.errors, **errors}) from None
    if errors:
        raise FormRefused(errors)
    return body


def _field_words(speech: Speech) -> dict[str, str]:
    longest = speech.duration(exemptions.LONGEST)
    return {
        "person": speech("Nobody here has this reference. Check every character."),
        "ends_at": speech("At most %(span)s, and at least a minute.") % {"span": longest},
    }


def _show(request: Request, here: Services, filled: Filled, *, status: int = 200) -> Response:
    return show(
        request,
        "exemption_new.html",
        status=status,
        filled=filled,
        longest=exemptions.LONGEST,
        key=make_key(here.random_bytes),
    )
