"""The board that pages follow: the present of each lane, and nothing of why."""

import json
import threading
from dataclasses import replace
from typing import Any

import pytest

from waypass_protocol.messages import LaneState
from waypass_protocol.reasons import DECISIONS, Outcome, Reason, Shown
from waypass_reader.board import Board, BoardDisplay, Screen
from waypass_reader.condition import Condition
from waypass_reader.display import Display, RecordingDisplay, SeveralDisplays, Showing
from waypass_reader.hints import Hint
from waypass_reader.words import FreeWay

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


@pytest.mark.parametrize("hint", list(Hint))
def test_a_hint_stands_on_an_idle_lane_until_something_else_is_shown(hint: Hint) -> None:
    board = Board(["north"])
    feed, display = board.follow("north"), BoardDisplay(board, "north")
    display.hint("north", hint)
    assert json.loads(feed.next(0) or "") == {"state": "idle", "aspect": None, "hint": hint.value}
    display.idle("north")
    assert feed.next(0) == IDLE


@pytest.mark.parametrize("why", list(FreeWay))
def test_a_free_way_is_green_and_says_why(why: FreeWay) -> None:
    board = Board(["north"])
    BoardDisplay(board, "north").free("north", why)
    said = board.follow("north").next(0)
    assert json.loads(said or "") == {"state": "open", "aspect": "green", "free": why.value}


def test_what_the_gate_knows_about_itself_is_told_when_it_changes_and_stays() -> None:
    well = Condition(lists=1, age=60, lists_well=True, clock_well=True, camera_well=True, by_hand=False)
    board = Board(["north", "south"])
    north, south = board.follow("north"), board.follow("south")
    north.next(0), south.next(0)
    board.know("north", well)
    said = {
        "lists": {"count": 1, "age": 60, "well": True},
        "clock": {"well": True},
        "camera": {"well": True},
        "by_hand": False,
    }
    assert json.loads(north.next(0) or "")["gate"] == said
    board.know("north", replace(well))
    assert (north.next(0), south.next(0)) == (None, None)
    board.put("north", Screen(state=LaneState.IDLE))
    assert json.loads(north.next(0) or "") == {"state": "idle", "aspect": None, "gate": said}


@pytest.mark.parametrize(
    ("screen", "message"),
    [
        ({"state": LaneState.WAIT, "aspect": Shown.GREY, "hint": Hint.TILT}, "a hint for an idle lane alone"),
        ({"state": LaneState.IDLE, "free": FreeWay.CROWD}, "a free way for an open lane alone"),
        ({"state": LaneState.WAIT, "aspect": Shown.RED, "free": FreeWay.CROWD}, "a free way for an open lane alone"),
    ],
)
def test_a_hint_or_a_free_way_out_of_place_can_not_be_built(screen: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Screen(**screen)


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
    both.hint("north", Hint.CLOSER)
    both.free("north", FreeWay.CROWD)
    both.out_of_order("north")
    both.close()
    assert first.told == [
        *("idle north", "yellow", "let-through north", "hint north closer", "free north crowd"),
        *("out-of-order north", "close"),
    ]
    assert second.told == first.told
    assert second.shown == [showing(Reason.YELLOW)]
