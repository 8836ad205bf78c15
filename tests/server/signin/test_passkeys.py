"""Passkeys by an authenticator in software: what registers, what opens, and what is refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select
from tests.support.console import ConsoleBrowser
from tests.support.office import DAY, NOW, Office
from tests.support.openid_provider import base64url
from tests.support.sign_in import begin_enrolment, register_passkey, sign_in_with
from tests.support.soft_passkey import SoftPasskey

from waypass_server.console.access import FORM_COOKIE, SESSION_COOKIE
from waypass_server.models.network import Staff
from waypass_server.models.sign_in import Ceremony, Passkey
from waypass_server.signin import passkeys
from waypass_server.signin.ceremonies import LIFE
from waypass_server.signin.passkeys import BadPasskey, Place

PLACE = Place(origin="https://ops.example.org", domain="example.org", network="metro")
CHALLENGE = b"c" * 32


@pytest.fixture
def key(browser: ConsoleBrowser) -> SoftPasskey:
    """The desk's."""
    begin_enrolment(browser, "desk")
    made = register_passkey(browser, label="my phone")
    assert "The passkey is registered." in browser.text()
    browser.get("/ops/me")
    browser.fill("/ops/sign-out")
    return made


@pytest.mark.both_stores
def test_a_passkey_opens_without_name_or_password(browser: ConsoleBrowser, key: SoftPasskey) -> None:
    assert sign_in_with(browser, key) == 200
    assert browser.get("/ops/desk").status_code == 200
    browser.get("/ops/me")
    assert "my phone" in browser.text()
    assert "last used on 2027-01-15" in browser.text()


def test_what_is_asked(browser: ConsoleBrowser, key: SoftPasskey) -> None:
    browser.get("/ops/sign-in")
    asked = browser.post("/ops/sign-in/passkey/options", browser.form("/ops/sign-in/passkey").fields[:1]).json()
    assert (asked["rpId"], asked["userVerification"], asked["allowCredentials"]) == ("server.test", "required", [])
    assert len(asked["challenge"]) == 43


def test_what_a_registration_asks(browser: ConsoleBrowser, key: SoftPasskey) -> None:
    sign_in_with(browser, key)
    browser.get("/ops/me")
    asked = browser.post("/ops/me/passkeys/options", browser.form("/ops/me/passkeys").fields[:1]).json()
    assert asked["rp"] == {"name": "Waypass metro", "id": "server.test"}
    assert asked["authenticatorSelection"]["userVerification"] == "required"
    assert asked["authenticatorSelection"]["residentKey"] == "required"
    assert asked["attestation"] == "none"
    assert [each["id"] for each in asked["excludeCredentials"]] == [base64url(key.credential_id)]
    assert "desk" not in json.dumps(asked["user"]["id"])


@pytest.mark.parametrize("case", ["unknown", "another's challenge", "used twice", "too late", "no cookie", "left"])
def test_what_does_not_open(browser: ConsoleBrowser, key: SoftPasskey, case: str) -> None:
    office = browser.office
    browser.get("/ops/sign-in")
    fields = browser.form("/ops/sign-in/passkey").fields
    options = browser.post("/ops/sign-in/passkey/options", fields[:1]).text
    answer, status = key.get(options), 401
    if case == "unknown":
        key.credential_id = b"another"
        answer = key.get(options)
    elif case == "another's challenge":
        other = ConsoleBrowser(office)
        other.get("/ops/sign-in")
        answer = key.get(other.post("/ops/sign-in/passkey/options", other.form("/ops/sign-in/passkey").fields[:1]).text)
    elif case == "used twice":
        browser.post("/ops/sign-in/passkey", [*fields[:2], ("credential", answer)])
        browser.fill("/ops/sign-out")
        browser.get("/ops/sign-in")
        fields, status = browser.form("/ops/sign-in/passkey").fields, 403
    elif case == "too late":
        office.clock.advance(LIFE)
        status = 403
    elif case == "no cookie":
        del browser.cookies[FORM_COOKIE]
        status = 403
    else:
        with office.services.change() as session:
            session.scalars(select(Staff).where(Staff.name == "desk")).one().left_at = NOW
    sent = browser.post("/ops/sign-in/passkey", [*fields[:2], ("credential", answer)])
    assert sent.status_code == status, browser.text()
    assert SESSION_COOKIE not in browser.cookies


def test_a_refused_answer_uses_the_challenge_up(browser: ConsoleBrowser, key: SoftPasskey) -> None:
    browser.get("/ops/sign-in")
    fields = browser.form("/ops/sign-in/passkey").fields
    options = browser.post("/ops/sign-in/passkey/options", fields[:1]).text
    assert browser.post("/ops/sign-in/passkey", [*fields[:2], ("credential", "{}")]).status_code == 401
    right = [*fields[:2], ("credential", key.get(options))]
    assert browser.post("/ops/sign-in/passkey", right).status_code == 403


def test_a_copy_whose_count_lags_behind_is_refused(browser: ConsoleBrowser, key: SoftPasskey) -> None:
    sign_in_with(browser, key)
    browser.fill("/ops/sign-out")
    key.count -= 1
    assert sign_in_with(browser, key) == 401


def test_an_authenticator_that_does_not_count(browser: ConsoleBrowser) -> None:
    begin_enrolment(browser, "desk")
    key = register_passkey(browser)
    key.counts = False
    for _ in range(2):
        assert sign_in_with(browser, key) == 200


def test_a_passkey_that_was_removed(browser: ConsoleBrowser, key: SoftPasskey) -> None:
    sign_in_with(browser, key)
    other = ConsoleBrowser(browser.office)
    sign_in_with(other, key)
    browser.get("/ops/me")
    with browser.office.services.database.reading() as session:
        number = session.scalars(select(Passkey.id)).one()
    browser.fill(f"/ops/me/passkeys/{number}/remove")
    assert "The passkey is removed." in browser.text()
    assert other.get("/ops/").url.path == "/ops/sign-in", "what it had opened"
    assert sign_in_with(other, key) == 401


def test_a_passkey_of_another_is_not_removed(browser: ConsoleBrowser, key: SoftPasskey) -> None:
    office = browser.office
    begin_enrolment(browser, "ops")
    register_passkey(browser, label="another")
    with office.services.database.reading() as session:
        number = session.scalars(select(Passkey.id).order_by(Passkey.id)).first()
    browser.get("/ops/me")
    csrf = browser.form("/ops/sign-out").fields
    assert browser.post(f"/ops/me/passkeys/{number}/remove", csrf).status_code == 404


def test_one_passkey_is_registered_once(browser: ConsoleBrowser, key: SoftPasskey) -> None:
    begin_enrolment(browser, "ops")
    register_passkey(browser, label="my phone")
    assert browser.page.status_code == 409


def test_a_sign_in_that_was_not_finished_is_forgotten(browser: ConsoleBrowser, key: SoftPasskey) -> None:
    browser.get("/ops/sign-in")
    browser.post("/ops/sign-in/passkey/options", browser.form("/ops/sign-in/passkey").fields[:1])
    browser.office.later(LIFE)
    with browser.office.services.database.reading() as session:
        assert session.scalars(select(Ceremony)).all() == []


def test_only_the_day_of_its_last_use_is_kept(browser: ConsoleBrowser, key: SoftPasskey) -> None:
    sign_in_with(browser, key)
    with browser.office.services.database.reading() as session:
        used_on = session.scalars(select(Passkey.used_on)).one()
    assert used_on is not None
    assert used_on % DAY == 0


# What a browser brings


def registration(**changes: Any) -> str:
    key = SoftPasskey(origin=PLACE.origin, domain=PLACE.domain, **changes)
    return key.create(passkeys.ask_for_new(PLACE, handle=b"h" * 32, name="Ada", challenge=CHALLENGE, known=[]))


def without(name: str) -> Callable[[str], str]:
    def spoil(text: str) -> str:
        answer = json.loads(text)
        del (answer if name in answer else answer["response"])[name]
        return json.dumps(answer)

    return spoil


ANSWERS: list[tuple[str, str]] = [
    ("nothing", ""),
    ("no JSON", "{"),
    ("a list", "[]"),
    ("deep", "[" * 10_000),
    ("too long", json.dumps({"id": "x" * 20_000})),
    *[(f"without {name}", without(name)(registration())) for name in ("id", "rawId", "type", "response")],
    *[(f"without {name}", without(name)(registration())) for name in ("clientDataJSON", "attestationObject")],
]


@pytest.mark.parametrize(("name", "text"), ANSWERS)
def test_a_registration_that_is_none(name: str, text: str) -> None:
    with pytest.raises(BadPasskey, match="passkey: expected a"):
        passkeys.read_new(text, PLACE, challenge=CHALLENGE)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("another origin", {"origin": "https://ops.example.net"}),
        ("http", {"origin": "http://ops.example.org"}),
        ("another domain", {"domain": "example.net"}),
        ("nobody was checked", {"verifies": False}),
    ],
)
def test_an_authenticator_that_is_refused(name: str, changes: dict[str, Any]) -> None:
    key = SoftPasskey(**{"origin": PLACE.origin, "domain": PLACE.domain, **changes})
    new = key.create(passkeys.ask_for_new(PLACE, handle=b"h" * 32, name="Ada", challenge=CHALLENGE, known=[]))
    with pytest.raises(BadPasskey, match=r"expected a registration as it was asked for"):
        passkeys.read_new(new, PLACE, challenge=CHALLENGE)
    good = passkeys.read_new(registration(key=key.key), PLACE, challenge=CHALLENGE)
    one = key.get(passkeys.ask_for_one(PLACE, challenge=CHALLENGE))
    with pytest.raises(BadPasskey, match=r"expected an answer to what was asked"):
        passkeys.read_one(one, PLACE, challenge=CHALLENGE, public_key=good.public_key, sign_count=0)


def test_another_challenge_is_refused() -> None:
    with pytest.raises(BadPasskey, match=r"InvalidRegistrationResponse"):
        passkeys.read_new(registration(), PLACE, challenge=b"d" * 32)


def test_without_an_origin_there_are_none(office: Office) -> None:
    office.services = replace(office.services, settings=office.services.settings.model_copy(update={"origin": None}))
    browser = ConsoleBrowser(office)
    browser.get("/ops/sign-in")
    assert "passkey" not in browser.text()
    csrf = browser.form("/ops/sign-in/password").fields[:1]
    assert browser.post("/ops/sign-in/passkey/options", csrf).status_code == 404
