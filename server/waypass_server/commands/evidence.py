"""`waypass-server evidence`: health certificates from outside, checked one a line.

Standard input has one JSON object a line: `{"text": "HC1:...", "signers": [base64 of DER, ...], "at": UNIX
seconds}`. Each line is judged by itself, and line n of the answers belongs to line n of the questions:

- a certificate that holds: `verified` true, `reason` null
- one that does not: `verified` false and the reason's code; the message goes to standard error
- a line that is not such an object: `verified` false and `bad-input`; the other lines are answered all the
  same

`claims` is the decoded CWT once a signer's signature was found good, otherwise null: what nobody signed is
not repeated. It holds a person's name and birth date, so keep the output as carefully as the certificate
itself. Without `--json` a table is shown, which holds neither.

Exit code: 0 all verified, 1 at least one was not, 2 at least one line was bad input.
"""

import base64
import json
import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import typer
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from waypass_server.errors import ConfigurationError
from waypass_server.evidence import Evidence, EvidenceError, authenticate, judge

BAD_INPUT = "bad-input"

app = typer.Typer(no_args_is_help=True)


@app.callback()
def evidence() -> None:
    """Health certificates (HCERT) as evidence."""


def _from_base64(text: bytes) -> bytes:
    return base64.b64decode(text, validate=True)


class Question(BaseModel):
    """One line of input. Fractions of a second in `at` are dropped."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    text: str
    signers: list[Annotated[bytes, AfterValidator(_from_base64)]]
    at: int | Annotated[float, Field(allow_inf_nan=False)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What is said about one line. `reason` and `message` are None when the certificate holds, `evidence`
    otherwise.
    """

    reason: str | None
    message: str | None
    claims: object
    evidence: Evidence | None

    def as_json(self) -> str:
        """The line of output for programs."""
        verified = self.evidence is not None
        return json.dumps({"verified": verified, "reason": self.reason, "claims": _plain(self.claims)})


@app.command()
def check(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line instead of a table.")] = False,
) -> None:
    """Checks health certificates, one a line on standard input.

    A line is a JSON object: "text" is the certificate, "signers" a list of signer certificates (DER in
    base64), "at" the time to judge by in UNIX seconds. Exits with 0 when all are verified, 1 when one is not,
    2 when a line is not such an object.
    """
    answers = []
    if sys.stdin is None:  # Python's word for a standard input that was closed
        raise ConfigurationError("expected certificates on standard input, which is closed")
    for number, line in enumerate(typer.get_binary_stream("stdin"), start=1):
        given = answer(line)
        answers.append(given)
        if given.reason is not None:
            typer.echo(f"line {number}: {given.reason}: {given.message}", err=True)
        if as_json:
            typer.echo(given.as_json())
    if not as_json:
        Console().print(_table(answers))
    raise typer.Exit(_exit_code(answers))


def answer(line: bytes) -> Answer:
    """The answer to one line of input. Raises nothing: what is wrong with the line is in the answer."""
    try:
        question = Question.model_validate_json(line)
    except ValidationError as error:
        return Answer(reason=BAD_INPUT, message=_what_is_wrong(error), claims=None, evidence=None)
    claims: object = None
    try:
        signed = authenticate(question.text, signers=question.signers)
        claims = signed.claims
        return Answer(reason=None, message=None, claims=claims, evidence=judge(signed, at=math.floor(question.at)))
    except EvidenceError as error:
        return Answer(reason=error.reason, message=str(error), claims=claims, evidence=None)


def _what_is_wrong(error: ValidationError) -> str:
    """In one line, without the input: it may hold a person's certificate."""
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    places = [".".join(map(str, problem["loc"])) for problem in problems]
    return "; ".join(
        f"{place}: {problem['msg']}" if place else problem["msg"]
        for place, problem in zip(places, problems, strict=True)
    )


def _exit_code(answers: Iterable[Answer]) -> int:
    reasons = {given.reason for given in answers}
    if BAD_INPUT in reasons:
        return 2
    return 1 if reasons - {None} else 0


def _plain(value: object) -> object:
    """Decoded CBOR as JSON can hold it: keys as text, bytes as hex, times as in RFC 3339, no NaN or infinity."""
    if isinstance(value, dict):
        return {str(key): _plain(held) for key, held in value.items()}
    if isinstance(value, list):
        return [_plain(held) for held in value]
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _table(answers: Iterable[Answer]) -> Table:
    table = Table("line", "verified", "what", "issuer", "from (UTC)", "until (UTC)")
    for number, given in enumerate(answers, start=1):
        held = given.evidence
        if held is None:
            table.add_row(str(number), "no", given.reason)
        else:
            table.add_row(
                str(number), "yes", held.kind, escape(held.issuer), _time(held.valid_from), _time(held.valid_until)
            )
    return table


def _time(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")
