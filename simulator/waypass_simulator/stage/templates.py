"""The stage's pages, filled in: Jinja, with every value escaped."""

from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

_FOLDER: Final = Path(__file__).resolve().parent / "pages"
_PAGES: Final = Environment(
    loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)


def render(page: str, **values: Any) -> str:
    """A page by its file name, with these values in it."""
    return _PAGES.get_template(page).render(**values)
