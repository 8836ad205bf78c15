"""Who is at a page, what they may do there, and whether a form is one of theirs.

1. the session's secret comes in a cookie that scripts cannot read and that no other site can make a browser send
   (HttpOnly, SameSite=Strict; Secure where the request came over https), for `/ops/` alone
2. without a session that is alive a page leads to the sign-in, and back after it (`SignInNeeded`)
3. somebody without the role is refused before anything of the request is looked at (`Forbidden`)
4. a form must carry the token that belongs to the session (`ForgedForm`); the sign-in's own form, the one that belongs
   to a cookie of its own
"""

import hmac
from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Request, Response
from starlette.datastructures import FormData

from waypass_server.api.access import ServicesHere
from waypass_server.console import sessions
from waypass_server.console.sessions import SignedIn, csrf_of
from waypass_server.errors import ServerError
from waypass_server.refusals import BadInput, Forbidden
from waypass_server.roles import Role

SESSION_COOKIE = "waypass_ops"
FORM_COOKIE = "waypass_ops_form"
HOME = "/ops/"
MOST_FIELDS = 200


class SignInNeeded(ServerError):
    """Nobody is signed in, or no longer; `back` is where to go after that."""

    def __init__(self, back: str) -> None:
        super().__init__("expected a session that is alive, got none")
        self.back = back


class ForgedForm(Forbidden):
    """A form that this console did not show to this session."""

    name = "forged-form"
    title = "The form is not from this page"


class Form:
    """What a form brought: every field is text."""

    def __init__(self, data: FormData) -> None:
        self._data = data

    def text(self, name: str) -> str:
        """One field, without space around it; empty when it is missing or a file."""
        value = self._data.get(name, "")
        return value.strip() if isinstance(value, str) else ""

    def texts(self, name: str) -> list[str]:
        """Each value of a field that may stand several times."""
        return [value for value in self._data.getlist(name) if isinstance(value, str)]


def signed_in(request: Request, here: ServicesHere) -> SignedIn:
    """Who is at the browser (rules 1 and 2). Raises `SignInNeeded`."""
    secret = request.cookies.get(SESSION_COOKIE, "")
    found = sessions.find(here, secret) if secret else None
    if found is None:
        raise SignInNeeded(address_of(request) if request.method == "GET" else HOME)
    request.state.signed_in = found
    return found


def signed_in_with(*roles: Role) -> Callable[[SignedIn], SignedIn]:
    """A dependency: somebody with one of these roles (rule 3)."""

    def check(me: Annotated[SignedIn, Depends(signed_in)]) -> SignedIn:
        if not me.member.roles.intersection(roles):
            needed = " or ".join(sorted(role.value for role in roles))
            raise Forbidden(f"expected somebody with the role {needed}")
        return me

    return check


async def read_form(request: Request) -> Form:
    """The fields of a form. Raises `BadInput`."""
    kind = request.headers.get("content-type", "").partition(";")[0]
    if kind != "application/x-www-form-urlencoded":
        raise BadInput(f"form: expected application/x-www-form-urlencoded, got {kind or 'nothing'}")
    return Form(await request.form(max_fields=MOST_FIELDS, max_files=0))


def posted(form: Annotated[Form, Depends(read_form)], me: Annotated[SignedIn, Depends(signed_in)]) -> Form:
    """A form of this session (rule 4). Raises `ForgedForm`."""
    check_form(form, me.secret)
    return form


def check_form(form: Form, secret: str) -> None:
    """Raises `ForgedForm` unless the form carries the token that belongs to this secret."""
    if not secret or not hmac.compare_digest(form.text("csrf").encode(), csrf_of(secret).encode()):
        raise ForgedForm("form: expected the token of this session; load the page again and send the form from there")


def set_cookie(request: Request, response: Response, name: str, secret: str, *, life: int) -> None:
    """Rule 1."""
    secure = request.url.scheme == "https"
    response.set_cookie(name, secret, max_age=life, path=HOME, httponly=True, samesite="strict", secure=secure)


def address_of(request: Request) -> str:
    """Path and query of a request, as a link."""
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def page_of_ours(address: str) -> str:
    """The address, if it is one of the console's pages, otherwise the first page."""
    plain = address.isascii() and address.isprintable() and not set(address) & {"\\", " "}
    return address if plain and address.startswith(HOME) and "//" not in address else HOME


AnySignedIn = Annotated[SignedIn, Depends(signed_in)]
"""A parameter of a page: whoever is signed in."""
Posted = Annotated[Form, Depends(posted)]
"""A parameter of a page: a form of this session."""
Proposer = Annotated[SignedIn, Depends(signed_in_with(Role.PROPOSER))]
Approver = Annotated[SignedIn, Depends(signed_in_with(Role.APPROVER))]
BasisApprover = Annotated[SignedIn, Depends(signed_in_with(Role.ADMIN, Role.APPROVER))]
EntryReader = Annotated[SignedIn, Depends(signed_in_with(Role.PROPOSER, Role.APPROVER, Role.REVIEWER, Role.OPS))]
EntrySide = Annotated[SignedIn, Depends(signed_in_with(Role.PROPOSER, Role.APPROVER))]
Reviewer = Annotated[SignedIn, Depends(signed_in_with(Role.REVIEWER))]
Ops = Annotated[SignedIn, Depends(signed_in_with(Role.OPS))]
Desk = Annotated[SignedIn, Depends(signed_in_with(Role.DESK))]
