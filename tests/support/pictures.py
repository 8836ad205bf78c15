"""Pictures of codes, as a camera with a perfect lens would give them."""

from pathlib import Path

import cv2
import numpy as np
import qrcode

from waypass_reader.frames import Pixels


def picture_of(*texts: str, module: int = 4) -> Pixels:
    """A grey frame with the QR codes of these texts side by side; without any, an empty frame."""
    if not texts:
        return np.full((200, 200), 255, np.uint8)
    codes = [_code(text, module) for text in texts]
    height = max(code.shape[0] for code in codes)
    padded = [np.pad(code, ((0, height - code.shape[0]), (0, 0)), constant_values=255) for code in codes]
    return np.ascontiguousarray(np.hstack(padded))


def write_picture(path: Path, *texts: str) -> None:
    """A picture file that appears whole, as the folder source asks."""
    hidden = path.with_name(f".{path.name}")
    if not cv2.imwrite(str(hidden), picture_of(*texts)):
        raise OSError(f"could not write {path}")
    hidden.rename(path)


def _code(text: str, module: int) -> Pixels:
    code = qrcode.QRCode(border=4)
    code.add_data(text)
    code.make(fit=True)
    dark = np.array(code.get_matrix(), dtype=np.uint8)
    return np.kron(255 * (1 - dark), np.ones((module, module), np.uint8)).astype(np.uint8)
