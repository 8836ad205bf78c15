"""Signing in, the session behind it, its end, and forms that are not from this session."""

import re

import pytest
from sqlalchemy import func, select
from tests.support.console import ConsoleBrowser
from tests.support.office import NETWORK, NOW, Office, make_services

from waypass_server import network_file
from waypass_server.app import create_app
from waypass_server.console import sessions
from waypass_server.console.access import FORM_COOKIE, SESSION_COOKIE
from waypass_server.console.headers import HEADERS
from waypass_server.console.rendering import LANGUAGE_COOKIE
from waypass_server.console.sessions import IDLE, LONGEST
from waypass_server.models.console import ConsoleSession
from waypass_server.models.network import Staff
from waypass_server.models.records import Event
from waypass_server.models.sign_in import FailedSignIn
from waypass_server.signin.attempts import FREE_OF_SOURCE, SOURCE_WINDOW
from waypass_server.tokens import hash_secret


def rows(office: Office, model: type[ConsoleSession | FailedSignIn]) -> int:
    with office.services.database.reading() as session:
        return session.scalar(select(func.count()).select_from(model)) or 0


def test_a_token_opens_the_console_and_the_header_says_who_it_is(browser: ConsoleBrowser) -> None:
    assert browser.get("/ops/push").status_code == 200
    assert browser.address == "/ops/sign-in?next=%2Fops%2Fpush"
    browser.fill("/ops/sign-in", token=browser.office.tokens["proposer"])
    assert browser.address == "/ops/push", "back to where it was meant to go"
    header = browser.text().partition("Are the gates current?")[0]
    assert "proposer Casework · Health office proposes entries" in header


def test_the_database_has_no_secret_and_the_log_says_who_signed_in(browser: ConsoleBrowser) -> None:
    browser.sign_in("desk")
    with browser.office.services.database.reading() as session:
        held = session.scalars(select(ConsoleSession)).one()
        event = session.scalars(select(Event).order_by(Event.id.desc())).first()
    assert held.secret_hash == hash_secret(browser.cookies[SESSION_COOKIE])
    assert event is not None
    assert (event.what, event.staff_id, event.subject_id) == ("console.signed-in", held.staff_id, held.staff_id)


@pytest.mark.parametrize(("scheme", "secure"), [("http", False), ("https", True)])
def test_the_cookie_is_for_this_console_alone(office: Office, scheme: str, secure: bool) -> None:
    page = office.send("GET", f"{scheme}://server.test/ops/sign-in")
    form = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert form
    cookie = page.headers["set-cookie"]
    answer = office.send(
        "POST",
        f"{scheme}://server.test/ops/sign-in",
        data={"csrf": form[1], "token": office.tokens["desk"]},
        headers={"cookie": cookie.partition(";")[0]},
    )
    assert answer.status_code == 303
    for header in (cookie, answer.headers.get_list("set-cookie")[0]):
        attributes = {part.strip().lower() for part in header.split(";")[1:]}
        assert {"httponly", "samesite=strict", "path=/ops/"} <= attributes
        assert ("secure" in attributes) is secure


def test_signing_in_again_replaces_the_session(browser: ConsoleBrowser) -> None:
    browser.sign_in("proposer")
    before = dict(browser.cookies)
    browser.get("/ops/sign-in")
    assert "proposer is signed in at this browser" in browser.text()
    browser.sign_in("approver")
    assert rows(browser.office, ConsoleSession) == 1
    browser.get("/ops/")
    assert "approver Approvals" in browser.text()
    earlier = ConsoleBrowser(browser.office, cookies=before)
    assert earlier.get("/ops/").url.path == "/ops/sign-in"


def test_signing_out_ends_the_session_for_whoever_has_its_cookie(browser: ConsoleBrowser) -> None:
    browser.sign_in("desk")
    copied = ConsoleBrowser(browser.office, cookies=dict(browser.cookies))
    browser.fill("/ops/sign-out")
    assert "You are signed out." in browser.text()
    assert SESSION_COOKIE not in browser.cookies
    assert copied.get("/ops/").url.path == "/ops/sign-in"


@pytest.mark.parametrize(
    ("name", "steps", "alive"),
    [
        ("a moment later", [1], True),
        ("just before half an hour without a request", [IDLE - 1], True),
        ("half an hour without a request", [IDLE], False),
        ("a request each quarter of an hour", [900] * 20, True),
        ("eight hours, with requests all the time", [900] * (LONGEST // 900), False),
    ],
)
def test_how_long_a_session_lasts(browser: ConsoleBrowser, name: str, steps: list[int], alive: bool) -> None:
    browser.sign_in("desk")
    for seconds in steps:
        browser.office.clock.advance(seconds)
        browser.get("/ops/")
    assert (browser.address == "/ops/") is alive
    if not alive:
        assert "Your session has ended" in browser.text()
        assert "note good" not in browser.page.text


def test_watching_does_not_keep_a_session_alive(browser: ConsoleBrowser) -> None:
    browser.sign_in("desk")
    secret = browser.cookies[SESSION_COOKIE]
    services = browser.office.services
    for _ in range(IDLE // 300 - 1):
        browser.office.clock.advance(300)
        assert sessions.find(services, secret, seen=False) is not None
    browser.office.clock.advance(300)
    assert sessions.find(services, secret, seen=False) is None


def test_a_session_outlives_a_restart(browser: ConsoleBrowser) -> None:
    browser.sign_in("desk")
    office = browser.office
    services = make_services(office.folder, clock=office.clock)
    office.own_app = create_app(services)
    assert browser.get("/ops/").url.path == "/ops/"
    services.database.close()


@pytest.mark.parametrize("case", ["left", "a new token", "other roles"])
def test_what_becomes_of_a_session_when_its_person_changes(browser: ConsoleBrowser, case: str) -> None:
    browser.sign_in("desk")
    services = browser.office.services
    with services.change() as session:
        member = session.scalars(select(Staff).where(Staff.name == "desk")).one()
        if case == "left":
            member.left_at = NOW
        elif case == "a new token":
            network_file.new_token(session, NETWORK.name, "desk", random_bytes=services.random_bytes, now=NOW)
        else:
            member.roles = ["ops"]
    answer = browser.get("/ops/desk")
    assert answer.status_code == (403 if case == "other roles" else 200)
    assert answer.url.path == ("/ops/desk" if case == "other roles" else "/ops/sign-in")


def test_an_ended_session_is_forgotten(browser: ConsoleBrowser) -> None:
    browser.sign_in("desk")
    browser.office.later(LONGEST - 1)
    assert rows(browser.office, ConsoleSession) == 1
    browser.office.later(1)
    assert rows(browser.office, ConsoleSession) == 0


# Wrong tokens


@pytest.mark.parametrize("token", ["", "wps_nothing", "a wallet's", "somebody who left"])
def test_a_token_that_does_not_open(browser: ConsoleBrowser, token: str) -> None:
    office = browser.office
    if token == "a wallet's":
        token = office.wallets[office.person()]
    elif token == "somebody who left":
        token = office.tokens["ops"]
        with office.services.change() as session:
            session.scalars(select(Staff).where(Staff.name == "ops")).one().left_at = NOW
    browser.get("/ops/sign-in")
    answer = browser.fill("/ops/sign-in", token=token)
    assert answer.status_code == 401
    assert "This token is not known here." in browser.text()
    assert not token or token not in answer.text
    assert SESSION_COOKIE not in browser.cookies


def test_wrong_tokens_are_limited_for_an_address_over_a_sliding_window(browser: ConsoleBrowser) -> None:
    browser.get("/ops/sign-in")
    for _ in range(FREE_OF_SOURCE):
        assert browser.fill("/ops/sign-in", token="wrong").status_code == 401
    assert browser.fill("/ops/sign-in", token=browser.office.tokens["desk"]).status_code == 429
    assert "Too many wrong attempts. Wait 30 s, then try again." in browser.text()
    assert rows(browser.office, FailedSignIn) == FREE_OF_SOURCE
    browser.office.later(SOURCE_WINDOW)
    assert rows(browser.office, FailedSignIn) == 0
    browser.sign_in("desk")
    assert browser.address == "/ops/"


def test_the_table_of_failures_is_no_list_of_addresses(browser: ConsoleBrowser) -> None:
    browser.get("/ops/sign-in")
    browser.fill("/ops/sign-in", token="wrong")
    with browser.office.services.database.reading() as session:
        failed = session.scalars(select(FailedSignIn)).one()
    assert re.fullmatch("[0-9a-f]{32}", failed.source)


# Forms of others


@pytest.mark.parametrize("csrf", ["", "forged", "another session's", "not ASCII é"])
def test_a_form_without_the_sessions_token_does_nothing(browser: ConsoleBrowser, csrf: str) -> None:
    office = browser.office
    entry = office.entry(office.person(), office.basis())
    if csrf == "another session's":
        other = ConsoleBrowser(office)
        other.sign_in("approver")
        other.get(f"/ops/entries/{entry}")
        csrf = dict(other.form(f"/ops/entries/{entry}/approve").fields)["csrf"]
    browser.sign_in("approver")
    answer = browser.post(f"/ops/entries/{entry}/approve", [("csrf", csrf)])
    assert answer.status_code == 403
    assert "This form is no longer valid." in browser.text()
    assert office.entry_state(entry) == ("proposed", None)


def test_the_sign_in_form_needs_its_own_cookie(browser: ConsoleBrowser) -> None:
    browser.get("/ops/sign-in")
    del browser.cookies[FORM_COOKIE]
    answer = browser.fill("/ops/sign-in", token=browser.office.tokens["desk"])
    assert answer.status_code == 403
    assert SESSION_COOKIE not in browser.cookies


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x", "text/plain"])
def test_only_forms_are_read(browser: ConsoleBrowser, kind: str) -> None:
    browser.sign_in("approver")
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    answer = browser.office.send(
        "POST", "/ops/sign-out", headers={"cookie": cookie, "content-type": kind}, content=b"csrf=x"
    )
    assert answer.status_code == 422
    assert "expected application/x-www-form-urlencoded" in answer.text


@pytest.mark.parametrize(
    ("wanted", "place"),
    [
        ("/ops/entries?state=ended", "/ops/entries?state=ended"),
        ("https://elsewhere.test/ops/", "/ops/"),
        ("//elsewhere.test/ops/", "/ops/"),
        ("/ops//elsewhere.test", "/ops/"),
        ("/ops/\\elsewhere", "/ops/"),
        ("/api/v1/me", "/ops/"),
        ("/ops/\nx", "/ops/"),
    ],
)
def test_where_a_sign_in_leads(browser: ConsoleBrowser, wanted: str, place: str) -> None:
    browser.get("/ops/sign-in")
    fields = [each for each in browser.form("/ops/sign-in").fields if each[0] == "csrf"]
    answer = browser.post(
        "/ops/sign-in",
        [*fields, ("next", wanted), ("token", browser.office.tokens["everything"])],
        follow=False,
    )
    assert (answer.status_code, answer.headers["location"]) == (303, place)


# What every answer has


@pytest.mark.parametrize(
    "address", ["/ops/sign-in", "/ops/", "/ops/entries/77", "/ops/nothing", "/ops/static/ops.js", "/ops/push/events"]
)
def test_every_answer_has_the_strict_headers(office: Office, address: str) -> None:
    answer = office.send("GET", address, headers={"accept": "text/event-stream" if "events" in address else "*/*"})
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert answer.headers["cache-control"] == ("no-cache" if "static" in address else "no-store")


def test_nothing_in_the_pages_is_inline_or_from_elsewhere(browser: ConsoleBrowser) -> None:
    browser.sign_in("everything")
    for address in ("/ops/", "/ops/push", "/ops/stations", "/ops/desk", "/ops/withdrawals/new"):
        page = browser.get(address).text
        assert re.findall(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=", page) == []
        assert [url for url in re.findall(r'(?:src|href|action)="([^"#]*)"', page) if not url.startswith("/ops/")] == []


def test_a_static_file_is_not_sent_twice(office: Office) -> None:
    first = office.send("GET", "/ops/static/ops.css")
    again = office.send("GET", "/ops/static/ops.css", headers={"if-none-match": first.headers["etag"]})
    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")
    assert office.send("GET", "/ops/static/..%2Fapp.py").status_code == 404


# Languages


@pytest.mark.parametrize(
    ("accepted", "words"), [("zh-CN,en;q=0.5", "登录"), ("fr, en", "Sign in"), ("fr, zh-Hant", "登录"), ("", "Sign in")]
)
def test_the_browsers_language(browser: ConsoleBrowser, accepted: str, words: str) -> None:
    browser.get("/ops/sign-in", **{"accept-language": accepted})
    assert f"<h1>{words}</h1>" in browser.page.text


def test_the_language_that_was_chosen_stays(browser: ConsoleBrowser) -> None:
    browser.get("/ops/language/zh?back=/ops/sign-in")
    assert (browser.address, browser.cookies[LANGUAGE_COOKIE]) == ("/ops/sign-in", "zh")
    assert '<html lang="zh">' in browser.page.text
    browser.get("/ops/language/xx?back=https://elsewhere.test/")
    assert browser.cookies[LANGUAGE_COOKIE] == "zh"


def test_a_body_that_is_too_large_is_refused(browser: ConsoleBrowser) -> None:
    browser.sign_in("approver")
    answer = browser.post("/ops/sign-out", [("csrf", "x" * (300 << 10))])
    assert answer.status_code == 413
    assert "<html" in answer.text
