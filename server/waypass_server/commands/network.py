"""`waypass-server network`: define the network, and give out staff tokens.

- `apply NETWORK.toml` makes the database say what the file says; see `network_file`. Each token of new staff is shown
  once; with `staff_tokens = false` they get none.
- `token NAME` gives a member of staff a new token; the old one is void at once, and all their sessions end. Whoever has
  a sign-in of their own gets no new one.
- `enrol NAME` makes a link with which they set up how they sign in, once and within three days.
- `show` lists what is defined, without any token.

Exit code 2 for a file that cannot be used; then nothing was changed.
"""

import json
import secrets
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from waypass_server.commands.options import AsJson, ConfigFile, opened, settings_from
from waypass_server.errors import ConfigurationError

if TYPE_CHECKING:  # loaded when a command runs
    from waypass_server.network_file import Change

app = typer.Typer(help="Scopes, authorities and staff.", no_args_is_help=True)


@app.command()
def apply(
    file: Annotated[Path, typer.Argument(metavar="NETWORK.toml", help="What the network is made of.")],
    config: ConfigFile,
    as_json: AsJson = False,
) -> None:
    """Define the network as a file says. Prints what changed, and each new token once."""
    from waypass_server import network_file

    settings = settings_from(config)
    definition = network_file.read_network_file(file)
    if definition.name != settings.network:
        raise ConfigurationError(f"{file}: expected network {settings.network} as in {config}, got {definition.name}")
    with opened(settings) as database, database.changing() as session:
        changes = network_file.apply(
            session,
            definition,
            tokens=settings.staff_tokens,
            random_bytes=secrets.token_bytes,
            now=int(time.time()),
        )
    _print(changes, as_json=as_json)


@app.command()
def token(
    name: Annotated[str, typer.Argument(help="The member of staff, as in the network file.")],
    config: ConfigFile,
    as_json: AsJson = False,
) -> None:
    """Give a member of staff a new token; the old one is void. None for whoever has a sign-in of their own."""
    from waypass_server import network_file

    settings = settings_from(config)
    with opened(settings) as database, database.changing() as session:
        change = network_file.new_token(
            session,
            settings.network,
            name,
            tokens=settings.staff_tokens,
            random_bytes=secrets.token_bytes,
            now=int(time.time()),
        )
    _print([change], as_json=as_json)


@app.command()
def enrol(
    name: Annotated[str, typer.Argument(help="The member of staff, as in the network file.")],
    config: ConfigFile,
    as_json: AsJson = False,
) -> None:
    """Make a link with which somebody sets up how they sign in; what they had before ends when it is used."""
    from waypass_server import network_file
    from waypass_server.signin.places import enrolment_address

    settings = settings_from(config)
    with opened(settings) as database, database.changing() as session:
        made = network_file.new_link(
            session, settings.network, name, random_bytes=secrets.token_bytes, now=int(time.time())
        )
    address = enrolment_address(settings, made.secret)
    if as_json:
        line = {"name": name, "link": address, "code": made.secret, "ends_at": made.ends_at}
        typer.echo(json.dumps(line, ensure_ascii=False))
        return
    typer.echo(f"link for {name} (shown once, works once, for three days): {address}")


@app.command()
def show(config: ConfigFile, as_json: AsJson = False) -> None:
    """List scopes, authorities and staff."""
    from waypass_server import network_file

    settings = settings_from(config)
    with opened(settings) as database, database.reading() as session:
        rows = network_file.defined(session, settings.network)
    _print(rows, as_json=as_json)
    if not rows:
        typer.echo(f"network {settings.network} is not defined yet", err=True)
        raise typer.Exit(1)


def _print(changes: "Iterable[Change]", *, as_json: bool) -> None:
    changes = list(changes)
    if as_json:
        for change in changes:
            line: dict[str, object] = {"what": change.what, "name": change.name, "change": change.change}
            if change.what == "staff":
                line["roles"] = change.roles
            if change.token is not None:
                line["token"] = change.token
            typer.echo(json.dumps(line, ensure_ascii=False))
        return
    table = Table("what", "name", "change", "roles")
    for change in changes:
        table.add_row(change.what, escape(change.name), change.change, ", ".join(change.roles))
    Console().print(table if changes else "nothing to change")
    # Not in the table: a token must be copied whole, and a table may cut it.
    for change in changes:
        if change.token is not None:
            typer.echo(f"token of {change.name} (shown once): {change.token}")
