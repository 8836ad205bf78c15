"""The shipped station box settings at a Mosquitto on the shipped files: it hears its readers, and says nothing."""

import json
import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from tests.support.brokers import needs_mosquitto
from tests.support.certificates import SigningAuthority
from tests.support.mqtt import Client
from tests.support.shipped_brokers import ShippedBroker, changed

from waypass_protocol.messages import (
    LaneState,
    LiveMessage,
    Presence,
    PresenceMessage,
    ReaderMessage,
    StateMessage,
    encode_message,
)
from waypass_protocol.reasons import Outcome, Reason, Shown
from waypass_protocol.topics import Topics
from waypass_simulator.demo.deployment import console_script
from waypass_simulator.processes import Program, Stream

pytestmark = needs_mosquitto

SHIPPED = Path(__file__).resolve().parents[2] / "firmware-config" / "station.toml"
TOPICS = Topics("metro")
KEY = "the-key-of-station-north"
SECONDS = 60.0
SAID: list[tuple[str, ReaderMessage]] = [
    ("presence", PresenceMessage(presence=Presence.ONLINE)),
    (
        "state",
        StateMessage(at=0, station="north", software="x", clock_trusted=True, lanes={"lane-1": LaneState.IDLE}),
    ),
    (
        "live",
        LiveMessage(
            lane="lane-1", state=LaneState.WAIT, outcome=Outcome.ASSIST, reason=Reason.EXPIRED, aspect=Shown.YELLOW
        ),
    ),
]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[ShippedBroker]:
    clients, own = (SigningAuthority(tmp_path / name) for name in ("clients", "own"))
    made = ShippedBroker(folder=tmp_path / "broker", clients=clients, own=own)
    with made.start(acl="station-acl"):
        yield made


@contextmanager
def box(folder: Path, broker: ShippedBroker) -> Iterator[str]:
    """The box on the shipped file, with a certificate for the login `station`; yields its address."""
    identity = broker.clients.issue("station")
    (folder / "station-key").write_text(f"{KEY}\n", encoding="utf-8")
    changes = {
        'host = "127.0.0.1"\nport = 1883': f'host = "localhost"\nport = {broker.certificates}',
        "port = 8470": "port = 0",
        '# ca = "ca.pem"': f'ca = "{broker.own.ca}"',
        '# certificate = "station.pem"': f'certificate = "{identity.certificate}"',
        '# key = "station.key"': f'key = "{identity.key}"',
    }
    (folder / "station.toml").write_text(changed(SHIPPED, changes), encoding="utf-8")
    with Program([console_script("waypass-reader"), "station", "--config", folder / "station.toml"]) as program:
        line = program.wait_for_line(r'"address": "http://([^"]+)".*"event": "station"', timeout=SECONDS)
        yield line[1]
        assert program.terminate() == 0
        assert program.text(Stream.STDOUT) == ""


def stations(address: str) -> Generator[dict[str, Any], None, None]:
    """What the box tells its page, event by event."""
    headers = {"Waypass-Page": "station", "Content-Type": "application/json"}
    connection = HTTPConnection(address, timeout=SECONDS)
    connection.request("POST", "/sign-in", json.dumps({"key": KEY}), headers)
    answer = connection.getresponse()
    cookie = re.match(r"[^;]+", answer.getheader("Set-Cookie", ""))
    assert cookie is not None
    connection.close()
    connection.request("GET", "/events", headers={"Cookie": cookie[0]})
    stream = connection.getresponse()
    for line in stream:
        if line.startswith(b"data: "):
            yield json.loads(line.removeprefix(b"data: "))


def say(reader: Client, name: str) -> None:
    for leaf, message in SAID:
        reader.publish(TOPICS.reader(name, leaf), encode_message(message), retain=leaf != "live")


def test_the_box_hears_its_readers_and_says_nothing(tmp_path: Path, broker: ShippedBroker) -> None:
    with broker.spy() as spy, box(tmp_path, broker) as address, broker.client("north-1") as reader:
        spy.subscribe(("#", 1))
        told = stations(address)
        assert any(station["broker"]["tone"] == "calm" for station in told)
        say(reader, "north-1")
        station = next(station for station in told if station["waiting"])
        assert station["summary"] == "lane-1 of north-1 waits for staff"
        heard = [spy.next() for _ in SAID]
        told.close()
    assert heard == [(TOPICS.reader("north-1", leaf), encode_message(message)) for leaf, message in SAID]
    assert spy.messages.empty()


def test_a_reader_of_the_station_that_is_not_listed_is_shown(tmp_path: Path, broker: ShippedBroker) -> None:
    with box(tmp_path, broker) as address, broker.client("north-9") as reader:
        say(reader, "north-9")
        told = stations(address)
        shown = next(each["readers"] for each in told if len(each["readers"]) == 3)
        told.close()
    assert [reader["id"] for reader in shown] == ["north-1", "north-2", "north-9"]
    assert [lane["can_open"] for lane in shown[2]["lanes"]] == [False]
