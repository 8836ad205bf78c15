"""Options that several commands share, and the one way in which a command opens what the settings name."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from waypass_server import migrations
from waypass_server.database import Database
from waypass_server.settings import Settings, load_settings

ConfigFile = Annotated[Path, typer.Option("--config", help="The server's settings (TOML).")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


def settings_from(file: Path) -> Settings:
    """The settings of a file and the environment. Raises `ConfigurationError`."""
    return load_settings(file, os.environ)


@contextmanager
def opened(settings: Settings) -> Iterator[Database]:
    """The database, in the newest form; closed at the end. Raises `ConfigurationError`."""
    database = Database(settings.database_url)
    try:
        migrations.check(database.engine)
        yield database
    finally:
        database.close()
