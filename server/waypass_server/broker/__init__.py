"""The embedded MQTT broker: a process of its own for one station, a demo or a test.

MQTT 3.1.1 with retained messages, QoS 0 and 1, and last wills; see `sessions` for its rules and `access` for
who may do what. Everything is in memory: a broker that comes back is empty, and the server's publisher refills it.
There is no TLS here. Beyond one machine, or for a broker that keeps its messages, use Mosquitto or another broker: the
server and the readers need only its address (give Mosquitto `set_tcp_nodelay true`, otherwise a message that follows
another one waits up to 40 ms for the first one's acknowledgement).

What is refused before anything listens (`ConfigurationError`):

1. a port outside 0 to 65535 (0 takes a free one; the line that says "listening" names it)
2. a password file that breaks its rules
3. a host that is not loopback, when there is no password file: such a broker lets anybody publish
4. an address that is in use or not this machine's
"""

import asyncio
import contextlib
import ipaddress
import os
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from waypass_server.broker.access import read_passwords
from waypass_server.errors import ConfigurationError

_ANONYMOUS = "amqtt.plugins.authentication.AnonymousAuthPlugin"
_LOGINS = "waypass_server.broker.plugins.PasswordLogins"
_TOPICS = "waypass_server.broker.plugins.TopicRules"


@dataclass(frozen=True, kw_only=True, slots=True)
class BrokerSettings:
    """Where to listen, and who may connect: without `passwords` everybody on this machine, by no name."""

    host: str = "127.0.0.1"
    port: int = 1883
    passwords: Path | None = None


def bind(settings: BrokerSettings) -> socket.socket:
    """A bound socket, under rules 1, 3 and 4. Raises `ConfigurationError`, naming host:port."""
    place = _place(settings.host, settings.port)
    if not 0 <= settings.port <= 65_535:
        raise ConfigurationError(f"broker: expected a port from 0 to 65535, got {settings.port}")
    try:
        found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise ConfigurationError(f"broker: cannot listen on {place}: {error}") from error
    family, _, _, _, address = found[0]
    if settings.passwords is None and not ipaddress.ip_address(str(address[0])).is_loopback:
        raise ConfigurationError(
            f"broker: expected --passwords FILE to listen on {place}; without it only loopback is served"
        )
    try:
        return socket.create_server((str(address[0]), settings.port), family=family)
    except OSError as error:
        raise ConfigurationError(f"broker: cannot listen on {place}: {_reason(error)}") from error


async def serve(settings: BrokerSettings, *, listening: Callable[[str], None]) -> None:
    """Run until SIGTERM or SIGINT; `listening` is told "host:port" once clients can connect.

    Raises `ConfigurationError` before that.
    """
    from waypass_server.broker.sessions import EmbeddedBroker

    plugins: dict[str, dict[str, Any]] = {_ANONYMOUS: {"allow_anonymous": True}}
    if settings.passwords is not None:
        plugins = {_LOGINS: {"logins": read_passwords(settings.passwords)}, _TOPICS: {}}
    stop = asyncio.Event()
    with contextlib.closing(bind(settings)) as server_socket:
        # amqtt wants an address too; it is not used, because the socket is bound already.
        broker = EmbeddedBroker(server_socket, {"listeners": {"default": {"bind": "127.0.0.1:0"}}, "plugins": plugins})
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await broker.start()
        listening(place_of(server_socket))
        await stop.wait()
        await broker.shutdown()


def place_of(server_socket: socket.socket) -> str:
    """ "host:port" of a bound socket, an IPv6 host in brackets."""
    host, port = server_socket.getsockname()[:2]
    return _place(host, port)


def _place(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _reason(error: OSError) -> str:
    # `create_server` repeats the address in its message.
    return os.strerror(error.errno) if error.errno else str(error)
