"""`GET /metrics`: what the reader counts and measures of itself, for Prometheus.

1. nothing of a person, and nothing that could tell when somebody came: decisions and latencies move when their minute
   is over, reasons when their hour is, with those under 5 merged, as in the reader's own counts
2. whether a lane works is there, and not whether somebody stands in it
3. it is served at loopback; another address is refused unless the settings say `beyond_loopback`
4. what is asked of the reader is what it says in its state message, at the moment of asking. Nothing waits for it
"""

import ipaddress
import resource
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

from waypass_protocol.messages import LATENCY_BOUNDS_MS, LaneState, StateMessage
from waypass_reader.counts import Counts, Totals
from waypass_reader.errors import ConfigurationError
from waypass_reader.web import Answer, Request, Route

WORKS = "ok"
STATM = Path("/proc/self/statm")


@dataclass(frozen=True, kw_only=True, slots=True)
class Sources:
    """Whom the metrics are asked of. `connected` gives None where there is no broker."""

    counts: Counts
    state: Callable[[], StateMessage]
    connected: Callable[[], bool | None]
    now: Callable[[], float]
    joining_faults: Callable[[], Mapping[str, int]] = dict
    """By lane, moving with the minutes: rule 1."""


class ReaderMetrics(Collector):
    """The reader's metrics, collected anew at each call."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def collect(self) -> Iterable[Metric]:
        """All of them."""
        state = self._sources.state()
        yield InfoMetricFamily("waypass_reader", "The program.", {"version": state.software, "station": state.station})
        yield from _counted(self._sources.counts.totals(self._sources.now()))
        yield from _lists(state)
        yield _gauge("waypass_clock_trusted", "Whether the clock may be decided by.", state.clock_trusted)
        yield from _parts(state)
        connected = self._sources.connected()
        if connected is not None:
            yield _gauge("waypass_link_connected", "Whether the broker has this reader.", connected)
        refused = CounterMetricFamily("waypass_messages_refused", "Refused status messages.", labels=["reason"])
        yield _labelled(refused, state.reports)
        faults = CounterMetricFamily("waypass_joining_faults", "Errors in joining a lane's frames.", labels=["lane"])
        yield _labelled(faults, self._sources.joining_faults())
        yield _gauge("waypass_resident_memory_bytes", "Memory in use.", _resident_bytes())
        yield _gauge("waypass_threads", "Threads that run.", threading.active_count())


def metrics_route(sources: Sources) -> Route:
    """Where they are."""
    registry = CollectorRegistry()
    registry.register(ReaderMetrics(sources))

    def show(_request: Request) -> Answer:
        return Answer(body=generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

    return Route(method="GET", path="/metrics", handler=show)


def check_host(host: str, *, beyond_loopback: bool) -> None:
    """Rule 3. Raises `ConfigurationError`."""
    if beyond_loopback or host == "localhost":
        return
    try:
        inside = ipaddress.ip_address(host).is_loopback
    except ValueError:
        inside = False
    if not inside:
        raise ConfigurationError(
            f"metrics: expected host as an address of loopback such as 127.0.0.1, got {host!r}; "
            "with beyond_loopback = true any is taken"
        )


def _counted(totals: Totals) -> Iterable[Metric]:
    yield _labelled(
        CounterMetricFamily("waypass_decisions", "Decisions, and openings by staff, by outcome.", labels=["outcome"]),
        totals.outcomes,
    )
    yield _labelled(
        CounterMetricFamily("waypass_reasons", "Decisions by reason; rare ones are merged.", labels=["reason"]),
        {**totals.reasons, "fewer": totals.fewer},
    )
    bounds = [*(str(bound / 1000) for bound in LATENCY_BOUNDS_MS), "+Inf"]
    upto = [sum(totals.latency[: place + 1]) for place in range(len(bounds))]
    yield HistogramMetricFamily(
        "waypass_frame_to_decision_seconds",
        "From frame to decision.",
        buckets=list(zip(bounds, upto, strict=True)),
        sum_value=totals.latency_sum_ms / 1000,
    )


def _lists(state: StateMessage) -> Iterable[Metric]:
    ages = GaugeMetricFamily("waypass_list_age_seconds", "Age of a held list; NaN: unknown.", labels=["list"])
    versions = GaugeMetricFamily("waypass_list_version", "Version of a held list.", labels=["list"])
    for row in state.lists:
        ages.add_metric([row.uri], float("nan") if row.age is None else row.age)
        versions.add_metric([row.uri], row.version)
    yield ages
    yield versions


def _parts(state: StateMessage) -> Iterable[Metric]:
    """Lanes, and what the reader says of its health: `camera north` is the camera of a lane."""
    lanes = GaugeMetricFamily("waypass_lane_in_order", "Whether a lane works.", labels=["lane"])
    for lane, its_state in state.lanes.items():
        lanes.add_metric([lane], its_state is not LaneState.OUT_OF_ORDER)
    yield lanes
    cameras = GaugeMetricFamily("waypass_camera_works", "Whether a lane's camera or scanner works.", labels=["lane"])
    parts = GaugeMetricFamily("waypass_part_works", "Whether a part of the reader works.", labels=["part"])
    for name, health in state.health.items():
        kind, _, lane = name.partition(" ")
        if kind == "camera" and lane:
            cameras.add_metric([lane], health == WORKS)
        else:
            parts.add_metric([name], health == WORKS)
    yield cameras
    yield parts


def _labelled(family: CounterMetricFamily, values: Mapping[str, int]) -> Metric:
    for label, value in sorted(values.items()):
        family.add_metric([label], value)
    return family


def _gauge(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(name, words, value=float(value))


def _resident_bytes() -> int:
    try:
        return int(STATM.read_text(encoding="ascii").split()[1]) * resource.getpagesize()
    except OSError:  # no /proc
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
