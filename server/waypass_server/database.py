"""The database: sessions for reading and for changing, on SQLite or PostgreSQL.

- A change runs in one transaction. On SQLite it takes the writer's lock at its beginning (`BEGIN IMMEDIATE`), so that
  two changes wait for each other and never fail half-way for having read too early. On PostgreSQL changes run side by
  side, and each statement sees what was committed before it: whoever decides by what it read locks the row first
  (`with_for_update(key_share=True)`: others may go on referring to it), or says by `alone` what may be done by one at a
  time. Locks are taken in this order, so that no two wait for each other: enrolment; notice; entry, exemption, fact or
  withdrawal; rule set; the network (`worsening`); person, by rising ids where there are several; what else `alone`
  names; status list; the log's tree. A transaction of several steps locks what all of them change before the first one
  (`together.lock_first`).
- What is only read is read at one moment, however many statements that takes, and cannot change anything.
- SQLite runs with WAL, foreign keys on, full synchronisation (a committed change survives a power cut) and a busy
  timeout.
- Objects stay readable after commit; nothing is loaded by itself once a session is closed.
- What a session recorded (`events`) gets its leaves in the public log as the last thing before the commit, so that no
  change is without one, whoever wrote it.
- What an error of the database says names no value: references, hashes and places in lists would end up in the log.
"""

import hashlib
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from sqlite3 import Connection as SqliteConnection

from sqlalchemy import Connection, Engine, create_engine, event, func, select, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

RandomBytes = Callable[[int], bytes]
"""Gives so many random bytes: `secrets.token_bytes`, or a seeded stand-in in tests."""
BeforeCommit = Callable[[Session], None]

BUSY_MS = 10_000
CACHE_KIB = 16_384
"""Of its pages, that a connection to SQLite keeps: the indexes of passes are hit all over."""
LOCKED = {"key_share": True}
"""For `Session.get(.., with_for_update=LOCKED)`: locks the row as the module says."""
OUTBOX_CHANNEL = "waypass_outbox"
"""PostgreSQL's name for what `announce` says."""
BEFORE_COMMIT = "waypass_before_commit"
RANDOM_BYTES = "waypass_random_bytes"
"""Where a session that changes something keeps what has to be done as the last thing before its commit, and its source
of randomness for that.
"""
_WRITE = "waypass_write"


class Database:
    """One engine and the two kinds of session. `random_bytes` salts the leaves of the public log; an `engine` that is
    given was prepared by `prepare_engine`.
    """

    def __init__(
        self, url: str, *, random_bytes: RandomBytes = secrets.token_bytes, engine: Engine | None = None
    ) -> None:
        self.random_bytes = random_bytes
        self.engine = engine or make_engine(url)
        self._readers = self.engine
        if self.on_postgresql:
            self._readers = self.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self._writers = self.engine.execution_options(**{_WRITE: True})

    @property
    def on_postgresql(self) -> bool:
        """Otherwise it is on SQLite."""
        return self.engine.dialect.name == "postgresql"

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that changes nothing; what it did is rolled back at the end."""
        with Session(self._readers, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def changing(self) -> Iterator[Session]:
        """A session in one transaction: committed at the end, rolled back when something is raised."""
        with Session(self._writers, expire_on_commit=False) as session, session.begin():
            session.info[RANDOM_BYTES] = self.random_bytes
            yield session
            finish: BeforeCommit | None = session.info.get(BEFORE_COMMIT)
            if finish is not None:
                finish(session)

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def alone(session: Session, what: str, whose: object = "") -> None:
    """Return when no other transaction that said the same is under way; it lasts until this one ends.

    For what no row stands for: a sum over many, or a row that is not there yet.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(lock_number(what, whose))))


def announce(session: Session) -> None:
    """Say to the publisher, in whichever process, that the outbox has a change: with the commit, and on PostgreSQL.

    In one process `Services.change` does it.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text(f"NOTIFY {OUTBOX_CHANNEL}"))


def lock_number(what: str, whose: object = "") -> int:
    """PostgreSQL's advisory locks are numbers, of 64 bits with a sign."""
    digest = hashlib.blake2b(f"waypass/{what}/{whose}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def make_engine(url: str) -> Engine:
    """The engine of an address."""
    return prepare_engine(create_engine(url, pool_pre_ping=not url.startswith("sqlite"), hide_parameters=True))


def prepare_engine(engine: Engine) -> Engine:
    """The same engine, which begins and connects as the module says."""
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
        raw.execute(f"PRAGMA cache_size = -{CACHE_KIB}")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
