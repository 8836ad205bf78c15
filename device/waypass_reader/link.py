"""The reader's side of MQTT: status messages in, what the reader says of itself out.

1. The session is clean. At every connect the reader says that it is online (retained; its last will says offline) and
   subscribes: the head first, then all deltas, and a list's snapshot only while it is needed (`snapshots`), in the
   standard's form or, on a thin link, in whichever is smaller.
2. Messages are handed to the inbox in one thread, the MQTT client's own. No lane ever waits for it. Retained ones come
   all at once and are kept on disk together. `state` says of each list the version that is on the disk, which is an
   older one while the disk takes nothing: what a reader says that it holds, it holds after a power cut too, or it holds
   nothing then and opens for nobody.
3. `state` is published when a list or the head changed, or a lane failed or works again, at once and then at most every
   100 ms, and every 30 s; never because somebody came or was let through by staff, since it may leave the station.
   `live` says that, and goes nowhere without a connection; that somebody waits is said anew with each state and every
   5 s, so that staff see it after a break too, whoever came back first. Counts wait for a connection, for a day.
4. Without a broker the reader goes on; the client tries again after 100 ms, then twice as long each time, up to 2 s.
   What the station's readers tell each other of re-entry (`sharing`) goes the same way, and is not kept for later.
5. When the clock becomes trusted, or was set, after messages were refused for their time, all is asked for again.
6. A message larger than any of the wire format's is refused as it is, whatever its topic. The library has read all of
   it by then; what a broker passes on at most is the broker's setting.
7. A subscription that the broker refuses is logged, asked for again (`subscriptions`), and told as trouble until it is
   granted: without it the lists would grow old without a word. When a list stays behind the newest head, or behind a
   delta that is there, all is asked for again: a cluster may lose what is published just while it takes a subscription
   (`snapshots`). With several addresses of the broker, the next attempt is at the next one (`broker_address`).
8. An error that nobody foresaw is logged by its kind and costs one message or one look. Were it to end the client's
   thread, the reader would go on deciding, deaf, and call itself connected.
"""

import socket
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from waypass_protocol.assembly import Report
from waypass_protocol.errors import Malformed
from waypass_protocol.messages import (
    MAX_MESSAGE,
    HourCounts,
    LaneState,
    LiveMessage,
    MinuteCounts,
    Presence,
    PresenceMessage,
    ReaderMessage,
    ReentryMessage,
    StateMessage,
    encode_message,
)
from waypass_protocol.status import MAX_DELTA, MAX_HEAD, MAX_SNAPSHOT
from waypass_protocol.topics import Topics
from waypass_reader.broker_address import BrokerAddress, Turns, secure
from waypass_reader.clock import Clock
from waypass_reader.inbox import StatusInbox
from waypass_reader.log import Log, ReportLimiter
from waypass_reader.snapshots import GapWatch, SnapshotWanted
from waypass_reader.subscriptions import Subscriptions
from waypass_reader.supervision import HANGS_NS

STATE_GAP_NS = 100 * 10**6
STATE_NS_A_BYTE = 10**9 // 20_000
"""With many lists a state is long: at most 20 kB a second of it, so that a thin link has room for what matters."""
STATE_EVERY_NS = 30 * 10**9
WAITING_EVERY_NS = 5 * 10**9
CHORE_SECONDS = 0.05
GOODBYE_SECONDS = 2.0
CONNECT_SECONDS = 2.0
RECONNECT_SECONDS = (0.1, 2.0)
CLOCK_STEP_SECONDS = 5.0
MAX_PAYLOAD = max(MAX_HEAD, MAX_DELTA, MAX_SNAPSHOT, MAX_MESSAGE)
WELL = "ok"
COUNTS_WAITING = 1500  # a day of minutes, and its hours


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

    def __init__(  # noqa: PLR0913 - what a reader has, each under its name
        self,
        *,
        address: BrokerAddress,
        topics: Topics,
        reader: str,
        inbox: StatusInbox,
        clock: Clock,
        log: Log,
        state: Callable[[], StateMessage],
        hear_reentry: Callable[[str, bytes], None] | None = None,
        compact: bool = False,
    ) -> None:
        """`hear_reentry` is given what other readers of the station tell; without it they are not listened to.
        `compact`: whether snapshots come in whichever form is smaller.

        Raises `ConfigurationError` when a password, certificate or key file is of no use."""
        self._topics = topics
        self._reader = reader
        self._inbox = inbox
        self._clock = clock
        self._log = log
        self._state = state
        self._hear_reentry = hear_reentry
        self._snapshot_topic = topics.compact if compact else topics.snapshot
        self._lock = threading.RLock()
        self._wanted = SnapshotWanted(inbox.store)
        self._gaps = GapWatch(inbox.store)
        self._subscriptions = Subscriptions()
        self._connected = False
        self._told_unreachable = False
        self._broken_lanes: set[str] = set()
        self._unforeseen = ReportLimiter()
        # What lanes that wait said last; its own lock, which nobody holds for long.
        self._waiting: dict[str, LiveMessage] = {}
        self._waiting_lock = threading.Lock()
        self._state_changed = False
        self._state_said_ns: int | None = None
        self._waiting_said_ns = 0
        self._state_size = 0
        self._counts: deque[MinuteCounts | HourCounts] = deque(maxlen=COUNTS_WAITING)
        self._trusted = False
        self._offset = clock.now() - clock.monotonic_ns() / 1e9
        self._turns = Turns(address)
        self._client = self._make_client(address)
        self._ending = threading.Event()
        self._chores_ns: int | None = None
        self._working_ns: int | None = None
        self._chores = threading.Thread(target=self._do_chores, name="link chores", daemon=True)

    @property
    def connected(self) -> bool:
        """Whether the broker accepted this reader and the connection stands."""
        return self._connected

    @property
    def trouble(self) -> str:
        """ "ok", or what the broker does not let this reader have."""
        refused = sorted(self._subscriptions.refused)
        return f"the broker refuses to give {', '.join(refused)}; look at its access list" if refused else WELL

    def hangs(self, now_ns: int) -> bool:
        """Whether the thread of the chores, or the client's in our hands, has been at one thing for too long."""
        at_ns = [since for since in (self._chores_ns, self._working_ns) if since is not None]
        return any(now_ns - since >= HANGS_NS for since in at_ns)

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
            with self._waiting_lock:
                self._broken_lanes ^= {message.lane}
            self._state_changed = True
        with self._waiting_lock:
            if message.state is LaneState.WAIT:
                self._waiting[message.lane] = replace(message, passage=None)  # which is said once
            else:
                self._waiting.pop(message.lane, None)
        if self._connected:
            self._publish(message, "live", qos=0)

    def say_state_soon(self) -> None:
        """Something of the reader changed that its state tells. Waits for nothing: lanes and pins call it."""
        self._state_changed = True

    def say_reentry(self, message: ReentryMessage) -> None:
        """Tell the station's other readers, if anybody is there."""
        if self._connected:
            self._client.publish(self._topics.reentry(self._reader), encode_message(message), 0)

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
        client.on_subscribe = self._on_subscribe
        client.max_queued_messages_set(COUNTS_WAITING)
        client.connect_timeout = CONNECT_SECONDS
        least, most = RECONNECT_SECONDS
        # The library's hint says int; it only sleeps by it.
        client.reconnect_delay_set(min_delay=least, max_delay=most)  # type: ignore[arg-type]
        offline = encode_message(PresenceMessage(presence=Presence.OFFLINE))
        client.will_set(self._topics.reader(self._reader, "presence"), offline, qos=1, retain=True)
        secure(client, address)
        self._turns.begin(client)
        return client

    def _on_connect(self, _client: mqtt.Client, _data: Any, _flags: Any, code: Any, _properties: Any) -> None:
        if code.is_failure:
            if not self._told_unreachable:
                self._told_unreachable = True
                self._log.warning("the broker refused this reader", broker=self._turns.place, cause=str(code))
            return
        with self._lock:
            self._told_unreachable = False
            self._wanted.forget_asked()
            self._gaps.forget()
            self._subscriptions.forget()
            self._connected = True
        self._log.info("connected", broker=self._turns.place)
        self._guard(self._greet)

    def _greet(self) -> None:
        """Rule 1."""
        self._publish(PresenceMessage(presence=Presence.ONLINE), "presence", retain=True)
        self._subscribe_all()
        self._say_counts()
        self._say_state()

    def _on_connect_fail(self, client: mqtt.Client, _data: Any) -> None:
        # The library does not say why; nobody listens there in most cases, or the network is out.
        self._tell_unreachable("the broker can't be reached; the gate decides by its policy", "no connection")
        self._turns.next(client)

    def _on_disconnect(self, client: mqtt.Client, _data: Any, _flags: Any, code: Any, _properties: Any) -> None:
        was_connected, self._connected = self._connected, False
        if self._ending.is_set():
            return
        if was_connected:
            self._tell_unreachable("the connection to the broker is lost; the gate decides by its policy", str(code))
        self._turns.next(client)

    def _on_subscribe(self, _client: mqtt.Client, _data: Any, number: int, codes: Any, _properties: Any) -> None:
        """Rule 7."""
        with self._lock:
            before = self._subscriptions.refused
            self._subscriptions.answered(number, codes, self._clock.monotonic_ns())
            new = self._subscriptions.refused - before
            self._state_changed |= before != self._subscriptions.refused
        for topic in sorted(new):
            self._log.warning("the broker refused a subscription", broker=self._turns.place, topic=topic)

    def _tell_unreachable(self, event: str, cause: str) -> None:
        if not self._told_unreachable:
            self._told_unreachable = True
            self._log.warning(event, broker=self._turns.place, cause=cause)

    def _guard(self, work: Callable[[], None]) -> None:
        """Rule 8."""
        try:
            work()
        except Exception as error:  # noqa: BLE001 - rule 8 says why
            kind = type(error).__name__
            if self._unforeseen.note(kind, now_ns=self._clock.monotonic_ns()):
                self._log.warning("an unforeseen error in the link to the broker", kind=kind)

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        self._working_ns = self._clock.monotonic_ns()
        self._guard(lambda: self._take(message))
        self._working_ns = None

    def _take(self, message: mqtt.MQTTMessage) -> None:
        """Rules 2 and 6."""
        if len(message.payload) > MAX_PAYLOAD:
            self._inbox.refuse(Report.TOO_LARGE, f"expected at most {MAX_PAYLOAD} bytes, got {len(message.payload)}")
            return
        if self._hear_reentry is not None and self._take_reentry(self._hear_reentry, message):
            return
        try:
            topic = self._topics.read_status(message.topic)
        except (Malformed, UnicodeDecodeError):
            self._inbox.refuse(Report.WRONG_PLACE, "a topic that carries no status message of this network")
            return
        change = self._inbox.take(
            topic.kind, bytes(message.payload), list_topic=topic.list_name or None, more=message.retain
        )
        self._update_snapshots()
        if change.any:
            self._state_changed = True
            self._say_state_if_due()

    def _take_reentry(self, hear: Callable[[str, bytes], None], message: mqtt.MQTTMessage) -> bool:
        """Whether it was another reader's word; a retained one is old, and nobody's."""
        try:
            reader = self._topics.read_reentry(message.topic)
            if reader is not None and not message.retain:
                hear(reader, bytes(message.payload))
        except (Malformed, UnicodeDecodeError):
            self._inbox.refuse(Report.WRONG_PLACE, "a re-entry mark that is none")
            return True
        return reader is not None

    def _subscribe_all(self) -> None:
        """Rule 1. The broker sends what is retained, also for a topic that was subscribed before."""
        with self._lock:
            self._subscriptions.subscribe(self._client, self._topics.head, 0)
            self._subscriptions.subscribe(self._client, self._topics.all_deltas, 1)
            if self._hear_reentry is not None:
                self._subscriptions.subscribe(self._client, self._topics.reentry("+"), 0)
        self._update_snapshots()

    def _update_snapshots(self) -> None:
        with self._lock:
            if not self._connected:
                return
            subscribe, unsubscribe = self._wanted.changes(self._clock.monotonic_ns())
            for name in subscribe:
                self._subscriptions.subscribe(self._client, self._snapshot_topic(name), 1)
            for name in unsubscribe:
                self._subscriptions.unsubscribe(self._client, self._snapshot_topic(name))

    def _do_chores(self) -> None:
        """The thread that looks after everything that is due by time."""
        while not self._ending.wait(CHORE_SECONDS):
            self._chores_ns = self._clock.monotonic_ns()
            for chore in (
                self._update_snapshots,
                self._ask_again,
                self._inbox.settle,
                self._say_state_if_due,
                self._say_who_waits_if_due,
                self._ask_again_after_clock_change,
                self._retry_disk,
            ):
                self._guard(chore)
        self._chores_ns = None

    def _retry_disk(self) -> None:
        """Rule 2: what is on the disk at last is said soon."""
        if self._inbox.retry_disk():
            self._state_changed = True

    def _ask_again(self) -> None:
        """Rule 7."""
        now_ns = self._clock.monotonic_ns()
        with self._lock:
            if not self._connected:
                return
            self._subscriptions.ask_again(self._client, now_ns)
            if self._gaps.due(now_ns):
                self._wanted.forget_asked()
                self._subscribe_all()

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
            gap = max(STATE_GAP_NS, self._state_size * STATE_NS_A_BYTE)
            due = since is None or since >= (gap if self._state_changed else STATE_EVERY_NS)
        if due and self._connected:
            self._say_state()

    def _say_state(self) -> None:
        self._inbox.settle()  # or what came last would be said a moment later
        with self._lock:
            self._state_changed = False
            self._state_said_ns = self._clock.monotonic_ns()
            payload = encode_message(self._state())
            self._state_size = len(payload)
            self._send(payload, "state", retain=True)
        self._say_who_waits()

    def _say_who_waits_if_due(self) -> None:
        if self._connected and self._clock.monotonic_ns() - self._waiting_said_ns >= WAITING_EVERY_NS:
            self._say_who_waits()

    def _say_who_waits(self) -> None:
        self._waiting_said_ns = self._clock.monotonic_ns()
        # Under the lock, so that what a lane says next comes after.
        with self._waiting_lock:
            for message in self._waiting.values():
                self._publish(message, "live", qos=0)

    def _say_counts(self) -> None:
        with self._lock:
            while self._counts:
                self._publish(self._counts.popleft(), "counts")

    def _publish(
        self, message: ReaderMessage, leaf: str, *, qos: int = 1, retain: bool = False
    ) -> mqtt.MQTTMessageInfo:
        return self._send(encode_message(message), leaf, qos=qos, retain=retain)

    def _send(self, payload: bytes, leaf: str, *, qos: int = 1, retain: bool = False) -> mqtt.MQTTMessageInfo:
        return self._client.publish(self._topics.reader(self._reader, leaf), payload, qos, retain)


def _send_at_once(_client: mqtt.Client, _data: Any, connection: Any) -> None:
    """Small messages must not wait for the acknowledgement of those before them."""
    if isinstance(connection, socket.socket):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
