"""Somebody hostile at the broker, who may publish anything there but has none of the network's keys.

A broker or a station in the middle can do no more than this with messages: keep them back (that is `relay`'s part),
change them, say them again, in another order, on another topic, or make up others. Each way is a method:

- `forge`: a head, a delta and a snapshot, newer than the newest, signed by a key of the meddler's own
- `impersonate`: the same with a `kid` that readers trust
- `replay`: messages that were said before, again
- `roll_back`: the oldest snapshot, delta and head that are known, in the place of the present ones, retained
- `reorder`: the newest deltas again, in another order
- `truncate`, `oversize`: genuine messages cut off, or filled up past their greatest size
- `misplace`: a list's messages on the topic of another list
- `empty`: the head's retained message cleared

It hears everything first, and does nothing when it has heard too little; each returns how many messages it published.
"""

import random
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from cryptography.hazmat.primitives.asymmetric import ed25519

from waypass_protocol.assembly import Kind
from waypass_protocol.bits import VALID
from waypass_protocol.errors import ProtocolError
from waypass_protocol.keys import MemorySigner, Signer, TrustSet
from waypass_protocol.status import (
    MAX_DELTA,
    MAX_HEAD,
    Delta,
    Head,
    Snapshot,
    read_delta,
    read_head,
    read_snapshot,
    sign_delta,
    sign_head,
    sign_snapshot,
)
from waypass_protocol.topics import Topics
from waypass_simulator.faults.presence import Presence
from waypass_simulator.fleet.link import Address

REMEMBERED = 400
AT_ONCE = 6


class Impostor:
    """Signs with one key and names another."""

    def __init__(self, own: Signer, kid: bytes) -> None:
        self._own = own
        self._kid = kid

    @property
    def kid(self) -> bytes:
        """Somebody else's."""
        return self._kid

    @property
    def public(self) -> ed25519.Ed25519PublicKey:
        """Of the key that it has."""
        return self._own.public

    def sign(self, message: bytes) -> bytes:
        """By the key that it has."""
        return self._own.sign(message)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Heard:
    topic: str
    kind: Kind
    payload: bytes


class Meddler:
    """See the module's docstring. Use it as a context manager; one thread calls its methods."""

    def __init__(self, *, trust: TrustSet, host: str, port: int, rng: random.Random, now: Callable[[], float]) -> None:
        """`trust` is public: what a meddler needs to read messages, and no key to sign any."""
        self._trust = trust
        self._topics = Topics(trust.network)
        self._rng = rng
        self._now = now
        self._own = MemorySigner(ed25519.Ed25519PrivateKey.from_private_bytes(rng.randbytes(32)))
        self._lock = threading.Lock()
        self._heard: deque[_Heard] = deque(maxlen=REMEMBERED)
        self._oldest: dict[str, _Heard] = {}
        self.done: Counter[str] = Counter()
        topics = self._topics
        self._presence = Presence(
            name=f"meddler-{rng.randrange(10**9)}",
            address=Address(host=host, port=port),
            topics=[(topics.head, 0), (topics.all_deltas, 1), (topics.all_snapshots, 1)],
            on_message=self._on_message,
        )

    @property
    def ways(self) -> Mapping[str, Callable[[], int]]:
        """All that it does, by name."""
        ways = (
            *(self.forge, self.impersonate, self.replay, self.roll_back, self.reorder),
            *(self.truncate, self.oversize, self.misplace, self.empty),
        )
        return {each.__name__: each for each in ways}

    def meddle(self, name: str) -> int:
        """Do one of them, and count it."""
        published = self.ways[name]()
        self.done[name] += published
        return published

    def forge(self) -> int:
        """Newer than the newest, by a key that nobody trusts."""
        return self._make_up(lambda _: self._own)

    def impersonate(self) -> int:
        """The same, naming a key that readers trust."""
        return self._make_up(lambda kid: Impostor(self._own, kid))

    def replay(self) -> int:
        """Any that were said before."""
        return self._publish_all(self._some(AT_ONCE))

    def roll_back(self) -> int:
        """The oldest that are known, retained in the place of the present."""
        with self._lock:
            oldest = list(self._oldest.values())
        return self._publish_all(oldest, retain=True)

    def reorder(self) -> int:
        """The newest deltas, shuffled."""
        with self._lock:
            newest = [each for each in self._heard if each.kind is Kind.DELTA][-AT_ONCE:]
        self._rng.shuffle(newest)
        return self._publish_all(newest)

    def truncate(self) -> int:
        """Cut off anywhere."""
        chosen = self._some(AT_ONCE)
        return self._publish_all(
            [replace(each, payload=each.payload[: self._rng.randrange(1, len(each.payload))]) for each in chosen]
        )

    def oversize(self) -> int:
        """Genuine, and filled up past the greatest size."""
        chosen = [each for each in self._some(AT_ONCE) if each.kind is not Kind.SNAPSHOT][:1]
        sizes = {Kind.HEAD: MAX_HEAD, Kind.DELTA: MAX_DELTA}
        return self._publish_all(
            [replace(each, payload=each.payload.ljust(sizes[each.kind] + 1, b"\0")) for each in chosen]
        )

    def misplace(self) -> int:
        """On another list's topic, a delta where a snapshot is expected, and a list's where no list is."""
        parts = [each for each in self._some(AT_ONCE) if each.kind is not Kind.HEAD]
        topics = sorted({each.topic for each in parts} | {self._topics.delta("elsewhere", 1)})
        return self._publish_all([replace(each, topic=self._rng.choice(topics)) for each in parts])

    def empty(self) -> int:
        """Nobody who comes late finds a head, until the next one."""
        self._presence.publish(self._topics.head, b"", retain=True)
        return 1

    def close(self) -> None:
        """Leave."""
        self._presence.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _make_up(self, signer_for: Callable[[bytes], Signer]) -> int:
        made: list[_Heard] = []
        for heard in self._newest_of_each():
            try:
                made.append(self._ahead_of(heard, signer_for))
            except ProtocolError:
                continue  # what it heard was another meddler's
        return self._publish_all(made)

    def _ahead_of(self, heard: _Heard, signer_for: Callable[[bytes], Signer]) -> _Heard:
        """What would come next, if it were said by somebody who may. Raises `ProtocolError`."""
        now = int(self._now())
        match heard.kind:
            case Kind.HEAD:
                head = read_head(heard.payload, self._trust, now)
                rows = tuple(replace(row, version=row.version + 1, digest=bytes(32)) for row in head.rows)
                ahead = Head(network=head.network, iat=now, sequence=head.sequence + 1000, rows=rows)
                return replace(heard, payload=sign_head(ahead, signer_for(head.kid)))
            case Kind.DELTA:
                delta = read_delta(heard.payload, self._trust, now)
                restored = {VALID: sorted({idx for indexes in delta.changes.values() for idx in indexes})}
                next_delta = Delta(uri=delta.uri, version=delta.version + 1, iat=now, changes=restored)
                return replace(heard, payload=sign_delta(next_delta, signer_for(delta.kid)))
            case Kind.SNAPSHOT:
                snapshot = read_snapshot(heard.payload, self._trust, now)
                later = Snapshot(
                    uri=snapshot.uri,
                    version=snapshot.version + 1000,
                    iat=now,
                    exp=now + 3600,
                    ttl=snapshot.ttl,
                    packed=bytes(len(snapshot.packed)),
                )
                return replace(heard, payload=sign_snapshot(later, signer_for(snapshot.kid)))

    def _newest_of_each(self) -> list[_Heard]:
        with self._lock:
            newest = {(each.kind, _list_of(each)): each for each in self._heard}
        return list(newest.values())

    def _some(self, most: int) -> list[_Heard]:
        with self._lock:
            heard = list(self._heard)
        return self._rng.sample(heard, min(most, len(heard)))

    def _publish_all(self, messages: list[_Heard], *, retain: bool = False) -> int:
        for each in messages:
            self._presence.publish(each.topic, each.payload, retain=retain)
        return len(messages)

    def _on_message(self, place: str, payload: bytes) -> None:
        """What is genuine is remembered, so that it does not play back itself."""
        now = int(self._now())
        try:
            topic = self._topics.read_status(place)
            reads = {Kind.HEAD: read_head, Kind.DELTA: read_delta, Kind.SNAPSHOT: read_snapshot}
            reads[topic.kind](payload, self._trust, now)
        except ProtocolError:
            return
        heard = _Heard(topic=place, kind=topic.kind, payload=payload)
        with self._lock:
            self._oldest.setdefault(f"{heard.kind.value} {_list_of(heard)}", heard)
            self._heard.append(heard)


def _list_of(heard: _Heard) -> str:
    """The part of the topic that names the list; the head has none."""
    return "" if heard.kind is Kind.HEAD else heard.topic.split("/")[4]
