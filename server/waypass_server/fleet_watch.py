"""Keeps a `Fleet` from what comes over the message bus, and wakes whoever watches it.

1. presence and state of all readers are subscribed to; the broker keeps the last of each, so the fleet is complete
   soon after a connection
2. what the publisher makes is taken from the publisher itself, never from the broker
3. a message that is not of the wire format marks its reader, and is logged once until that reader is readable again;
   a topic that is none of this network's is passed over
4. `watching` gives an asyncio event that is set after each change; any thread may feed the fleet. `close` wakes all who
   watch, and `closed` tells them to end: the server does not wait for pages that are open
"""

import asyncio
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from waypass_protocol.errors import Malformed
from waypass_protocol.messages import PresenceMessage, StateMessage, read_message
from waypass_protocol.topics import ReaderTopic, Topics
from waypass_server.bus import Message, MessageBus
from waypass_server.fleet import Fleet, FleetView
from waypass_server.publisher import Publication
from waypass_server.services import Clock

_log = logging.getLogger(__name__)


class FleetWatch:
    """The readers of one network, as their messages come in."""

    def __init__(self, network: str, clock: Clock) -> None:
        self.closed = False
        """Whether everybody who watches is to end."""
        self._topics = Topics(network)
        self._clock = clock
        self._lock = threading.Lock()
        self._fleet = Fleet()
        self._unreadable: set[str] = set()
        self._watching: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}

    def attach(self, bus: MessageBus) -> None:
        """Hear the readers on this bus; call it before the bus starts."""
        for leaf in ("presence", "state"):
            bus.subscribe(self._topics.reader("+", leaf), self.take)

    def take(self, message: Message) -> None:
        """One message of a reader (rules 1 and 3)."""
        try:
            topic = self._topics.read_reader(message.topic)
        except Malformed:
            return
        with self._lock:
            if message.payload:
                self._read(topic, message)
            else:
                self._fleet.forget(topic.reader)
        self._wake()

    def published(self, publication: Publication) -> None:
        """The publisher made this (rule 2)."""
        with self._lock:
            fresh = self._fleet.published(
                publication.rows, committed_at=publication.committed_at, ended=publication.ended
            )
        if fresh:
            self._wake()

    def view(self) -> FleetView:
        """All readers now."""
        with self._lock:
            return self._fleet.view(self._clock.now())

    @contextmanager
    def watching(self) -> Iterator[asyncio.Event]:
        """An event of the running loop that is set after each change."""
        changed = asyncio.Event()
        with self._lock:
            self._watching[changed] = asyncio.get_running_loop()
        try:
            yield changed
        finally:
            with self._lock:
                del self._watching[changed]

    @property
    def watchers(self) -> int:
        """How many watch now."""
        return len(self._watching)

    def close(self) -> None:
        """Rule 4."""
        self.closed = True
        self._wake()

    def _read(self, topic: ReaderTopic, message: Message) -> None:
        try:
            said = read_message(topic.leaf, message.payload)
        except Malformed as error:
            self._fleet.unreadable(topic.reader)
            if topic.reader not in self._unreadable:
                _log.warning("reader %s: %s", topic.reader, error)
                self._unreadable.add(topic.reader)
            return
        if isinstance(said, PresenceMessage):
            self._fleet.presence(topic.reader, said)
        elif isinstance(said, StateMessage):
            self._unreadable.discard(topic.reader)
            self._fleet.state(topic.reader, said, now=self._clock.now(), retained=message.retained)

    def _wake(self) -> None:
        with self._lock:
            watching = list(self._watching.items())
        for changed, loop in watching:
            # A loop that has ended has nobody left who waits.
            if not loop.is_closed():
                loop.call_soon_threadsafe(changed.set)
