"""Pages from templates, in the language of the browser or the one that was chosen.

Every template knows: `_` and `ngettext`, `speech` (words, durations, times), `me` (who is signed in, or None), `csrf`,
`here` (this page's address), `network`, `now`, and what its handler gives it. A name that nobody gave is an error.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from waypass_server.api.access import services
from waypass_server.console.access import address_of
from waypass_server.console.health_words import tell
from waypass_server.console.sessions import SignedIn
from waypass_server.console.words import LANGUAGES, Speech, mark, preferred
from waypass_server.life import State
from waypass_server.roles import Role

LANGUAGE_COOKIE = "waypass_lang"
TEMPLATES = Path(__file__).parent / "templates"

DONE: Mapping[str, str] = {
    "proposed": mark("Proposed. It waits for another person; nothing has changed for anybody yet."),
    "approved": mark("Approved. The person is being told; it takes effect when the notice is over."),
    "held": mark("Approved, and held: a limit is passed. A third person has to confirm it; everybody sees the alarm."),
    "entry-confirmed": mark("Confirmed. The person is being told; it takes effect when the notice is over."),
    "batch-approved": mark(
        "Approved. Everybody whom it concerns is being told; it takes effect when the notice is over."
    ),
    "batch-held": mark(
        "Approved, and held: a limit is passed. A third person has to confirm it; everybody sees the alarm."
    ),
    "imported": mark("Proposed as one batch. It waits for another person; nothing has changed for anybody yet."),
    "facts-imported": mark("Recorded. Everybody whom it concerns is being told."),
    "taken-out": mark("Taken out. The entry has ended."),
    "batch-withdrawn": mark("Turned down. All of its entries end."),
    "batch-undone": mark("Undone. All of its entries end; whoever was told of one is being told."),
    "limit-proposed": mark("Proposed. It waits for another person."),
    "limit-agreed": mark("You agreed."),
    "limit-withdrawn": mark("Taken back."),
    "basis-proposed": mark("Proposed. It waits for another person; nothing has changed for anybody yet."),
    "basis-approved": mark("The basis is in force."),
    "shadow-run": mark("Counted. Nothing has changed for anybody."),
    "rules-approved": mark("The rules are in force. Everybody is being looked at again."),
    "rules-ended": mark("Ended. The rules count no more."),
    "rules-proposed": mark("Proposed. Count whom it would turn; then another person can put it in force."),
    "reconfirmed": mark("Recorded: the source still stands by it."),
    "case-recorded": mark("Recorded. The entry goes on."),
    "case-ended": mark("Recorded. The entry has ended; the person is being told."),
    "exempted": mark("Done. The person is green until the exemption is over."),
    "exemption-ended": mark("Ended. What the entries say counts again."),
    "turned-down": mark("Turned down. The rule does not propose it for this person again."),
    "undone": mark("Undone. The entry has ended; the person is being told."),
    "withdrawn": mark("Withdrawn. The entry has ended."),
    "lifted": mark("Lifted. The entry has ended; the person is being told."),
    "decided": mark("Decided. The person is being told."),
    "confirmed": mark("Confirmed. The passes are withdrawn."),
    "password-set": mark("The password is set. Your other sessions have ended."),
    "passkey-registered": mark("The passkey is registered."),
    "passkey-removed": mark("The passkey is removed. Your other sessions have ended."),
    "token-revoked": mark("The token is revoked."),
    "sessions-ended": mark("All your sessions have ended, at every browser."),
    "link-asked": mark("Asked for. It waits for a second administrator."),
    "enrolled": mark("It is set up. Sign in with it now."),
    "signed-out": mark("You are signed out."),
    "ended": mark(
        "Your session has ended: its time was over, nothing was done for a while, or it was ended elsewhere. Sign in,"
        " and you are back at your page."
    ),
}
"""What a page says first after something was done; named in the address as `done`."""
SIGNS: Mapping[str, str] = {"held": "alarm", "batch-held": "alarm", "ended": "clock"}
"""Those of them that are not good news, by their sign."""


class Rendering:
    """The templates in every language."""

    def __init__(self) -> None:
        self._speech = {language: Speech(language) for language in LANGUAGES}
        self._environments = {language: _environment(speech) for language, speech in self._speech.items()}

    def speech(self, request: Request) -> Speech:
        """The language that was chosen, or the browser's."""
        chosen = request.cookies.get(LANGUAGE_COOKIE, "")
        return self._speech[chosen if chosen in LANGUAGES else preferred(request.headers.get("accept-language", ""))]

    def text(self, request: Request, template: str, **values: Any) -> str:
        """A template as text."""
        speech, here = self.speech(request), services(request)
        me: SignedIn | None = getattr(request.state, "signed_in", None)
        done = request.query_params.get("done", "")
        return (
            self._environments[speech.language]
            .get_template(template)
            .render(
                speech=speech,
                me=me,
                csrf=me.csrf if me else "",
                here=address_of(request),
                network=here.settings.network,
                now=here.now(),
                said=DONE.get(done),
                said_sign=SIGNS.get(done, "tick"),
                **values,
            )
        )


def rendering(request: Request) -> Rendering:
    """The application's."""
    held = request.app.state.rendering
    assert isinstance(held, Rendering)
    return held


def show(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """A page."""
    return HTMLResponse(rendering(request).text(request, template, **values), status_code=status)


def go(place: str, *, done: str | None = None) -> Response:
    """On to another page, after a form."""
    return RedirectResponse(f"{place}?done={done}" if done else place, status_code=303)


def _environment(speech: Speech) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.policies["ext.i18n.trimmed"] = True
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False}
    # The extension adds this method, which the library's type hints do not know.
    environment.install_gettext_translations(speech.translations, newstyle=True)  # type: ignore[attr-defined]
    environment.globals.update(LANGUAGES=LANGUAGES, Role=Role, State=State, tell_health=partial(tell, say=speech))
    return environment
