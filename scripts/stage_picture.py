"""Draws docs/pictures/stage.png: the living demonstration as somebody sees it who holds up a phone.

Nothing in it is painted by hand: it is the stage in Chromium, with two gates that just answered. Run it with the
project's Python, after scripts/build-wallet.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, ViewportSize, sync_playwright

from waypass_simulator.demo.living import Living, running
from waypass_simulator.processes import free_port

SIZE: ViewportSize = {"width": 1280, "height": 1205}
FIRST_PEOPLE = 14
SECONDS = 240.0
OUT = Path(__file__).resolve().parent.parent / "docs" / "pictures" / "stage.png"


def main() -> int:
    """Draw the picture; exit code 1 where there is no Chromium."""
    program = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    if program is None:
        sys.stderr.write("chromium is not installed\n")
        return 1
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        living = Living(folder=Path(folder), seed=4, port=free_port())
        with running(living, lambda words: print(words, file=sys.stderr)) as run:  # noqa: T201
            arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
            browser = playwright.chromium.launch(executable_path=program, args=arguments)
            page = browser.new_page(viewport=SIZE, color_scheme="light", locale="en-GB")
            page.set_default_timeout(SECONDS * 1000)
            _act(page, run.address)
            page.screenshot(path=OUT)
            browser.close()
    with Image.open(OUT) as picture:
        picture.convert("RGB").quantize(192).save(OUT, optimize=True)
    return 0


def _act(page: Page, address: str) -> None:
    """A visitor holds a phone to gate A just when gate B makes somebody wait; who misses that is not the last one."""
    page.goto(f"{address}/?lang=en")
    page.get_by_role("button", name="Get a desk code").click()
    page.locator(".passer").nth(FIRST_PEOPLE).wait_for()
    while True:
        page.get_by_role("button", name="Type it for me").click()
        wallet = page.frame_locator("#wallet")
        wallet.get_by_role("button", name="Set up").click()
        wallet.locator(".code svg").wait_for()
        page.wait_for_function(_SOON_YELLOW)
        page.get_by_role("button", name="Hold my phone to Gate A").click()
        page.locator('#gate-a.visiting[data-shown="green"]').wait_for()
        page.wait_for_timeout(300)  # the gate's own screen has its word by then
        if page.locator('#gate-b[data-shown="yellow"]').count():
            return
        page.get_by_role("button", name="A fresh code").click()
        page.wait_for_timeout(1000)


_SOON_YELLOW = """() => {
    const [a, b] = ['#gate-a', '#gate-b'].map((name) => document.querySelector(name));
    const who = b.querySelector('.who').textContent;
    return a.dataset.shown === 'none' && b.dataset.shown === 'looking' && /paper|positive|photograph|another/.test(who);
}"""


if __name__ == "__main__":
    sys.exit(main())
