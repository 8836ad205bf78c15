"""Versions of status lists: from the outbox to signed deltas, snapshots and heads, each stored before anybody sees it.

What `Versions` promises:

1. A version is made in one transaction: the rows of the outbox go, the signed delta and the list's new version and
   digest come, and the head's sequence goes up. Before its commit nothing of it leaves this module. So after a crash
   the outbox still has the changes, or the database has the signed bytes, and a version never has two contents.
2. The packed lists are in memory. They are loaded from snapshot and deltas, and must have the stored digest
   (`DamagedStatus`, nothing is published then). Memory is changed only after the commit; after an error of the
   database, whose commit may have happened or not, `forget` and `load` again.
3. Two publishers never make versions at the same time: `load` writes this publisher's name beside the head's
   sequence, and each version and head is made only while it stands there. Whoever finds another name has been taken
   over (`TakenOver`) and stops for good. (Several server processes that share the work are not supported yet.)
4. A snapshot is due after `SNAPSHOT_EVERY` versions, at half its life, or when another key signs. The deltas since
   the stored snapshot and the newest 64 are kept.
5. Deltas, snapshots and heads say the time at which they were signed.

One thread uses an object of this class.
"""

import hashlib
import random
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sqlalchemy import delete, exists, func, select, update
from sqlalchemy.orm import Session

from waypass_protocol import bits, cbor, cose
from waypass_protocol.errors import Malformed
from waypass_protocol.keys import Signer
from waypass_protocol.status import (
    DELTA_RING,
    Delta,
    Head,
    HeadRow,
    Snapshot,
    decode_indexes,
    sign_delta,
    sign_head,
    sign_snapshot,
)
from waypass_server.database import Database
from waypass_server.decoys import Decoys
from waypass_server.errors import ServerError
from waypass_server.indexes import Allocator, decoys_of
from waypass_server.models.network import Network
from waypass_server.models.status import (
    ListVersion,
    PublishedHead,
    StatusChange,
    StatusList,
    StoredDelta,
    StoredSnapshot,
)

SNAPSHOT_EVERY = 16
SNAPSHOT_LIFE = 24 * 3600
SNAPSHOT_TTL = 300
CHANGES_AT_ONCE = 100_000  # far below what fits into 512 KiB
_NAME_LENGTH = 16

_STATUS_LIST, _CHANGES = 65533, -70011


class DamagedStatus(ServerError):
    """What the database holds of a status list does not add up to what was published."""


class TakenOver(ServerError):
    """Another publisher makes this network's versions now."""


class UnknownNetwork(ServerError):
    """The database has no network of this name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SignedDelta:
    """A stored delta of a list."""

    name: str
    version: int
    signed: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class SignedSnapshot:
    """A stored snapshot of a list. Times are UNIX seconds."""

    name: str
    version: int
    signed: bytes
    kid: bytes
    iat: int
    exp: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """What one transaction made: at most one delta a list, and the head that names them."""

    deltas: tuple[SignedDelta, ...]
    head: bytes


@dataclass(kw_only=True, slots=True)
class _List:
    id: int
    name: str
    uri: str
    version: int
    packed: bytes
    digest: bytes
    decoys: Decoys
    snapshot: SignedSnapshot

    def row(self) -> HeadRow:
        return HeadRow(uri=self.uri, version=self.version, digest=self.digest)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Next:
    """A version in the making."""

    list_: _List
    delta: Delta
    packed: bytes
    digest: bytes
    filled: dict[int, int]
    signed: bytes

    def row(self) -> HeadRow:
        return HeadRow(uri=self.delta.uri, version=self.delta.version, digest=self.digest)

    def to_publish(self) -> SignedDelta:
        return SignedDelta(name=self.list_.name, version=self.delta.version, signed=self.signed)


class Versions:
    """The status lists of one network, as its publisher makes them, under the module's rules.

    `signer` gives the key that signs status at a time (UNIX seconds); what it raises goes through.
    """

    def __init__(
        self,
        *,
        database: Database,
        network: str,
        signer: Callable[[int], Signer],
        allocator: Allocator,
        draw: random.Random,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._database = database
        self._network = network
        self._signer = signer
        self._allocator = allocator
        self._draw = draw
        self._holder = random_bytes(_NAME_LENGTH).hex()
        self._network_id = 0
        self._lists: dict[int, _List] | None = None

    @property
    def loaded(self) -> bool:
        """Whether the lists are in memory."""
        return self._lists is not None

    @property
    def names(self) -> tuple[str, ...]:
        """The lists, by name."""
        return tuple(each.name for each in self._held())

    def version(self, name: str) -> int:
        """The newest version of a list."""
        return self._find(name).version

    def load(self, now: int) -> None:
        """Take the network over and read its lists; its first one is opened here. Raises `DamagedStatus`."""
        with self._database.changing() as session:
            network_id = session.scalar(select(Network.id).where(Network.name == self._network))
            if network_id is None:
                raise UnknownNetwork(f"expected network {self._network} in the database (waypass-server network apply)")
            head = session.get(PublishedHead, network_id)
            if head is None:
                session.add(PublishedHead(network_id=network_id, sequence=0, holder=self._holder))
            else:
                head.holder = self._holder
            rows = session.scalars(select(StatusList).where(StatusList.network_id == network_id)).all()
            if not rows:
                rows = [self._allocator.open_list(session, network_id, now)]
            lists = [self._load_list(session, row, now) for row in rows]
        self._network_id = network_id
        self._lists = {each.id: each for each in lists}

    def forget(self) -> None:
        """Load again before the next use (rule 2)."""
        self._lists = None

    def pending(self) -> bool:
        """Whether the outbox has changes, or a list was opened that has no version yet."""
        lists = self._lists or {}
        with self._database.reading() as session:
            changes = exists().where(StatusChange.list_id.in_(lists))
            opened = select(func.count()).where(StatusList.network_id == self._network_id).scalar_subquery()
            found, count = session.execute(select(changes, opened)).one()
        return bool(found) or count != len(lists)

    def make(self, now: int) -> Made:
        """Rule 1: take the changes from the outbox into new versions, and sign a head. Raises `TakenOver`."""
        with self._database.changing() as session:
            opened = self._open(session, now)
            upcoming = [
                self._next(session, self._held_by_id(list_id), rows, now) for list_id, rows in self._take(session)
            ]
            rows = {each.id: each.row() for each in (*self._held(), *opened)}
            rows |= {each.list_.id: each.row() for each in upcoming}
            sequence = self._next_sequence(session)
            head = Head(network=self._network, iat=now, sequence=sequence, rows=tuple(rows.values()))
            signed_head = sign_head(head, self._signer(now))
        self._keep(opened, upcoming)
        deltas = (
            SignedDelta(name=each.list_.name, version=each.delta.version, signed=each.signed) for each in upcoming
        )
        return Made(deltas=tuple(deltas), head=signed_head)

    def snapshot(self, name: str) -> SignedSnapshot:
        """The stored snapshot of a list."""
        return self._find(name).snapshot

    def snapshot_due(self, name: str, now: int) -> bool:
        """Rule 4."""
        held = self._find(name)
        stored = held.snapshot
        half = stored.iat + (stored.exp - stored.iat) // 2
        return held.version - stored.version >= SNAPSHOT_EVERY or now >= half or stored.kid != self._signer(now).kid

    def renew_snapshot(self, name: str, now: int) -> SignedSnapshot:
        """Sign and store a snapshot of a list as it is now, and drop the deltas that nobody needs any more."""
        held = self._find(name)
        fresh = self._sign_snapshot(name, held.uri, held.version, held.packed, now)
        with self._database.changing() as session:
            self._check_holder(session)
            session.merge(_snapshot_row(held.id, fresh))
            oldest = min(held.version - DELTA_RING, fresh.version)
            session.execute(delete(StoredDelta).where(StoredDelta.list_id == held.id, StoredDelta.version <= oldest))
        held.snapshot = fresh
        return fresh

    def ring(self, name: str) -> list[SignedDelta]:
        """The stored deltas that belong into the ring of 64, oldest first."""
        held = self._find(name)
        newest = StoredDelta.list_id == held.id, StoredDelta.version > held.version - DELTA_RING
        with self._database.reading() as session:
            rows = session.scalars(select(StoredDelta).where(*newest).order_by(StoredDelta.version)).all()
        return [SignedDelta(name=name, version=row.version, signed=row.signed) for row in rows]

    def _held(self) -> Iterable[_List]:
        return (self._lists or {}).values()

    def _held_by_id(self, list_id: int) -> _List:
        return (self._lists or {})[list_id]

    def _find(self, name: str) -> _List:
        return next(each for each in self._held() if each.name == name)

    def _load_list(self, session: Session, row: StatusList, now: int) -> _List:
        """Rule 2; a list without a version gets its first."""
        current = session.get(ListVersion, row.id)
        if current is None:
            return self._first_version(session, row, now)
        packed, snapshot = rebuild(session, row, current)
        decoys = Decoys(decoys_of(session, row.id), packed, self._draw)
        return _List(
            id=row.id,
            name=row.name,
            uri=row.uri,
            version=current.version,
            packed=packed,
            digest=current.digest,
            decoys=decoys,
            snapshot=SignedSnapshot(
                name=row.name,
                version=snapshot.version,
                signed=snapshot.signed,
                kid=snapshot.kid,
                iat=snapshot.iat,
                exp=snapshot.exp,
            ),
        )

    def _first_version(self, session: Session, row: StatusList, now: int) -> _List:
        """Version 1: everything valid."""
        packed = bytes(bits.LIST_BYTES)
        snapshot = self._sign_snapshot(row.name, row.uri, 1, packed, now)
        digest = hashlib.sha256(packed).digest()
        session.add(ListVersion(list_id=row.id, version=1, digest=digest))
        session.add(_snapshot_row(row.id, snapshot))
        return _List(
            id=row.id,
            name=row.name,
            uri=row.uri,
            version=1,
            packed=packed,
            digest=digest,
            decoys=Decoys(decoys_of(session, row.id), packed, self._draw),
            snapshot=snapshot,
        )

    def _open(self, session: Session, now: int) -> list[_List]:
        """First versions for the lists that were opened since."""
        known = list(self._lists or {})
        query = select(StatusList).where(StatusList.network_id == self._network_id, StatusList.id.not_in(known))
        return [self._load_list(session, row, now) for row in session.scalars(query)]

    def _take(self, session: Session) -> Iterable[tuple[int, list[StatusChange]]]:
        """Take changes out of the outbox, by list."""
        mine = StatusChange.list_id.in_(list(self._lists or {}))
        query = select(StatusChange).where(mine).order_by(StatusChange.id).limit(CHANGES_AT_ONCE)
        rows: dict[int, list[StatusChange]] = defaultdict(list)
        for row in session.scalars(query):
            rows[row.list_id].append(row)
            session.delete(row)
        return rows.items()

    def _next(self, session: Session, held: _List, rows: list[StatusChange], now: int) -> _Next:
        """The next version of a list, signed and stored in the session's transaction."""
        filled = held.decoys.fill({row.idx: row.status for row in rows})
        changes: dict[int, list[int]] = defaultdict(list)
        for idx in sorted(filled):
            changes[filled[idx]].append(idx)
        delta = Delta(uri=held.uri, version=held.version + 1, iat=now, changes=changes)
        signed = sign_delta(delta, self._signer(now))
        packed = delta.apply(held.packed)
        digest = hashlib.sha256(packed).digest()
        session.add(StoredDelta(list_id=held.id, version=delta.version, signed=signed, iat=now))
        mine = update(ListVersion).where(ListVersion.list_id == held.id)
        session.execute(mine.values(version=delta.version, digest=digest))
        return _Next(list_=held, delta=delta, packed=packed, digest=digest, filled=filled, signed=signed)

    def _keep(self, opened: Iterable[_List], upcoming: Iterable[_Next]) -> None:
        """The transaction is committed: let memory follow."""
        for each in upcoming:
            each.list_.version, each.list_.packed, each.list_.digest = each.delta.version, each.packed, each.digest
            each.list_.decoys.keep(each.filled)
        self._lists = {**(self._lists or {}), **{each.id: each for each in opened}}

    def _next_sequence(self, session: Session) -> int:
        """Rule 3."""
        mine = PublishedHead.network_id == self._network_id, PublishedHead.holder == self._holder
        statement = update(PublishedHead).where(*mine).values(sequence=PublishedHead.sequence + 1)
        sequence: int | None = session.scalar(statement.returning(PublishedHead.sequence))
        if sequence is None:
            raise TakenOver(f"another publisher makes the versions of network {self._network} now")
        return sequence

    def _check_holder(self, session: Session) -> None:
        mine = PublishedHead.network_id == self._network_id
        if session.scalar(select(PublishedHead.holder).where(mine).with_for_update()) != self._holder:
            raise TakenOver(f"another publisher makes the versions of network {self._network} now")

    def _sign_snapshot(self, name: str, uri: str, version: int, packed: bytes, now: int) -> SignedSnapshot:
        exp, signer = now + SNAPSHOT_LIFE, self._signer(now)
        snapshot = Snapshot(uri=uri, version=version, iat=now, exp=exp, ttl=SNAPSHOT_TTL, packed=packed)
        signed = sign_snapshot(snapshot, signer)
        return SignedSnapshot(name=name, version=version, signed=signed, kid=signer.kid, iat=now, exp=exp)


def rebuild(session: Session, row: StatusList, current: ListVersion) -> tuple[bytes, StoredSnapshot]:
    """The packed list at its current version, and the snapshot that it was rebuilt from. Raises `DamagedStatus`.

    The server's own signatures are not verified: a key that signed may be gone since. The digest finds damage.
    """
    snapshot = session.get(StoredSnapshot, row.id)
    if snapshot is None:
        raise DamagedStatus(f"status list {row.name}: expected a snapshot, got none")
    after = StoredDelta.list_id == row.id, StoredDelta.version > snapshot.version
    deltas = session.scalars(select(StoredDelta).where(*after).order_by(StoredDelta.version)).all()
    packed, version = bytearray(bits.LIST_BYTES), snapshot.version
    try:
        packed[:] = _packed_in(snapshot.signed)
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


def _packed_in(snapshot: bytes) -> bytes:
    claims = cbor.decode(cose.parse(snapshot, cose.Header.SNAPSHOT).payload)
    return bits.inflate(claims[_STATUS_LIST]["lst"])


def _changes_in(signed: bytes) -> dict[int, bytes]:
    changes: dict[int, bytes] = cbor.decode(cose.parse(signed, cose.Header.DELTA).payload)[_CHANGES]
    return changes


def _snapshot_row(list_id: int, snapshot: SignedSnapshot) -> StoredSnapshot:
    return StoredSnapshot(
        list_id=list_id,
        version=snapshot.version,
        signed=snapshot.signed,
        kid=snapshot.kid,
        iat=snapshot.iat,
        exp=snapshot.exp,
    )
