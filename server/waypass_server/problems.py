"""Refusals as the API answers them: problem details (RFC 9457, `application/problem+json`).

Every refusal has `type` (`urn:waypass:problem:NAME`, stable, for programs), `title` (the same for each of a type),
`status` and `detail` (what was expected and what came). Input that does not fit its model also lists `errors`, one a
field. Nothing repeats a token, a code or a pass, and nothing shows a traceback.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy.exc import DataError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection
from starlette.exceptions import HTTPException

from waypass_server import life
from waypass_server.keyring import NoSigner
from waypass_server.models import guards
from waypass_server.refusals import BadInput, Conflict, Forbidden, Problem, SamePerson, TooMany

MEDIA_TYPE = "application/problem+json"
_PREFIX = "urn:waypass:problem:"

_log = logging.getLogger(__name__)


class ProblemDetails(BaseModel):
    """The body of every refusal (RFC 9457)."""

    type: str = Field(examples=[_PREFIX + "same-person"])
    title: str
    status: int
    detail: str = Field(description="What was expected and what came.")
    errors: list[str] | None = Field(default=None, description="For input that does not fit: one line a field.")


_HTTP: Mapping[int, tuple[str, str]] = {
    400: (Problem.name, Problem.title),
    404: ("not-found", "There is no such record"),
    405: ("method-not-allowed", "The address has no such method"),
    413: ("too-large", "The request is too large"),
}

RESPONSES: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": ProblemDetails, "description": "Refused; `type` says why."},
    "5XX": {"model": ProblemDetails, "description": "The server cannot do it, or not now."},
}
"""For routers: what refusals there are in the OpenAPI document; `document` says in which media type."""

_LIFE: Mapping[type[life.LifeError], type[Problem]] = {
    life.NotAllowed: Forbidden,
    life.SamePerson: SamePerson,
    life.WrongState: Conflict,
    life.TooLate: Conflict,
}


def from_life(error: life.LifeError) -> Problem:
    """The refusal that answers a broken rule of `life`."""
    return _LIFE[type(error)](str(error))


def install(app: FastAPI) -> None:
    """Answer every refusal of the application as problem details."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(life.LifeError, _on_life)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(IntegrityError, _on_collision)
    app.add_exception_handler(DataError, _on_no_value)
    app.add_exception_handler(OperationalError, _on_no_database)
    app.add_exception_handler(NoConnection, _on_no_database)
    app.add_exception_handler(NoSigner, _on_no_key)
    app.add_exception_handler(Exception, _on_bug)


def document(described: dict[str, Any]) -> dict[str, Any]:
    """The OpenAPI document with refusals in the media type that they have; FastAPI knows one for each route."""
    for operations in described["paths"].values():
        for operation in operations.values():
            for code in RESPONSES.keys() & operation.get("responses", {}).keys():
                content = operation["responses"][code]["content"]
                operation["responses"][code]["content"] = {MEDIA_TYPE: next(iter(content.values()))}
    return described


def answer(status: int, name: str, title: str, detail: str, *, errors: Sequence[str] | None = None) -> JSONResponse:
    """A response of problem details."""
    body: dict[str, object] = {"type": _PREFIX + name, "title": title, "status": status, "detail": detail}
    if errors is not None:
        body["errors"] = list(errors)
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    return JSONResponse(body, status_code=status, media_type=MEDIA_TYPE, headers=headers)


def _on_problem(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)
    response = answer(error.status, error.name, error.title, str(error))
    if isinstance(error, TooMany) and error.seconds is not None:
        response.headers["Retry-After"] = str(error.seconds)
    return response


def _on_life(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, life.LifeError)
    return _on_problem(request, from_life(error))


def _on_validation(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    lines = [_line(one) for one in error.errors()]
    return answer(422, BadInput.name, BadInput.title, "; ".join(lines), errors=lines)


def _line(error: Mapping[str, Any]) -> str:
    """One field's trouble in words. The input is left out: it may be a code or a certificate."""
    place = ".".join(str(part) for part in error["loc"] if part not in ("body", "query", "path", "header"))
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "missing":
        message = "expected a value, got none"
    elif error["type"] == "extra_forbidden":
        message = "no such field"
    return f"{place or 'body'}: {message}"


def _on_http(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    name, title = _HTTP.get(error.status_code, ("http", "The request cannot be used"))
    response = answer(error.status_code, name, title, str(error.detail))
    response.headers.update(error.headers or {})  # 405 has to say what is allowed
    return response


def _on_collision(_request: Request, error: Exception) -> JSONResponse:
    """Two requests wrote the same at the same moment; the database let one of them through. Or one of the database's
    guards refused what should have been refused before.
    """
    assert isinstance(error, IntegrityError)
    guard = guards.said_by(error)
    if guard is not None:
        _log.error("a guard of the database refused a change: %s", guard)
        return answer(Conflict.status, Conflict.name, Conflict.title, guard)
    # Not its own words: PostgreSQL's repeat the value that is there already.
    _log.warning("a change was refused by the database: %s in %s", type(error.orig).__name__, error.statement)
    return answer(Conflict.status, Conflict.name, Conflict.title, "expected to be the only one; try again")


def _on_no_value(_request: Request, error: Exception) -> JSONResponse:
    """PostgreSQL has values that it cannot hold, such as text with a zero character."""
    _log.warning("a value was refused by the database: %s", type(error).__name__)
    return answer(BadInput.status, BadInput.name, BadInput.title, "expected values that the database can hold")


def _on_no_database(_request: Request, error: Exception) -> JSONResponse:
    """It is gone, full or locked; or more wait for a connection than get one in time."""
    _log.error("the database cannot be used now: %s", error.orig if isinstance(error, OperationalError) else error)
    return answer(503, "unavailable", "The server cannot do it now", "The database cannot be used now; try again.")


def _on_no_key(_request: Request, error: Exception) -> JSONResponse:
    _log.error("nothing can be signed: %s", error)
    return answer(503, "no-key", "The server has no key that may sign now", str(error))


def _on_bug(request: Request, error: Exception) -> JSONResponse:
    _log.error("%s %s failed", request.method, request.scope.get("route_path", "a request"), exc_info=error)
    return answer(500, "internal", "The server failed", "The failure was logged; trying again may help.")
