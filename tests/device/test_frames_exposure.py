"""Exposure for codes: when a camera is asked for more or less light, and how each kind of camera is told."""

import cv2
import numpy as np
import pytest

from waypass_reader.frames.base import Pixels
from waypass_reader.frames.doubles import HandFedCamera, StillPicamera2
from waypass_reader.frames.exposure import (
    ExposingGrabber,
    PicameraExposure,
    RecordingExposure,
    V4l2Exposure,
)

HALL = np.full((120, 160), 120, np.uint8)
NIGHT = np.full((120, 160), 30, np.uint8)


def outshone() -> Pixels:
    frame = NIGHT.copy()
    frame[:60, :80] = 255
    return frame


def watch(control: RecordingExposure, *frames: Pixels) -> ExposingGrabber:
    """Each frame is shown for as long as it takes to be looked at once."""
    camera = HandFedCamera()
    grabber = ExposingGrabber(camera, control)
    for frame in frames:
        camera.feed(*[frame] * 10)
        for _ in range(10):
            assert grabber.grab() is not None
    return grabber


@pytest.mark.parametrize(
    ("name", "frames", "asked"),
    [
        ("a hall that is well lit", [HALL] * 8, []),
        ("a screen that outshines the rest", [outshone()], [-0.5]),
        ("no further than two stops", [outshone()] * 6, [-0.5, -1.0, -1.5, -2.0]),
        ("darkness", [NIGHT, NIGHT], [0.5, 1.0]),
        ("back to the camera's own after a while", [outshone(), *[HALL] * 7], [-0.5, 0.0]),
    ],
)
def test_it_asks_for(name: str, frames: list[Pixels], asked: list[float]) -> None:
    control = RecordingExposure()
    watch(control, *frames)
    assert control.asked == asked


def test_a_camera_that_refuses_is_left_alone() -> None:
    control = RecordingExposure(obeys=False)
    watch(control, *[outshone()] * 4).release()
    assert control.asked == [-0.5]


def test_a_camera_gets_its_automatic_back_when_it_is_released() -> None:
    control = RecordingExposure()
    watch(control, outshone()).release()
    assert control.asked == [-0.5, 0.0]


class Settings:
    """An open capture's settings, with a driver that knows exposure or does not."""

    def __init__(self, exposure: float) -> None:
        self.values = {cv2.CAP_PROP_EXPOSURE: exposure, cv2.CAP_PROP_AUTO_EXPOSURE: 3.0}

    def get(self, setting: int, /) -> float:
        return self.values[setting]

    def set(self, setting: int, value: float, /) -> bool:
        self.values[setting] = value
        return True


def test_v4l2_is_set_by_hand_from_its_own_exposure_and_given_back() -> None:
    capture = Settings(exposure=160)
    exposure = V4l2Exposure(capture)
    assert exposure.correct(-1.0)
    assert capture.values == {cv2.CAP_PROP_EXPOSURE: 80, cv2.CAP_PROP_AUTO_EXPOSURE: 1.0}
    assert exposure.correct(-2.0)
    assert capture.values[cv2.CAP_PROP_EXPOSURE] == 40
    assert exposure.correct(0.0)
    assert capture.values[cv2.CAP_PROP_AUTO_EXPOSURE] == 3.0


def test_a_camera_that_fails_to_take_its_automatic_back_is_released() -> None:
    camera = HandFedCamera()

    class Fails(RecordingExposure):
        def correct(self, stops: float) -> bool:
            if stops == 0:
                raise cv2.error("the cable is out")
            return super().correct(stops)

    grabber = ExposingGrabber(camera, Fails())
    camera.feed(*[outshone()] * 10)
    for _ in range(10):
        grabber.grab()
    with pytest.raises(cv2.error, match="the cable is out"):
        grabber.release()
    assert camera.released.is_set()


def test_v4l2_begins_with_the_automatic_after_a_run_that_was_killed() -> None:
    capture = Settings(exposure=40)
    capture.values[cv2.CAP_PROP_AUTO_EXPOSURE] = 1.0
    V4l2Exposure(capture)
    assert capture.values[cv2.CAP_PROP_AUTO_EXPOSURE] == 3.0


def test_v4l2_without_exposure_says_so() -> None:
    assert not V4l2Exposure(Settings(exposure=0)).correct(0.5)


def test_a_raspberry_pi_camera_is_given_a_correction() -> None:
    device = StillPicamera2(HALL)
    assert PicameraExposure(device).correct(-0.5)
    assert device.calls == ["ExposureValue=-0.5"]
