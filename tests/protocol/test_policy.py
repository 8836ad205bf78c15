"""Policies: the defaults of the wire format, and each key read strictly."""

import json

import pytest

from waypass_protocol.errors import Malformed
from waypass_protocol.policy import Policy, WhenStale, policy_from_mapping, read_policy


def test_the_defaults_are_the_wire_formats() -> None:
    assert read_policy("{}") == Policy()
    assert (Policy().fresh, Policy().stale, Policy().when_stale) == (900, 86_400, WhenStale.OPEN)
    assert (Policy().reentry, Policy().identity_check_paper) == (120, True)
    assert (Policy().presentation_past, Policy().presentation_future, Policy().clock_skew) == (45, 15, 60)


def test_every_key_is_read() -> None:
    document = {
        "fresh": 1,
        "stale": 2,
        "when_stale": "assist",
        "reentry": 3,
        "identity_check_paper": False,
        "presentation_past": 4,
        "presentation_future": 5,
        "clock_skew": 0,
    }
    expected = Policy(
        fresh=1,
        stale=2,
        when_stale=WhenStale.ASSIST,
        reentry=3,
        identity_check_paper=False,
        presentation_past=4,
        presentation_future=5,
        clock_skew=0,
    )
    assert read_policy(json.dumps(document)) == policy_from_mapping(document) == expected


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("an unknown key", '{"frehs": 900}', "unknown key 'frehs'; expected keys among clock_skew, fresh"),
        ("seconds as text", '{"fresh": "900"}', "expected fresh in whole seconds from 0 on, got '900'"),
        ("a fraction", '{"stale": 1.5}', "expected stale in whole seconds from 0 on, got 1.5"),
        ("below zero", '{"reentry": -1}', "expected reentry in whole seconds from 0 on, got -1"),
        ("true", '{"clock_skew": true}', "expected clock_skew in whole seconds from 0 on, got True"),
        ("null", '{"presentation_past": null}', "expected presentation_past in whole seconds"),
        ("another word", '{"when_stale": "close"}', "expected when_stale 'open' or 'assist', got 'close'"),
        ("an empty list as word", '{"when_stale": []}', "expected when_stale 'open' or 'assist', got \\[\\]"),
        ("an object as word", '{"when_stale": {}}', "expected when_stale 'open' or 'assist'"),
        ("a number as word", '{"when_stale": 0}', "expected when_stale 'open' or 'assist', got 0"),
        ("a number as flag", '{"identity_check_paper": 1}', "expected identity_check_paper true or false, got 1"),
        ("a key twice", '{"fresh": 1, "fresh": 2}', "a member stands twice"),
        ("a list", "[]", "expected a JSON object, got list"),
        ("nothing", "", "expected a JSON object"),
    ],
)
def test_refuses(name: str, text: str, message: str) -> None:
    with pytest.raises(Malformed, match="^policy: .*" + message):
        read_policy(text)
