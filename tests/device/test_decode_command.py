"""`waypass-reader decode` from outside: its lines, its messages, its exit codes."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from waypass_reader.commands.decode import decode
from waypass_reader.frames.base import Pixels
from waypass_simulator.carriers import Carrier, code_modules

APP = typer.Typer()
APP.command()(decode)


def code(text: str) -> Pixels:
    modules = np.where(code_modules(text, Carrier.PAPER) > 0, 255, 0).astype(np.uint8)
    return np.kron(modules, np.ones((4, 4))).astype(np.uint8)


EMPTY = np.full((60, 80), 200, np.uint8)


def write(path: Path, picture: Pixels) -> str:
    path.parent.mkdir(exist_ok=True)
    assert cv2.imwrite(str(path), picture)
    return str(path)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(APP, list(arguments))


def lines(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_picture_gives_one_json_line(tmp_path: Path) -> None:
    path = write(tmp_path / "a.png", code("WP1:HELLO"))
    result = run("--json", path)
    (line,) = lines(result)
    assert line.pop("ms") > 0
    assert line == {"file": path, "texts": ["WP1:HELLO"], "stage": "plain"}
    assert result.exit_code == 0
    assert result.stderr == ""


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp"])
def test_each_format_is_read(tmp_path: Path, suffix: str) -> None:
    (line,) = lines(run("--json", write(tmp_path / f"a{suffix}", code("WP1:HELLO"))))
    assert line["texts"] == ["WP1:HELLO"]


def test_a_code_on_nothing_is_read(tmp_path: Path) -> None:
    """Black modules on a transparent ground, as drawing programs save them."""
    black = code("WP1:HELLO") == 0
    picture = np.zeros((*black.shape, 4), np.uint8)
    picture[black, 3] = 255
    (line,) = lines(run("--json", write(tmp_path / "a.png", picture)))
    assert line["texts"] == ["WP1:HELLO"]


def test_a_picture_without_a_code_has_no_texts_and_no_stage(tmp_path: Path) -> None:
    result = run("--json", write(tmp_path / "a.png", EMPTY))
    (line,) = lines(result)
    assert line["texts"] == []
    assert line["stage"] is None
    assert result.exit_code == 1


def test_lines_keep_the_order_of_the_arguments(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{name}.png", code(f"WP1:{name}")) for name in ("C", "A", "B")]
    result = run("--json", *paths)
    assert [(line["file"], line["texts"]) for line in lines(result)] == [
        (path, [f"WP1:{name}"]) for path, name in zip(paths, ("C", "A", "B"), strict=True)
    ]
    assert result.exit_code == 0


def test_long_texts_are_printed_whole(tmp_path: Path) -> None:
    text = "WP1:" + "ABC" * 500
    (line,) = lines(run("--json", write(tmp_path / "a.png", code(text))))
    assert line["texts"] == [text]


def test_an_unreadable_picture_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"not a picture")
    paths = [str(bad), str(tmp_path / "gone.png"), write(tmp_path / "a.png", code("WP1:A")), str(tmp_path)]
    result = run("--json", *paths, write(tmp_path / "empty.png", EMPTY))
    assert [line["texts"] for line in lines(result)] == [["WP1:A"], []]
    assert "bad.png: not a whole PNG" in result.stderr
    assert "gone.png: can't be read: No such file" in result.stderr
    assert "expected a picture, got a folder; folders go with --burst" in result.stderr
    assert result.exit_code == 2


def test_people_get_words_and_no_control_characters(tmp_path: Path) -> None:
    good = write(tmp_path / "a.png", code("WP1:A\x1b[2J"))
    empty = write(tmp_path / "b.png", EMPTY)
    result = run(good, empty)
    first, second = result.stdout.splitlines()
    assert first.startswith(f"{good}: 'WP1:A\\x1b[2J' (plain, 1 frame, ")
    assert second.startswith(f"{empty}: no code (1 frame, ")
    assert result.exit_code == 1


class TestBurst:
    def test_it_stops_at_the_first_frame_with_a_text(self, tmp_path: Path) -> None:
        write(tmp_path / "hand" / "0.png", EMPTY)
        write(tmp_path / "hand" / "1.png", code("WP1:SECOND"))
        write(tmp_path / "hand" / "2.png", code("WP1:THIRD"))
        result = run("--burst", "--json", str(tmp_path / "hand"))
        (line,) = lines(result)
        assert line.pop("ms") > 0
        assert line == {"dir": str(tmp_path / "hand"), "texts": ["WP1:SECOND"], "frames_used": 2}
        assert result.exit_code == 0

    def test_each_folder_gives_a_line(self, tmp_path: Path) -> None:
        for name in ("b", "a"):
            write(tmp_path / name / "0.jpg", code(f"WP1:{name.upper()}"))
        write(tmp_path / "none" / "0.jpg", EMPTY)
        write(tmp_path / "none" / "1.jpg", EMPTY)
        result = run("--burst", "--json", *(str(tmp_path / name) for name in ("b", "a", "none")))
        assert [(line["texts"], line["frames_used"]) for line in lines(result)] == [
            (["WP1:B"], 1),
            (["WP1:A"], 1),
            ([], 2),
        ]
        assert result.exit_code == 1

    def test_other_files_in_the_folder_are_no_frames(self, tmp_path: Path) -> None:
        write(tmp_path / "hand" / "1.png", code("WP1:A"))
        (tmp_path / "hand" / "0.txt").write_text("WP1:A")
        (line,) = lines(run("--burst", "--json", str(tmp_path / "hand")))
        assert line["frames_used"] == 1

    def test_an_unreadable_frame_is_named_and_passed_over(self, tmp_path: Path) -> None:
        write(tmp_path / "hand" / "1.png", code("WP1:A"))
        (tmp_path / "hand" / "0.png").write_bytes(b"half")
        result = run("--burst", "--json", str(tmp_path / "hand"))
        (line,) = lines(result)
        assert line["texts"] == ["WP1:A"]
        assert line["frames_used"] == 1
        assert "0.png: not a whole PNG" in result.stderr
        assert result.exit_code == 2

    def test_what_is_no_burst_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        picture = write(tmp_path / "a.png", EMPTY)
        result = run("--burst", "--json", str(tmp_path / "empty"), picture, str(tmp_path / "gone"))
        assert result.stdout == ""
        assert "empty: the folder holds no pictures" in result.stderr
        assert "a.png: expected a folder of pictures: Not a directory" in result.stderr
        assert "gone: expected a folder of pictures: No such file" in result.stderr
        assert result.exit_code == 2

    def test_people_get_words(self, tmp_path: Path) -> None:
        write(tmp_path / "hand" / "0.png", EMPTY)
        write(tmp_path / "hand" / "1.png", code("WP1:A"))
        result = run("--burst", str(tmp_path / "hand"))
        assert result.stdout.startswith(f"{tmp_path / 'hand'}: 'WP1:A' (plain, 2 frames, ")


def test_no_argument_is_bad_use() -> None:
    assert run("--json").exit_code == 2


@pytest.mark.shared
def test_shared_bursts_and_stills(shared_dir: Path) -> None:
    bursts = sorted(path for path in (shared_dir / "gate-frames" / "medium").iterdir() if path.is_dir())[:6]
    found = lines(run("--burst", "--json", *map(str, bursts)))
    assert [line["dir"] for line in found] == [str(burst) for burst in bursts]
    assert all(line["texts"] in ([], [(Path(line["dir"]) / "text.txt").read_text()]) for line in found)
    assert sum(bool(line["texts"]) for line in found) >= 4
    still = shared_dir / "qr-images" / "no-code" / "01.webp"
    assert lines(run("--json", str(still)))[0]["texts"] == []
