"""The public pages under `/public`: rendered here, without a sign-in, a script or a cookie.

1. the language is the one in the address (`lang`), else the browser's
2. what is shown may be `KEPT` seconds old, so that nobody can wear the database out, and nobody sees one change alone
   in the figures
3. the headers are the console's: nothing inline, nothing of another origin
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from waypass_server.api.access import ServicesHere
from waypass_server.api.public_log import log_keys
from waypass_server.console.headers import HEADERS
from waypass_server.console.words import LANGUAGES, Speech, preferred
from waypass_server.models.lists_of_people import Effect
from waypass_server.people import serving_network
from waypass_server.public import figures, register
from waypass_server.public.words import WORDS
from waypass_server.services import Services

router = APIRouter(include_in_schema=False)

KEPT = 60
_FOLDER = Path(__file__).parent
_HEADERS = {**HEADERS, "Cache-Control": f"public, max-age={KEPT}", "Vary": "Accept-Language"}


@dataclass(slots=True)
class PublicPages:
    """The templates, and what was last read for them."""

    environment: Environment
    held: dict[str, tuple[int, Any]] = field(default_factory=dict)

    def figures(self, here: Services) -> figures.Figures:
        """Rule 2."""
        found: figures.Figures = self._kept("figures", here, figures.look)
        return found

    def register(self, here: Services) -> register.Register:
        """Rule 2."""
        found: register.Register = self._kept("register", here, register.look)
        return found

    def _kept(self, name: str, here: Services, look: Any) -> Any:
        now = here.now()
        at, value = self.held.get(name, (0, None))
        if value is None or not 0 <= now - at < KEPT:
            with here.database.reading() as session:
                value = look(session, serving_network(session, here).id, now)
            self.held[name] = now, value
        return value


def public_pages(request: Request) -> PublicPages:
    """This application's, made with the first request."""
    state = request.app.state
    if not hasattr(state, "public_pages"):
        state.public_pages = PublicPages(environment=_environment())
    held = state.public_pages
    assert isinstance(held, PublicPages)
    return held


Pages = Annotated[PublicPages, Depends(public_pages)]
Chosen = Annotated[str, Query(alias="lang", max_length=2)]
Accepted = Annotated[str, Header(alias="Accept-Language")]


@router.get("/public")
@router.get("/public/")
def begin() -> Response:
    """The figures come first."""
    return RedirectResponse("/public/figures", status_code=307, headers=_HEADERS)


@router.get("/public/figures")
def show_figures(pages: Pages, here: ServicesHere, chosen: Chosen = "", accepted: Accepted = "") -> Response:
    """Entries, objections, limits."""
    return _show(pages, here, "figures", _language(chosen, accepted), figures=pages.figures(here), effects=list(Effect))


@router.get("/public/register")
def show_register(pages: Pages, here: ServicesHere, chosen: Chosen = "", accepted: Accepted = "") -> Response:
    """Authorities, bases, services, keys, and the log."""
    shown, keys = pages.register(here), log_keys(here)
    return _show(pages, here, "register", _language(chosen, accepted), register=shown, log_keys=keys)


@router.get("/public/public.css")
def read_styles() -> Response:
    """What these pages need besides the console's styles."""
    data = (_FOLDER / "static" / "public.css").read_bytes()
    return Response(data, media_type="text/css; charset=utf-8", headers=_HEADERS)


def _show(pages: PublicPages, here: Services, page: str, language: str, **values: Any) -> Response:
    text = pages.environment.get_template(f"{page}.html").render(
        page=page,
        words=WORDS[language],
        speech=Speech(language),
        network=here.settings.network,
        now=here.now(),
        **values,
    )
    return HTMLResponse(text, headers=_HEADERS)


def _language(chosen: str, accepted: str) -> str:
    """Rule 1."""
    return chosen if chosen in LANGUAGES else preferred(accepted)


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(LANGUAGES=LANGUAGES)
    return environment
