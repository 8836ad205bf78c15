"""The session layer of the embedded broker: amqtt's protocol engine with its own rules about connections and messages.

amqtt (0.12) brings listener, packet codec, login, topic matching, subscriptions, retained store and plugins. Its
session layer breaks promises that Waypass needs, so `Client` and `EmbeddedBroker` replace that layer. In brackets what
0.12.1 does instead, seen with real clients or read in its source:

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
9. A packet that is over `PACKET_LIMIT`, malformed or not a client's to send ends the connection, and so does a CONNECT
   that does not come within `CONNECT_SECONDS`. [No limits; after a malformed packet its rest is read as the next one.]

Sessions end with their connection, whatever the clean-session flag asks; CONNACK says so ("no session present"). QoS 2
is accepted from publishers and granted as QoS 1. Topic plugins are asked about SUBSCRIBE and PUBLISH, not RECEIVE.
The tests hold each rule against a real broker process, so that a new amqtt shows what it changed.
"""

import asyncio
import logging
import math
import socket
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from amqtt.adapters import BufferReader, StreamReaderAdapter, StreamWriterAdapter
from amqtt.broker import Broker
from amqtt.codecs_amqtt import read_or_raise
from amqtt.contexts import Action
from amqtt.errors import AMQTTError, CodecError, MQTTError, NoDataError
from amqtt.mqtt import packet_class
from amqtt.mqtt.connack import CONNECTION_ACCEPTED, NOT_AUTHORIZED, ConnackPacket
from amqtt.mqtt.disconnect import DisconnectPacket
from amqtt.mqtt.packet import MQTTFixedHeader, MQTTPacket
from amqtt.mqtt.pingreq import PingReqPacket
from amqtt.mqtt.pingresp import PingRespPacket
from amqtt.mqtt.protocol.broker_handler import BrokerProtocolHandler
from amqtt.mqtt.puback import PubackPacket
from amqtt.mqtt.pubcomp import PubcompPacket
from amqtt.mqtt.publish import PublishPacket
from amqtt.mqtt.pubrec import PubrecPacket
from amqtt.mqtt.pubrel import PubrelPacket
from amqtt.mqtt.suback import SubackPacket
from amqtt.mqtt.subscribe import SubscribePacket
from amqtt.mqtt.unsuback import UnsubackPacket
from amqtt.mqtt.unsubscribe import UnsubscribePacket
from amqtt.session import OutgoingApplicationMessage, Session

PACKET_LIMIT = 1 << 20
"""Bytes of one packet; the largest object on the wire is 512 KiB (wire format, section 4)."""
UNSENT_LIMIT = 32 << 20
"""Bytes that may wait for one slow client."""
CONNECT_SECONDS = 5.0
CLOSE_SECONDS = 2.0
QOS_GRANTED_AT_MOST = 1
REFUSED = 0x80
ENDS = (AMQTTError, CodecError, MQTTError, NoDataError, TimeoutError, OSError)
"""What a client can cause; it ends its own connection and nothing else."""

_log = logging.getLogger(__name__)
_IN_FLIGHT = OutgoingApplicationMessage(None, "", 1, b"", False)  # only its packet id counts


class Writer(StreamWriterAdapter):  # type: ignore[misc]  # the base is untyped
    """Writes to a client; only `drain` waits for it to read."""

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


async def read_packet(reader: StreamReaderAdapter) -> tuple[MQTTFixedHeader, bytes]:
    """One packet's header and all its bytes, whatever they are. Raises one of `ENDS`."""
    header = await MQTTFixedHeader.from_stream(reader)
    if header is None:
        raise NoDataError("the client closed the connection")
    if header.remaining_length > PACKET_LIMIT:
        raise MQTTError(f"expected a packet of at most {PACKET_LIMIT} bytes, got {header.remaining_length}")
    return header, await read_or_raise(reader, header.remaining_length)


def check_topic(topic: str) -> None:
    """Raises `MQTTError` for what no client may publish to."""
    if not topic or topic.startswith("$") or "#" in topic or "+" in topic:
        raise MQTTError(f"expected a topic to publish to, got {topic!r}")


@dataclass(kw_only=True, eq=False, slots=True)
class Client:
    """One connection that has logged in."""

    session: Session
    reader: StreamReaderAdapter
    writer: Writer
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    half_received: set[int] = field(default_factory=set)
    """Packet ids of QoS 2 whose PUBREL has not come."""
    warned: bool = False

    async def read(self) -> MQTTPacket:
        """The next packet (rules 5, 9). Raises one of `ENDS`."""
        async with asyncio.timeout(self.session.keep_alive or None):
            header, body = await read_packet(self.reader)
        rest = BufferReader(body)
        packet = await packet_class(header).from_stream(rest, fixed_header=header)
        if await rest.read(1):
            raise MQTTError(f"expected the end of {type(packet).__name__}, got more")
        return packet

    def send(self, packet: MQTTPacket) -> None:
        """Write one packet without waiting. MQTT 3.1.1 has no redelivery within a connection, so nothing is kept."""
        self.writer.write(packet.to_bytes())
        if self.writer.unsent > UNSENT_LIMIT:
            self.cut("it reads too slowly")

    def deliver(self, topic: str, data: bytes, *, qos: int, retain: bool) -> None:
        """Send one message (rule 6)."""
        packet_id = None
        if qos:
            try:
                packet_id = self.session.next_packet_id
            except AMQTTError:
                self.cut("it acknowledges nothing")
                return
            self.session.inflight_out[packet_id] = _IN_FLIGHT
        self.send(PublishPacket.build(topic, data, packet_id, False, qos, retain))

    def cut(self, reason: str) -> None:
        """End the connection at once, with a warning."""
        if not self.writer.is_closed:
            _log.warning("disconnecting client %s: %s", self.session.client_id, reason)
            self.writer.abort()


class EmbeddedBroker(Broker):  # type: ignore[misc]  # the base is untyped
    """amqtt's broker, on a socket that is bound already, under the module's rules."""

    def __init__(self, listening: socket.socket, config: dict[str, Any]) -> None:
        super().__init__(config)
        self._listening = listening
        self._clients: dict[str, Client] = {}
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
        """A new connection."""
        connected = writer.get_extra_info("socket")
        # asyncio does it by itself only for sockets that it has made; without it a head after a delta waits 40 ms.
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # A dead peer that asked for no MQTT keepalive is TCP's to find.
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        await self._client_connected(listener_name, StreamReaderAdapter(reader), Writer(writer))

    async def _client_connected(self, listener_name: str, reader: StreamReaderAdapter, writer: Writer) -> None:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                session = await self._read_connect(reader, writer)
            allowed = await self._authenticate(session, self.listeners_config[listener_name])  # rule 1
        except ENDS as error:
            _log.info("a connection ended before it was a client: %s", str(error) or type(error).__name__)
            writer.abort()
            return
        client = Client(session=session, reader=reader, writer=writer)
        if allowed and session.username and not session.is_anonymous:
            # So that a login can end only its own connections.
            session.client_id = f"{session.username}/{session.client_id}"
        while allowed and (earlier := self._clients.get(session.client_id)):  # rule 2
            earlier.writer.abort()
            await earlier.gone.wait()
        if allowed and not self._stopping:
            await self._serve(client)
        else:
            client.send(ConnackPacket.build(0, NOT_AUTHORIZED))
            await writer.close()

    async def _read_connect(self, reader: StreamReaderAdapter, writer: Writer) -> Session:
        """Raises one of `ENDS`."""
        header, body = await read_packet(reader)
        if writer.get_peer_info() is None:
            raise NoDataError("the client left at once")  # amqtt reads no CONNECT without knowing the peer
        whole = BufferReader(header.to_bytes() + body)
        _, session = await BrokerProtocolHandler.init_from_connect(whole, writer, self.plugins_manager)
        if session.will_flag:
            check_topic(session.will_topic)
        session.clean_session = True
        session.keep_alive = math.ceil(session.keep_alive * 1.5)
        return session

    async def _serve(self, client: Client) -> None:
        """From CONNACK to the end of the connection: everything that the client does, in its order (rule 4)."""
        session = client.session
        self._clients[session.client_id] = client
        announced = False
        try:
            client.send(ConnackPacket.build(0, CONNECTION_ACCEPTED))
            while not announced:
                packet = await client.read()
                announced = isinstance(packet, DisconnectPacket)
                await self._handle(client, packet)
        except ENDS as error:
            _log.info("client %s: %s", session.client_id, str(error) or type(error).__name__)
        finally:
            await client.writer.close()
            await self._del_all_subscriptions(session)
            if session.will_flag and not announced and not self._stopping:
                will = (session.will_topic, session.will_message, session.will_qos, session.will_retain)
                await self._publish(client, *will)
            # Last: a second connection with this client id waits for it.
            del self._clients[session.client_id]
            client.gone.set()

    async def _handle(self, client: Client, packet: MQTTPacket) -> None:
        match packet:
            case PublishPacket():
                await self._receive(client, packet)
            case PubackPacket():
                client.session.inflight_out.pop(packet.packet_id, None)
            case PubrelPacket():
                client.half_received.discard(packet.packet_id)
                client.send(PubcompPacket.build(packet.packet_id))
            case SubscribePacket():
                await self._subscribe(client, packet.variable_header.packet_id, packet.payload.topics)
            case UnsubscribePacket():
                for topic_filter in packet.payload.topics:
                    self._drop_subscription(topic_filter, client.session)
                client.send(UnsubackPacket.build(packet.variable_header.packet_id))
            case PingReqPacket():
                client.send(PingRespPacket.build())
            case DisconnectPacket():
                pass
            case _:
                raise MQTTError(f"expected a packet that a client may send, got {type(packet).__name__}")

    async def _receive(self, client: Client, packet: PublishPacket) -> None:
        """One publication; it is acknowledged after it is stored and passed on."""
        message = (packet.topic_name, packet.data, packet.qos, packet.retain_flag)
        if packet.qos == 2:
            if packet.packet_id not in client.half_received:  # otherwise it is a repetition
                client.half_received.add(packet.packet_id)
                await self._publish(client, *message)
            client.send(PubrecPacket.build(packet.packet_id))
            return
        await self._publish(client, *message)
        if packet.qos == 1:
            client.send(PubackPacket.build(packet.packet_id))

    async def _publish(self, client: Client, topic: str, data: bytes, qos: int, retain: bool) -> None:
        """Check, pass on and store one publication or will (rules 6, 7, 8). Raises `MQTTError`."""
        check_topic(topic)
        if not await self._topic_filtering(client.session, topic, Action.PUBLISH):
            if not client.warned:
                _log.warning("client %s may not publish to %s", client.session.client_id, topic)
            client.warned = True
            return
        await self._broadcast_message(client.session, topic, data, qos)
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

    async def _subscribe(self, client: Client, packet_id: int, asked: list[tuple[str, int]]) -> None:
        granted = [await self.add_subscription(subscription, client.session) for subscription in asked]
        client.send(SubackPacket.build(packet_id, granted))
        for (topic_filter, _), qos in zip(asked, granted, strict=True):
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

    async def _send_retained(self, client: Client, topic_filter: str, qos: int) -> None:
        """Waits for the client to read. Each message is looked up as it is sent, so it never follows a newer one."""
        for topic in [topic for topic in self._retained_messages if self._matches(topic, topic_filter)]:
            if message := self._retained_messages.get(topic):
                client.deliver(topic, message.data, qos=min(qos, message.qos or 0), retain=True)
                await client.writer.drain()
