"""What was decided on a batch, carried out on its entries: some thousands a transaction, in the order of their ids.

How far it came is committed with the entries. So it goes on after a crash where it was, several processes may do it,
and other changes wait for one part at most. An entry that is not where the step begins any more (it was withdrawn,
or has expired) is left as it is.
"""

from collections.abc import Sequence

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from waypass_server import life, together
from waypass_server.database import LOCKED
from waypass_server.life import Action, Actor, Kind, State
from waypass_server.models.bulk import Batch, BatchStep
from waypass_server.models.lists_of_people import Entry
from waypass_server.models.network import Network
from waypass_server.services import Services

AT_ONCE = 2000


def carry_on(services: Services, *, turns: int) -> bool:
    """Carry out so many parts of what was decided; whether there is more."""
    for _ in range(turns):
        with services.database.reading() as session:
            batch_id = session.scalars(_waiting(services)).first()
        if batch_id is None:
            return False
        with services.change() as session:
            carry_out_part(session, batch_id, services.now())
    return True


def _waiting(services: Services) -> Select[int]:
    query = select(Batch.id).join(Network, Network.id == Batch.network_id)
    mine = Batch.step.is_not(None), Network.name == services.settings.network
    return query.where(*mine).order_by(Batch.id).limit(1)


def carry_out_part(session: Session, batch_id: int, now: int, *, at_once: int = AT_ONCE) -> None:
    """The next entries of one batch; when there are none, the step is done."""
    batch = session.get_one(Batch, batch_id, with_for_update=LOCKED, populate_existing=True)
    if batch.step is None:
        return  # another process of the server has finished it
    after = Entry.batch_id == batch.id, Entry.id > batch.reached
    ids = session.scalars(select(Entry.id).where(*after).order_by(Entry.id).limit(at_once)).all()
    if not ids:
        batch.step = None
        return
    _carry_out(session, batch, ids, now)
    batch.reached = ids[-1]


def _carry_out(session: Session, batch: Batch, ids: Sequence[int], now: int) -> None:
    """The decision's own person is who did it, also for an entry that is reached later."""
    approved_by, approved_at = batch.approved_by, batch.approved_at
    if batch.step is BatchStep.END:
        _end(session, batch, ids, now)
        return
    assert approved_by is not None
    assert approved_at is not None
    if batch.step is BatchStep.HOLD:
        together.hold(session, ids, actor=_staff(approved_by), approved_at=approved_at, now=now)
        return
    together.approve(
        session,
        ids,
        approved_by=approved_by,
        approved_at=approved_at,
        confirmer=batch.confirmed_by,
        actor=_staff(batch.confirmed_by or approved_by),
        now=now,
    )


def _end(session: Session, batch: Batch, ids: Sequence[int], now: int) -> None:
    """A batch that was never approved is withdrawn. One that was is undone, but for entries that took effect more than
    24 h before: the rule is that of `life`. Those that the approval had not reached are withdrawn.
    """
    assert batch.ended_by is not None
    assert batch.ended_at is not None
    actor = _staff(batch.ended_by)
    mine = select(Entry.person_id).where(Entry.id.in_(ids), Entry.state != State.ENDED)
    together.lock_first(session, ids, sorted(set(session.scalars(mine))))
    if batch.approved_by is not None:
        kept = Entry.id.in_(ids), Entry.effective_at < batch.ended_at - life.UNDO_PERIOD
        late = set(session.scalars(select(Entry.id).where(*kept)))
        together.end(session, [each for each in ids if each not in late], Action.UNDO, actor=actor, now=now)
        waiting = Entry.id.in_(ids), Entry.state == State.PROPOSED
        ids = session.scalars(select(Entry.id).where(*waiting)).all()
    together.end(session, ids, Action.WITHDRAW, actor=actor, now=now)


def _staff(staff_id: int) -> Actor:
    return Actor(kind=Kind.STAFF, staff_id=staff_id)
