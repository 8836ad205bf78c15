"""Dates that rules wait for: what is refused, and that the rest has said its last word when nobody looks any more."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from waypass_server.certlogic import CertLogicError, ClockText, Expression, is_true
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


TEXTS = st.sampled_from(["2026-11-30", "2027-01-10", "2027-01-20T12:00:00+02:00", "2026-12", "2027"])
SOURCES = st.one_of(st.just(CLOCK), TEXTS, TEXTS.map(lambda text: {"extractFromUVCI": [f"x#{text}", 1]}))
AMOUNTS = st.sampled_from(
    [
        *((days, "day") for days in (0, 20, 30, -20, -30, 365, 2_912_000)),
        *((months, "month") for months in (1, -1)),
        (-480, "hour"),
        (1, "year"),
    ]
)
COMPARISONS = st.sampled_from(["after", "before", "not-after", "not-before"])


def added(source: Any, amount: tuple[int, str]) -> dict[str, Any]:
    return plus(source, *amount)


def inside(time: Any) -> Any:
    """The same within a fold."""
    return json.loads(json.dumps(time).replace("external.", "data.external."))


TIMES = st.one_of(
    st.builds(added, SOURCES, AMOUNTS),
    st.builds(added, st.just(CLOCK), AMOUNTS),
    TEXTS.map(lambda text: {"dccDateOfBirth": [text]}),
)
COMPARED = st.builds(lambda name, one, other: {name: [one, other]}, COMPARISONS, TIMES, TIMES)
FOLDED = st.one_of(
    st.builds(
        lambda item, name, amount, time: {
            "reduce": [[item], {name: [added({"var": "current"}, amount), inside(time)]}, 0]
        },
        SOURCES,
        COMPARISONS,
        AMOUNTS,
        TIMES,
    ),
    st.builds(
        lambda first, name, time: {"reduce": [[1], {name: [inside(time), {"var": "accumulator"}]}, first]},
        TIMES,
        COMPARISONS,
        TIMES,
    ),
)
LOGIC = st.recursive(
    st.one_of(COMPARED, COMPARED, FOLDED),
    lambda inner: st.one_of(
        st.builds(lambda one, other: {"and": [one, other]}, inner, inner),
        st.builds(lambda one, then, other: {"if": [one, then, other]}, inner, inner, inner),
        st.builds(lambda one: {"!": [one]}, inner),
    ),
    max_leaves=3,
)
LATER = [*range(NOW + AHEAD, NOW + 420 * DAY, 3 * DAY), int(datetime(2036, 1, 1, tzinfo=UTC).timestamp())]


def outcome(logic: Any, at: int) -> object:
    data: Any = {"external": {"validationClock": ClockText(when(at))}}
    try:
        return is_true(Expression.of(logic).evaluate(data), "rule")
    except CertLogicError as error:
        return type(error)


@settings(max_examples=150, deadline=None)
@given(LOGIC)
def test_what_passes_says_nothing_new_after_the_30_days(logic: Any) -> None:
    try:
        check_dates(logic, NOW)
    except HiddenDate:
        assume(False)
    assert len({outcome(logic, at) for at in LATER}) == 1
