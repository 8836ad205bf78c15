"""The sign-in in Chromium: a passkey of a virtual authenticator, a provider on another site, password and code without
script; and every page of it in its forms.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pyotp
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from tests.support.console_page import LOOKS, ConsolePage, open_console
from tests.support.http_app import serving_app
from tests.support.office import Office, open_office
from tests.support.openid_provider import CLIENT_ID, SECRET, OpenIdProvider, open_provider
from tests.support.sign_in import PASSWORD, link_for
from tests.support.wallet_page import SECONDS, open_browser, require_wallet

from waypass_server.app import create_app
from waypass_server.console.sessions import FRESH
from waypass_server.signin.oidc import Client, Provider
from waypass_server.signin.places import BACK
from waypass_server.signin.totp import STEP
from waypass_simulator.processes import free_port

AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@dataclass(kw_only=True)
class House:
    """A server with its people at an origin where passkeys work, and a provider on another site."""

    office: Office
    provider: OpenIdProvider
    address: str

    def link(self, who: str) -> str:
        return f"{self.address}/ops/enrol#code={link_for(self.office, who)}"

    def code(self, secret: str) -> str:
        """What an app shows; its time step is over after that."""
        self.office.clock.advance(STEP)
        return pyotp.TOTP(secret).at(int(self.office.clock.now()))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    require_wallet()
    with sync_playwright() as playwright, open_browser(playwright) as opened:
        yield opened


@pytest.fixture(scope="module")
def house(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    office, port = open_office(tmp_path_factory.mktemp("house")), free_port()
    address = f"http://localhost:{port}"
    with open_provider(office.clock.now, person={"preferred_username": "ops"}) as provider:
        client = Client(
            issuer=provider.address,
            client_id=CLIENT_ID,
            secret=SECRET,
            claim="preferred_username",
            back=address + BACK,
        )
        settings = office.services.settings.model_copy(update={"origin": address})
        office.services = replace(office.services, settings=settings, provider=Provider(client))
        with serving_app(create_app(office.services), port):
            yield House(office=office, provider=provider, address=address)
    office.close()


@pytest.fixture
def console(browser: Browser, house: House) -> Iterator[ConsolePage]:
    with open_console(browser, house.address) as opened:
        yield opened


def plug_in(page: Page, **changes: Any) -> tuple[Any, str]:
    """A virtual authenticator for this page: the session to talk to it, and its number."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    added = session.send("WebAuthn.addVirtualAuthenticator", {"options": {**AUTHENTICATOR, **changes}})
    return session, str(added["authenticatorId"])


def enrol_passkey(console: ConsolePage, house: House, who: str) -> None:
    """With a link, by its button alone."""
    console.page.goto(house.link(who))
    assert "#" not in console.page.url, "the code does not stay in the address"
    console.page.keyboard.press("Enter")
    console.page.get_by_label("What you call it").fill("this laptop")
    console.press("Register a passkey")
    console.wait_text("The passkey is registered.")


def test_a_passkey_from_the_link_to_the_work(console: ConsolePage, house: House) -> None:
    plug_in(console.page)
    enrol_passkey(console, house, "desk")
    console.press("Go to the sign-in")
    console.wait_text("It is set up. Sign in with it now.")
    console.press("Sign in with a passkey")
    console.page.wait_for_url("**/ops/")
    assert console.page.locator(".who").inner_text().startswith("desk desk")
    console.go("/me")
    console.wait_text("this laptop")


def test_a_passkey_takes_one_back_to_the_page_and_by_keyboard_alone(console: ConsolePage, house: House) -> None:
    plug_in(console.page)
    enrol_passkey(console, house, "desk")
    console.press("Go to the sign-in")
    console.go("/stations")
    button = console.page.get_by_role("button", name="Sign in with a passkey")
    for _ in range(20):
        console.page.keyboard.press("Tab")
        if button.evaluate("button => button === document.activeElement"):
            break
    console.page.keyboard.press("Enter")
    console.page.wait_for_url("**/ops/stations")


def test_an_authenticator_that_does_not_know_its_person(console: ConsolePage, house: House) -> None:
    session, number = plug_in(console.page)
    enrol_passkey(console, house, "desk")
    console.press("Go to the sign-in")
    session.send("WebAuthn.setUserVerified", {"authenticatorId": number, "isUserVerified": False})
    console.press("Sign in with a passkey")
    console.wait_text("No passkey was used. Try again, or sign in otherwise.")
    assert console.violations() == []
    session.send("WebAuthn.setUserVerified", {"authenticatorId": number, "isUserVerified": True})
    console.press("Sign in with a passkey")
    console.page.wait_for_url("**/ops/")


def test_a_passkey_that_the_server_does_not_know_any_more(console: ConsolePage, house: House) -> None:
    plug_in(console.page)
    enrol_passkey(console, house, "desk")
    console.page.get_by_role("button", name="Remove the passkey this laptop").click()
    console.wait_text("The passkey is removed.")
    console.press("Sign out")
    console.press("Sign in with a passkey")
    console.wait_text("This passkey does not open anything here.")
    console.press("Sign in with a passkey")
    console.wait_text("This passkey does not open anything here.")


@contextmanager
def anywhere(browser: Browser, **options: Any) -> Iterator[Page]:
    """A browser that may go to other sites."""
    context: BrowserContext = browser.new_context(locale="en-GB", **options)
    context.set_default_timeout(SECONDS * 1000)
    try:
        yield context.new_page()
    finally:
        context.close()


@pytest.mark.parametrize("script", [True, False])
def test_the_provider_and_back_to_the_page(browser: Browser, house: House, script: bool) -> None:
    """localhost and 127.0.0.1 are two sites: what a browser does with cookies between them is what it would do."""
    with anywhere(browser, java_script_enabled=script) as page:
        page.goto(f"{house.address}/ops/stations")
        page.get_by_role("link", name="Sign in at your organisation").click()
        page.wait_for_url("**/ops/stations")
        assert page.locator(".who").inner_text().startswith("ops ops")
        cookies = {cookie["name"]: cookie for cookie in page.context.cookies()}
        assert cookies["waypass_ops"]["sameSite"] == "Strict"
        assert "waypass_ops_oidc" not in cookies


def test_somebody_whom_only_the_provider_knows(browser: Browser, house: House) -> None:
    house.provider.person = {"preferred_username": "mallory"}
    try:
        with anywhere(browser) as page:
            page.goto(f"{house.address}/ops/sign-in")
            page.get_by_role("link", name="Sign in at your organisation").click()
            page.get_by_role("heading", name="Not signed in").wait_for()
    finally:
        house.provider.person = {"preferred_username": "ops"}


def test_everything_but_passkeys_without_script(browser: Browser, house: House) -> None:
    with anywhere(browser, java_script_enabled=False) as page:
        page.goto(f"{house.address}/ops/enrol")
        page.get_by_label("Code of your enrolment link").fill(link_for(house.office, "everything"))
        page.get_by_role("button", name="Begin").click()
        page.get_by_label("New password").fill(PASSWORD)
        page.get_by_label("The same again").fill(PASSWORD)
        page.get_by_role("button", name="Set the password").click()
        page.get_by_role("button", name="Connect an app").click()
        secret = page.locator(".key").inner_text().replace(" ", "")
        page.get_by_label("Code that the app shows").fill(house.code(secret))
        page.get_by_role("button", name="Connect", exact=True).click()
        assert page.locator(".codes li").count() == 10
        page.get_by_role("link", name="I have kept them").click()
        assert page.get_by_role("button", name="Register a passkey").is_hidden()
        page.get_by_role("button", name="Go to the sign-in").click()
        assert page.get_by_role("button", name="Sign in with a passkey").is_hidden()
        page.get_by_label("Your name, as it is known here").fill("everything")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_label("Code of your authenticator app").fill(house.code(secret))
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.wait_for_url("**/ops/")
        page.get_by_role("link", name="My sign-in").click()
        page.get_by_text("Make a token").click()
        page.get_by_label("What it is for").fill("night import")
        page.get_by_label("service desk").check()
        page.get_by_label("For so many days").fill("30")
        page.get_by_role("button", name="Make the token").click()
        assert re.fullmatch(r"wpa_[\w-]{43}", page.locator(".key").inner_text())
        page.get_by_role("link", name="I have kept it").click()
        page.get_by_role("button", name="Revoke the token night import").click()
        page.get_by_role("button", name="End all my sessions, this one too").click()
        page.get_by_text("All your sessions have ended, at every browser.").wait_for()


@dataclass(kw_only=True)
class Tour:
    """Looks at one page after the other, in one form."""

    console: ConsolePage
    house: House
    form: str
    found: list[str]

    def look(self, name: str) -> None:
        self.console.keep_picture(f"sign-in-{name}-{self.form}")
        self.found += [f"{name}: {line}" for line in self.console.violations()]

    def fill(self, **fields: str) -> None:
        for name, value in fields.items():
            self.console.page.locator(f"#{name}").fill(value)

    def press(self, selector: str) -> None:
        self.console.page.locator(selector).click()

    def send(self, action: str) -> None:
        self.press(f"form[action='{action}'] button")

    def outside(self) -> None:
        """Until somebody has come in with a link."""
        self.console.go("/sign-in")
        self.look("form")
        self.fill(name="everything", password="wrong", code="000000")
        self.send("/ops/sign-in/password")
        self.look("wrong")
        self.console.go("/sign-in/oidc/back")
        self.look("refused")
        self.console.page.goto(self.house.link("everything"))
        self.look("link")
        self.console.page.keyboard.press("Enter")
        self.console.page.wait_for_url("**/ops/me")

    def setting_up(self) -> None:
        """Everything, until a passkey has signed its person in."""
        page = self.console.page
        self.look("enrolling")
        self.fill(password="two different ones", again="passwords")
        self.send("/ops/me/password")
        self.look("trouble")
        self.send("/ops/me/authenticator/new")
        self.look("app")
        self.fill(code=self.house.code(page.locator(".key").inner_text().replace(" ", "")))
        self.send("/ops/me/authenticator")
        self.look("recovery")
        self.console.go("/me")
        self.fill(password=PASSWORD, again=PASSWORD)
        self.send("/ops/me/password")
        page.locator("#passkey-label").fill("my phone")
        self.press("form[data-passkey] button")
        page.locator(".row", has_text="my phone").wait_for()
        self.look("enrolled")
        self.press(".note form button")
        self.press("form[data-passkey] button")
        page.wait_for_url("**/ops/")

    def inside(self) -> None:
        """A token, and the page at other times and with another way in."""
        self.console.go("/me")
        self.press("summary")
        self.console.page.locator("input[value=desk]").check()
        self.fill(label="night import", days="900")
        self.send("/ops/me/tokens")
        self.look("token-trouble")
        self.fill(days="90")
        self.send("/ops/me/tokens")
        self.look("token")
        self.console.go("/me")
        self.look("mine")
        self.house.office.clock.advance(FRESH)
        self.console.go("/me")
        self.look("later")
        self.send("/ops/sign-out")
        self.console.sign_in(self.house.office.tokens["reviewer"])
        self.console.go("/me")
        self.look("with-token")
        self.send("/ops/sign-out")
        self.press("form[data-passkey] button")
        self.console.page.wait_for_url("**/ops/")
        self.console.go("/staff")
        self.look("staff")
        self.press("form[action$='/ask'] button >> nth=0")
        self.console.wait_text("admin-2")

    def second_administrator(self) -> None:
        """Confirms what the first has asked for."""
        self.console.sign_in(self.house.office.tokens["admin-2"])
        self.console.go("/staff")
        self.press("form[action$='/confirm'] button")
        self.look("staff-link")


@pytest.mark.parametrize(("width", "scheme", "locale"), LOOKS)
def test_every_page_is_accessible_and_fits(
    browser: Browser, house: House, width: int, scheme: str, locale: str
) -> None:
    size = {"width": width, "height": 800}
    with open_console(browser, house.address, viewport=size, color_scheme=scheme, locale=locale) as console:
        plug_in(console.page)
        tour = Tour(console=console, house=house, form=f"{width}-{scheme}-{locale}", found=[])
        tour.outside()
        tour.setting_up()
        tour.inside()
        tour.second_administrator()
    assert tour.found == []
