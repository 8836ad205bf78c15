"""The traveller's wallet in Chromium, against a real server, broker and gate.

What the screen shows is read from screenshots by the reader's own eyes and judged by the one function that decides.
"""

import base64
import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from tests.support.publishing import wait_for
from tests.support.wallet_page import (
    REASON,
    Town,
    WalletPage,
    open_browser,
    open_town,
    open_wallet,
    place_in,
    require_wallet,
)

from waypass_protocol.presentation import read_presentation
from waypass_simulator.demo.deployment import AUTHORITY, AUTHORITY_CONTACT, console_script
from waypass_simulator.demo.gate import NETWORK

SLOT = 600
BATCH = 12
GREEN, YELLOW, RED = ("open", "green"), ("assist", "yellow"), ("refuse", "red")
HOUR = 3600


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    require_wallet()
    with sync_playwright() as playwright, open_browser(playwright) as opened:
        yield opened


# After the browser: without one nothing is started.
@pytest.fixture(scope="module")
def town(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with open_town(tmp_path_factory.mktemp("town")) as opened:
        yield opened


@pytest.fixture
def wallet(browser: Browser, town: Town) -> Iterator[WalletPage]:
    with open_wallet(browser, town.deployment.address) as opened:
        yield opened


@pytest.fixture
def rider(wallet: WalletPage, town: Town, person: str) -> WalletPage:
    """The wallet of somebody with a certificate."""
    town.vaccinate(person)
    wallet.enrol(town.desk_code(person))
    return wallet


@pytest.fixture
def person(request: pytest.FixtureRequest) -> str:
    """A person for this test alone."""
    return "p-" + base64.b32encode(request.node.name.encode()).decode().rstrip("=")[-60:]


def judged(town: Town, text: str, *, at: float | None = None) -> tuple[str, str]:
    decision = town.decide(text, at=at)
    return decision.outcome.value, decision.reason.value


def wait_judged(wallet: WalletPage, town: Town, expected: tuple[str, str]) -> None:
    """Until new passes have come and show what is now so."""

    def so() -> bool:
        wallet.renew()
        return judged(town, wallet.code()) == expected

    wait_for(so, f"a code that is judged {expected}")


def wait_focus(page: Page, words: str) -> None:
    wait_for(lambda: bool(page.evaluate("document.activeElement.textContent") == words), f"the focus on {words!r}")


# At the gate


def test_a_screenshot_opens_and_the_same_a_minute_later_does_not(rider: WalletPage, town: Town) -> None:
    assert rider.heading() == "Green ride"
    text = rider.code()
    shown_at = read_presentation(text).t
    assert abs(shown_at - time.time()) < 15
    assert judged(town, text) == GREEN
    assert judged(town, text, at=shown_at + 45) == GREEN
    assert judged(town, text, at=shown_at + 61) == ("assist", "stale-presentation")


def test_the_gate_itself_opens_for_the_screen(rider: WalletPage, town: Town) -> None:
    rider.renew()
    rider.code()
    verdict = town.deployment.gates["gate-a"].show([rider.picture()])
    assert verdict is not None
    assert (verdict.outcome, verdict.reason, verdict.aspect) == ("open", "green", "green")


def test_a_code_is_renewed_by_itself(rider: WalletPage, town: Town) -> None:
    first = rider.code()
    path = rider.page.locator(".code path").get_attribute("d")
    wait_for(lambda: rider.page.locator(".code path").get_attribute("d") != path, "a new code")
    second = rider.code()
    assert read_presentation(second).t > read_presentation(first).t
    assert place_in(second) == place_in(first)


@pytest.mark.parametrize("ahead", [-7200, 7200], ids=["behind", "ahead"])
def test_a_wrong_clock_is_corrected_by_the_servers(browser: Browser, town: Town, person: str, ahead: int) -> None:
    town.vaccinate(person)
    with open_wallet(browser, town.deployment.address, ahead=ahead) as wallet:
        wallet.enrol(town.desk_code(person))
        assert judged(town, wallet.code()) == GREEN
        wallet.go_offline()
        wallet.again()
        assert judged(town, wallet.code()) == GREEN


# Without the network


def test_offline_it_opens_again_and_shows_fresh_codes(rider: WalletPage, town: Town) -> None:
    before = rider.code()
    rider.go_offline()
    rider.again()
    rider.page.get_by_text("No connection. Your codes are made on this phone").wait_for()
    rider.page.get_by_text("Last checked").wait_for()
    after = rider.code()
    assert after != before
    assert place_in(after) == place_in(before)
    assert judged(town, after) == GREEN


def test_a_server_that_is_gone_is_said_and_codes_go_on(rider: WalletPage, town: Town) -> None:
    rider.page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    town.deployment.kill_server()
    try:
        rider.again()
        rider.page.locator(".link.lost").wait_for()
        text = rider.code()
        why = rider.page.get_by_role("region", name="Why").inner_text()
    finally:
        town.deployment.start_server()
    assert judged(town, text) == GREEN
    assert "Health certificate" in why


# One pass a slot


def at_slot(wallet: WalletPage, number: int) -> str:
    """The code that is shown so many slots from now."""
    wallet.page.evaluate("seconds => setAhead(seconds)", number * SLOT)
    wallet.renew()
    return wallet.code()


def test_two_slots_show_unrelated_passes_and_the_used_one_is_gone(rider: WalletPage, town: Town) -> None:
    rider.go_offline()
    before = rider.stored()
    first = at_slot(rider, 0)
    second = at_slot(rider, 1)
    assert place_in(first) != place_in(second)
    one, other = (read_presentation(text).signed_pass.pass_ for text in (first, second))
    assert one.holder != other.holder
    assert (one.iat, one.exp) == (other.iat, other.exp)
    assert one.iat % HOUR == one.exp % HOUR == 0
    assert rider.stored()["passes"] == before["passes"] - 1
    assert judged(town, second, at=time.time() + SLOT) == GREEN
    # Back in time: what was used does not come back.
    assert place_in(at_slot(rider, 0)) not in (place_in(first), place_in(second))


def test_the_last_pass_serves_on_until_it_expires(rider: WalletPage) -> None:
    rider.go_offline()
    places = [place_in(at_slot(rider, number)) for number in range(BATCH + 3)]
    assert len(set(places[:BATCH])) == BATCH
    assert set(places[BATCH - 1 :]) == {places[BATCH - 1]}
    rider.page.get_by_text("1 pass left").wait_for()
    rider.page.evaluate("setAhead(25 * 3600)")
    rider.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    rider.page.get_by_text("There is no pass on this phone").wait_for()
    assert rider.stored()["rides"] == 0


def test_passes_are_fetched_when_fewer_than_half_are_left(rider: WalletPage) -> None:
    rider.go_offline()
    for number in range(1, BATCH // 2 + 2):
        at_slot(rider, number)
    assert rider.stored()["rides"] == BATCH // 2 - 1
    rider.page.context.set_offline(False)
    rider.page.get_by_text("Connected").wait_for()
    # The clock is the server's again, so a new slot may begin before or after the passes came.
    rider.page.get_by_text(re.compile(f"({BATCH - 1}|{BATCH}) passes left")).wait_for()


def test_keys_cannot_be_taken_out_of_the_browser(rider: WalletPage) -> None:
    stored = rider.stored()
    assert stored["rides"] == BATCH
    assert stored["passes"] >= 2 * BATCH
    assert (stored["exported"], stored["usages"]) == (0, ["sign"])


# Why, and what to say to it


def test_red_is_explained_and_objected_to_by_keyboard_alone(rider: WalletPage, town: Town, person: str) -> None:
    town.announce_red(person, notice=1)
    rider.again()
    rider.wait_heading("Red ride")
    why = rider.page.get_by_role("region", name="Why").inner_text()
    told = [REASON, "Ban from travel", "Transit Act, section 12", AUTHORITY, AUTHORITY_CONTACT, "Until"]
    assert [words for words in told if words not in why] == []
    wait_judged(rider, town, RED)
    page = rider.page
    page.get_by_text("Object to this entry").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("I was not there that day.")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="You objected").wait_for()
    page.get_by_text("Being decided").wait_for()
    wait_focus(page, "Your objection has been sent.")


def test_an_announced_entry_is_suspended_by_an_objection(rider: WalletPage, town: Town, person: str) -> None:
    entry = town.announce_red(person, notice=HOUR)
    rider.again()
    rider.page.get_by_role("link", name="Something was announced about you").click()
    announced = rider.page.get_by_role("region", name="Announced")
    announced.get_by_text("Not in effect yet").wait_for()
    assert rider.heading() == "Green ride"
    announced.get_by_text("Object to this entry").click()
    announced.get_by_role("button", name="Send").click()
    announced.get_by_role("alert").filter(has_text="Please write why").wait_for()
    announced.get_by_label("Your objection").fill("That was somebody else.")
    announced.get_by_role("button", name="Send").click()
    announced.get_by_text("Suspended until your objection is decided").wait_for()
    town.wait_state(entry, "suspended")
    rider.page.get_by_role("region", name="Notices").get_by_text("was announced").wait_for()


def test_a_missing_certificate_makes_yellow_and_handing_one_in_green(
    wallet: WalletPage, town: Town, person: str
) -> None:
    wallet.enrol(town.desk_code(person))
    assert wallet.heading() == "Yellow ride"
    assert judged(town, wallet.code()) == YELLOW
    page = wallet.page
    page.get_by_text("Hand in a health certificate").click()
    page.get_by_label("Text of the certificate").fill("HC1:NOT A CERTIFICATE")
    page.get_by_role("button", name="Send").click()
    page.get_by_role("alert").filter(has_text="refused").wait_for()
    page.get_by_label("Text of the certificate").fill(town.certificate())
    page.get_by_role("button", name="Send").click()
    wallet.wait_heading("Green ride")
    wait_for(lambda: bool(page.evaluate("document.activeElement.tagName === 'H1'")), "focus on the new colour")
    wait_judged(wallet, town, GREEN)


def test_withdrawn_passes_are_replaced(rider: WalletPage, town: Town, person: str) -> None:
    before = rider.code()
    with town.staff("otto") as otto:
        otto.post("/api/v1/withdrawals", {"person": person, "reason": "The passes were seen on a copied screen."})
    shown_at = read_presentation(before).t
    # At its own time, so that the withdrawal alone decides.
    wait_for(lambda: judged(town, before, at=shown_at) == ("assist", "superseded"), "the withdrawal at the gates")
    rider.again()
    rider.page.get_by_text("Your passes were withdrawn").wait_for()
    wait_judged(rider, town, GREEN)
    assert place_in(rider.code()) != place_in(before)


def test_another_service_has_its_own_passes(rider: WalletPage, town: Town) -> None:
    ride = rider.code()
    rider.page.get_by_label("hospital").check()
    rider.wait_heading("hospital")
    rider.wait_code()
    hospital = rider.code()
    assert place_in(hospital) != place_in(ride)
    assert judged(town, hospital) == ("assist", "scope-missing")


def test_a_page_to_print(rider: WalletPage) -> None:
    page = rider.page
    page.get_by_text("Make a paper pass for this service").click()
    page.get_by_role("button", name="Make the page").click()
    link = page.get_by_role("link", name="Save the page to print (PDF)")
    expect(link).to_be_focused()
    with page.expect_download() as saving:
        page.keyboard.press("Enter")
    assert saving.value.suggested_filename == "waypass.pdf"
    assert Path(saving.value.path()).read_bytes().startswith(b"%PDF-")


def test_the_proofs_of_ones_own_records(rider: WalletPage, town: Town, tmp_path: Path) -> None:
    """Saved from the wallet, and checked with the log's key by the command, without the server."""
    page = rider.page
    page.get_by_text("Get my records and their proofs").click()
    button, link = page.get_by_role("button", name="Prepare the file"), page.get_by_role("link", name="save it")
    not_yet = page.get_by_text("Nothing about you is in a signed state")

    file, keys = tmp_path / "mine.json", tmp_path / "log.keys"
    keys.write_text(httpx.get(f"{town.deployment.address}/log/keys").text, encoding="utf-8")
    inspect: list[str | Path] = [console_script("waypass"), "inspect", file, "--log-key", keys, "--json"]

    def said() -> set[str]:
        """What the file says; it holds what is in a signed state, and there is none of this person's at first."""
        if not button.is_visible():  # there is a file already, with a part of it
            page.reload()
            page.get_by_text("Get my records and their proofs").click()
        button.click()
        link.or_(not_yet).first.wait_for()
        if not link.is_visible():
            return set()
        with page.expect_download() as saving:
            link.click()
        assert saving.value.suggested_filename == f"waypass-log-{NETWORK}.json"
        file.write_bytes(Path(saving.value.path()).read_bytes())
        answer = subprocess.run(inspect, capture_output=True, text=True, check=True, timeout=60)
        steps = [json.loads(line) for line in answer.stdout.splitlines()]
        assert {step["ok"] for step in steps} == {True}
        return {step["says"] for step in steps}

    mine = {"person.registered", "wallet.enrolled", "fact.recorded"}
    wait_for(lambda: mine <= said(), "a checkpoint with all that concerns this person", seconds=60.0)


# Enrolling and leaving


def untidy(code: str) -> str:
    """A code as people type it."""
    return f" {code.lower().replace('0', 'o').replace('1', 'l').replace('-', ' ')} "


def test_a_code_may_be_typed_untidily(wallet: WalletPage, town: Town, person: str) -> None:
    wallet.enrol(untidy(town.desk_code(person)))
    expect(wallet.page.get_by_role("heading", level=1)).to_be_focused()


def test_a_code_in_the_link_is_filled_in_and_leaves_the_address(browser: Browser, town: Town, person: str) -> None:
    code = town.desk_code(person)
    with open_wallet(browser, town.deployment.address, fragment=f"#enrol={code}") as wallet:
        assert wallet.page.get_by_label("Code from the desk").input_value() == code
        assert wallet.page.url == f"{town.deployment.address}/wallet/"
        wallet.page.get_by_role("button", name="Set up").click()
        wallet.wait_code()
        assert [url for url in wallet.asked if code in url.partition("#")[0]] == []


@pytest.mark.parametrize(
    ("typed", "words"),
    [("K7QM", "A code has eight letters and digits"), ("K7QM-4TZU", "A code has"), ("0000-0000", "does not work")],
)
def test_a_wrong_code_is_explained_and_the_field_has_the_focus(wallet: WalletPage, typed: str, words: str) -> None:
    page = wallet.page
    page.get_by_label("Code from the desk").fill(typed)
    page.keyboard.press("Enter")
    page.get_by_role("alert").filter(has_text=words).wait_for()
    expect(page.locator("#code")).to_be_focused()
    assert page.get_by_label("Code from the desk").get_attribute("aria-invalid") == "true"


def test_a_wallet_that_another_one_replaced_says_so(
    rider: WalletPage, browser: Browser, town: Town, person: str
) -> None:
    with open_wallet(browser, town.deployment.address) as other:
        other.enrol(town.desk_code(person))
    rider.page.reload()
    rider.page.get_by_role("alert").filter(has_text="This wallet has ended").wait_for()
    assert rider.stored() == {"passes": 0, "rides": 0, "usages": [], "exported": 0, "state": 0}


def test_removing_the_wallet_leaves_nothing(rider: WalletPage) -> None:
    rider.page.get_by_role("button", name="Remove the wallet").click()
    rider.page.get_by_role("button", name="Yes, remove it").click()
    rider.wait_heading("Set up your wallet")
    wait_focus(rider.page, "Set up your wallet")
    stored = rider.stored()
    assert (stored["passes"], stored["state"]) == (0, 0)


def test_a_browser_that_keeps_nothing_is_told_so(wallet: WalletPage) -> None:
    wallet.page.context.add_init_script("indexedDB.open = () => { throw new DOMException('not here'); };")
    wallet.page.reload()
    wallet.page.get_by_role("alert").filter(has_text="keeps nothing").wait_for()


def test_chinese_for_a_chinese_browser_and_by_choice(browser: Browser, town: Town) -> None:
    with open_wallet(browser, town.deployment.address, locale="zh-CN") as wallet:
        wallet.wait_heading("设置您的通行夹")
        assert wallet.page.locator("html").get_attribute("lang") == "zh-Hans"
        wallet.page.get_by_role("button", name="English").click()
        wallet.wait_heading("Set up your wallet")
        wallet.page.reload()
        wallet.wait_heading("Set up your wallet")
        assert wallet.page.locator("html").get_attribute("lang") == "en"


# For everybody


State = Callable[[WalletPage, Town, str], None]


def enrolling(wallet: WalletPage, _town: Town, _person: str) -> None:
    wallet.page.get_by_label("Code from the desk").fill("K7QM")
    wallet.page.keyboard.press("Enter")
    wallet.page.get_by_role("alert").wait_for()


def yellow(wallet: WalletPage, town: Town, person: str) -> None:
    wallet.enrol(town.desk_code(person))
    wallet.page.get_by_text("Hand in a health certificate").click()


def green(wallet: WalletPage, town: Town, person: str) -> None:
    town.vaccinate(person)
    wallet.enrol(town.desk_code(person))
    town.announce_red(person, notice=HOUR)
    wallet.again()
    wallet.page.get_by_role("region", name="Announced").wait_for()


def red_offline(wallet: WalletPage, town: Town, person: str) -> None:
    town.vaccinate(person)
    wallet.enrol(town.desk_code(person))
    town.announce_red(person, notice=1)
    wallet.again()
    wallet.wait_heading("Red")
    wallet.page.get_by_text("Object to this entry").click()
    wallet.go_offline()


def leaving(wallet: WalletPage, town: Town, person: str) -> None:
    wallet.enrol(town.desk_code(person))
    wallet.page.get_by_role("button", name="中文").click()
    wallet.page.get_by_role("button", name="从本机移除通行夹").click()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("state", [enrolling, yellow, green, red_offline, leaving], ids=lambda state: state.__name__)
def test_every_state_is_accessible_and_fits(
    browser: Browser, town: Town, person: str, state: State, scheme: Any
) -> None:
    with open_wallet(browser, town.deployment.address, color_scheme=scheme) as wallet:
        state(wallet, town, person)
        wallet.keep_picture(f"{state.__name__}-{scheme}")
        assert wallet.violations() == []
        assert wallet.page.evaluate("document.documentElement.scrollWidth") <= 360
        if wallet.page.locator(".code path").count():
            assert len(wallet.code()) > 400
