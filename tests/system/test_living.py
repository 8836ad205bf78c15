"""The living demonstration: people who keep coming, a visitor with a telephone in Chromium, programs that are ended
under it, and what it leaves behind.
"""

import base64
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from tests.support.living import (
    SECONDS,
    Show,
    StagePage,
    find,
    gather_secrets,
    living,
    open_stage,
    pass_secrets,
    wait_until,
)
from tests.support.wallet_page import open_browser, require_wallet

from waypass_simulator.demo.deployment import CITY
from waypass_simulator.demo.living import BASIS, NOTICE

pytestmark = pytest.mark.timeout(600)

REASON = "You asked for it, to see what happens."
PHONE = {"width": 360, "height": 740}
DESK = {"width": 1280, "height": 1000}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    require_wallet()
    expect.set_options(timeout=SECONDS * 1000)
    with sync_playwright() as playwright, open_browser(playwright) as opened:
        yield opened


@pytest.fixture(scope="module")
def show(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Show]:
    with living(tmp_path_factory.mktemp("living")) as opened:
        yield opened


@pytest.fixture
def stage(browser: Browser, show: Show) -> Iterator[StagePage]:
    with open_stage(browser, show.run.address) as opened:
        yield opened


# --- people


def test_people_come_to_both_gates_and_are_answered_differently(show: Show) -> None:
    seen: set[tuple[str, str, str]] = set()

    def all_came() -> bool:
        seen.update(
            (passing.gate, passing.role, passing.verdict.reason)
            for passing in show.run.board.passings()
            if passing.verdict
        )
        roles = {role for _, role, _ in seen}
        return (
            len(roles) >= 6
            and {"commuter", "banned"} <= roles
            and {gate for gate, _, reason in seen if reason == "green"} == {"gate-a", "gate-b"}
        )

    wait_until(all_came, "all kinds of people", seconds=240)
    reasons = {role: reason for _, role, reason in seen}
    expected = {
        "commuter": "green",
        "paper": "identity-check",
        "positive-test": "yellow",
        "banned": "red",
        "other-service": "scope-missing",
        "right-behind": "seen-already",
        "photograph": "stale-presentation",
        "copy": "unbound-copy",
        "other-network": "unknown-key",
        "advertisement": "not-waypass",
    }
    assert reasons == {role: expected[role] for role in reasons}


def test_the_first_opening_is_told_with_its_time(show: Show) -> None:
    wait_until(lambda: any("The first gate opened" in line for line in show.said), "a line about the first gate")


def came_through(show: Show) -> int:
    return show.run.board.counts()["open"]


def test_people_go_on_without_server_and_broker_and_when_they_are_back(show: Show) -> None:
    deployment = show.run.deployment
    deployment.kill_server()
    deployment.kill_broker()
    before = came_through(show)
    wait_until(lambda: came_through(show) >= before + 2, "people go through without a server and a broker")
    page = httpx.get(f"{show.run.address}/wallet/", headers={"Accept": "text/html"}, trust_env=False)
    assert (page.status_code, "The server is not running" in page.text) == (503, True)
    deployment.start_broker()
    deployment.start_server()
    before = came_through(show)
    wait_until(lambda: came_through(show) > before, "people go through when both are back")
    assert show.run.visitors.welcome().code


def test_readers_elsewhere_turn_current_before_ones_eyes(browser: Browser, show: Show) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 1000}, locale="en-GB")
    page = context.new_page()
    page.goto(show.run.sign_in("otto"))
    page.get_by_text("Filled in from your link").wait_for()
    page.get_by_role("button", name="Sign in with the token").click()
    page.get_by_role("heading", level=1).wait_for()
    page.goto(f"{show.run.address}/ops/push")
    for station in CITY:
        reader = page.locator(f"section.station[data-name={station}] .reader")
        expect(reader).to_have_count(1)
        expect(reader).to_contain_class("current")
    context.close()


@pytest.mark.parametrize("name", ["The server", "The broker", "gate-b", "The station's box", "The other stations"])
def test_a_program_that_is_killed_is_started_again_and_that_is_said(show: Show, name: str) -> None:
    deployment = show.run.deployment

    def program() -> Any:
        return {
            "The server": deployment.server,
            "The broker": deployment.broker,
            "The station's box": deployment.station,
            "gate-b": deployment.gates["gate-b"].program,
            "The other stations": deployment.fleet,
        }[name]

    killed = program()
    os.kill(killed.pid, signal.SIGKILL)

    def runs_again() -> bool:
        now = program()
        return now is not None and now is not killed and now.exit_code is None

    wait_until(runs_again, f"{name} runs again")
    assert any(line.startswith(f"{name} ended with -9") for line in show.said)
    before = came_through(show)
    wait_until(lambda: came_through(show) > before, "people go through")


# --- a visitor


@contextmanager
def signed_in(stage: StagePage, link: str) -> Iterator[Page]:
    """One of the two people at the console, in a tab of their own, by the stage's link."""
    with stage.page.context.expect_page() as opened:
        stage.page.get_by_role("link", name=link).click()
    page = opened.value
    page.get_by_text("Filled in from your link").wait_for()
    assert "#" not in page.url
    page.get_by_role("button", name="Sign in with the token").click()
    page.get_by_role("heading", level=1).wait_for()
    yield page
    page.close()


def propose_and_approve(stage: StagePage, person: str) -> None:
    """Pavel proposes a red entry on the prepared basis and may not approve it; Anna does, and it takes effect."""
    with signed_in(stage, "Pavel proposes") as page:
        page.goto(f"{stage.address}/ops/entries/new")
        page.get_by_role("link", name=BASIS).click()
        page.get_by_label("Person's reference").fill(person)
        page.get_by_role("radio", name="Red").check()
        page.get_by_label("Reason", exact=True).fill(REASON)
        page.get_by_label("Reference of the case").fill("C-1")
        page.locator("#ends").fill("1")
        page.get_by_role("checkbox", name="minor").check()
        page.get_by_role("button", name="Propose").click()
        expect(page.get_by_role("heading", level=1)).to_have_text(person)
        expect(page.get_by_text("another person must approve it")).to_be_visible()
        entry = page.url.partition("?")[0]
    with signed_in(stage, "Anna approves") as page:
        page.goto(entry)
        page.get_by_role("button", name="Approve").click()
        expect(page.get_by_text("Approved. The person is being told").first).to_be_visible()

        def in_effect() -> bool:
            page.goto(entry)
            return page.get_by_text("In effect since").count() > 0

        wait_until(in_effect, "the entry takes effect", seconds=NOTICE + SECONDS)


def test_a_visitor_goes_through_is_withdrawn_by_two_people_and_is_told_why(stage: StagePage) -> None:
    assert stage.hold_to("gate-a").startswith("Your phone shows no code yet")
    person = stage.enrol()
    assert stage.hold_to("gate-a") == "Your phone: Opened. Green, and nothing against it."
    expect(stage.gate("gate-a")).to_have_attribute("data-shown", "green")
    expect(stage.display("gate-a").get_by_text("Please go through")).to_be_visible()
    expect(stage.page.locator(".passer.visiting").first).to_contain_text("You, with your phone")

    # The phone loses its network, so that it still shows the pass that is about to be withdrawn.
    stage.page.context.route("**/api/v1/me**", lambda route: route.abort())
    propose_and_approve(stage, person)
    assert stage.hold_to("gate-a") == "Your phone: Please wait for staff. Withdrawn: superseded by a newer pass."
    expect(stage.display("gate-a").get_by_text("Please wait for staff")).to_be_visible()

    # With its network back it fetches what is now so, and says why.
    stage.page.context.unroute("**/api/v1/me**")
    stage.page.evaluate("document.querySelector('#wallet').contentWindow.location.reload()")
    expect(stage.wallet.get_by_role("heading", level=1)).to_contain_text("Red")
    expect(stage.wallet.get_by_text(REASON).first).to_be_visible()
    # It says red at once, and has the new passes a moment later.
    wait_until(lambda: stage.hold_to("gate-b") == "Your phone: Not opened. A red pass.", "the red pass is shown")
    expect(stage.display("gate-b").get_by_text("Not open for you now")).to_be_visible()


def test_the_desk_types_its_code_into_the_wallet(stage: StagePage) -> None:
    stage.page.get_by_role("button", name="Get a desk code").click()
    stage.page.get_by_role("button", name="Type it for me").click()
    code = stage.page.locator(".slip output").inner_text()
    expect(stage.wallet.get_by_label("Code from the desk")).to_have_value(code)
    assert [url for url in stage.asked if code in url.partition("#")[0]] == []


def test_staff_and_station_are_one_click_away(show: Show, stage: StagePage) -> None:
    for name, link in (("pavel", "Pavel proposes"), ("anna", "Anna approves")):
        token = show.run.deployment.tokens[name]
        href = stage.page.get_by_role("link", name=link).get_attribute("href")
        assert href == f"/ops/sign-in#token={token}"
    with stage.page.context.expect_page() as opened:
        stage.page.get_by_role("link", name="The station's staff page").click()
    station = opened.value
    station.wait_for_load_state()  # a form whose script is not there yet does nothing
    station.get_by_label("The station's key").fill(show.run.deployment.station_key)
    station.get_by_role("button", name="Sign in").click()
    expect(station.get_by_text("gate-a").first).to_be_visible()


# --- what it looks like


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["360", "1280"])
def test_the_stage_is_accessible_and_fits(
    browser: Browser, show: Show, language: str, scheme: str, viewport: dict[str, int]
) -> None:
    address = show.run.address
    with open_stage(browser, address, language=language, viewport=viewport, color_scheme=scheme) as stage:
        stage.page.locator(".passer").nth(2).wait_for()
        assert stage.violations() == []
        assert stage.page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
        assert stage.page.evaluate("document.documentElement.lang") == language


# --- what it leaves behind

# The server's database holds people and where their passes stand; the server's outbox of notices names those who are
# told. Tokens and codes are in neither: only their hashes are.
DATABASE = ("waypass.db", "waypass.db-wal", "waypass.db-shm")
OUTBOX = "notices"

_WALLET_KEEPS = """
    new Promise((resolve, reject) => {
        const opening = indexedDB.open('waypass-wallet');
        opening.onerror = () => reject(opening.error);
        opening.onsuccess = async () => {
            const of = (store) => opening.result.transaction(store).objectStore(store).getAll();
            const all = (store) => new Promise((done) => {
                of(store).onsuccess = (event) => done(event.target.result);
            });
            const passes = (await all('passes')).map((one) => btoa(String.fromCharCode(...one.pass)));
            resolve({passes, state: JSON.stringify(await all('state'))});
        };
    })
"""


def visitor_secrets(stage: StagePage, person: str) -> dict[str, bytes]:
    """From the wallet's own storage, which is where they may be."""
    code = stage.page.locator(".slip output").inner_text()
    kept = stage.page.evaluate(_WALLET_KEEPS)
    tokens = [part for part in kept["state"].split('"') if part.startswith("wpw_")]
    assert tokens
    assert kept["passes"]
    found = {"the visitor's reference": person.encode(), "the visitor's desk code": code.encode()}
    found |= {f"token {number} of the visitor": token.encode() for number, token in enumerate(tokens)}
    for number, one in enumerate(kept["passes"]):
        found |= pass_secrets(f"pass {number} of the visitor", base64.b64decode(one))
    return found


def test_nothing_of_people_is_anywhere_but_in_database_and_wallets(show: Show, stage: StagePage) -> None:
    person = stage.enrol()
    for gate in ("gate-a", "gate-b"):
        stage.hold_to(gate)
    before = show.run.board.counts().total()
    wait_until(lambda: show.run.board.counts().total() >= before + 4, "some more people come", seconds=120)
    secrets = gather_secrets(show.run) | visitor_secrets(stage, person)
    # As many kinds as there are, so that a search for nothing does not pass for one that finds nothing.
    assert len(secrets) > 200
    written = {
        str(path.relative_to(show.folder)): path.read_bytes() for path in show.folder.rglob("*") if path.is_file()
    }
    pictures = [name for name in written if name.endswith((".png", ".part", ".jpg"))]
    assert len(pictures) <= 2 * 4, "frames pile up"
    where = {f"the file {name}": data for name, data in written.items() if name not in (*pictures, *DATABASE)}
    where |= {f"what {name} wrote": said.encode() for name, said in show.outputs().items()}
    where |= {f"a message at {topic}": data for topic, data in show.heard.messages if topic and data}
    where["what the demonstration said"] = "\n".join(show.said).encode()
    where["the addresses that the browser asked for"] = "\n".join(url.partition("#")[0] for url in stage.asked).encode()
    assert len(show.heard.messages) > 20
    references = {what: secret for what, secret in secrets.items() if what.startswith("the reference ")}
    database = {name: data for name, data in written.items() if name in DATABASE}
    assert len({each.partition(" in ")[0] for each in find(references, database)}) == len(references), "a blind search"
    outbox = {each for each in find(secrets, where) if each.endswith(".json") and f"the file {OUTBOX}/" in each}
    assert find(secrets, where) - outbox == set()
    assert all(each.startswith("the reference ") for each in outbox)


def test_the_database_holds_no_token_and_no_code(show: Show) -> None:
    tokens = {what: secret for what, secret in gather_secrets(show.run).items() if "token" in what}
    code = show.run.visitors.welcome().code
    database = {name: (show.folder / name).read_bytes() for name in DATABASE if (show.folder / name).exists()}
    assert (
        find(tokens | {"a desk code": code.encode(), "without its hyphen": code.replace("-", "").encode()}, database)
        == set()
    )


def test_the_desks_token_is_in_no_page(show: Show, stage: StagePage) -> None:
    """The page has the sign-in links of the two people whom the visitor plays, each token in a fragment only."""
    page = stage.page.content()
    tokens = show.run.deployment.tokens
    assert [name for name, token in tokens.items() if token in page] == ["pavel", "anna"]
    for name in ("pavel", "anna"):
        assert page.count(tokens[name]) == page.count(f"#token={tokens[name]}") == 1
    with httpx.Client(base_url=show.run.address, trust_env=False) as client:
        for path in ("/stage/now", "/stage/stage.js", "/wallet/", "/gates/gate-a/display/lane-1", "/station/"):
            text = client.get(path).text
            assert [name for name, token in tokens.items() if token in text] == [], path
