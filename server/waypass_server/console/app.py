"""The console as an application of its own, which the server's application has under `/ops`."""

from fastapi import FastAPI
from starlette.datastructures import State

from waypass_server.console import assets, refusals
from waypass_server.console.headers import StrictHeaders
from waypass_server.console.pages import (
    audit,
    bases,
    basis_forms,
    batches,
    desk,
    entries,
    entry_form,
    exemptions,
    imports,
    limits,
    me,
    objections,
    oidc,
    push,
    queue,
    rule_forms,
    rule_proposals,
    rule_sets,
    search,
    sign_in,
    staff,
    stations,
    withdrawals,
)
from waypass_server.console.rendering import Rendering
from waypass_server.fleet_watch import FleetWatch
from waypass_server.health import Vitals
from waypass_server.services import Services


def build_console() -> FastAPI:
    """The pages, and nothing behind them yet. It starts no thread and opens no connection."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    refusals.install(app)
    app.add_middleware(StrictHeaders)
    for module in (
        assets,
        sign_in,
        oidc,
        me,
        staff,
        queue,
        entry_form,  # before those that take a number at the same place
        entries,
        rule_proposals,
        basis_forms,
        batches,
        imports,
        bases,
        rule_forms,
        rule_sets,
        exemptions,
        limits,
        withdrawals,
        objections,
        search,
        audit,
        push,
        stations,
        desk,
    ):
        app.include_router(module.router)
    return app


def furnish_console(
    console: FastAPI, services: Services, *, vitals: Vitals, fleet_watch: FleetWatch, source_key: bytes
) -> None:
    """Put these services behind the pages, in place of any before."""
    console.state = State(
        {
            "services": services,
            "vitals": vitals,
            "source_key": source_key,
            "fleet_watch": fleet_watch,
            "rendering": Rendering(),
            "assets": assets.read_assets(),
        }
    )
