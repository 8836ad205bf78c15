"""`MqttBus`: the message bus over paho-mqtt (MQTT 3.1.1).

How it keeps the promise that nothing is sent late (rule 2 of `base`): each connection is a paho client of its own, with
automatic reconnection off, and is thrown away when it ends. One paho client for all would, after a reconnect, first
send again what was unacknowledged or queued before, so that an old head or snapshot could replace a newer one. The
client id stays the same for all, so the broker ends an older connection before anything late can come out of it.

Two settings matter for the time that a change takes: TCP_NODELAY on this side (paho leaves it off), and on a Mosquitto
broker `set_tcp_nodelay true`. Without them the second of two messages waits up to 40 ms for the first one's TCP
acknowledgement.
"""

import contextlib
import dataclasses
import logging
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from itertools import cycle
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode

from waypass_server.bus.base import (
    BusState,
    ConnectHandler,
    HandlerThread,
    Message,
    MessageHandler,
    Receipt,
    check_publication,
    matches,
)
from waypass_server.bus.polling import PollLoop
from waypass_server.bus.settings import BusSettings
from waypass_server.errors import BusError, NotConfirmed, NotConnected

FIRST_RETRY_SECONDS = 0.15
LAST_RETRY_SECONDS = 2.0
ANSWER_SECONDS = 5.0
"""For the TCP connection and for CONNACK, each."""
CLOSE_SECONDS = 1.0
UNACKNOWLEDGED_LIMIT = 20_000
"""Messages of QoS 1 that may wait for a broker that has stopped answering; the next one is refused."""
IN_FLIGHT = 200
LOOK_SECONDS = 1.0
"""How often a connection is looked at: whether it has ended, and what is to be asked or told again."""
ASK_AGAIN_SECONDS = 2.0
ASK_TWICE_SECONDS = 5.0
DOUBT_EVERY_SECONDS = 30.0

_log = logging.getLogger(__name__)


class MqttBus:
    """A `MessageBus` on an MQTT 3.1.1 broker."""

    def __init__(self, settings: BusSettings) -> None:
        """Raises `ConfigurationError` for TLS files that cannot be used."""
        self._settings = settings
        self._place = settings.places[0]
        self._context = settings.tls.context() if settings.tls else None
        self._handlers = HandlerThread(f"bus handlers {settings.client_id}")
        self._thread = threading.Thread(target=self._run, name=f"bus {settings.client_id}", daemon=True)
        self._stopping = threading.Event()
        self._changed = threading.Condition()  # guards what follows; never held while paho is called
        self._state = BusState.STOPPED
        self._complained = False
        self._current: _Connection | None = None
        self._connect_handlers: list[ConnectHandler] = []
        self._subscriptions: dict[str, tuple[int, list[MessageHandler]]] = {}
        self._questions: dict[str, dict[str, bytes]] = {}

    @property
    def state(self) -> BusState:
        """See `MessageBus`."""
        return self._state

    def start(self) -> None:
        """See `MessageBus`."""
        self._set_state(BusState.CONNECTING)
        self._thread.start()

    def stop(self) -> None:
        """See `MessageBus`. Takes at most a connection attempt and `CLOSE_SECONDS`."""
        self._stopping.set()
        if connection := self._current:
            connection.close()
        if self._thread.ident is not None:
            self._thread.join()
        self._handlers.stop()

    def wait_connected(self, *, timeout: float) -> bool:
        """See `MessageBus`."""
        with self._changed:
            return self._changed.wait_for(lambda: self._state is BusState.CONNECTED, timeout)

    def on_connect(self, handler: ConnectHandler) -> None:
        """See `MessageBus`."""
        with self._changed:
            self._connect_handlers.append(handler)

    def subscribe(self, topic_filter: str, handler: MessageHandler, *, qos: int = 1) -> None:
        """See `MessageBus`."""
        with self._changed:
            highest, handlers = self._subscriptions.get(topic_filter, (0, []))
            self._subscriptions[topic_filter] = (max(qos, highest), [*handlers, handler])
            connection = self._current if self._state is BusState.CONNECTED else None
        if connection:
            connection.subscribe(topic_filter, max(qos, highest))

    def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool) -> Receipt:
        """See `MessageBus`."""
        check_publication(topic, payload, qos)
        return self._connected(topic).publish(topic, payload, qos=qos, retain=retain)

    def retained(self, topic_filter: str, *, timeout: float) -> dict[str, bytes]:
        """See `MessageBus`."""
        connection = self._connected(topic_filter)
        found: dict[str, bytes] = {}
        with self._changed:
            if topic_filter in self._subscriptions or topic_filter in self._questions:
                raise BusError(f"{topic_filter}: expected a filter that is not subscribed to already")
            self._questions[topic_filter] = found
        try:
            connection.ask(topic_filter, timeout=timeout)
        finally:
            with self._changed:
                del self._questions[topic_filter]
        return found

    def _connected(self, what: str) -> "_Connection":
        with self._changed:
            if self._state is BusState.CONNECTED and self._current:
                return self._current
        raise NotConnected(f"{what}: expected a connection to the broker, the bus is {self._state}")

    def _run(self) -> None:
        pause = FIRST_RETRY_SECONDS
        places = self._settings.places
        for self._place in cycle(places):
            if self._stopping.is_set():
                break
            host, port = self._place
            settings = dataclasses.replace(self._settings, host=host, port=port)
            connection = _Connection(self, settings, self._context)
            self._current = connection
            connection.run(self._stopping)
            if connection.accepted:
                pause = FIRST_RETRY_SECONDS
            self._stopping.wait(pause)
            if self._place == places[-1]:
                pause = min(pause * 2, LAST_RETRY_SECONDS)
        self._set_state(BusState.STOPPED)

    def _set_state(self, state: BusState) -> None:
        with self._changed:
            self._state = state
            self._changed.notify_all()

    def connection_made(self) -> None:
        """Called by a connection: subscriptions first, then the handlers (rule 3)."""
        with self._changed:
            self._state = BusState.CONNECTED
            self._complained = False
            subscriptions = {topic_filter: qos for topic_filter, (qos, _) in self._subscriptions.items()}
            connection, handlers = self._current, list(self._connect_handlers)
            self._changed.notify_all()
        for topic_filter, qos in subscriptions.items():
            if connection:
                connection.subscribe(topic_filter, qos)
        for handler in handlers:
            self._handlers.call(handler)

    def connection_failed(self, reason: str, state: BusState = BusState.CONNECTING) -> None:
        """Called by a connection that could not be made, or that the broker refused. Logged once, until one is made."""
        self._set_state(state)
        if not self._complained:
            self._complained = True
            _log.warning("no broker at %s:%d: %s; trying on", *self._place, reason)

    def connection_ended(self) -> None:
        """Called by a connection, once."""
        if self._state is BusState.CONNECTED:
            self._set_state(BusState.CONNECTING)
            if not self._stopping.is_set():
                _log.warning("the connection to the broker at %s:%d ended", *self._place)

    def connection_doubted(self) -> None:
        """Called by a connection: the broker may not hold what it acknowledged (rule 6)."""
        _log.warning("the broker at %s:%d was silent for a while; telling it everything anew", *self._place)
        with self._changed:
            handlers = list(self._connect_handlers)
        for handler in handlers:
            self._handlers.call(handler)

    def message_arrived(self, message: Message) -> None:
        """Called by a connection for each message."""
        with self._changed:
            for topic_filter, found in self._questions.items():
                if message.retained and matches(topic_filter, message.topic):
                    found[message.topic] = message.payload
            subscriptions = list(self._subscriptions.items())
        for topic_filter, (_, handlers) in subscriptions:
            if matches(topic_filter, message.topic):
                for handler in handlers:
                    self._handlers.call(handler, message)


class _Connection:
    """One paho client, from TCP connect to its end.

    `_lock` guards receipts and answers only and is never held while paho is called: paho holds locks of its own when it
    calls us.
    """

    def __init__(self, bus: MqttBus, settings: BusSettings, context: ssl.SSLContext | None) -> None:
        self._bus = bus
        self._settings = settings
        self._lock = threading.Lock()
        self._receipts: dict[int, Receipt] = {}
        self._early: set[int] = set()
        self._owed: set[int] = set()
        self._heard_at = 0.0
        self._doubted = False
        self._doubted_at = float("-inf")
        self._filters: dict[int, tuple[str, int]] = {}
        self._refused: set[int] = set()
        self._told_refusal = False
        self._asked_at = float("-inf")
        self._second_at = float("inf")
        self._answers: dict[int, Future[Sequence[ReasonCode]]] = {}
        self._asking = threading.Lock()
        self._answered = threading.Event()
        self._ended = threading.Event()
        self._socket: socket.socket | None = None
        self.accepted = False
        self._client = client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=settings.client_id,
            protocol=paho.MQTTv311,
            clean_session=True,
            reconnect_on_failure=False,
        )
        client.suppress_exceptions = True  # `_on_log` tells them; a handler's defect must not end the connection
        client.on_log = self._on_log
        client.connect_timeout = ANSWER_SECONDS
        client.max_queued_messages_set(UNACKNOWLEDGED_LIMIT)
        client.max_inflight_messages_set(IN_FLIGHT)
        if settings.username is not None:
            client.username_pw_set(settings.username, settings.password)
        if context is not None:
            client.tls_set_context(context)
        self._loop = PollLoop(client)
        client.on_socket_open = self._on_socket_open
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        client.on_subscribe = self._on_subscribe
        client.on_unsubscribe = self._on_unsubscribe

    def run(self, stopping: threading.Event) -> None:
        """Connect, and return when the connection has ended or was not accepted."""
        try:
            self._client.connect(self._settings.host, self._settings.port, self._settings.keepalive)
        except OSError as error:
            self._bus.connection_failed(str(error))
            self._loop.close()
            return
        network = threading.Thread(target=self._loop.run, name=f"bus network {self._settings.client_id}", daemon=True)
        network.start()
        if stopping.is_set():
            self._cut()
        elif not self._answered.wait(ANSWER_SECONDS) and not self._ended.is_set():
            self._bus.connection_failed(f"no answer from a broker within {ANSWER_SECONDS} s")
            self._cut()
        # paho does not report every end to `on_disconnect`, so look at it now and then.
        while not self._ended.wait(LOOK_SECONDS) and self._client.is_connected():
            self._ask_again(time.monotonic())
            self._tell_doubts(time.monotonic())
        self._cut()
        network.join()
        self._loop.close()
        self._end()

    def close(self) -> None:
        """End it with DISCONNECT, or without when that does not leave in a moment."""
        self._client.disconnect()
        if not self._ended.wait(CLOSE_SECONDS):
            self._cut()

    def _cut(self) -> None:
        # Wakes the network's thread, which then sees the end of the stream; closing under its poll() would not.
        if self._socket:
            with contextlib.suppress(OSError):  # it ended by itself just now
                self._socket.shutdown(socket.SHUT_RDWR)

    def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool) -> Receipt:
        """Raises `NotConnected`."""
        info = self._client.publish(topic, payload, qos, retain)
        now = time.monotonic()
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise NotConnected(f"{topic}: not sent: {paho.error_string(info.rc)}")
        receipt = Receipt(topic)
        with self._lock:
            if info.mid in self._early:
                self._early.discard(info.mid)
                receipt.confirm()
            elif self._ended.is_set():
                receipt.give_up()
            else:
                self._receipts[info.mid] = receipt
                self._owe(info.mid, qos, now)
        return receipt

    def _owe(self, packet_id: int, qos: int, now: float) -> None:
        """Rule 6 of `base`: silence counts while something is owed."""
        if qos:
            if not self._owed:
                self._heard_at = now
            self._owed.add(packet_id)

    def _hear(self, packet_id: int, now: float) -> None:
        """An acknowledgement came."""
        if packet_id in self._owed:
            self._owed.discard(packet_id)
            self._doubted |= now - self._heard_at >= self._settings.silence
            self._heard_at = now

    def _tell_doubts(self, now: float) -> None:
        with self._lock:
            due = self._doubted and not self._owed and now - self._doubted_at >= DOUBT_EVERY_SECONDS
            if due:
                self._doubted, self._doubted_at = False, now
        if due:
            self._bus.connection_doubted()

    def _ask_again(self, now: float) -> None:
        """For what the broker refused, and once for everything (rule 5 of `base`)."""
        with self._lock:
            if now >= self._second_at:
                numbers = set(self._filters)
                self._second_at = float("inf")
            elif now - self._asked_at >= ASK_AGAIN_SECONDS:
                numbers = self._refused & self._filters.keys()
            else:
                return
            self._refused -= numbers
            wanted = [self._filters.pop(number) for number in numbers]
            self._asked_at = now
        for topic_filter, qos in wanted:
            self._subscribe(topic_filter, qos)

    def subscribe(self, topic_filter: str, qos: int) -> None:
        """Ask for a filter, and once more later; a refusal is logged, and it is asked for again."""
        self._subscribe(topic_filter, qos)
        with self._lock:
            self._second_at = time.monotonic() + ASK_TWICE_SECONDS

    def _subscribe(self, topic_filter: str, qos: int) -> None:
        _, number = self._client.subscribe(topic_filter, qos)
        if number is not None:
            with self._lock:
                self._filters[number] = topic_filter, qos

    def ask(self, topic_filter: str, *, timeout: float) -> None:
        """Subscribe and unsubscribe at QoS 0; returns at UNSUBACK, which brokers send after the retained messages.

        Raises `NotConnected`, `NotConfirmed`, and `BusError` when the broker refuses the filter.
        """
        with self._asking:
            self._answers = {}
            asked, subscription = self._client.subscribe(topic_filter, 0)
            done, end = self._client.unsubscribe(topic_filter)
            if asked or done or subscription is None or end is None:
                raise NotConnected(f"{topic_filter}: not asked: {paho.error_string(asked or done)}")
            try:
                granted = self._answer(subscription).result(timeout)
                self._answer(end).result(timeout)
            except TimeoutError:
                raise NotConfirmed(f"{topic_filter}: expected an answer within {timeout} s, got none") from None
        if any(code.is_failure for code in granted):
            raise BusError(f"{topic_filter}: expected leave to subscribe, the broker refuses it")

    def _answer(self, packet_id: int) -> "Future[Sequence[ReasonCode]]":
        # Whoever comes first makes it: the broker's answer may be faster than `ask`.
        with self._lock:
            answer = self._answers.setdefault(packet_id, Future())
            if self._ended.is_set() and not answer.done():
                answer.set_exception(NotConfirmed("expected an answer, but the connection ended"))
            return answer

    def _end(self) -> None:
        with self._lock:
            first, receipts = not self._ended.is_set(), list(self._receipts.values())
            self._ended.set()
            self._receipts.clear()
            self._owed.clear()
            for answer in self._answers.values():
                if not answer.done():
                    answer.set_exception(NotConfirmed("expected an answer, but the connection ended"))
        if first:
            self._bus.connection_ended()
        for receipt in receipts:
            receipt.give_up()

    def _on_connect(self, _client: paho.Client, _data: Any, _flags: Any, reason: ReasonCode, _more: Any) -> None:
        self.accepted = not reason.is_failure
        self._answered.set()
        if self.accepted:
            self._bus.connection_made()
        else:
            self._bus.connection_failed(str(reason), BusState.REFUSED)

    def _on_log(self, _client: paho.Client, _data: Any, _level: int, text: str) -> None:
        # The rest of what paho logs is told by the bus, or is a connection that we have closed.
        if text.startswith("Caught exception"):
            _log.error("a defect in the message bus: %s", text)

    def _on_socket_open(self, _client: paho.Client, _data: Any, sock: Any) -> None:
        self._socket = sock
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _on_disconnect(self, *_: Any) -> None:
        self._end()

    def _on_publish(self, _client: paho.Client, _data: Any, packet_id: int, *_: Any) -> None:
        with self._lock:
            if receipt := self._receipts.pop(packet_id, None):
                self._hear(packet_id, time.monotonic())
                receipt.confirm()
            else:
                self._early.add(packet_id)  # faster than `publish` on the caller's thread

    def _on_subscribe(
        self, _client: paho.Client, _data: Any, packet_id: int, codes: Sequence[ReasonCode], _more: Any
    ) -> None:
        if any(code.is_failure for code in codes):
            with self._lock:
                self._refused.add(packet_id)
                first, self._told_refusal = not self._told_refusal, True
            if first:
                _log.warning("the broker refuses a subscription")
        self._answer(packet_id).set_result(codes)

    def _on_unsubscribe(self, _client: paho.Client, _data: Any, packet_id: int, *_: Any) -> None:
        self._answer(packet_id).set_result([])

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            return  # No broker may pass on such a topic, and we have no filter that it matches.
        self._bus.message_arrived(Message(topic=topic, payload=bytes(message.payload), retained=message.retain))
