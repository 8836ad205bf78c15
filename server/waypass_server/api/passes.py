"""Passes: a batch for a wallet, and a pass on paper. What is not taken from an answer is lost: no pass is kept here.

The log says who issued how many passes for which person, and when; it names no place in a list.
"""

from base64 import urlsafe_b64decode
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Header, Query, Response
from pydantic import Field
from sqlalchemy.orm import Session

from waypass_protocol.errors import Malformed, NotWaypass
from waypass_protocol.keys import base64url
from waypass_protocol.passes import MAX_TEXT, decode_base45, parse_pass, pass_text
from waypass_server import events, settings
from waypass_server.api.access import Desk, HolderHere, ServicesHere
from waypass_server.api.forms import Input, Line, Output, Reference, ScopeNumber
from waypass_server.issuing import (
    BATCH,
    SCOPES,
    RequestRefused,
    UnprovenKey,
    check_proofs,
    issue_bound,
    issue_paper,
    make_nonce,
    use_nonce,
)
from waypass_server.life import Actor
from waypass_server.models.people import Person
from waypass_server.paper import Drawing, PaperPass
from waypass_server.people import find_person
from waypass_server.problems import RESPONSES
from waypass_server.services import Services

router = APIRouter(prefix="/api/v1", tags=["passes"], responses=RESPONSES)

Bytes32 = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{43}$", description="32 bytes, base64url without padding.")]
Bytes64 = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{86}$", description="64 bytes, base64url without padding.")]
Scopes = Annotated[list[ScopeNumber], Field(min_length=1, max_length=SCOPES)]


class Format(StrEnum):
    """How a paper pass is answered."""

    JSON = "json"
    PNG = "png"
    SVG = "svg"
    PDF = "pdf"

    @property
    def drawing(self) -> Drawing:
        """The kind of picture; JSON is none."""
        return _FORMS[self]


_NOT_KEPT = {"Cache-Control": "no-store"}
_FORMS = {Format.PNG: Drawing.PNG, Format.SVG: Drawing.SVG, Format.PDF: Drawing.PDF}


class ChallengeOut(Output):
    """A nonce for the next request for passes, for this wallet alone, once, for five minutes."""

    nonce: str
    server_time: float


class KeyForm(Input):
    """A fresh P-256 key and its proof: ES256 (r then s) by that key over the UTF-8 text
    `waypass-holder-proof/1/NETWORK/NONCE/X/Y`, with nonce, x and y as they stand in this request.
    """

    x: Bytes32
    y: Bytes32
    proof: Bytes64
    scopes: Scopes | None = Field(default=None, description="For this key's pass; otherwise those of the request.")


class PassesForm(Input):
    """A request for one pass a key. Every pass names all of its scopes; ask for one unless a gate needs more."""

    nonce: Line
    scopes: Scopes
    keys: Annotated[list[KeyForm], Field(min_length=1, max_length=BATCH)]


class PassesOut(Output):
    """The passes (COSE_Sign1, base64url) in the order of their keys."""

    passes: list[str]
    server_time: float


class PaperRequest(Input):
    """A paper pass for a person. The hint is what staff compare with an identity document; it is not kept."""

    person: Reference
    scopes: Scopes
    hint: Annotated[str, Field(min_length=1, max_length=24)] | None = None


class OwnPaperRequest(Input):
    """A paper pass for oneself. It has no hint: what staff compare with a document is written by a desk that saw it."""

    scopes: Scopes


class PaperOut(Output):
    """The text of the code. `POST /paper-passes/drawing` makes a picture or a page of it."""

    text: str
    iat: int
    exp: int


class DrawingForm(Input):
    """The text of a paper pass."""

    text: Annotated[str, Field(max_length=MAX_TEXT)]


@router.post("/me/challenge", summary="Get a nonce to prove new keys against")
def make_challenge(holder: HolderHere, here: ServicesHere) -> ChallengeOut:
    """An earlier nonce of this wallet can no longer be used."""
    with here.database.changing() as session:
        nonce = make_nonce(session, here, holder.wallet_id, here.now())
    return ChallengeOut(nonce=nonce, server_time=here.clock.now())


@router.post("/me/passes", status_code=201, summary="Get a batch of passes, one for each proven key")
def make_passes(body: PassesForm, holder: HolderHere, here: ServicesHere) -> PassesOut:
    """All or none. The nonce is used up when passes are issued."""
    keys = [
        UnprovenKey(
            x=_bytes(key.x),
            y=_bytes(key.y),
            proof=_bytes(key.proof),
            scopes=tuple(body.scopes if key.scopes is None else key.scopes),
        )
        for key in body.keys
    ]
    requests = check_proofs(here.settings.network, body.nonce, keys)
    now = here.now()
    with here.database.changing() as session:
        use_nonce(session, holder.wallet_id, body.nonce, now)
        issued = issue_bound(session, here, holder.person_id, requests, now)
        events.record(
            session,
            network_id=holder.network_id,
            at=now - now % settings.HOUR,  # no finer than the passes themselves say
            actor=holder.actor(),
            what="passes.issued",
            subject=("person", holder.person_id),
            count=len(issued),
        )
    return PassesOut(passes=[base64url(each) for each in issued], server_time=here.clock.now())


@router.post(
    "/paper-passes",
    status_code=201,
    summary="Make a paper pass; the person's earlier one is no longer valid",
    response_model=None,
    responses={201: {"model": PaperOut, "content": {form.value: {} for form in Drawing}}},
)
def make_paper_pass(
    body: PaperRequest,
    member: Desk,
    here: ServicesHere,
    format_: Annotated[Format | None, Query(alias="format")] = None,
    accept: Annotated[str, Header()] = "",
) -> Response:
    """`format`, or else the header `Accept`, chooses JSON, PNG, SVG or PDF. The holder is told when a live one is
    replaced; that counts as a withdrawal, and past its limits it is refused.
    """
    with here.change() as session:
        person = find_person(session, member.network_id, body.person)
        signed = make_paper(session, here, person, body.scopes, hint=body.hint, actor=member.actor())
    return _answer(signed, here.settings.network, _chosen(format_, accept), status=201)


@router.post(
    "/me/paper-pass",
    status_code=201,
    summary="Make a paper pass for oneself; the earlier one is no longer valid",
    response_model=None,
    responses={201: {"model": PaperOut, "content": {form.value: {} for form in Drawing}}},
)
def make_own_paper_pass(
    body: OwnPaperRequest,
    holder: HolderHere,
    here: ServicesHere,
    format_: Annotated[Format | None, Query(alias="format")] = None,
    accept: Annotated[str, Header()] = "",
) -> Response:
    """For whoever travels without a telephone. A gate that compares papers with documents asks staff, as for any."""
    with here.change() as session:
        person = session.get_one(Person, holder.person_id)
        signed = make_paper(session, here, person, body.scopes, hint=None, actor=holder.actor())
    return _answer(signed, here.settings.network, _chosen(format_, accept), status=201)


@router.post(
    "/paper-passes/drawing",
    summary="Make a picture or a page of a paper pass",
    response_model=None,
    responses={200: {"model": PaperOut, "content": {form.value: {} for form in Drawing}}},
)
def draw_paper_pass(
    body: DrawingForm,
    _member: Desk,
    here: ServicesHere,
    format_: Annotated[Format, Query(alias="format")] = Format.PDF,
) -> Response:
    """Nothing is issued and nothing is kept; the text is not checked beyond its form."""
    return _answer(read_paper(body.text), here.settings.network, format_, status=200)


def read_paper(text: str) -> bytes:
    """The signed bytes of a paper pass's text. Raises `RequestRefused`."""
    try:
        signed = decode_base45(text, "WP1:")
        pass_ = parse_pass(signed).pass_
    except (NotWaypass, Malformed) as error:
        raise RequestRefused(f"text: {error}") from None
    if pass_.holder is not None:
        raise RequestRefused("text: expected a paper pass, got a pass that is bound to a wallet")
    return signed


def drawn(signed: bytes, network: str) -> PaperPass:
    """A paper pass with what stands beside its code."""
    pass_ = parse_pass(signed).pass_
    return PaperPass(signed=signed, network=network, iat=pass_.iat, exp=pass_.exp, hint=pass_.hint)


def make_paper(
    session: Session, here: Services, person: Person, scopes: list[int], *, hint: str | None, actor: Actor
) -> bytes:
    """Issue a paper pass, and log that it was. Raises what `issue_paper` does."""
    now = here.now()
    signed = issue_paper(session, here, person.id, scopes, hint, now, staff_id=actor.staff_id)
    events.record(
        session,
        network_id=person.network_id,
        at=now,
        actor=actor,
        what="paper-pass.issued",
        subject=("person", person.id),
        count=1,
    )
    return signed


def _answer(signed: bytes, network: str, chosen: Format, *, status: int) -> Response:
    pass_ = parse_pass(signed).pass_
    if chosen is Format.JSON:
        body = PaperOut(text=pass_text(signed), iat=pass_.iat, exp=pass_.exp).model_dump_json()
        return Response(body, status_code=status, media_type="application/json", headers=_NOT_KEPT)
    form = _FORMS[chosen]
    picture = drawn(signed, network).draw(form)
    return Response(picture, status_code=status, media_type=form.value, headers=_NOT_KEPT)


def _chosen(format_: Format | None, accept: str) -> Format:
    if format_ is not None:
        return format_
    wanted = {part.split(";")[0].strip() for part in accept.split(",")}
    return next((format_ for format_, form in _FORMS.items() if form.value in wanted), Format.JSON)


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
