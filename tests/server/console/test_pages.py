"""Who may open and do what: each role against each page, and no page that this table does not know."""

import pytest
from fastapi import FastAPI
from starlette.routing import Mount
from tests.support.console import ConsoleBrowser
from tests.support.office import Office, open_office

# Every page and every form, with the roles that may; "anybody": no session needed.
TABLE: dict[tuple[str, str], str] = {
    ("GET", "/static/{name}"): "anybody",
    ("GET", "/sign-in"): "anybody",
    ("POST", "/sign-in"): "anybody",
    ("GET", "/language/{language}"): "anybody",
    ("POST", "/sign-out"): "admin proposer approver reviewer ops desk",
    ("GET", "/"): "admin proposer approver reviewer ops desk",
    ("GET", "/entries"): "proposer approver reviewer ops",
    ("GET", "/entries/new"): "proposer",
    ("POST", "/entries/new"): "proposer",
    ("GET", "/entries/{entry_id}"): "proposer approver reviewer ops",
    ("POST", "/entries/{entry_id}/approve"): "approver",
    ("POST", "/entries/{entry_id}/undo"): "proposer approver reviewer ops",
    ("POST", "/entries/{entry_id}/withdraw"): "proposer approver",
    ("POST", "/entries/{entry_id}/lift"): "reviewer",
    ("GET", "/bases"): "admin proposer approver reviewer ops desk",
    ("GET", "/bases/{basis_id}/{number}"): "admin proposer approver reviewer ops desk",
    ("POST", "/bases/{basis_id}/{number}/approve"): "admin approver",
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
    for name in ("entry_id", "basis_id", "number", "withdrawal_id", "objection_id"):
        path = path.replace(f"{{{name}}}", "77")
    return "/ops" + path.replace("{name}", "ops.css").replace("{language}", "en")


@pytest.mark.parametrize(("method", "path"), [each for each in TABLE if each not in STREAMS])
def test_who_may(browsers: dict[str, ConsoleBrowser], method: str, path: str) -> None:
    allowed = TABLE[method, path].split()
    for role, browser in browsers.items():
        if path == "/sign-out":
            continue  # it would end the session of the others' rows
        if method == "GET":
            answer = browser.get(filled(path))
        else:
            browser.get("/ops/")
            csrf = dict(browser.form("/ops/sign-out").fields)["csrf"]
            answer = browser.post(filled(path), [("csrf", csrf)], follow=False)
        if allowed == ["anybody"]:
            assert answer.status_code in (200, 403), (role, answer.status_code)
        elif role in allowed:
            assert answer.status_code in (200, 404, 422), (role, answer.status_code)
        else:
            assert answer.status_code == 403, (role, answer.status_code)
            assert "This is for others to do." in browser.text()


@pytest.mark.parametrize(("method", "path"), [each for each, who in TABLE.items() if who != "anybody"])
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
