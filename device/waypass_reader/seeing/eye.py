"""A lane's eye: frame after frame, what codes are in view, at the camera's rate.

For each frame, in this order:

1. `plain` on the whole frame. What it reads ends the look. Of some codes that it cannot read it says that they are
   there and not where, most of them partly out of view: these are looked for with zbar, on the whole frame too. Where
   the last code was is no help then: at a busy gate it was the last person's.
2. What the joining of earlier frames found since (`waypass_reader.seeing.worker`), unless it is older than a second.
3. Where a code may be (`waypass_reader.seeing.attention`): without such a place the look ends here. Where nothing was
   suspected, or long suspected in vain, only every second frame is searched for one, so a code that appears is tried
   within two frames, and an empty lane costs little more than the first stage.
4. The costlier stages there, in their order, as many as the frame's budget of time allows but at least one. The next
   frame goes on with the stage after. A place that is only suspected gets a smaller budget than one where a code was
   seen, and is left alone once all stages were tried and nothing moves there.
5. The frame is offered to the joining.

A look that has not read anything may have a hint, if a code was seen within the last second; or within three, while a
code is still suspected: on a small machine joining takes its time. Nothing of a code is kept
once it has left the view for a second.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np

from waypass_reader.frames.base import Pixels
from waypass_reader.hints import Hint
from waypass_reader.seeing.attention import Attention, Region
from waypass_reader.seeing.outfit import Outfit
from waypass_reader.seeing.stages import (
    STAGES,
    Sighting,
    Stage,
    installed_stages,
    is_picture,
    read_zxing,
    sightings_of,
    text_of,
)
from waypass_reader.seeing.worker import JoiningWorker

FRESH_NS: Final = 10**9
_HINT_NS: Final = 3 * 10**9
_SEEN_BUDGET_NS: Final = 14 * 10**6
_SUSPECTED_BUDGET_NS: Final = 4 * 10**6
_LONG_IN_VAIN: Final = 12
_LEAST_SIDE: Final = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """What one look gave: the codes in view, or a hint where one is seen but not read."""

    sightings: tuple[Sighting, ...] = ()
    hint: Hint | None = None
    tried: tuple[Stage, ...] = ()
    """The stages that looked, in their order."""

    @property
    def texts(self) -> list[str]:
        """The texts alone."""
        return [sighting.text for sighting in self.sightings]


class Eye:
    """One lane's. `look` is called from one thread, with frames in the order of their times; `close` ends it.

    `joining` off leaves out the thread, and with it hints."""

    def __init__(
        self,
        *,
        name: str = "lane",
        joining: bool = True,
        clock_ns: Callable[[], int] = time.perf_counter_ns,
        outfit: Outfit | None = None,
    ) -> None:
        """Without an `outfit` it has the stages that every gate has, and nobody is told of faults."""
        outfit = outfit or Outfit()
        self._clock_ns = clock_ns
        self._attention = Attention()
        told = partial(outfit.joining_failed, name)
        self._worker = JoiningWorker(name=name, make_joiner=outfit.make_joiner, failed=told) if joining else None
        self._stages = {stage: STAGES[stage] for stage in installed_stages()}
        wechat = outfit.open_wechat(name)
        if wechat is not None:
            self._stages[Stage.WECHAT] = wechat
        self._costlier = tuple(stage for stage in self._stages if stage is not Stage.PLAIN)
        self._look_everywhere = Stage.ZBAR if Stage.ZBAR in self._costlier else None
        self._next_stage = 0
        self._untried = len(self._costlier)
        self._hint: tuple[int, Hint] | None = None
        self._sought: Region | None = None
        self._rests = False
        self._fruitless = 0

    def close(self) -> None:
        """Ends the thread."""
        if self._worker is not None:
            self._worker.close()

    def forget(self) -> None:
        """Drops what is known of codes that were seen."""
        self._hint = None
        if self._worker is not None:
            self._worker.forget()

    def look(self, pixels: Pixels, *, at_ns: int) -> Look:
        """What is in a grey frame that was taken at `at_ns`. Raises nothing for any array."""
        if not is_picture(pixels):
            return Look()
        frame = np.ascontiguousarray(pixels)
        codes = read_zxing(frame, light_on_dark=True, failed_too=True)
        found = sightings_of((text_of(code) for code in codes if code.valid), Stage.PLAIN)
        if found:
            self._read(_corners(next(code for code in codes if code.valid)), frame.shape, at_ns)
            return Look(sightings=tuple(found), tried=(Stage.PLAIN,))
        places = [corners for corners in map(_corners, codes) if _has_area(corners)]
        if places:
            self._attention.saw(places[0], frame.shape, at_ns=at_ns)
        joined = self._take_joined(frame.shape, at_ns)
        if joined:
            return Look(sightings=tuple(joined), tried=(Stage.PLAIN, Stage.JOINED))
        self._attention.watch(frame)
        if codes and not places and self._look_everywhere is not None:
            found = sightings_of(self._stages[self._look_everywhere](frame), self._look_everywhere)
            if found:
                self._leave_off()
                return Look(sightings=tuple(found), tried=(Stage.PLAIN, self._look_everywhere))
        return self._look_closer(frame, at_ns)

    def _look_closer(self, frame: Pixels, at_ns: int) -> Look:
        """Steps 3 to 5."""
        seen = self._attention.seen_lately(at_ns)
        if seen is None and self._rests:
            self._rests = False
            return Look(hint=self._hint_at(at_ns), tried=(Stage.PLAIN,))
        region = seen if seen is not None else self._suspect(frame)
        self._fruitless = 0 if seen is not None or region is None else self._fruitless + 1
        self._rests = region is None or self._fruitless > _LONG_IN_VAIN
        if region is None:
            if self._sought is not None:
                self._sought = None
                self.forget()
            return Look(tried=(Stage.PLAIN,))
        self._sought = region
        found, tried = self._try_stages(region, frame, at_ns, _SUSPECTED_BUDGET_NS if seen is None else _SEEN_BUDGET_NS)
        if found:
            return Look(sightings=tuple(found), tried=tried)
        if self._worker is not None:
            self._worker.offer(frame, at_ns=at_ns)
        return Look(hint=self._hint_at(at_ns), tried=tried)

    def _suspect(self, frame: Pixels) -> Region | None:
        """The largest place with a code's texture that moves or has not been tried with every stage."""
        suspects = self._attention.suspects(frame)
        moving = [region for region in suspects if self._attention.moved_in(region)]
        if moving:
            self._untried = len(self._costlier)
            return moving[0]
        return suspects[0] if suspects and self._untried > 0 else None

    def _try_stages(
        self, region: Region, frame: Pixels, at_ns: int, budget_ns: int
    ) -> tuple[list[Sighting], tuple[Stage, ...]]:
        """Step 4."""
        part = region.of(frame)
        started_ns = self._clock_ns()
        tried = [Stage.PLAIN]
        for _ in self._costlier:
            stage = self._costlier[self._next_stage]
            self._next_stage = (self._next_stage + 1) % len(self._costlier)
            self._untried = max(0, self._untried - 1)
            found = sightings_of(self._stages[stage](part), stage)
            tried.append(stage)
            if found:
                # The stage that read this one is the first to try on the next frame.
                self._next_stage = self._costlier.index(stage)
                corners = np.array([[region.left, region.top], [region.right, region.bottom]])
                self._read(corners, frame.shape, at_ns, room_is_there=True)
                return found, tuple(tried)
            if self._clock_ns() - started_ns >= budget_ns:
                break
        return [], tuple(tried)

    def _read(self, corners: Any, shape: tuple[int, ...], at_ns: int, *, room_is_there: bool = False) -> None:
        """A code was read there, and there is where to look next."""
        if room_is_there:
            middle = corners.mean(axis=0)
            corners = middle + (corners - middle) / 1.5
        self._attention.saw(corners, shape, at_ns=at_ns)
        self._leave_off()

    def _leave_off(self) -> None:
        """A code was read: nothing needs to be joined, and the next one is a new one."""
        self._untried = len(self._costlier)
        self._sought = None
        self.forget()

    def _take_joined(self, shape: tuple[int, ...], at_ns: int) -> list[Sighting]:
        """Step 2."""
        outcome = None if self._worker is None else self._worker.take()
        if outcome is None or not 0 <= at_ns - outcome.at_ns < _HINT_NS:
            return []
        self._hint = None if outcome.hint is None else (outcome.at_ns, outcome.hint)
        if at_ns - outcome.at_ns >= FRESH_NS:
            return []
        if outcome.corners:
            self._attention.saw(np.array(outcome.corners), shape, at_ns=outcome.at_ns)
        if outcome.text is None:
            return []
        self.forget()
        return sightings_of([outcome.text], Stage.JOINED)

    def _hint_at(self, at_ns: int) -> Hint | None:
        if self._hint is not None and 0 <= at_ns - self._hint[0] < _HINT_NS:
            return self._hint[1]
        return None


def _has_area(corners: Any) -> bool:
    """Whether a code that could not be read has a place: zxing-cpp gives some of them four times the same corner."""
    return bool((corners.max(axis=0) - corners.min(axis=0)).min() >= _LEAST_SIDE)


def _corners(code: Any) -> Any:
    place = code.position
    corners = (place.top_left, place.top_right, place.bottom_right, place.bottom_left)
    return np.array([(corner.x, corner.y) for corner in corners])
