"""The database's migrations (Alembic), shipped with the server, and what runs and checks them.

`upgrade` brings a database to the newest form. `check` refuses one that is in another form, so that a server never
works on tables that it does not know.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from sqlite3 import Connection as SqliteConnection

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DatabaseError

from waypass_server.errors import ConfigurationError


def upgrade(engine: Engine, form: str = "head") -> tuple[str | None, str]:
    """Bring the database to a form, by default the newest, in one transaction; the forms before and after.

    Raises `ConfigurationError` when it cannot be opened or written.
    """
    config = _config()
    before = current(engine)
    try:
        with _unchecked(engine) as connection, connection.begin():
            config.attributes["connection"] = connection
            command.upgrade(config, form)
    except DatabaseError as error:
        raise ConfigurationError(f"database: {engine.url!r} cannot be changed: {_in_a_line(error)}") from None
    return before, newest() if form == "head" else form


def current(engine: Engine) -> str | None:
    """The form that the database is in, or None for an empty one. Raises `ConfigurationError` when it cannot be
    opened.
    """
    try:
        with engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()
    except DatabaseError as error:
        raise ConfigurationError(f"database: {engine.url!r} cannot be opened: {_in_a_line(error)}") from None


def newest() -> str:
    """The newest form."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


def check(engine: Engine) -> None:
    """Raises `ConfigurationError`, naming the command, when the database is not in the newest form."""
    found, expected = current(engine), newest()
    if found == expected:
        return
    state = "is empty" if found is None else f"is in form {found}"
    raise ConfigurationError(
        f"database: expected form {expected}, {engine.url!r} {state}; run: waypass-server migrate --config FILE"
    )


@contextmanager
def _unchecked(engine: Engine) -> Iterator[Connection]:
    """A connection on which SQLite lets a table be made anew that others refer to, as it documents: it does not look at
    foreign keys meanwhile, and looks at all of them before the commit. PostgreSQL changes tables in place.
    """
    with engine.connect() as connection:
        raw = connection.connection.driver_connection
        if not isinstance(raw, SqliteConnection):
            yield connection
            return
        raw.execute("PRAGMA foreign_keys = OFF")
        event.listen(connection, "commit", _check_foreign_keys)
        try:
            yield connection
        finally:
            raw.execute("PRAGMA foreign_keys = ON")


def _check_foreign_keys(connection: Connection) -> None:
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if broken is not None:
        raise ConfigurationError(f"database: expected rows that refer to others that are there, got one in {broken[0]}")


def _in_a_line(error: DatabaseError) -> str:
    return " ".join(str(error.orig).split())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config
