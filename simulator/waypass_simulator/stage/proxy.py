"""The reverse proxy of the front door: several programs of this machine behind one origin.

For each request, in this order; the first rule that fails answers:

1. the path has no dot segments (400); it belongs to the upstream whose prefix it has, otherwise it is not for here
2. a body of more than `MAX_BODY` bytes is refused, announced or not (413); it is read whole before anybody is asked,
   because nothing behind this door takes large ones
3. hop-by-hop headers stay here (RFC 9110 §7.6.1), and so do `Forwarded` and `X-Forwarded-*`, for which nobody vouches;
   `Host` goes through as the browser sent it, so that an upstream can tell its own origin
4. an upstream that is not there is a page or a problem that says "not running" (503); one that does not answer in time
   is 504, one that answers nonsense 502
5. the answer goes through piece by piece as it comes, as compressed as it is; events are not held back. When the
   browser goes away, the upstream is let go at once. An answer that breaks off breaks off here too
6. what an upstream behind a prefix says of its own addresses (`Location`, a cookie's `Path`) gets the prefix
7. where a page of this origin may frame the upstream, `frame-ancestors 'none'` becomes `'self'`; nothing else of a
   policy changes

Nothing is logged: an address can hold what nobody should keep.
"""

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import httpx
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from waypass_simulator.stage.refusals import not_running, problem

MAX_BODY: Final = 512 << 10
"""Bytes of a request."""

SILENCE: Final = 60.0
"""Seconds that an upstream may be silent; a stream of events beats every ten."""

_CONNECT_SECONDS: Final = 3.0
_WRITE_SECONDS: Final = 10.0
_HOP_BY_HOP: Final = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding"
    b" upgrade".split()
)
# Said anew by whoever sends the request on.
_ANEW: Final = frozenset({b"content-length", b"expect", b"forwarded"})
_DOTS: Final = re.compile(rb"/(?:\.|%2e){1,2}(?:/|$)", re.IGNORECASE)
_COOKIE_PATH: Final = re.compile(rb"(;\s*path=)(/[^;]*)", re.IGNORECASE)

Headers = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Upstream:
    """A program behind the door. `prefix` has no slash at its end: it stands for itself and for all that is below.

    `address` gives where the program is now (`http://127.0.0.1:PORT`), or None while it does not run. With `strip` it
    stands at its own root, and the prefix is cut off. `framed`: pages of this origin may show it in a frame.
    """

    name: str
    prefix: str
    address: Callable[[], str | None]
    strip: bool = False
    framed: bool = False

    def has(self, path: bytes) -> bool:
        """Whether a path is this upstream's."""
        own = self.prefix.encode()
        return path == own or path.startswith(own + b"/")


class Proxy:
    """See the module's docstring. An ASGI application for the paths of its upstreams."""

    def __init__(self, upstreams: Sequence[Upstream], *, silence: float = SILENCE) -> None:
        """`silence` is in seconds."""
        self._upstreams = upstreams
        self._timeout = httpx.Timeout(connect=_CONNECT_SECONDS, read=silence, write=_WRITE_SECONDS, pool=silence)
        # A connection for each request: on this machine they cost nothing, and none goes stale when a program restarts.
        self._transport = httpx.AsyncHTTPTransport(limits=httpx.Limits(max_connections=64, max_keepalive_connections=0))
        self._closing = asyncio.Event()

    def upstream(self, scope: Scope) -> Upstream | None:
        """Whose request this is."""
        path = _raw_path(scope)
        return next((each for each in self._upstreams if each.has(path)), None)

    def close(self) -> None:
        """End every answer that is still going on, so that the door can shut. From the loop's own thread."""
        self._closing.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        upstream, path = self.upstream(scope), _raw_path(scope)
        if upstream is None:
            await problem(404, "not-found", "expected a path of the stage")(scope, receive, send)
        elif _DOTS.search(path):
            await problem(400, "dot-segments", "expected a path without dot segments")(scope, receive, send)
        elif upstream.strip and path == upstream.prefix.encode():
            await Response(status_code=308, headers={"Location": f"{upstream.prefix}/"})(scope, receive, send)
        elif (body := await _read(request)) is None:
            await problem(413, "too-large", f"expected at most {MAX_BODY} bytes")(scope, receive, send)
        else:
            await self._ask(upstream, request, body, send)

    async def _ask(self, upstream: Upstream, request: Request, body: bytes, send: Send) -> None:
        address = upstream.address()
        if address is None:
            return await not_running(upstream.name, request)(request.scope, request.receive, send)
        try:
            asked = _outgoing(upstream, address, request, body)
            asked.extensions["timeout"] = self._timeout.as_dict()
            answer = await self._transport.handle_async_request(asked)
        except httpx.ConnectError:
            refusal = not_running(upstream.name, request)
        except httpx.TimeoutException:
            refusal = problem(504, "no-answer", f"{upstream.name} did not answer in time")
        except httpx.TransportError as error:
            refusal = problem(502, "bad-answer", f"{upstream.name}: expected an answer, got {type(error).__name__}")
        else:
            return await self._pass_on(upstream, answer, request, send)
        return await refusal(request.scope, request.receive, send)

    async def _pass_on(self, upstream: Upstream, answer: httpx.Response, request: Request, send: Send) -> None:
        """Rule 5: until the answer ends, the browser goes away, or the door shuts."""
        headers = _incoming(upstream, answer.headers.raw)
        await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
        pump = asyncio.ensure_future(_pump(answer, send))
        others = [asyncio.ensure_future(_gone(request.receive)), asyncio.ensure_future(self._closing.wait())]
        try:
            await asyncio.wait([pump, *others], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (pump, *others):
                task.cancel()
            await asyncio.gather(pump, *others, return_exceptions=True)
            await answer.aclose()
        if self._closing.is_set() and pump.cancelled() and b"content-length" not in dict(headers):
            await send({"type": "http.response.body", "body": b""})


async def _pump(answer: httpx.Response, send: Send) -> None:
    assert isinstance(answer.stream, httpx.AsyncByteStream)
    try:
        async for piece in answer.stream:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    except httpx.TransportError:
        return  # not ended: the browser must see that something is missing
    await send({"type": "http.response.body", "body": b""})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _read(request: Request) -> bytes | None:
    """The body, or None when it is larger than may be."""
    announced = request.headers.get("content-length", "0")
    if not announced.isdigit() or int(announced) > MAX_BODY:
        return None
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY:
            return None
    return bytes(body)


def _outgoing(upstream: Upstream, address: str, request: Request, body: bytes) -> httpx.Request:
    path = _raw_path(request.scope)
    if upstream.strip:
        path = path.removeprefix(upstream.prefix.encode())
    if query := request.scope["query_string"]:
        path += b"?" + query
    headers = [
        (name, value)
        for name, value in _end_to_end(request.headers.raw)
        if name not in _ANEW and not name.startswith(b"x-forwarded-")
    ]
    if body or "content-length" in request.headers or "transfer-encoding" in request.headers:
        headers.append((b"content-length", str(len(body)).encode()))
    return httpx.Request(
        request.method,
        httpx.URL(address).copy_with(raw_path=path),
        headers=headers,
        content=body,
    )


def _incoming(upstream: Upstream, headers: Headers) -> list[tuple[bytes, bytes]]:
    return [(name, _told(upstream, name, value)) for name, value in _end_to_end(headers)]


def _told(upstream: Upstream, name: bytes, value: bytes) -> bytes:
    """Rules 6 and 7."""
    prefix = upstream.prefix.encode() if upstream.strip else b""
    match name:
        case b"content-security-policy" if upstream.framed:
            return value.replace(b"frame-ancestors 'none'", b"frame-ancestors 'self'")
        case b"x-frame-options" if upstream.framed:
            return b"SAMEORIGIN"
        case b"location" if value.startswith(b"/") and not value.startswith(b"//"):
            return prefix + value
        case b"set-cookie":
            return _COOKIE_PATH.sub(lambda found: found[1] + prefix + found[2], value)
    return value


def _end_to_end(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Without the headers that are between two neighbours only, and those that `Connection` names."""
    lower = [(name.lower(), value) for name, value in headers]
    named = {each.strip().lower() for name, value in lower if name == b"connection" for each in value.split(b",")}
    return [(name, value) for name, value in lower if name not in _HOP_BY_HOP and name not in named]


def _raw_path(scope: Scope) -> bytes:
    path = scope.get("raw_path")
    assert isinstance(path, bytes)
    return path
