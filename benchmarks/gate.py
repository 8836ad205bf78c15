"""How long a gate takes, from the first frame in which anybody could read the code to the relay.

What runs: a broker (Mosquitto, or the embedded one), a reader process (`waypass-reader run`) with a camera a lane and
mock pins with people who walk through behind them, and in this process the cameras: 30 frames a second of people who
walk up one after the other, telephones and paper, easy and medium light in turn, 64 a minute.

- What people show is signed for the moment at which it is shown: people come in groups, and a group's pictures are
  rendered just before it comes. While a group walks, nothing else is computed.
- A frame's time is when the camera's clock says that it is due, whether or not it could be delivered then.
- The first readable frame is found beforehand: zxing-cpp, zbar and OpenCV alone and the reader's single-frame stages
  each try every frame. Where the reader joined frames and was sooner than all of them, its own frame counts.
- The relay's time is what the mock pin's change recorded (`record` of the simulated turnstile).
- Somebody whom a decoder can read and the reader did not read counts with all the time until the hand was gone, and
  stands in `missed`. Whom no decoder can read is in `unreadable`, and in no time.

The parts add up: `wait` until the lane took the frame that it read (later frames and all), `decode`, `decide`,
`actuate`. Beside them, from the same run: zxing-cpp alone on the same frames, and `bare_wait`, what a process that does
nothing but take frames from the same pipe waits for them.
"""

import json
import multiprocessing
import os
import random
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from gate_camera import Idling, PipeCamera
from gate_people import HELD_FRAMES, PERIOD_NS, SLOT_FRAMES, Person, WalkUp, empty_hall, read_with_zxing, walk_up_of
from soak import Hall
from soak_hall import NETWORK, READER, SCOPE, Issuer
from waypass_protocol.passes import Aspect
from waypass_reader.frames import PipeConfig, open_source
from waypass_reader.frames.base import Frame, Pixels
from waypass_simulator.brokers import BrokerKind, LocalBroker, mosquitto_program
from waypass_simulator.camera import HD, VGA, FrameSize
from waypass_simulator.carriers import Carrier
from waypass_simulator.difficulty import Level
from waypass_simulator.processes import Program, Stream

SMALLEST_GROUP, LARGEST_GROUP = 4, 20
AHEAD_SECONDS: Final = 40
"""For when a presentation is signed, from when its picture begins to be made: good from 15 s before to 45 s after."""
EARLY_SECONDS, LATE_SECONDS = 12, 42
BARE_FRAMES: Final = 90
HALL_FRAMES: Final = 60
PARTS: Final = ("wait", "decode", "decide", "actuate")
AIMS: Final = {"p50_ms": 15, "p95_ms": 50, "people_per_minute": 60}
SIZES: Final = {"640x480": VGA, "1280x720": HD}


@dataclass(frozen=True, kw_only=True, slots=True)
class Slot:
    """One person's time before one lane's camera."""

    walk_up: WalkUp
    begins_ns: int

    def due_ns(self, number: int) -> int:
        """When a frame of theirs is due."""
        return self.begins_ns + number * PERIOD_NS


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """One person who was let through, in milliseconds."""

    total: float
    parts: dict[str, float]
    frames_late: int


@dataclass(kw_only=True, slots=True)
class Lane:
    """One lane: its camera, and what came of it."""

    name: str
    camera: PipeCamera
    record: Path
    slots: list[Slot] = field(default_factory=list)
    late_ns: list[int] = field(default_factory=list)
    played_ns: int = 0


def main(
    people: Annotated[int, typer.Option(min=4, help="How many walk up to each lane.")] = 200,
    lanes: Annotated[int, typer.Option(min=1, max=4, help="How many lanes the reader has.")] = 1,
    size: Annotated[str, typer.Option(help="Of the frames: 640x480 or 1280x720.")] = "640x480",
    seed: Annotated[int, typer.Option(help="Another seed, other people.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Measure the way from a frame to the relay."""
    if size not in SIZES:
        raise typer.BadParameter(f"expected 640x480 or 1280x720, got {size}", param_hint="--size")
    with tempfile.TemporaryDirectory(prefix="waypass-gate-") as folder, ExitStack() as stack:
        bench = Bench(Path(folder), stack, lanes=lanes, size=SIZES[size], seed=seed)
        while bench.shown < people:
            bench.let_group_come(people - bench.shown)
        result = {"people": people * lanes, "size": size, **bench.finish()}
    if as_json:
        print(json.dumps(result))
    else:
        _print(result)


class Bench:
    """Everything that runs; see the module's docstring. `stack` ends it."""

    def __init__(self, folder: Path, stack: ExitStack, *, lanes: int, size: FrameSize, seed: int) -> None:
        self.shown = 0
        self._size = size
        self._seed = seed
        self._rng = random.Random(seed)
        self._issuer = Issuer(seed)
        self._hall = empty_hall(seed, size, count=HALL_FRAMES)
        self._lanes = [
            Lane(name=name, camera=PipeCamera(folder / f"{name}.pipe", size), record=folder / f"{name}.record")
            for name in (f"lane-{number + 1}" for number in range(lanes))
        ]
        spawn = multiprocessing.get_context("spawn")
        self._bare_ns = self._measure_bare(folder, spawn, size)
        kind = BrokerKind.MOSQUITTO if mosquitto_program() else BrokerKind.EMBEDDED
        broker = stack.enter_context(LocalBroker(kind, folder))
        self._server = Hall(self._issuer, broker)
        stack.callback(self._server.close)
        self._pool = stack.enter_context(ProcessPoolExecutor(os.cpu_count(), mp_context=spawn))
        configure(folder, self._issuer, self._lanes, port=broker.port)
        command = [sys.executable, "-c", "from waypass_reader.cli import main; main()", "run", "--config"]
        self._reader = stack.enter_context(Program([*command, folder / "reader.toml"]))
        self._server.publish_all()
        self._reader.wait_for_line(r'"event": "ready"', timeout=60)
        for lane in self._lanes:
            lane.camera.open()
            stack.callback(lane.camera.close)
        self._zxing: list[float | None] = []
        self._group = SMALLEST_GROUP

    def let_group_come(self, at_most: int) -> None:
        """Render, wait until what they show is good, and let them walk up, all lanes at once.

        A group whose pictures were ready too late does not come; the next one is smaller."""
        count = min(self._group, at_most)
        begun = time.time()
        with Idling([lane.camera for lane in self._lanes], self._hall):
            everybody = [self._person(number) for number in range(count) for _ in self._lanes]
            walk_ups = list(self._pool.map(walk_up_of, everybody))
            alone = [_with_zxing_alone(walk_up) for walk_up in walk_ups]
            self._server.publish_all()
            took = time.time() - begun
            time.sleep(max(0.5, AHEAD_SECONDS - EARLY_SECONDS - took))
        self._group = max(SMALLEST_GROUP, min(LARGEST_GROUP // len(self._lanes), int(count * AHEAD_SECONDS / took)))
        if took > AHEAD_SECONDS + LATE_SECONDS:
            if count <= SMALLEST_GROUP:
                raise TimeoutError(f"expected {count} people's pictures within {AHEAD_SECONDS + LATE_SECONDS} s")
            return
        self._zxing += alone
        players = [
            threading.Thread(target=self._play, args=(lane, walk_ups[place :: len(self._lanes)]), name=lane.name)
            for place, lane in enumerate(self._lanes)
        ]
        for player in players:
            player.start()
        for player in players:
            player.join()
        self.shown += count

    def _person(self, number: int) -> Person:
        level, carrier = self._rng.choice([Level.EASY, Level.MEDIUM]), Carrier.PHONE
        ahead = AHEAD_SECONDS + number * SLOT_FRAMES * PERIOD_NS // 10**9
        place = self._issuer.place()
        text = self._issuer.presentation(place, late=-ahead)
        if self._rng.random() < 0.25:
            carrier, text = Carrier.PAPER, self._issuer.paper(place, {SCOPE: Aspect.GREEN})
        return Person(text=text, seed=(self._seed, place), level=level, carrier=carrier, size=self._size)

    def _play(self, lane: Lane, walk_ups: Sequence[WalkUp]) -> None:
        """The hall for a second, the people, and the hall until the last one is through."""
        frames = list(self._hall[:30])
        gaps = SLOT_FRAMES - HELD_FRAMES
        for number, walk_up in enumerate(walk_ups):
            frames += [*walk_up.frames, *(self._hall[(number + gap) % len(self._hall)] for gap in range(gaps))]
        # No two cameras have the same beat.
        start_ns = time.monotonic_ns() + self._rng.randrange(PERIOD_NS)
        lane.slots += [
            Slot(walk_up=walk_up, begins_ns=start_ns + (30 + number * SLOT_FRAMES) * PERIOD_NS)
            for number, walk_up in enumerate(walk_ups)
        ]
        lane.late_ns += lane.camera.play([*frames, *self._hall[:30]], start_ns=start_ns)
        lane.played_ns += len(walk_ups) * SLOT_FRAMES * PERIOD_NS

    def finish(self) -> dict[str, Any]:
        """End the reader; what was measured."""
        code = self._reader.terminate(timeout=30)
        if code != 0:
            raise RuntimeError(
                f"expected the reader to end well, got {code}: {self._reader.text(Stream.STDERR)[-2000:]}"
            )
        lines = [json.loads(line) for line in self._reader.lines(Stream.STDOUT)]
        outcomes = [_outcomes(lane, [line for line in lines if line["lane"] == lane.name]) for lane in self._lanes]
        result = _summary([each for lane in outcomes for each in lane])
        result["people_per_minute"] = min(
            _per_minute(lane, each) for lane, each in zip(self._lanes, outcomes, strict=True)
        )
        result["lanes"] = {
            lane.name: {**_summary(each, parts=False), "people_per_minute": _per_minute(lane, each)}
            for lane, each in zip(self._lanes, outcomes, strict=True)
        }
        result["answers"] = dict(Counter(line["reason"] for line in lines))
        result |= _spread("zxing_alone", [each for each in self._zxing if each is not None])
        result |= _spread("bare_wait", [each / 1e6 for each in self._bare_ns])
        result |= _spread("camera_late", [each / 1e6 for lane in self._lanes for each in lane.late_ns])
        return result

    def _measure_bare(self, folder: Path, spawn: Any, size: FrameSize) -> list[int]:
        """What frames cost a process that does nothing with them: from due to taken, in nanoseconds."""
        camera = PipeCamera(folder / "bare.pipe", size)
        ours, theirs = spawn.Pipe()
        child = spawn.Process(target=take_frames, args=(folder / "bare.pipe", theirs, BARE_FRAMES))
        child.start()
        camera.open()
        start_ns = time.monotonic_ns() + 10 * PERIOD_NS
        frames: list[Pixels] = [self._hall[number % len(self._hall)] for number in range(BARE_FRAMES)]
        camera.play(frames, start_ns=start_ns)
        taken: dict[int, int] = ours.recv()
        child.join()
        camera.close()
        return [at_ns - start_ns - number * PERIOD_NS for number, at_ns in taken.items()]


def take_frames(path: Path, answer: Any, count: int) -> None:
    """The bare process: when each frame was taken by whoever asked for it."""
    taken: dict[int, int] = {}
    with open_source(PipeConfig(path=path, frozen_seconds=0)) as source:
        while not taken or max(taken) < count - 1:
            frame = source.next_frame(1.0)
            if isinstance(frame, Frame):
                taken[frame.number] = time.monotonic_ns()
    answer.send(taken)


def configure(folder: Path, issuer: Issuer, lanes: Sequence[Lane], *, port: int) -> None:
    """The reader's files."""
    (folder / "trust.json").write_text(issuer.trust.to_json(), encoding="utf-8")
    tables = "".join(
        f'[[lane]]\nname = "{lane.name}"\ndisplay = "lines"\nsource = {{ kind = "pipe", path = "{lane.name}.pipe" }}\n'
        f'turnstile = {{ pins = "mock", relay = {pin}, lamp_go = {pin + 1}, lamp_wait = {pin + 2}, sensor = {pin + 3}, '
        "open_seconds = 3, pulse_seconds = 0.1, "
        f'simulated = {{ walk_seconds = 0.4, turn_seconds = 0.1, record = "{lane.record.name}" }} }}\n'
        for pin, lane in ((2 + 4 * place, lane) for place, lane in enumerate(lanes))
    )
    (folder / "reader.toml").write_text(
        f'reader = "{READER}"\nnetwork = "{NETWORK}"\nstation = "bench"\nkeys = "trust.json"\nstate = "state"\n'
        f'scope = {SCOPE}\nclock = "assume-synchronised"\npolicy = {{ identity_check_paper = false }}\n'
        f'[broker]\nhost = "127.0.0.1"\nport = {port}\n{tables}',
        encoding="utf-8",
    )


def _with_zxing_alone(walk_up: WalkUp) -> float | None:
    """From the first readable frame's time until zxing-cpp, which sees all frames, has a text: milliseconds. None where
    no decoder reads any."""
    if walk_up.first is None:
        return None
    for number in range(walk_up.first, HELD_FRAMES):
        started = time.perf_counter_ns()
        if walk_up.person.text in read_with_zxing(walk_up.frames[number]):
            return ((number - walk_up.first) * PERIOD_NS + time.perf_counter_ns() - started) / 1e6
    return (HELD_FRAMES - walk_up.first) * PERIOD_NS / 1e6


def _outcomes(lane: Lane, lines: Sequence[dict[str, Any]]) -> list[Taken | float | None]:
    """Of each person: what they took; for how many milliseconds they were missed; or None where nobody can read."""
    pulled = [
        row["at_ns"] for row in map(json.loads, lane.record.read_text(encoding="utf-8").splitlines()) if row["pulled"]
    ]
    opened = [line for line in lines if line["outcome"] == "open"]
    return [_outcome(slot, opened, pulled) for slot in lane.slots]


def _outcome(slot: Slot, opened: Sequence[dict[str, Any]], pulled: Sequence[int]) -> Taken | float | None:
    within = range(slot.begins_ns, slot.due_ns(SLOT_FRAMES))
    line = next((line for line in opened if line["frame_at_ns"] in within), None)
    first = slot.walk_up.first
    if line is None:
        return None if first is None else (HELD_FRAMES - first) * PERIOD_NS / 1e6
    decided_ns = line["frame_at_ns"] + line["frame_to_decision_ms"] * 1e6
    # The line's numbers are rounded to a microsecond.
    relay_ns = next(at_ns for at_ns in pulled if at_ns >= decided_ns - 1000)
    decode_ms, decide_ms = line["decode_ms"], line["decide_ms"]
    read = (line["frame_at_ns"] - slot.begins_ns) // PERIOD_NS
    first = read if first is None else min(first, read)
    parts = {
        "wait": (decided_ns - slot.due_ns(first)) / 1e6 - decode_ms - decide_ms,
        "decode": decode_ms,
        "decide": decide_ms,
        "actuate": (relay_ns - decided_ns) / 1e6,
    }
    return Taken(total=(relay_ns - slot.due_ns(first)) / 1e6, parts=parts, frames_late=read - first)


def _summary(outcomes: Sequence[Taken | float | None], *, parts: bool = True) -> dict[str, Any]:
    taken = [each for each in outcomes if isinstance(each, Taken)]
    missed = [each for each in outcomes if isinstance(each, float)]
    times = [*(each.total for each in taken), *missed]
    summary: dict[str, Any] = {
        "p50_ms": _quantile(times, 0.5),
        "p95_ms": _quantile(times, 0.95),
        "p99_ms": _quantile(times, 0.99),
        "let_through": len(taken),
        "missed": len(missed),
        "unreadable": sum(each is None for each in outcomes),
    }
    if parts:
        late = Counter(each.frames_late for each in taken)
        summary["frames_after_first"] = {str(number): late[number] for number in sorted(late)}
        for part in PARTS:
            spent = [each.parts[part] for each in taken]
            summary[part] = {
                "mean_ms": round(statistics.fmean(spent), 2) if spent else None,
                "p50_ms": _quantile(spent, 0.5),
                "p95_ms": _quantile(spent, 0.95),
            }
    return summary


def _per_minute(lane: Lane, outcomes: Sequence[Taken | float | None]) -> float:
    return round(sum(isinstance(each, Taken) for each in outcomes) / (lane.played_ns / 60e9), 1)


def _spread(name: str, values: Sequence[float]) -> dict[str, float | None]:
    return {f"{name}_p50_ms": _quantile(values, 0.5), f"{name}_p95_ms": _quantile(values, 0.95)}


def _quantile(values: Sequence[float], share: float) -> float | None:
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 2) if ordered else None


def _print(result: dict[str, Any]) -> None:
    table = Table(
        "what", "measured", "aim", title=f"{result['people']} people, {result['size']}, {len(result['lanes'])} lanes"
    )
    for name, value in result.items():
        words = json.dumps(value) if isinstance(value, dict) else str(value)
        table.add_row(name, words, str(AIMS.get(name, "")))
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
