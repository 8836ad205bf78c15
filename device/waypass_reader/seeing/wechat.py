"""The stage `wechat`, which a gate can do without: the QR detector of OpenCV's contributed modules and its models.

1. It needs an OpenCV that was built with these modules (the Python package opencv-contrib-python-headless in place of
   opencv-python-headless), and a folder with the four files of `MODEL_FILES`. Neither is shipped.
2. What is missing, or a model that OpenCV cannot take, is a `ReaderError` when the stage is opened. Whoever opens it
   for a lane says so and goes on without: no gate stays shut for a stage that it can do without.
3. A detector is not for several threads: each eye opens one of its own.
4. A frame that the detector cannot take has no text.

Its authors have run it on a double only (`waypass_reader.seeing.doubles`): opencv-contrib was not at hand.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import cv2

from waypass_reader.errors import ConfigurationError, MissingLibrary
from waypass_reader.frames.base import Pixels

MODEL_FILES: Final = ("detect.prototxt", "detect.caffemodel", "sr.prototxt", "sr.caffemodel")
"""In the order in which OpenCV takes them."""

ReadFrame = Callable[[Pixels], list[str]]
"""A stage: from a grey picture to the texts in it."""


class Detector(Protocol):
    """What is used of `cv2.wechat_qrcode_WeChatQRCode`."""

    def detectAndDecode(self, frame: Pixels, /) -> tuple[Sequence[str], object]:  # noqa: N802  the library's spelling
        """The texts, and where they are. Raises `cv2.error`."""


MakeDetector = Callable[..., Detector]
"""The class itself: called with the four paths. Raises `cv2.error` for a model that it cannot take."""


def opencv_detector() -> MakeDetector | None:
    """OpenCV's own; None where it was built without."""
    found: Any = getattr(cv2, "wechat_qrcode_WeChatQRCode", None)
    return None if found is None else found


def open_wechat(models: Path, *, make: MakeDetector | None) -> ReadFrame:
    """The stage, with a detector of its own. Raises `MissingLibrary` and `ConfigurationError`: rule 2."""
    if make is None:
        raise MissingLibrary(
            "stage wechat: this OpenCV was built without it; install the Python package "
            "opencv-contrib-python-headless in place of opencv-python-headless"
        )
    missing = [name for name in MODEL_FILES if not (models / name).is_file()]
    if missing:
        raise ConfigurationError(
            f"stage wechat {models}: expected the {len(MODEL_FILES)} files of its models; missing {', '.join(missing)}"
        )
    try:
        detector = make(*(str(models / name) for name in MODEL_FILES))
    except cv2.error as error:
        cause = " ".join(str(error).split())
        raise ConfigurationError(f"stage wechat {models}: OpenCV can't take these models ({cause})") from error

    def read(frame: Pixels) -> list[str]:
        try:
            return [str(text) for text in detector.detectAndDecode(frame)[0]]
        except (cv2.error, UnicodeDecodeError):  # the latter: bytes that are no text
            return []

    return read
