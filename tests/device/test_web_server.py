"""The small web server over real sockets: what is refused, who is turned away, and that nobody holds anybody up."""

import contextlib
import json
import queue
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http import HTTPStatus
from http.client import HTTPConnection
from random import Random

import pytest
from tests.support.publishing import wait_for

from waypass_reader.errors import ConfigurationError
from waypass_reader.log import RecordingLog
from waypass_reader.web import Answer, EventStream, Limits, Problem, Request, Route, Routes, WebServer, json_answer

SECONDS = 40.0
QUICK = Limits(request_seconds=0.3, answer_seconds=0.5, linger_seconds=0.1, head_bytes=4096, body_bytes=100)
PATIENT = replace(QUICK, request_seconds=SECONDS, answer_seconds=SECONDS)


class QueueFeed:
    """Events that a test puts in."""

    def __init__(self) -> None:
        self.events: queue.Queue[str] = queue.Queue()
        self.asked = threading.Event()
        self.closed = threading.Event()

    def next(self, timeout_seconds: float) -> str | None:
        self.asked.set()
        try:
            return self.events.get(timeout=timeout_seconds)
        except queue.Empty:
            return None

    def close(self) -> None:
        self.closed.set()


class Site:
    """A server's routes, and what its handlers do."""

    def __init__(self, limits: Limits = PATIENT, *, heartbeat_seconds: float = SECONDS) -> None:
        self.log = RecordingLog()
        self.feeds: list[QueueFeed] = []
        self._heartbeat_seconds = heartbeat_seconds
        routes = [
            Route(method="GET", path="/", handler=lambda _request: json_answer("here")),
            Route(method="POST", path="/echo/{word}", handler=self._echo),
            Route(method="GET", path="/events", handler=self._events),
            Route(method="GET", path="/broken", handler=self._break),
            Route(method="GET", path="/refused", handler=self._refuse),
            Route(method="GET", path="/large", handler=lambda _request: Answer(body=b"x" * 50_000_000)),
        ]
        self.server = WebServer(host="127.0.0.1", port=0, routes=Routes(routes), log=self.log, limits=limits)

    def _echo(self, request: Request) -> Answer:
        return json_answer({"word": request.parts["word"], "body": request.json_object(), "peer": request.peer})

    def _events(self, _request: Request) -> EventStream:
        self.feeds.append(QueueFeed())
        return EventStream(feed=self.feeds[-1], heartbeat_seconds=self._heartbeat_seconds)

    def _break(self, _request: Request) -> Answer:
        raise ZeroDivisionError("about a secret")

    def _refuse(self, _request: Request) -> Answer:
        raise Problem(HTTPStatus.CONFLICT, "expected another state", headers=(("Retry-After", "9"),))

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.server.port), timeout=SECONDS)

    def say(self, data: bytes) -> bytes:
        """All that comes back for some bytes."""
        with self.connect() as connection:
            connection.sendall(data)
            return read_all(connection)

    def get(self, path: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
        connection = HTTPConnection("127.0.0.1", self.server.port, timeout=SECONDS)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()
        finally:
            connection.close()


def read_all(connection: socket.socket) -> bytes:
    data = b""
    while piece := connection.recv(65536):
        data += piece
    return data


def read_until(connection: socket.socket, end: bytes) -> bytes:
    data = b""
    while end not in data:
        piece = connection.recv(65536)
        assert piece, f"ended after {data!r}"
        data += piece
    return data


@contextmanager
def serving(limits: Limits = PATIENT, *, heartbeat_seconds: float = SECONDS) -> Iterator[Site]:
    site = Site(limits, heartbeat_seconds=heartbeat_seconds)
    site.server.start()
    try:
        yield site
    finally:
        site.server.close()


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as site:
        yield site


def test_a_request_is_answered_with_strict_headers(site: Site) -> None:
    status, headers, body = site.get("/")
    assert (status, json.loads(body)) == (200, "here")
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "script-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Connection"] == "close"
    assert headers["Server"] == "waypass"


def test_a_refusal_is_a_problem_with_the_same_headers(site: Site) -> None:
    status, headers, body = site.get("/refused")
    assert (status, headers["Content-Type"], headers["Retry-After"]) == (409, "application/problem+json", "9")
    assert json.loads(body) == {"title": "Conflict", "status": 409, "detail": "expected another state"}
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_a_head_request_has_no_body(site: Site) -> None:
    status, headers, body = site.get("/", "HEAD")
    assert (status, headers["Content-Length"], body) == (200, "6", b"")


def test_a_body_and_pieces_of_the_path_reach_the_handler(site: Site) -> None:
    said = b'POST /echo/%E5%8C%97 HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n{"a": 1}'
    body = site.say(said).partition(b"\r\n\r\n")[2]
    assert json.loads(body) == {"word": "北", "body": {"a": 1}, "peer": "127.0.0.1"}


def test_an_error_that_nobody_foresaw_is_one_request_s_own(site: Site) -> None:
    for _ in range(2):
        status, _, body = site.get("/broken")
        assert (status, json.loads(body)["detail"]) == (500, "this request could not be answered")
    assert site.log.lines == [
        ("a request could not be answered", {"server": "pages", "cause": "unforeseen ZeroDivisionError"})
    ]
    assert site.get("/")[0] == 200


def head(*lines: str) -> bytes:
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode("latin-1")


@pytest.mark.parametrize(
    ("name", "said", "status", "message"),
    [
        ("another language", b"hello\r\n\r\n", 400, "Bad request syntax"),
        ("a word too many", head("GET / now HTTP/1.1"), 400, "Bad request syntax"),
        ("no version", head("GET /"), 505, "expected HTTP/1.0 or HTTP/1.1"),
        ("an unknown version", head("GET / HTTP/9.9"), 505, ""),
        ("a version of words", head("GET / HTTP/one"), 400, "Bad request syntax"),
        ("an unknown method", head("BREW / HTTP/1.1"), 501, "Server does not support this operation"),
        ("a method of none", head("OPTIONS / HTTP/1.1"), 405, "expected GET or HEAD"),
        ("a host in the address", head("GET http://x/ HTTP/1.1"), 400, "begins with /"),
        ("a long head", head("GET / HTTP/1.1", *(f"A{n}: {'b' * 200}" for n in range(30))), 431, "at most 4096 bytes"),
        ("many headers", head("GET / HTTP/1.1", *(f"A{n}:" for n in range(200))), 431, "too large"),
        ("a long address", head(f"GET /{'a' * 3000} HTTP/1.1"), 414, "at most 2048 characters"),
        ("a body too large", head("POST /echo/a HTTP/1.1", "Content-Length: 101") + b"x" * 101, 413, "100 bytes"),
        (
            "a body in pieces",
            head("POST /echo/a HTTP/1.1", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
            501,
            "Content",
        ),
        ("the folder above", head("GET /../../etc/passwd HTTP/1.1"), 404, "nothing at this address"),
    ],
)
def test_a_request_that_breaks_a_rule_is_refused(site: Site, name: str, said: bytes, status: int, message: str) -> None:
    first, _, rest = site.say(said).partition(b"\r\n")
    assert first.startswith(f"HTTP/1.1 {status} ".encode()), (name, first)
    problem = json.loads(rest.partition(b"\r\n\r\n")[2])
    assert problem["status"] == status
    assert message.lower() in problem["detail"].lower(), problem
    assert site.get("/")[0] == 200


def test_a_large_body_is_answered_before_it_has_come(site: Site) -> None:
    with site.connect() as connection:
        connection.sendall(head("POST /echo/a HTTP/1.1", "Content-Length: 1000000000"))
        assert read_until(connection, b"\r\n").startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    ("name", "said", "detail"),
    [
        ("in its head", b"GET / HTTP/1.1\r\nA: b\r\n", "expected a whole head"),
        ("in its body", head("POST /echo/a HTTP/1.1", "Content-Length: 9") + b"{", "expected 9 bytes of body, got 1"),
    ],
)
def test_a_request_that_ends_too_early_is_refused(site: Site, name: str, said: bytes, detail: str) -> None:
    with site.connect() as connection:
        connection.sendall(said)
        connection.shutdown(socket.SHUT_WR)
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 400 "), name
    assert detail.encode() in answer


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("says nothing", b""),
        ("stops in its first line", b"GET / HT"),
        ("stops in its head", b"GET / HTTP/1.1\r\nA: b\r\n"),
        ("stops in its body", head("POST /echo/a HTTP/1.1", "Content-Length: 9") + b"{"),
    ],
)
def test_a_client_that_stops_talking_is_let_go(name: str, said: bytes) -> None:
    with serving(QUICK) as site, site.connect() as connection:
        connection.sendall(said)
        assert read_all(connection) == b"", name


def test_a_client_that_talks_for_ever_is_let_go() -> None:
    """The time is one for the whole request, and not anew for each byte."""
    with serving(QUICK) as site, site.connect() as connection:
        gone = threading.Event()

        def drip() -> None:
            try:
                while not gone.wait(0.01):
                    connection.sendall(b"a")
            except OSError:
                pass

        talking = threading.Thread(target=drip)
        talking.start()
        try:
            assert read_all_or_reset(connection) == b""
        finally:
            gone.set()
            talking.join(SECONDS)


def read_all_or_reset(connection: socket.socket) -> bytes:
    try:
        return read_all(connection)
    except ConnectionResetError:
        return b""


def test_a_client_that_takes_nothing_is_let_go() -> None:
    with serving(replace(QUICK, connections=1)) as site:
        with site.connect() as connection:
            connection.sendall(head("GET /large HTTP/1.1"))
            # Its seat is free again while it still stands there.
            wait_for(lambda: is_served(site), "the seat")
        assert site.log.lines == []


def test_slow_clients_hold_nobody_up(site: Site) -> None:
    slow = [site.connect() for _ in range(20)]
    try:
        for connection in slow:
            connection.sendall(b"GET / HTTP/1.1\r\nA:")
        assert site.get("/")[0] == 200
    finally:
        for connection in slow:
            connection.close()


def test_one_connection_too_many_is_turned_away() -> None:
    with serving(replace(PATIENT, connections=2)) as site:
        with site.connect() as first, site.connect() as second:
            for connection in (first, second):
                connection.sendall(b"GET / HTTP/1.1\r\n")
            with site.connect() as third:
                answer = read_all(third)
            assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
            assert b"too many connections" in answer
            assert b"nosniff" in answer
            first.sendall(b"\r\n")
            assert read_until(first, b"\r\n").startswith(b"HTTP/1.1 200 ")
        wait_for(lambda: is_served(site), "a free seat")


def is_served(site: Site, path: str = "/") -> bool:
    """Whether there is a seat; who is turned away in the middle of a request may get no answer at all."""
    with contextlib.suppress(ConnectionError), site.connect() as connection:
        connection.sendall(head(f"GET {path} HTTP/1.1"))
        return connection.recv(13).startswith(b"HTTP/1.1 200 ")
    return False


@contextmanager
def watching(site: Site) -> Iterator[tuple[socket.socket, QueueFeed]]:
    number = len(site.feeds)
    with site.connect() as connection:
        connection.sendall(head("GET /events HTTP/1.1"))
        assert b"Content-Type: text/event-stream" in read_until(connection, b"retry: 1000\n\n")
        wait_for(lambda: len(site.feeds) > number, "the feed")
        yield connection, site.feeds[number]


def test_events_come_as_they_happen(site: Site) -> None:
    with watching(site) as (connection, feed):
        feed.events.put("one")
        assert read_until(connection, b"\n\n") == b"data: one\n\n"
        feed.events.put("two")
        assert read_until(connection, b"\n\n") == b"data: two\n\n"


def test_silence_has_a_heartbeat() -> None:
    with serving(heartbeat_seconds=0.01) as site, watching(site) as (connection, _):
        assert read_until(connection, b":\n\n:\n\n").startswith(b":\n\n")


def test_a_watcher_that_left_is_noticed_in_silence(site: Site) -> None:
    with watching(site) as (_, feed):
        pass
    assert feed.closed.wait(SECONDS)


def test_a_watcher_that_takes_nothing_is_let_go() -> None:
    with serving(QUICK) as site, watching(site) as (_, feed):
        for _ in range(20):
            feed.events.put("x" * 1_000_000)
        assert feed.closed.wait(SECONDS)


def test_watchers_leave_seats_for_others() -> None:
    with serving(replace(PATIENT, streams=1)) as site:
        with watching(site):
            status, headers, body = site.get("/events")
            assert (status, headers["Retry-After"]) == (503, "1")
            assert json.loads(body)["detail"] == "too many connections; try again"
            assert site.feeds[1].closed.wait(SECONDS)
            assert site.get("/")[0] == 200
        wait_for(lambda: is_served(site, "/events"), "a free seat")


def test_a_head_request_for_events_ends(site: Site) -> None:
    status, headers, body = site.get("/events", "HEAD")
    assert (status, headers["Content-Type"], body) == (200, "text/event-stream", b"")
    assert site.feeds[0].closed.wait(SECONDS)


def test_closing_ends_watchers_and_slow_clients_and_frees_the_port() -> None:
    with serving() as site, watching(site) as (watcher, feed), site.connect() as slow:
        slow.sendall(b"GET /")
        site.server.close()
        assert read_all(watcher) == b""
        assert read_all_or_reset(slow) == b""
        assert feed.closed.is_set()
        with pytest.raises(ConnectionRefusedError):
            site.connect()
        again = WebServer(host="127.0.0.1", port=site.server.port, routes=Routes([]), log=site.log)
        again.close()


def test_a_server_that_was_never_started_is_closed() -> None:
    server = Site().server
    server.close()
    server.close()


def test_a_port_that_is_taken_is_named(site: Site) -> None:
    message = rf"pages: 127\.0\.0\.1:{site.server.port} can't be listened at \(Address already in use\)"
    with pytest.raises(ConfigurationError, match=message):
        WebServer(host="127.0.0.1", port=site.server.port, routes=Routes([]), log=site.log)


def test_an_address_that_is_none_is_named(site: Site) -> None:
    with pytest.raises(ConfigurationError, match=r"pages: 256\.0\.0\.1:1 can't be listened at"):
        WebServer(host="256.0.0.1", port=1, routes=Routes([]), log=site.log)


def test_the_address_is_what_a_browser_takes(site: Site) -> None:
    assert site.server.address == f"http://127.0.0.1:{site.server.port}"


def test_an_address_of_version_6_is_written_in_brackets(site: Site) -> None:
    try:
        server = WebServer(host="::1", port=0, routes=Routes([]), log=site.log)
    except ConfigurationError:
        pytest.skip("this machine has no IPv6")
    server.close()
    assert server.address == f"http://[::1]:{server.port}"


@pytest.mark.parametrize("make", [lambda: b"\0" * 64, lambda: b"\r\n" * 50, lambda: bytes(range(256)) * 4])
def test_rubbish_is_refused_or_dropped_and_the_server_goes_on(site: Site, make: Callable[[], bytes]) -> None:
    with site.connect() as connection:
        connection.sendall(make())
        connection.shutdown(socket.SHUT_WR)
        answer = read_all_or_reset(connection)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")
    assert site.log.lines == []
    assert site.get("/")[0] == 200


def test_mangled_requests_are_answered_or_dropped_and_the_server_goes_on(site: Site) -> None:
    """The same 300 each time: bytes changed, cut out, doubled and put in, in a request that is valid."""
    random = Random(1)
    whole = (
        b'POST /echo/a?b=c HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n{"a": 1}'
    )
    stubs = [b"\r\n", b"\0", b"\xff", b" ", b":", b"HTTP/1.1", b"%00", b"Content-Length: 9\r\n", b"\r\n\r\n"]
    first: set[bytes] = set()
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(random.randint(1, 4)):
            at, to = sorted(random.randrange(len(data) + 1) for _ in range(2))
            data[at:to] = random.choice([b"", bytes(data[at:to]) * 2, random.choice(stubs), random.randbytes(3)])
        with site.connect() as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            first.add(read_all_or_reset(connection)[:12])
    assert {each for each in first if each and not each.startswith(b"HTTP/1.1 ")} == set()
    assert {b"HTTP/1.1 400", b"HTTP/1.1 200"} <= first
    assert b"HTTP/1.1 500" not in first
    assert site.log.lines == []
    assert site.get("/")[0] == 200
