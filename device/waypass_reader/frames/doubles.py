"""Cameras that are not there, for tests, demonstrations and dry runs.

The folder source is the double to reach for first. These stand where a device's own behaviour is the subject: frames
that pile up, a cable that is pulled, a Raspberry Pi.
"""

import queue
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np

from waypass_reader.errors import SourceLost
from waypass_reader.frames.base import Pixels

_GRAB_SECONDS = 0.02


class HandFedCamera:
    """A live camera, opened, whose frames somebody feeds by hand. Fed from any thread."""

    def __init__(self) -> None:
        self._frames: queue.Queue[Pixels] = queue.Queue()
        self._plugged = True
        self._frozen: Pixels | None = None
        self._waits = threading.Event()
        self.released = threading.Event()
        """Set once the device was given back."""

    def feed(self, *pictures: Pixels) -> None:
        """The camera sees these, one after the other."""
        self._waits.clear()
        for pixels in pictures:
            self._frames.put(pixels)

    def unplug(self) -> None:
        """Somebody pulls the cable; what was fed before still comes through."""
        self._plugged = False

    def freeze(self, picture: Pixels) -> None:
        """From now on it gives this one picture, bit by bit the same, again and again."""
        self._frozen = picture

    def seen_all(self) -> bool:
        """Whether every picture that was fed was taken, and looked at too."""
        return self._frames.empty() and self._waits.is_set()

    def grab(self) -> Pixels | None:
        """The next picture that was fed; `SourceLost` when there is none and the cable is out."""
        if self._frames.empty():
            self._waits.set()
        try:
            picture = self._frames.get(timeout=_GRAB_SECONDS)
            self._waits.clear()
            return picture
        except queue.Empty:
            if self._frozen is not None:
                return self._frozen.copy()
            if not self._plugged:
                raise SourceLost("hand-fed camera: the cable is out") from None
            return None

    def release(self) -> None:
        """Sets `released`."""
        self.released.set()


class HangingCamera:
    """A camera whose driver does not come back before it is let go."""

    def __init__(self) -> None:
        self._goes_on = threading.Event()

    def let_go(self) -> None:
        """The driver comes back, with an error."""
        self._goes_on.set()

    def grab(self) -> Pixels | None:
        """Does not come back; then `SourceLost`."""
        self._goes_on.wait()
        raise SourceLost("hanging camera: the driver came back")

    def release(self) -> None:
        """Nothing is held."""


class StillPicamera2:
    """A Raspberry Pi camera module before which one picture hangs, with the padding that real modules have.

    `picture` must have even sides, as YUV420 needs. `calls` remembers what was asked of it, in order. One that `sticks`
    cannot be stopped."""

    def __init__(self, picture: Pixels, *, padding: int = 32, frames: int | None = None, sticks: bool = False) -> None:
        self._picture = picture
        self._padding = padding
        self._left = frames
        self._sticks = sticks
        self.calls: list[str] = []
        self.configuration: Mapping[str, Any] = {}

    def create_video_configuration(self, **settings: Any) -> dict[str, Any]:
        """The settings, as a configuration."""
        return dict(settings)

    def configure(self, configuration: Mapping[str, Any]) -> None:
        """Remembers the configuration; RuntimeError when it asks for another size than the picture's."""
        self.calls.append("configure")
        height, width = self._picture.shape
        if configuration["main"]["size"] != (width, height):
            raise RuntimeError("Unable to configure the camera")
        self.configuration = configuration

    def start(self) -> None:
        """Remembers the start."""
        self.calls.append("start")

    def capture_array(self, name: str) -> Pixels:
        """The planes of a YUV420 frame one above the other, each row padded; RuntimeError once `frames` are out."""
        if name != "main" or "start" not in self.calls:
            raise RuntimeError(f"stream {name} is not running")
        if self._left is not None:
            if self._left == 0:
                raise RuntimeError("camera frontend has timed out")
            self._left -= 1
        height, width = self._picture.shape
        planes = np.full((height * 3 // 2, width + self._padding), 128, np.uint8)
        planes[:height, :width] = self._picture
        return planes

    def set_controls(self, controls: dict[str, float], /) -> None:
        """Remembers the controls, by their names and values."""
        self.calls += [f"{name}={value}" for name, value in controls.items()]

    def stop(self) -> None:
        """Remembers the stop; RuntimeError when it sticks."""
        self.calls.append("stop")
        if self._sticks:
            raise RuntimeError("Camera has not been started, or its pipeline hangs")

    def close(self) -> None:
        """Remembers the end."""
        self.calls.append("close")


class StillPicameraLibrary:
    """The module `picamera2` on a Raspberry Pi with one camera module."""

    def __init__(self, device: StillPicamera2) -> None:
        self._device = device

    def Picamera2(self, camera_num: int) -> StillPicamera2:  # noqa: N802  the library's own spelling
        """The one device; IndexError for any other number, as the library has it."""
        if camera_num != 0:
            raise IndexError("list index out of range")
        return self._device
