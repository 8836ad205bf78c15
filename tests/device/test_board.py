"""The board that pages follow: the present of each lane, and nothing of why."""

import json
import threading

import pytest

from waypass_protocol.messages import LaneState
from waypass_protocol.reasons import DECISIONS, Outcome, Reason, Shown
from waypass_reader.board import Board, BoardDisplay, Screen
from waypass_reader.display import Display, RecordingDisplay, SeveralDisplays, Showing

IDLE = '{"state": "idle", "aspect": null}'
GREEN = '{"state": "open", "aspect": "green"}'
BROKEN = '{"state": "out-of-order", "aspect": null}'


def showing(reason: Reason) -> Showing:
    decision = DECISIONS[reason]
    return Showing(
        lane="north",
        outcome=decision.outcome,
        reason=reason,
        aspect=decision.aspect,
        frame_to_decision_ms=1.0,
        decode_ms=1.0,
        at=0.0,
    )


def test_a_lane_that_has_not_begun_lets_nobody_through() -> None:
    assert Board(["north"]).follow("north").next(0) == BROKEN


def test_a_follower_is_given_the_present_first_and_then_each_change() -> None:
    board = Board(["north", "south"])
    display: Display = BoardDisplay(board, "north")
    display.idle("north")
    feed = board.follow("north")
    assert feed.next(0) == IDLE
    assert feed.next(0) is None
    display.show(showing(Reason.GREEN))
    assert feed.next(0) == GREEN
    display.out_of_order("north")
    assert feed.next(0) == BROKEN
    assert board.follow("south").next(0) == BROKEN


def test_a_follower_that_is_slow_is_given_the_newest_alone() -> None:
    board = Board(["north"])
    feed, display = board.follow("north"), BoardDisplay(board, "north")
    display.show(showing(Reason.GREEN))
    display.show(showing(Reason.RED))
    display.idle("north")
    assert feed.next(0) == IDLE
    assert feed.next(0) is None


def test_a_change_wakes_whoever_waits_for_it() -> None:
    board = Board(["north"])
    feed = board.follow("north")
    feed.next(0)
    heard: list[str | None] = []
    waiting = threading.Thread(target=lambda: heard.append(feed.next(30)))
    waiting.start()
    BoardDisplay(board, "north").let_through("north")
    waiting.join(20)
    assert heard == [GREEN]


@pytest.mark.parametrize("reason", list(Reason))
def test_a_decision_is_shown_by_its_aspect_and_never_by_its_reason(reason: Reason) -> None:
    board = Board(["north"])
    BoardDisplay(board, "north").show(showing(reason))
    decision = DECISIONS[reason]
    state = "open" if decision.outcome is Outcome.OPEN else "wait"
    said = board.follow("north").next(0)
    assert said is not None
    assert json.loads(said) == {"state": state, "aspect": decision.aspect.value}


def test_a_lane_that_has_ended_lets_nobody_through() -> None:
    board = Board(["north"])
    display = BoardDisplay(board, "north")
    display.show(showing(Reason.GREEN))
    display.close()
    assert board.follow("north").next(0) == BROKEN


@pytest.mark.parametrize(
    ("state", "aspect", "message"),
    [
        (LaneState.IDLE, Shown.GREEN, "an aspect for open and wait alone"),
        (LaneState.OUT_OF_ORDER, Shown.RED, "an aspect for open and wait alone"),
        (LaneState.WAIT, None, "an aspect for open and wait alone"),
        (LaneState.WAIT, Shown.GREEN, "green for an open lane alone"),
        (LaneState.OPEN, Shown.YELLOW, "green for an open lane alone"),
    ],
)
def test_a_screen_that_would_mislead_can_not_be_built(state: LaneState, aspect: Shown | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Screen(state=state, aspect=aspect)


def test_several_screens_of_a_lane_are_told_the_same() -> None:
    first, second = RecordingDisplay(), RecordingDisplay()
    both: Display = SeveralDisplays(first, second)
    both.idle("north")
    both.show(showing(Reason.YELLOW))
    both.let_through("north")
    both.out_of_order("north")
    both.close()
    assert first.told == ["idle north", "yellow", "let-through north", "out-of-order north", "close"]
    assert second.told == first.told
    assert second.shown == [showing(Reason.YELLOW)]
