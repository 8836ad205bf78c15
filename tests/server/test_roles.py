"""Who may call what: each role against each endpoint for staff, and no endpoint that this table does not know."""

import re
from typing import Any

import pytest
from sqlalchemy import select
from tests.support.office import Office, open_office

from waypass_server.models.network import Staff

# Every endpoint of the API, with the roles that may call it. "all": no token needed; "holder": the wallet's token.
TABLE: dict[tuple[str, str], str] = {
    ("GET", "/network"): "all",
    ("GET", "/bases"): "all",
    ("POST", "/enrol"): "all",
    ("GET", "/me"): "holder",
    ("GET", "/me/notices"): "holder",
    ("GET", "/me/log"): "holder",
    ("POST", "/me/evidence"): "holder",
    ("POST", "/me/entries/{entry_id}/objection"): "holder",
    ("POST", "/me/challenge"): "holder",
    ("POST", "/me/passes"): "holder",
    ("POST", "/me/paper-pass"): "holder",
    ("POST", "/paper-passes"): "desk",
    ("POST", "/paper-passes/drawing"): "desk",
    ("POST", "/people"): "desk",
    ("POST", "/desk-codes"): "desk",
    ("POST", "/evidence"): "desk",
    ("POST", "/bases"): "admin proposer",
    ("POST", "/bases/{basis_id}/versions"): "admin proposer",
    ("POST", "/bases/{basis_id}/versions/{number}/approve"): "admin approver",
    ("POST", "/entries"): "proposer",
    ("GET", "/entries"): "proposer approver reviewer ops",
    ("GET", "/entries/{entry_id}"): "proposer approver reviewer ops",
    ("POST", "/entries/{entry_id}/approve"): "approver",
    ("POST", "/entries/{entry_id}/confirm"): "approver",
    ("POST", "/entries/{entry_id}/withdraw"): "proposer approver",
    ("POST", "/entries/{entry_id}/undo"): "proposer approver reviewer ops",
    ("POST", "/entries/{entry_id}/lift"): "reviewer",
    ("POST", "/entries/{entry_id}/reconfirm"): "proposer",
    ("POST", "/entries/{entry_id}/case"): "proposer approver reviewer",
    ("GET", "/batches"): "proposer approver reviewer ops",
    ("GET", "/batches/{batch_id}"): "proposer approver reviewer ops",
    ("GET", "/batches/{batch_id}/preview"): "proposer approver reviewer ops",
    ("GET", "/batches/{batch_id}/entries"): "proposer approver reviewer ops",
    ("POST", "/batches/{batch_id}/approve"): "approver",
    ("POST", "/batches/{batch_id}/confirm"): "approver",
    ("POST", "/batches/{batch_id}/take-out"): "proposer approver",
    ("POST", "/batches/{batch_id}/withdraw"): "proposer approver",
    ("POST", "/batches/{batch_id}/undo"): "proposer approver reviewer ops",
    ("GET", "/limits"): "all",
    ("GET", "/limits/changes"): "all",
    ("POST", "/limits/changes"): "admin approver reviewer",
    ("POST", "/limits/changes/{change_id}/agree"): "admin approver reviewer",
    ("POST", "/limits/changes/{change_id}/withdraw"): "admin approver reviewer",
    ("GET", "/alarms"): "all",
    ("GET", "/objections"): "reviewer",
    ("POST", "/objections/{objection_id}/decide"): "reviewer",
    ("POST", "/exemptions"): "reviewer",
    ("POST", "/exemptions/{exemption_id}/end"): "reviewer",
    ("POST", "/standing"): "reviewer ops",
    ("POST", "/facts"): "desk proposer",
    ("POST", "/facts/{fact_id}/withdraw"): "desk proposer reviewer",
    ("POST", "/facts/{fact_id}/reinstate"): "desk proposer reviewer",
    ("GET", "/rule-sets"): "all",
    ("POST", "/rule-sets"): "admin proposer",
    ("POST", "/rule-sets/{rule_set_id}/versions"): "admin proposer",
    ("GET", "/rule-sets/{rule_set_id}/versions/{number}"): "admin proposer approver reviewer ops",
    ("POST", "/rule-sets/{rule_set_id}/versions/{number}/shadow"): "admin proposer approver",
    ("POST", "/rule-sets/{rule_set_id}/versions/{number}/approve"): "admin approver",
    ("POST", "/rule-sets/{rule_set_id}/versions/{number}/end"): "admin proposer approver reviewer ops",
    ("GET", "/rule-proposals"): "proposer",
    ("POST", "/rule-proposals/{proposal_id}/propose"): "proposer",
    ("POST", "/rule-proposals/{proposal_id}/turn-down"): "proposer reviewer",
    ("GET", "/surveys"): "all",
    ("POST", "/me/surveys/{rule_set_id}"): "holder",
    ("POST", "/surveys/{rule_set_id}/answers"): "desk",
    ("POST", "/withdrawals"): "ops",
    ("POST", "/withdrawals/{withdrawal_id}/confirm"): "ops",
    ("GET", "/events"): "admin reviewer ops",
    ("GET", "/staff"): "admin",
    ("POST", "/staff/{staff_id}/enrolment"): "admin",
    ("POST", "/staff/{staff_id}/enrolment/confirm"): "admin",
    ("POST", "/tokens"): "all",
    ("GET", "/tokens"): "admin proposer approver reviewer ops desk",
    ("POST", "/tokens/{token_id}/revoke"): "admin proposer approver reviewer ops desk",
}
ROLES = ("admin", "proposer", "approver", "reviewer", "ops", "desk")


@pytest.fixture(scope="module")
def shared_office(tmp_path_factory: pytest.TempPathFactory) -> Office:
    """One server for the whole table: nothing in it changes anything."""
    office = open_office(tmp_path_factory.mktemp("roles"))
    office.person("p-1")
    return office


def filled(path: str) -> str:
    """With ids that no record has."""
    return re.sub(r"\{\w+\}", "77", path)


@pytest.mark.parametrize(("method", "path"), TABLE)
def test_who_may_call(shared_office: Office, method: str, path: str) -> None:
    allowed = TABLE[method, path]
    # An empty body is refused too, but only to those who may call at all.
    for caller in (*ROLES, "p-1", None):
        status = shared_office.call(caller, method, filled(path)).status_code
        if allowed == "all" or caller in allowed.split() or (caller == "p-1" and allowed == "holder"):
            # A wrong code is refused with 403 too; that it is looked at is what counts here.
            assert status not in ((401, 500) if path == "/enrol" else (401, 403, 500)), (caller, status)
        elif caller in ROLES and allowed != "holder":
            assert status == 403, (caller, status)
        else:
            assert status == 401, (caller, status)


def test_the_table_has_every_endpoint(shared_office: Office) -> None:
    document = shared_office.send("GET", "/openapi.json").json()
    found = {
        (method.upper(), path.removeprefix("/api/v1"))
        for path, operations in document["paths"].items()
        for method in operations
        if path.startswith("/api/v1")
    }
    assert found == TABLE.keys()


def test_somebody_who_left_may_nothing(office: Office) -> None:
    with office.services.change() as session:
        session.scalars(select(Staff).where(Staff.name == "desk")).one().left_at = office.services.now()
    answer = office.call("desk", "POST", "/people", reference="p-1")
    assert (answer.status_code, answer.json()["detail"]) == (401, "expected a staff token that is known, got another")


def test_the_document_describes_every_call(shared_office: Office) -> None:
    document: dict[str, Any] = shared_office.send("GET", "/openapi.json").json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], (method, path)
            assert operation["tags"], (method, path)
            assert "4XX" in operation["responses"], (method, path)
            if path.startswith("/api/v1"):
                success = next(answer for code, answer in operation["responses"].items() if code.startswith("2"))
                assert "schema" in success["content"]["application/json"], (method, path)
