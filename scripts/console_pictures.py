"""Draws the pictures of docs/console.md: an entry's whole life at the console, step by step, and a batch.

Nothing in them is painted by hand: tests do every step in Chromium with a real server, broker and gate, and leave a
screenshot of each; here they are made small. Run it with the project's Python, after scripts/build-wallet; a Chinese
font has to be installed (Debian's fonts-wqy-zenhei), or the other language's name is empty boxes.
"""

import os
import sys
import tempfile
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "docs" / "pictures"
TESTS = tuple(str(ROOT / "tests" / "system" / name) for name in ("test_ops_life.py", "test_batch_page.py"))
LARGEST = 150_000
COLOURS = (192, 128, 64, 32)
NAMES = (
    "1-propose",
    "2-queue",
    "3-approve",
    "4-in-effect",
    "5-objection",
    "6-ended",
    "7-log",
    "8-held",
    "batch",
    "import",
    "basis-compare",
    "rule-form",
    "rule-shadow",
    "search",
)
ELSEWHERE = {"import": "pavel-import-looked-1280-dark-en-GB"}
"""What the test calls it, where that is something else."""


def main() -> int:
    """Draw them; exit code 1 when a step fails, or a picture cannot be made small enough."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["WAYPASS_PICTURES"] = folder
        if pytest.main(["-q", "-p", "no:cacheprovider", *TESTS]) != 0:
            return 1
        for name in NAMES:
            picture = Path(folder) / f"ops-{ELSEWHERE.get(name, name)}.png"
            if not picture.is_file():
                sys.stderr.write(f"{name}: no picture was taken; is Chromium installed?\n")
                return 1
            if not _shrink(picture, OUT / f"console-{name}.png"):
                sys.stderr.write(f"{name}: larger than {LARGEST} bytes with few colours\n")
                return 1
    return 0


def _shrink(source: Path, target: Path) -> bool:
    """With as many colours as fit; whether it fits at all."""
    with Image.open(source) as picture:
        plain = picture.convert("RGB")
    for colours in COLOURS:
        plain.quantize(colours).save(target, optimize=True)
        if target.stat().st_size < LARGEST:
            return True
    return False


if __name__ == "__main__":
    sys.exit(main())
