"""Backup and restore as docs/operations.md has them: its very lines are run, on both databases, with PostgreSQL's own
programs, while a reader holds newer versions than the copy.
"""

import os
import random
import re
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.server.publishing import Gate, add_network, issue, make_services, memory_bus, pass_bits, take_away_some
from tests.support.databases import BOTH, Store, put_on_postgresql
from tests.support.issuing import NETWORK
from tests.support.postgresql import Cluster

from waypass_protocol import bits
from waypass_server.bus import MemoryBroker, MemoryBus, Message
from waypass_server.key_folder import KeyFolder
from waypass_server.publisher import Pace, Publisher
from waypass_server.services import Services, SystemClock

MANUAL = Path(__file__).resolve().parent.parent.parent / "docs" / "operations.md"
SHIM = """#!/bin/sh
exec '{}' -c 'from waypass_server.cli import main; main()' "$@"
"""
AT_ONCE = Pace(gather=0.0, poll=0.0, head_every=0.0)


def manual(word: str) -> str:
    """The one block of commands in the manual that has this word."""
    found = [
        block for block in re.findall(r"```sh\n(.*?)```", MANUAL.read_text(encoding="utf-8"), re.S) if word in block
    ]
    assert len(found) == 1, word
    return str(found[0])


class LiveGate(Gate):
    """A gate whose clock goes."""

    def _take(self, message: Message) -> None:
        self.now = int(time.time())
        super()._take(message)


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """An operator's folder, and what its shell has."""

    folder: Path
    environment: dict[str, str]

    def run(self, lines: str) -> None:
        """As they stand in the manual."""
        shell = ["bash", "-euo", "pipefail", "-c", lines]
        done = subprocess.run(shell, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def services(self) -> Services:
        """A server's, which is started now."""
        keys = KeyFolder(self.folder / "keys")
        return replace(make_services(self.folder, issuer_keys=keys), clock=SystemClock())


@pytest.fixture(params=BOTH)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    environment = dict(os.environ)
    config = f'network = "{NETWORK}"\n'
    if request.param is Store.POSTGRESQL:
        cluster: Cluster = request.getfixturevalue("postgresql")
        put_on_postgresql(tmp_path, cluster)
        environment = cluster.environment("tests")
        config += f'database_url = "{cluster.address("tests")}"\n'
    (tmp_path / "server.toml").write_text(config, encoding="utf-8")
    program = tmp_path / "bin" / "waypass-server"
    program.parent.mkdir()
    program.write_text(SHIM.format(sys.executable), encoding="utf-8")
    program.chmod(0o755)
    environment["PATH"] = f"{program.parent}:{environment['PATH']}"
    made = Site(folder=tmp_path, environment=environment)
    made.run(f"waypass-server keys make --dir keys --network {NETWORK} --use pass --use status --days 30")
    made.run("waypass-server migrate --config server.toml")
    return made


def publish(publisher: Publisher, bus: MemoryBus) -> None:
    """All that waits, and let it arrive."""
    publisher.turn()
    arrived = threading.Event()
    bus.subscribe("test/arrived", lambda _message: arrived.set())
    bus.publish("test/arrived", b"", qos=0, retain=False)
    assert arrived.wait(10.0)


def test_readers_take_what_was_restored_by_the_manual(site: Site) -> None:
    on_sqlite = "PGHOST" not in site.environment
    draw = random.Random(3)
    services = site.services()
    add_network(services)
    issue(services, 30)
    with memory_bus(MemoryBroker()) as bus:
        gate = LiveGate(bus, services.keys.trust_set(), now=int(time.time()))
        publisher = Publisher(services, bus, pace=AT_ONCE)
        take_away_some(services, 1, draw=draw)
        publish(publisher, bus)

        site.run(manual("waypass-server backup" if on_sqlite else "pg_dump "))

        for _ in range(5):
            take_away_some(services, 1, draw=draw)
            publish(publisher, bus)
        assert gate.store.view["wp:1"].version == 7
        services.database.close()

        site.run(manual("waypass-server restore" if on_sqlite else "pg_restore "))

        services = site.services()
        assert list(pass_bits(services)["wp:1"].values()).count(bits.INVALID) == 1, "as it was when it was copied"
        publisher = Publisher(services, bus, pace=AT_ONCE)
        publish(publisher, bus)
        restored = gate.store.view["wp:1"].version
        assert restored > 1 << 24
        assert gate.agrees_with(services)
        take_away_some(services, 1, draw=draw)
        publish(publisher, bus)
        assert gate.store.view["wp:1"].version == restored + 1
        assert gate.agrees_with(services)
        assert gate.refused == []
    services.database.close()
