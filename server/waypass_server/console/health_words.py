"""What a reader says of its own health, in the console's language.

Readers say it in English, in texts of their own; the server knows the shapes of those that staff meet and says them in
another language. What it does not know stays as it came, and is marked as English for whoever listens to the page.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from waypass_server.console.shapes import said
from waypass_server.console.words import mark

PARTS: Final = (
    mark("disk"),
    mark("camera {lane}"),
    mark("lane {lane}"),
    mark("crowd key"),
    mark("emergency release"),
    mark("re-entry"),
    mark("broker"),
    mark("display"),
)
SHAPES: Final = (
    mark("ok"),
    mark("a status message can't be written ({why})"),
    mark("the floors can't be written ({why})"),
    mark("an old message can't be removed ({why})"),
    mark("the kept messages can't be listed ({why})"),
    mark("a damaged file can't be set aside ({why})"),
    mark("a floors file was damaged"),
    mark("{name}: no frame for {seconds} s; check its cable and its power"),
    mark("{name}: gives no more frames; check its cable and its power"),
    mark(
        "{name}: one and the same picture for {seconds} s; it hangs or is covered: look at its lens, then pull its "
        "cable and plug it in again"
    ),
    mark("{name}: there is no such device (video devices here: {found}); check the cable, or set `device`"),
    mark("{name}: no permission; add the reader's user to the group `video` and log in again"),
    mark("{name}: can't be opened as a camera; another program may be using it, or it is no camera"),
    mark("{name}: its driver hangs; pull its cable, or restart the machine"),
    mark("held open for a crowd by its key"),
    mark("its sensor has seen nobody for some openings"),
    mark("sensor: it has been on for {seconds} s; look for what holds it"),
    mark("turnstile: the relay does not pull when it is told to; look at its supply"),
    mark("turnstile: the relay is stuck and holds the barrier open; replace it"),
    mark("this reader remembers alone: the station box gives no keys"),
    mark("turned: all lanes are held open"),
    mark("pressed: the way out is open"),
    mark("{number} lines were dropped"),
    mark("the broker refuses to give {topics}; look at its access list"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """One part's word. `known` is whether it is in the page's language, or in the reader's."""

    part: str
    words: str
    known: bool


def tell(part: str, words: str, *, say: Callable[[str], str]) -> Told:
    """The word of one part; `say` knows a text in the page's language."""
    found = said(words, SHAPES, say)
    return Told(part=said(part, PARTS, say) or part, words=found or words, known=found is not None)
