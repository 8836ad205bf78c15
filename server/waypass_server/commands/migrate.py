"""`waypass-server migrate`: bring the database to the form that this version works with.

Prints the form before and after. Changes from before there was a public log get their leaves. Doing it again changes
nothing. Exit code 2 when the database cannot be opened or written.
"""

import json
import os

import typer

from waypass_server.commands.options import AsJson, ConfigFile, settings_from


def migrate(config: ConfigFile, as_json: AsJson = False) -> None:
    """Run the database's migrations."""
    from waypass_server import migrations
    from waypass_server.database import Database
    from waypass_server.publiclog import store

    os.umask(0o077)  # the database is for the server alone
    database = Database(settings_from(config).database_url)
    try:
        before, after = migrations.upgrade(database.engine)
        store.catch_up(database)
    finally:
        database.close()
    if as_json:
        typer.echo(json.dumps({"before": before, "after": after}))
    elif before == after:
        typer.echo(f"the database is in form {after} already")
    else:
        typer.echo(f"the database is now in form {after}")
