"""The OpenAPI document against the application: whatever it allows to be sent, by whoever, is answered as it says."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.support.office import DAY, HEALTH, NOTICE, NOW, RIDE, Office, open_office
from tests.support.rule_sets import propose as propose_rules

from waypass_server.app import TAGS

CALLERS = ("admin", "proposer", "approver", "reviewer", "ops", "desk", "p-1", None)
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = 6
FITTING: dict[str, Any] = {
    "authority": HEALTH,
    "basis": 1,
    "case": {"reference": "H-1"},
    "effect": "red",
    "effects": ["red"],
    "ends_at": NOW + 2 * DAY,
    "exclusions_checked": ["minors"],
    "longest": 30 * DAY,
    "notice": NOTICE,
    "scopes": [RIDE],
    "valid_until": NOW + 2 * DAY,
}
"""What a body has to say to be about something that is there."""


@pytest.fixture(scope="module")
def busy_office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """A server with something of everything, so that small ids are records."""
    with closing(open_office(tmp_path_factory.mktemp("openapi"))) as office:
        person, other = office.person("p-1"), office.person("p-2")
        basis = office.basis()
        office.entry(other, basis)
        office.entry_in_effect(person, basis)
        office.do(person, "POST", "/me/entries/2/objection", text="No.")
        propose_rules(office)
        office.do("desk", "POST", "/paper-passes", person=person, scopes=[RIDE])
        until = NOW + 3 * DAY
        office.do("reviewer", "POST", "/exemptions", person=other, reason="a hearing", ends_at=until)
        fact = {"kind": "exposure", "source": "x", "reason": "y", "yellow": True, "valid_until": until}
        office.do("desk", "POST", "/facts", person=other, **fact)
        office.do("ops", "POST", "/withdrawals", person=person, reason="lost")
        office.do("admin", "POST", "/limits/changes", level="network", window="day", value=600)
        yield office


def aim(case: Any, number: int) -> None:
    """Point what was made up at records that are there."""
    parameters = case.path_parameters or {}
    for name in parameters:
        if name.endswith("_id") or name == "number":
            parameters[name] = number
    if isinstance(case.body, dict):
        fitting = {**FITTING, "person": f"p-{number}"}
        case.body.update({name: value for name, value in fitting.items() if name in case.body})
        for name in ("starts_at", "valid_from"):  # now, then
            case.body.pop(name, None)


@pytest.mark.parametrize("tag", [tag["name"] for tag in TAGS])
def test_every_answer_is_one_that_is_documented(busy_office: Office, tag: str) -> None:
    schema = schemathesis.openapi.from_dict(busy_office.send("GET", "/openapi.json").json())
    operations: list[Any] = [found.ok() for found in schema.include(tag=tag).get_all_operations()]  # type: ignore[union-attr]  # none is broken
    assert operations, tag
    for operation in operations:

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(), aimed=st.booleans(), number=st.integers(1, 2))
        def try_it(case: Any, aimed: bool, number: int) -> None:
            if aimed:
                aim(case, number)
            for caller in CALLERS:
                answer = send(busy_office, case, caller)
                case.validate_response(answer, checks=CHECKS)

        try_it()


def send(office: Office, case: Any, caller: str | None) -> Any:
    arguments = case.as_transport_kwargs(base_url="http://server.test", headers=office.headers(caller))
    known = {name: arguments[name] for name in ("params", "json", "headers") if name in arguments}
    if "data" in arguments:
        known["content"] = arguments["data"]
    return office.send(arguments["method"], arguments["url"], **known)


def test_what_is_known_already_is_documented_as_answered_200(busy_office: Office) -> None:
    document = busy_office.send("GET", "/openapi.json").json()
    for path in ("/people", "/evidence", "/me/evidence"):
        assert {"200", "201"} <= document["paths"][f"/api/v1{path}"]["post"]["responses"].keys()
    assert busy_office.call("desk", "POST", "/people", reference="p-1").status_code == 200


def test_refusals_are_documented_as_problem_details(busy_office: Office) -> None:
    document = busy_office.send("GET", "/openapi.json").json()
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for code in ("4XX", "5XX"):
                assert operation["responses"][code]["content"] == problem, (method, path, code)
