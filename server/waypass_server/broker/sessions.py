"""The session layer of the embedded broker: amqtt's protocol engine with its own rules about connections and messages.

amqtt (0.12) brings listeners, packet codec, reader loop, acknowledgements of what comes in, retained store and plugins.
Its session layer breaks promises that Waypass needs, so `EmbeddedBroker` replaces it. In brackets what 0.12.1 does
instead, seen with real clients or read in its source:

1. A login is checked before anything else happens. [A stranger's CONNECT deletes the session of that client id.]
2. A second connection with a client id ends the first, whose will is published before the second is accepted. [The
   first stays open, deaf, and its will comes when it ends and says "offline" about a client that is there.]
3. Nothing is sent to a client before it subscribes. [Each client gets, at connect, all retained messages that match
   anybody's filters, unchecked.]
4. What a client sent before its end is handled before its end and its will. QoS 1 is acknowledged when it is stored.
   [Acknowledged messages are dropped when the client leaves, and a will can be overtaken by an older message.]
5. A client that is silent for 1.5 times its keepalive is disconnected and its will published. [Never.]
6. A message is written to all its subscribers at once and in order. Unsent bytes per client are bounded
   (`UNSENT_LIMIT`); past it the client is disconnected, and takes what is retained when it is back. [A task a message
   waits for each client, without end for one that does not read; a subscription made meanwhile can lose the message.]
7. One copy a client, at the lesser of the publication's QoS and the highest granted one. [A copy per matching filter,
   and QoS 0 arrives as QoS 1.] Subscribing again replaces the granted QoS. [Ignored.]
8. A will obeys the same topic rules as any publication. [Unchecked.]
9. Packets over `PACKET_LIMIT` end the connection, and so does a CONNECT that does not come within `CONNECT_SECONDS`.
   [Both unlimited.]

Sessions end with their connection, whatever the clean-session flag asks; CONNACK says so ("no session present"). QoS 2
is accepted from publishers and granted as QoS 1. Plugins are asked about SUBSCRIBE and PUBLISH, not about RECEIVE.
The tests hold each rule against a real broker process, so that a new amqtt shows what it changed.
"""

import asyncio
import contextlib
import logging
import math
import socket
from dataclasses import dataclass
from functools import partial
from typing import Any

from amqtt.adapters import ReaderAdapter, StreamReaderAdapter, StreamWriterAdapter
from amqtt.broker import Broker
from amqtt.contexts import Action
from amqtt.errors import AMQTTError, MQTTError, NoDataError, ProtocolHandlerError
from amqtt.mqtt.disconnect import DisconnectPacket
from amqtt.mqtt.protocol.broker_handler import (
    BrokerProtocolHandler,
    Subscription,
    UnSubscription,
)
from amqtt.mqtt.puback import PubackPacket
from amqtt.mqtt.publish import PublishPacket
from amqtt.mqtt.subscribe import SubscribePacket
from amqtt.mqtt.unsubscribe import UnsubscribePacket
from amqtt.session import (
    IncomingApplicationMessage,
    OutgoingApplicationMessage,
    Session,
)

PACKET_LIMIT = 1 << 20
"""Bytes of one packet; the largest object on the wire is 512 KiB (wire format, section 4)."""
UNSENT_LIMIT = 32 << 20
"""Bytes that may wait for one slow client."""
CONNECT_SECONDS = 5.0
CLOSE_SECONDS = 2.0
QOS_GRANTED_AT_MOST = 1
REFUSED = 0x80

_log = logging.getLogger(__name__)
_IN_FLIGHT = OutgoingApplicationMessage(None, "", 1, b"", False)  # only its packet id counts


class PacketTooLarge(Exception):
    """Ends the reader loop of a connection; amqtt logs it and closes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class End:
    """The last item of a client's inbox. `announced`: with DISCONNECT, so without will."""

    announced: bool


class BoundedReader(StreamReaderAdapter):  # type: ignore[misc]  # the base is untyped
    """Reads a client's bytes, no more than a packet at a time."""

    async def read(self, n: int = -1) -> bytes:
        """`n` bytes. Raises `PacketTooLarge` instead of reading more than `PACKET_LIMIT`."""
        if n > PACKET_LIMIT:
            raise PacketTooLarge(f"expected a packet of at most {PACKET_LIMIT} bytes, got one with {n} more to read")
        data: bytes = await super().read(n)
        return data


class BoundedWriter(StreamWriterAdapter):  # type: ignore[misc]  # the base is untyped
    """Writes to a client without ever waiting for it to read."""

    @property
    def unsent(self) -> int:
        """Bytes that the client has not taken yet."""
        size: int = self._writer.transport.get_write_buffer_size()
        return size

    def abort(self) -> None:
        """End the connection now and forget what is unsent."""
        self.is_closed = True
        self._writer.transport.abort()

    async def close(self) -> None:
        """End the connection, with a moment for what is unsent."""
        if not self.is_closed:
            self.is_closed = True
            self._writer.close()
            asyncio.get_running_loop().call_later(CLOSE_SECONDS, self._writer.transport.abort)


class ClientHandler(BrokerProtocolHandler):  # type: ignore[misc]  # the base is untyped
    """One connection. All that the client does is put into `inbox` in its order; `End` is the last item."""

    inbox: asyncio.Queue[Any]

    def attach(self, session: Session, reader: ReaderAdapter, writer: BoundedWriter) -> None:
        """Bind the connection to its session."""
        super().attach(session, reader, writer)
        self.inbox = asyncio.Queue()
        session.delivered_message_queue = self.inbox  # where amqtt's QoS 2 handshake puts what it has received
        self._ended = False
        self.gone = asyncio.Event()

    async def handle_subscribe(self, subscribe: SubscribePacket) -> None:
        """Queue it."""
        self.inbox.put_nowait(Subscription(subscribe.variable_header.packet_id, subscribe.payload.topics))

    async def handle_unsubscribe(self, unsubscribe: UnsubscribePacket) -> None:
        """Queue it."""
        self.inbox.put_nowait(UnSubscription(unsubscribe.variable_header.packet_id, unsubscribe.payload.topics))

    async def handle_publish(self, publish_packet: PublishPacket) -> None:
        """Queue it; `EmbeddedBroker` acknowledges QoS 1 once it is stored. QoS 2 keeps amqtt's handshake."""
        if publish_packet.qos == 2:
            await super().handle_publish(publish_packet)
        else:
            message = IncomingApplicationMessage(
                publish_packet.packet_id,
                publish_packet.topic_name,
                publish_packet.qos,
                publish_packet.data,
                publish_packet.retain_flag,
            )
            message.publish_packet = publish_packet
            self.inbox.put_nowait(message)

    async def handle_puback(self, puback: PubackPacket) -> None:
        """The packet id is free again."""
        self.session.inflight_out.pop(puback.packet_id, None)

    async def handle_disconnect(self, disconnect: DisconnectPacket | None) -> None:
        """Called for DISCONNECT and, with None, for every other end; the first call counts."""
        if not self._ended:
            self._ended = True
            self.inbox.put_nowait(End(announced=isinstance(disconnect, DisconnectPacket)))

    def handle_read_timeout(self) -> None:
        """Rule 5. Closing the transport ends the reader loop, which reports the end."""
        self.writer.abort()

    async def acknowledge(self, packet_id: int) -> None:
        """PUBACK."""
        await self._send_packet(PubackPacket.build(packet_id))

    def deliver(self, topic: str, data: bytes, *, qos: int, retain: bool) -> None:
        """Write one message (rule 6). MQTT 3.1.1 has no redelivery within a connection, so nothing is kept for one."""
        if self.writer.is_closed:
            return
        try:
            packet_id = self.session.next_packet_id if qos else None
        except AMQTTError:
            _log.warning("client %s acknowledges nothing; disconnecting it", self.session.client_id)
            self.writer.abort()
            return
        if packet_id is not None:
            self.session.inflight_out[packet_id] = _IN_FLIGHT
        self.writer.write(PublishPacket.build(topic, data, packet_id, False, qos, retain).to_bytes())
        if self.writer.unsent > UNSENT_LIMIT:
            _log.warning("client %s reads too slowly; disconnecting it", self.session.client_id)
            self.writer.abort()


class EmbeddedBroker(Broker):  # type: ignore[misc]  # the base is untyped
    """amqtt's broker, on a socket that is bound already, under the module's rules."""

    def __init__(self, listening: socket.socket, config: dict[str, Any]) -> None:
        super().__init__(config)
        self._listening = listening
        self._clients: dict[str, ClientHandler] = {}
        self._stopping = False

    async def shutdown(self) -> None:
        """Close every connection, without wills, and the socket."""
        self._stopping = True
        clients = list(self._clients.values())
        for client in clients:
            client.writer.abort()
        for client in clients:
            await client.gone.wait()
        await super().shutdown()

    async def _create_server_instance(self, listener_name: str, *_: object) -> asyncio.Server:
        return await asyncio.start_server(
            partial(self.stream_connected, listener_name=listener_name), sock=self._listening, backlog=1024
        )

    async def stream_connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, listener_name: str
    ) -> None:
        """A new connection. asyncio sets TCP_NODELAY by itself; a dead peer without MQTT keepalive is TCP's to find."""
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        await self._client_connected(listener_name, BoundedReader(reader), BoundedWriter(writer))

    async def _client_connected(self, listener_name: str, reader: BoundedReader, writer: BoundedWriter) -> None:
        if writer.get_peer_info() is None:
            writer.abort()  # It left before we looked; amqtt cannot read a CONNECT without knowing the peer.
            return
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                client, session = await ClientHandler.init_from_connect(reader, writer, self.plugins_manager)
            allowed = await self._authenticate(session, self.listeners_config[listener_name])  # rule 1
        except (AMQTTError, MQTTError, NoDataError, PacketTooLarge, TimeoutError, OSError) as error:
            _log.info("a connection ended before it was a client: %s", error)
            writer.abort()
            return
        session.clean_session = True
        session.keep_alive = math.ceil(session.keep_alive * 1.5)
        if session.username and allowed and not session.is_anonymous:
            # So that a login can end only its own connections.
            session.client_id = f"{session.username}/{session.client_id}"
        while allowed and (earlier := self._clients.get(session.client_id)):  # rule 2
            earlier.writer.abort()
            await earlier.gone.wait()
        client.attach(session, reader, writer)
        if allowed and not self._stopping:
            await self._serve(client)
        else:
            await client.mqtt_connack_authorize(allowed)
            await writer.close()

    async def _serve(self, client: ClientHandler) -> None:
        """From CONNACK to the end of the connection, with everything that the client does in its order (rule 4)."""
        session = client.session
        self._clients[session.client_id] = client
        self._sessions[session.client_id] = (session, client)
        session.transitions.connect()
        announced = False
        try:
            await client.mqtt_connack_authorize(True)
            await client.start()
            while not isinstance(item := await client.inbox.get(), End):
                await self._handle(client, item)
            announced = item.announced
        except (AMQTTError, MQTTError, ProtocolHandlerError, ConnectionError) as error:
            _log.info("client %s: %s", session.client_id, error)
        finally:
            await self._del_all_subscriptions(session)
            session.transitions.disconnect()
            await client.writer.close()
            await client.stop()
            if session.will_flag and not announced and not self._stopping:
                await self._publish(
                    client, session.will_topic, session.will_message, session.will_qos, session.will_retain
                )
            del self._clients[session.client_id]
            self._sessions.pop(session.client_id, None)
            client.gone.set()

    async def _handle(self, client: ClientHandler, item: Any) -> None:
        match item:
            case Subscription():
                await self._subscribe(client, item)
            case UnSubscription():
                for topic_filter in item.topics:
                    self._drop_subscription(topic_filter, client.session)
                await client.mqtt_acknowledge_unsubscription(item.packet_id)
            case IncomingApplicationMessage():
                await self._publish(client, item.topic, item.data, item.qos, item.retain)
                if item.qos == 1:
                    await client.acknowledge(item.packet_id)

    async def _subscribe(self, client: ClientHandler, asked: Subscription) -> None:
        granted = [await self.add_subscription(subscription, client.session) for subscription in asked.topics]
        await client.mqtt_acknowledge_subscription(asked.packet_id, granted)
        for (topic_filter, _), qos in zip(asked.topics, granted, strict=True):
            if qos != REFUSED:
                await self._send_retained(client, topic_filter, qos)

    async def add_subscription(self, subscription: tuple[str, int], session: Session) -> int:
        """The granted QoS, or 0x80. A filter that the client has already gets the new QoS (rule 7)."""
        topic_filter, qos = subscription
        self._drop_subscription(topic_filter, session)
        granted: int = await super().add_subscription((topic_filter, min(qos, QOS_GRANTED_AT_MOST)), session)
        return granted

    def _drop_subscription(self, topic_filter: str, session: Session) -> None:
        """amqtt's own leaves the filter behind when nobody uses it any more."""
        self._del_subscription(topic_filter, session)
        if not self._subscriptions.get(topic_filter, True):
            del self._subscriptions[topic_filter]

    async def _send_retained(self, client: ClientHandler, topic_filter: str, qos: int) -> None:
        """Waits for the client to read. Each message is looked up as it is sent, so it never follows a newer one."""
        for topic in [topic for topic in self._retained_messages if self._matches(topic, topic_filter)]:
            if message := self._retained_messages.get(topic):
                client.deliver(topic, message.data, qos=min(qos, message.qos or 0), retain=True)
                with contextlib.suppress(ConnectionError):  # the inbox has its end
                    await client.writer.drain()

    async def _publish(self, client: ClientHandler, topic: str, data: bytes, qos: int, retain: bool) -> None:
        """Check, pass on and store one publication or will (rules 6, 7, 8)."""
        session = client.session
        if not topic or topic.startswith("$") or "#" in topic or "+" in topic:
            _log.warning("client %s published to the topic %r; disconnecting it", session.client_id, topic)
            client.writer.abort()
            return
        if not await self._topic_filtering(session, topic, Action.PUBLISH):
            if "refused" not in session.attributes:
                _log.warning("client %s may not publish to %s", session.client_id, topic)
            session.attributes["refused"] = True
            return
        await self._broadcast_message(session, topic, data, qos)
        if retain:
            await self.retain_message(None, topic, data, qos)

    async def _broadcast_message(
        self, _session: Session | None, topic: str, data: bytes, force_qos: int | None = None
    ) -> None:
        """To all subscribers at once; nothing here waits, so publications keep their order (rules 6, 7)."""
        granted: dict[str, int] = {}
        for topic_filter, subscriptions in self._subscriptions.items():
            if self._matches(topic, topic_filter):
                for subscriber, qos in subscriptions:
                    granted[subscriber.client_id] = max(qos, granted.get(subscriber.client_id, 0))
        for client_id, qos in granted.items():
            self._clients[client_id].deliver(topic, data, qos=min(qos, force_qos or 0), retain=False)
