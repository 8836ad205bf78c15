"""The `waypass-reader` command: each subcommand lives in its own module under `commands`."""

import sys

import typer

from waypass_reader.commands.check import check
from waypass_reader.commands.decode import decode
from waypass_reader.commands.doctor import doctor
from waypass_reader.commands.run import run
from waypass_reader.commands.station import station
from waypass_reader.errors import ReaderError

app = typer.Typer(
    name="waypass-reader",
    help="The gate: camera, code, decision, turnstile; and the box of a station's staff.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("run")(run)
app.command("check")(check)
app.command("decode")(decode)
app.command("doctor")(doctor)
app.command("station")(station)


def main() -> None:
    """Run the command line; what a user can mend becomes one line on standard error and exit code 2."""
    try:
        app()
    except ReaderError as error:
        print(f"waypass-reader: {error}", file=sys.stderr)  # noqa: T201 - the command line's own voice
        sys.exit(2)
