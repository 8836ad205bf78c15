"""`POST /lanes/LANE/override`: staff open a lane once.

The first rule that fails refuses:

1. overrides are taken here: the configuration names a key (`403`)
2. `Authorization: Bearer` has the station's key (`401`; `429` after some wrong ones from the same address)
3. the lane is one of this reader's (`404`)
4. the body is one JSON object (`400`, `415`) that has `reason` and nothing else, one of `OverrideReason` (`422`)
5. the lane can be opened (`503`)

What remains of it is a number, by the reason: not who asked, and not for whom. No network is asked.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Protocol

from waypass_protocol.reasons import OverrideReason
from waypass_reader.passage import NotOpened
from waypass_reader.web import Answer, KeyGuard, Problem, Request, Route, no_content


class Openable(Protocol):
    """A lane, as far as staff may tell it something."""

    def override(self, reason: OverrideReason) -> None:
        """Open once. Raises `NotOpened`."""


class Overrides:
    """Takes overrides for some lanes; without a guard it takes none."""

    def __init__(self, lanes: Mapping[str, Openable], *, guard: KeyGuard | None) -> None:
        self._lanes = lanes
        self._guard = guard

    def routes(self) -> list[Route]:
        """Where they are taken."""
        return [Route(method="POST", path="/lanes/{lane}/override", handler=self._override)]

    def _override(self, request: Request) -> Answer:
        if self._guard is None:
            raise Problem(HTTPStatus.FORBIDDEN, "no overrides are taken here: no station_key_file is configured")
        self._guard.check(request.bearer(), peer=request.peer)
        lane = self._lanes.get(request.parts["lane"])
        if lane is None:
            raise Problem(HTTPStatus.NOT_FOUND, f"expected a lane among {', '.join(self._lanes)}")
        try:
            lane.override(_read_reason(request))
        except NotOpened as error:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from error
        return no_content()


def _read_reason(request: Request) -> OverrideReason:
    """Rule 4. Raises `Problem`."""
    body = request.json_object()
    if body.keys() != {"reason"}:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "expected the member reason and no other")
    try:
        return OverrideReason(body["reason"])
    except ValueError:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"expected a reason among {', '.join(OverrideReason)}") from None
