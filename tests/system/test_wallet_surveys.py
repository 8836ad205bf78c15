"""The questions that rules ask, in the wallet in Chromium: seen, answered, and what follows from the answers."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from tests.support.casework import COUGH_RULES, put_rules_in_force
from tests.support.publishing import wait_for
from tests.support.wallet_page import Town, WalletPage, open_browser, open_town, open_wallet, require_wallet

ANSWERS: dict[str, Any] = {"cough": True, "been": "abroad", "warmth": 38, "since": "2026-05-01"}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    require_wallet()
    with sync_playwright() as playwright, open_browser(playwright) as opened:
        yield opened


@pytest.fixture(scope="module")
def town(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """With rules in force that ask whether somebody coughs."""
    with open_town(tmp_path_factory.mktemp("town")) as opened:
        put_rules_in_force(opened.deployment, COUGH_RULES)
        yield opened


@pytest.fixture
def wallet(browser: Browser, town: Town, request: pytest.FixtureRequest) -> Iterator[WalletPage]:
    """The wallet of somebody whom nobody else's test is about."""
    with open_wallet(browser, town.deployment.address, **getattr(request, "param", {})) as opened:
        yield opened


def enrol(wallet: WalletPage, town: Town, person: str) -> Page:
    """In whatever language the page is."""
    wallet.page.locator("#code").fill(town.desk_code(person))
    wallet.page.locator("form button.main").click()
    wallet.wait_code()
    return wallet.page


def fill_in(page: Page) -> None:
    page.get_by_role("group", name="Do you cough?").get_by_label("Yes").check()
    page.get_by_label("Abroad").check()
    page.get_by_label("Temperature").fill("38")
    page.get_by_label("Since when?").fill("2026-05-01")


def test_questions_are_seen_answered_and_explained(wallet: WalletPage, town: Town) -> None:
    page = enrol(wallet, town, "p-asked")
    page.get_by_label("hospital").check()
    wallet.wait_heading("Green hospital")
    page.get_by_role("link", name="There are questions to you.").click()
    asked = page.get_by_role("region", name="Questions to you")
    asked.get_by_text("Transit Office").wait_for()
    asked.get_by_text("Your answers count for 10 days.").wait_for()
    asked.get_by_text("Answer the questions").click()
    # Nothing is sent while something is missing: each lack is said at its question, the first has the focus.
    asked.get_by_role("button", name="Send").click()
    asked.get_by_text("Please choose a day.").wait_for()
    assert asked.get_by_text("Please choose an answer.").count() == 2
    expect(page.locator("[name=cough]").first).to_be_focused()
    fill_in(page)
    page.get_by_label("Temperature").fill("380")
    asked.get_by_role("button", name="Send").click()
    expect(page.locator("[name=warmth]")).to_be_focused()
    page.get_by_label("Temperature").fill("38")
    asked.get_by_role("button", name="Send").click()
    asked.get_by_text("You have answered. Your answers count until").wait_for()
    answered = "document.activeElement.textContent.startsWith('You have answered')"
    wait_for(lambda: bool(page.evaluate(answered)), "the focus on what came of it")
    wallet.wait_heading("Yellow hospital")
    page.get_by_role("region", name="Why", exact=True).get_by_text("You told us that you cough.").wait_for()
    assert page.get_by_role("link", name="There are questions to you.").count() == 0
    with town.staff("rosa") as rosa:
        standing = rosa.post("/api/v1/standing", {"person": "p-asked"})
    assert [one["aspect"] for one in standing["scopes"] if one["number"] == 2] == ["yellow"]


def test_newer_answers_take_the_place_of_older_ones(wallet: WalletPage, town: Town) -> None:
    page = enrol(wallet, town, "p-again")
    page.get_by_label("hospital").check()
    page.get_by_text("Answer the questions").click()
    fill_in(page)
    page.get_by_role("button", name="Send").click()
    wallet.wait_heading("Yellow hospital")
    page.reload()
    wallet.wait_code()
    page.get_by_text("Answer them anew").click()
    fill_in(page)
    page.get_by_role("group", name="Do you cough?").get_by_label("No").check()
    page.get_by_role("button", name="Send").click()
    page.get_by_label("hospital").check()
    wallet.wait_heading("Green hospital")


def test_what_was_answered_at_a_desk_is_changed_there(wallet: WalletPage, town: Town) -> None:
    page = enrol(wallet, town, "p-desk")
    with town.staff("dora") as dora, town.staff("anna") as anna:
        (survey,) = anna.get("/api/v1/surveys")
        dora.post(f"/api/v1/surveys/{survey['rule_set']}/answers", {"person": "p-desk", "answers": ANSWERS})
    page.get_by_text("Answer the questions").click()
    fill_in(page)
    page.get_by_role("button", name="Send").click()
    page.get_by_role("alert").filter(has_text="Your answers were given at a desk.").wait_for()


@pytest.mark.parametrize("wallet", [{"locale": "zh-CN"}], indirect=True)
def test_in_chinese(wallet: WalletPage, town: Town) -> None:
    page = enrol(wallet, town, "p-zh")
    asked = page.get_by_role("region", name="向您提出的问题")
    asked.get_by_text("您好吗？").wait_for()
    asked.get_by_text("回答问题").click()
    asked.get_by_role("group", name="您咳嗽吗？").get_by_label("是").check()
    asked.get_by_text("30 至 45 之间的整数。").first.wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_accessible_and_fits(browser: Browser, town: Town, scheme: Any) -> None:
    with open_wallet(browser, town.deployment.address, color_scheme=scheme) as wallet:
        check_looks(wallet, town, scheme)


def check_looks(wallet: WalletPage, town: Town, scheme: str) -> None:
    page = enrol(wallet, town, f"p-look-{scheme}")
    page.get_by_text("Answer the questions").click()
    page.get_by_role("button", name="Send").click()
    page.get_by_text("Please choose a day.").wait_for()
    wallet.keep_picture(f"survey-{scheme}")
    assert wallet.violations() == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
