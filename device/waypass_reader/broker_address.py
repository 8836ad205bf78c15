"""Where a broker is, how one is known there, and how a client goes from one of its addresses to the next.

A broker may have several addresses: the nodes of a cluster, or one broker that answers at two. They are the same broker
with the same logins. A client stays where it is connected; when that ends, or cannot be made, it tries the next
address, and after the last one the first again.
"""

from dataclasses import dataclass
from pathlib import Path

import paho.mqtt.client as mqtt

from waypass_reader.errors import ConfigurationError

KEEPALIVE_SECONDS = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class BrokerAddress:
    """Where the broker is, and how the reader is known there.

    `others` are tried after `host` and `port`. `ca` turns TLS on.
    """

    host: str
    port: int
    others: tuple[tuple[str, int], ...] = ()
    username: str | None = None
    password_file: Path | None = None
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    @property
    def places(self) -> tuple[tuple[str, int], ...]:
        """Every host and port, in the order in which they are tried."""
        return ((self.host, self.port), *self.others)


class Turns:
    """The places of one broker, one after the other. For one client, and on its thread only."""

    def __init__(self, address: BrokerAddress) -> None:
        self._places = address.places
        self._at = 0

    @property
    def place(self) -> str:
        """The one that is tried now, or connected to, for logs."""
        host, port = self._places[self._at]
        return f"{host}:{port}"

    def begin(self, client: mqtt.Client) -> None:
        """Let the client connect to the first place once its loop runs."""
        client.connect_async(*self._places[self._at], keepalive=KEEPALIVE_SECONDS)

    def next(self, client: mqtt.Client) -> None:
        """Let the client's next attempt be at the next place. It must have no connection, and not be leaving."""
        if len(self._places) > 1:
            self._at = (self._at + 1) % len(self._places)
            self.begin(client)


def secure(client: mqtt.Client, address: BrokerAddress) -> None:
    """Password and TLS. Raises `ConfigurationError`."""
    if address.username is not None:
        client.username_pw_set(address.username, _read_password(address.password_file))
    if address.ca is not None:
        try:
            client.tls_set(
                ca_certs=str(address.ca),
                certfile=None if address.certificate is None else str(address.certificate),
                keyfile=None if address.key is None else str(address.key),
            )
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise ConfigurationError(f"broker: its TLS files can't be used: {error}") from error


def _read_password(path: Path | None) -> str | None:
    """The first line of the password file."""
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8").partition("\n")[0]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"broker: password_file {path} can't be read: {error}") from error
