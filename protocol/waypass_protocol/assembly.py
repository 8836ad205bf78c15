"""Assembly: from messages in any order to the lists that a gate decides by (wire format §4).

The rules, for each verified message:

1. `iat` more than the clock skew ahead: a head moves the clock rule only; the rest is refused (`FromTheFuture`)
2. a snapshot that had expired when it arrived is refused (`Expired`); a head of another network too (`WrongPlace`)
3. per list the newest snapshot and the 64 newest deltas are kept; the list is the snapshot with the unbroken run of
   deltas after it
4. the result is swapped in only if its version is above the held one and at or above the floor, the highest version
   that was ever swapped in
5. what is at or below the held version changes no bit; the held version with other bits is reported (`CONFLICT`)
6. a head whose sequence is below the highest accepted changes nothing
7. each row of the newest head stands alone: held version and digest renew the list; held version and another digest
   make its age unknown (`DIGEST_MISMATCH`); another version leaves the list as it was
8. a list in such a mismatch is mended only by what the newest head's row names, version and digest
9. a list that no head has named for `UNNAMED` seconds, by the heads' own time, is let go: its last pass has expired
   (wire format §4). Its floor stays until no pass of it can be valid any more, so it cannot come back older

A delta goes to the keeper once it is part of a held list: what still waits for its base is on the broker.

Floors remember the `kid` that set them and lapse when that key is no longer in the trust set. They are handed to the
keeper before anything is swapped, so that a restart cannot fall behind them. A decision reads `StatusStore.view`: one
reference to frozen records, the old lists or the new ones, never half. One thread offers messages; any thread reads.
"""

import hashlib
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum
from types import MappingProxyType
from typing import Protocol

from waypass_protocol.errors import (
    BadSignature,
    Expired,
    FromTheFuture,
    Malformed,
    ProtocolError,
    TooLarge,
    UnknownKey,
    WrongPlace,
)
from waypass_protocol.floors import Floors, Mark
from waypass_protocol.keys import TrustSet
from waypass_protocol.names import list_name
from waypass_protocol.status import (
    DELTA_RING,
    Delta,
    Head,
    HeadRow,
    Snapshot,
    read_delta,
    read_head,
    read_snapshot,
)

DEFAULT_CLOCK_SKEW = 60
# A base older than this is fetched again, so that base and ring rebuild the list after a restart without network.
OLDEST_BASE = 32
UNNAMED = 86_400
# The longest life of a pass is 35 days; what is left is for clocks.
FLOOR_KEPT = 40 * 86_400
# What is not signed can carry half a megabyte of names; a log gets so much of them.
_MAX_DETAIL = 300


class Kind(Enum):
    """The status messages that exist."""

    SNAPSHOT = "snapshot"
    DELTA = "delta"
    HEAD = "head"


class Report(StrEnum):
    """Why a message was refused, or what it revealed; a reader reports each at most once a minute."""

    TOO_LARGE = "too-large"
    MALFORMED = "malformed"
    UNKNOWN_KEY = "unknown-key"
    BAD_SIGNATURE = "bad-signature"
    WRONG_PLACE = "wrong-place"
    EXPIRED = "expired"
    FROM_THE_FUTURE = "from-the-future"
    BELOW_FLOOR = "below-floor"
    CONFLICT = "conflict"
    DIGEST_MISMATCH = "digest-mismatch"


_REPORT_OF: dict[type[ProtocolError], Report] = {
    TooLarge: Report.TOO_LARGE,
    Malformed: Report.MALFORMED,
    UnknownKey: Report.UNKNOWN_KEY,
    BadSignature: Report.BAD_SIGNATURE,
    WrongPlace: Report.WRONG_PLACE,
    Expired: Report.EXPIRED,
    FromTheFuture: Report.FROM_THE_FUTURE,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldList:
    """A list that decisions use. `renewed` is the `iat` of the newest head that renewed it, None while unknown."""

    uri: str
    version: int
    packed: bytes
    digest: bytes
    renewed: int | None = None

    def age(self, now: int) -> int | None:
        """Seconds since the newest head that renewed this list, or None when unknown."""
        return None if self.renewed is None else now - self.renewed


class Keeper(Protocol):
    """Where messages and floors survive a restart; called before a swap.

    It never raises: a full disk is its own to report, and must not keep a withdrawal out of a gate's memory.
    """

    def keep_message(self, uri: str, kind: Kind, version: int, data: bytes) -> None:
        """Keep a message that is now part of the state; a head has uri "" and its sequence as version."""
        ...

    def keep_floors(self, floors: Floors) -> None:
        """Keep the floors, replacing those kept before."""
        ...


class MemoryKeeper:
    """A `Keeper` that remembers in this process: for tests, and for checks that leave no trace."""

    def __init__(self) -> None:
        self.messages: dict[tuple[str, Kind, int], bytes] = {}
        self.floors = Floors()

    def keep_message(self, uri: str, kind: Kind, version: int, data: bytes) -> None:
        """Keep a message under its list, kind and version."""
        self.messages[uri, kind, version] = data

    def keep_floors(self, floors: Floors) -> None:
        """Keep the floors."""
        self.floors = floors


@dataclass(frozen=True, kw_only=True, slots=True)
class Receipt:
    """What became of one message.

    `kept`: it is now part of the state. `uri`: the list that it speaks of. `swapped`: lists that decisions see from now
    on in a new version; `dropped`: those that they no longer see. `reports`: what to tell, with `detail` for a log (it
    never holds an index).
    """

    kept: bool = False
    uri: str = ""
    swapped: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    reports: tuple[Report, ...] = ()
    detail: str = ""


@dataclass(kw_only=True, slots=True)
class _Parts:
    """What is kept of one list beside the held one.

    `base`: the version of the newest snapshot kept. `waiting`: that snapshot, while it is below the floor and deltas
    are still to come. `newest`: the highest version among the deltas. `unkept`: the deltas that the keeper does not
    have yet, as they came. `mismatch`: the newest head names the held version with another digest.
    """

    base: int | None = None
    waiting: Snapshot | None = None
    deltas: dict[int, Delta] = field(default_factory=dict)
    newest: int = 0
    unkept: dict[int, bytes] = field(default_factory=dict)
    mismatch: bool = False


class StatusStore:
    """The status lists of one network in one reader.

    `floors` come from the last run, and so do messages offered to `restore`; `clock_skew` is in seconds.
    """

    def __init__(
        self,
        *,
        trust: TrustSet,
        keeper: Keeper,
        floors: Floors | None = None,
        clock_skew: int = DEFAULT_CLOCK_SKEW,
    ) -> None:
        self._trust = trust
        self._keeper = keeper
        self._skew = clock_skew
        self._floors = (floors or Floors()).without_keys_outside(frozenset(trust.keys))
        self._parts: dict[str, _Parts] = {}
        self._head: Head | None = None
        self._rows: Mapping[str, HeadRow] = {}
        self._unnamed_since: dict[str, int] = {}
        self._head_received = False
        self.view: Mapping[str, HeldList] = MappingProxyType({})

    @property
    def floors(self) -> Floors:
        """The floors as they stand."""
        return self._floors

    @property
    def head(self) -> Head | None:
        """The newest head that was accepted since start, restored ones included."""
        return self._head

    def clock_trusted(self, now: int, *, synchronised: bool) -> bool:
        """Whether `now` may be decided by; `synchronised` is what the system says of its clock."""
        newest = self._floors.newest_head
        if newest is not None and now < newest.value - self._skew:
            return False
        return synchronised or self._head_received

    def receive(self, kind: Kind, data: bytes, *, now: int, list_topic: str | None = None) -> Receipt:
        """Take one message as it came over the network at `now`; never raises a `ProtocolError`.

        `list_topic` is the LIST of the topic that it came on; a message for another list is refused.
        """
        return self._take(kind, data, now=now, list_topic=list_topic, restored=False)

    def restore(self, kind: Kind, data: bytes, *, now: int) -> Receipt:
        """Take a message that this reader kept from an earlier run: deltas, then snapshots, then heads. (So each list
        is put together, and hashed, once.)

        It arrived then, so its `exp` and `iat` were judged then. Never raises a `ProtocolError`.
        """
        return self._take(kind, data, now=now, list_topic=None, restored=True)

    def needs_snapshot(self, uri: str) -> bool:
        """Whether this list's snapshot should be fetched: not held, a gap, damage, or an old base."""
        held, parts = self.view.get(uri), self._parts.get(uri)
        if held is None or parts is None or parts.mismatch or parts.base is None:
            return True
        if held.version - parts.base > OLDEST_BASE:
            return True
        return self.is_behind(uri)

    def is_behind(self, uri: str) -> bool:
        """Whether this list is not held, or a delta that is kept or the newest head is ahead of it."""
        held, parts, row = self.view.get(uri), self._parts.get(uri), self._rows.get(uri)
        if held is None:
            return True
        return (parts is not None and parts.newest > held.version) or (row is not None and row.version > held.version)

    def known_lists(self) -> frozenset[str]:
        """The lists that are held, kept in part, or named by the newest head."""
        return frozenset(self._rows.keys() | self._parts.keys())

    def kept_versions(self, uri: str) -> tuple[int | None, frozenset[int]]:
        """The versions of the snapshot and of the deltas that rebuild this list: what a keeper must not forget."""
        parts = self._parts.get(uri, _Parts())
        base = -1 if parts.base is None else parts.base
        return parts.base, frozenset(version for version in parts.deltas if version > base)

    def _take(self, kind: Kind, data: bytes, *, now: int, list_topic: str | None, restored: bool) -> Receipt:
        if not data:
            return Receipt()  # a retained topic that was cleared
        try:
            if kind is Kind.HEAD:
                return self._take_head(data, now=now, restored=restored)
            message = self._read_part(kind, data, now=now, list_topic=list_topic, restored=restored)
        except ProtocolError as error:
            return Receipt(reports=(_REPORT_OF[type(error)],), detail=f"{kind.value}: {error}"[:_MAX_DETAIL])
        parts = self._parts.setdefault(message.uri, _Parts())
        kept, reports = self._keep_part(parts, message, data)
        swapped, more = self._rebuild(message, parts)
        if restored:  # an older base that waits for its deltas is no news then
            more = tuple(report for report in more if report is not Report.BELOW_FLOOR)
        return _receipt(kind, message, kept=kept, swapped=swapped, reports=reports + more)

    def _read_part(
        self, kind: Kind, data: bytes, *, now: int, list_topic: str | None, restored: bool
    ) -> Snapshot | Delta:
        """Rules 1 and 2 for a snapshot or a delta. Raises `ProtocolError`."""
        message: Snapshot | Delta
        if kind is Kind.SNAPSHOT:
            message = read_snapshot(data, self._trust, now, restored=restored)
        else:
            message = read_delta(data, self._trust, now, restored=restored)
        if restored:
            return message
        if list_topic is not None and list_name(message.uri) != list_topic:
            raise WrongPlace(f"expected list {list_topic}, got {list_name(message.uri)}")
        if message.iat > now + self._skew:
            raise FromTheFuture(f"iat is {message.iat - now} s ahead, expected at most {self._skew}")
        if isinstance(message, Snapshot) and message.exp <= now:
            raise Expired(f"the snapshot expired {now - message.exp} s before it arrived")
        return message

    def _keep_part(self, parts: _Parts, message: Snapshot | Delta, data: bytes) -> tuple[bool, tuple[Report, ...]]:
        """Rules 3 and 5: keep what is new, report what contradicts the held list."""
        held = self.view.get(message.uri)
        reports: tuple[Report, ...] = ()
        if held is not None and message.version == held.version and not _agrees(message, held):
            reports = (Report.CONFLICT,)
        if isinstance(message, Snapshot):
            if parts.base is not None and message.version <= parts.base and not parts.mismatch:
                return False, reports
            parts.base, parts.waiting = message.version, message
            self._keeper.keep_message(message.uri, Kind.SNAPSHOT, message.version, data)
            return True, reports
        if message.version in parts.deltas:
            ahead = held is None or message.version > held.version
            if ahead and parts.deltas[message.version].changes != _slim(message).changes:
                reports = (Report.CONFLICT,)
            return False, reports
        if parts.base is not None and message.version <= parts.base:
            return False, reports
        if len(parts.deltas) >= DELTA_RING:
            oldest = min(parts.deltas)
            if message.version < oldest:
                return False, reports
            del parts.deltas[oldest]
            parts.unkept.pop(oldest, None)
        parts.deltas[message.version] = _slim(message)
        parts.newest = max(parts.newest, message.version)
        parts.unkept[message.version] = data
        if held is not None and message.version <= held.version:
            self._keep_deltas(message.uri, parts, held.version)
        return True, reports

    def _keep_deltas(self, uri: str, parts: _Parts, version: int) -> None:
        """Hand the keeper the deltas up to `version`; those that the base contains are of no use to it."""
        for number in sorted(each for each in parts.unkept if each <= version):
            data = parts.unkept.pop(number)
            if parts.base is None or number > parts.base:
                self._keeper.keep_message(uri, Kind.DELTA, number, data)

    def _rebuild(self, message: Snapshot | Delta, parts: _Parts) -> tuple[tuple[str, ...], tuple[Report, ...]]:
        """Rules 3, 4 and 8: the newest start and the unbroken run of deltas after it, swapped in if it may be."""
        uri, held, base = message.uri, self.view.get(message.uri), parts.waiting
        kid = message.kid
        if base is not None and (held is None or base.version > held.version or parts.mismatch):
            version, packed, kid = base.version, base.packed, base.kid
        elif held is not None:
            version, packed = held.version, held.packed
        else:
            return (), ()
        while (delta := parts.deltas.get(version + 1)) is not None:
            version, packed, kid = delta.version, delta.apply(packed), delta.kid
        floor = self._floors.versions.get(uri)
        if floor is not None and version < floor.value:
            return (), (Report.BELOW_FLOOR,)
        # Only held below the floor does a base have to wait: from here on the held list is the start.
        if not parts.mismatch:
            parts.waiting = None
        digest = hashlib.sha256(packed).digest()
        if held is not None and version <= held.version and not self._mends(parts, uri, version, digest):
            return (), ()
        parts.waiting = None
        return (uri,), self._swap(uri, Mark(value=version, kid=kid), packed, digest)

    def _mends(self, parts: _Parts, uri: str, version: int, digest: bytes) -> bool:
        """Rule 8."""
        row = self._rows.get(uri)
        return parts.mismatch and row is not None and (row.version, row.digest) == (version, digest)

    def _swap(self, uri: str, mark: Mark, packed: bytes, digest: bytes) -> tuple[Report, ...]:
        """Write the floor, then let decisions see the list; its age is what the newest head makes of it."""
        renewal = self._floors.renewals.get(uri)
        renewed = None if renewal is None else renewal.value
        held = HeldList(uri=uri, version=mark.value, packed=packed, digest=digest, renewed=renewed)
        self._parts[uri].mismatch = False
        self._keep_deltas(uri, self._parts[uri], mark.value)
        head = self._head
        held, reports = self._judge(held, head, self._rows.get(uri)) if head else (held, ())
        floors = self._floors.with_version(uri, mark)
        if head is not None:
            floors = floors.with_renewals(_renewal_marks([held], head, floors))
        self._keep_floors(floors)
        self.view = MappingProxyType({**self.view, uri: held})
        return reports

    def _judge(self, held: HeldList, head: Head, row: HeadRow | None) -> tuple[HeldList, tuple[Report, ...]]:
        """Rule 7 for one list."""
        if row is None or row.version != held.version:
            return held, ()
        mismatch = row.digest != held.digest
        self._parts[held.uri].mismatch = mismatch
        if mismatch:
            return replace(held, renewed=None), (Report.DIGEST_MISMATCH,)
        newest = head.iat if held.renewed is None else max(held.renewed, head.iat)
        return replace(held, renewed=newest), ()

    def _take_head(self, data: bytes, *, now: int, restored: bool) -> Receipt:
        """Rules 1, 2, 6 and 7 for a head. Raises `ProtocolError`."""
        head = read_head(data, self._trust, now, restored=restored)
        if head.network != self._trust.network:
            raise WrongPlace(f"expected network {self._trust.network}, got {head.network!r}")
        newest = self._floors.newest_head
        if newest is None or head.iat > newest.value:
            self._keep_floors(replace(self._floors, newest_head=Mark(value=head.iat, kid=head.kid)))
        if not restored and head.iat > now + self._skew:
            raise FromTheFuture(f"iat is {head.iat - now} s ahead, expected at most {self._skew}")
        highest = self._floors.sequence
        if highest is not None and head.sequence < highest.value:
            return Receipt(detail=f"head: sequence {head.sequence} is below the highest accepted, {highest.value}")
        self._head_received = self._head_received or not restored
        self._head, self._rows = head, {row.uri: row for row in head.rows}
        lists = dict(self.view)
        reports: list[Report] = []
        judged: list[HeldList] = []
        for row in head.rows:
            if (held := lists.get(row.uri)) is not None:
                lists[row.uri], found = self._judge(held, head, row)
                judged.append(lists[row.uri])
                reports += found
        self._keeper.keep_message("", Kind.HEAD, head.sequence, data)
        dropped = self._unnamed(lists, head)
        for uri in dropped:
            lists.pop(uri, None)
            del self._parts[uri]
        floors = self._floors.with_renewals(_renewal_marks(judged, head, self._floors))
        floors = floors.without_lists(self._long_gone(floors, lists, head))
        self._keep_floors(replace(floors, sequence=Mark(value=head.sequence, kid=head.kid)))
        self.view = MappingProxyType(lists)
        return Receipt(kept=True, dropped=dropped, reports=tuple(reports), detail=_mismatch_detail(reports))

    def _unnamed(self, lists: Mapping[str, HeldList], head: Head) -> tuple[str, ...]:
        """Rule 9: the lists to let go. A list that was renewed was named then; others are watched from now on."""
        since = {}
        for uri in self._parts.keys() - self._rows.keys():
            renewal = self._floors.renewals.get(uri) if uri in lists else None
            since[uri] = renewal.value if renewal else self._unnamed_since.get(uri, head.iat)
        self._unnamed_since = {uri: iat for uri, iat in since.items() if head.iat - iat <= UNNAMED}
        return tuple(sorted(since.keys() - self._unnamed_since.keys()))

    def _long_gone(self, floors: Floors, lists: Mapping[str, HeldList], head: Head) -> frozenset[str]:
        """Rule 9: the lists whose floor is of no use any more."""
        gone = floors.renewals.keys() - lists.keys() - self._rows.keys()
        return frozenset(uri for uri in gone if head.iat - floors.renewals[uri].value > FLOOR_KEPT)

    def _keep_floors(self, floors: Floors) -> None:
        self._keeper.keep_floors(floors)
        self._floors = floors


def _slim(delta: Delta) -> Delta:
    """The same with its indexes in 4 bytes each: a store keeps 64 of each list."""
    return replace(delta, changes={status: array("I", indexes) for status, indexes in delta.changes.items()})


def _agrees(message: Snapshot | Delta, held: HeldList) -> bool:
    return message.packed == held.packed if isinstance(message, Snapshot) else message.agrees_with(held.packed)


def _renewal_marks(lists: list[HeldList], head: Head, floors: Floors) -> dict[str, Mark | None]:
    """The renewals that change: the head's own mark, or None where the age became unknown."""
    marks: dict[str, Mark | None] = {}
    for held in lists:
        if held.renewed is None:
            marks[held.uri] = None
        elif held.uri not in floors.renewals or floors.renewals[held.uri].value < held.renewed:
            marks[held.uri] = Mark(value=held.renewed, kid=head.kid)
    return marks


def _mismatch_detail(reports: list[Report]) -> str:
    return "head: another digest for a version that is held; the list is fetched again" if reports else ""


def _receipt(
    kind: Kind,
    message: Snapshot | Delta,
    *,
    kept: bool,
    swapped: tuple[str, ...],
    reports: tuple[Report, ...],
) -> Receipt:
    detail = ""
    if reports:
        what = f"{kind.value} of list {message.uri}, version {message.version}"
        detail = f"{what}: {', '.join(report.value for report in reports)}"
    elif not kept and not swapped:
        detail = f"{kind.value} of list {message.uri}, version {message.version}: already known"
    return Receipt(kept=kept, uri=message.uri, swapped=swapped, reports=reports, detail=detail)
