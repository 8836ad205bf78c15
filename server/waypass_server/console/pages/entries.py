"""Entries: look, approve, reconfirm, record the case, undo, withdraw, lift. The rules are those of `entries` and
`life`, and nobody else's; proposing is in `entry_form`.

Before somebody approves, the page says what will happen: to whom, in which services, from when, and how many of the
person's live passes would become invalid, by the functions that will do it.
"""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from waypass_server import bases, entries, life, worsening
from waypass_server.api.access import ServicesHere
from waypass_server.api.bases import proposer_of
from waypass_server.api.entries import CaseChange
from waypass_server.api.forms import IdInPath
from waypass_server.aspects import standing_of
from waypass_server.console import forms
from waypass_server.console.access import Approver, CaseKeeper, EntryReader, EntrySide, Posted, Proposer, Reviewer
from waypass_server.console.forms import FormRefused
from waypass_server.console.people import names_of_scopes, names_of_staff
from waypass_server.console.rendering import go, rendering, show
from waypass_server.console.sessions import SignedIn
from waypass_server.errors import ServerError
from waypass_server.exemptions import exemptions_of
from waypass_server.life import Action, State
from waypass_server.models.lists_of_people import Effect, Entry
from waypass_server.passes import live_passes, too_permissive
from waypass_server.refusals import Problem
from waypass_server.services import Services

router = APIRouter(prefix="/entries")

PAGE = 100
ACTIONS = (
    Action.APPROVE,
    Action.CONFIRM,
    Action.RECONFIRM,
    Action.DISMISS,
    Action.UNDO,
    Action.WITHDRAW,
    Action.LIFT,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Consequences:
    """What an entry would do to passes: how many of the person's live ones it would make invalid."""

    live: int
    invalid: int


@router.get("")
def list_entries(
    request: Request,
    me: EntryReader,
    here: ServicesHere,
    state: State = State.PROPOSED,
    before: Annotated[int, Query(ge=0, lt=1 << 53)] = 0,
) -> Response:
    """Entries in one state, the newest first; there is no search by anything else."""
    query = select(Entry).where(Entry.network_id == me.member.network_id, Entry.state == state)
    query = entries.readable(query, proposer_of(me.member))
    if before:
        query = query.where(Entry.id < before)
    with here.database.reading() as session:
        found = list(session.scalars(query.order_by(Entry.id.desc()).limit(PAGE)))
        scopes = names_of_scopes(session, me.member.network_id)
        return show(request, "entries.html", entries=found, state=state, scopes=scopes, more=len(found) == PAGE)


@router.get("/{entry_id}")
def show_entry(entry_id: IdInPath, request: Request, me: EntryReader, here: ServicesHere) -> Response:
    """One entry, what it does, and what can be done with it."""
    return _show(request, entry_id, me, here)


@router.post("/{entry_id}/approve")
def approve(entry_id: IdInPath, _form: Posted, me: Approver, here: ServicesHere) -> Response:
    """By another person than the one who proposed it."""
    with here.change() as session:
        entry = entries.find_entry(session, me.member.network_id, entry_id)
        elsewhere = here.settings.approval_elsewhere
        entries.approve(session, entry, approver=proposer_of(me.member), elsewhere=elsewhere, now=here.now())
        held = entry.state is State.HELD
    return go(f"/ops/entries/{entry_id}", done="held" if held else "approved")


@router.post("/{entry_id}/confirm")
def confirm(entry_id: IdInPath, _form: Posted, me: Approver, here: ServicesHere) -> Response:
    """By a third person, past a limit."""
    with here.change() as session:
        entry = entries.find_entry(session, me.member.network_id, entry_id)
        elsewhere = here.settings.approval_elsewhere
        entries.confirm(session, entry, confirmer=proposer_of(me.member), elsewhere=elsewhere, now=here.now())
    return go(f"/ops/entries/{entry_id}", done="entry-confirmed")


@router.post("/{entry_id}/reconfirm")
def reconfirm(entry_id: IdInPath, _form: Posted, me: Proposer, here: ServicesHere) -> Response:
    """Its source was asked again, and stands by it."""
    with here.change() as session:
        entry = entries.find_entry(session, me.member.network_id, entry_id)
        entries.reconfirm(session, entry, proposer=proposer_of(me.member), now=here.now())
    return go(f"/ops/entries/{entry_id}", done="reconfirmed")


@router.post("/{entry_id}/case")
def set_case(entry_id: IdInPath, request: Request, form: Posted, me: CaseKeeper, here: ServicesHere) -> Response:
    """What became of the source case; dismissed or won, the entry ends."""
    try:
        body = forms.read(CaseChange, {"state": form.text("state")}, rendering(request).speech(request))
    except FormRefused as refused:
        return _show(request, entry_id, me, here, case_error=refused.errors["state"])
    with here.change() as session:
        entry = entries.find_entry(session, me.member.network_id, entry_id)
        entries.set_case(session, entry, body.state, keeper=proposer_of(me.member), now=here.now())
        ended = entry.state is State.ENDED
    return go(f"/ops/entries/{entry_id}", done="case-ended" if ended else "case-recorded")


@router.post("/{entry_id}/undo")
def undo(entry_id: IdInPath, _form: Posted, me: EntryReader, here: ServicesHere) -> Response:
    """One person is enough."""
    return _end(entry_id, Action.UNDO, me, here, "undone")


@router.post("/{entry_id}/withdraw")
def withdraw(entry_id: IdInPath, _form: Posted, me: EntrySide, here: ServicesHere) -> Response:
    """One person is enough, at any time."""
    return _end(entry_id, Action.WITHDRAW, me, here, "withdrawn")


@router.post("/{entry_id}/lift")
def lift(entry_id: IdInPath, _form: Posted, me: Reviewer, here: ServicesHere) -> Response:
    """By a reviewer who neither proposed nor approved it."""
    return _end(entry_id, Action.LIFT, me, here, "lifted")


def _end(entry_id: int, action: Action, me: SignedIn, here: Services, done: str) -> Response:
    with here.change() as session:
        entry = entries.find_entry(session, me.member.network_id, entry_id)
        entries.end(session, entry, action, actor=me.member.actor(), now=here.now())
    return go(f"/ops/entries/{entry_id}", done=done)


def _show(request: Request, entry_id: int, me: SignedIn, here: Services, *, case_error: str | None = None) -> Response:
    now = here.now()
    with here.database.reading() as session:
        entry = entries.find_entry(session, me.member.network_id, entry_id, lock=False)
        entries.check_reader(entry, proposer_of(me.member))
        refusals = _refusals(session, entry, me, here)
        return show(
            request,
            "entry.html",
            status=422 if case_error else 200,
            entry=entry,
            version=entry.version,
            authority=entry.version.basis.authority,
            scopes=names_of_scopes(session, me.member.network_id),
            staff=names_of_staff(session, me.member.network_id),
            would_pass=_would_pass(session, entry, now),
            consequences=_consequences(session, entry, now) if entry.state is not State.ENDED else None,
            exemptions=exemptions_of(session, entry.person_id, now),
            earliest=max(entry.starts_at, now + entry.version.notice),
            may={action.value: refusal is None for action, refusal in refusals.items()},
            why_not=_why_not(entry, me, refusals[Action.APPROVE]),
            undo_until=life.undo_until(entry.life()),
            cases=entries.cases_for(entry, proposer_of(me.member)),
            case_error=case_error,
        )


def _refusals(session: Session, entry: Entry, me: SignedIn, here: Services) -> dict[Action, ServerError | None]:
    """Why each step cannot be taken by whoever is signed in, or None; asked of what would refuse."""
    now = here.now()
    found: dict[Action, ServerError | None] = {
        action: life.refusal(action, entry.life(), me.member.actor(), now) for action in ACTIONS
    }
    for action in (Action.APPROVE, Action.CONFIRM):
        found[action] = found[action] or _desk_refusal(session, entry, me, here)
    found[Action.RECONFIRM] = found[Action.RECONFIRM] or _source_refusal(entry, me, now)
    return found


def _source_refusal(entry: Entry, me: SignedIn, now: int) -> Problem | None:
    """Why this authority may not say that the source stands by it, or None."""
    try:
        bases.check_authority(entry.version.basis, proposer_of(me.member))
        entries.check_confirmable(entry, now)
    except Problem as problem:
        return problem
    return None


def _consequences(session: Session, entry: Entry, now: int) -> Consequences:
    """As things are now, if the entry were in effect."""
    aspects = standing_of(session, entry.person_id, now, as_if=entry).aspects
    return Consequences(
        live=len(live_passes(session, entry.person_id, now)),
        invalid=len(too_permissive(session, entry.person_id, aspects, now)),
    )


def _would_pass(session: Session, entry: Entry, now: int) -> bool:
    """Whether approving a proposal would pass a limit, so that a third person has to confirm it."""
    if entry.state is not State.PROPOSED or entry.effect is Effect.GRANT:
        return False
    return bool(worsening.would_pass(session, entry.version.basis, 1, now))


def _desk_refusal(session: Session, entry: Entry, me: SignedIn, here: Services) -> Problem | None:
    """Why this desk or authority may not approve the entry, or None; nobody may one that came in a batch."""
    try:
        entries.check_alone(entry, "approve")
        elsewhere = here.settings.approval_elsewhere
        entries.check_approver(session, entry, me.member.actor(), elsewhere=elsewhere)
    except Problem as problem:
        return problem
    return None


def _why_not(entry: Entry, me: SignedIn, refusal: ServerError | None) -> str | None:
    """Why whoever is signed in cannot approve a proposal: a word for the template."""
    if refusal is None or entry.state is not State.PROPOSED:
        return None
    if entry.batch_id is not None:
        return "batch"
    if entry.proposed_by == me.member.staff_id:
        return "own"
    return "desk" if isinstance(refusal, Problem) else "role"
