"""Somebody who only listens, and knows afterwards what was true: which versions of which list there ever were.

It keeps every delta whose signature verifies, whoever said it and however often, and replays them itself, byte by byte,
from the first version, in which everything is valid. Two different contents of one version are remembered as such: no
publisher may ever sign a version twice. It needs a connection that no fault is made on.
"""

import hashlib
import threading
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from waypass_protocol.bits import INVALID, LIST_BYTES
from waypass_protocol.errors import ProtocolError
from waypass_protocol.keys import TrustSet
from waypass_protocol.passes import Place
from waypass_protocol.status import Delta, read_delta
from waypass_protocol.topics import Topics
from waypass_simulator.faults.presence import Presence
from waypass_simulator.fleet.link import Address


@dataclass(kw_only=True)
class Truth:
    """What was true. `withdrawn`: in which versions a place became invalid; `missed`: versions that nobody heard."""

    digests: dict[tuple[str, int], str] = field(default_factory=dict)
    newest: dict[str, int] = field(default_factory=dict)
    packed: dict[str, bytes] = field(default_factory=dict, repr=False)
    withdrawn: Mapping[Place, list[int]] = field(default_factory=dict)
    signed_twice: list[tuple[str, int]] = field(default_factory=list)
    missed: list[tuple[str, int]] = field(default_factory=list)


def replay(deltas: Mapping[tuple[str, int], Delta], lists: frozenset[str]) -> Truth:
    """The truth that these deltas tell of these lists."""
    truth = Truth()
    withdrawn: dict[Place, list[int]] = defaultdict(list)
    for uri in sorted(lists):
        packed = bytearray(LIST_BYTES)
        last = max((version for each, version in deltas if each == uri), default=1)
        truth.digests[uri, 1] = hashlib.sha256(packed).hexdigest()
        for version in range(2, last + 1):
            delta = deltas.get((uri, version))
            if delta is None:
                truth.missed.append((uri, version))
                continue
            for status, indexes in delta.changes.items():
                for idx in indexes:
                    byte, shift = divmod(idx, 4)
                    packed[byte] = packed[byte] & ~(3 << 2 * shift) | status << 2 * shift
                    if status == INVALID:
                        withdrawn[Place(uri=uri, idx=idx)].append(version)
            truth.digests[uri, version] = hashlib.sha256(packed).hexdigest()
        truth.newest[uri], truth.packed[uri] = last, bytes(packed)
    truth.withdrawn = withdrawn
    return truth


class Witness:
    """See the module's docstring. Use it as a context manager."""

    def __init__(self, *, trust: TrustSet, host: str, port: int, now: Any) -> None:
        """`now` gives UNIX seconds."""
        self._trust = trust
        self._topics = Topics(trust.network)
        self._now = now
        self._lock = threading.Lock()
        self._deltas: dict[tuple[str, int], Delta] = {}
        self._twice: list[tuple[str, int]] = []
        self.listening = threading.Event()
        self._connection: deque[tuple[float, str]] = deque(maxlen=20)
        self._presence = Presence(
            name="witness",
            address=Address(host=host, port=port),
            topics=[(self._topics.all_deltas, 1)],
            on_message=self._on_message,
            on_change=self._note,
        )

    @property
    def connection(self) -> list[tuple[float, str]]:
        """What became of its connection lately: UNIX seconds, and what happened."""
        return list(self._connection)

    def newest(self) -> dict[str, int]:
        """The highest version of each list that it heard of."""
        newest: dict[str, int] = {}
        with self._lock:
            for uri, version in self._deltas:
                newest[uri] = max(version, newest.get(uri, 0))
        return newest

    def truth(self, lists: frozenset[str]) -> Truth:
        """What was true of these lists until now."""
        with self._lock:
            truth = replay(self._deltas, lists)
            truth.signed_twice = list(self._twice)
        return truth

    def close(self) -> None:
        """Leave."""
        self._presence.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _note(self, what: str) -> None:
        self._connection.append((round(self._now(), 3), what))
        if what == "subscribed":
            self.listening.set()

    def _on_message(self, _topic: str, payload: bytes) -> None:
        try:
            delta = read_delta(payload, self._trust, int(self._now()))
        except ProtocolError:
            return
        with self._lock:
            before = self._deltas.setdefault((delta.uri, delta.version), delta)
            if before.changes != delta.changes:
                self._twice.append((delta.uri, delta.version))
