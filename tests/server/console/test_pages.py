"""Who may open and do what: each role against each page, and no page that this table does not know."""

import re

import pytest
from fastapi import FastAPI
from starlette.routing import Mount
from tests.support.console import ConsoleBrowser
from tests.support.office import Office, open_office

# Every page and every form, with the roles that may. "anybody": no session needed; "nobody here": only with a provider;
# "fresh": not with the staff token that this table's people come with, see `test_me` and `signin`.
TABLE: dict[tuple[str, str], str] = {
    ("GET", "/static/{name}"): "anybody",
    ("GET", "/sign-in"): "anybody",
    ("POST", "/sign-in"): "anybody",
    ("POST", "/sign-in/password"): "anybody",
    ("POST", "/sign-in/passkey"): "anybody",
    ("POST", "/sign-in/passkey/options"): "anybody",
    ("GET", "/sign-in/oidc"): "nobody here",
    ("GET", "/sign-in/oidc/back"): "nobody here",
    ("GET", "/enrol"): "anybody",
    ("POST", "/enrol"): "anybody",
    ("GET", "/language/{language}"): "anybody",
    ("POST", "/sign-out"): "admin proposer approver reviewer ops desk",
    ("GET", "/staff"): "admin",
    ("POST", "/staff/{staff_id}/ask"): "admin",
    ("POST", "/staff/{staff_id}/confirm"): "admin",
    ("GET", "/me"): "admin proposer approver reviewer ops desk",
    ("POST", "/me/done"): "admin proposer approver reviewer ops desk",
    ("POST", "/me/sessions/end"): "admin proposer approver reviewer ops desk",
    ("POST", "/me/tokens/{token_id}/revoke"): "admin proposer approver reviewer ops desk",
    ("POST", "/me/password"): "fresh",
    ("POST", "/me/authenticator/new"): "fresh",
    ("GET", "/me/authenticator"): "fresh",
    ("POST", "/me/authenticator"): "fresh",
    ("POST", "/me/recovery-codes"): "fresh",
    ("POST", "/me/passkeys"): "fresh",
    ("POST", "/me/passkeys/options"): "fresh",
    ("POST", "/me/passkeys/{passkey_id}/remove"): "fresh",
    ("POST", "/me/tokens"): "fresh",
    ("GET", "/"): "admin proposer approver reviewer ops desk",
    ("GET", "/entries"): "proposer approver reviewer ops",
    ("GET", "/entries/new"): "proposer",
    ("POST", "/entries/new"): "proposer",
    ("GET", "/entries/{entry_id}"): "proposer approver reviewer ops",
    ("POST", "/entries/{entry_id}/approve"): "approver",
    ("POST", "/entries/{entry_id}/confirm"): "approver",
    ("POST", "/entries/{entry_id}/reconfirm"): "proposer",
    ("POST", "/entries/{entry_id}/case"): "proposer approver reviewer",
    ("POST", "/entries/{entry_id}/undo"): "proposer approver reviewer ops",
    ("POST", "/entries/{entry_id}/withdraw"): "proposer approver",
    ("POST", "/entries/{entry_id}/lift"): "reviewer",
    ("GET", "/batches"): "proposer approver reviewer ops",
    ("GET", "/batches/{batch_id}"): "proposer approver reviewer ops",
    ("POST", "/batches/{batch_id}/approve"): "approver",
    ("POST", "/batches/{batch_id}/confirm"): "approver",
    ("POST", "/batches/{batch_id}/take-out"): "proposer approver",
    ("POST", "/batches/{batch_id}/withdraw"): "proposer approver",
    ("POST", "/batches/{batch_id}/undo"): "proposer approver reviewer ops",
    ("GET", "/import"): "proposer desk",
    ("POST", "/import"): "proposer desk",
    ("GET", "/import/{file_id}"): "proposer desk",
    ("POST", "/import/{file_id}"): "proposer desk",
    ("GET", "/bases"): "admin proposer approver reviewer ops desk",
    ("GET", "/bases/new"): "admin proposer",
    ("POST", "/bases/new"): "admin proposer",
    ("GET", "/bases/{basis_id}/change"): "admin proposer",
    ("POST", "/bases/{basis_id}/change"): "admin proposer",
    ("GET", "/bases/{basis_id}/{number}"): "admin proposer approver reviewer ops desk",
    ("POST", "/bases/{basis_id}/{number}/approve"): "admin approver",
    ("GET", "/rules"): "admin proposer approver reviewer ops desk",
    ("GET", "/rules/new"): "admin proposer",
    ("POST", "/rules/new"): "admin proposer",
    ("GET", "/rules/{rule_set_id}/change"): "admin proposer",
    ("POST", "/rules/{rule_set_id}/change"): "admin proposer",
    ("GET", "/rules/{rule_set_id}/{number}"): "admin proposer approver reviewer ops desk",
    ("POST", "/rules/{rule_set_id}/{number}/shadow"): "admin proposer approver",
    ("POST", "/rules/{rule_set_id}/{number}/approve"): "admin approver",
    ("POST", "/rules/{rule_set_id}/{number}/end"): "admin proposer approver reviewer ops",
    ("GET", "/proposals"): "proposer reviewer",
    ("GET", "/proposals/{proposal_id}"): "proposer reviewer",
    ("GET", "/proposals/{proposal_id}/entry"): "proposer",
    ("POST", "/proposals/{proposal_id}"): "proposer",
    ("POST", "/proposals/{proposal_id}/turn-down"): "proposer reviewer",
    ("GET", "/exemptions"): "reviewer",
    ("GET", "/exemptions/new"): "reviewer",
    ("POST", "/exemptions/form"): "reviewer",
    ("POST", "/exemptions/new"): "reviewer",
    ("POST", "/exemptions/{exemption_id}/end"): "reviewer",
    ("GET", "/search"): "reviewer ops",
    ("POST", "/search"): "reviewer ops",
    ("GET", "/log"): "admin reviewer ops",
    ("GET", "/limits"): "admin proposer approver reviewer ops desk",
    ("POST", "/limits"): "admin approver reviewer",
    ("POST", "/limits/{change_id}/agree"): "admin approver reviewer",
    ("POST", "/limits/{change_id}/withdraw"): "admin approver reviewer",
    ("GET", "/withdrawals"): "ops",
    ("GET", "/withdrawals/new"): "ops",
    ("POST", "/withdrawals/check"): "ops",
    ("POST", "/withdrawals/new"): "ops",
    ("GET", "/withdrawals/{withdrawal_id}"): "ops",
    ("POST", "/withdrawals/{withdrawal_id}/confirm"): "ops",
    ("GET", "/objections/{objection_id}"): "reviewer",
    ("POST", "/objections/{objection_id}"): "reviewer",
    ("GET", "/push"): "admin proposer approver reviewer ops desk",
    ("GET", "/push/events"): "admin proposer approver reviewer ops desk",
    ("GET", "/stations"): "admin proposer approver reviewer ops desk",
    ("GET", "/stations/events"): "admin proposer approver reviewer ops desk",
    ("GET", "/desk"): "desk",
    ("POST", "/desk/code"): "desk",
    ("POST", "/desk/paper"): "desk",
    ("POST", "/desk/paper/file"): "desk",
}
ROLES = ("admin", "proposer", "approver", "reviewer", "ops", "desk")
OPEN = ("anybody", "nobody here")
STREAMS = {("GET", "/push/events"), ("GET", "/stations/events")}


@pytest.fixture(scope="module")
def shared_office(tmp_path_factory: pytest.TempPathFactory) -> Office:
    """One server for the whole table: nothing in it changes anything."""
    return open_office(tmp_path_factory.mktemp("pages"))


@pytest.fixture(scope="module")
def browsers(shared_office: Office) -> dict[str, ConsoleBrowser]:
    """One browser for each role."""
    found = {role: ConsoleBrowser(shared_office) for role in ROLES}
    for role, browser in found.items():
        browser.sign_in(role)
    return found


def filled(path: str) -> str:
    """With ids that no record has."""
    path = path.replace("{name}", "ops.css").replace("{language}", "en")
    return "/ops" + re.sub(r"\{\w+\}", "77", path)


@pytest.mark.parametrize(("method", "path"), [each for each in TABLE if each not in STREAMS])
def test_who_may(browsers: dict[str, ConsoleBrowser], method: str, path: str) -> None:
    allowed = TABLE[method, path].split()
    for role, browser in browsers.items():
        if path in ("/sign-out", "/me/done", "/me/sessions/end"):
            continue  # it would end the session of the others' rows
        if method == "GET":
            answer = browser.get(filled(path))
        else:
            browser.get("/ops/")
            csrf = dict(browser.form("/ops/sign-out").fields)["csrf"]
            answer = browser.post(filled(path), [("csrf", csrf)], follow=False)
        if allowed == ["anybody"]:
            assert answer.status_code in (200, 403), (role, answer.status_code)
        elif TABLE[method, path] == "nobody here":
            assert answer.status_code == 404, (role, answer.status_code)
        elif allowed == ["fresh"]:
            assert answer.status_code == 403, (role, answer.status_code)
            assert "Sign in again first." in browser.text()
        elif role in allowed:
            assert answer.status_code in (200, 404, 422), (role, answer.status_code)
        else:
            assert answer.status_code == 403, (role, answer.status_code)
            assert "This is for others to do." in browser.text()


@pytest.mark.parametrize(("method", "path"), [each for each, who in TABLE.items() if who not in OPEN])
def test_nobody_gets_in_without_a_session(shared_office: Office, method: str, path: str) -> None:
    kind = {"content-type": "application/x-www-form-urlencoded"} if method == "POST" else {}
    answer = shared_office.send(method, filled(path), headers=kind)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/ops/sign-in?next=")


@pytest.mark.parametrize(("method", "path"), sorted(STREAMS))
def test_a_stream_for_nobody_is_refused_and_not_led_elsewhere(shared_office: Office, method: str, path: str) -> None:
    answer = shared_office.send(method, filled(path), headers={"accept": "text/event-stream"})
    assert (answer.status_code, answer.content) == (401, b"")


def test_the_table_has_every_page(shared_office: Office) -> None:
    console = next(route.app for route in shared_office.app.routes if isinstance(route, Mount) and route.path == "/ops")
    assert isinstance(console, FastAPI)
    console.openapi_url = "/openapi.json"
    document = console.openapi()
    found = {
        (method.upper(), path)
        for path, operations in document["paths"].items()
        for method in operations
        if method != "head"
    }
    console.openapi_url = None
    assert found == TABLE.keys()


def test_the_api_says_nothing_of_the_console(shared_office: Office) -> None:
    document = shared_office.send("GET", "/openapi.json").json()
    assert [path for path in document["paths"] if path.startswith("/ops")] == []
    assert shared_office.send("GET", "/ops/openapi.json").status_code == 404


@pytest.mark.parametrize("address", ["/ops/entries/x", "/ops/entries/0", "/ops/bases/1/x", "/ops/entries?state=lost"])
def test_an_address_that_names_nothing(browsers: dict[str, ConsoleBrowser], address: str) -> None:
    assert browsers["approver"].get(address).status_code == 404


@pytest.mark.parametrize("address", ["/ops/nothing", "/ops/bases/first/1"])
def test_an_address_without_a_page_keeps_who_is_signed_in(browser: ConsoleBrowser, address: str) -> None:
    browser.sign_in("desk")
    browser.get(address)
    assert browser.page.status_code == 404
    assert "There is no such page." in browser.text()
    assert [form.action for form in browser.forms()] == ["/ops/sign-out"]


def test_an_address_without_a_page_leads_others_to_the_sign_in(browser: ConsoleBrowser) -> None:
    browser.get("/ops/nothing")
    assert "To the sign-in" in browser.text()
