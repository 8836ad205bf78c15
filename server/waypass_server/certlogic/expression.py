"""Expressions: what is one, and what it evaluates to. The operations are in `operations`."""

from collections.abc import Sequence
from dataclasses import dataclass

from waypass_server.certlogic.errors import CertLogicError, NotAnExpression, UnknownOperation
from waypass_server.certlogic.operations import OPERATIONS, Run, check_literals
from waypass_server.certlogic.values import Json, Value, check_size, kind_of

DEEPEST = 40
"""Levels of an expression, of its data and of a value."""
LARGEST_EXPRESSION = 5_000
"""Parts; a text or a number is one."""
LARGEST_DATA = 50_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Watched:
    """A value, and in how many seconds it may be another by the clock alone (None: never)."""

    value: Value
    changes_in: int | None


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression whose form was checked."""

    logic: Json

    @staticmethod
    def of(logic: Json) -> "Expression":
        """Raises `CertLogicError`."""
        check_size(logic, "expression", deepest=DEEPEST, largest=LARGEST_EXPRESSION)
        _check(logic)
        return Expression(logic)

    def evaluate(self, data: Json) -> Value:
        """Its value. Raises `CertLogicError`."""
        return self.watch(data).value

    def watch(self, data: Json) -> Watched:
        """Its value, and when that may change; `ClockText` in the data is the clock. Raises `CertLogicError`."""
        check_size(data, "data", deepest=DEEPEST, largest=LARGEST_DATA)
        run = Run()
        try:
            value = run.value(self.logic, data)
        except CertLogicError as error:
            error.changes_in = run.changes_in
            raise
        # A value can hold the same part many times over, and then be far larger than what made it.
        check_size(value, "value", deepest=DEEPEST, largest=LARGEST_DATA)
        return Watched(value=value, changes_in=run.changes_in)


def _check(logic: Json) -> None:
    """Its form, and that of everything in it. The depth was checked."""
    if isinstance(logic, list):
        for inner in logic:
            _check(inner)
    elif isinstance(logic, dict):
        _check_operation(logic)
    elif not isinstance(logic, bool | int | str) and not (isinstance(logic, float) and logic.is_integer()):
        raise NotAnExpression(f"expected an expression, got {kind_of(logic)}")


def _check_operation(logic: dict[str, Json]) -> None:
    if len(logic) != 1:
        raise NotAnExpression(f"expected an object with one operation, got {len(logic)}")
    ((name, operands),) = logic.items()
    if name == "var":
        if not isinstance(operands, str):
            raise NotAnExpression(f"var: expected a path as a text, got {kind_of(operands)}")
        return
    operation = OPERATIONS.get(name)
    if operation is None:
        raise UnknownOperation(f"expected one of {', '.join(sorted([*OPERATIONS, 'var']))}, got another operation")
    if not isinstance(operands, list):
        raise NotAnExpression(f"{name}: expected an array of operands, got {kind_of(operands)}")
    _check_count(name, operands, operation.fewest, operation.most)
    check_literals(name, operands)
    for inner in operands:
        _check(inner)


def _check_count(name: str, operands: Sequence[Json], fewest: int, most: int | None) -> None:
    if len(operands) >= fewest and (most is None or len(operands) <= most):
        return
    expected = f"{fewest}" if fewest == most else f"at least {fewest}" if most is None else f"{fewest} to {most}"
    raise NotAnExpression(f"{name}: expected {expected} operands, got {len(operands)}")
