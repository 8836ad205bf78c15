"""The `waypass-server` command: each subcommand lives in its own module under `commands`."""

import sys

import typer

from waypass_server.commands import evidence, keys, lists, network, reader
from waypass_server.commands.broker import broker, broker_password
from waypass_server.commands.migrate import migrate
from waypass_server.commands.serve import serve
from waypass_server.errors import ServerError

app = typer.Typer(
    name="waypass-server",
    help="Issues passes, keeps lists, approves, publishes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("serve")(serve)
app.command("broker")(broker)
app.command("broker-password")(broker_password)
app.command("migrate")(migrate)
app.add_typer(keys.app, name="keys")
app.add_typer(network.app, name="network")
app.add_typer(lists.app, name="lists")
app.add_typer(reader.app, name="reader")
app.add_typer(evidence.app, name="evidence")


def main() -> None:
    """Run the command line; what a user can mend becomes one line on standard error and exit code 2."""
    try:
        app()
    except ServerError as error:
        print(f"waypass-server: {error}", file=sys.stderr)  # noqa: T201 - the command line's own voice
        sys.exit(2)
