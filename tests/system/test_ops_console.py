"""The operations console in Chromium, with a real server, broker and gate: a withdrawal by two people from proposal to
the gate that turns current, an emergency, an undo, the desk; and every page in its forms.
"""

import re
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect, sync_playwright
from tests.support.casework import (
    COUGH_RULES,
    HOSPITAL,
    HOUR,
    REASON,
    basis_in_force,
    basis_text,
    entry_text,
    proposing_rules,
    put_rules_in_force,
)
from tests.support.console_page import LOOKS, ConsolePage, open_console
from tests.support.many_readers import ManyReaders, many_readers
from tests.support.publishing import wait_for
from tests.support.wallet_page import Town, open_browser, open_town, open_wallet, require_wallet

from waypass_protocol.keys import read_trust_set
from waypass_protocol.messages import Presence
from waypass_simulator.api import Api
from waypass_simulator.demo.deployment import Deployment
from waypass_simulator.demo.gate import RIDE

STATIONS = {
    f"{station}-{number}": station
    for station in ("north", "harbour", "market", "stadium", "university", "east")
    for number in range(1, 7)
}


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
def console(browser: Browser, town: Town) -> Iterator[ConsolePage]:
    with open_console(browser, town.deployment.address) as opened:
        yield opened


def rider(town: Town, person: str) -> None:
    """Somebody with a certificate and a paper pass for rides."""
    town.vaccinate(person)
    with town.staff("dora") as dora:
        dora.post("/api/v1/paper-passes", {"person": person, "scopes": [RIDE]})


def sign_in(console: ConsolePage, town: Town, who: str) -> None:
    console.sign_in(town.deployment.tokens[who])


def test_a_withdrawal_by_two_people_until_the_gate_is_current(
    console: ConsolePage, town: Town, browser: Browser
) -> None:
    rider(town, "p-7f3a")
    on = basis_in_force(town.deployment, notice=1)
    page = console.page
    sign_in(console, town, "pavel")
    page.get_by_role("link", name="Propose an entry").click()
    page.get_by_role("link", name="Ban from travel after assault on staff").first.click()
    assert page.url.endswith(f"/ops/entries/new?basis={on}")
    page.get_by_label("Person's reference").fill("p-7f3a")
    page.get_by_label("red: the gate does not open").check()
    page.get_by_label("Reason", exact=True).fill(REASON)
    page.get_by_label("Reference of the case").fill("C-2031")
    page.get_by_label("Ends in: number").fill("300")
    console.press("Propose")
    # Two things are wrong; each is said at its field, the list has the focus, and what was typed is there.
    console.wait_text("Not proposed yet. Please put this right:")
    expect(page.get_by_role("alert")).to_be_focused()
    console.wait_text("At most 90 days after it begins, and later than the notice of 1 s.")
    assert page.get_by_label("Reason", exact=True).input_value() == REASON
    page.get_by_label("Ends in: number").fill("30")
    page.get_by_label("not a minor").check()
    page.get_by_label("not about medical travel").check()
    console.press("Propose")
    console.wait_text("You proposed this, so another person must approve it.")
    assert page.get_by_role("button", name="Approve").count() == 0

    # Anna, at the same browser.
    sign_in(console, town, "anna")
    assert page.locator(".who").inner_text().startswith("anna approvals")
    page.get_by_role("link", name="p-7f3a").click()
    console.wait_text("1 of 1 live passes gets status 1 at every gate")
    console.keep_picture("approve")
    with open_console(browser, town.deployment.address) as watching:
        sign_in(watching, town, "otto")
        watching.go("/push")
        watching.wait_text("The only reader is current")
        published = watching.page.locator(".numbers").inner_text()
        console.press("Approve")
        console.wait_text("Approved. The person is being told")
        # Without anybody loading that page again: the change, and the gate that holds it.
        wait_for(lambda: watching.page.locator(".numbers").inner_text() != published, "the change is said")
        watching.page.locator(".reader.current", has_text="gate-a").get_by_text("after").wait_for()
        watching.wait_text("The only reader is current")
        assert watching.violations() == []
    assert console.violations() == []


def test_a_mistake_is_undone_by_one_person(console: ConsolePage, town: Town) -> None:
    rider(town, "p-20c9")
    basis_in_force(town.deployment)
    with town.staff("pavel") as pavel, town.staff("anna") as anna:
        newest = pavel.get("/api/v1/bases")[-1]["id"]
        entry = pavel.post("/api/v1/entries", entry_text("p-20c9", newest))["id"]
        anna.post(f"/api/v1/entries/{entry}/approve")
        town.wait_state(entry, "notified")
    sign_in(console, town, "anna")
    console.page.get_by_role("link", name="Undo … p-20c9").click()
    console.press("Undo this entry")
    console.wait_text("Undone. The entry has ended; the person is being told.")
    town.wait_state(entry, "ended")


def test_an_emergency_withdrawal_past_its_limit_by_two(console: ConsolePage, town: Town, browser: Browser) -> None:
    with town.staff("dora") as dora, town.staff("otto") as otto:
        dora.post("/api/v1/people", {"reference": "p-5e11"})
        for _ in range(3):
            otto.post("/api/v1/withdrawals", {"person": "p-5e11", "reason": "The phone was lost."})
        dora.post("/api/v1/paper-passes", {"person": "p-5e11", "scopes": [HOSPITAL]})
    page = console.page
    sign_in(console, town, "otto")
    page.get_by_role("link", name="Emergency withdrawal").click()
    page.get_by_label("Person's reference").fill("p-5e11")
    page.get_by_label("Reason", exact=True).fill("The phone was stolen.")
    console.press("Go on")
    console.wait_text("Withdraw 1 live pass?")
    console.wait_text("A limit is reached: this waits until a second person has confirmed it.")
    console.keep_picture("withdrawal")
    assert console.violations() == []
    console.press("Ask a second person")
    console.wait_text("somebody else from operations must confirm it")
    assert page.get_by_role("button", name="Confirm and withdraw now").count() == 0


def test_a_desk_code_opens_a_wallet(console: ConsolePage, town: Town, browser: Browser) -> None:
    sign_in(console, town, "dora")
    console.page.get_by_role("link", name="Set up a wallet").click()
    console.page.get_by_label("Person's reference").fill("p-desk")
    console.press("Make a code")
    console.wait_text("9:5")
    code = console.page.locator(".secret").inner_text()
    console.keep_picture("desk")
    assert console.violations() == []
    with open_wallet(browser, town.deployment.address, fragment=f"#enrol={code}") as wallet:
        wallet.page.get_by_role("button", name="Set up").click()
        wallet.wait_code()


def test_a_link_with_a_token_signs_nobody_in_by_itself(console: ConsolePage, town: Town) -> None:
    token = town.deployment.tokens["dora"]
    console.page.goto(f"{console.address}/ops/sign-in#token={token}")
    console.page.locator("#filled").wait_for()
    assert (console.page.url, console.page.locator("#token").input_value()) == (f"{console.address}/ops/sign-in", token)
    expect(console.page.get_by_role("button", name="Sign in with the token")).to_be_focused()
    assert console.page.evaluate("history.length") == 2, "nothing of it is left to go back to"
    console.go("/desk")
    assert console.heading() == "Sign in"


def test_everything_can_be_reached_by_keyboard(console: ConsolePage, town: Town) -> None:
    sign_in(console, town, "otto")
    console.page.keyboard.press("Tab")
    assert console.page.evaluate("document.activeElement.textContent") == "To the content"
    console.page.keyboard.press("Enter")
    console.page.keyboard.press("Tab")
    console.page.keyboard.press("Enter")
    console.page.wait_for_url("**/ops/withdrawals/new")
    console.page.locator("#person").focus()
    console.page.keyboard.type("nobody")
    console.page.keyboard.press("Tab")
    console.page.keyboard.type("a test")
    console.page.keyboard.press("Tab")
    console.page.keyboard.press("Enter")
    console.wait_text("Nobody here has this reference. Check every character.")
    expect(console.page.get_by_role("alert")).to_be_focused()
    console.page.keyboard.press("Tab")
    console.page.keyboard.press("Enter")
    expect(console.page).to_have_url(re.compile(r"#person$"))


PAGES = {
    "anna": [
        *("/", "/entries", "/entries?state=ended", "/entries/1", "/entries/2", "/desk"),
        *("/bases", "/bases/1/1", "/bases/1/2", "/bases/new", "/bases/1/change"),
        *("/rules", "/rules/1/1", "/rules/new", "/rules/1/change", "/limits", "/log", "/log?since=soon"),
    ],
    "pavel": [
        *("/", "/entries/new", "/entries/new?basis=1", "/entries/1", "/entries/2"),
        *("/proposals", "/proposals/1", "/proposals/1/entry"),
    ],
    "otto": [
        "/",
        "/withdrawals",
        "/withdrawals/new",
        "/withdrawals/1",
        "/push",
        "/stations",
        "/search",
        "/log?kind=entry",
    ],
    "dora": ["/", "/desk"],
    "rosa": ["/", "/objections/99", "/entries/2", "/exemptions", "/exemptions/new?entry=2", "/proposals"],
}
FORMS: list[tuple[str, str, dict[str, str]]] = [
    ("pavel", "/entries/new?basis=1", {}),
    ("pavel", "/bases/new", {}),
    ("pavel", "/rules/new", {"#rule0_logic": '{"and": [\n  1\n  2]}', "#form": "{"}),
    ("rosa", "/exemptions/new", {"#person": "p-nobody"}),
    ("rosa", "/search", {"#person": "p-20c9"}),
    ("rosa", "/search", {"#person": "p-nobody"}),
]
"""Pages that only a form leads to: who, where it is, what is filled in."""


@pytest.mark.parametrize(("width", "scheme", "locale"), LOOKS)
def test_every_page_is_accessible_and_fits(
    browser: Browser, readers: ManyReaders, small: Deployment, width: int, scheme: str, locale: str
) -> None:
    found = []
    size = {"width": width, "height": 800}
    with open_console(browser, small.address, viewport=size, color_scheme=scheme, locale=locale) as console:
        console.go("/sign-in")
        found += [f"sign-in: {line}" for line in console.violations()]
        for who, paths in PAGES.items():
            console.sign_in(small.tokens[who])
            for path in paths:
                console.go(path)
                name = f"{who}{path.replace('/', '-').replace('?', '-')}-{width}-{scheme}-{locale}"
                console.keep_picture(name)
                found += [f"{who} {path}: {line}" for line in console.violations()]
        for number, (who, path, values) in enumerate(FORMS):
            console.sign_in(small.tokens[who])
            console.go(path)
            for field, value in values.items():
                console.page.locator(field).fill(value)
            console.page.locator("form button.main").last.click()
            console.keep_picture(f"form-{number}-{width}-{scheme}-{locale}")
            found += [f"{who} {path} sent: {line}" for line in console.violations()]
        for name in ("figures", "register"):
            console.page.goto(f"{small.address}/public/{name}")
            console.keep_picture(f"public-{name}-{width}-{scheme}-{locale}")
            found += [f"public {name}: {line}" for line in console.violations()]
    assert found == []


@pytest.fixture(scope="module")
def small(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Server and broker without a gate, with something in every state."""
    with Deployment(folder=tmp_path_factory.mktemp("small"), gate_names=()) as deployment:
        deployment.start()
        _fill(deployment)
        yield deployment


@pytest.fixture(scope="module")
def readers(small: Deployment) -> Iterator[ManyReaders]:
    """36 readers in six stations; one is offline, two do not follow."""
    with Api(small.address) as anybody:
        trust = read_trust_set(anybody.get_bytes("/trust"))
    with many_readers(small.broker_port, trust, STATIONS) as made:
        made.stuck = {"east-3", "market-2", "stadium-4"}
        made.presence("stadium-4", Presence.OFFLINE)
        yield made


def test_many_readers_turn_current_and_those_that_do_not_stand_out(
    browser: Browser, small: Deployment, readers: ManyReaders
) -> None:
    with open_console(browser, small.address) as console:
        console.sign_in(small.tokens["otto"])
        readers.say_again()
        console.go("/push")
        wait_for(
            lambda: console.page.locator(".reader.current").count() == 35, "35 readers that are current", seconds=90
        )
        assert console.page.locator(".station").count() == 6
        _withdraw(small, "p-push")
        readers.follow_change()
        wait_for(
            lambda: console.page.locator(".reader.current b").count() == 33, "33 readers with their time", seconds=90
        )
        assert console.page.locator(".reader.behind .name").all_inner_texts() == ["east-3", "market-2"]
        assert console.page.locator(".reader.offline .name").all_inner_texts() == ["stadium-4"]
        console.wait_text("33 of 36 readers are current")
        console.keep_picture("push")
        readers.say("east-1", readers.rows, digest="ab" * 32)
        console.wait_text("1 reader holds something else than was published")
        assert console.page.locator(".reader.differs .name").all_inner_texts() == ["east-1"]
        assert console.violations() == []
        console.go("/stations")
        console.wait_text("It holds a list with other bits than were published.")
        console.keep_picture("stations")
        assert console.violations() == []
        readers.say("east-1", readers.rows)
        console.page.locator(".card.differs").wait_for(state="detached")


def test_a_page_says_when_it_is_not_live(browser: Browser, small: Deployment, readers: ManyReaders) -> None:
    with open_console(browser, small.address) as console:
        console.sign_in(small.tokens["otto"])
        console.go("/push")
        console.page.locator(".reader").first.wait_for()
        assert console.page.locator("#lost").is_hidden()
        small.kill_server()
        console.page.locator("#lost").wait_for()
        small.start_server()
        console.page.locator("#lost").wait_for(state="hidden")
        assert console.heading() == "Are the gates current?", "the session outlived the server"


def _fill(deployment: Deployment) -> None:
    """An entry that waits, one that is announced, a basis that waits, a withdrawal."""
    people = {who: Api(deployment.address, token=token) for who, token in deployment.tokens.items()}
    for person in ("p-7f3a", "p-20c9", "p-5e11", "p-push"):
        people["dora"].post("/api/v1/people", {"reference": person})
    people["dora"].post("/api/v1/paper-passes", {"person": "p-7f3a", "scopes": [RIDE]})
    people["pavel"].post("/api/v1/bases", basis_text())
    people["anna"].post("/api/v1/bases/1/versions/1/approve")
    damage = {"title": "Damage to ticket machines", "citation": "section 9"}
    people["pavel"].post("/api/v1/bases", basis_text(**damage))
    people["pavel"].post("/api/v1/entries", entry_text("p-7f3a", 1))
    broken = "On 9 May a lift door at South station was forced open."
    people["pavel"].post("/api/v1/entries", entry_text("p-20c9", 1, effect="yellow", reason=broken))
    people["anna"].post("/api/v1/entries/2/approve")
    people["otto"].post("/api/v1/withdrawals", {"person": "p-5e11", "reason": "The phone was stolen."})
    exemption = {"person": "p-20c9", "reason": "The hearing itself.", "ends_at": int(time.time()) + HOUR}
    people["rosa"].post("/api/v1/exemptions", exemption)
    put_rules_in_force(deployment, COUGH_RULES)
    put_rules_in_force(deployment, proposing_rules(1))
    changed = {name: value for name, value in basis_text(notice=2 * HOUR).items() if name != "authority"}
    wait_for(lambda: len(people["pavel"].get("/api/v1/rule-proposals")) > 0, "a rule's proposal")
    people["pavel"].post("/api/v1/bases/1/versions", changed)
    for each in people.values():
        each.close()


def _withdraw(deployment: Deployment, person: str) -> None:
    """A live pass, and its withdrawal."""
    with Api(deployment.address, token=deployment.tokens["dora"]) as dora:
        dora.post("/api/v1/paper-passes", {"person": person, "scopes": [HOSPITAL]})
    with Api(deployment.address, token=deployment.tokens["otto"]) as otto:
        otto.post("/api/v1/withdrawals", {"person": person, "reason": "A test."})
