"""The way up to one gate of the living demonstration: who comes, what its camera sees, and what the gate answers.

1. one thread a gate renders a few frames a second and puts them into the folder that is the reader's camera
2. a visitor who holds up a telephone comes before anybody of the crowd; one may wait
3. between two people the camera sees the empty hall, more slowly
4. a frame is kept only as the newest picture, for the stage to show; frames that the reader does not take are not
   piled up, and none is left on the disk when the gate is closed
5. a gate that does not run is waited for

What a gate decided is its own word; nothing here knows what it should be.
"""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Protocol

import cv2
import numpy as np

from waypass_simulator.camera import walk_up_slowly, watch_hall
from waypass_simulator.canvas import Plane
from waypass_simulator.demo.crowd import Approach, Role
from waypass_simulator.demo.gate import Gate, Verdict
from waypass_simulator.difficulty import EASY
from waypass_simulator.errors import SimulatorError
from waypass_simulator.optics import Picture

LIGHT: Final = replace(
    EASY,
    distance_mm=(140, 165),
    speed_mm_s=(90, 130),
    white=(0.85, 0.95),
    ambient=(0.5, 0.55),
    glare_chance=0.1,
    shadow=(0.0, 0.1),
)
"""The stage's gates are lit evenly, so that a picture does not flare up with each telephone."""

FRAME_SECONDS: Final = 0.2
IDLE_SECONDS: Final = 0.6
ANSWER_SECONDS: Final = 2.0
OPEN_SECONDS: Final = 1.6
"""For how long the gates of the stage open: as long as their screens can be seen to say so."""
STAY_SECONDS: Final = OPEN_SECONDS + 0.2
PAUSE_SECONDS: Final = (1.2, 3.0)
_COMING: Final = (-0.36, -0.2, -0.1, 0.0)
_TRYING: Final = (0.3, 0.6, 0.9, 1.2)
_AWAY_SECONDS: Final = 2.5
"""A reader answers a code again only when it was out of view for a while."""
_SCENE_SECONDS: Final = 9.0
_AT_MOST_WAITING: Final = 3
_JPEG_QUALITY: Final = 80
_REMEMBERED: Final = 24


class People(Protocol):
    """Who walks up. Neither waits for anything: a gate's thread asks."""

    def next(self, gate: str, /) -> Approach | None:
        """Who comes next to this gate; None while there is nobody."""

    def heard(self, approach: Approach, verdict: Verdict | None, /) -> None:
        """What the gate answered; None when it could not read the code."""


class SomebodyWaits(SimulatorError):
    """Another visitor is about to show a code at this gate."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shot:
    """The newest picture that a gate's reader was given, as JPEG, and its number."""

    number: int
    jpeg: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Passing:
    """Somebody at a gate. `verdict` is None while the gate looks, and when it could not read the code (`over`)."""

    number: int
    at: float
    gate: str
    role: Role
    verdict: Verdict | None = None
    over: bool = False


class Board:
    """What happened at all gates: the newest passings, and how many of each outcome. Of people it holds roles only."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._passings: deque[Passing] = deque(maxlen=_REMEMBERED)
        self._counts: Counter[str] = Counter()
        self._number = 0
        self.opened = threading.Event()

    def begin(self, gate: str, role: Role) -> Passing:
        """Somebody walks up."""
        with self._lock:
            self._number += 1
            passing = Passing(number=self._number, at=time.time(), gate=gate, role=role)
            self._passings.append(passing)
            return passing

    def end(self, passing: Passing, verdict: Verdict | None) -> Passing:
        """The gate answered, or could not read."""
        over = replace(passing, verdict=verdict, over=True)
        with self._lock:
            self._counts[verdict.outcome if verdict else "unread"] += 1
            self._passings = deque(
                (over if each.number == passing.number else each for each in self._passings), maxlen=_REMEMBERED
            )
        if verdict is not None and verdict.outcome == "open":
            self.opened.set()
        return over

    def passings(self) -> Sequence[Passing]:
        """The newest ones, oldest first."""
        with self._lock:
            return list(self._passings)

    def counts(self) -> Counter[str]:
        """How many of each outcome so far; `unread` counts codes that a gate could not read."""
        with self._lock:
            return self._counts.copy()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Visit:
    approach: Approach
    answer: "Future[Verdict | None]"


class Walkway:
    """See the module's docstring. `hall` is what the gate's camera always sees."""

    def __init__(
        self,
        *,
        gate: Gate,
        people: People,
        board: Board,
        hall: Plane,
        rng: np.random.Generator,
        pause: tuple[float, float] = PAUSE_SECONDS,
    ) -> None:
        """`pause` is from and to how many seconds there is nobody between two people."""
        self.gate = gate
        self._pause = pause
        self._people = people
        self.board = board
        self._hall = hall
        self._rng = rng
        self._news = threading.Condition()
        self._visit: _Visit | None = None
        self._shot: Shot | None = None
        self._stopping = False
        self._passing: Passing | None = None
        self._visit_from = 0.0
        self._empty_hall = self._watch_hall()
        self._thread = threading.Thread(target=self._live, name=f"walkway {gate.name}", daemon=True)

    def start(self) -> None:
        """People begin to come."""
        self._thread.start()

    def close(self) -> None:
        """Nobody comes any more."""
        with self._news:
            self._stopping = True
            self._news.notify_all()
        if self._thread.is_alive():
            self._thread.join()
        if self._visit is not None:
            self._visit.answer.cancel()

    def newest(self) -> Shot | None:
        """What the reader was given last."""
        with self._news:
            return self._shot

    def passing(self) -> Passing | None:
        """Who is before the gate now."""
        with self._news:
            return self._passing

    def hold(self, modules: Plane) -> "Future[Verdict | None]":
        """A visitor holds up a telephone with these modules on its screen; the future is what the gate answers, None
        when it could not read them. Raises `SomebodyWaits`."""
        with self._news:
            if self._visit is not None or self._stopping:
                raise SomebodyWaits(f"{self.gate.name}: expected nobody before you, but somebody waits already")
            visit = _Visit(approach=Approach(role=Role.VISITOR, modules=lambda: modules), answer=Future())
            self._visit = visit
            self._news.notify_all()
        return visit.answer

    def _live(self) -> None:
        next_at = time.monotonic()
        while not self._stopping:
            now = time.monotonic()
            visit = self._visit if now >= self._visit_from else None
            try:
                if visit is not None:
                    self._serve(visit)
                elif self._visit is None and now >= next_at and (approach := self._people.next(self.gate.name)):
                    self._perform(approach, partial(self._people.heard, approach))
                else:
                    self._put(next(self._empty_hall))
                    self._rest(IDLE_SECONDS, for_visit=self._visit is None)
                    continue
            except SimulatorError:
                self._show(None)
                self._rest(IDLE_SECONDS)  # the reader ended; whoever keeps it running starts it again
            next_at = time.monotonic() + self._rng.uniform(*self._pause)

    def _watch_hall(self) -> Iterator[Picture]:
        moments = np.arange(0, _SCENE_SECONDS, IDLE_SECONDS).tolist()
        while True:
            yield from watch_hall(self._rng, difficulty=LIGHT, moments=moments, hall=self._hall)

    def _serve(self, visit: _Visit) -> None:
        def answered(verdict: Verdict | None) -> None:
            self._visit_from = time.monotonic() + STAY_SECONDS + _AWAY_SECONDS
            self._let_go(visit)
            visit.answer.set_result(verdict)

        # Whoever asked may have gone; from here on they cannot.
        if not visit.answer.set_running_or_notify_cancel():
            return self._let_go(visit)
        try:
            self._perform(visit.approach, answered)
        except SimulatorError as error:
            self._let_go(visit)
            if not visit.answer.done():
                visit.answer.set_exception(error)
            raise

    def _let_go(self, visit: _Visit) -> None:
        """The next visitor may wait."""
        with self._news:
            if self._visit is visit:
                self._visit = None

    def _perform(self, approach: Approach, answered: Callable[[Verdict | None], None]) -> None:
        """Walk up, hold still until the gate has answered, and stay a moment. Raises `SimulatorError`."""
        heard = self.gate.heard()
        passing = self.board.begin(self.gate.name, approach.role)
        self._show(passing)
        verdict = None
        try:
            verdict = self._hold_up(approach, heard)
        finally:
            passing = self.board.end(passing, verdict)
            self._show(passing)
        answered(verdict)
        self._rest(STAY_SECONDS, for_visit=False)
        self._put(next(self._empty_hall))
        self._show(None)

    def _hold_up(self, approach: Approach, heard: int) -> Verdict | None:
        pictures = walk_up_slowly(
            approach.modules(),
            self._rng,
            difficulty=LIGHT,
            moments=(*_COMING, *_TRYING),
            hall=self._hall,
            carrier=approach.carrier,
        )
        for number, picture in enumerate(pictures, start=1):
            if self._stopping:
                return None
            self._put(picture)
            if (verdict := self.gate.verdict(heard, frames=number, within=FRAME_SECONDS)) is not None:
                return verdict
        return self.gate.verdict(heard, frames=len(_COMING) + len(_TRYING), within=ANSWER_SECONDS)

    def _put(self, picture: Picture) -> None:
        """Give the reader a frame, unless it does not take them, and keep it as the newest."""
        if self.gate.waiting() >= _AT_MOST_WAITING:
            return
        self.gate.offer(picture)
        made, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
        if not made:
            raise ValueError(f"expected a picture that JPEG can hold, got one of shape {picture.shape}")
        with self._news:
            number = self._shot.number + 1 if self._shot else 1
            self._shot = Shot(number=number, jpeg=jpeg.tobytes())

    def _show(self, passing: Passing | None) -> None:
        with self._news:
            self._passing = passing

    def _rest(self, seconds: float, *, for_visit: bool = True) -> None:
        """Wait, but not longer than until the end, or until a visitor comes."""
        with self._news:
            self._news.wait_for(lambda: self._stopping or (for_visit and self._visit is not None), timeout=seconds)
