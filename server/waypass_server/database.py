"""The database: sessions for reading and for changing, on SQLite or PostgreSQL.

- A change runs in one transaction; on SQLite it takes the writer's lock at its beginning (`BEGIN IMMEDIATE`), so that
  two changes wait for each other and never fail half-way for having read too early.
- SQLite runs with WAL, foreign keys on, full synchronisation (a committed change survives a power cut) and a busy
  timeout.
- Objects stay readable after commit; nothing is loaded by itself once a session is closed.
- What an error of the database says names no value: references, hashes and places in lists would end up in the log.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from sqlite3 import Connection as SqliteConnection

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

BUSY_MS = 10_000
_WRITE = "waypass_write"


class Database:
    """One engine and the two kinds of session."""

    def __init__(self, url: str) -> None:
        self.engine = _make_engine(url)
        self._writers = self.engine.execution_options(**{_WRITE: True})

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that changes nothing; what it did is rolled back at the end."""
        with Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def changing(self) -> Iterator[Session]:
        """A session in one transaction: committed at the end, rolled back when something is raised."""
        with Session(self._writers, expire_on_commit=False) as session, session.begin():
            yield session

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def _make_engine(url: str) -> Engine:
    engine = create_engine(url, pool_pre_ping=not url.startswith("sqlite"), hide_parameters=True)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    raw = connection
    if isinstance(raw, SqliteConnection):
        # The driver's own idea of when to begin is switched off: `_begin_sqlite` does it.
        raw.isolation_level = None
        raw.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        raw.execute("PRAGMA journal_mode = WAL")
        raw.execute("PRAGMA synchronous = FULL")
        raw.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
