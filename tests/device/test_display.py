"""What a gate's screen says, and what it never says."""

import contextlib
import io
import json
import os
from collections.abc import Callable

import pytest

from waypass_protocol.reasons import DECISIONS, Reason, Shown
from waypass_reader.display import (
    LINES_WAITING,
    Display,
    EmergencyFirst,
    LinesDisplay,
    NoDisplay,
    RecordingDisplay,
    SeveralDisplays,
    Showing,
    TerminalDisplay,
    Writer,
)
from waypass_reader.hints import Hint
from waypass_reader.words import FREE_WAYS, HINTS, IDLE, OUT_OF_ORDER, SIGNS, STAFF, FreeWay, Language, instruction


def showing(reason: Reason) -> Showing:
    decision = DECISIONS[reason]
    return Showing(
        lane="north",
        outcome=decision.outcome,
        reason=reason,
        aspect=decision.aspect,
        frame_to_decision_ms=12.34567,
        decode_ms=3.2,
        at=1_800_000_000.25,
        decide_ms=0.41234,
        frame_at_ns=987_654_321,
    )


def written(use: Callable[[Writer], object]) -> str:
    """What a display wrote."""
    stream = io.StringIO()
    writer = Writer(stream)
    use(writer)
    writer.close()
    return stream.getvalue()


def test_a_line_has_the_fields_that_others_read() -> None:
    line = written(lambda writer: LinesDisplay(writer).show(showing(Reason.YELLOW)))
    assert json.loads(line) == {
        "lane": "north",
        "outcome": "assist",
        "reason": "yellow",
        "aspect": "yellow",
        "frame_to_decision_ms": 12.346,
        "decode_ms": 3.2,
        "decide_ms": 0.412,
        "frame_at_ns": 987_654_321,
        "at": 1_800_000_000.25,
    }


def test_lines_are_decisions_only() -> None:
    def use(writer: Writer) -> None:
        display = LinesDisplay(writer)
        display.let_through("north")
        display.hint("north", Hint.CLOSER)
        display.free("north", FreeWay.CROWD)
        display.release("north", True)
        display.idle("north")
        display.out_of_order("north")
        display.close()

    assert written(use) == ""


@pytest.mark.parametrize("language", list(Language))
def test_a_lane_that_staff_opened_looks_like_one_that_a_pass_opened(language: Language) -> None:
    def screen(use: Callable[[TerminalDisplay], object]) -> str:
        return written(lambda writer: use(TerminalDisplay(writer, language=language)))

    assert screen(lambda display: display.let_through("north")) == screen(
        lambda display: display.show(showing(Reason.GREEN))
    )


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("reason", list(Reason))
def test_the_screen_has_symbol_words_and_one_instruction(reason: Reason, language: Language) -> None:
    text = written(
        lambda writer: TerminalDisplay(writer, language=language, width=200, colour=False).show(showing(reason))
    )
    sign = SIGNS[DECISIONS[reason].aspect]
    assert f"{sign.symbol}  {sign.words.spoken(language)}" in text
    advice = instruction(reason)
    if advice is None:
        assert not any(f"{STAFF.spoken(each)}: " in text for each in Language)
    else:
        assert advice.spoken(language) in text


def test_the_holders_side_tells_no_reason() -> None:
    """Two reasons of one aspect look the same but for the staff line."""
    panels = set()
    for reason in Reason:
        if DECISIONS[reason].aspect is Shown.YELLOW:
            text = written(
                lambda writer, reason=reason: TerminalDisplay(writer, language=Language.ENGLISH).show(showing(reason))  # type: ignore[misc]  # bound now
            )
            panels.add(text.partition("Staff")[0])
    assert len(panels) == 1


@pytest.mark.parametrize(
    ("reason", "code"), [(Reason.GREEN, "42"), (Reason.YELLOW, "43"), (Reason.RED, "41"), (Reason.MALFORMED, "48;5;59")]
)
def test_colour_stands_behind_the_words(reason: Reason, code: str) -> None:
    text = written(lambda writer: TerminalDisplay(writer, language=Language.ENGLISH).show(showing(reason)))
    colours = {"42": "green", "43": "yellow", "41": "red"}
    assert "\x1b[" in text
    if code in colours:
        assert f";{code}m" in text
    else:
        assert not any(f";{other}m" in text for other in colours)


def test_an_idle_gate_invites_and_a_broken_one_says_so() -> None:
    def use(writer: Writer) -> None:
        display = TerminalDisplay(writer, language=Language.ENGLISH, colour=False)
        display.idle("north")
        display.hint("north", Hint.BRIGHTER)
        display.free("east", FreeWay.CROWD)
        display.out_of_order("south")
        display.close()

    text = written(use)
    assert IDLE.spoken(Language.ENGLISH) in text
    assert HINTS[Hint.BRIGHTER].spoken(Language.ENGLISH) in text
    assert FREE_WAYS[FreeWay.CROWD].spoken(Language.ENGLISH) in text
    assert OUT_OF_ORDER.spoken(Language.ENGLISH) in text
    assert "south" in text


def test_a_pipe_that_nobody_reads_stops_nobody() -> None:
    reading, writing = os.pipe()
    stream = os.fdopen(writing, "w", encoding="utf-8")
    writer = Writer(stream)
    for _ in range(LINES_WAITING + 2000):
        writer.write("x" * 1000)
    assert writer.dropped > 0
    os.close(reading)  # now the thread fails, and goes on
    writer.close(timeout=5.0)
    with contextlib.suppress(BrokenPipeError):
        stream.close()


@pytest.mark.parametrize("make", [NoDisplay, RecordingDisplay])
def test_the_doubles_are_displays(make: Callable[[], Display]) -> None:
    display = make()
    display.show(showing(Reason.GREEN))
    display.let_through("north")
    display.hint("north", Hint.TILT)
    display.free("north", FreeWay.EMERGENCY)
    display.release("north", True)
    display.release("north", False)
    display.idle("north")
    display.out_of_order("north")
    display.close()
    if isinstance(display, RecordingDisplay):
        assert display.told == [
            *("green", "let-through north", "hint north tilt", "free north emergency"),
            *("release north pressed", "release north over", "idle north"),
            *("out-of-order north", "close"),
        ]


TOLD: list[tuple[str, Callable[[Display], object]]] = [
    ("yellow", lambda display: display.show(showing(Reason.YELLOW))),
    ("let-through north", lambda display: display.let_through("north")),
    ("free north crowd", lambda display: display.free("north", FreeWay.CROWD)),
    ("hint north tilt", lambda display: display.hint("north", Hint.TILT)),
    ("idle north", lambda display: display.idle("north")),
    ("out-of-order north", lambda display: display.out_of_order("north")),
]
OUT = "free north emergency"


@pytest.mark.parametrize(("said", "tell"), TOLD, ids=[said for said, _ in TOLD])
def test_the_way_out_stays_on_the_screen_whatever_a_lane_does_meanwhile(
    said: str, tell: Callable[[Display], object]
) -> None:
    recording = RecordingDisplay()
    display = EmergencyFirst(recording)
    display.idle("north")
    display.release("north", True)
    display.release("north", True)
    display.let_through("north")
    tell(display)
    assert recording.told == ["idle north", OUT]
    display.release("north", False)
    display.release("north", False)
    assert recording.told == ["idle north", OUT, said]
    tell(display)
    assert recording.told == ["idle north", OUT, said, said]


def test_a_release_that_is_pressed_at_start_shows_the_way_out_alone() -> None:
    recording = RecordingDisplay()
    display = EmergencyFirst(recording)
    display.release("north", True)
    display.release("north", False)
    display.release("north", True)
    display.close()
    assert recording.told == [OUT, OUT, "close"]


def test_lines_beside_it_go_on_and_none_comes_twice() -> None:
    recording = RecordingDisplay()

    def use(writer: Writer) -> None:
        display: Display = SeveralDisplays(LinesDisplay(writer), EmergencyFirst(recording))
        display.show(showing(Reason.YELLOW))
        display.release("north", True)
        display.show(showing(Reason.GREEN))
        display.release("north", False)

    lines = written(use).splitlines()
    assert [json.loads(line)["reason"] for line in lines] == ["yellow", "green"]
    assert recording.told == ["yellow", OUT, "green"]
