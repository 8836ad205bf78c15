"""Connections: how many, how long, how large, and a clean end.

1. one request takes one connection, which is closed after the answer
2. there are so many connections at once, and so many of them may be streams; one more is turned away (`503`). Staff
   can call a gate open while every seat for watchers is taken
3. a request has to be here within some seconds, head and body together, however slowly it comes; nobody waits for it
   but its own thread. An answer has to be taken within some seconds too; a stream, each event of it
4. head and body have a limit in bytes
5. an error that nobody foresaw is one request's own (`500`): the log names its kind, and the server goes on
6. `close` ends every connection and waits a moment for their threads; none of them keeps the program from ending

Nothing that came is logged.
"""

import contextlib
import io
import select
import socket
import socketserver
import sys
import threading
import time
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from waypass_reader.errors import ConfigurationError
from waypass_reader.log import Log, ReportLimiter
from waypass_reader.web.answers import HEARTBEAT, STRICT_HEADERS, Answer, EventStream, Problem, event_bytes
from waypass_reader.web.requests import Request, read_length, read_target
from waypass_reader.web.routes import Routes

LOOK_SECONDS = 0.25
LINGER_BYTES = 1024 * 1024
RECONNECT = b"retry: 1000\n\n"

_FULL = Problem(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections; try again", headers=(("Retry-After", "1"),))


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What one server takes at once, and how long it waits."""

    connections: int = 64
    streams: int = 32
    request_seconds: float = 5.0
    answer_seconds: float = 5.0
    linger_seconds: float = 0.5
    close_seconds: float = 2.0
    head_bytes: int = 16 * 1024
    body_bytes: int = 16 * 1024


class WebServer:
    """Serves `routes` at one address from the moment that it is made; `start` begins to answer."""

    def __init__(
        self, *, host: str, port: int, routes: Routes, log: Log, limits: Limits | None = None, what: str = "pages"
    ) -> None:
        """`what` names it in messages. Raises `ConfigurationError` when the address can't be had."""
        self._site = _Site(routes=routes, log=log, limits=limits or Limits(), what=what)
        try:
            family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
            self._server = _Server(family, address, self._site)
        except OSError as error:
            raise ConfigurationError(f"{what}: {host}:{port} can't be listened at ({error.strerror})") from error
        self._thread = threading.Thread(target=self._server.serve_forever, args=(LOOK_SECONDS,), name=what, daemon=True)

    @property
    def port(self) -> int:
        """The port that it has, also when it was left to the system."""
        return int(self._server.server_address[1])

    @property
    def address(self) -> str:
        """Where it is, as a browser on this machine takes it."""
        host = str(self._server.server_address[0])
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def start(self) -> None:
        """Answer, in threads of its own."""
        self._thread.start()

    def close(self) -> None:
        """Rule 6. A server that was never started is closed too; closing twice does nothing."""
        self._site.stopping.set()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        self._site.seats.close_all(self._site.limits.close_seconds)


class _Site:
    """What all connections of one server share."""

    def __init__(self, *, routes: Routes, log: Log, limits: Limits, what: str) -> None:
        self.routes = routes
        self.log = log
        self.limits = limits
        self.what = what
        self.stopping = threading.Event()
        self.seats = _Seats(limits.connections)
        self.streams = threading.BoundedSemaphore(limits.streams)
        self.unforeseen = ReportLimiter()

    def report(self, error: BaseException) -> None:
        """Rule 5."""
        kind = type(error).__name__
        if self.unforeseen.note(kind, now_ns=time.monotonic_ns()):
            self.log.warning("a request could not be answered", server=self.what, cause=f"unforeseen {kind}")


class _Seats:
    """The connections that stand, at most so many."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._changed = threading.Condition()
        self._taken: set[socket.socket] = set()

    def take(self, connection: socket.socket) -> bool:
        """Whether there was a seat."""
        with self._changed:
            if len(self._taken) >= self._number:
                return False
            self._taken.add(connection)
            return True

    def leave(self, connection: socket.socket) -> None:
        """Its seat is free again."""
        with self._changed:
            self._taken.discard(connection)
            self._changed.notify_all()

    def close_all(self, seconds: float) -> None:
        """End what stands, and wait until it has."""
        with self._changed:
            for connection in self._taken:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self._changed.wait_for(lambda: not self._taken, timeout=seconds)


class _Server(ThreadingHTTPServer):
    """Accepts connections, and never waits for one."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, family: int, address: Any, site: _Site) -> None:
        self.address_family = family
        self._site = site
        super().__init__(address, partial(_Connection, site))

    def server_bind(self) -> None:
        """Without the look-up of the host's full name, which may wait for a name server that is not there."""
        socketserver.TCPServer.server_bind(self)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Rule 2."""
        if not self._site.seats.take(request):
            self._turn_away(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._site.seats.leave(request)
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """One connection, in its thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._site.seats.leave(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base class's shape
        """Called inside an `except`: another end that went away is nothing, all else is rule 5."""
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, OSError):
            self._site.report(error)

    def _turn_away(self, request: socket.socket) -> None:
        answer = _FULL.answer()
        head = f"HTTP/1.1 503 {HTTPStatus.SERVICE_UNAVAILABLE.phrase}\r\nConnection: close\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in _headers(answer))
        with contextlib.suppress(OSError):
            request.setblocking(False)
            request.send(head.encode() + b"\r\n" + answer.body)
        self.shutdown_request(request)


class _Input(io.RawIOBase):
    """A connection's bytes, until a deadline and up to so many; beyond either it raises or ends."""

    def __init__(self, connection: socket.socket, *, deadline: float, limit: int) -> None:
        self._connection = connection
        self._deadline = deadline
        self._left = limit
        self.ended = False

    def readable(self) -> bool:
        """It is."""
        return True

    def allow(self, more: int) -> None:
        """So many bytes more may come."""
        self._left += more

    def readinto(self, buffer: Any) -> int:
        """Rule 3: the time that is left, not a time for each piece. Raises `TimeoutError`."""
        seconds = self._deadline - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("the request did not come in time")
        if self._left <= 0:
            self.ended = True
            return 0
        self._connection.settimeout(seconds)
        with memoryview(buffer) as view:
            number = self._connection.recv_into(view[: self._left])
        self._left -= number
        self.ended = number == 0
        return number

    @property
    def full(self) -> bool:
        """Whether all that may come has come."""
        return self._left <= 0


class _Connection(BaseHTTPRequestHandler):
    """One connection: `http.server` reads the head, and calls `do_METHOD`."""

    protocol_version = "HTTP/1.1"

    def __init__(self, site: _Site, request: socket.socket, client_address: Any, server: Any) -> None:
        self._site = site
        super().__init__(request, client_address, server)

    def setup(self) -> None:
        """Rules 3 and 4 for all that is read."""
        super().setup()
        self.rfile.close()
        limits = self._site.limits
        deadline = time.monotonic() + limits.request_seconds
        self._input = _Input(self.connection, deadline=deadline, limit=limits.head_bytes)
        self.rfile = io.BufferedReader(self._input)

    def _respond(self) -> None:
        self.close_connection = True
        try:
            answer = self._site.routes.answer(self._read_request())
        except Problem as problem:
            answer = problem.answer()
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001 - rule 5
            self._site.report(error)
            answer = Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "this request could not be answered").answer()
        if isinstance(answer, EventStream):
            self._stream(answer)
        else:
            self._send(answer)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _respond  # noqa: N815 - their names

    def _read_request(self) -> Request:
        """Head and body. Raises `Problem`, or `OSError` when nothing comes any more."""
        if self._input.ended:
            if self._input.full:
                raise Problem(
                    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
                    f"expected at most {self._site.limits.head_bytes} bytes of head",
                )
            raise Problem(HTTPStatus.BAD_REQUEST, "expected a whole head, got the beginning of one")
        if self.request_version == "HTTP/0.9":
            self.request_version = "HTTP/1.0"  # so that the refusal has a status
            raise Problem(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "expected HTTP/1.0 or HTTP/1.1")
        target = read_target(self.path)
        length = read_length(self.headers, limit=self._site.limits.body_bytes)
        self._input.allow(length)
        body = self.rfile.read(length)
        if len(body) != length:
            raise Problem(HTTPStatus.BAD_REQUEST, f"expected {length} bytes of body, got {len(body)}")
        return Request(
            method=str(self.command), target=target, headers=self.headers, body=body, peer=str(self.client_address[0])
        )

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """What `http.server` itself refuses; its message repeats what came, so it is left out."""
        self.close_connection = True
        if self.request_version == "HTTP/0.9":
            self.request_version = "HTTP/1.0"
        status = HTTPStatus(code)
        self._send(Problem(status, status.description or status.phrase).answer())

    def _send(self, answer: Answer) -> None:
        """A whole answer, and time for the other end to take it."""
        self._begin(answer.status, _headers(answer))
        if self.command != "HEAD":
            self.wfile.write(answer.body)
        self._linger()

    def _begin(self, status: HTTPStatus, headers: list[tuple[str, str]]) -> None:
        self.connection.settimeout(self._site.limits.answer_seconds)
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()

    def _linger(self) -> None:
        """Take what still comes for a moment: closing over unread bytes would destroy the answer on its way."""
        deadline, left = time.monotonic() + self._site.limits.linger_seconds, LINGER_BYTES
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            while left > 0 and (seconds := deadline - time.monotonic()) > 0:
                self.connection.settimeout(seconds)
                taken = len(self.connection.recv(64 * 1024))
                if taken == 0:
                    return
                left -= taken

    def _stream(self, stream: EventStream) -> None:
        """Events until one side ends, if there is a seat for one more watcher."""
        answer = Answer(content_type="text/event-stream")
        try:
            if self.command == "HEAD":
                self._send(answer)
            elif not self._site.streams.acquire(blocking=False):
                self._send(_FULL.answer())
            else:
                try:
                    self._begin(answer.status, _headers(answer, length=False))
                    self._send_events(stream)
                finally:
                    self._site.streams.release()
        finally:
            stream.feed.close()

    def _send_events(self, stream: EventStream) -> None:
        self.wfile.write(RECONNECT)
        said = time.monotonic()
        while not (self._site.stopping.is_set() or self._is_gone()):
            wait = min(LOOK_SECONDS, max(said + stream.heartbeat_seconds - time.monotonic(), 0))
            data = stream.feed.next(wait)
            if data is None and time.monotonic() - said < stream.heartbeat_seconds:
                continue
            self.wfile.write(HEARTBEAT if data is None else event_bytes(data))
            said = time.monotonic()

    def _is_gone(self) -> bool:
        """Whether the other end has closed; it has nothing more to say, so whatever it says is dropped."""
        look = select.poll()
        look.register(self.connection, select.POLLIN)
        return bool(look.poll(0)) and self.connection.recv(4096) == b""

    def version_string(self) -> str:
        """No versions: they help nobody but an attacker."""
        return "waypass"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Nothing that came is logged."""


def _headers(answer: Answer, *, length: bool = True) -> list[tuple[str, str]]:
    headers = [*STRICT_HEADERS.items(), *answer.headers]
    if answer.content_type:
        headers.append(("Content-Type", answer.content_type))
    if length and answer.status is not HTTPStatus.NO_CONTENT:
        headers.append(("Content-Length", str(len(answer.body))))
    return headers
