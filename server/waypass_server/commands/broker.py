"""`waypass-server broker` and `waypass-server broker-password`.

`broker` prints one line to standard error when it listens, `broker: listening on HOST:PORT`, then runs until SIGTERM or
SIGINT and exits 0. Whatever keeps it from listening is one line on standard error and exit code 2.

`broker-password NAME` prints one line for the password file to standard output. The password is asked for twice on a
terminal, or read from the first line of standard input; `--generate` makes one and prints it to standard error.
"""

import asyncio
import logging
import secrets
import sys
from pathlib import Path
from typing import Annotated

import typer

from waypass_server.errors import ConfigurationError


def broker(
    host: Annotated[str, typer.Option(help="Address to listen on. Only loopback without --passwords.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="TCP port; 0 takes a free one and says which.")] = 1883,
    passwords: Annotated[
        Path | None, typer.Option(help="File with one NAME:HASH a line (see broker-password); turns topic rules on.")
    ] = None,
) -> None:
    """Run the embedded MQTT broker until it is told to stop."""
    from waypass_server.broker import BrokerSettings, serve

    # Warnings and worse, to standard error. At DEBUG amqtt would write whole payloads.
    logging.basicConfig(level=logging.WARNING, format="broker: %(message)s")
    settings = BrokerSettings(host=host, port=port, passwords=passwords)
    try:
        asyncio.run(serve(settings, listening=lambda place: typer.echo(f"broker: listening on {place}", err=True)))
    except ConfigurationError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error


def broker_password(
    name: Annotated[str, typer.Argument(help="The login: 'server', or a reader's ID.")],
    generate: Annotated[
        bool, typer.Option("--generate", help="Make a password and print it to standard error.")
    ] = False,
) -> None:
    """Print a NAME:HASH line for the broker's password file."""
    from waypass_server.broker.access import password_line

    if generate:
        password = secrets.token_urlsafe(24)
        typer.echo(f"password: {password}", err=True)
    elif sys.stdin.isatty():
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.readline().rstrip("\n")
    try:
        typer.echo(password_line(name, password))
    except ConfigurationError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error


def main() -> None:
    """`python -m waypass_server.commands.broker`: the two commands alone, without the rest of the server."""
    app = typer.Typer(add_completion=False)
    app.command("broker")(broker)
    app.command("broker-password")(broker_password)
    app()


if __name__ == "__main__":
    main()
