"""`waypass-server serve`: HTTP API, publisher and scheduler in one process; what it does in which order is in
`serving`.

Prints one line to standard error when it listens, `server: listening on http://HOST:PORT`, then runs until SIGTERM or
SIGINT and exits 0. What keeps it from starting is one line on standard error and exit code 2.
"""

import logging
import os

from waypass_server.commands.options import ConfigFile, settings_from


def serve(config: ConfigFile) -> None:
    """Serve the HTTP API, publish status lists, and let entries take their course."""
    from waypass_server import serving

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    os.umask(0o077)  # database and outbox are for the server alone
    serving.run(settings_from(config))
