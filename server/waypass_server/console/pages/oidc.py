"""Signing in at the OpenID provider: there, and back.

The provider sends the browser back from another site, and on such a way a browser sends no cookie that is
SameSite=Strict. So what was begun has a cookie of its own (SameSite=Lax, for these two addresses, ten minutes), and the
page after that leads on by itself (a refresh, which is this site's own doing) instead of redirecting.
"""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from waypass_server.api.access import ServicesHere
from waypass_server.console import sessions
from waypass_server.console.access import HOME, SESSION_COOKIE, page_of_ours
from waypass_server.console.pages.sign_in import with_session
from waypass_server.console.rendering import go, show
from waypass_server.console.sessions import PREFIX
from waypass_server.refusals import NotFound, Problem
from waypass_server.services import Services
from waypass_server.signin import ceremonies
from waypass_server.signin.ceremonies import LIFE, NotBegun, Step
from waypass_server.signin.oidc import BadAnswer, Provider, ProviderAway
from waypass_server.tokens import make_token

router = APIRouter(prefix="/sign-in/oidc")

COOKIE = "waypass_ops_oidc"
PATH = f"{HOME}sign-in/oidc"


@router.get("")
def go_there(request: Request, here: ServicesHere, next: str = HOME) -> Response:  # noqa: A002 - the address's name
    """To the provider."""
    provider, owner = _provider(here), make_token(PREFIX, here.random_bytes)
    try:
        begun = provider.begin(random_bytes=here.random_bytes, now=here.now())
    except (BadAnswer, ProviderAway) as refused:
        return _refuse(request, refused)
    held = {**begun.held, "next": page_of_ours(next)}
    with here.database.changing() as session:
        ceremonies.begin(session, owner=owner, step=Step.OIDC, held=held, now=here.now())
    response = go(begun.address)
    secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, owner, max_age=LIFE, path=PATH, httponly=True, samesite="lax", secure=secure)
    return response


@router.get("/back")
def come_back(request: Request, here: ServicesHere) -> Response:
    """Begin a session for whom the provider has named."""
    provider, now = _provider(here), here.now()
    try:
        with here.database.changing() as session:
            held = ceremonies.take(session, owner=request.cookies.get(COOKIE, ""), step=Step.OIDC, now=now)
        name = provider.finish(held, dict(request.query_params), now=now)
        secret = sessions.sign_in_by_name(here, name, before=request.cookies.get(SESSION_COOKIE))
    except (NotBegun, BadAnswer, ProviderAway) as refused:
        return _refuse(request, refused)
    response = show(request, "oidc_back.html", place=held["next"])
    response.delete_cookie(COOKIE, path=PATH)
    return with_session(request, response, secret)


def _provider(here: Services) -> Provider:
    if here.provider is None:
        raise NotFound("oidc: expected the settings of a provider, there are none")
    return here.provider


def _refuse(request: Request, refused: Problem) -> Response:
    response = show(request, "oidc_refused.html", status=refused.status, name=refused.name, detail=str(refused))
    response.delete_cookie(COOKIE, path=PATH)
    return response
