"""One MQTT connection of the fleet, driven by the event loop that all of them share.

The client is paho's, without a thread of its own: the loop tells when its socket has something to read, or room.
A connection that is lost is tried again after 0.1 s, then twice as long each time, up to 2 s, with a little chance in
it so that a thousand do not come back in the same moment. Opening a TCP connection waits for the other end (at most a
second); on one machine it is there or refused at once.
"""

import asyncio
import contextlib
import random
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

KEEPALIVE_SECONDS = 60
CONNECT_SECONDS = 1.0
RETRY_SECONDS = (0.1, 2.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """Where a broker is."""

    host: str
    port: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Will:
    """What the broker says, retained, when this connection ends without a goodbye; and what the goodbye is."""

    topic: str
    payload: bytes


class Link:
    """See the module's docstring. `on_connected` greets, `on_message` takes a topic and a payload; `on_subscribed` and
    `on_lost` are told.
    """

    def __init__(
        self,
        *,
        name: str,
        address: Address,
        rng: random.Random,
        on_connected: Callable[[], None],
        on_message: Callable[[str, bytes], None],
        will: Will | None = None,
        on_subscribed: Callable[[], None] = lambda: None,
        on_lost: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_lost = on_lost
        self._address = address
        self._rng = rng
        self._on_connected = on_connected
        self._on_message = on_message
        self._will = will
        self._wanted = False
        self._waits = RETRY_SECONDS[0]
        self._retry: asyncio.TimerHandle | None = None
        self._socket: socket.socket | None = None
        self._writing = self._reading = False
        self.connected = False
        self.connections = 0
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=name, clean_session=True, protocol=mqtt.MQTTv311)
        client.connect_timeout = CONNECT_SECONDS
        client.on_socket_open = self._opened
        client.on_socket_close = self._closed
        client.on_connect = self._accepted
        client.on_disconnect = self._lost
        client.on_message = self._came
        client.on_subscribe = lambda *_: on_subscribed()
        if will is not None:
            client.will_set(will.topic, will.payload, qos=1, retain=True)
        self._client = client

    def open(self) -> None:
        """Connect, and stay connected."""
        self._wanted = True
        self._try()

    def close(self) -> None:
        """Say goodbye, and stay away."""
        if self._will is not None:
            self.publish(self._will.topic, self._will.payload, retain=True)
        self._stay_away()
        self._client.disconnect()
        self._after_work()

    def drop(self) -> None:
        """The link breaks: no goodbye. It stays away until `open`."""
        self._stay_away()
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def subscribe(self, *topics: tuple[str, int]) -> None:
        """Topics with their QoS."""
        self._client.subscribe(list(topics))
        self._after_work()

    def unsubscribe(self, topic: str) -> None:
        """No more of it."""
        self._client.unsubscribe(topic)
        self._after_work()

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """With QoS 1; what is said without a connection is said to nobody."""
        if self.connected:
            self._client.publish(topic, payload, 1, retain)
            self._after_work()

    def tick(self) -> None:
        """Now and then: keeps the connection alive, and finds out when it is not."""
        self._client.loop_misc()
        self._after_work()

    def _stay_away(self) -> None:
        self._wanted = False
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None

    def _try(self) -> None:
        self._retry = None
        if not self._wanted or self._socket is not None:
            return
        try:
            self._client.connect(self._address.host, self._address.port, keepalive=KEEPALIVE_SECONDS)
            self._after_work()
        except OSError:
            self._try_later()

    def _try_later(self) -> None:
        if self._wanted and self._retry is None:
            wait = self._waits * self._rng.uniform(0.5, 1.0)
            self._retry = asyncio.get_running_loop().call_later(wait, self._try)
            self._waits = min(2 * self._waits, RETRY_SECONDS[1])

    def _opened(self, _client: mqtt.Client, _data: Any, connection: Any) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = connection
        asyncio.get_running_loop().add_reader(connection, self._read)

    def _closed(self, _client: mqtt.Client, _data: Any, connection: Any) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(connection)
        loop.remove_writer(connection)
        self._socket, self._writing = None, False
        self.connected = False
        self._try_later()

    def _accepted(self, _client: mqtt.Client, _data: Any, _flags: Any, code: Any, _properties: Any) -> None:
        if not code.is_failure:
            self.connected = True
            self.connections += 1
            self._waits = RETRY_SECONDS[0]
            self._on_connected()

    def _lost(self, _client: mqtt.Client, _data: Any, _flags: Any, _code: Any, _properties: Any) -> None:
        self.connected = False
        self._on_lost()

    def _came(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        with contextlib.suppress(UnicodeDecodeError):  # a topic that is no text carries nothing of ours
            self._on_message(message.topic, bytes(message.payload))

    def _read(self) -> None:
        # What is said while a message is taken waits until it is: the library's callbacks do not nest.
        self._reading = True
        try:
            self._client.loop_read()
        finally:
            self._reading = False
        self._after_work()

    def _write(self) -> None:
        self._client.loop_write()
        self._after_work()

    def _after_work(self) -> None:
        """Write what there is; what has no room yet is written when there is."""
        if self._reading:
            return
        if self._socket is not None and self._client.want_write():
            self._client.loop_write()
        if self._socket is None:
            return
        loop = asyncio.get_running_loop()
        wants = self._client.want_write()
        if wants and not self._writing:
            loop.add_writer(self._socket, self._write)
        elif self._writing and not wants:
            loop.remove_writer(self._socket)
        self._writing = wants
