"""A paper pass as a picture or a page: PNG, SVG, and a PDF to print.

1. The code is a QR Code, Model 2, error correction M, alphanumeric mode in one piece (Base45 has no other letters),
   in the smallest size that holds the text, with the standard's quiet zone of four modules.
2. PNG and SVG are the code alone, black on white; a PNG has `MODULE_PIXELS` pixels a module, an SVG is `CODE_MM` a
   side, to half a millimetre.
3. The page is A4 with the code at `CODE_MM` a side (without its quiet zone), the hint, the days it serves, and what
   it is and how to use it, in Chinese and English. No font is stored here: English is set in one that every viewer
   has, Chinese in one that viewers for Chinese bring along.
4. Nothing on the paper shows the aspect, by colour, sign or word: who sees the paper learns nothing from it, and it
   may have changed since.

The days on the page are in UTC, as in the pass.
"""

import io
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

import qrcode
from qrcode.constants import ERROR_CORRECT_M
from qrcode.image.svg import SvgPathFillImage
from qrcode.util import MODE_ALPHA_NUM, QRData

from waypass_protocol.passes import pass_text

if TYPE_CHECKING:
    from reportlab.pdfgen.canvas import Canvas

CODE_MM = 60
MODULE_PIXELS = 8
QUIET_MODULES = 4

_LATIN, _CHINESE = "Helvetica", "STSong-Light"


class Drawing(StrEnum):
    """The media types that a paper pass can be had in."""

    PNG = "image/png"
    SVG = "image/svg+xml"
    PDF = "application/pdf"


@dataclass(frozen=True, kw_only=True, slots=True)
class PaperPass:
    """A signed paper pass (COSE_Sign1) and what stands beside its code. Times are UNIX seconds."""

    signed: bytes
    network: str
    iat: int
    exp: int
    hint: str | None = None

    def modules(self) -> list[list[bool]]:
        """The code's modules, row by row, without its quiet zone; True is dark."""
        return [[bool(dark) for dark in row] for row in _code(pass_text(self.signed)).modules]

    def text(self) -> str:
        """What the code says."""
        return pass_text(self.signed)

    def draw(self, form: Drawing) -> bytes:
        """The file in this form."""
        match form:
            case Drawing.PNG:
                return _png(pass_text(self.signed))
            case Drawing.SVG:
                return _svg(pass_text(self.signed))
            case Drawing.PDF:
                return _pdf(self)


def _code(text: str) -> qrcode.QRCode:
    code = qrcode.QRCode(error_correction=ERROR_CORRECT_M, box_size=MODULE_PIXELS, border=QUIET_MODULES)
    code.add_data(QRData(text, mode=MODE_ALPHA_NUM), optimize=0)
    code.make(fit=True)
    return code


def _png(text: str) -> bytes:
    out = io.BytesIO()
    _code(text).make_image().save(out, format="PNG")
    return out.getvalue()


def _svg(text: str) -> bytes:
    code = _code(text)
    # The library writes tenths of a millimetre a module: 10 is 1 mm.
    code.box_size = (Decimal(10 * CODE_MM) / code.modules_count).quantize(Decimal("0.1"))
    out = io.BytesIO()
    code.make_image(image_factory=SvgPathFillImage).save(out)
    return out.getvalue()


def _pdf(pass_: PaperPass) -> bytes:
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.units import mm
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont
    from reportlab.pdfgen.canvas import Canvas

    pdfmetrics.registerFont(UnicodeCIDFont(_CHINESE))
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=A4, invariant=1)
    canvas.setTitle("Waypass")
    canvas.setAuthor(pass_.network)
    width, height = A4
    top = height - 30 * mm
    _line(canvas, 24, width / 2, top, f"Waypass {pass_.network}")
    _line(canvas, 13, width / 2, top - 9 * mm, "纸质通行码")
    _line(canvas, 13, width / 2, top - 16 * mm, "Paper pass")
    side = CODE_MM * mm
    _draw_code(canvas, pass_.modules(), left=(width - side) / 2, bottom=top - 25 * mm - side, side=side)
    below = top - (25 + CODE_MM + 15) * mm
    if pass_.hint is not None:
        _line(canvas, 18, width / 2, below, pass_.hint)
        below -= 10 * mm
    _line(canvas, 13, width / 2, below, f"{_day(pass_.iat)} - {_day(pass_.exp)} (UTC)")
    for number, line in enumerate(_WORDS):
        _line(canvas, 11, width / 2, below - (14 + 7 * number) * mm, line)
    canvas.showPage()
    canvas.save()
    return out.getvalue()


_WORDS = (
    "请在闸机前出示此码，保持平整、无折痕、无遮挡。",
    "Hold this code flat in front of the gate's camera. Do not fold or cover it.",
    "",
    "工作人员可能会核对证件。此码不显示状态，状态由闸机读取。",
    "Staff may ask for an identity document. The paper does not show a colour; the gate reads it.",
    "",
    "领取新的纸质通行码后，旧码失效。遗失时请到服务台重新领取。",
    "A new paper pass replaces this one. If you lose it, ask for a new one at a service desk.",
    "",
    "请勿拍照或转发此码。",
    "Do not photograph or share this code.",
)


def _line(canvas: "Canvas", size: int, x: float, y: float, text: str) -> None:
    canvas.setFont(_LATIN if text.isascii() else _CHINESE, size)
    canvas.drawCentredString(x, y, text)


def _draw_code(canvas: "Canvas", modules: list[list[bool]], *, left: float, bottom: float, side: float) -> None:
    """Runs of dark modules as rectangles: one path, so that no viewer draws hairlines between them."""
    step = side / len(modules)
    path = canvas.beginPath()
    for row, line in enumerate(modules):
        y = bottom + side - (row + 1) * step
        column = 0
        while column < len(line):
            start = column
            while column < len(line) and line[column]:
                column += 1
            if column > start:
                path.rect(left + start * step, y, (column - start) * step, step)
            column += 1
    canvas.drawPath(path, stroke=0, fill=1)


def _day(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M")
