"""One person by the exact reference: where they stand now and why. There is no search by anything else.

The reference is sent in a form, so that it does not end up in a log of addresses. Each search is an event of whoever
searched, also one in vain; it concerns the person, who finds it among their records in the public log.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from waypass_server import lookups
from waypass_server.api.access import ServicesHere
from waypass_server.api.forms import PersonInput
from waypass_server.api.standing import explain
from waypass_server.console import forms
from waypass_server.console.access import Overseer, Posted
from waypass_server.console.forms import Filled, FormRefused
from waypass_server.console.people import names_of_scopes
from waypass_server.console.rendering import rendering, show
from waypass_server.console.sessions import SignedIn
from waypass_server.exemptions import exemptions_of, may_end
from waypass_server.life import State
from waypass_server.models.lists_of_people import Entry, Exemption
from waypass_server.models.people import Person
from waypass_server.models.status import PassKind
from waypass_server.passes import live_passes
from waypass_server.roles import Role
from waypass_server.services import Services

router = APIRouter(prefix="/search")

ENDED = 20
"""Entries that have ended, of which so many are shown: the newest."""


@router.get("")
def show_search(request: Request, _me: Overseer) -> Response:
    """The field."""
    return show(request, "search.html", filled=Filled())


@router.post("")
def search(request: Request, form: Posted, me: Overseer, here: ServicesHere) -> Response:
    """What concerns that person now."""
    speech = rendering(request).speech(request)
    try:
        body = forms.read(PersonInput, {"person": form.text("person")}, speech)
        with here.change() as session:
            person = lookups.look_up(
                session,
                network_id=me.member.network_id,
                reference=body.person,
                staff_id=me.member.staff_id,
                actor=me.member.actor(),
                now=here.now(),
            )
        if person is None:
            raise FormRefused({"person": speech("Nobody here has this reference. Check every character.")})
    except FormRefused as refused:
        filled = Filled.of(form, texts=("person",), errors=refused.errors)
        return show(request, "search.html", status=422, filled=filled)
    with here.database.reading() as session:
        return _show(request, session, person, me, here)


def _show(request: Request, session: Session, person: Person, me: SignedIn, here: Services) -> Response:
    now = here.now()
    exempt = exemptions_of(session, person.id, now)
    standing, until = explain(session, person, now)
    mine = select(Entry).where(Entry.person_id == person.id).order_by(Entry.id.desc())
    return show(
        request,
        "person.html",
        person=person,
        standing=standing,
        changes_at=until,
        entries=list(session.scalars(mine.where(Entry.state != State.ENDED))),
        ended=list(session.scalars(mine.where(Entry.state == State.ENDED).limit(ENDED))),
        exemptions=exempt,
        may_end=_may_end(session, exempt, me),
        passes=_passes(session, person, now),
        scopes=names_of_scopes(session, person.network_id),
    )


def _may_end(session: Session, exempt: Sequence[Exemption], me: SignedIn) -> frozenset[int]:
    """Which of these whoever is signed in may end."""
    if Role.REVIEWER not in me.member.roles:
        return frozenset()
    return may_end(session, exempt, actor=me.member.actor(), authority_id=me.member.authority_id)


def _passes(session: Session, person: Person, now: int) -> Mapping[str, int]:
    """How many live passes there are, by kind; nothing else about a pass is shown."""
    counted = Counter(row.kind for row in live_passes(session, person.id, now))
    return {kind.value: counted[kind] for kind in PassKind}
