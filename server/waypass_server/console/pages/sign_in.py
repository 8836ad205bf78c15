"""Signing in with a staff token, signing out, and the language.

A link `/ops/sign-in#token=TOKEN` fills the field in: the fragment is not sent to any server, and the page's script
takes it out of the address at once. It is not sent off by itself, so that no link signs somebody in as somebody else.
"""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from waypass_server.api.access import ServicesHere, SourceHere
from waypass_server.console import sessions
from waypass_server.console.access import (
    FORM_COOKIE,
    HOME,
    SESSION_COOKIE,
    ForgedForm,
    Form,
    Posted,
    check_form,
    page_of_ours,
    read_form,
    set_cookie,
)
from waypass_server.console.rendering import LANGUAGE_COOKIE, go, show
from waypass_server.console.sessions import LONGEST, PREFIX, WrongToken, csrf_of
from waypass_server.console.words import LANGUAGES
from waypass_server.refusals import TooMany
from waypass_server.services import Services
from waypass_server.tokens import make_token

router = APIRouter()

YEAR = 366 * 86_400

AnyForm = Annotated[Form, Depends(read_form)]


@router.get("/sign-in")
def show_sign_in(request: Request, here: ServicesHere, next: str = HOME) -> Response:  # noqa: A002 - the address's name
    """The form."""
    return _show(request, here, page_of_ours(next))


@router.post("/sign-in")
def sign_in(request: Request, form: AnyForm, here: ServicesHere, source: SourceHere) -> Response:
    """Begin a session in place of the one that this browser had."""
    place = page_of_ours(form.text("next"))
    try:
        check_form(form, request.cookies.get(FORM_COOKIE, ""))
    except ForgedForm:
        return _show(request, here, place, status=403, error="stale")
    before = request.cookies.get(SESSION_COOKIE)
    try:
        secret = sessions.sign_in(here, token=form.text("token"), source=source, before=before)
    except WrongToken:
        return _show(request, here, place, status=401, error="wrong")
    except TooMany:
        return _show(request, here, place, status=429, error="too-many")
    response = go(place)
    set_cookie(request, response, SESSION_COOKIE, secret, life=LONGEST)
    response.delete_cookie(FORM_COOKIE, path=HOME)
    return response


@router.post("/sign-out")
def sign_out(request: Request, _form: Posted, here: ServicesHere) -> Response:
    """End the session."""
    sessions.sign_out(here, request.cookies.get(SESSION_COOKIE, ""))
    response = go(f"{HOME}sign-in", done="signed-out")
    response.delete_cookie(SESSION_COOKIE, path=HOME)
    return response


@router.get("/language/{language}")
def choose_language(language: str, request: Request, back: str = HOME) -> Response:
    """Remember the language in this browser, and back to the page."""
    response = go(page_of_ours(back))
    if language in LANGUAGES:
        set_cookie(request, response, LANGUAGE_COOKIE, language, life=YEAR)
    return response


def _show(request: Request, here: Services, place: str, *, status: int = 200, error: str | None = None) -> Response:
    secret = request.cookies.get(FORM_COOKIE) or make_token(PREFIX, here.random_bytes)
    already = sessions.find(here, request.cookies.get(SESSION_COOKIE, ""))
    response = show(
        request, "sign_in.html", status=status, form_csrf=csrf_of(secret), place=place, error=error, already=already
    )
    set_cookie(request, response, FORM_COOKIE, secret, life=LONGEST)
    return response
