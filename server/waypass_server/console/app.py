"""The console as an application of its own, which the server's application has under `/ops`."""

from fastapi import FastAPI

from waypass_server.console import assets, refusals
from waypass_server.console.headers import StrictHeaders
from waypass_server.console.pages import bases, desk, entries, objections, push, queue, sign_in, stations, withdrawals
from waypass_server.console.rendering import Rendering
from waypass_server.fleet_watch import FleetWatch
from waypass_server.health import Vitals
from waypass_server.services import Services


def create_console(services: Services, *, vitals: Vitals, fleet_watch: FleetWatch, source_key: bytes) -> FastAPI:
    """The pages. It starts no thread and opens no connection."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.state.services = services
    app.state.vitals = vitals
    app.state.source_key = source_key
    app.state.fleet_watch = fleet_watch
    app.state.rendering = Rendering()
    app.state.assets = assets.read_assets()
    refusals.install(app)
    app.add_middleware(StrictHeaders)
    for module in (assets, sign_in, queue, entries, bases, withdrawals, objections, push, stations, desk):
        app.include_router(module.router)
    return app
