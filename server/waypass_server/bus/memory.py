"""`MemoryBus`: a message bus without a network, for tests, demos and dry runs.

Buses that share a `MemoryBroker` see each other's messages, and its retained ones, under the promises of `base`. The
broker can be stopped (as by SIGKILL: everything that it held is gone), started again, and paused (as by SIGSTOP: it
takes messages and neither passes them on nor acknowledges them).
"""

import threading
from typing import Protocol

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
from waypass_server.errors import BusError, NotConfirmed, NotConnected


class _Member(Protocol):
    def broker_is_there(self) -> None: ...
    def broker_is_gone(self) -> None: ...
    def message_arrived(self, message: Message, only: str | None) -> None: ...


class MemoryBroker:
    """Retained messages and the buses that are connected. It runs from the start on."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.running = True
        self._paused = False
        self._retained: dict[str, bytes] = {}
        self._members: list[_Member] = []
        self._waiting: list[tuple[Message, bool, Receipt]] = []

    def stop(self) -> None:
        """End all connections and forget everything."""
        with self.lock:
            self.running = self._paused = False
            self._retained.clear()
            waiting, self._waiting = self._waiting, []
            for member in self._members:
                member.broker_is_gone()
        for _, _, receipt in waiting:
            receipt.give_up()

    def start(self) -> None:
        """Run again, empty; the buses connect."""
        with self.lock:
            self.running = True
            for member in self._members:
                member.broker_is_there()

    def pause(self) -> None:
        """Take messages, and do nothing with them."""
        with self.lock:
            self._paused = True

    def resume(self) -> None:
        """Do what was left undone, in its order."""
        with self.lock:
            self._paused = False
            waiting, self._waiting = self._waiting, []
            for message, retain, receipt in waiting:
                self.accept(message, retain, receipt)

    def join(self, member: _Member) -> None:
        """A bus starts."""
        with self.lock:
            self._members.append(member)
            if self.running:
                member.broker_is_there()

    def leave(self, member: _Member) -> None:
        """A bus stops."""
        with self.lock:
            self._members.remove(member)

    def accept(self, message: Message, retain: bool, receipt: Receipt) -> None:
        """Store, pass on and acknowledge one message, now or when it is resumed."""
        with self.lock:
            if self._paused:
                self._waiting.append((message, retain, receipt))
                return
            if retain and message.payload:
                self._retained[message.topic] = message.payload
            elif retain:
                self._retained.pop(message.topic, None)
            for member in self._members:
                member.message_arrived(message, None)
        receipt.confirm()

    def held(self, topic_filter: str) -> dict[str, bytes] | None:
        """The retained messages under a filter, or None while it is paused."""
        with self.lock:
            if self._paused:
                return None
            return {topic: payload for topic, payload in self._retained.items() if matches(topic_filter, topic)}


class MemoryBus:
    """A `MessageBus` on a `MemoryBroker`."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker
        self._handlers = HandlerThread("memory bus handlers")
        self._changed = threading.Condition(broker.lock)
        self._state = BusState.STOPPED
        self._connect_handlers: list[ConnectHandler] = []
        self._subscriptions: dict[str, list[MessageHandler]] = {}

    @property
    def state(self) -> BusState:
        """See `MessageBus`."""
        return self._state

    def start(self) -> None:
        """See `MessageBus`."""
        with self._changed:
            self._set_state(BusState.CONNECTING)
            self._broker.join(self)

    def stop(self) -> None:
        """See `MessageBus`."""
        with self._changed:
            self._broker.leave(self)
            self._set_state(BusState.STOPPED)
        self._handlers.stop()

    def wait_connected(self, *, timeout: float) -> bool:
        """See `MessageBus`."""
        with self._changed:
            return self._changed.wait_for(lambda: self._state is BusState.CONNECTED, timeout)

    def on_connect(self, handler: ConnectHandler) -> None:
        """See `MessageBus`."""
        with self._changed:
            self._connect_handlers.append(handler)

    def subscribe(self, topic_filter: str, handler: MessageHandler, *, qos: int = 1) -> None:  # noqa: ARG002
        """See `MessageBus`. The QoS makes no difference in memory."""
        with self._changed:
            self._subscriptions.setdefault(topic_filter, []).append(handler)
            if self._state is BusState.CONNECTED:
                self._send_retained(topic_filter)

    def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool) -> Receipt:
        """See `MessageBus`."""
        check_publication(topic, payload, qos)
        receipt = Receipt(topic)
        with self._changed:
            self._check_connected(topic)
            self._broker.accept(Message(topic=topic, payload=payload, retained=False), retain, receipt)
        return receipt

    def retained(self, topic_filter: str, *, timeout: float) -> dict[str, bytes]:
        """See `MessageBus`. A paused broker answers at no time, so nothing is waited for."""
        with self._changed:
            self._check_connected(topic_filter)
            if topic_filter in self._subscriptions:
                raise BusError(f"{topic_filter}: expected a filter that is not subscribed to already")
            found = self._broker.held(topic_filter)
        if found is None:
            raise NotConfirmed(f"{topic_filter}: expected the broker's answer within {timeout} s, got none")
        return found

    def broker_is_there(self) -> None:
        """Called by the broker."""
        self._set_state(BusState.CONNECTED)
        for topic_filter in self._subscriptions:
            self._send_retained(topic_filter)
        for handler in self._connect_handlers:
            self._handlers.call(handler)

    def broker_is_gone(self) -> None:
        """Called by the broker."""
        self._set_state(BusState.CONNECTING)

    def message_arrived(self, message: Message, only: str | None) -> None:
        """Called by the broker; `only` limits it to the handlers of one filter."""
        for topic_filter in [only] if only else list(self._subscriptions):
            if matches(topic_filter, message.topic):
                for handler in self._subscriptions[topic_filter]:
                    self._handlers.call(handler, message)

    def _send_retained(self, topic_filter: str) -> None:
        for topic, payload in (self._broker.held(topic_filter) or {}).items():
            self.message_arrived(Message(topic=topic, payload=payload, retained=True), topic_filter)

    def _set_state(self, state: BusState) -> None:
        with self._changed:
            self._state = state
            self._changed.notify_all()

    def _check_connected(self, what: str) -> None:
        if self._state is not BusState.CONNECTED:
            raise NotConnected(f"{what}: expected a connection to the broker, the bus is {self._state}")
