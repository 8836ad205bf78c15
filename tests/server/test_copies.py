"""`waypass-server backup` and `restore` on SQLite: what is refused, and that nothing is written over by mistake."""

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest
from tests.server.publishing import add_network, make_services, memory_bus
from tests.server.test_key_folder import add_key
from tests.server.test_publisher import House
from tests.support.issuing import NETWORK
from typer.testing import CliRunner, Result

from waypass_protocol.keys import Use
from waypass_server import copies, migrations, serving
from waypass_server.application import app
from waypass_server.bus import MemoryBroker
from waypass_server.database import Database
from waypass_server.errors import ConfigurationError
from waypass_server.publisher import Publisher
from waypass_server.versions import Restored, TakenOver


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A server's folder with an empty database."""
    database = Database(f"sqlite:///{tmp_path / 'waypass.db'}")
    migrations.upgrade(database.engine)
    database.close()
    file = tmp_path / "server.toml"
    file.write_text(f'network = "{NETWORK}"\n', encoding="utf-8")
    return file


def run(command: str, copy: Path, config: Path, *more: str) -> Result:
    return CliRunner().invoke(app, [command, str(copy), "--config", str(config), *more])


def refusal(result: Result) -> str:
    assert isinstance(result.exception, ConfigurationError), result.output
    return str(result.exception)


def networks(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM networks")]


def test_a_copy_is_one_file_for_its_owner_and_comes_back(config: Path, tmp_path: Path) -> None:
    services = make_services(tmp_path)
    add_network(services)  # still open, with what was committed in the write-ahead log
    (tmp_path / "copies").mkdir()
    copy = tmp_path / "copies" / "backup.db"
    assert run("backup", copy, config).exit_code == 0
    assert [file.name for file in copy.parent.iterdir()] == ["backup.db"]
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    services.database.close()
    (tmp_path / "waypass.db").unlink()

    done = run("restore", copy, config)

    assert (done.exit_code, networks(tmp_path / "waypass.db")) == (0, [NETWORK])
    assert "waypass-server migrate, then waypass-server lists advance" in done.stderr


def test_nothing_is_written_over(config: Path, tmp_path: Path) -> None:
    copy = tmp_path / "backup.db"
    assert run("backup", copy, config).exit_code == 0
    assert "backup.db: expected a file that is not there yet" in refusal(run("backup", copy, config))
    assert "waypass.db: expected no database there; --replace" in refusal(run("restore", copy, config))
    assert run("restore", copy, config, "--replace").exit_code == 0


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent", None, "there is no such file"),
        ("no database", b"name = 'metro'\n" * 500, "file is not a database"),
        ("empty", b"", "expected a database of waypass-server"),
    ],
)
def test_what_is_no_copy_is_not_put_back(
    config: Path, tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    copy = tmp_path / "copy.db"
    if content is not None:
        copy.write_bytes(content)
    before = (tmp_path / "waypass.db").read_bytes()
    assert message in refusal(run("restore", copy, config, "--replace"))
    assert (tmp_path / "waypass.db").read_bytes() == before


def test_a_damaged_copy_is_not_put_back(config: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    assert run("backup", copy, config).exit_code == 0
    data = bytearray(copy.read_bytes())
    data[4096 * 2 : 4096 * 9] = b"\xff" * (4096 * 7)
    copy.write_bytes(data)
    refusal(run("restore", copy, config, "--replace"))


def test_postgresql_has_programs_of_its_own(tmp_path: Path) -> None:
    config = tmp_path / "server.toml"
    config.write_text(f'network = "{NETWORK}"\ndatabase_url = "postgresql+psycopg://u@h/d"\n', encoding="utf-8")
    for command in ("backup", "restore"):
        assert "for PostgreSQL use pg_dump and pg_restore" in refusal(run(command, tmp_path / "copy", config))


def test_no_server_starts_on_a_copy_before_its_lists_were_moved_forward(config: Path, tmp_path: Path) -> None:
    """Also where the copy knows of no head: readers may hold one of a later day."""
    (tmp_path / "network.toml").write_text(f'name = "{NETWORK}"\n[[scopes]]\nnumber = 1\nname = "ride"\n')
    for use in (Use.PASS, Use.STATUS):
        add_key(tmp_path / "keys", use.value, use, nbf=1_700_000_000, days=3660)
    arguments = ["--config", str(config)]
    assert CliRunner().invoke(app, ["network", "apply", *arguments, str(tmp_path / "network.toml")]).exit_code == 0
    copy = tmp_path / "copy.db"
    for by in (500, 1000):
        run("backup", copy, config)
        assert run("restore", copy, config, "--replace").exit_code == 0
        copy.unlink()
        for _ in range(2):
            started = CliRunner().invoke(app, ["serve", *arguments])
            assert isinstance(started.exception, Restored)
            assert "one that was restored from a copy" in str(started.exception)
            assert "Run: waypass-server lists advance" in str(started.exception)
        services = make_services(tmp_path)
        with memory_bus(MemoryBroker()) as bus, pytest.raises(Restored, match=f"network {NETWORK}: expected"):
            Publisher(services, bus).turn()
        done = CliRunner().invoke(app, ["lists", "advance", *arguments, "--by", str(by)])
        assert done.exit_code == 0, done.output
        serving.check_network(services)
        services.database.close()


def test_a_server_that_runs_all_the_same_stops(tmp_path: Path) -> None:
    house = House(tmp_path)
    add_network(house.services)
    house.quiet()
    migrations_table = "CREATE TABLE alembic_version (version_num VARCHAR(32))"
    with house.services.database.changing() as session:
        session.connection().exec_driver_sql(migrations_table)
    copies.copy_out(tmp_path / "waypass.db", tmp_path / "copy.db")
    copies.put_back(tmp_path / "copy.db", tmp_path / "waypass.db", replace=True)
    house.steps.now += 31.0
    with pytest.raises(TakenOver, match="another publisher makes the versions"):
        house.publisher.turn()
    house.bus.stop()
