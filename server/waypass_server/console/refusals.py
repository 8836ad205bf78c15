"""Refusals as pages: the same ones that the API answers as problem details, for people.

Whoever is not signed in is led to the sign-in; what calls for data (an event stream) gets the bare status.
"""

import logging
from contextlib import suppress

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse, RedirectResponse, Response
from sqlalchemy.exc import DataError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection
from starlette.exceptions import HTTPException
from starlette.types import HTTPExceptionHandler

from waypass_server import life
from waypass_server.api.access import services
from waypass_server.console.access import HOME, MINE, SESSION_COOKIE, EnrolFirst, SignInNeeded, at_browser
from waypass_server.console.rendering import show
from waypass_server.keyring import NoSigner
from waypass_server.problems import from_life
from waypass_server.refusals import BadInput, Conflict, NotFound, Problem

EVENTS = "text/event-stream"

_BUG = """The server failed. It was logged; go back and try again, or start at /ops/
服务器出错，已记录。请返回重试，或从 /ops/ 重新开始。
"""
_log = logging.getLogger(__name__)
_NO_PAGE = "no-such-page"
_OF_STATUS = {404: _NO_PAGE, 405: "method-not-allowed", 413: "too-large"}


def install(app: FastAPI) -> None:
    """Answer every refusal of the console as a page."""
    table: dict[type[Exception], HTTPExceptionHandler] = {
        SignInNeeded: _on_nobody,
        EnrolFirst: _on_enrolling,
        Problem: _on_problem,
        life.LifeError: _on_life,
        RequestValidationError: _on_validation,
        HTTPException: _on_http,
        IntegrityError: _on_collision,
        DataError: _on_no_value,
        OperationalError: _on_no_database,
        NoConnection: _on_no_database,
        NoSigner: _on_no_key,
        Exception: _on_bug,
    }
    for kind, handler in table.items():
        app.add_exception_handler(kind, handler)


def refused(request: Request, status: int, name: str, detail: str) -> Response:
    """The page of a refusal. `detail` is for whoever is called at night: what was expected and what came."""
    return show(request, "problem.html", status=status, name=name, detail=detail)


def _on_nobody(request: Request, error: Exception) -> Response:
    assert isinstance(error, SignInNeeded)
    if EVENTS in request.headers.get("accept", ""):
        return Response(status_code=401)
    place = request.url.replace(path=f"{HOME}sign-in", query="").include_query_params(next=error.back)
    if SESSION_COOKIE in request.cookies:
        place = place.include_query_params(done="ended")
    return RedirectResponse(f"{place.path}?{place.query}", status_code=303)


def _on_enrolling(_request: Request, error: Exception) -> Response:
    assert isinstance(error, EnrolFirst)
    return RedirectResponse(MINE, status_code=303)


def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return refused(request, error.status, error.name, str(error))


def _on_life(request: Request, error: Exception) -> Response:
    assert isinstance(error, life.LifeError)
    return _on_problem(request, from_life(error))


def _on_validation(request: Request, error: Exception) -> Response:
    """An address with something else than the number of a record."""
    assert isinstance(error, RequestValidationError)
    return refused(request, NotFound.status, _NO_PAGE, "address: expected one of this console's pages")


def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    _look_who_it_is(request)
    name = _OF_STATUS.get(error.status_code, BadInput.name)
    response = refused(request, error.status_code, name, str(error.detail))
    response.headers.update(error.headers or {})  # 405 has to say what is allowed
    return response


def _look_who_it_is(request: Request) -> None:
    """An address without a page asks nobody who they are; whoever is signed in still sees their pages above."""
    with suppress(SignInNeeded, OperationalError, NoConnection):
        at_browser(request, services(request))


def _on_collision(request: Request, error: Exception) -> Response:
    assert isinstance(error, IntegrityError)
    # Not its own words: PostgreSQL's repeat the value that is there already.
    _log.warning("a change was refused by the database: %s in %s", type(error.orig).__name__, error.statement)
    return refused(request, Conflict.status, Conflict.name, "expected to be the only one; try again")


def _on_no_value(request: Request, error: Exception) -> Response:
    _log.warning("a value was refused by the database: %s", type(error).__name__)
    return refused(request, BadInput.status, BadInput.name, "expected values that the database can hold")


def _on_no_database(request: Request, error: Exception) -> Response:
    _log.error("the database cannot be used now: %s", getattr(error, "orig", error))
    return refused(request, 503, "unavailable", "the database cannot be used now")


def _on_no_key(request: Request, error: Exception) -> Response:
    _log.error("nothing can be signed: %s", error)
    return refused(request, 503, "no-key", str(error))


def _on_bug(request: Request, error: Exception) -> Response:
    _log.error("%s %s failed", request.method, request.scope.get("route_path", "a request"), exc_info=error)
    # Without a template: it may be a template that failed.
    return PlainTextResponse(_BUG, status_code=500)
