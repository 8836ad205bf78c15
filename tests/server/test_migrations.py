"""Migrations: they make exactly the tables that the code works with, on both databases."""

from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Index, Table, inspect, select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.schema import CreateIndex, CreateTable
from tests.support.databases import BOTH, Store

from waypass_protocol.bits import LIST_INDEXES
from waypass_server import migrations
from waypass_server.database import Database
from waypass_server.errors import ConfigurationError
from waypass_server.indexes import BLOCK, BLOCKS
from waypass_server.models import Base
from waypass_server.models.status import Block, StatusList


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(f"sqlite:///{tmp_path / 'waypass.db'}")


@pytest.mark.parametrize("kind", BOTH)
def test_the_migrations_make_what_the_models_say(kind: Store, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    address = f"sqlite:///{tmp_path / 'waypass.db'}"
    if kind is Store.POSTGRESQL:
        address = request.getfixturevalue("postgresql").new_database("migrated")
    database = Database(address)
    assert migrations.upgrade(database.engine) == (None, migrations.newest())
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    database.close()


def test_again_changes_nothing(database: Database) -> None:
    migrations.upgrade(database.engine)
    assert migrations.upgrade(database.engine) == (migrations.newest(), migrations.newest())


def test_an_empty_database_is_refused_and_the_command_named(database: Database) -> None:
    with pytest.raises(ConfigurationError, match=r"is empty; run: waypass-server migrate --config FILE"):
        migrations.check(database.engine)
    assert inspect(database.engine).get_table_names() == []


def test_a_database_in_another_form_is_refused(database: Database) -> None:
    migrations.upgrade(database.engine)
    with database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0000'")
    expected = rf"expected form {migrations.newest()}, .* is in form 0000; run: waypass-server"
    with pytest.raises(ConfigurationError, match=expected):
        migrations.check(database.engine)


def test_what_was_used_is_still_used_after_the_third_form(database: Database) -> None:
    """By passes, by forgotten ones and as decoys; each is a bit then."""
    migrations.upgrade(database.engine, "0002")
    with database.engine.begin() as connection:
        for statement in (
            "INSERT INTO networks (id, name, created_at) VALUES (1, 'metro', 0)",
            "INSERT INTO people (id, network_id, reference, created_at) VALUES (1, 1, 'P1', 0)",
            "INSERT INTO status_lists (id, network_id, name, uri, allocated, closed, created_at)"
            " VALUES (1, 1, '1', 'wp:1', 3, false, 0), (2, 1, '2', 'wp:2', 0, false, 0)",
            "INSERT INTO passes (person_id, list_id, idx, kind, aspects, iat, exp, status, created_at)"
            " VALUES (1, 1, 7, 'bound', '{}', 0, 1, 0, 0)",
            "INSERT INTO used_indexes (list_id, idx) VALUES (1, 8), (1, 1048575)",
            "INSERT INTO status_decoys (list_id, idx) VALUES (1, 1024)",
        ):
            connection.exec_driver_sql(statement)
    assert migrations.upgrade(database.engine) == ("0002", migrations.newest())
    with database.engine.connect() as connection:
        rows = connection.execute(select(Block.list_id, Block.number, Block.free, Block.used)).all()
        listed = connection.execute(select(StatusList.name, StatusList.cleared, StatusList.ended_at)).all()
    used = {
        (list_id, number * BLOCK + place)
        for list_id, number, _, bits in rows
        for place in range(BLOCK)
        if bits[place // 8] >> place % 8 & 1
    }
    assert used == {(1, 7), (1, 8), (1, 1024), (1, LIST_INDEXES - 1)}
    assert len(rows) == 2 * BLOCKS
    assert all(free == BLOCK - sum(byte.bit_count() for byte in bits) for _, _, free, bits in rows)
    assert sorted(tuple(row) for row in listed) == [("1", False, None), ("2", False, None)]


@pytest.mark.parametrize("kind", BOTH)
def test_certificates_through_the_eleventh_form_and_back(
    kind: Store, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """One fact for a certificate becomes one that counts; facts keep their guards on the way."""
    address = f"sqlite:///{tmp_path / 'waypass.db'}"
    if kind is Store.POSTGRESQL:
        address = request.getfixturevalue("postgresql").new_database("eleventh")
    database = Database(address)
    migrations.upgrade(database.engine, "0010")
    fact = (
        "INSERT INTO facts (id, network_id, person_id, kind, source, weight, scopes, reason, valid_from, valid_until,"
        " recorded_at, digest, withdrawn_at) VALUES ({}, 1, 1, 'test', 'XW', '{}', '[]', 'x', 0, 1, 0, 'd', {})"
    )
    said = "SELECT id, digest, withdrawn_at FROM facts ORDER BY id"
    with database.engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO networks (id, name, created_at) VALUES (1, 'metro', 0)")
        connection.exec_driver_sql("INSERT INTO people (id, network_id, reference, created_at) VALUES (1, 1, 'P1', 0)")
        connection.exec_driver_sql(fact.format(1, "admits", 5))
    with pytest.raises(IntegrityError), database.engine.begin() as connection:
        connection.exec_driver_sql(fact.format(2, "admits", "NULL"))
    assert migrations.upgrade(database.engine) == ("0010", migrations.newest())
    with database.engine.begin() as connection:
        assert list(map(tuple, connection.exec_driver_sql(said))) == [(1, "d", 5)]
        connection.exec_driver_sql(fact.format(2, "admits", "NULL"))
        connection.exec_driver_sql(fact.format(3, "admits", 6))
    with pytest.raises(IntegrityError), database.engine.begin() as connection:
        connection.exec_driver_sql(fact.format(4, "admits", "NULL"))
    _guarded(database, fact)
    with migrations._unchecked(database.engine) as connection, connection.begin():
        config = migrations._config()
        config.attributes["connection"] = connection
        command.downgrade(config, "0010")
    with database.engine.begin() as connection:
        assert list(map(tuple, connection.exec_driver_sql(said))) == [(1, None, 5), (2, "d", None), (3, None, 6)]
    _guarded(database, fact)
    database.close()


def _guarded(database: Database, fact: str) -> None:
    with pytest.raises(DBAPIError, match="a weight of yellow at most"), database.engine.begin() as connection:
        connection.exec_driver_sql(fact.format(9, "red", 7))


def test_a_migrated_database_is_accepted(database: Database) -> None:
    migrations.upgrade(database.engine)
    migrations.check(database.engine)


def test_a_database_that_cannot_be_opened(tmp_path: Path) -> None:
    missing = Database(f"sqlite:///{tmp_path / 'no' / 'folder' / 'waypass.db'}")
    with pytest.raises(ConfigurationError, match="cannot be opened: unable to open database file"):
        migrations.check(missing.engine)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "waypass.db").write_text("name = 'metro'\n" * 100, encoding="utf-8")
    other = Database(f"sqlite:///{tmp_path / 'waypass.db'}")
    for use in (migrations.check, migrations.upgrade):
        with pytest.raises(ConfigurationError, match="cannot be opened: file is not a database"):
            use(other.engine)


def test_a_database_that_is_somebody_elses(database: Database) -> None:
    with database.engine.begin() as connection:
        connection.execute(text("CREATE TABLE networks (id INTEGER)"))
    with pytest.raises(ConfigurationError, match=r"cannot be changed: .*networks.* already exists"):
        migrations.upgrade(database.engine)


@pytest.mark.parametrize("table", Base.metadata.sorted_tables, ids=lambda table: table.name)
def test_postgresql_has_a_word_for_everything(table: Table) -> None:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # the library's own constructor
    statement = str(CreateTable(table).compile(dialect=dialect))
    if table.c.get("id") is not None:
        assert "id BIGSERIAL NOT NULL" in statement
    for index in table.indexes:
        assert isinstance(index, Index)
        assert str(CreateIndex(index).compile(dialect=dialect)).startswith("CREATE")


@pytest.mark.parametrize("table", Base.metadata.sorted_tables, ids=lambda table: table.name)
def test_every_name_fits_into_63_characters(table: Table) -> None:
    """PostgreSQL cuts longer ones."""
    names = [table.name, *(constraint.name for constraint in table.constraints), *(one.name for one in table.indexes)]
    assert [name for name in names if name is not None and len(str(name)) > 63] == []


def test_no_column_for_what_is_not_kept() -> None:
    """Names, scores, places and trips of people: a column for any of these is a defect."""
    kept_elsewhere = {"networks", "scopes", "authorities", "staff", "status_lists"}
    words = ("name", "score", "rank", "points", "rating", "latitude", "longitude", "place", "station", "trip", "face")
    columns = [
        f"{table.name}.{column.name}"
        for table in Base.metadata.sorted_tables
        if table.name not in kept_elsewhere
        for column in table.columns
        if any(word in column.name.split("_") for word in words)
    ]
    assert columns == []
