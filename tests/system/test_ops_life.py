"""The whole life of an entry in Chromium, by its people, with a real server, broker and gate: proposed, approved, told,
in effect, objected to, decided, ended; and one that is held by a limit until a third person confirms it.

Each step is done at the console by somebody who signs in, or by the person concerned in the wallet. With
`WAYPASS_PICTURES` naming a folder, a screenshot of each step is left there (`scripts/console_pictures.py`).
"""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect, sync_playwright
from tests.support.casework import (
    BAN,
    REASON,
    basis_in_force,
    entry_text,
    lower_limit,
    proposing_rules,
    put_rules_in_force,
    register,
)
from tests.support.console_page import ConsolePage, open_console
from tests.support.publishing import wait_for
from tests.support.wallet_page import Town, WalletPage, open_browser, open_town, open_wallet, require_wallet

from waypass_simulator.demo.deployment import AUTHORITY


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    require_wallet()
    with sync_playwright() as playwright, open_browser(playwright) as opened:
        yield opened


@pytest.fixture(scope="module")
def town(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with open_town(tmp_path_factory.mktemp("town")) as opened:
        yield opened


@pytest.fixture
def console(browser: Browser, town: Town) -> Iterator[ConsolePage]:
    with open_console(browser, town.deployment.address) as opened:
        yield opened


def sign_in(console: ConsolePage, town: Town, who: str) -> None:
    console.sign_in(town.deployment.tokens[who])


def fill_in_entry(console: ConsolePage, person: str, *, reason: str = REASON) -> None:
    """What a basis of the demonstration asks for; the end stands there already."""
    page = console.page
    page.get_by_label("Person's reference").fill(person)
    page.get_by_label("red: the gate does not open").check()
    page.get_by_label("Reason", exact=True).fill(reason)
    page.get_by_label("Reference of the case").fill("C-2031")
    page.get_by_label("not a minor").check()
    page.get_by_label("not about medical travel").check()


def proposes(console: ConsolePage, town: Town, person: str, on: int) -> int:
    """Pavel; the end stands there already, within the basis."""
    sign_in(console, town, "pavel")
    console.go(f"/entries/new?basis={on}")
    assert console.page.get_by_label("Ends in: number").input_value() == "30"
    fill_in_entry(console, person)
    console.keep_picture("1-propose")
    assert console.violations() == []
    console.press("Propose")
    console.wait_text("You proposed this, so another person must approve it.")
    return int(console.page.url.partition("/entries/")[2].partition("?")[0])


def approves(console: ConsolePage, town: Town, person: str) -> None:
    """Anna, who sees what it will do."""
    sign_in(console, town, "anna")
    console.keep_picture("2-queue")
    console.page.get_by_role("link", name=person).first.click()
    console.wait_text("live passes get status 1 at every gate")
    console.keep_picture("3-approve")
    console.press("Approve")
    console.wait_text("Approved. The person is being told")


def takes_effect(console: ConsolePage, town: Town, wallet: WalletPage, entry: int) -> None:
    """By itself: told, and after the notice in effect."""
    town.wait_state(entry, "in-effect")
    console.go(f"/entries/{entry}")
    console.wait_text("The person was told")
    console.wait_text("In effect since")
    console.keep_picture("4-in-effect")
    wallet.again()
    wallet.wait_heading("Red ride")


def objects(wallet: WalletPage) -> None:
    """The person, in the wallet."""
    wallet.page.get_by_text("Object to this entry").click()
    wallet.page.get_by_label("Your objection").fill("I was at home that day; my sister can say so.")
    wallet.page.get_by_role("button", name="Send").click()
    wallet.page.get_by_text("Your objection has been sent.").wait_for()


def decides(console: ConsolePage, town: Town, entry: int) -> None:
    """Rosa, who had no part in it."""
    sign_in(console, town, "rosa")
    console.wait_text("Objections, the most urgent first")
    console.page.get_by_role("link", name="I was at home that day").click()
    console.page.get_by_label("Lift: the entry ends at once").check()
    console.page.get_by_label("Answer to the person").fill("Your sister has confirmed it. We are sorry.")
    console.keep_picture("5-objection")
    assert console.violations() == []
    console.press("Decide")
    console.wait_text("Decided. The person is being told.")
    town.wait_state(entry, "ended")
    console.go(f"/entries/{entry}")
    console.wait_text("ended: lifted by a reviewer")
    console.keep_picture("6-ended")


def audits(console: ConsolePage, town: Town) -> None:
    """Otto: every step is in the log, with its place in the public one."""
    sign_in(console, town, "otto")
    console.page.get_by_role("link", name="Log", exact=True).click()
    console.page.get_by_label("About").select_option("entry")
    console.press("Show")
    assert [line.strip() for line in console.page.locator(".log .what b").all_inner_texts()][:5] == [
        "An entry was lifted",
        "An entry took effect",
        "The notice of an entry was delivered",
        "An entry was approved",
        "An entry was proposed",
    ]
    console.keep_picture("7-log")
    assert console.violations() == []


def test_the_whole_life_of_an_entry(console: ConsolePage, town: Town, browser: Browser) -> None:
    person = "p-7f3a"
    on = basis_in_force(town.deployment, notice=2)
    town.vaccinate(person)
    with open_wallet(browser, town.deployment.address) as wallet:
        wallet.enrol(town.desk_code(person))
        wallet.wait_heading("Green ride")
        entry = proposes(console, town, person, on)
        approves(console, town, person)
        takes_effect(console, town, wallet, entry)
        objects(wallet)
        decides(console, town, entry)
        wallet.again()
        wallet.wait_heading("Green ride")
        wallet.page.get_by_text("Your sister has confirmed it. We are sorry.").first.wait_for()
    audits(console, town)


def test_a_limit_holds_an_entry_until_a_third_person_confirms(console: ConsolePage, town: Town) -> None:
    page, people = console.page, ("p-held-1", "p-held-2")
    register(town.deployment, *people)
    on = basis_in_force(town.deployment, notice=2, title="Damage to ticket machines")
    lower_limit(town.deployment, on, 1)
    with town.staff("pavel") as pavel, town.staff("anna") as anna:
        first, second = (pavel.post("/api/v1/entries", entry_text(person, on))["id"] for person in people)
        anna.post(f"/api/v1/entries/{first}/approve")
    sign_in(console, town, "anna")
    page.get_by_role("link", name="p-held-2").first.click()
    console.wait_text("This passes a limit on how many people may be worsened")
    console.press("Approve")
    console.wait_text("Approved, and held: a limit is passed.")
    console.wait_text("A third person who approves, from a third desk, must confirm this.")
    assert page.get_by_role("button", name="Confirm as the third person").count() == 0
    console.go("/limits")
    console.wait_text("2 people where 1 may be")
    assert console.violations() == []

    # Mira, the third.
    sign_in(console, town, "mira")
    console.wait_text("Entries held past a limit, for a third person")
    page.get_by_role("link", name="p-held-2").first.click()
    console.keep_picture("8-held")
    assert console.violations() == []
    console.press("Confirm as the third person")
    console.wait_text("Confirmed. The person is being told")
    town.wait_state(int(second), "in-effect")


def test_a_basis_is_proposed_changed_and_compared_by_two(console: ConsolePage, town: Town) -> None:
    page = console.page
    sign_in(console, town, "pavel")
    page.get_by_role("link", name="Bases", exact=True).click()
    page.get_by_role("link", name="Propose a basis").click()
    page.get_by_label("Title").fill("Riding without a ticket")
    page.get_by_label("yellow: staff look first").check()
    page.get_by_label("ride").check()
    page.get_by_label("At most for: number").fill("30")
    page.get_by_label("Notice before effect: number").fill("2")
    page.get_by_label("Objections are decided within: number").fill("14")
    console.press("Propose")
    console.wait_text("Not proposed yet. Please put this right:")
    page.get_by_role("link", name="Citation: Please fill this in.").click()
    page.keyboard.type("Transit Act, section 5")
    console.keep_picture("basis-form")
    assert console.violations() == []
    console.press("Propose")
    console.wait_text("Proposed. It waits for another person")
    address = page.url.partition("/ops")[2].partition("?")[0]
    sign_in(console, town, "anna")
    console.go(address)
    console.press("Put it in force")
    sign_in(console, town, "pavel")
    console.go(address)
    page.get_by_role("link", name="Propose a change").click()
    page.get_by_label("Notice before effect: number").fill("7")
    console.press("Propose")
    sign_in(console, town, "anna")
    console.go(address[: -len("1")] + "2")
    assert [" ".join(row.split()) for row in page.locator(".compare .differs").all_inner_texts()] == [
        "Notice before effect changed 2 days 7 days"
    ]
    console.keep_picture("basis-compare")
    assert console.violations() == []
    console.press("Put it in force")
    console.wait_text("The basis is in force.")


def test_rules_are_written_counted_and_put_in_force(console: ConsolePage, town: Town) -> None:
    page = console.page
    register(town.deployment, "p-rules")
    sign_in(console, town, "pavel")
    page.get_by_role("link", name="Rules", exact=True).click()
    page.get_by_role("link", name="Write rules").click()
    # The Enter key proposes; it does not add another rule.
    page.get_by_label("Title").fill("Exposure in the depot")
    page.keyboard.press("Enter")
    console.wait_text("Not proposed yet. Please put this right:")
    assert page.get_by_label("Name of the rule").count() == 1
    page.get_by_label("Citation").fill("Transit Act, section 20")
    page.get_by_label("Name of the rule").fill("exposed")
    page.get_by_label("Reason").fill("You were near an outbreak in the depot.")
    page.get_by_role("group", name="Services", exact=True).get_by_label("hospital").check()
    page.locator("#rule0_logic").fill('{"and": [\n  {"var": "facts.exposure.0"},\n  {"!==": [1, 2]}\n]}')
    console.press("Propose")
    console.wait_text("Line 3: expected one of")
    expect(page.get_by_role("alert")).to_be_focused()
    console.keep_picture("rule-form")
    assert console.violations() == []
    page.locator("#rule0_logic").fill('{"!": [{"!": [{"var": "facts.exposure.0"}]}]}')
    console.press("Propose")
    console.wait_text("Not counted yet. Nobody can approve before that.")
    address = page.url.partition("/ops")[2].partition("?")[0]
    sign_in(console, town, "anna")
    console.go(address)
    console.press("Count whom it would turn")
    console.wait_text("Turn worse somewhere")
    console.keep_picture("rule-shadow")
    assert console.violations() == []
    console.press("Put it in force")
    console.wait_text("The rules are in force.")


def test_what_a_rule_proposes_is_taken_up(console: ConsolePage, town: Town) -> None:
    page = console.page
    on = basis_in_force(town.deployment, title="Reports of violence")
    register(town.deployment, "p-report")
    put_rules_in_force(town.deployment, proposing_rules(on))
    with town.staff("pavel") as pavel:
        wait_for(lambda: any(one["person"] == "p-report" for one in pavel.get("/api/v1/rule-proposals")), "a proposal")
    sign_in(console, town, "pavel")
    page.get_by_role("link", name="p-report").click()
    assert console.violations() == []
    page.get_by_role("link", name="Take it up …").click()
    page.get_by_label("Reference of the case").fill("R-7")
    page.get_by_label("not a minor").check()
    page.get_by_label("not about medical travel").check()
    console.keep_picture("proposal")
    assert console.violations() == []
    console.press("Propose")
    console.wait_text("You proposed this, so another person must approve it.")


def test_a_search_and_an_exemption(console: ConsolePage, town: Town, browser: Browser) -> None:
    page, person = console.page, "p-20c9"
    town.vaccinate(person)
    entry = town.announce_red(person, notice=1)
    with open_wallet(browser, town.deployment.address) as wallet:
        wallet.enrol(town.desk_code(person))
        wallet.wait_heading("Red ride")
        sign_in(console, town, "rosa")
        page.get_by_role("link", name="Search", exact=True).click()
        page.get_by_label("Person's reference").fill(person)
        console.press("Search")
        console.wait_text("Where the person stands, and why")
        assert person not in page.url
        page.get_by_text(AUTHORITY).first.wait_for()
        console.keep_picture("search")
        assert console.violations() == []
        console.press("Let this person through …")
        page.get_by_label("Reason", exact=True).fill("The hearing itself, on 5 June.")
        console.keep_picture("exemption")
        console.press("Let this person through")
        console.wait_text("Done. The person is green until the exemption is over.")
        wallet.again()
        wallet.wait_heading("Green ride")
        console.go(f"/entries/{entry}")
        console.wait_text("An exemption lets this person through")
        console.go("/exemptions")
        page.locator(".row", has_text=person).get_by_role("button", name="End it now").click()
        console.wait_text("Ended. What the entries say counts again.")
        wallet.again()
        wallet.wait_heading("Red ride")


def test_the_case_is_won_and_the_entry_ends(console: ConsolePage, town: Town) -> None:
    person = "p-won"
    register(town.deployment, person)
    entry = town.announce_red(person, notice=1)
    sign_in(console, town, "pavel")
    console.go(f"/entries/{entry}")
    console.press("The source still stands by it")
    console.wait_text("Recorded: the source still stands by it.")
    console.page.get_by_label("won by the person").check()
    console.press("Record it")
    console.wait_text("Recorded. The entry has ended; the person is being told.")
    town.wait_state(entry, "ended")


def test_the_form_of_an_entry_names_its_basis(console: ConsolePage, town: Town) -> None:
    basis_in_force(town.deployment, notice=2)
    sign_in(console, town, "pavel")
    console.go("/entries/new")
    console.page.get_by_role("link", name=BAN).first.click()
    console.wait_text("At most 90 days. Later than the notice of")
    console.press("Propose")
    console.wait_text("Person's reference: Please fill this in.")
    console.page.get_by_role("link", name="Person's reference: Please fill this in.").click()
    expect(console.page.locator("#person")).to_be_focused()
