"""Signing in: with a password and a code, a passkey, the OpenID provider, or a staff token; signing out; the language.

A link `/ops/sign-in#token=TOKEN` fills the field in: the fragment is not sent to any server, and the page's script
takes it out of the address at once. It is not sent off by itself, so that no link signs somebody in as somebody else.
The same holds for an enrolment link, `/ops/enrol#code=CODE`.
"""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from waypass_server.api.access import ServicesHere, SourceHere
from waypass_server.console import sessions
from waypass_server.console.access import (
    FORM_COOKIE,
    HOME,
    MINE,
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
from waypass_server.refusals import NotFound, Problem
from waypass_server.services import Services
from waypass_server.signin import by_passkey
from waypass_server.signin.attempts import Wait
from waypass_server.signin.by_password import Given, WrongSignIn
from waypass_server.signin.ceremonies import NotBegun
from waypass_server.signin.links import WrongLink
from waypass_server.signin.passkeys import BadPasskey, Place
from waypass_server.signin.places import place_of
from waypass_server.tokens import make_token

router = APIRouter()

YEAR = 366 * 86_400

AnyForm = Annotated[Form, Depends(read_form)]


@router.get("/sign-in")
def show_sign_in(request: Request, here: ServicesHere, next: str = HOME) -> Response:  # noqa: A002 - the address's name
    """The forms."""
    return _show(request, here, page_of_ours(next))


@router.post("/sign-in")
def sign_in(request: Request, form: AnyForm, here: ServicesHere, source: SourceHere) -> Response:
    """Begin a session with a staff token, in place of the one that this browser had."""
    before = request.cookies.get(SESSION_COOKIE)
    return _begin(
        request,
        form,
        here,
        lambda: sessions.sign_in(here, token=form.text("token"), source=source, before=before),
    )


@router.post("/sign-in/password")
def sign_in_with_password(request: Request, form: AnyForm, here: ServicesHere, source: SourceHere) -> Response:
    """The same with name, password and code."""
    given = Given(name=form.text("name"), password=form.whole("password"), code=form.text("code"))
    before = request.cookies.get(SESSION_COOKIE)
    return _begin(
        request, form, here, lambda: sessions.sign_in_with_password(here, given, source=source, before=before)
    )


@router.post("/sign-in/passkey/options")
def ask_for_passkey(request: Request, form: AnyForm, here: ServicesHere) -> Response:
    """What the browser's authenticator is asked, as JSON."""
    place, owner = place_here(here), request.cookies.get(FORM_COOKIE, "")
    check_form(form, owner)
    return Response(by_passkey.begin(here, place, owner=owner), media_type="application/json")


@router.post("/sign-in/passkey")
def sign_in_with_passkey(request: Request, form: AnyForm, here: ServicesHere) -> Response:
    """Begin a session with the authenticator's answer."""
    place, owner = place_here(here), request.cookies.get(FORM_COOKIE, "")
    before = request.cookies.get(SESSION_COOKIE)
    return _begin(
        request,
        form,
        here,
        lambda: sessions.sign_in_with_passkey(here, place, owner=owner, text=form.text("credential"), before=before),
    )


@router.post("/sign-out")
def sign_out(request: Request, _form: Posted, here: ServicesHere) -> Response:
    """End the session."""
    sessions.sign_out(here, request.cookies.get(SESSION_COOKIE, ""))
    return signed_out("signed-out")


@router.get("/enrol")
def show_enrolment(request: Request, here: ServicesHere) -> Response:
    """The form that an enrolment link leads to."""
    return _show(request, here, MINE, template="enrol.html")


@router.post("/enrol")
def enrol(request: Request, form: AnyForm, here: ServicesHere, source: SourceHere) -> Response:
    """Use a link up: a session in which ways to sign in are set up."""
    before = request.cookies.get(SESSION_COOKIE)
    return _begin(
        request,
        form,
        here,
        lambda: sessions.enrol(here, secret=form.text("code"), source=source, before=before),
        template="enrol.html",
    )


@router.get("/language/{language}")
def choose_language(language: str, request: Request, back: str = HOME) -> Response:
    """Remember the language in this browser, and back to the page."""
    response = go(page_of_ours(back))
    if language in LANGUAGES:
        set_cookie(request, response, LANGUAGE_COOKIE, language, life=YEAR)
    return response


def place_here(here: Services) -> Place:
    """What passkeys are for. Raises `NotFound` where the settings do not say."""
    place = place_of(here.settings)
    if place is None:
        raise NotFound("passkey: expected the setting origin, it is not set")
    return place


def signed_out(done: str) -> Response:
    """To the sign-in, without a session."""
    response = go(f"{HOME}sign-in", done=done)
    response.delete_cookie(SESSION_COOKIE, path=HOME)
    return response


def with_session(request: Request, response: Response, secret: str) -> Response:
    """The same answer, which gives the browser its session."""
    set_cookie(request, response, SESSION_COOKIE, secret, life=LONGEST)
    response.delete_cookie(FORM_COOKIE, path=HOME)
    return response


_REFUSED: dict[type[Problem], tuple[int, str]] = {
    ForgedForm: (403, "stale"),
    NotBegun: (403, "stale"),
    WrongToken: (401, "wrong-token"),
    WrongSignIn: (401, "wrong"),
    BadPasskey: (401, "passkey"),
    WrongLink: (401, "link"),
}


def _begin(
    request: Request, form: Form, here: Services, begin: Callable[[], str], *, template: str = "sign_in.html"
) -> Response:
    """The page with what was wrong, or on with a session."""
    place = MINE if template == "enrol.html" else page_of_ours(form.text("next"))
    try:
        check_form(form, request.cookies.get(FORM_COOKIE, ""))
        secret = begin()
    except Wait as wait:
        return _show(request, here, place, template=template, status=429, error="wait", wait=wait.seconds)
    except tuple(_REFUSED) as refused:
        status, error = _REFUSED[type(refused)]
        name = form.text("name")
        return _show(request, here, place, template=template, status=status, error=error, name=name)
    return with_session(request, go(place), secret)


def _show(
    request: Request,
    here: Services,
    place: str,
    *,
    template: str = "sign_in.html",
    status: int = 200,
    error: str | None = None,
    wait: int = 0,
    name: str = "",
) -> Response:
    secret = request.cookies.get(FORM_COOKIE) or make_token(PREFIX, here.random_bytes)
    already = sessions.find(here, request.cookies.get(SESSION_COOKIE, ""))
    response = show(
        request,
        template,
        status=status,
        form_csrf=csrf_of(secret),
        place=place,
        error=error,
        wait=wait,
        name=name,
        already=already,
        has_passkeys=place_of(here.settings) is not None,
        has_provider=here.provider is not None,
        has_tokens=here.settings.staff_tokens,
    )
    set_cookie(request, response, FORM_COOKIE, secret, life=LONGEST)
    return response
