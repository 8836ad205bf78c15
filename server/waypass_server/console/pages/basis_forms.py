"""Proposing a basis, or a change of one: a form that says of each limit what it does. Another person puts it in force.

What is wrong is said at its field; a change begins with what is in force, so that only what is to differ is touched.
"""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from waypass_server import bases
from waypass_server.api.access import ServicesHere
from waypass_server.api.bases import proposer_of, text_of
from waypass_server.api.forms import BasisForm, IdInPath, NewBasis
from waypass_server.console import forms
from waypass_server.console.access import BasisProposer, Form, Posted
from waypass_server.console.forms import Filled, FormRefused
from waypass_server.console.once import make_key, once
from waypass_server.console.rendering import go, rendering, show
from waypass_server.console.sessions import SignedIn
from waypass_server.console.words import Speech
from waypass_server.models.lists_of_people import BasisVersion, Effect, Exclusion
from waypass_server.models.network import Authority, Scope
from waypass_server.refusals import Problem
from waypass_server.services import Services

router = APIRouter(prefix="/bases")

_PERIODS = ("longest", "notice", "objection_deadline")
_TEXTS = ("authority", "title", "citation", "health", *_PERIODS, *(f"{name}_unit" for name in _PERIODS))
_LISTS = ("effects", "scopes", "exclusions")


@router.get("/new")
def show_new(request: Request, me: BasisProposer, here: ServicesHere) -> Response:
    """An empty form."""
    return _show(request, me, here, Filled(values={f"{name}_unit": "days" for name in _PERIODS}))


@router.post("/new")
def propose(request: Request, form: Posted, me: BasisProposer, here: ServicesHere) -> Response:
    """A new basis."""
    return _propose(request, form, me, here, None)


@router.get("/{basis_id}/change")
def show_change(basis_id: IdInPath, request: Request, me: BasisProposer, here: ServicesHere) -> Response:
    """The form with what the newest version says."""
    with here.database.reading() as session:
        basis = bases.find_basis(session, me.member.network_id, basis_id)
        bases.check_authority(basis, proposer_of(me.member))
        filled = _filled(basis.versions[-1])
    return _show(request, me, here, filled, basis_id=basis_id)


@router.post("/{basis_id}/change")
def propose_change(
    basis_id: IdInPath, request: Request, form: Posted, me: BasisProposer, here: ServicesHere
) -> Response:
    """A new version of it."""
    with here.database.reading() as session:
        bases.find_basis(session, me.member.network_id, basis_id)
    return _propose(request, form, me, here, basis_id)


def _propose(request: Request, form: Form, me: SignedIn, here: Services, basis_id: int | None) -> Response:
    speech = rendering(request).speech(request)
    try:
        body = _read(form, NewBasis if basis_id is None else BasisForm, speech)

        def act(session: Session) -> str:
            try:
                version = _proposed(session, body, me, here, basis_id)
            except Problem as problem:
                raise forms.at_field(problem, _field_words(here.settings.minimum_notice, speech)) from None
            return f"/ops/bases/{version.basis_id}/{version.number}"

        return go(once(here, staff_id=me.member.staff_id, key=form.text("key"), act=act), done="basis-proposed")
    except FormRefused as refused:
        filled = Filled.of(form, texts=_TEXTS, lists=_LISTS, errors=refused.errors)
        return _show(request, me, here, filled, basis_id=basis_id, status=422)


def _proposed(session: Session, body: BasisForm, me: SignedIn, here: Services, basis_id: int | None) -> BasisVersion:
    proposer, text = proposer_of(me.member), text_of(body)
    least, now = here.settings.minimum_notice, here.now()
    if isinstance(body, NewBasis):
        return bases.register(
            session, proposer=proposer, authority=body.authority, text=text, minimum_notice=least, now=now
        )
    basis = bases.find_basis(session, me.member.network_id, basis_id or 0)
    return bases.propose_version(session, basis=basis, proposer=proposer, text=text, minimum_notice=least, now=now)


def _read(form: Form, model: type[BasisForm], speech: Speech) -> BasisForm:
    """The API's body. Raises `FormRefused` with everything that is wrong."""
    errors: dict[str, str] = {}
    values: dict[str, Any] = {name: form.text(name) for name in ("title", "citation")}
    if model is NewBasis:
        values["authority"] = form.text("authority")
    for name in _PERIODS:
        try:
            values[name] = forms.period(form, name, speech)
        except FormRefused as refused:
            errors |= refused.errors
            values[name] = 1
    values |= {
        "health": form.text("health") == "yes",
        "effects": tuple(form.texts("effects")),
        "scopes": forms.numbers(form.texts("scopes")),
        "exclusions": tuple(form.texts("exclusions")),
    }
    try:
        body = forms.read(model, values, speech)
    except FormRefused as refused:
        raise FormRefused({**refused.errors, **errors}) from None
    if errors:
        raise FormRefused(errors)
    return body


def _field_words(minimum_notice: int, speech: Speech) -> Mapping[str, str]:
    """What to say where the domain refuses a field."""
    return {
        "authority": speech("Choose one of these."),
        "effects": speech("A grant stands alone: no red or yellow on the same basis."),
        "scopes": speech(
            "Red in an essential service needs a basis of health; a grant is for services that are by grant only."
        ),
        "notice": speech("At least %(span)s: what can hold somebody up is announced before.")
        % {"span": speech.duration(minimum_notice)},
    }


def _filled(version: BasisVersion) -> Filled:
    values = {"title": version.title, "citation": version.citation, "health": "yes" if version.health else ""}
    for name in _PERIODS:
        values[name], values[f"{name}_unit"] = forms.as_period(getattr(version, name))
    chosen = {name: [str(one) for one in getattr(version, name)] for name in _LISTS}
    return Filled(values=values, chosen=chosen)


def _show(
    request: Request, me: SignedIn, here: Services, filled: Filled, *, basis_id: int | None = None, status: int = 200
) -> Response:
    authorities = select(Authority).where(Authority.network_id == me.member.network_id).order_by(Authority.name)
    if me.member.authority_id is not None:
        authorities = authorities.where(Authority.id == me.member.authority_id)
    scopes = select(Scope).where(Scope.network_id == me.member.network_id).order_by(Scope.number)
    with here.database.reading() as session:
        basis = None if basis_id is None else bases.find_basis(session, me.member.network_id, basis_id)
        return show(
            request,
            "basis_form.html",
            status=status,
            filled=filled,
            basis_id=basis_id,
            authority=None if basis is None else basis.authority,
            authorities=list(session.scalars(authorities)),
            scopes=list(session.scalars(scopes)),
            effects=list(Effect),
            exclusions=list(Exclusion),
            minimum_notice=here.settings.minimum_notice,
            key=make_key(here.random_bytes),
        )
