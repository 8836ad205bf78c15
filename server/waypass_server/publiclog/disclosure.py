"""Proofs for whom they concern: a leaf's place in the log, one log behind another, and a person's own records.

1. every proof is against a checkpoint that was signed; what came after it is proved by the next one
2. a person sees the records that concern them, newest `MAX_LEAVES`; those of an entry only once it was announced to
   them, like the entry itself
3. a leaf alone is public, and says nothing
"""

from functools import partial

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from waypass_protocol.logproofs import MAX_LEAVES, Consistency, Inclusion, Opening, ProvedLeaf
from waypass_protocol.logrecords import commit
from waypass_protocol.merkle import prove_consistency, prove_inclusion
from waypass_server.models.lists_of_people import Entry
from waypass_server.models.public_log import LogLeaf, LogOpening
from waypass_server.models.records import Event
from waypass_server.publiclog import checkpoints
from waypass_server.publiclog.checkpoints import SignedCheckpoint
from waypass_server.publiclog.tiles import Tiles
from waypass_server.refusals import BadInput, NotFound


def prove_person(session: Session, network_id: int, person_id: int) -> Inclusion:
    """All that concerns a person, opened. Raises `NotFound` while no checkpoint has any of it."""
    checkpoint = signed(session, network_id)
    query = (
        select(LogOpening)
        .join(Event, Event.id == LogOpening.event_id)
        .outerjoin(Entry, and_(Event.subject == "entry", Entry.id == Event.subject_id))
        .where(
            LogOpening.network_id == network_id,
            LogOpening.person_id == person_id,
            LogOpening.idx < checkpoint.size,
            _announced(),
        )
    )
    rows = session.scalars(query.order_by(LogOpening.idx.desc()).limit(MAX_LEAVES)).all()
    if not rows:
        raise NotFound("log: nothing about you is in a checkpoint yet; the next one comes within a minute")
    tiles = Tiles(session, network_id)
    leaves = [
        ProvedLeaf(
            index=row.idx,
            leaf=commit(row.salt, row.record),
            proof=tuple(prove_inclusion(row.idx, checkpoint.size, tiles.node_at)),
            opening=Opening(salt=row.salt, record=row.record),
        )
        for row in reversed(rows)
    ]
    return Inclusion(checkpoint=checkpoint.note, leaves=tuple(leaves))


def prove_leaf(session: Session, network_id: int, *, index: int, size: int | None) -> Inclusion:
    """One leaf, unopened. Raises `NotFound` or `BadInput`."""
    checkpoint = signed(session, network_id, size)
    leaf = session.get(LogLeaf, (network_id, index))
    if leaf is None or index >= checkpoint.size:
        raise BadInput(f"index: expected a leaf below the size of {checkpoint.size}, got {index}")
    proof = tuple(prove_inclusion(index, checkpoint.size, Tiles(session, network_id).node_at))
    return Inclusion(checkpoint=checkpoint.note, leaves=(ProvedLeaf(index=index, leaf=leaf.leaf, proof=proof),))


def prove_growth(session: Session, network_id: int, *, old: int, new: int | None) -> Consistency:
    """That one checkpoint only adds to another. Raises `NotFound` or `BadInput`."""
    before, after = signed(session, network_id, old), signed(session, network_id, new)
    if before.size > after.size:
        raise BadInput(f"old: expected a size up to {after.size}, got {old}")
    proof = tuple(prove_consistency(before.size, after.size, Tiles(session, network_id).node_at))
    return Consistency(old=before.note, new=after.note, proof=proof)


def signed(session: Session, network_id: int, size: int | None = None) -> SignedCheckpoint:
    """The checkpoint of this size, or the newest. Raises `NotFound`."""
    at = checkpoints.newest if size is None else partial(checkpoints.of_size, size=size)
    found = at(session, network_id)
    if found is None:
        which = "a checkpoint that was signed" if size is None else f"a checkpoint that was signed of {size} leaves"
        raise NotFound(f"log: expected {which}, there is none")
    return found


def _announced() -> ColumnElement[bool]:
    """Rule 2."""
    return or_(Event.subject != "entry", Entry.notified_at.is_not(None))
