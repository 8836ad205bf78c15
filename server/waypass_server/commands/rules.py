"""`waypass-server rules`: CertLogic, evaluated one a line.

Standard input has one JSON object a line: `{"logic": ..., "data": ...}`; without data they are null. Each line is
evaluated by itself, and line n of the answers belongs to line n of the questions:

- `{"result": ...}`: what the logic evaluates to; a date-time is a text
- `{"error": "NAME: what was expected and what came"}`: the names are those of `certlogic.errors`; `bad-input` is a line
  that is no such object

The system's clock has no part in it: what time it is stands in the data. Exit code: 0 all evaluated, 1 at least one was
not, 2 at least one line was bad input.
"""

import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from waypass_server.certlogic import CertLogicError, Expression, Json, as_json, read_json
from waypass_server.errors import ConfigurationError

BAD_INPUT = "bad-input"
LONGEST_LINE = 4_000_000

app = typer.Typer(no_args_is_help=True)


@app.callback()
def rules() -> None:
    """Rules in CertLogic."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What is said about one line: a result, or the name of what is wrong and a message."""

    result: Json = None
    error: str | None = None
    message: str = ""

    def as_json(self) -> str:
        """The line of output for programs."""
        if self.error is None:
            return json.dumps({"result": self.result})
        return json.dumps({"error": f"{self.error}: {self.message}"})


@app.command("eval")
def evaluate(
    as_lines: Annotated[bool, typer.Option("--json", help="One JSON object a line instead of a table.")] = False,
) -> None:
    """Evaluates CertLogic, one question a line on standard input.

    A line is a JSON object: "logic" is the expression, "data" what it is evaluated against. Exits with 0 when all were
    evaluated, 1 when one was not, 2 when a line is not such an object.
    """
    if sys.stdin is None:  # Python's word for a standard input that was closed
        raise ConfigurationError("expected questions on standard input, which is closed")
    answers = []
    for number, line in enumerate(typer.get_binary_stream("stdin"), start=1):
        given = answer(line)
        answers.append(given)
        if given.error is not None:
            typer.echo(f"line {number}: {given.error}: {given.message}", err=True)
        if as_lines:
            typer.echo(given.as_json())
    if not as_lines:
        Console().print(_table(answers))
    raise typer.Exit(_exit_code(answers))


def answer(line: bytes) -> Answer:
    """The answer to one line of input. Raises nothing: what is wrong with the line is in the answer."""
    if len(line) > LONGEST_LINE:
        return Answer(error=BAD_INPUT, message=f"expected at most {LONGEST_LINE} bytes, got {len(line)}")
    try:
        question = read_json(line)
    except CertLogicError as error:
        return Answer(error=BAD_INPUT, message=str(error))
    if not isinstance(question, dict) or "logic" not in question or question.keys() - {"logic", "data"}:
        return Answer(error=BAD_INPUT, message='expected an object with "logic" and "data" and nothing else')
    try:
        return Answer(result=as_json(Expression.of(question["logic"]).evaluate(question.get("data"))))
    except CertLogicError as error:
        return Answer(error=error.name, message=str(error))


def _exit_code(answers: Iterable[Answer]) -> int:
    errors = {given.error for given in answers}
    if BAD_INPUT in errors:
        return 2
    return 1 if errors - {None} else 0


def _table(answers: Iterable[Answer]) -> Table:
    table = Table("line", "result", "error")
    for number, given in enumerate(answers, start=1):
        shown = escape(json.dumps(given.result, ensure_ascii=False)) if given.error is None else ""
        table.add_row(str(number), shown, "" if given.error is None else escape(f"{given.error}: {given.message}"))
    return table
