"""The databases that the server's tests run on: SQLite files, or one PostgreSQL database with a schema for each test.

`WAYPASS_TEST_DATABASE` names the PostgreSQL database, as SQLAlchemy writes addresses
(`postgresql+psycopg://USER@HOST/DATABASE`); it must be empty and for tests alone. Without it the tests use SQLite.
"""

import hashlib
import os
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

VARIABLE = "WAYPASS_TEST_DATABASE"


def on_postgresql() -> bool:
    """Whether the tests run on PostgreSQL."""
    return VARIABLE in os.environ


sqlite_only = pytest.mark.skipif(on_postgresql(), reason="looks into, or takes away, a SQLite file")
"""For a test that has no meaning on PostgreSQL."""


def database_url(folder: Path) -> str:
    """The database of this folder, the same each time that it is asked for; empty the first time."""
    if not on_postgresql():
        return f"sqlite:///{folder / 'waypass.db'}"
    schema = _prefix() + hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    url = make_url(os.environ[VARIABLE])
    (folder / "waypass.db").touch()
    marker = folder / "waypass.schema"
    if not marker.exists():
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.exec_driver_sql(f"CREATE SCHEMA {schema}")
        engine.dispose()
        marker.write_text(schema, encoding="utf-8")
    options = {"options": f"-csearch_path={schema}"}
    return url.update_query_dict(options).render_as_string(hide_password=False)


def drop_schemas() -> None:
    """Take away what the tests of this process made on PostgreSQL."""
    if not on_postgresql():
        return
    engine = create_engine(os.environ[VARIABLE])
    with engine.connect() as connection:
        found = text("SELECT nspname FROM pg_namespace WHERE starts_with(nspname, :prefix)")
        schemas = list(connection.execute(found, {"prefix": _prefix()}).scalars())
    for schema in schemas:  # one at a time: a transaction holds a lock for each table
        with engine.begin() as connection:
            connection.exec_driver_sql(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
    engine.dispose()


def _prefix() -> str:
    """Two runs at the same time stay out of each other's way."""
    return f"test_{os.getpid()}_"
