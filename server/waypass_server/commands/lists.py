"""`waypass-server lists`: what an operator does to published status lists by hand.

`advance` is for a database that is older than what readers hold: it was restored from a copy, or is a replica that had
not received everything when it was promoted. A server that finds this does not publish. Readers never fall behind what
they hold, so they would refuse or ignore the versions and head sequences of such a database, which are below their
floors, and their lists grow old. This command moves every list's version and the head's sequence forward past what
readers may have seen, with a fresh snapshot of what the database says, and readers take that.

1. the server must be stopped: on PostgreSQL the command refuses while one publishes; on SQLite one that runs finds
   that its lists were taken over, and stops
2. `--by` is more than the number of versions and heads that were made since the copy; a list makes at most five
   versions a second and two heads a minute besides, and the default is far above that
3. no bit changes. What was withdrawn since the copy counts as valid again at the gates, until it expires or is
   withdrawn again, and its index may be given out again. Where that is not acceptable, distrust the keys instead
   (docs/operations.md, Stores)

What a user can mend is one line on standard error and exit code 2.
"""

import json
import random
import secrets
import sys
import time
from typing import Annotated

import typer

from waypass_server.commands.options import AsJson, ConfigFile, settings_from

app = typer.Typer(help="Published status lists: move versions forward after a restore.", no_args_is_help=True)

SMALLEST, DEFAULT, LARGEST = 128, 1 << 24, 1 << 40


@app.callback()
def _group() -> None:
    """Keeps `advance` a command of its own."""


@app.command()
def advance(
    config: ConfigFile,
    by: Annotated[int, typer.Option(min=SMALLEST, max=LARGEST, help="By how many versions.")] = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Move every list's version and the head's sequence forward, after a restore; the server must be stopped."""
    from waypass_protocol.keys import Use
    from waypass_server import migrations
    from waypass_server.database import Database
    from waypass_server.indexes import Allocator
    from waypass_server.key_folder import KeyFolder
    from waypass_server.seat import seat_taken
    from waypass_server.versions import Versions

    settings = settings_from(config)
    now = int(time.time())
    keys = KeyFolder(settings.keys)
    keys.signer(Use.STATUS, now)
    database = Database(settings.database_url)
    try:
        migrations.check(database.engine)
        draw = random.SystemRandom()
        versions = Versions(
            database=database,
            network=settings.network,
            keys=keys,
            allocator=Allocator(uri_prefix=settings.status_uri_prefix, draw=draw),
            draw=draw,
            random_bytes=secrets.token_bytes,
        )
        with seat_taken(database, settings.network):
            versions.load(now, restored=True)
            moved = versions.advance(by, now)
    finally:
        database.close()
    for name, version in moved.items():
        typer.echo(json.dumps({"list": name, "version": version}) if as_json else f"list {name}: version {version}")
    print(  # noqa: T201 - what must not be overlooked
        "lists: what was withdrawn since the copy counts as valid again until it expires; withdraw it again",
        file=sys.stderr,
    )
