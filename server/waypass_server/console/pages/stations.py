"""All stations: readers, their lanes and health, the age of their lists, and what they hold beside what was published;
live.
"""

from collections.abc import Iterator
from functools import partial

from fastapi import APIRouter, Request
from fastapi.responses import Response

from waypass_server.api.access import ServicesHere
from waypass_server.console.access import AnySignedIn
from waypass_server.console.live import Part, fleet_watch, stream
from waypass_server.console.pages.push import station_id
from waypass_server.console.rendering import rendering, show
from waypass_server.fleet import ALARMS, FleetView, Stand

router = APIRouter(prefix="/stations")

AGE_STEP = 10
"""Seconds; ages are drawn anew when they have grown by as much."""


@router.get("")
def show_stations(request: Request, _me: AnySignedIn) -> Response:
    """The page as it is now; its script follows the events."""
    view = fleet_watch(request).view()
    ids = {station.name: station_id(station) for station in view.stations}
    return show(request, "stations.html", view=view, ids=ids, summary=_summary(view))


@router.get("/events")
async def stations_events(request: Request, me: AnySignedIn, here: ServicesHere) -> Response:
    """Summary and stations, when they change."""
    drawing = rendering(request)

    def parts(view: FleetView) -> Iterator[Part]:
        summary = _summary(view)
        yield Part(
            element="summary",
            key=tuple(summary.items()),
            draw=partial(drawing.text, request, "stations_summary.html", summary=summary),
        )
        for station in view.stations:
            yield Part(
                element=station_id(station),
                key=(station, here.now() // AGE_STEP),
                draw=partial(drawing.text, request, "station.html", station=station, id=station_id(station)),
            )

    return stream(fleet_watch(request), here, me.secret, parts)


def _summary(view: FleetView) -> dict[str, int]:
    return {
        "stations": len(view.stations),
        "readers": len(view.readers),
        "alarms": view.count(*ALARMS),
        "attention": view.count(Stand.OFFLINE, Stand.QUIET, Stand.UNKNOWN, Stand.BEHIND),
        "unwell": sum(any(word != "ok" for _, word in reader.health) for reader in view.readers),
    }
