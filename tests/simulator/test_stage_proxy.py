"""The front door as a reverse proxy, before real servers on real sockets: what goes through, and what does not."""

import contextlib
import gzip
import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest
from tests.support.raw_server import RawRequest, RawServer, Reply, raw_server, says

from waypass_simulator.errors import UsageError
from waypass_simulator.processes import free_port
from waypass_simulator.stage.door import Door, Serving, listen
from waypass_simulator.stage.proxy import MAX_BODY, Proxy, Upstream
from waypass_simulator.stage.stage import Stage

SECONDS = 40.0
OK = says("200 OK", b"fine")


def upstream(address: str | None, prefix: str = "/api", *, strip: bool = False, framed: bool = False) -> Upstream:
    return Upstream(name="the server", prefix=prefix, address=lambda: address, strip=strip, framed=framed)


@contextmanager
def door_before(*upstreams: Upstream, silence: float = SECONDS) -> Iterator[str]:
    """The front door with these behind it; its address."""
    door = Door(Stage(lambda: None), Proxy(upstreams, silence=silence))
    with Serving(door, listen(free_port())) as serving:
        yield serving.address


@contextmanager
def behind(
    reply: Reply, *, prefix: str = "/api", strip: bool = False, framed: bool = False
) -> Iterator[tuple[RawServer, httpx.Client]]:
    """A server that answers so, and a browser before the door."""
    with (
        raw_server(reply) as server,
        door_before(upstream(server.address, prefix, strip=strip, framed=framed)) as address,
        httpx.Client(base_url=address, timeout=SECONDS, trust_env=False) as client,
    ):
        yield server, client


# --- requests


@pytest.mark.parametrize(
    ("name", "method", "target", "body"),
    [
        ("a question", "GET", "/api/v1/me", b""),
        ("a query", "GET", "/api/v1/people?a=1&b=%20x&c", b""),
        ("escapes stay as they are", "GET", "/api/v1/a%2Fb%20c", b""),
        ("something to do", "POST", "/api/v1/enrol", b'{"code": "K7QM-4TZP"}'),
        ("nothing in it", "POST", "/api/v1/me/challenge", b""),
        ("another method", "DELETE", "/api/v1/x", b""),
        ("one with a body", "PUT", "/api/v1/x", bytes(range(256)) * 64),
        ("the prefix alone", "GET", "/api", b""),
    ],
)
def test_method_target_and_body_arrive_as_they_were_sent(name: str, method: str, target: str, body: bytes) -> None:
    with behind(OK) as (server, client):
        answer = client.request(method, target, content=body)
        assert (answer.status_code, answer.content) == (200, b"fine"), name
    (asked,) = server.asked
    assert (asked.line, asked.body) == (f"{method} {target} HTTP/1.1", body)
    assert asked.values("transfer-encoding") == []


def test_a_body_in_pieces_arrives_whole_with_its_length() -> None:
    with behind(OK) as (server, client):
        client.post("/api/v1/x", content=iter([b"one ", b"two"]))
    (asked,) = server.asked
    assert (asked.body, asked.values("content-length")) == (b"one two", ["7"])


def test_headers_between_neighbours_stay_at_the_door() -> None:
    sent = {
        "Authorization": "Bearer T",
        "Cookie": "a=1; b=2",
        "If-None-Match": 'W/"x"',
        "Accept-Encoding": "gzip",
        "Connection": "close, X-Mine",
        "X-Mine": "1",
        "TE": "trailers",
        "Upgrade": "websocket",
        "Proxy-Authorization": "Basic x",
        "Keep-Alive": "timeout=5",
        "Forwarded": "for=10.0.0.1",
        "X-Forwarded-For": "10.0.0.1",
        "X-Forwarded-Host": "elsewhere",
        "Expect": "100-continue",
    }
    with behind(OK) as (server, client):
        client.get("/api/x", headers=sent)
        host = client.base_url.netloc.decode()
    (asked,) = server.asked
    kept = {"authorization": "Bearer T", "cookie": "a=1; b=2", "if-none-match": 'W/"x"', "accept-encoding": "gzip"}
    assert dict(asked.headers) == {"host": host, "accept": "*/*", **kept, "user-agent": client.headers["user-agent"]}


def announced(client: httpx.Client) -> httpx.Response:
    return client.post("/api/x", content=b"x" * (MAX_BODY + 1))


def in_pieces(client: httpx.Client) -> httpx.Response:
    return client.post("/api/x", content=(b"x" * 1024 for _ in range(MAX_BODY // 1024 + 1)))


@pytest.mark.parametrize("send", [announced, in_pieces])
def test_a_body_that_is_too_large_is_refused_and_nobody_is_asked(
    send: Callable[[httpx.Client], httpx.Response],
) -> None:
    with behind(OK) as (server, client):
        answer = send(client)
    assert (answer.status_code, answer.json()["detail"]) == (413, f"expected at most {MAX_BODY} bytes")
    assert server.asked == []


def test_the_largest_body_goes_through() -> None:
    with behind(OK) as (server, client):
        assert client.post("/api/x", content=b"x" * MAX_BODY).status_code == 200
    assert len(server.asked[0].body) == MAX_BODY


@pytest.mark.parametrize(
    ("name", "target", "status", "detail"),
    [
        ("a step up", "/api/../x", 400, "dot segments"),
        ("a step up, escaped", "/api/%2E%2e/x", 400, "dot segments"),
        ("a step nowhere", "/api/./x", 400, "dot segments"),
        ("at the end", "/api/..", 400, "dot segments"),
        ("another program's prefix", "/apis", 404, "an address of the stage"),
        ("an escaped prefix", "/%61pi/x", 404, "an address of the stage"),
        ("nobody's", "/nothing", 404, "an address of the stage"),
    ],
)
def test_paths_that_are_not_for_the_server(name: str, target: str, status: int, detail: str) -> None:
    with behind(OK) as (server, client):
        # The library of the others would tidy the path up.
        raw = http.client.HTTPConnection(client.base_url.netloc.decode(), timeout=SECONDS)
        raw.request("GET", target)
        answer = raw.getresponse()
        assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json"), name
        assert detail in json.loads(answer.read())["detail"]
        raw.close()
    assert server.asked == []


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("localhost:8000", 200),
        ("127.0.0.1:9", 200),
        ("[::1]:8000", 200),
        ("evil.example", 421),
        ("localhost.evil.example:8000", 421),
        ("127.0.0.1.evil.example", 421),
        ("evil.example:localhost", 421),
        ("", 421),
    ],
)
def test_only_who_means_this_machine_is_answered(host: str, status: int) -> None:
    with behind(OK) as (server, client):
        assert client.get("/api/x", headers={"Host": host}).status_code == status
        assert client.get("/stage/stage.css", headers={"Host": host}).status_code == status
    assert len(server.asked) == (1 if status == 200 else 0)


# --- answers


def test_an_answer_keeps_its_headers_but_those_between_neighbours() -> None:
    head = """207 Some Status
    Content-Type: text/x; charset=utf-8
    ETag: W/"abc"
    Set-Cookie: a=1; Path=/; HttpOnly
    Set-Cookie: b=2
    Date: Thu, 01 Jan 2026 00:00:00 GMT
    Server: its own
    Connection: close, X-Hop
    X-Hop: 1
    Keep-Alive: timeout=5
    Upgrade: h2c
    Content-Security-Policy: default-src 'none'; frame-ancestors 'none'
    X-Frame-Options: DENY"""
    with behind(says(head, b"body")) as (_, client):
        answer = client.get("/api/x")
    assert (answer.status_code, answer.content) == (207, b"body")
    assert sorted(answer.headers.multi_items()) == [
        ("content-length", "4"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
        ("content-type", "text/x; charset=utf-8"),
        ("date", "Thu, 01 Jan 2026 00:00:00 GMT"),
        ("etag", 'W/"abc"'),
        ("server", "its own"),
        ("set-cookie", "a=1; Path=/; HttpOnly"),
        ("set-cookie", "b=2"),
        ("x-frame-options", "DENY"),
    ]


def test_where_frames_are_allowed_only_the_word_about_frames_changes() -> None:
    head = """200 OK
    Content-Security-Policy: default-src 'none'; frame-ancestors 'none'; base-uri 'none'
    X-Frame-Options: DENY"""
    with behind(says(head), framed=True) as (_, client):
        headers = client.get("/api/x").headers
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'self'; base-uri 'none'"
    assert headers["x-frame-options"] == "SAMEORIGIN"


def test_what_is_compressed_goes_through_as_it_is() -> None:
    data = gzip.compress(b"words " * 100, mtime=0)
    with behind(says("200 OK\nContent-Encoding: gzip", data)) as (_, client):
        answer = client.send(client.build_request("GET", "/api/x"), stream=True)
        assert b"".join(answer.iter_raw()) == data


@pytest.mark.parametrize(
    ("method", "head"), [("GET", "304 Not Modified\nETag: x"), ("HEAD", "200 OK\nETag: x"), ("GET", "204 No Content")]
)
def test_answers_without_a_body_end(method: str, head: str) -> None:
    def reply(_: RawRequest, connection: socket.socket) -> None:
        lines = "".join(f"{line}\r\n" for line in head.splitlines())
        connection.sendall(f"HTTP/1.1 {lines}\r\n".encode())

    with behind(reply) as (_, client):
        for _ in range(2):  # on one connection: nothing of the first answer stands in the way of the second
            answer = client.request(method, "/api/x")
            assert (answer.status_code, answer.content) == (int(head[:3]), b"")


def test_an_upstream_behind_a_prefix_stands_at_its_own_root() -> None:
    head = """302 Found
    Location: /sign-in?next=/
    Set-Cookie: session=1; path=/; HttpOnly
    Set-Cookie: bare=1; HttpOnly"""
    with behind(says(head), prefix="/station", strip=True) as (server, client):
        answer = client.get("/station/a?b=1")
        assert client.get("/station/").status_code == 302
        alone = client.get("/station")
    assert [asked.line for asked in server.asked] == ["GET /a?b=1 HTTP/1.1", "GET / HTTP/1.1"]
    assert answer.headers["location"] == "/station/sign-in?next=/"
    assert answer.headers.get_list("set-cookie") == ["session=1; path=/station/; HttpOnly", "bare=1; HttpOnly"]
    assert (alone.status_code, alone.headers["location"]) == (308, "/station/")


@pytest.mark.parametrize("where", ["//evil.example/", "https://elsewhere.example/", "relative"])
def test_an_address_that_is_not_its_own_gets_no_prefix(where: str) -> None:
    with behind(says(f"302 Found\nLocation: {where}"), prefix="/station", strip=True) as (_, client):
        assert client.get("/station/a").headers["location"] == where


# --- streams


def streaming(*, go: threading.Event, gone: threading.Event) -> Reply:
    """Events: one at once, one when told, and then a comment again and again until nobody takes it."""

    def reply(_: RawRequest, connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
        connection.sendall(b"data: one\n\n")
        assert go.wait(SECONDS)
        connection.sendall(b"data: two\n\n")
        connection.settimeout(SECONDS)
        if connection.recv(1) == b"":
            gone.set()

    return reply


def test_events_go_through_as_they_come_and_the_upstream_is_let_go_with_the_browser() -> None:
    go, gone = threading.Event(), threading.Event()
    with behind(streaming(go=go, gone=gone)) as (_, client):
        with client.stream("GET", "/api/events") as answer:
            pieces = answer.iter_raw()
            assert next(pieces) == b"data: one\n\n"  # the second was not sent yet
            go.set()
            assert next(pieces) == b"data: two\n\n"
        client.close()
        assert gone.wait(SECONDS)


def test_a_door_that_shuts_ends_its_streams() -> None:
    go, gone = threading.Event(), threading.Event()
    rest: list[bytes] = []
    with raw_server(streaming(go=go, gone=gone)) as server, contextlib.ExitStack() as open_door:
        address = open_door.enter_context(door_before(upstream(server.address)))
        with httpx.stream("GET", f"{address}/api/events", timeout=SECONDS, trust_env=False) as answer:
            pieces = answer.iter_raw()
            assert next(pieces) == b"data: one\n\n"
            closing = threading.Thread(target=open_door.close)
            closing.start()
            rest += pieces  # ends, and without an error
            closing.join(SECONDS)
            assert not closing.is_alive()
        go.set()
        assert gone.wait(SECONDS)
    assert rest == []


def test_an_answer_that_breaks_off_breaks_off_here_too() -> None:
    def reply(_: RawRequest, connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")

    with behind(reply) as (_, client), pytest.raises(httpx.RemoteProtocolError, match="closed"):
        client.get("/api/x")


# --- upstreams that are not there


@pytest.mark.parametrize("running", [False, True])
def test_a_program_that_does_not_run_is_a_page_for_people_and_a_problem_for_programs(running: bool) -> None:
    address = f"http://127.0.0.1:{free_port()}" if running else None  # where nobody listens
    with door_before(upstream(address, "/ops")) as door, httpx.Client(base_url=door, trust_env=False) as client:
        page = client.get("/ops/", headers={"Accept": "text/html,*/*"})
        other = client.get("/ops/", headers={"Accept": "application/json"})
    assert page.status_code == other.status_code == 503
    assert "The server is not running" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert other.json()["detail"] == "the server is not running"


def test_an_upstream_that_comes_back_on_another_port_is_found() -> None:
    with raw_server(OK) as server:
        addresses: list[str | None] = [None]
        late = Upstream(name="the server", prefix="/api", address=lambda: addresses[0])
        with door_before(late) as door, httpx.Client(base_url=door, trust_env=False) as client:
            assert client.get("/api/x").status_code == 503
            addresses[0] = server.address
            assert client.get("/api/x").status_code == 200


def test_an_upstream_that_says_nothing_is_not_waited_for_for_ever() -> None:
    end = threading.Event()

    def reply(_: RawRequest, __: socket.socket) -> None:
        end.wait(SECONDS)

    with raw_server(reply) as server:
        with door_before(upstream(server.address), silence=0.2) as door:
            answer = httpx.get(f"{door}/api/x", timeout=SECONDS, trust_env=False)
        end.set()
    assert (answer.status_code, answer.json()["detail"]) == (504, "the server did not answer in time")


def test_an_upstream_that_answers_nonsense_is_a_bad_gateway() -> None:
    with behind(lambda _, connection: connection.sendall(b"nonsense\r\n\r\n")) as (_, client):
        answer = client.get("/api/x")
    assert (answer.status_code, answer.json()["detail"]) == (
        502,
        "the server: expected an answer, got RemoteProtocolError",
    )


# --- the port


def test_a_port_that_is_taken_is_named() -> None:
    with contextlib.closing(listen(free_port())) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            UsageError, match=rf"--port {port}: 127.0.0.1:{port} cannot be listened on: Address already"
        ):
            listen(port)


def test_without_a_port_another_is_found_when_the_usual_one_is_taken() -> None:
    with contextlib.closing(listen(None)) as first, contextlib.closing(listen(None)) as second:
        ports = {first.getsockname()[1], second.getsockname()[1]}
    assert len(ports) == 2
