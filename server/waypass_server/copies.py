"""Copies of a SQLite database: made while a server works on it, and put back. (PostgreSQL has its own programs.)

1. a copy is of one moment and complete: SQLite makes it itself, and writers need not wait for it
2. it is one file, was checked and is on the disk before it has its name; a file that is there is never written over
3. a copy is put back only if it checks and is a Waypass database; the one that is there only when told so
4. it is put back by SQLite too: whoever has the database open sees the old one or the new one, never half
5. afterwards nobody is the publisher of its networks: a server that runs all the same finds that, and stops; and none
   starts until their lists were moved forward (`commands.lists`), for what readers hold is newer than a copy
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import make_url

from waypass_server.errors import ConfigurationError
from waypass_server.models.status import RESTORED


def sqlite_file(database_url: str) -> Path:
    """The file of a database. Raises `ConfigurationError` where there is none."""
    url = make_url(database_url)
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        raise ConfigurationError(
            "database_url: expected a SQLite file; for PostgreSQL use pg_dump and pg_restore (docs/operations.md)"
        )
    return Path(str(url.database))


def copy_out(database: Path, copy: Path) -> None:
    """Rules 1 and 2. Raises `ConfigurationError`."""
    if copy.exists():
        raise ConfigurationError(f"{copy}: expected a file that is not there yet")
    part = copy.with_name(f".{copy.name}.part")
    with _in_words(copy):
        part.unlink(missing_ok=True)
        with closing(_opened(database)) as source, closing(sqlite3.connect(part)) as target:
            source.backup(target)
            # One file alone, whatever the database works with.
            target.execute("PRAGMA journal_mode = DELETE")
            _check(target, part)
        _sync(part)
        part.replace(copy)
        _sync(copy.parent)


def put_back(copy: Path, database: Path, *, replace: bool) -> None:
    """Rules 3 to 5. Raises `ConfigurationError`."""
    if database.exists() and not replace:
        raise ConfigurationError(f"{database}: expected no database there; --replace puts the copy in its place")
    with _in_words(database), closing(_opened(copy)) as source:
        _check(source, copy)
        with closing(sqlite3.connect(database)) as target:
            source.backup(target)
            with target:
                target.execute("UPDATE status_heads SET holder = ?", [RESTORED])
                # Of a network that had no head yet readers may hold one all the same.
                target.execute(
                    "INSERT INTO status_heads (network_id, sequence, holder) SELECT id, 0, ? FROM networks"
                    " WHERE id NOT IN (SELECT network_id FROM status_heads)",
                    [RESTORED],
                )
        _sync(database)
        _sync(database.parent)


def _opened(file: Path) -> sqlite3.Connection:
    """A file that must be there."""
    if not file.is_file():
        raise ConfigurationError(f"{file}: expected a database, there is no such file")
    return sqlite3.connect(file)


def _check(connection: sqlite3.Connection, file: Path) -> None:
    (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if found != "ok":
        raise ConfigurationError(f"{file}: expected a database that is whole, SQLite found: {found}")
    tables = "SELECT count(*) FROM sqlite_master WHERE name IN ('alembic_version', 'status_heads')"
    if connection.execute(tables).fetchone() != (2,):
        raise ConfigurationError(f"{file}: expected a database of waypass-server, it has other tables")


@contextmanager
def _in_words(file: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise ConfigurationError(f"{file}: {error}") from None
    except OSError as error:
        raise ConfigurationError(f"{error.filename or file}: {error.strerror}") from None


def _sync(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
