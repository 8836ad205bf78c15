"""Health and metrics: what they say for each trouble, and nothing about anybody."""

import random
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, select, text
from tests.server.publishing import add_network, issue, make_services, memory_bus, take_away_some
from tests.server.test_key_folder import Moments, add_key
from tests.support.issuing import NOW
from tests.support.office import Office

from waypass_protocol.keys import Use
from waypass_server.bus import BusState, MemoryBroker
from waypass_server.health import OK, Health, Vitals, figures, look
from waypass_server.key_folder import KeyFolder
from waypass_server.models.network import Network
from waypass_server.models.status import StatusList
from waypass_server.publisher import Publisher, Trouble
from waypass_server.services import Services


@dataclass
class Runs:
    """A publisher's vitals."""

    trouble: Trouble | None = None
    running: bool = True
    standing_by: bool = False


@dataclass
class Line:
    """A bus's vitals."""

    state: BusState = BusState.CONNECTED


@pytest.fixture
def services(tmp_path: Path) -> Services:
    made = make_services(tmp_path)
    add_network(made)
    return made


@pytest.mark.parametrize(
    ("name", "vitals", "expected", "ok", "cannot_serve"),
    [
        ("all is well", Vitals(publisher=Runs(), bus=Line()), (OK, OK), True, False),
        ("no broker", Vitals(publisher=Runs(), bus=Line(BusState.CONNECTING)), (OK, "connecting"), False, False),
        ("login refused", Vitals(publisher=Runs(), bus=Line(BusState.REFUSED)), (OK, "refused"), False, False),
        ("no key", Vitals(publisher=Runs(trouble=Trouble.NO_KEY), bus=Line()), ("no-key", OK), False, False),
        ("stands by", Vitals(publisher=Runs(standing_by=True), bus=Line()), ("stand-by", OK), True, False),
        ("stopped for good", Vitals(publisher=Runs(running=False), bus=Line()), ("stopped", OK), False, True),
        ("nothing beside it", Vitals(), ("not-running", "not-running"), False, False),
    ],
)
def test_what_it_says(
    services: Services, name: str, vitals: Vitals, expected: tuple[str, str], ok: bool, cannot_serve: bool
) -> None:
    publisher, broker = expected
    found = look(services, vitals)
    assert found == Health(database=OK, publisher=publisher, broker=broker, keys=OK, lists=OK)
    assert (found.ok, found.cannot_serve) == (ok, cannot_serve)


def test_a_real_publisher_and_bus_are_ok_and_then_stopped(services: Services) -> None:
    with memory_bus(MemoryBroker()) as bus:
        publisher = Publisher(services, bus)
        vitals = Vitals(publisher=publisher, bus=bus)
        publisher.start()
        assert look(services, vitals).ok
        publisher.stop()
        assert look(services, vitals).cannot_serve


def test_a_database_that_cannot_be_read(services: Services) -> None:
    with services.database.changing() as session:
        session.execute(text("ALTER TABLE networks RENAME TO elsewhere"))
    found = look(services, Vitals(publisher=Runs(), bus=Line()))
    assert (found.database, found.cannot_serve) == ("unavailable", True)


def test_keys_that_cannot_be_read(tmp_path: Path) -> None:
    for use in (Use.PASS, Use.STATUS):
        add_key(tmp_path / "keys", use.value, use)
    moments = Moments()
    keys = KeyFolder(tmp_path / "keys", monotonic=moments)
    services = make_services(tmp_path, issuer_keys=keys)
    next((tmp_path / "keys").glob("*.json")).write_text("{")
    moments.now = 5.0
    keys.trust_set()
    assert look(services, Vitals()).keys == "unreadable"


def test_no_key_for_passes(tmp_path: Path) -> None:
    add_key(tmp_path / "keys", "status", Use.STATUS)
    services = make_services(tmp_path, issuer_keys=KeyFolder(tmp_path / "keys"))
    found = look(services, Vitals(publisher=Runs(), bus=Line()))
    assert (found.keys, found.database) == ("no-key", "ok")
    assert not found.ok
    assert not found.cannot_serve


def test_many_lists(services: Services) -> None:
    """Those that have ended, and those of another network, do not count."""
    add_lists(services, 119)
    with services.database.changing() as session:
        session.add(Network(id=2, name="buses", created_at=NOW))
    add_lists(services, 200, network_id=2)
    add_lists(services, 200, ended_at=NOW)
    vitals = Vitals(publisher=Runs(), bus=Line())
    assert look(services, vitals).ok
    add_lists(services, 1)
    found = look(services, vitals)
    assert (found.lists, found.ok, found.cannot_serve) == ("many", False, False)
    assert figures(services).lists == 120


def add_lists(services: Services, count: int, *, network_id: int = 1, ended_at: int | None = None) -> None:
    with services.database.changing() as session:
        begin = session.scalar(select(func.count()).select_from(StatusList)) or 0
        for number in range(begin, begin + count):
            row = StatusList(network_id=network_id, name=str(number), uri=f"wp:{number}", closed=True, created_at=NOW)
            row.ended_at = ended_at
            session.add(row)


def test_over_http_without_a_token(office: Office) -> None:
    answer = office.send("GET", "/health")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json() == {
        "status": "degraded",
        "database": "ok",
        "publisher": "not-running",
        "broker": "not-running",
        "keys": "ok",
        "lists": "ok",
    }
    office.app.state.vitals = Vitals(publisher=Runs(), bus=Line())
    assert office.send("GET", "/health").json()["status"] == "ok"
    office.app.state.vitals = Vitals(publisher=Runs(running=False), bus=Line())
    assert office.send("GET", "/health").status_code == 503


def metrics(answer: httpx.Response) -> dict[str, float]:
    lines = (line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in lines}


def test_metrics(office: Office) -> None:
    services = office.services
    office.person()
    with memory_bus(MemoryBroker()) as bus:
        Publisher(services, bus).turn()
        issue(services, 5)
        take_away_some(services, 2, draw=random.Random(1))
        office.clock.advance(7)
        office.app.state.vitals = Vitals(publisher=Runs(), bus=bus)
        answer = office.send("GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert metrics(answer) == {
        'waypass_server_up{part="database"}': 1.0,
        'waypass_server_up{part="publisher"}': 1.0,
        'waypass_server_up{part="broker"}': 1.0,
        'waypass_server_up{part="keys"}': 1.0,
        'waypass_server_up{part="lists"}': 1.0,
        "waypass_server_publishes": 1.0,
        'waypass_list_version{list="1"}': 1.0,
        "waypass_lists": 1.0,
        "waypass_outbox_oldest_seconds": 7.0,
    }


def test_metrics_without_a_database_leave_out_what_is_not_known(office: Office) -> None:
    with office.services.database.changing() as session:
        session.execute(text("ALTER TABLE networks RENAME TO elsewhere"))
    found = metrics(office.send("GET", "/metrics"))
    assert found['waypass_server_up{part="database"}'] == 0.0
    assert not any(name.startswith(("waypass_list", "waypass_outbox")) for name in found)
    assert office.send("GET", "/health").status_code == 503


def test_what_is_said_is_about_nobody(office: Office) -> None:
    office.person("p-77")
    for path in ("/health", "/metrics"):
        assert "p-77" not in office.send("GET", path).text
