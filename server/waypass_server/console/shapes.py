"""Texts that other parts of the system say in English, in the page's language: by their shapes, with names in them."""

import re
from collections.abc import Callable, Sequence


def said(text: str, shapes: Sequence[str], say: Callable[[str], str]) -> str | None:
    """The text in the language that `say` speaks; None when it is of no shape. What stands in a shape's places stays as
    it came.
    """
    for shape in shapes:
        found = _pattern(shape).fullmatch(text)
        if found is not None:
            words = say(shape)
            for name, value in found.groupdict().items():
                words = words.replace(f"{{{name}}}", value)
            return words
    return None


def _pattern(shape: str) -> "re.Pattern[str]":
    """The shape's text with anything in the places of its names."""
    pieces = re.split(r"\{(\w+)\}", shape)
    return re.compile(
        "".join(f"(?P<{piece}>.+?)" if number % 2 else re.escape(piece) for number, piece in enumerate(pieces)),
        re.DOTALL,
    )
