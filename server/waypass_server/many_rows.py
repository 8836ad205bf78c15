"""Many rows in one statement, by the quickest way that each database has.

SQLite runs one prepared statement over the rows; PostgreSQL takes new rows by `COPY` and changed ones as arrays. All of
it is in the session's transaction. Values are what the database stores: text for a member of a closed set, JSON as
text. The rows are written at once, so what they refer to has to be flushed before.
"""

import json
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Select,
    SQLColumnExpression,
    Table,
    Text,
    any_,
    bindparam,
    cast,
    func,
    select,
)
from sqlalchemy import Row as SqlRow
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from waypass_server.models.base import Base

Row = Sequence[Any]
"""A row to be written: a value for each column."""
AnyRow = SqlRow[*tuple[Any, ...]]
"""A row that was read, of whatever columns."""

_WORTH_A_COPY = 20
"""For fewer rows PostgreSQL's `COPY` takes longer than it saves."""


def table_of(model: type[Base]) -> Table:
    """The table of a model."""
    table = model.__table__
    assert isinstance(table, Table)
    return table


def on_postgresql(session: Session) -> bool:
    """Otherwise it is on SQLite."""
    return session.get_bind().dialect.name == "postgresql"


def among(session: Session, column: SQLColumnExpression[Any], values: Iterable[Any]) -> ColumnElement[bool]:
    """`column IN (values)` with one parameter, however many there are: such a statement is made and planned once."""
    found = list(values)
    if on_postgresql(session):
        typed: Any = column
        return column == any_(bindparam(None, found, type_=postgresql.ARRAY(typed.type), unique=True))
    members = func.json_each(json.dumps(found)).table_valued("value")
    return column.in_(select(members.c.value))


def rows_of(session: Session, query: Select[*tuple[Any, ...]]) -> Sequence[AnyRow]:
    """What a query of columns finds, without the session's work on each row."""
    session.flush()
    return session.connection().execute(query).all()


def as_text(column: SQLColumnExpression[Any]) -> ColumnElement[str]:
    """A column of JSON as it is stored: to be read by `from_text`, where many rows have the same."""
    return cast(column, Text)


@lru_cache(maxsize=4096)
def from_text(text: str) -> Any:
    """What `as_text` gave. It is shared: nobody changes it."""
    return json.loads(text)


def new_ids(session: Session, model: type[Base], count: int) -> Sequence[int]:
    """So many ids for rows that this transaction is about to add, ascending."""
    table = table_of(model)
    if on_postgresql(session):
        next_id = func.nextval(func.pg_get_serial_sequence(table.name, "id"))
        return sorted(session.scalars(select(next_id).select_from(func.generate_series(1, count))))
    # Nobody else adds one meanwhile: a change has the writer's lock from its beginning.
    highest: int = session.execute(select(func.coalesce(func.max(table.c.id), 0))).scalar_one()
    return range(highest + 1, highest + 1 + count)


def add_rows(session: Session, model: type[Base], columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Add rows. Raises SQLAlchemy's errors."""
    if not rows:
        return
    if on_postgresql(session) and len(rows) >= _WORTH_A_COPY:
        _copy(session, _copying(table_of(model), tuple(columns)), rows)
        return
    place = "%s" if on_postgresql(session) else "?"
    statement = _inserting(table_of(model), tuple(columns), place)
    session.connection().exec_driver_sql(statement, [tuple(row) for row in rows])


def change_rows(session: Session, model: type[Base], columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Set columns of the rows whose id is the last value of each. Raises SQLAlchemy's errors."""
    if not rows:
        return
    if on_postgresql(session):
        arrays = {f"v{at}": list(values) for at, values in enumerate(zip(*rows, strict=True))}
        session.connection().exec_driver_sql(_setting(table_of(model), tuple(columns)), arrays)
        return
    names = ", ".join(f'"{name}" = ?' for name in columns)
    statement = f"UPDATE {table_of(model).name} SET {names} WHERE id = ?"  # noqa: S608 - names of our own
    session.connection().exec_driver_sql(statement, [tuple(row) for row in rows])


def count_again(session: Session, model: type[Base]) -> None:
    """PostgreSQL plans by what it last counted; a table that has grown many times since is counted again."""
    if on_postgresql(session):
        session.connection().exec_driver_sql(f"ANALYZE {table_of(model).name}")


def _copy(session: Session, statement: str, rows: Sequence[Row]) -> None:
    import psycopg  # not there where the database is SQLite

    connection = session.connection()
    raw: Any = connection.connection.driver_connection
    try:
        with raw.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)
    except psycopg.Error as error:
        raise DBAPIError.instance(
            statement, None, error, psycopg.Error, hide_parameters=True, dialect=connection.dialect
        ) from error


@cache
def _inserting(table: Table, columns: tuple[str, ...], place: str) -> str:
    places = ", ".join([place] * len(columns))
    return f"INSERT INTO {table.name} ({_quoted(columns)}) VALUES ({places})"  # noqa: S608 - names of our own


@cache
def _copying(table: Table, columns: tuple[str, ...]) -> str:
    return f"COPY {table.name} ({_quoted(columns)}) FROM STDIN"


@cache
def _setting(table: Table, columns: tuple[str, ...]) -> str:
    names = (*columns, "id")
    arrays = ", ".join(f"%(v{at})s::{_type(table.c[name])}[]" for at, name in enumerate(names))
    values = ", ".join(f'"{name}" = given."{name}"' for name in columns)
    given = f"unnest({arrays}) AS given({_quoted(names)})"
    return f"UPDATE {table.name} SET {values} FROM {given} WHERE {table.name}.id = given.id"  # noqa: S608


def _quoted(names: Sequence[str]) -> str:
    """Some columns have names that are words of SQL."""
    return ", ".join(f'"{name}"' for name in names)


def _type(column: Column[Any]) -> str:
    return str(column.type.compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]  # the library's own
