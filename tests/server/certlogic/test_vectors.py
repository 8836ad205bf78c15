"""CertLogic held against the suite of its specification (the shared folder's README names its origin and licence)."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from waypass_server.certlogic import Expression, as_json

pytestmark = pytest.mark.shared

SKIPPED = {"ins-with-nulls": 4, "patched-reduce": 10}
"""What the suite itself leaves out, by file: a second operand of `in` that is null; what `reduce` sees of the data."""


def cases(suite: dict[str, Any]) -> Iterator[tuple[str, Any, dict[str, Any], bool]]:
    """Name, logic, assertion, and whether the suite leaves it out."""
    for case in suite["cases"]:
        for number, assertion in enumerate(case["assertions"]):
            left_out = "skip" in (suite.get("directive"), case.get("directive"), assertion.get("directive"))
            logic = assertion.get("certLogicExpression", case.get("certLogicExpression"))
            yield f"{suite['name']}: {case['name']}, {number}", logic, assertion, left_out


@pytest.fixture(scope="module")
def suites(shared_dir: Path) -> dict[str, list[tuple[str, Any, dict[str, Any], bool]]]:
    """By file."""
    files = sorted((shared_dir / "vectors" / "certlogic").glob("*.json"))
    return {file.stem: list(cases(json.loads(file.read_text(encoding="utf-8")))) for file in files}


def test_every_case_of_the_suite(suites: dict[str, list[tuple[str, Any, dict[str, Any], bool]]]) -> None:
    checked = 0
    for each in suites.values():
        for name, logic, assertion, left_out in each:
            if not left_out:
                value = as_json(Expression.of(logic).evaluate(assertion["data"]))
                # As JSON: 1 and true are different there.
                assert json.dumps(value) == json.dumps(assertion["expected"]), name
                checked += 1
    assert checked == 137


def test_what_the_suite_leaves_out(suites: dict[str, list[tuple[str, Any, dict[str, Any], bool]]]) -> None:
    left_out = {name: sum(one[3] for one in each) for name, each in suites.items()}
    assert {name: count for name, count in left_out.items() if count} == SKIPPED


def test_reduce_sees_the_data_as_the_cases_that_are_left_out_ask(
    suites: dict[str, list[tuple[str, Any, dict[str, Any], bool]]],
) -> None:
    for name, logic, assertion, _ in suites["patched-reduce"]:
        assert Expression.of(logic).evaluate(assertion["data"]) == assertion["expected"], name
