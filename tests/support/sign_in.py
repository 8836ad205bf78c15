"""Members of staff who set up how they sign in, at a console without a screen."""

import re
from dataclasses import dataclass, field
from typing import Any

import pyotp
from tests.support.console import ConsoleBrowser
from tests.support.office import NETWORK, Office
from tests.support.soft_passkey import SoftPasskey

from waypass_server import network_file
from waypass_server.signin.totp import STEP

PASSWORD = "four words that differ"
ORIGIN, DOMAIN = "https://server.test", "server.test"


@dataclass(kw_only=True, slots=True)
class Enrolled:
    """Somebody who has set up a password with an app, and knows both."""

    office: Office
    name: str
    secret: str
    recovery_codes: list[str] = field(default_factory=list)

    def code(self, steps: int = 0) -> str:
        """What the app shows now, or so many steps later."""
        return pyotp.TOTP(self.secret).at(int(self.office.clock.now()) + steps * STEP)

    def sign_in(self, browser: ConsoleBrowser, **changes: str) -> int:
        """With name, password and the code of now; the status."""
        browser.get("/ops/sign-in")
        given: dict[str, Any] = {"name": self.name, "password": PASSWORD, "code": self.code(), **changes}
        return browser.fill("/ops/sign-in/password", **given).status_code


def link_for(office: Office, who: str) -> str:
    """The code of a link, as the operator makes it."""
    services = office.services
    with services.change() as session:
        made = network_file.new_link(session, NETWORK.name, who, random_bytes=services.random_bytes, now=services.now())
    return made.secret


def begin_enrolment(browser: ConsoleBrowser, who: str) -> None:
    """With a link, up to the page where ways to sign in are set up."""
    browser.get("/ops/enrol")
    browser.fill("/ops/enrol", code=link_for(browser.office, who))
    assert browser.address == "/ops/me", browser.text()


def connect_app(browser: ConsoleBrowser) -> tuple[str, list[str]]:
    """The app's secret, and the recovery codes; from the page where ways to sign in are set up."""
    browser.fill("/ops/me/authenticator/new")
    found = re.search(r'<code class="key">([A-Z2-7 ]+)</code>', browser.page.text)
    assert found, browser.text()
    secret = found[1].replace(" ", "")
    code = pyotp.TOTP(secret).at(int(browser.office.clock.now()))
    browser.fill("/ops/me/authenticator", code=code)
    return secret, re.findall(r"<li><code>([0-9A-Z-]+)</code></li>", browser.page.text)


def enrol(office: Office, who: str) -> Enrolled:
    """A password and an app, set up with a link; the time step of that is over."""
    browser = ConsoleBrowser(office)
    begin_enrolment(browser, who)
    browser.fill("/ops/me/password", password=PASSWORD, again=PASSWORD)
    secret, codes = connect_app(browser)
    browser.get("/ops/me")
    browser.fill("/ops/sign-out")
    office.clock.advance(STEP)
    return Enrolled(office=office, name=who, secret=secret, recovery_codes=codes)


def register_passkey(browser: ConsoleBrowser, *, label: str = "soft") -> SoftPasskey:
    """A passkey of whoever is at the page where ways to sign in are set up."""
    made = SoftPasskey(origin=ORIGIN, domain=DOMAIN, credential_id=f"credential {label}".encode())
    browser.get("/ops/me")
    form = browser.form("/ops/me/passkeys")
    options = browser.post("/ops/me/passkeys/options", form.fields[:1]).text
    browser.get("/ops/me")
    browser.fill("/ops/me/passkeys", credential=made.create(options), label=label)
    return made


def sign_in_with(browser: ConsoleBrowser, passkey: SoftPasskey) -> int:
    """With a passkey; the status."""
    browser.get("/ops/sign-in")
    fields = browser.form("/ops/sign-in/passkey").fields
    options = browser.post("/ops/sign-in/passkey/options", fields[:1]).text
    filled = [*[each for each in fields if each[0] != "credential"], ("credential", passkey.get(options))]
    return browser.post("/ops/sign-in/passkey", filled).status_code
