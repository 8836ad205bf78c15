"""Signing in at an OpenID provider, a small real one on this machine: the way there and back, and what is refused."""

import hmac
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from sqlalchemy import select
from tests.support.console import ConsoleBrowser
from tests.support.office import NOW, Office
from tests.support.openid_provider import CLIENT_ID, SECRET, OpenIdProvider, base64url, make_keys, open_provider, signed
from tests.support.publishing import wait_for

from waypass_server.console.access import SESSION_COOKIE
from waypass_server.console.pages.oidc import COOKIE
from waypass_server.models.network import Staff
from waypass_server.models.records import Event
from waypass_server.signin.ceremonies import LIFE
from waypass_server.signin.oidc import AT_ONCE, KEYS_AGAIN, METADATA_LIFE, BadAnswer, Client, Provider, ProviderAway

Spoil = Callable[[dict[str, Any], dict[str, Any]], None]
BACK = "https://server.test/ops/sign-in/oidc/back"
KEYS = make_keys()


@pytest.fixture
def provider(office: Office) -> Iterator[OpenIdProvider]:
    """A provider that the office trusts."""
    with open_provider(office.clock.now, keys=dict(KEYS)) as opened:
        office.services = replace(office.services, provider=Provider(client(opened)))
        yield opened


def client(provider: OpenIdProvider, **changes: str) -> Client:
    values = {"issuer": provider.address, "client_id": CLIENT_ID, "secret": SECRET, "claim": "preferred_username"}
    return Client(**{**values, "back": BACK, **changes})


def go_there(browser: ConsoleBrowser, page: str = "/ops/") -> str:
    """Where the provider sends the browser back to."""
    answer = browser._go("GET", f"/ops/sign-in/oidc?next={page}", follow=False)
    assert answer.status_code == 303
    sent = httpx.get(answer.headers["location"], follow_redirects=False)
    assert sent.headers["location"].startswith(f"{BACK}?")
    return str(sent.headers["location"]).removeprefix("https://server.test")


def sign_in(browser: ConsoleBrowser) -> int:
    return browser.get(go_there(browser)).status_code


@pytest.mark.parametrize("kid", ["rsa-1", "ec-1"])
def test_there_and_back(browser: ConsoleBrowser, provider: OpenIdProvider, kid: str) -> None:
    provider.kid = kid
    answer = browser.get(go_there(browser, "/ops/push"))
    assert answer.status_code == 200
    # Not redirected: on a way that another site began, a browser would not send the session's cookie.
    assert '<meta http-equiv="refresh" content="0; url=/ops/push">' in answer.text
    assert browser.get("/ops/push").url.path == "/ops/push"
    assert "proposer Casework" in browser.text()
    assert COOKIE not in browser.cookies
    with browser.office.services.database.reading() as session:
        event = session.scalars(select(Event).order_by(Event.id.desc())).first()
    assert event is not None
    assert (event.what, event.details) == ("console.signed-in", {"way": "oidc"})


def test_what_the_provider_is_asked(browser: ConsoleBrowser, provider: OpenIdProvider) -> None:
    answer = browser._go("GET", "/ops/sign-in/oidc", follow=False)
    address = urlsplit(answer.headers["location"])
    asked = {name: values[0] for name, values in parse_qs(address.query).items()}
    assert f"{address.scheme}://{address.netloc}" == provider.address
    assert {name: asked[name] for name in ("response_type", "client_id", "redirect_uri", "scope")} == {
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": BACK,
        "scope": "openid profile email",
    }
    assert asked["code_challenge_method"] == "S256"
    assert [len(asked[name]) for name in ("state", "nonce", "code_challenge")] == [43, 43, 43]
    cookie = next(each for each in answer.headers.get_list("set-cookie") if each.startswith(COOKIE))
    attributes = {each.strip().lower() for each in cookie.split(";")}
    assert {"httponly", "samesite=lax", "path=/ops/sign-in/oidc"} <= attributes


def test_what_may_be_done_is_the_network_files_to_say(browser: ConsoleBrowser, provider: OpenIdProvider) -> None:
    provider.person = {"preferred_username": "desk", "roles": ["admin", "approver"], "groups": ["ops"]}
    assert sign_in(browser) == 200
    assert browser.get("/ops/desk").status_code == 200
    assert browser.get("/ops/withdrawals").status_code == 403


def change(**values: Any) -> Spoil:
    def spoil(_header: dict[str, Any], claims: dict[str, Any]) -> None:
        claims.update(values)

    return spoil


def drop(name: str) -> Spoil:
    def spoil(_header: dict[str, Any], claims: dict[str, Any]) -> None:
        del claims[name]

    return spoil


def retitle(**values: Any) -> Spoil:
    def spoil(header: dict[str, Any], _claims: dict[str, Any]) -> None:
        header.update(values)

    return spoil


REFUSED: list[tuple[str, Spoil, str]] = [
    ("wrong nonce", change(nonce="another"), "nonce"),
    ("no nonce", drop("nonce"), "nonce"),
    ("wrong audience", change(aud="another"), "aud"),
    ("several audiences, for another", change(aud=[CLIENT_ID, "b"], azp="b"), "azp"),
    ("no audience", drop("aud"), "aud"),
    ("another issuer", change(iss="https://login.example.org"), "iss"),
    ("expired", change(exp=NOW - 61), "expired"),
    ("no end", drop("exp"), "exp"),
    ("not yet", change(nbf=NOW + 61), "not yet valid"),
    ("no subject", drop("sub"), "sub"),
    ("an unknown key", retitle(kid="rsa-9"), "expected an ID token signed by a key that the provider publishes"),
    ("no signature at all", retitle(alg="none"), "expected a signed ID token"),
    ("a symmetric algorithm", retitle(alg="HS256"), "expected a signed ID token"),
    ("another algorithm than the key's", retitle(alg="ES256"), "expected a signed ID token"),
    ("nobody is named", change(preferred_username=""), "expected the claim preferred_username"),
    ("a list is named", change(preferred_username=["desk"]), "expected the claim preferred_username"),
    ("somebody who does not work here", change(preferred_username="mallory"), "expected somebody who works here"),
    ("the name in another case", change(preferred_username="Proposer"), "expected somebody who works here"),
]


@pytest.mark.parametrize(("name", "spoil", "words"), REFUSED)
def test_a_token_that_does_not_open(
    browser: ConsoleBrowser, provider: OpenIdProvider, name: str, spoil: Spoil, words: str
) -> None:
    provider.spoil = spoil
    assert sign_in(browser) == 401
    assert words in browser.text()
    assert "mallory" not in browser.text()
    assert SESSION_COOKIE not in browser.cookies


def test_a_wrong_signature(browser: ConsoleBrowser, provider: OpenIdProvider) -> None:
    provider.keys["rsa-2"] = make_keys()["rsa-1"]
    provider.signed_by = "rsa-2"  # under the name of another
    assert sign_in(browser) == 401
    assert "expected a signed ID token, got one that is refused (BadSignatureError)" in browser.text()


def test_somebody_who_left(browser: ConsoleBrowser, provider: OpenIdProvider) -> None:
    with browser.office.services.change() as session:
        session.scalars(select(Staff).where(Staff.name == "proposer")).one().left_at = NOW
    assert sign_in(browser) == 401


@pytest.mark.parametrize(
    ("name", "case", "status"),
    [
        ("another state", "state", 401),
        ("another provider's name", "iss", 401),
        ("no code", "code", 401),
        ("the provider refused", "error", 401),
        ("begun at another browser", "cookie", 403),
        ("begun too long ago", "late", 403),
        ("brought twice", "twice", 403),
        ("a code that was used", "used", 401),
    ],
)
def test_a_way_back_that_does_not_open(
    browser: ConsoleBrowser, provider: OpenIdProvider, name: str, case: str, status: int
) -> None:
    back = go_there(browser)
    query = {name: values[0] for name, values in parse_qs(urlsplit(back).query).items()}
    if case == "cookie":
        browser.cookies.clear()
    elif case == "late":
        browser.office.clock.advance(LIFE)
    elif case == "twice":
        cookies = dict(browser.cookies)
        browser.get(back)
        browser.cookies = cookies
    elif case == "used":
        other = ConsoleBrowser(browser.office)
        used = parse_qs(urlsplit(go_there(other)).query)["code"][0]
        other.get(f"/ops/sign-in/oidc/back?{urlsplit(back).query}")
        query["code"] = used
        provider._codes.pop(used)
    elif case == "error":
        query = {"state": query["state"], "error": "access_denied"}
    elif case == "code":
        del query["code"]
    else:
        query[case] = "https://another.example.org"
    answer = browser.get(str(httpx.URL("/ops/sign-in/oidc/back", params=query)))
    assert answer.status_code == status
    assert "Not signed in" in browser.text()
    assert SESSION_COOKIE not in browser.cookies


def test_a_code_that_came_to_another_browser_is_worth_nothing(
    browser: ConsoleBrowser, provider: OpenIdProvider
) -> None:
    """The verifier stays with the browser that began (PKCE)."""
    code = parse_qs(urlsplit(go_there(browser)).query)["code"][0]
    thief = ConsoleBrowser(browser.office)
    state = parse_qs(urlsplit(go_there(thief)).query)["state"][0]
    assert thief.get(f"/ops/sign-in/oidc/back?code={code}&state={state}").status_code == 401
    assert "it answered with status 400" in thief.text()


def test_an_email_counts_when_the_provider_has_verified_it(office: Office, provider: OpenIdProvider) -> None:
    of_mail = Provider(client(provider, claim="email"))
    claims = {"email": "proposer@example.org"}
    for verified, named in ((True, True), (False, False), ("true", False), (None, False)):
        provider.person = {**claims, "email_verified": verified}
        token = provider.id_token(nonce="n")
        if named:
            assert of_mail.name_in(token, nonce="n", now=NOW) == "proposer@example.org"
        else:
            with pytest.raises(BadAnswer, match="expected an email that the provider has verified"):
                of_mail.name_in(token, nonce="n", now=NOW)


def test_a_new_key_of_the_provider_is_fetched_but_not_again_and_again(office: Office, provider: OpenIdProvider) -> None:
    known = office.services.provider
    assert known is not None
    assert known.name_in(provider.id_token(nonce="n"), nonce="n", now=NOW) == "proposer"
    provider.keys["rsa-2"] = make_keys()["rsa-1"]
    provider.published, provider.kid = {"rsa-2"}, "rsa-2"
    token = provider.id_token(nonce="n")
    with pytest.raises(BadAnswer, match="a key that the provider publishes"):
        known.name_in(token, nonce="n", now=NOW + KEYS_AGAIN - 1)
    assert provider.asked.count("/keys") == 1
    assert known.name_in(token, nonce="n", now=NOW + KEYS_AGAIN) == "proposer"
    assert provider.asked.count("/keys") == 2


def test_what_the_provider_publishes_is_kept_for_an_hour(office: Office, provider: OpenIdProvider) -> None:
    known = office.services.provider
    assert known is not None
    for seconds, asked in ((0, 1), (METADATA_LIFE - 1, 1), (METADATA_LIFE, 2)):
        known.begin(random_bytes=bytes, now=NOW + seconds)
        assert provider.asked.count("/.well-known/openid-configuration") == asked


def test_a_provider_that_is_not_there(browser: ConsoleBrowser, provider: OpenIdProvider) -> None:
    there = client(provider, issuer="http://127.0.0.1:9")
    browser.office.services = replace(browser.office.services, provider=Provider(there))
    assert browser.get("/ops/sign-in/oidc").status_code == 503
    assert "Your organisation's sign-in cannot be reached now." in browser.text()
    with pytest.raises(ProviderAway, match="the provider cannot be asked: ConnectError"):
        Provider(there).begin(random_bytes=bytes, now=NOW)


def test_a_provider_that_is_slow_holds_up_a_few_requests_and_no_more(office: Office, provider: OpenIdProvider) -> None:
    known, provider.gate = Provider(client(provider)), threading.Event()
    begun = known.begin(random_bytes=bytes, now=NOW)

    def finish() -> object:
        return known.finish(begun.held, {"state": begun.held["state"], "code": "x"}, now=NOW)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        waiting = [pool.submit(finish) for _ in range(AT_ONCE)]
        wait_for(lambda: provider.asked.count("/token") == AT_ONCE, "all of them wait")
        with pytest.raises(ProviderAway, match="8 wait for the provider already"):
            finish()
        provider.gate.set()
    assert {type(each.exception()) for each in waiting} == {BadAnswer}
    known.begin(random_bytes=bytes, now=NOW)


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("another name", {"issuer": "https://login.example.org"}, "expected the provider to call itself"),
        ("plain http", {"token_endpoint": "http://login.example.org/"}, "an https address as the provider's token_end"),
        ("no keys", {"jwks_uri": None}, "expected an https address as the provider's jwks_uri"),
    ],
)
def test_a_provider_that_is_not_believed(
    provider: OpenIdProvider, name: str, changes: dict[str, Any], words: str
) -> None:
    document = {**provider.discovery(), **changes}
    provider.discovery = lambda: document  # type: ignore[method-assign]
    with pytest.raises(BadAnswer, match=words):
        Provider(client(provider)).begin(random_bytes=bytes, now=NOW)


def test_a_wrong_client_secret(provider: OpenIdProvider) -> None:
    known = Provider(client(provider, secret="another"))
    begun = known.begin(random_bytes=bytes, now=NOW)
    with pytest.raises(BadAnswer, match="it answered with status 401"):
        known.finish(begun.held, {"state": begun.held["state"], "code": "x"}, now=NOW)


def test_keys_that_are_none(provider: OpenIdProvider) -> None:
    provider.published_keys = lambda: {"keys": "none"}  # type: ignore[method-assign]
    with pytest.raises(BadAnswer, match="expected a signed ID token"):
        Provider(client(provider)).name_in(provider.id_token(nonce="n"), nonce="n", now=NOW)


def test_a_public_key_is_no_secret_to_sign_with(provider: OpenIdProvider) -> None:
    """The old trick: HS256 with the published key as the secret."""
    header, claims = signed(KEYS["rsa-1"], {"alg": "HS256", "kid": "rsa-1"}, {"iss": provider.address}).split(".")[:2]
    secret = json.dumps(provider.published_keys()["keys"][1]).encode()
    forged = f"{header}.{claims}.{base64url(hmac.digest(secret, f'{header}.{claims}'.encode(), 'sha256'))}"
    with pytest.raises(BadAnswer, match="expected a signed ID token"):
        Provider(client(provider)).name_in(forged, nonce="n", now=NOW)


def test_without_a_provider_there_is_no_such_page(browser: ConsoleBrowser) -> None:
    browser.get("/ops/sign-in")
    assert "organisation" not in browser.text()
    assert browser.get("/ops/sign-in/oidc").status_code == 404
    assert browser.get("/ops/sign-in/oidc/back").status_code == 404
