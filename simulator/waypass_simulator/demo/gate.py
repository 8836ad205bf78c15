"""One gate of the demonstration: a reader program, the folder that is its camera, and what it said.

A code is shown by writing frames into the folder, one after the other as a camera would take them; the reader's own
eyes read them. What the gate decided is read from the lines that it writes for whoever watches over it.
"""

import json
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from waypass_simulator.errors import SimulatorError
from waypass_simulator.frame_folder import FrameFolder
from waypass_simulator.optics import Picture
from waypass_simulator.processes import Program, ProgramError, Stream

START_SECONDS = 60.0
FRAME_SECONDS = 1 / 30
ANSWER_SECONDS = 3.0
OPEN_SECONDS = 0.3
_TIMINGS = 10_000
NETWORK = "metro"
RIDE, HOSPITAL = 1, 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What a gate decided about the code that it was shown, after so many frames."""

    outcome: str
    reason: str
    aspect: str
    frames: int
    frame_to_decision_ms: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Pages:
    """Where a reader serves its own pages, and the file with the station's key."""

    port: int
    station_key_file: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """How a gate is set up: for how long it opens, its pages if any, how many of its lines are held if not all.

    `walk_seconds`: its turnstile has a sensor, and somebody walks through so long after each opening; None: no sensor.
    """

    open_seconds: float = OPEN_SECONDS
    walk_seconds: float | None = None
    pages: Pages | None = None
    keep: int | None = None


class Gate:
    """A reader with one lane whose camera is a folder. `program` is `waypass-reader`."""

    def __init__(
        self,
        *,
        name: str,
        folder: Path,
        program: Path,
        broker_port: int,
        answer_seconds: float = ANSWER_SECONDS,
        setting: "Setting | None" = None,
    ) -> None:
        """`answer_seconds` is how long the gate may look at frames after the last one before they count as unread."""
        self.name = name
        self.folder = folder
        self._program_path = program
        self._broker_port = broker_port
        self._answer_seconds = answer_seconds
        self._setting = setting or Setting()
        self._frames = folder / "frames"
        self._camera = FrameFolder(self._frames)
        self._words = ""
        self.program: Program | None = None
        self.timings: deque[float] = deque(maxlen=_TIMINGS)
        self.configuration = folder / "demo.toml"
        self._write_configuration()

    def start(self) -> None:
        """Start the reader and wait until it is ready. Raises `ProgramError`."""
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Start the reader without waiting for it. Raises `ProgramError`."""
        arguments: list[str | Path] = [self._program_path, "run", "--config", self.configuration]
        self.program = Program(arguments, keep=self._setting.keep)

    def wait_ready(self) -> None:
        """Wait until the reader looks at frames. Raises `ProgramError` with what it said instead."""
        self._running().wait_for_line("ready", timeout=START_SECONDS)

    def launch_again(self) -> None:
        """Start the reader again after it has ended by itself. Raises `ProgramError`; the ended one is then still
        there, so that whoever keeps it running sees what to do."""
        ended = self.program
        self._clear()
        self.launch()
        if ended is not None:
            ended.close()
            self._keep_words(ended)

    def kill(self) -> None:
        """SIGKILL."""
        self.close()

    def close(self) -> None:
        """End the reader, if it runs. No frame is left for the next one, and no picture of a code on the disk."""
        if self.program is not None:
            self.program.close()
            self._keep_words(self.program)
            self.program = None
        self._clear()

    def _clear(self) -> None:
        for path in self._frames.glob("*.png"):
            path.unlink(missing_ok=True)

    def close_politely(self) -> None:
        """SIGTERM, as a service manager stops it."""
        if self.program is not None:
            self.program.terminate()
            self.close()

    @property
    def running(self) -> bool:
        """Whether the reader runs."""
        return self.program is not None and self.program.exit_code is None

    def said(self) -> str:
        """All that the reader's programs have written to their two streams so far."""
        return self._words

    def _keep_words(self, program: Program) -> None:
        self._words += program.text(Stream.STDOUT) + program.text(Stream.STDERR)

    def show(self, frames: Sequence[Picture], *, paced: bool = True) -> Verdict | None:
        """Hold a code before the camera: the frames in turn, until the gate has decided or all were shown.

        Returns None when the gate could not read the code in them. Raises `SimulatorError` when it does not run.
        """
        seen = self.heard()
        for number, frame in enumerate(frames, start=1):
            self.offer(frame)
            if (verdict := self.verdict(seen, frames=number, within=FRAME_SECONDS if paced else 0)) is not None:
                return verdict
        return self.verdict(seen, frames=len(frames), within=self._answer_seconds)

    def offer(self, frame: Picture) -> None:
        """Put one frame before the camera."""
        self._camera.show(frame)

    def heard(self) -> int:
        """How much the reader has said so far, for `verdict`. Raises `SimulatorError` when it does not run."""
        return self._running().written(Stream.STDOUT)

    def verdict(self, heard: int, *, frames: int, within: float) -> Verdict | None:
        """What the gate decides after it had said so much, within so many seconds; None when it says nothing.

        Raises `SimulatorError` when it does not run.
        """
        program = self._running()
        try:
            line = program.wait_for_line(r"^\{.*\}$", timeout=within, stream=Stream.STDOUT, start=heard)[0]
        except ProgramError:
            if program.exit_code is not None:
                raise
            return None
        row = json.loads(line)
        self.timings.append(float(row["frame_to_decision_ms"]))
        return Verdict(
            outcome=row["outcome"],
            reason=row["reason"],
            aspect=row["aspect"],
            frames=frames,
            frame_to_decision_ms=float(row["frame_to_decision_ms"]),
        )

    def waiting(self) -> int:
        """How many frames the reader has not taken yet."""
        return sum(1 for _ in self._frames.glob("*.png"))

    def wait_empty(self, *, timeout: float = 10.0) -> None:
        """Wait until the reader has taken every frame, so that the next code is not mixed with the last one."""
        deadline = time.monotonic() + timeout
        while self.waiting():
            if time.monotonic() > deadline:
                raise SimulatorError(f"{self.name}: expected the reader to take its frames within {timeout} s")
            time.sleep(0.01)

    def _write_configuration(self) -> None:
        """The reader's own file, with a camera, pins and a screen that exist on this machine."""
        keys, state = (json.dumps(str(self.folder / name)) for name in ("keys.jwks", "state"))
        self.configuration.write_text(
            f"""\
reader = "{self.name}"
network = "{NETWORK}"
station = "north"
keys = {keys}
state = {state}
scope = {RIDE}
# A container has no word on its clock; this machine's is taken as right.
clock = "assume-synchronised"

[broker]
host = "127.0.0.1"
port = {self._broker_port}

[[lane]]
name = "lane-1"
display = "lines"
source = {{ kind = "folder", path = {json.dumps(str(self._frames))}, follow = true, consume = true }}
turnstile = {{ pins = "mock", open_seconds = {self._setting.open_seconds}, pulse_seconds = 0.1{self._people()} }}
{self._pages_table()}""",
            encoding="utf-8",
        )

    def _people(self) -> str:
        walk = self._setting.walk_seconds
        return "" if walk is None else f", sensor = 23, simulated = {{ walk_seconds = {walk} }}"

    def _pages_table(self) -> str:
        pages = self._setting.pages
        if pages is None:
            return ""
        key = json.dumps(str(pages.station_key_file))
        return f"\n[pages]\nport = {pages.port}\nstation_key_file = {key}\n"

    def _running(self) -> Program:
        if self.program is None:
            raise SimulatorError(f"{self.name}: the reader is not running")
        return self.program
