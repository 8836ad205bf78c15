"""A folder in the place of a camera: pictures go in one by one, and a reader that follows the folder takes them out.

A picture is written under a hidden name and renamed when it is complete, so that nobody ever sees half of one. Names
count up, so that their order is the order in which the pictures were shown.
"""

from pathlib import Path

import cv2

from waypass_simulator.optics import Picture


class FrameFolder:
    """The writing end of such a folder, which is made if it is not there."""

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._number = 0

    def show(self, picture: Picture) -> Path:
        """Puts a picture before the camera, as PNG; gives the file's final name, which a reader may already have
        removed."""
        # The fastest compression: a frame has to be there within a camera's frame time.
        stored, data = cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, 1])
        if not stored:
            raise ValueError(f"expected a picture that PNG can hold, got one of shape {picture.shape}")
        final = self._path / f"{self._number:08d}.png"
        hidden = final.with_name(f".{final.name}.part")
        hidden.write_bytes(data.tobytes())
        hidden.replace(final)
        self._number += 1
        return final
