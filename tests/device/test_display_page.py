"""The screen of a lane in a real browser: every face, in every size and language, and never green by mistake."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, sync_playwright
from tests.support.wallet_page import AXE, open_browser

from waypass_protocol.messages import LaneState
from waypass_protocol.reasons import Shown
from waypass_reader.board import Board, Screen
from waypass_reader.log import RecordingLog
from waypass_reader.pages.screens import FACES, Screens
from waypass_reader.web import EventStream, Request, Routes, WebServer
from waypass_reader.web import Route as WebRoute
from waypass_reader.words import Language

SIZES = [(800, 480), (1280, 720), (360, 640)]
SHOWN = {
    "idle": Screen(state=LaneState.IDLE),
    "green": Screen(state=LaneState.OPEN, aspect=Shown.GREEN),
    "yellow": Screen(state=LaneState.WAIT, aspect=Shown.YELLOW),
    "red": Screen(state=LaneState.WAIT, aspect=Shown.RED),
    "grey": Screen(state=LaneState.WAIT, aspect=Shown.GREY),
    "out-of-order": Screen(state=LaneState.OUT_OF_ORDER),
}
GREEN = "rgb(11, 93, 51)"
QUIET_MS = 6000


@dataclass(kw_only=True)
class Gate:
    """A reader's pages with one lane, and a browser before it."""

    browser: Browser
    board: Board = field(default_factory=lambda: Board(["lane-1"]))
    complaints: list[str] = field(default_factory=list)
    server: WebServer = field(init=False)

    def __post_init__(self) -> None:
        self.server = self.serve(0)

    def serve(self, port: int) -> WebServer:
        screens = Screens(self.board, reader="north-1", station="north", language=Language.ENGLISH)
        server = WebServer(host="127.0.0.1", port=port, routes=Routes(screens.routes()), log=RecordingLog())
        server.start()
        return server

    def put(self, face: str) -> None:
        self.board.put("lane-1", SHOWN[face])

    @contextmanager
    def open(self, path: str = "/display/lane-1", *, address: str = "", **options: Any) -> Iterator[Page]:
        context = self.browser.new_context(**{"viewport": {"width": 800, "height": 480}, **options})
        context.set_default_timeout(30_000)
        page = context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        page.goto(f"{address or self.server.address}{path}")
        try:
            yield page
        finally:
            context.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright, open_browser(playwright) as browser:
        yield browser


@pytest.fixture
def gate(browser: Browser) -> Iterator[Gate]:
    gate = Gate(browser=browser)
    yield gate
    gate.server.close()


def wait_face(page: Page, face: str) -> None:
    page.locator(f'body[data-face="{face}"]').wait_for()


def words_on(page: Page) -> str:
    return " ".join(page.locator("#screen").inner_text().split())


def violations(page: Page) -> list[str]:
    if not AXE.is_file():
        pytest.skip("axe-core is not there; scripts/build-wallet fetches it")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [f"{rule['id']}: {node['failureSummary']}" for rule in found["violations"] for node in rule["nodes"]]


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("language", list(Language))
def test_every_face_is_said_whole_in_every_size_and_language(
    gate: Gate, width: int, height: int, language: Language
) -> None:
    colours: dict[str, str] = {}
    signs: dict[str, str] = {}
    with gate.open(f"/display/lane-1?lang={language}", viewport={"width": width, "height": height}) as page:
        for face in SHOWN:
            gate.put(face)
            wait_face(page, face)
            other = Language.ENGLISH if language is Language.CHINESE else Language.CHINESE
            said = "".join(words_on(page).split())
            assert said == "".join(f"{FACES[face].spoken(language)}{FACES[face].spoken(other)}".split())
            fits = "innerWidth >= document.documentElement.scrollWidth && innerHeight >= document.body.scrollHeight"
            assert page.evaluate(fits), face
            colours[face] = page.evaluate("getComputedStyle(document.body).backgroundColor")
            signs[face] = page.locator("#screen svg").inner_html()
    assert len(set(signs.values())) == len(SHOWN)
    assert [face for face, colour in colours.items() if colour == GREEN] == ["green"]
    assert len({colours[face] for face in ("green", "yellow", "red", "grey", "idle")}) == 5
    assert gate.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", list(Language))
def test_no_face_has_a_violation_of_accessibility(gate: Gate, scheme: str, language: Language) -> None:
    found: dict[str, list[str]] = {}
    path = f"/display/lane-1?lang={language}"
    with gate.open(path, color_scheme=scheme, bypass_csp=True, reduced_motion="reduce") as page:
        for face in SHOWN:
            gate.put(face)
            wait_face(page, face)
            found[face] = violations(page)
        page.route("**/events", lambda route: route.abort())
        page.reload()
        wait_face(page, "lost")
        found["lost"] = violations(page)
        page.goto(f"{gate.server.address}/?lang={language}")
        found["index"] = violations(page)
    assert {face: said for face, said in found.items() if said} == {}


def test_a_change_is_announced_with_all_its_words(gate: Gate) -> None:
    gate.put("idle")
    with gate.open() as page:
        wait_face(page, "idle")
        region = page.locator("#screen")
        assert region.get_attribute("aria-live") == "assertive"
        assert region.get_attribute("aria-atomic") == "true"
        assert page.locator("#screen svg").get_attribute("aria-hidden") == "true"
        assert page.get_by_role("heading", level=1).inner_text() == "Screen of lane lane-1"


def test_a_reader_that_goes_away_is_noticed_and_one_that_comes_back_too(gate: Gate) -> None:
    gate.put("green")
    with gate.open() as page:
        wait_face(page, "green")
        gate.server.close()
        wait_face(page, "lost")
        assert words_on(page).startswith("Connection lost; please ask staff")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != GREEN
        gate.put("idle")
        gate.server = gate.serve(gate.server.port)
        wait_face(page, "idle")


class Stalled:
    """Says green once, and then nothing, with the connection standing: as if a cable were pulled."""

    def __init__(self) -> None:
        self.said = False
        self.silent = threading.Event()

    def next(self, timeout_seconds: float) -> str | None:
        if not self.said:
            self.said = True
            return SHOWN["green"].as_json()
        self.silent.wait(timeout_seconds)
        return None

    def close(self) -> None:
        self.silent.set()


def serve_instead(gate: Gate, stream: EventStream) -> WebServer:
    """The screen's page with other events."""
    screens = Screens(gate.board, reader="north-1", station="north", language=Language.ENGLISH)

    def events(_request: Request) -> EventStream:
        return stream

    routes = [WebRoute(method="GET", path="/display/{lane}/events", handler=events), *screens.routes()]
    server = WebServer(host="127.0.0.1", port=0, routes=Routes(routes), log=RecordingLog())
    server.start()
    return server


def test_silence_is_noticed_while_the_connection_stands(gate: Gate) -> None:
    server = serve_instead(gate, EventStream(feed=Stalled(), heartbeat_seconds=3600))
    try:
        with gate.open("/", address=server.address) as page:
            page.clock.install()
            page.goto(f"{server.address}/display/lane-1")
            wait_face(page, "green")
            page.clock.run_for(QUIET_MS + 1)
            wait_face(page, "lost")
    finally:
        server.close()


def test_heartbeats_keep_a_screen_that_does_not_change(gate: Gate) -> None:
    gate.put("idle")
    with gate.open() as page:
        wait_face(page, "idle")
        with page.expect_event("console", lambda said: said.text.startswith("heard"), timeout=30_000):
            page.evaluate(
                """async () => {
                    const response = await fetch(document.body.dataset.events);
                    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
                    for (let text = ''; !text.includes('\\n:\\n');) text += (await reader.read()).value;
                    console.log('heard a heartbeat');
                }"""
            )
        assert page.locator('body[data-face="idle"]').count() == 1


@pytest.mark.parametrize(
    "data",
    [
        '{"state": "open", "aspect": "yellow"}',
        '{"state": "open", "aspect": null}',
        '{"state": "wait", "aspect": "green"}',
        '{"state": "idle-ish", "aspect": "green"}',
        '{"state": "__proto__", "aspect": "constructor"}',
        "null",
        "green",
    ],
)
def test_what_a_screen_does_not_understand_is_not_green(gate: Gate, data: str) -> None:
    gate.put("idle")
    with gate.open() as page:
        wait_face(page, "idle")
        page.evaluate("data => readEvent([`data: ${data}`])", data)
        assert page.locator("body").get_attribute("data-face") == "lost"


def test_a_screen_stands_still_for_whoever_asks_for_it(gate: Gate) -> None:
    gate.put("idle")
    for motion, running in (("reduce", 0), ("no-preference", 1)):
        with gate.open(reduced_motion=motion) as page:
            wait_face(page, "idle")
            assert page.evaluate("document.getAnimations().length") == running


def test_a_screen_works_behind_a_path_that_a_proxy_puts_in_front(gate: Gate) -> None:
    asked: list[str] = []
    prefix = f"{gate.server.address}/gates/gate-a"

    def forward(route: Route) -> None:
        path = route.request.url.removeprefix(prefix)
        asked.append(path)
        if path.endswith("/events"):
            route.fulfill(status=200, content_type="text/event-stream", body=f"data: {SHOWN['red'].as_json()}\n\n")
        else:
            route.fulfill(response=route.fetch(url=f"{gate.server.address}{path}"))

    context = gate.browser.new_context()
    try:
        page = context.new_page()
        page.route(f"{prefix}/**", forward)
        page.add_init_script(
            "new MutationObserver(() => console.log(document.body?.dataset.face)).observe("
            "document, {subtree: true, attributes: true, attributeFilter: ['data-face']})"
        )
        with page.expect_event("console", lambda said: said.text == "red"):
            page.goto(f"{prefix}/")
            page.get_by_role("link", name="Screen of lane lane-1").click()
        page.goto("about:blank")
        page.unroute_all(behavior="wait")
    finally:
        context.close()
    assert {"/", "/display/lane-1?lang=en", "/static/display.css", "/static/display.js"} <= set(asked)
    assert "/display/lane-1/events" in asked


def test_nothing_is_asked_of_another_origin(gate: Gate) -> None:
    gate.put("green")
    asked: list[str] = []
    with gate.open("/") as page:
        page.context.on("request", lambda request: asked.append(request.url))
        page.goto(f"{gate.server.address}/display/lane-1")
        wait_face(page, "green")
    assert len(asked) >= 4
    assert [url for url in asked if not url.startswith(f"{gate.server.address}/")] == []
