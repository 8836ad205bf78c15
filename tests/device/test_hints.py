"""From what pictures hint to what a screen says: patient, steady, and over when the code was read."""

import pytest

from waypass_reader.hints import AWAY_NS, PATIENCE_NS, STAY_NS, Hint, Prompter

FRAME_NS = 33 * 10**6
MS = 10**6


def run(prompter: Prompter, hint: Hint | None, *, begin_ns: int, end_ns: int) -> list[Hint | None]:
    """What was said during frames that all hint the same."""
    return [prompter.note(hint, now_ns=at) for at in range(begin_ns, end_ns, FRAME_NS)]


@pytest.mark.parametrize("hint", list(Hint))
def test_somebody_who_just_comes_near_is_told_nothing(hint: Hint) -> None:
    prompter = Prompter()
    assert set(run(prompter, hint, begin_ns=0, end_ns=PATIENCE_NS)) == {None}
    assert prompter.note(hint, now_ns=PATIENCE_NS) is hint


def test_a_code_that_is_seen_now_and_then_is_seen_all_the_same() -> None:
    prompter = Prompter()
    prompter.note(Hint.TILT, now_ns=0)
    prompter.note(None, now_ns=300 * MS)
    assert prompter.note(Hint.TILT, now_ns=PATIENCE_NS) is Hint.TILT


def test_what_is_said_stays_long_enough_to_be_read() -> None:
    prompter = Prompter()
    run(prompter, Hint.CLOSER, begin_ns=0, end_ns=PATIENCE_NS + FRAME_NS)
    said_ns = (PATIENCE_NS // FRAME_NS + 1) * FRAME_NS
    assert set(run(prompter, Hint.HOLD_STILL, begin_ns=said_ns, end_ns=said_ns + STAY_NS - FRAME_NS)) == {Hint.CLOSER}
    assert prompter.note(Hint.HOLD_STILL, now_ns=said_ns + STAY_NS) is Hint.HOLD_STILL


def test_it_is_over_when_nothing_is_seen_for_a_while_and_begins_with_patience_again() -> None:
    prompter = Prompter()
    prompter.note(Hint.CLOSER, now_ns=0)
    assert prompter.note(Hint.CLOSER, now_ns=PATIENCE_NS) is Hint.CLOSER
    assert prompter.note(None, now_ns=PATIENCE_NS + AWAY_NS - 1) is Hint.CLOSER
    assert prompter.note(None, now_ns=PATIENCE_NS + AWAY_NS) is None
    assert prompter.note(Hint.CLOSER, now_ns=PATIENCE_NS + AWAY_NS + 1) is None


def test_somebody_else_s_code_long_after_begins_anew() -> None:
    prompter = Prompter()
    prompter.note(Hint.CLOSER, now_ns=0)
    assert prompter.note(Hint.CLOSER, now_ns=AWAY_NS) is None


def test_a_code_that_was_read_ends_it_at_once() -> None:
    prompter = Prompter()
    prompter.note(Hint.BRIGHTER, now_ns=0)
    prompter.note(Hint.BRIGHTER, now_ns=PATIENCE_NS)
    prompter.forget()
    assert prompter.note(None, now_ns=PATIENCE_NS + 1) is None
    assert prompter.note(Hint.BRIGHTER, now_ns=PATIENCE_NS + 2) is None
