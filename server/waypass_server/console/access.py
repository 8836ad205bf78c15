"""Who is at a page, what they may do there, and whether a form is one of theirs.

1. the session's secret comes in a cookie that scripts cannot read and that no other site can make a browser send
   (HttpOnly, SameSite=Strict; Secure where the request came over https), for `/ops/` alone
2. without a session that is alive a page leads to the sign-in, and back after it (`SignInNeeded`)
3. somebody without the role is refused before anything of the request is looked at (`Forbidden`)
4. a form must carry the token that belongs to the session (`ForgedForm`); the sign-in's own form, the one that belongs
   to a cookie of its own
5. a session of an enrolment link is for the page where ways to sign in are set up, and every other page leads there
   (`EnrolFirst`)
6. there, something is changed only in such a session, or soon after a sign-in with a password or a passkey: a session
   that somebody left open, or a staff token that somebody copied, leaves nothing behind (`SignInAgain`)
"""

import hmac
from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Request, Response
from starlette.datastructures import FormData, UploadFile

from waypass_server.api.access import ServicesHere
from waypass_server.console import sessions
from waypass_server.console.sessions import FRESH, SignedIn, csrf_of
from waypass_server.errors import ServerError
from waypass_server.refusals import BadInput, Forbidden
from waypass_server.roles import Role
from waypass_server.services import Services
from waypass_server.ways import Way

SESSION_COOKIE = "waypass_ops"
FORM_COOKIE = "waypass_ops_form"
HOME = "/ops/"
MOST_FIELDS = 500
MINE = "/ops/me"


class SignInNeeded(ServerError):
    """Nobody is signed in, or no longer; `back` is where to go after that."""

    def __init__(self, back: str) -> None:
        super().__init__("expected a session that is alive, got none")
        self.back = back


class EnrolFirst(ServerError):
    """A session that sets up ways to sign in, at another page."""


class SignInAgain(Forbidden):
    """The session began too long ago for this, or not in a way that is good enough."""

    name = "sign-in-again"
    title = "A new sign-in is needed"


class ForgedForm(Forbidden):
    """A form that this console did not show to this session."""

    name = "forged-form"
    title = "The form is not from this page"


class Form:
    """What a form brought: every field is text, but for a file."""

    def __init__(self, data: FormData) -> None:
        self._data = data

    def text(self, name: str) -> str:
        """One field, without space around it; empty when it is missing or a file."""
        value = self._data.get(name, "")
        return value.strip() if isinstance(value, str) else ""

    def with_texts(self, **given: str) -> "Form":
        """The same with these fields in place of what was sent."""
        kept = [(name, value) for name, value in self._data.multi_items() if name not in given]
        return Form(FormData([*kept, *given.items()]))

    def whole(self, name: str) -> str:
        """One field as it was typed: of a password space counts too."""
        value = self._data.get(name, "")
        return value if isinstance(value, str) else ""

    def file(self, name: str) -> UploadFile | None:
        """A file that was chosen; where none was, a browser sends one without a name."""
        value = self._data.get(name)
        return value if isinstance(value, UploadFile) and value.filename else None

    def texts(self, name: str) -> list[str]:
        """Each value of a field that may stand several times."""
        return [value for value in self._data.getlist(name) if isinstance(value, str)]


def at_browser(request: Request, here: ServicesHere) -> SignedIn:
    """Who is at the browser (rules 1 and 2), also with an enrolment link. Raises `SignInNeeded`."""
    secret = request.cookies.get(SESSION_COOKIE, "")
    found = sessions.find(here, secret) if secret else None
    if found is None:
        raise SignInNeeded(address_of(request) if request.method == "GET" else HOME)
    request.state.signed_in = found
    return found


def signed_in(me: Annotated[SignedIn, Depends(at_browser)]) -> SignedIn:
    """Who is signed in (rule 5). Raises `EnrolFirst`."""
    if me.enrolling:
        raise EnrolFirst("expected a sign-in, got an enrolment link that is being used")
    return me


def may_change(me: Annotated[SignedIn, Depends(at_browser)], here: ServicesHere) -> SignedIn:
    """Who may change how they sign in (rule 6). Raises `SignInAgain`."""
    if not me.enrolling:
        _check_fresh(me, here, frozenset({Way.PASSWORD, Way.PASSKEY}))
    return me


def may_make_tokens(me: Annotated[SignedIn, Depends(signed_in)], here: ServicesHere) -> SignedIn:
    """Who may make an API token: no token makes one. Raises `SignInAgain`."""
    _check_fresh(me, here, frozenset({Way.PASSWORD, Way.PASSKEY, Way.OIDC}))
    return me


def is_fresh(me: SignedIn, here: Services, ways: frozenset[Way]) -> bool:
    """Whether the session began a moment ago, in one of these ways."""
    return me.way in ways and me.began_at > here.now() - FRESH


def _check_fresh(me: SignedIn, here: Services, ways: frozenset[Way]) -> None:
    if not is_fresh(me, here, ways):
        needed = " or ".join(sorted(way.value for way in ways))
        raise SignInAgain(f"expected a session that began within {FRESH} s by {needed}, got one by {me.way.value}")


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
    _check_kind(request, "application/x-www-form-urlencoded")
    return Form(await request.form(max_fields=MOST_FIELDS, max_files=0))


async def read_form_with_file(request: Request) -> Form:
    """The fields of a form and one file, which goes to disk as it comes. Raises `BadInput`."""
    _check_kind(request, "multipart/form-data")
    return Form(await request.form(max_fields=MOST_FIELDS, max_files=1))


def _check_kind(request: Request, expected: str) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0]
    if kind != expected:
        raise BadInput(f"form: expected {expected}, got {kind or 'nothing'}")


def posted(form: Annotated[Form, Depends(read_form)], me: Annotated[SignedIn, Depends(at_browser)]) -> Form:
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


AtBrowser = Annotated[SignedIn, Depends(at_browser)]
"""A parameter of a page: whoever is signed in, or setting up how."""
MayChange = Annotated[SignedIn, Depends(may_change)]
MayMakeTokens = Annotated[SignedIn, Depends(may_make_tokens)]
AnySignedIn = Annotated[SignedIn, Depends(signed_in)]
"""A parameter of a page: whoever is signed in."""
Posted = Annotated[Form, Depends(posted)]
"""A parameter of a page: a form of this session."""
Admin = Annotated[SignedIn, Depends(signed_in_with(Role.ADMIN))]
Proposer = Annotated[SignedIn, Depends(signed_in_with(Role.PROPOSER))]
Approver = Annotated[SignedIn, Depends(signed_in_with(Role.APPROVER))]
FileBringer = Annotated[SignedIn, Depends(signed_in_with(Role.PROPOSER, Role.DESK))]
BasisProposer = Annotated[SignedIn, Depends(signed_in_with(Role.ADMIN, Role.PROPOSER))]
BasisApprover = Annotated[SignedIn, Depends(signed_in_with(Role.ADMIN, Role.APPROVER))]
RuleRunner = Annotated[SignedIn, Depends(signed_in_with(Role.ADMIN, Role.PROPOSER, Role.APPROVER))]
EverybodyButDesk = Annotated[
    SignedIn, Depends(signed_in_with(Role.ADMIN, Role.PROPOSER, Role.APPROVER, Role.REVIEWER, Role.OPS))
]
LimitKeeper = Annotated[SignedIn, Depends(signed_in_with(Role.ADMIN, Role.APPROVER, Role.REVIEWER))]
EntryReader = Annotated[SignedIn, Depends(signed_in_with(Role.PROPOSER, Role.APPROVER, Role.REVIEWER, Role.OPS))]
EntrySide = Annotated[SignedIn, Depends(signed_in_with(Role.PROPOSER, Role.APPROVER))]
CaseKeeper = Annotated[SignedIn, Depends(signed_in_with(Role.PROPOSER, Role.APPROVER, Role.REVIEWER))]
ProposalReader = Annotated[SignedIn, Depends(signed_in_with(Role.PROPOSER, Role.REVIEWER))]
LogReader = Annotated[SignedIn, Depends(signed_in_with(Role.ADMIN, Role.REVIEWER, Role.OPS))]
Overseer = Annotated[SignedIn, Depends(signed_in_with(Role.REVIEWER, Role.OPS))]
Reviewer = Annotated[SignedIn, Depends(signed_in_with(Role.REVIEWER))]
Ops = Annotated[SignedIn, Depends(signed_in_with(Role.OPS))]
Desk = Annotated[SignedIn, Depends(signed_in_with(Role.DESK))]
