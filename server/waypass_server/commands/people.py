"""`waypass-server people`: what an operator does about one person by hand.

`forget REFERENCE` deletes everything about a person whose entries have all ended, and what the public log's leaves
about them committed to; see `erasure`. It cannot be undone. The server may run meanwhile.

Exit code 1 when there is no such person, or one of their entries has not ended; then nothing was changed.
"""

import json
import time
from typing import Annotated

import typer

from waypass_server.commands.options import AsJson, ConfigFile, opened, settings_from

app = typer.Typer(help="People: forget one.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keeps `forget` a command of its own."""


@app.command()
def forget(
    reference: Annotated[str, typer.Argument(help="The person, by the exact reference.")],
    config: ConfigFile,
    as_json: AsJson = False,
) -> None:
    """Delete everything about a person for good; leaves of the public log stay and say nothing any more."""
    from waypass_server import erasure, people
    from waypass_server.refusals import Conflict, NotFound

    settings = settings_from(config)
    try:
        with opened(settings) as database, database.changing() as session:
            network = people.find_network(session, settings.network)
            person = people.find_person(session, network.id, reference)
            gone = erasure.erase(session, person, int(time.time()))
    except (NotFound, Conflict) as refused:
        typer.echo(str(refused), err=True)
        raise typer.Exit(1) from None
    typer.echo(json.dumps({"records": gone}) if as_json else f"forgotten, with {gone} records of the public log")
