"""Sessions of the station's page: how they begin, what keeps them alive, and what ends them."""

import itertools

import pytest

from waypass_reader.station.sessions import IDLE_SECONDS, MOST_SESSIONS, Sessions

IDLE_NS = IDLE_SECONDS * 10**9


def make() -> Sessions:
    numbers = itertools.count()
    return Sessions(new_token=lambda: f"token-{next(numbers)}")


@pytest.mark.parametrize("token", [None, "", "token-1", "token-0 ", "TOKEN-0", "\udc80", "ÿ" * 5000])
def test_only_the_token_that_was_given_holds(token: str | None) -> None:
    sessions = make()
    assert sessions.begin(now_ns=0) == "token-0"
    assert not sessions.holds(token, now_ns=0, use=True)
    assert sessions.holds("token-0", now_ns=0, use=True)


@pytest.mark.parametrize(("use", "holds"), [(True, True), (False, False)])
def test_use_keeps_a_session_alive_and_watching_does_not(use: bool, holds: bool) -> None:
    sessions = make()
    token = sessions.begin(now_ns=0)
    assert sessions.holds(token, now_ns=IDLE_NS - 1, use=use)
    assert sessions.holds(token, now_ns=IDLE_NS, use=False) is holds


def test_a_session_that_has_ended_does_not_come_back() -> None:
    sessions = make()
    token = sessions.begin(now_ns=0)
    assert not sessions.holds(token, now_ns=IDLE_NS, use=True)
    assert not sessions.holds(token, now_ns=0, use=True)


def test_who_signs_out_is_out_and_others_stay() -> None:
    sessions = make()
    one, other = sessions.begin(now_ns=0), sessions.begin(now_ns=0)
    sessions.end(one)
    sessions.end(None)
    assert not sessions.holds(one, now_ns=1, use=False)
    assert sessions.holds(other, now_ns=1, use=False)


def test_one_too_many_ends_the_one_that_was_not_used_for_longest() -> None:
    sessions = make()
    tokens = [sessions.begin(now_ns=number) for number in range(MOST_SESSIONS)]
    sessions.holds(tokens[0], now_ns=1000, use=True)
    tokens.append(sessions.begin(now_ns=1001))
    held = [sessions.holds(token, now_ns=1002, use=False) for token in tokens]
    assert held == [True, False] + [True] * (MOST_SESSIONS - 1)
