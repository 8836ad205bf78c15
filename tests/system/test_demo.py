"""The demonstration as a person runs it: one process, its whole story, and the report that it leaves."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from waypass_simulator.demo.deployment import console_script
from waypass_simulator.processes import Program, Stream

SECONDS = 400.0
STORY_SECONDS = 360.0
CHAPTERS = """Opening
At the desk
At the gates
An objection
A telephone is lost
Copies
The broker
What the gates kept"""
REASONS = """green yellow red seen-already identity-check scope-missing superseded stale-presentation unbound-copy
unknown-key not-waypass"""


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, str, dict[str, Any]]:
    """Exit code, all that was printed, and the report; without shared vectors, so that it is the same everywhere."""
    folder = tmp_path_factory.mktemp("demo")
    report = folder / "report.json"
    arguments: list[str | Path] = ["demo", "--headless", "--report", report, "--seed", "1"]
    environment = {"WAYPASS_SHARED": str(folder / "absent"), "TMPDIR": str(folder), "COLUMNS": "120"}
    with Program([console_script("waypass"), *arguments], environment=environment) as program:
        code = program.wait(timeout=STORY_SECONDS)
        said = program.text(Stream.STDOUT) + program.text(Stream.STDERR)
    assert report.stat().st_size > 0, said
    assert [path.name for path in folder.iterdir()] == ["report.json"]
    return code, said, json.loads(report.read_text(encoding="utf-8"))


pytestmark = pytest.mark.timeout(SECONDS)


def test_the_story_comes_out_as_it_should(played: tuple[int, str, dict[str, Any]]) -> None:
    code, said, report = played
    assert [step for step in report["steps"] if not step["ok"]] == [], said
    assert (code, report["ok"]) == (0, True), said


def test_every_chapter_and_every_reason_is_in_the_report(played: tuple[int, str, dict[str, Any]]) -> None:
    _, said, report = played
    chapters = list(dict.fromkeys(step["chapter"] for step in report["steps"]))
    assert len(chapters) == len(CHAPTERS.splitlines())
    assert all(have.startswith(want) for have, want in zip(chapters, CHAPTERS.splitlines(), strict=True)), chapters
    seen = " ".join(step["seen"] for step in report["steps"])
    assert [reason for reason in REASONS.split() if f"({reason})" not in seen] == []
    assert [step["did"] for step in report["steps"] if step["did"][:40] not in said] == []


def test_the_report_has_its_figures(played: tuple[int, str, dict[str, Any]]) -> None:
    _, _, report = played
    at_a_gate = [step for step in report["steps"] if step["seen"].startswith("gate-") and "shown" in step["seen"]]
    assert len(at_a_gate) >= 15
    assert all(step["figures"]["frame_to_decision_ms"] > 0 for step in at_a_gate)
    assert all(step["figures"]["frames"] >= 1 for step in at_a_gate)
    assert set(report["propagation_ms"]) == set(report["frame_to_decision_ms"]) == {"gate-a", "gate-b"}
    assert all(len(times) == 2 and min(times) >= 0 for times in report["propagation_ms"].values())
    assert report["seed"] == 1


def test_neither_the_report_nor_the_screen_holds_a_secret(played: tuple[int, str, dict[str, Any]]) -> None:
    _, said, report = played
    for text in (said, json.dumps(report)):
        assert re.search(r"WP[12]:|HC1:|wps_|wpw_|[A-Za-z0-9_-]{43}|[0-9A-Fa-f]{40}", text) is None


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        (
            "a folder with files",
            ["--folder", "{full}"],
            "--folder .*: expected .* empty folder, got one with files",
        ),
        ("a folder below a file", ["--folder", "{full}/file/x"], "--folder .*: expected .* empty folder: Not a"),
        ("a report nowhere", ["--report", "{full}/no/r.json"], "--report .*: cannot be written: No such file"),
    ],
)
def test_bad_use_is_told_before_anything_starts(tmp_path: Path, name: str, arguments: list[str], message: str) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    given = [each.replace("{full}", str(tmp_path)) for each in arguments]
    with Program([console_script("waypass"), "demo", "--headless", *given]) as program:
        assert program.wait(timeout=60.0) == 2, name
        (line,) = program.lines(Stream.STDERR)
    assert re.search(message, line)


def test_a_demonstration_that_is_told_to_end_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    with Program([console_script("waypass"), "demo", "--headless", "--folder", folder]) as program:
        program.wait_for_line("The broker listens", timeout=60.0, stream=Stream.STDOUT)
        assert program.terminate(timeout=60.0) == 128 + 15
    assert [line for line in _command_lines() if str(folder) in line] == []


def _command_lines() -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(entry.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
        except OSError:
            continue  # it has just ended
    return found
