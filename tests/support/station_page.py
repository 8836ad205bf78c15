"""A station in operation, and its staff's page in a real browser.

Server, broker, two readers with pages, and the station box are programs of their own; codes are shown to the readers'
cameras. Skips where Chromium is missing.
"""

import os
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from playwright.sync_api import Browser, Locator, Page, expect
from tests.support.pictures import picture_of
from tests.support.publishing import wait_for
from tests.support.wallet_page import axe_violations

from waypass_simulator.api import Api
from waypass_simulator.demo.deployment import Deployment, console_script, run
from waypass_simulator.demo.gate import OPEN_SECONDS, RIDE, Gate
from waypass_simulator.frame_folder import FrameFolder
from waypass_simulator.health import HealthAuthority, InventedPerson
from waypass_simulator.processes import Program, free_port

SECONDS = 60.0
KEY = "the-key-of-station-north"
GATES = ("gate-a", "gate-b")
# Long enough for a browser to see an open lane.
LONG_OPEN = 5.0
LATEST_STATE = 5.0


@dataclass(kw_only=True)
class Station:
    """Everything of one station that runs, and what is shown to its cameras."""

    folder: Path
    deployment: Deployment
    authority: HealthAuthority
    gates: dict[str, Gate] = field(default_factory=dict)
    cameras: dict[str, FrameFolder] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    box: Program | None = None

    @property
    def address(self) -> str:
        """The page's."""
        return f"http://127.0.0.1:{self.port}"

    def start_box(self) -> None:
        """Start the station box and wait until it serves its page."""
        self.box = Program([console_script("waypass-reader"), "station", "--config", self.folder / "station.toml"])
        self.box.wait_for_line('"event": "station"', timeout=SECONDS)

    def stop_box(self) -> None:
        """SIGTERM."""
        assert self.box is not None
        assert self.box.terminate() == 0
        self.box.close()

    def end_box(self) -> None:
        """Whatever it does."""
        if self.box is not None:
            self.box.close()

    def paper(self, person: str) -> str:
        """A paper pass of somebody with a certificate: green, and staff compare its hint."""
        invented = InventedPerson(family_name="Demo", given_name="Wen", born=date(1980, 1, 1))
        certificate = self.authority.vaccination(invented, now=int(time.time()))
        with Api(self.deployment.address, token=self.deployment.tokens["dora"]) as desk:
            desk.post("/api/v1/people", {"reference": person})
            desk.post("/api/v1/evidence", {"person": person, "text": certificate})
            made = desk.post("/api/v1/paper-passes", {"person": person, "scopes": [RIDE], "hint": "WEN D"})
        return str(made["text"])

    @contextmanager
    def holding(self, gate: str, text: str) -> Iterator[None]:
        """Somebody holds a code before a camera for as long as the block lasts."""
        ending = threading.Event()
        picture = picture_of(text)

        def hold() -> None:
            while not ending.is_set():
                self.cameras[gate].show(picture)
                ending.wait(0.25)

        thread = threading.Thread(target=hold, name=f"a hand before {gate}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ending.set()
            thread.join()


@contextmanager
def open_station(folder: Path) -> Iterator[Station]:
    """Start everything in an empty folder, and end it."""
    key = ec.generate_private_key(ec.SECP256R1())
    authority = HealthAuthority.make(key=key, random=os.urandom, now=int(time.time()))
    signers = {"demo": authority.certificate.public_bytes(Encoding.DER)}
    with ExitStack() as stack:
        deployment = stack.enter_context(Deployment(folder=folder, evidence_signers=signers, gate_names=()))
        deployment.start()
        station = Station(folder=folder, deployment=deployment, authority=authority)
        (folder / "station-key").write_text(f"{KEY}\n", encoding="utf-8")
        pages = {name: free_port() for name in GATES}
        for name in GATES:
            station.gates[name] = _make_gate(station, name, pages[name])
            stack.callback(station.gates[name].close)
            station.gates[name].launch()
        for gate in station.gates.values():
            gate.wait_ready()
        _configure_box(station, pages)
        station.start_box()
        stack.callback(station.end_box)
        yield station


def _make_gate(station: Station, name: str, port: int) -> Gate:
    """Enrolled as an operator would, with pages for overrides."""
    folder = station.folder / name
    broker_port = station.deployment.broker_port
    run(
        *("waypass-server", "reader", "enrol", name, "--scope", str(RIDE), "--out", folder),
        *("--keys", station.folder / "keys", "--broker", f"127.0.0.1:{broker_port}"),
    )
    gate = Gate(name=name, folder=folder, program=console_script("waypass-reader"), broker_port=broker_port)
    text = gate.configuration.read_text(encoding="utf-8")
    assert f"open_seconds = {OPEN_SECONDS}" in text
    pages = f'[pages]\nport = {port}\nstation_key_file = "../station-key"\n'
    text = text.replace(f"open_seconds = {OPEN_SECONDS}", f"open_seconds = {LONG_OPEN}")
    before, tables, after = text.partition("[broker]")
    gate.configuration.write_text(before + pages + tables + after, encoding="utf-8")
    station.cameras[name] = FrameFolder(folder / "frames")
    return gate


def _configure_box(station: Station, pages: dict[str, int]) -> None:
    readers = "".join(f'[[reader]]\nid = "{name}"\npages = "http://127.0.0.1:{pages[name]}/"\n' for name in GATES)
    (station.folder / "station.toml").write_text(
        f'station = "north"\nnetwork = "metro"\nkey_file = "station-key"\nport = {station.port}\n'
        f'[broker]\nhost = "127.0.0.1"\nport = {station.deployment.broker_port}\n{readers}',
        encoding="utf-8",
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class StationPage:
    """The page of one member of staff."""

    page: Page
    station: Station

    def sign_in(self, key: str = KEY) -> None:
        """Type the key and press Enter."""
        self.page.get_by_label("The station's key").fill(key)
        self.page.keyboard.press("Enter")

    def reader(self, reader: str) -> Locator:
        """One reader's part of the page."""
        return self.page.locator(f'.reader[data-key="{reader}"]')

    def lane(self, reader: str, lane: str = "lane-1") -> Locator:
        """One lane's tile."""
        return self.reader(reader).locator(f'.lane[data-key="{lane}"]')

    def wait_state(self, reader: str, state: str) -> None:
        """Until the tile shows it."""
        expect(self.lane(reader)).to_have_attribute("data-state", state)

    def open_lane(self, reader: str, reason: str) -> None:
        """The two steps, with a mouse."""
        self.lane(reader).get_by_role("button").click()
        self.page.get_by_label(reason).check()
        self.confirm()

    def confirm(self) -> None:
        """Press it once the dialog takes it."""
        self.page.wait_for_timeout(700)
        self.page.get_by_role("button", name="Open once").click()

    def violations(self) -> list[str]:
        """What axe-core finds."""
        return axe_violations(self.page)

    def overflow(self) -> int:
        """How many pixels the page is wider than its window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - innerWidth"))


@contextmanager
def open_page(browser: Browser, station: Station, *, query: str = "", **options: Any) -> Iterator[StationPage]:
    """A new browser at the station's page. At the end nothing may have been asked of another origin, and the browser
    may have no complaint."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, "locale": "en-GB", **options})
    context.set_default_timeout(SECONDS * 1000)
    expect.set_options(timeout=SECONDS * 1000)
    asked: list[str] = []
    complaints: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    page = context.new_page()
    page.on("console", lambda message: complaints.extend([message.text] if _is_complaint(message) else []))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{station.address}/{query}")
    try:
        yield StationPage(page=page, station=station)
    finally:
        context.close()
    assert complaints == []
    assert [url for url in asked if not url.startswith(f"{station.address}/")] == []


def _is_complaint(message: Any) -> bool:
    # Chromium notes every refused or failed request as an error; some of these tests are about such requests.
    return message.type == "error" and "Failed to load resource" not in message.text


def settle(station: Station, page: StationPage) -> None:
    """Nobody stands anywhere, and all is well."""
    for gate in station.gates.values():
        gate.wait_empty()
    for name in GATES:
        page.wait_state(name, "idle")


def new_person() -> str:
    """A reference that nobody had."""
    return f"person-{secrets.token_hex(4)}"


__all__ = ["GATES", "KEY", "Station", "StationPage", "new_person", "open_page", "open_station", "settle", "wait_for"]
