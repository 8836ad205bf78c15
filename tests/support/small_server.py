"""A small HTTP server for tests of clients: on a free port of this machine, with answers that are functions."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """One request as it came. `body` is decoded JSON, None where there was none."""

    method: str
    path: str
    token: str | None
    body: Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What goes back."""

    status: int = 200
    body: bytes = b""
    kind: str = "application/json"

    @classmethod
    def of(cls, document: object, *, status: int = 200) -> "Answer":
        """A JSON document."""
        return cls(status=status, body=json.dumps(document).encode())


Door = Callable[[Asked], Answer]


@contextmanager
def serving(doors: Mapping[str, Door]) -> Iterator[str]:
    """Serve `doors` ("METHOD /path"), everything else is 404 with a plain text; yields the base address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
            """Nothing: tests look at answers."""

        def _answer(self) -> None:
            data = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            asked = Asked(
                method=self.command,
                path=self.path,
                token=self.headers.get("Authorization"),
                body=json.loads(data) if data else None,
            )
            door = doors.get(f"{asked.method} {asked.path}")
            answer = door(asked) if door else Answer(status=404, body=b"no such door", kind="text/plain")
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.kind)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, name="small server", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
