"""The reader's side of MQTT: status messages in, what the reader says of itself out.

1. The session is clean. At every connect the reader says that it is online (retained; its last will says offline) and
   subscribes: the head first, then all deltas, and a list's snapshot only while it is needed (`snapshots`).
2. Messages are handed to the inbox in one thread, the MQTT client's own. No lane ever waits for it.
3. `state` is published when a list or the head changed, or a lane failed or works again, at once and then at most every
   100 ms, and every 30 s; never because somebody came or was let through by staff, since it may leave the station.
   `live` says that, and goes nowhere without a connection. Counts wait for one, for a day.
4. Without a broker the reader goes on; the client tries again after 100 ms, then twice as long each time, up to 2 s.
5. When the clock becomes trusted, or was set, after messages were refused for their time, all is asked for again.
"""

import socket
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from waypass_protocol.errors import Malformed
from waypass_protocol.messages import (
    HourCounts,
    LaneState,
    LiveMessage,
    MinuteCounts,
    Presence,
    PresenceMessage,
    ReaderMessage,
    StateMessage,
    encode_message,
)
from waypass_protocol.topics import Topics
from waypass_reader.clock import Clock
from waypass_reader.errors import ConfigurationError
from waypass_reader.inbox import StatusInbox
from waypass_reader.log import Log
from waypass_reader.snapshots import SnapshotWanted

STATE_GAP_NS = 100 * 10**6
STATE_EVERY_NS = 30 * 10**9
CHORE_SECONDS = 0.05
KEEPALIVE_SECONDS = 10
GOODBYE_SECONDS = 2.0
CONNECT_SECONDS = 2.0
RECONNECT_SECONDS = (0.1, 2.0)
CLOCK_STEP_SECONDS = 5.0
COUNTS_WAITING = 1500  # a day of minutes, and its hours


@dataclass(frozen=True, kw_only=True, slots=True)
class BrokerAddress:
    """Where the broker is, and how the reader is known there. `ca` turns TLS on."""

    host: str
    port: int
    username: str | None = None
    password_file: Path | None = None
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


class Outlet(Protocol):
    """Where lanes say what they are doing; it never waits."""

    def say_live(self, message: LiveMessage) -> None:
        """A lane's present state."""


class NoLink:
    """A reader without a broker: nobody hears it."""

    def say_live(self, message: LiveMessage) -> None:
        """Nothing happens."""


class StatusLink:
    """One reader's connection to its broker; see the module's docstring. `state` is asked for its state message."""

    def __init__(
        self,
        *,
        address: BrokerAddress,
        topics: Topics,
        reader: str,
        inbox: StatusInbox,
        clock: Clock,
        log: Log,
        state: Callable[[], StateMessage],
    ) -> None:
        """Raises `ConfigurationError` when a password, certificate or key file is of no use."""
        self._topics = topics
        self._reader = reader
        self._inbox = inbox
        self._clock = clock
        self._log = log
        self._state = state
        self._lock = threading.RLock()
        self._wanted = SnapshotWanted(inbox.store)
        self._connected = False
        self._told_unreachable = False
        self._broken_lanes: set[str] = set()
        self._state_changed = False
        self._state_said_ns: int | None = None
        self._counts: deque[MinuteCounts | HourCounts] = deque(maxlen=COUNTS_WAITING)
        self._trusted = False
        self._offset = clock.now() - clock.monotonic_ns() / 1e9
        self._place = f"{address.host}:{address.port}"
        self._client = self._make_client(address)
        self._ending = threading.Event()
        self._chores = threading.Thread(target=self._do_chores, name="link chores", daemon=True)

    @property
    def connected(self) -> bool:
        """Whether the broker accepted this reader and the connection stands."""
        return self._connected

    def start(self) -> None:
        """Begin to connect, in the background; a broker that is not there is no error."""
        self._client.loop_start()
        self._chores.start()

    def close(self) -> None:
        """Say that the reader is offline, and leave."""
        self._ending.set()
        self._chores.join()
        if self._connected:
            self._say_counts()
            farewell = self._publish(PresenceMessage(presence=Presence.OFFLINE), "presence", retain=True)
            if farewell.rc == mqtt.MQTT_ERR_SUCCESS:
                farewell.wait_for_publish(GOODBYE_SECONDS)
        self._client.disconnect()
        self._client.loop_stop()

    def say_live(self, message: LiveMessage) -> None:
        """Publish a lane's state if anybody is there; the reader's own too when a lane fails or works again."""
        broken = message.state is LaneState.OUT_OF_ORDER
        by_staff = message.state is LaneState.OPEN and message.outcome is None  # which says nothing of the lane
        if not by_staff and broken is not (message.lane in self._broken_lanes):
            with self._lock:
                self._broken_lanes ^= {message.lane}
                self._state_changed = True
        if self._connected:
            self._publish(message, "live", qos=0)

    def say_counts(self, counts: list[MinuteCounts | HourCounts]) -> None:
        """Publish finished counts, when there is a connection."""
        with self._lock:
            self._counts.extend(counts)
        if self._connected:
            self._say_counts()

    def _make_client(self, address: BrokerAddress) -> mqtt.Client:
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"waypass-{self._reader}",
            clean_session=True,
            protocol=mqtt.MQTTv311,
        )
        client.on_socket_open = _send_at_once
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.max_queued_messages_set(COUNTS_WAITING)
        client.connect_timeout = CONNECT_SECONDS
        least, most = RECONNECT_SECONDS
        # The library's hint says int; it only sleeps by it.
        client.reconnect_delay_set(min_delay=least, max_delay=most)  # type: ignore[arg-type]
        offline = encode_message(PresenceMessage(presence=Presence.OFFLINE))
        client.will_set(self._topics.reader(self._reader, "presence"), offline, qos=1, retain=True)
        _secure(client, address)
        client.connect_async(address.host, address.port, keepalive=KEEPALIVE_SECONDS)
        return client

    def _on_connect(self, _client: mqtt.Client, _data: Any, _flags: Any, code: Any, _properties: Any) -> None:
        if code.is_failure:
            if not self._told_unreachable:
                self._told_unreachable = True
                self._log.warning("the broker refused this reader", broker=self._place, cause=str(code))
            return
        with self._lock:
            self._told_unreachable = False
            self._wanted.forget_asked()
            self._connected = True
        self._log.info("connected", broker=self._place)
        self._publish(PresenceMessage(presence=Presence.ONLINE), "presence", retain=True)
        self._subscribe_all()
        self._say_counts()
        self._say_state()

    def _on_connect_fail(self, _client: mqtt.Client, _data: Any) -> None:
        # The library does not say why; nobody listens there in most cases, or the network is out.
        self._tell_unreachable("the broker can't be reached; the gate decides by its policy", "no connection")

    def _on_disconnect(self, _client: mqtt.Client, _data: Any, _flags: Any, code: Any, _properties: Any) -> None:
        was_connected, self._connected = self._connected, False
        if was_connected and not self._ending.is_set():
            self._tell_unreachable("the connection to the broker is lost; the gate decides by its policy", str(code))

    def _tell_unreachable(self, event: str, cause: str) -> None:
        if not self._told_unreachable:
            self._told_unreachable = True
            self._log.warning(event, broker=self._place, cause=cause)

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        try:
            topic = self._topics.read_status(message.topic)
        except (Malformed, UnicodeDecodeError):
            self._inbox.refuse_topic("a topic that carries no status message of this network")
            return
        change = self._inbox.take(topic.kind, bytes(message.payload), list_topic=topic.list_name or None)
        self._update_snapshots()
        if change.any:
            self._state_changed = True
            self._say_state_if_due()

    def _subscribe_all(self) -> None:
        """Rule 1. The broker sends what is retained, also for a topic that was subscribed before."""
        self._client.subscribe(self._topics.head, qos=0)
        self._client.subscribe(self._topics.all_deltas, qos=1)
        self._update_snapshots()

    def _update_snapshots(self) -> None:
        with self._lock:
            if not self._connected:
                return
            subscribe, unsubscribe = self._wanted.changes(self._clock.monotonic_ns())
            for name in subscribe:
                self._client.subscribe(self._topics.snapshot(name), qos=1)
            for name in unsubscribe:
                self._client.unsubscribe(self._topics.snapshot(name))

    def _do_chores(self) -> None:
        """The thread that looks after everything that is due by time."""
        while not self._ending.wait(CHORE_SECONDS):
            self._update_snapshots()
            self._say_state_if_due()
            self._ask_again_after_clock_change()
            self._inbox.retry_disk()

    def _ask_again_after_clock_change(self) -> None:
        """Rule 5."""
        now = self._clock.now()
        offset = now - self._clock.monotonic_ns() / 1e9
        trusted = self._inbox.store.clock_trusted(int(now), synchronised=self._clock.synchronised())
        stepped = abs(offset - self._offset) > CLOCK_STEP_SECONDS
        if trusted is not self._trusted or stepped:
            self._trusted, self._offset = trusted, offset
            self._state_changed = True
            if trusted and self._inbox.refused_for_time and self._connected:
                self._inbox.refused_for_time = False
                with self._lock:
                    self._wanted.forget_asked()
                self._subscribe_all()

    def _say_state_if_due(self) -> None:
        with self._lock:
            since = None if self._state_said_ns is None else self._clock.monotonic_ns() - self._state_said_ns
            due = since is None or since >= (STATE_GAP_NS if self._state_changed else STATE_EVERY_NS)
            if due and self._connected:
                self._say_state()

    def _say_state(self) -> None:
        with self._lock:
            self._state_changed = False
            self._state_said_ns = self._clock.monotonic_ns()
            self._publish(self._state(), "state", retain=True)

    def _say_counts(self) -> None:
        with self._lock:
            while self._counts:
                self._publish(self._counts.popleft(), "counts")

    def _publish(
        self, message: ReaderMessage, leaf: str, *, qos: int = 1, retain: bool = False
    ) -> mqtt.MQTTMessageInfo:
        return self._client.publish(self._topics.reader(self._reader, leaf), encode_message(message), qos, retain)


def _secure(client: mqtt.Client, address: BrokerAddress) -> None:
    """Password and TLS. Raises `ConfigurationError`."""
    if address.username is not None:
        client.username_pw_set(address.username, _read_password(address.password_file))
    if address.ca is not None:
        try:
            client.tls_set(
                ca_certs=str(address.ca),
                certfile=None if address.certificate is None else str(address.certificate),
                keyfile=None if address.key is None else str(address.key),
            )
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise ConfigurationError(f"broker: its TLS files can't be used: {error}") from error


def _read_password(path: Path | None) -> str | None:
    """The first line of the password file."""
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8").partition("\n")[0]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"broker: password_file {path} can't be read: {error}") from error


def _send_at_once(_client: mqtt.Client, _data: Any, connection: Any) -> None:
    """Small messages must not wait for the acknowledgement of those before them."""
    if isinstance(connection, socket.socket):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
