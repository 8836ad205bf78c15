"""How much a request may bring: nothing is parsed of a body that is larger, whoever sends it and however it is
announced.

A body over the limit is refused as soon as that is known: from its `Content-Length`, or once more has come than may.
The largest body that any endpoint needs is a wallet's request for a day of passes, far below the limit.
"""

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from waypass_server.problems import answer

MAX_BODY = 256 << 10
"""Bytes."""
_DETAIL = f"body: expected at most {MAX_BODY} bytes, got more"


class BodyLimit:
    """ASGI middleware: 413 for a body of more than `MAX_BODY` bytes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, counting what it brings."""
        count = 0

        async def counted() -> Message:
            nonlocal count
            message = await receive()
            count += len(message.get("body", b""))
            if count > MAX_BODY:
                # Raised inside the application, which answers it as any other refusal.
                raise HTTPException(413, _DETAIL)
            return message

        if scope["type"] == "http" and _announced(scope) > MAX_BODY:
            refusal = answer(413, "too-large", "The request is too large", _DETAIL)
            await refusal(scope, receive, send)
        else:
            await self._app(scope, counted if scope["type"] == "http" else receive, send)


def _announced(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0
