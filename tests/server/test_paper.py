"""Paper passes as pictures and pages: every form can be read by a machine, and says what it has to."""

import base64
import io
import re
import zlib
from xml.etree import ElementTree

import numpy as np
import pytest
import zxingcpp
from PIL import Image
from tests.support.issuing import NOW, SCOPE, make_issuer

from waypass_protocol.passes import PASS_PREFIX, Aspect, decode_base45
from waypass_server.paper import CODE_MM, MODULE_PIXELS, QUIET_MODULES, Drawing, PaperPass

ISSUER = make_issuer()


def paper(*, aspect: Aspect = Aspect.GREEN, hint: str | None = None, uri: str = "wp:17") -> tuple[str, PaperPass]:
    """A text and its paper pass."""
    text = ISSUER.paper(aspects={SCOPE: aspect}, hint=hint, life=30 * 24 * 3600, uri=uri)
    signed = decode_base45(text, PASS_PREFIX)
    return text, PaperPass(signed=signed, network="metro", iat=NOW - 3600, exp=NOW + 30 * 24 * 3600, hint=hint)


def codes(picture: Image.Image) -> list[zxingcpp.Barcode]:
    return list(zxingcpp.read_barcodes(picture))


def svg_picture(data: bytes, pixels_per_mm: int) -> Image.Image:
    """What the SVG's rectangles draw: the library writes `Mx,yHxVyHxz` for each dark module."""
    root = ElementTree.fromstring(data)
    width = float(root.attrib["width"].removesuffix("mm"))
    side = round(width * pixels_per_mm)
    picture = np.full((side, side), 255, np.uint8)
    path = next(element for element in root.iter() if element.tag.endswith("path")).attrib["d"]
    for x0, y0, x1, y1 in re.findall(r"M([\d.]+),([\d.]+)H([\d.]+)V([\d.]+)H[\d.]+z", path):
        left, top, right, bottom = (round(float(part) * pixels_per_mm) for part in (x0, y0, x1, y1))
        picture[top:bottom, left:right] = 0
    return Image.fromarray(picture)


@pytest.mark.parametrize("uri", ["wp:17", "https://status.example/status-lists/17"])
@pytest.mark.parametrize("hint", [None, "王小明 Wang 1990", "x" * 24])
def test_the_png_holds_the_text_at_level_m(hint: str | None, uri: str) -> None:
    text, pass_ = paper(hint=hint, uri=uri)
    picture = Image.open(io.BytesIO(pass_.draw(Drawing.PNG)))
    (code,) = codes(picture)
    assert (code.text, code.format.name, code.ec_level) == (text, "QRCode", "M")
    assert picture.width == picture.height
    assert picture.width % MODULE_PIXELS == 0
    pixels = np.asarray(picture.convert("L"))
    quiet = QUIET_MODULES * MODULE_PIXELS
    assert pixels[:quiet].min() == 255
    assert pixels[quiet, quiet] == 0


def test_the_code_is_as_small_as_the_wire_format_says() -> None:
    """217 characters in alphanumeric mode at level M are version 8, 49 modules; in byte mode it would be version 11."""
    text, pass_ = paper()
    picture = Image.open(io.BytesIO(pass_.draw(Drawing.PNG)))
    assert 200 < len(text) <= 217
    assert picture.width == (49 + 2 * QUIET_MODULES) * MODULE_PIXELS


def test_the_svg_holds_the_text_and_has_its_size() -> None:
    text, pass_ = paper(hint="p")
    data = pass_.draw(Drawing.SVG)
    picture = svg_picture(data, pixels_per_mm=20)
    assert [code.text for code in codes(picture)] == [text]
    dark = np.argwhere(np.asarray(picture) == 0)
    assert abs((dark.max() - dark.min()) / 20 - CODE_MM) < 1.0


def test_the_page_is_one_a4_sheet_that_does_not_show_the_aspect() -> None:
    beside_the_code = set()
    for aspect in Aspect:
        _, pass_ = paper(aspect=aspect, hint="Wang 1990")
        data = pass_.draw(Drawing.PDF)
        assert len(re.findall(rb"/Type /Page\b", data)) == 1
        box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", data)
        assert box is not None
        assert (round(float(box[1])), round(float(box[2]))) == (595, 842)
        beside_the_code.add(re.sub(rb"[\d.]+ [\d.]+ [\d.]+ [\d.]+ re\s*", b"", page_operators(data)))
    assert len(beside_the_code) == 1


def test_the_page_holds_the_code_and_the_words() -> None:
    """Read back from the page's own drawing operators: the code's rectangles and the text."""
    text, pass_ = paper(hint="Wang 1990")
    operators = page_operators(pass_.draw(Drawing.PDF))
    scale = 3.0
    picture = np.full((round(842 * scale), round(595 * scale)), 255, np.uint8)
    for numbers in re.findall(rb"([\d.]+) ([\d.]+) ([\d.]+) ([\d.]+) re", operators):
        x, y, width, height = (float(number) * scale for number in numbers)
        picture[round(842 * scale - y - height) : round(842 * scale - y), round(x) : round(x + width)] = 0
    (code,) = codes(Image.fromarray(picture))
    assert code.text == text
    dark = np.argwhere(picture == 0)
    side = (dark[:, 1].max() - dark[:, 1].min() + 1) / scale / 72 * 25.4
    assert abs(side - CODE_MM) < 0.5
    assert b"(Wang 1990)" in operators
    assert b"2027-01-15 07:00 - 2027-02-14 08:00" in operators
    assert b"Do not photograph or share this code." in operators
    assert set(re.findall(rb"[\d.]+ [\d.]+ [\d.]+ rg", operators)) <= {b"0 0 0 rg"}


def page_operators(pdf: bytes) -> bytes:
    """The page's content stream, decoded as its filters say."""
    stream = re.search(rb"/Filter \[ /ASCII85Decode /FlateDecode \].*?stream\r?\n(.*?)endstream", pdf, re.DOTALL)
    assert stream is not None
    return zlib.decompress(base64.a85decode(b"<~" + stream[1].strip(), adobe=True))
