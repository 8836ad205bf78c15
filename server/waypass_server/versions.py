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
   over (`TakenOver`) and makes none any more. Whose turn it is among several processes is for `seat` to say.
4. A snapshot is due after `SNAPSHOT_EVERY` versions, at two fifths of its life (so that it is signed anew before half
   of it is over, also by a publisher that looks late), when another key signs, or when it was signed by a clock that
   ran ahead: no reader takes that one. The deltas since the stored snapshot and the newest 64 are kept.
5. Deltas, snapshots and heads say the time at which they were signed, and are signed by the key that is in force
   then. Without one nothing is made (`NoSigner`, before anything is changed).
6. A delta in the ring whose key readers no longer accept (it ended, or was retired as no longer to be trusted) is
   signed anew with the same version and the same changes before it goes out again: to a reader that has it already it
   says nothing new, and a reader that comes late, or whose floors lapsed with the key, can still run from the
   snapshot to the present.

7. A list that is closed and whose passes are all forgotten has ended: in one transaction what was stored of it goes,
   and the next head does not name it. Its row stays, and says whether the broker has let go of it too.
8. Of a database that is older than what readers hold nothing is made, or versions would be signed a second time with
   other content: not after `copies.put_back`, which leaves a mark (`Restored`), and not when an accepted key signed a
   head that says more than the database (`OlderThanBroker`). `advance` moves it forward, and takes the mark away.

One thread uses an object of this class; the work of a snapshot may be done on another (`snapshot_work`).
"""

import hashlib
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection, delete, select, update
from sqlalchemy.orm import Session

from waypass_protocol import bits
from waypass_protocol.errors import TooLarge
from waypass_protocol.keys import Signer, Use
from waypass_protocol.status import (
    DELTA_RING,
    Delta,
    Head,
    HeadRow,
    Snapshot,
    sign_compact,
    sign_delta,
    sign_head,
    sign_snapshot,
)
from waypass_server import status_storage
from waypass_server.database import LOCKED, Database, alone
from waypass_server.decoys import Decoys
from waypass_server.errors import ServerError
from waypass_server.indexes import Allocator, TooManyLists, decoys_of
from waypass_server.keyring import IssuerKeys
from waypass_server.models.network import Network
from waypass_server.models.status import (
    RESTORED,
    ListVersion,
    PublishedHead,
    StatusList,
    StoredDelta,
    StoredSnapshot,
)
from waypass_server.status_storage import Taken, signed_by

SNAPSHOT_EVERY = 16
SNAPSHOT_LIFE = 24 * 3600
SNAPSHOT_TTL = 300
ENDED_KNOWN = 2 * 86_400
_NAME_LENGTH = 16


class TakenOver(ServerError):
    """Another publisher makes this network's versions now."""


class Restored(ServerError):
    """The database was put back from a copy, and its lists were not moved forward since."""


class OlderThanBroker(ServerError):
    """A head at the broker says more than the database knows."""


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
    """A stored snapshot of a list. Times are UNIX seconds. `compact`: the smaller of its two forms."""

    name: str
    version: int
    signed: bytes
    compact: bytes
    kid: bytes
    iat: int
    exp: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """What one transaction made: at most one delta a list, and the head that names them with its rows. `committed_at`:
    the second at which the oldest of the changes in it was committed, None without a change.
    """

    deltas: tuple[SignedDelta, ...]
    head: bytes
    rows: tuple[HeadRow, ...]
    committed_at: int | None


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
    """The status lists of one network, as its publisher makes them, under the module's rules."""

    def __init__(
        self,
        *,
        database: Database,
        network: str,
        keys: IssuerKeys,
        allocator: Allocator,
        draw: random.Random,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._database = database
        self._network = network
        self._keys = keys
        self._allocator = allocator
        self._draw = draw
        self._holder = self._stands = random_bytes(_NAME_LENGTH).hex()
        self._network_id = 0
        self.checkpoint: str | None = None
        """The newest checkpoint of the public log, which heads carry."""
        self._lists: dict[int, _List] | None = None
        self.ended: frozenset[str] = frozenset()
        """The URIs of lists that ended in the last two days."""

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

    def load(self, now: int, *, restored: bool = False) -> None:
        """Take the network over and read its lists; its first one is opened here. `restored`: whether a mark of rule 8
        may be there; it stays until `advance`.

        Raises `DamagedStatus`, `UnknownNetwork`, `Restored` or `NoSigner`.
        """
        with self._database.changing() as session:
            network_id = session.scalar(select(Network.id).where(Network.name == self._network))
            if network_id is None:
                raise UnknownNetwork(f"expected network {self._network} in the database (waypass-server network apply)")
            head = session.get(PublishedHead, network_id, with_for_update=LOCKED)
            if not restored:
                check_not_restored(session, self._network)
            if head is None:
                head = PublishedHead(network_id=network_id, sequence=0, holder=self._holder)
                session.add(head)
            elif head.holder != RESTORED:
                head.holder = self._holder
            stands = head.holder
            alive = StatusList.network_id == network_id, StatusList.ended_at.is_(None)
            rows = session.scalars(select(StatusList).where(*alive)).all()
            if not rows:
                # Whoever issues the first passes may be opening it at this moment.
                alone(session, "lists", network_id)
                rows = session.scalars(select(StatusList).where(*alive)).all()
            if not rows:
                rows = [self._allocator.open_list(session, network_id, now)]
            lists = [self._load_list(session, row, now) for row in rows]
            lately = StatusList.network_id == network_id, StatusList.ended_at > now - ENDED_KNOWN
            self.ended = frozenset(session.scalars(select(StatusList.uri).where(*lately)))
        self._network_id, self._stands = network_id, stands
        self._lists = {each.id: each for each in lists}

    def check_not_older(self, head: Head) -> None:
        """Rule 8, for a head that an accepted key signed. Raises `OlderThanBroker`."""
        with self._database.reading() as session:
            mine = PublishedHead.network_id == self._network_id
            sequence = session.scalar(select(PublishedHead.sequence).where(mine)) or 0
        if head.sequence > sequence:
            raise self._older(f"head {head.sequence}", f"is at {sequence}")
        held = {each.uri: each for each in self._held()}
        for row in head.rows:
            if row.uri not in held:  # it has ended, or was opened after the copy that was moved forward
                continue
            ours = held[row.uri]
            if row.version > ours.version:
                raise self._older(f"version {row.version} of list {ours.name}", f"is at {ours.version}")
            if row.version == ours.version and row.digest != ours.digest:
                raise self._older(f"version {row.version} of list {ours.name}", "has that version with other content")

    def _older(self, there: str, here: str) -> OlderThanBroker:
        return OlderThanBroker(
            f"network {self._network}: the broker holds {there}, the database {here}: it is an older copy, and would "
            "sign versions a second time; stop every server and run: waypass-server lists advance"
        )

    def forget(self) -> None:
        """Load again before the next use (rule 2)."""
        self._lists = None

    def pending(self) -> bool:
        """Whether the outbox has changes, or a list was opened that has no version yet."""
        lists = list(self._lists or {})
        with self._database.reading() as session:
            outbox = status_storage.look(session.connection(), self._network_id, lists)
        return outbox.changed or outbox.lists != len(lists)

    def rows_of_others(self, now: int) -> tuple[HeadRow, ...]:
        """What is current in the database, made by whichever process; nothing needs to be loaded."""
        query = (
            select(StatusList.uri, ListVersion.version, ListVersion.digest)
            .join(ListVersion, ListVersion.list_id == StatusList.id)
            .join(Network, Network.id == StatusList.network_id)
            .where(Network.name == self._network)
            .order_by(StatusList.id)
        )
        ended = select(StatusList.uri).join(Network, Network.id == StatusList.network_id)
        with self._database.reading() as session:
            rows = session.execute(query).all()
            of_all = ended.where(Network.name == self._network, StatusList.ended_at > now - ENDED_KNOWN)
            self.ended = frozenset(session.scalars(of_all))
        return tuple(HeadRow(uri=uri, version=version, digest=digest) for uri, version, digest in rows)

    def make(self, now: int) -> Made:
        """Rule 1: take the changes from the outbox into new versions, and sign a head. Raises `TakenOver`."""
        with self._database.changing() as session:
            opened = self._open(session, now)
            changes = status_storage.take_changes(session.connection(), list(self._lists or {}))
            made, upcoming = self._make(session.connection(), changes, opened, now)
        self._keep(opened, upcoming)
        return made

    def make_if_changed(self, now: int) -> Made | None:
        """The same, or None when there is no change: the short way, taken when somebody says that there is one."""
        with self._database.changing() as session:
            changes = status_storage.take_changes(session.connection(), list(self._lists or {}))
            if not changes.changes:
                return None
            made, upcoming = self._make(session.connection(), changes, [], now)
        self._keep([], upcoming)
        return made

    def snapshot(self, name: str) -> SignedSnapshot:
        """The stored snapshot of a list."""
        return self._find(name).snapshot

    def snapshot_due(self, name: str, now: int) -> bool:
        """Rule 4."""
        held = self._find(name)
        stored = held.snapshot
        renewal = stored.iat + (stored.exp - stored.iat) * 2 // 5
        other_key = stored.kid != self._signer(now).kid
        of_now = stored.iat <= now < renewal
        return held.version - stored.version >= SNAPSHOT_EVERY or other_key or not of_now

    def snapshot_usable(self, name: str, now: int) -> bool:
        """Whether readers take the stored snapshot, and will for some time, although a new one may be due."""
        stored = self._find(name).snapshot
        return stored.kid in self._keys.trusted(Use.STATUS, now) and stored.iat <= now < stored.exp - SNAPSHOT_LIFE // 4

    def renew_snapshot(self, name: str, now: int) -> SignedSnapshot:
        """Sign and store a snapshot of a list as it is now."""
        return self.store_snapshot(self.snapshot_work(name, now)()) or self.snapshot(name)

    def snapshot_work(self, name: str, now: int) -> Callable[[], SignedSnapshot]:
        """The work that makes a snapshot of a list as it is now. It touches nothing here: any thread may do it."""
        held = self._find(name)
        return partial(make_snapshot, name, held.uri, held.version, held.packed, now=now, signer=self._signer(now))

    def store_snapshot(self, fresh: SignedSnapshot) -> SignedSnapshot | None:
        """Store a snapshot, and drop the deltas that nobody needs any more. None when it came too late: its list has
        ended, or has a newer one. Raises `TakenOver`."""
        held = next((each for each in self._held() if each.name == fresh.name), None)
        if held is None or fresh.version < held.snapshot.version:
            return None
        with self._database.changing() as session:
            self._check_holder(session)
            session.merge(_snapshot_row(held.id, fresh))
            oldest = min(held.version - DELTA_RING, fresh.version)
            session.execute(delete(StoredDelta).where(StoredDelta.list_id == held.id, StoredDelta.version <= oldest))
        held.snapshot = fresh
        return fresh

    def end_lists(self, now: int) -> list[str]:
        """Rule 7; the names of a few lists that ended, none when there is none left. Raises `TakenOver`."""
        lists = self._lists or {}
        with self._database.reading() as session:
            if not status_storage.over(session, list(lists)):
                return []
        with self._database.changing() as session:
            self._check_holder(session)
            ended = status_storage.end_lists(session, list(lists), now)
        self._lists = {list_id: held for list_id, held in lists.items() if list_id not in ended}
        self.ended |= {lists[list_id].uri for list_id in ended}
        return [lists[list_id].name for list_id in ended]

    def to_clear(self) -> list[str]:
        """The lists that have ended and may still be on the broker, by name."""
        mine = StatusList.network_id == self._network_id
        query = select(StatusList.name).where(mine, StatusList.ended_at.is_not(None), StatusList.cleared.is_(False))
        with self._database.reading() as session:
            return list(session.scalars(query))

    def cleared(self, name: str) -> None:
        """The broker has let go of a list that ended."""
        mine = StatusList.network_id == self._network_id, StatusList.name == name
        with self._database.changing() as session:
            session.execute(update(StatusList).where(*mine).values(cleared=True))

    def ring(self, name: str, now: int) -> list[SignedDelta]:
        """The stored deltas that belong into the ring of 64, oldest first, under rule 6. Raises `TakenOver`."""
        held = self._find(name)
        accepted = self._keys.trusted(Use.STATUS, now)
        newest = StoredDelta.list_id == held.id, StoredDelta.version > held.version - DELTA_RING
        query = select(StoredDelta).where(*newest).order_by(StoredDelta.version)
        with self._database.reading() as session:
            rows = session.scalars(query).all()
        if any(signed_by(row.signed) not in accepted for row in rows):
            signer = self._signer(now)
            with self._database.changing() as session:
                self._check_holder(session)
                rows = session.scalars(query).all()
                for row in rows:
                    if signed_by(row.signed) not in accepted:
                        row.signed, row.iat = status_storage.delta_signed_anew(row.signed, signer, now), now
        return [SignedDelta(name=name, version=row.version, signed=row.signed) for row in rows]

    def advance(self, by: int, now: int) -> dict[str, int]:
        """Move every version and the head's sequence forward with a fresh snapshot, and no bit: the new version of
        each list by name. For a database that was restored from a copy (`commands.lists`). Raises `TakenOver`.

        The deltas go: what they lead to is in the snapshot, and they do not lead to the new version.
        """
        moved = {
            each.id: (each, self._sign_snapshot(each.name, each.uri, each.version + by, each.packed, now))
            for each in self._held()
        }
        with self._database.changing() as session:
            self._check_holder(session)
            head = session.get_one(PublishedHead, self._network_id)
            head.sequence += by
            head.holder = self._holder
            for list_id, (_, snapshot) in moved.items():
                session.get_one(ListVersion, list_id).version = snapshot.version
                session.merge(_snapshot_row(list_id, snapshot))
                session.execute(delete(StoredDelta).where(StoredDelta.list_id == list_id))
        self._stands = self._holder
        for held, snapshot in moved.values():
            held.version, held.snapshot = snapshot.version, snapshot
        return {held.name: held.version for held, _ in moved.values()}

    def _signer(self, now: int) -> Signer:
        return self._keys.signer(Use.STATUS, now)

    def _held(self) -> Iterable[_List]:
        return (self._lists or {}).values()

    def _find(self, name: str) -> _List:
        return next(each for each in self._held() if each.name == name)

    def _load_list(self, session: Session, row: StatusList, now: int) -> _List:
        """Rule 2; a list without a version gets its first."""
        current = session.get(ListVersion, row.id)
        if current is None:
            return self._first_version(session, row, now)
        packed, snapshot = status_storage.rebuild(session, row, current)
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
                compact=snapshot.compact or snapshot.signed,
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
        alive = StatusList.network_id == self._network_id, StatusList.ended_at.is_(None)
        query = select(StatusList).where(*alive, StatusList.id.not_in(known))
        return [self._load_list(session, row, now) for row in session.scalars(query)]

    def _make(
        self, connection: Connection, taken: Taken, opened: Sequence[_List], now: int
    ) -> tuple[Made, list[_Next]]:
        """The versions that carry these changes, and their head, signed and stored in the connection's transaction."""
        # First of all: whoever was taken over must not touch what the other one is making.
        sequence = status_storage.next_sequence(connection, self._network_id, self._holder)
        if sequence is None:
            raise TakenOver(f"another publisher makes the versions of network {self._network} now")
        lists = self._lists or {}
        upcoming = [self._next(connection, lists[list_id], changes, now) for list_id, changes in taken.changes.items()]
        rows = {each.id: each.row() for each in (*self._held(), *opened)}
        rows |= {each.list_.id: each.row() for each in upcoming}
        head = Head(
            network=self._network,
            iat=now,
            sequence=sequence,
            rows=tuple(rows.values()),
            checkpoint=self.checkpoint,
        )
        deltas = tuple(each.to_publish() for each in upcoming)
        try:
            signed = sign_head(head, self._signer(now))
        except TooLarge as error:  # lists that were opened before anybody counted them
            raise TooManyLists(f"network {self._network}: {error}") from None
        return Made(deltas=deltas, head=signed, rows=head.rows, committed_at=taken.committed_at), upcoming

    def _next(self, connection: Connection, held: _List, wanted: Mapping[int, int], now: int) -> _Next:
        """The next version of a list, signed and stored in the connection's transaction."""
        filled = held.decoys.fill(wanted)
        changes: dict[int, list[int]] = defaultdict(list)
        for idx in sorted(filled):
            changes[filled[idx]].append(idx)
        delta = Delta(uri=held.uri, version=held.version + 1, iat=now, changes=changes)
        signed = sign_delta(delta, self._signer(now))
        packed = delta.apply(held.packed)
        digest = hashlib.sha256(packed).digest()
        status_storage.store_version(connection, held.id, delta, signed, digest)
        return _Next(list_=held, delta=delta, packed=packed, digest=digest, filled=filled, signed=signed)

    def _keep(self, opened: Iterable[_List], upcoming: Iterable[_Next]) -> None:
        """The transaction is committed: let memory follow."""
        for each in upcoming:
            each.list_.version, each.list_.packed, each.list_.digest = each.delta.version, each.packed, each.digest
            each.list_.decoys.keep(each.filled)
        self._lists = {**(self._lists or {}), **{each.id: each for each in opened}}

    def _check_holder(self, session: Session) -> None:
        mine = PublishedHead.network_id == self._network_id
        if session.scalar(select(PublishedHead.holder).where(mine).with_for_update(key_share=True)) != self._stands:
            raise TakenOver(f"another publisher makes the versions of network {self._network} now")

    def _sign_snapshot(self, name: str, uri: str, version: int, packed: bytes, now: int) -> SignedSnapshot:
        return make_snapshot(name, uri, version, packed, now=now, signer=self._signer(now))


def check_not_restored(session: Session, network: str) -> None:
    """Rule 8. Raises `Restored`."""
    query = select(PublishedHead.holder).join(Network, Network.id == PublishedHead.network_id)
    if session.scalar(query.where(Network.name == network)) == RESTORED:
        raise Restored(
            f"network {network}: expected a database whose lists go on, got one that was restored from a copy; readers "
            "hold newer versions. Run: waypass-server lists advance --config FILE"
        )


def make_snapshot(name: str, uri: str, version: int, packed: bytes, *, now: int, signer: Signer) -> SignedSnapshot:
    """Sign a list in both forms."""
    exp = now + SNAPSHOT_LIFE
    snapshot = Snapshot(uri=uri, version=version, iat=now, exp=exp, ttl=SNAPSHOT_TTL, packed=packed)
    forms = sign_snapshot(snapshot, signer), sign_compact(snapshot, signer)
    smaller = min(forms, key=len)
    return SignedSnapshot(
        name=name, version=version, signed=forms[0], compact=smaller, kid=signer.kid, iat=now, exp=exp
    )


def _snapshot_row(list_id: int, snapshot: SignedSnapshot) -> StoredSnapshot:
    return StoredSnapshot(
        list_id=list_id,
        version=snapshot.version,
        signed=snapshot.signed,
        kid=snapshot.kid,
        iat=snapshot.iat,
        exp=snapshot.exp,
        compact=None if snapshot.compact == snapshot.signed else snapshot.compact,
    )
