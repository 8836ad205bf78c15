"""The console in a real browser: pages, who is signed in, and what the browser and axe-core complain of."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.support.wallet_page import AXE, SECONDS

_LOOKS = [(360, "dark", "en-GB"), (1280, "light", "zh-CN"), (360, "light", "zh-CN"), (1280, "dark", "en-GB")]
LOOKS = _LOOKS if "WAYPASS_PICTURES" in os.environ else _LOOKS[:2]
"""Width, colours and language of the pages that are looked at; all four for whoever wants pictures."""


@dataclass(kw_only=True)
class ConsolePage:
    """A page of the console, with all that it asked for and complained of."""

    page: Page
    address: str
    asked: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def sign_in(self, token: str) -> None:
        """By the link that fills the token in."""
        self.page.goto(f"{self.address}/ops/sign-in#token={token}")
        self.page.locator("#filled").wait_for()
        assert "#" not in self.page.url, "the token does not stay in the address"
        self.page.keyboard.press("Enter")
        self.page.wait_for_url("**/ops/")

    def go(self, path: str) -> None:
        self.page.goto(f"{self.address}/ops{path}")

    def press(self, name: str) -> None:
        """Press a button by its words."""
        self.page.get_by_role("button", name=name, exact=True).click()

    def heading(self) -> str:
        return self.page.get_by_role("heading", level=1).inner_text()

    def wait_text(self, words: str) -> None:
        self.page.get_by_text(words).first.wait_for()

    def violations(self) -> list[str]:
        """What axe-core finds, and whether the page is wider than its window."""
        if not AXE.is_file():
            pytest.skip("axe-core is not there; scripts/build-wallet fetches it")
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        wide = self.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        lines = [
            f"{rule['id']}: {' '.join(node['target'])}: {node['failureSummary']}"
            for rule in found["violations"]
            for node in rule["nodes"]
        ]
        return [*lines, *(["the page is wider than its window"] if wide else [])]

    def keep_picture(self, name: str, *, full: bool = True) -> None:
        """For those who want to look: into the folder that WAYPASS_PICTURES names."""
        if folder := os.environ.get("WAYPASS_PICTURES"):
            # What stays in view while one scrolls belongs to the top of a whole page.
            self.page.evaluate("scrollTo(0, 0)")
            self.page.screenshot(path=Path(folder) / f"ops-{name}.png", full_page=full)


@contextmanager
def open_console(browser: Browser, address: str, **options: Any) -> Iterator[ConsolePage]:
    """A browser of its own at the console. At the end nothing may have been asked of another origin, and neither the
    Content-Security-Policy nor a script may have complained."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, "locale": "en-GB", **options})
    context.set_default_timeout(SECONDS * 1000)
    expect.set_options(timeout=SECONDS * 1000)
    page = context.new_page()
    console = ConsolePage(page=page, address=address)
    context.on("request", lambda request: console.asked.append(request.url))
    page.on("pageerror", lambda error: console.complaints.append(str(error)))
    page.on("console", lambda message: console.complaints.extend(_complaint(message.type, message.text)))
    try:
        yield console
    finally:
        context.close()
    assert console.complaints == []
    assert [url for url in console.asked if not url.startswith(f"{address}/")] == []


def _complaint(kind: str, text: str) -> list[str]:
    # Chromium notes each refusal (403, 422) as an error; refusals are pages here.
    expected = kind not in ("error", "warning") or "Failed to load resource" in text
    return [] if expected else [text]
