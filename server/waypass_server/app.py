"""The HTTP application: the routers put together around one `Services`, and the console. It starts no thread and opens
no connection.
"""

from fastapi import FastAPI

from waypass_server import problems
from waypass_server.api import (
    bases,
    desk,
    entries,
    facts,
    health,
    me,
    network,
    operations,
    passes,
    review,
    status_lists,
    wallet_files,
)
from waypass_server.api.limits import BodyLimit
from waypass_server.console.app import create_console
from waypass_server.fleet_watch import FleetWatch
from waypass_server.health import Vitals
from waypass_server.services import Services

_TAGS = [
    {"name": "network", "description": "What everybody may know."},
    {"name": "holder", "description": "A person's own view; the wallet's token."},
    {"name": "passes", "description": "Passes for wallets and on paper."},
    {"name": "desk", "description": "People by opaque reference, and the codes with which they enrol a wallet."},
    {"name": "bases", "description": "Why anyone may be listed at all: two people each."},
    {"name": "entries", "description": "Who is listed, on what basis: two people each, announced before effect."},
    {"name": "review", "description": "Objections, exemptions, standings."},
    {"name": "facts", "description": "Exposure notices and survey answers: yellow at most."},
    {"name": "operations", "description": "Emergency withdrawals and the log of changes."},
    {"name": "status lists", "description": "What readers hold, for everybody."},
    {"name": "health", "description": "Whether the server can do its work; nothing about anybody."},
]


def create_app(services: Services, *, vitals: Vitals | None = None, fleet_watch: FleetWatch | None = None) -> FastAPI:
    """The application. Whoever calls runs publisher and scheduler beside it (`serving`), says by `vitals` how they are,
    and feeds `fleet_watch` from the message bus.
    """
    app = FastAPI(
        title="Waypass server",
        version="1",
        summary="Issues passes, keeps lists, publishes status.",
        description="Times are UNIX seconds. Refusals are problem details (RFC 9457); `type` says which.",
        openapi_tags=_TAGS,
        # The pages that FastAPI has for this load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
    )
    app.state.services = services
    app.state.vitals = vitals or Vitals()
    app.state.source_key = services.random_bytes(32)
    problems.install(app)
    app.add_middleware(BodyLimit)
    for module in (
        network,
        me,
        passes,
        desk,
        bases,
        entries,
        review,
        facts,
        operations,
        status_lists,
        health,
        wallet_files,
    ):
        app.include_router(module.router)
    console = create_console(
        services,
        vitals=app.state.vitals,
        fleet_watch=fleet_watch or FleetWatch(services.settings.network, services.clock),
        source_key=app.state.source_key,
    )
    app.mount("/ops", console)
    return app
