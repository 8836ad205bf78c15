"""The HTTP application: the routers put together around one `Services`, and the console. It starts no thread and opens
no connection.
"""

from typing import Any

from fastapi import FastAPI
from starlette.datastructures import State
from starlette.routing import Mount

from waypass_server import problems
from waypass_server.api import (
    bases,
    batches,
    desk,
    entries,
    facts,
    health,
    me,
    network,
    operations,
    passes,
    public_log,
    review,
    rule_proposals,
    rule_sets,
    staff,
    status_lists,
    surveys,
    tokens,
    wallet_files,
    worsening,
)
from waypass_server.api.limits import BodyLimit
from waypass_server.console.app import build_console, furnish_console
from waypass_server.fleet_watch import FleetWatch
from waypass_server.health import Vitals
from waypass_server.public import pages
from waypass_server.services import Services

TAGS = [
    {"name": "network", "description": "What everybody may know."},
    {"name": "holder", "description": "A person's own view; the wallet's token."},
    {"name": "passes", "description": "Passes for wallets and on paper."},
    {"name": "desk", "description": "People by opaque reference, and the codes with which they enrol a wallet."},
    {"name": "bases", "description": "Why anyone may be listed at all: two people each."},
    {"name": "entries", "description": "Who is listed, on what basis: two people each, announced before effect."},
    {"name": "batches", "description": "Imported entries, approved as a whole by another person."},
    {"name": "limits", "description": "How many people may be worsened, and how many were: for everybody to see."},
    {"name": "review", "description": "Objections, exemptions, standings."},
    {"name": "facts", "description": "Exposure notices and survey answers: yellow at most."},
    {"name": "rules", "description": "Rules that turn facts into colours, yellow at most: two people each."},
    {"name": "surveys", "description": "The forms of rule sets, and answers to them."},
    {"name": "staff", "description": "Enrolment links, by two administrators each; API tokens."},
    {"name": "operations", "description": "Emergency withdrawals and the log of changes."},
    {"name": "status lists", "description": "What readers hold, for everybody."},
    {"name": "public log", "description": "Every change as a salted leaf; checkpoints, tiles, proofs; for everybody."},
    {"name": "health", "description": "Whether the server can do its work; nothing about anybody."},
]


class _Application(FastAPI):
    """With refusals in its document as they are answered."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document."""
        return problems.document(super().openapi())


def create_app(services: Services, *, vitals: Vitals | None = None, fleet_watch: FleetWatch | None = None) -> FastAPI:
    """The application. Whoever calls runs publisher and scheduler beside it (`serving`), says by `vitals` how they are,
    and feeds `fleet_watch` from the message bus.
    """
    app = build_app()
    furnish_app(app, services, vitals=vitals, fleet_watch=fleet_watch)
    return app


def build_app() -> FastAPI:
    """All routes and nothing behind them yet: what takes the time, and is the same for all services."""
    app = _Application(
        title="Waypass server",
        version="1",
        summary="Issues passes, keeps lists, publishes status.",
        description="Times are UNIX seconds. Refusals are problem details (RFC 9457); `type` says which.",
        openapi_tags=TAGS,
        # The pages that FastAPI has for this load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
    )
    problems.install(app)
    app.add_middleware(BodyLimit)
    for module in (
        network,
        me,
        passes,
        desk,
        bases,
        entries,
        batches,
        review,
        facts,
        rule_sets,
        rule_proposals,
        surveys,
        operations,
        status_lists,
        public_log,
        health,
        wallet_files,
        worsening,
        staff,
        tokens,
        pages,
    ):
        app.include_router(module.router)
    app.mount("/ops", build_console())
    return app


def furnish_app(
    app: FastAPI, services: Services, *, vitals: Vitals | None = None, fleet_watch: FleetWatch | None = None
) -> None:
    """Put these services behind the routes, in place of any before."""
    app.state = State(
        {
            "services": services,
            "vitals": vitals or Vitals(),
            "source_key": services.random_bytes(32),
        }
    )
    console = next(route.app for route in app.routes if isinstance(route, Mount))
    assert isinstance(console, FastAPI)
    furnish_console(
        console,
        services,
        vitals=app.state.vitals,
        fleet_watch=fleet_watch or FleetWatch(services.settings.network, services.clock),
        source_key=app.state.source_key,
    )
