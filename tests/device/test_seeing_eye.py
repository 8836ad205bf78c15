"""A lane's eye: which stages look where and when, what joining adds, hints, and what is forgotten."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray
from tests.support.publishing import wait_for

from waypass_reader.clock import ManualClock
from waypass_reader.frames.base import Pixels
from waypass_reader.hints import Hint
from waypass_reader.log import RecordingLog
from waypass_reader.seeing.attention import Attention, Region, region_around
from waypass_reader.seeing.eye import Eye, Look
from waypass_reader.seeing.hints import hint_for
from waypass_reader.seeing.joining import Joiner, Placed
from waypass_reader.seeing.outfit import JoiningFaults, Outfit
from waypass_reader.seeing.pose import Pose
from waypass_reader.seeing.stages import Stage, installed_stages
from waypass_reader.seeing.symbol import side_of
from waypass_reader.seeing.worker import JoiningWorker, Outcome
from waypass_simulator.camera import walk_up
from waypass_simulator.carriers import Carrier, code_modules
from waypass_simulator.difficulty import HARD

TEXT = "WP2:" + "ABCDEFG:HIJK/12" * 30
FRAME_NS = 33_000_000
COSTLIER = installed_stages()[1:]
HALL = np.full((480, 640), 100, np.uint8)


@contextmanager
def open_eye(*, joining: bool = False, clock_ns: Callable[[], int] = lambda: 0) -> Iterator[Eye]:
    """An eye whose clock stands still, so that no budget is ever used up."""
    eye = Eye(joining=joining, clock_ns=clock_ns)
    try:
        yield eye
    finally:
        eye.close()


def hasty() -> Callable[[], int]:
    """A clock by which every stage takes a second."""
    seconds = iter(range(10**6))
    return lambda: next(seconds) * 10**9


def code(*, x: int = 320, y: int = 240, module_px: float = 3.0, blur: float = 0.6) -> Pixels:
    """A hall with a code in it. With much blur nothing reads it."""
    side = round(69 * module_px)
    modules = cv2.resize(code_modules(TEXT, Carrier.PHONE) * 160 + 40, (side, side), interpolation=cv2.INTER_AREA)
    frame = HALL.astype(np.float32)
    frame[y - side // 2 : y - side // 2 + side, x - side // 2 : x - side // 2 + side] = modules
    return np.asarray(cv2.GaussianBlur(frame, (0, 0), blur), np.uint8)


UNREADABLE = code(blur=2.6)


class TestStages:
    def test_the_first_stage_reads_and_the_others_rest(self) -> None:
        with open_eye() as eye:
            look = eye.look(code(), at_ns=0)
        assert (look.texts, look.tried) == ([TEXT], (Stage.PLAIN,))

    @pytest.mark.parametrize("empty_frames", [1, 2, 3])
    def test_a_code_that_appears_is_tried_by_every_stage_within_two_frames(self, empty_frames: int) -> None:
        with open_eye() as eye:
            for number in range(empty_frames):
                assert eye.look(HALL, at_ns=number * FRAME_NS).tried == (Stage.PLAIN,)
            arriving = [code(x=300 + 8 * number, blur=2.6) for number in range(2)]
            tried = [eye.look(frame, at_ns=(number + 5) * FRAME_NS).tried for number, frame in enumerate(arriving)]
        assert (Stage.PLAIN, *COSTLIER) in tried

    def test_what_is_long_suspected_in_vain_gets_every_second_frame(self) -> None:
        with open_eye() as eye:
            frames = [code(x=240 + 6 * number, blur=3.5) for number in range(20)]
            tried = [len(eye.look(frame, at_ns=number * FRAME_NS).tried) for number, frame in enumerate(frames)]
        assert tried[:10] == [1 + len(COSTLIER)] * 10
        assert tried[-4:] in ([1, 1 + len(COSTLIER)] * 2, [1 + len(COSTLIER), 1] * 2)

    def test_without_time_each_frame_gets_one_costlier_stage_and_the_next_goes_on(self) -> None:
        with open_eye(clock_ns=hasty()) as eye:
            frames = [code(x=300 + 8 * number, blur=2.6) for number in range(len(COSTLIER) + 1)]
            tried = [eye.look(frame, at_ns=number * FRAME_NS).tried for number, frame in enumerate(frames)]
        assert tried == [(Stage.PLAIN, stage) for stage in (*COSTLIER, COSTLIER[0])]

    def test_the_stage_that_read_a_code_is_the_first_to_try_on_the_next_frame(self) -> None:
        blurred = [code(x=300 + 4 * number, blur=1.55) for number in range(2)]
        with open_eye() as eye:
            first, second = (eye.look(frame, at_ns=number * FRAME_NS) for number, frame in enumerate(blurred))
        assert first.texts == second.texts == [TEXT]
        assert second.tried == (Stage.PLAIN, first.sightings[0].stage)

    def test_a_code_partly_out_of_view_is_read_although_the_last_one_was_elsewhere(self) -> None:
        """The first stage says that it is there, and not where."""
        lost = 18
        cut = np.full_like(HALL, 100)
        cut[240 - 138 + lost :] = code(x=480, module_px=4.0)[: 240 + 138 - lost]
        with open_eye() as eye:
            assert eye.look(code(x=150, y=150), at_ns=0).texts == [TEXT]
            look = eye.look(cut, at_ns=FRAME_NS)
            assert (look.texts, look.tried) == ([TEXT], (Stage.PLAIN, Stage.ZBAR))

    def test_light_on_dark_is_read(self) -> None:
        with open_eye() as eye:
            assert eye.look(255 - code(), at_ns=0).texts == [TEXT]

    def test_an_empty_lane_costs_the_first_stage_alone(self) -> None:
        grain = np.random.default_rng(1)
        with open_eye() as eye:
            for number in range(5):
                frame = np.clip(HALL + 4 * grain.standard_normal(HALL.shape), 0, 255).astype(np.uint8)
                assert eye.look(frame, at_ns=number * FRAME_NS) == Look(tried=(Stage.PLAIN,))

    def test_what_stands_still_is_tried_once_by_every_stage_and_then_left_alone(self) -> None:
        with open_eye() as eye:
            eye.look(UNREADABLE, at_ns=0)
            later = [eye.look(UNREADABLE, at_ns=number * FRAME_NS).tried for number in range(1, 5)]
            assert later == [(Stage.PLAIN,)] * 4
            moved = [eye.look(code(x=320 + 9 * n, blur=2.6), at_ns=(5 + n) * FRAME_NS).tried for n in range(1, 3)]
            assert (Stage.PLAIN, *COSTLIER) in moved

    @settings(max_examples=80, deadline=None)
    @given(
        npst.arrays(
            dtype=st.sampled_from([np.uint8, np.uint16, np.float32, np.bool_]),
            shape=npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=90),
        )
    )
    def test_no_array_makes_it_raise(self, array: NDArray[np.uint8]) -> None:
        with open_eye() as eye:
            assert eye.look(array, at_ns=0).texts == []

    def test_frames_of_changing_size_are_seen(self) -> None:
        with open_eye() as eye:
            for number, frame in enumerate((HALL, HALL[:200, :300], UNREADABLE, HALL[:100], code())):
                look = eye.look(frame, at_ns=number * FRAME_NS)
        assert look.texts == [TEXT]


class TestAttention:
    def test_movement_is_seen_where_it_is(self) -> None:
        attention = Attention()
        attention.watch(HALL)
        moved = HALL.copy()
        moved[100:200, 400:500] = 200
        attention.watch(moved)
        assert attention.moved_in(Region(left=390, top=90, right=510, bottom=210))
        assert not attention.moved_in(Region(left=0, top=0, right=300, bottom=480))

    def test_the_first_frame_counts_as_moved(self) -> None:
        attention = Attention()
        attention.watch(HALL)
        assert attention.moved_in(Region(left=0, top=0, right=100, bottom=100))

    def test_noise_is_no_movement(self) -> None:
        grain = np.random.default_rng(1)
        attention = Attention()
        for _ in range(3):
            attention.watch(np.clip(HALL + 12 * grain.standard_normal(HALL.shape), 0, 255).astype(np.uint8))
        assert not attention.moved_in(Region(left=0, top=0, right=640, bottom=480))

    def test_a_code_is_suspected_where_it_is_and_a_plain_wall_is_not(self) -> None:
        attention = Attention()
        assert attention.suspects(HALL) == []
        (region, *_) = attention.suspects(code(x=400, y=200, blur=2.0))
        # The code's modules end 31 modules of three pixels from its middle.
        assert region.left < 400 - 93
        assert region.right > 400 + 93
        assert region.top < 200 - 93
        assert region.bottom > 200 + 93

    def test_a_sighting_is_remembered_for_a_second(self) -> None:
        attention = Attention()
        attention.saw(np.array([[100, 100], [200, 200]]), HALL.shape, at_ns=5)
        assert attention.seen_lately(5 + 10**9 - 1) == region_around(np.array([[100, 100], [200, 200]]), HALL.shape)
        assert attention.seen_lately(5 + 10**9) is None

    def test_a_region_ends_at_the_frame_s_edge(self) -> None:
        region = region_around(np.array([[-50, -50], [700, 500]]), (480, 640))
        assert (region.left, region.top, region.right, region.bottom) == (0, 0, 640, 480)


def eventually(look: Callable[[], Look], done: Callable[[Look], bool]) -> Look:
    """Looks again and again, as a lane does, until it is done; fails after a minute."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        result = look()
        if done(result):
            return result
        time.sleep(0.02)
    pytest.fail("nothing came of the joining within a minute")


class TestJoining:
    def test_what_no_stage_reads_comes_from_the_joining(self) -> None:
        frames = walk_up(TEXT, np.random.default_rng(108), difficulty=HARD, carrier=Carrier.PHONE)
        looks = 0

        def look() -> Look:
            nonlocal looks
            # The same second again and again: the worker may be slow, what it works on is not old.
            result = eye.look(frames[looks % 5], at_ns=looks * 1000)
            looks += 1
            return result

        with open_eye(joining=True) as eye:
            result = eventually(look, lambda each: bool(each.texts))
        assert [(one.text, one.stage) for one in result.sightings] == [(TEXT, Stage.JOINED)]

    def test_a_result_that_is_older_than_a_second_does_not_count(self) -> None:
        frames = walk_up(TEXT, np.random.default_rng(108), difficulty=HARD, carrier=Carrier.PHONE)
        with open_eye(joining=True) as eye:
            for number, frame in enumerate(frames):
                eye.look(frame, at_ns=number * 1000)
            time.sleep(0.5)
            assert eye.look(HALL, at_ns=3 * 10**9).texts == []

    def test_a_hint_comes_when_a_code_is_seen_and_not_read(self) -> None:
        dim = (UNREADABLE // 5).astype(np.uint8)
        looks = 0

        def look() -> Look:
            nonlocal looks
            looks += 1
            return eye.look(np.roll(dim, 8 * (looks % 2), axis=1), at_ns=looks * 1000)

        with open_eye(joining=True) as eye:
            assert eventually(look, lambda each: each.hint is not None).hint is Hint.BRIGHTER
            # What is read needs no hint.
            assert eye.look(code(), at_ns=10**8).hint is None


class TestWorker:
    def test_it_starts_with_the_first_frame_and_ends_with_close(self) -> None:
        worker = JoiningWorker(name="one")
        assert not _joining_threads("one")
        worker.offer(HALL, at_ns=0)
        assert _joining_threads("one")
        worker.close()
        assert not _joining_threads("one")

    def test_closing_one_that_never_worked_is_fine(self) -> None:
        JoiningWorker(name="two").close()

    def test_a_frame_can_be_changed_after_it_was_offered(self) -> None:
        worker = JoiningWorker(name="three")
        frame = code()
        worker.offer(frame, at_ns=7)
        frame[:] = 0
        # Where it is may be told first.
        outcome = _outcome(worker, done=lambda each: each.text is not None)
        worker.close()
        assert (outcome.text, outcome.at_ns) == (TEXT, 7)

    def test_where_a_code_is_is_told_also_when_nobody_can_read_it(self) -> None:
        worker = JoiningWorker(name="six")
        torn = code(blur=0.6)
        torn[200:280, 280:360] = np.random.default_rng(1).integers(0, 2, (80, 80)).astype(np.uint8) * 200
        worker.offer(torn, at_ns=3)
        outcome = _outcome(worker)
        worker.close()
        assert (outcome.text, outcome.at_ns, len(outcome.corners)) == (None, 3, 4)

    def test_what_was_forgotten_gives_nothing(self) -> None:
        worker = JoiningWorker(name="four")
        worker.offer(code(), at_ns=0)
        worker.forget()
        worker.offer(HALL, at_ns=1)
        outcome = _outcome(worker)
        worker.close()
        assert (outcome.text, outcome.at_ns) == (None, 1)

    @pytest.mark.parametrize("step", ["add", "read"])
    def test_an_error_that_nobody_foresaw_costs_its_frames_and_not_the_thread(self, step: str) -> None:
        failures: list[str] = []
        worker = JoiningWorker(
            name="seven",
            make_joiner=lambda: FailingJoiner(step if not failures else ""),
            failed=lambda error: failures.append(type(error).__name__),
        )
        worker.offer(code(), at_ns=1)
        wait_for(lambda: bool(failures), "it fails")
        worker.offer(code(), at_ns=2)
        outcome = _outcome(worker, done=lambda each: each.text is not None)
        worker.close()
        assert (outcome.text, outcome.at_ns, failures) == (TEXT, 2, ["LinAlgError"])

    def test_an_eye_tells_whose_joining_failed(self) -> None:
        log, clock = RecordingLog(), ManualClock(60)
        faults = JoiningFaults(clock=clock, log=log)
        outfit = Outfit(joining_failed=faults.note, make_joiner=lambda: FailingJoiner("add"))
        eye = Eye(name="north", clock_ns=lambda: 0, outfit=outfit)
        eye.look(UNREADABLE, at_ns=1)
        wait_for(lambda: bool(log.lines), "it fails")
        eye.close()
        faults.note("north", np.linalg.LinAlgError())
        assert log.lines == [
            ("an unforeseen error in joining frames; they are dropped", {"lane": "north", "kind": "LinAlgError"})
        ]
        # Nobody learns at which moment somebody stood there.
        assert faults.totals() == {}
        clock.advance(60)
        assert faults.totals() == {"north": 2}

    def test_more_frames_than_it_can_take_do_not_pile_up(self) -> None:
        worker = JoiningWorker(name="five")
        for number in range(200):
            worker.offer(HALL, at_ns=number)
        newest = -1
        deadline = time.monotonic() + 60
        while newest < 199 and time.monotonic() < deadline:
            newest = _outcome(worker).at_ns
        worker.close()
        assert newest == 199


class FailingJoiner(Joiner):
    """Fails at one of its steps, each time."""

    def __init__(self, step: str) -> None:
        super().__init__()
        self._step = step

    def add(self, pixels: Pixels, *, at_ns: int, thorough: bool = False) -> Placed:
        if self._step == "add":
            raise np.linalg.LinAlgError("SVD did not converge")
        return super().add(pixels, at_ns=at_ns, thorough=thorough)

    def read(self, *, thorough: bool = False) -> str | None:
        if self._step == "read":
            raise np.linalg.LinAlgError("SVD did not converge")
        return super().read(thorough=thorough)


def _joining_threads(name: str) -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == f"joining of {name}"]


def _outcome(worker: JoiningWorker, *, done: Callable[[Outcome], bool] = lambda _: True) -> Outcome:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        outcome = worker.take()
        if outcome is not None and done(outcome):
            return outcome
        time.sleep(0.01)
    return pytest.fail("the worker gave nothing within a minute")


def pose(*, module_px: float = 3.0, narrow: float = 1.0, x: float = 200) -> Pose:
    """A symbol of version 5 with its upper left corner at that x."""
    matrix = np.array([[module_px * narrow, 0, x], [0, module_px, 200], [0, 0, 1.0]])
    return Pose(version=5, matrix=matrix, score=0.9)


def scene(*, light: int = 180, glare: float = 0.0) -> Pixels:
    """A page with stripes of light and dark; a part of it may be outshone."""
    frame = np.full((480, 640), light, np.uint8)
    frame[::2] = light // 4
    frame[200 : 200 + int(glare * side_of(5) * 3), 200:320] = 255
    return frame


@pytest.mark.parametrize(
    ("name", "pixels", "where", "earlier", "hint"),
    [
        ("nothing is wrong", scene(), pose(), pose(), None),
        ("a dark page", scene(light=50), pose(), pose(), Hint.BRIGHTER),
        ("a mirrored lamp", scene(glare=0.1), pose(), pose(), Hint.TILT),
        ("turned away", scene(), pose(narrow=0.5), pose(narrow=0.5), Hint.TILT),
        ("moving", scene(), pose(), pose(x=230), Hint.HOLD_STILL),
        ("far away", scene(), pose(module_px=2.0), pose(module_px=2.0), Hint.CLOSER),
        ("far away, and moving", scene(), pose(module_px=2.0), pose(module_px=2.0, x=230), Hint.HOLD_STILL),
        ("an overexposed page is no lamp", scene(glare=0.9), pose(), pose(), None),
        ("seen for the first time", scene(), pose(), None, None),
        ("outside of the picture", scene(), pose(x=5000), None, None),
    ],
)
def test_hints(name: str, pixels: Pixels, where: Pose, earlier: Pose | None, hint: Hint | None) -> None:
    assert hint_for(pixels, where, earlier=earlier, seconds=0.033) is hint


def test_a_shrunk_picture_does_not_ask_to_come_closer() -> None:
    assert hint_for(scene(), pose(module_px=2.0), earlier=None, seconds=0, scale=0.5) is None
