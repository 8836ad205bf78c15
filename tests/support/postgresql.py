"""A PostgreSQL of the tests' own: Debian's programs, in a temporary folder, reached by a socket there and by no port.

One cluster for each test process, started when the first test asks for it and stopped at the end, also when the test
process is killed. It need not outlive a crash, so it does not wait for the disk. PostgreSQL refuses to run as root;
then it runs as the user of Debian's package, or as nobody.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from waypass_simulator.processes import Program, Stream

START_SECONDS = 60.0
OWNER = "waypass"
_QUICK = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off", "max_connections=300")


def programs() -> Path | None:
    """The folder of the newest version's programs; Debian does not put it on the search path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    initdb = found[-1] if found else shutil.which("initdb")
    return None if initdb is None else Path(initdb).parent


needs_postgresql = pytest.mark.skipif(programs() is None, reason="PostgreSQL's programs are not installed")
"""A mark for a test that starts PostgreSQL."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cluster:
    """A running PostgreSQL. Whoever reaches its socket is let in."""

    folder: Path
    programs: Path
    server: Program

    def new_database(self, name: str, *, template: str = "template0") -> str:
        """A database of this name in place of the one that there was; its address as SQLAlchemy writes it."""
        with self.connect() as connection:
            connection.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))
            copied = SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
            connection.execute(copied.format(Identifier(name), Identifier(template)))
        return self.address(name)

    def address(self, database: str) -> str:
        """Of one of its databases."""
        return f"postgresql+psycopg://{OWNER}@/{database}?host={self.folder}"

    def connect(self, database: str = "postgres") -> psycopg.Connection[Any]:
        """A connection on which each statement is a transaction."""
        return psycopg.connect(host=str(self.folder), user=OWNER, dbname=database, autocommit=True)

    def environment(self, database: str) -> dict[str, str]:
        """With this, PostgreSQL's own programs are found, and find the database."""
        path = f"{self.programs}:{os.environ.get('PATH', '')}"
        return {**os.environ, "PATH": path, "PGHOST": str(self.folder), "PGUSER": OWNER, "PGDATABASE": database}

    def close(self) -> None:
        """Stop it at once, and take it away."""
        self.server.signal(signal.SIGQUIT)
        self.server.wait(timeout=START_SECONDS)
        self.server.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def start(settings: Sequence[str] = _QUICK) -> Cluster:
    """A new cluster without databases of ours."""
    found = programs()
    assert found is not None
    # Not in pytest's folder: only its owner may enter that, and the path of a socket has to be short.
    folder = Path(tempfile.mkdtemp(prefix="waypass-pg-"))
    user = _user(folder)
    form = ["-U", OWNER, "-A", "trust", "-E", "UTF8", "-N", "--locale=C"]
    subprocess.run(
        [*user, str(found / "initdb"), "-D", str(folder / "data"), *form],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd=folder,
    )
    options = [part for setting in (*settings, "listen_addresses=") for part in ("-c", setting)]
    server = Program([*user, found / "postgres", "-D", folder / "data", "-k", folder, *options], folder=folder)
    with server.closed_on_error():
        server.wait_for_line("ready to accept connections", timeout=START_SECONDS, stream=Stream.STDERR)
    return Cluster(folder=folder, programs=found, server=server)


def _user(folder: Path) -> list[str]:
    """What is put before its programs: they end with this process, and are not root."""
    bound = ["setpriv", "--pdeathsig", "QUIT"]
    if os.getuid() != 0:
        return [*bound, "--"]
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = known.get("postgres") or known["nobody"]
    os.chown(folder, entry.pw_uid, entry.pw_gid)
    return [*bound, f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups", "--"]
