"""`GET /`, `GET /display/LANE` and `GET /display/LANE/events`: the screens that face the holder.

1. a screen says by colour, sign and words what the lane's aspect is, and never the reason
2. it speaks two languages, the configured one large and the other smaller below it; `?lang=` chooses the large one
3. every face that it can show is in the page from the start; its script only chooses among them by the events, so a
   screen that hears nothing for some seconds knows that it has lost its gate, and says so. It begins that way
4. an address in a page is relative, so that the pages work behind a proxy that puts a path in front
"""

import re
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path

from waypass_reader.board import Board
from waypass_reader.web import Answer, EventStream, Html, Problem, Request, Route, file_routes, fill, page
from waypass_reader.words import (
    ALL_SCREENS,
    IDLE,
    NO_CONNECTION,
    NO_SCRIPT,
    OUT_OF_ORDER,
    SCREEN_OF,
    SIGNS,
    Language,
    Words,
)

HERE = Path(__file__).resolve().parent
# A screen that shows green must notice soon that it has lost its gate.
HEARTBEAT_SECONDS = 2.0

# Every face of a screen by its name, which its sign and the script know too.
FACES: Mapping[str, Words] = {
    "idle": IDLE,
    **{aspect.value: sign.words for aspect, sign in SIGNS.items()},
    "out-of-order": OUT_OF_ORDER,
    "lost": NO_CONNECTION,
}
LOST = "lost"


class Screens:
    """The pages of the lanes' screens."""

    def __init__(self, board: Board, *, reader: str, station: str, language: Language) -> None:
        self._board = board
        self._reader = reader
        self._station = station
        self._language = language
        self._display = (HERE / "display.html").read_text(encoding="utf-8")
        self._index = (HERE / "index.html").read_text(encoding="utf-8")
        self._signs = {face: _read_sign(face) for face in FACES}

    def routes(self) -> list[Route]:
        """Where they are."""
        return [
            Route(method="GET", path="/", handler=self._show_all),
            Route(method="GET", path="/display/{lane}", handler=self._show),
            Route(method="GET", path="/display/{lane}/events", handler=self._follow),
            *file_routes("/static", HERE / "static"),
        ]

    def _show_all(self, request: Request) -> Answer:
        large, small = self._languages(request)
        rows = [
            fill(
                '<li><a href="display/$lane?lang=$lang">$title</a></li>',
                lane=lane,
                lang=large.value,
                title=SCREEN_OF.spoken(large).format(lane=lane),
            )
            for lane in self._board.lanes
        ]
        return page(
            fill(
                self._index,
                lang=large.value,
                other_lang=small.value,
                other="中文" if small is Language.CHINESE else "English",
                title=ALL_SCREENS.spoken(large).format(reader=self._reader),
                station=self._station,
                lanes=Html("".join(rows)),
            )
        )

    def _show(self, request: Request) -> Answer:
        lane = self._lane(request)
        large, small = self._languages(request)
        faces = {face: self._face(face, large, small) for face in FACES}
        templates = [
            fill('<template id="face-$face">$content</template>\n', face=face, content=content)
            for face, content in faces.items()
        ]
        return page(
            fill(
                self._display,
                lang=large.value,
                title=SCREEN_OF.spoken(large).format(lane=lane),
                lane=lane,
                station=self._station,
                lost=faces[LOST],
                no_script=NO_SCRIPT.spoken(large),
                templates=Html("".join(templates)),
            )
        )

    def _follow(self, request: Request) -> EventStream:
        return EventStream(feed=self._board.follow(self._lane(request)), heartbeat_seconds=HEARTBEAT_SECONDS)

    def _face(self, face: str, large: Language, small: Language) -> Html:
        words = FACES[face]
        return fill(
            '$sign<div class="words"><p class="large" lang="$lang">$large</p>'
            '<p class="small" lang="$other">$small</p></div>',
            sign=self._signs[face],
            lang=large.value,
            large=_clauses(words.spoken(large)),
            other=small.value,
            small=_clauses(words.spoken(small)),
        )

    def _lane(self, request: Request) -> str:
        lane = request.parts["lane"]
        if lane not in self._board.lanes:
            raise Problem(HTTPStatus.NOT_FOUND, f"expected a lane among {', '.join(self._board.lanes)}")
        return lane

    def _languages(self, request: Request) -> tuple[Language, Language]:
        """The large one and the small one. Raises `Problem` for one that no screen speaks."""
        asked = request.query.get("lang", self._language.value)
        try:
            large = Language(asked)
        except ValueError:
            raise Problem(HTTPStatus.BAD_REQUEST, f"expected lang among {', '.join(Language)}") from None
        return large, Language.ENGLISH if large is Language.CHINESE else Language.CHINESE


def _read_sign(face: str) -> Html:
    return Html((HERE / "signs" / f"{face}.svg").read_text(encoding="utf-8").strip())


def _clauses(text: str) -> Html:
    """The text in pieces that a line is broken between before it is broken inside one; Chinese has no blanks."""
    pieces = re.split(r"(?<=[;，；])(\s*)", text)  # every second one is what stands between
    return Html("".join(fill("<span>$piece</span>", piece=one) if one.strip() else one for one in pieces))
