"""Passes that were issued: which of them are alive, and taking away those that became too permissive.

1. A pass is alive while its status is 0 and it has not expired; `MARGIN` longer here, because a gate's clock may be
   behind
2. a pass is too permissive when in any of its scopes it says something milder than the holder's aspect there; a scope
   that the network no longer has counts as red
3. what is taken away gets status 1, and its row in the outbox in the same transaction; who commits rings the bell
   (`Services.change` does both)

4. issuing and taking away lock the person, so that no pass is issued on aspects that somebody is just changing

Passes that are merely too strict live on until the wallet has fetched new ones: no change stops people who may go.
Issuing is in `issuing`.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Row, bindparam, func, select, update
from sqlalchemy.orm import Session

from waypass_protocol.bits import INVALID, VALID
from waypass_protocol.passes import Aspect
from waypass_server.database import announce
from waypass_server.many_rows import AnyRow, add_rows, among, as_text, from_text, rows_of, table_of
from waypass_server.models.people import Person
from waypass_server.models.status import PassKind, PassRow, StatusChange

MARGIN = 300
"""Seconds."""

_log = logging.getLogger(__name__)


def live_passes(session: Session, person_id: int, now: int, *, kind: PassKind | None = None) -> list[PassRow]:
    """The passes of a person that a gate may still accept (rule 1)."""
    query = select(PassRow).where(PassRow.person_id == person_id, PassRow.exp > now - MARGIN, PassRow.status == VALID)
    if kind is not None:
        query = query.where(PassRow.kind == kind)
    return list(session.scalars(query.order_by(PassRow.id)))


def count_live(session: Session, person_id: int, now: int) -> int:
    """How many there are."""
    session.flush()
    counted: int = session.connection().execute(_COUNT_LIVE, {"person": person_id, "after": now - MARGIN}).scalar_one()
    return counted


_passes = table_of(PassRow)
_COUNT_LIVE = (
    select(func.count())
    .select_from(_passes)
    .where(_passes.c.person_id == bindparam("person"), _passes.c.exp > bindparam("after"), _passes.c.status == VALID)
)
_LOCK = select(Person).where(Person.id == bindparam("person")).with_for_update(key_share=True)


def lock_person(session: Session, person_id: int) -> Person:
    """The person, locked until the transaction ends (rule 4)."""
    return session.scalars(_LOCK, {"person": person_id}).one()


def worsen_passes(session: Session, person_id: int, aspects: Mapping[int, Aspect], now: int) -> int:
    """Take away a person's passes that are more permissive than `aspects` (rule 2); how many there were."""
    lock_person(session, person_id)
    return take_away(session, too_permissive(session, person_id, aspects, now), now)


def too_permissive(session: Session, person_id: int, aspects: Mapping[int, Aspect], now: int) -> list[PassRow]:
    """A person's live passes that are more permissive than `aspects` (rule 2)."""
    return [row for row in live_passes(session, person_id, now) if says_too_much(row, aspects)]


def live_passes_of(session: Session, people: Sequence[int], now: int) -> Sequence[AnyRow]:
    """The live passes of all these people (rule 1): id, person, place and aspects, without an object each."""
    aspects = as_text(PassRow.aspects).label("aspects_text")
    query = select(PassRow.id, PassRow.person_id, PassRow.list_id, PassRow.idx, aspects)
    alive = among(session, PassRow.person_id, people), PassRow.exp > now - MARGIN, PassRow.status == VALID
    return rows_of(session, query.where(*alive))


def take_away_rows(session: Session, rows: Sequence[AnyRow], now: int) -> int:
    """`take_away` for many passes, as `live_passes_of` gives them."""
    if rows:
        gone = update(PassRow).where(among(session, PassRow.id, (row.id for row in rows))).values(status=INVALID)
        session.execute(gone.execution_options(synchronize_session=False))
        changes = [(row.list_id, row.idx, INVALID, now) for row in rows]
        add_rows(session, StatusChange, ("list_id", "idx", "status", "committed_at"), changes)
        announce(session)
    return len(rows)


def withdraw_passes(session: Session, person_id: int, now: int, *, reason: str) -> int:
    """Take away all live passes of a person; nothing keeps them from getting new ones. How many there were.

    `reason` is a code for the log, which names no person.
    """
    lock_person(session, person_id)
    count = take_away(session, live_passes(session, person_id, now), now)
    _log.info("%d passes withdrawn: %s", count, reason)
    return count


def take_away(session: Session, rows: Iterable[PassRow], now: int) -> int:
    """Give these passes status 1, with their rows in the outbox (rule 3); how many there were."""
    count = 0
    for row in rows:
        row.status = INVALID
        session.add(StatusChange(list_id=row.list_id, idx=row.idx, status=INVALID, committed_at=now))
        count += 1
    if count:
        announce(session)
    return count


def says_too_much(row: PassRow | AnyRow, aspects: Mapping[int, Aspect]) -> bool:
    """Whether a pass is more permissive than `aspects` (rule 2)."""
    return any(said < aspects.get(int(scope), Aspect.RED) for scope, said in aspects_said(row).items())


def aspects_said(row: PassRow | AnyRow) -> Mapping[str, int]:
    """What a pass says, by scope number as text."""
    said: Mapping[str, int] = from_text(row.aspects_text) if isinstance(row, Row) else row.aspects
    return said
