"""Databases as released versions left them: dumps with data in `tests/server/released`, and how one is made and read.

`python -m tests.support.released FORM` writes the two dumps of the form that the code has: done once, when a version
with a new form is released. The data come from a server's ordinary life: people
and passes, entries in several states, an objection, facts, notices, withdrawals, published versions.
"""

import contextlib
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.server.publishing import holder_key
from tests.support import postgresql
from tests.support.databases import database_url, put_on_postgresql
from tests.support.office import DAY, HOUR, NOW, RIDE, Office, open_office
from tests.support.postgresql import Cluster

from waypass_server import migrations
from waypass_server.bus import MemoryBroker, MemoryBus
from waypass_server.database import Database
from waypass_server.indexes import Allocator, ListRules
from waypass_server.issuing import PassRequest, issue_bound, make_nonce
from waypass_server.models.console import ConsoleSession, Submission
from waypass_server.models.sign_in import FailedSignIn
from waypass_server.publisher import Publisher
from waypass_server.ways import Way

FOLDER = Path(__file__).resolve().parent.parent / "server" / "released"
FORMS = sorted({file.name.split(".")[0] for file in FOLDER.glob("*.sql")})
"""The forms of released versions."""


def load_sqlite(form: str, file: Path) -> None:
    """Make the database file as a release left it."""
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.executescript((FOLDER / f"{form}.sqlite.sql").read_text(encoding="utf-8"))


def load_postgresql(form: str, cluster: Cluster, name: str) -> str:
    """Make the database as a release left it; its address."""
    address = cluster.new_database(name)
    file = FOLDER / f"{form}.postgresql.sql"
    loading = ["psql", "--quiet", "--no-psqlrc", "--set", "ON_ERROR_STOP=1", "--file", str(file)]
    subprocess.run(loading, check=True, env=cluster.environment(name), stdout=subprocess.DEVNULL)
    return address


def live(office: Office) -> None:
    """A few days of a server's life."""
    services = office.services
    with services.change() as session:
        allocator = Allocator(uri_prefix="wp:", draw=services.indexes, rules=ListRules(decoys=24))
        allocator.open_list(session, 1, NOW)
    basis = office.basis()
    for number in range(1, 5):
        office.person(f"p-{number}")
    office.do("desk", "POST", "/people", reference="p-5")
    office.do("desk", "POST", "/desk-codes", person="p-5")
    office.call(None, "POST", "/enrol", code="0000-0000")
    office.do("desk", "POST", "/paper-passes", person="p-2", scopes=[RIDE], hint="M. M.")
    with services.change() as session:
        request = PassRequest(holder=holder_key(1).key, scopes=(RIDE,))
        for person in (1, 2, 3):
            issue_bound(session, services, person, [request] * 4, NOW)
        make_nonce(session, services, 1, NOW)
    office.entry("p-4", basis)
    office.entry_in_effect("p-1", basis)
    contested = office.entry("p-2", basis)
    office.do("approver", "POST", f"/entries/{contested}/approve")
    office.later()
    office.do("p-2", "POST", f"/me/entries/{contested}/objection", text="It was not me.")
    until = office.services.now() + DAY
    office.do("reviewer", "POST", "/exemptions", person="p-1", reason="a hearing", ends_at=until)
    answer = {"kind": "survey", "source": "desk", "reason": "fever", "yellow": True, "valid_until": until}
    office.do("desk", "POST", "/facts", person="p-3", **answer)
    office.do("ops", "POST", "/withdrawals", person="p-3", reason="a lost telephone")
    _publish(office)
    office.do("desk", "POST", "/paper-passes", person="p-2", scopes=[RIDE])
    with services.change() as session:
        session.add(FailedSignIn(at=NOW, source="s" * 32))
        session.add(Submission(staff_id=1, key_hash="k" * 64, leads_to="/ops/entries/1", at=NOW))
        times = {"created_at": NOW, "seen_at": NOW, "ends_at": NOW + 8 * HOUR}
        token = {"way": Way.TOKEN, "signed_in_with": "t" * 64}
        session.add(ConsoleSession(staff_id=1, secret_hash="s" * 64, **token, **times))


def _publish(office: Office) -> None:
    bus = MemoryBus(MemoryBroker())
    bus.start()
    assert bus.wait_connected(timeout=10.0)
    Publisher(office.services, bus).turn()
    bus.stop()


def _write(form: str) -> None:
    if form != migrations.newest():
        raise SystemExit(f"expected the form of this code, {migrations.newest()}, got {form}")
    with tempfile.TemporaryDirectory() as name, contextlib.closing(postgresql.start()) as cluster:
        for folder in (Path(name) / "sqlite", Path(name) / "postgresql"):
            folder.mkdir()
        put_on_postgresql(Path(name) / "postgresql", cluster)
        for folder in (Path(name) / "sqlite", Path(name) / "postgresql"):
            database = Database(database_url(folder))
            migrations.upgrade(database.engine)
            office = open_office(folder)
            live(office)
            office.close()
            database.close()
        with contextlib.closing(sqlite3.connect(Path(name) / "sqlite" / "waypass.db")) as connection:
            text = "\n".join(connection.iterdump())
        (FOLDER / f"{form}.sqlite.sql").write_text(text + "\n", encoding="utf-8")
        dumping = ["pg_dump", "--inserts", "--no-owner", "--no-privileges", "--no-comments"]
        done = subprocess.run(dumping, check=True, env=cluster.environment("tests"), capture_output=True, text=True)
        lines = [line for line in done.stdout.splitlines() if line and not line.startswith(("--", "\\"))]
        (FOLDER / f"{form}.postgresql.sql").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    _write(sys.argv[1])
