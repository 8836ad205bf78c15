"""What the story did and saw, step by step, printed as it happens and written as JSON at the end.

A step states beforehand what should come out; what came out is measured, never assumed. The report holds no pass, index
or key. A figure's name ends in `_ms` when it is a time in milliseconds.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from waypass_simulator.errors import UsageError

INDENT = 7


@dataclass(frozen=True, kw_only=True, slots=True)
class StepResult:
    """One step of the story: what was done, what should come out, what did, and the figures that were measured."""

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
        self._print(result.did, first=Text(f"  {mark} ", style))
        self._print(result.seen, style="dim" if result.ok else "red")
        if not result.ok:
            self._print(f"expected: {result.expected}", style="red")
        if result.figures:
            self._print(", ".join(_in_words(name, value) for name, value in result.figures.items()), style="cyan")

    def note(self, words: str) -> None:
        """Something worth knowing that is no step."""
        self._console.print(Padding(Text(words, style="dim"), (0, 0, 0, 2)))

    def _print(self, words: str, *, style: str = "", first: Text | None = None) -> None:
        """A paragraph that keeps its indentation where a narrow terminal breaks it; `first` stands in front of it."""
        row = Table.grid()
        row.add_column(width=INDENT, no_wrap=True)
        row.add_column()
        row.add_row(first or "", Text(words, style=style))
        self._console.print(row)


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
    """The whole story. `started_at` is in UNIX seconds, `seed` draws the same hands, light and noise again, and
    `notes` are facts about the run, such as what was missing.

    `propagation_ms` are the times from sending a change to the server until each gate held it.
    """

    started_at: int
    seconds: float
    seed: int
    ok: bool
    steps: Sequence[StepResult]
    propagation_ms: Mapping[str, Sequence[float]]
    frame_to_decision_ms: Mapping[str, Sequence[float]]
    notes: Sequence[str] = ()

    def write(self, path: Path) -> None:
        """Write the report as JSON. Raises `UsageError` when the file cannot be written."""
        text = json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"report {path}: cannot be written: {error.strerror}") from None


def _in_words(name: str, value: object) -> str:
    words = name.removesuffix("_ms").replace("_", " ")
    return f"{words} {value} ms" if name.endswith("_ms") else f"{words} {value}"
