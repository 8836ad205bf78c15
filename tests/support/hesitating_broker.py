"""A broker that takes every client and refuses the first subscriptions: a node of a cluster that has no leader."""

import contextlib
import socket
import struct
import threading
from queue import Queue
from types import TracebackType
from typing import Self


class HesitatingBroker:
    """Refuses the first `refusals` filters of each connection. `asked` has every filter and whether it was granted."""

    def __init__(self, *, refusals: int) -> None:
        self.asked: Queue[tuple[str, bool]] = Queue()
        self._refusals = refusals
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, name="hesitating broker", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return  # closed
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        left = self._refusals
        with contextlib.suppress(ConnectionError), connection, connection.makefile("rb") as stream:
            while first := stream.read(1):
                body = stream.read(_length(stream.read))
                kind, number = first[0] >> 4, body[:2]
                if kind == 1:
                    connection.sendall(b"\x20\x02\x00\x00")
                elif kind == 3 and first[0] & 0x06:
                    (size,) = struct.unpack(">H", number)
                    connection.sendall(b"\x40\x02" + body[2 + size : 4 + size])
                elif kind == 8:
                    codes = bytearray()
                    for topic_filter in _filters(body[2:]):
                        self.asked.put((topic_filter, left <= 0))
                        codes.append(0x80 if left > 0 else 1)
                        left -= 1
                    connection.sendall(bytes([0x90, 2 + len(codes)]) + number + codes)
                elif kind == 10:
                    connection.sendall(b"\xb0\x02" + number)
                elif kind == 12:
                    connection.sendall(b"\xd0\x00")


def _length(read: object) -> int:
    assert callable(read)
    value = shift = 0
    while byte := read(1):
        value |= (byte[0] & 0x7F) << shift
        shift += 7
        if byte[0] < 0x80:
            break
    return value


def _filters(rest: bytes) -> list[str]:
    found = []
    while rest:
        (size,) = struct.unpack(">H", rest[:2])
        found.append(rest[2 : 2 + size].decode())
        rest = rest[3 + size :]
    return found
