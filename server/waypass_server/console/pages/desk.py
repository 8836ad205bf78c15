"""The service desk: a person by reference, a code with which they set up a wallet, a pass on paper.

Codes and passes are shown once, on the page that the form leads to; nothing of them is kept. Sent twice, a form makes a
second code or pass, and the first is void: the one on the screen is always the one that counts.
"""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from waypass_server import people
from waypass_server.api.access import ServicesHere
from waypass_server.api.desk import NewPerson
from waypass_server.api.passes import Format, PaperRequest, drawn, make_paper, read_paper
from waypass_server.console import forms, qr
from waypass_server.console.access import Desk, Form, Posted
from waypass_server.console.forms import Filled, FormRefused
from waypass_server.console.rendering import rendering, show
from waypass_server.console.sessions import SignedIn
from waypass_server.console.words import Speech
from waypass_server.issuing import ScopeNotOpen
from waypass_server.models.network import Scope
from waypass_server.models.people import Person
from waypass_server.refusals import Problem
from waypass_server.services import Services
from waypass_server.withdrawals import NeedsSecondPerson

router = APIRouter(prefix="/desk")

_TEXTS = ("reference", "hint")
_FILES = {Format.PNG: "png", Format.SVG: "svg", Format.PDF: "pdf"}


@router.get("")
def show_desk(request: Request, me: Desk, here: ServicesHere) -> Response:
    """Whose wallet, or whose paper."""
    return _show(request, me, here, Filled())


@router.post("/code")
def make_code(request: Request, form: Posted, me: Desk, here: ServicesHere) -> Response:
    """Register the reference if it is new, and make a code: as text, and as a link to the wallet of this server."""
    speech = rendering(request).speech(request)
    try:
        body = forms.read(NewPerson, {"reference": form.text("reference")}, speech)
        with here.change() as session:
            person, new = _register(session, me, here, body, speech)
            code = people.new_desk_code(
                session, person, actor=me.member.actor(), random_bytes=here.random_bytes, now=here.now()
            )
    except FormRefused as refused:
        return _refill(request, form, me, here, refused)
    link = f"{request.url.scheme}://{request.url.netloc}/wallet/#enrol={code.code}"
    return show(request, "desk_code.html", code=code, new=new, reference=body.reference, link=link, drawn=qr.draw(link))


@router.post("/paper")
def make_paper_pass(request: Request, form: Posted, me: Desk, here: ServicesHere) -> Response:
    """Register the reference if it is new, and issue a pass on paper in place of the person's earlier one."""
    speech = rendering(request).speech(request)
    scopes = [int(each) for each in form.texts("scopes") if each.isascii() and each.isdigit()]
    values: dict[str, Any] = {"person": form.text("reference"), "scopes": scopes, "hint": form.text("hint") or None}
    try:
        body = forms.read(PaperRequest, values, speech)
        with here.change() as session:
            person, _ = _register(session, me, here, NewPerson(reference=body.person), speech)
            try:
                signed = make_paper(session, here, person, body.scopes, hint=body.hint, actor=me.member.actor())
            except ScopeNotOpen:
                closed = speech("This person cannot have a pass for one of these services.")
                raise FormRefused({"scopes": closed}) from None
            except NeedsSecondPerson:
                limit = speech(
                    "Passes were taken away too often for one person alone. Operations withdraw this one with a second "
                    "person; then make a new one here."
                )
                raise FormRefused({"reference": limit}) from None
            except Problem as problem:
                raise forms.at_field(problem, {"hint": speech("Use characters that can be seen.")}) from None
    except FormRefused as refused:
        return _refill(request, form, me, here, refused)
    paper = drawn(signed, here.settings.network)
    return show(request, "desk_paper.html", paper=paper, code=qr.of_modules(paper.modules()), reference=body.person)


@router.post("/paper/file")
def draw_paper_pass(form: Posted, _me: Desk, here: ServicesHere) -> Response:
    """The pass that is on the screen, as a file to print; nothing is issued and nothing is kept."""
    chosen = next((each for each, name in _FILES.items() if name == form.text("format")), Format.PDF)
    paper = drawn(read_paper(form.text("text")), here.settings.network)
    name = f'attachment; filename="waypass-paper.{_FILES[chosen]}"'
    return Response(paper.draw(chosen.drawing), media_type=chosen.drawing.value, headers={"Content-Disposition": name})


def _register(session: Session, me: SignedIn, here: Services, body: NewPerson, speech: Speech) -> tuple[Person, bool]:
    """Raises `FormRefused`."""
    try:
        return people.register(
            session,
            network_id=me.member.network_id,
            reference=body.reference,
            actor=me.member.actor(),
            now=here.now(),
        )
    except Problem as problem:
        raise forms.at_field(problem, {"reference": speech("This cannot be a reference.")}) from None


def _refill(request: Request, form: Form, me: SignedIn, here: Services, refused: FormRefused) -> Response:
    # The API calls the same field `person` in one body and `reference` in the other.
    errors = {"reference" if name == "person" else name: text for name, text in refused.errors.items()}
    filled = Filled.of(form, texts=_TEXTS, lists=("scopes",), errors=errors)
    return _show(request, me, here, filled, status=422)


def _show(request: Request, me: SignedIn, here: Services, filled: Filled, *, status: int = 200) -> Response:
    query = select(Scope).where(Scope.network_id == me.member.network_id).order_by(Scope.number)
    with here.database.reading() as session:
        scopes = list(session.scalars(query))
    return show(request, "desk.html", status=status, filled=filled, scopes=scopes)
