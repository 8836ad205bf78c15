"""`waypass demo` as a person runs it: what it prints, and how it ends."""

import contextlib
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from waypass_reader.decoding import decode_frame
from waypass_simulator.demo.deployment import console_script
from waypass_simulator.processes import Program, Stream, free_port
from waypass_simulator.stage.door import listen

SECONDS = 120.0
pytestmark = pytest.mark.timeout(300)


@contextlib.contextmanager
def demo(*arguments: str | Path) -> Iterator[Program]:
    with Program([console_script("waypass"), "demo", *arguments], environment={"COLUMNS": "80"}) as program:
        yield program


def descendants(pid: int) -> set[int]:
    """Every process that this one started, and those that they started."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(entry.parent.name)] = int(entry.read_text(encoding="utf-8").rpartition(")")[2].split()[1])
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def running(pids: set[int]) -> list[int]:
    return [pid for pid in sorted(pids) if Path(f"/proc/{pid}").exists()]


def read_code(lines: list[str]) -> str:
    """The QR code in half blocks, as a telephone would read it from a dark terminal."""
    light = {" ": (0, 0), "▀": (1, 0), "▄": (0, 1), "█": (1, 1)}
    code = [line.strip(" ") for line in lines if re.fullmatch(r" *[ ▀▄█]{20,} *", line)]
    halves = np.array([[light[letter] for letter in line] for line in code], np.uint8)
    picture = np.repeat(np.repeat(halves.transpose(0, 2, 1).reshape(-1, halves.shape[1]) * 255, 8, 0), 8, 1)
    (sighting,) = decode_frame(np.pad(picture, 32, constant_values=255).astype(np.uint8))
    return sighting.text


def test_a_demonstration_says_where_to_look_and_ends_with_all_its_programs(tmp_path: Path) -> None:
    folder, port = tmp_path / "files", free_port()
    with demo("--folder", folder, "--port", str(port)) as program:
        program.wait_for_line("The first gate opened [0-9.]+ s after the start", timeout=SECONDS, stream=Stream.STDOUT)
        children = descendants(program.pid)
        assert len(children) >= 5
        assert httpx.get(f"http://localhost:{port}/", trust_env=False).status_code == 200
        program.signal(signal.SIGINT)
        assert program.wait(timeout=60.0) == 0
        lines = program.lines(Stream.STDOUT)
        assert program.lines(Stream.STDERR) == []
    assert running(children) == []
    assert (folder / "waypass.db").exists()
    assert [path for path in folder.rglob("*") if path.suffix in (".png", ".part", ".jpg")] == []
    said = "\n".join(lines)
    address = f"http://localhost:{port}/"
    assert read_code(lines) == address
    for words in (rf"The stage +{address}$", rf"Your wallet +{address}wallet/$", rf"The station +{address}station/ "):
        assert re.search(words, said, re.MULTILINE), words
    for name in ("Pavel proposes", "Anna approves"):
        assert re.search(rf"{name} +{address}ops/sign-in#token=wps_[\w-]{{43}}$", said, re.MULTILINE)
    assert re.search(r"^\d+ people came; [1-9]\d* went through, \d+ were looked after by staff\.$", said, re.MULTILINE)
    # Two people's sign-in links, and nothing else of anybody.
    assert said.count("wps_") == 2
    assert re.search(r"WP[12]:|HC1:|wpw_|wpc_", said) is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_one_that_is_told_to_end_while_it_starts_leaves_nothing_running(tmp_path: Path, number: signal.Signals) -> None:
    with demo("--folder", tmp_path / "files", "--port", str(free_port())) as program:
        program.wait_for_line("The broker listens", timeout=SECONDS, stream=Stream.STDOUT)
        children = descendants(program.pid)
        assert children
        program.signal(number)
        program.signal(number)  # an impatient person
        assert program.wait(timeout=SECONDS) == 0
    assert running(children) == []


def test_a_port_that_is_taken_is_named_and_nothing_is_started(tmp_path: Path) -> None:
    with contextlib.closing(listen(free_port())) as taken:
        port = taken.getsockname()[1]
        with demo("--folder", tmp_path / "files", "--port", str(port)) as program:
            assert program.wait(timeout=SECONDS) == 2
            (line,) = program.lines(Stream.STDERR)
    assert line == f"waypass: --port {port}: 127.0.0.1:{port} cannot be listened on: Address already in use"
    assert list((tmp_path / "files").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("a port for a story", ["--headless", "--port", "8000"], "--port: expected without --headless"),
        ("a report of what has no end", ["--report", "r.json"], "--report: expected with --headless"),
        ("a folder with files", ["--folder", "{full}"], "--folder .*: expected .* empty folder, got one with files"),
        ("no port", ["--port", "0"], "Invalid value for '--port'"),
    ],
)
def test_bad_use_is_told_before_anything_starts(tmp_path: Path, name: str, arguments: list[str], message: str) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with demo(*(each.replace("{full}", str(tmp_path)) for each in arguments)) as program:
        assert program.wait(timeout=SECONDS) == 2, name
        said = program.text(Stream.STDERR)
    assert re.search(message, said)
