"""What the readers say of themselves over MQTT, as an operator's screen would see it.

Only what a reader publishes is known here: versions, digests, ages and when each list was swapped in. The connection
comes back by itself when the broker does.
"""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from waypass_protocol.errors import Malformed
from waypass_protocol.messages import StateMessage, read_message
from waypass_protocol.topics import Topics


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """What one reader holds of one list, by its own word. `since` is when it was swapped in (UNIX seconds)."""

    version: int
    digest: str
    since: float
    age: int | None


class StateWatch:
    """The newest state of each reader of a network. Use it as a context manager."""

    def __init__(self, *, topics: Topics, port: int) -> None:
        self._topics = topics
        self._port = port
        self._news = threading.Condition()
        self._states: dict[str, StateMessage] = {}
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="demo-watch")
        self._client.reconnect_delay_set(min_delay=1, max_delay=1)
        self._client.on_connect = self._on_connect
        self._client.on_message = self._on_message

    def start(self) -> None:
        """Connect and listen."""
        self._client.connect_async("127.0.0.1", self._port, keepalive=10)
        self._client.loop_start()

    def close(self) -> None:
        """Stop listening."""
        self._client.disconnect()
        self._client.loop_stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def held(self, reader: str) -> dict[str, Held]:
        """What a reader holds, by list."""
        with self._news:
            return _held(self._states.get(reader))

    def wait_version(self, reader: str, uri: str, version: int, *, timeout: float) -> Held | None:
        """Wait until a reader holds a list in this version or a later one; None at the deadline."""
        deadline = time.monotonic() + timeout
        with self._news:
            while True:
                held = _held(self._states.get(reader)).get(uri)
                if held is not None and held.version >= version:
                    return held
                if not self._news.wait(timeout=max(0.0, deadline - time.monotonic())):
                    return None

    def wait_newer(self, reader: str, before: Mapping[str, Held], *, timeout: float) -> Held | None:
        """Wait until a reader holds any list in a later version than `before`; None at the deadline."""
        deadline = time.monotonic() + timeout
        with self._news:
            while True:
                for uri, held in _held(self._states.get(reader)).items():
                    if uri not in before or held.version > before[uri].version:
                        return held
                if not self._news.wait(timeout=max(0.0, deadline - time.monotonic())):
                    return None

    def wait_current(self, reader: str, *, timeout: float) -> dict[str, Held]:
        """Wait until a reader holds at least one list of a known age; empty at the deadline."""
        deadline = time.monotonic() + timeout
        with self._news:
            while True:
                held = _held(self._states.get(reader))
                if held and all(each.age is not None for each in held.values()):
                    return held
                if not self._news.wait(timeout=max(0.0, deadline - time.monotonic())):
                    return {}

    def forget(self, reader: str) -> None:
        """Forget what a reader said, so that only new words count."""
        with self._news:
            self._states.pop(reader, None)

    def _on_connect(self, client: mqtt.Client, *_: Any) -> None:
        client.subscribe(self._topics.reader("+", "state"), qos=1)

    def _on_message(self, _client: mqtt.Client, _userdata: Any, message: mqtt.MQTTMessage) -> None:
        try:
            topic = self._topics.read_reader(message.topic)
            state = read_message(topic.leaf, bytes(message.payload))
        except Malformed:
            return  # the story's steps tell when a reader never says what it should
        if isinstance(state, StateMessage):
            with self._news:
                self._states[topic.reader] = state
                self._news.notify_all()


def _held(state: StateMessage | None) -> dict[str, Held]:
    if state is None:
        return {}
    return {row.uri: Held(version=row.version, digest=row.digest, since=row.since, age=row.age) for row in state.lists}
