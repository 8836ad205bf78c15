"""The operations of CertLogic, and one run of an evaluation with its budget of steps.

A step is one expression, one part of a path, one element that is looked through. The form of every expression was
checked before (`expression`): here operands are as many as there must be.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import ge, gt, le, lt
from typing import Any

from waypass_server.certlogic.errors import NotAnExpression, OverLimit, WrongType
from waypass_server.certlogic.times import ClockText, Moment, Unit, add, read_date, read_time, seconds_to_change
from waypass_server.certlogic.values import Json, Value, is_true, kind_of, same, whole_number

MOST_STEPS = 50_000

_UVCI_PREFIX = "URN:UVCI:"
_SEPARATORS = re.compile("[/#:]")
_INDEX = re.compile(r"0|[1-9][0-9]{0,5}", re.ASCII)


class Run:
    """One evaluation: how many steps are left, and when a comparison with the clock comes out otherwise."""

    def __init__(self) -> None:
        self._left = MOST_STEPS
        self.changes_in: int | None = None

    def spend(self, steps: int) -> None:
        """Raises `OverLimit`."""
        self._left -= steps
        if self._left < 0:
            raise OverLimit(f"expected an evaluation of at most {MOST_STEPS} steps, it takes more")

    def value(self, logic: Json, data: Value) -> Value:
        """What an expression evaluates to. Raises `CertLogicError`."""
        self.spend(1)
        if isinstance(logic, list):
            return [self.value(each, data) for each in logic]
        if not isinstance(logic, dict):
            return logic
        ((name, operands),) = logic.items()
        if isinstance(operands, list):
            return OPERATIONS[name].apply(self, operands, data)
        assert isinstance(operands, str)
        return self._look_up(operands, data)

    def compared(self, one: Moment, other: Moment) -> None:
        """Two date-times were compared."""
        change = seconds_to_change(one, other)
        if change is not None and (self.changes_in is None or change < self.changes_in):
            self.changes_in = change

    def _look_up(self, path: str, data: Value) -> Value:
        """`var`: what is at a path; null where there is nothing."""
        found = data
        for part in path.split(".") if path else ():
            self.spend(1)
            if isinstance(found, dict):
                found = found.get(part)
            elif isinstance(found, list) and _INDEX.fullmatch(part) and int(part) < len(found):
                found = found[int(part)]
            else:
                return None
        return found


@dataclass(frozen=True, slots=True)
class Operation:
    """How many operands it takes (`most` None: no limit of its own), and what it does."""

    fewest: int
    most: int | None
    apply: Callable[[Run, Sequence[Json], Value], Value]


def check_literals(name: str, operands: Sequence[Json]) -> None:
    """Operands that have to be literals. Raises `CertLogicError`."""
    if name == "plusTime":
        whole_number(_literal(operands[1]), "plusTime, second operand")
        if operands[2] not in [unit.value for unit in Unit]:
            raise NotAnExpression(f"plusTime: expected one of {', '.join(Unit)} as third operand, got another")
    elif name == "extractFromUVCI":
        whole_number(_literal(operands[1]), "extractFromUVCI, second operand")


def _literal(operand: Json) -> Json:
    if isinstance(operand, list | dict):
        raise NotAnExpression(f"expected a whole number as it is, got {kind_of(operand)}")
    return operand


def _if(run: Run, operands: Sequence[Json], data: Value) -> Value:
    return run.value(operands[1 if is_true(run.value(operands[0], data), "if") else 2], data)


def _and(run: Run, operands: Sequence[Json], data: Value) -> Value:
    """The first that counts as false, or the last; those after it are not evaluated."""
    value: Value = True
    for operand in operands:
        value = run.value(operand, data)
        if not is_true(value, "and"):
            break
    return value


def _not(run: Run, operands: Sequence[Json], data: Value) -> Value:
    return not is_true(run.value(operands[0], data), "!")


def _equal(run: Run, operands: Sequence[Json], data: Value) -> Value:
    one, other = (_no_clock(run.value(each, data), "===") for each in operands)
    return same(one, other, "===")


def _in(run: Run, operands: Sequence[Json], data: Value) -> Value:
    one, many = (run.value(each, data) for each in operands)
    if not isinstance(many, list):
        raise WrongType(f"in: expected an array as second operand, got {kind_of(many)}")
    run.spend(len(many))
    return any(same(_no_clock(one, "in"), each, "in") for each in many)


def _plus(run: Run, operands: Sequence[Json], data: Value) -> Value:
    one, other = (whole_number(run.value(each, data), "+") for each in operands)
    return whole_number(one + other, "+")


def _plus_time(run: Run, operands: Sequence[Json], data: Value) -> Value:
    text = run.value(operands[0], data)
    if not isinstance(text, str):
        raise WrongType(f"plusTime: expected a date as a text, got {kind_of(text)}")
    return add(read_time(text), whole_number(_literal(operands[1]), "plusTime"), Unit(str(operands[2])))


def _date_of_birth(run: Run, operands: Sequence[Json], data: Value) -> Value:
    text = run.value(operands[0], data)
    if not isinstance(text, str):
        raise WrongType(f"dccDateOfBirth: expected a date as a text, got {kind_of(text)}")
    return read_date(text)


def _from_uvci(run: Run, operands: Sequence[Json], data: Value) -> Value:
    text = _no_clock(run.value(operands[0], data), "extractFromUVCI")
    if text is None:
        return None
    if not isinstance(text, str):
        raise WrongType(f"extractFromUVCI: expected a text or null, got {kind_of(text)}")
    fragments = _SEPARATORS.split(text.removeprefix(_UVCI_PREFIX))
    run.spend(len(fragments))
    index = whole_number(_literal(operands[1]), "extractFromUVCI")
    return fragments[index] if 0 <= index < len(fragments) else None


def _reduce(run: Run, operands: Sequence[Json], data: Value) -> Value:
    """A left fold: what is folded sees `current`, `accumulator`, and as `data` the data around it."""
    items = run.value(operands[0], data)
    result = run.value(operands[2], data)
    if items is None:
        return result
    if not isinstance(items, list):
        raise WrongType(f"reduce: expected an array or null, got {kind_of(items)}")
    for item in items:
        result = run.value(operands[1], {"current": item, "accumulator": result, "data": data})
    return result


def _no_clock(value: Value, what: str) -> Value:
    """The clock counts as a time only: what is made of its letters would change unforeseen."""
    if isinstance(value, ClockText):
        raise WrongType(f"{what}: expected another text than the clock; plusTime makes a time of it")
    return value


def _numbers(compare: Callable[[int, int], bool], name: str) -> Callable[[Run, Sequence[Json], Value], Value]:
    """A comparison of two or three whole numbers: each with the next."""

    def apply(run: Run, operands: Sequence[Json], data: Value) -> Value:
        numbers = [whole_number(run.value(each, data), name) for each in operands]
        return all(compare(one, other) for one, other in pairwise(numbers))

    return apply


def _times(compare: Callable[[Any, Any], bool], name: str) -> Callable[[Run, Sequence[Json], Value], Value]:
    """A comparison of two or three date-times: each with the next."""

    def apply(run: Run, operands: Sequence[Json], data: Value) -> Value:
        moments = []
        for operand in operands:
            value = run.value(operand, data)
            if not isinstance(value, Moment):
                raise WrongType(f"{name}: expected date-times, as plusTime makes them, got {kind_of(value)}")
            moments.append(value)
        for one, other in pairwise(moments):
            run.compared(one, other)
        return all(compare(one.at, other.at) for one, other in pairwise(moments))

    return apply


OPERATIONS: Mapping[str, Operation] = {
    "if": Operation(3, 3, _if),
    "and": Operation(2, None, _and),
    "!": Operation(1, 1, _not),
    "===": Operation(2, 2, _equal),
    "in": Operation(2, 2, _in),
    "+": Operation(2, 2, _plus),
    "<": Operation(2, 3, _numbers(lt, "<")),
    ">": Operation(2, 3, _numbers(gt, ">")),
    "<=": Operation(2, 3, _numbers(le, "<=")),
    ">=": Operation(2, 3, _numbers(ge, ">=")),
    "before": Operation(2, 3, _times(lt, "before")),
    "after": Operation(2, 3, _times(gt, "after")),
    "not-after": Operation(2, 3, _times(le, "not-after")),
    "not-before": Operation(2, 3, _times(ge, "not-before")),
    "plusTime": Operation(3, 3, _plus_time),
    "dccDateOfBirth": Operation(1, 1, _date_of_birth),
    "reduce": Operation(3, 3, _reduce),
    "extractFromUVCI": Operation(2, 2, _from_uvci),
}
"""By name. `var` takes a path and no array; `Run` has it."""
