"""The server as a process: HTTP API, publisher and scheduler together.

In this order; what cannot be mended by waiting is one line on standard error and exit code 2:

1. settings, issuer keys and signers are read
2. the database is opened; it must be in the newest form, the network must be defined, and its lists must have been
   moved forward if it was restored from a copy
3. the address is bound (a port in use is named), and printed: `server: listening on http://HOST:PORT`
4. publisher, scheduler and message bus start; a broker that is not there is waited for, and the API works without it.
   Publisher and scheduler have database connections of their own: requests that wait for one hold no withdrawal up
5. HTTP is served until SIGTERM or SIGINT; then pages that are live are told to end, requests that run are finished, and
   everything stops in the reverse order. It also stops, with exit code 2, when the publisher has stopped for good: a
   server that issues passes and cannot withdraw them is worse than none

There is no access log: nothing here writes down who fetched what.
"""

import logging
import random
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Protocol
from urllib.parse import urlsplit

import uvicorn
from sqlalchemy import select

from waypass_protocol.keys import Use
from waypass_server import migrations
from waypass_server.app import create_app
from waypass_server.bus import BusSettings, MqttBus, Tls
from waypass_server.database import Database
from waypass_server.errors import ConfigurationError, ServerError
from waypass_server.fleet_watch import FleetWatch
from waypass_server.health import Vitals
from waypass_server.indexes import check_prefix
from waypass_server.key_folder import KeyFolder
from waypass_server.keyring import NoSigner
from waypass_server.mailed_notices import MailedNotices, relay_at
from waypass_server.models.network import Network
from waypass_server.notices import FileOutbox, NoticeSender
from waypass_server.publisher import Publisher
from waypass_server.scheduler import Scheduler
from waypass_server.seat import seat_of
from waypass_server.services import Services, SystemClock
from waypass_server.settings import Settings
from waypass_server.signer_folder import read_signers
from waypass_server.signin.places import place_of, provider_of
from waypass_server.versions import check_not_restored

GRACE = 5
"""Seconds that requests which run are given to finish."""
PATIENCE = 3600
"""Seconds between two looks at a part that goes on; one that ends is noticed at once."""
_log = logging.getLogger(__name__)
_PORTS = {"mqtt": 1883, "mqtts": 8883}


def run(settings: Settings) -> None:
    """Serve until told to stop. Raises `ServerError` for what keeps it from starting."""
    bus = MqttBus(bus_settings(settings))
    services = make_services(settings)
    try:
        migrations.check(services.database.engine)
        check_network(services)
        with bound(settings.host, settings.port) as listener, apart(services) as behind:
            _run(services, behind, bus, listener)
    finally:
        services.database.close()


def check_network(services: Services) -> None:
    """Raises `ConfigurationError`, naming the command, when nobody defined the network yet; or `PrefixTaken` or
    `Restored`."""
    name = services.settings.network
    with services.database.reading() as session:
        network_id = session.scalars(select(Network.id).where(Network.name == name)).one_or_none()
        check_prefix(session, network_id, services.settings.status_uri_prefix)
        check_not_restored(session, name)
        if network_id is None:
            raise ConfigurationError(
                f"network {name} is not defined; run: waypass-server network apply --config FILE NETWORK.toml"
            )


def make_services(settings: Settings) -> Services:
    """The real services. Raises `ServerError` when keys, signers or database cannot be used."""
    clock = SystemClock()
    keys = KeyFolder(settings.keys)
    if keys.network != settings.network:
        raise ConfigurationError(f"keys: expected keys of network {settings.network}, got {keys.network}")
    place_of(settings)
    for use in (Use.PASS, Use.STATUS):  # whoever starts a server is there to mend it; later it waits for a key
        keys.signer(use, int(clock.now()))
    return Services(
        settings=settings,
        keys=keys,
        evidence_signers=read_signers(settings.evidence_signers),
        database=Database(settings.database_url),
        clock=clock,
        random_bytes=secrets.token_bytes,
        indexes=random.SystemRandom(),
        notices=sender_of(settings),
        provider=provider_of(settings),
    )


def sender_of(settings: Settings) -> NoticeSender:
    """Whoever carries notices: a folder, or a relay for mail. Raises `ConfigurationError`."""
    if settings.notice_mail is None:
        return FileOutbox(settings.notices)
    if not settings.notice_mail_domain or not settings.notice_mail_from:
        raise ConfigurationError("notice_mail: expected notice_mail_domain and notice_mail_from beside it")
    return MailedNotices(
        relay_at(
            settings.notice_mail,
            domain=settings.notice_mail_domain,
            sender=settings.notice_mail_from,
            user=settings.notice_mail_user,
            password=_first_line(settings.notice_mail_password_file, "notice_mail_password_file"),
        )
    )


@contextmanager
def apart(services: Services) -> Iterator[Services]:
    """The same services with database connections that no request uses, until the end of the block."""
    own = Database(services.settings.database_url)
    try:
        yield replace(services, database=own)
    finally:
        own.close()


def bus_settings(settings: Settings) -> BusSettings:
    """Where the broker is, from its address or addresses. Raises `ConfigurationError`."""
    addresses = [_broker_address(text.strip()) for text in settings.broker.split(",")]
    schemes = {scheme for scheme, _, _ in addresses}
    if len(schemes) > 1:
        raise ConfigurationError(f"broker: expected all addresses with TLS or none, got {settings.broker!r}")
    for name in ("broker_ca", "broker_certificate", "broker_key"):
        if schemes == {"mqtt"} and getattr(settings, name) is not None:
            raise ConfigurationError(f"{name}: expected mqtts:// in broker, got {settings.broker!r}")
    if (settings.broker_certificate is None) != (settings.broker_key is None):
        raise ConfigurationError("broker_certificate, broker_key: expected both or none, got one of them")
    (_, host, port), *others = addresses
    return BusSettings(
        client_id=_client_id(settings),
        host=host,
        port=port,
        others=tuple((host, port) for _, host, port in others),
        username=settings.broker_user,
        password=_first_line(settings.broker_password_file, "broker_password_file"),
        tls=_broker_tls(settings) if schemes == {"mqtts"} else None,
    )


def _broker_tls(settings: Settings) -> Tls:
    return Tls(authority=settings.broker_ca, certificate=settings.broker_certificate, key=settings.broker_key)


def _broker_address(text: str) -> tuple[str, str, int]:
    """Scheme, host and port."""
    try:
        address = urlsplit(text)
        port = address.port
    except ValueError:
        address, port = urlsplit(""), None
    if address.scheme not in _PORTS or not address.hostname or address.path.strip("/") or address.username:
        raise ConfigurationError(f"broker: expected mqtt://HOST:PORT or mqtts://HOST:PORT, got {text!r}")
    return address.scheme, address.hostname, _PORTS[address.scheme] if port is None else port


def _client_id(settings: Settings) -> str:
    """Where several processes share a database each has an id of its own, or the broker would end one for the other."""
    several = settings.database_url.startswith("postgresql")
    return f"waypass-server-{settings.network}{f'-{secrets.token_hex(4)}' if several else ''}"


@contextmanager
def bound(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that listens, until the end of the block. Raises `ConfigurationError` that names HOST:PORT."""
    with _listener(host, port) as listener:
        yield listener


def _listener(host: str, port: int) -> socket.socket:
    """Only what happens while binding is said to be the address's fault."""
    try:
        family, _, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(place)
            listener.listen(128)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise ConfigurationError(f"{host}:{port} cannot be listened on: {error.strerror}") from None
    return listener


class _Part(Protocol):
    """What runs beside the API on a thread of its own, until it is told to stop."""

    @property
    def running(self) -> bool: ...
    def join(self, *, timeout: float) -> None: ...


@dataclass(slots=True)
class _Signals:
    """Keeps SIGTERM and SIGINT from ending the process before everything has stopped."""

    seen: int | None = None

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        self.seen = number


def _run(services: Services, behind: Services, bus: MqttBus, listener: socket.socket) -> None:
    """`services` for requests, `behind` for what runs beside them."""
    signals = _Signals()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signals)
    publisher = Publisher(behind, bus, seat=seat_of(behind.database, services.settings.network))
    scheduler = Scheduler(behind)
    watch = FleetWatch(services.settings.network, services.clock)
    watch.attach(bus)
    publisher.listen(watch.published)
    services.nudge.listen(publisher.nudge)
    services.nudge.listen(scheduler.nudge)
    host, port = listener.getsockname()[:2]
    place = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    print(f"server: listening on {place}", file=sys.stderr, flush=True)  # noqa: T201 - what scripts wait for
    _say_what_lacks(services)
    publisher.start()
    scheduler.start()
    bus.start()
    try:
        # A signal that came before uvicorn minds them is not lost.
        if signals.seen is None:
            server = _http_server(services, Vitals(publisher=publisher, bus=bus), watch)
            for part in (publisher, scheduler):
                threading.Thread(target=_stop_with, args=(part, server), name="watch", daemon=True).start()
            server.run(sockets=[listener])
    finally:
        parts: dict[str, _Part] = {"publisher": publisher, "scheduler": scheduler}
        ended = [name for name, part in parts.items() if not part.running]
        scheduler.stop()
        publisher.stop()
        bus.stop()
    if publisher.failure is not None:
        raise publisher.failure
    if ended:
        raise ServerError(f"expected the {' and the '.join(ended)} to run until the end, it failed; the log says how")


def _say_what_lacks(services: Services) -> None:
    """The server does without it."""
    try:
        services.keys.signer(Use.LOG, services.now())
    except NoSigner as error:
        _log.warning("the public log has no checkpoints until there is a key for it: %s", error)


def _stop_with(part: _Part, server: uvicorn.Server) -> None:
    while part.running and not server.should_exit:
        part.join(timeout=PATIENCE)
    server.should_exit = True


class _HttpServer(uvicorn.Server):
    """Tells pages that are live to end before it waits for its requests."""

    def __init__(self, config: uvicorn.Config, watch: FleetWatch) -> None:
        super().__init__(config)
        self._watch = watch

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See `uvicorn.Server`."""
        self._watch.close()
        await super().shutdown(sockets)


def _http_server(services: Services, vitals: Vitals, watch: FleetWatch) -> uvicorn.Server:
    settings = uvicorn.Config(
        create_app(services, vitals=vitals, fleet_watch=watch),
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=GRACE,
    )
    return _HttpServer(settings, watch)


def _first_line(file: Path | None, setting: str) -> str | None:
    """A password. Raises `ConfigurationError`."""
    if file is None:
        return None
    try:
        return file.read_text(encoding="utf-8").splitlines()[0]
    except (OSError, UnicodeDecodeError, IndexError):
        raise ConfigurationError(f"{setting}: expected one line with the password in {file}") from None
