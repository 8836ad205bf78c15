"""What a reader reaches over the network: its broker, the station's box, and the ports that it listens at.

1. The broker is asked for everything that the reader subscribes to, one list standing for all: none is downloaded. A
   broker may grant a subscription and keep its messages back, so a head is waited for: the server retains one.
2. Where a reader runs, and has a login, the broker is not asked: one that takes the login for the client id, as the
   configuration in `firmware-config` does, would end the reader's own connection.
3. The box is asked for its keys as the reader asks it. They are read, and kept nowhere.
"""

import http.client
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from waypass_protocol.errors import Malformed
from waypass_protocol.station_reentry import read_station_keys
from waypass_protocol.topics import Topics
from waypass_reader.broker_address import BrokerAddress, secure
from waypass_reader.config import ReaderTable, StationBoxTable
from waypass_reader.doctor.findings import Finding
from waypass_reader.errors import ReaderError
from waypass_reader.sharing import HttpKeySource
from waypass_reader.web import read_key
from waypass_reader.web.answers import STRICT_HEADERS

PATIENCE_SECONDS = 5.0
_ANY_LIST = "doctor"


def look_at_broker(table: ReaderTable, *, reader_runs: bool = False) -> list[Finding]:
    """It takes this reader's login, at each of its addresses, and gives it what it asks for."""
    if table.broker is None:
        return [Finding(part="broker", well=True, says="none is configured; the gate decides by what it holds")]
    address = table.broker.address()
    if reader_runs and address.username is not None:
        says = "not asked, since the reader runs and one login may have one connection: look at the reader's own state"
        return [Finding(part="broker", well=True, says=says)]
    topics = Topics(table.network)
    return [
        _look_at_place(
            replace(address, host=host, port=port, others=()),
            part=f"broker {host}:{port}" if address.others else "broker",
            client_id=f"waypass-{table.reader}-doctor",
            wanted=wanted_topics(table),
            head=topics.head,
        )
        for host, port in address.places
    ]


def wanted_topics(table: ReaderTable) -> list[tuple[str, int]]:
    """What this reader subscribes to, each with its QoS."""
    topics = Topics(table.network)
    snapshot = topics.compact if table.status_form == "compact" else topics.snapshot
    shared = [(topics.reentry("+"), 0)] if table.station_box is not None else []
    return [(topics.head, 0), (topics.all_deltas, 1), (snapshot(_ANY_LIST), 1), *shared]


@dataclass(kw_only=True, slots=True)
class _Heard:
    """What the broker answered so far: to the connection, and to each filter; and whether a head came."""

    answer: Any = None
    asked: dict[int, str] = field(default_factory=dict)
    granted: dict[str, bool] = field(default_factory=dict)
    head: bool = False

    @property
    def refused(self) -> list[str]:
        """The filters that it does not give."""
        return sorted(topic for topic, granted in self.granted.items() if not granted)


def _look_at_place(
    address: BrokerAddress, *, part: str, client_id: str, wanted: Sequence[tuple[str, int]], head: str
) -> Finding:
    place = f"{address.host}:{address.port}"
    try:
        heard = _ask(address, client_id=client_id, wanted=wanted, head=head)
    except (OSError, ReaderError) as error:
        says = f"{place} can't be reached ({error})"
        remedy = "look whether it runs and listens there, at cable and firewall, and at ca, certificate and key"
    else:
        fault = _fault_of(heard, place=place, wanted=wanted, head=head)
        if fault is None:
            return Finding(part=part, well=True, says=f"{place} takes this reader and gives it heads and lists")
        says, remedy = fault
    return Finding(part=part, well=False, says=says, remedy=remedy)


def _fault_of(heard: _Heard, *, place: str, wanted: Sequence[tuple[str, int]], head: str) -> tuple[str, str] | None:
    """What it does not do, and what to do about it."""
    unanswered = [topic for topic, _ in wanted if topic not in heard.granted]
    if heard.answer is None:
        says = f"{place} took the connection and said nothing for {PATIENCE_SECONDS:g} s"
        return says, "look whether that is an MQTT broker, and whether it wants TLS (ca)"
    if heard.answer.is_failure:
        says = f"{place} refused this reader ({heard.answer})"
        return says, "look at username and password_file here, and at the broker's own list of readers"
    if heard.refused:
        says = f"{place} takes this reader and refuses to give {', '.join(heard.refused)}"
        return says, "let it read them in the broker's access list; with a station box that is station-acl"
    if unanswered:
        says = f"{place} takes this reader and did not answer for {', '.join(unanswered)} within {PATIENCE_SECONDS:g} s"
        return says, "look at the broker's log; a cluster that chooses a leader takes some seconds, so look again"
    if not heard.head:
        says = f"{place} takes this reader, and no {head} came within {PATIENCE_SECONDS:g} s"
        return says, (
            "look whether the server runs and publishes to this broker (GET /health), whether `network` is the "
            "server's, and whether the broker's access list lets this reader read that topic"
        )
    return None


def _ask(address: BrokerAddress, *, client_id: str, wanted: Sequence[tuple[str, int]], head: str) -> _Heard:
    """Rule 1. Raises `OSError` and `ConfigurationError`."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=mqtt.MQTTv311)
    client.connect_timeout = PATIENCE_SECONDS
    heard = _Heard()
    changed = threading.Condition()

    def on_connect(_client: mqtt.Client, _data: Any, _flags: Any, code: Any, _properties: Any) -> None:
        with changed:
            heard.answer = code
            for topic, qos in () if code.is_failure else wanted:
                _, number = client.subscribe(topic, qos)
                if number is not None:
                    heard.asked[number] = topic
            changed.notify()

    def on_subscribe(_client: mqtt.Client, _data: Any, number: int, codes: Any, _properties: Any) -> None:
        with changed:
            if number in heard.asked:
                heard.granted[heard.asked[number]] = not any(code.is_failure for code in codes)
            changed.notify()

    def on_message(_client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        with changed:
            heard.head |= message.topic == head
            changed.notify()

    def done() -> bool:
        if heard.answer is None or heard.answer.is_failure:
            return heard.answer is not None
        return len(heard.granted) == len(wanted) and (heard.head or bool(heard.refused))

    client.on_connect, client.on_subscribe, client.on_message = on_connect, on_subscribe, on_message
    secure(client, address)
    client.connect(address.host, address.port)
    client.loop_start()
    with changed:
        changed.wait_for(done, PATIENCE_SECONDS)
    client.disconnect()
    client.loop_stop()
    return heard


def look_at_box(table: StationBoxTable) -> Finding:
    """Rule 3."""
    part = "station box"
    alone = "until then this reader remembers alone, and one code may open a lane at each of the station's readers"
    try:
        key = read_key(table.key_file)
    except ReaderError as error:
        return Finding(
            part=part,
            well=False,
            says=str(error),
            remedy="put the station's key there, as the box has it in `key_file`",
        )
    try:
        given = read_station_keys(HttpKeySource(address=table.address, key=key, timeout=PATIENCE_SECONDS).ask())
    except (ReaderError, Malformed) as error:
        remedy = f"look whether the box runs at {table.address} and has the same key (401: it has another); {alone}"
        return Finding(part=part, well=False, says=str(error), remedy=remedy)
    return Finding(part=part, well=True, says=f"{table.address} gives its keys, {len(given.keys)} now")


def look_at_port(what: str, host: str, port: int) -> Finding:
    """It is free, or this reader's own pages stand there."""
    place = f"{host}:{port}"
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()
    except OSError as error:
        if _is_a_readers(host, port):
            return Finding(part=what, well=True, says=f"{place} is a reader's already; it seems to run")
        return Finding(
            part=what,
            well=False,
            says=f"{place} can't be listened at ({error.strerror})",
            remedy=f"choose another host or port under [{what}], or end the program that has it (ss -ltnp)",
        )
    return Finding(part=what, well=True, says=f"{place} is free")


def _is_a_readers(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=PATIENCE_SECONDS)
    try:
        connection.request("GET", "/")
        found = connection.getresponse().getheader("Content-Security-Policy")
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return found == STRICT_HEADERS["Content-Security-Policy"]
