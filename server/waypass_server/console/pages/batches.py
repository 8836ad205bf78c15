"""Batches of imported entries: what one would do, with pictures, and the decision. The rules are those of
`bulk.batches`, and nobody else's.
"""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from waypass_server import entries, life
from waypass_server.api.access import ServicesHere, StaffMember
from waypass_server.api.bases import proposer_of
from waypass_server.api.forms import IdInPath
from waypass_server.bulk import batches, preview
from waypass_server.console import forms
from waypass_server.console.access import Approver, EntryReader, EntrySide, Posted
from waypass_server.console.pages.limits import names_of_subjects
from waypass_server.console.people import names_of_scopes, names_of_staff
from waypass_server.console.rendering import go, show
from waypass_server.console.sessions import SignedIn
from waypass_server.life import Action, LifeError
from waypass_server.models.bulk import Batch, BatchState, Import
from waypass_server.models.lists_of_people import Entry
from waypass_server.refusals import Problem
from waypass_server.services import Services

router = APIRouter(prefix="/batches")

PAGE = 50
_WAITING = (BatchState.PROPOSED, BatchState.HELD)


@router.get("")
def list_batches(request: Request, me: EntryReader, here: ServicesHere) -> Response:
    """The newest first."""
    query = select(Batch).where(Batch.network_id == me.member.network_id).order_by(Batch.id.desc())
    with here.database.reading() as session:
        found = list(session.scalars(query.limit(PAGE)))
        return show(request, "batches.html", batches=found, staff=names_of_staff(session, me.member.network_id))


@router.get("/{batch_id}")
def show_batch(
    batch_id: IdInPath,
    request: Request,
    me: EntryReader,
    here: ServicesHere,
    after: Annotated[int, Query(ge=0, lt=1 << 53)] = 0,
) -> Response:
    """One batch: what it would do, what can be done with it, and its entries a page at a time."""
    now, network_id = here.now(), me.member.network_id
    with here.database.reading() as session:
        batch = batches.find_batch(session, network_id, batch_id, lock=False)
        query = select(Entry).where(Entry.batch_id == batch.id, Entry.id > after)
        query = entries.readable(query, proposer_of(me.member)).order_by(Entry.id).limit(PAGE)
        found = list(session.scalars(query))
        return show(
            request,
            "batch.html",
            batch=batch,
            file=session.get_one(Import, batch.import_id),
            seen=preview.look(session, batch, now) if batch.state in _WAITING else None,
            entries=found,
            more=len(found) == PAGE,
            scopes=names_of_scopes(session, network_id),
            staff=names_of_staff(session, network_id),
            names=names_of_subjects(session, network_id),
            may={action.value: may(session, batch, action, me.member, here) for action in _ACTIONS},
            own=batch.proposed_by == me.member.staff_id,
            undo_until=life.undo_until(batches.life_of(batch)),
        )


@router.post("/{batch_id}/approve")
def approve(batch_id: IdInPath, _form: Posted, me: Approver, here: ServicesHere) -> Response:
    """By another person than the one who imported it."""
    elsewhere = here.settings.approval_elsewhere
    with here.change() as session:
        batch = batches.find_batch(session, me.member.network_id, batch_id)
        batches.approve(session, batch, approver=proposer_of(me.member), elsewhere=elsewhere, now=here.now())
        held = batch.state is BatchState.HELD
    return go(f"/ops/batches/{batch_id}", done="batch-held" if held else "batch-approved")


@router.post("/{batch_id}/confirm")
def confirm(batch_id: IdInPath, _form: Posted, me: Approver, here: ServicesHere) -> Response:
    """By a third person, past a limit."""
    elsewhere = here.settings.approval_elsewhere
    with here.change() as session:
        batch = batches.find_batch(session, me.member.network_id, batch_id)
        batches.confirm(session, batch, confirmer=proposer_of(me.member), elsewhere=elsewhere, now=here.now())
    return go(f"/ops/batches/{batch_id}", done="batch-approved")


@router.post("/{batch_id}/take-out")
def take_out(batch_id: IdInPath, form: Posted, me: EntrySide, here: ServicesHere) -> Response:
    """One entry, before the batch is approved."""
    with here.change() as session:
        batch = batches.find_batch(session, me.member.network_id, batch_id)
        entry = forms.record_id(form.text("entry"))
        batches.take_out(session, batch, [entry], actor=me.member.actor(), now=here.now())
    return go(f"/ops/batches/{batch_id}", done="taken-out")


@router.post("/{batch_id}/withdraw")
def withdraw(batch_id: IdInPath, _form: Posted, me: EntrySide, here: ServicesHere) -> Response:
    """While it waits; one person is enough."""
    return _end(batch_id, Action.WITHDRAW, me, here, "batch-withdrawn")


@router.post("/{batch_id}/undo")
def undo(batch_id: IdInPath, _form: Posted, me: EntryReader, here: ServicesHere) -> Response:
    """Within 24 h; one person is enough."""
    return _end(batch_id, Action.UNDO, me, here, "batch-undone")


_ACTIONS = (Action.APPROVE, Action.CONFIRM, Action.WITHDRAW, Action.UNDO)


def waiting_batches(session: Session, network_id: int) -> list[Batch]:
    """Those that wait for somebody's decision, the oldest first."""
    query = select(Batch).where(Batch.network_id == network_id, Batch.state.in_(_WAITING))
    return list(session.scalars(query.order_by(Batch.id).limit(PAGE)))


def may(session: Session, batch: Batch, action: Action, member: StaffMember, here: Services) -> bool:
    """Whether this person may do it now, by the functions that would refuse."""
    if batch.state is BatchState.READING or (action is Action.WITHDRAW and batch.state not in _WAITING):
        return False
    if life.refusal(action, batches.life_of(batch), member.actor(), here.now()) is not None:
        return False
    if action not in (Action.APPROVE, Action.CONFIRM):
        return True
    try:
        elsewhere = here.settings.approval_elsewhere
        batches.check_approver(session, batch, member.actor(), elsewhere=elsewhere)
    except (Problem, LifeError):
        return False
    return True


def _end(batch_id: int, action: Action, me: SignedIn, here: Services, done: str) -> Response:
    with here.change() as session:
        batch = batches.find_batch(session, me.member.network_id, batch_id)
        batches.end(session, batch, action, actor=me.member.actor(), now=here.now())
    return go(f"/ops/batches/{batch_id}", done=done)
