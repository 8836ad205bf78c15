"""Still pictures from files, as the grey pixels that the decoders take.

1. The whole file is read, then decoded by its content, not by its name. PNG, JPEG, WebP and BMP are promised; what
   else OpenCV happens to read is read too.
2. A file that is empty, cut off or no picture raises `SourceError` with its name. OpenCV gives no half pictures.
3. 16-bit samples are brought to 8 bits.
4. What is transparent becomes white: codes are often saved as black modules on nothing, and nothing is not black.
5. Colour becomes grey.

An orientation in the EXIF data is not applied: a code reads the same whichever way up it stands.
"""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from waypass_reader.errors import SourceError
from waypass_reader.frames.base import Pixels

PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp"})

# OpenCV refuses a WebP file under 32 bytes, and a picture of one pixel takes 30. Zeros after the end mean nothing.
_SHORTEST_FILE = 32


def read_picture(path: Path) -> Pixels:
    """The picture in a file, in grey. Raises `SourceError` when the file can't be read or is not a whole picture."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SourceError(f"picture {path}: can't be read: {error.strerror}") from error
    if not data:
        raise SourceError(f"picture {path}: the file is empty")
    return decode_picture(data, name=f"picture {path}")


def decode_picture(data: bytes, *, name: str) -> Pixels:
    """The picture in a file's bytes, in grey; `name` stands for it in the message of a `SourceError`."""
    try:
        image = cv2.imdecode(np.frombuffer(data.ljust(_SHORTEST_FILE, b"\0"), np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:  # a header with an absurd size
        raise SourceError(f"{name}: not a picture that can be read ({error.err})") from error
    # The type stubs promise an array, but what is no picture comes back as None.
    if not isinstance(image, np.ndarray):
        raise SourceError(f"{name}: not a whole PNG, JPEG, WebP or BMP picture")
    try:
        return to_grey(image)
    except ValueError as error:
        raise SourceError(f"{name}: {error}") from error


def to_grey(image: NDArray[np.generic]) -> Pixels:
    """Brings OpenCV's picture (grey, BGR or BGRA; 8 or 16 bits a channel) to contiguous 8-bit grey.

    Raises `ValueError` for any other shape or type."""
    if image.dtype == np.uint16:
        image = (image.astype(np.uint32) // 257).astype(np.uint8)
    if image.dtype != np.uint8:
        raise ValueError(f"expected 8 or 16 bits a channel, got {image.dtype}")
    pixels = image.astype(np.uint8, copy=False)
    match pixels.shape:
        case (_, _):
            grey = pixels
        case (_, _, 1):
            grey = pixels[:, :, 0]
        case (_, _, 3):
            grey = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY).astype(np.uint8, copy=False)
        case (_, _, 4):
            grey = _on_white(pixels)
        case shape:
            raise ValueError(f"expected 1, 3 or 4 channels, got a picture of shape {shape}")
    return np.ascontiguousarray(grey)


def _on_white(pixels: Pixels) -> Pixels:
    """A picture with an alpha channel, laid on white paper."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_BGRA2GRAY).astype(np.uint32)
    alpha = pixels[:, :, 3].astype(np.uint32)
    return ((grey * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


def is_picture_name(name: str) -> bool:
    """Whether a file of that name is taken from a folder: a known suffix, and not hidden by a leading dot."""
    return not name.startswith(".") and Path(name).suffix.lower() in PICTURE_SUFFIXES


def picture_paths(folder: Path) -> Iterator[Path]:
    """The pictures of a folder in the order of their names, by suffix; `OSError` when it can't be listed."""
    for path in sorted(folder.iterdir()):
        if is_picture_name(path.name) and path.is_file():
            yield path
