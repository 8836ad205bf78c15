"""Draws docs/pictures/gate.png: what a gate's camera sees, and what the reader makes of it.

Nothing in it is painted by hand: the frame is the simulator's, the text is what the reader's eyes found in it, and the
panel shows the decision on that text. Run it with the project's Python.
"""

import hashlib
import sys
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from PIL import Image, ImageDraw, ImageFont

from waypass_protocol import bits
from waypass_protocol.admission import Gate, decide
from waypass_protocol.assembly import HeldList
from waypass_protocol.keys import HolderSigner, MemorySigner, TrustSet, Use
from waypass_protocol.passes import HOUR, Aspect, Pass, Place, sign_pass
from waypass_protocol.policy import Policy
from waypass_protocol.presentation import present
from waypass_protocol.reasons import Decision, Shown
from waypass_protocol.reentry import NoReentry
from waypass_reader.decoding import decode_frame
from waypass_reader.words import SIGNS, Language
from waypass_simulator.camera import walk_up
from waypass_simulator.difficulty import MEDIUM

NOW = 1_800_000_000
COLOURS = {Shown.GREEN: "#137a3a", Shown.YELLOW: "#8a5a00", Shown.RED: "#a3151c", Shown.GREY: "#4a4f57"}
PANEL = 520


def main() -> int:
    """Draw the picture; exit code 1 when the reader could not read the frame."""
    aspects = ((Aspect.GREEN, 3), (Aspect.YELLOW, 11))
    rows = [_row(aspect, seed) for aspect, seed in aspects]
    if any(row is None for row in rows):
        sys.stderr.write("the reader could not read a frame; choose another seed\n")
        return 1
    pictures = [row for row in rows if row is not None]
    sheet = Image.new("RGB", (pictures[0].width, sum(row.height for row in pictures) + 16), "#ffffff")
    top = 0
    for row in pictures:
        sheet.paste(row, (0, top))
        top += row.height + 16
    out = Path(__file__).resolve().parent.parent / "docs" / "pictures" / "gate.png"
    out.parent.mkdir(exist_ok=True)
    sheet.quantize(64).save(out, optimize=True)
    return 0


def _row(aspect: Aspect, seed: int) -> Image.Image | None:
    """One frame and the panel beside it."""
    text, trust, packed = _issue(aspect)
    (frame,) = walk_up(text, np.random.default_rng(seed), difficulty=MEDIUM, frames=1)
    found = [sighting.text for sighting in decode_frame(frame)]
    if not found:
        return None
    held = HeldList(uri="wp:1", version=1, packed=packed, digest=hashlib.sha256(packed).digest(), renewed=NOW)
    decision = decide(
        found[0],
        now=NOW,
        clock_trusted=True,
        gate=Gate(trust=trust, scope=1, policy=Policy()),
        lists={"wp:1": held},
        reentry=NoReentry(),
    )
    camera = Image.fromarray(frame).convert("RGB")
    row = Image.new("RGB", (camera.width + PANEL, camera.height), COLOURS[decision.aspect])
    row.paste(camera, (0, 0))
    _write(row, decision, left=camera.width)
    return row


def _issue(aspect: Aspect) -> tuple[str, TrustSet, bytes]:
    """A presentation, the trust set that it verifies with, and an empty status list."""
    issuer = MemorySigner(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
    holder = HolderSigner(ec.derive_private_key(77, ec.SECP256R1()))
    key = issuer.trusted(uses=frozenset({Use.PASS}), nbf=0, exp=2 * NOW)
    trust = TrustSet(network="metro", keys={issuer.kid: key})
    pass_ = Pass(
        iat=NOW - HOUR,
        exp=NOW + HOUR,
        place=Place(uri="wp:1", idx=4711),
        aspects={1: aspect},
        holder=holder.key,
    )
    text = present(sign_pass(pass_, issuer), t=NOW, network="metro", holder=holder)
    return text, trust, bytes(bits.LIST_BYTES)


def _write(row: Image.Image, decision: Decision, *, left: int) -> None:
    """The sign and the words of the display."""
    draw = ImageDraw.Draw(row)
    middle = left + PANEL // 2
    if decision.aspect is Shown.GREEN:
        draw.line([(middle - 60, 140), (middle - 15, 185), (middle + 65, 80)], fill="white", width=26, joint="curve")
    else:
        _draw_hand(draw, middle)
    words = SIGNS[decision.aspect].words.spoken(Language.ENGLISH)
    draw.text((middle, 270), words, font=ImageFont.load_default(40), fill="white", anchor="mm")
    outcome = f"{decision.outcome}: {decision.reason}"
    draw.text((middle, 440), outcome, font=ImageFont.load_default(22), fill="white", anchor="mm")


def _draw_hand(draw: ImageDraw.ImageDraw, middle: int) -> None:
    """A raised hand: four fingers, a palm and a thumb."""
    for number, top in enumerate((72, 56, 62, 84)):
        left = middle - 50 + number * 26
        draw.rounded_rectangle((left, top, left + 21, 170), radius=10, fill="white")
    draw.rounded_rectangle((middle - 50, 140, middle + 49, 215), radius=30, fill="white")
    draw.line([(middle + 38, 190), (middle + 78, 142)], fill="white", width=24)
    draw.ellipse((middle + 66, 130, middle + 90, 154), fill="white")


if __name__ == "__main__":
    sys.exit(main())
