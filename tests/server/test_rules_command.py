"""`waypass-server rules eval`: what goes in, what comes out, and the exit code."""

import json
import sys
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from waypass_server.commands.rules import app, evaluate
from waypass_server.errors import ConfigurationError

ADULT = {"not-before": [{"plusTime": [{"var": "clock"}, 0, "day"]}, {"plusTime": [{"var": "born"}, 18, "year"]}]}


def run(*lines: Any, arguments: tuple[str, ...] = ("--json",)) -> Result:
    given = b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
    return CliRunner().invoke(app, ["eval", *arguments], input=given)


def answers(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_results_in_the_order_of_the_questions() -> None:
    clock = "2027-01-15T08:00:00Z"
    result = run(
        {"logic": ADULT, "data": {"clock": clock, "born": "2009-01-15"}},
        {"logic": ADULT, "data": {"clock": clock, "born": "2009-01-16"}},
        {"logic": {"plusTime": [{"var": "clock"}, 1, "month"]}, "data": {"clock": clock}},
        {"logic": {"var": ""}},
    )
    assert (result.exit_code, result.stderr) == (0, "")
    assert [each["result"] for each in answers(result)] == [True, False, "2027-02-15T08:00:00.000Z", None]


def test_what_cannot_be_evaluated_is_named_and_the_others_are_answered() -> None:
    result = run({"logic": {"map": [1]}, "data": {}}, {"logic": 7, "data": {}}, {"logic": {"<": [1, "x"]}, "data": {}})
    assert result.exit_code == 1
    unknown, seven, wrong = answers(result)
    assert unknown["error"].startswith("unknown-operation: expected one of")
    assert seven == {"result": 7}
    assert wrong == {"error": "wrong-type: <: expected a whole number, got a text"}
    assert result.stderr.splitlines()[-1] == "line 3: wrong-type: <: expected a whole number, got a text"


@pytest.mark.parametrize(
    ("name", "line", "message"),
    [
        ("no JSON", b"{", "expected JSON"),
        ("no object", b"7", 'expected an object with "logic" and "data"'),
        ("no logic", b'{"data": 1}', 'expected an object with "logic" and "data"'),
        ("something else", b'{"logic": 1, "rules": 1}', "and nothing else"),
        ("nested too deeply", b'{"logic": ' + b"[" * 200_000, "nested too deeply"),
        ("too long", b" " * 4_000_001, "expected at most 4000000 bytes, got 400000"),
    ],
)
def test_a_line_that_is_no_question(name: str, line: bytes, message: str) -> None:
    result = run(line, {"logic": 1, "data": None})
    assert result.exit_code == 2
    bad, good = answers(result)
    assert bad["error"].startswith("bad-input: ")
    assert message in bad["error"]
    assert good == {"result": 1}


def test_a_table_for_people() -> None:
    result = run({"logic": {"!": [0]}}, {"logic": None}, arguments=())
    assert result.exit_code == 1
    assert "true" in result.stdout
    assert "not-an-expression" in result.stdout


def test_an_input_that_is_closed_is_bad_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(ConfigurationError, match="expected questions on standard input, which is closed"):
        evaluate(as_lines=True)
