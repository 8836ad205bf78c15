"""The wallet in a real browser, and the small town that it lives in: server, broker and one gate as programs.

What the wallet shows is read from screenshots by the reader's own eyes, and judged by the one function that decides,
with the status lists that the server published. Skips where Chromium or the built wallet is missing.
"""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import paho.mqtt.client as mqtt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from paho.mqtt.enums import CallbackAPIVersion
from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, expect
from tests.house.sources import ROOT
from tests.support.publishing import wait_for

from waypass_protocol.admission import Gate, decide
from waypass_protocol.assembly import Kind, MemoryKeeper, StatusStore
from waypass_protocol.keys import read_trust_set
from waypass_protocol.policy import Policy
from waypass_protocol.presentation import read_presentation
from waypass_protocol.reasons import Decision
from waypass_protocol.reentry import NoReentry
from waypass_protocol.topics import Topics
from waypass_reader.decoding import decode_frame
from waypass_reader.frames.base import Pixels
from waypass_server.api.wallet_files import BUILT, PAGE
from waypass_simulator.api import Api
from waypass_simulator.demo.deployment import AUTHORITY, Deployment
from waypass_simulator.demo.gate import NETWORK, RIDE
from waypass_simulator.health import HealthAuthority, InventedPerson

SECONDS = 60.0
HOUR = 3600
AXE = ROOT / "server" / "wallet" / "node_modules" / "axe-core" / "axe.min.js"
REASON = "On 3 May at North station a member of staff was struck."
PHONE = {"width": 360, "height": 740}
# Lets a test put this device's clock wrong; what was learned from the server does not change by it.
_CLOCK = "{const real = Date.now.bind(Date); let ahead = %d; Date.now = () => real() + ahead * 1000;" + (
    " globalThis.setAhead = (seconds) => { ahead = seconds; }; }"
)


def require_wallet() -> None:
    """Skip the test where the wallet was not built."""
    if not (BUILT / PAGE).is_file():
        pytest.skip("the wallet has not been built; scripts/build-wallet makes it")


@contextmanager
def open_browser(playwright: Playwright) -> Iterator[Browser]:
    """The system's Chromium; skips where there is none. The one without windows of its own takes little more than half
    of the other's time."""
    program = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed")
    # Its sandbox does not work for root, which tests in a container often are.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    browser = playwright.chromium.launch(executable_path=program, args=arguments)
    try:
        yield browser
    finally:
        browser.close()


def axe_violations(page: Page) -> list[str]:
    """What axe-core finds on a page, one line each."""
    if not AXE.is_file():
        pytest.skip("axe-core is not there; scripts/build-wallet fetches it")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{rule['id']}: {' '.join(node['target'])}: {node['failureSummary']}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]


@dataclass(kw_only=True)
class Town:
    """Server, broker and a gate; who works there; and what a reader would know."""

    deployment: Deployment
    authority: HealthAuthority
    store: StatusStore

    def staff(self, name: str) -> Api:
        return Api(self.deployment.address, token=self.deployment.tokens[name])

    def desk_code(self, person: str) -> str:
        """The desk registers a person and makes a code."""
        with self.staff("dora") as desk:
            desk.post("/api/v1/people", {"reference": person})
            return str(desk.post("/api/v1/desk-codes", {"person": person})["code"])

    def vaccinate(self, person: str) -> None:
        """The desk takes the certificate of somebody."""
        with self.staff("dora") as desk:
            desk.post("/api/v1/people", {"reference": person})
            desk.post("/api/v1/evidence", {"person": person, "text": self.certificate()})

    def certificate(self) -> str:
        invented = InventedPerson(family_name="Demo", given_name="Wen", born=date(1980, 1, 1))
        return self.authority.vaccination(invented, now=int(time.time()))

    def announce_red(self, person: str, *, notice: int) -> int:
        """An entry by two people, with so many seconds' notice; its id, once its notice was delivered."""
        with self.staff("pavel") as pavel, self.staff("anna") as anna:
            basis = pavel.post("/api/v1/bases", _basis(notice))
            anna.post(f"/api/v1/bases/{basis['id']}/versions/{basis['number']}/approve")
            entry = int(pavel.post("/api/v1/entries", _entry(person, basis["id"]))["id"])
            anna.post(f"/api/v1/entries/{entry}/approve")
            self.wait_state(entry, "in-effect" if notice == 1 else "notified")
        return entry

    def wait_state(self, entry: int, state: str) -> None:
        with self.staff("anna") as anna:
            wait_for(lambda: bool(anna.get(f"/api/v1/entries/{entry}")["state"] == state), f"entry {state}")

    def decide(self, text: str, *, at: float | None = None) -> Decision:
        """What a gate for rides says of a code, with the lists as the broker has them."""
        now = int(time.time() if at is None else at)
        with Api(self.deployment.address) as anybody:
            trust = read_trust_set(anybody.get_bytes("/trust"))
        gate = Gate(trust=trust, scope=RIDE, policy=Policy())
        return decide(text, now=now, clock_trusted=True, gate=gate, lists=self.store.view, reentry=NoReentry())


@contextmanager
def open_town(folder: Path) -> Iterator[Town]:
    """Start everything in an empty folder, and end it."""
    key = ec.generate_private_key(ec.SECP256R1())
    authority = HealthAuthority.make(key=key, random=os.urandom, now=int(time.time()))
    signers = {"demo": authority.certificate.public_bytes(Encoding.DER)}
    with Deployment(folder=folder, evidence_signers=signers, gate_names=("gate-a",)) as deployment:
        deployment.start()
        trust = read_trust_set((folder / "gate-a" / "keys.jwks").read_bytes())
        store = StatusStore(trust=trust, keeper=MemoryKeeper())
        with _following(store, deployment):
            wait_for(lambda: any(held.renewed for held in store.view.values()), "a list of known age")
            yield Town(deployment=deployment, authority=authority, store=store)


@contextmanager
def _following(store: StatusStore, deployment: Deployment) -> Iterator[None]:
    """Feed a status store with all that the broker has and gets."""
    topics = Topics(NETWORK)
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)

    def take(_client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        leaf = message.topic.removeprefix(f"{topics.root}/").split("/")
        if leaf[-1] == "compact":
            return  # the same lists in another form
        kind = Kind.HEAD if leaf[0] == "head" else Kind(leaf[2])
        store.receive(kind, bytes(message.payload), now=int(time.time()))

    def subscribe(client: mqtt.Client, *_: object) -> None:
        client.subscribe([(f"{topics.root}/head", 1), (f"{topics.root}/status/#", 1)])

    client.on_message = take
    client.on_connect = subscribe
    client.connect("127.0.0.1", deployment.broker_port)
    client.loop_start()
    try:
        yield
    finally:
        client.disconnect()
        client.loop_stop()


@dataclass(kw_only=True)
class WalletPage:
    """A page with the wallet, and all that it asked for and complained of."""

    page: Page
    address: str
    asked: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def enrol(self, code: str) -> None:
        """Type a desk code, and wait for the first code for the gate."""
        self.page.get_by_label("Code from the desk").fill(code)
        self.page.get_by_role("button", name="Set up").click()
        self.wait_code()

    def wait_code(self) -> None:
        self.page.locator(".code svg").wait_for()

    def heading(self) -> str:
        """The colour in words, and the service."""
        return " ".join(self.page.get_by_role("heading", level=1).inner_text().split())

    def wait_heading(self, words: str) -> None:
        self.page.get_by_role("heading", level=1).filter(has_text=words).wait_for()

    def again(self) -> None:
        """Load the page again, and wait for its code."""
        self.page.reload()
        self.wait_code()

    def go_offline(self) -> None:
        """The network is gone; the service worker has the page by then."""
        self.page.evaluate("navigator.serviceWorker.ready.then(() => true)")
        self.page.context.set_offline(True)
        self.page.locator(".link.lost").wait_for()

    def stored(self) -> dict[str, Any]:
        """What the browser keeps for the wallet: how many passes, which slots, and whether any key can be exported."""
        found = self.page.evaluate(_STORED)
        assert isinstance(found, dict)
        return found

    def picture(self) -> Pixels:
        """A screenshot as a camera would give it: 8-bit grey."""
        png = np.frombuffer(self.page.screenshot(), np.uint8)
        picture = cv2.imdecode(png, cv2.IMREAD_GRAYSCALE)
        assert picture is not None
        return picture.astype(np.uint8, copy=False)

    def code(self) -> str:
        """The text of the code on the screen, read by the reader's eyes."""
        self.page.evaluate("scrollTo(0, 0)")
        found = decode_frame(self.picture())
        assert len(found) == 1, found
        return found[0].text

    def renew(self) -> None:
        """Come back to the page, which makes a new code at once."""
        with self.page.expect_event("console", lambda message: message.text == "code renewed"):
            self.page.evaluate(_RENEW)

    def keep_picture(self, name: str) -> None:
        """For those who want to look: into the folder that WAYPASS_PICTURES names."""
        if folder := os.environ.get("WAYPASS_PICTURES"):
            self.page.screenshot(path=Path(folder) / f"wallet-{name}.png", full_page=True)

    def violations(self) -> list[str]:
        """What axe-core finds, one line each."""
        return axe_violations(self.page)


_RENEW = """
    const path = document.querySelector('.code path');
    new MutationObserver((_, observer) => { observer.disconnect(); console.log('code renewed'); })
        .observe(path, {attributes: true});
    document.dispatchEvent(new Event('visibilitychange'));
"""

_STORED = """
    new Promise((resolve, reject) => {
        const opening = indexedDB.open('waypass-wallet');
        opening.onerror = () => reject(opening.error);
        opening.onsuccess = async () => {
            const db = opening.result;
            const all = (store) => new Promise((done) => {
                db.transaction(store).objectStore(store).getAll().onsuccess = (event) => done(event.target.result);
            });
            const passes = await all('passes');
            const exported = await Promise.allSettled(passes.flatMap((one) =>
                ['jwk', 'pkcs8', 'raw'].map((format) => crypto.subtle.exportKey(format, one.key))));
            const state = await all('state');
            db.close();
            resolve({
                passes: passes.length,
                rides: passes.filter((one) => one.scope === 1).length,
                usages: [...new Set(passes.flatMap((one) => one.key.usages))],
                exported: exported.filter((one) => one.status === 'fulfilled').length,
                state: state.length,
            });
        };
    })
"""


@contextmanager
def open_wallet(
    browser: Browser, address: str, *, ahead: int = 0, fragment: str = "", **options: Any
) -> Iterator[WalletPage]:
    """A new telephone with the wallet's page open. `ahead`: how many seconds its clock is ahead.

    At the end nothing may have been asked of another origin, and the browser may have no complaint.
    """
    context = browser.new_context(**{"viewport": PHONE, "device_scale_factor": 2, "locale": "en-GB", **options})
    context.set_default_timeout(SECONDS * 1000)
    expect.set_options(timeout=SECONDS * 1000)
    context.add_init_script(_CLOCK % ahead)
    page = context.new_page()
    wallet = WalletPage(page=page, address=address)
    context.on("request", lambda request: wallet.asked.append(request.url))
    page.on("console", lambda message: wallet.complaints.extend(_complaint(message)))
    page.on("pageerror", lambda error: wallet.complaints.append(str(error)))
    page.goto(f"{address}/wallet/{fragment}")
    try:
        yield wallet
    finally:
        context.close()
    # Whatever the test was about.
    assert wallet.complaints == []
    assert [url for url in wallet.asked if not url.startswith(f"{address}/")] == []


def _complaint(message: ConsoleMessage) -> list[str]:
    # Chromium notes every failed request as an error; without a network that is how it should be.
    expected = message.type != "error" or "Failed to load resource" in message.text
    return [] if expected else [message.text]


def place_in(text: str) -> tuple[str, int]:
    """List and index of the pass in a code."""
    place = read_presentation(text).signed_pass.pass_.place
    return place.uri, place.idx


def _basis(notice: int) -> dict[str, Any]:
    return {
        "authority": AUTHORITY,
        "title": "Ban from travel after assault on staff",
        "citation": "Transit Act, section 12",
        "health": False,
        "effects": ["red", "yellow"],
        "scopes": [RIDE],
        "longest": 90 * 24 * HOUR,
        "notice": notice,
        "objection_deadline": 14 * 24 * HOUR,
        "exclusions": ["minors"],
    }


def _entry(person: str, basis: int) -> dict[str, Any]:
    return {
        "person": person,
        "basis": basis,
        "effect": "red",
        "scopes": [RIDE],
        "reason": REASON,
        "case": {"reference": "C-2031", "state": "open"},
        "ends_at": int(time.time()) + 30 * 24 * HOUR,
        "exclusions_checked": ["minors"],
    }
