"""A QR code as the path of an SVG, dark modules on a square of `side`; drawn by the page's template."""

from dataclasses import dataclass

import qrcode
from qrcode.constants import ERROR_CORRECT_M

QUIET = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawn:
    """The code's side in modules, its quiet zone included, and the path of what is dark."""

    side: int
    path: str


def draw(text: str) -> Drawn:
    """A text as a code (error correction M, quiet zone of four modules)."""
    code = qrcode.QRCode(error_correction=ERROR_CORRECT_M, border=QUIET)
    code.add_data(text)
    code.make(fit=True)
    return of_modules([[bool(dark) for dark in row] for row in code.modules])


def of_modules(modules: list[list[bool]]) -> Drawn:
    """Runs of dark modules as rectangles."""
    path = []
    for y, row in enumerate(modules):
        start = 0
        while start < len(row):
            end = start
            while end < len(row) and row[end]:
                end += 1
            if end > start:
                path.append(f"M{start + QUIET} {y + QUIET}h{end - start}v1h-{end - start}z")
            start = end + 1
    return Drawn(side=len(modules) + 2 * QUIET, path="".join(path))
