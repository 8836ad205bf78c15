"""What was published, and each reader as it turns current; live."""

from collections.abc import Iterator
from functools import partial
from statistics import median

from fastapi import APIRouter, Request
from fastapi.responses import Response

from waypass_server.api.access import ServicesHere
from waypass_server.api.health import VitalsHere
from waypass_server.console.access import AnySignedIn
from waypass_server.console.live import Part, fleet_watch, stream
from waypass_server.console.rendering import rendering, show
from waypass_server.fleet import ALARMS, FleetView, ReaderView, Stand, StationView

router = APIRouter(prefix="/push")


@router.get("")
def show_push(request: Request, _me: AnySignedIn, held: VitalsHere) -> Response:
    """The page as it is now; its script follows the events."""
    view = fleet_watch(request).view()
    broker = None if held.bus is None else held.bus.state.value
    return show(request, "push.html", view=view, summary=_summary(view), ids=_ids(view), broker=broker)


@router.get("/events")
async def push_events(request: Request, me: AnySignedIn, here: ServicesHere) -> Response:
    """Summary and stations, when they change."""
    drawing = rendering(request)

    def parts(view: FleetView) -> Iterator[Part]:
        summary = _summary(view)
        yield Part(
            element="summary",
            key=tuple(summary.items()),
            draw=partial(drawing.text, request, "push_summary.html", summary=summary),
        )
        for station in view.stations:
            yield Part(
                element=station_id(station),
                key=tuple((reader.reader, reader.stand, reader.took) for reader in station.readers),
                draw=partial(drawing.text, request, "push_station.html", station=station, id=station_id(station)),
            )

    return stream(fleet_watch(request), here, me.secret, parts)


def _summary(view: FleetView) -> dict[str, float | int | str | None]:
    """Numbers of the last push."""
    readers = view.readers
    times = [reader.took for reader in readers if reader.took is not None]
    push = view.push
    return {
        "readers": len(readers),
        "current": view.count(Stand.CURRENT),
        "behind": view.count(Stand.BEHIND, Stand.UNKNOWN),
        "gone": view.count(Stand.OFFLINE, Stand.QUIET),
        "alarms": view.count(*ALARMS),
        "median": median(times) if times else None,
        "slowest": max(times) if times else None,
        "committed_at": None if push is None else push.committed_at,
        "version": None if push is None else ", ".join(f"{uri} v{version}" for uri, version in push.versions),
        "standing": _standing(readers),
    }


def _standing(readers: list[ReaderView]) -> str:
    """One word for all: the template has the sentence."""
    if not readers:
        return "none"
    stands = {reader.stand for reader in readers}
    if stands & ALARMS:
        return "alarm"
    return "all" if stands == {Stand.CURRENT} else "some"


def _ids(view: FleetView) -> dict[str, str]:
    return {station.name: station_id(station) for station in view.stations}


def station_id(station: StationView) -> str:
    """An id for the station's element, whatever its name has in it."""
    return "station-" + station.name.encode().hex()
