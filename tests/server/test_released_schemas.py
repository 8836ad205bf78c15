"""Migrations forward from every released form, with data in it, by the operator's command, on both databases."""

import random
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Executable, column, inspect, select
from sqlalchemy import table as named
from tests.server.publishing import KEYRING
from tests.support.databases import BOTH, Store
from tests.support.office import NOW
from tests.support.released import FORMS, load_postgresql, load_sqlite
from typer.testing import CliRunner

from waypass_protocol.bits import LIST_INDEXES
from waypass_server.application import app
from waypass_server.database import Database
from waypass_server.indexes import BLOCK, Allocator
from waypass_server.life import Actor, Kind
from waypass_server.models import Base
from waypass_server.models.status import Block
from waypass_server.people import register
from waypass_server.versions import Versions

Rows = dict[str, tuple[list[str], list[tuple[object, ...]]]]


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=BOTH)
def address(request: pytest.FixtureRequest, form: str, tmp_path: Path) -> str:
    """The database as the release left it."""
    if request.param is Store.POSTGRESQL:
        return load_postgresql(form, request.getfixturevalue("postgresql"), "released")
    load_sqlite(form, tmp_path / "waypass.db")
    return f"sqlite:///{tmp_path / 'waypass.db'}"


def rows(database: Database, like: Rows | None = None) -> Rows:
    """Everything that is in it; of the tables and columns of `like`, if it is given."""
    with database.engine.connect() as connection:
        found = inspect(connection)
        columns = (
            {name: columns for name, (columns, _) in like.items()}
            if like is not None
            else {table: [column["name"] for column in found.get_columns(table)] for table in found.get_table_names()}
        )
        del columns["alembic_version"]
        return {
            table: (names, sorted(map(tuple, connection.execute(_select(table, names))), key=repr))
            for table, names in columns.items()
        }


def used_places(found: Rows) -> set[int]:
    """Of the one list that there is: no pass may ever get one of these."""
    places = set()
    for table in ("passes", "status_decoys", "used_indexes"):
        names, lines = found[table]
        places |= {int(str(line[names.index("idx")])) for line in lines}
    return places


def is_set(used: bytes, place: int) -> bool:
    return bool(int.from_bytes(used, "little") >> place & 1)


def _select(table: str, names: list[str]) -> Executable:
    return select(*(column(name) for name in names)).select_from(named(table))


def test_the_released_forms() -> None:
    assert FORMS == ["0001", "0002"], "a release with a new form adds its dumps (tests.support.released)"


def test_it_becomes_what_the_models_say_and_keeps_its_data(address: str, form: str, tmp_path: Path) -> None:
    database = Database(address)
    with database.engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO used_indexes (list_id, idx) VALUES (1, 1048575)")
    before = rows(database)
    assert {"entries", "passes", "notices", "status_deltas", "status_changes"} <= {
        table for table, (_, found) in before.items() if found
    }, "a database that was lived in"
    config = tmp_path / "server.toml"
    config.write_text(f'network = "metro"\ndatabase_url = "{address}"\n', encoding="utf-8")

    done = CliRunner().invoke(app, ["migrate", "--config", str(config)])

    assert done.exit_code == 0, done.output
    used = used_places(before)
    del before["used_indexes"]  # what was in it is in the blocks
    assert rows(database, like={**before, "alembic_version": ([], [])}) == before
    with database.reading() as session:
        blocks = session.execute(select(Block.number, Block.used, Block.free)).all()
    found = {BLOCK * block.number + place for block in blocks for place in range(BLOCK) if is_set(block.used, place)}
    assert found == used
    assert sum(block.free for block in blocks) == LIST_INDEXES - len(used)
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    with database.changing() as session:
        _, new = register(session, network_id=1, reference="p-9", actor=Actor(kind=Kind.SYSTEM), now=NOW)
    assert new, "ids go on where they were"
    versions = Versions(
        database=database,
        network="metro",
        keys=KEYRING,
        allocator=Allocator(uri_prefix="wp:", draw=random.Random(1)),
        draw=random.Random(1),
        random_bytes=random.Random(1).randbytes,
    )
    versions.load(NOW)
    assert (versions.version("1"), versions.pending()) == (2, True), "what was published adds up, and goes on"
    database.close()
