"""HTTP for the few pages that a program of the station serves itself, over Python's own `http.server`.

It knows nothing of lanes or readers. What it does, and in which module:

- `requests`: what came, read strictly before any handler sees it
- `answers`: what goes back: strict headers on everything, refusals as problem details, server-sent events
- `routes`: which handler answers which address; files are served by their exact names and in no other way
- `guard`: the key that staff share, compared in constant time, and few tries for whoever does not have it
- `server`: connections: how many, how long, how large, and a clean end

It is not a server for the open internet: it stands on loopback or on a station's own network, and one request takes
one connection. Nothing in it holds up whoever it serves pages about: each connection has a thread of its own.
"""

from waypass_reader.web.answers import (
    Answer,
    EventStream,
    Feed,
    Html,
    Problem,
    fill,
    json_answer,
    no_content,
    page,
    see_other,
)
from waypass_reader.web.guard import KeyGuard, read_key
from waypass_reader.web.requests import Request
from waypass_reader.web.routes import Handler, Route, Routes, file_routes
from waypass_reader.web.server import Limits, WebServer

__all__ = [
    "Answer",
    "EventStream",
    "Feed",
    "Handler",
    "Html",
    "KeyGuard",
    "Limits",
    "Problem",
    "Request",
    "Route",
    "Routes",
    "WebServer",
    "file_routes",
    "fill",
    "json_answer",
    "no_content",
    "page",
    "read_key",
    "see_other",
]
