"""What the screen at a gate shows.

The holder's side has the aspect as colour, symbol and words, and never the reason. The staff line has one instruction
for each reason that does not open. No text, index, key or hint of a pass is on any display: a hint is for the eyes of
staff alone, and stands in print on the paper pass.

A display never stops a lane: lines are written by a thread of their own, and what can't be shown is dropped.
"""

import json
import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TextIO

from rich.console import Console, Group
from rich.panel import Panel
from rich.text import Text

from waypass_protocol.reasons import Outcome, Reason, Shown
from waypass_reader.hints import Hint
from waypass_reader.words import (
    FREE_WAYS,
    HINTS,
    IDLE,
    OUT_OF_ORDER,
    SIGNS,
    STAFF,
    FreeWay,
    Language,
    instruction,
)

LINES_WAITING = 1000

_STYLES: Mapping[Shown, str] = {
    Shown.GREEN: "bold white on green",
    Shown.YELLOW: "bold black on yellow",
    Shown.RED: "bold white on red",
    Shown.GREY: "bold white on grey37",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Showing:
    """One decision of one lane. `at` is UNIX seconds; durations are milliseconds; `frame_at_ns` is the frame's own time
    on the monotonic clock, 0 where nobody told it."""

    lane: str
    outcome: Outcome
    reason: Reason
    aspect: Shown
    frame_to_decision_ms: float
    decode_ms: float
    at: float
    decide_ms: float = 0.0
    frame_at_ns: int = 0


class Display(Protocol):
    """A gate's screen; none of it waits or raises."""

    def show(self, showing: Showing) -> None:
        """A decision was made."""

    def let_through(self, lane: str) -> None:
        """Staff opened the lane: that is no decision, and looks like one that opens."""

    def free(self, lane: str, why: FreeWay) -> None:
        """The lane lets everybody through until something else is shown."""

    def release(self, lane: str, pressed: bool) -> None:
        """The emergency release is pressed, or is not any more: `EmergencyFirst` makes of it what others show."""

    def hint(self, lane: str, hint: Hint) -> None:
        """Somebody's code is seen and not read yet: what they can do. Shown in place of `idle`, until it is over."""

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

    def free(self, lane: str, why: FreeWay) -> None:
        """Nothing."""

    def release(self, lane: str, pressed: bool) -> None:
        """Nothing."""

    def hint(self, lane: str, hint: Hint) -> None:
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

    def free(self, lane: str, why: FreeWay) -> None:
        """Remember it."""
        self.told.append(f"free {lane} {why}")

    def release(self, lane: str, pressed: bool) -> None:
        """Remember it."""
        self.told.append(f"release {lane} {'pressed' if pressed else 'over'}")

    def hint(self, lane: str, hint: Hint) -> None:
        """Remember it."""
        self.told.append(f"hint {lane} {hint}")

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
            "decide_ms": round(showing.decide_ms, 3),
            "frame_at_ns": showing.frame_at_ns,
            "at": showing.at,
        }
        self._writer.write(json.dumps(line))

    def let_through(self, lane: str) -> None:
        """Not a decision, so no line; the log says it."""

    def free(self, lane: str, why: FreeWay) -> None:
        """Not a decision, so no line."""

    def release(self, lane: str, pressed: bool) -> None:
        """Not a decision, so no line."""

    def hint(self, lane: str, hint: Hint) -> None:
        """Not a decision, so no line."""

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

    def free(self, lane: str, why: FreeWay) -> None:
        """The same, with words of its own."""
        words = FREE_WAYS[why].spoken(self._language)
        self._draw(lane, f"{SIGNS[Shown.GREEN].symbol}  {words}", _STYLES[Shown.GREEN], "")

    def release(self, lane: str, pressed: bool) -> None:
        """Told as a free way."""

    def hint(self, lane: str, hint: Hint) -> None:
        """What to do, in a panel like the one that asks for a code."""
        self._draw(lane, HINTS[hint].spoken(self._language), "default", "")

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

    def free(self, lane: str, why: FreeWay) -> None:
        """On each."""
        for display in self._displays:
            display.free(lane, why)

    def release(self, lane: str, pressed: bool) -> None:
        """On each."""
        for display in self._displays:
            display.release(lane, pressed)

    def hint(self, lane: str, hint: Hint) -> None:
        """On each."""
        for display in self._displays:
            display.hint(lane, hint)

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


class EmergencyFirst:
    """What people see and hear of a lane: the way out for as long as the emergency release is pressed, whatever the
    lane does meanwhile; afterwards what was told last. Lines of decisions do not belong behind it: they would be kept
    back, or come twice. Told by one thread at a time."""

    def __init__(self, display: Display) -> None:
        self._display = display
        self._pressed = False
        self._last: Callable[[], None] | None = None

    def release(self, lane: str, pressed: bool) -> None:
        """The emergency release was pressed, or is not any more."""
        if pressed is self._pressed:
            return
        self._pressed = pressed
        if pressed:
            self._display.free(lane, FreeWay.EMERGENCY)
        elif self._last is not None:
            self._last()

    def show(self, showing: Showing) -> None:
        """Unless it is pressed."""
        self._tell(lambda: self._display.show(showing))

    def let_through(self, lane: str) -> None:
        """Unless it is pressed."""
        self._tell(lambda: self._display.let_through(lane))

    def free(self, lane: str, why: FreeWay) -> None:
        """Unless it is pressed."""
        self._tell(lambda: self._display.free(lane, why))

    def hint(self, lane: str, hint: Hint) -> None:
        """Unless it is pressed."""
        self._tell(lambda: self._display.hint(lane, hint))

    def idle(self, lane: str) -> None:
        """Unless it is pressed."""
        self._tell(lambda: self._display.idle(lane))

    def out_of_order(self, lane: str) -> None:
        """Unless it is pressed."""
        self._tell(lambda: self._display.out_of_order(lane))

    def close(self) -> None:
        """On each, whatever is pressed."""
        self._display.close()

    def _tell(self, telling: Callable[[], None]) -> None:
        self._last = telling
        if not self._pressed:
            telling()
