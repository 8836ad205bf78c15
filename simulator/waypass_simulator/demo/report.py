"""What the story did and saw, step by step, printed as it happens and written as JSON at the end.

A step states beforehand what should come out; what came out is measured, never assumed. The report holds no pass, index
or key.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.text import Text


@dataclass(frozen=True, kw_only=True, slots=True)
class StepResult:
    """One step of the story. Times in `figures` are in milliseconds unless their name says otherwise."""

    chapter: str
    did: str
    expected: str
    seen: str
    ok: bool
    figures: Mapping[str, object] = field(default_factory=dict)


class Narrator(Protocol):
    """Who hears of the story as it happens."""

    def chapter(self, title: str) -> None:
        """A new chapter begins."""
        ...

    def step(self, result: StepResult) -> None:
        """A step is over."""
        ...

    def note(self, words: str) -> None:
        """Something worth knowing that is no step."""
        ...


class ConsoleNarrator:
    """Tells the story on a terminal; a colour never stands alone."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def chapter(self, title: str) -> None:
        """A new chapter begins."""
        self._console.print(Text(f"\n{title}", style="bold"))

    def step(self, result: StepResult) -> None:
        """A step is over."""
        mark, style = ("ok  ", "green") if result.ok else ("FAIL", "bold red")
        self._console.print(Text.assemble((f"  {mark} ", style), result.did))
        self._console.print(Text(f"       {result.seen}", style="dim" if result.ok else "red"))
        if not result.ok:
            self._console.print(Text(f"       expected: {result.expected}", style="red"))
        if result.figures:
            shown = ", ".join(f"{name} {value}" for name, value in result.figures.items())
            self._console.print(Text(f"       {shown}", style="cyan"))

    def note(self, words: str) -> None:
        """Something worth knowing that is no step."""
        self._console.print(Text(f"  {words}", style="dim"))


class Story:
    """The steps so far. `ok` is true only while every step came out as it should."""

    def __init__(self, narrator: Narrator) -> None:
        self._narrator = narrator
        self._chapter = ""
        self.results: list[StepResult] = []

    def chapter(self, title: str) -> None:
        """Begin a chapter."""
        self._chapter = title
        self._narrator.chapter(title)

    def note(self, words: str) -> None:
        """Say something that is no step."""
        self._narrator.note(words)

    def step(
        self, did: str, *, expected: str, seen: str, ok: bool, figures: Mapping[str, object] | None = None
    ) -> StepResult:
        """Record a step and tell it."""
        result = StepResult(
            chapter=self._chapter, did=did, expected=expected, seen=seen, ok=ok, figures=dict(figures or {})
        )
        self.results.append(result)
        self._narrator.step(result)
        return result

    @property
    def ok(self) -> bool:
        """Whether there were steps and all of them came out as they should."""
        return bool(self.results) and all(result.ok for result in self.results)


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """The whole story. `started_at` is in UNIX seconds; `notes` are facts about the run, such as what was missing."""

    started_at: int
    seconds: float
    ok: bool
    steps: Sequence[StepResult]
    propagation_ms: Mapping[str, Sequence[float]]
    frame_to_decision_ms: Mapping[str, Sequence[float]]
    notes: Sequence[str] = ()

    def write(self, path: Path) -> None:
        """Write the report as JSON."""
        path.write_text(json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
