"""The addresses of a page for staff: the station box's, and a reader's own (`waypass_reader.pages.staff`).

1. Without a session there is the sign-in, and nothing else but styles and scripts; with one, the page, its events and
   overrides. `401` tells a page that its session is over.
2. The session's cookie goes to scripts never (HttpOnly) and to other sites never (SameSite=Strict). It has no `Path`,
   so that it belongs to the folder that the page stands in, also behind a proxy.
3. What changes something (`POST`) is taken with the header `Waypass-Page` and, where it brings something, as JSON: no
   page of another origin can send that without asking first, and here nobody is asked. A browser that says where a
   request comes from must say `same-origin`.
4. All addresses in the pages are relative.
5. An override names a reader of the configuration, a lane and a reason of the closed set; the reader decides the rest.
   What came of it is told in words. A failure is logged; that one was made is counted by the reader and kept nowhere.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from http import HTTPStatus
from pathlib import Path
from typing import Any

from waypass_protocol.reasons import OverrideReason
from waypass_reader.clock import Clock
from waypass_reader.log import Log
from waypass_reader.station import words
from waypass_reader.station.gates import Gates, Opened
from waypass_reader.station.listener import Bulletin
from waypass_reader.station.sessions import Sessions
from waypass_reader.station.showing import show_station
from waypass_reader.station.words import Speech
from waypass_reader.web import (
    Answer,
    EventStream,
    Html,
    KeyGuard,
    Problem,
    Request,
    Route,
    file_routes,
    fill,
    json_answer,
    no_content,
    page,
    see_other,
)
from waypass_reader.words import LANGUAGE_NAMES, Language

HERE = Path(__file__).resolve().parent
COOKIE = "waypass-station"
PAGE_HEADER = "Waypass-Page"
EVERY_SECONDS = 1.0
LONGEST_NAME = 64
_STATUS: Mapping[Opened, HTTPStatus] = {
    Opened.UNREACHABLE: HTTPStatus.BAD_GATEWAY,
    Opened.UNCERTAIN: HTTPStatus.GATEWAY_TIMEOUT,
    Opened.REFUSED: HTTPStatus.BAD_GATEWAY,
    Opened.UNKNOWN_LANE: HTTPStatus.NOT_FOUND,
    Opened.FAILED: HTTPStatus.BAD_GATEWAY,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class PageParts:
    """What the pages speak for."""

    station: str
    language: Language
    bulletin: Bulletin
    gates: Gates
    guard: KeyGuard
    sessions: Sessions
    clock: Clock
    log: Log
    words: Mapping[str, str] = field(default_factory=lambda: words.PAGE)
    cookie: str = COOKIE
    # What of `show_station` there is.
    codes: bool = False
    broker: bool = True


class StationPages:
    """The handlers. Called from the threads of many connections."""

    def __init__(self, parts: PageParts) -> None:
        self._parts = parts
        self._page = (HERE / "templates" / "station.html").read_text(encoding="utf-8")
        self._sign_in_page = (HERE / "templates" / "sign-in.html").read_text(encoding="utf-8")

    def routes(self, prefix: str = "") -> list[Route]:
        """All addresses, in a folder of the server or at its top. Raises `ConfigurationError` when the program's own
        files are not there."""
        return [
            Route(method="GET", path=f"{prefix}/", handler=self._show),
            Route(method="GET", path=f"{prefix}/events", handler=self._events),
            Route(method="POST", path=f"{prefix}/override", handler=self._override),
            Route(method="POST", path=f"{prefix}/sign-in", handler=self._sign_in),
            Route(method="POST", path=f"{prefix}/sign-out", handler=self._sign_out),
            *file_routes(f"{prefix}/static", HERE / "static"),
        ]

    def _show(self, request: Request) -> Answer:
        if not request.target.folder:
            return see_other(f"{request.target.path[-1]}/")  # rule 4
        speech = self._speech(request)
        template = self._page if self._signed_in(request, use=True) else self._sign_in_page
        return page(
            fill(
                template,
                **{name: speech.say(text) for name, text in self._parts.words.items()},
                station=self._parts.station,
                language=_tag(speech.language),
                dir=speech.language.direction,
                languages=_language_links(speech.language),
                reasons=_reason_choices(speech),
            )
        )

    def _events(self, request: Request) -> EventStream:
        self._require_session(request, use=False)
        return EventStream(feed=_StationFeed(self._parts, request.cookie(self._parts.cookie), self._speech(request)))

    def _sign_in(self, request: Request) -> Answer:
        _require_own_page(request)
        match request.json_object():
            case {"key": str(key), **others} if not others:
                self._parts.guard.check(key, peer=request.peer)
            case _:
                raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "expected a JSON object of key")
        token = self._parts.sessions.begin(now_ns=self._parts.clock.monotonic_ns())
        return no_content(headers=(_cookie(self._parts.cookie, token),))

    def _sign_out(self, request: Request) -> Answer:
        _require_own_page(request)
        self._parts.sessions.end(request.cookie(self._parts.cookie))
        return no_content(headers=(_cookie(self._parts.cookie, "", more="; Max-Age=0"),))

    def _override(self, request: Request) -> Answer:
        _require_own_page(request)
        self._require_session(request, use=True)
        reader, lane, reason = _read_wish(request.json_object())
        if not self._parts.gates.can_ask(reader):
            raise Problem(HTTPStatus.NOT_FOUND, "expected a reader of this station whose pages are configured")
        came = self._parts.gates.open_once(reader, lane, reason)
        said = self._speech(request).say(words.ANSWERS[came], reader=reader, lane=lane)
        if came is not Opened.OPENED:
            self._parts.log.warning("a lane could not be opened", reader=reader, cause=came.value)
            raise Problem(_STATUS[came], said)
        return json_answer({"result": came.value, "words": said})

    def _speech(self, request: Request) -> Speech:
        wanted = request.query.get("lang")
        return Speech(Language(wanted) if wanted in set(Language) else self._parts.language)

    def _signed_in(self, request: Request, *, use: bool) -> bool:
        now_ns = self._parts.clock.monotonic_ns()
        return self._parts.sessions.holds(request.cookie(self._parts.cookie), now_ns=now_ns, use=use)

    def _require_session(self, request: Request, *, use: bool) -> None:
        if not self._signed_in(request, use=use):
            raise Problem(HTTPStatus.UNAUTHORIZED, "expected the cookie of a session; sign in")


class _StationFeed:
    """One page's events: the station at each change, and once a second, for as long as its session lasts."""

    def __init__(self, parts: PageParts, token: str | None, speech: Speech) -> None:
        self._parts = parts
        self._token = token
        self._speech = speech
        self._number = -1
        self._said_ns: int | None = None
        self._ended = False

    def next(self, timeout_seconds: float) -> str | None:
        """The station, if there is something new or a second has passed."""
        if self._ended:
            return None
        self._parts.bulletin.wait(self._number, timeout=timeout_seconds)
        now_ns = self._parts.clock.monotonic_ns()
        if not self._parts.sessions.holds(self._token, now_ns=now_ns, use=False):
            self._ended = True
            return json.dumps({"signed_out": True})
        number, view = self._parts.bulletin.view()
        due = self._said_ns is None or now_ns - self._said_ns >= EVERY_SECONDS * 1e9
        if number == self._number and not due:
            return None
        self._number, self._said_ns = number, now_ns
        parts = self._parts
        shown = show_station(view, self._speech, parts.gates.can_ask, codes=parts.codes, broker=parts.broker)
        return json.dumps(shown, ensure_ascii=False)

    def close(self) -> None:
        """Nothing is held."""


def _read_wish(body: Mapping[str, Any]) -> tuple[str, str, OverrideReason]:
    """Rule 5. Raises `Problem`."""
    match body:
        case {"reader": str(reader), "lane": str(lane), "reason": str(reason), **others} if not others:
            pass
        case _:
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "expected a JSON object of reader, lane and reason")
    if not 0 < len(lane) <= LONGEST_NAME:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"expected a lane of 1 to {LONGEST_NAME} characters")
    try:
        return reader, lane, OverrideReason(reason)
    except ValueError:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"expected a reason among {', '.join(OverrideReason)}") from None


def _require_own_page(request: Request) -> None:
    """Rule 3. Raises `Problem`."""
    if request.header(PAGE_HEADER) is None:
        raise Problem(HTTPStatus.FORBIDDEN, f"expected the header {PAGE_HEADER}, which this station's own page sends")
    if request.header("Sec-Fetch-Site") not in (None, "same-origin"):
        raise Problem(HTTPStatus.FORBIDDEN, "expected a request of this station's own page")


def _cookie(name: str, token: str, *, more: str = "") -> tuple[str, str]:
    """Rule 2."""
    return "Set-Cookie", f"{name}={token}; HttpOnly; SameSite=Strict{more}"


def _tag(language: Language) -> str:
    return "zh-Hans" if language is Language.CHINESE else language.value


def _language_links(spoken: Language) -> Html:
    current = {True: ' aria-current="true"', False: ""}
    return Html(
        "\n        ".join(
            f'<a href="?lang={each.value}" lang="{_tag(each)}" hreflang="{_tag(each)}"{current[each is spoken]}>'
            f"{escape(name)}</a>"
            for each, name in LANGUAGE_NAMES.items()
        )
    )


def _reason_choices(speech: Speech) -> Html:
    return Html(
        "\n            ".join(
            f'<label><input type="radio" name="reason" value="{reason.value}">{escape(speech.say(text))}</label>'
            for reason, text in words.OVERRIDE_REASONS.items()
        )
    )
