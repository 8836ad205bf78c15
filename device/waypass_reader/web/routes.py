"""Which handler answers which address.

1. a route is a method and a path; a piece `{name}` of it stands for any one piece of an address
2. the first route whose path fits and whose method is the request's answers; `HEAD` is answered as `GET` without a body
3. a path that fits no route is not there (`404`); one that fits with other methods only says which (`405`)
4. files are routes too: each file of a folder by its exact name, read once at start. No address becomes a file's path
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path

from waypass_reader.errors import ConfigurationError
from waypass_reader.web.answers import Answer, EventStream, Problem
from waypass_reader.web.requests import Request

Handler = Callable[[Request], Answer | EventStream]

_TYPES: Mapping[str, str] = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """A handler and where it answers: `Route(method="GET", path="/rooms/{room}", handler=show_room)`."""

    method: str
    path: str
    handler: Handler

    def fit(self, pieces: tuple[str, ...]) -> Mapping[str, str] | None:
        """The named pieces of an address that fits, else None."""
        own = [piece for piece in self.path.split("/") if piece]
        if len(own) != len(pieces):
            return None
        parts = {}
        for mine, theirs in zip(own, pieces, strict=True):
            if mine.startswith("{"):
                parts[mine.strip("{}")] = theirs
            elif mine != theirs:
                return None
        return parts


class Routes:
    """All routes of one server."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes = tuple(routes)

    def answer(self, request: Request) -> Answer | EventStream:
        """Let the handler answer. Raises `Problem`."""
        method = "GET" if request.method == "HEAD" else request.method
        others = set()
        for route in self._routes:
            parts = route.fit(request.target.path)
            if parts is None:
                continue
            if route.method == method:
                return route.handler(replace(request, parts=parts))
            others.add(route.method)
        if not others:
            raise Problem(HTTPStatus.NOT_FOUND, "there is nothing at this address")
        allowed = sorted(others | ({"HEAD"} if "GET" in others else set()))
        raise Problem(
            HTTPStatus.METHOD_NOT_ALLOWED,
            f"expected {' or '.join(allowed)}",
            headers=(("Allow", ", ".join(allowed)),),
        )


def file_routes(prefix: str, folder: Path) -> list[Route]:
    """A route for each file of a folder whose ending is known: `.css`, `.js`, `.svg`. Raises `ConfigurationError`."""
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix in _TYPES)
        return [_file_route(f"{prefix}/{path.name}", path.read_bytes(), _TYPES[path.suffix]) for path in files]
    except OSError as error:
        raise ConfigurationError(f"pages {folder}: can't be read ({error.strerror})") from error


def _file_route(path: str, data: bytes, kind: str) -> Route:
    answer = Answer(body=data, content_type=kind)
    return Route(method="GET", path=path, handler=lambda _request: answer)
