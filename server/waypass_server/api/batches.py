"""Batches of imported entries: looked at with a preview, approved as a whole by another person, and ended."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field
from sqlalchemy import select

from waypass_server import entries
from waypass_server.api.access import Approver, ServicesHere, StaffMember
from waypass_server.api.bases import proposer_of
from waypass_server.api.entries import PAGE, Reading, Side
from waypass_server.api.forms import AfterId, EntryForStaff, IdInPath, Input, Output, RecordId
from waypass_server.bulk import batches, preview
from waypass_server.bulk.preview import Preview
from waypass_server.life import Action
from waypass_server.models.bulk import Batch, BatchState, BatchStep
from waypass_server.models.lists_of_people import Effect, Entry
from waypass_server.models.worsening import Level, Window
from waypass_server.problems import RESPONSES

router = APIRouter(prefix="/api/v1/batches", tags=["batches"], responses=RESPONSES)


class BatchOut(Output):
    """A batch. `entries`: how many were proposed; `step`: what is being carried out on them at this moment."""

    id: int
    state: BatchState
    step: BatchStep | None
    entries: int
    proposed_by: int
    proposed_at: int
    approved_by: int | None
    approved_at: int | None
    confirmed_by: int | None
    confirmed_at: int | None
    ended_by: int | None
    ended_at: int | None

    @staticmethod
    def of(batch: Batch) -> "BatchOut":
        """From a row."""
        return BatchOut(**{name: getattr(batch, name) for name in BatchOut.model_fields})


class InScopeOut(Output):
    """How many people a batch reaches in one scope with one effect."""

    scope: int
    effect: Effect
    people: int


class OnBasisOut(Output):
    """How many of a batch's entries are on one basis."""

    basis: int
    entries: int


class NearnessOut(Output):
    """A limit: `people` count now, `after` would with the batch, `limit` may."""

    level: Level
    of: int
    window: Window
    people: int
    after: int
    limit: int
    passed: bool


class PreviewOut(Output):
    """What approving a batch would do, as things are now. `network`: all people of the network; `live`: live passes of
    the people whom the batch reaches, of which `invalid` would get status 1; `usual`: people worsened a day, over the
    last 30 days, and `days` each of these, the oldest first; `held`: a third person would have to confirm.
    """

    at: int
    entries: int
    people: int
    network: int
    share: float
    live: int
    invalid: int
    worsening: int
    usual: float
    held: bool
    days: list[int]
    scopes: list[InScopeOut]
    bases: list[OnBasisOut]
    limits: list[NearnessOut]

    @staticmethod
    def of(seen: Preview) -> "PreviewOut":
        """From a look."""
        same = ("at", "entries", "people", "network", "share", "live", "invalid", "worsening", "usual", "held", "days")
        return PreviewOut(
            **{name: getattr(seen, name) for name in same},
            scopes=[InScopeOut(scope=one.scope, effect=one.effect, people=one.people) for one in seen.scopes],
            bases=[OnBasisOut(basis=one.version.basis_id, entries=one.entries) for one in seen.bases],
            limits=[
                NearnessOut(
                    level=one.standing.subject.level,
                    of=one.standing.subject.id,
                    window=one.standing.window,
                    people=one.standing.people,
                    after=one.after,
                    limit=one.standing.limit,
                    passed=one.passed,
                )
                for one in seen.limits
            ],
        )


class EntriesOfBatch(Input):
    """Entries of a batch, by their ids."""

    entries: Annotated[tuple[RecordId, ...], Field(min_length=1, max_length=batches.MOST_TAKEN_OUT)]


class TakenOut(Output):
    """How many entries were taken out."""

    taken_out: int


@router.get("", summary="Batches, the newest first")
def read_batches(member: Reading, here: ServicesHere, state: BatchState | None = None) -> list[BatchOut]:
    """At most 200."""
    query = select(Batch).where(Batch.network_id == member.network_id)
    if state is not None:
        query = query.where(Batch.state == state)
    with here.database.reading() as session:
        return [BatchOut.of(batch) for batch in session.scalars(query.order_by(Batch.id.desc()).limit(PAGE))]


@router.get("/{batch_id}", summary="One batch")
def read_batch(batch_id: IdInPath, member: Reading, here: ServicesHere) -> BatchOut:
    """Where it is, and who moved it there."""
    with here.database.reading() as session:
        return BatchOut.of(batches.find_batch(session, member.network_id, batch_id, lock=False))


@router.get("/{batch_id}/preview", summary="What approving it would do")
def read_preview(batch_id: IdInPath, member: Reading, here: ServicesHere) -> PreviewOut:
    """How many people and live passes, in which scopes, what share of the network, against the usual."""
    with here.database.reading() as session:
        batch = batches.find_batch(session, member.network_id, batch_id, lock=False)
        return PreviewOut.of(preview.look(session, batch, here.now()))


@router.get("/{batch_id}/entries", summary="Its entries")
def read_entries_of_batch(
    batch_id: IdInPath, member: Reading, here: ServicesHere, after: AfterId = 0
) -> list[EntryForStaff]:
    """A page of at most 200; `after` is the last id of the page before."""
    with here.database.reading() as session:
        batch = batches.find_batch(session, member.network_id, batch_id, lock=False)
        query = select(Entry).where(Entry.batch_id == batch.id, Entry.id > after)
        query = entries.readable(query, proposer_of(member)).order_by(Entry.id).limit(PAGE)
        return [EntryForStaff.of(entry) for entry in session.scalars(query)]


@router.post("/{batch_id}/approve", summary="Approve a batch")
def approve_batch(batch_id: IdInPath, member: Approver, here: ServicesHere) -> BatchOut:
    """By another person than the one who imported it, from another desk. Past a limit on how many people may be
    worsened it is held for a third one.
    """
    elsewhere = here.settings.approval_elsewhere
    with here.change() as session:
        batch = batches.find_batch(session, member.network_id, batch_id)
        approver = proposer_of(member)
        return BatchOut.of(batches.approve(session, batch, approver=approver, elsewhere=elsewhere, now=here.now()))


@router.post("/{batch_id}/confirm", summary="Let a batch go on that was held past a limit")
def confirm_batch(batch_id: IdInPath, member: Approver, here: ServicesHere) -> BatchOut:
    """By a third person, who neither imported nor approved it."""
    elsewhere = here.settings.approval_elsewhere
    with here.change() as session:
        batch = batches.find_batch(session, member.network_id, batch_id)
        confirmer = proposer_of(member)
        return BatchOut.of(batches.confirm(session, batch, confirmer=confirmer, elsewhere=elsewhere, now=here.now()))


@router.post("/{batch_id}/take-out", summary="Take single entries out of a batch that waits")
def take_out_of_batch(batch_id: IdInPath, body: EntriesOfBatch, member: Side, here: ServicesHere) -> TakenOut:
    """They are withdrawn. One person is enough."""
    with here.change() as session:
        batch = batches.find_batch(session, member.network_id, batch_id)
        actor, now = member.actor(), here.now()
        return TakenOut(taken_out=batches.take_out(session, batch, body.entries, actor=actor, now=now))


@router.post("/{batch_id}/withdraw", summary="Turn a batch down")
def withdraw_batch(batch_id: IdInPath, member: Side, here: ServicesHere) -> BatchOut:
    """While it waits. One person is enough; its entries are withdrawn."""
    return _end(batch_id, Action.WITHDRAW, member, here)


@router.post("/{batch_id}/undo", summary="Undo a batch that was approved by mistake")
def undo_batch(batch_id: IdInPath, member: Reading, here: ServicesHere) -> BatchOut:
    """Within 24 h. One person is enough, whoever notices; its entries end."""
    return _end(batch_id, Action.UNDO, member, here)


def _end(batch_id: int, action: Action, member: StaffMember, here: ServicesHere) -> BatchOut:
    with here.change() as session:
        batch = batches.find_batch(session, member.network_id, batch_id)
        return BatchOut.of(batches.end(session, batch, action, actor=member.actor(), now=here.now()))
