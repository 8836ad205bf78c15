"""The living demonstration's front door: the stage and every program of the run behind one origin, on one port.

1. only who calls it by a name of this machine is answered (421): a page of somebody else's name that leads here would
   read what is meant for the person at this machine
2. a path of an upstream goes through the proxy, everything else is the stage's
3. it serves in a thread of its own, until `close`; streams that still go on are ended, not waited for

There is no access log, as with the programs behind it.
"""

import asyncio
import socket
import threading
from types import TracebackType
from typing import Final, Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from waypass_simulator.errors import UsageError
from waypass_simulator.stage.proxy import Proxy
from waypass_simulator.stage.refusals import problem
from waypass_simulator.stage.stage import Stage

HOST: Final = "127.0.0.1"
PORT: Final = 8000
_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
_START_SECONDS: Final = 10.0
_GRACE: Final = 2
_AT_ONCE: Final = 128


def listen(port: int | None) -> socket.socket:
    """A socket of the front door: on this port, or without one on `PORT`, or a free one. Raises `UsageError`."""
    for number in (PORT, 0) if port is None else (port,):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, number))
            listener.listen(_AT_ONCE)
        except OSError as error:
            listener.close()
            trouble = error
            continue
        return listener
    raise UsageError(f"--port {port}: {HOST}:{port} cannot be listened on: {trouble.strerror}")


class Door:
    """The ASGI application."""

    def __init__(self, stage: Stage, proxy: Proxy) -> None:
        self.proxy = proxy
        self._stage: ASGIApp = Starlette(routes=stage.routes, exception_handlers={404: _not_found, 405: _not_found})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Rules 1 and 2."""
        assert scope["type"] == "http"
        name = Request(scope).headers.get("host", "").rpartition(":")
        if (name[0] if name[1] and name[2].isdigit() else "".join(name)) not in _NAMES:
            refusal = problem(421, "other-host", f"expected a request for {' or '.join(sorted(_NAMES))}")
            await refusal(scope, receive, send)
        elif self.proxy.upstream(scope) is not None:
            await self.proxy(scope, receive, send)
        else:
            await self._stage(scope, receive, send)


async def _not_found(_request: Request, _error: Exception) -> Response:
    return problem(404, "not-found", "expected an address of the stage")


class Serving:
    """A door that is open, on a socket that listens; use it as a context manager."""

    def __init__(self, door: Door, listener: socket.socket) -> None:
        self._door = door
        self._listener = listener
        # By this name browsers take it for a secure context.
        self.address = f"http://localhost:{listener.getsockname()[1]}"
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server = uvicorn.Server(
            uvicorn.Config(
                door,
                access_log=False,
                log_config=None,
                log_level="critical",
                lifespan="off",
                ws="none",
                server_header=False,
                date_header=False,
                timeout_graceful_shutdown=_GRACE,
                limit_concurrency=_AT_ONCE,
            )
        )
        self._open = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="front door", daemon=True)

    def close(self) -> None:
        """Shut the door."""
        if self._loop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._door.proxy.close)
            self._server.should_exit = True
            self._thread.join()
        self._listener.close()

    def __enter__(self) -> Self:
        self._thread.start()
        self._open.wait(_START_SECONDS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _serve(self) -> None:
        asyncio.run(self._run())

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._open.set()
        await self._server.serve(sockets=[self._listener])
