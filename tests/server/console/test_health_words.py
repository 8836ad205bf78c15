"""What readers say of their health, in the console's words."""

import re

import pytest
from tests.house.sources import ROOT

from waypass_server.console.health_words import SHAPES, Told, tell
from waypass_server.console.words import Speech

ENGLISH, CHINESE = Speech("en"), Speech("zh")


def reader_texts() -> str:
    """All texts in the reader's code, as they are when joined."""
    sources = (path.read_text(encoding="utf-8") for path in sorted((ROOT / "device").rglob("*.py")))
    return re.sub(r'"\s*\n\s*f?"', "", "\n".join(sources))


def test_every_shape_is_one_that_a_reader_says() -> None:
    """Its longest piece between names stands in the reader's code; otherwise a reader has new words for it."""
    texts = reader_texts()
    longest = {shape: max(re.split(r"\{\w+\}", shape), key=len) for shape in SHAPES}
    # The driver's text is put together from a name for what to do, and the turnstile's from a kind and a text.
    pieces = {
        shape: piece.removeprefix("turnstile: ").partition("; pull its cable, or")[0]
        for shape, piece in longest.items()
    }
    assert [shape for shape, piece in pieces.items() if piece not in texts] == []


@pytest.mark.parametrize(
    ("part", "words", "expected"),
    [
        ("disk", "ok", Told(part="磁盘", words="正常", known=True)),
        (
            "camera a (b)",
            "camera /dev/x: one: no frame for 2.5 s; check its cable and its power",
            Told(part="a (b) 的摄像头", words="camera /dev/x: one：2.5 秒没有画面；请检查线缆和电源", known=True),
        ),
        ("lane x", "what nobody knows", Told(part="通道 x", words="what nobody knows", known=False)),
        ("else", "{name}", Told(part="else", words="{name}", known=False)),
        ("disk", "ok\nand more", Told(part="磁盘", words="ok\nand more", known=False)),
    ],
)
def test_a_part_is_told_in_chinese(part: str, words: str, expected: Told) -> None:
    assert tell(part, words, say=CHINESE) == expected


def test_english_stays_as_it_came() -> None:
    words = "an old message can't be removed (Read-only file system)"
    assert tell("disk", words, say=ENGLISH) == Told(part="disk", words=words, known=True)
