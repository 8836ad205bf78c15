"""JSON as text, for expressions, data and values: strict, where Python's own reader is generous."""

import json
from collections.abc import Mapping, Sequence
from typing import NoReturn

from waypass_server.certlogic.errors import NotAnExpression
from waypass_server.certlogic.times import Moment
from waypass_server.certlogic.values import Json, Value


def read_json(text: bytes) -> Json:
    """A JSON value: a name stands once in an object, and numbers are numbers. Raises `NotAnExpression`."""
    try:
        found: Json = json.loads(text.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant)
    except RecursionError:
        raise NotAnExpression("expected JSON, got a value that is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise NotAnExpression(f"expected JSON: {error.msg} at character {error.pos}") from None
    except ValueError:
        raise NotAnExpression("expected JSON in UTF-8 with numbers that can be used, got something else") from None
    return found


def as_json(value: Value) -> Json:
    """A value for JSON: date-times as texts. Its size was checked."""
    if isinstance(value, Moment):
        return value.text()
    if isinstance(value, Mapping):
        return {name: as_json(each) for name, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [as_json(each) for each in value]
    return value


def _once(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotAnExpression("expected each name once in an object, got one twice")
    return found


def _no_constant(_name: str) -> NoReturn:
    raise NotAnExpression("expected values that JSON has, got a number that is none")
