"""CertLogic beyond the suite: what is refused and how, what it costs at most, and when a value changes by the clock."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waypass_server.certlogic import (
    CertLogicError,
    ClockText,
    Expression,
    NotADate,
    NotAnExpression,
    OverLimit,
    UnknownOperation,
    WrongType,
    as_json,
    read_json,
)

NOW = datetime(2027, 1, 15, 8, tzinfo=UTC)
CLOCK: Any = {"var": "external.validationClock"}


def at(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def evaluate(logic: Any, data: Any = None) -> Any:
    return as_json(Expression.of(logic).evaluate(data))


def nested(levels: int) -> Any:
    logic: Any = True
    for _ in range(levels):
        logic = {"!": [logic]}
    return logic


def time(text: str, amount: int = 0, unit: str = "day") -> dict[str, Any]:
    return {"plusTime": [text, amount, unit]}


@pytest.mark.parametrize(
    ("name", "logic", "error", "message"),
    [
        ("null", None, NotAnExpression, "expected an expression, got null"),
        ("a fraction", 1.5, NotAnExpression, "expected an expression, got a number"),
        ("no operation", {}, NotAnExpression, "expected an object with one operation, got 0"),
        ("two operations", {"!": [1], "and": [1, 2]}, NotAnExpression, "one operation, got 2"),
        ("unknown", {"map": [[], 1]}, UnknownOperation, r"expected one of !, \+, .* got another operation"),
        ("unknown where nothing looks", {"if": [True, 1, {"map": [1]}]}, UnknownOperation, "got another operation"),
        ("no array", {"!": 1}, NotAnExpression, "!: expected an array of operands, got a number"),
        ("path in an array", {"var": ["x"]}, NotAnExpression, "var: expected a path as a text, got an array"),
        ("if of two", {"if": [1, 2]}, NotAnExpression, "if: expected 3 operands, got 2"),
        ("and of one", {"and": [1]}, NotAnExpression, "and: expected at least 2 operands, got 1"),
        ("four in a row", {"<": [1, 2, 3, 4]}, NotAnExpression, "<: expected 2 to 3 operands, got 4"),
        ("fortnight", time("2021-01-01", 1, "fortnight"), NotAnExpression, "expected one of year, month, day, hour"),
        ("amount found", {"plusTime": ["2021-01-01", {"var": "n"}, "day"]}, NotAnExpression, "as it is, got an object"),
        ("too deep", nested(40), OverLimit, "expression: expected at most 40 levels"),
        ("too large", [1] * 5_000, OverLimit, "expression: expected at most 5000 parts"),
        ("a long text", "x" * 10_001, OverLimit, "texts of at most 10000 characters, got 10001"),
    ],
)
def test_what_is_no_expression(name: str, logic: Any, error: type[CertLogicError], message: str) -> None:
    with pytest.raises(error, match=message):
        Expression.of(logic)


@pytest.mark.parametrize(
    ("name", "logic", "data", "error", "message"),
    [
        ("texts compared", {"<": [1, "2"]}, None, WrongType, "<: expected a whole number, got a text"),
        ("true is no number", {"+": [1, True]}, None, WrongType, r"\+: expected a whole number, got true"),
        ("a fraction", {"+": [1, {"var": ""}]}, 0.5, WrongType, r"\+: expected a whole number, got a number"),
        ("54 bits", {"+": [2**53 - 1, 1]}, None, WrongType, "of at most 53 bits"),
        ("in a text", {"in": ["a", "abc"]}, None, WrongType, "in: expected an array as second operand, got a text"),
        ("arrays are equal?", {"===": [[], []]}, None, WrongType, "===: expected a text, .* got an array"),
        ("a date-time is neither", {"!": [time("2021-01-01")]}, None, WrongType, "counts as true or false"),
        ("texts as times", {"after": ["2021-01-01", "2021-01-02"]}, None, WrongType, "date-times, as plusTime makes"),
        ("a number as time", {"plusTime": [{"var": ""}, 0, "day"]}, 7, WrongType, "a date as a text, got a number"),
        ("no date", time("yesterday"), None, NotADate, "expected a date or a date-time"),
        ("the 31st of June", time("2021-06-31"), None, NotADate, "expected a date that there is"),
        ("hour 25", time("2021-06-30T25:00:00Z"), None, NotADate, "expected a time that there is"),
        ("offset of a day", time("2021-06-30T12:00:00+24:00"), None, NotADate, "expected a time that there is"),
        ("month 13", {"dccDateOfBirth": ["2004-13"]}, None, NotADate, "expected a date that there is"),
        ("year 0", time("0000"), None, NotADate, "expected a date that there is"),
        ("other digits", time("٢٠٢١-01-01"), None, NotADate, "expected a date or a date-time"),
        ("year 10000", time("2021-01-01", 8000, "year"), None, NotADate, "years 1 to 9999"),
        ("before year 1", time("0001-01-01", -1, "hour"), None, NotADate, "years 1 to 9999"),
        ("more than all time", time("2021-01-01", 10**12, "hour"), None, NotADate, "units to add"),
        ("reduce of a text", {"reduce": ["abc", 1, 0]}, None, WrongType, "reduce: expected an array or null"),
        ("UVCI of a number", {"extractFromUVCI": [{"var": ""}, 0]}, 7, WrongType, "expected a text or null"),
        ("the clock as letters", {"===": [CLOCK, "x"]}, {"external": {"validationClock": ClockText("x")}}, WrongType,
         "===: expected another text than the clock"),
        ("data too deep", 1, json.loads("[" * 41 + "]" * 41), OverLimit, "data: .* 40 levels"),
        ("data too large", 1, [0] * 50_000, OverLimit, "data: expected at most 50000 parts"),
        ("data that JSON has not", 1, {"x": {1, 2}}, NotAnExpression, "expected values that JSON has, got set"),
        ("infinity", 1, float("inf"), NotAnExpression, "a number that is none"),
        ("names that are numbers", 1, {1: 2}, NotAnExpression, "expected texts as names, got a number"),
    ],
)  # fmt: skip
def test_what_cannot_be_evaluated(name: str, logic: Any, data: Any, error: type[CertLogicError], message: str) -> None:
    with pytest.raises(error, match=message):
        Expression.of(logic).evaluate(data)


def test_a_fold_of_folds_ends_at_the_budget() -> None:
    pairs = Expression.of({"reduce": [{"var": ""}, {"reduce": [{"var": "data"}, {"var": "current"}, 0]}, 0]})
    assert pairs.evaluate([7] * 100) == 7
    with pytest.raises(OverLimit, match="at most 50000 steps"):
        pairs.evaluate([7] * 1000)


def test_a_value_that_doubles_is_refused_before_anybody_prints_it() -> None:
    """Small in memory, where both halves are one; 2^30 parts as JSON."""
    doubles: Any = {"reduce": [{"var": ""}, [{"var": "accumulator"}, {"var": "accumulator"}], 0]}
    with pytest.raises(OverLimit, match="value: expected at most"):
        Expression.of(doubles).evaluate([0] * 30)


@pytest.mark.parametrize(
    ("name", "text", "amount", "unit", "expected"),
    [
        ("a month's last day", "2021-01-31", 1, "month", "2021-02-28"),
        ("across a year", "2021-11-30", 3, "month", "2022-02-28"),
        ("back", "2021-03-31", -1, "month", "2021-02-28"),
        ("leap day", "2020-02-29", 1, "year", "2021-02-28"),
        ("a year means its last day", "2004", 18, "year", "2022-12-31"),
        ("a month too", "2004-02", 0, "day", "2004-02-29"),
    ],
)
def test_calendar(name: str, text: str, amount: int, unit: str, expected: str) -> None:
    assert evaluate(time(text, amount, unit)) == f"{expected}T00:00:00.000Z"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2021-06-01T12:00:00", "2021-06-01T12:00:00.000Z"),
        ("2021-06-01T12:00:00.1239Z", "2021-06-01T12:00:00.123Z"),
        ("2021-06-01T12:00:00+2", "2021-06-01T10:00:00.000Z"),
        ("2021-06-01T00:00:00-0130", "2021-06-01T01:30:00.000Z"),
        ("0999-06-01", "0999-06-01T00:00:00.000Z"),
    ],
)
def test_times_are_read_to_the_millisecond_in_utc(text: str, expected: str) -> None:
    assert evaluate(time(text)) == expected


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [(1, True, False), (0, False, False), ("1", 1, False), (1, 1, True), (True, True, True), ("", "", True)],
)
def test_equality_is_by_type(one: Any, other: Any, equal: bool) -> None:
    assert evaluate({"===": [one, other]}) is equal
    assert evaluate({"in": [one, [other]]}) is equal


# The clock


def changes(logic: Any, **facts: Any) -> int | None:
    data = {"external": {"validationClock": ClockText(at(NOW))}, **facts}
    return Expression.of(logic).watch(data).changes_in


SAMPLED = {"plusTime": [{"var": "sampled"}, 72, "hour"]}
AS_SAMPLED = {"plusTime": [{"var": "sampled"}, 0, "day"]}
NOW_TIME = {"plusTime": [CLOCK, 0, "hour"]}
A_YEAR = {"after": [{"plusTime": [CLOCK, -1, "year"]}, AS_SAMPLED]}


@pytest.mark.parametrize(
    ("name", "logic", "sampled", "expected"),
    [
        ("not yet over", {"after": [NOW_TIME, SAMPLED]}, NOW - timedelta(hours=70), 2 * 3600),
        ("at the very second", {"after": [NOW_TIME, SAMPLED]}, NOW - timedelta(hours=72), 1),
        ("over", {"after": [NOW_TIME, SAMPLED]}, NOW - timedelta(hours=73), None),
        ("the clock moved back", {"before": [{"plusTime": [CLOCK, -3, "day"]}, AS_SAMPLED]}, NOW - timedelta(days=1),
         2 * 86_400),
        ("only where it was looked at", {"if": [True, 1, {"after": [NOW_TIME, SAMPLED]}]}, NOW, None),
        ("a year is looked at early", A_YEAR, NOW - timedelta(days=355), 6 * 86_400),
        ("and then each midnight", A_YEAR, NOW - timedelta(days=364), 16 * 3600),
    ],
)  # fmt: skip
def test_when_the_clock_changes_a_value(name: str, logic: Any, sampled: datetime, expected: int | None) -> None:
    assert changes(logic, sampled=at(sampled)) == expected


def test_what_fails_now_may_not_fail_later() -> None:
    over: Any = {"after": [NOW_TIME, SAMPLED]}
    logic = Expression.of({"if": [over, False, {"<": ["a", 1]}]})
    data: Any = {"external": {"validationClock": ClockText(at(NOW))}, "sampled": at(NOW - timedelta(hours=71))}
    with pytest.raises(WrongType) as caught:
        logic.watch(data)
    assert caught.value.changes_in == 3600


UNITS = st.sampled_from(["hour", "day", "month", "year"])
TIMES = st.integers(0, 3650 * 86_400).map(lambda seconds: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds))


@given(TIMES, TIMES, st.integers(-40, 40), UNITS, st.integers(-40, 40), UNITS, st.integers(1, 400 * 86_400))
def test_between_looks_nothing_changes(
    now: datetime, other: datetime, moved: int, unit: str, amount: int, other_unit: str, later: int
) -> None:
    """Whatever is compared with the clock: until the second that was said, the value is the same."""
    logic = Expression.of(
        {"after": [{"plusTime": [CLOCK, moved, unit]}, {"plusTime": [at(other), amount, other_unit]}]}
    )

    def watch(moment: datetime) -> tuple[Any, int | None]:
        found = logic.watch({"external": {"validationClock": ClockText(at(moment))}})
        return found.value, found.changes_in

    value, changes_in = watch(now)
    seconds = later if changes_in is None else min(later, changes_in - 1)
    assert watch(now + timedelta(seconds=seconds))[0] == value


# Anything at all

JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("2021-02-03T04:05:06Z"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(
    [*"+!<>", "<=", ">=", "===", "and", "if", "in", "reduce", "plusTime", "after", "before", "not-after", "not-before",
     "dccDateOfBirth", "extractFromUVCI"]
)  # fmt: skip
LOGIC: st.SearchStrategy[Any] = st.recursive(
    JSON_VALUES
    | st.builds(lambda path: {"var": path}, st.sampled_from(["", "0", "a", "current", "accumulator", "0.a"])),
    lambda inner: st.builds(lambda name, operands: {name: operands}, NAMES, st.lists(inner, min_size=1, max_size=3)),
    max_leaves=6,
)


@given(LOGIC, JSON_VALUES)
def test_it_raises_its_own_errors_only(logic: Any, data: Any) -> None:
    try:
        value = evaluate(logic, data)
    except CertLogicError:
        return
    assert read_json(json.dumps(value, allow_nan=False).encode()) == value


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("nothing", b"", "expected JSON: Expecting value"),
        ("not UTF-8", b"\xff", "expected JSON in UTF-8"),
        ("a name twice", b'{"a": 1, "a": 2}', "each name once"),
        ("not a number", b"[NaN]", "a number that is none"),
        ("nested too deeply", b"[" * 100_000, "nested too deeply"),
        ("a number of 5000 digits", b"9" * 5000, "numbers that can be used"),
    ],
)
def test_what_is_not_json(name: str, text: bytes, message: str) -> None:
    with pytest.raises(NotAnExpression, match=message):
        read_json(text)
