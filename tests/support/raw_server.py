"""A raw HTTP server for tests of whatever stands before one: it notes requests byte by byte and answers with bytes.

An answer is a function of the request and of the connection, so that it can come in pieces, break off, or never end.
"""

import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class RawRequest:
    """A request as it came; names of headers in lower case, in their order."""

    line: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def values(self, name: str) -> list[str]:
        return [value for each, value in self.headers if each == name]


Reply = Callable[[RawRequest, socket.socket], None]


def says(head: str, body: bytes = b"") -> Reply:
    """An answer that is always the same: status line and headers, and the body with its length."""
    lines = "".join(f"{line.strip()}\r\n" for line in head.strip().splitlines())
    return lambda _, connection: connection.sendall(
        f"HTTP/1.1 {lines}Content-Length: {len(body)}\r\n\r\n".encode() + body
    )


@dataclass(kw_only=True)
class RawServer:
    """Where it listens, what it was asked, and how it answers; `reply` may be changed at any time."""

    port: int
    reply: Reply
    asked: list[RawRequest] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class _Listener(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False


@contextmanager
def raw_server(reply: Reply) -> Iterator[RawServer]:
    """Serve one request a connection."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            request = _read(self.request)
            if request is None:
                return
            server.asked.append(request)
            try:
                server.reply(request, self.request)
            except OSError:
                return  # the other side has gone

    with _Listener(("127.0.0.1", 0), Handler) as listener:
        server = RawServer(port=listener.server_address[1], reply=reply)
        thread = threading.Thread(target=listener.serve_forever, args=(0.02,), name="raw server", daemon=True)
        thread.start()
        try:
            yield server
        finally:
            listener.shutdown()
            thread.join()


def _read(connection: socket.socket) -> RawRequest | None:
    data = b""
    while b"\r\n\r\n" not in data:
        if not (piece := connection.recv(65536)):
            return None
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    line, *rest = head.decode("latin-1").split("\r\n")
    pairs = (each.partition(":") for each in rest)
    headers = tuple((name.lower(), value.strip()) for name, _, value in pairs)
    length = int(dict(headers).get("content-length", "0"))
    while len(body) < length:
        body += connection.recv(65536)
    return RawRequest(line=line, headers=headers, body=body)
