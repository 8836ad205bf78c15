"""Live cameras: the newest frame and no queue, loss told plainly, devices given back.

On the shipped doubles, and on real OpenCV captures of video files."""

import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from waypass_reader.errors import MissingLibrary, SourceError, SourceLost
from waypass_reader.frames import CameraConfig, Frame, FrameSource, PicameraConfig, Pixels, open_source
from waypass_reader.frames.camera import CaptureGrabber, device_path
from waypass_reader.frames.doubles import HandFedCamera, StillPicamera2, StillPicameraLibrary
from waypass_reader.frames.newest import NewestFrames
from waypass_reader.frames.picamera import PicameraGrabber, open_picamera

DEADLINE = 20.0


def grey(value: int) -> Pixels:
    return np.full((4, 6), value, np.uint8)


def watch(camera: HandFedCamera, stall_seconds: float = DEADLINE) -> NewestFrames:
    return NewestFrames(camera, name="camera under test", stall_seconds=stall_seconds, clock_ns=time.monotonic_ns)


def wait_for(source: FrameSource) -> Frame:
    frame = source.next_frame(DEADLINE)
    assert frame is not None
    return frame


def drain(source: FrameSource) -> list[Frame]:
    """All frames; a camera ends this by being lost."""
    frames = []
    while True:
        frames.append(wait_for(source))
        assert frames[-1].pixels.flags.c_contiguous


def test_frames_come_once_and_are_stamped() -> None:
    camera = HandFedCamera()
    with watch(camera) as source:
        before = time.monotonic_ns()
        camera.feed(grey(1))
        first = wait_for(source)
        assert first.pixels[0, 0] == 1
        assert before <= first.at_ns <= time.monotonic_ns()
        assert source.next_frame(0) is None
        camera.feed(grey(2))
        second = wait_for(source)
        assert (first.number, second.number) == (0, 1)
        assert second.at_ns >= first.at_ns


def test_only_the_newest_of_many_is_given() -> None:
    camera = HandFedCamera()
    with watch(camera) as source:
        camera.feed(*(grey(value) for value in range(1, 101)))
        camera.unplug()
        # The camera is lost only after its last frame, so from then on exactly that one waits.
        assert camera.released.wait(DEADLINE)
        frame = wait_for(source)
        assert frame.pixels[0, 0] == 100
        assert frame.number == 99
        with pytest.raises(SourceLost, match="the cable is out"):
            source.next_frame(DEADLINE)


def test_a_lost_camera_stays_lost_and_another_can_be_opened() -> None:
    camera = HandFedCamera()
    source = watch(camera)
    camera.unplug()
    for _ in range(2):
        with pytest.raises(SourceLost, match="the cable is out"):
            source.next_frame(DEADLINE)
    source.close()
    assert camera.released.is_set()
    again = HandFedCamera()
    again.feed(grey(3))
    with watch(again) as reopened:
        assert wait_for(reopened).pixels[0, 0] == 3


def test_a_camera_that_falls_silent_is_lost() -> None:
    message = r"camera under test: no frame for 0.05 s; check its cable"
    with watch(HandFedCamera(), stall_seconds=0.05) as source, pytest.raises(SourceLost, match=message):
        source.next_frame(DEADLINE)


def test_no_frame_in_time_is_no_loss() -> None:
    with watch(HandFedCamera()) as source:
        assert source.next_frame(0.01) is None
        assert not source.ended


def test_closing_wakes_who_waits_and_gives_the_device_back() -> None:
    camera = HandFedCamera()
    source = watch(camera)
    seen: list[Frame | None] = []
    waiter = threading.Thread(target=lambda: seen.append(source.next_frame(DEADLINE)))
    waiter.start()
    source.close()
    waiter.join(DEADLINE)
    assert not waiter.is_alive()
    assert seen == [None]
    assert camera.released.is_set()
    assert source.ended
    source.close()


def write_video(path: Path, values: list[int]) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 30.0, (64, 48))
    for value in values:
        writer.write(np.full((48, 64, 3), value, np.uint8))
    writer.release()


def test_an_opencv_capture_is_a_camera_until_it_gives_no_more(tmp_path: Path) -> None:
    path = tmp_path / "camera.avi"
    write_video(path, [40, 80, 120])
    capture = CaptureGrabber(cv2.VideoCapture(str(path), cv2.CAP_FFMPEG), name="camera X")
    source = NewestFrames(capture, name="camera X", stall_seconds=DEADLINE, clock_ns=time.monotonic_ns)
    with source, pytest.raises(SourceLost, match="camera X: gives no more frames; check its cable"):
        drain(source)


@pytest.mark.parametrize(
    ("device", "path"), [("0", "/dev/video0"), ("12", "/dev/video12"), ("/dev/v4l/x", "/dev/v4l/x")]
)
def test_a_device_is_a_number_or_a_path(device: str, path: str) -> None:
    assert device_path(device) == Path(path)


def test_an_absent_camera_is_named_with_the_remedy() -> None:
    with pytest.raises(SourceError, match=r"camera /dev/video871: there is no such device .* check the cable"):
        open_source(CameraConfig(device="871"))


def test_what_is_no_camera_is_named_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "no-camera"
    path.write_bytes(b"not a device")
    with pytest.raises(SourceError, match=r"no-camera: can't be opened as a camera; another program may be using it"):
        open_source(CameraConfig(device=str(path)))


def test_a_raspberry_pi_camera_gives_its_grey_plane() -> None:
    picture = np.arange(48 * 64, dtype=np.uint32).astype(np.uint8).reshape(48, 64)
    device = StillPicamera2(picture)
    config = PicameraConfig(width=64, height=48, frames_per_second=25, frozen_seconds=0)
    source = open_picamera(config, clock_ns=time.monotonic_ns, library=lambda: StillPicameraLibrary(device))
    with source:
        frame = wait_for(source)
        assert np.array_equal(frame.pixels, picture)
        assert frame.pixels.flags.c_contiguous
    assert device.configuration["main"] == {"size": (64, 48), "format": "YUV420"}
    assert device.configuration["controls"] == {"FrameRate": 25}
    assert device.configuration["queue"] is False
    assert device.calls == ["configure", "start", "stop", "close"]


def test_a_raspberry_pi_camera_that_stops_is_lost() -> None:
    device = StillPicamera2(np.zeros((16, 16), np.uint8), frames=1)
    config = PicameraConfig(width=16, height=16, frozen_seconds=0)
    source = open_picamera(config, clock_ns=time.monotonic_ns, library=lambda: StillPicameraLibrary(device))
    with source, pytest.raises(SourceLost, match=r"Raspberry Pi camera 0: gives no more frames \(camera frontend"):
        drain(source)
    assert device.calls[-2:] == ["stop", "close"]


def test_a_raspberry_pi_camera_that_cannot_be_stopped_is_closed_all_the_same() -> None:
    device = StillPicamera2(np.zeros((16, 16), np.uint8), sticks=True)
    config = PicameraConfig(width=16, height=16, frozen_seconds=0)
    PicameraGrabber(device, width=16, height=16, name="camera").release()
    assert device.calls == ["stop", "close"]
    with open_picamera(config, clock_ns=time.monotonic_ns, library=lambda: StillPicameraLibrary(device)) as source:
        wait_for(source)
    assert device.calls[-2:] == ["stop", "close"]


def test_a_raspberry_pi_camera_that_can_not_do_the_size_is_given_back() -> None:
    device = StillPicamera2(grey(9))
    library = StillPicameraLibrary(device)
    with pytest.raises(
        SourceError, match=r"camera 0: can't be started \(Unable to configure the camera\); try another"
    ):
        open_picamera(PicameraConfig(), clock_ns=time.monotonic_ns, library=lambda: library)
    assert device.calls == ["configure", "close"]


def test_a_raspberry_pi_camera_of_another_number_is_refused() -> None:
    library = StillPicameraLibrary(StillPicamera2(grey(9)))
    with pytest.raises(SourceError, match=r"Raspberry Pi camera 3: can't be opened \(list index out of range\)"):
        open_picamera(PicameraConfig(number=3), clock_ns=time.monotonic_ns, library=lambda: library)


def test_a_raspberry_pi_camera_without_its_library_names_the_package() -> None:
    try:
        import picamera2  # noqa: F401
    except ImportError:
        with pytest.raises(MissingLibrary, match="apt-get install python3-picamera2"):
            open_source(PicameraConfig())
    else:
        pytest.skip("picamera2 is installed here")
