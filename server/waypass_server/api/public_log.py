"""The public log over HTTP, for anybody: checkpoint, tiles and entries as in C2SP tlog-tiles, and proofs as files.

Pages of any origin may read it (CORS). A tile that was once whole, or as wide as was asked, never changes.
"""

import re
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from sqlalchemy.orm import Session

from waypass_protocol.checkpoint import origin_of
from waypass_protocol.keys import Use
from waypass_protocol.logproofs import Consistency, Inclusion, write_proof_file
from waypass_protocol.merkle import MAX_SIZE
from waypass_protocol.notes import NoteKey
from waypass_server.api.access import HolderHere, ServicesHere
from waypass_server.people import serving_network
from waypass_server.problems import RESPONSES
from waypass_server.publiclog import disclosure
from waypass_server.publiclog.tiles import TILE_WIDTH, Tiles
from waypass_server.refusals import NotFound
from waypass_server.services import Services

router = APIRouter(tags=["public log"], responses=RESPONSES)

_TEXT = "text/plain; charset=utf-8"
_BYTES = "application/octet-stream"
_JSON = "application/json"
_FOR_ANYBODY = {"Access-Control-Allow-Origin": "*", "X-Content-Type-Options": "nosniff"}
_CHANGES = {**_FOR_ANYBODY, "Cache-Control": "no-cache"}
_STAYS = {**_FOR_ANYBODY, "Cache-Control": "public, max-age=31536000, immutable"}
_TILE = re.compile(r"(|(?:x[0-9]{3}/)*x[0-9]{3}/)([0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")
_MAX_TILE_LEVEL = 7

Number = Annotated[int, Query(ge=0, lt=MAX_SIZE)]
OptionalSize = Annotated[int | None, Query(ge=0, lt=MAX_SIZE, description="By default that of the newest checkpoint.")]
TilePath = Annotated[str, Path(max_length=80, description="The tile's number, as `x001/x234/067`, or `.. .p/WIDTH`.")]


@dataclass(frozen=True, kw_only=True, slots=True)
class TilePlace:
    """Which tile of a level, and how many of its hashes."""

    number: int
    width: int


def read_tile_path(path: str) -> TilePlace:
    """The place that the end of a tile's address names. Raises `NotFound`."""
    match = _TILE.fullmatch(path)
    if match is None or path.startswith("x000"):
        raise NotFound("tile: expected a number in threes such as x001/067, and .p/WIDTH for one that is not whole")
    width = int(match[3] or TILE_WIDTH)
    if match[3] is not None and width >= TILE_WIDTH:
        raise NotFound(f"tile: expected a width below {TILE_WIDTH}, got {width}")
    return TilePlace(number=int(match[1].replace("x", "").replace("/", "") + match[2]), width=width)


@router.get(
    "/log/checkpoint",
    summary="The newest checkpoint (signed note)",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}, "description": "C2SP tlog-checkpoint."}},
)
def read_checkpoint(here: ServicesHere) -> Response:
    """Signed at least every hour, and within a minute of a change."""
    with here.database.reading() as session:
        found = disclosure.signed(session, _network_id(session, here))
    return Response(found.note, media_type=_TEXT, headers=_CHANGES)


@router.get(
    "/log/keys",
    summary="The keys that sign checkpoints, one a line",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}, "description": "C2SP signed-note verifier keys."}},
)
def read_log_keys(here: ServicesHere) -> Response:
    """Whoever watches the log compares them with what they had from elsewhere."""
    return Response("".join(f"{key.to_text()}\n" for key in log_keys(here)), media_type=_TEXT, headers=_CHANGES)


def log_keys(here: Services) -> list[NoteKey]:
    """The trusted keys of the log, those that signed it before included."""
    name = origin_of(here.settings.network)
    keys = (key for key in here.keys.all() if Use.LOG in key.uses and key.trusted)
    return [NoteKey(name=name, public=key.signer.public) for key in keys]


@router.get(
    "/log/tile/entries/{path:path}",
    summary="Leaves of a tile, each after its length in two bytes",
    response_class=Response,
    responses={200: {"content": {_BYTES: {}}, "description": "An entry bundle."}},
)
def read_entries(path: TilePath, here: ServicesHere) -> Response:
    """A leaf is a salted commitment of 32 bytes."""
    place = read_tile_path(path)
    with here.database.reading() as session:
        leaves = Tiles(session, _network_id(session, here)).leaves(place.number)[: place.width]
    _check_width(len(leaves), place)
    return Response(b"".join(len(leaf).to_bytes(2, "big") + leaf for leaf in leaves), headers=_STAYS, media_type=_BYTES)


@router.get(
    "/log/tile/{level}/{path:path}",
    summary="A tile: up to 256 hashes of one level",
    response_class=Response,
    responses={200: {"content": {_BYTES: {}}, "description": "The hashes one after another."}},
)
def read_tile(level: Annotated[int, Path(ge=0, le=63)], path: TilePath, here: ServicesHere) -> Response:
    """C2SP tlog-tiles."""
    place = read_tile_path(path)
    hashes: list[bytes] = []
    if level < _MAX_TILE_LEVEL:
        with here.database.reading() as session:
            hashes = list(Tiles(session, _network_id(session, here)).hashes(level, place.number)[: place.width])
    _check_width(len(hashes), place)
    return Response(b"".join(hashes), headers=_STAYS, media_type=_BYTES)


@router.get(
    "/log/proof/inclusion",
    summary="That a leaf is in the log of a checkpoint",
    response_class=Response,
    responses={200: {"content": {_JSON: {}}, "description": "A file for `waypass inspect`."}},
)
def read_inclusion(index: Number, here: ServicesHere, size: OptionalSize = None) -> Response:
    """For a size of which a checkpoint was signed."""
    with here.database.reading() as session:
        proof = disclosure.prove_leaf(session, _network_id(session, here), index=index, size=size)
    return _file(proof, _CHANGES)


@router.get(
    "/log/proof/consistency",
    summary="That a checkpoint only adds to an older one",
    response_class=Response,
    responses={200: {"content": {_JSON: {}}, "description": "A file for `waypass inspect`."}},
)
def read_consistency(old: Number, here: ServicesHere, new: OptionalSize = None) -> Response:
    """For sizes of which checkpoints were signed."""
    with here.database.reading() as session:
        proof = disclosure.prove_growth(session, _network_id(session, here), old=old, new=new)
    return _file(proof, _CHANGES)


@router.get(
    "/api/v1/me/log",
    tags=["holder"],
    summary="What the log has of me, with its proofs",
    response_class=Response,
    responses={
        200: {"content": {_JSON: {"schema": {"type": "object"}}}, "description": "A file for `waypass inspect`."},
    },
)
def read_mine(holder: HolderHere, here: ServicesHere) -> Response:
    """Each record that concerns the person, with the salt that opens its leaf; an entry's once it was announced."""
    with here.database.reading() as session:
        proof = disclosure.prove_person(session, holder.network_id, holder.person_id)
    name = f"waypass-log-{here.settings.network}.json"
    headers = {"Cache-Control": "no-store", "Content-Disposition": f'attachment; filename="{name}"'}
    return _file(proof, headers)


def _file(proof: Inclusion | Consistency, headers: dict[str, str]) -> Response:
    return Response(write_proof_file(proof), media_type=_JSON, headers=headers)


def _check_width(found: int, place: TilePlace) -> None:
    if found < place.width:
        raise NotFound(f"tile: expected one of {place.width} hashes, the log has {found} of it")


def _network_id(session: Session, here: Services) -> int:
    return serving_network(session, here).id
