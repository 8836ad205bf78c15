"""JSON as somebody typed it into a form: read strictly, and what is wrong said by its line.

1. it is JSON, with each name once in an object (`Mistyped`: the line of the character)
2. logic is CertLogic (`check_logic`): the line is that of the innermost part that is wrong by itself
3. the facts that logic reads are the paths of its `var`s (`reads`)
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from waypass_server.certlogic import CertLogicError, Expression
from waypass_server.certlogic.reading import read_json
from waypass_server.console.shapes import said
from waypass_server.console.words import Speech, mark
from waypass_server.errors import ServerError

Step = str | int

SHAPES: Final = (
    mark("Expecting value"),
    mark("Expecting ',' delimiter"),
    mark("Expecting ':' delimiter"),
    mark("Expecting property name enclosed in double quotes"),
    mark("Extra data"),
    mark("Illegal trailing comma before end of {what}"),
    mark("Invalid control character at"),
    mark("Unterminated string starting at"),
    mark("expected each name once in an object, got one twice"),
    mark("expected values that JSON has, got a number that is none"),
    mark("expected an expression, got {kind}"),
    mark("expected an object with one operation, got {count}"),
    mark("expected one of {names}, got another operation"),
    mark("var: expected a path as a text, got {kind}"),
    mark("{name}: expected an array of operands, got {kind}"),
    mark("{name}: expected {expected} operands, got {count}"),
    mark("{name}: expected a whole number, got {kind}"),
    mark("expected a whole number as it is, got {kind}"),
    mark("plusTime: expected one of {names} as third operand, got another"),
    mark("expression: expected at most {most} levels, got more"),
    mark("expression: expected at most {most} parts, got more"),
    mark("expression: expected texts of at most {most} characters, got {count}"),
)
"""What Python's reader of JSON and `certlogic` say of a form that is wrong."""


class Mistyped(ServerError):
    """What is wrong with it; `line` counts from 1, None where no line is to blame."""

    def __init__(self, message: str, *, line: int | None) -> None:
        super().__init__(message)
        self.line = line

    def words(self, speech: Speech) -> str:
        """For people, in the page's language as far as the text is known."""
        text = str(self)
        told = said(text, SHAPES, speech) or text
        return told if self.line is None else speech("Line %(line)s: %(what)s") % {"line": self.line, "what": told}


def read_typed(text: str) -> Any:
    """Rule 1. Raises `Mistyped`."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        raise Mistyped(error.msg, line=error.lineno) from None
    except (RecursionError, ValueError):
        pass  # what follows says it in its own words
    try:
        return read_json(text.encode())
    except CertLogicError as error:
        raise Mistyped(str(error), line=None) from None


def check_logic(text: str) -> Any:
    """Rule 2. Raises `Mistyped`."""
    logic = read_typed(text)
    wrong = _wrong(logic)
    if wrong is not None:
        path, error = wrong
        raise Mistyped(str(error), line=line_of(text, path))
    return logic


def reads(logic: Any) -> tuple[str, ...]:
    """Rule 3: each once, in the order of the alphabet."""
    return tuple(sorted(set(_paths(logic))))


def line_of(text: str, path: Sequence[Step]) -> int:
    """The line, from 1, of the part of a JSON text that a path leads to; of the last part that is there."""
    at = _skip_blank(text, 0)
    for step in path:
        inner = _inside(text, at, step)
        if inner is None:
            break
        at = inner
    return text.count("\n", 0, at) + 1


def _wrong(logic: Any) -> tuple[list[Step], CertLogicError] | None:
    """The innermost part that is wrong by itself, and what is wrong with it."""
    try:
        Expression.of(logic)
    except CertLogicError as error:
        for path, inner in _inner(logic):
            found = _wrong(inner)
            if found is not None:
                return [*path, *found[0]], found[1]
        return [], error
    return None


def _inner(logic: Any) -> Iterator[tuple[list[Step], Any]]:
    if isinstance(logic, list):
        for number, each in enumerate(logic):
            yield [number], each
    elif isinstance(logic, dict) and len(logic) == 1:
        ((name, operands),) = logic.items()
        if name != "var" and isinstance(operands, list):
            for number, each in enumerate(operands):
                yield [name, number], each


def _paths(logic: Any) -> Iterator[str]:
    if isinstance(logic, dict) and isinstance(logic.get("var"), str):
        path = logic["var"]
        if path.partition(".")[0] in ("facts", "survey", "external"):
            yield path
        return
    for _, inner in _inner(logic):
        yield from _paths(inner)


def _inside(text: str, at: int, step: Step) -> int | None:
    """Where the part begins that a step leads to, inside of the object or array that begins at `at`."""
    decoder, in_object = json.JSONDecoder(), text[at] == "{"
    if text[at] not in "{[":
        return None
    number, at = 0, _skip_blank(text, at + 1)
    while text[at] not in "}]":
        name: Step = number
        if in_object:
            name, at = decoder.raw_decode(text, at)
            at = _skip_blank(text, _skip_blank(text, at) + 1)
        if name == step:
            return at
        _, at = decoder.raw_decode(text, at)
        at = _skip_blank(text, at)
        if text[at] == ",":
            at = _skip_blank(text, at + 1)
        number += 1
    return None


def _skip_blank(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at
