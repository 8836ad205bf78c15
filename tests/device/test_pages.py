"""A reader's own pages: what the screens' pages hold, and who may open a lane from outside, and how."""

import json
import re
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection

import pytest

from waypass_protocol.messages import LaneState
from waypass_protocol.reasons import OverrideReason, Reason
from waypass_reader.board import Board, Screen
from waypass_reader.clock import ManualClock
from waypass_reader.log import RecordingLog
from waypass_reader.pages.overrides import Overrides
from waypass_reader.pages.screens import FACES, HERE, Screens
from waypass_reader.passage import NotOpened
from waypass_reader.web import KeyGuard, Routes, WebServer
from waypass_reader.words import Language, instruction

KEY = "a-key-of-this-station"
JSON = "application/json"


class RecordingLane:
    """A lane that remembers why it was opened; or one that can't be."""

    def __init__(self, *, trouble: str | None = None) -> None:
        self.opened: list[OverrideReason] = []
        self._trouble = trouble

    def override(self, reason: OverrideReason) -> None:
        if self._trouble is not None:
            raise NotOpened(self._trouble)
        self.opened.append(reason)


@dataclass(kw_only=True)
class Site:
    """A reader's pages over lanes that are not there."""

    with_key: bool = True
    language: Language = Language.ENGLISH
    board: Board = field(default_factory=lambda: Board(["north", "south"]))
    north: RecordingLane = field(default_factory=RecordingLane)
    clock: ManualClock = field(default_factory=lambda: ManualClock(0))
    server: WebServer = field(init=False)

    def __post_init__(self) -> None:
        guard = KeyGuard(KEY, monotonic_ns=self.clock.monotonic_ns) if self.with_key else None
        lanes = {"north": self.north, "south": RecordingLane(trouble="turnstile: the relay does not move")}
        screens = Screens(self.board, reader="gate-1", station="west", language=self.language)
        routes = Routes([*screens.routes(), *Overrides(lanes, guard=guard).routes()])
        self.server = WebServer(host="127.0.0.1", port=0, routes=routes, log=RecordingLog())
        self.server.start()

    def ask(
        self, method: str, path: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, str]:
        connection = HTTPConnection("127.0.0.1", self.server.port, timeout=20)
        try:
            connection.request(method, path, body=body, headers=dict(headers or {}))
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def get(self, path: str) -> tuple[int, str]:
        return self.ask("GET", path)

    def override(
        self, body: object = None, *, lane: str = "north", key: str | None = KEY, kind: str = JSON
    ) -> tuple[int, str]:
        headers = {"Content-Type": kind} | ({} if key is None else {"Authorization": f"Bearer {key}"})
        data = json.dumps({"reason": "needs-help"} if body is None else body).encode()
        return self.ask("POST", f"/lanes/{lane}/override", body=data, headers=headers)


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.server.close()


def test_the_first_page_leads_to_every_lane_by_relative_addresses(site: Site) -> None:
    status, text = site.get("/")
    assert status == 200
    assert re.findall(r'href="(display/[^"]*)"', text) == ["display/north?lang=en", "display/south?lang=en"]
    assert [
        address for address in re.findall(r'(?:href|src)="([^"]*)"', text) if address.startswith(("/", "http"))
    ] == []


@pytest.mark.parametrize("language", list(Language))
def test_a_screen_has_every_face_in_two_languages_and_nothing_inline(site: Site, language: Language) -> None:
    status, text = site.get(f"/display/north?lang={language}")
    assert status == 200
    assert f'<html lang="{language}">' in text
    for face, words in FACES.items():
        found = re.search(rf'<template id="face-{face}">(.*?)</template>', text, re.S)
        assert found is not None, face
        for each in Language:
            shown = re.search(rf'<p class="(large|small)" lang="{each}">(.*?)</p>', found[1])
            assert shown is not None
            assert re.sub(r"<[^>]*>", "", shown[2]) == words.spoken(each)
            assert (shown[1] == "large") is (each is language)
    assert "style=" not in text
    assert re.findall(r"<script(?![^>]*src=)", text) == []
    assert [
        address for address in re.findall(r'(?:href|src)="([^"]*)"', text) if address.startswith(("/", "http"))
    ] == []


def test_a_screen_begins_as_one_that_has_lost_its_gate(site: Site) -> None:
    text = site.get("/display/north")[1]
    assert '<body data-face="lost"' in text
    screen = re.search(r'<div id="screen"[^>]*>(.*)</div>\n<noscript>', text)
    assert screen is not None
    assert "Connection lost;" in screen[1]
    assert screen[1].count("<svg") == 1
    assert "Please go through" not in screen[1]


def test_no_page_tells_a_reason(site: Site) -> None:
    pages = site.get("/")[1] + "".join(site.get(f"/display/north?lang={each}")[1] for each in Language)
    for reason in Reason:
        words = instruction(reason)
        assert words is None or not any(words.spoken(each) in pages for each in Language)


def test_the_configured_language_is_the_large_one() -> None:
    site = Site(language=Language.CHINESE)
    try:
        assert '<html lang="zh">' in site.get("/display/north")[1]
        assert '<html lang="en">' in site.get("/display/north?lang=en")[1]
    finally:
        site.server.close()


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/display/east", 404, "expected a lane among north, south"),
        ("/display/east/events", 404, "expected a lane among north, south"),
        ("/display/north?lang=tlh", 400, "expected lang among en, zh"),
        ("/?lang=", 400, "expected lang among en, zh"),
        ("/static/display.html", 404, "nothing at this address"),
        ("/static/../display.html", 404, "nothing at this address"),
        ("/lanes/north/override", 405, "expected POST"),
    ],
)
def test_what_is_not_there_is_said(site: Site, path: str, status: int, message: str) -> None:
    got, text = site.get(path)
    assert got == status
    assert message in json.loads(text)["detail"]


def test_every_file_that_a_page_names_is_served(site: Site) -> None:
    for path in ("/static/display.css", "/static/display.js", "/static/index.css", "/static/icon.svg"):
        assert site.get(path)[0] == 200
    assert sorted(path.stem for path in (HERE / "signs").iterdir()) == sorted(FACES)


def test_a_screen_s_events_begin_with_the_present(site: Site) -> None:
    site.board.put("north", Screen(state=LaneState.IDLE))
    with socket.create_connection(("127.0.0.1", site.server.port), timeout=20) as connection:
        connection.sendall(b"GET /display/north/events HTTP/1.1\r\n\r\n")
        said = b""
        while b'data: {"state": "idle", "aspect": null}\n\n' not in said:
            piece = connection.recv(4096)
            assert piece
            said += piece


@pytest.mark.parametrize("reason", list(OverrideReason))
def test_staff_open_a_lane_once_for_a_reason(site: Site, reason: OverrideReason) -> None:
    assert site.override({"reason": reason.value}) == (204, "")
    assert site.north.opened == [reason]


@pytest.mark.parametrize(
    ("name", "body", "how", "status", "message"),
    [
        ("no key", None, {"key": None}, 401, "the station's key"),
        ("a wrong key", None, {"key": "another-key-of-staff"}, 401, "the station's key"),
        ("a wrong key for no lane", None, {"key": "another-key-of-staff", "lane": "east"}, 401, "the station's key"),
        ("no such lane", None, {"lane": "east"}, 404, "expected a lane among north, south"),
        ("no reason", {}, {}, 422, "expected the member reason and no other"),
        ("who it is for", {"reason": "needs-help", "person": "A. B."}, {}, 422, "the member reason and no other"),
        ("an unknown reason", {"reason": "green"}, {}, 422, "expected a reason among identity-checked, gate-fault"),
        ("a reason that is a list", {"reason": []}, {}, 422, "expected a reason among"),
        ("a reason that is null", {"reason": None}, {}, 422, "expected a reason among"),
        ("a list", [], {}, 400, "one JSON object"),
        ("a form", None, {"kind": "text/plain"}, 415, "application/json"),
        ("a turnstile that fails", None, {"lane": "south"}, 503, "turnstile: the relay does not move"),
    ],
)
def test_an_override_that_breaks_a_rule_opens_nothing(
    site: Site, name: str, body: object, how: Mapping[str, str], status: int, message: str
) -> None:
    got, text = site.override(body, **how)
    problem = json.loads(text)
    assert (got, problem["status"]) == (status, status), name
    assert message in problem["detail"]
    assert "another-key" not in text
    assert site.north.opened == []


def test_after_some_wrong_keys_an_address_waits_a_minute(site: Site) -> None:
    for _ in range(5):
        assert site.override(key="another-key-of-staff")[0] == 401
    status, text = site.override()
    assert (status, site.north.opened) == (429, [])
    assert "try again in" in json.loads(text)["detail"]
    site.clock.advance(60)
    assert site.override()[0] == 204


def test_without_a_key_no_overrides_are_taken() -> None:
    site = Site(with_key=False)
    try:
        for key in (None, "", KEY):
            status, text = site.override(key=key)
            assert status == 403
            assert "no station_key_file is configured" in json.loads(text)["detail"]
        assert site.north.opened == []
    finally:
        site.server.close()


def test_another_origin_s_page_is_not_let_in(site: Site) -> None:
    """A browser asks first, because of the header with the key; nobody answers that it may."""
    headers = {"Origin": "https://example.org", "Access-Control-Request-Method": "POST"}
    assert site.ask("OPTIONS", "/lanes/north/override", headers=headers)[0] == 405
