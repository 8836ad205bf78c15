"""A reader's own page for staff: no station box and no broker, the lanes' own words, and lanes opened by a call."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from tests.support.wallet_page import axe_violations, open_browser

from waypass_protocol.messages import LaneState, LiveMessage, StateMessage
from waypass_protocol.reasons import DECISIONS, OverrideReason, Reason
from waypass_reader.clock import ManualClock
from waypass_reader.log import RecordingLog
from waypass_reader.pages.overrides import Overrides
from waypass_reader.pages.staff import STATE_SECONDS, OwnGates, StaffBulletin, staff_routes
from waypass_reader.passage import NotOpened
from waypass_reader.station.gates import Opened
from waypass_reader.web import KeyGuard, Routes, WebServer
from waypass_reader.words import Language, instruction

KEY = "a-key-of-this-station"
OWN = {"Waypass-Page": "station", "Content-Type": "application/json"}
STATE = StateMessage(
    at=1_800_000_000.0,
    station="west",
    software="waypass-reader 1",
    clock_trusted=True,
    lists=(),
    lanes={"north": LaneState.IDLE, "south": LaneState.IDLE},
    health={"disk": "ok", "camera north": "ok", "camera south": "camera /dev/video0: it is gone"},
    reports={},
)


class Outlet:
    """A broker's end: remembers what lanes say."""

    def __init__(self) -> None:
        self.heard: list[LiveMessage] = []

    def say_live(self, message: LiveMessage) -> None:
        self.heard.append(message)


class Lane:
    """A lane that remembers why it was opened; or one that can't be."""

    def __init__(self, *, stiff: bool = False) -> None:
        self.opened: list[OverrideReason] = []
        self._stiff = stiff

    def override(self, reason: OverrideReason) -> None:
        if self._stiff:
            raise NotOpened("turnstile: the relay does not move")
        self.opened.append(reason)


@dataclass(kw_only=True)
class Site:
    """A reader's staff page over lanes that are not there."""

    language: Language = Language.ENGLISH
    clock: ManualClock = field(default_factory=lambda: ManualClock(1_800_000_000.0))
    outlet: Outlet = field(default_factory=Outlet)
    north: Lane = field(default_factory=Lane)

    def __post_init__(self) -> None:
        self.staff = StaffBulletin(reader="gate-1", station="west", clock=self.clock, onward=self.outlet)
        guard = KeyGuard(KEY, monotonic_ns=self.clock.monotonic_ns)
        lanes = {"north": self.north, "south": Lane(stiff=True)}
        routes = staff_routes(
            self.staff,
            reader="gate-1",
            station="west",
            language=self.language,
            lanes=lanes,
            guard=guard,
            clock=self.clock,
            log=RecordingLog(),
        )
        routes += Overrides(lanes, guard=guard).routes()
        self.server = WebServer(host="127.0.0.1", port=0, routes=Routes(routes), log=RecordingLog())
        self.server.start()
        self.staff.say_state(STATE)

    def decide(self, lane: str, reason: Reason) -> None:
        decision = DECISIONS[reason]
        state = LaneState.OPEN if reason is Reason.GREEN else LaneState.WAIT
        self.staff.say_live(
            LiveMessage(
                lane=lane, state=state, outcome=decision.outcome, reason=decision.reason, aspect=decision.aspect
            )
        )

    def rest(self, lane: str) -> None:
        self.staff.say_live(LiveMessage(lane=lane, state=LaneState.IDLE, outcome=None, reason=None, aspect=None))

    def ask(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, body: Any = None
    ) -> tuple[HTTPResponse, str]:
        connection = HTTPConnection("127.0.0.1", self.server.port, timeout=20)
        try:
            connection.request(method, path, None if body is None else json.dumps(body).encode(), headers or {})
            answer = connection.getresponse()
            return answer, answer.read().decode()
        finally:
            connection.close()

    def sign_in(self, key: str = KEY) -> HTTPResponse:
        return self.ask("POST", "/staff/sign-in", headers=OWN, body={"key": key})[0]

    def cookie(self) -> dict[str, str]:
        cookie = self.sign_in().getheader("Set-Cookie") or ""
        return OWN | {"Cookie": cookie.partition(";")[0]}


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.server.close()


def test_the_folder_s_own_address_leads_into_it(site: Site) -> None:
    answer, _ = site.ask("GET", "/staff")
    assert (answer.status, answer.getheader("Location")) == (303, "staff/")
    answer, text = site.ask("GET", "/staff/")
    assert answer.status == 200
    assert "For staff of this reader" in text
    assert "station box" not in text


def test_a_session_is_of_this_reader_and_of_this_page(site: Site) -> None:
    cookie = site.sign_in().getheader("Set-Cookie") or ""
    name, _, rest = cookie.partition("=")
    assert name == "waypass-staff-gate-1"
    assert rest.split("; ")[1:] == ["HttpOnly", "SameSite=Strict"]
    answer, text = site.ask("GET", "/staff/", headers={"Cookie": cookie.partition(";")[0]})
    assert answer.status == 200
    assert 'id="override"' in text
    assert "station box" not in text


@pytest.mark.parametrize("path", ["/staff/events", "/staff/override"])
def test_without_a_session_there_is_nothing(site: Site, path: str) -> None:
    method = "GET" if path.endswith("events") else "POST"
    assert site.ask(method, path, headers=OWN, body={})[0].status == 401
    assert site.north.opened == []


def test_wrong_keys_of_page_and_overrides_count_together(site: Site) -> None:
    for _ in range(3):
        assert site.sign_in("another-key-of-staff").status == 401
    wrong = {"Authorization": "Bearer another-key-of-staff", "Content-Type": "application/json"}
    for _ in range(2):
        assert site.ask("POST", "/lanes/north/override", headers=wrong, body={"reason": "crowding"})[0].status == 401
    assert site.sign_in().status == 429


@pytest.mark.parametrize(
    ("name", "wish", "status", "said"),
    [
        ("opened", {"reader": "gate-1", "lane": "north"}, 200, "north of gate-1 is open for one person."),
        ("stiff", {"reader": "gate-1", "lane": "south"}, 502, "gate-1 could not open south. Open it at the gate."),
        ("no such lane", {"reader": "gate-1", "lane": "east"}, 404, "gate-1 has no east any more."),
        ("another reader", {"reader": "gate-2", "lane": "north"}, 404, "expected a reader of this station"),
    ],
)
def test_a_lane_is_opened_by_its_reader(site: Site, name: str, wish: dict[str, str], status: int, said: str) -> None:
    answer, text = site.ask("POST", "/staff/override", headers=site.cookie(), body=wish | {"reason": "needs-help"})
    assert answer.status == status, name
    assert said in text
    assert site.north.opened == ([OverrideReason.NEEDS_HELP] if status == 200 else [])


def test_what_a_lane_says_goes_on_to_the_broker(site: Site) -> None:
    site.decide("north", Reason.EXPIRED)
    site.rest("north")
    assert [message.state for message in site.outlet.heard] == [LaneState.WAIT, LaneState.IDLE]


def test_what_the_reader_says_of_itself_is_told_when_it_changes_and_now_and_then(site: Site) -> None:
    def number() -> int:
        return site.staff.bulletin.view()[0]

    before = number()
    site.clock.advance(STATE_SECONDS / 2)
    site.staff.say_state(STATE)
    assert number() == before
    site.staff.say_state(replace_lanes(STATE))
    assert number() == before + 1
    site.clock.advance(STATE_SECONDS)
    site.staff.say_state(replace_lanes(STATE))
    assert number() == before + 2


def replace_lanes(state: StateMessage) -> StateMessage:
    return StateMessage(
        at=state.at + 1,
        station=state.station,
        software=state.software,
        clock_trusted=state.clock_trusted,
        lists=state.lists,
        lanes={**state.lanes, "north": LaneState.OUT_OF_ORDER},
        health=state.health,
        reports=state.reports,
    )


def test_a_lane_s_own_gates_know_no_other_reader() -> None:
    gates = OwnGates("gate-1", {"north": Lane()})
    assert gates.can_ask("gate-1")
    assert not gates.can_ask("gate-2")
    assert gates.open_once("gate-1", "north", OverrideReason.CROWDING) is Opened.OPENED


# In a browser.


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright, open_browser(playwright) as browser:
        yield browser


@contextmanager
def open_page(browser: Browser, site: Site, query: str = "", **options: Any) -> Iterator[Page]:
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 720}, **options})
    context.set_default_timeout(30_000)
    expect.set_options(timeout=30_000)
    complaints: list[str] = []
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    page = context.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{site.server.address}/staff{query}")
    try:
        yield page
    finally:
        context.close()
    assert complaints == []
    assert [url for url in asked if not url.startswith(f"{site.server.address}/staff")] == []


def sign_in(page: Page) -> None:
    page.locator("#key").fill(KEY)
    page.keyboard.press("Enter")
    page.locator(".lane").first.wait_for()


def test_staff_see_the_last_reason_one_instruction_and_open_the_lane(browser: Browser, site: Site) -> None:
    with open_page(browser, site) as page:
        sign_in(page)
        site.decide("north", Reason.UNBOUND_COPY)
        lane = page.locator('.lane[data-key="north"]')
        expect(lane).to_have_attribute("data-state", "wait")
        told = instruction(Reason.UNBOUND_COPY)
        assert told is not None
        expect(lane.locator(".said")).to_have_text(told.en)
        expect(lane.locator(".code")).to_have_text("Reason: unbound-copy")
        expect(page.locator("#broker")).to_be_hidden()
        lane.get_by_role("button").click()
        page.get_by_label("Identity checked").check()
        page.wait_for_timeout(700)
        page.get_by_role("button", name="Open once").click()
        expect(page.locator("#result")).to_contain_text("north of gate-1 is open for one person.")
        assert site.north.opened == [OverrideReason.IDENTITY_CHECKED]
        site.rest("north")
        expect(lane).to_have_attribute("data-state", "idle")
        site.clock.advance(20)
        expect(lane.locator(".code")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", list(Language))
def test_in_every_language_it_fits_a_narrow_screen_and_has_no_violation(
    browser: Browser, site: Site, language: Language, scheme: str
) -> None:
    options = {"viewport": {"width": 360, "height": 640}, "color_scheme": scheme, "bypass_csp": True}
    with open_page(browser, site, f"/?lang={language}", reduced_motion="reduce", **options) as page:
        found = {"sign-in": axe_violations(page)}
        sign_in(page)
        assert page.locator("html").get_attribute("dir") == language.direction
        for reason in (Reason.RED, Reason.GREEN):
            site.decide("north", reason)
            page.locator(f'.lane[data-state="{"open" if reason is Reason.GREEN else "wait"}"]').wait_for()
            found[reason] = axe_violations(page)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.locator('.lane[data-key="north"] button').click()
        found["dialog"] = axe_violations(page)
    assert {what: said for what, said in found.items() if said} == {}
