"""The console's own script, styles and pictures, by their exact names; asked for again each time (ETag)."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Header, Request, Response

from waypass_server.refusals import NotFound

router = APIRouter()

FOLDER = Path(__file__).parent / "static"
TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Asset:
    """One file."""

    data: bytes
    kind: str
    etag: str


def read_assets(folder: Path = FOLDER) -> Mapping[str, Asset]:
    """Every file of the folder, by name."""
    return {path.name: _read(path) for path in sorted(folder.iterdir()) if path.suffix in TYPES}


@router.api_route("/static/{name}", methods=["GET", "HEAD"])
async def read_asset(
    name: str, request: Request, if_none_match: Annotated[str, Header(alias="If-None-Match")] = ""
) -> Response:
    """One of them."""
    asset = request.app.state.assets.get(name)
    if asset is None:
        raise NotFound("file: expected one of the console's own, got another")
    headers = {"ETag": asset.etag, "Cache-Control": "no-cache"}
    if asset.etag in (tag.strip() for tag in if_none_match.split(",")):
        return Response(status_code=304, headers=headers)
    return Response(asset.data, media_type=asset.kind, headers=headers)


def _read(path: Path) -> Asset:
    data = path.read_bytes()
    return Asset(data=data, kind=TYPES[path.suffix], etag=f'W/"{hashlib.sha256(data).hexdigest()[:32]}"')
