"""A server's hands on a broker, for tests: publishes status messages, and hears what readers say."""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from tests.support.issuing import IssuedList, Issuer

from waypass_protocol.messages import PresenceMessage, ReaderMessage, StateMessage, read_message
from waypass_protocol.names import list_name
from waypass_protocol.topics import Topics

WAIT_SECONDS = 60.0


def wait_for(true: Callable[[], bool], what: str, *, seconds: float = WAIT_SECONDS) -> None:
    """Until it is true, or the deadline has passed."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise AssertionError(f"expected within {seconds} s: {what}")
        threading.Event().wait(0.005)


class Publisher:
    """Connected to a broker; remembers all that readers of the issuer's network publish."""

    def __init__(self, issuer: Issuer, host: str, port: int) -> None:
        self._issuer = issuer
        self.topics = Topics(issuer.network)
        self._lock = threading.Lock()
        self._heard: list[tuple[str, bytes]] = []
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
        self._client.on_connect = self._on_connect
        self._client.on_message = self._on_message
        self._client.connect(host, port, keepalive=10)
        self._subscribed = threading.Event()
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.loop_start()
        assert self._subscribed.wait(WAIT_SECONDS)

    def publish(self, topic: str, data: bytes, *, retain: bool = True, qos: int = 1) -> None:
        """Publish, and wait until the broker has it."""
        self._client.publish(topic, data, qos=qos, retain=retain).wait_for_publish(WAIT_SECONDS)

    def snapshot(self, issued: IssuedList, **times: int) -> None:
        """Publish a list's snapshot as it is now."""
        self.publish(self.topics.snapshot(list_name(issued.uri)), issued.snapshot(**times))

    def change(self, issued: IssuedList, *indexes: int, iat: int) -> bytes:
        """Withdraw these indexes; publish the delta, and return it."""
        delta = issued.change(*indexes, iat=iat)
        self.publish(self.topics.delta(list_name(issued.uri), issued.version), delta)
        return delta

    def head(self, *lists: IssuedList, sequence: int, iat: int) -> None:
        """Publish the head that names these lists as they are."""
        self.publish(self.topics.head, self._issuer.head(*lists, sequence=sequence, iat=iat))

    def heard(self, reader: str, leaf: str) -> list[ReaderMessage]:
        """What a reader published on one of its topics, in its order."""
        topic = self.topics.reader(reader, leaf)
        with self._lock:
            return [read_message(leaf, data) for at, data in self._heard if at == topic]

    def raw(self) -> list[tuple[str, bytes]]:
        """Everything that was heard, as it came."""
        with self._lock:
            return list(self._heard)

    def state(self, reader: str) -> StateMessage | None:
        """A reader's newest state."""
        states = self.heard(reader, "state")
        return states[-1] if states and isinstance(states[-1], StateMessage) else None

    def presence(self, reader: str) -> str | None:
        """A reader's newest presence."""
        said = self.heard(reader, "presence")
        return said[-1].presence.value if said and isinstance(said[-1], PresenceMessage) else None

    def version(self, reader: str, uri: str) -> int | None:
        """The version of a list that a reader says it holds."""
        state = self.state(reader)
        return next((row.version for row in state.lists if row.uri == uri), None) if state else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, client: mqtt.Client, *_: Any) -> None:
        client.subscribe(f"{self.topics.root}/reader/#", qos=1)

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        with self._lock:
            self._heard.append((message.topic, bytes(message.payload)))
