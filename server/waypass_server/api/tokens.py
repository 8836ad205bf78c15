"""API tokens of staff. One is made with password and code, not with a token: see `signin.api_tokens`."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field
from sqlalchemy.orm import Session

from waypass_server.api.access import AnyStaff, ServicesHere, SourceHere
from waypass_server.api.forms import IdInPath, Input, Instant, Line, Output
from waypass_server.models.network import Staff
from waypass_server.models.sign_in import ApiToken
from waypass_server.problems import RESPONSES
from waypass_server.roles import Role
from waypass_server.signin import api_tokens, by_password
from waypass_server.signin.by_password import Given
from waypass_server.signin.passwords import LONGEST as LONGEST_PASSWORD

router = APIRouter(prefix="/api/v1/tokens", tags=["staff"], responses=RESPONSES)


class TokenForm(Input):
    """What a token may do, and until when."""

    label: Annotated[Line, Field(max_length=100)]
    roles: Annotated[tuple[Role, ...], Field(min_length=1, description="Some of one's own.")]
    writes: bool = Field(default=False, description="Without it the token reads only.")
    ends_at: Instant


class NewToken(TokenForm):
    """A token, and who asks for it."""

    name: Line
    password: Annotated[str, Field(max_length=LONGEST_PASSWORD)]
    code: Annotated[str, Field(max_length=40, description="Of the authenticator app, or a recovery code.")]


class TokenOut(Output):
    """A token without its text."""

    id: int
    label: str
    last_four: str
    roles: list[Role]
    writes: bool
    created_at: int
    ends_at: int
    used_on: int | None = Field(description="The beginning of the day of its last use.")

    @staticmethod
    def of(row: ApiToken) -> "TokenOut":
        """From a row."""
        same = ("id", "label", "last_four", "roles", "writes", "created_at", "ends_at", "used_on")
        return TokenOut(**{name: getattr(row, name) for name in same})


class MadeToken(TokenOut):
    """The token, shown once."""

    token: str


@router.post("", status_code=201, summary="Make an API token, with password and code")
def make_token(body: NewToken, here: ServicesHere, source: SourceHere) -> MadeToken:
    """No token makes a token: the person does. Wrong passwords and codes make one wait, longer each time."""
    given = Given(name=body.name, password=body.password, code=body.code)

    def act(session: Session, staff: Staff) -> MadeToken:
        row, token = api_tokens.make(
            session,
            staff=staff,
            label=body.label,
            roles=frozenset(body.roles),
            writes=body.writes,
            ends_at=body.ends_at,
            random_bytes=here.random_bytes,
            now=here.now(),
        )
        return MadeToken(**TokenOut.of(row).model_dump(), token=token)

    return by_password.prove(here, given, source=source, act=act)


@router.get("", summary="My API tokens that are alive")
def list_tokens(member: AnyStaff, here: ServicesHere) -> list[TokenOut]:
    """The newest first."""
    with here.database.reading() as session:
        return [TokenOut.of(row) for row in api_tokens.of_staff(session, member.staff_id, here.now())]


@router.post("/{token_id}/revoke", summary="End one of my API tokens")
def revoke_token(token_id: IdInPath, member: AnyStaff, here: ServicesHere) -> list[TokenOut]:
    """At once; those that are left. Doing it again changes nothing."""
    now = here.now()
    with here.database.changing() as session:
        staff = session.get_one(Staff, member.staff_id)
        api_tokens.revoke(session, staff=staff, token_id=token_id, actor=member.actor(), now=now)
        return [TokenOut.of(row) for row in api_tokens.of_staff(session, member.staff_id, now)]
