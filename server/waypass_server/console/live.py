"""Pages that are live: server-sent events with those parts of a page that have changed.

1. whoever watches gets every part once, then those that have changed, at most four times a second; a part is a
   station's section, or the summary, as the page's own templates draw it
2. nothing is held for a watcher but what it was sent last: no thread, no session of the database
3. a stream ends when its session has (looked at every `LOOK` seconds, in a thread; watching does not keep a session
   alive), when the server stops, and when the browser has gone. At most `MOST` at a time
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.responses import Response, StreamingResponse
from starlette.concurrency import run_in_threadpool

from waypass_server.console import sessions
from waypass_server.fleet import FleetView
from waypass_server.fleet_watch import FleetWatch
from waypass_server.services import Services

GAP = 0.25
BEAT = 1.0
LOOK = 20.0
MOST = 200

Key = tuple[Any, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A piece of the page: the id of its element, what it depends on, and how it is drawn."""

    element: str
    key: Key
    draw: Callable[[], str]


Parts = Callable[[FleetView], Iterator[Part]]


def stream(
    watch: FleetWatch, services: Services, secret: str, parts: Parts, *, look: float = LOOK, most: int = MOST
) -> Response:
    """The event stream of a page."""
    if watch.closed or watch.watchers >= most:
        return Response("too many pages are watching\n", status_code=503, media_type="text/plain")
    return StreamingResponse(_events(watch, services, secret, parts, look), media_type="text/event-stream")


def fleet_watch(request: Request) -> FleetWatch:
    """The application's."""
    held = request.app.state.fleet_watch
    assert isinstance(held, FleetWatch)
    return held


async def _events(watch: FleetWatch, services: Services, secret: str, parts: Parts, look: float) -> AsyncIterator[str]:
    loop = asyncio.get_running_loop()
    sent: dict[str, Key] = {}
    look_at = loop.time() + look
    with watch.watching() as changed:
        while not watch.closed:
            changed.clear()
            fresh = {part.element: part for part in parts(watch.view()) if sent.get(part.element) != part.key}
            for part in fresh.values():
                yield _event({"id": part.element, "html": part.draw()})
            sent |= {element: part.key for element, part in fresh.items()}
            if not fresh:
                yield ": here\n\n"
            if loop.time() >= look_at:
                look_at = loop.time() + look
                if await run_in_threadpool(sessions.find, services, secret, seen=False) is None:
                    yield "event: ended\ndata: {}\n\n"
                    return
            await _wait(changed)
            if not watch.closed:
                await asyncio.sleep(GAP)


async def _wait(changed: asyncio.Event) -> None:
    """Until something has changed, or for a beat: ages go on without anybody saying so."""
    try:
        await asyncio.wait_for(changed.wait(), BEAT)
    except TimeoutError:
        return


def _event(data: Mapping[str, str]) -> str:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n"
