"""Options that several commands share, and the one way in which a command opens what the settings name.

Databases and web frameworks are imported where they are used: a command that needs neither starts without them.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from waypass_server.database import Database
    from waypass_server.settings import Settings

ConfigFile = Annotated[Path, typer.Option("--config", help="The server's settings (TOML).")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


def settings_from(file: Path) -> "Settings":
    """The settings of a file and the environment. Raises `ConfigurationError`."""
    from waypass_server.settings import load_settings

    return load_settings(file, os.environ)


@contextmanager
def opened(settings: "Settings") -> "Iterator[Database]":
    """The database, in the newest form; closed at the end. Raises `ConfigurationError`."""
    from waypass_server import migrations
    from waypass_server.database import Database

    database = Database(settings.database_url)
    try:
        migrations.check(database.engine)
        yield database
    finally:
        database.close()
