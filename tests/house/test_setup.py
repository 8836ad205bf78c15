"""What `scripts/setup` says and how it ends where something is missing; it installs nothing and makes nothing here."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.house.sources import ROOT

# All that the script needs until it knows what is missing; above all no apt-get, and no Python.
TOOLS = ("bash", "dirname", "head", "id")


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A folder of programs, to be the whole PATH."""
    for tool in TOOLS:
        place = shutil.which(tool)
        assert place is not None
        (tmp_path / tool).symlink_to(place)
    return tmp_path


def setup(path: Path, *packages: str, python: str | None = None) -> tuple[int, str]:
    """Exit code and standard error."""
    environment = {"PATH": str(path)} | ({"PYTHON": python} if python else {})
    command = [str(ROOT / "scripts" / "setup"), *packages]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == ""
    return done.returncode, done.stderr


def program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o700)


def test_without_any_python_it_says_what_it_needs(bare: Path) -> None:
    code, said = setup(bare)
    assert (code, said.splitlines()) == (
        2,
        ["setup: expected Python 3.11 or newer on the PATH, found none; on Debian: apt-get install python3"],
    )


def test_an_older_python_is_passed_over(bare: Path) -> None:
    program(bare / "python3", "exit 1")
    code, said = setup(bare)
    assert code == 2
    assert "found none" in said


def test_an_older_python_that_was_asked_for_is_named(bare: Path) -> None:
    program(bare / "old", '[ "$1" = --version ] && echo Python 3.9.18; exit 1')
    code, said = setup(bare, python=str(bare / "old"))
    assert code == 2
    assert said == f"setup: expected Python 3.11 or newer in PYTHON, got {bare / 'old'}: Python 3.9.18\n"


def test_missing_packages_are_named_with_the_command_where_they_cannot_be_installed(bare: Path) -> None:
    code, said = setup(bare, "no-such-package", "nor-this", python=sys.executable)
    assert code == 2
    assert said.splitlines() == [
        "setup: missing system packages: no-such-package nor-this",
        "setup: install them with: sudo apt-get install --no-install-recommends no-such-package nor-this",
    ]


@pytest.mark.parametrize(
    ("package", "named"),
    [
        ("mosquitto", "mosquitto"),
        ("chromium-headless-shell", "chromium-headless-shell"),
        ("chromium-headless-shell", "chromium"),
        ("espeak-ng", "espeak-ng"),
    ],
)
def test_a_program_that_is_there_is_not_missing_however_it_was_installed(bare: Path, package: str, named: str) -> None:
    program(bare / named, "exit 0")
    _, said = setup(bare, package, "no-such-package", python=sys.executable)
    assert said.splitlines()[0] == "setup: missing system packages: no-such-package"
