"""Dates that rules wait for: what is refused, and that the rest has said its last word when nobody looks any more."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from waypass_server.certlogic import CertLogicError, ClockText, Expression
from waypass_server.rule_dates import HiddenDate, check_dates
from waypass_server.rules import when
from waypass_server.shadow import AHEAD

NOW = 1_800_000_000  # 2027-01-15T08:00Z
DAY = 86_400
CLOCK = {"var": "external.validationClock"}


def plus(of: Any, amount: int = 0, unit: str = "day") -> dict[str, Any]:
    return {"plusTime": [of, amount, unit]}


def after(one: Any, other: Any) -> dict[str, Any]:
    return {"after": [one, other]}


TOLD = plus({"var": "facts.vaccination.0.on"}, 270)
OLD = {"if": [{"var": "facts.vaccination.0"}, after(plus(CLOCK), TOLD), True]}


@pytest.mark.parametrize(
    ("name", "logic"),
    [
        ("no date", {"var": "facts.exposure.0"}),
        ("no clock", after(plus("2040-01-01"), plus({"var": "facts.exposure.0.from"}))),
        ("a certificate's age", OLD),
        ("its age by months of the clock", after(plus(CLOCK, -9, "month"), plus({"var": "facts.vaccination.0.on"}))),
        ("a date long ago", after(plus(CLOCK), plus("2020-01-01", 5, "year"))),
        ("a date within", after(plus(CLOCK), plus("2027-02-13T08:00:00Z"))),
        ("a date and a clock that is put on", after(plus(CLOCK, 1, "day"), plus("2027-02-12T08:00:00Z"))),
        (
            "a text like a year that is no time",
            {"and": [after(plus(CLOCK), TOLD), {"===": [{"var": "survey.in"}, "2030"]}]},
        ),
        (
            "a fold over tests",
            {"reduce": [{"var": "facts.test"}, after(plus({"var": "current.sampled"}), plus(CLOCK, -1, "month")), 0]},
        ),
    ],
)
def test_what_is_as_it_is_meant(name: str, logic: Any) -> None:
    Expression.of(logic)
    check_dates(logic, NOW)


FAR = "expected a date that comes before 2027-02-14 with the two largest amounts of plusTime, .* got "


@pytest.mark.parametrize(
    ("name", "logic", "message"),
    [
        ("a day too far", after(plus(CLOCK), plus("2027-02-14T08:00:00Z")), FAR + "2027-02-14 with 0 days; propose it"),
        ("put on the date", after(plus(CLOCK), plus("2027-01-10", 40)), FAR + "2027-01-10 with 40 days"),
        ("taken off the clock", after(plus(CLOCK, -40), plus("2027-01-10")), FAR + "2027-01-10 with 40 days"),
        ("of both some", after(plus(CLOCK, -20), plus("2027-01-10", 20)), FAR + "2027-01-10 with 40 days"),
        ("hours", after(plus(CLOCK, -960, "hour"), plus("2027-01-10")), FAR + "2027-01-10 with 40 days"),
        ("a month is long", after(plus(CLOCK, -1, "month"), plus("2027-01-15")), FAR + "2027-01-15 with 31 days"),
        ("evidence that ends", {"!": [after(plus(CLOCK), plus("2027-06-01"))]}, FAR + "2027-06-01"),
        ("one of two", after(plus(CLOCK), plus({"if": [{"var": "survey"}, "2026-01-01", "2028-01-01"]})), FAR + "2028"),
        ("a year means its last day", after(plus(CLOCK), plus("2027")), FAR + "2027-12-31"),
        ("a date of birth", after(plus(CLOCK), {"dccDateOfBirth": ["2027-08"]}), FAR + "2027-08-31"),
        ("taken out of a text", after(plus(CLOCK), plus({"extractFromUVCI": ["x/2027-08-01", 1]})), FAR + "2027-08-01"),
        (
            "handed on by a fold",
            {
                "reduce": [
                    ["2028-01-01"],
                    after(plus(CLOCK_IN := {"var": "data.external.validationClock"}), plus({"var": "current"})),
                    0,
                ]
            },
            FAR + "2028-01-01",
        ),
        (
            "the calendar",
            after(plus(CLOCK, 1, "year"), plus(CLOCK, 365)),
            "expected days or hours where times of the clock",
        ),
        (
            "the calendar, folded",
            {"reduce": [[1], after(plus({"var": "accumulator"}, 1, "month"), plus(CLOCK_IN, 30)), CLOCK]},
            "expected days or hours",
        ),
        (
            "past the last year",
            plus(CLOCK, 2_912_000),
            "expected at most 1000 years",
        ),
    ],
)
def test_what_may_wait_longer_than_anybody_looks(name: str, logic: Any, message: str) -> None:
    Expression.of(logic)
    with pytest.raises(HiddenDate, match=message):
        check_dates(logic, NOW)


TEXTS = st.sampled_from(
    ["2026-12-30", "2027-01-20T12:00:00Z", "2027-02", "2027", "x#2027-02-10", "2027-01-01T00:00:00+02:00"]
)
SOURCES = st.one_of(
    TEXTS,
    st.just(CLOCK),
    st.just({"var": "data.external.validationClock"}),
    st.just({"var": "current"}),
    st.just({"var": "accumulator"}),
    TEXTS.map(lambda text: {"extractFromUVCI": [text, 1]}),
)
AMOUNTS = st.one_of(st.integers(-40, 40), st.sampled_from([0, 0, 365, 366, 2_912_000]))
TIMES = st.one_of(
    st.builds(plus, SOURCES, AMOUNTS, st.sampled_from(["hour", "day", "month", "year"])),
    TEXTS.map(lambda text: {"dccDateOfBirth": [text]}),
    st.just({"var": "accumulator"}),
)
COMPARED = st.builds(
    lambda name, operands: {name: operands},
    st.sampled_from(["after", "before", "not-after"]),
    st.lists(TIMES, min_size=2, max_size=3),
)
LOGIC = st.recursive(
    COMPARED,
    lambda inner: st.one_of(
        st.builds(lambda one, other: {"and": [one, other]}, inner, inner),
        st.builds(lambda one: {"!": [one]}, inner),
        st.builds(
            lambda item, one, first: {"reduce": [[item], one, first]},
            SOURCES,
            st.one_of(inner, TIMES),
            st.one_of(SOURCES, TIMES),
        ),
        st.builds(
            lambda item, one: {"reduce": [[1, 2], {"if": [{"===": [{"var": "current"}, 1]}, item, one]}, 0]},
            TIMES,
            inner,
        ),
    ),
    max_leaves=4,
)


def outcome(logic: Any, at: int) -> object:
    data = {"external": {"validationClock": ClockText(when(at))}}
    data["data"] = data.copy()
    try:
        return bool(Expression.of(logic).evaluate(data))  # type: ignore[arg-type]
    except CertLogicError as error:
        return type(error)


@settings(max_examples=400, deadline=None)
@given(LOGIC)
def test_what_passes_says_nothing_new_after_the_30_days(logic: Any) -> None:
    try:
        check_dates(logic, NOW)
    except HiddenDate:
        assume(False)
    last = outcome(logic, NOW + AHEAD)
    until = int(datetime(2036, 1, 1, tzinfo=UTC).timestamp())
    assert {outcome(logic, at) for at in range(NOW + AHEAD, until, 17 * DAY)} == {last}
