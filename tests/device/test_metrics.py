"""Metrics for Prometheus: read by its own parser, of a reader that runs; and what they never say."""

import json
import math
from collections.abc import Iterable

import httpx
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from tests.device.test_run import Gate, gate, wait_for_reasons  # noqa: F401 - a fixture
from tests.support.issuing import NOW
from tests.support.publishing import wait_for

from waypass_protocol.messages import HeldRow, LaneState, StateMessage
from waypass_protocol.reasons import Outcome, OverrideReason, Reason
from waypass_reader.counts import Counts
from waypass_reader.errors import ConfigurationError
from waypass_reader.metrics import ReaderMetrics, Sources, check_host
from waypass_simulator.processes import Program, Stream

STATE = StateMessage(
    at=NOW,
    software="waypass-reader 1",
    clock_trusted=True,
    station="west",
    lists=(
        HeldRow(uri="wp:1", version=7, digest="0" * 64, age=12, since=NOW),
        HeldRow(uri="wp:2", version=3, digest="0" * 64, age=None, since=NOW),
    ),
    lanes={"north": LaneState.IDLE, "south": LaneState.OUT_OF_ORDER},
    health={"disk": "ok", "camera north": "ok", "camera south": "camera: the cable is out", "display": "3 lines lost"},
    reports={"bad-signature": 4},
)


def samples(text: str) -> dict[tuple[str, str], float]:
    """Each value by its name and its one label's value."""
    found: Iterable[Sample] = (each for family in text_string_to_metric_families(text) for each in family.samples)
    return {(each.name, "/".join(value for _, value in sorted(each.labels.items()))): each.value for each in found}


def show(counts: Counts, *, now: float, connected: bool | None = True) -> dict[tuple[str, str], float]:
    sources = Sources(counts=counts, state=lambda: STATE, connected=lambda: connected, now=lambda: now)
    registry = CollectorRegistry()
    registry.register(ReaderMetrics(sources))
    return samples(generate_latest(registry).decode())


def test_what_the_reader_knows_of_itself() -> None:
    found = show(Counts(), now=NOW)
    expected = {
        ("waypass_reader_info", "west/waypass-reader 1"): 1,
        ("waypass_list_age_seconds", "wp:1"): 12,
        ("waypass_list_version", "wp:1"): 7,
        ("waypass_clock_trusted", ""): 1,
        ("waypass_lane_in_order", "north"): 1,
        ("waypass_lane_in_order", "south"): 0,
        ("waypass_camera_works", "north"): 1,
        ("waypass_camera_works", "south"): 0,
        ("waypass_part_works", "disk"): 1,
        ("waypass_part_works", "display"): 0,
        ("waypass_link_connected", ""): 1,
        ("waypass_messages_refused_total", "bad-signature"): 4,
    }
    assert {key: found[key] for key in expected} == expected
    assert math.isnan(found["waypass_list_age_seconds", "wp:2"])
    assert found["waypass_resident_memory_bytes", ""] > 1_000_000


def test_without_a_broker_there_is_no_link() -> None:
    assert ("waypass_link_connected", "") not in show(Counts(), now=NOW, connected=None)


def test_decisions_move_when_their_minute_is_over_and_reasons_when_their_hour_is() -> None:
    counts, begun = Counts(), NOW // 3600 * 3600
    for place in range(6):
        counts.note(Outcome.OPEN, Reason.GREEN, milliseconds=7 + place, now=begun + 1)
    counts.note(Outcome.REFUSE, Reason.RED, milliseconds=7, now=begun + 2)
    counts.note_override(OverrideReason.CROWDING, now=begun + 3)
    under_way = show(counts, now=begun + 59)
    assert not any(name == "waypass_decisions_total" for name, _ in under_way)
    assert under_way["waypass_frame_to_decision_seconds_count", ""] == 0
    minute = show(counts, now=begun + 60)
    assert minute["waypass_decisions_total", "open"] == 6
    assert minute["waypass_decisions_total", "refuse"] == 1
    assert minute["waypass_decisions_total", "override"] == 1
    assert ("waypass_reasons_total", "green") not in minute
    assert minute["waypass_frame_to_decision_seconds_bucket", "0.01"] == 5
    assert minute["waypass_frame_to_decision_seconds_bucket", "+Inf"] == 7
    assert minute["waypass_frame_to_decision_seconds_sum", ""] == pytest.approx(0.064)
    hour = show(counts, now=begun + 3600)
    assert hour["waypass_reasons_total", "green"] == 6
    assert hour["waypass_reasons_total", "fewer"] == 2
    assert ("waypass_reasons_total", "red") not in hour


def test_errors_in_joining_are_counted_by_lane() -> None:
    sources = Sources(
        counts=Counts(),
        state=lambda: STATE,
        connected=lambda: None,
        now=lambda: NOW,
        joining_faults=lambda: {"north": 3},
    )
    registry = CollectorRegistry()
    registry.register(ReaderMetrics(sources))
    found = samples(generate_latest(registry).decode())
    assert found["waypass_joining_faults_total", "north"] == 3


def test_totals_take_nothing_from_the_counts() -> None:
    counts, begun = Counts(), NOW // 60 * 60
    counts.note(Outcome.OPEN, Reason.GREEN, milliseconds=1, now=begun)
    counts.totals(begun + 60)
    assert len(counts.take_finished(begun + 60)) == 1
    assert counts.totals(begun + 60).outcomes == {"open": 1}


@pytest.mark.parametrize(
    ("host", "beyond", "good"),
    [
        ("127.0.0.1", False, True),
        ("127.8.0.1", False, True),
        ("::1", False, True),
        ("localhost", False, True),
        ("0.0.0.0", False, False),
        ("::", False, False),
        ("192.0.2.1", False, False),
        ("gate.example", False, False),
        ("0.0.0.0", True, True),
    ],
)
def test_another_address_than_loopback_has_to_be_meant(host: str, beyond: bool, good: bool) -> None:
    if good:
        check_host(host, beyond_loopback=beyond)
    else:
        with pytest.raises(ConfigurationError, match="metrics: expected host as an address of loopback"):
            check_host(host, beyond_loopback=beyond)


def address(reader: Program) -> str:
    return str(json.loads(reader.wait_for_line(r'"event": "metrics"', timeout=30).string)["address"])


def test_a_reader_that_runs_is_measured_and_says_nothing_of_who_came(gate: Gate) -> None:  # noqa: F811
    gate.configure(pages="[metrics]\nport = 0\n")
    with gate.run() as reader:
        where = f"{address(reader)}/metrics"
        paper = gate.paper()
        gate.show("1", paper)
        wait_for_reasons(reader, ["status-unknown"])
        answer = httpx.get(where, timeout=20)
        assert answer.headers["content-type"].startswith("text/plain; version=")
        wait_for(lambda: samples(httpx.get(where, timeout=20).text)["waypass_camera_works", "north"] == 1, "it works")
        assert "WP1:" not in answer.text
        assert paper[20:60] not in answer.text
        assert "status-unknown" not in answer.text
        assert httpx.get(f"{address(reader)}/", timeout=20).status_code == 404
        assert reader.terminate() == 0


def test_metrics_beyond_loopback_end_the_start_unless_they_are_meant(gate: Gate) -> None:  # noqa: F811
    gate.configure(pages='[metrics]\nhost = "0.0.0.0"\nport = 0\n')
    with gate.run() as reader:
        assert reader.wait(timeout=60) == 2
        assert "metrics: expected host as an address of loopback" in reader.text(Stream.STDERR)
