"""How the server is, for supervisors and monitoring; needs no token, and says nothing about anybody."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy.exc import SQLAlchemyError

from waypass_server import health
from waypass_server.api.access import ServicesHere
from waypass_server.api.forms import Output
from waypass_server.health import Vitals
from waypass_server.problems import RESPONSES

router = APIRouter(tags=["health"], responses=RESPONSES)


class HealthOut(Output):
    """`status` is `ok` or `degraded`; each part is `ok` or says in a word what is the matter.
    `publisher` is `stand-by` where another process on the same database publishes; `lists` is `many` from 120 live
    status lists on.
    """

    status: str
    database: str
    publisher: str
    broker: str
    keys: str
    lists: str


def vitals(request: Request) -> Vitals:
    """What the application was made with."""
    held = request.app.state.vitals
    assert isinstance(held, Vitals)
    return held


VitalsHere = Annotated[Vitals, Depends(vitals)]


@router.get(
    "/health",
    summary="Whether the server can do its work (503 when it cannot)",
    responses={503: {"model": HealthOut, "description": "It cannot serve."}},
)
def read_health(here: ServicesHere, held: VitalsHere, response: Response) -> HealthOut:
    """200 while it serves, also without a broker: gates go on."""
    found = health.look(here, held)
    response.status_code = 503 if found.cannot_serve else 200
    response.headers["Cache-Control"] = "no-store"
    return HealthOut(
        status=health.OK if found.ok else "degraded",
        database=found.database,
        publisher=found.publisher,
        broker=found.broker,
        keys=found.keys,
        lists=found.lists,
    )


@router.get(
    "/metrics",
    summary="The same for Prometheus, with the version of each list",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}, "description": "Prometheus text."}},
)
def read_metrics(here: ServicesHere, held: VitalsHere) -> Response:
    """Always 200: what cannot be read is left out, and its part is 0."""
    try:
        numbers = health.figures(here)
    except SQLAlchemyError:
        numbers = None
    return Response(health.metrics(health.look(here, held), numbers), media_type=CONTENT_TYPE_LATEST)
