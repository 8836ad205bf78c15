"""`waypass-server backup` and `waypass-server restore`: a copy of the SQLite database, made while the server runs, and
put back while it does not. PostgreSQL's own programs do the same there (docs/operations.md, Stores).

A restored database is older than what readers hold: `waypass-server lists advance` has to follow before `serve`.
"""

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from waypass_server.commands.options import AsJson, ConfigFile, settings_from

Copy = Annotated[Path, typer.Argument(help="The copy's file.", metavar="FILE")]


def backup(file: Copy, config: ConfigFile, as_json: AsJson = False) -> None:
    """Copy the SQLite database into a new file; the server may run."""
    from waypass_server import copies

    os.umask(0o077)  # as the database: for the server alone
    database = copies.sqlite_file(settings_from(config).database_url)
    copies.copy_out(database, file)
    typer.echo(json.dumps({"copy": str(file), "bytes": file.stat().st_size}) if as_json else f"{file} is a copy")


def restore(
    file: Copy,
    config: ConfigFile,
    replace: Annotated[bool, typer.Option("--replace", help="In place of the database that is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Put a copy back as the SQLite database; the server must be stopped."""
    from waypass_server import copies

    os.umask(0o077)
    database = copies.sqlite_file(settings_from(config).database_url)
    copies.put_back(file, database, replace=replace)
    typer.echo(json.dumps({"database": str(database)}) if as_json else f"{database} is what {file} was")
    print(  # noqa: T201 - what must not be overlooked
        "restore: before the server is started: waypass-server migrate, then waypass-server lists advance",
        file=sys.stderr,
    )
