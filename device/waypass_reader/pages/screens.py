"""`GET /`, `GET /display/LANE` and `GET /display/LANE/events`: the screens that face the holder.

1. a screen says by colour, sign and words what the lane's aspect is, and never the reason; while nobody is answered,
   what somebody can do so that their code is read
2. it speaks the configured language large and the others smaller below it; `?lang=` chooses another large one. Where
   that is written from right to left, so is the page
3. every face that it can show is in the page from the start; its script only chooses among them by the events, so a
   screen that hears nothing for some seconds knows that it has lost its gate, and says so. It begins that way
4. what the gate knows about itself stands small in a corner, for whoever looks after it, in the colour of the rest: it
   is no news for a holder. That staff check by hand for now is said to the holder too, calmly, before a code is shown
5. an address in a page is relative, so that the pages work behind a proxy that puts a path in front
"""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path

from waypass_reader.board import Board
from waypass_reader.web import Answer, EventStream, Html, Problem, Request, Route, file_routes, fill, page
from waypass_reader.words import (
    ALL_SCREENS,
    BY_HAND,
    CAMERA_GONE,
    CAMERA_THERE,
    CLOCK_RIGHT,
    CLOCK_WRONG,
    FREE_WAYS,
    HINTS,
    IDLE,
    LANGUAGE_NAMES,
    LISTS_OF_AGE,
    LISTS_OF_NO_AGE,
    NO_CONNECTION,
    NO_LISTS,
    NO_SCRIPT,
    OF_ITSELF,
    OUT_OF_ORDER,
    SCREEN_OF,
    SIGNS,
    STAFF_PAGE,
    Language,
    Words,
)

HERE = Path(__file__).resolve().parent
# A screen that shows green must notice soon that it has lost its gate.
HEARTBEAT_SECONDS = 2.0

# Every face of a screen by its name, which its sign and the script know too.
FACES: Mapping[str, Words] = {
    "idle": IDLE,
    **{hint.value: words for hint, words in HINTS.items()},
    **{aspect.value: sign.words for aspect, sign in SIGNS.items()},
    **{why.value: words for why, words in FREE_WAYS.items()},
    "out-of-order": OUT_OF_ORDER,
    "lost": NO_CONNECTION,
}
LOST = "lost"

# What the corner says, by part and by what the script finds of it. `{age}` is for the script: it tells the time.
PARTS: Mapping[str, Mapping[str, Words]] = {
    "lists": {"of-age": LISTS_OF_AGE, "of-no-age": LISTS_OF_NO_AGE, "none": NO_LISTS},
    "clock": {"well": CLOCK_RIGHT, "not-well": CLOCK_WRONG},
    "camera": {"well": CAMERA_THERE, "not-well": CAMERA_GONE},
}


class Screens:
    """The pages of the lanes' screens. `staff` is whether the first page leads to one for staff, too."""

    def __init__(
        self, board: Board, *, reader: str, station: str, language: Language, also: Sequence[Language], staff: bool
    ) -> None:
        self._board = board
        self._reader = reader
        self._station = station
        self._languages = (language, *also)
        self._staff = staff
        self._display = (HERE / "display.html").read_text(encoding="utf-8")
        self._index = (HERE / "index.html").read_text(encoding="utf-8")
        self._signs = {name: _read_sign(name) for name in (*FACES, *PARTS, "well", "not-well")}

    def routes(self) -> list[Route]:
        """Where they are."""
        return [
            Route(method="GET", path="/", handler=self._show_all),
            Route(method="GET", path="/display/{lane}", handler=self._show),
            Route(method="GET", path="/display/{lane}/events", handler=self._follow),
            *file_routes("/static", HERE / "static"),
        ]

    def _show_all(self, request: Request) -> Answer:
        large = self._large(request)
        rows = [
            fill(
                '<li><a href="display/$lane?lang=$lang">$title</a></li>',
                lane=lane,
                lang=large.value,
                title=SCREEN_OF.spoken(large).format(lane=lane),
            )
            for lane in self._board.lanes
        ]
        staff = fill(
            '<p class="staff"><a href="staff/?lang=$lang">$words</a></p>\n',
            lang=large.value,
            words=STAFF_PAGE.spoken(large),
        )
        return page(
            fill(
                self._index,
                lang=large.value,
                dir=large.direction,
                languages=_language_links(large),
                title=ALL_SCREENS.spoken(large).format(reader=self._reader),
                station=self._station,
                lanes=Html("".join(rows)),
                staff=staff if self._staff else Html(""),
            )
        )

    def _show(self, request: Request) -> Answer:
        lane = self._lane(request)
        large = self._large(request)
        small = [language for language in self._languages if language is not large][:2]
        faces = {face: self._face(face, large, small) for face in FACES}
        templates = [
            fill('<template id="face-$face">$content</template>\n', face=face, content=content)
            for face, content in faces.items()
        ]
        return page(
            fill(
                self._display,
                lang=large.value,
                dir=large.direction,
                title=SCREEN_OF.spoken(large).format(lane=lane),
                lane=lane,
                station=self._station,
                lost=faces[LOST],
                no_script=NO_SCRIPT.spoken(large),
                by_hand=_paragraphs("calm", BY_HAND, [large, *small]),
                of_itself=OF_ITSELF.spoken(large),
                parts=Html("".join(self._part(part, large) for part in PARTS)),
                templates=Html("".join(templates)),
            )
        )

    def _follow(self, request: Request) -> EventStream:
        return EventStream(feed=self._board.follow(self._lane(request)), heartbeat_seconds=HEARTBEAT_SECONDS)

    def _face(self, face: str, large: Language, small: Sequence[Language]) -> Html:
        words = FACES[face]
        return fill(
            '$sign<div class="words">$large$small</div>',
            sign=self._signs[face],
            large=_paragraphs("large", words, [large]),
            small=_paragraphs("small", words, small),
        )

    def _part(self, part: str, language: Language) -> Html:
        """One part of the corner, with all that it may say in attributes."""
        said = Html(
            "".join(fill(' data-$name="$words"', name=name, words=words.spoken(language)) for name, words in _of(part))
        )
        return fill(
            '<li data-part="$part"$said>$sign$well$wrong<span></span></li>\n',
            part=part,
            said=said,
            sign=self._signs[part],
            well=self._signs["well"],
            wrong=self._signs["not-well"],
        )

    def _lane(self, request: Request) -> str:
        lane = request.parts["lane"]
        if lane not in self._board.lanes:
            raise Problem(HTTPStatus.NOT_FOUND, f"expected a lane among {', '.join(self._board.lanes)}")
        return lane

    def _large(self, request: Request) -> Language:
        """The language to speak. Raises `Problem` for one that no screen speaks."""
        asked = request.query.get("lang", self._languages[0].value)
        try:
            return Language(asked)
        except ValueError:
            raise Problem(HTTPStatus.BAD_REQUEST, f"expected lang among {', '.join(Language)}") from None


def _of(part: str) -> Sequence[tuple[str, Words]]:
    return [(name, words) for name, words in PARTS[part].items()]


def _read_sign(name: str) -> Html:
    return Html((HERE / "signs" / f"{name}.svg").read_text(encoding="utf-8").strip())


def _language_links(spoken: Language) -> Html:
    return Html(
        "".join(
            fill('<a href="?lang=$lang" lang="$lang" hreflang="$lang">$name</a>', lang=each.value, name=name)
            for each, name in LANGUAGE_NAMES.items()
            if each is not spoken
        )
    )


def _paragraphs(kind: str, words: Words, languages: Sequence[Language]) -> Html:
    return Html(
        "".join(
            fill(
                '<p class="$kind" lang="$lang" dir="$dir">$said</p>',
                kind=kind,
                lang=language.value,
                dir=language.direction,
                said=_clauses(words.spoken(language)),
            )
            for language in languages
        )
    )


def _clauses(text: str) -> Html:
    """The text in pieces that a line is broken between before it is broken inside one; Chinese has no blanks."""
    pieces = re.split(r"(?<=[;，；؛])(\s*)", text)  # every second one is what stands between
    return Html("".join(fill("<span>$piece</span>", piece=one) if one.strip() else one for one in pieces))
