"""Batches: entries that were imported, decided on as a whole.

1. a batch is approved by another person than the one who imported it, from another desk, and where the network says so
   not of the authority of any of its bases: the rules of `life` and `desks`, asked once for all of its entries
2. every basis of it is in force as it was when it was proposed (`Conflict`)
3. each entry that worsens somebody counts at the limits (`worsening`). Where that passes one, there is the alarm, and
   the batch is held until a third person has confirmed it
4. single entries are taken out before it is approved: they are withdrawn, and count nowhere
5. a batch that waits can be turned down by one person; one that was approved can be undone by one person for 24 h after
   that, or after the last of its entries took effect
6. the decision is one transaction; it is carried out on the entries after that (`carrying`). A repeated decision by the
   same person changes nothing
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from waypass_server import bases, desks, entries, events, life, together, worsening
from waypass_server.bases import Proposer
from waypass_server.database import LOCKED
from waypass_server.life import Action, Actor, Life, State
from waypass_server.models.bulk import Batch, BatchState, BatchStep
from waypass_server.models.lists_of_people import Basis, BasisVersion, Effect, Entry
from waypass_server.refusals import BadInput, Conflict, NotFound

MOST_TAKEN_OUT = 1000
_WAITING = frozenset({BatchState.PROPOSED, BatchState.HELD})
_STATES = {
    BatchState.READING: State.PROPOSED,
    BatchState.PROPOSED: State.PROPOSED,
    BatchState.HELD: State.HELD,
    BatchState.APPROVED: State.APPROVED,
    BatchState.ENDED: State.ENDED,
}
"""The batch as an entry, for the rules of `life`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OnBasis:
    """The entries of a batch that wait on one version of a basis: how many, and how many of them worsen somebody."""

    version: BasisVersion
    entries: int
    worsening: int


def find_batch(session: Session, network_id: int, batch_id: int, *, lock: bool = True) -> Batch:
    """Locked until the transaction ends, unless it is only looked at. Raises `NotFound`."""
    batch = session.get(Batch, batch_id, with_for_update=LOCKED if lock else None)
    if batch is None or batch.network_id != network_id:
        raise NotFound(f"batch: expected one of the network's batches, got {batch_id}")
    return batch


def life_of(batch: Batch, *, effective_at: int | None = None) -> Life:
    """As much of it as the rules of `life` look at. `effective_at`: when the last of its entries took effect."""
    return Life(
        state=_STATES[batch.state],
        proposed_by=batch.proposed_by,
        approved_by=batch.approved_by,
        approved_at=batch.confirmed_at or batch.approved_at,
        confirmed_by=batch.confirmed_by,
        effective_at=effective_at,
    )


def _last_effect(session: Session, batch: Batch) -> int | None:
    return session.scalar(select(func.max(Entry.effective_at)).where(Entry.batch_id == batch.id))


def on_bases(session: Session, batch: Batch) -> list[OnBasis]:
    """What waits in a batch, by basis."""
    worse = func.count(Entry.id).filter(Entry.effect != Effect.GRANT)
    query = select(Entry.basis_version_id, func.count(Entry.id), worse)
    query = query.where(Entry.batch_id == batch.id, Entry.state.in_([State.PROPOSED, State.HELD]))
    counted = session.execute(query.group_by(Entry.basis_version_id).order_by(Entry.basis_version_id)).all()
    return [
        OnBasis(version=session.get_one(BasisVersion, version_id), entries=count, worsening=worsens)
        for version_id, count, worsens in counted
    ]


def approve(session: Session, batch: Batch, *, approver: Proposer, elsewhere: bool = False, now: int) -> Batch:
    """Rules 1 to 3. Raises `LifeError`, `Forbidden` or `Conflict`."""
    actor = approver.actor
    life.check_actor(Action.APPROVE, actor)
    if batch.approved_by == actor.staff_id and batch.state is not BatchState.ENDED:
        return batch
    _check_read(batch)
    life.after(Action.APPROVE, life_of(batch), actor, now)
    parts = on_bases(session, batch)
    _check_decision(session, batch, parts, actor, elsewhere=elsewhere)
    passed = [
        each
        for part in parts
        if part.worsening
        for each in worsening.count(session, part.version.basis, part.worsening, actor=actor, now=now)
    ]
    batch.approved_by, batch.approved_at = actor.staff_id, now
    _decide(batch, BatchState.HELD if passed else BatchState.APPROVED, BatchStep.HOLD if passed else BatchStep.APPROVE)
    _log(session, batch, actor, "batch.held" if passed else "batch.approved", now, parts)
    return batch


def confirm(session: Session, batch: Batch, *, confirmer: Proposer, elsewhere: bool = False, now: int) -> Batch:
    """A third person lets a batch go on that was held. Raises as `approve` does."""
    actor = confirmer.actor
    life.check_actor(Action.CONFIRM, actor)
    if batch.confirmed_by == actor.staff_id and batch.state is not BatchState.ENDED:
        return batch
    life.after(Action.CONFIRM, life_of(batch), actor, now)
    parts = on_bases(session, batch)
    _check_decision(session, batch, parts, actor, elsewhere=elsewhere)
    batch.confirmed_by, batch.confirmed_at = actor.staff_id, now
    _decide(batch, BatchState.APPROVED, BatchStep.APPROVE)
    _log(session, batch, actor, "batch.confirmed", now, parts)
    return batch


def end(session: Session, batch: Batch, action: Action, *, actor: Actor, now: int) -> Batch:
    """Rule 5: turn it down while it waits (`WITHDRAW`), or undo it (`UNDO`). Raises `LifeError` or `Conflict`."""
    if action not in (Action.WITHDRAW, Action.UNDO):
        raise BadInput(f"batch: expected withdraw or undo, got {action.value}")
    life.check_actor(action, actor)
    if batch.state is BatchState.ENDED:
        return batch
    if action is Action.WITHDRAW and batch.state not in (*_WAITING, BatchState.READING):
        raise Conflict("withdraw: expected a batch that waits, this one is approved; undo it, or end its entries")
    life.after(action, life_of(batch, effective_at=_last_effect(session, batch)), actor, now)
    batch.ended_by, batch.ended_at = actor.staff_id, now
    _decide(batch, BatchState.ENDED, BatchStep.END)
    _log(session, batch, actor, f"batch.{action.value}", now, ())
    return batch


def take_out(session: Session, batch: Batch, ids: Sequence[int], *, actor: Actor, now: int) -> int:
    """Rule 4; how many. Raises `LifeError`, `BadInput`, `Conflict` or `NotFound`."""
    life.check_actor(Action.WITHDRAW, actor)
    if not 1 <= len(ids) <= MOST_TAKEN_OUT:
        raise BadInput(f"entries: expected 1 to {MOST_TAKEN_OUT}, got {len(ids)}")
    if batch.state is not BatchState.PROPOSED:
        raise Conflict(f"take out: expected a batch that waits for approval, this one is {batch.state.value}")
    query = select(Entry).where(Entry.batch_id == batch.id, Entry.id.in_(ids)).order_by(Entry.id)
    found = session.scalars(query.with_for_update(key_share=True)).all()
    if len(found) != len(set(ids)):
        raise NotFound(f"entries: expected entries of batch {batch.id}, got {len(set(ids)) - len(found)} others")
    together.lock_first(session, (), sorted({entry.person_id for entry in found}))
    for entry in found:
        entries.end(session, entry, Action.WITHDRAW, actor=actor, now=now)
    return len(found)


def check_approver(session: Session, batch: Batch, actor: Actor, *, elsewhere: bool = False) -> None:
    """Rule 1, as far as it is about who somebody is. Raises `SamePerson` or `Forbidden`."""
    _check_other(session, batch, actor, _authorities(session, batch) if elsewhere else None)


def _authorities(session: Session, batch: Batch) -> set[int]:
    versions = select(Entry.basis_version_id).where(Entry.batch_id == batch.id).distinct()
    query = select(Basis.authority_id).join(BasisVersion, BasisVersion.basis_id == Basis.id)
    return set(session.scalars(query.where(BasisVersion.id.in_(versions))))


def _check_decision(session: Session, batch: Batch, parts: Sequence[OnBasis], actor: Actor, *, elsewhere: bool) -> None:
    """Rules 1 and 2."""
    _check_other(session, batch, actor, {part.version.basis.authority_id for part in parts} if elsewhere else None)
    if not parts:
        raise Conflict("approve: expected a batch with entries that wait, all of them were taken out")
    for part in parts:
        if bases.version_in_force(part.version.basis) is not part.version:
            raise Conflict(
                f"approve: expected entries on the bases as they are in force, basis {part.version.basis_id} has "
                "changed since"
            )


def _check_other(session: Session, batch: Batch, actor: Actor, authorities: set[int] | None) -> None:
    what = "approve" if batch.approved_by is None else "confirm"
    not_of = None
    if authorities is not None:
        not_of = desks.NotOf(authorities=authorities, called="an authority of the batch's bases")
    desks.check_other(session, what, actor.staff_id, desks.parts_of(life_of(batch)), not_of=not_of)


def _check_read(batch: Batch) -> None:
    """Rule 4 of `runs`."""
    if batch.state is BatchState.READING:
        raise Conflict("approve: expected a batch whose file was read to its end, this one is still being imported")


def _decide(batch: Batch, state: BatchState, step: BatchStep) -> None:
    batch.state, batch.step, batch.reached = state, step, 0


def _log(session: Session, batch: Batch, actor: Actor, what: str, now: int, parts: Sequence[OnBasis]) -> None:
    events.record(
        session,
        network_id=batch.network_id,
        at=now,
        actor=actor,
        what=what,
        subject=("batch", batch.id),
        state=batch.state.value,
        entries=sum(part.entries for part in parts),
        bases=[part.version.basis_id for part in parts],
    )
