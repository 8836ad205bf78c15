"""Pictures one after the other without a lane: a still, or consecutive frames of one hand.

Each is tried by every single-frame stage, and then joined with those before it; the one that gives a text is the last
one looked at. Where no frame gave any, the newest is searched for a symbol once more, and longer.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from waypass_reader.frames.base import Pixels
from waypass_reader.seeing.joining import Joiner
from waypass_reader.seeing.stages import TEXT_LIMIT, Sighting, Stage, decode_frame, is_picture, sightings_of
from waypass_reader.seeing.wechat import ReadFrame

_FRAME_NS: Final = 33_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class BurstReading:
    """The codes that were read, all by the same stage; how many frames were looked at, and for how long."""

    sightings: tuple[Sighting, ...]
    frames_used: int
    ms: float


def read_burst(
    frames: Iterable[Pixels], *, limit: int | None = TEXT_LIMIT, more: Mapping[Stage, ReadFrame] | None = None
) -> BurstReading:
    """Reads grey frames (rows x columns); `more` are stages after the single-frame ones. Time that the caller takes to
    give a frame does not count."""
    joiner = Joiner()
    used, spent_ns = 0, 0
    for pixels in frames:
        started_ns = time.perf_counter_ns()
        sightings = decode_frame(pixels, limit=limit, more=more)
        if not sightings and is_picture(pixels):
            joiner.add(pixels, at_ns=used * _FRAME_NS)
            sightings = _joined(joiner.read(), limit)
        spent_ns += time.perf_counter_ns() - started_ns
        used += 1
        if sightings:
            return BurstReading(sightings=tuple(sightings), frames_used=used, ms=spent_ns / 1e6)
    started_ns = time.perf_counter_ns()
    sightings = _joined(joiner.read(thorough=True), limit)
    spent_ns += time.perf_counter_ns() - started_ns
    return BurstReading(sightings=tuple(sightings), frames_used=used, ms=spent_ns / 1e6)


def _joined(text: str | None, limit: int | None) -> list[Sighting]:
    return [] if text is None else sightings_of([text], Stage.JOINED, limit=limit)
