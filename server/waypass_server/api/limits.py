"""How much a request may bring: nothing is parsed of a body that is larger, whoever sends it and however it is
announced.

A body over the limit is refused as soon as that is known: from its `Content-Length`, or once more has come than may.
The largest body that any endpoint needs is a wallet's request for a day of passes, far below the limit. One page alone
takes more: a file to import, which is never in memory as a whole. That page says by itself when one is too large.
"""

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from waypass_server.bulk.waiting import MAX_FILE
from waypass_server.problems import answer

MAX_BODY = 256 << 10
"""Bytes."""
UPLOADS = {"/ops/import": MAX_FILE + MAX_BODY}
"""Where a file may come, and how many bytes with the fields beside it."""


class BodyLimit:
    """ASGI middleware: 413 for a body of more than `MAX_BODY` bytes, or of what `UPLOADS` says."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, counting what it brings."""
        count, limit = 0, UPLOADS.get(scope.get("path", ""), MAX_BODY)
        detail = f"body: expected at most {limit} bytes, got more"

        async def counted() -> Message:
            nonlocal count
            message = await receive()
            count += len(message.get("body", b""))
            if count > limit:
                # Raised inside the application, which answers it as any other refusal.
                raise HTTPException(413, detail)
            return message

        if scope["type"] == "http" and limit == MAX_BODY and _announced(scope) > MAX_BODY:
            if scope.get("path", "").startswith("/ops/"):
                count = limit  # the first byte is too many, and the console says so on a page
                await self._app(scope, counted, send)
                return
            refusal = answer(413, "too-large", "The request is too large", detail)
            await refusal(scope, receive, send)
        else:
            await self._app(scope, counted if scope["type"] == "http" else receive, send)


def _announced(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0
