"""A cable between a program and a server that can be pulled: a TCP relay on loopback.

While it is `cut`, connections that stood are gone and new ones end at once, as with a machine that is not there.
"""

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self

_PIECE = 65_536
_LOOK_SECONDS = 0.2


class Relay:
    """Listens at `port` of loopback and passes everything on to another port of it."""

    host = "127.0.0.1"

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._is_cut = False
        self._closed = threading.Event()
        self._listener = socket.create_server((self.host, 0))
        self._listener.settimeout(_LOOK_SECONDS)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, name="relay", daemon=True)
        self._thread.start()

    def cut(self) -> None:
        """Pull the cable."""
        with self._lock:
            self._is_cut = True
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """Plug it in again."""
        with self._lock:
            self._is_cut = False

    def close(self) -> None:
        """For good."""
        self._closed.set()
        self.cut()
        self._thread.join()
        self._listener.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                near, _ = self._listener.accept()
            except TimeoutError:
                continue
            self._join(near)

    def _join(self, near: socket.socket) -> None:
        """Connect one connection to the other side, unless the cable is out."""
        try:
            far = socket.create_connection((self.host, self._to_port), timeout=5)
        except OSError:
            near.close()
            return
        with self._lock:
            if self._is_cut:
                near.close()
                far.close()
                return
            self._open |= {near, far}
        for each in (near, far):
            each.settimeout(None)
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for source, target in ((near, far), (far, near)):
            threading.Thread(target=self._pass_on, args=(source, target), name="relay", daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_PIECE):
                target.sendall(data)
        with self._lock:
            for each in (source, target):
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
            self._open.discard(source)
        # Each direction closes what it read from; the other one sees the end and does the same.
        source.close()
