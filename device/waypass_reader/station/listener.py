"""The station's broker, listened to: what readers say goes to the board, and whoever watches is woken.

1. It subscribes to the four topics of every reader at each connect, again 2 s after a refusal, and once more after 5 s:
   a cluster may lose what is published just while it takes a subscription. It publishes nothing: its login need not be
   able to.
2. What is no message of this network's readers is dropped, and reported at most once a minute.
3. Without a broker the client tries again after 100 ms, then twice as long each time, up to 2 s, each time at the next
   of the broker's addresses; the board is told.
4. Watching is bounded in time, so that ages and what is forgotten are seen too. No lock is held while somebody is told.
"""

import threading
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from waypass_protocol.errors import Malformed
from waypass_protocol.messages import ReaderMessage, read_message
from waypass_protocol.topics import READER_LEAVES, Topics
from waypass_reader.broker_address import BrokerAddress, Turns, secure
from waypass_reader.clock import Clock
from waypass_reader.link import CONNECT_SECONDS, RECONNECT_SECONDS
from waypass_reader.log import Log, ReportLimiter
from waypass_reader.station.board import Moment, StationBoard, StationView

SUBSCRIBE_AGAIN_SECONDS = 2.0
SUBSCRIBE_TWICE_SECONDS = 5.0


class Bulletin:
    """The board, for several threads: one writes, others wait until there is something new."""

    def __init__(self, board: StationBoard, clock: Clock) -> None:
        self._board = board
        self._clock = clock
        self._changed = threading.Condition()
        self._number = 0

    def broker(self, reachable: bool) -> None:
        """The connection to the broker came or went."""
        with self._changed:
            self._board.broker(reachable, self._moment())
            self._tell()

    def take(self, topics: Topics, topic: str, payload: bytes, *, retained: bool) -> None:
        """A message from the broker. Raises `Malformed`."""
        whose = topics.read_reader(topic)
        self.hear(whose.reader, read_message(whose.leaf, payload), retained=retained)

    def hear(self, reader: str, message: ReaderMessage, *, retained: bool = False) -> None:
        """A reader's message."""
        with self._changed:
            self._board.take(reader, message, self._moment(), retained=retained)
            self._tell()

    def view(self) -> tuple[int, StationView]:
        """The station now, and the number of the last change."""
        with self._changed:
            return self._number, self._board.view(self._moment())

    def wait(self, number: int, *, timeout: float) -> None:
        """Until there was a change after the one with this number, or for so many seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._number != number, timeout)

    def _moment(self) -> Moment:
        return Moment(at=self._clock.now(), ns=self._clock.monotonic_ns())

    def _tell(self) -> None:
        self._number += 1
        self._changed.notify_all()


class Listener:
    """The box's connection to its broker."""

    def __init__(
        self, *, address: BrokerAddress, topics: Topics, name: str, bulletin: Bulletin, clock: Clock, log: Log
    ) -> None:
        """Raises `ConfigurationError` when a password, certificate or key file is of no use."""
        self._topics = topics
        self._bulletin = bulletin
        self._clock = clock
        self._log = log
        self._turns = Turns(address)
        self._told_unreachable = False
        self._ending = threading.Event()
        self._dropped = ReportLimiter()
        self._again: threading.Timer | None = None
        self._asked_twice = False
        self._client = self._make_client(address, name)

    def start(self) -> None:
        """Begin to connect, in the background; a broker that is not there is no error."""
        self._client.loop_start()

    def close(self) -> None:
        """Leave."""
        self._ending.set()
        if self._again is not None:
            self._again.cancel()
        self._client.disconnect()
        self._client.loop_stop()

    def _make_client(self, address: BrokerAddress, name: str) -> mqtt.Client:
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=name,
            clean_session=True,
            protocol=mqtt.MQTTv311,
        )
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.connect_timeout = CONNECT_SECONDS
        least, most = RECONNECT_SECONDS
        # The library's hint says int; it only sleeps by it.
        client.reconnect_delay_set(min_delay=least, max_delay=most)  # type: ignore[arg-type]
        secure(client, address)
        self._turns.begin(client)
        return client

    def _on_connect(self, _client: mqtt.Client, _data: Any, _flags: Any, code: Any, _properties: Any) -> None:
        if code.is_failure:
            self._tell_unreachable("the broker refused the station box", str(code))
            return
        self._asked_twice = False
        self._subscribe()

    def _subscribe_in(self, seconds: float) -> None:
        self._again = threading.Timer(seconds, self._subscribe)
        self._again.daemon = True
        self._again.start()

    def _subscribe(self) -> None:
        self._client.subscribe([(self._topics.reader("+", leaf), 1) for leaf in READER_LEAVES])

    def _on_subscribe(self, _client: mqtt.Client, _data: Any, _number: int, codes: Any, _properties: Any) -> None:
        # Only now: what readers say between the connection and this is heard by nobody.
        if any(code.is_failure for code in codes):
            self._tell_unreachable("the broker lets the station box hear nothing", str(codes[0]))
            self._asked_twice = False
            self._subscribe_in(SUBSCRIBE_AGAIN_SECONDS)
            return
        if self._asked_twice:
            return
        self._asked_twice = True
        self._subscribe_in(SUBSCRIBE_TWICE_SECONDS)
        self._told_unreachable = False
        self._log.info("connected", broker=self._turns.place)
        self._bulletin.broker(True)

    def _on_connect_fail(self, client: mqtt.Client, _data: Any) -> None:
        self._tell_unreachable("the broker can't be reached; the page says so", "no connection")
        self._turns.next(client)

    def _on_disconnect(self, client: mqtt.Client, _data: Any, _flags: Any, code: Any, _properties: Any) -> None:
        if not self._ending.is_set():
            self._tell_unreachable("the connection to the broker is lost; the page says so", str(code))
            self._turns.next(client)

    def _tell_unreachable(self, event: str, cause: str) -> None:
        self._bulletin.broker(False)
        if not self._told_unreachable:
            self._told_unreachable = True
            self._log.warning(event, broker=self._turns.place, cause=cause)

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        if not message.payload:
            return  # somebody took back what was retained
        try:
            self._bulletin.take(self._topics, message.topic, bytes(message.payload), retained=bool(message.retain))
        except (Malformed, UnicodeDecodeError):
            # Not what it says is wrong: that could hold anything that somebody sent.
            if self._dropped.note("dropped", now_ns=self._clock.monotonic_ns()):
                self._log.warning("a message that is no reader's was dropped", broker=self._turns.place)
