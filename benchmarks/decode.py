"""From pictures to texts: the reader's pipeline beside zxing-cpp, pyzbar and OpenCV alone and the union of the three.

- Sets: photographs of codes and bursts of a gate camera, both from the shared folder beside the checkout (left out, as
  `null`, where it is not there), and gate frames that the simulator generates: easy, medium, hard, at 640x480 and
  1280x720, each as single frames and as bursts of five, with codes as long as real presentations.
- `rate` is the share of which exactly the text was read; `p50_ms` and `p95_ms` are for one picture or burst, with what
  could not be read. A burst is read by a single decoder when any of its frames is; it stops there.
- `categories` are the folders of the photographs, each with the rates of all decoders on it.
- `false_reads` counts texts where there is no code (`no-code`, and generated frames without one, joined too) and wrong
  texts anywhere, by the pipeline.
- `empty_720p_mean_ms` is one look of a lane's eye at 1280x720 with people who walk through and the camera's noise, 30
  frames a second; `empty_720p_all_threads_ms` is what all threads spend of the processor for such a frame.
- `first_stage_over_zxing` compares an eye's look with zxing-cpp alone on frames that the first stage reads, one after
  the other.

zxing-cpp alone is as its library is by default, which reads light on dark too. OpenCV and zxing-cpp run in one thread.
Generated frames without a code are looked at by as many processes as there are processors, since nothing is timed
there: the default is a sample, and `--empty 10000` the whole aim, half an hour on two cores by a sample, part of it for
drawing the frames. Other seeds give other frames.
"""

import json
import os
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any, Final

import cv2
import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from waypass_reader.frames.base import Pixels
from waypass_reader.frames.pictures import read_picture
from waypass_reader.seeing.burst import read_burst
from waypass_reader.seeing.eye import Eye
from waypass_reader.seeing.stages import read_zbar, read_zxing, text_of
from waypass_simulator.camera import HD, VGA, FrameSize, empty_frames, walk_up
from waypass_simulator.carriers import Carrier
from waypass_simulator.difficulty import LEVELS, Level

SHARED: Final = Path(os.environ.get("WAYPASS_SHARED", Path(__file__).parents[2] / "shared"))
BURST: Final = 5
_SCENE: Final = 30
_PERIOD: Final = 1 / 30
PRESENTATION_LETTERS: Final = 460
_BASE45: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_AIMS: Final = {"gate_frames_medium": 0.95, "gate_frames_hard": 0.33}


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """A picture, or the frames of a burst, and the text of its code."""

    frames: Sequence[Pixels]
    text: str
    category: str | None = None


@dataclass(kw_only=True, slots=True)
class Score:
    """What one decoder made of one set."""

    read: list[bool]
    ms: list[float]

    def rate(self, which: Sequence[bool] | None = None) -> float:
        """The share that was read, of all or of some."""
        read = [each for number, each in enumerate(self.read) if which is None or which[number]]
        return round(sum(read) / len(read), 3)

    def as_fields(self) -> dict[str, float]:
        """As the command line's description names them."""
        ordered = sorted(self.ms)
        return {
            "rate": self.rate(),
            "p50_ms": round(statistics.median(ordered), 2),
            "p95_ms": round(ordered[min(len(ordered) - 1, len(ordered) * 95 // 100)], 2),
        }


def _zxing(frame: Pixels) -> list[str]:
    return [text_of(code) for code in read_zxing(frame, light_on_dark=True)]


def _opencv() -> Callable[[Pixels], list[str]]:
    detector = cv2.QRCodeDetectorAruco()

    def read(frame: Pixels) -> list[str]:
        try:
            return [text for text in detector.detectAndDecodeMulti(frame)[1] if text]
        except (cv2.error, UnicodeDecodeError):  # the latter for texts that are not UTF-8
            return []

    return read


class Bench:
    """The decoders, and what the pipeline read that it should not have."""

    def __init__(self) -> None:
        self._singles = {"zxing": _zxing, "zbar": read_zbar, "opencv": _opencv()}
        self.false_reads = 0

    def measure(self, items: Iterable[Item]) -> dict[str, Any]:
        """Every decoder on every item."""
        scores = {name: Score(read=[], ms=[]) for name in ("pipeline", *self._singles, "union")}
        categories: list[str | None] = []
        for item in items:
            categories.append(item.category)
            any_read, spent = False, 0.0
            for name, decoder in self._singles.items():
                read, ms = _first_read(decoder, item)
                scores[name].read.append(read)
                scores[name].ms.append(ms)
                any_read, spent = any_read or read, spent + ms
            scores["union"].read.append(any_read)
            scores["union"].ms.append(spent)
            texts, ms = self._pipeline(item.frames)
            scores["pipeline"].read.append(item.text in texts)
            scores["pipeline"].ms.append(ms)
            # A photograph may show a second code; what is wrong is a text without the right one.
            self.false_reads += bool(texts) and item.text not in texts
        if not categories:
            return {}
        fields: dict[str, Any] = {"items": len(categories)}
        fields |= {name: score.as_fields() for name, score in scores.items()}
        if any(categories):
            fields["categories"] = {
                name: _rates_in(name, categories, scores) for name in sorted(set(filter(None, categories)))
            }
        return fields

    def measure_empty(self, pictures: Iterable[Pixels]) -> int:
        """The pipeline on pictures without a code; how many there were."""
        count = 0
        for picture in pictures:
            texts, _ = self._pipeline([picture])
            self.false_reads += len(texts)
            count += 1
        return count

    def measure_generated_empty(self, *, frames: int, seed: int) -> int:
        """The same on generated bursts without a code, of all levels and both sizes in turn."""
        bursts = -(-frames // BURST)
        with ProcessPoolExecutor(mp_context=get_context("forkserver")) as processes:
            self.false_reads += sum(processes.map(texts_in_empty_burst, range(bursts), repeat(seed), chunksize=8))
        return bursts * BURST

    def _pipeline(self, frames: Sequence[Pixels]) -> tuple[list[str], float]:
        reading = read_burst(frames, limit=None)
        return [sighting.text for sighting in reading.sightings], reading.ms


def _rates_in(category: str, categories: list[str | None], scores: dict[str, Score]) -> dict[str, float]:
    here = [each == category for each in categories]
    return {"items": sum(here), **{name: score.rate(here) for name, score in scores.items()}}


def _first_read(decoder: Callable[[Pixels], list[str]], item: Item) -> tuple[bool, float]:
    started = time.perf_counter_ns()
    read = any(item.text in decoder(frame) for frame in item.frames)
    return read, (time.perf_counter_ns() - started) / 1e6


def photographs(shared: Path) -> list[Item]:
    """The photographs of codes."""
    items = []
    for expected in sorted((shared / "qr-images").glob("qrcode-*/*.txt")):
        for path in sorted(expected.parent.glob(f"{expected.stem}.*")):
            if path.suffix != ".txt":
                text = expected.read_bytes().decode()
                items.append(Item(frames=[read_picture(path)], text=text, category=expected.parent.name))
    return items


def gate_bursts(shared: Path, level: str) -> list[Item]:
    """The fixed bursts of one level."""
    folders = sorted(path for path in (shared / "gate-frames" / level).iterdir() if path.is_dir())
    return [
        Item(
            frames=[read_picture(path) for path in sorted(folder.glob("*.jpg"))], text=(folder / "text.txt").read_text()
        )
        for folder in folders
    ]


def generated(level: Level, size: FrameSize, *, count: int, seed: int) -> Iterable[Item]:
    """Bursts of somebody walking up, on telephones and paper in turn."""
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        text = "WP2:" + "".join(rng.choice(list(_BASE45), PRESENTATION_LETTERS - 4))
        carrier = (Carrier.PHONE, Carrier.PAPER)[number % 2]
        frames = walk_up(text, rng, difficulty=LEVELS[level], carrier=carrier, size=size, frames=BURST)
        yield Item(frames=frames, text=text)


def texts_in_empty_burst(number: int, seed: int) -> int:
    """How many texts the pipeline reads where there is none."""
    cv2.setNumThreads(1)
    levels = list(LEVELS.values())
    rng = np.random.default_rng([seed, 1, number])
    size = HD if number % 8 == 7 else VGA
    frames = empty_frames(rng, difficulty=levels[number % len(levels)], size=size, frames=BURST)
    return len(read_burst(frames, limit=None).sightings)


def empty_lane_ms(*, frames: int, seed: int) -> tuple[float, float]:
    """An empty lane at 1280x720, 30 frames a second, one scene after the other: the mean time of a look by the clock,
    and what all threads spend of the processor for a frame, joining among them."""
    eye = Eye(name="empty")
    looked_ms: list[float] = []
    spent_ms: list[float] = []
    for number in range(max(1, frames // _SCENE)):
        rng = np.random.default_rng([seed, 2, number])
        scene = list(empty_frames(rng, difficulty=list(LEVELS.values())[number % 3], size=HD, frames=_SCENE))
        due, spent = time.perf_counter(), time.process_time()
        for pixels in scene:
            time.sleep(max(0.0, due - time.perf_counter()))
            started = time.perf_counter()
            eye.look(pixels, at_ns=round(started * 1e9))
            looked_ms.append((time.perf_counter() - started) * 1e3)
            due += _PERIOD
        spent_ms.append((time.process_time() - spent) * 1e3 / len(scene))
    eye.close()
    return statistics.fmean(looked_ms), statistics.fmean(spent_ms)


def first_stage_over_zxing(frames: Sequence[Pixels], *, rounds: int = 15) -> float | None:
    """How an eye's look compares with zxing-cpp alone where that is enough: medians, one after the other."""
    eye = Eye(name="first", joining=False)
    readable = [frame for frame in frames if _zxing(frame)]
    ours: list[int] = []
    alone: list[int] = []
    for number in range(rounds):
        for frame in readable:
            start = time.perf_counter_ns()
            read_zxing(frame, light_on_dark=True)
            middle = time.perf_counter_ns()
            eye.look(frame, at_ns=number)
            ours.append(time.perf_counter_ns() - middle)
            alone.append(middle - start)
    return statistics.median(ours) / statistics.median(alone) if readable else None


def main(
    shared: Annotated[Path, typer.Option(help="The folder with qr-images and gate-frames.")] = SHARED,
    count: Annotated[int, typer.Option(min=1, help="Generated bursts for each level and size.")] = 8,
    empty: Annotated[int, typer.Option(min=BURST, help="Generated frames without a code.")] = 200,
    seed: Annotated[int, typer.Option(help="Another seed, other frames.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Measure reading beside single decoders."""
    cv2.setNumThreads(1)
    bench = Bench()
    sets: dict[str, Any] = {"photographs": None, "gate_frames_medium": None, "gate_frames_hard": None}
    empty_looked_at = 0
    if shared.is_dir():
        sets["photographs"] = bench.measure(photographs(shared))
        for level in ("medium", "hard"):
            sets[f"gate_frames_{level}"] = bench.measure(gate_bursts(shared, level))
        pictures = [path for path in sorted((shared / "qr-images" / "no-code").iterdir()) if path.suffix != ".txt"]
        empty_looked_at += bench.measure_empty(read_picture(path) for path in pictures)
    easy: list[Pixels] = []
    for level in LEVELS:
        for size in (VGA, HD):
            items = list(generated(level, size, count=count, seed=seed))
            name = f"generated_{level}_{size.width}x{size.height}"
            sets[f"{name}_burst"] = bench.measure(items)
            sets[f"{name}_single"] = bench.measure([Item(frames=[item.frames[2]], text=item.text) for item in items])
            easy += [item.frames[2] for item in items] if level is Level.EASY else []
    empty_looked_at += bench.measure_generated_empty(frames=empty, seed=seed)
    ratio = first_stage_over_zxing(easy)
    look_ms, all_ms = empty_lane_ms(frames=180, seed=seed)
    summary = {
        **{name: sets[name] and sets[name]["pipeline"]["rate"] for name in _AIMS},
        "false_reads": bench.false_reads,
        "empty_frames": empty_looked_at,
        "empty_720p_mean_ms": round(look_ms, 2),
        "empty_720p_all_threads_ms": round(all_ms, 2),
        "first_stage_over_zxing": None if ratio is None else round(ratio, 3),
    }
    if as_json:
        print(json.dumps({**summary, "sets": sets}))
    else:
        Console().print(_table(sets))
        Console().print(_summary(summary))


def _table(sets: dict[str, Any]) -> Table:
    decoders = ("pipeline", "zxing", "zbar", "opencv", "union")
    table = Table("set", "items", *decoders, title="Share read, and p50 / p95 milliseconds for a picture or burst")
    for name, fields in sets.items():
        if not fields:
            table.add_row(name, "not here")
            continue
        cells = (fields[each] for each in decoders)
        words = (f"{each['rate']:.2f}  {each['p50_ms']:.0f} / {each['p95_ms']:.0f}" for each in cells)
        table.add_row(name, str(fields["items"]), *words)
        for category, rates in fields.get("categories", {}).items():
            table.add_row(f"  {category}", str(rates["items"]), *(f"{rates[each]:.2f}" for each in decoders))
    return table


def _summary(summary: dict[str, Any]) -> Table:
    aims = {**_AIMS, "false_reads": 0, "empty_720p_mean_ms": 10, "first_stage_over_zxing": 1.15}
    table = Table("figure", "measured", "aim")
    for name, value in summary.items():
        table.add_row(name, str(value), str(aims.get(name, "")))
    return table


if __name__ == "__main__":
    typer.run(main)
