"""The stage page and what it asks for: pictures, what happened, a telephone held up, and a code from the desk.

| address | |
| --- | --- |
| `GET /` | the page; `?lang=en` or `zh` |
| `GET /stage/NAME` | its own files, by exact name |
| `GET /stage/now` | who is at the gates, and the newest passings, in words |
| `GET /stage/gates/GATE/frame.jpg` | the newest picture that the gate's reader was given |
| `POST /stage/gates/GATE/hold` | `{"rows": ["0110..", ..]}`, a code as a screen shows it; the gate's answer |
| `POST /stage/desk-code` | registers a visitor, takes a certificate, makes a code |

`rows` are the code's modules with its quiet zone, 1 for dark.

1. the two calls that do something take JSON from this origin only
2. the code that is held up is painted on a telephone before the camera; here nobody reads it, and nothing keeps it
3. the desk's own token stays in this program
"""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from waypass_protocol.reasons import Reason
from waypass_simulator.canvas import Plane
from waypass_simulator.demo.crowd import Role
from waypass_simulator.demo.gate import Verdict
from waypass_simulator.demo.visitors import Visitors
from waypass_simulator.demo.walkway import Board, Passing, SomebodyWaits, Walkway
from waypass_simulator.errors import SimulatorError
from waypass_simulator.stage.refusals import HEADERS, NOT_FRAMED, problem
from waypass_simulator.stage.templates import render
from waypass_simulator.stage.words import GATES, OUTCOMES, PAGE, REASONS, ROLES, Language

QUIET: Final = 4
SIDES: Final = range(21 + 2 * QUIET, 177 + 2 * QUIET + 1, 4)
"""Modules a side of a QR code with its quiet zone."""

MAX_HOLD: Final = 64 << 10
ANSWER_SECONDS: Final = 30.0
_STATIC: Final = Path(__file__).resolve().parent / "static"
_TYPES: Final = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """A button that leads to somebody's screen. `words` names an entry of `words.PAGE`."""

    words: str
    href: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Play:
    """What the stage shows: the gates in their order, the board, the visitors' desk, and links for two people."""

    walkways: Mapping[str, Walkway]
    board: Board
    visitors: Visitors
    links: Sequence[Link]
    station_key: str
    basis: str
    notice: int


class Stage:
    """The stage's own part of the front door."""

    def __init__(self, play: Callable[[], Play | None]) -> None:
        """`play` gives what there is to see, or None while programs are starting."""
        self._play = play
        self._files = {path.name: path.read_bytes() for path in sorted(_STATIC.iterdir()) if path.suffix in _TYPES}
        self.routes = [
            Route("/", self._page),
            Route("/stage/now", self._now),
            Route("/stage/desk-code", self._desk_code, methods=["POST"]),
            Route("/stage/gates/{gate}/frame.jpg", self._frame),
            Route("/stage/gates/{gate}/hold", self._hold, methods=["POST"]),
            Route("/stage/{name}", self._file),
        ]

    async def _page(self, request: Request) -> Response:
        play, language = self._play(), _language(request)
        values = {"language": language.value, "w": _page_words(language, play)}
        if play is None:
            return HTMLResponse(render("starting.html", **values), headers={**NOT_FRAMED, "Refresh": "1"})
        gates = [
            {"name": name, "title": title, "hold": PAGE["hold"].spoken(language).format(gate=title)}
            for name, title in ((name, _title(name, language)) for name in play.walkways)
        ]
        links = [{"href": link.href, "words": PAGE[link.words].spoken(language)} for link in play.links]
        page = render("stage.html", **values, gates=gates, links=links, station_key=play.station_key)
        return HTMLResponse(page, headers=dict(NOT_FRAMED))

    async def _file(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self._files:
            return problem(404, "not-found", "expected a file of the stage")
        return Response(self._files[name], media_type=_TYPES[Path(name).suffix], headers=dict(HEADERS))

    async def _now(self, request: Request) -> Response:
        play, language = self._play(), _language(request)
        if play is None:
            return problem(503, "starting", "the programs are starting")
        counts = play.board.counts()
        tally = {name: counts[name] for name in ("open", "assist", "refuse")}
        document = {
            "gates": [_at_gate(name, walkway, language) for name, walkway in play.walkways.items()],
            "news": [_told(passing, language) for passing in play.board.passings() if passing.over],
            "counts": PAGE["counts"].spoken(language).format(**tally),
        }
        return JSONResponse(document, headers=dict(HEADERS))

    async def _frame(self, request: Request) -> Response:
        walkway = self._walkway(request)
        shot = walkway.newest() if walkway else None
        if shot is None:
            return problem(404, "not-found", "expected a gate that has seen something")
        return Response(shot.jpeg, media_type="image/jpeg", headers=dict(HEADERS))

    async def _hold(self, request: Request) -> Response:
        walkway = self._walkway(request)
        if walkway is None:
            return problem(404, "not-found", "expected one of the gates")
        if refusal := _foreign(request):
            return refusal
        try:
            modules = read_modules(await _json(request))
        except ValueError as error:
            return problem(422, "no-code", str(error))
        try:
            answer = walkway.hold(modules)
            verdict = await asyncio.wait_for(asyncio.wrap_future(answer), ANSWER_SECONDS)
        except SomebodyWaits as error:
            return problem(409, "somebody-waits", str(error))
        except (SimulatorError, TimeoutError, CancelledError, asyncio.CancelledError):
            return problem(503, "no-answer", f"{walkway.gate.name} did not answer")
        return JSONResponse(_answer(verdict, _language(request)), headers=dict(HEADERS))

    async def _desk_code(self, request: Request) -> Response:
        play = self._play()
        if refusal := _foreign(request):
            return refusal
        if play is None:
            return problem(503, "starting", "the programs are starting")
        try:
            code = await run_in_threadpool(play.visitors.welcome)
        except SimulatorError:
            return problem(503, "no-answer", "the desk got no answer from the server")
        return JSONResponse({"code": code.code, "person": code.person}, status_code=201, headers=dict(HEADERS))

    def _walkway(self, request: Request) -> Walkway | None:
        play = self._play()
        return play.walkways.get(request.path_params["gate"]) if play else None


def read_modules(document: object) -> Plane:
    """The modules of a code (1 is light, 0 is dark) from rows of `0` and `1`, where 1 is dark. Raises ValueError."""
    rows = document.get("rows") if isinstance(document, dict) and document.keys() == {"rows"} else None
    if not isinstance(rows, list) or not all(isinstance(row, str) for row in rows):
        raise ValueError("expected {'rows': [text, ..]} and nothing else")
    if len(rows) not in SIDES or any(len(row) != len(rows) or row.strip("01") for row in rows):
        raise ValueError(
            f"expected as many rows as columns of 0 and 1, {SIDES[0]} to {SIDES[-1]} as QR codes have them"
        )
    return 1 - np.array([[letter == "1" for letter in row] for row in rows], np.float32)


def _foreign(request: Request) -> Response | None:
    """Rule 1: a page of another origin cannot make a browser do this."""
    origin = request.headers.get("origin")
    if origin is not None and origin != f"{request.url.scheme}://{request.headers.get('host')}":
        return problem(403, "other-origin", "expected a request of this origin's own page")
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        return problem(415, "not-json", "expected application/json")
    return None


async def _json(request: Request) -> Any:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_HOLD:
            raise ValueError(f"expected at most {MAX_HOLD} bytes")
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError("expected JSON") from None


def _language(request: Request) -> Language:
    asked = request.query_params.get("lang")
    if asked in list(Language):
        return Language(asked)
    first = request.headers.get("accept-language", "")[:2].lower()
    return Language.CHINESE if first == Language.CHINESE else Language.ENGLISH


def _page_words(language: Language, play: Play | None) -> dict[str, str]:
    filled = {"basis": play.basis, "notice": play.notice} if play else {}
    words = {name: each.spoken(language) for name, each in PAGE.items()}
    return {name: said.format(**filled) if name.startswith("try_") and filled else said for name, said in words.items()}


def _title(gate: str, language: Language) -> str:
    return GATES[gate].spoken(language) if gate in GATES else gate


def _at_gate(name: str, walkway: Walkway, language: Language) -> dict[str, object]:
    """One gate now. `shown` is what colours it: the aspect of its answer, `looking`, or `none`."""
    passing, shot = walkway.passing(), walkway.newest()
    answer = _answer(passing.verdict, language) if passing else {}
    shown, outcome = answer.get("shown", "none"), answer.get("outcome", "")
    if passing and not passing.over:
        shown, outcome = "looking", OUTCOMES["looking"].spoken(language)
    who = ROLES[passing.role].spoken(language) if passing else None
    return {
        "name": name,
        "running": walkway.gate.running,
        "who": who,
        "visitor": passing is not None and passing.role is Role.VISITOR,
        "shown": shown,
        "outcome": outcome,
        "reason": answer.get("reason", ""),
        "shot": shot.number if shot else None,
        "seen": f"{_title(name, language)}: {who or PAGE['nobody'].spoken(language)}",
    }


def _told(passing: Passing, language: Language) -> dict[str, object]:
    return {
        "number": passing.number,
        "who": ROLES[passing.role].spoken(language),
        "visitor": passing.role is Role.VISITOR,
        "where": _title(passing.gate, language),
        **_answer(passing.verdict, language),
    }


def _answer(verdict: Verdict | None, language: Language) -> dict[str, str]:
    """What a gate answered, in words; `shown` is the aspect of its screen."""
    if verdict is None:
        unread = OUTCOMES["unread"].spoken(language)
        return {"shown": "none", "outcome": unread, "reason": "", "said": unread}
    outcome = OUTCOMES[verdict.outcome].spoken(language)
    reason = REASONS[Reason(verdict.reason)].spoken(language)
    return {
        "shown": verdict.aspect,
        "outcome": outcome,
        "reason": reason,
        "said": PAGE["said"].spoken(language).format(outcome=outcome, reason=reason),
    }
