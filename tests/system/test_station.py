"""The page of a station's staff in Chromium, over a real station: server, broker, two readers, the box.

What the page says is held against what the readers say; lanes are opened from it, with the centre there and gone, and
each of the things that it stands on is taken away and given back.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright
from tests.support.mqtt import Client
from tests.support.publishing import wait_for
from tests.support.station_page import (
    Station,
    StationPage,
    new_person,
    open_page,
    open_station,
    settle,
)
from tests.support.wallet_page import open_browser

from waypass_simulator.processes import Stream

PAPER = "A paper pass; compare the name printed on it with an identity document, then open."
DAMAGED = "The code is damaged; ask to show it again, or make a new pass at the desk."
PHONE = {"width": 360, "height": 740}
WIDE = {"width": 1280, "height": 900}
LOOKS = [
    pytest.param({"viewport": PHONE, "color_scheme": "light"}, "en", id="phone-light-en"),
    pytest.param({"viewport": PHONE, "color_scheme": "dark"}, "zh", id="phone-dark-zh"),
    pytest.param({"viewport": WIDE, "color_scheme": "light"}, "zh", id="wide-light-zh"),
    pytest.param({"viewport": WIDE, "color_scheme": "dark"}, "en", id="wide-dark-en"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright, open_browser(playwright) as opened:
        yield opened


# After the browser: without one nothing is started.
@pytest.fixture(scope="module")
def station(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    with open_station(tmp_path_factory.mktemp("station")) as opened:
        yield opened


@pytest.fixture(scope="module")
def paper(station: Station) -> str:
    return station.paper(new_person())


@pytest.fixture
def staff(browser: Browser, station: Station) -> Iterator[StationPage]:
    """Somebody signed in, and nobody at the gates."""
    with open_page(browser, station) as opened:
        opened.sign_in()
        settle(station, opened)
        yield opened


def opened_by_staff(station: Station, gate: str) -> list[str]:
    """The reasons that the reader itself gives for each lane that staff opened."""
    program = station.gates[gate].program
    assert program is not None
    lines = [json.loads(line) for line in program.text(Stream.STDERR).splitlines() if line.startswith("{")]
    return [line["reason"] for line in lines if line["event"] == "staff opened a lane"]


def test_a_wrong_key_is_said_and_the_right_one_opens_the_page(browser: Browser, station: Station) -> None:
    with open_page(browser, station) as opened:
        field = opened.page.get_by_label("The station's key")
        expect(field).to_be_focused()
        opened.sign_in("not-the-key-of-north")
        expect(opened.page.get_by_role("alert")).to_have_text("This is not the station's key. Try again.")
        expect(field).to_be_focused()
        expect(field).to_have_attribute("aria-invalid", "true")
        opened.sign_in()
        settle(station, opened)
        (cookie,) = opened.page.context.cookies()
        assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == ("waypass-station", True, "Strict")
        assert opened.page.evaluate("[document.cookie, localStorage.length, sessionStorage.length]") == ["", 0, 0]


def test_the_page_says_how_each_reader_is(staff: StationPage) -> None:
    for gate in ("gate-a", "gate-b"):
        reader = staff.reader(gate)
        expect(reader.locator(".contact")).to_have_text("Online")
        facts = reader.locator(".facts .fact")
        expect(facts.nth(0)).to_have_text("Clock right")
        expect(facts.nth(1)).to_have_text(re.compile(r"^Lists \d+ s old$"))
        expect(reader.locator(".camera")).to_have_text("Camera works")
    expect(staff.page.locator("#broker")).to_have_text("Broker reached")
    expect(staff.page.get_by_role("heading", level=1)).to_have_text("Nobody waits")
    assert staff.page.title() == "Station · north"


def test_whoever_waits_is_seen_at_once_and_then_not_any_more(staff: StationPage, station: Station) -> None:
    with station.holding("gate-b", "WP1:NO SUCH PASS"):
        staff.wait_state("gate-b", "wait")
        lane = staff.lane("gate-b")
        expect(lane.locator(".said")).to_have_text(DAMAGED)
        expect(lane.locator(".doing")).to_contain_text("Waits for staff")
        expect(lane.locator(".time")).to_have_text(re.compile(r"^0:\d\d$"))
        expect(staff.page.get_by_role("heading", level=1)).to_have_text("lane-1 of gate-b waits for staff")
        expect(staff.page.locator("#news")).to_have_text("lane-1 of gate-b waits for staff")
        assert staff.page.title() == "(1) lane-1 of gate-b waits for staff"
        expect(staff.lane("gate-a")).to_have_attribute("data-tone", "calm")
    staff.wait_state("gate-b", "idle")
    expect(lane.locator(".said")).to_have_text(f"Just now: {DAMAGED}")
    expect(lane.locator(".said")).to_have_text("")
    expect(staff.page.get_by_role("heading", level=1)).to_have_text("Nobody waits")


def test_staff_open_the_lane_of_whoever_waits(staff: StationPage, station: Station, paper: str) -> None:
    before = len(opened_by_staff(station, "gate-a"))
    with station.holding("gate-a", paper):
        staff.wait_state("gate-a", "wait")
        expect(staff.lane("gate-a").locator(".said")).to_have_text(PAPER)
        staff.open_lane("gate-a", "Identity checked")
        staff.wait_state("gate-a", "open")
    # Held any longer, a code is looked at again when the lane closes.
    expect(staff.lane("gate-a").locator(".doing")).to_contain_text("Opened by staff")
    expect(staff.page.locator("#result")).to_contain_text("lane-1 of gate-a is open for one person.")
    expect(staff.lane("gate-a").get_by_role("button")).to_be_focused()
    wait_for(lambda: opened_by_staff(station, "gate-a")[before:] == ["identity-checked"], "the reader's own word")
    expect(staff.lane("gate-a").locator(".people")).to_have_text(re.compile(r"^[1-9] (person|people) a minute$"))
    staff.wait_state("gate-a", "idle")
    expect(staff.lane("gate-a").locator(".said")).to_have_text("Just now: opened by staff")


def test_one_reader_says_nothing_of_the_other(staff: StationPage, station: Station) -> None:
    before = len(opened_by_staff(station, "gate-a"))
    staff.open_lane("gate-b", "Crowding")
    staff.wait_state("gate-b", "open")
    staff.wait_state("gate-a", "idle")
    wait_for(lambda: opened_by_staff(station, "gate-b")[-1:] == ["crowding"], "the reader's own word")
    assert len(opened_by_staff(station, "gate-a")) == before


def test_a_lane_is_opened_by_keyboard_alone(staff: StationPage, station: Station) -> None:
    before = len(opened_by_staff(station, "gate-a"))
    page, keys = staff.page, staff.page.keyboard
    button = staff.lane("gate-a").get_by_role("button")
    for _ in range(30):
        keys.press("Tab")
        if button.evaluate("element => element === document.activeElement"):
            break
    expect(button).to_be_focused()
    keys.press("Enter")
    expect(page.locator("#override-title")).to_be_focused()
    # A key that is still held, or pressed again, does nothing.
    for _ in range(5):
        keys.press("Enter")
    assert page.get_by_role("button", name="Open once").is_disabled()
    keys.press("Tab")
    keys.press("Space")
    keys.press("ArrowDown")
    expect(page.get_by_label("Pass checked by hand")).to_be_checked()
    for _ in range(5):
        keys.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    keys.press("Tab")
    expect(page.get_by_role("button", name="Cancel")).to_be_focused()
    keys.press("Tab")
    expect(page.get_by_role("button", name="Open once")).to_be_focused()
    page.wait_for_timeout(700)
    keys.press("Enter")
    staff.wait_state("gate-a", "open")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(button).to_be_focused()
    wait_for(lambda: opened_by_staff(station, "gate-a")[before:] == ["checked-by-hand"], "the reader's own word")


def test_a_lane_is_not_opened_by_accident(staff: StationPage, station: Station) -> None:
    before = len(opened_by_staff(station, "gate-a"))
    button = staff.lane("gate-a").get_by_role("button")
    confirm = staff.page.get_by_role("button", name="Open once")
    button.dblclick()
    expect(confirm).to_be_disabled()
    staff.page.get_by_label("Crowding").check()
    staff.page.keyboard.press("Enter")
    staff.page.keyboard.press("Escape")
    expect(staff.page.get_by_role("dialog")).to_be_hidden()
    expect(button).to_be_focused()
    # What was chosen the last time is not chosen now.
    button.click()
    expect(staff.page.get_by_role("radio", checked=True)).to_have_count(0)
    expect(confirm).to_be_disabled()
    staff.page.get_by_role("button", name="Cancel").click()
    expect(staff.page.get_by_role("dialog")).to_be_hidden()
    assert len(opened_by_staff(station, "gate-a")) == before


def test_the_way_to_the_lane_that_waits(staff: StationPage, station: Station) -> None:
    with station.holding("gate-b", "WP1:NO SUCH PASS"):
        staff.wait_state("gate-b", "wait")
        staff.page.get_by_role("button", name="Go to the lane").click()
        expect(staff.lane("gate-b").get_by_role("button")).to_be_focused()
        expect(staff.lane("gate-b")).to_be_in_viewport()


@pytest.mark.parametrize(("options", "language"), LOOKS)
def test_everybody_can_use_it(
    browser: Browser, station: Station, paper: str, tmp_path: Path, options: dict[str, object], language: str
) -> None:
    with open_page(browser, station, query=f"?lang={language}", reduced_motion="reduce", **options) as opened:
        page = opened.page
        assert opened.violations() == []
        page.locator("#key").fill("the-key-of-station-north")
        page.keyboard.press("Enter")
        settle(station, opened)
        assert (opened.violations(), opened.overflow()) == ([], 0)
        with station.holding("gate-a", paper):
            opened.wait_state("gate-a", "wait")
            assert (opened.violations(), opened.overflow()) == ([], 0)
            opened.lane("gate-a").get_by_role("button").click()
            page.locator("input[value=identity-checked]").check()
            assert (opened.violations(), opened.overflow()) == ([], 0)
            page.locator("#override-cancel").click()
        chinese = re.search(r"[一-鿿]", page.locator("body").inner_text().replace("中文", ""))
        assert (chinese is not None) is (language == "zh")
        opened.wait_state("gate-a", "idle")


def test_a_reader_that_is_gone_is_said_and_can_not_be_opened(staff: StationPage, station: Station) -> None:
    station.gates["gate-b"].kill()
    try:
        expect(staff.reader("gate-b").locator(".contact")).to_have_text("Offline")
        staff.wait_state("gate-b", "unknown")
        staff.open_lane("gate-b", "The gate is at fault")
        said = "gate-b can't be reached, so lane-1 stays closed. Open it at the gate."
        expect(staff.page.locator("#override-trouble")).to_have_text(said)
        staff.page.get_by_role("button", name="Cancel").click()
        expect(staff.page.locator("#result")).to_contain_text(said)
        assert staff.violations() == []
        staff.page.get_by_role("button", name="Hide this message").click()
        expect(staff.page.locator("#result")).to_be_hidden()
    finally:
        station.gates["gate-b"].start()
    staff.wait_state("gate-b", "idle")


def test_without_the_broker_the_page_says_so_and_opens_lanes_all_the_same(staff: StationPage, station: Station) -> None:
    station.deployment.kill_broker()
    try:
        expect(staff.page.locator("#broker")).to_have_text("Broker out of reach")
        expect(staff.page.locator("#broker-lost")).to_contain_text("Lanes can still be opened.")
        expect(staff.page.get_by_role("heading", level=1)).to_have_text("Not known whether anybody waits")
        for gate in ("gate-a", "gate-b"):
            staff.wait_state(gate, "unknown")
        before = len(opened_by_staff(station, "gate-a"))
        staff.open_lane("gate-a", "Luggage, wheelchair or child")
        expect(staff.page.locator("#result")).to_contain_text("lane-1 of gate-a is open for one person.")
        wait_for(lambda: opened_by_staff(station, "gate-a")[before:] == ["needs-help"], "the reader's own word")
        assert staff.violations() == []
    finally:
        station.deployment.start_broker()
    settle(station, staff)
    expect(staff.page.locator("#broker")).to_have_text("Broker reached")
    expect(staff.page.locator("#broker-lost")).to_be_hidden()


def test_whoever_waited_through_a_break_is_seen_after_it(staff: StationPage, station: Station) -> None:
    with station.holding("gate-a", "WP1:NO SUCH PASS"):
        staff.wait_state("gate-a", "wait")
        station.deployment.kill_broker()
        staff.wait_state("gate-a", "unknown")
        station.deployment.start_broker()
        staff.wait_state("gate-a", "wait")
    settle(station, staff)


def test_without_the_box_the_page_shows_nothing_old_and_then_asks_for_the_key(
    staff: StationPage, station: Station
) -> None:
    station.stop_box()
    try:
        expect(staff.page.get_by_role("alert")).to_contain_text("No connection to the station box")
        expect(staff.lane("gate-a")).to_be_hidden()
        assert staff.violations() == []
    finally:
        station.start_box()
    # Its sessions ended with it.
    staff.sign_in()
    settle(station, staff)


def test_who_signs_out_is_asked_for_the_key_in_every_window(browser: Browser, staff: StationPage) -> None:
    other = staff.page.context.new_page()
    other.goto(staff.page.url)
    expect(other.locator("#readers .lane").first).to_be_visible()
    staff.page.get_by_role("button", name="Sign out").click()
    for page in (staff.page, other):
        expect(page.get_by_label("The station's key")).to_be_visible()


def test_the_language_is_a_link_away(staff: StationPage, station: Station) -> None:
    staff.page.get_by_role("link", name="中文").click()
    expect(staff.page.get_by_role("heading", level=1)).to_have_text("无人等待")
    with station.holding("gate-a", "WP1:NO SUCH PASS"):
        expect(staff.lane("gate-a").locator(".said")).to_have_text("此码已损坏，请重新出示，或到服务台换发。")


def test_the_box_publishes_nothing(station: Station, staff: StationPage) -> None:
    with Client("witness", station.deployment.broker_port) as witness:
        witness.subscribe(("#", 0))
        staff.open_lane("gate-a", "Crowding")
        staff.wait_state("gate-a", "open")
        staff.wait_state("gate-a", "idle")
        topics = set()
        while not witness.messages.empty():
            topics.add(witness.next()[0])
    assert topics
    ours = {topic for topic in topics if "/reader/" in topic}
    assert {topic.split("/")[-2] for topic in ours} <= {"gate-a", "gate-b"}


# The last one: the server does not come back.
def test_it_all_works_without_the_centre(staff: StationPage, station: Station, paper: str) -> None:
    station.deployment.kill_server()
    with station.holding("gate-a", paper):
        staff.wait_state("gate-a", "wait")
        staff.open_lane("gate-a", "Identity checked")
        staff.wait_state("gate-a", "open")
    wait_for(lambda: opened_by_staff(station, "gate-a")[-1:] == ["identity-checked"], "the reader's own word")
    staff.page.reload()
    settle(station, staff)
