"""Bare MQTT subscribers: sockets that ask a broker for one topic and note when the last of them has a message whole.

Nothing is decoded but the length of each packet, nothing is acknowledged (QoS 0). This is the floor for anybody who
listens to a broker with as many connections from one process. A line on standard output for each message that all of
them have: `{"got": NUMBER, "last_ns": MONOTONIC}`.
"""

import json
import selectors
import socket
import struct
import sys
from dataclasses import dataclass, field
from time import monotonic_ns
from typing import Annotated

import typer

PUBLISH = 3


@dataclass(kw_only=True)
class Subscriber:
    """One connection; `received` counts whole messages."""

    connection: socket.socket
    received: int = 0
    _buffer: bytearray = field(default_factory=bytearray)

    def read(self) -> int:
        """Take what has come; how many messages became whole."""
        self._buffer += self.connection.recv(65_536)
        whole = 0
        while (end := packet_end(self._buffer)) is not None:
            whole += self._buffer[0] >> 4 == PUBLISH
            del self._buffer[:end]
        self.received += whole
        return whole


def packet_end(data: bytes | bytearray) -> int | None:
    """Where the first packet ends, None when it is not whole yet."""
    length = shift = 0
    for at, byte in enumerate(data[1:5], 1):
        length |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            end = at + 1 + length
            return end if end <= len(data) else None
    return None


def subscribe(host: str, port: int, topic: str, name: str) -> Subscriber:
    """Connected and subscribed when this returns. MQTT 3.1.1, no keep-alive."""
    connection = socket.create_connection((host, port), timeout=10)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connect = _text("MQTT") + b"\x04\x02\x00\x00" + _text(name)
    connection.sendall(b"\x10" + bytes([len(connect)]) + connect)
    request = b"\x00\x01" + _text(topic) + b"\x00"
    connection.sendall(b"\x82" + bytes([len(request)]) + request)
    answers = bytearray()
    while len(answers) < 4 + 5:  # CONNACK and SUBACK
        answers += connection.recv(4 + 5 - len(answers))
    if answers[3] != 0 or answers[8] != 0:
        raise SystemExit(f"the broker refused a bare subscriber: {answers.hex()}")
    connection.setblocking(False)
    return Subscriber(connection=connection)


def main(
    port: Annotated[int, typer.Option()],
    topic: Annotated[str, typer.Option()],
    subscribers: Annotated[int, typer.Option(min=1)] = 1,
    host: Annotated[str, typer.Option()] = "127.0.0.1",
) -> None:
    """Subscribe, and tell of each message when the last subscriber has it; until killed."""
    selector = selectors.DefaultSelector()
    for number in range(subscribers):
        each = subscribe(host, port, topic, f"bare-{number}")
        selector.register(each.connection, selectors.EVENT_READ, each)
    print("subscribed", file=sys.stderr, flush=True)
    got: dict[int, int] = {}
    while True:
        for key, _ in selector.select():
            subscriber: Subscriber = key.data
            before = subscriber.received
            for number in range(before + 1, before + subscriber.read() + 1):
                got[number] = got.get(number, 0) + 1
                if got[number] == subscribers:
                    print(json.dumps({"got": number, "last_ns": monotonic_ns()}), flush=True)
                    del got[number]


def _text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("!H", len(data)) + data


if __name__ == "__main__":
    typer.run(main)
