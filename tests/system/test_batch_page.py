"""A batch's page in Chromium, over a real server and the command, and a file that is imported there: narrow and wide,
dark and light, in both languages, by keyboard alone, and as axe-core sees it.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright
from tests.support.console_page import LOOKS, ConsolePage, open_console
from tests.support.publishing import wait_for
from tests.support.wallet_page import open_browser, require_wallet
from tests.system.commands import run

from waypass_simulator.api import Api
from waypass_simulator.demo.deployment import AUTHORITY, Deployment
from waypass_simulator.demo.gate import RIDE

HOUR = 3600
PEOPLE = 120
"""More than a limit of a basis allows in a day."""
BASIS = {
    "authority": AUTHORITY,
    "title": "Ban from travel after assault on staff",
    "citation": "Transit Act, section 12",
    "health": False,
    "effects": ["red", "yellow"],
    "scopes": [RIDE],
    "longest": 90 * 24 * HOUR,
    "notice": HOUR,
    "objection_deadline": 14 * 24 * HOUR,
    "exclusions": [],
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    require_wallet()
    with sync_playwright() as playwright, open_browser(playwright) as opened:
        yield opened


@pytest.fixture(scope="module")
def deployment(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A server with two batches that wait: one within the limits, one past them."""
    with Deployment(folder=tmp_path_factory.mktemp("small"), gate_names=()) as started:
        started.start()
        with started.staff("pavel") as pavel, started.staff("anna") as anna, started.staff("dora") as dora:
            pavel.post("/api/v1/bases", BASIS)
            anna.post("/api/v1/bases/1/versions/1/approve")
            _register(dora)
        for name, people in (("few", range(3)), ("many", range(3, PEOPLE))):
            _import(started, name, people)
        yield started


def _register(dora: Api) -> None:
    for number in range(PEOPLE):
        dora.post("/api/v1/people", {"reference": f"p-{number}"})
    for number in (0, 1, 50):
        dora.post("/api/v1/paper-passes", {"person": f"p-{number}", "scopes": [RIDE]})


def _row(person: str, **changes: object) -> dict[str, object]:
    same = {"basis": 1, "reason": "On 3 May at North station a member of staff was struck.", "scopes": [RIDE]}
    same |= {"effect": "red", "ends_at": int(time.time()) + 30 * 24 * HOUR, "case_reference": f"C-{person}"}
    return {"person": person, **same, **changes}


def _file(deployment: Deployment, name: str, rows: list[dict[str, object]]) -> Path:
    file: Path = deployment.folder / f"{name}.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def _import(deployment: Deployment, name: str, people: range) -> None:
    file = _file(deployment, name, [_row(f"p-{number}") for number in people])
    config = str(deployment.configuration)
    done = run(
        "waypass-server", "import", str(file), "--config", config, "--kind", "entries", "--as", "pavel", "--json"
    )
    assert (done.code, done.lines[-1]["added"]) == (0, len(people)), done.stderr


@pytest.fixture
def console(browser: Browser, deployment: Deployment) -> Iterator[ConsolePage]:
    with open_console(browser, deployment.address) as opened:
        yield opened


@pytest.mark.parametrize(("width", "scheme", "locale"), LOOKS)
def test_it_is_accessible_and_fits(
    browser: Browser, deployment: Deployment, width: int, scheme: str, locale: str
) -> None:
    size = {"width": width, "height": 800}
    with open_console(browser, deployment.address, viewport=size, color_scheme=scheme, locale=locale) as opened:
        for who, paths in {"anna": ["/", "/batches", "/batches/1", "/batches/2"], "pavel": ["/batches/2"]}.items():
            opened.sign_in(deployment.tokens[who])
            for path in paths:
                opened.go(path)
                opened.keep_picture(f"{who}{path.replace('/', '-')}-{width}-{scheme}-{locale}")
                assert [f"{who} {path}: {line}" for line in opened.violations()] == []
        bad = _file(deployment, "bad", _bad_rows())
        for name, file in {"form": None, "nothing": deployment.configuration, "looked": bad}.items():
            opened.go("/import")
            if file is not None:
                opened.page.set_input_files("#file", file)
                opened.page.locator("main button.main").click()
                expect(opened.page.locator("#file-error" if name == "nothing" else "#h-bad")).to_be_visible()
            opened.keep_picture(f"pavel-import-{name}-{width}-{scheme}-{locale}")
            assert [f"import, {name}: {line}" for line in opened.violations()] == []


def _bad_rows() -> list[dict[str, object]]:
    """Two good rows and three that are not."""
    return [
        _row("p-0", case_reference="D-0"),
        _row("p-1", effect="purple"),
        _row("p-999"),
        _row("p-2", ends_at=int(time.time()) + 200 * 24 * HOUR),
        _row("p-1", case_reference="D-1"),
    ]


def test_a_file_is_mended_proposed_and_approved(console: ConsolePage, deployment: Deployment) -> None:
    console.sign_in(deployment.tokens["pavel"])
    console.go("/batches")
    _press(console, "Import a file")
    expect(console.page.get_by_text("Ban from travel after assault on staff")).to_be_visible()
    console.page.set_input_files("#file", _file(deployment, "bad", _bad_rows()))
    console.page.get_by_label("All or nothing").check()
    _press(console, "Look at the file")
    rows = console.page.locator("section[aria-labelledby=h-bad] li")
    expect(rows).to_have_count(3)
    expect(rows.first).to_contain_text("Line 2 effect")
    expect(console.page.get_by_text("with rows that are not good nothing is imported")).to_be_visible()
    good = _file(deployment, "good", [_row("p-0", case_reference="D-0"), _row("p-1", case_reference="D-1")])
    _press(console, "Another file")
    expect(console.page.get_by_role("heading", level=1)).to_have_text("Import a file")
    console.page.set_input_files("#file", good)
    console.page.get_by_label("All or nothing").check()
    _press(console, "Look at the file")
    expect(console.page.get_by_role("button", name="Propose 2 entries")).to_be_visible()
    _press(console, "Propose 2 entries")
    expect(console.page.get_by_text("Proposed as one batch. It waits for another person")).to_be_visible()
    expect(console.page.get_by_role("heading", level=1)).to_have_text("Batch 3")
    expect(console.page.get_by_text("You imported this, so another person must approve it.")).to_be_visible()
    console.press("Sign out")
    expect(console.page.get_by_role("heading", level=1)).to_have_text("Sign in")
    console.sign_in(deployment.tokens["anna"])
    console.go("/batches/3")
    console.press("Approve the whole batch")
    expect(console.page.get_by_text("Approved. Everybody whom it concerns is being told")).to_be_visible()


def test_a_batch_is_approved_by_keyboard_alone(console: ConsolePage, deployment: Deployment) -> None:
    console.sign_in(deployment.tokens["anna"])
    _press(console, "Batch 1")
    console.wait_text("2 of 2 live passes get status 1 at every gate")
    plot = console.page.get_by_role("img", name="People worsened a day, and by this batch")
    assert plot.bounding_box() is not None
    _press(console, "Approve the whole batch")
    console.wait_text("Approved. Everybody whom it concerns is being told")
    wait_for(lambda: _states(deployment) == ["notified"] * 3, "three entries that are announced")
    console.go("/batches/1")
    assert console.page.get_by_text("announced, notice period runs").count() == 3


def test_past_a_limit_it_is_held(console: ConsolePage, deployment: Deployment) -> None:
    console.sign_in(deployment.tokens["anna"])
    console.go("/batches/2")
    console.wait_text("This passes a limit on how many people may be worsened")
    console.page.set_viewport_size({"width": 1280, "height": 1100})
    console.keep_picture("batch", full=False)
    console.press("Approve the whole batch")
    console.wait_text("Approved, and held: a limit is passed.")
    assert console.violations() == []


def _states(deployment: Deployment) -> list[str]:
    with deployment.staff("anna") as anna:
        return [row["state"] for row in anna.get("/api/v1/batches/1/entries")]


def _press(console: ConsolePage, words: str) -> None:
    """Go there with Tab, and press Enter."""
    for _ in range(60):
        console.page.keyboard.press("Tab")
        if words in console.page.evaluate("document.activeElement.innerText || ''"):
            console.page.keyboard.press("Enter")
            return
    raise AssertionError(f"nothing that says {words!r} can be reached by Tab")
