"""Several lanes of one reader, each with eyes of another kind; and eyes that go, freeze, hang and come back."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from tests.device.test_lane import Station
from tests.support.pictures import picture_of, write_picture
from tests.support.publishing import wait_for

from waypass_protocol.messages import LaneState
from waypass_protocol.passes import Aspect
from waypass_reader.errors import SourceError, SourceLost
from waypass_reader.frames import FolderConfig, Pixels, SerialConfig, Source, SourceOpener, WedgeConfig, open_source
from waypass_reader.frames.doubles import HandFedCamera, HangingCamera
from waypass_reader.frames.newest import NewestFrames
from waypass_reader.lane import Lane
from waypass_reader.scanners.doubles import PipeKeyboard, PtyScanner
from waypass_reader.scanners.wedge import open_wedge

DEADLINE = 20.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Running:
    """Lanes that run in threads of their own."""

    station: Station
    lanes: dict[str, Lane]

    def shown(self, lane: str) -> list[str]:
        return [showing.reason.value for showing in self.station.display.shown if showing.lane == lane]

    def wait_for(self, lane: str, *reasons: str) -> None:
        wait_for(lambda: self.shown(lane) == list(reasons), f"{lane} shows {reasons}")

    def wait_for_state(self, lane: str, state: LaneState) -> None:
        wait_for(lambda: self.lanes[lane].state is state, f"{lane} is {state}")


@contextmanager
def run(station: Station, **sources: Callable[[], Source]) -> Iterator[Running]:
    """Once every source is open: what a scanner says before is not heard."""
    opened = {name: threading.Event() for name in sources}

    def open_and_say(name: str) -> Source:
        source = sources[name]()
        opened[name].set()
        return source

    lanes = {name: station.lane(partial(open_and_say, name), name) for name in sources}
    threads = [threading.Thread(target=lane.run) for lane in lanes.values()]
    for thread in threads:
        thread.start()
    try:
        assert all(event.wait(DEADLINE) for event in opened.values())
        yield Running(station=station, lanes=lanes)
    finally:
        for lane in lanes.values():
            lane.stop()
        for thread in threads:
            thread.join(DEADLINE)
        assert not any(thread.is_alive() for thread in threads)


@pytest.fixture
def station() -> Station:
    return Station()


def wedge(path: Path) -> Callable[[], Source]:
    return partial(open_wedge, WedgeConfig(device=str(path)), clock_ns=time.monotonic_ns, take=lambda _descriptor: None)


def test_three_lanes_of_different_kinds_decide_each_for_itself(station: Station, tmp_path: Path) -> None:
    frames = tmp_path / "frames"
    frames.mkdir()
    pty, keyboard = PtyScanner(), PipeKeyboard(tmp_path / "event3")
    green, red = station.issuer.paper(idx=1), station.issuer.paper(idx=2, aspects={1: Aspect.RED})
    with run(
        station,
        camera=partial(open_source, FolderConfig(path=frames, follow=True, consume=True)),
        serial=SourceOpener(partial(open_source, SerialConfig(device=str(pty.path)))),
        wedge=wedge(keyboard.path),
    ) as running:
        write_picture(frames / "1.png", station.issuer.paper(idx=3))
        running.wait_for("camera", "green")
        pty.scan(green)
        running.wait_for("serial", "green")
        keyboard.scan(red)
        running.wait_for("wedge", "red")
        # One pass opens one lane, whichever eyes saw it.
        keyboard.scan(green)
        running.wait_for("wedge", "red", "seen-already")
        # One lane's trouble is its own.
        pty.unplug()
        running.wait_for_state("serial", LaneState.OUT_OF_ORDER)
        keyboard.scan(station.issuer.paper(idx=4))
        running.wait_for("wedge", "red", "seen-already", "green")
        assert "gives no more" in running.lanes["serial"].camera
        assert [running.lanes[name].camera for name in ("camera", "wedge")] == ["ok", "ok"]
    keyboard.unplug()


def test_a_scanner_that_is_plugged_in_again_makes_its_lane_work_before_anybody_shows_a_code(
    station: Station, tmp_path: Path
) -> None:
    keyboard = PipeKeyboard(tmp_path / "event3")
    with run(station, wedge=wedge(keyboard.path)) as running:
        keyboard.scan("https://example.org")
        running.wait_for("wedge", "not-waypass")
        keyboard.unplug()
        running.wait_for_state("wedge", LaneState.OUT_OF_ORDER)
        again = PipeKeyboard(tmp_path / "event3")
        running.wait_for_state("wedge", LaneState.IDLE)
        again.scan(station.issuer.paper())
        running.wait_for("wedge", "not-waypass", "green")
        again.unplug()


def test_garbage_of_a_scanner_is_said_once_and_stalls_nobody(station: Station) -> None:
    pty = PtyScanner()
    with run(station, serial=partial(open_source, SerialConfig(device=str(pty.path)))) as running:
        pty.send(b"\x00\xff\r" * 4)
        pty.scan("A" * 2000)  # longer than any Waypass text
        running.wait_for("serial", "not-waypass")
        pty.scan("WP1:" + "A" * 2000)
        running.wait_for("serial", "not-waypass", "malformed")
        pty.scan(station.issuer.paper())
        running.wait_for("serial", "not-waypass", "malformed", "green")
    assert station.log.events.count("a frame can't be read") == 1
    pty.unplug()


def watch(camera: HandFedCamera, *, frozen_seconds: float, clock_ns: Callable[[], int]) -> NewestFrames:
    return NewestFrames(camera, name="camera X", stall_seconds=1000, frozen_seconds=frozen_seconds, clock_ns=clock_ns)


def noisy(pixels: Pixels, number: int) -> Pixels:
    """The same picture with another noise."""
    noise = np.random.default_rng(number).integers(0, 3, pixels.shape, np.uint8)
    return np.asarray(np.maximum(pixels, 3) - noise, np.uint8)


class Time:
    """Monotonic nanoseconds that a test moves."""

    def __init__(self) -> None:
        self.ns = 1

    def __call__(self) -> int:
        return self.ns


def look_on(source: NewestFrames) -> None:
    """Look until it is lost."""
    while True:
        source.next_frame(0.01)


def test_a_camera_without_a_change_is_frozen_and_noise_is_a_change() -> None:
    still, clock, camera = picture_of(), Time(), HandFedCamera()
    with watch(camera, frozen_seconds=10, clock_ns=clock) as source:
        for number in range(5):  # an empty lane at night
            clock.ns += 9 * 10**9
            camera.feed(noisy(still, number))
            wait_for(camera.seen_all, "the frame was taken")
        frame = source.next_frame(0)
        assert frame is not None
        assert frame.number >= 3
        clock.ns += 9 * 10**9
        camera.feed(noisy(still, 4))
        wait_for(camera.seen_all, "the frame was taken")
        clock.ns += 10**9
        camera.feed(noisy(still, 4))
        with pytest.raises(SourceLost, match="camera X: one and the same picture for 10 s; it hangs or is covered"):
            look_on(source)


def test_a_lane_with_a_frozen_camera_is_out_of_order_until_it_lives(station: Station) -> None:
    still = picture_of("https://example.org")
    cameras: list[HandFedCamera] = []

    def open_camera() -> Source:
        cameras.append(HandFedCamera())
        return watch(cameras[-1], frozen_seconds=0.2, clock_ns=time.monotonic_ns)

    with run(station, north=open_camera) as running:
        wait_for(lambda: len(cameras) == 1, "the first is open")
        cameras[0].feed(noisy(still, 1), noisy(still, 2))
        running.wait_for("north", "not-waypass")
        cameras[0].freeze(noisy(still, 2))
        running.wait_for_state("north", LaneState.OUT_OF_ORDER)
        assert "one and the same picture" in running.lanes["north"].camera
        wait_for(lambda: len(cameras) == 2, "it is opened again")
        cameras[1].freeze(noisy(still, 2))  # it gives frames, and they are what they were
        wait_for(lambda: len(cameras) == 3, "it is opened once more")
        assert running.lanes["north"].state is LaneState.OUT_OF_ORDER
        cameras[2].feed(noisy(picture_of(station.issuer.paper()), 3), noisy(picture_of(station.issuer.paper()), 4))
        running.wait_for("north", "not-waypass", "green")
        wait_for(lambda: running.lanes["north"].camera == "ok", "the camera works")


def test_a_driver_that_hangs_is_said_and_opened_once(station: Station) -> None:
    opened: list[HangingCamera] = []

    def open_camera() -> Source:
        opened.append(HangingCamera())
        return NewestFrames(opened[-1], name="camera X", stall_seconds=0.05, clock_ns=time.monotonic_ns)

    with run(station, north=SourceOpener(open_camera)) as running:
        wait_for(lambda: "its driver hangs" in running.lanes["north"].camera, "the lane says so")
        assert running.lanes["north"].state is LaneState.OUT_OF_ORDER
        assert len(opened) == 1
        opened[0].let_go()
        wait_for(lambda: len(opened) == 2, "it is opened again once the driver let go")
        opened[1].let_go()


def test_an_opener_does_not_ask_what_it_could_not_open() -> None:
    tries = iter([SourceError("camera X: not there"), None])

    def open_camera() -> Source:
        error = next(tries)
        if error is not None:
            raise error
        return NewestFrames(HandFedCamera(), name="camera X", stall_seconds=5, clock_ns=time.monotonic_ns)

    opener = SourceOpener(open_camera)
    with pytest.raises(SourceError, match="camera X: not there"):
        opener()
    with opener() as source:
        assert not source.ended
