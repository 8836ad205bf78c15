"""The wallet's own files under `/wallet/`, as the build in `server/wallet` made them.

1. only files that the build made are served, by their exact names; they are read with the first request
2. a file with its content's hash in its name may be kept for ever; all others are asked for again (ETag)
3. whoever takes gzip gets gzip
4. every answer has the same strict headers: scripts, styles, pictures and calls of this origin only, nothing inline,
   no frame around it, no referrer
5. without a build there is a page that says how to make one (503)
"""

import gzip
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.responses import RedirectResponse

router = APIRouter(include_in_schema=False)

BUILT = Path(__file__).resolve().parent.parent / "pages" / "wallet"
PAGE = "index.html"

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "; ".join(
        [
            "default-src 'none'",
            *(f"{kind}-src 'self'" for kind in ("script", "style", "connect", "img", "manifest", "worker")),
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
_FOR_EVER = "public, max-age=31536000, immutable"
_ASK_AGAIN = "no-cache"
_HASHED = re.compile(r"\.[0-9a-f]{12}\.\w+$")
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
_NOT_BUILT = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Waypass wallet</title>
<h1>The wallet has not been built</h1>
<p>In the server's checkout run <code>scripts/build-wallet</code>, then load this page again.</p>
</html>
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class BuiltFile:
    """One file of the build, as it is and compressed."""

    data: bytes
    compressed: bytes
    kind: str
    etag: str
    caching: str


def read_built(folder: Path) -> Mapping[str, BuiltFile]:
    """The build in `folder`, by file name; empty where there is none."""
    if not (folder / PAGE).is_file():
        return {}
    return {path.name: _read(path) for path in folder.iterdir() if path.suffix in _TYPES}


def built_files(request: Request) -> Mapping[str, BuiltFile]:
    """This application's wallet; looked for again until there is one."""
    state = request.app.state
    held: Mapping[str, BuiltFile] = getattr(state, "wallet_files", {})
    if not held:
        held = state.wallet_files = read_built(BUILT)
    return held


Built = Annotated[Mapping[str, BuiltFile], Depends(built_files)]
Accepted = Annotated[str, Header(alias="Accept-Encoding")]
Tags = Annotated[str, Header(alias="If-None-Match")]


@router.get("/wallet")
def go_to_wallet() -> Response:
    """The wallet's scope is a folder."""
    return RedirectResponse("/wallet/", status_code=308, headers=dict(HEADERS))


@router.api_route("/wallet/", methods=["GET", "HEAD"])
def read_page(files: Built, accept_encoding: Accepted = "", if_none_match: Tags = "") -> Response:
    """The wallet."""
    if not files:
        return Response(_NOT_BUILT, status_code=503, media_type=_TYPES[".html"], headers=_headers("no-store"))
    return _answer(files[PAGE], accept_encoding, if_none_match)


@router.api_route("/wallet/{name}", methods=["GET", "HEAD"])
def read_file(name: str, files: Built, accept_encoding: Accepted = "", if_none_match: Tags = "") -> Response:
    """One of its files."""
    file = files.get(name)
    if file is None:
        return Response("not found\n", status_code=404, media_type="text/plain", headers=_headers("no-store"))
    return _answer(file, accept_encoding, if_none_match)


def _read(path: Path) -> BuiltFile:
    data = path.read_bytes()
    return BuiltFile(
        data=data,
        compressed=gzip.compress(data, mtime=0),
        kind=_TYPES[path.suffix],
        etag=f'W/"{hashlib.sha256(data).hexdigest()[:32]}"',
        caching=_FOR_EVER if _HASHED.search(path.name) else _ASK_AGAIN,
    )


def _answer(file: BuiltFile, accepted: str, tags: str) -> Response:
    headers = _headers(file.caching) | {"ETag": file.etag, "Vary": "Accept-Encoding"}
    if file.etag in (tag.strip() for tag in tags.split(",")):
        return Response(status_code=304, headers=headers)
    if "gzip" not in accepted:
        return Response(file.data, media_type=file.kind, headers=headers)
    return Response(file.compressed, media_type=file.kind, headers=headers | {"Content-Encoding": "gzip"})


def _headers(caching: str) -> dict[str, str]:
    return {**HEADERS, "Cache-Control": caching}
