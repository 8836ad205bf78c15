"""Readers that hold whatever the head says, without lists: for pages that show many of them.

Each says its state over a real broker as the wire format has it, when a head comes and when it is told to.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support.mqtt import Client

from waypass_protocol.keys import TrustSet
from waypass_protocol.messages import (
    HeldRow,
    LaneState,
    Presence,
    PresenceMessage,
    StateMessage,
    encode_message,
)
from waypass_protocol.status import HeadRow, read_head
from waypass_protocol.topics import Topics


@dataclass(kw_only=True)
class ManyReaders:
    """Readers by name, with the station of each. Those in `stuck` do not follow."""

    client: Client
    trust: TrustSet
    stations: dict[str, str]
    stuck: set[str] = field(default_factory=set)
    health: dict[str, dict[str, str]] = field(default_factory=dict)
    rows: tuple[HeadRow, ...] = ()
    held: dict[str, tuple[HeadRow, ...]] = field(default_factory=dict)

    @property
    def topics(self) -> Topics:
        return Topics(self.trust.network)

    def follow_head(self) -> None:
        """Wait for the next head, and let those who are not stuck hold what it says."""
        self.rows = read_head(self.client.next()[1], self.trust, int(time.time())).rows
        for name in self.stations:
            if name not in self.stuck:
                self.say(name, self.rows)

    def say_again(self) -> None:
        """Each what it holds, as a reader does every 30 s."""
        for name, rows in self.held.items():
            self.say(name, rows)

    def follow_change(self) -> None:
        """Until a head with something new has come."""
        before = self.rows
        while self.rows == before:
            self.follow_head()

    def say(self, name: str, rows: Sequence[HeadRow], *, digest: str | None = None, **members: Any) -> None:
        """The state of one reader; `digest` in place of the true one."""
        now = time.time()
        message = StateMessage(
            at=now,
            software="waypass-reader 0.1.0",
            clock_trusted=True,
            station=self.stations[name],
            lists=tuple(
                HeldRow(uri=row.uri, version=row.version, digest=digest or row.digest.hex(), age=4, since=now)
                for row in rows
            ),
            lanes={"lane-1": LaneState.IDLE, "lane-2": LaneState.IDLE},
            health=self.health.get(name, {"disk": "ok"}),
            **members,
        )
        self.held[name] = tuple(rows)
        self.client.publish(self.topics.reader(name, "state"), encode_message(message), retain=True)

    def presence(self, name: str, presence: Presence) -> None:
        """Come or go."""
        topic = self.topics.reader(name, "presence")
        self.client.publish(topic, encode_message(PresenceMessage(presence=presence)), retain=True)


@contextmanager
def many_readers(port: int, trust: TrustSet, stations: dict[str, str]) -> Iterator[ManyReaders]:
    """Readers on the broker at this port, online and current with the head that is there."""
    with Client("many readers", port) as client:
        readers = ManyReaders(client=client, trust=trust, stations=stations)
        client.subscribe((readers.topics.head, 1))
        for name in stations:
            readers.presence(name, Presence.ONLINE)
        readers.follow_head()
        yield readers
