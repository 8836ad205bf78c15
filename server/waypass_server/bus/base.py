"""The server's side of MQTT: publish with a receipt, subscribe, and know when a broker came back.

What every bus promises (`mqtt.MqttBus`, and `memory.MemoryBus` for tests and dry runs; one contract test holds both):

1. `start()` returns at once. The connection is made, lost and made again on the bus's own threads: first retry after
   150 ms, then twice as long each time, at most 2 s; each attempt is at the next of the broker's addresses.
2. Nothing is kept for later. Without a connection `publish` raises `NotConnected` at once. What was sent and not
   acknowledged when a connection ends is given up: its receipt raises `NotConfirmed`, and it is never sent again. So an
   old head or snapshot cannot overtake a newer one: whoever publishes decides anew, in `on_connect`, from what is true
   then.
3. At each connection the subscriptions are sent first, then the `on_connect` handlers run. The broker may have come
   back empty: `retained()` tells what it holds.
4. Handlers run one at a time, in order, on one thread of the bus that is not the network's: they may publish and wait
   for a receipt. They must not call `stop()`. What a handler raises is logged and costs nobody else anything.
5. A message reaches a handler at least once while connected; `retained` is true for what the broker held when the
   subscription was made. A subscription that the broker refuses is asked for again every 2 s, and each one once more
   after 5 s: NATS may lose what is published just while it takes one. So what is retained comes twice.
6. The `on_connect` handlers run again, without a new connection, when a broker that owed acknowledgements was silent
   for 3 s and then gave them: at most every 30 s, and only when nothing is owed any more. A cluster that changes its
   leader may acknowledge late what it has not retained (NATS).
"""

import contextlib
import logging
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from paho.mqtt.client import topic_matches_sub

from waypass_server.errors import BusError, NotConfirmed

PAYLOAD_LIMIT = 512 << 10
"""Bytes; the largest object of the wire format (section 4)."""

_log = logging.getLogger(__name__)


class BusState(StrEnum):
    """What the bus is doing now."""

    STOPPED = "stopped"
    CONNECTING = "connecting"
    REFUSED = "refused"
    """The broker answers and does not accept the login; tried again all the same."""
    CONNECTED = "connected"


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """One message from the broker. `retained`: it was held there before the subscription."""

    topic: str
    payload: bytes
    retained: bool


MessageHandler = Callable[[Message], None]
ConnectHandler = Callable[[], None]


class Receipt:
    """The broker's acknowledgement of one message: of QoS 1 its PUBACK, of QoS 0 that it left this machine."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self._future: Future[None] = Future()

    @property
    def confirmed(self) -> bool:
        """True once acknowledged."""
        return self._future.done() and self._future.exception() is None

    def wait(self, *, timeout: float) -> None:
        """Return once acknowledged. Raises `NotConfirmed` after `timeout` seconds or when the connection ends."""
        try:
            self._future.result(timeout)
        except TimeoutError:
            raise NotConfirmed(f"{self.topic}: expected an acknowledgement within {timeout} s, got none") from None

    def confirm(self) -> None:
        """Called by the bus, at most once."""
        self._future.set_result(None)

    def give_up(self) -> None:
        """Called by the bus when the connection has ended; after `confirm` it changes nothing."""
        with contextlib.suppress(InvalidStateError):
            self._future.set_exception(
                NotConfirmed(f"{self.topic}: expected an acknowledgement, but the connection ended")
            )


class MessageBus(Protocol):
    """Rules 1 to 5 of the module."""

    @property
    def state(self) -> BusState:
        """Now; it may be another one before the caller looks again."""
        ...

    def start(self) -> None:
        """Begin to connect. A bus is started once."""
        ...

    def stop(self) -> None:
        """Disconnect and end the threads. Pending receipts are given up; handlers that have not begun never run."""
        ...

    def wait_connected(self, *, timeout: float) -> bool:
        """Whether it is connected within `timeout` seconds. For commands and tests; a service uses `on_connect`."""
        ...

    def on_connect(self, handler: ConnectHandler) -> None:
        """Call `handler` after each connection that is made from now on."""
        ...

    def subscribe(self, topic_filter: str, handler: MessageHandler, *, qos: int = 1) -> None:
        """Pass on what matches, now and after each reconnection. Can be called before `start`."""
        ...

    def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool) -> Receipt:
        """Send one message; an empty retained one clears the topic.

        Raises `NotConnected`, and `BusError` for what cannot be sent at all.
        """
        ...

    def retained(self, topic_filter: str, *, timeout: float) -> dict[str, bytes]:
        """Topic to payload of all that the broker holds under a filter that is not subscribed to.

        Brokers that hand out retained messages late (none of those tested) may leave some out. Raises `NotConnected`,
        and `NotConfirmed` at the deadline (seconds) or when the connection ends.
        """
        ...


def check_publication(topic: str, payload: bytes, qos: int) -> None:
    """Raises `BusError` for a topic, size or QoS that no bus sends."""
    if not topic or "#" in topic or "+" in topic or topic.startswith("$"):
        raise BusError(f"expected a topic without wildcards, got {topic!r}")
    if len(payload) > PAYLOAD_LIMIT:
        raise BusError(f"{topic}: expected at most {PAYLOAD_LIMIT} bytes, got {len(payload)}")
    if qos not in (0, 1):
        raise BusError(f"{topic}: expected QoS 0 or 1, got {qos}")


def matches(topic_filter: str, topic: str) -> bool:
    """Whether an MQTT filter covers a topic."""
    return topic_matches_sub(topic_filter, topic)


class HandlerThread:
    """Runs handlers one after another (rule 4)."""

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    def call(self, handler: Callable[..., None], *arguments: object) -> None:
        """Run it after those before it."""
        self._pool.submit(handler, *arguments).add_done_callback(_report)

    def stop(self) -> None:
        """Wait for the handler that runs; drop the others."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def _report(call: Future[None]) -> None:
    if not call.cancelled() and (error := call.exception()):
        _log.error("a handler of the message bus failed", exc_info=error)
