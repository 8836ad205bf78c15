"""Where the broker is and who we are: the settings of `MqttBus`, refused when they cannot work."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path

from waypass_server.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True, slots=True)
class Tls:
    """PEM files: the authority behind the broker's certificate (None: the system's), our own certificate and key."""

    authority: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def context(self) -> ssl.SSLContext:
        """Raises `ConfigurationError` when a file is missing or not what it should be."""
        if (self.certificate is None) != (self.key is None):
            raise ConfigurationError("message bus: expected a certificate and its key, got one of them")
        try:
            context = ssl.create_default_context(cafile=self.authority)
            if self.certificate is not None:
                context.load_cert_chain(self.certificate, self.key)
        except OSError as error:  # ssl.SSLError is one
            raise ConfigurationError(f"message bus: the TLS files cannot be used: {error}") from error
        return context


@dataclass(frozen=True, kw_only=True, slots=True)
class BusSettings:
    """Where the broker is and who we are. `client_id` is the same for the whole life of the object: each
    connection that it makes ends the one before.

    `others` are further addresses of the same broker (host, port), tried in turn after the first: a cluster's nodes.
    """

    client_id: str
    host: str = "127.0.0.1"
    port: int = 1883
    others: tuple[tuple[str, int], ...] = ()
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: Tls | None = None
    keepalive: int = 15
    silence: float = 3.0
    """Seconds without an acknowledgement after which it is doubted what the broker holds (rule 6 of `base`)."""

    @property
    def places(self) -> tuple[tuple[str, int], ...]:
        """Every host and port, in the order in which they are tried."""
        return ((self.host, self.port), *self.others)

    def __post_init__(self) -> None:
        """Raises `ConfigurationError`."""
        if not self.client_id:
            raise ConfigurationError("message bus: expected a client id, got an empty one")
        for _, port in self.places:
            if not 1 <= port <= 65_535:
                raise ConfigurationError(f"message bus: expected a port from 1 to 65535, got {port}")
        if not 2 <= self.keepalive <= 3600:
            raise ConfigurationError(f"message bus: expected a keepalive of 2 to 3600 s, got {self.keepalive}")
        if self.password is not None and self.username is None:
            raise ConfigurationError("message bus: expected a username beside the password, got none")
