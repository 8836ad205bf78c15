"""The values of CertLogic, and what is asked of them: which count as true, which are whole numbers, how large they are.

True are `true`, texts, arrays and objects that are not empty, and whole numbers other than 0. False are `false`, null,
0, and what is empty. A date-time or a number with a fraction is neither.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from waypass_server.certlogic.errors import NotAnExpression, OverLimit, WrongType
from waypass_server.certlogic.times import Moment

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Value: TypeAlias = "bool | int | float | str | Sequence[Value] | Mapping[str, Value] | Moment | None"

LARGEST = (1 << 53) - 1
LONGEST_TEXT = 10_000
"""Characters of one text."""


def is_true(value: Value, what: str) -> bool:
    """Whether a value counts as true. Raises `WrongType` for one that counts as neither."""
    if value is None or isinstance(value, bool):
        return value is True
    if isinstance(value, Moment):
        raise WrongType(f"{what}: expected something that counts as true or false, got a date-time")
    if isinstance(value, float):
        return whole_number(value, what) != 0
    if isinstance(value, int):
        return value != 0
    return len(value) > 0


def whole_number(value: Value, what: str) -> int:
    """The value as a whole number; 3.0 is one. Raises `WrongType`."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise WrongType(f"{what}: expected a whole number, got {kind_of(value)}")
    if abs(value) > LARGEST:
        raise WrongType(f"{what}: expected a whole number of at most 53 bits, got a larger one")
    return value


def same(one: Value, other: Value, what: str) -> bool:
    """Whether two values are equal, by type. Raises `WrongType` for two that cannot be compared."""
    for value in (one, other):
        if isinstance(value, list | dict | Moment):
            raise WrongType(f"{what}: expected a text, a number, true, false or null, got {kind_of(value)}")
    return isinstance(one, bool) is isinstance(other, bool) and one == other


def kind_of(value: object) -> str:
    """What a value is called in messages, which never repeat the value: it may be about a person."""
    if value is None or isinstance(value, bool):
        return str(value).lower().replace("none", "null")
    names = ((Moment, "a date-time"), (str, "a text"), (list, "an array"), (dict, "an object"))
    return next((name for kind, name in names if isinstance(value, kind)), "a number")


def check_size(value: object, what: str, *, deepest: int, largest: int) -> None:
    """Raises `OverLimit` for a value that is too deep or has too many parts, `NotAnExpression` for one that JSON has
    not. Looks no further than the limits.
    """
    waiting: list[tuple[object, int]] = [(value, 1)]
    seen = 0
    while waiting:
        part, depth = waiting.pop()
        seen += 1
        if depth > deepest:
            raise OverLimit(f"{what}: expected at most {deepest} levels, got more")
        if seen > largest:
            raise OverLimit(f"{what}: expected at most {largest} parts, got more")
        if isinstance(part, str) and len(part) > LONGEST_TEXT:
            raise OverLimit(f"{what}: expected texts of at most {LONGEST_TEXT} characters, got {len(part)}")
        waiting.extend((inner, depth + 1) for inner in _parts(part, what))
        if len(waiting) > largest:
            raise OverLimit(f"{what}: expected at most {largest} parts, got more")


def _parts(value: object, what: str) -> Iterator[object]:
    if isinstance(value, list):
        yield from value
    elif isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise NotAnExpression(f"{what}: expected texts as names, got {kind_of(key)}")
            yield inner
    elif isinstance(value, float) and not math.isfinite(value):
        raise NotAnExpression(f"{what}: expected values that JSON has, got a number that is none")
    elif not (value is None or isinstance(value, str | int | float | Moment)):
        raise NotAnExpression(f"{what}: expected values that JSON has, got {type(value).__name__}")
