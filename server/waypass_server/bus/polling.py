"""What drives a paho client's connection in a server's process.

paho's own thread waits with `select`, which takes no descriptor of 1,024 or more: it then calls the connection lost, at
once and every time. A server with a thousand pages open would never again get a connection to its broker. Here the
thread waits with `poll`, and the client is driven through the interface that paho has for other loops.
"""

import contextlib
import logging
import select
import socket
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import MQTTErrorCode

MISC_SECONDS = 1.0
"""How often a client that is idle looks whether its keepalive is due."""

_READABLE = select.POLLIN | select.POLLPRI | select.POLLHUP | select.POLLERR | select.POLLNVAL

_log = logging.getLogger(__name__)


class PollLoop:
    """One client's. Made before the client connects; other threads may use the client all the while."""

    def __init__(self, client: paho.Client) -> None:
        self._client = client
        self._ear, self._bell = socket.socketpair()
        self._ear.setblocking(False)
        self._bell.setblocking(False)
        client.on_socket_register_write = self._ring

    def run(self) -> None:
        """Read and write until the connection has ended. Raises nothing."""
        while (connection := self._connection()) is not None:
            try:
                if self._turn(connection) is not MQTTErrorCode.MQTT_ERR_SUCCESS:
                    return
            except Exception as error:  # noqa: BLE001 - the connection is over then, and the next one is a new one
                _log.error("a connection ends for an unforeseen %s", type(error).__name__)
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
                self._client.loop_read()
                return

    def close(self) -> None:
        """Give back what it holds, after `run`."""
        self._client.on_socket_register_write = None
        self._ear.close()
        self._bell.close()

    def _connection(self) -> Any:
        """A socket, or one with TLS around it; None when it has ended."""
        return self._client.socket()

    def _turn(self, connection: Any) -> MQTTErrorCode:
        """Wait for whatever comes first, and do it."""
        client = self._client
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN | (select.POLLOUT if client.want_write() else 0))
        poll.register(self._ear.fileno(), select.POLLIN)
        buffered = hasattr(connection, "pending") and connection.pending() > 0  # TLS may have read more than was asked
        ready = dict(poll.poll(0 if buffered else MISC_SECONDS * 1000))
        if self._ear.fileno() in ready:
            with contextlib.suppress(BlockingIOError):
                self._ear.recv(4096)
        ended = MQTTErrorCode.MQTT_ERR_SUCCESS
        if buffered or ready.get(connection.fileno(), 0) & _READABLE:
            ended = client.loop_read()
        if ended is MQTTErrorCode.MQTT_ERR_SUCCESS and client.want_write():
            ended = client.loop_write()
        if ended is MQTTErrorCode.MQTT_ERR_SUCCESS:
            ended = client.loop_misc()
        return ended

    def _ring(self, *_: object) -> None:
        """There is something to write. Called from any thread."""
        with contextlib.suppress(OSError):  # full: it rings already; closed: there is nobody to hear
            self._bell.send(b"\0")
