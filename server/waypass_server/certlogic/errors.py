"""What can be wrong with an expression, its data, or the two together. Each has a stable name for programs."""

from typing import ClassVar

from waypass_server.errors import ServerError


class CertLogicError(ServerError):
    """The root of everything that this package raises. `changes_in`: in how many seconds the clock alone may lead an
    evaluation past what it was raised for, None for never.
    """

    name: ClassVar[str] = "certlogic"
    changes_in: int | None = None


class NotAnExpression(CertLogicError):
    """The form is wrong: not JSON, an object with more than one operation, too few or too many operands."""

    name = "not-an-expression"


class UnknownOperation(NotAnExpression):
    """An operation that the language does not have."""

    name = "unknown-operation"


class WrongType(CertLogicError):
    """An operand is of a type that the operation is not for."""

    name = "wrong-type"


class NotADate(WrongType):
    """A text that is no date or time, or a date outside of the years 1 to 9999."""

    name = "not-a-date"


class OverLimit(CertLogicError):
    """Too deep, too large, or too many steps."""

    name = "over-limit"
