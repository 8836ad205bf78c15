"""What the publisher reads and writes in the database: one statement each, made once.

Everything here works in the caller's transaction. The statements of a version are Core, not ORM, and are built once
at import: they stand between a commit and a gate, and building them anew took longer than running them.
"""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BindParameter, Connection, Table, bindparam, delete, exists, func, insert, select, update
from sqlalchemy.orm import Session

from waypass_protocol import bits, cbor, cose
from waypass_protocol.errors import Malformed
from waypass_protocol.keys import Signer
from waypass_protocol.status import Delta, decode_indexes, sign_delta
from waypass_server.errors import ServerError
from waypass_server.models.base import Base
from waypass_server.models.status import (
    Block,
    Decoy,
    ListVersion,
    PassRow,
    PublishedHead,
    StatusChange,
    StatusList,
    StoredDelta,
    StoredSnapshot,
)

ENDED_AT_ONCE = 4
CHANGES_AT_ONCE = 100_000  # far below what fits into 512 KiB

_URI, _VERSION = 2, -70010
_STATUS_LIST, _CHANGES = 65533, -70011


def _table(model: type[Base]) -> Table:
    table = model.__table__
    assert isinstance(table, Table)
    return table


_OUTBOX, _VERSIONS, _HEADS = _table(StatusChange).c, _table(ListVersion).c, _table(PublishedHead).c
_LISTS: BindParameter[Any] = bindparam("lists", expanding=True)

_LOOK = select(
    exists().where(_OUTBOX.list_id.in_(_LISTS)).label("changed"),
    select(func.count())
    .select_from(_table(StatusList))
    .where(_table(StatusList).c.network_id == bindparam("network"), _table(StatusList).c.ended_at.is_(None))
    .scalar_subquery(),
)
_PENDING = (
    select(_OUTBOX.id, _OUTBOX.list_id, _OUTBOX.idx, _OUTBOX.status, _OUTBOX.committed_at)
    .where(_OUTBOX.list_id.in_(_LISTS))
    .order_by(_OUTBOX.id)
    .limit(CHANGES_AT_ONCE)
)
_TAKE = delete(_table(StatusChange)).where(_OUTBOX.id == bindparam("taken"))
_ADD_DELTA = insert(_table(StoredDelta))
_NEW_VERSION = update(_table(ListVersion)).where(
    _VERSIONS.list_id == bindparam("list"), _VERSIONS.version == bindparam("before")
)
_NEXT_SEQUENCE = (
    update(_table(PublishedHead))
    .where(_HEADS.network_id == bindparam("network"), _HEADS.holder == bindparam("publisher"))
    .values(sequence=_HEADS.sequence + 1)
    .returning(_HEADS.sequence)
)


class DamagedStatus(ServerError):
    """What the database holds of a status list does not add up to what was published."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outbox:
    """What waits: whether there are changes, and how many lists the network has that have not ended."""

    changed: bool
    lists: int


def look(connection: Connection, network_id: int, lists: Sequence[int]) -> Outbox:
    """Into the outbox of these lists."""
    changed, count = connection.execute(_LOOK, {"network": network_id, "lists": lists}).one()
    return Outbox(changed=bool(changed), lists=count)


@dataclass(frozen=True, slots=True)
class Taken:
    """Changes that were taken out of the outbox: per list, index to its newest status; and the second at which the
    oldest of them was committed, None where there is none.
    """

    changes: Mapping[int, Mapping[int, int]]
    committed_at: int | None


def take_changes(connection: Connection, lists: Sequence[int]) -> Taken:
    """Take the changes of these lists out of the outbox."""
    changes: dict[int, dict[int, int]] = defaultdict(dict)
    taken = []
    oldest: int | None = None
    for row_id, list_id, idx, status, committed_at in connection.execute(_PENDING, {"lists": lists}):
        changes[list_id][idx] = status
        taken.append({"taken": row_id})
        oldest = committed_at if oldest is None else min(oldest, committed_at)
    if taken:
        connection.execute(_TAKE, taken)
    return Taken(changes, oldest)


def store_version(connection: Connection, list_id: int, delta: Delta, signed: bytes, digest: bytes) -> None:
    """The signed delta, and the version and digest to which it leads. Raises `DamagedStatus`."""
    row = {"list_id": list_id, "version": delta.version, "signed": signed, "iat": delta.iat}
    connection.execute(_ADD_DELTA, row)
    moved = connection.execute(
        _NEW_VERSION, {"list": list_id, "before": delta.version - 1, "version": delta.version, "digest": digest}
    )
    if moved.rowcount != 1:
        raise DamagedStatus(f"status list {list_id}: expected version {delta.version - 1} in the database, got another")


def next_sequence(connection: Connection, network_id: int, publisher: str) -> int | None:
    """The sequence of the next head; None when `publisher` may not make one."""
    sequence: int | None = connection.scalar(_NEXT_SEQUENCE, {"network": network_id, "publisher": publisher})
    return sequence


def rebuild(session: Session, row: StatusList, current: ListVersion) -> tuple[bytes, StoredSnapshot]:
    """The packed list at its current version, and the snapshot that it was rebuilt from. Raises `DamagedStatus`.

    The server's own signatures are not verified: a key that signed may be gone since. The digest finds damage.
    """
    snapshot = session.get(StoredSnapshot, row.id)
    if snapshot is None:
        raise DamagedStatus(f"status list {row.name}: expected a snapshot, got none")
    after = StoredDelta.list_id == row.id, StoredDelta.version > snapshot.version
    deltas = session.scalars(select(StoredDelta).where(*after).order_by(StoredDelta.version)).all()
    version = snapshot.version
    try:
        packed = bytearray(_packed_in(snapshot.signed))
        for stored in deltas:
            version += 1
            if stored.version != version:
                raise DamagedStatus(f"status list {row.name}: expected delta {version}, got {stored.version}")
            for status, indexes in _changes_in(stored.signed).items():
                for idx in decode_indexes(indexes):
                    bits.set_status(packed, idx, status)
    except Malformed as error:
        raise DamagedStatus(f"status list {row.name}: {error}") from None
    if version != current.version or hashlib.sha256(packed).digest() != current.digest:
        raise DamagedStatus(f"status list {row.name}: what is stored does not add up to version {current.version}")
    return bytes(packed), snapshot


def over(session: Session, lists: Sequence[int]) -> Sequence[int]:
    """Those of these lists that are closed and whose last pass is forgotten."""
    empty = ~exists().where(PassRow.list_id == StatusList.id)
    query = select(StatusList.id).where(StatusList.id.in_(lists), StatusList.closed.is_(True), empty)
    return session.scalars(query).all()


def end_lists(session: Session, lists: Sequence[int], now: int) -> list[int]:
    """End a few of these lists that are over, and free what was stored of them; which these are.

    A list that is closed gets no pass any more; its row is locked, as the allocator locks it, and looked at again.
    """
    some = over(session, lists)[:ENDED_AT_ONCE]
    session.scalars(select(StatusList).where(StatusList.id.in_(some)).with_for_update()).all()
    rows = session.scalars(select(StatusList).where(StatusList.id.in_(over(session, some)))).all()
    for row in rows:
        row.ended_at = now
        for model in (ListVersion, StoredSnapshot, StoredDelta, StatusChange, Decoy, Block):
            session.execute(delete(model).where(model.list_id == row.id))
    return [row.id for row in rows]


def signed_by(message: bytes) -> bytes:
    """The `kid` of the key that signed a stored delta. Raises `DamagedStatus`."""
    try:
        return cose.parse(message, cose.Header.DELTA).kid
    except Malformed as error:
        raise DamagedStatus(f"a stored delta: {error}") from None


def delta_signed_anew(message: bytes, signer: Signer, now: int) -> bytes:
    """The same version with the same changes as a stored delta, signed by another key at `now`.

    Raises `DamagedStatus`.
    """
    try:
        fields = cbor.decode(cose.parse(message, cose.Header.DELTA).payload)
        changes = {status: decode_indexes(indexes) for status, indexes in fields[_CHANGES].items()}
    except Malformed as error:
        raise DamagedStatus(f"a stored delta: {error}") from None
    return sign_delta(Delta(uri=fields[_URI], version=fields[_VERSION], iat=now, changes=changes), signer)


def _packed_in(snapshot: bytes) -> bytes:
    claims = cbor.decode(cose.parse(snapshot, cose.Header.SNAPSHOT).payload)
    return bits.inflate(claims[_STATUS_LIST]["lst"])


def _changes_in(signed: bytes) -> dict[int, bytes]:
    changes: dict[int, bytes] = cbor.decode(cose.parse(signed, cose.Header.DELTA).payload)[_CHANGES]
    return changes
