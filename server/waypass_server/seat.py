"""The publisher's seat: of several server processes on one database, whose turn it is to publish.

On PostgreSQL:

1. a network's seat is an advisory lock, held on a connection that serves nothing else. PostgreSQL gives it back when
   that connection ends, because its process has ended in whatever way, or because its line is dead for `DEAD` seconds
2. whoever has no seat asks again every `ASK` seconds; whoever has one looks as often whether its connection lives, and
   has none any more when it does not
3. on the same connection the process hears at once that another one committed a change (`database.announce`)

The seat says who should publish. That two never make versions at the same time, not even while one does not know yet
that it has lost its seat, is held by the database itself (`versions`, rule 3).

On SQLite the seat is free, and whoever starts last has the network (`versions`).
"""

import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import NullPool, create_engine
from sqlalchemy.exc import SQLAlchemyError

from waypass_server.database import OUTBOX_CHANNEL, Database, lock_number
from waypass_server.errors import ConfigurationError

if TYPE_CHECKING:
    import psycopg

ASK = 0.5
DEAD = 5
"""Seconds."""
_ALIVE = {"keepalives_idle": 2, "keepalives_interval": 1, "keepalives_count": DEAD - 2, "tcp_user_timeout": DEAD * 1000}
_log = logging.getLogger(__name__)


class Seat(Protocol):
    """Whose turn it is."""

    @property
    def held(self) -> bool:
        """Whether it is this process's turn."""
        ...

    @property
    def shared(self) -> bool:
        """Whether others wait for it: who was taken over waits too, and does not stop for good."""
        ...

    def start(self, *, moved: Callable[[], None], heard: Callable[[], None]) -> None:
        """Begin to ask. `moved` is called when `held` has changed, `heard` when another process committed a change;
        both on another thread."""
        ...

    def give_up(self) -> None:
        """Somebody else publishes: leave the seat, and ask again later."""
        ...

    def stop(self) -> None:
        """Leave it for good."""
        ...


class FreeSeat:
    """Nobody else is there to take it."""

    held = True
    shared = False

    def start(self, *, moved: Callable[[], None], heard: Callable[[], None]) -> None:
        """Nothing ever changes."""

    def give_up(self) -> None:
        """It is nobody's."""

    def stop(self) -> None:
        """There is nothing to leave."""


class AdvisorySeat:
    """A seat on PostgreSQL, under the module's rules."""

    shared = True

    def __init__(self, database: Database, network: str) -> None:
        self._database = database
        self._network = network
        self._held = threading.Event()
        self._leaving = threading.Event()
        self._stopping = threading.Event()
        self._moved: Callable[[], None] = _nothing
        self._heard: Callable[[], None] = _nothing
        self._thread = threading.Thread(target=self._run, name="seat", daemon=True)

    @property
    def held(self) -> bool:
        """See `Seat`."""
        return self._held.is_set()

    def start(self, *, moved: Callable[[], None], heard: Callable[[], None]) -> None:
        """See `Seat`."""
        self._moved, self._heard = moved, heard
        self._thread.start()

    def give_up(self) -> None:
        """See `Seat`."""
        self._leaving.set()
        self._held.clear()

    def stop(self) -> None:
        """See `Seat`."""
        self._stopping.set()
        self._leaving.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._leaving.clear()
            try:
                with _connection(self._database, self._network) as connection:
                    self._sit(connection)
            except SQLAlchemyError as error:
                _log.warning("the publisher's seat cannot be asked for now: %s", error)
            if self._held.is_set():
                self._held.clear()
                _log.warning("the publisher's seat is lost")
                self._moved()
            self._stopping.wait(ASK)

    def _sit(self, connection: "psycopg.Connection[Any]") -> None:
        """Until it is to leave, or the connection ends."""
        import psycopg

        try:
            connection.execute(f"LISTEN {OUTBOX_CHANNEL}".encode())
            while not self._leaving.is_set():
                if not self._held.is_set() and _lock(connection, self._network):
                    self._held.set()
                    _log.info("this process publishes now")
                    self._moved()
                for _ in connection.notifies(timeout=ASK, stop_after=1):
                    self._heard()
                connection.execute("SELECT 1")
        except psycopg.Error as error:
            _log.warning("the publisher's seat is on a connection that has ended: %s", type(error).__name__)


def seat_of(database: Database, network: str) -> Seat:
    """The kind of seat that goes with the database."""
    return AdvisorySeat(database, network) if database.on_postgresql else FreeSeat()


@contextmanager
def seat_taken(database: Database, network: str) -> Iterator[None]:
    """Nobody publishes within the block. Raises `ConfigurationError` when somebody does; SQLite cannot tell."""
    if not database.on_postgresql:
        yield
        return
    with _connection(database, network) as connection:
        if not _lock(connection, network):
            raise ConfigurationError(f"expected that no server publishes for network {network}, one does: stop it")
        yield


@contextmanager
def _connection(database: Database, network: str) -> Iterator["psycopg.Connection[Any]"]:
    """A connection of its own, on which each statement is a transaction. Raises SQLAlchemy's errors."""
    name = f"waypass-publisher {network} {socket.gethostname()}:{os.getpid()}"
    arguments = {**_ALIVE, "application_name": name[:63]}
    engine = create_engine(
        database.engine.url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=arguments
    )
    try:
        with engine.connect() as connection:
            for key, seconds in (("idle", 2), ("interval", 1), ("count", DEAD - 2)):
                connection.exec_driver_sql(f"SET tcp_keepalives_{key} = {seconds}")
            raw: Any = connection.connection.driver_connection
            yield raw
    finally:
        engine.dispose()


def _lock(connection: "psycopg.Connection[Any]", network: str) -> bool:
    asked = connection.execute("SELECT pg_try_advisory_lock(%s::bigint)", [lock_number("publisher", network)])
    row = asked.fetchone()
    return row is not None and bool(row[0])


def _nothing() -> None:
    """Nobody listens yet."""
