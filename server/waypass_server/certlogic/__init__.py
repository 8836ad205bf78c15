"""CertLogic: rules as data. The language of the European rules for health certificates, specification 1.3.

An expression is a JSON value: a literal (text, whole number, true or false), an array of expressions, or an object with
one operation. It is evaluated against other JSON values, its data, and nothing else: it reads no clock, no file and no
database. What time it is stands in the data too, by custom at `external.validationClock`.

1. `Expression.of` refuses what is not an expression: its form, an unknown operation, too few or too many operands, a
   literal where one is asked for, and what is deeper or larger than the limits (`errors`)
2. `Expression.evaluate` refuses data that are no JSON or over the limits, types that an operation is not for, and an
   evaluation that takes more steps than the limit; `Expression.watch` also says when the value may change by the clock
3. both raise nothing but `CertLogicError`

Where the specification leaves it open: adding months or years to a day that the month does not have gives its last day;
a date of a year or a month alone means its last day; whole numbers have at most 53 bits; `===` and `in` compare texts,
whole numbers, true, false and null, and by type; what `reduce` folds also sees the data around it, as `data`.
"""

from waypass_server.certlogic.errors import (
    CertLogicError,
    NotADate,
    NotAnExpression,
    OverLimit,
    UnknownOperation,
    WrongType,
)
from waypass_server.certlogic.expression import Expression, Watched
from waypass_server.certlogic.reading import as_json, read_json
from waypass_server.certlogic.times import ClockText
from waypass_server.certlogic.values import Json, is_true

__all__ = [
    "CertLogicError",
    "ClockText",
    "Expression",
    "Json",
    "NotADate",
    "NotAnExpression",
    "OverLimit",
    "UnknownOperation",
    "Watched",
    "WrongType",
    "as_json",
    "is_true",
    "read_json",
]
