"""A code that is seen and cannot be read: camera, reader process, the lane's screen in Chromium."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from tests.device.test_run import COMMAND, READY, Pages
from tests.support.issuing import HOUR, SCOPE, make_issuer, write_trust
from tests.support.pictures import picture_of
from tests.support.wallet_page import open_browser

from waypass_reader.frames import Pixels
from waypass_reader.hints import Hint
from waypass_reader.words import HINTS, Language
from waypass_simulator.frame_folder import FrameFolder
from waypass_simulator.processes import Program, Stream

DEADLINE_MS = 60_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright, open_browser(playwright) as opened:
        yield opened


class Hand:
    """Somebody who holds a picture before the camera and does not hold it quite still, until they show another one."""

    def __init__(self, camera: FrameFolder) -> None:
        self._camera = camera
        self._picture: Pixels | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._hold, daemon=True)

    def show(self, picture: Pixels) -> None:
        self._picture = picture

    def _hold(self) -> None:
        number = 0
        while not self._over.wait(0.03):
            if self._picture is None:
                continue
            shown = self._camera.show(np.roll(self._picture, 8 * (number % 2), axis=1))
            number += 1
            # A frame at a time: a camera does not queue.
            while shown.exists() and not self._over.wait(0.005):
                pass

    def __enter__(self) -> "Hand":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


@contextmanager
def watching(browser: Browser, address: str) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 800, "height": 480})
    page = context.new_page()
    page.goto(f"{address}/display/north")
    try:
        yield page
    finally:
        context.close()


def scene(text: str, *, module: int) -> Pixels:
    """A frame of 640x480 with the code in its middle."""
    code = picture_of(text, module=module)
    frame = np.full((480, 640), 120, np.uint8)
    top, left = (480 - code.shape[0]) // 2, (640 - code.shape[1]) // 2
    frame[top : top + code.shape[0], left : left + code.shape[1]] = code
    return frame


def torn_and_dim() -> Pixels:
    """A dark screen with a small code that shows torn rows: everything says that it is a code, and nobody can read it,
    whether frames are joined or not."""
    torn = scene("WP1:TORN", module=8)
    grain = np.random.default_rng(1).integers(0, 2, (7, 7)).astype(np.uint8) * 255
    torn[212:268, 292:348] = cv2.resize(grain, (56, 56), interpolation=cv2.INTER_NEAREST)
    return (torn // 5).astype(np.uint8)


def test_a_code_that_is_seen_and_not_read_makes_the_screen_say_what_to_do(browser: Browser, tmp_path: Path) -> None:
    now = int(time.time())
    issuer = make_issuer(nbf=now - 24 * HOUR)
    write_trust(issuer, tmp_path)
    camera = FrameFolder(tmp_path / "frames")
    (tmp_path / "reader.toml").write_text(
        'reader = "gate-1"\nnetwork = "metro"\nkeys = "trust.json"\nstate = "state"\n'
        f'scope = {SCOPE}\nclock = "assume-synchronised"\n[pages]\nport = 0\n'
        '[[lane]]\nname = "north"\ndisplay = "lines"\n'
        'source = { kind = "folder", path = "frames", follow = true, consume = true }\n'
        'turnstile = { pins = "mock" }\n',
        encoding="utf-8",
    )
    picture = scene(issuer.paper(iat=now - HOUR), module=3)
    with Program([*COMMAND, "run", "--config", tmp_path / "reader.toml"]) as reader, Hand(camera) as hand:
        pages = Pages(reader)
        reader.wait_for_line(READY, timeout=30)
        with watching(browser, pages.address) as page:
            expect(page.locator('body[data-face="idle"]')).to_be_visible(timeout=DEADLINE_MS)
            hand.show(torn_and_dim())
            expect(page.locator(f'body[data-face="{Hint.BRIGHTER}"]')).to_be_visible(timeout=DEADLINE_MS)
            expect(page.locator("#screen")).to_contain_text(HINTS[Hint.BRIGHTER].spoken(Language.ENGLISH))
            assert reader.lines(Stream.STDOUT) == []  # a hint is no decision
            hand.show(picture)
            expect(page.locator('body[data-face="yellow"]')).to_be_visible(timeout=DEADLINE_MS)
