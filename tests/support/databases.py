"""The two stores that the server's tests run on.

A test, or a file of tests, that is marked `both_stores` runs once on SQLite and once on PostgreSQL; within it
`sqlite_only` marks what has no meaning on PostgreSQL. Others run on SQLite. A test names no store: its folder has one.

SQLite is a file in the folder. PostgreSQL is one database for each test process, made by the migrations and emptied
before each test, which takes a tenth of the time of a new one.
"""

from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Dialect, Engine, QueuePool, make_url
from tests.support import postgresql
from tests.support.postgresql import Cluster

from waypass_server import migrations
from waypass_server.database import Database, make_engine, prepare_engine
from waypass_server.models import Base

_MARKER = "waypass.postgresql"


class Store(StrEnum):
    """Which database."""

    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"


BOTH = [Store.SQLITE, pytest.param(Store.POSTGRESQL, marks=postgresql.needs_postgresql)]


def database_url(folder: Path) -> str:
    """The database of this folder, the same each time that it is asked for; empty the first time."""
    marker = folder / _MARKER
    return marker.read_text(encoding="utf-8") if marker.exists() else f"sqlite:///{folder / 'waypass.db'}"


def quick_engine(url: str) -> Engine:
    """An engine that shares its dialect, and with it all that was compiled, with those before it in this process.

    To compile the server's statements takes longer than to run them, and each test has a database of its own.
    """
    address = make_url(url)
    dialect = _dialect(address.get_backend_name(), "" if address.get_backend_name() == "sqlite" else url)
    arguments, options = dialect.create_connect_args(address)
    pool = QueuePool(lambda: dialect.connect(*arguments, **options), pre_ping=False)
    pool._dialect = dialect  # as SQLAlchemy's own `create_engine` does it
    engine = Engine(
        pool, dialect, address, hide_parameters=True, execution_options={"compiled_cache": _COMPILED[dialect.name]}
    )
    return prepare_engine(engine)


_COMPILED: dict[str, dict[Any, Any]] = {"sqlite": {}, "postgresql": {}}


@cache
def _dialect(_name: str, url: str) -> Dialect:
    """A dialect that has seen its database once."""
    engine = make_engine(url or "sqlite://")
    with engine.connect():
        pass
    engine.dispose()
    return engine.dialect


def is_on_postgresql(folder: Path) -> bool:
    """Whether the database of this folder is on PostgreSQL; it has its tables then."""
    return (folder / _MARKER).exists()


def put_on_postgresql(folder: Path, cluster: Cluster) -> None:
    """The database of this folder is on PostgreSQL from now on, and it is empty."""
    address = _migrated(cluster)
    _empty(cluster)
    (folder / _MARKER).write_text(address, encoding="utf-8")


@cache
def _migrated(cluster: Cluster) -> str:
    address = cluster.new_database("tests")
    database = Database(address)
    migrations.upgrade(database.engine)
    database.close()
    return address


_TABLES = [table.name for table in reversed(Base.metadata.sorted_tables)]
_SIZES = (
    "SELECT relname, pg_relation_size(oid) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
)
_LARGE = 1 << 18
"""Bytes."""


def _empty(cluster: Cluster) -> None:
    """Nothing is in it and ids begin with 1; whoever is still connected from an earlier test is not."""
    with cluster.connect() as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'tests' AND pid <> pg_backend_pid()"
        )
    database = Database(cluster.address("tests"))
    with database.engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")  # the log's triggers would refuse
        sizes = {row.relname: row.pg_relation_size for row in connection.exec_driver_sql(_SIZES)}
        large = [name for name in _TABLES if sizes[name] > _LARGE]
        for name in _TABLES:
            if sizes[name] and name not in large:
                connection.exec_driver_sql(f"DELETE FROM {name}")
        if large:  # what was deleted stays in the files, and is passed over again and again
            connection.exec_driver_sql(f"TRUNCATE {', '.join(large)} CASCADE")
        connection.exec_driver_sql("SELECT setval(oid::regclass, 1, false) FROM pg_class WHERE relkind = 'S'")
    database.close()
