"""What a request may be: addresses, bodies, headers, cookies, routes, files and keys."""

from collections.abc import Callable
from email.message import Message
from http import HTTPStatus
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waypass_reader.errors import ConfigurationError
from waypass_reader.web import (
    Answer,
    EventStream,
    Html,
    KeyGuard,
    Problem,
    Request,
    Route,
    Routes,
    file_routes,
    fill,
    json_answer,
    no_content,
    page,
    read_key,
    see_other,
)
from waypass_reader.web.answers import event_bytes
from waypass_reader.web.requests import Target, read_length, read_target

KEY = "correct-horse-battery"


def headers(*pairs: tuple[str, str]) -> Message:
    message = Message()
    for name, value in pairs:
        message[name] = value
    return message


def request(method: str = "GET", path: str = "/", *pairs: tuple[str, str], body: bytes = b"") -> Request:
    return Request(method=method, target=read_target(path), headers=headers(*pairs), body=body, peer="127.0.0.1")


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("the root", "/", Target(path=())),
        ("a path", "/rooms/a", Target(path=("rooms", "a"))),
        ("a slash at the end", "/rooms/", Target(path=("rooms",))),
        ("a query", "/rooms?lang=zh&x=", Target(path=("rooms",), query={"lang": "zh", "x": ""})),
        ("a piece in UTF-8", "/%E5%8C%97", Target(path=("北",))),
        ("decoded once", "/%2561", Target(path=("%61",))),
        ("a question mark in the query", "/a?b=c?d", Target(path=("a",), query={"b": "c?d"})),
    ],
)
def test_an_address_is_taken_apart(name: str, text: str, expected: Target) -> None:
    assert read_target(text) == expected, name


@pytest.mark.parametrize(
    ("name", "text", "status", "message"),
    [
        ("a host in front", "http://127.0.0.1/", HTTPStatus.BAD_REQUEST, "begins with / and is printable ASCII"),
        ("nothing", "", HTTPStatus.BAD_REQUEST, "begins with /"),
        ("an asterisk", "*", HTTPStatus.BAD_REQUEST, "begins with /"),
        ("a letter beyond ASCII", "/ä", HTTPStatus.BAD_REQUEST, "printable ASCII"),
        ("a control character", "/a\x7f", HTTPStatus.BAD_REQUEST, "printable ASCII"),
        ("a long one", "/" + "a" * 2048, HTTPStatus.REQUEST_URI_TOO_LONG, "at most 2048 characters"),
        ("the folder above", "/static/../key", HTTPStatus.NOT_FOUND, "nothing at this address"),
        ("the folder above, encoded", "/static/%2e%2e/key", HTTPStatus.NOT_FOUND, "nothing at this address"),
        ("a slash inside a piece", "/static/a%2Fb", HTTPStatus.NOT_FOUND, "nothing at this address"),
        ("a backslash", "/static/..%5Ckey", HTTPStatus.NOT_FOUND, "nothing at this address"),
        ("a zero byte", "/static/a%00.css", HTTPStatus.NOT_FOUND, "nothing at this address"),
        ("a line end", "/a%0d%0aSet-Cookie:x", HTTPStatus.NOT_FOUND, "nothing at this address"),
        ("an empty piece", "/static//a.css", HTTPStatus.NOT_FOUND, "nothing at this address"),
        ("no UTF-8", "/%FF", HTTPStatus.NOT_FOUND, "nothing at this address"),
        ("a name twice", "/?lang=en&lang=zh", HTTPStatus.BAD_REQUEST, "each name in the query once"),
        ("many names", "/?" + "&".join(f"a{n}=" for n in range(17)), HTTPStatus.BAD_REQUEST, "at most 16 names"),
        ("a query that is no UTF-8", "/?a=%FF", HTTPStatus.BAD_REQUEST, "in UTF-8"),
    ],
)
def test_an_address_that_breaks_a_rule_is_refused(name: str, text: str, status: HTTPStatus, message: str) -> None:
    with pytest.raises(Problem, match=message.replace("(", r"\(")) as caught:
        read_target(text)
    assert caught.value.status is status, name


@given(st.text(st.characters(min_codepoint=0, max_codepoint=255)).map(lambda text: f"/{text}"))
def test_any_address_is_read_or_refused(text: str) -> None:
    try:
        target = read_target(text)
    except Problem:
        return
    assert not any(piece in {"", ".", ".."} or {"/", "\\", "\0"} & set(piece) for piece in target.path)


@pytest.mark.parametrize(
    ("name", "pairs", "expected"),
    [
        ("none", [], 0),
        ("zero", [("Content-Length", "0")], 0),
        ("the limit", [("Content-Length", "100")], 100),
        ("zeros in front", [("Content-Length", "0000000007")], 7),
    ],
)
def test_the_length_of_a_body(name: str, pairs: list[tuple[str, str]], expected: int) -> None:
    assert read_length(headers(*pairs), limit=100) == expected, name


@pytest.mark.parametrize(
    ("name", "pairs", "status", "message"),
    [
        ("too long", [("Content-Length", "101")], HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "at most 100 bytes"),
        ("endless", [("Content-Length", "9" * 5000)], HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "at most 100 bytes"),
        ("below zero", [("Content-Length", "-1")], HTTPStatus.BAD_REQUEST, "one Content-Length, in digits"),
        ("a sign", [("Content-Length", "+1")], HTTPStatus.BAD_REQUEST, "one Content-Length, in digits"),
        ("other digits", [("Content-Length", "²")], HTTPStatus.BAD_REQUEST, "one Content-Length, in digits"),
        ("twice", [("Content-Length", "1"), ("Content-Length", "1")], HTTPStatus.BAD_REQUEST, "one Content-Length"),
        ("in pieces", [("Transfer-Encoding", "chunked")], HTTPStatus.NOT_IMPLEMENTED, "got a Transfer-Encoding"),
        (
            "both",
            [("Content-Length", "1"), ("Transfer-Encoding", "identity")],
            HTTPStatus.NOT_IMPLEMENTED,
            "got a Transfer-Encoding",
        ),
    ],
)
def test_a_length_that_breaks_a_rule_is_refused(
    name: str, pairs: list[tuple[str, str]], status: HTTPStatus, message: str
) -> None:
    with pytest.raises(Problem, match=message) as caught:
        read_length(headers(*pairs), limit=100)
    assert caught.value.status is status, name


JSON = ("Content-Type", "application/json; charset=utf-8")


def test_a_body_is_one_json_object() -> None:
    assert request("POST", "/", JSON, body=b'{"a": [1]}').json_object() == {"a": [1]}


@pytest.mark.parametrize(
    ("name", "pairs", "body", "status", "message"),
    [
        ("a form", [("Content-Type", "text/plain")], b"{}", HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "application/json"),
        ("no type", [], b"{}", HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "application/json"),
        ("two types", [JSON, JSON], b"{}", HTTPStatus.BAD_REQUEST, "expected Content-Type once, got it 2 times"),
        ("a list", [JSON], b"[]", HTTPStatus.BAD_REQUEST, "one JSON object"),
        ("nothing", [JSON], b"", HTTPStatus.BAD_REQUEST, "one JSON object"),
        ("a member twice", [JSON], b'{"a": 1, "a": 2}', HTTPStatus.BAD_REQUEST, "no member twice"),
        ("deep", [JSON], b'{"a":' * 5000, HTTPStatus.BAD_REQUEST, "one JSON object"),
        ("no UTF-8", [JSON], b'{"a": "\xff"}', HTTPStatus.BAD_REQUEST, "one JSON object"),
        ("not a number", [JSON], b'{"a": NaN}', HTTPStatus.BAD_REQUEST, "one JSON object"),
    ],
)
def test_a_body_that_is_no_json_object_is_refused(
    name: str, pairs: list[tuple[str, str]], body: bytes, status: HTTPStatus, message: str
) -> None:
    with pytest.raises(Problem, match=message) as caught:
        request("POST", "/", *pairs, body=body).json_object()
    assert caught.value.status is status, name


@given(st.binary(max_size=200))
def test_any_body_is_read_or_refused(body: bytes) -> None:
    try:
        document = request("POST", "/", JSON, body=body).json_object()
    except Problem:
        return
    assert isinstance(document, dict)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("a token", "Bearer abc", "abc"),
        ("the scheme in small letters", "bearer  abc ", "abc"),
        ("another scheme", "Basic abc", None),
        ("no token", "Bearer ", None),
        ("nothing", "", None),
    ],
)
def test_a_bearer_token(name: str, value: str, expected: str | None) -> None:
    assert request("GET", "/", ("Authorization", value)).bearer() == expected, name


def test_two_tokens_are_refused() -> None:
    pair = ("Authorization", "Bearer a")
    with pytest.raises(Problem, match="expected Authorization once, got it 2 times"):
        request("GET", "/", pair, pair).bearer()


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("one", "session=abc", "abc"),
        ("among others", "a=1; session=abc=; b", "abc="),
        ("one that ends alike", "xsession=abc", None),
        ("twice", "session=a; session=b", None),
        ("nothing", "", None),
    ],
)
def test_a_cookie(name: str, value: str, expected: str | None) -> None:
    assert request("GET", "/", ("Cookie", value)).cookie("session") == expected, name


def say(text: str) -> Callable[[Request], Answer]:
    return lambda request: json_answer({"says": text, **request.parts})


ROUTES = Routes(
    [
        Route(method="GET", path="/", handler=say("root")),
        Route(method="GET", path="/rooms/{room}", handler=say("room")),
        Route(method="POST", path="/rooms/{room}", handler=say("change")),
        Route(method="POST", path="/rooms/{room}/open", handler=say("open")),
    ]
)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/", b'{"says": "root"}'),
        ("HEAD", "/", b'{"says": "root"}'),
        ("GET", "/rooms/a", b'{"says": "room", "room": "a"}'),
        ("POST", "/rooms/%7Broom%7D", b'{"says": "change", "room": "{room}"}'),
        ("POST", "/rooms/a/open", b'{"says": "open", "room": "a"}'),
    ],
)
def test_the_route_that_fits_answers(method: str, path: str, body: bytes) -> None:
    answer = ROUTES.answer(request(method, path))
    assert isinstance(answer, Answer)
    assert answer.body == body


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/rooms", HTTPStatus.NOT_FOUND, None),
        ("GET", "/rooms/a/b/c", HTTPStatus.NOT_FOUND, None),
        ("DELETE", "/rooms/a", HTTPStatus.METHOD_NOT_ALLOWED, "GET, HEAD, POST"),
        ("GET", "/rooms/a/open", HTTPStatus.METHOD_NOT_ALLOWED, "POST"),
    ],
)
def test_what_no_route_answers_is_refused(method: str, path: str, status: HTTPStatus, allow: str | None) -> None:
    with pytest.raises(Problem) as caught:
        ROUTES.answer(request(method, path))
    assert (caught.value.status, dict(caught.value.headers).get("Allow")) == (status, allow)


def test_files_are_served_by_their_exact_names(tmp_path: Path) -> None:
    (tmp_path / "a.css").write_text("b {}", encoding="utf-8")
    (tmp_path / "key").write_text(KEY, encoding="utf-8")
    routes = Routes(file_routes("/static", tmp_path))
    answer = routes.answer(request("GET", "/static/a.css"))
    assert answer == Answer(body=b"b {}", content_type="text/css; charset=utf-8")
    for path in ("/static/key", "/static/A.css", "/static", "/static/a.css/a.css"):
        with pytest.raises(Problem, match="nothing at this address"):
            routes.answer(request("GET", path))


def test_a_folder_of_files_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none: can't be read \(No such file or directory\)"):
        file_routes("/static", tmp_path / "none")


def test_what_is_filled_into_a_page_is_escaped() -> None:
    text = fill('<p title="$name">$inside</p>', name='"><script>', inside=fill("<b>$x</b>", x="&"))
    assert text == '<p title="&quot;&gt;&lt;script&gt;"><b>&amp;</b></p>'
    assert isinstance(text, Html)


def test_a_name_without_a_value_is_no_page() -> None:
    with pytest.raises(KeyError, match="name"):
        fill("$name")


def test_answers_say_what_they_are() -> None:
    assert page("<p>").content_type == "text/html; charset=utf-8"
    assert no_content().status is HTTPStatus.NO_CONTENT
    assert see_other("./", headers=(("Set-Cookie", "a=b"),)).headers == (("Location", "./"), ("Set-Cookie", "a=b"))


@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: b", "a\nb", "北"])
def test_a_header_that_is_more_than_a_line_can_not_be_built(value: str) -> None:
    with pytest.raises(ValueError, match="expected the header 'Location' in printable ASCII on one line"):
        see_other(value)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("{}", b"data: {}\n\n"),
        ("a\nb", b"data: a\ndata: b\n\n"),
        ("a\r\nb\rc", b"data: a\ndata: b\ndata: c\n\n"),
        ("", b"data: \n\n"),
        ("请", "data: 请\n\n".encode()),
    ],
)
def test_an_event_is_its_lines(data: str, expected: bytes) -> None:
    assert event_bytes(data) == expected


def test_a_stream_s_heartbeat_is_ten_seconds_unless_it_is_said() -> None:
    class Silence:
        def next(self, timeout_seconds: float) -> None:  # noqa: ARG002 - the interface's shape
            return None

        def close(self) -> None:
            pass

    assert EventStream(feed=Silence()).heartbeat_seconds == 10.0


class Minutes:
    """A clock for the guard."""

    def __init__(self) -> None:
        self.ns = 0

    def __call__(self) -> int:
        return self.ns


def refused(guard: KeyGuard, key: str | None, peer: str = "10.0.0.1") -> HTTPStatus | None:
    try:
        guard.check(key, peer=peer)
    except Problem as problem:
        return problem.status
    return None


def test_the_key_passes_and_nothing_else() -> None:
    guard = KeyGuard(KEY, monotonic_ns=Minutes())
    assert refused(guard, KEY) is None
    for key in (None, "", KEY[:-1], KEY + "x", KEY.upper(), "\ud800"):
        assert refused(guard, key, peer=f"10.0.0.{len(key or '')}") is HTTPStatus.UNAUTHORIZED


def test_a_wrong_key_is_not_repeated() -> None:
    with pytest.raises(Problem) as caught:
        KeyGuard(KEY, monotonic_ns=Minutes()).check("wrong-key-of-somebody", peer="10.0.0.1")
    assert "somebody" not in str(caught.value.answer())


def test_an_address_with_wrong_keys_waits_and_others_do_not() -> None:
    clock = Minutes()
    guard = KeyGuard(KEY, monotonic_ns=clock)
    assert [refused(guard, f"wrong {n}") for n in range(5)] == [HTTPStatus.UNAUTHORIZED] * 5
    assert refused(guard, KEY) is HTTPStatus.TOO_MANY_REQUESTS
    assert refused(guard, KEY, peer="10.0.0.2") is None
    clock.ns += 60 * 10**9
    assert refused(guard, KEY) is None


def test_how_long_an_address_waits_is_told() -> None:
    clock = Minutes()
    guard = KeyGuard(KEY, monotonic_ns=clock)
    for n in range(5):
        refused(guard, f"wrong {n}")
    clock.ns += 20 * 10**9
    with pytest.raises(Problem, match=r"got 5 wrong ones; try again in 41 s") as caught:
        guard.check(KEY, peer="10.0.0.1")
    assert caught.value.headers == (("Retry-After", "41"),)


def test_the_right_key_clears_what_was_mistyped_before() -> None:
    guard = KeyGuard(KEY, monotonic_ns=Minutes())
    for _ in range(3):
        assert [refused(guard, "mistyped") for _ in range(4)] == [HTTPStatus.UNAUTHORIZED] * 4
        assert refused(guard, KEY) is None


def test_no_key_is_refused_and_does_not_count_as_a_try() -> None:
    guard = KeyGuard(KEY, monotonic_ns=Minutes())
    assert [refused(guard, None) for _ in range(9)] == [HTTPStatus.UNAUTHORIZED] * 9
    assert refused(guard, KEY) is None


def test_the_oldest_address_is_forgotten_when_there_are_many() -> None:
    guard = KeyGuard(KEY, monotonic_ns=Minutes())
    for _ in range(5):
        refused(guard, "wrong")
    for n in range(256):
        refused(guard, "wrong", peer=f"10.1.0.{n}")
    assert refused(guard, KEY) is None


def test_a_key_is_the_first_line_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "station-key"
    path.write_text(f"{KEY} \nanother line\n", encoding="utf-8")
    assert read_key(path) == KEY


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("short", b"0123456789abcde\n", "16 to 256 letters, digits and signs without blanks, got one of 15"),
        ("empty", b"", "got one of 0"),
        ("a blank", b"0123456789 abcdefgh", "without blanks"),
        ("beyond ASCII", "0123456789abcdefä".encode(), "without blanks"),
        ("no UTF-8", b"0123456789abcdef\xff", "without blanks"),
        ("long", b"a" * 257, "got one of 257"),
    ],
)
def test_a_key_that_is_of_no_use_is_a_fault_of_the_set_up(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    path = tmp_path / "station-key"
    path.write_bytes(data)
    with pytest.raises(ConfigurationError, match=message):
        read_key(path)


def test_a_key_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"station key .*none: can't be read \(No such file"):
        read_key(tmp_path / "none")
