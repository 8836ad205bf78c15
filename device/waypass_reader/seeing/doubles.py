"""Parts of seeing that are not there, for tests and dry runs."""

import threading
from collections.abc import Sequence
from pathlib import Path

import cv2

from waypass_reader.frames.base import Pixels
from waypass_reader.seeing.wechat import MODEL_FILES

BROKEN = b"broken"


class DetectorDouble:
    """Stands for OpenCV's WeChat detector: finds the same texts in every frame, and remembers which threads asked.

    As OpenCV does, it raises `cv2.error` for a model that it cannot take (one that begins with `BROKEN`), and for a
    frame when `fails` is on."""

    def __init__(self, *paths: str, texts: Sequence[str] = ()) -> None:
        for path in paths:
            if Path(path).read_bytes().startswith(BROKEN):
                raise cv2.error(f"OpenCV(4.0.0) error: (-2:Unspecified error) FAILED: can't parse\n{Path(path).name}")
        self.texts = list(texts)
        self.fails = False
        self.asked_by: list[int] = []

    def detectAndDecode(self, frame: Pixels, /) -> tuple[Sequence[str], object]:  # noqa: ARG002, N802 - as the library
        """The texts."""
        self.asked_by.append(threading.get_ident())
        if self.fails:
            raise cv2.error("OpenCV(4.0.0) error: (-215:Assertion failed)")
        return self.texts, ()


def write_models(folder: Path, *, broken: str | None = None) -> Path:
    """Files that stand for the four models, one of them perhaps broken; the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in MODEL_FILES:
        (folder / name).write_bytes(BROKEN if name == broken else b"a model")
    return folder
