"""`waypass-server evidence check`: what goes in, what comes out, and the exit code."""

import base64
import json
import sys
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.server.evidence.forge import NOW, TEST_ENTRY, claims, good_signer, text
from typer.testing import CliRunner, Result

from waypass_server.commands.evidence import app, check
from waypass_server.errors import ConfigurationError


def question(certificate: str, **changes: object) -> str:
    fields = {"text": certificate, "signers": [base64.b64encode(good_signer()).decode()], "at": NOW}
    return json.dumps({**fields, **changes})


def run(*lines: str | bytes, arguments: tuple[str, ...] = ("--json",)) -> Result:
    given = b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines)
    return CliRunner().invoke(app, ["check", *arguments], input=given)


def answers(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


GOOD = question(text(claims()))
EXPIRED = question(text(claims({4: NOW - 1})))


def test_a_good_certificate() -> None:
    result = run(GOOD)
    assert result.exit_code == 0
    assert result.stderr == ""
    (answer,) = answers(result)
    assert answer == {"verified": True, "reason": None, "claims": json.loads(json.dumps(claims()))}


def test_nothing_to_check() -> None:
    result = run()
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


def test_an_input_that_is_closed_is_bad_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(ConfigurationError, match="expected certificates on standard input, which is closed"):
        check(as_json=True)


def test_one_that_does_not_hold_decides_the_exit_code() -> None:
    result = run(GOOD, EXPIRED, GOOD)
    assert result.exit_code == 1
    assert [answer["reason"] for answer in answers(result)] == [None, "expired", None]
    assert result.stderr == f"line 2: expired: in force until {NOW - 1}, asked about {NOW}\n"


def test_claims_are_given_once_the_signature_is_good() -> None:
    unsigned = question(text(claims()), signers=[])
    expired, unknown = answers(run(EXPIRED, unsigned))
    assert expired["claims"]["4"] == NOW - 1
    assert unknown == {"verified": False, "reason": "unknown-signer", "claims": None}


BAD_LINES: list[tuple[str, str | bytes, str]] = [
    ("empty", "", "Invalid JSON"),
    ("cut off", GOOD[:-1], "Invalid JSON"),
    ("not UTF-8", b'{"text": "\xff"}', "Invalid JSON"),
    ("no object", "[]", "Input should be an object"),
    ("no text", json.dumps({"signers": [], "at": NOW}), "text: Field required"),
    ("no signers", json.dumps({"text": "HC1:", "at": NOW}), "signers: Field required"),
    ("text no text", question("HC1:", text=7), "text: Input should be a valid string"),
    ("signers no list", question("HC1:", signers="AA=="), "signers: Input should be a valid array"),
    (
        "signer no base64",
        question("HC1:", signers=["AA==", "?"]),
        "signers.1: Value error, Only base64 data is allowed",
    ),
    ("time as text", question("HC1:", at="now"), "at.int: Input should be a valid integer"),
    ("time true", question("HC1:", at=True), "at.int: Input should be a valid integer"),
    ("time infinite", question("HC1:").replace(str(NOW), "Infinity"), "at.float: Input should be a finite number"),
    ("a key that does not exist", question("HC1:", name="x"), "name: Extra inputs are not permitted"),
]


@pytest.mark.parametrize(("name", "line", "words"), BAD_LINES, ids=[row[0] for row in BAD_LINES])
def test_a_bad_line_is_named_and_the_others_are_answered(name: str, line: str | bytes, words: str) -> None:
    result = run(GOOD, line, EXPIRED)
    assert result.exit_code == 2
    assert [answer["reason"] for answer in answers(result)] == [None, "bad-input", "expired"]
    assert result.stderr.startswith("line 2: bad-input: ")
    assert words in result.stderr


def test_messages_do_not_repeat_the_input() -> None:
    result = run(question(text(claims()), at="Wandel"), GOOD[:-1])
    assert "Wandel" not in result.stderr
    assert "HC1" not in result.stderr


def test_a_fraction_of_a_second_is_dropped() -> None:
    expiring = text(claims({4: NOW}))
    assert run(question(expiring, at=NOW + 0.5)).exit_code == 0
    assert run(question(expiring, at=NOW + 1.5)).exit_code == 1


def test_claims_that_json_has_no_word_for() -> None:
    entry = {
        **TEST_ENTRY,
        "sc": datetime(2027, 1, 15, 2, tzinfo=UTC),
        "x": [b"\x01\xff", float("nan"), float("-inf"), 0.5],
    }
    result = run(question(text(claims(t=[entry]))))
    (answer,) = answers(result)
    (printed,) = answer["claims"]["-260"]["1"]["t"]
    assert printed["sc"] == "2027-01-15T02:00:00Z"
    assert printed["x"] == ["01ff", "nan", "-inf", 0.5]
    assert "NaN" not in result.stdout


def test_the_table_shows_what_counts_and_nobody() -> None:
    result = run(question(text(claims({1: "[bold]XW"}))), EXPIRED, "{", arguments=())
    assert result.exit_code == 2
    for words in ("test", "[bold]XW", "2027-01-15 07:00", "expired", "bad-input"):
        assert words in result.stdout
    assert "Wandel" not in result.stdout


def test_help_names_the_input() -> None:
    result = CliRunner().invoke(app, ["check", "--help"])
    assert result.exit_code == 0
    for words in ('"text"', '"signers"', '"at"'):
        assert words in result.stdout
