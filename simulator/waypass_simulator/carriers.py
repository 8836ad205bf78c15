"""What people hold before the camera: a telephone with a code on its screen, or a printed sheet, and the hand.

The code's middle is the canvas's middle. Codes are made as the product makes them: alphanumeric mode where the text
allows it, a quiet zone of four modules, error correction L on telephones and M on paper.
"""

from enum import StrEnum
from typing import Final

import cv2
import numpy as np
import qrcode
import qrcode.constants
import qrcode.exceptions
import qrcode.util

from waypass_simulator.canvas import Canvas, Plane

CANVAS_MM: Final = (280.0, 340.0)
"""Width and height that a canvas needs at most: room for the hand and part of the arm."""

_QUIET_ZONE: Final = 4
_BLACK_SCREEN: Final = 0.006
_BLACK_INK: Final = 0.06


class Carrier(StrEnum):
    """What a code is shown on."""

    PHONE = "phone"
    PAPER = "paper"


def code_modules(text: str, carrier: Carrier) -> Plane:
    """The QR code of a text with its quiet zone: 1 is light, 0 is dark. ValueError when it is too long."""
    correction = {
        Carrier.PHONE: qrcode.constants.ERROR_CORRECT_L,
        Carrier.PAPER: qrcode.constants.ERROR_CORRECT_M,
    }[carrier]
    code = qrcode.QRCode(error_correction=correction, border=_QUIET_ZONE)
    alphanumeric = all(letter in qrcode.util.ALPHA_NUM.decode("ascii") for letter in text)
    mode = qrcode.util.MODE_ALPHA_NUM if alphanumeric else qrcode.util.MODE_8BIT_BYTE
    code.add_data(qrcode.util.QRData(text.encode(), mode=mode))
    try:
        code.make(fit=True)
    except (ValueError, qrcode.exceptions.DataOverflowError) as error:
        raise ValueError(f"expected a text that fits into a QR code, got {len(text)} characters") from error
    return 1 - np.array(code.get_matrix(), np.float32)


def paint_phone(canvas: Canvas, modules: Plane | None, rng: np.random.Generator, *, grip_mm: float) -> None:
    """A telephone in a hand, whose fingers reach that far past its edge. Without a code it shows what screens show."""
    width, height = rng.uniform(68, 78), rng.uniform(142, 160)
    left, right = -width / 2, width / 2
    top = -rng.uniform(0.36, 0.46) * height
    bottom = top + height
    side = rng.choice((-1.0, 1.0))
    skin = rng.uniform(0.15, 0.6)
    near = right if side > 0 else left
    _paint_arm(canvas, rng, side=side, wrist=(near + side * 4, bottom + 45), skin=skin)
    _paint_skin(canvas, rng, (near - side * 6, bottom - 45), (near + side * 2, bottom + 40), 19, skin)
    _paint_skin(canvas, rng, (-near, bottom - 50), (-near + side * 20, bottom + 25), 12, skin)
    region, mask = canvas.box(left, top, right, bottom, radius=10)
    canvas.paint(region, mask, reflected=rng.choice((0.02, 0.05, 0.3)), mirror=0.3)
    bezel = rng.uniform(2.0, 4.5)
    region, mask = canvas.box(left + bezel, top + 1.6 * bezel, right - bezel, bottom - 1.6 * bezel, radius=7)
    canvas.paint(region, mask, reflected=0.02, emitted=1.0, mirror=1.0)
    screen = (left + bezel, top + 1.6 * bezel, right - bezel, bottom - 1.6 * bezel)
    if modules is None:
        _paint_lines(canvas, rng, screen)
    else:
        _paint_pass_page(canvas, rng, screen, modules)
    _paint_fingers(canvas, rng, side=side, edges=(left, right, bottom), skin=skin, grip_mm=grip_mm)


def paint_paper(canvas: Canvas, modules: Plane | None, rng: np.random.Generator) -> None:
    """A sheet of paper in a hand, with a code or, without one, only with print."""
    width, height = 105.0, 148.0
    left, top = -width / 2, -rng.uniform(0.4, 0.55) * height
    right, bottom = left + width, top + height
    side = rng.choice((-1.0, 1.0))
    skin = rng.uniform(0.15, 0.6)
    _paint_arm(canvas, rng, side=side, wrist=(side * 55, bottom + 60), skin=skin)
    _paint_skin(canvas, rng, (side * 20, bottom + 5), (side * 48, bottom + 50), 26, skin)
    region, mask = canvas.box(left, top, right, bottom, radius=0.5)
    fibres = _cloud(rng, region.x.shape, cell=1.5 * canvas.scale, depth=0.03) * _cloud(
        rng, region.x.shape, cell=40 * canvas.scale, depth=0.12
    )
    canvas.paint(region, mask, reflected=fibres, mirror=0.25)
    code_mm = rng.uniform(46, 62)
    if modules is not None:
        _paint_code(canvas, modules, size_mm=code_mm, printed=True)
    _paint_print(canvas, rng, (left + 8, top + 8, right - 8, -code_mm / 2 - 3))
    _paint_print(canvas, rng, (left + 8, code_mm / 2 + 3, right - 8, bottom - 6))
    _paint_fold(canvas, rng, (left, right), at=code_mm / 2 + rng.uniform(2, 10))
    thumb_x = side * rng.uniform(20, 38)
    _paint_skin(canvas, rng, (thumb_x + side * 14, bottom + 28), (thumb_x, bottom - 10), 9.5, skin)
    _paint_nail(canvas, (thumb_x - side * 0.8, bottom - 12.5), 5, skin)


def _paint_code(canvas: Canvas, modules: Plane, *, size_mm: float, printed: bool) -> None:
    """Puts a code, quiet zone included, in the middle; every module gets the same whole number of pixels."""
    count = modules.shape[0]
    region = canvas.region(-size_mm / 2, -size_mm / 2, size_mm / 2, size_mm / 2)
    rows, columns = region.x.shape
    each = max(2, round(2 * max(rows, columns) / count))
    large = cv2.resize(modules, (count * each, count * each), interpolation=cv2.INTER_NEAREST)
    code = cv2.resize(large, (columns, rows), interpolation=cv2.INTER_AREA).astype(np.float32)
    if printed:
        paper = canvas.reflected[region.window]
        canvas.reflected[region.window] = _BLACK_INK + (paper - _BLACK_INK) * code
    else:
        canvas.emitted[region.window] = _BLACK_SCREEN + (1 - _BLACK_SCREEN) * code


def _paint_pass_page(
    canvas: Canvas, rng: np.random.Generator, screen: tuple[float, float, float, float], modules: Plane
) -> None:
    """The wallet's page: a bar with its name, the code, a line that runs out, a few words."""
    left, top, right, bottom = screen
    size = min(right - left - 1, rng.uniform(58, 66))
    region, mask = canvas.box(left, top, right, bottom, radius=7)
    bar = mask * canvas.soft(region.y - min(top + 17, -size / 2))
    canvas.paint(region, bar, reflected=0.02, emitted=rng.uniform(0.05, 0.5), mirror=1.0)
    region, ink = canvas.text("WAYPASS", left=left + 6, base=top + 13, height_mm=5)
    canvas.paint(region, ink, reflected=0.02, emitted=1.0, mirror=1.0)
    _paint_code(canvas, modules, size_mm=size, printed=False)
    below = size / 2 + 4
    region, mask = canvas.box(left + 6, below, left + 6 + rng.uniform(10, 50), below + 2, radius=1)
    canvas.paint(region, mask, reflected=0.02, emitted=0.2, mirror=1.0)
    for line, words in enumerate(("Hold this code to the gate", "Line 4  Zone A", "10:42")):
        base = below + 10 + 7 * line
        if base < bottom - 4:
            region, ink = canvas.text(words, left=left + 6, base=base, height_mm=3.2)
            canvas.paint(region, ink, reflected=0.02, emitted=0.1, mirror=1.0)


def _paint_lines(canvas: Canvas, rng: np.random.Generator, screen: tuple[float, float, float, float]) -> None:
    """A screen with messages: blocks and lines, no code."""
    left, top, right, bottom = screen
    y = top + 8
    while y < bottom - 12:
        tall = rng.uniform(6, 16)
        wide = rng.uniform(0.4, 0.8) * (right - left)
        start = left + 4 if rng.random() < 0.5 else right - 4 - wide
        region, mask = canvas.box(start, y, start + wide, min(y + tall, bottom - 6), radius=3)
        canvas.paint(region, mask, reflected=0.02, emitted=rng.uniform(0.1, 0.8), mirror=1.0)
        region, ink = canvas.text(_words(rng, int(wide / 2.4)), left=start + 3, base=y + 5, height_mm=2.6)
        canvas.paint(region, ink, reflected=0.02, emitted=0.03, mirror=1.0)
        y += tall + 3


def _paint_print(canvas: Canvas, rng: np.random.Generator, box: tuple[float, float, float, float]) -> None:
    """Lines of print between these edges."""
    left, top, right, bottom = box
    base, height = top + 6.0, 5.0
    while base < bottom:
        words = _words(rng, int(rng.uniform(0.5, 1.0) * (right - left) / (0.8 * height)))
        region, ink = canvas.text(words, left=left, base=base, height_mm=height)
        canvas.paint(region, ink, reflected=_BLACK_INK, mirror=0.1)
        height = 3.0
        base += 6.0


def _paint_fold(canvas: Canvas, rng: np.random.Generator, edges: tuple[float, float], *, at: float) -> None:
    """A crease across the sheet: one side of it a little darker."""
    region = canvas.region(edges[0], at - 12, edges[1], at + 12)
    slope = np.exp(-np.abs(region.y - at) / 3) * np.where(region.y > at, -1.0, 0.6)
    canvas.reflected[region.window] *= (1 + rng.uniform(0.02, 0.15) * slope).astype(np.float32)


def _paint_arm(
    canvas: Canvas, rng: np.random.Generator, *, side: float, wrist: tuple[float, float], skin: float
) -> None:
    """The wrist and the sleeve, which come from below."""
    x, y = wrist
    _paint_skin(canvas, rng, (x - side * 6, y - 20), (x + side * 10, y + 40), 27, skin)
    region, mask, height = canvas.capsule((x + side * 14, y + 60), (x + side * 40, y + 200), 40)
    folds = _cloud(rng, region.x.shape, cell=9 * canvas.scale, depth=0.35)
    canvas.paint(region, mask, reflected=rng.uniform(0.03, 0.4) * folds * (0.3 + 0.7 * height))


def _paint_fingers(
    canvas: Canvas,
    rng: np.random.Generator,
    *,
    side: float,
    edges: tuple[float, float, float],
    skin: float,
    grip_mm: float,
) -> None:
    """Fingertips that come round one edge of a telephone from behind, and the thumb over the other, below the code."""
    left, right, bottom = edges
    near, far = (right, left) if side > 0 else (left, right)
    for finger in range(4):
        y = bottom - 80 + 18.5 * finger + rng.uniform(-1.5, 1.5)
        tip = far + side * (grip_mm - 8 - 1.5 * abs(finger - 1.3))
        _paint_skin(canvas, rng, (tip - side * 4, y + 3), (tip, y), 8, skin)
        _paint_nail(canvas, (tip + side * 3.2, y - 0.5), 3.6, skin)
    tip_x, tip_y = near - side * rng.uniform(8, 20), bottom - rng.uniform(30, 42)
    _paint_skin(canvas, rng, (near - side * 1, bottom - 2), (near + side * 4, bottom + 20), 13, skin)
    _paint_skin(canvas, rng, (near - side * 1, bottom - 2), (tip_x, tip_y), 9.5, skin)
    _paint_nail(canvas, (tip_x - side * 2.0, tip_y - 2.5), 5, skin)


def _paint_skin(
    canvas: Canvas,
    rng: np.random.Generator,
    start: tuple[float, float],
    end: tuple[float, float],
    radius: float,
    skin: float,
) -> None:
    """A finger or a part of a hand: round, uneven, with a crease or two across, and a shadow beside it."""
    region, mask, _ = canvas.capsule((start[0] + 1.5, start[1] + 2.5), (end[0] + 1.5, end[1] + 2.5), radius + 1.5)
    canvas.reflected[region.window] *= 1 - 0.35 * mask
    region, mask, height = canvas.capsule(start, end, radius)
    length = float(np.hypot(end[0] - start[0], end[1] - start[1])) + 1e-3
    along = ((region.x - start[0]) * (end[0] - start[0]) + (region.y - start[1]) * (end[1] - start[1])) / length
    creases = 1 - 0.1 * np.exp(-(((along - rng.uniform(0.0, 0.4) * length) / 1.2) ** 2))
    uneven = _cloud(rng, region.x.shape, cell=2.0 * canvas.scale, depth=0.08)
    canvas.paint(region, mask, reflected=(skin * (0.3 + 0.7 * height) * creases * uneven).astype(np.float32))


def _paint_nail(canvas: Canvas, middle: tuple[float, float], radius: float, skin: float) -> None:
    region, mask, height = canvas.capsule(middle, (middle[0], middle[1] + 1.5), radius)
    canvas.paint(region, 0.7 * mask, reflected=min(1.25 * skin, 0.8) * (0.75 + 0.25 * height), mirror=0.1)


def _cloud(rng: np.random.Generator, shape: tuple[int, ...], *, cell: float, depth: float) -> Plane:
    """Soft unevenness around 0.85, in patches of about `cell` pixels."""
    rows, columns = shape
    if rows == 0 or columns == 0:  # off the canvas
        return np.ones((rows, columns), np.float32)
    small = rng.standard_normal((max(2, int(rows / cell) + 2), max(2, int(columns / cell) + 2))).astype(np.float32)
    patches = cv2.resize(small, (columns, rows), interpolation=cv2.INTER_CUBIC)
    return (0.92 + depth * np.clip(patches, -2, 2) * 0.5).astype(np.float32)


def _words(rng: np.random.Generator, letters: int) -> str:
    """Print without meaning."""
    return "".join(
        rng.choice(list("abcdefghiklmnoprstuvw    ABEGIKLMNOPRST0123456789")) for _ in range(max(letters, 1))
    )
