"""What the screen at a gate shows.

The holder's side has the aspect as colour, symbol and words, and never the reason. The staff line has one instruction
for each reason that does not open. No text, index, key or hint of a pass is on any display: a hint is for the eyes of
staff alone, and stands in print on the paper pass.

A display never stops a lane: lines are written by a thread of their own, and what can't be shown is dropped.
"""

import json
import queue
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TextIO

from rich.console import Console, Group
from rich.panel import Panel
from rich.text import Text

from waypass_protocol.reasons import Outcome, Reason, Shown
from waypass_reader.words import IDLE, OUT_OF_ORDER, SIGNS, STAFF, Language, instruction

LINES_WAITING = 1000

_STYLES: Mapping[Shown, str] = {
    Shown.GREEN: "bold white on green",
    Shown.YELLOW: "bold black on yellow",
    Shown.RED: "bold white on red",
    Shown.GREY: "bold white on grey37",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Showing:
    """One decision of one lane. `at` is UNIX seconds; the two durations are milliseconds."""

    lane: str
    outcome: Outcome
    reason: Reason
    aspect: Shown
    frame_to_decision_ms: float
    decode_ms: float
    at: float


class Display(Protocol):
    """A gate's screen; none of it waits or raises."""

    def show(self, showing: Showing) -> None:
        """A decision was made."""

    def let_through(self, lane: str) -> None:
        """Staff opened the lane: that is no decision, and looks like one that opens."""

    def idle(self, lane: str) -> None:
        """Nobody is before the lane."""

    def out_of_order(self, lane: str) -> None:
        """The lane can't see or can't open."""

    def close(self) -> None:
        """Nothing more will be shown."""


class NoDisplay:
    """A lane without a screen."""

    def show(self, showing: Showing) -> None:
        """Nothing."""

    def let_through(self, lane: str) -> None:
        """Nothing."""

    def idle(self, lane: str) -> None:
        """Nothing."""

    def out_of_order(self, lane: str) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class RecordingDisplay:
    """A screen that nobody looks at: remembers what it was told. For tests and dry runs."""

    def __init__(self) -> None:
        self.shown: list[Showing] = []
        self.told: list[str] = []

    def show(self, showing: Showing) -> None:
        """Remember it."""
        self.shown.append(showing)
        self.told.append(showing.reason.value)

    def let_through(self, lane: str) -> None:
        """Remember it."""
        self.told.append(f"let-through {lane}")

    def idle(self, lane: str) -> None:
        """Remember it."""
        self.told.append(f"idle {lane}")

    def out_of_order(self, lane: str) -> None:
        """Remember it."""
        self.told.append(f"out-of-order {lane}")

    def close(self) -> None:
        """Remember it."""
        self.told.append("close")


class Writer:
    """Writes lines to a stream in a thread of its own, so that a pipe that nobody reads stops no lane."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lines: queue.Queue[str | None] = queue.Queue(LINES_WAITING)
        self.dropped = 0
        self._thread = threading.Thread(target=self._write_lines, name="display", daemon=True)
        self._thread.start()

    def write(self, line: str) -> None:
        """Write a line soon; dropped, and counted, when too many wait."""
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self.dropped += 1

    def close(self, *, timeout: float = 1.0) -> None:
        """Write what waits, if that can be done in time."""
        try:
            self._lines.put(None, timeout=timeout)
        except queue.Full:
            return
        self._thread.join(timeout)

    def _write_lines(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                self._stream.write(f"{line}\n")
                self._stream.flush()
            except (OSError, ValueError):  # the other end is gone, or the stream was closed
                self.dropped += 1


class LinesDisplay:
    """One JSON object a line for each decision, for whoever watches a reader from outside."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def show(self, showing: Showing) -> None:
        """Write it."""
        line = {
            "lane": showing.lane,
            "outcome": showing.outcome.value,
            "reason": showing.reason.value,
            "aspect": showing.aspect.value,
            "frame_to_decision_ms": round(showing.frame_to_decision_ms, 3),
            "decode_ms": round(showing.decode_ms, 3),
            "at": showing.at,
        }
        self._writer.write(json.dumps(line))

    def let_through(self, lane: str) -> None:
        """Not a decision, so no line; the log says it."""

    def idle(self, lane: str) -> None:
        """Not a decision, so no line."""

    def out_of_order(self, lane: str) -> None:
        """Not a decision, so no line; `reader/ID/state` and the log say it."""

    def close(self) -> None:
        """The writer is closed by who made it."""


class TerminalDisplay:
    """The gate's screen as a terminal: the holder's panel, and under it the staff line."""

    def __init__(self, writer: Writer, *, language: Language, width: int = 60, colour: bool = True) -> None:
        self._writer = writer
        self._language = language
        self._width = width
        self._colour = colour

    def show(self, showing: Showing) -> None:
        """The panel of the aspect, and what staff do."""
        sign = SIGNS[showing.aspect]
        words = sign.words.spoken(self._language)
        advice = instruction(showing.reason)
        staff = "" if advice is None else advice.spoken(self._language)
        self._draw(showing.lane, f"{sign.symbol}  {words}", _STYLES[showing.aspect], staff)

    def let_through(self, lane: str) -> None:
        """The panel of whoever may go through."""
        sign = SIGNS[Shown.GREEN]
        words = sign.words.spoken(self._language)
        self._draw(lane, f"{sign.symbol}  {words}", _STYLES[Shown.GREEN], "")

    def idle(self, lane: str) -> None:
        """Who comes next is asked for a code."""
        self._draw(lane, IDLE.spoken(self._language), "default", "")

    def out_of_order(self, lane: str) -> None:
        """Nobody should queue here."""
        self._draw(lane, OUT_OF_ORDER.spoken(self._language), "bold white on grey37", "")

    def close(self) -> None:
        """The writer is closed by who made it."""

    def _draw(self, lane: str, words: str, style: str, staff: str) -> None:
        console = Console(
            width=self._width,
            force_terminal=self._colour,
            color_system="standard" if self._colour else None,
            legacy_windows=False,
            highlight=False,
        )
        panel = Panel(Text(f"\n{words}\n", justify="center"), title=Text(lane), style=style)
        line = Text(f"{STAFF.spoken(self._language)}: {staff}" if staff else "")
        with console.capture() as capture:
            console.print(Group(panel, line))
        self._writer.write(capture.get().rstrip("\n"))


class SeveralDisplays:
    """Several screens of one lane, each told the same in turn."""

    def __init__(self, *displays: Display) -> None:
        self._displays = displays

    def show(self, showing: Showing) -> None:
        """On each."""
        for display in self._displays:
            display.show(showing)

    def let_through(self, lane: str) -> None:
        """On each."""
        for display in self._displays:
            display.let_through(lane)

    def idle(self, lane: str) -> None:
        """On each."""
        for display in self._displays:
            display.idle(lane)

    def out_of_order(self, lane: str) -> None:
        """On each."""
        for display in self._displays:
            display.out_of_order(lane)

    def close(self) -> None:
        """On each."""
        for display in self._displays:
            display.close()
