"""The living demonstration for tests: in this process, with somebody who hears every message of its broker, and a page
of its stage in Chromium.
"""

import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from playwright.sync_api import Browser, ConsoleMessage, FrameLocator, Locator, Page, Request
from tests.support.wallet_page import AXE

from waypass_protocol.passes import decode_base45, pass_text, read_pass
from waypass_simulator.demo.living import Living, Run, running
from waypass_simulator.processes import Stream, free_port

SECONDS = 60.0
ALL_LINES = 1_000_000
_PIECE = slice(20, 60)


@dataclass(kw_only=True)
class Heard:
    """Every message that the broker gave to somebody who asked for all, from the beginning on."""

    port: int
    messages: list[tuple[str, bytes]] = field(default_factory=list)

    @contextmanager
    def listening(self) -> Iterator[None]:
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="spy", protocol=mqtt.MQTTv311)
        client.reconnect_delay_set(min_delay=1, max_delay=1)
        client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        client.on_message = lambda _c, _u, message: self.messages.append((message.topic, bytes(message.payload)))
        client.connect_async("127.0.0.1", self.port, keepalive=10)
        client.loop_start()
        try:
            yield
        finally:
            client.disconnect()
            client.loop_stop()


@dataclass(kw_only=True)
class Show:
    """A demonstration that runs, what it said, and what its broker heard."""

    run: Run
    folder: Path
    said: list[str]
    heard: Heard

    def outputs(self) -> dict[str, str]:
        """All that each program that runs now has written."""
        deployment = self.run.deployment
        programs = {"broker": deployment.broker, "server": deployment.server, "station": deployment.station}
        programs |= {"fleet": deployment.fleet}
        programs |= {name: gate.program for name, gate in deployment.gates.items()}
        found = {}
        for name, program in programs.items():
            assert program is not None, name
            for stream in Stream:
                assert program.written(stream) == len(program.lines(stream)), "a line was not kept"
            found[name] = program.text(Stream.STDOUT) + program.text(Stream.STDERR)
        return found | {f"{name} before": gate.said() for name, gate in deployment.gates.items()}


@contextmanager
def living(folder: Path) -> Iterator[Show]:
    """Run the demonstration in an empty folder, until the first gate has opened and then as long as the block."""
    said: list[str] = []
    given = Living(folder=folder, seed=7, port=free_port(), pause=(0.0, 0.2), city=6, keep=ALL_LINES)
    with running(given, said.append) as run:
        heard = Heard(port=run.deployment.broker_port)
        with heard.listening():
            assert run.board.opened.wait(3 * SECONDS), "no gate opened"
            yield Show(run=run, folder=folder, said=said, heard=heard)


@dataclass(kw_only=True)
class StagePage:
    """The stage in a browser, all addresses that it asked for, and what the browser complained of."""

    page: Page
    address: str
    asked: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @property
    def wallet(self) -> FrameLocator:
        return self.page.frame_locator("#wallet")

    def gate(self, name: str) -> Locator:
        return self.page.locator(f"#{name}")

    def display(self, name: str) -> FrameLocator:
        """The gate's own screen."""
        return self.page.frame_locator(f"#{name} .glass iframe")

    def enrol(self) -> str:
        """Get a code from the desk and type it into the wallet; the reference that the desk knows the visitor by."""
        self.page.get_by_role("button", name="Get a desk code").click()
        code = self.page.locator(".slip output")
        code.wait_for()
        self.wallet.get_by_label("Code from the desk").fill(code.inner_text())
        self.wallet.get_by_role("button", name="Set up").click()
        self.wallet.locator(".code svg").wait_for()
        return self.page.locator(".slip-person b").inner_text()

    def hold_to(self, gate: str) -> str:
        """Hold the phone to a gate; what the stage says of the answer."""
        box = self.gate(gate)
        box.get_by_role("button").click()
        said = box.locator(".said")
        said.filter(has_text=re.compile(r"^(?!Holding).")).wait_for()
        return said.inner_text()

    def violations(self) -> list[str]:
        """What axe-core finds, one line each."""
        if not AXE.is_file():
            pytest.skip("axe-core is not there; scripts/build-wallet fetches it")
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found = self.page.evaluate("axe.run(document, {iframes: false, resultTypes: ['violations']})")
        return [
            f"{rule['id']}: {' '.join(node['target'])}: {node['failureSummary']}"
            for rule in found["violations"]
            for node in rule["nodes"]
        ]


@contextmanager
def open_stage(browser: Browser, address: str, *, language: str = "en", **options: Any) -> Iterator[StagePage]:
    """The stage in a new browser. At the end nothing was asked of another origin, and the browser has no complaint."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 1000}, "locale": "en-GB", **options})
    context.set_default_timeout(SECONDS * 1000)
    page = context.new_page()
    stage = StagePage(page=page, address=address)

    def note(request: Request) -> None:
        stage.asked.append(request.url)

    def complain(message: ConsoleMessage) -> None:
        # That one is of a request that a test itself cut off.
        if message.type in ("error", "warning") and "net::ERR_FAILED" not in message.text:
            stage.complaints.append(message.text)

    context.on("request", note)
    page.on("console", complain)
    page.on("pageerror", lambda error: stage.complaints.append(str(error)))
    page.goto(f"{address}/?lang={language}")
    page.locator(".gate img").nth(1).wait_for()
    try:
        yield stage
    finally:
        context.close()
    assert stage.complaints == [], stage.complaints
    elsewhere = [url for url in stage.asked if not url.startswith(f"{address}/")]
    assert elsewhere == [], elsewhere


def pass_secrets(name: str, data: bytes) -> dict[str, bytes]:
    """What must not be found of a pass (its COSE_Sign1), by what it is: bytes, code, holder's key and index."""
    pass_ = read_pass(pass_text(data)).pass_
    found = {f"{name}": data[_PIECE], f"{name} as a code": pass_text(data)[_PIECE].encode()}
    if pass_.holder is not None:
        x, y = pass_.holder.coordinates()
        found |= {f"{name}'s key, x": x, f"{name}'s key, y": y}
    # Shorter numbers stand everywhere by accident.
    if pass_.place.idx >= 10_000:
        found[f"{name}'s index"] = b"%d" % pass_.place.idx
    return found


def gather_secrets(run: Run) -> dict[str, bytes]:
    """The secrets of everybody in the crowd: references, tokens of wallets, passes; and the tokens of staff."""
    found: dict[str, bytes] = {}
    for traveller in run.crowd.travellers:
        who = traveller.person
        assert traveller.wallet.token is not None
        found |= {f"the reference {who}": who.encode(), f"the token of {who}": traveller.wallet.token.encode()}
        for number, held in enumerate(traveller.wallet.passes):
            found |= pass_secrets(f"pass {number} of {who}", held.data)
    for number, text in enumerate(run.crowd.papers):
        found |= pass_secrets(f"paper {number}", decode_base45(text, "WP1:"))
    return found | {f"the token of {name}": token.encode() for name, token in run.deployment.tokens.items()}


def find(secrets: Mapping[str, bytes], places: Mapping[str, bytes]) -> set[str]:
    """What was found where. An index counts where it stands as a number of its own."""
    found = set()
    for what, secret in secrets.items():
        pattern = re.compile(rb"(?<![0-9.])" + secret + rb"(?![0-9])") if what.endswith("'s index") else None
        for where, data in places.items():
            if pattern.search(data) if pattern else secret in data:
                found.add(f"{what} in {where}")
    return found


def wait_until(true: Any, what: str, *, seconds: float = SECONDS) -> None:
    """Until it is true, or the deadline has passed; looked at a few times a second, since programs need the machine."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"expected within {seconds} s: {what}"
        threading.Event().wait(0.1)
