"""Live pages: what comes first, what comes when something changes, and how a stream ends."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial
from typing import Any

import httpx
import pytest
from fastapi.responses import StreamingResponse
from tests.support.console import ConsoleBrowser
from tests.support.office import NETWORK, NOW, Office

from waypass_protocol.messages import (
    HeldRow,
    LaneState,
    Presence,
    PresenceMessage,
    ReaderMessage,
    StateMessage,
    encode_message,
)
from waypass_protocol.status import HeadRow
from waypass_protocol.topics import Topics
from waypass_server.app import create_app
from waypass_server.bus import Message
from waypass_server.console import live, sessions
from waypass_server.console.access import SESSION_COOKIE
from waypass_server.console.live import Part
from waypass_server.fleet import FleetView
from waypass_server.fleet_watch import FleetWatch
from waypass_server.publisher import Publication
from waypass_server.services import SetClock

TOPICS = Topics(NETWORK.name)
SECONDS = 60.0


@pytest.fixture
def watch(office: Office) -> FleetWatch:
    """The office's readers; its application is made again around it."""
    made = FleetWatch(NETWORK.name, office.clock)
    office.own_app = create_app(office.services, fleet_watch=made)
    return made


def say(watch: FleetWatch, reader: str, leaf: str, said: ReaderMessage) -> None:
    watch.take(Message(topic=TOPICS.reader(reader, leaf), payload=encode_message(said), retained=False))


def come(watch: FleetWatch, reader: str, version: int = 1, **members: Any) -> None:
    """A reader is online and holds this version."""
    say(watch, reader, "presence", PresenceMessage(presence=Presence.ONLINE))
    hold(watch, reader, version, **members)


def hold(watch: FleetWatch, reader: str, version: int, **members: Any) -> None:
    row = HeldRow(uri="wp:1", version=version, digest=f"{version:064x}", age=2, since=NOW)
    values: dict[str, Any] = {"station": "north", "at": NOW, "software": "reader", "clock_trusted": True, **members}
    say(watch, reader, "state", StateMessage(lists=(row,), **values))


def publish(watch: FleetWatch, version: int, committed_at: float | None = None) -> None:
    row = HeadRow(uri="wp:1", version=version, digest=bytes.fromhex(f"{version:064x}"))
    watch.published(Publication(rows=(row,), committed_at=committed_at))


# The pages


@pytest.mark.parametrize("page", ["push", "stations"])
def test_nobody_has_been_heard(browser: ConsoleBrowser, watch: FleetWatch, page: str) -> None:
    browser.sign_in("desk")
    browser.get(f"/ops/{page}")
    assert "No reader has been heard yet" in browser.text()


def test_what_the_push_page_says(browser: ConsoleBrowser, watch: FleetWatch) -> None:
    publish(watch, 1)
    for reader in ("gate-a", "gate-b", "gate-c"):
        come(watch, reader)
    browser.sign_in("ops")
    browser.get("/ops/push")
    assert "All 3 readers are current" in browser.text()
    publish(watch, 2, committed_at=NOW)
    assert isinstance(browser.office.clock, SetClock)
    browser.office.clock.advance(0.25)
    hold(watch, "gate-a", 2)
    say(watch, "gate-c", "presence", PresenceMessage(presence=Presence.OFFLINE))
    browser.get("/ops/push")
    text = browser.text()
    assert "1 of 3 readers are current" in text
    assert "gate-a current after 0.25 s gate-b behind gate-c offline" in text
    assert "Half of them within 0.25 s" in text


def test_a_digest_that_differs_is_an_alarm_on_both_pages(browser: ConsoleBrowser, watch: FleetWatch) -> None:
    publish(watch, 1)
    come(watch, "gate-a")
    row = HeldRow(uri="wp:1", version=1, digest="ab" * 32, age=2, since=NOW)
    say(watch, "gate-a", "state", StateMessage(at=NOW, software="x", clock_trusted=True, station="n", lists=(row,)))
    browser.sign_in("ops")
    for page in ("push", "stations"):
        browser.get(f"/ops/{page}")
        assert "1 reader holds something else than was published" in browser.text()
    assert "digest differs abababababab" in browser.text()


def test_what_the_stations_page_says(browser: ConsoleBrowser, watch: FleetWatch) -> None:
    publish(watch, 1)
    come(
        watch,
        "gate-a",
        lanes={"lane-1": LaneState.IDLE, "lane-2": LaneState.OUT_OF_ORDER},
        health={"camera lane-2": "no frames", "disk": "ok"},
        reports={"malformed": 3},
        clock_trusted=False,
    )
    browser.sign_in("ops")
    browser.get("/ops/stations")
    text = browser.text()
    assert "1 thing to look at" in text
    for words in (
        "lane-2: out of order",
        "camera lane-2: no frames",
        "It does not trust its clock",
        "heard 0 s ago · list 2 s old · 1 lane works",
        "malformed 3",
    ):
        assert words in text


def test_what_a_reader_says_of_its_health_is_said_in_chinese(browser: ConsoleBrowser, watch: FleetWatch) -> None:
    health = {
        "disk": "the floors can't be written (No space left on device)",
        "camera north": "camera /dev/video0: no frame for 5 s; check its cable and its power",
        "lane north": "something that nobody has translated",
        "crowd key": "ok",
    }
    come(watch, "gate-a", health=health)
    browser.sign_in("ops")
    browser.get("/ops/language/zh?back=/ops/stations")
    page = browser.page.text
    assert "磁盘：<span>最低版本记录无法写入（No space left on device）</span>" in page
    assert "north 的摄像头：<span>camera /dev/video0：5 秒没有画面；请检查线缆和电源</span>" in page
    assert "人群钥匙开关：<span>正常</span>" in page
    assert '通道 north：<span lang="en">something that nobody has translated</span>' in page


def test_names_of_readers_and_stations_are_text(browser: ConsoleBrowser, watch: FleetWatch) -> None:
    come(watch, "gate-a", station="<script>alert(1)</script>", software="<b>", health={"<i>": "<u>"})
    browser.sign_in("ops")
    for page in ("push", "stations"):
        browser.get(f"/ops/{page}")
        assert "<script>alert" not in browser.page.text
        assert "&lt;script&gt;" in browser.page.text


# The streams


def opened(browser: ConsoleBrowser, watch: FleetWatch, *, look: float = live.LOOK) -> StreamingResponse:
    """The stream of one part for each station, for whoever is signed in."""

    def parts(view: FleetView) -> Any:
        for station in view.stations:
            stands = tuple(reader.stand.value for reader in station.readers)
            yield Part(element=station.name, key=stands, draw=partial(" ".join, stands))

    answer = live.stream(watch, browser.office.services, browser.cookies[SESSION_COOKIE], parts, look=look)
    assert isinstance(answer, StreamingResponse)
    return answer


async def next_part(events: AsyncIterator[Any]) -> dict[str, str]:
    """The next event with a part; heartbeats are passed over."""
    async with asyncio.timeout(SECONDS):
        async for event in events:
            if str(event).startswith("data: "):
                found = json.loads(str(event).removeprefix("data: "))
                assert isinstance(found, dict)
                return found
    raise AssertionError("expected a part, the stream ended")


def test_every_part_first_then_those_that_changed(browser: ConsoleBrowser, watch: FleetWatch) -> None:
    async def go() -> list[dict[str, str]]:
        publish(watch, 1)
        come(watch, "gate-a")
        come(watch, "gate-z", station="south")
        found = []
        async with aclosing(aiter(opened(browser, watch).body_iterator)) as events:  # type: ignore[type-var]
            found += [await next_part(events), await next_part(events)]
            publish(watch, 2)
            found += [await next_part(events), await next_part(events)]
            hold(watch, "gate-a", 2)
            hold(watch, "gate-a", 2)
            found.append(await next_part(events))
            assert watch.watchers == 1
        assert watch.watchers == 0
        return found

    browser.sign_in("ops")
    assert asyncio.run(go()) == [
        {"id": "north", "html": "current"},
        {"id": "south", "html": "current"},
        {"id": "north", "html": "behind"},
        {"id": "south", "html": "behind"},
        {"id": "north", "html": "current"},
    ]


@pytest.mark.parametrize("case", ["the server stops", "the session ended"])
def test_how_a_stream_ends(browser: ConsoleBrowser, watch: FleetWatch, case: str) -> None:
    async def go() -> list[str]:
        events = opened(browser, watch, look=0.0).body_iterator
        said = [str(await anext(aiter(events)))]
        if case == "the server stops":
            watch.close()
        else:
            await asyncio.to_thread(sessions.sign_out, browser.office.services, browser.cookies[SESSION_COOKIE])
        async with asyncio.timeout(SECONDS):
            said += [str(event) async for event in events]
        return said

    browser.sign_in("ops")
    said = asyncio.run(go())
    assert said[0] == ": here\n\n"
    assert (said[-1] == "event: ended\ndata: {}\n\n") is (case == "the session ended")
    assert watch.watchers == 0


def test_too_many_pages_are_refused(browser: ConsoleBrowser, watch: FleetWatch) -> None:
    browser.sign_in("ops")
    secret = browser.cookies[SESSION_COOKIE]
    answer = live.stream(watch, browser.office.services, secret, lambda _view: iter(()), most=0)
    assert (answer.status_code, answer.body) == (503, b"too many pages are watching\n")


@pytest.mark.parametrize("page", ["push", "stations"])
def test_a_pages_own_events_draw_its_own_parts(browser: ConsoleBrowser, watch: FleetWatch, page: str) -> None:
    """Over HTTP: the first parts are those that the page itself shows."""
    publish(watch, 1)
    come(watch, "gate-a")
    browser.sign_in("ops")
    shown = browser.get(f"/ops/{page}").text

    async def go() -> httpx.Response:
        cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        transport = httpx.ASGITransport(app=browser.office.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://server.test") as client:
            asking = asyncio.create_task(client.get(f"/ops/{page}/events", headers={"cookie": cookie}))
            async with asyncio.timeout(SECONDS):
                while watch.watchers == 0:
                    await asyncio.sleep(0.01)
                await asyncio.sleep(0.1)
                watch.close()
                return await asking

    answer = browser.office.loop.run(go())
    assert answer.headers["content-type"].startswith("text/event-stream")
    parts = [json.loads(line.removeprefix("data: ")) for line in answer.text.splitlines() if line.startswith("data: ")]
    assert [part["id"] for part in parts] == ["summary", "station-" + b"north".hex()]
    for part in parts:
        assert " ".join(part["html"].split()) in " ".join(shown.split())
