"""Status lists and the trust set over HTTP, for anybody: a verifier that is not on the broker needs both. Pages of any
origin may read them (CORS), as the standard asks: they are public, and asked for without a token.
"""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Request, Response

from waypass_server.api.access import ServicesHere
from waypass_server.problems import RESPONSES
from waypass_server.refusals import NotFound
from waypass_server.status_lists import MEDIA_TYPE, TTL, StatusListTokens

router = APIRouter(tags=["status lists"], responses=RESPONSES)

_CACHED = f"public, max-age={TTL}"
_JWK_SET = "application/jwk-set+json"
_FOR_ANYBODY = {"Access-Control-Allow-Origin": "*", "Cache-Control": _CACHED}


def tokens(request: Request, here: ServicesHere) -> StatusListTokens:
    """This application's tokens, made with the first request."""
    state = request.app.state
    if not hasattr(state, "status_list_tokens"):
        state.status_list_tokens = StatusListTokens(here)
    held = state.status_list_tokens
    assert isinstance(held, StatusListTokens)
    return held


@router.get(
    "/status-lists/{name}",
    summary="A status list as a Status List Token (CWT)",
    response_class=Response,
    responses={
        200: {"content": {MEDIA_TYPE: {}}, "description": "The token of the current version."},
        304: {"description": "`If-None-Match` names the current one."},
    },
)
def read_status_list(
    name: Annotated[str, Path(max_length=64)],
    held: Annotated[StatusListTokens, Depends(tokens)],
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """Of the version that is current now, whether or not the broker has it yet."""
    token = held.current(name)
    if token is None:
        raise NotFound("status list: expected the name of a list of this network, got another")
    headers = {"ETag": token.etag, "Access-Control-Expose-Headers": "ETag"} | _FOR_ANYBODY
    if _matches(if_none_match, token.etag):
        return Response(status_code=304, headers=headers)
    return Response(token.data, media_type=MEDIA_TYPE, headers=headers)


@router.get(
    "/trust",
    summary="The network's issuer keys (JWK Set)",
    response_class=Response,
    responses={200: {"content": {_JWK_SET: {}}, "description": "The trust set."}},
)
def read_trust(here: ServicesHere) -> Response:
    """The keys as the server has them now; a gate gets its own when it is set up, not from here."""
    text = here.keys.trust_set().to_json()
    return Response(text, media_type=_JWK_SET, headers=_FOR_ANYBODY)


def _matches(header: str | None, etag: str) -> bool:
    """If-None-Match (RFC 9110, section 13.1.2): a list of tags, compared weakly, or `*`."""
    if header is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return "*" in tags or etag in tags
