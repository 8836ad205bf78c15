"""`waypass-reader decode`: the reader's own decoding pipeline on still pictures and bursts.

- Each IMAGE gives one line, in the order of the arguments: the texts of its codes, the stage that read them, and the
  milliseconds that decoding took, without loading the file. No code: no texts, and no stage. Where no single-frame
  stage reads anything, the picture goes through the joining alone.
- With `--burst` each DIR gives one line: its pictures, by name, are consecutive frames of one hand. Each is tried by
  itself, and then joined with those before it; the frame that gives a text is the last one looked at. `ms` is the sum
  over the frames used.
- With `--wechat-models` the stage `wechat` is tried too, as by a gate that has them in `[seeing]`; where it cannot be
  had, nothing is read, and the exit code is 2.
- Texts are printed whole, also those too long for a pass, so that foreign codes can be looked at too.
- A file that can't be read, or a folder without pictures, gets a message and no line; a frame of a burst that can't be
  read gets a message and is passed over. The others still get their lines.

Exit code 2 if anything could not be read, otherwise 1 if any picture or burst gave no text, otherwise 0.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from waypass_reader.errors import SourceError
from waypass_reader.libraries import missing_libraries

if TYPE_CHECKING:  # loaded when the command runs, after the libraries were looked for
    from waypass_reader.frames.base import Pixels
    from waypass_reader.seeing.stages import Stage
    from waypass_reader.seeing.wechat import ReadFrame

    MoreStages = Mapping[Stage, ReadFrame]


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """What came of one picture or one burst. `stage` is None when there is no text; `ms` is decoding alone."""

    path: Path
    texts: tuple[str, ...]
    stage: str | None
    frames_used: int
    ms: float


@dataclass(slots=True)
class _Tally:
    unreadable: int = 0
    without_text: int = 0

    def refuse(self, error: SourceError) -> None:
        """Counts what could not be read, and says so."""
        self.unreadable += 1
        typer.echo(f"decode: {error}", err=True)

    def exit_code(self) -> int:
        return 2 if self.unreadable else 1 if self.without_text else 0


def decode(
    paths: Annotated[list[Path], typer.Argument(metavar="IMAGE|DIR", help="Pictures, or folders with --burst.")],
    burst: Annotated[bool, typer.Option("--burst", help="Each DIR holds consecutive frames of one hand.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
    wechat_models: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The four model files of the stage wechat, to try it too.")
    ] = None,
) -> None:
    """Read the QR codes in pictures, exactly as a gate would."""
    _prepare_libraries()
    more = _more_stages(wechat_models)
    tally = _Tally()
    for path in paths:
        try:
            reading = _read_burst(path, tally, more) if burst else _read_still(path, more)
        except SourceError as error:
            tally.refuse(error)
            continue
        if not reading.texts:
            tally.without_text += 1
        typer.echo(_as_json(reading, burst=burst) if as_json else _as_words(reading))
    raise typer.Exit(tally.exit_code())


def _prepare_libraries() -> None:
    """Says which libraries are missing, and stops if pictures can't be read at all without one."""
    missing = missing_libraries()
    for one in missing:
        typer.echo(f"decode: {one}", err=True)
    if any(one.library.needed for one in missing):
        raise typer.Exit(2)
    import cv2

    # OpenCV would add its own lines about every broken file to those printed here.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def _more_stages(wechat_models: Path | None) -> "MoreStages":
    """Raises `ReaderError` for a stage that was asked for and cannot be had."""
    if wechat_models is None:
        return {}
    from waypass_reader.seeing.stages import Stage
    from waypass_reader.seeing.wechat import open_wechat, opencv_detector

    return {Stage.WECHAT: open_wechat(wechat_models, make=opencv_detector())}


def _read_still(path: Path, more: "MoreStages") -> Reading:
    if path.is_dir():
        raise SourceError(f"{path}: expected a picture, got a folder; folders go with --burst")
    return _decode(path, [_load(path)], more)


def _read_burst(path: Path, tally: _Tally, more: "MoreStages") -> Reading:
    from waypass_reader.frames.pictures import picture_paths

    try:
        pictures = list(picture_paths(path))
    except OSError as error:
        raise SourceError(f"{path}: expected a folder of pictures: {error.strerror}") from error
    if not pictures:
        raise SourceError(f"{path}: the folder holds no pictures")
    return _decode(path, _load_each(pictures, tally), more)


def _load_each(pictures: list[Path], tally: _Tally) -> "Iterator[Pixels]":
    """The frames of a burst, each loaded when it is its turn; those that can't be read are passed over."""
    for picture in pictures:
        try:
            yield _load(picture)
        except SourceError as error:
            tally.refuse(error)


def _load(path: Path) -> "Pixels":
    from waypass_reader.frames.pictures import read_picture

    return read_picture(path)


def _decode(path: Path, frames: "Iterable[Pixels]", more: "MoreStages") -> Reading:
    """Decodes frame after frame, alone and joined, up to and with the first that gives a text."""
    from waypass_reader.seeing.burst import read_burst

    burst = read_burst(frames, limit=None, more=more)
    return Reading(
        path=path,
        texts=tuple(sighting.text for sighting in burst.sightings),
        stage=burst.sightings[0].stage.value if burst.sightings else None,
        frames_used=burst.frames_used,
        ms=burst.ms,
    )


def _as_json(reading: Reading, *, burst: bool) -> str:
    ms = round(reading.ms, 3)
    if burst:
        line = {"dir": str(reading.path), "texts": reading.texts, "frames_used": reading.frames_used, "ms": ms}
    else:
        line = {"file": str(reading.path), "texts": reading.texts, "stage": reading.stage, "ms": ms}
    return json.dumps(line)


def _as_words(reading: Reading) -> str:
    """A line for people. Texts are quoted: a code may hold what would steer a terminal."""
    frames = f"{reading.frames_used} frame{'' if reading.frames_used == 1 else 's'}, {reading.ms:.1f} ms"
    if not reading.texts:
        return f"{reading.path}: no code ({frames})"
    return f"{reading.path}: {', '.join(repr(text) for text in reading.texts)} ({reading.stage}, {frames})"
