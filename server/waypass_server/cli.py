"""The `waypass-server` command: `waypass_server.application`, or what is missing for it.

A reader is installed without the server's libraries, from the same distribution and with the same commands.
"""

import sys
from typing import NoReturn

from waypass_server.errors import ServerError

REMEDY = "this machine has not the server's part; install it: pip install 'waypass[server]'"


def main() -> None:
    """Run the command line; what a user can mend becomes one line on standard error and exit code 2."""
    try:
        from waypass_server.application import app

        app()
    except ServerError as error:
        _end(str(error))
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("waypass"):
            raise  # of our own nothing can be missing
        _end(f"{error.name} is not installed: {REMEDY}")


def _end(why: str) -> NoReturn:
    print(f"waypass-server: {why}", file=sys.stderr)  # noqa: T201 - the command line's own voice
    sys.exit(2)
