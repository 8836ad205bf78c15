"""The station box's addresses over real sockets: who gets in, what the page is told, and what opens a lane."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from typing import Any

import pytest

from waypass_protocol.messages import (
    HeldRow,
    LaneState,
    LiveMessage,
    Presence,
    PresenceMessage,
    ReaderMessage,
    StateMessage,
    encode_message,
)
from waypass_protocol.reasons import OverrideReason, Reason, outcome_of, shown_for
from waypass_protocol.topics import Topics
from waypass_reader.clock import ManualClock
from waypass_reader.log import RecordingLog
from waypass_reader.station.board import Moment, StationBoard
from waypass_reader.station.gates import Opened, RecordingGates
from waypass_reader.station.listener import Bulletin
from waypass_reader.station.pages import PageParts, StationPages
from waypass_reader.station.sessions import IDLE_SECONDS, Sessions
from waypass_reader.web import KeyGuard, Routes, WebServer
from waypass_reader.words import Language

KEY = "the-key-of-station-north"
TOPICS = Topics("metro")
OWN = {"Waypass-Page": "station", "Content-Type": "application/json"}
WISH = {"reader": "gate-a", "lane": "lane-1", "reason": "needs-help"}


@dataclass(kw_only=True)
class Box:
    """A box without a broker, whose readers are what the test says they are."""

    answers: dict[str, Opened] = field(default_factory=lambda: {"gate-a": Opened.OPENED})
    language: Language = Language.ENGLISH

    def __post_init__(self) -> None:
        self.clock = ManualClock(1_700_000_000.0)
        self.log = RecordingLog()
        self.gates = RecordingGates(self.answers)
        started = Moment(at=self.clock.now(), ns=self.clock.monotonic_ns())
        board = StationBoard(station="north", readers=["gate-a", "gate-b"], started=started)
        self.bulletin = Bulletin(board, self.clock)
        numbers = itertools.count()
        parts = PageParts(
            station="north & south",
            language=self.language,
            bulletin=self.bulletin,
            gates=self.gates,
            guard=KeyGuard(KEY, monotonic_ns=self.clock.monotonic_ns),
            sessions=Sessions(new_token=lambda: f"token-{next(numbers)}"),
            clock=self.clock,
            log=self.log,
        )
        self.web = WebServer(host="127.0.0.1", port=0, routes=Routes(StationPages(parts).routes()), log=self.log)
        self.web.start()

    def say(self, leaf: str, message: ReaderMessage, *, reader: str = "gate-a") -> None:
        self.bulletin.take(TOPICS, TOPICS.reader(reader, leaf), encode_message(message), retained=False)

    def ask(
        self, method: str, path: str, *, token: str = "", headers: dict[str, str] | None = None, body: Any = None
    ) -> tuple[HTTPResponse, str]:
        connection = HTTPConnection("127.0.0.1", self.web.port, timeout=20.0)
        cookie = {"Cookie": f"waypass-station={token}"} if token else {}
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        connection.request(method, path, data, cookie | (headers or {}))
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer, text

    def sign_in(self, key: str = KEY, *, headers: dict[str, str] | None = None) -> HTTPResponse:
        return self.ask("POST", "/sign-in", headers=OWN if headers is None else headers, body={"key": key})[0]

    def override(self, token: str, wish: Any, *, path: str = "/override") -> tuple[HTTPResponse, Any]:
        answer, text = self.ask("POST", path, token=token, headers=OWN, body=wish)
        return answer, json.loads(text)


@pytest.fixture
def box() -> Iterator[Box]:
    made = Box()
    yield made
    made.web.close()


@pytest.fixture
def token(box: Box) -> str:
    assert box.sign_in().status == 204
    return "token-0"


class Events:
    """One page's stream."""

    def __init__(self, box: Box, token: str, query: str = "") -> None:
        self._connection = HTTPConnection("127.0.0.1", box.web.port, timeout=20.0)
        self._connection.request("GET", f"/events{query}", headers={"Cookie": f"waypass-station={token}"})
        self._answer = self._connection.getresponse()
        assert self._answer.getheader("Content-Type") == "text/event-stream"

    def next(self) -> dict[str, Any]:
        while True:
            line = self._answer.readline().decode()
            assert line, "the stream has ended"
            if line.startswith("data: "):
                document: dict[str, Any] = json.loads(line.removeprefix("data: "))
                return document

    def close(self) -> None:
        self._answer.close()
        self._connection.close()


STATE = StateMessage(
    at=1_700_000_000.0,
    station="north",
    software="waypass-reader 1",
    clock_trusted=True,
    lists=(HeldRow(uri="wp:1", version=1, digest="0" * 64, age=42, since=0),),
    lanes={"lane-1": LaneState.IDLE},
    health={"camera lane-1": "ok"},
)


def wait_message(reason: Reason) -> LiveMessage:
    return LiveMessage(
        lane="lane-1", state=LaneState.WAIT, outcome=outcome_of(reason), reason=reason, aspect=shown_for(reason)
    )


def test_without_a_session_there_is_the_sign_in_and_no_board(box: Box) -> None:
    answer, text = box.ask("GET", "/")
    assert answer.status == 200
    assert 'id="sign-in"' in text
    assert 'id="readers"' not in text


def test_with_a_session_there_is_the_board(box: Box, token: str) -> None:
    _, text = box.ask("GET", "/", token=token)
    assert 'id="readers"' in text
    assert "<title>Station · north &amp; south</title>" in text
    assert all(f'value="{reason.value}"' in text for reason in OverrideReason)


def test_the_cookie_is_for_this_page_only(box: Box) -> None:
    answer = box.sign_in()
    assert answer.getheader("Set-Cookie") == "waypass-station=token-0; HttpOnly; SameSite=Strict"


@pytest.mark.parametrize("path", ["/", "/?lang=zh"])
def test_no_address_leaves_the_folder_of_the_page(box: Box, token: str, path: str) -> None:
    for text in (box.ask("GET", path)[1], box.ask("GET", path, token=token)[1]):
        places = [part.split('"')[0] for name in ("href", "src", "action") for part in text.split(f' {name}="')[1:]]
        assert len(places) >= 5
        assert [place for place in places if place.startswith("/") or "://" in place] == []
        assert "<style" not in text
        assert " style=" not in text


@pytest.mark.parametrize(
    ("language", "path", "tag", "word"),
    [
        (Language.ENGLISH, "/", "en", "Sign in"),
        (Language.ENGLISH, "/?lang=ar", "ar", "تسجيل الدخول"),
        (Language.ENGLISH, "/?lang=zh", "zh-Hans", "登录"),
        (Language.CHINESE, "/", "zh-Hans", "登录"),
        (Language.CHINESE, "/?lang=en", "en", "Sign in"),
        (Language.CHINESE, "/?lang=tlh", "zh-Hans", "登录"),
    ],
)
def test_the_page_speaks_what_was_chosen_or_configured(language: Language, path: str, tag: str, word: str) -> None:
    made = Box(language=language)
    try:
        _, text = made.ask("GET", path)
    finally:
        made.web.close()
    assert f'<html lang="{tag}" dir="' in text
    assert f">{word}</button>" in text


@pytest.mark.parametrize(
    ("name", "token", "path"),
    [("none", "", "/events"), ("another", "token-1", "/events"), ("none, overriding", "", "/override")],
)
def test_nothing_without_a_session(box: Box, token: str, name: str, path: str) -> None:
    headers = OWN if path == "/override" else {}
    answer, text = box.ask("POST" if headers else "GET", path, headers=headers, body=WISH if headers else None)
    assert answer.status == 401
    assert "expected the cookie of a session" in text
    assert box.gates.asked == []


def test_wrong_keys_are_few(box: Box) -> None:
    tried = [box.sign_in("wrong-key").status for _ in range(6)]
    assert tried == [401] * 5 + [429]
    assert box.sign_in().status == 429
    box.clock.advance(60)
    assert box.sign_in().status == 204


@pytest.mark.parametrize(
    ("name", "headers", "body", "status"),
    [
        ("without the page's header", {"Content-Type": "application/json"}, {"key": KEY}, 403),
        ("a form", OWN | {"Content-Type": "application/x-www-form-urlencoded"}, b"key=x", 415),
        ("text, which a form can send", OWN | {"Content-Type": "text/plain"}, {"key": KEY}, 415),
        ("from another site", OWN | {"Sec-Fetch-Site": "cross-site"}, {"key": KEY}, 403),
        ("from a neighbour's name", OWN | {"Sec-Fetch-Site": "same-site"}, {"key": KEY}, 403),
        ("from this page", OWN | {"Sec-Fetch-Site": "same-origin"}, {"key": KEY}, 204),
        ("no object", OWN, [KEY], 400),
        ("another member", OWN, {"key": KEY, "user": "me"}, 422),
        ("a key that is a number", OWN, {"key": 7}, 422),
        ("no key", OWN, {}, 422),
        ("half a surrogate", OWN, b'{"key": "\\ud800"}', 400),
    ],
)
def test_what_a_sign_in_looks_like(box: Box, name: str, headers: dict[str, str], body: Any, status: int) -> None:
    answer, _ = box.ask("POST", "/sign-in", headers=headers, body=body)
    assert answer.status == status
    assert (answer.getheader("Set-Cookie") is not None) is (status == 204)


@pytest.mark.parametrize("headers", [{"Content-Type": "application/json"}, OWN | {"Sec-Fetch-Site": "cross-site"}])
@pytest.mark.parametrize("path", ["/override", "/sign-out"])
def test_another_page_can_not_use_somebodys_session(box: Box, token: str, path: str, headers: dict[str, str]) -> None:
    answer, _ = box.ask("POST", path, token=token, headers=headers, body=WISH)
    assert answer.status == 403
    assert box.gates.asked == []
    assert 'id="readers"' in box.ask("GET", "/", token=token)[1]


def test_who_signs_out_is_out(box: Box, token: str) -> None:
    answer, _ = box.ask("POST", "/sign-out", token=token, headers={"Waypass-Page": "station"})
    assert answer.status == 204
    assert "Max-Age=0" in str(answer.getheader("Set-Cookie"))
    assert box.ask("GET", "/events", token=token)[0].status == 401


def test_an_override_asks_the_reader_once_and_says_what_came_of_it(box: Box, token: str) -> None:
    answer, said = box.override(token, WISH)
    assert answer.status == 200
    assert said == {"result": "opened", "words": "lane-1 of gate-a is open for one person."}
    assert box.gates.asked == [("gate-a", "lane-1", OverrideReason.NEEDS_HELP)]
    assert box.log.lines == []


@pytest.mark.parametrize(
    ("came", "status", "words"),
    [
        (Opened.UNREACHABLE, 502, "gate-a can't be reached, so lane-1 stays closed. Open it at the gate."),
        (Opened.UNCERTAIN, 504, "gate-a did not answer. Look whether lane-1 is open before you try again."),
        (Opened.REFUSED, 502, "gate-a does not take this station's key, so lane-1 stays closed. Open it at the gate."),
        (Opened.UNKNOWN_LANE, 404, "gate-a has no lane-1 any more."),
        (Opened.FAILED, 502, "gate-a could not open lane-1. Open it at the gate."),
    ],
)
def test_a_failure_is_said_in_words_and_logged_without_the_key(came: Opened, status: int, words: str) -> None:
    made = Box(answers={"gate-a": came})
    try:
        made.sign_in()
        answer, said = made.override("token-0", WISH)
    finally:
        made.web.close()
    assert (answer.status, answer.getheader("Content-Type")) == (status, "application/problem+json")
    assert said["detail"] == words
    assert made.log.lines == [("a lane could not be opened", {"reader": "gate-a", "cause": came.value})]


def test_what_came_of_it_is_said_in_the_pages_language(box: Box, token: str) -> None:
    assert box.override(token, WISH, path="/override?lang=zh")[1]["words"] == "gate-a 的 lane-1 已打开，可通过一人。"


@pytest.mark.parametrize(
    ("name", "wish", "status", "detail"),
    [
        ("no reason", {"reader": "gate-a", "lane": "lane-1"}, 422, "expected a JSON object of reader, lane and reason"),
        ("more", WISH | {"person": "Ada"}, 422, "expected a JSON object of reader, lane and reason"),
        ("a number", WISH | {"lane": 1}, 422, "expected a JSON object of reader, lane and reason"),
        ("another reason", WISH | {"reason": "a friend"}, 422, "expected a reason among identity-checked, gate-fault"),
        ("a decision's reason", WISH | {"reason": "green"}, 422, "expected a reason among identity-checked"),
        ("no lane", WISH | {"lane": ""}, 422, "expected a lane of 1 to 64 characters"),
        ("a long lane", WISH | {"lane": "x" * 65}, 422, "expected a lane of 1 to 64 characters"),
        ("a reader without pages", WISH | {"reader": "gate-b"}, 404, "expected a reader of this station whose pages"),
        ("a reader of nobody", WISH | {"reader": "http://x"}, 404, "expected a reader of this station whose pages"),
    ],
)
def test_what_is_no_override(box: Box, token: str, name: str, wish: dict[str, Any], status: int, detail: str) -> None:
    answer, said = box.override(token, wish)
    assert answer.status == status
    assert said["detail"].startswith(detail)
    assert box.gates.asked == []


def test_the_page_is_told_at_once_and_in_words(box: Box, token: str) -> None:
    events = Events(box, token)
    first = events.next()
    assert (first["waiting"], first["tone"], first["people"]) == (0, "soon", "")
    assert first["summary"] == "Not known whether anybody waits"
    assert first["broker"] == {"text": "Broker out of reach", "tone": "soon"}
    box.bulletin.broker(True)
    for reader in ("gate-a", "gate-b"):
        box.say("presence", PresenceMessage(presence=Presence.ONLINE), reader=reader)
        box.say("state", STATE, reader=reader)
    box.say("live", wait_message(Reason.IDENTITY_CHECK))
    # The clock stands still, so each event is a change; the last one has them all.
    while not (told := events.next())["waiting"]:
        pass
    events.close()
    assert told["summary"] == "lane-1 of gate-a waits for staff"
    assert (told["broker"]["tone"], told["broker_lost"]) == ("calm", "")
    (gate, other) = told["readers"]
    assert [fact["text"] for fact in gate["facts"]] == ["Clock right", "Lists 42 s old"]
    assert gate["lanes"] == [
        {
            "name": "lane-1",
            "state": "wait",
            "tone": "now",
            "doing": "Waits for staff",
            "time": "0:00",
            "said": "A paper pass; compare the name printed on it with an identity document, then open.",
            "code": "",
            "people": "0 people a minute",
            "camera": {"text": "Camera works", "tone": "calm"},
            "can_open": True,
        }
    ]
    assert [lane["can_open"] for lane in other["lanes"]] == [False]


def test_that_nobody_waits_is_said_of_the_gates_that_are_heard(box: Box, token: str) -> None:
    said = []
    box.bulletin.broker(True)
    for reader in ("gate-a", "gate-b"):
        box.say("state", STATE, reader=reader)
        box.say("presence", PresenceMessage(presence=Presence.ONLINE), reader=reader)
        events = Events(box, token)
        told = events.next()
        said.append((told["summary"], told["tone"]))
        events.close()
    assert said == [("Nobody waits at the gates that are online", "soon"), ("Nobody waits", "calm")]


def test_a_red_pass_looks_like_any_other_wait(box: Box, token: str) -> None:
    box.bulletin.broker(True)
    box.say("presence", PresenceMessage(presence=Presence.ONLINE))
    box.say("state", STATE)
    shown = []
    for reason in (Reason.RED, Reason.EXPIRED):
        box.say("live", wait_message(reason))
        events = Events(box, token)
        (lane,) = events.next()["readers"][0]["lanes"]
        events.close()
        assert lane.pop("said")
        shown.append(lane)
    assert shown[0] == shown[1]


def test_a_second_is_news_too(box: Box, token: str) -> None:
    box.bulletin.broker(True)
    box.say("state", STATE)
    events = Events(box, token, "?lang=zh")
    assert events.next()["readers"][0]["facts"][0]["text"] == "名单 42 秒前更新"
    box.clock.advance(1)
    assert events.next()["readers"][0]["facts"][0]["text"] == "名单 43 秒前更新"
    events.close()


def test_a_page_left_alone_is_signed_out_and_one_in_use_is_not(box: Box, token: str) -> None:
    events = Events(box, token)
    events.next()
    box.clock.advance(IDLE_SECONDS - 2)
    assert events.next()["readers"]
    box.override(token, WISH)
    box.clock.advance(IDLE_SECONDS - 1)
    assert events.next()["readers"]
    box.clock.advance(1)
    assert events.next() == {"signed_out": True}
    events.close()


def test_what_is_old_or_broken_stands_out_and_is_no_emergency(box: Box, token: str) -> None:
    box.bulletin.broker(True)
    box.say("presence", PresenceMessage(presence=Presence.ONLINE))
    broken = StateMessage(
        at=0,
        station="north",
        software="x",
        clock_trusted=False,
        lists=(HeldRow(uri="wp:1", version=1, digest="0" * 64, age=901, since=0),),
        lanes={"lane-1": LaneState.OUT_OF_ORDER},
        health={"disk": "full", "camera lane-1": "no frame for 5 s"},
    )
    box.say("state", broken)
    events = Events(box, token)
    told = events.next()["readers"][0]
    events.close()
    assert told["facts"] == [
        {"text": "Clock not trusted", "tone": "soon"},
        {"text": "Lists 15 min old", "tone": "soon"},
        {"text": "disk: full", "tone": "soon"},
    ]
    (lane,) = told["lanes"]
    assert (lane["tone"], lane["camera"]) == ("soon", {"text": "Camera: no frame for 5 s", "tone": "soon"})


@pytest.mark.parametrize(
    "path", ["/static/../pages.py", "/templates/station.html", "/static/", "/locale", "/station-key"]
)
def test_no_other_file_is_served(box: Box, token: str, path: str) -> None:
    assert box.ask("GET", path, token=token)[0].status == 404
