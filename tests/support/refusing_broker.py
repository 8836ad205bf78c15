"""An MQTT 3.1.1 broker that carries nothing: it lets everybody in, acknowledges, and refuses subscriptions to one topic
filter. No broker that is shipped or installed here refuses a subscription by its own rules."""

import socket
import socketserver
import threading
from types import TracebackType
from typing import Self


class _Listener(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    broker: "RefusingBroker"


class _Connection(socketserver.StreamRequestHandler):
    server: _Listener

    def handle(self) -> None:
        self.server.broker.connections.append(self.connection)
        while first := self.rfile.read(1):
            body = self.rfile.read(self._length())
            answer = self._answer(first[0], body)
            if answer:
                self.connection.sendall(answer)

    def _length(self) -> int:
        length = shift = 0
        while True:
            byte = self.rfile.read(1)[0]
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return length

    def _answer(self, first: int, body: bytes) -> bytes:
        match first >> 4:
            case 1:  # CONNECT
                return b"\x20\x02\x00\x00"
            case 3 if first & 0x06:  # PUBLISH of QoS 1
                topic = int.from_bytes(body[:2], "big")
                return b"\x40\x02" + body[2 + topic : 4 + topic]
            case 8:  # SUBSCRIBE of one filter
                name = body[4 : 4 + int.from_bytes(body[2:4], "big")].decode()
                return b"\x90\x03" + body[:2] + (b"\x80" if name == self.server.broker.refused else b"\x01")
            case 12:  # PINGREQ
                return b"\xd0\x00"
            case _:
                return b""


class RefusingBroker:
    """Use it as a context manager. `refused` may be changed at any time."""

    host = "127.0.0.1"

    def __init__(self, refused: str) -> None:
        self.refused = refused
        self.connections: list[socket.socket] = []
        self._listener = _Listener((self.host, 0), _Connection)
        self._listener.broker = self
        self.port: int = self._listener.server_address[1]

    def drop(self) -> None:
        """End every connection."""
        for connection in self.connections:
            connection.shutdown(socket.SHUT_RDWR)
        self.connections.clear()

    def __enter__(self) -> Self:
        threading.Thread(target=self._listener.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown()
        self._listener.server_close()
