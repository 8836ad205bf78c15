"""What goes back: a whole answer, or a stream of events.

1. every answer has the same strict headers: scripts, styles, pictures and calls of this origin only, nothing inline,
   no frame around it, no referrer, kept nowhere
2. a refusal is a `Problem`, and goes out as problem details (RFC 9457). It repeats no key and nothing else that came
   in a header
3. events are `data` lines of UTF-8 text; a comment is sent when there was none for a while, so that either side can
   tell silence from a lost connection
4. values that are filled into a page are escaped, unless they are `Html` already
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from http import HTTPStatus
from string import Template
from typing import Protocol

from waypass_reader.errors import ReaderError

HEARTBEAT_SECONDS = 10.0
STRICT_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "; ".join(
        [
            "default-src 'none'",
            *(f"{kind}-src 'self'" for kind in ("script", "style", "connect", "img")),
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        ]
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """A whole answer. `headers` are beside the strict ones, and may come twice (cookies)."""

    status: HTTPStatus = HTTPStatus.OK
    body: bytes = b""
    content_type: str = ""
    headers: Headers = ()

    def __post_init__(self) -> None:
        for name, value in self.headers:
            if not all(" " <= letter <= "~" for letter in name + value):
                raise ValueError(f"expected the header {name!r} in printable ASCII on one line")


class Feed(Protocol):
    """Where a stream's events come from. Called from the one thread of its connection."""

    def next(self, timeout_seconds: float) -> str | None:
        """The next event's data, or None when none came in time."""

    def close(self) -> None:
        """The other end is gone, or the program ends."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EventStream:
    """An answer that goes on: server-sent events for as long as both sides are there."""

    feed: Feed
    heartbeat_seconds: float = HEARTBEAT_SECONDS


class Problem(ReaderError):
    """A refusal: a status, and what was expected and what came."""

    def __init__(self, status: HTTPStatus, detail: str, *, headers: Headers = ()) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers

    def answer(self) -> Answer:
        """The refusal as problem details; `type` is left at `about:blank`, so `title` is the status's own."""
        body = {"title": self.status.phrase, "status": self.status.value, "detail": self.detail}
        return Answer(
            status=self.status,
            body=json.dumps(body).encode(),
            content_type="application/problem+json",
            headers=self.headers,
        )


class Html(str):
    """Text that is HTML already; `fill` takes it as it is."""

    __slots__ = ()


def fill(template: str, **values: str) -> Html:
    """A template with its `$names` filled in, each escaped unless it is `Html`. Every name needs a value."""
    escaped = {name: value if isinstance(value, Html) else escape(value) for name, value in values.items()}
    return Html(Template(template).substitute(escaped))


def page(html: str, *, status: HTTPStatus = HTTPStatus.OK, headers: Headers = ()) -> Answer:
    """A page."""
    return Answer(status=status, body=html.encode(), content_type="text/html; charset=utf-8", headers=headers)


def json_answer(value: object, *, status: HTTPStatus = HTTPStatus.OK) -> Answer:
    """A value as JSON."""
    return Answer(status=status, body=json.dumps(value).encode(), content_type="application/json")


def no_content(*, headers: Headers = ()) -> Answer:
    """It was done, and there is nothing to say."""
    return Answer(status=HTTPStatus.NO_CONTENT, headers=headers)


def see_other(place: str, *, headers: Headers = ()) -> Answer:
    """What to look at instead; `place` is relative, so that it holds behind a proxy too."""
    return Answer(status=HTTPStatus.SEE_OTHER, headers=(("Location", place), *headers))


def event_bytes(data: str) -> bytes:
    """One event. Whatever ends a line in `data` begins another `data` line, as the format asks."""
    lines = data.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "".join(f"data: {line}\n" for line in lines).encode() + b"\n"


HEARTBEAT = b":\n\n"
