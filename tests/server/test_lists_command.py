"""`waypass-server lists advance`: a restored database, and readers that hold more than it knows."""

import json
import shutil
from pathlib import Path

import pytest
from tests.server.publishing import add_network, issue, take_away_some
from tests.server.test_key_folder import add_key
from tests.server.test_publisher import House
from tests.support.issuing import NETWORK, NOW
from typer.testing import CliRunner

from waypass_protocol.keys import Use
from waypass_server import migrations
from waypass_server.application import app
from waypass_server.database import Database
from waypass_server.errors import ConfigurationError
from waypass_server.indexes import Allocator
from waypass_server.versions import TakenOver, Versions

pytestmark = pytest.mark.both_stores


@pytest.fixture
def house(tmp_path: Path) -> House:
    built = House(tmp_path)
    add_network(built.services)
    return built


def versions_of(house: House) -> Versions:
    services = house.services
    return Versions(
        database=services.database,
        network=NETWORK,
        keys=services.keys,
        allocator=Allocator(uri_prefix="wp:", draw=house.draw),
        draw=house.draw,
        random_bytes=services.random_bytes,
    )


@pytest.mark.sqlite_only
def test_a_reader_takes_a_restored_list_once_it_was_moved_forward(house: House, tmp_path: Path) -> None:
    issue(house.services, 30)
    house.quiet()
    house.services.database.close()
    copy = tmp_path / "copy"
    shutil.copy(tmp_path / "waypass.db", copy)
    for _ in range(5):
        take_away_some(house.services, 1, draw=house.draw)
        house.turn()
    house.arrive()
    assert house.gate.store.view["wp:1"].version == 6
    house.services.database.close()
    for leftover in tmp_path.glob("waypass.db-*"):
        leftover.unlink()
    shutil.copy(copy, tmp_path / "waypass.db")
    restored = versions_of(house)
    restored.load(NOW)
    assert restored.advance(1000, NOW) == {"1": 1001}

    house.new_publisher()
    house.quiet()

    held = house.gate.store.view["wp:1"]
    assert (held.version, held.renewed) == (1001, NOW + 9)
    assert house.gate.agrees_with(house.services)
    take_away_some(house.services, 1, draw=house.draw)
    house.quiet()
    assert house.gate.store.view["wp:1"].version == 1002
    assert house.gate.agrees_with(house.services)
    assert house.gate.refused == []
    house.bus.stop()


def test_a_server_that_runs_stops(house: House) -> None:
    house.quiet()
    other = versions_of(house)
    other.load(NOW)
    other.advance(1000, NOW)
    house.steps.now += 31.0
    with pytest.raises(TakenOver, match="another publisher makes the versions"):
        house.publisher.turn()
    house.bus.stop()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "server.toml"
    file.write_text(f'network = "{NETWORK}"\n', encoding="utf-8")
    for use in (Use.PASS, Use.STATUS):
        add_key(tmp_path / "keys", use.value, use, nbf=1_700_000_000, days=3660)
    return file


def test_the_command(tmp_path: Path, config: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'waypass.db'}")
    migrations.upgrade(database.engine)
    database.close()
    (tmp_path / "network.toml").write_text(f'name = "{NETWORK}"\n[[scopes]]\nnumber = 1\nname = "ride"\n')
    arguments = ["--config", str(config)]
    assert CliRunner().invoke(app, ["network", "apply", *arguments, str(tmp_path / "network.toml")]).exit_code == 0
    done = CliRunner().invoke(app, ["lists", "advance", *arguments, "--by", "500", "--json"])
    assert (done.exit_code, json.loads(done.stdout)) == (0, {"list": "1", "version": 501})
    assert "counts as valid again" in done.stderr
    assert CliRunner().invoke(app, ["lists", "advance", *arguments, "--by", "5"]).exit_code == 2


def test_a_database_that_is_empty(config: Path) -> None:
    done = CliRunner().invoke(app, ["lists", "advance", "--config", str(config)])
    assert isinstance(done.exception, ConfigurationError)
    assert "run: waypass-server migrate" in str(done.exception)
