"""Two MQTT clients for tests of brokers: paho with queues instead of callbacks, and a bare socket that misbehaves."""

import socket
import ssl
import struct
import time
from queue import Empty, Queue
from types import TracebackType
from typing import Any, Self, TypeVar

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

SECONDS = 40.0
_MOMENT = 0.2
_T = TypeVar("_T")


class ConnectionEnded(Exception):
    """The broker has ended a client's connection, so that the rest can't be said or heard."""


class Client:
    """A well-behaved client; every message, subscription answer and connection end lands in a queue."""

    def __init__(
        self,
        name: str,
        port: int,
        *,
        login: tuple[str, str] | None = None,
        will: tuple[str, bytes] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`will`: a retained one of QoS 1. With `tls` the broker is called `localhost`."""
        self.messages: Queue[paho.MQTTMessage] = Queue()
        self.granted: Queue[list[int]] = Queue()
        self.connected: Queue[int] = Queue()
        self.ended: Queue[None] = Queue()
        self._filters: tuple[tuple[str, int], ...] = ()
        self.paho = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=name, protocol=paho.MQTTv311, reconnect_on_failure=False
        )
        self.paho.on_message = lambda _c, _u, message: self.messages.put(message)
        self.paho.on_subscribe = lambda _c, _u, _m, codes, _p: self.granted.put([code.value for code in codes])
        self.paho.on_connect = lambda _c, _u, _f, reason, _p: self.connected.put(reason.value)
        self.paho.on_disconnect = self._on_disconnect
        if login:
            self.paho.username_pw_set(*login)
        if will:
            self.paho.will_set(will[0], will[1], qos=1, retain=True)
        if tls:
            self.paho.tls_set_context(tls)
        self.paho.connect("localhost" if tls else "127.0.0.1", port, 30)
        self.paho.loop_start()
        self.answer = self.connected.get(timeout=SECONDS)
        """CONNACK, as paho says it in MQTT 5 numbers: 0 accepted, 135 not authorised; -1: the connection ended."""

    def again(self) -> None:
        """Connect anew, with the same subscriptions, if the broker has ended the connection. A cluster on a busy
        machine does, and whoever depends on it has to live with that."""
        if self.paho.is_connected():
            return
        self.paho.loop_stop()
        while not self.connected.empty():
            self.connected.get()
        self.paho.reconnect()
        self.paho.loop_start()
        self.answer = self.connected.get(timeout=SECONDS)
        if self.answer == 0 and self._filters:
            self.subscribe(*self._filters)

    def subscribe(self, *filters: tuple[str, int]) -> list[int]:
        """The granted QoS of each filter; 128 is a refusal. Raises `ConnectionEnded`."""
        self._filters = filters
        self.paho.subscribe(list(filters))
        return self._next(self.granted, SECONDS)

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        """Returns when it is acknowledged (QoS 0: sent). Raises `ConnectionEnded`, and `Empty` when nobody answers."""
        told = self.paho.publish(topic, payload, qos, retain)
        deadline = time.monotonic() + SECONDS
        while not self._is_out(told):
            if not self.paho.is_connected():
                raise ConnectionEnded(f"before {topic} was acknowledged")
            if time.monotonic() > deadline:
                raise Empty(f"expected an acknowledgement of {topic} within {SECONDS} s")

    def message(self, *, seconds: float = SECONDS) -> tuple[str, bytes, int, bool]:
        """The next message: topic, payload, QoS, retained. Raises `Empty`, or at once `ConnectionEnded`."""
        message = self._next(self.messages, seconds)
        return message.topic, bytes(message.payload), message.qos, message.retain

    def next(self) -> tuple[str, bytes]:
        """The next message: topic, payload."""
        return self.message()[:2]

    def _next(self, queue: Queue[_T], seconds: float) -> _T:
        deadline = time.monotonic() + seconds
        while True:
            connected = self.paho.is_connected()  # asked first: what came before the end is in the queue by then
            try:
                return queue.get(timeout=min(_MOMENT, max(0.0, deadline - time.monotonic())))
            except Empty:
                if not connected:
                    raise ConnectionEnded("while something was awaited") from None
                if time.monotonic() >= deadline:
                    raise

    @staticmethod
    def _is_out(told: paho.MQTTMessageInfo) -> bool:
        try:
            told.wait_for_publish(_MOMENT)
            return told.is_published()
        except RuntimeError:  # there was no connection when it was said
            return False

    def _on_disconnect(self, *_: Any) -> None:
        self.connected.put(-1)
        self.ended.put(None)

    def cut(self) -> None:
        """End the connection without DISCONNECT, as one whose power is gone."""
        connection = self.paho.socket()
        assert isinstance(connection, socket.socket)
        connection.shutdown(socket.SHUT_RDWR)
        self.ended.get(timeout=SECONDS)

    def close(self) -> None:
        """With DISCONNECT."""
        self.paho.disconnect()
        self.paho.loop_stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class RawClient:
    """A connection whose packets are written by hand."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=SECONDS)

    def connect(self, name: str, *, keepalive: int = 0, will: tuple[str, bytes] | None = None) -> bytes:
        """CONNECT (clean session, a will retained with QoS 1); the four bytes of CONNACK."""
        flags = 0x02 | (0x2C if will else 0)
        body = _text(b"MQTT") + bytes([4, flags]) + struct.pack(">H", keepalive) + _text(name.encode())
        if will:
            body += _text(will[0].encode()) + _text(will[1])
        self.send(0x10, body)
        return self.read(4)

    def subscribe(self, topic_filter: str, qos: int) -> bytes:
        """SUBSCRIBE with packet id 1; the five bytes of SUBACK."""
        self.send(0x82, struct.pack(">H", 1) + _text(topic_filter.encode()) + bytes([qos]))
        return self.read(5)

    def publish(self, topic: str, payload: bytes, *, packet_id: int, retain: bool = True) -> None:
        """QoS 1."""
        self.send(0x32 | retain, _text(topic.encode()) + struct.pack(">H", packet_id) + payload)

    def send(self, first: int, body: bytes) -> None:
        """One packet: its first byte and what follows the length."""
        self.socket.sendall(bytes([first]) + _length(len(body)) + body)

    def read(self, count: int) -> bytes:
        """Exactly so many bytes, or fewer when the broker ends the connection."""
        data = b""
        while len(data) < count and (more := self.socket.recv(count - len(data))):
            data += more
        return data

    def at_end(self) -> bool:
        """True when the broker has closed or cut the connection; waits for it or for a byte."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionError:
            return True

    def close(self) -> None:
        """Without DISCONNECT."""
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def _text(data: bytes) -> bytes:
    return struct.pack(">H", len(data)) + data


def _length(number: int) -> bytes:
    encoded = b""
    while number > 127:
        encoded += bytes([0x80 | number & 0x7F])
        number >>= 7
    return encoded + bytes([number])
